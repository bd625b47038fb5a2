#pragma once
// What drivers of this process that are ours (the provider) use of the runtime besides the WDK's face: deferred calls,
// timers, threads and blocking gates that allocate nothing when used and that follow the IRQL rules. ntrt is their only
// way to io.
#include "io/executor.h"
#include "ntrt/irql.h"
#include "ntrt/kernel.h"
#include "ntrt/wait_event.h"

namespace softndk::ntrt {

/// Nanoseconds on the world's clock.
io::TimeNs now_ns() noexcept;
unsigned processor_count() noexcept;
io::Processor& processor(unsigned index) noexcept;  ///< index modulo the count
/// The processor that serves an affinity (NdkCreateCq's, say): the one of the lowest bit set, modulo the count. Mask 0,
/// or a group other than 0, means no preference: processors in turn.
unsigned choose_processor(std::uint64_t affinity_mask, unsigned group = 0) noexcept;
/// The processor whose thread the caller is, or null.
io::Processor* current_processor() noexcept;

/// A call that runs once on its processor for each time it is queued there, at DISPATCH_LEVEL, never nested inside a
/// call of anybody. Lives inside its owner: derive from it and downcast in `function`.
class DeferredCall {
 public:
  using Function = void (*)(DeferredCall& self) noexcept;
  /// `what` names it in reports and outlives it.
  DeferredCall(Function function, const char* what) noexcept : task_(run, *this), function_(function), what_(what) {}
  DeferredCall(const DeferredCall&) = delete;
  DeferredCall& operator=(const DeferredCall&) = delete;

  /// Which processor it runs on; call it before the first queue(). Unset: processor 0.
  void set_processor(unsigned index) noexcept { processor_index_ = index; }
  unsigned processor_index() const noexcept { return processor_index_; }

  /// Any thread, IRQL <= DISPATCH_LEVEL; never fails, never runs inside this call. False: it was queued already and has
  /// not begun, so what the caller wrote before will be seen by that run. Once it has begun it may be queued again, and
  /// may be destroyed by its own function or by whoever learns from it that it ran.
  bool queue() noexcept;
  bool is_queued() const noexcept { return task_.is_queued(); }

 private:
  struct OwnedTask : io::Task {
    OwnedTask(Run run_task, DeferredCall& call) noexcept : Task(run_task), owner(call) {}
    DeferredCall& owner;
  };
  static void run(io::Task& task) noexcept;

  OwnedTask task_;
  Function function_;
  const char* what_;
  unsigned processor_index_ = 0;
};

/// A deferred call with a deadline.
class DeferredTimer {
 public:
  using Function = void (*)(DeferredTimer& self) noexcept;
  DeferredTimer(Function function, const char* what) noexcept : timer_(run, *this), function_(function), what_(what) {}
  DeferredTimer(const DeferredTimer&) = delete;
  DeferredTimer& operator=(const DeferredTimer&) = delete;

  void set_processor(unsigned index) noexcept { processor_index_ = index; }
  /// Runs once at or after the deadline; arming it while armed moves it. Any thread, IRQL <= DISPATCH_LEVEL.
  void arm_at(io::TimeNs deadline_ns) noexcept;
  void arm_after(io::TimeNs delay_ns) noexcept;
  /// True: it was armed and will not run. False: it was not armed, or its run has begun or is about to: whoever
  /// destroys it waits for that run first.
  bool cancel() noexcept;

 private:
  struct OwnedTimer : io::Timer {
    OwnedTimer(Run run_timer, DeferredTimer& call) noexcept : Timer(run_timer), owner(call) {}
    DeferredTimer& owner;
  };
  static void run(io::Task& task) noexcept;

  OwnedTimer timer_;
  Function function_;
  const char* what_;
  unsigned processor_index_ = 0;
};

/// A thread at PASSIVE_LEVEL that may block. start() at most once; join() before destruction, not from the thread
/// itself.
class SystemThread {
 public:
  using Function = void (*)(void* context) noexcept;
  SystemThread() = default;
  ~SystemThread() noexcept;
  SystemThread(const SystemThread&) = delete;
  SystemThread& operator=(const SystemThread&) = delete;

  /// `name` outlives the thread.
  [[nodiscard]] expected<void, io::IoError> start(const char* name, Function function, void* context) noexcept;
  void join() noexcept;  ///< no effect if it was not started or is joined already

 private:
  static void enter(void* self);
  Function function_ = nullptr;
  void* context_ = nullptr;
  const char* name_ = "";
  io::ThreadHandle thread_;
  bool joinable_ = false;
};

/// Closed at first; opens once and stays open. For blocking ends of asynchronous work (a synchronous close). open()
/// does not touch the gate after a waiter can have returned, so a gate may live on the waiter's stack.
class WaitGate {
 public:
  /// `what` is what the log says if the wait lasts long.
  explicit WaitGate(const char* what) noexcept : event_(what) {}
  void open() noexcept { event_.set(); }   ///< IRQL <= DISPATCH_LEVEL
  void wait() noexcept { event_.wait(); }  ///< IRQL <= APC_LEVEL; bug check otherwise
  /// The same; explain() is called each time the kernel's explain_wait_after_ns has passed.
  template <class Explain>
  void wait_and_explain(Explain&& explain) noexcept {
    const io::TimeNs patience_ns = kernel().options().explain_wait_after_ns;
    if (patience_ns == 0) return wait();
    while (!event_.wait_until(now_ns() + patience_ns))
      explain();
  }
  bool is_open() const noexcept { return event_.is_set(); }

 private:
  WaitEvent event_;
};

/// Spins until `condition()` holds; for waits that are expected to be short and where blocking is not allowed.
template <class Condition>
void relax_until(Condition&& condition) noexcept {
  io::Executor& executor = kernel().executor();
  for (unsigned spins = 0; !condition(); ++spins)
    executor.relax(spins);
}

/// Returns when every DeferredCall (and DPC task) queued before has run. PASSIVE_LEVEL, not on a processor.
void flush_processors() noexcept;

}  // namespace softndk::ntrt
