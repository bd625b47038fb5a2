#include "base/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <string_view>

namespace softndk {

bool Address::is_wildcard() const {
  return std::all_of(octets.begin(), octets.end(), [](std::uint8_t octet) { return octet == 0; });
}

bool Address::is_loopback() const {
  if (family == Family::v4) return octets[0] == 127;
  return octets == std::array<std::uint8_t, 16>{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
}

bool Address::same_host(const Address& other) const {
  return family == other.family && octets == other.octets && scope_id == other.scope_id;
}

Address Address::with_port(std::uint16_t new_port) const {
  Address changed = *this;
  changed.port = new_port;
  return changed;
}

Address Address::any(Family family, std::uint16_t port) {
  Address address;
  address.family = family;
  address.port = port;
  return address;
}

HostText::HostText(const Address& address) noexcept {
  char host[INET6_ADDRSTRLEN] = "?";
  inet_ntop(address.family == Address::Family::v4 ? AF_INET : AF_INET6, address.octets.data(), host, sizeof host);
  if (address.scope_id != 0) {
    std::snprintf(text, sizeof text, "%s%%%u", host, address.scope_id);
  } else {
    std::snprintf(text, sizeof text, "%s", host);
  }
}

AddressText::AddressText(const Address& address) noexcept {
  const char* format = address.family == Address::Family::v4 ? "%s:%u" : "[%s]:%u";
  std::snprintf(text, sizeof text, format, HostText(address).text, address.port);
}

namespace {
bool parse_number(std::string_view text, std::uint32_t limit, std::uint32_t& to) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), to);
  return error == std::errc{} && end == text.data() + text.size() && to <= limit;
}
}  // namespace

bool parse_address(const char* text, Address& to) {
  std::string_view rest(text);
  std::string_view host;
  std::string_view port;
  if (rest.starts_with('[')) {
    const auto close = rest.find(']');
    if (close == std::string_view::npos) return false;
    host = rest.substr(1, close - 1);
    rest.remove_prefix(close + 1);
    if (!rest.empty() && rest[0] != ':') return false;
    port = rest.empty() ? rest : rest.substr(1);
    if (!rest.empty() && port.empty()) return false;
  } else if (std::count(rest.begin(), rest.end(), ':') > 1) {
    host = rest;  // a bare IPv6 address has no room for a port
  } else {
    const auto colon = rest.find(':');
    host = rest.substr(0, colon);
    if (colon != std::string_view::npos) {
      port = rest.substr(colon + 1);
      if (port.empty()) return false;
    }
  }
  Address parsed;
  std::uint32_t number = 0;
  if (!port.empty()) {
    if (!parse_number(port, 65535, number)) return false;
    parsed.port = static_cast<std::uint16_t>(number);
  }
  if (const auto percent = host.find('%'); percent != std::string_view::npos) {
    if (!parse_number(host.substr(percent + 1), UINT32_MAX, parsed.scope_id)) return false;
    host = host.substr(0, percent);
  }
  char terminated[INET6_ADDRSTRLEN] = {};
  if (host.size() >= sizeof terminated) return false;
  host.copy(terminated, host.size());
  if (inet_pton(AF_INET, terminated, parsed.octets.data()) == 1) {
    parsed.family = Address::Family::v4;
  } else if (inet_pton(AF_INET6, terminated, parsed.octets.data()) == 1) {
    parsed.family = Address::Family::v6;
  } else {
    return false;
  }
  to = parsed;
  return true;
}

}  // namespace softndk
