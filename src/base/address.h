#pragma once
#include <array>
#include <compare>
#include <cstdint>

namespace softndk {

/// An IP address and TCP port, free of any system's SOCKADDR. The port is in host order.
struct Address {
  enum class Family : std::uint8_t { v4, v6 };
  Family family = Family::v4;
  std::uint16_t port = 0;
  std::uint32_t scope_id = 0;             ///< IPv6 link-local zone, else 0
  std::array<std::uint8_t, 16> octets{};  ///< network order; IPv4 uses the first four

  auto operator<=>(const Address&) const = default;
  bool is_wildcard() const;
  bool is_loopback() const;
  /// Equal but for the port.
  bool same_host(const Address& other) const;
  Address with_port(std::uint16_t new_port) const;
  static Address any(Family family, std::uint16_t port = 0);
};

/// "10.0.0.1:5445" or "[fe80::1%3]:5445", without an allocation.
struct AddressText {
  explicit AddressText(const Address& address) noexcept;
  char text[72];
};
/// Without the port and the brackets.
struct HostText {
  explicit HostText(const Address& address) noexcept;
  char text[64];
};
/// Takes what AddressText gives, with or without the port; false leaves `to` untouched.
bool parse_address(const char* text, Address& to);

}  // namespace softndk
