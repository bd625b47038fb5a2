// GetBestRoute2 over the world's own choice of a source address.
#include <algorithm>
#include <cstring>

#include "base/address.h"
#include "ntrt/irql.h"
#include "ntrt/kernel.h"
#include "ntrt/ndis.h"
#include "wdk/netioapi.h"

namespace softndk::ntrt {
namespace {

bool to_address(const SOCKADDR_INET& from, Address& to) {
  to = Address{};
  if (from.si_family == SOFTNDK_AF_INET) {
    std::memcpy(to.octets.data(), &from.Ipv4.sin_addr, sizeof from.Ipv4.sin_addr);
    return true;
  }
  if (from.si_family != SOFTNDK_AF_INET6) return false;
  to.family = Address::Family::v6;
  to.scope_id = from.Ipv6.sin6_scope_id;
  std::memcpy(to.octets.data(), &from.Ipv6.sin6_addr, sizeof from.Ipv6.sin6_addr);
  return true;
}

SOCKADDR_INET to_sockaddr(const Address& from) {
  SOCKADDR_INET to;
  std::memset(&to, 0, sizeof to);
  if (from.family == Address::Family::v4) {
    to.Ipv4.sin_family = SOFTNDK_AF_INET;
    std::memcpy(&to.Ipv4.sin_addr, from.octets.data(), sizeof to.Ipv4.sin_addr);
  } else {
    to.Ipv6.sin6_family = SOFTNDK_AF_INET6;
    to.Ipv6.sin6_scope_id = from.scope_id;
    std::memcpy(&to.Ipv6.sin6_addr, from.octets.data(), sizeof to.Ipv6.sin6_addr);
  }
  return to;
}

/// The interface that has the address. What is on the loopback network is on the loopback interface.
const io::Interface* interface_of(const Array<io::Interface>& interfaces, const Address& address) {
  for (const io::Interface& one : interfaces) {
    const auto has = [&](const Address& its) { return its.same_host(address); };
    if (std::any_of(one.addresses.begin(), one.addresses.end(), has)) return &one;
    if (one.loopback && address.is_loopback()) return &one;
  }
  return nullptr;
}

NTSTATUS find_route(const Address& destination, NET_IFINDEX wanted, MIB_IPFORWARD_ROW2& row, SOCKADDR_INET& source) {
  io::Network& network = kernel().network();
  const auto from = network.source_for(destination.with_port(1));
  if (!from) return STATUS_NETWORK_UNREACHABLE;
  const auto interfaces = network.interfaces();
  if (!interfaces) return STATUS_INSUFFICIENT_RESOURCES;
  const io::Interface* interface = interface_of(*interfaces, *from);
  if (interface == nullptr || (wanted != 0 && wanted != interface->index)) return STATUS_NETWORK_UNREACHABLE;
  AdapterSummary adapter;
  row = MIB_IPFORWARD_ROW2{};
  if (ndis_find_adapter(interface->index, adapter)) row.InterfaceLuid.Value = adapter.luid;
  row.InterfaceIndex = interface->index;
  row.DestinationPrefix.Prefix = to_sockaddr(destination);
  row.DestinationPrefix.PrefixLength = destination.family == Address::Family::v4 ? 32 : 128;
  row.Loopback = interface->loopback;
  source = to_sockaddr(*from);
  return STATUS_SUCCESS;
}

}  // namespace
}  // namespace softndk::ntrt

using namespace softndk;
using namespace softndk::ntrt;

extern "C" {

NETIO_STATUS GetBestRoute2(NET_LUID* luid, NET_IFINDEX index, const SOCKADDR_INET* source,
                           const SOCKADDR_INET* destination, ULONG, PMIB_IPFORWARD_ROW2 row,
                           SOCKADDR_INET* best_source) noexcept {
  check_irql(EntryPoint::GetBestRoute2);
  Address wanted_source, to;
  if (destination == nullptr || row == nullptr || best_source == nullptr || !to_address(*destination, to))
    return STATUS_INVALID_PARAMETER;
  if (luid != nullptr && luid->Value != 0) {
    AdapterSummary adapter;
    if (!ndis_find_adapter_by_luid(luid->Value, adapter)) return STATUS_NOT_FOUND;
    index = adapter.index;
  }
  MIB_IPFORWARD_ROW2 found = {};
  SOCKADDR_INET from = {};
  if (const NTSTATUS status = find_route(to, index, found, from); !NT_SUCCESS(status)) return status;
  if (source != nullptr && source->si_family != SOFTNDK_AF_UNSPEC) {
    Address chosen;
    if (!to_address(*source, wanted_source) || !to_address(from, chosen)) return STATUS_INVALID_PARAMETER;
    if (!wanted_source.is_wildcard() && !wanted_source.same_host(chosen)) return STATUS_NETWORK_UNREACHABLE;
  }
  *row = found;
  *best_source = from;
  return STATUS_SUCCESS;
}

}  // extern "C"
