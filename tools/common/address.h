#pragma once
// Addresses as users write them: `v4:port`, `[v6]:port`, `[v6%scope]:port`, and without the port.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <ws2ipdef.h>

namespace softndk::tools {

/// One endpoint as NDK takes it: Windows' family numbers, network byte order.
struct Address {
  // The longer member: braces on the union would zero its first, shorter one only.
  SOCKADDR_INET value{.Ipv6 = {}};

  const SOCKADDR* sockaddr() const { return reinterpret_cast<const SOCKADDR*>(&value); }
  ULONG sockaddr_bytes() const {
    return value.si_family == SOFTNDK_AF_INET6 ? sizeof(SOCKADDR_IN6) : sizeof(SOCKADDR_IN);
  }
  std::uint16_t port() const;
  void set_port(std::uint16_t port);
  bool is_wildcard() const;
  bool is_ipv6() const { return value.si_family == SOFTNDK_AF_INET6; }

  /// The wildcard of the family of `like`, port 0.
  static Address any(const Address& like);
};

enum class PortPart : std::uint8_t { required, none };

/// The scope is an interface index or name. nullopt: not an address, port 0 or above 65535, a scope that is not there.
std::optional<Address> parse_address(std::string_view text, PortPart port);
/// "10.0.0.1:9000", "[fe80::1%2]:9000".
std::string to_string(const Address& address);
/// "10.0.0.1", "fe80::1%2".
std::string host_text(const Address& address);

/// The address this host would use towards `destination`, from its routing table; no packet is sent.
std::optional<Address> source_towards(const Address& destination);

}  // namespace softndk::tools
