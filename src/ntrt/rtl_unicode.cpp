// Counted strings and what is written as text: numbers, GUIDs, calendar time.
#include <algorithm>
#include <cstdio>
#include <cstring>

#include "ntrt/irql.h"
#include "ntrt/pool.h"
#include "ntrt/utf.h"
#include "wdk/ntddk.h"

namespace softndk::ntrt {
namespace {

constexpr ULONG kStringTag = 'grtS';  // "Strg" in leak lists
constexpr std::size_t kBytesMax = 0xFFFF;

/// A buffer of a counted string, the caller's or a fresh one. Room for a terminator is asked for with fresh ones.
template <class String, class Unit>
NTSTATUS make_room(String& to, std::size_t units, bool allocate, Unit*& buffer) {
  const std::size_t bytes = units * sizeof(Unit);
  if (bytes + sizeof(Unit) > kBytesMax) return STATUS_INVALID_PARAMETER_2;
  if (allocate) {
    buffer = static_cast<Unit*>(
        pool_allocate({.bytes = bytes + sizeof(Unit), .tag = kStringTag, .paged = true}, __builtin_return_address(0)));
    if (buffer == nullptr) return STATUS_NO_MEMORY;
    to.Buffer = buffer;
    to.MaximumLength = static_cast<USHORT>(bytes + sizeof(Unit));
  } else {
    if (to.MaximumLength < bytes) return STATUS_BUFFER_OVERFLOW;
    buffer = to.Buffer;
  }
  to.Length = static_cast<USHORT>(bytes);
  if (to.MaximumLength >= bytes + sizeof(Unit)) buffer[units] = 0;
  return STATUS_SUCCESS;
}

template <class String>
void free_string(String& string) {
  if (string.Buffer == nullptr) return;
  pool_free(string.Buffer, kStringTag, __builtin_return_address(0));
  string = String{};
}

NTSTATUS append(UNICODE_STRING& to, Text16 text) {
  const std::size_t bytes = text.size() * sizeof(WCHAR);
  if (to.Length + bytes > to.MaximumLength) return STATUS_BUFFER_TOO_SMALL;
  std::memmove(to.Buffer + to.Length / sizeof(WCHAR), text.data(), bytes);
  to.Length = static_cast<USHORT>(to.Length + bytes);
  if (to.Length + sizeof(WCHAR) <= to.MaximumLength) to.Buffer[to.Length / sizeof(WCHAR)] = 0;
  return STATUS_SUCCESS;
}

std::size_t length_of(const WCHAR* text) {
  std::size_t length = 0;
  while (text != nullptr && text[length] != 0)
    ++length;
  return length;
}

int digit_of(WCHAR unit) {
  if (unit >= u'0' && unit <= u'9') return unit - u'0';
  if (unit >= u'a' && unit <= u'z') return unit - u'a' + 10;
  if (unit >= u'A' && unit <= u'Z') return unit - u'A' + 10;
  return 99;
}

NTSTATUS number_to_string(ULONGLONG value, ULONG base, UNICODE_STRING& to) {
  if (base == 0) base = 10;
  if (base != 2 && base != 8 && base != 10 && base != 16) return STATUS_INVALID_PARAMETER;
  WCHAR digits[64];
  std::size_t first = std::size(digits);
  do {
    digits[--first] = static_cast<WCHAR>(u"0123456789ABCDEF"[value % base]);
    value /= base;
  } while (value != 0);
  WCHAR* buffer = nullptr;
  const std::size_t count = std::size(digits) - first;
  const NTSTATUS status = make_room(to, count, false, buffer);
  if (NT_SUCCESS(status)) std::copy_n(digits + first, count, buffer);
  return status;
}

// Days since 1601-01-01, a Monday, and back; the Gregorian calendar repeats every 400 years.
constexpr LONGLONG kDay100ns = 864'000'000'000;
constexpr LONGLONG kDaysIn400 = 146'097, kDaysIn100 = 36'524, kDaysIn4 = 1461;

bool is_leap(LONGLONG year) {
  return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}
int days_in_month(LONGLONG year, int month) {
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return kDays[month - 1] + (month == 2 && is_leap(year) ? 1 : 0);
}

}  // namespace
}  // namespace softndk::ntrt

using namespace softndk::ntrt;

extern "C" {

void RtlInitString(PSTRING to, PCSZ from) noexcept {
  const std::size_t length = from == nullptr ? 0 : std::min<std::size_t>(std::strlen(from), kBytesMax - 1);
  *to = {static_cast<USHORT>(length), static_cast<USHORT>(from == nullptr ? 0 : length + 1), const_cast<PCHAR>(from)};
}

void RtlInitAnsiString(PANSI_STRING to, PCSZ from) noexcept {
  RtlInitString(to, from);
}

LONG RtlCompareUnicodeString(PCUNICODE_STRING a, PCUNICODE_STRING b, BOOLEAN ignore_case) noexcept {
  return compare_text(text_of(*a), text_of(*b), ignore_case != FALSE);
}

BOOLEAN RtlEqualUnicodeString(PCUNICODE_STRING a, PCUNICODE_STRING b, BOOLEAN ignore_case) noexcept {
  return RtlCompareUnicodeString(a, b, ignore_case) == 0;
}

void RtlCopyUnicodeString(PUNICODE_STRING to, PCUNICODE_STRING from) noexcept {
  to->Length = 0;
  if (from == nullptr) return;
  append(*to, text_of(*from).substr(0, to->MaximumLength / sizeof(WCHAR)));
}

NTSTATUS RtlAppendUnicodeToString(PUNICODE_STRING to, PCWSTR from) noexcept {
  return append(*to, {from, length_of(from)});
}

NTSTATUS RtlAppendUnicodeStringToString(PUNICODE_STRING to, PCUNICODE_STRING from) noexcept {
  return append(*to, text_of(*from));
}

NTSTATUS RtlUnicodeStringToAnsiString(PANSI_STRING to, PCUNICODE_STRING from, BOOLEAN allocate) noexcept {
  check_irql(EntryPoint::RtlStringPrintf);
  const Text16 text = text_of(*from);
  char bytes[4];
  std::size_t length = 0;
  for (const WCHAR *at = text.data(), *end = at + text.size(); at != end;)
    length += put_utf8(take_utf16(at, end), bytes);
  char* buffer = nullptr;
  if (const NTSTATUS status = make_room(*to, length, allocate != FALSE, buffer); !NT_SUCCESS(status)) return status;
  for (const WCHAR *at = text.data(), *end = at + text.size(); at != end;) {
    const unsigned count = put_utf8(take_utf16(at, end), bytes);
    buffer = std::copy_n(bytes, count, buffer);
  }
  return STATUS_SUCCESS;
}

NTSTATUS RtlAnsiStringToUnicodeString(PUNICODE_STRING to, PCANSI_STRING from, BOOLEAN allocate) noexcept {
  check_irql(EntryPoint::RtlStringPrintf);
  const char* const end = from->Buffer + from->Length;
  WCHAR units[2];
  std::size_t length = 0;
  for (const char* at = from->Buffer; at != end;)
    length += put_utf16(take_utf8(at, end), units);
  WCHAR* buffer = nullptr;
  if (const NTSTATUS status = make_room(*to, length, allocate != FALSE, buffer); !NT_SUCCESS(status)) return status;
  for (const char* at = from->Buffer; at != end;) {
    const unsigned count = put_utf16(take_utf8(at, end), units);
    buffer = std::copy_n(units, count, buffer);
  }
  return STATUS_SUCCESS;
}

NTSTATUS RtlUpcaseUnicodeString(PUNICODE_STRING to, PCUNICODE_STRING from, BOOLEAN allocate) noexcept {
  check_irql(EntryPoint::RtlStringPrintf);
  const Text16 text = text_of(*from);
  WCHAR* buffer = nullptr;
  if (const NTSTATUS status = make_room(*to, text.size(), allocate != FALSE, buffer); !NT_SUCCESS(status))
    return status;
  std::transform(text.begin(), text.end(), buffer, upcase);
  return STATUS_SUCCESS;
}

void RtlFreeUnicodeString(PUNICODE_STRING string) noexcept {
  free_string(*string);
}

void RtlFreeAnsiString(PANSI_STRING string) noexcept {
  free_string(*string);
}

WCHAR RtlUpcaseUnicodeChar(WCHAR unit) noexcept {
  return upcase(unit);
}

NTSTATUS RtlIntegerToUnicodeString(ULONG value, ULONG base, PUNICODE_STRING to) noexcept {
  return number_to_string(value, base, *to);
}

NTSTATUS RtlInt64ToUnicodeString(ULONGLONG value, ULONG base, PUNICODE_STRING to) noexcept {
  return number_to_string(value, base, *to);
}

NTSTATUS RtlUnicodeStringToInteger(PCUNICODE_STRING string, ULONG base, PULONG value) noexcept {
  Text16 text = text_of(*string);
  while (!text.empty() && text.front() <= u' ')
    text.remove_prefix(1);
  const bool negative = text.starts_with(u'-');
  if (negative || text.starts_with(u'+')) text.remove_prefix(1);
  if (base == 0) {
    base = 10;
    const Text16 prefix = text.substr(0, 2);
    if (same_name(prefix, u"0x")) base = 16;
    if (same_name(prefix, u"0o")) base = 8;
    if (same_name(prefix, u"0b")) base = 2;
    if (base != 10) text.remove_prefix(2);
  } else if (base != 2 && base != 8 && base != 10 && base != 16) {
    return STATUS_INVALID_PARAMETER;
  }
  ULONG number = 0;
  for (const WCHAR unit : text) {
    if (static_cast<ULONG>(digit_of(unit)) >= base) break;
    number = number * base + static_cast<ULONG>(digit_of(unit));
  }
  *value = negative ? 0 - number : number;
  return STATUS_SUCCESS;
}

NTSTATUS RtlStringFromGUID(REFGUID guid, PUNICODE_STRING to) noexcept {
  check_irql(EntryPoint::RtlStringPrintf);
  char text[40];
  const int length = std::snprintf(text, sizeof text, "{%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x}", guid.Data1,
                                   guid.Data2, guid.Data3, guid.Data4[0], guid.Data4[1], guid.Data4[2], guid.Data4[3],
                                   guid.Data4[4], guid.Data4[5], guid.Data4[6], guid.Data4[7]);
  WCHAR* buffer = nullptr;
  const NTSTATUS status = make_room(*to, static_cast<std::size_t>(length), true, buffer);
  if (NT_SUCCESS(status)) std::copy_n(text, length, buffer);
  return status;
}

NTSTATUS RtlGUIDFromString(PCUNICODE_STRING string, GUID* to) noexcept {
  constexpr Text16 kForm = u"{xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx}";
  const Text16 text = text_of(*string);
  if (text.size() != kForm.size()) return STATUS_INVALID_PARAMETER;
  UCHAR octets[16] = {};
  std::size_t digits = 0;
  for (std::size_t i = 0; i < kForm.size(); ++i) {
    const int digit = digit_of(text[i]);
    if (kForm[i] == u'x' ? digit > 15 : text[i] != kForm[i]) return STATUS_INVALID_PARAMETER;
    if (kForm[i] != u'x') continue;
    octets[digits / 2] = static_cast<UCHAR>(octets[digits / 2] << 4 | digit);
    ++digits;
  }
  to->Data1 = static_cast<ULONG>(octets[0]) << 24 | octets[1] << 16 | octets[2] << 8 | octets[3];
  to->Data2 = static_cast<USHORT>(octets[4] << 8 | octets[5]);
  to->Data3 = static_cast<USHORT>(octets[6] << 8 | octets[7]);
  std::copy_n(octets + 8, 8, to->Data4);
  return STATUS_SUCCESS;
}

void RtlTimeToTimeFields(PLARGE_INTEGER time, PTIME_FIELDS to) noexcept {
  LONGLONG days = time->QuadPart / kDay100ns;
  const LONGLONG ms = time->QuadPart % kDay100ns / 10'000;
  to->Weekday = static_cast<CSHORT>((days + 1) % 7);  // 1601 began on a Monday
  LONGLONG year = 1601 + 400 * (days / kDaysIn400);
  days %= kDaysIn400;
  const LONGLONG centuries = std::min<LONGLONG>(days / kDaysIn100, 3);
  days -= centuries * kDaysIn100;
  const LONGLONG fours = days / kDaysIn4;
  days -= fours * kDaysIn4;
  const LONGLONG ones = std::min<LONGLONG>(days / 365, 3);
  days -= ones * 365;
  year += centuries * 100 + fours * 4 + ones;
  int month = 1;
  for (; days >= days_in_month(year, month); ++month)
    days -= days_in_month(year, month);
  to->Year = static_cast<CSHORT>(year);
  to->Month = static_cast<CSHORT>(month);
  to->Day = static_cast<CSHORT>(days + 1);
  to->Hour = static_cast<CSHORT>(ms / 3'600'000);
  to->Minute = static_cast<CSHORT>(ms / 60'000 % 60);
  to->Second = static_cast<CSHORT>(ms / 1000 % 60);
  to->Milliseconds = static_cast<CSHORT>(ms % 1000);
}

BOOLEAN RtlTimeFieldsToTime(PTIME_FIELDS fields, PLARGE_INTEGER to) noexcept {
  const bool valid = fields->Year >= 1601 && fields->Month >= 1 && fields->Month <= 12 && fields->Day >= 1 &&
                     fields->Day <= days_in_month(fields->Year, fields->Month) && fields->Hour >= 0 &&
                     fields->Hour < 24 && fields->Minute >= 0 && fields->Minute < 60 && fields->Second >= 0 &&
                     fields->Second < 60 && fields->Milliseconds >= 0 && fields->Milliseconds < 1000;
  if (!valid) return FALSE;
  const LONGLONG years = fields->Year - 1601;
  LONGLONG days = years * 365 + years / 4 - years / 100 + years / 400 + fields->Day - 1;
  for (int month = 1; month < fields->Month; ++month)
    days += days_in_month(fields->Year, month);
  const LONGLONG ms = ((fields->Hour * 60ll + fields->Minute) * 60 + fields->Second) * 1000 + fields->Milliseconds;
  to->QuadPart = days * kDay100ns + ms * 10'000;
  return TRUE;
}

void ExSystemTimeToLocalTime(PLARGE_INTEGER from, PLARGE_INTEGER to) noexcept {
  *to = *from;
}

ULONG RtlRandomEx(PULONG seed) noexcept {
  constexpr ULONGLONG kRange = 0x7FFFFFFF;  // the minimal standard generator of Park and Miller
  const ULONGLONG start = *seed % kRange == 0 ? 1 : *seed % kRange;
  *seed = static_cast<ULONG>(start * 48271 % kRange);
  return *seed - 1;
}

NTSTATUS RtlGetVersion(PRTL_OSVERSIONINFOW to) noexcept {
  to->dwMajorVersion = 10;
  to->dwMinorVersion = 0;
  to->dwBuildNumber = 20348;
  to->dwPlatformId = 2;
  to->szCSDVersion[0] = 0;
  return STATUS_SUCCESS;
}

}  // extern "C"
