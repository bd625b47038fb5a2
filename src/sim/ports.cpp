#include "sim/ports.h"

#include <algorithm>

#include "sim/options.h"

namespace softndk::sim {
namespace {

bool share_prefix(const Address& one, const Address& other) {
  if (one.family != other.family) return false;
  const int prefix_octets = one.family == Address::Family::v4 ? 3 : 8;
  return std::equal(one.octets.begin(), one.octets.begin() + prefix_octets, other.octets.begin());
}

bool overlap(const Address& one, const Address& other) {
  return one.port == other.port && one.family == other.family &&
         (one.same_host(other) || one.is_wildcard() || other.is_wildcard());
}

}  // namespace

std::vector<Interface> default_interfaces() {
  const auto make = [](std::uint32_t index, const char* name, const char* v4, const char* v6) {
    Interface interface;
    interface.index = index;
    std::copy(name, name + std::char_traits<char>::length(name) + 1, interface.name);
    interface.loopback = index == 1;
    interface.up = true;
    interface.addresses.resize(2);
    parse_address(v4, interface.addresses[0]);
    parse_address(v6, interface.addresses[1]);
    return interface;
  };
  return {make(1, "lo", "127.0.0.1", "::1"), make(2, "sim0", "10.0.0.1", "fd00::1"),
          make(3, "sim1", "10.0.0.2", "fd00::2")};
}

void add_address(std::vector<Interface>& to, std::uint32_t index, const Address& address) {
  auto found = std::find_if(to.begin(), to.end(), [&](const Interface& each) { return each.index == index; });
  if (found == to.end()) {
    Interface fresh;
    fresh.index = index;
    const std::string name = "sim" + std::to_string(index);
    name.copy(fresh.name, sizeof fresh.name - 1);
    fresh.loopback = address.is_loopback();
    fresh.up = true;
    found = to.insert(to.end(), fresh);
  }
  found->addresses.push_back(address.with_port(0));
}

Ports::Hold::~Hold() {
  if (table_ != nullptr) table_->erase(entry_);
}

const Interface* Ports::interface_of(const Address& address) const {
  for (const auto& interface : interfaces_) {
    if (!interface.up) continue;
    if (interface.loopback && address.is_loopback()) return &interface;
    for (const auto& own : interface.addresses)
      if (own.same_host(address)) return &interface;
  }
  return nullptr;
}

bool Ports::is_local(const Address& address) const {
  return interface_of(address) != nullptr;
}

bool Ports::is_on_link(const Address& address) const {
  return std::any_of(interfaces_.begin(), interfaces_.end(), [&](const Interface& interface) {
    return interface.up && !interface.loopback &&
           std::any_of(interface.addresses.begin(), interface.addresses.end(),
                       [&](const Address& own) { return share_prefix(own, address); });
  });
}

bool Ports::on_same_interface(const Address& one, const Address& other) const {
  if (one.is_loopback() || other.is_loopback()) return true;
  return interface_of(one) != nullptr && interface_of(one) == interface_of(other);
}

expected<Address, io::IoError> Ports::source_for(const Address& remote) const {
  if (is_local(remote)) return remote.with_port(0);
  for (const auto& interface : interfaces_) {
    if (!interface.up || interface.loopback) continue;
    for (const auto& own : interface.addresses)
      if (share_prefix(own, remote)) return own;
  }
  return unexpected(io::IoError::network_unreachable);
}

bool Ports::is_taken(const Address& local, Use use) const {
  return std::any_of(table_->begin(), table_->end(), [&](const Hold::Entry& entry) {
    if (!overlap(entry.local, local)) return false;
    const bool shared = use == Use::shared_stream && (entry.use == Use::shared_stream || entry.use == Use::reservation);
    return !shared;
  });
}

Ports::Hold Ports::insert(Use use, const Address& local, std::optional<Address> peer) {
  table_->push_back({use, local, peer});
  Hold hold;
  hold.table_ = table_;
  hold.entry_ = std::prev(table_->end());
  return hold;
}

expected<Ports::Hold, io::IoError> Ports::bind(const Address& local, Use use) {
  if (!local.is_wildcard() && !is_local(local)) return unexpected(io::IoError::address_not_local);
  if (is_taken(local, use)) return unexpected(io::IoError::address_in_use);
  return insert(use, local, std::nullopt);
}

expected<Ports::Hold, io::IoError> Ports::bind_stream(const Address& local, const Address& peer, Use use) {
  if (!local.is_wildcard() && !is_local(local)) return unexpected(io::IoError::address_not_local);
  if (is_taken(local, use)) return unexpected(io::IoError::address_in_use);
  const auto source = source_for(peer);
  const Address own = local.is_wildcard() && source ? source->with_port(local.port) : local;
  const bool exists = std::any_of(table_->begin(), table_->end(), [&](const Hold::Entry& entry) {
    return entry.local == own && entry.peer.has_value() && *entry.peer == peer;
  });
  if (exists) return unexpected(io::IoError::already_connected);
  return insert(use, own, peer);
}

Ports::Hold Ports::bind_accepted(const Address& local, const Address& peer) {
  return insert(Use::accepted_stream, local, peer);
}

}  // namespace softndk::sim
