#include "tools/common/address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <cstring>

namespace softndk::tools {
namespace {

std::optional<std::uint32_t> parse_number(std::string_view text, std::uint32_t number_max) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number > number_max) return std::nullopt;
  return number;
}

bool parse_ipv4(std::string_view text, Address& address) {
  in_addr host;
  if (inet_pton(AF_INET, std::string(text).c_str(), &host) != 1) return false;
  address.value.Ipv4.sin_family = SOFTNDK_AF_INET;
  std::memcpy(&address.value.Ipv4.sin_addr, &host, sizeof(host));
  return true;
}

bool parse_ipv6(std::string_view text, Address& address) {
  std::uint32_t scope = 0;
  if (const std::size_t percent = text.find('%'); percent != std::string_view::npos) {
    const std::string_view name = text.substr(percent + 1);
    const auto number = parse_number(name, UINT32_MAX);
    scope = number ? *number : if_nametoindex(std::string(name).c_str());
    if (scope == 0) return false;
    text = text.substr(0, percent);
  }
  in6_addr host;
  if (inet_pton(AF_INET6, std::string(text).c_str(), &host) != 1) return false;
  address.value.Ipv6.sin6_family = SOFTNDK_AF_INET6;
  std::memcpy(&address.value.Ipv6.sin6_addr, &host, sizeof(host));
  address.value.Ipv6.sin6_scope_id = scope;
  return true;
}

/// Between ours and the host's the family differs and nothing else.
socklen_t to_host(const Address& address, sockaddr_storage& storage) {
  std::memset(&storage, 0, sizeof(storage));
  std::memcpy(&storage, &address.value, address.sockaddr_bytes());
  storage.ss_family = address.is_ipv6() ? AF_INET6 : AF_INET;
  return address.sockaddr_bytes();
}

}  // namespace

std::uint16_t Address::port() const {
  return ntohs(is_ipv6() ? value.Ipv6.sin6_port : value.Ipv4.sin_port);
}

void Address::set_port(std::uint16_t port) {
  if (is_ipv6())
    value.Ipv6.sin6_port = htons(port);
  else
    value.Ipv4.sin_port = htons(port);
}

bool Address::is_wildcard() const {
  static constexpr UCHAR kZeros[16] = {};
  return is_ipv6() ? std::memcmp(&value.Ipv6.sin6_addr, kZeros, 16) == 0
                   : std::memcmp(&value.Ipv4.sin_addr, kZeros, 4) == 0;
}

Address Address::any(const Address& like) {
  Address address;
  address.value.si_family = like.value.si_family;
  return address;
}

std::optional<Address> parse_address(std::string_view text, PortPart port) {
  Address address;
  if (port == PortPart::none) {
    if (text.size() > 2 && text.front() == '[' && text.back() == ']') text = text.substr(1, text.size() - 2);
    if (parse_ipv4(text, address) || parse_ipv6(text, address)) return address;
    return std::nullopt;
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto number = parse_number(text.substr(colon + 1), 65535);
  if (!number || *number == 0) return std::nullopt;
  const std::string_view host = text.substr(0, colon);
  // An IPv6 address without brackets would leave open which colon begins the port.
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  const bool parsed = bracketed ? parse_ipv6(host.substr(1, host.size() - 2), address) : parse_ipv4(host, address);
  if (!parsed) return std::nullopt;
  address.set_port(static_cast<std::uint16_t>(*number));
  return address;
}

std::string host_text(const Address& address) {
  char text[INET6_ADDRSTRLEN] = "?";
  if (!address.is_ipv6()) {
    inet_ntop(AF_INET, &address.value.Ipv4.sin_addr, text, sizeof(text));
    return text;
  }
  inet_ntop(AF_INET6, &address.value.Ipv6.sin6_addr, text, sizeof(text));
  const ULONG scope = address.value.Ipv6.sin6_scope_id;
  return scope == 0 ? std::string(text) : std::string(text) + "%" + std::to_string(scope);
}

std::string to_string(const Address& address) {
  const std::string host = host_text(address);
  return (address.is_ipv6() ? "[" + host + "]" : host) + ":" + std::to_string(address.port());
}

std::optional<Address> source_towards(const Address& destination) {
  sockaddr_storage storage;
  const socklen_t bytes = to_host(destination, storage);
  const int descriptor = ::socket(storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return std::nullopt;
  std::optional<Address> source;
  socklen_t source_bytes = sizeof(storage);
  if (::connect(descriptor, reinterpret_cast<sockaddr*>(&storage), bytes) == 0 &&
      ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&storage), &source_bytes) == 0) {
    source.emplace();
    std::memcpy(&source->value, &storage, bytes);
    source->value.si_family = destination.value.si_family;
    source->set_port(0);
  }
  ::close(descriptor);
  return source;
}

}  // namespace softndk::tools
