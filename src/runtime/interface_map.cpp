#include "runtime/interface_map.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/log.h"
#include "wdk/ntstatus.h"

namespace softndk::runtime {
namespace {

bool usable(const io::Interface& interface) {
  return interface.up && !interface.addresses.empty();
}

/// The zone of a link-local address need not be named.
bool is_address_of(const io::Interface& interface, const InterfaceMap::Entry& entry) {
  const Address& wanted = entry.address;
  if (entry.zone[0] != '\0' && std::strcmp(entry.zone, interface.name) != 0) return false;
  const auto same = [&](const Address& own) {
    return own.family == wanted.family && own.octets == wanted.octets &&
           (wanted.scope_id == 0 || wanted.scope_id == own.scope_id);
  };
  return std::any_of(interface.addresses.begin(), interface.addresses.end(), same) ||
         (interface.loopback && wanted.is_loopback());
}

bool copy(const io::Interface& from, std::uint32_t index, io::Interface& to) {
  to.index = index;
  std::memcpy(to.name, from.name, sizeof to.name);
  to.loopback = from.loopback;
  to.up = from.up;
  return to.addresses.append(from.addresses);
}

/// All of 127.0.0.0/8 is this host's, though the interface has one of them.
bool add_loopback_address(io::Interface& to, const Address& wanted) {
  const bool has =
      std::any_of(to.addresses.begin(), to.addresses.end(), [&](const Address& own) { return own.same_host(wanted); });
  return has || !to.loopback || to.addresses.push_back(wanted.with_port(0));
}

}  // namespace

bool InterfaceMap::parse(std::string_view text) noexcept {
  InterfaceMap parsed;
  if (text == "none") text = {};
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find(','));
    text.remove_prefix(std::min(one.size() + 1, text.size()));
    const std::size_t equals = one.find('=');
    if (equals == std::string_view::npos || parsed.count_ == kEntriesMax) return false;
    Entry& entry = parsed.entries_[parsed.count_++];
    const auto [end, error] = std::from_chars(one.data(), one.data() + equals, entry.index);
    if (error != std::errc{} || end != one.data() + equals || entry.index == 0) return false;
    char address[sizeof HostText::text] = {};
    std::string_view text_of_address = one.substr(equals + 1);
    if (const std::size_t percent = text_of_address.find('%'); percent != std::string_view::npos) {
      const std::string_view zone = text_of_address.substr(percent + 1);
      const bool is_number = zone.find_first_not_of("0123456789") == std::string_view::npos;
      if (zone.empty() || zone.size() >= sizeof entry.zone) return false;
      if (!is_number) {
        zone.copy(entry.zone, sizeof entry.zone - 1);
        text_of_address = text_of_address.substr(0, percent);
      }
    }
    if (text_of_address.size() >= sizeof address) return false;
    text_of_address.copy(address, sizeof address - 1);
    if (!parse_address(address, entry.address) || entry.address.port != 0) return false;
  }
  *this = parsed;
  return true;
}

expected<Array<io::Interface>, std::int32_t> InterfaceMap::apply(const Array<io::Interface>& host) const noexcept {
  const auto no_memory = unexpected(std::int32_t{STATUS_INSUFFICIENT_RESOURCES});
  Array<io::Interface> result;
  for (const Entry& entry : *this) {
    const auto real = std::find_if(host.begin(), host.end(), [&](const io::Interface& each) {
      return usable(each) && is_address_of(each, entry);
    });
    if (real == host.end()) {
      log(LogLevel::error, "interface %u: no interface of this host has the address %s%s%s", entry.index,
          HostText(entry.address).text, entry.zone[0] == '\0' ? "" : "%", entry.zone);
      return unexpected(std::int32_t{STATUS_NOT_FOUND});
    }
    auto mapped = std::find_if(result.begin(), result.end(),
                               [&](const io::Interface& each) { return each.index == entry.index; });
    if (mapped == result.end()) {
      io::Interface fresh;
      if (!copy(*real, entry.index, fresh) || !result.push_back(std::move(fresh))) return no_memory;
      mapped = &result.back();
    }
    if (!add_loopback_address(*mapped, entry.address)) return no_memory;
  }
  for (const io::Interface& each : host) {
    if (!usable(each)) continue;
    const bool mapped = std::any_of(
        begin(), end(), [&](const Entry& entry) { return entry.index == each.index || is_address_of(each, entry); });
    io::Interface kept;
    if (mapped) continue;
    if (!copy(each, each.index, kept) || !result.push_back(std::move(kept))) return no_memory;
  }
  return result;
}

}  // namespace softndk::runtime
