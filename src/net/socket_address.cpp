#include "net/socket_address.h"

#include <cstring>

#include "base/bytes.h"

namespace softndk::net {

SocketAddress::SocketAddress(const Address& address) noexcept : SocketAddress() {
  if (address.family == Address::Family::v4) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = __builtin_bswap16(address.port);
    std::memcpy(&in.sin_addr, address.octets.data(), sizeof in.sin_addr);
    std::memcpy(&any_, &in, size_ = sizeof in);
  } else {
    sockaddr_in6 in6{};
    in6.sin6_family = AF_INET6;
    in6.sin6_port = __builtin_bswap16(address.port);
    in6.sin6_scope_id = address.scope_id;
    std::memcpy(&in6.sin6_addr, address.octets.data(), sizeof in6.sin6_addr);
    std::memcpy(&any_, &in6, size_ = sizeof in6);
  }
}

Address SocketAddress::address() const noexcept {
  return to_address(get()).value_or(Address{});
}

std::optional<Address> to_address(const sockaddr* from) noexcept {
  Address address;
  if (from == nullptr) return std::nullopt;
  if (from->sa_family == AF_INET) {
    sockaddr_in in;
    std::memcpy(&in, from, sizeof in);
    address.family = Address::Family::v4;
    address.port = __builtin_bswap16(in.sin_port);
    std::memcpy(address.octets.data(), &in.sin_addr, sizeof in.sin_addr);
    return address;
  }
  if (from->sa_family == AF_INET6) {
    sockaddr_in6 in6;
    std::memcpy(&in6, from, sizeof in6);
    address.family = Address::Family::v6;
    address.port = __builtin_bswap16(in6.sin6_port);
    std::memcpy(address.octets.data(), &in6.sin6_addr, sizeof in6.sin6_addr);
    const bool link_local = address.octets[0] == 0xfe && (address.octets[1] & 0xc0) == 0x80;
    if (link_local) address.scope_id = in6.sin6_scope_id;
    return address;
  }
  return std::nullopt;
}

}  // namespace softndk::net
