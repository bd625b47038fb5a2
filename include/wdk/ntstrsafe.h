// Bounded string functions: what they write is always terminated, and text that was cut gives STATUS_BUFFER_OVERFLOW.
// Cb functions count bytes, Cch functions characters; both counts include the terminator, those of the Length functions
// do not. In a wide format %s and %c are wide, %hs is narrow. Flags of the Ex functions mean nothing. IRQL
// PASSIVE_LEVEL.
#ifndef SOFTNDK_WDK_NTSTRSAFE_H
#define SOFTNDK_WDK_NTSTRSAFE_H

#include "ntdef.h"
#include "ntstatus.h"

#define NTSTRSAFE_MAX_CCH 2147483647
#define NTSTRSAFE_UNICODE_STRING_MAX_CCH (0xffff / sizeof(WCHAR))
typedef char* NTSTRSAFE_PSTR;
typedef const char* NTSTRSAFE_PCSTR;
typedef WCHAR* NTSTRSAFE_PWSTR;
typedef const WCHAR* NTSTRSAFE_PCWSTR;

EXTERN_C_START

NTSYSAPI NTSTATUS NTAPI RtlStringCbCopyA(_Out_writes_bytes_(cbDest) NTSTRSAFE_PSTR pszDest, _In_ SIZE_T cbDest,
                                         _In_ NTSTRSAFE_PCSTR pszSrc) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlStringCbCopyNA(_Out_writes_bytes_(cbDest) NTSTRSAFE_PSTR pszDest, _In_ SIZE_T cbDest,
                                          _In_ NTSTRSAFE_PCSTR pszSrc, _In_ SIZE_T cbToCopy) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlStringCbCatA(_Inout_updates_bytes_(cbDest) NTSTRSAFE_PSTR pszDest, _In_ SIZE_T cbDest,
                                        _In_ NTSTRSAFE_PCSTR pszSrc) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlStringCbCatNA(_Inout_updates_bytes_(cbDest) NTSTRSAFE_PSTR pszDest, _In_ SIZE_T cbDest,
                                         _In_ NTSTRSAFE_PCSTR pszSrc, _In_ SIZE_T cbToAppend) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlStringCbPrintfA(_Out_writes_bytes_(cbDest) NTSTRSAFE_PSTR pszDest, _In_ SIZE_T cbDest,
                                           _In_ NTSTRSAFE_PCSTR pszFormat, ...) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlStringCbVPrintfA(_Out_writes_bytes_(cbDest) NTSTRSAFE_PSTR pszDest, _In_ SIZE_T cbDest,
                                            _In_ NTSTRSAFE_PCSTR pszFormat, _In_ va_list argList) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlStringCbLengthA(_In_ NTSTRSAFE_PCSTR psz, _In_ SIZE_T cbMax,
                                           _Out_opt_ SIZE_T* pcLength) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlStringCbCopyW(_Out_writes_bytes_(cbDest) NTSTRSAFE_PWSTR pszDest, _In_ SIZE_T cbDest,
                                         _In_ NTSTRSAFE_PCWSTR pszSrc) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlStringCbCopyNW(_Out_writes_bytes_(cbDest) NTSTRSAFE_PWSTR pszDest, _In_ SIZE_T cbDest,
                                          _In_ NTSTRSAFE_PCWSTR pszSrc, _In_ SIZE_T cbToCopy) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlStringCbCatW(_Inout_updates_bytes_(cbDest) NTSTRSAFE_PWSTR pszDest, _In_ SIZE_T cbDest,
                                        _In_ NTSTRSAFE_PCWSTR pszSrc) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlStringCbCatNW(_Inout_updates_bytes_(cbDest) NTSTRSAFE_PWSTR pszDest, _In_ SIZE_T cbDest,
                                         _In_ NTSTRSAFE_PCWSTR pszSrc, _In_ SIZE_T cbToAppend) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlStringCbPrintfW(_Out_writes_bytes_(cbDest) NTSTRSAFE_PWSTR pszDest, _In_ SIZE_T cbDest,
                                           _In_ NTSTRSAFE_PCWSTR pszFormat, ...) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlStringCbVPrintfW(_Out_writes_bytes_(cbDest) NTSTRSAFE_PWSTR pszDest, _In_ SIZE_T cbDest,
                                            _In_ NTSTRSAFE_PCWSTR pszFormat, _In_ va_list argList) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlStringCbLengthW(_In_ NTSTRSAFE_PCWSTR psz, _In_ SIZE_T cbMax,
                                           _Out_opt_ SIZE_T* pcLength) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlStringCbPrintfExA(_Out_writes_bytes_(cbDest) NTSTRSAFE_PSTR pszDest, _In_ SIZE_T cbDest,
                                             _Outptr_opt_result_buffer_(*pcRemaining) NTSTRSAFE_PSTR* ppszDestEnd,
                                             _Out_opt_ SIZE_T* pcRemaining, _In_ ULONG dwFlags,
                                             _In_ NTSTRSAFE_PCSTR pszFormat, ...) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlStringCbCopyUnicodeString(_Out_writes_bytes_(cbDest) NTSTRSAFE_PWSTR pszDest,
                                                     _In_ SIZE_T cbDest,
                                                     _In_ PCUNICODE_STRING SourceString) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlStringCchCopyA(_Out_writes_(cchDest) NTSTRSAFE_PSTR pszDest, _In_ SIZE_T cchDest,
                                          _In_ NTSTRSAFE_PCSTR pszSrc) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlStringCchCopyNA(_Out_writes_(cchDest) NTSTRSAFE_PSTR pszDest, _In_ SIZE_T cchDest,
                                           _In_ NTSTRSAFE_PCSTR pszSrc, _In_ SIZE_T cchToCopy) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlStringCchCatA(_Inout_updates_(cchDest) NTSTRSAFE_PSTR pszDest, _In_ SIZE_T cchDest,
                                         _In_ NTSTRSAFE_PCSTR pszSrc) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlStringCchCatNA(_Inout_updates_(cchDest) NTSTRSAFE_PSTR pszDest, _In_ SIZE_T cchDest,
                                          _In_ NTSTRSAFE_PCSTR pszSrc, _In_ SIZE_T cchToAppend) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlStringCchPrintfA(_Out_writes_(cchDest) NTSTRSAFE_PSTR pszDest, _In_ SIZE_T cchDest,
                                            _In_ NTSTRSAFE_PCSTR pszFormat, ...) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlStringCchVPrintfA(_Out_writes_(cchDest) NTSTRSAFE_PSTR pszDest, _In_ SIZE_T cchDest,
                                             _In_ NTSTRSAFE_PCSTR pszFormat, _In_ va_list argList) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlStringCchLengthA(_In_ NTSTRSAFE_PCSTR psz, _In_ SIZE_T cchMax,
                                            _Out_opt_ SIZE_T* pcLength) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlStringCchCopyW(_Out_writes_(cchDest) NTSTRSAFE_PWSTR pszDest, _In_ SIZE_T cchDest,
                                          _In_ NTSTRSAFE_PCWSTR pszSrc) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlStringCchCopyNW(_Out_writes_(cchDest) NTSTRSAFE_PWSTR pszDest, _In_ SIZE_T cchDest,
                                           _In_ NTSTRSAFE_PCWSTR pszSrc, _In_ SIZE_T cchToCopy) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlStringCchCatW(_Inout_updates_(cchDest) NTSTRSAFE_PWSTR pszDest, _In_ SIZE_T cchDest,
                                         _In_ NTSTRSAFE_PCWSTR pszSrc) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlStringCchCatNW(_Inout_updates_(cchDest) NTSTRSAFE_PWSTR pszDest, _In_ SIZE_T cchDest,
                                          _In_ NTSTRSAFE_PCWSTR pszSrc, _In_ SIZE_T cchToAppend) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlStringCchPrintfW(_Out_writes_(cchDest) NTSTRSAFE_PWSTR pszDest, _In_ SIZE_T cchDest,
                                            _In_ NTSTRSAFE_PCWSTR pszFormat, ...) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlStringCchVPrintfW(_Out_writes_(cchDest) NTSTRSAFE_PWSTR pszDest, _In_ SIZE_T cchDest,
                                             _In_ NTSTRSAFE_PCWSTR pszFormat, _In_ va_list argList) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlStringCchLengthW(_In_ NTSTRSAFE_PCWSTR psz, _In_ SIZE_T cchMax,
                                            _Out_opt_ SIZE_T* pcLength) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlStringCchPrintfExA(_Out_writes_(cchDest) NTSTRSAFE_PSTR pszDest, _In_ SIZE_T cchDest,
                                              _Outptr_opt_result_buffer_(*pcRemaining) NTSTRSAFE_PSTR* ppszDestEnd,
                                              _Out_opt_ SIZE_T* pcRemaining, _In_ ULONG dwFlags,
                                              _In_ NTSTRSAFE_PCSTR pszFormat, ...) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlStringCchCopyUnicodeString(_Out_writes_(cchDest) NTSTRSAFE_PWSTR pszDest,
                                                      _In_ SIZE_T cchDest,
                                                      _In_ PCUNICODE_STRING SourceString) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlUnicodeStringInit(_Out_ PUNICODE_STRING DestinationString,
                                             _In_opt_ NTSTRSAFE_PCWSTR pszSrc) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlUnicodeStringPrintf(_Inout_ PUNICODE_STRING DestinationString,
                                               _In_ NTSTRSAFE_PCWSTR pszFormat, ...) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlUnicodeStringCopy(_Inout_ PUNICODE_STRING DestinationString,
                                             _In_ PCUNICODE_STRING SourceString) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlUnicodeStringCopyString(_Inout_ PUNICODE_STRING DestinationString,
                                                   _In_ NTSTRSAFE_PCWSTR pszSrc) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlUnicodeStringCat(_Inout_ PUNICODE_STRING DestinationString,
                                            _In_ PCUNICODE_STRING SourceString) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlUnicodeStringCatString(_Inout_ PUNICODE_STRING DestinationString,
                                                  _In_ NTSTRSAFE_PCWSTR pszSrc) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlUnicodeStringValidate(_In_ PCUNICODE_STRING SourceString) SOFTNDK_NOEXCEPT;

EXTERN_C_END

#include "detail/old_sal.h"

#endif
