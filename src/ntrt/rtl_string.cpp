// RtlCompareMemory, RtlInitUnicodeString.
#include <algorithm>

#include "wdk/ntddk.h"

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

}  // extern "C"
