#pragma once
#include <atomic>

#include "io/clock.h"

namespace softndk::ntrt {

/// A notification event of the runtime's own, on the same wait queues as KEVENT and as safe on a stack: set() does not
/// touch it after a waiter can have returned.
class WaitEvent {
 public:
  explicit WaitEvent(const char* what) noexcept : what_(what) {}
  WaitEvent(const WaitEvent&) = delete;
  WaitEvent& operator=(const WaitEvent&) = delete;

  void set() noexcept;
  void reset() noexcept { set_.store(false); }
  bool is_set() const noexcept { return set_.load(); }
  void wait() noexcept;  ///< IRQL <= APC_LEVEL
  /// False on time-out.
  bool wait_until(io::TimeNs deadline_ns) noexcept;

 private:
  std::atomic<bool> set_{false};
  const char* what_;
};

}  // namespace softndk::ntrt
