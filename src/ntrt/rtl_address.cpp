// RtlIp*StringToAddress*: text to IP addresses, narrow and wide text by the same parser, which moves `at` behind what
// it read.
#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "base/bytes.h"
#include "wdk/ip2string.h"

namespace softndk::ntrt {
namespace {

/// The value of a digit in `base`, or -1.
template <class Char>
int digit(Char c, unsigned base) {
  const auto unit = static_cast<std::uint32_t>(c);
  unsigned value = 99;
  if (unit >= '0' && unit <= '9') value = unit - '0';
  if (unit >= 'a' && unit <= 'f') value = unit - 'a' + 10;
  if (unit >= 'A' && unit <= 'F') value = unit - 'A' + 10;
  return value < base ? static_cast<int>(value) : -1;
}

template <class Char>
std::optional<std::uint32_t> parse_digits(const Char*& at, unsigned base, std::uint32_t max) {
  const Char* from = at;
  std::uint64_t number = 0;
  for (int value; (value = digit(*from, base)) >= 0; ++from) {
    number = number * base + static_cast<unsigned>(value);
    if (number > max) return std::nullopt;
  }
  if (from == at) return std::nullopt;
  at = from;
  return static_cast<std::uint32_t>(number);
}

template <class Char>
std::optional<std::array<std::uint8_t, 4>> parse_dotted_decimal(const Char*& at) {
  const Char* from = at;
  std::array<std::uint8_t, 4> octets;
  for (unsigned i = 0; i < 4; ++i) {
    if (i > 0 && *from++ != '.') return std::nullopt;
    if (*from == '0' && digit(from[1], 10) >= 0) return std::nullopt;
    const auto part = parse_digits(from, 10, 255);
    if (!part) return std::nullopt;
    octets[i] = static_cast<std::uint8_t>(*part);
  }
  at = from;
  return octets;
}

/// Decimal, octal (0...) or hexadecimal (0x...), at most `max`.
template <class Char>
std::optional<std::uint32_t> parse_number(const Char*& at, std::uint32_t max) {
  if (*at != '0') return parse_digits(at, 10, max);
  if (at[1] == 'x' || at[1] == 'X') {
    const Char* from = at + 2;
    const auto number = parse_digits(from, 16, max);
    if (number) at = from;
    return number;
  }
  return parse_digits(at, 8, max);
}

/// Strict: four decimal parts without leading zeros. Otherwise one to four parts in any base, the last filling what is
/// left of the address.
template <class Char>
std::optional<std::array<std::uint8_t, 4>> parse_ipv4(const Char*& at, bool strict) {
  if (strict) return parse_dotted_decimal(at);
  const Char* from = at;
  std::uint32_t parts[4];
  unsigned count = 0;
  for (;;) {
    const auto part = parse_number(from, 0xFFFFFFFF);
    if (!part) return std::nullopt;
    parts[count++] = *part;
    if (count == 4 || *from != '.') break;
    ++from;
  }
  // All parts but the last are one octet; the last fills the rest.
  std::uint32_t address = 0;
  for (unsigned i = 0; i + 1 < count; ++i) {
    if (parts[i] > 255) return std::nullopt;
    address |= parts[i] << (24 - 8 * i);
  }
  const std::uint32_t last_max = 0xFFFFFFFFu >> (8 * (count - 1));
  if (parts[count - 1] > last_max) return std::nullopt;
  address |= parts[count - 1];
  std::array<std::uint8_t, 4> octets;
  store_be32(octets.data(), address);
  at = from;
  return octets;
}

/// RFC 4291 2.2: eight groups, one "::", perhaps a dotted IPv4 end.
template <class Char>
std::optional<std::array<std::uint8_t, 16>> parse_ipv6(const Char*& at) {
  const Char* from = at;
  std::array<std::uint8_t, 16> octets{};
  unsigned count = 0;   // octets read
  int gap = -1;         // where "::" stood
  bool expect = false;  // a single colon was read: a group must follow
  if (from[0] == ':' && from[1] == ':') {
    gap = 0;
    from += 2;
  }
  while (count < 16 && digit(*from, 16) >= 0) {
    const Char* group_begin = from;
    unsigned digits = 0;
    std::uint32_t group = 0;
    while (digits < 5 && digit(*from, 16) >= 0) {
      group = group << 4 | static_cast<unsigned>(digit(*from, 16));
      ++from;
      ++digits;
    }
    if (*from == '.') {
      from = group_begin;
      const auto tail = parse_dotted_decimal(from);
      if (!tail || count > 12) return std::nullopt;
      std::copy(tail->begin(), tail->end(), octets.begin() + count);
      count += 4;
      expect = false;
      break;
    }
    if (digits > 4) return std::nullopt;
    octets[count++] = static_cast<std::uint8_t>(group >> 8);
    octets[count++] = static_cast<std::uint8_t>(group);
    expect = false;
    if (*from != ':' || count == 16) break;
    if (from[1] == ':') {
      if (gap >= 0) return std::nullopt;
      gap = static_cast<int>(count);
      from += 2;
    } else {
      ++from;
      expect = true;
    }
  }
  if (expect) return std::nullopt;
  if (gap < 0 ? count != 16 : count > 14) return std::nullopt;
  if (gap >= 0) {
    // What was read behind the gap moves to the end.
    const unsigned behind = count - static_cast<unsigned>(gap);
    for (unsigned i = 0; i < behind; ++i) {
      octets[15 - i] = octets[count - 1 - i];
      octets[count - 1 - i] = 0;
    }
  }
  at = from;
  return octets;
}

/// ":port" or nothing up to the end of the text; network order, 0 for nothing.
template <class Char>
std::optional<std::uint16_t> parse_port_end(const Char* at) {
  if (*at == 0) return std::uint16_t{0};
  if (*at != ':') return std::nullopt;
  ++at;
  const auto port = parse_number(at, 65535);
  if (!port || *at != 0) return std::nullopt;
  return __builtin_bswap16(static_cast<std::uint16_t>(*port));
}

template <class Char>
NTSTATUS ipv4_with_port(const Char* text, bool strict, IN_ADDR* address, USHORT* port) {
  if (text == nullptr || address == nullptr || port == nullptr) return STATUS_INVALID_PARAMETER;
  const auto octets = parse_ipv4(text, strict);
  if (!octets) return STATUS_INVALID_PARAMETER;
  const auto port_found = parse_port_end(text);
  if (!port_found) return STATUS_INVALID_PARAMETER;
  std::memcpy(address, octets->data(), 4);
  *port = *port_found;
  return STATUS_SUCCESS;
}

template <class Char>
NTSTATUS ipv4_prefix(const Char* text, bool strict, const Char** end, IN_ADDR* address) {
  if (text == nullptr || end == nullptr || address == nullptr) return STATUS_INVALID_PARAMETER;
  const auto octets = parse_ipv4(text, strict);
  *end = text;
  if (!octets) return STATUS_INVALID_PARAMETER;
  std::memcpy(address, octets->data(), 4);
  return STATUS_SUCCESS;
}

/// address[%scope] or [address[%scope]]:port; the brackets are required before a port.
template <class Char>
NTSTATUS ipv6_with_port(const Char* text, IN6_ADDR* address, ULONG* scope_id, USHORT* port) {
  if (text == nullptr || address == nullptr || scope_id == nullptr || port == nullptr) return STATUS_INVALID_PARAMETER;
  const bool bracketed = *text == '[';
  if (bracketed) ++text;
  const auto octets = parse_ipv6(text);
  if (!octets) return STATUS_INVALID_PARAMETER;
  std::uint32_t scope = 0;
  if (*text == '%') {
    ++text;
    const auto number = parse_digits(text, 10, 0xFFFFFFFF);
    if (!number) return STATUS_INVALID_PARAMETER;
    scope = *number;
  }
  std::uint16_t port_found = 0;
  if (bracketed) {
    if (*text++ != ']') return STATUS_INVALID_PARAMETER;
    const auto end = parse_port_end(text);
    if (!end) return STATUS_INVALID_PARAMETER;
    port_found = *end;
  } else if (*text != 0) {
    return STATUS_INVALID_PARAMETER;
  }
  std::memcpy(address, octets->data(), 16);
  *scope_id = scope;
  *port = port_found;
  return STATUS_SUCCESS;
}

}  // namespace

}  // namespace softndk::ntrt

using softndk::ntrt::ipv4_prefix;
using softndk::ntrt::ipv4_with_port;
using softndk::ntrt::ipv6_with_port;

extern "C" {

NTSTATUS RtlIpv4StringToAddressExW(PCWSTR text, BOOLEAN strict, IN_ADDR* address, PUSHORT port) noexcept {
  return ipv4_with_port(text, strict != FALSE, address, port);
}
NTSTATUS RtlIpv4StringToAddressExA(PCSTR text, BOOLEAN strict, IN_ADDR* address, PUSHORT port) noexcept {
  return ipv4_with_port(text, strict != FALSE, address, port);
}
NTSTATUS RtlIpv4StringToAddressW(PCWSTR text, BOOLEAN strict, PCWSTR* end, IN_ADDR* address) noexcept {
  return ipv4_prefix(text, strict != FALSE, end, address);
}
NTSTATUS RtlIpv4StringToAddressA(PCSTR text, BOOLEAN strict, PCSTR* end, IN_ADDR* address) noexcept {
  return ipv4_prefix(text, strict != FALSE, end, address);
}
NTSTATUS RtlIpv6StringToAddressExW(PCWSTR text, IN6_ADDR* address, PULONG scope_id, PUSHORT port) noexcept {
  return ipv6_with_port(text, address, scope_id, port);
}
NTSTATUS RtlIpv6StringToAddressExA(PCSTR text, IN6_ADDR* address, PULONG scope_id, PUSHORT port) noexcept {
  return ipv6_with_port(text, address, scope_id, port);
}

}  // extern "C"
