#pragma once
// Every wait, wake, deferred call and timer of the library goes through here: OS threads behind it in production,
// fibers of one thread under simulation, where the seed picks who runs next.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/expected.h"
#include "base/intrusive_list.h"
#include "io/clock.h"
#include "io/error.h"

namespace softndk::io {

/// What belongs to a thread (or fiber), whoever made it. `local` is for the layers above: io never reads it. Contexts
/// are recycled but never freed, so a late unpark() of a thread that has ended is a spurious wake of another, no more.
struct ThreadContext {
  static constexpr unsigned kLocals = 16;
  std::uintptr_t local[kLocals] = {};
  const char* name = "";
  void* world = nullptr;  ///< for the implementation of Executor
  /// For the layer above too: an object that a thread always has. Zeroed once, and never again.
  static constexpr std::size_t kRoomBytes = 256;
  alignas(16) std::byte room[kRoomBytes] = {};
};
/// The calling thread's; a thread that the library did not start is adopted at its first call. That cannot fail: no
/// caller could be told. (Without memory for a context, the process ends with a line that says so.)
ThreadContext& this_thread() noexcept;

/// For implementations of Executor: a context for a thread about to be made, so that the thread itself needs no memory.
class SpareContext {
 public:
  /// Empty when memory is short.
  static SpareContext take() noexcept;
  SpareContext() = default;
  SpareContext(SpareContext&& other) noexcept : context_(std::exchange(other.context_, nullptr)) {}
  SpareContext& operator=(SpareContext&& other) noexcept {
    std::swap(context_, other.context_);
    return *this;
  }
  ~SpareContext();
  explicit operator bool() const noexcept { return context_ != nullptr; }
  /// On the new thread, before its first this_thread(): it is that thread's from now on.
  void adopt() noexcept;

 private:
  ThreadContext* context_ = nullptr;
};
/// For implementations of Executor: the fiber that runs from now on. Null: a fresh adoption at the next call.
void set_this_thread(ThreadContext* context) noexcept;

/// A deferred call that lives inside its owner: posting allocates nothing. Derive, or embed and use container-of.
class Task : public ListLink {
 public:
  using Run = void (*)(Task&) noexcept;
  explicit Task(Run run) : run_(run) {}
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;

  /// For implementations of Processor. mark_queued(): false if it is queued already. start(): after it the task may
  /// be posted again, or be gone: the executor does not touch it any more.
  bool mark_queued() noexcept { return !queued_.exchange(true); }
  void start() noexcept {
    Run run = run_;
    queued_.store(false);
    run(*this);
  }
  bool is_queued() const noexcept { return queued_.load(); }

 private:
  Run run_;
  std::atomic<bool> queued_{false};
};

/// A deferred call with a deadline; it too lives inside its owner.
class Timer : public Task {
 public:
  using Task::Task;
  // For implementations of Processor (an intrusive heap): guarded by the processor's lock.
  TimeNs deadline_ns = 0;
  Timer* child = nullptr;
  Timer* sibling = nullptr;
  Timer* parent = nullptr;  ///< or the elder sibling
  bool armed = false;
};

/// One thread that is event loop, DPC queue and notifier of some streams: what is posted here runs on it, in order,
/// between two events, never nested inside a call of anybody.
class Processor {
 public:
  virtual ~Processor() = default;
  /// Queues `task`; any thread, never blocks, allocates nothing. False: it was queued already (and will run).
  virtual bool post(Task& task) noexcept = 0;
  /// Runs `timer` once at or after `deadline_ns`; any thread. Arming an armed timer moves it.
  virtual void arm(Timer& timer, TimeNs deadline_ns) noexcept = 0;
  /// True: the timer was armed and will not run. False: it was not armed, or its run has begun or is queued.
  virtual bool cancel(Timer& timer) noexcept = 0;
  virtual bool is_current() const noexcept = 0;
  virtual unsigned index() const noexcept = 0;
};

/// A thread made by spawn(); join() it exactly once.
struct ThreadHandle {
  void* implementation = nullptr;
};

class Executor {
 public:
  virtual ~Executor() = default;

  /// Starts `entry(argument)`; `name` outlives the thread.
  virtual expected<ThreadHandle, IoError> spawn(const char* name, void (*entry)(void*), void* argument) noexcept = 0;
  /// Waits for its end and frees what it held.
  virtual void join(ThreadHandle thread) noexcept = 0;

  /// Blocks the caller until somebody unpark()s it (a wake that came earlier counts, once) or `deadline_ns` passes.
  /// False on time-out. May wake for no reason: callers look again. Never called on a processor thread.
  virtual bool park(TimeNs deadline_ns) noexcept = 0;
  virtual void unpark(ThreadContext& thread) noexcept = 0;

  /// One step of a wait that is expected to be short (a spin lock): a pause at first, from some `spins` on a yield.
  virtual void relax(unsigned spins) noexcept = 0;
  /// A point at which simulation may let another thread run; cheap or nothing in production.
  virtual void yield() noexcept = 0;

  virtual unsigned processor_count() const noexcept = 0;
  virtual Processor& processor(unsigned index) noexcept = 0;
};

}  // namespace softndk::io
