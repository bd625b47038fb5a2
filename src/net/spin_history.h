#pragma once
#include <algorithm>

namespace softndk::net {

/// Whether to poll before sleeping, from how that went lately. Polling is in vain when nothing comes for long, and does
/// harm when what would come is made by a thread that waits for this very CPU (each round trip then lasts a whole
/// poll). So after a poll in vain the next waits sleep at once: 1, 3, 7, then 15 of them between two trials.
class SpinHistory {
 public:
  /// Asked once for each wait; answer with succeeded() or failed() if it says true.
  bool worth_trying() noexcept {
    if (to_skip_ == 0) return true;
    --to_skip_;
    return false;
  }
  void succeeded() noexcept { failures_ = 0; }
  void failed() noexcept {
    failures_ = std::min(failures_ + 1, kFailuresMax);
    to_skip_ = (1u << failures_) - 1;
  }

 private:
  static constexpr unsigned kFailuresMax = 4;
  unsigned failures_ = 0;  // in a row
  unsigned to_skip_ = 0;
};

}  // namespace softndk::net
