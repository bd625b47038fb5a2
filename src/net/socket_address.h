#pragma once
#include <netinet/in.h>
#include <sys/socket.h>

#include <optional>

#include "base/address.h"

namespace softndk::net {

/// An Address as the kernel wants it, or room for one that it gives.
class SocketAddress {
 public:
  SocketAddress() noexcept : any_{}, size_(sizeof any_) {}
  explicit SocketAddress(const Address& address) noexcept;

  sockaddr* get() noexcept { return reinterpret_cast<sockaddr*>(&any_); }
  const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&any_); }
  socklen_t size() const noexcept { return size_; }
  socklen_t* size_in_out() noexcept { return &size_; }

  Address address() const noexcept;

 private:
  sockaddr_storage any_;
  socklen_t size_;
};

/// nullopt: neither IPv4 nor IPv6. The scope is kept for link-local IPv6 only.
std::optional<Address> to_address(const sockaddr* from) noexcept;
constexpr int to_domain(Address::Family family) {
  return family == Address::Family::v4 ? AF_INET : AF_INET6;
}

}  // namespace softndk::net
