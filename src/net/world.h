#pragma once
#include "base/alloc.h"
#include "base/expected.h"
#include "io/network.h"
#include "net/clock.h"
#include "net/executor.h"
#include "net/network.h"
#include "net/rng.h"

namespace softndk::net {

struct Options {
  /// Processor threads; 0: one for every two usable CPUs, at most 4. More than Executor::kProcessorsMax count as that.
  unsigned processors = 0;
  /// How long an idle processor or a parking thread polls at most before it sleeps (SpinHistory). 0 where there is one
  /// CPU only: there, polling keeps off the CPU what is polled for.
  io::TimeNs spin_ns = 20 * io::kMicrosecond;
  /// TCP congestion control for connections within the host; empty: the system's default. (bbr, the default of some
  /// systems, costs a third of the bandwidth over loopback.) Outlives the world.
  const char* same_host_congestion = "cubic";
};

/// Everything behind io on Linux: the clock, the system's randomness, threads, sockets.
class World {
 public:
  /// no_resources: descriptors, memory or threads are short.
  static expected<Owned<World>, io::IoError> create(const Options& options = {}) noexcept;
  /// Ends the processor threads, after what is posted by then has run. All streams and acceptors must be closed and
  /// all threads joined; timers that are still armed do not run.
  ~World();

  World(const World&) = delete;
  World& operator=(const World&) = delete;

  io::World view() noexcept { return {clock_, rng_, executor_, network_}; }

  /// For create().
  explicit World(const Options& options) noexcept;

 private:
  // Streams use the executor's processors, those the clock: destroyed in the reverse order.
  Clock clock_;
  Rng rng_;
  Network network_;
  Executor executor_;
};

}  // namespace softndk::net
