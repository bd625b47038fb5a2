#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "io/clock.h"
#include "io/network.h"

namespace softndk::sim {

/// Both ends included; drawn uniformly.
struct Range {
  std::uint64_t least = 0;
  std::uint64_t most = 0;
};

struct Chance {
  std::uint32_t per_million = 0;
  static constexpr Chance never() { return {0}; }
  static constexpr Chance always() { return {1'000'000}; }
  static constexpr Chance one_in(std::uint32_t cases) { return {1'000'000 / cases}; }
};

/// One IP interface of the simulated host: an io::Interface that is copied with the options.
struct Interface {
  std::uint32_t index = 0;
  char name[64] = "";
  bool loopback = false;
  bool up = false;
  std::vector<Address> addresses;
};

/// "lo" (1: 127.0.0.1, ::1), "sim0" (2: 10.0.0.1, fd00::1) and "sim1" (3: 10.0.0.2, fd00::2), all up. The last two
/// play two machines on one wire. Prefixes are /8 and /128 on loopback, else /24 and /64.
std::vector<Interface> default_interfaces();
/// Gives the interface of that index one more address; if there is none it appears, up, as "simINDEX".
void add_address(std::vector<Interface>& to, std::uint32_t index, const Address& address);

/// What a world is made of, and how unkind it is. The defaults hold only what every correct program must bear at any
/// time: odd schedules, short reads and writes, spurious wakes. Losses and failures are asked for by name.
struct Options {
  unsigned processors = 2;
  std::size_t stack_bytes = 256 * 1024;  ///< of each fiber, above its guard page

  // When a run is given up (Result::too_long), counted from the run's beginning.
  io::TimeNs time_max_ns = 24 * 3600 * io::kSecond;
  std::uint64_t steps_max = 5'000'000;

  // The schedule. A step is what a fiber does between two scheduling points.
  Range step_ns{20, 400};                                        ///< what one step costs on the virtual clock
  Chance stall;                                                  ///< of a step: its fiber is preempted before it
  Range stall_ns{10 * io::kMicrosecond, 20 * io::kMillisecond};  ///< for so long
  std::optional<Chance> interleave;  ///< of a switch at an interleave point (base/interleave.h); unset: drawn by seed
  Chance spurious_wake = Chance::one_in(50);  ///< of a park() returning for no reason
  /// ThreadSanitizer builds: a switch between fibers is no synchronisation, so that data races of the program are
  /// reported though one thread runs at a time. False hides them.
  bool find_races = true;

  // The network.
  std::vector<Interface> interfaces = default_interfaces();
  std::size_t send_buffer_bytes = 256 * 1024;  ///< octets a stream takes that the peer has not acknowledged
  std::size_t receive_buffer_bytes = 256 * 1024;
  Range latency_ns{io::kMicrosecond, 50 * io::kMicrosecond};  ///< of each delivery, acknowledgement, SYN, FIN, RST
  Range accept_delay_ns{0, 100 * io::kMicrosecond};           ///< from the handshake's end to AcceptSink
  Chance short_read = Chance::one_in(4);
  Chance short_write = Chance::one_in(4);
  bool in_pieces = true;  ///< what was written may arrive in several; false: as it was written
  std::size_t segment_bytes = 1460;
  std::size_t segment_bytes_later = 0;                 ///< what it changes to, once; 0: it stays
  Range segment_changes_at_bytes{0, 64 * 1024};        ///< octets written to the stream when it does
  std::optional<bool> same_host;                       ///< unset: loopback, or both ends on one interface
  Range linger_ns{io::kMillisecond, io::kSecond / 2};  ///< how long an orderly close waits for the peer's FIN

  // Faults of the network. A connection suffers at most one; the position counts octets of one direction, drawn too.
  Chance reset;  ///< of a connection: lost at some octet, both sides see a reset
  Range reset_at_bytes{0, 64 * 1024};
  Chance silence;  ///< of a connection: from some octet on nothing arrives any more, in either direction
  Range silence_at_bytes{0, 64 * 1024};
  Chance unanswered_connect;  ///< of a connect: times out after kConnectGivesUpNs

  // Fallible calls (base/alloc.h's fault hook: memory, spawn, connect, listen, resume, reserve).
  std::uint64_t fail_nth_call = 0;  ///< 1 is the run's first; 0: none
  Chance fail_call;                 ///< of each

  std::size_t trace_records_max = 1'000'000;  ///< kept in memory; the hash covers all
  bool log_reports = true;                    ///< a deadlock or an overlong run is written to the log too
};

/// When a SYN that nobody answers ends as timed_out, as Linux's six retries do; and a next hop that nobody resolves.
inline constexpr io::TimeNs kConnectGivesUpNs = 127 * io::kSecond;
inline constexpr io::TimeNs kNeighbourGivesUpNs = 3 * io::kSecond;

}  // namespace softndk::sim
