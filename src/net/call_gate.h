#pragma once
#include <atomic>
#include <cstdint>

namespace softndk::net {

/// Lets calls on a descriptor in until it is to be closed, and says when the last one has left: rundown protection in
/// one word. The closing side never waits; the last caller to leave tells it to go on.
///
///   caller:  if (!gate.enter()) return closed;  ...  if (gate.leave()) tell the closer to try again;
///   closer:  gate.close();  tell the closer to try  ->  if (!gate.try_finish()) return;  nobody is inside any more
///
/// Orders: leave() releases and try_finish() acquires, so what callers did is over for the closer. enter() acquires,
/// with the partner close().
class CallGate {
 public:
  bool enter() noexcept {
    std::uint64_t state = state_.load(std::memory_order_relaxed);
    do {
      if (state & kClosing) return false;
    } while (!state_.compare_exchange_weak(state, state + kCall, std::memory_order_acquire, std::memory_order_relaxed));
    return true;
  }
  /// True: the closer waits for exactly this.
  [[nodiscard]] bool leave() noexcept {
    const std::uint64_t before = state_.fetch_sub(kCall, std::memory_order_acq_rel);
    return (before & kAwaited) != 0 && before / kCall == 1;
  }
  /// Nobody comes in any more. False: it was closed already.
  bool close() noexcept { return (state_.fetch_or(kClosing, std::memory_order_acq_rel) & kClosing) == 0; }
  /// After close(). True: all have left. False: somebody is inside, and the last one's leave() will return true.
  bool try_finish() noexcept { return state_.fetch_or(kAwaited, std::memory_order_acq_rel) / kCall == 0; }

 private:
  static constexpr std::uint64_t kClosing = 1, kAwaited = 2, kCall = 4;
  std::atomic<std::uint64_t> state_{0};
};

}  // namespace softndk::net
