// The IP helper's names for interfaces, over the adapters that NDIS knows: each index on which WskOpenNdkAdapter can
// succeed has a LUID and an alias.
#include <string>

#include "ntrt/irql.h"
#include "ntrt/ndis.h"
#include "wdk/netioapi.h"

namespace softndk::ntrt {
namespace {

constexpr std::size_t kAliasUnitsMax = NDIS_IF_MAX_STRING_SIZE;

/// One code point off the front of UTF-8 text; a byte that begins none comes out as U+FFFD.
char32_t take_code_point(const char*& at) {
  const auto byte = [&](int i) { return static_cast<unsigned char>(at[i]); };
  const auto continues = [&](int i) { return (byte(i) & 0xC0) == 0x80; };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return static_cast<unsigned char>(*at++);
  if (lead >= 0xC2 && lead < 0xE0 && continues(1)) {
    const char32_t point = (lead & 0x1Fu) << 6 | (byte(1) & 0x3Fu);
    at += 2;
    return point;
  }
  if (lead >= 0xE0 && lead < 0xF0 && continues(1) && continues(2)) {
    const char32_t point = (lead & 0xFu) << 12 | (byte(1) & 0x3Fu) << 6 | (byte(2) & 0x3Fu);
    at += 3;
    return point;
  }
  if (lead >= 0xF0 && lead < 0xF5 && continues(1) && continues(2) && continues(3)) {
    const char32_t point = (lead & 7u) << 18 | (byte(1) & 0x3Fu) << 12 | (byte(2) & 0x3Fu) << 6 | (byte(3) & 0x3Fu);
    at += 4;
    return point;
  }
  ++at;
  return 0xFFFD;
}

/// As many whole characters of `from` as fit in kAliasUnitsMax units, and a terminator; returns units without it.
std::size_t to_utf16(const char* from, WCHAR (&to)[kAliasUnitsMax + 1]) {
  std::size_t length = 0;
  while (*from != '\0') {
    const char32_t point = take_code_point(from);
    const std::size_t units = point < 0x10000 ? 1 : 2;
    if (length + units > kAliasUnitsMax) break;
    if (units == 1) {
      to[length++] = static_cast<WCHAR>(point);
    } else {
      to[length++] = static_cast<WCHAR>(0xD800 + ((point - 0x10000) >> 10));
      to[length++] = static_cast<WCHAR>(0xDC00 + ((point - 0x10000) & 0x3FF));
    }
  }
  to[length] = 0;
  return length;
}

}  // namespace
}  // namespace softndk::ntrt

using namespace softndk::ntrt;

extern "C" {

NETIO_STATUS ConvertInterfaceIndexToLuid(NET_IFINDEX index, PNET_LUID luid) noexcept {
  check_irql(EntryPoint::ConvertInterfaceIndexToLuid);
  if (luid == nullptr) return STATUS_INVALID_PARAMETER;
  AdapterSummary adapter;
  if (!ndis_find_adapter(index, adapter)) return STATUS_NOT_FOUND;
  luid->Value = adapter.luid;
  return STATUS_SUCCESS;
}

NETIO_STATUS ConvertInterfaceLuidToIndex(const NET_LUID* luid, PNET_IFINDEX index) noexcept {
  check_irql(EntryPoint::ConvertInterfaceIndexToLuid);
  if (luid == nullptr || index == nullptr) return STATUS_INVALID_PARAMETER;
  AdapterSummary adapter;
  if (!ndis_find_adapter_by_luid(luid->Value, adapter)) return STATUS_NOT_FOUND;
  *index = adapter.index;
  return STATUS_SUCCESS;
}

NETIO_STATUS ConvertInterfaceLuidToAlias(const NET_LUID* luid, PWSTR alias, SIZE_T room) noexcept {
  check_irql(EntryPoint::ConvertInterfaceLuidToAlias);
  if (luid == nullptr || alias == nullptr) return STATUS_INVALID_PARAMETER;
  AdapterSummary adapter;
  if (!ndis_find_adapter_by_luid(luid->Value, adapter)) return STATUS_NOT_FOUND;
  WCHAR text[kAliasUnitsMax + 1];
  const std::size_t length = to_utf16(adapter.alias, text);
  if (length + 1 > room) return STATUS_BUFFER_TOO_SMALL;
  std::copy(text, text + length + 1, alias);
  return STATUS_SUCCESS;
}

}  // extern "C"
