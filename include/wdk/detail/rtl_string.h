// Runtime library: counted strings, GUIDs as text, calendar time. Code page and OEM strings are UTF-8.
#ifndef SOFTNDK_WDK_DETAIL_RTL_STRING_H
#define SOFTNDK_WDK_DETAIL_RTL_STRING_H

#include "rtl.h"

typedef struct _TIME_FIELDS {
  CSHORT Year;   // from 1601
  CSHORT Month;  // from 1
  CSHORT Day;    // from 1
  CSHORT Hour;
  CSHORT Minute;
  CSHORT Second;
  CSHORT Milliseconds;
  CSHORT Weekday;  // Sunday is 0
} TIME_FIELDS, *PTIME_FIELDS;

typedef struct _OSVERSIONINFOW {
  ULONG dwOSVersionInfoSize;
  ULONG dwMajorVersion;
  ULONG dwMinorVersion;
  ULONG dwBuildNumber;
  ULONG dwPlatformId;
  WCHAR szCSDVersion[128];
} OSVERSIONINFOW, *POSVERSIONINFOW, RTL_OSVERSIONINFOW, *PRTL_OSVERSIONINFOW;

EXTERN_C_START

NTSYSAPI VOID NTAPI RtlInitString(_Out_ PSTRING DestinationString, _In_opt_ PCSZ SourceString) SOFTNDK_NOEXCEPT;
NTSYSAPI VOID NTAPI RtlInitAnsiString(_Out_ PANSI_STRING DestinationString,
                                      _In_opt_ PCSZ SourceString) SOFTNDK_NOEXCEPT;
NTSYSAPI LONG NTAPI RtlCompareUnicodeString(_In_ PCUNICODE_STRING String1, _In_ PCUNICODE_STRING String2,
                                            _In_ BOOLEAN CaseInSensitive) SOFTNDK_NOEXCEPT;
NTSYSAPI BOOLEAN NTAPI RtlEqualUnicodeString(_In_ PCUNICODE_STRING String1, _In_ PCUNICODE_STRING String2,
                                             _In_ BOOLEAN CaseInSensitive) SOFTNDK_NOEXCEPT;
/// As much as fits.
NTSYSAPI VOID NTAPI RtlCopyUnicodeString(_Inout_ PUNICODE_STRING DestinationString,
                                         _In_opt_ PCUNICODE_STRING SourceString) SOFTNDK_NOEXCEPT;
/// STATUS_BUFFER_TOO_SMALL with nothing changed.
NTSYSAPI NTSTATUS NTAPI RtlAppendUnicodeToString(_Inout_ PUNICODE_STRING Destination,
                                                 _In_opt_ PCWSTR Source) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlAppendUnicodeStringToString(_Inout_ PUNICODE_STRING Destination,
                                                       _In_ PCUNICODE_STRING Source) SOFTNDK_NOEXCEPT;
/// With AllocateDestinationString the buffer is the runtime's: RtlFreeAnsiString, RtlFreeUnicodeString.
NTSYSAPI NTSTATUS NTAPI RtlUnicodeStringToAnsiString(_Inout_ PANSI_STRING DestinationString,
                                                     _In_ PCUNICODE_STRING SourceString,
                                                     _In_ BOOLEAN AllocateDestinationString) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlAnsiStringToUnicodeString(_Inout_ PUNICODE_STRING DestinationString,
                                                     _In_ PCANSI_STRING SourceString,
                                                     _In_ BOOLEAN AllocateDestinationString) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlUpcaseUnicodeString(_Inout_ PUNICODE_STRING DestinationString,
                                               _In_ PCUNICODE_STRING SourceString,
                                               _In_ BOOLEAN AllocateDestinationString) SOFTNDK_NOEXCEPT;
NTSYSAPI VOID NTAPI RtlFreeUnicodeString(_Inout_ PUNICODE_STRING UnicodeString) SOFTNDK_NOEXCEPT;
NTSYSAPI VOID NTAPI RtlFreeAnsiString(_Inout_ PANSI_STRING AnsiString) SOFTNDK_NOEXCEPT;
NTSYSAPI WCHAR NTAPI RtlUpcaseUnicodeChar(_In_ WCHAR SourceCharacter) SOFTNDK_NOEXCEPT;
/// Base 2, 8, 10 or 16; 0 is 10. STATUS_BUFFER_OVERFLOW when it does not fit.
NTSYSAPI NTSTATUS NTAPI RtlIntegerToUnicodeString(_In_ ULONG Value, _In_opt_ ULONG Base,
                                                  _Inout_ PUNICODE_STRING String) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlInt64ToUnicodeString(_In_ ULONGLONG Value, _In_opt_ ULONG Base,
                                                _Inout_ PUNICODE_STRING String) SOFTNDK_NOEXCEPT;
/// Base 0 takes 0x, 0o and 0b for what they say. Stops at the first character that is no digit.
NTSYSAPI NTSTATUS NTAPI RtlUnicodeStringToInteger(_In_ PCUNICODE_STRING String, _In_opt_ ULONG Base,
                                                  _Out_ PULONG Value) SOFTNDK_NOEXCEPT;
/// "{xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx}"; the buffer is the runtime's.
NTSYSAPI NTSTATUS NTAPI RtlStringFromGUID(_In_ REFGUID Guid, _Out_ PUNICODE_STRING GuidString) SOFTNDK_NOEXCEPT;
NTSYSAPI NTSTATUS NTAPI RtlGUIDFromString(_In_ PCUNICODE_STRING GuidString, _Out_ GUID* Guid) SOFTNDK_NOEXCEPT;

/// Time: 100 ns since 1601.
NTSYSAPI VOID NTAPI RtlTimeToTimeFields(_In_ PLARGE_INTEGER Time, _Out_ PTIME_FIELDS TimeFields) SOFTNDK_NOEXCEPT;
NTSYSAPI BOOLEAN NTAPI RtlTimeFieldsToTime(_In_ PTIME_FIELDS TimeFields, _Out_ PLARGE_INTEGER Time) SOFTNDK_NOEXCEPT;
/// The same: local time is UTC here.
NTKERNELAPI VOID NTAPI ExSystemTimeToLocalTime(_In_ PLARGE_INTEGER SystemTime,
                                               _Out_ PLARGE_INTEGER LocalTime) SOFTNDK_NOEXCEPT;
/// 0 to MAXLONG - 1, and the seed moves on.
NTSYSAPI ULONG NTAPI RtlRandomEx(_Inout_ PULONG Seed) SOFTNDK_NOEXCEPT;
/// 10.0, build 20348.
NTSYSAPI NTSTATUS NTAPI RtlGetVersion(_Inout_ PRTL_OSVERSIONINFOW VersionInformation) SOFTNDK_NOEXCEPT;

EXTERN_C_END

#endif
