// ntstrsafe.h: bounded string functions over both widths. What they write is always terminated.
#include <algorithm>
#include <cstdarg>
#include <cstring>
#include <type_traits>

#include "base/alloc.h"
#include "ntrt/irql.h"
#include "ntrt/rtl_print.h"
#include "ntrt/utf.h"
#include "wdk/ntddk.h"
#include "wdk/ntstrsafe.h"

namespace softndk::ntrt {
namespace {

constexpr std::size_t kUnitsMax = NTSTRSAFE_MAX_CCH;

bool is_room(std::size_t room) {
  return room != 0 && room <= kUnitsMax;
}

/// Where the terminator is, or `room` if there is none before.
template <class Unit>
std::size_t bounded_length(const Unit* text, std::size_t room) {
  std::size_t length = 0;
  while (length < room && text[length] != 0)
    ++length;
  return length;
}

template <class Unit>
NTSTATUS copy(Unit* to, std::size_t room, const Unit* from, std::size_t units) {
  if (!is_room(room)) return STATUS_INVALID_PARAMETER;
  const std::size_t length = bounded_length(from, std::min(units, room));
  const std::size_t kept = std::min(length, room - 1);
  std::copy_n(from, kept, to);
  to[kept] = 0;
  return kept == length ? STATUS_SUCCESS : STATUS_BUFFER_OVERFLOW;
}

template <class Unit>
NTSTATUS concatenate(Unit* to, std::size_t room, const Unit* from, std::size_t units) {
  if (!is_room(room)) return STATUS_INVALID_PARAMETER;
  const std::size_t length = bounded_length(to, room);
  return length == room ? STATUS_INVALID_PARAMETER : copy(to + length, room - length, from, units);
}

template <class Unit>
NTSTATUS measure(const Unit* text, std::size_t room, std::size_t unit_bytes, SIZE_T* to) {
  const std::size_t length = text == nullptr || !is_room(room) ? room : bounded_length(text, room);
  const bool found = text != nullptr && is_room(room) && length < room;
  if (to != nullptr) *to = found ? length * unit_bytes : 0;
  return found ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
}

NTSTATUS print(char* to, std::size_t room, const char* format, std::va_list arguments, std::size_t* length = nullptr) {
  if (!is_room(room)) return STATUS_INVALID_PARAMETER;
  const std::size_t wanted = nt_format(to, room, format, arguments);
  if (length != nullptr) *length = std::min(wanted, room - 1);
  return wanted < room ? STATUS_SUCCESS : STATUS_BUFFER_OVERFLOW;
}

/// Printed in UTF-8 first: three octets hold what one unit can say.
NTSTATUS print(WCHAR* to, std::size_t room, const WCHAR* format, std::va_list arguments,
               std::size_t* length = nullptr) {
  if (!is_room(room)) return STATUS_INVALID_PARAMETER;
  const std::size_t format_units = bounded_length(format, kUnitsMax);
  const std::size_t format_bytes = format_units * 3 + 1, text_bytes = room * 3 + 1;
  auto* narrow = static_cast<char*>(try_allocate(format_bytes + text_bytes));
  to[0] = 0;
  if (narrow == nullptr) return STATUS_NO_MEMORY;
  char* end = narrow;
  for (const WCHAR *at = format, *stop = format + format_units; at != stop;) {
    char bytes[4];
    const unsigned count = put_utf8(take_utf16(at, stop), bytes);
    end = std::copy_n(bytes, count, end);
  }
  *end = '\0';
  char* text = narrow + format_bytes;
  const std::size_t printed =
      std::min(nt_format(text, text_bytes, narrow, arguments, FormatKind::wide), text_bytes - 1);
  std::size_t units = 0;
  bool cut = false;
  for (const char *at = text, *stop = text + printed; at != stop;) {
    WCHAR pair[2];
    const unsigned count = put_utf16(take_utf8(at, stop), pair);
    cut = units + count >= room;
    if (cut) break;
    std::copy_n(pair, count, to + units);
    units += count;
  }
  to[units] = 0;
  if (length != nullptr) *length = units;
  deallocate(narrow);
  return cut ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;
}

template <class Unit>
NTSTATUS print_ex(Unit* to, std::size_t room, Unit** end, SIZE_T* remaining, std::size_t unit_bytes, const Unit* format,
                  std::va_list arguments) {
  std::size_t length = 0;
  const NTSTATUS status = print(to, room, format, arguments, &length);
  if (status == STATUS_INVALID_PARAMETER) return status;
  if (end != nullptr) *end = to + length;
  if (remaining != nullptr) *remaining = (room - length) * unit_bytes;
  return status;
}

NTSTATUS copy_counted(WCHAR* to, std::size_t room, const UNICODE_STRING& from) {
  if (!is_room(room)) return STATUS_INVALID_PARAMETER;
  const std::size_t length = from.Length / sizeof(WCHAR), kept = std::min(length, room - 1);
  std::copy_n(from.Buffer, kept, to);
  to[kept] = 0;
  return kept == length ? STATUS_SUCCESS : STATUS_BUFFER_OVERFLOW;
}

bool is_valid(const UNICODE_STRING* string) {
  return string == nullptr ||
         (string->Length % 2 == 0 && string->MaximumLength % 2 == 0 && string->Length <= string->MaximumLength &&
          (string->Buffer != nullptr || string->MaximumLength == 0));
}

/// Appends after `at` units what fits; a counted string needs no terminator.
NTSTATUS put_counted(UNICODE_STRING& to, std::size_t at, Text16 text) {
  if (!is_valid(&to)) return STATUS_INVALID_PARAMETER;
  const std::size_t room = to.MaximumLength / sizeof(WCHAR) - at, kept = std::min(text.size(), room);
  std::copy_n(text.data(), kept, to.Buffer + at);
  to.Length = static_cast<USHORT>((at + kept) * sizeof(WCHAR));
  return kept == text.size() ? STATUS_SUCCESS : STATUS_BUFFER_OVERFLOW;
}

Text16 text_until_zero(const WCHAR* text) {
  return text == nullptr ? Text16() : Text16(text, bounded_length(text, kUnitsMax));
}

}  // namespace
}  // namespace softndk::ntrt

using namespace softndk::ntrt;

extern "C" {

// One of each width and each way of counting; all the same otherwise.
#define SOFTNDK_STRSAFE(Counting, Letter, Unit, unit_bytes)                                                     \
  NTSTATUS RtlString##Counting##Copy##Letter(Unit* to, SIZE_T room, const Unit* from) noexcept {                \
    return copy(to, room / (unit_bytes), from, kUnitsMax);                                                      \
  }                                                                                                             \
  NTSTATUS RtlString##Counting##CopyN##Letter(Unit* to, SIZE_T room, const Unit* from, SIZE_T count) noexcept { \
    return copy(to, room / (unit_bytes), from, count / (unit_bytes));                                           \
  }                                                                                                             \
  NTSTATUS RtlString##Counting##Cat##Letter(Unit* to, SIZE_T room, const Unit* from) noexcept {                 \
    return concatenate(to, room / (unit_bytes), from, kUnitsMax);                                               \
  }                                                                                                             \
  NTSTATUS RtlString##Counting##CatN##Letter(Unit* to, SIZE_T room, const Unit* from, SIZE_T count) noexcept {  \
    return concatenate(to, room / (unit_bytes), from, count / (unit_bytes));                                    \
  }                                                                                                             \
  NTSTATUS RtlString##Counting##Length##Letter(const Unit* text, SIZE_T room, SIZE_T* to) noexcept {            \
    return measure(text, room / (unit_bytes), unit_bytes, to);                                                  \
  }                                                                                                             \
  NTSTATUS RtlString##Counting##VPrintf##Letter(Unit* to, SIZE_T room, const Unit* format,                      \
                                                va_list arguments) noexcept {                                   \
    check_irql(EntryPoint::RtlStringPrintf);                                                                    \
    return print(to, room / (unit_bytes), format, arguments);                                                   \
  }                                                                                                             \
  NTSTATUS RtlString##Counting##Printf##Letter(Unit* to, SIZE_T room, const Unit* format, ...) noexcept {       \
    va_list arguments;                                                                                          \
    check_irql(EntryPoint::RtlStringPrintf);                                                                    \
    va_start(arguments, format);                                                                                \
    const NTSTATUS status = print(to, room / (unit_bytes), format, arguments);                                  \
    va_end(arguments);                                                                                          \
    return status;                                                                                              \
  }

SOFTNDK_STRSAFE(Cb, A, char, 1)
SOFTNDK_STRSAFE(Cch, A, char, 1)
SOFTNDK_STRSAFE(Cb, W, WCHAR, sizeof(WCHAR))
SOFTNDK_STRSAFE(Cch, W, WCHAR, 1)

#define SOFTNDK_STRSAFE_EX(Counting)                                                                   \
  NTSTATUS RtlString##Counting##PrintfExA(char* to, SIZE_T room, char** end, SIZE_T* remaining, ULONG, \
                                          const char* format, ...) noexcept {                          \
    va_list arguments;                                                                                 \
    check_irql(EntryPoint::RtlStringPrintf);                                                           \
    va_start(arguments, format);                                                                       \
    const NTSTATUS status = print_ex(to, room, end, remaining, 1, format, arguments);                  \
    va_end(arguments);                                                                                 \
    return status;                                                                                     \
  }

SOFTNDK_STRSAFE_EX(Cb)
SOFTNDK_STRSAFE_EX(Cch)

NTSTATUS RtlStringCbCopyUnicodeString(WCHAR* to, SIZE_T room, PCUNICODE_STRING from) noexcept {
  return copy_counted(to, room / sizeof(WCHAR), *from);
}

NTSTATUS RtlStringCchCopyUnicodeString(WCHAR* to, SIZE_T room, PCUNICODE_STRING from) noexcept {
  return copy_counted(to, room, *from);
}

NTSTATUS RtlUnicodeStringInit(PUNICODE_STRING to, const WCHAR* from) noexcept {
  const Text16 text = text_until_zero(from);
  if (text.size() > NTSTRSAFE_UNICODE_STRING_MAX_CCH - 1) return STATUS_INVALID_PARAMETER;
  const auto bytes = static_cast<USHORT>(text.size() * sizeof(WCHAR));
  *to = {bytes, static_cast<USHORT>(from == nullptr ? 0 : bytes + sizeof(WCHAR)), const_cast<WCHAR*>(from)};
  return STATUS_SUCCESS;
}

NTSTATUS RtlUnicodeStringPrintf(PUNICODE_STRING to, const WCHAR* format, ...) noexcept {
  if (!is_valid(to)) return STATUS_INVALID_PARAMETER;
  const std::size_t room = to->MaximumLength / sizeof(WCHAR) + 1;  // and a terminator, which is not kept
  auto* text = static_cast<WCHAR*>(softndk::try_allocate(room * sizeof(WCHAR)));
  if (text == nullptr) return STATUS_NO_MEMORY;
  std::size_t length = 0;
  va_list arguments;
  va_start(arguments, format);
  const NTSTATUS status = print(text, room, format, arguments, &length);
  va_end(arguments);
  if (status != STATUS_INVALID_PARAMETER) put_counted(*to, 0, {text, length});
  softndk::deallocate(text);
  return status;
}

NTSTATUS RtlUnicodeStringCopy(PUNICODE_STRING to, PCUNICODE_STRING from) noexcept {
  return is_valid(from) ? put_counted(*to, 0, text_of(*from)) : STATUS_INVALID_PARAMETER;
}

NTSTATUS RtlUnicodeStringCopyString(PUNICODE_STRING to, const WCHAR* from) noexcept {
  return put_counted(*to, 0, text_until_zero(from));
}

NTSTATUS RtlUnicodeStringCat(PUNICODE_STRING to, PCUNICODE_STRING from) noexcept {
  return is_valid(from) ? put_counted(*to, to->Length / sizeof(WCHAR), text_of(*from)) : STATUS_INVALID_PARAMETER;
}

NTSTATUS RtlUnicodeStringCatString(PUNICODE_STRING to, const WCHAR* from) noexcept {
  return put_counted(*to, to->Length / sizeof(WCHAR), text_until_zero(from));
}

NTSTATUS RtlUnicodeStringValidate(PCUNICODE_STRING string) noexcept {
  return is_valid(string) ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
}

}  // extern "C"
