// Strings and memory: RtlCompareMemory, RtlInitUnicodeString, the bounded string functions.
#include <algorithm>
#include <cstring>

#include "ntrt/irql.h"
#include "ntrt/rtl_print.h"
#include "wdk/ntddk.h"
#include "wdk/ntstrsafe.h"

namespace softndk::ntrt {
namespace {

NTSTATUS print_bounded(char* to, std::size_t room, const char* format, std::va_list arguments) {
  if (room == 0 || room > NTSTRSAFE_MAX_CCH) return STATUS_INVALID_PARAMETER;
  return nt_format(to, room, format, arguments) < room ? STATUS_SUCCESS : STATUS_BUFFER_OVERFLOW;
}

NTSTATUS copy_bounded(char* to, std::size_t room, const char* from) {
  if (room == 0 || room > NTSTRSAFE_MAX_CCH) return STATUS_INVALID_PARAMETER;
  const std::size_t length = strnlen(from, room);
  const std::size_t kept = std::min(length, room - 1);
  std::memcpy(to, from, kept);
  to[kept] = '\0';
  return length < room ? STATUS_SUCCESS : STATUS_BUFFER_OVERFLOW;
}

}  // namespace
}  // namespace softndk::ntrt

using namespace softndk::ntrt;

extern "C" {

SIZE_T RtlCompareMemory(const VOID* a, const VOID* b, SIZE_T length) noexcept {
  const auto* left = static_cast<const unsigned char*>(a);
  const auto* right = static_cast<const unsigned char*>(b);
  return static_cast<SIZE_T>(std::mismatch(left, left + length, right).first - left);
}

VOID RtlInitUnicodeString(PUNICODE_STRING to, PCWSTR from) noexcept {
  *to = UNICODE_STRING{};
  if (from == nullptr) return;
  constexpr std::size_t kUnitsMax = 0xFFFE / sizeof(WCHAR) - 1;  // both lengths are 16-bit counts of bytes
  std::size_t units = 0;
  while (units < kUnitsMax && from[units] != 0)
    ++units;
  to->Length = static_cast<USHORT>(units * sizeof(WCHAR));
  to->MaximumLength = static_cast<USHORT>(to->Length + sizeof(WCHAR));
  to->Buffer = const_cast<PWCH>(from);
}

NTSTATUS RtlStringCbPrintfA(NTSTRSAFE_PSTR to, SIZE_T room, NTSTRSAFE_PCSTR format, ...) noexcept {
  check_irql(EntryPoint::RtlStringPrintf);
  va_list arguments;
  va_start(arguments, format);
  const NTSTATUS status = print_bounded(to, room, format, arguments);
  va_end(arguments);
  return status;
}

NTSTATUS RtlStringCbVPrintfA(NTSTRSAFE_PSTR to, SIZE_T room, NTSTRSAFE_PCSTR format, va_list arguments) noexcept {
  check_irql(EntryPoint::RtlStringPrintf);
  return print_bounded(to, room, format, arguments);
}

NTSTATUS RtlStringCchPrintfA(NTSTRSAFE_PSTR to, SIZE_T room, NTSTRSAFE_PCSTR format, ...) noexcept {
  check_irql(EntryPoint::RtlStringPrintf);
  va_list arguments;
  va_start(arguments, format);
  const NTSTATUS status = print_bounded(to, room, format, arguments);
  va_end(arguments);
  return status;
}

NTSTATUS RtlStringCchVPrintfA(NTSTRSAFE_PSTR to, SIZE_T room, NTSTRSAFE_PCSTR format, va_list arguments) noexcept {
  check_irql(EntryPoint::RtlStringPrintf);
  return print_bounded(to, room, format, arguments);
}

// Plain copies are legal at any IRQL on Windows as well: no check.
NTSTATUS RtlStringCbCopyA(NTSTRSAFE_PSTR to, SIZE_T room, NTSTRSAFE_PCSTR from) noexcept {
  return copy_bounded(to, room, from);
}
NTSTATUS RtlStringCchCopyA(NTSTRSAFE_PSTR to, SIZE_T room, NTSTRSAFE_PCSTR from) noexcept {
  return copy_bounded(to, room, from);
}

}  // extern "C"
