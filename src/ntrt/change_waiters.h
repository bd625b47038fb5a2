#pragma once
#include "base/intrusive_list.h"
#include "base/thread_safety.h"
#include "io/clock.h"
#include "ntrt/kernel.h"
#include "ntrt/wait_event.h"

namespace softndk::ntrt {

/// Threads that wait for a condition on state under a Mutex: what a condition variable would be, on the runtime's own
/// waits. Guarded by that same Mutex; wait() takes it itself, which is more than an annotation can say. `what` ends the
/// sentence "still waits for" in the log.
class ChangeWaiters {
 public:
  explicit constexpr ChangeWaiters(const char* what) noexcept : what_(what) {}

  /// Returns once done() held, which is asked under `mutex`. Each time the kernel's explain_wait_after_ns passes
  /// without it, explain() is called, without the mutex: it says who stands in the way. Needs a running kernel only if
  /// it has to wait. IRQL <= APC_LEVEL; called without `mutex`.
  template <class Done, class Explain>
  void wait(Mutex& mutex, Done&& done, Explain&& explain) noexcept SOFTNDK_NO_ANALYSIS {
    for (;;) {
      Waiter waiter(what_);
      {
        MutexLock lock(mutex);
        if (done()) return;
        waiters_.push_back(waiter);
      }
      const io::TimeNs patience_ns = kernel().options().explain_wait_after_ns;
      const io::TimeNs deadline_ns = patience_ns == 0 ? io::kNever : kernel().clock().now_ns() + patience_ns;
      const bool changed = waiter.event.wait_until(deadline_ns);
      {
        MutexLock lock(mutex);
        if (waiter.is_linked()) waiters_.remove(waiter);
      }
      if (!changed) explain();
    }
  }

  /// Something that done() looks at has changed; under the mutex, so that no waiter leaves before we have let go of it.
  void notify() noexcept {
    while (Waiter* waiter = waiters_.pop_front())
      waiter->event.set();
  }

 private:
  struct Waiter : ListLink {
    explicit Waiter(const char* what) noexcept : event(what) {}
    WaitEvent event;
  };
  const char* what_;
  IntrusiveList<Waiter> waiters_;
};

}  // namespace softndk::ntrt
