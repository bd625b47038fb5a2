#pragma once
// Clang's thread-safety attributes, for locks and for roles. A role costs nothing at run time: it states that the
// caller has an exclusivity that somebody else guarantees (an NDKPI consumer serialises posts on a queue; an
// ownership flag was taken), and -Wthread-safety then checks who touches what.
#include <mutex>

#include "base/interleave.h"

#if defined(__clang__)
#define SOFTNDK_TS(x) __attribute__((x))
#else
#define SOFTNDK_TS(x)
#endif
#define SOFTNDK_CAPABILITY(name) SOFTNDK_TS(capability(name))
#define SOFTNDK_SCOPED SOFTNDK_TS(scoped_lockable)
#define SOFTNDK_GUARDED_BY(x) SOFTNDK_TS(guarded_by(x))
#define SOFTNDK_PT_GUARDED_BY(x) SOFTNDK_TS(pt_guarded_by(x))
#define SOFTNDK_REQUIRES(...) SOFTNDK_TS(requires_capability(__VA_ARGS__))
#define SOFTNDK_EXCLUDES(...) SOFTNDK_TS(locks_excluded(__VA_ARGS__))
#define SOFTNDK_ACQUIRE(...) SOFTNDK_TS(acquire_capability(__VA_ARGS__))
#define SOFTNDK_TRY_ACQUIRE(...) SOFTNDK_TS(try_acquire_capability(__VA_ARGS__))
#define SOFTNDK_RELEASE(...) SOFTNDK_TS(release_capability(__VA_ARGS__))
#define SOFTNDK_ASSERTS(...) SOFTNDK_TS(assert_capability(__VA_ARGS__))
#define SOFTNDK_NO_ANALYSIS SOFTNDK_TS(no_thread_safety_analysis)

namespace softndk {

/// A lock for short sections inside one layer. Never held across a callback, a wait, or any call of io::Executor that
/// may switch threads (park, yield, relax). Taking and leaving it are interleave points.
class SOFTNDK_CAPABILITY("mutex") Mutex {
 public:
  void lock() SOFTNDK_ACQUIRE() {
    interleave_point();
    if (!mutex_.try_lock()) lock_contended();
  }
  void unlock() SOFTNDK_RELEASE() {
    mutex_.unlock();
    interleave_point();
  }
  bool try_lock() SOFTNDK_TRY_ACQUIRE(true) { return mutex_.try_lock(); }

 private:
  void lock_contended() noexcept;

  std::mutex mutex_;
};

class SOFTNDK_SCOPED MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) SOFTNDK_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() SOFTNDK_RELEASE() { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

/// An exclusivity promised by the caller, not taken by us.
class SOFTNDK_CAPABILITY("role") CallerRole {
 public:
  void assume() const SOFTNDK_ASSERTS(this) {}
};

}  // namespace softndk
