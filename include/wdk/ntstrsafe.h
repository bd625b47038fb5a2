// Bounded string functions: what they write is always terminated, and text that was cut gives STATUS_BUFFER_OVERFLOW.
// Cb functions count bytes, Cch functions characters; both counts include the terminator. IRQL PASSIVE_LEVEL.
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

NTSYSAPI NTSTATUS NTAPI RtlStringCbPrintfA(_Out_writes_bytes_(cbDest) NTSTRSAFE_PSTR pszDest, _In_ SIZE_T cbDest,
                                           _In_ NTSTRSAFE_PCSTR pszFormat, ...) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlStringCbVPrintfA(_Out_writes_bytes_(cbDest) NTSTRSAFE_PSTR pszDest, _In_ SIZE_T cbDest,
                                            _In_ NTSTRSAFE_PCSTR pszFormat, _In_ va_list argList) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlStringCchPrintfA(_Out_writes_(cchDest) NTSTRSAFE_PSTR pszDest, _In_ SIZE_T cchDest,
                                            _In_ NTSTRSAFE_PCSTR pszFormat, ...) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlStringCchVPrintfA(_Out_writes_(cchDest) NTSTRSAFE_PSTR pszDest, _In_ SIZE_T cchDest,
                                             _In_ NTSTRSAFE_PCSTR pszFormat, _In_ va_list argList) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlStringCbCopyA(_Out_writes_bytes_(cbDest) NTSTRSAFE_PSTR pszDest, _In_ SIZE_T cbDest,
                                         _In_ NTSTRSAFE_PCSTR pszSrc) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlStringCchCopyA(_Out_writes_(cchDest) NTSTRSAFE_PSTR pszDest, _In_ SIZE_T cchDest,
                                          _In_ NTSTRSAFE_PCSTR pszSrc) SOFTNDK_NOEXCEPT;

EXTERN_C_END

#include "detail/old_sal.h"

#endif
