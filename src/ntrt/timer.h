#pragma once
#include "base/thread_safety.h"
#include "io/executor.h"
#include "wdk/wdm.h"

namespace softndk::ntrt {

/// The KTIMERs that are set, in order of their due times, behind one timer of the first processor. The links are in the
/// KTIMER. Lock order: this, then wait buckets, DPC queues and processors; expiry holds the lock throughout, so that a
/// timer is no longer touched once KeCancelTimer has returned.
class TimerQueue {
 public:
  explicit TimerQueue(io::Processor& processor) noexcept;

  /// True: it was set before.
  bool set(KTIMER& timer, io::TimeNs deadline_ns, ULONG period_ms, KDPC* dpc) noexcept SOFTNDK_EXCLUDES(mutex_);
  bool cancel(KTIMER& timer) noexcept SOFTNDK_EXCLUDES(mutex_);
  /// None is set.
  bool is_idle() noexcept SOFTNDK_EXCLUDES(mutex_);
  /// No timer expires any more. Returns how many were still set.
  unsigned stop() noexcept SOFTNDK_EXCLUDES(mutex_);

 private:
  struct Alarm : io::Timer {
    explicit Alarm(TimerQueue& of) noexcept : Timer(expire), queue(of) {}
    TimerQueue& queue;
  };
  static void expire(io::Task& task) noexcept;
  void insert(KTIMER& timer, io::TimeNs deadline_ns) noexcept SOFTNDK_REQUIRES(mutex_);
  bool remove(KTIMER& timer) noexcept SOFTNDK_REQUIRES(mutex_);
  void arm_for_first() noexcept SOFTNDK_REQUIRES(mutex_);

  io::Processor& processor_;
  Alarm alarm_{*this};
  Mutex mutex_;
  LIST_ENTRY timers_ SOFTNDK_GUARDED_BY(mutex_);  // DueTime is the deadline on the world's clock
  bool stopped_ SOFTNDK_GUARDED_BY(mutex_) = false;
};

}  // namespace softndk::ntrt
