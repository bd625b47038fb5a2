#pragma once
// The running runtime: which world it stands on, and the parts that need one. Events, locks and rundown references need
// no start; whatever blocks, wakes, defers or spawns does.
#include <atomic>
#include <optional>

#include "base/alloc.h"
#include "base/expected.h"
#include "base/intrusive_list.h"
#include "base/thread_safety.h"
#include "io/network.h"

namespace softndk::ntrt {

class DpcQueues;
class HandleTable;
class PathMap;
class Registry;
class ThreadTable;
class TimerQueue;
class WorkerPool;

struct KernelOptions {
  /// A wait without time-out that lasts longer says in the log what it waits for. 0: never (under simulation).
  io::TimeNs explain_wait_after_ns = 5 * io::kSecond;
  /// Work items may block, so the pool grows; beyond this many threads queued items wait, and the log says so.
  unsigned worker_count_max = 512;
};

enum class StartError : std::uint8_t { already_running, no_resources };

/// What a layer wants done when the kernel stops. Runs in stop()'s thread at PASSIVE_LEVEL, the last added first, while
/// workers, DPCs and timers still run.
struct StopAction : ListLink {
  void (*run)(StopAction& self) noexcept = nullptr;
};

class Kernel {
 public:
  Kernel() noexcept;
  ~Kernel() noexcept;
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  /// Makes this the kernel of the process; one at a time, any number in sequence. What `world` refers to outlives
  /// stop().
  [[nodiscard]] expected<void, StartError> start(const io::World& world, const KernelOptions& options = {}) noexcept;

  /// Runs the stop actions, lets queued work items, system threads and DPCs finish and joins every thread it made;
  /// reports what the drivers left behind (armed timers, open handles). The caller has unloaded all drivers: a thread
  /// of theirs that never ends makes this wait for ever, with a log line that names it. PASSIVE_LEVEL.
  void stop() noexcept;
  bool is_running() const noexcept { return world_.has_value(); }
  /// No work item is queued or runs, no system thread runs, no KTIMER is set: whatever drivers do next is in answer to
  /// the network or to a request of theirs that is pending.
  bool is_idle() noexcept;

  io::Clock& clock() noexcept { return world_->clock; }
  io::Rng& rng() noexcept { return world_->rng; }
  io::Executor& executor() noexcept { return world_->executor; }
  io::Network& network() noexcept { return world_->network; }
  const KernelOptions& options() const noexcept { return options_; }
  io::TimeNs started_ns() const noexcept { return started_ns_; }
  /// 0, 1, 2, ...: spreads over the processors what has no preference.
  unsigned next_processor() noexcept { return next_processor_.fetch_add(1, std::memory_order_relaxed); }

  void at_stop(StopAction& action) noexcept SOFTNDK_EXCLUDES(mutex_);
  void cancel_at_stop(StopAction& action) noexcept SOFTNDK_EXCLUDES(mutex_);

  WorkerPool& workers() noexcept { return *workers_; }
  DpcQueues& dpcs() noexcept { return *dpcs_; }
  TimerQueue& timers() noexcept { return *timers_; }
  ThreadTable& threads() noexcept { return *threads_; }
  HandleTable& handles() noexcept { return *handles_; }
  Registry& registry() noexcept { return *registry_; }
  PathMap& path_map() noexcept { return *path_map_; }

 private:
  void drop_parts() noexcept;

  std::optional<io::World> world_;  // constant between start and stop, like all but the list
  KernelOptions options_;
  io::TimeNs started_ns_ = 0;
  Owned<HandleTable> handles_;
  Owned<Registry> registry_;
  Owned<PathMap> path_map_;
  Owned<ThreadTable> threads_;
  Owned<WorkerPool> workers_;
  Owned<DpcQueues> dpcs_;
  Owned<TimerQueue> timers_;

  std::atomic<unsigned> next_processor_{0};
  Mutex mutex_;
  IntrusiveList<StopAction> stop_actions_ SOFTNDK_GUARDED_BY(mutex_);
};

/// The kernel that runs; a bug check if none does, and none can be started automatically.
Kernel& kernel() noexcept;
/// What kernel() does when none runs: the composition root's way of starting one, for a program that only calls a
/// driver's DriverEntry. Null: nothing.
void set_automatic_start(void (*start)() noexcept) noexcept;
/// The same, or null.
Kernel* kernel_if_running() noexcept;
/// For reports: the calling thread, and what it is called. `name` lives as long as the thread.
struct ThreadLabel {
  const void* thread;
  const char* name;
};
ThreadLabel this_thread_label() noexcept;

/// Lets the automatic start happen, if there is one, where a consumer comes in: its adapters are wanted next.
void want_kernel() noexcept;

/// A point at which simulation may let another thread run. Entry points that consumers call have one, so that a seed
/// can order them; never call it with a base Mutex held.
inline void scheduling_point() noexcept {
  if (Kernel* running = kernel_if_running()) running->executor().yield();
}

}  // namespace softndk::ntrt
