#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "io/clock.h"

namespace softndk::sim {

enum class TraceKind : std::uint8_t {
  run,         ///< a fiber goes on: who = its number, what = how many could have
  spawn,       ///< who = the new fiber
  end,         ///< who = the fiber
  jump,        ///< nothing could run: what = the nanoseconds skipped
  stall,       ///< who = the fiber, what = nanoseconds
  task,        ///< who = the processor: a posted task runs
  timer,       ///< who = the processor: a timer expired
  event,       ///< who = the processor: an event of the network is told
  call_fails,  ///< what = the number of the fallible call
  // The network: who = 2 * connection + side (0 the active one).
  connect,
  refused,
  accepted,
  write,     ///< what = octets, more = 1 for a record's end
  read,      ///< what = octets
  deliver,   ///< what = octets in all that have arrived
  ack,       ///< what = octets in all that are acknowledged
  fin,       ///< has arrived
  reset,     ///< has arrived
  silence,   ///< nothing arrives from now on
  close,     ///< what = 1 for an abort
  released,  ///< the address is free
};
const char* to_string(TraceKind kind) noexcept;

struct TraceRecord {
  io::TimeNs at_ns = 0;
  std::uint64_t what = 0;
  std::uint32_t who = 0;
  std::uint32_t more = 0;
  TraceKind kind = TraceKind::run;
  bool operator==(const TraceRecord&) const = default;
};

/// Every decision of the world, in order. No addresses of memory: two runs of one seed give the same records.
class Trace {
 public:
  explicit Trace(std::size_t records_max) : records_max_(records_max) {}
  void add(io::TimeNs at_ns, TraceKind kind, std::uint32_t who, std::uint64_t what = 0, std::uint32_t more = 0);
  std::uint64_t hash() const { return hash_; }
  const std::vector<TraceRecord>& records() const { return records_; }
  void print(std::FILE* to) const;

 private:
  const std::size_t records_max_;
  std::vector<TraceRecord> records_;
  std::uint64_t dropped_ = 0;
  std::uint64_t hash_ = 0xcbf29ce484222325;
};

}  // namespace softndk::sim
