#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "io/clock.h"

namespace softndk::sim {

/// What will happen at which virtual time; what is due together happens in the order it was written down.
class Agenda {
 public:
  struct Ticket {
    io::TimeNs at_ns = 0;
    std::uint64_t order = 0;  ///< 0: of no entry
    auto operator<=>(const Ticket&) const = default;
    bool is_valid() const { return order != 0; }
  };

  Ticket at(io::TimeNs at_ns, std::function<void()> action) {
    Ticket ticket{at_ns, ++last_order_};
    entries_.emplace(ticket, std::move(action));
    return ticket;
  }
  /// False: it has happened already (or `ticket` names nothing).
  bool cancel(Ticket ticket) { return entries_.erase(ticket) != 0; }

  bool empty() const { return entries_.empty(); }
  io::TimeNs next_at_ns() const { return entries_.empty() ? io::kNever : entries_.begin()->first.at_ns; }
  /// Makes the first entry happen; there is one.
  void happen() {
    auto node = entries_.extract(entries_.begin());
    node.mapped()();
  }

 private:
  std::map<Ticket, std::function<void()>> entries_;
  std::uint64_t last_order_ = 0;
};

}  // namespace softndk::sim
