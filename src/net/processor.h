#pragma once
#include <pthread.h>

#include <atomic>

#include "base/alloc.h"
#include "base/expected.h"
#include "base/thread_safety.h"
#include "io/error.h"
#include "io/executor.h"
#include "net/clock.h"
#include "net/sys.h"
#include "net/timer_heap.h"

namespace softndk::net {

/// What a processor calls when a descriptor that it watches has something to say. `events` are epoll's bits.
class EventSource {
 public:
  virtual void on_events(std::uint32_t events) noexcept = 0;

 protected:
  ~EventSource() = default;
};

/// A thread around an epoll set, a queue of tasks and a heap of timers. One round: the events that are there, then the
/// tasks that were posted by then, then the timers that are due. With nothing to do it polls for spin_ns where that has
/// paid lately (a wake-up across CPUs costs 34 us, a hop over loopback 6), then sleeps in epoll_wait until an event, a
/// post or a deadline.
///
/// An EventSource may go away only in a task of this processor: events are taken from the kernel by the batch, and
/// tasks run when the batch is done, so none is left that names it.
class Processor final : public io::Processor {
 public:
  static expected<Owned<Processor>, io::IoError> create(Clock& clock, unsigned index, io::TimeNs spin_ns) noexcept;
  ~Processor() { stop(); }
  /// Runs what is queued, then ends the thread. From then on tasks may be posted, but do not run.
  void stop() noexcept;

  Processor(const Processor&) = delete;
  Processor& operator=(const Processor&) = delete;

  bool post(io::Task& task) noexcept override;
  void arm(io::Timer& timer, io::TimeNs deadline_ns) noexcept override SOFTNDK_EXCLUDES(timers_lock_);
  bool cancel(io::Timer& timer) noexcept override SOFTNDK_EXCLUDES(timers_lock_);
  bool is_current() const noexcept override;
  unsigned index() const noexcept override { return index_; }
  io::TimeNs now_ns() noexcept { return clock_.now_ns(); }
  /// True on the thread of any processor.
  static bool on_any() noexcept;

  /// epoll_ctl, from any thread. Only watch() can fail.
  expected<void, io::IoError> watch(int fd, std::uint32_t events, EventSource& source) noexcept;
  void change_watch(int fd, std::uint32_t events, EventSource& source) noexcept;
  void unwatch(int fd) noexcept;

  /// For create().
  Processor(Clock& clock, unsigned index, io::TimeNs spin_ns, sys::Fd epoll, sys::Fd wake_fd) noexcept;

 private:
  static void* thread_entry(void* self);
  void run() noexcept;
  /// False: there was nothing to do.
  bool run_round() noexcept;
  bool run_events(const timespec* timeout) noexcept;
  bool run_tasks() noexcept;
  bool run_timers() noexcept SOFTNDK_EXCLUDES(timers_lock_);
  void sleep() noexcept;
  void wake() noexcept;

  // Constant after construction.
  Clock& clock_;
  const unsigned index_;
  const io::TimeNs spin_ns_;
  const sys::Fd epoll_;
  const sys::Fd wake_fd_;  // an eventfd, edge-triggered, so that nobody need ever read it
  char name_[16];
  io::SpareContext context_;  // the thread's own, until it has begun
  pthread_t thread_{};
  bool started_ = false;

  // Tasks, the last posted first. Posters push one, the thread takes all.
  std::atomic<ListLink*> posted_{nullptr};
  // Sleeping works by two flags that each side sets before it looks at the other's: the thread sets sleeping_, then
  // looks at posted_, next_deadline_ns_ and stop_; others change one of these, then look at sleeping_. All of that is
  // sequentially consistent: with less, each might miss the other's.
  std::atomic<bool> sleeping_{false};
  std::atomic<io::TimeNs> next_deadline_ns_{io::kNever};  // written under timers_lock_
  std::atomic<bool> stop_{false};

  Mutex timers_lock_;
  TimerHeap timers_ SOFTNDK_GUARDED_BY(timers_lock_);
};

}  // namespace softndk::net
