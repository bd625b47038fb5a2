#pragma once
// The simulated world: io::World from one seed, within one OS thread. The same seed and the same program give the same
// run, octet by octet and callback by callback, as long as the program takes time, randomness, threads and the
// network from here only and does not depend on the values of pointers.
#include <cstdint>
#include <memory>
#include <type_traits>
#include <vector>

#include "io/network.h"
#include "sim/executor.h"
#include "sim/network.h"
#include "sim/options.h"

namespace softndk::sim {

/// Now moves when a step is taken (Options::step_ns) and a little at each look, so that a loop that only looks ends;
/// it jumps when nothing can run. Wall time begins on 2024-01-01 00:00 UTC.
class Clock final : public io::Clock {
 public:
  explicit Clock(Core& core) : core_(core) {}
  io::TimeNs now_ns() noexcept override;
  io::TimeNs peek_ns() noexcept override { return core_.now_ns; }
  std::uint64_t wall_100ns() noexcept override;

 private:
  Core& core_;
};

class World {
 public:
  explicit World(std::uint64_t seed, Options options = {});
  /// Objects that came from here and still live must not be called any more, only destroyed.
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  io::World view() { return {clock_, rng_, executor_, network_}; }

  /// Runs `entry(argument)` as a fiber until it and all fibers spawned meanwhile have ended, or until the run is given
  /// up: report() then names each fiber that is left, what it waits for and its stack. Events and tasks that no fiber
  /// waited for may be left undone; the next run does them. After a run that was given up only the destructor may
  /// follow, and what its fibers held is never freed.
  Result run(void (*entry)(void*), void* argument);
  template <class Body>
  Result run(Body&& body) {
    using Plain = std::remove_reference_t<Body>;
    return run([](void* it) { (*static_cast<Plain*>(it))(); },
               const_cast<void*>(static_cast<const void*>(std::addressof(body))));
  }

  std::uint64_t seed() const { return core_.seed; }
  /// Over every decision so far: equal for equal runs.
  std::uint64_t trace_hash() const { return core_.trace.hash(); }
  const std::vector<TraceRecord>& trace() const { return core_.trace.records(); }
  /// One line a record, for diff between two runs.
  void print_trace(std::FILE* to) const { core_.trace.print(to); }
  const std::string& report() const { return executor_.report(); }
  std::uint64_t steps() const { return executor_.steps(); }
  /// How many calls that can fail were made in runs with Options::fail_nth_call or fail_call set: a loop over
  /// fail_nth_call has met every failure when this stays below it.
  std::uint64_t fallible_calls() const { return fallible_calls_; }
  /// While true none fails, nor counts: for what belongs to the test and not to what it tests.
  void suspend_failures(bool suspended) { failures_suspended_ = suspended; }

 private:
  static bool fails(void* world, const char* what) noexcept;

  Core core_;
  Clock clock_{core_};
  Rng rng_;
  Executor executor_;
  Network network_;
  std::uint64_t fallible_calls_ = 0;
  bool failures_suspended_ = false;
};

}  // namespace softndk::sim
