#include "provider/sockaddr.h"

#include <cstring>

#include "base/bytes.h"

namespace softndk::provider {
namespace {

constexpr ULONG size_bytes(Address::Family family) {
  return family == Address::Family::v4 ? sizeof(SOCKADDR_IN) : sizeof(SOCKADDR_IN6);
}

std::uint16_t to_network(std::uint16_t port) {
  return __builtin_bswap16(port);
}

/// Writes exactly size_bytes(address.family) octets.
void fill(const Address& address, void* to) {
  if (address.family == Address::Family::v4) {
    SOCKADDR_IN in{};
    in.sin_family = SOFTNDK_AF_INET;
    in.sin_port = to_network(address.port);
    std::memcpy(&in.sin_addr, address.octets.data(), sizeof in.sin_addr);
    std::memcpy(to, &in, sizeof in);
    return;
  }
  SOCKADDR_IN6 in6{};
  in6.sin6_family = SOFTNDK_AF_INET6;
  in6.sin6_port = to_network(address.port);
  std::memcpy(&in6.sin6_addr, address.octets.data(), sizeof in6.sin6_addr);
  in6.sin6_scope_id = address.scope_id;
  std::memcpy(to, &in6, sizeof in6);
}

}  // namespace

expected<Address, NTSTATUS> read_sockaddr(const SOCKADDR* from, ULONG length_bytes) noexcept {
  if (from == nullptr) return unexpected(STATUS_INVALID_PARAMETER);
  ADDRESS_FAMILY family = 0;
  if (length_bytes < sizeof family) return unexpected(STATUS_INVALID_ADDRESS);
  std::memcpy(&family, from, sizeof family);
  Address address;
  if (family == SOFTNDK_AF_INET && length_bytes >= sizeof(SOCKADDR_IN)) {
    SOCKADDR_IN in;
    std::memcpy(&in, from, sizeof in);
    address.family = Address::Family::v4;
    address.port = to_network(in.sin_port);
    std::memcpy(address.octets.data(), &in.sin_addr, sizeof in.sin_addr);
    return address;
  }
  if (family == SOFTNDK_AF_INET6 && length_bytes >= sizeof(SOCKADDR_IN6)) {
    SOCKADDR_IN6 in6;
    std::memcpy(&in6, from, sizeof in6);
    address.family = Address::Family::v6;
    address.port = to_network(in6.sin6_port);
    address.scope_id = in6.sin6_scope_id;
    std::memcpy(address.octets.data(), &in6.sin6_addr, sizeof in6.sin6_addr);
    return address;
  }
  return unexpected(STATUS_INVALID_ADDRESS);
}

NTSTATUS write_sockaddr(const Address& address, SOCKADDR* to, ULONG* length_bytes) noexcept {
  if (length_bytes == nullptr) return STATUS_INVALID_PARAMETER;
  const ULONG required = size_bytes(address.family);
  if (*length_bytes < required) {
    *length_bytes = required;
    return STATUS_BUFFER_TOO_SMALL;
  }
  if (to == nullptr) return STATUS_INVALID_PARAMETER;
  fill(address, to);
  *length_bytes = required;
  return STATUS_SUCCESS;
}

void write_sockaddr_inet(const Address& address, SOCKADDR_INET& to) noexcept {
  std::memset(&to, 0, sizeof to);
  fill(address, &to);
}

}  // namespace softndk::provider
