#pragma once
// The hashed wait queues under every blocking call of ntrt. A queue does not live in the object that is waited for but
// in the bucket of its address: an object's last touch is the change of its own state, so an event may live on the
// stack of the waiter that its signal releases, and a rundown reference in memory that the waiter frees.
//
//   signaller: lock bucket; change the object; claim or note waiters; unlock; unpark     (never the object again)
//   waiter:    lock bucket; object signalled? else link a block, unlock, park, ...;
//              before it returns it locks the bucket once more, so nobody still looks at its block
//
// Lock order: a bucket's lock is innermost. Who locks several locks them in ascending order of address.
#include <atomic>
#include <cstdint>

#include "base/thread_safety.h"
#include "io/executor.h"
#include "wdk/wdm.h"

namespace softndk::ntrt {

/// A thread inside a wait; on its stack.
struct Waiter {
  static constexpr int kWaiting = -1;
  io::ThreadContext& thread;
  std::atomic<int> satisfied_by{kWaiting};  ///< index of the object whose signal was handed to this waiter
  // For reports; constant once a block is linked.
  const char* what = "";
  const void* caller = nullptr;  ///< where the wait was called
  bool is_for_dispatcher_objects = false;
  io::TimeNs since_ns = 0;
};

/// One object that a waiter waits for; on the waiter's stack, linked in the bucket of `object`.
struct WaitBlock {
  WaitBlock* next = nullptr;
  WaitBlock* previous = nullptr;
  const void* object = nullptr;
  Waiter* waiter = nullptr;
  int index = 0;
  /// Signals are handed to the waiter (waits for one object, or any). False: it only looks again (waits for all, and
  /// for conditions), and a signal it does not take is left to others.
  bool takes = false;
};

/// In order of arrival. Ends are null, unlike IntrusiveList's, so that the table of buckets is a constant initialiser.
class WaitList {
 public:
  WaitBlock* first() const { return first_; }
  void push_back(WaitBlock& block) {
    block.previous = last_;
    block.next = nullptr;
    (last_ == nullptr ? first_ : last_->next) = &block;
    last_ = &block;
  }
  void remove(WaitBlock& block) {
    (block.previous == nullptr ? first_ : block.previous->next) = block.next;
    (block.next == nullptr ? last_ : block.next->previous) = block.previous;
  }

 private:
  WaitBlock* first_ = nullptr;
  WaitBlock* last_ = nullptr;
};

struct alignas(64) WaitBucket {
  Mutex mutex;
  WaitList blocks SOFTNDK_GUARDED_BY(mutex);  // of all objects of the bucket, mixed
};
inline constexpr unsigned kWaitBuckets = 256;
extern WaitBucket g_wait_buckets[kWaitBuckets];  // debuggers look here too (tools/gdb)
WaitBucket& wait_bucket(const void* object) noexcept;

/// Who set a dispatcher object last: a code address, or null. It stands in DISPATCHER_HEADER.WaitListHead, which has no
/// other use here; guarded by the object's bucket.
inline const void* last_setter(const DISPATCHER_HEADER& header) noexcept {
  return header.WaitListHead.Flink;
}
inline void set_last_setter(DISPATCHER_HEADER& header, const void* setter) noexcept {
  header.WaitListHead.Flink = static_cast<LIST_ENTRY*>(const_cast<void*>(setter));
}

/// A wait that somebody is in.
struct WaitDescription {
  const char* thread = "";
  const char* what = "";
  const void* object = nullptr;
  const void* caller = nullptr;
  bool is_event = false;
  const void* setter = nullptr;  ///< of an event
  io::TimeNs since_ns = 0;

  /// "thread 'x' waits for notification event 0x.., for 3.2 s, at place; set last by ...".
  void write(char* to, std::size_t size_bytes) const noexcept;
};
/// Those in one bucket, `room` at most; returns how many were copied.
std::size_t copy_waits(WaitBucket& bucket, WaitDescription* to, std::size_t room) noexcept;
template <class Visit>
void for_each_wait(Visit&& visit) noexcept {
  for (WaitBucket& bucket : g_wait_buckets) {
    WaitDescription waits[16];
    const std::size_t count = copy_waits(bucket, waits, 16);
    for (std::size_t i = 0; i < count; ++i)
      visit(waits[i]);
  }
}

/// Collects whom to unpark once the bucket's lock is dropped.
class WakeList {
 public:
  WakeList() = default;
  explicit WakeList(io::Executor& executor) noexcept : executor_(&executor) {}
  void add(io::ThreadContext& thread) noexcept;
  void wake() noexcept;

 private:
  static constexpr unsigned kRoom = 32;
  io::Executor* executor_ = nullptr;  // known before the lock is dropped: then a waiter may stop the kernel
  unsigned count_ = 0;
  io::ThreadContext* threads_[kRoom];
};

/// Parks the caller again and again within one wait; after some seconds without time-out it says once what for.
class Parking {
 public:
  Parking(const Waiter& waiter, const void* object, io::TimeNs deadline_ns) noexcept;
  /// False once the deadline has passed. May return early: look at what you wait for.
  bool park() noexcept;

 private:
  void explain() noexcept;

  const Waiter& waiter_;
  const void* object_;
  io::TimeNs deadline_ns_;
  io::TimeNs explain_at_ns_;
};

/// Waits until `condition(address)` holds or the deadline passes; returns whether it holds. Whoever makes it true calls
/// wake_address() afterwards. `condition` runs under the bucket's lock. No IRQL check: the caller's entry point did it.
bool wait_on_address(const void* address, bool (*condition)(const void* address) noexcept, io::TimeNs deadline_ns,
                     const char* what, const void* caller) noexcept;
/// `address` is only a number here: what was there may be gone, and so may the kernel, hence `executor`: take it before
/// making the condition true.
void wake_address(const void* address, io::Executor& executor) noexcept;

}  // namespace softndk::ntrt
