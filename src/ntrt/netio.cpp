// The IP helper's names for interfaces, over the adapters that NDIS knows: each index on which WskOpenNdkAdapter can
// succeed has a LUID and an alias.
#include <algorithm>
#include <cstring>

#include "ntrt/irql.h"
#include "ntrt/ndis.h"
#include "ntrt/utf.h"
#include "wdk/netioapi.h"

namespace softndk::ntrt {
namespace {

constexpr std::size_t kAliasUnitsMax = NDIS_IF_MAX_STRING_SIZE;

/// As many whole characters of `from` as fit in kAliasUnitsMax units, and a terminator; returns units without it.
std::size_t to_utf16(const char* from, WCHAR (&to)[kAliasUnitsMax + 1]) {
  const char* const end = from + std::strlen(from);
  std::size_t length = 0;
  while (from != end) {
    WCHAR units[2];
    const unsigned count = put_utf16(take_utf8(from, end), units);
    if (length + count > kAliasUnitsMax) break;
    for (unsigned i = 0; i < count; ++i)
      to[length++] = units[i];
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
