#pragma once
#include <atomic>
#include <cstdint>

#include "base/interleave.h"
#include "base/thread_safety.h"

namespace softndk {

/// Exclusive work that is tried for and never waited for: whoever raises the first signal becomes the owner and does
/// the work; a signal raised meanwhile is seen by the owner before it lets go, so none is stranded.
///
///   poster:  ring.push(x);  if (tx.signal()) run_as_owner();
///   owner:   do { drain(ring); } while (!tx.release());
///
/// Invariant: count_ > 0 exactly while somebody owns it (or has been handed it). All accesses are sequentially
/// consistent read-modify-writes, so what a poster wrote before signal() is visible to the owner's drain after the
/// release() that returned false because of it: looking only *before* letting go would strand a request.
class SOFTNDK_CAPABILITY("ownership") Ownership {
 public:
  /// True: the caller is the owner now and must end with release() returning true, or hand the ownership on.
  bool signal() SOFTNDK_TRY_ACQUIRE(true) {
    interleave_point();
    return count_.fetch_add(1) == 0;
  }

  /// False: signals arrived since `begin()`; the caller still owns and must look again. True: let go.
  bool release() SOFTNDK_RELEASE() {
    interleave_point();
    std::uint32_t expected = seen_;
    if (count_.compare_exchange_strong(expected, 0)) return true;
    seen_ = expected;
    return false;
  }

  /// To be called by a new owner before its first look: what was signalled until here is covered by that look.
  void begin() SOFTNDK_REQUIRES(this) { seen_ = count_.load(); }

  /// Signals, and if that made the caller the owner runs `work` until no signal is left. `work` returns false to keep
  /// the ownership beyond this call (it has handed it to a task that will call resume()).
  template <class Work>
  void run(Work&& work) SOFTNDK_NO_ANALYSIS {
    if (signal()) resume(work);
  }
  template <class Work>
  void resume(Work&& work) SOFTNDK_NO_ANALYSIS {
    begin();
    do {
      if (!work()) return;
    } while (!release());
  }

  /// The ownership travels to another thread (a task that was posted): no analysis can follow it there.
  void assume() const SOFTNDK_ASSERTS(this) {}
  bool is_owned() const { return count_.load() != 0; }

 private:
  std::atomic<std::uint32_t> count_{0};
  std::uint32_t seen_ = 0;  // owner only
};

}  // namespace softndk
