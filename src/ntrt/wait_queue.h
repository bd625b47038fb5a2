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

namespace softndk::ntrt {

/// A thread inside a wait; on its stack.
struct Waiter {
  static constexpr int kWaiting = -1;
  io::ThreadContext& thread;
  std::atomic<int> satisfied_by{kWaiting};  ///< index of the object whose signal was handed to this waiter
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
WaitBucket& wait_bucket(const void* object) noexcept;

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
  Parking(const char* what, const void* object, io::TimeNs deadline_ns, const void* caller) noexcept;
  /// False once the deadline has passed. May return early: look at what you wait for.
  bool park() noexcept;

 private:
  const char* what_;
  const void* object_;
  const void* caller_;
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
