#pragma once
#include "io/executor.h"

namespace softndk::net {

/// A pairing heap through the links inside io::Timer: arming is O(1), cancelling O(log n) amortised, nothing is ever
/// allocated. Knows neither locks nor clocks; does not touch `armed`.
class TimerHeap {
 public:
  io::Timer* earliest() const noexcept { return root_; }
  /// By timer.deadline_ns, which must not change while the timer is in here.
  void insert(io::Timer& timer) noexcept;
  void remove(io::Timer& timer) noexcept;

 private:
  static io::Timer* meld(io::Timer* one, io::Timer* other) noexcept;
  static io::Timer* meld_siblings(io::Timer* first) noexcept;

  io::Timer* root_ = nullptr;
};

}  // namespace softndk::net
