#pragma once
// Interface indexes chosen by the user: drivers have theirs hard-coded, or in a registry written for another machine.
#include <cstdint>
#include <string_view>

#include "base/address.h"
#include "base/array.h"
#include "base/expected.h"
#include "io/network.h"

namespace softndk::runtime {

class InterfaceMap {
 public:
  struct Entry {
    std::uint32_t index = 0;
    Address address;
    /// The zone of a link-local address by its interface's name, if it was given so; else empty.
    char zone[sizeof io::Interface::name] = {};
  };
  static constexpr std::size_t kEntriesMax = 16;

  /// "7=10.0.0.1,8=fd00::2,9=fe80::1%eth0" (or %2, the host's index); "none" and "": none. False: not of that form, and
  /// nothing has changed. An index may stand more than once: it has all those addresses.
  bool parse(std::string_view text) noexcept;

  bool empty() const noexcept { return count_ == 0; }
  std::size_t size() const noexcept { return count_; }
  const Entry* begin() const noexcept { return entries_; }
  const Entry* end() const noexcept { return entries_ + count_; }

  /// The interfaces that become adapters: those of `host` that are up and have an address. Each mapped index is the
  /// interface that has the address (two indexes may be one interface); an interface that is mapped has no other index,
  /// and one whose own index is taken has none. Errors: STATUS_NOT_FOUND with a line in the log when no interface has
  /// an address, STATUS_INSUFFICIENT_RESOURCES.
  expected<Array<io::Interface>, std::int32_t> apply(const Array<io::Interface>& host) const noexcept;

 private:
  Entry entries_[kEntriesMax];
  std::size_t count_ = 0;
};

}  // namespace softndk::runtime
