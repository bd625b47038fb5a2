// Spin locks in two kinds over one word, which is 0 when free:
//   plain    the owner's thread context, with bit 0 set
//   queued   the last handle in the queue (handles are aligned, so bit 0 is clear); first come, first served
// Using one lock in both ways is an error on Windows too, and is reported when it is met.
#include <atomic>

#include "ntrt/bug_check.h"
#include "ntrt/irql.h"
#include "ntrt/kernel.h"
#include "wdk/wdm.h"

namespace softndk::ntrt {
namespace {

constexpr std::uintptr_t kPlainBit = 1;
constexpr std::uintptr_t kWaitBit = 1;  // in a handle's Lock: not handed over yet
constexpr unsigned kTrackedLocks =
    static_cast<unsigned>(Slot::held_lock_last) - static_cast<unsigned>(Slot::held_lock_first) + 1;

std::uintptr_t& tracked(unsigned i) {
  return io::this_thread().local[static_cast<unsigned>(Slot::held_lock_first) + i];
}

/// Index of the slot that holds `value`, or kTrackedLocks.
unsigned find_tracked(std::uintptr_t value) {
  unsigned i = 0;
  while (i < kTrackedLocks && tracked(i) != value)
    ++i;
  return i;
}

bool holds(const void* lock) {
  return find_tracked(reinterpret_cast<std::uintptr_t>(lock)) < kTrackedLocks;
}

void note_acquired(const void* lock) {
  ++local(Slot::held_spin_locks);
  if (const unsigned free = find_tracked(0); free < kTrackedLocks)
    tracked(free) = reinterpret_cast<std::uintptr_t>(lock);
}

/// Before the release itself: afterwards the lock may be gone.
void note_released(const void* lock, const void* caller) {
  const unsigned found = find_tracked(reinterpret_cast<std::uintptr_t>(lock));
  if (found < kTrackedLocks) {
    tracked(found) = 0;
  } else {
    // A thread that holds more than the slots hold knows only how many the others are.
    unsigned known = 0;
    for (unsigned i = 0; i < kTrackedLocks; ++i)
      known += tracked(i) != 0 ? 1 : 0;
    if (local(Slot::held_spin_locks) <= known) {
      char where[192];
      describe_code_address(caller, where, sizeof where);
      bug_check(BugCode::spin_lock_not_owned, "spin lock %p released at %s by a thread that does not hold it", lock,
                where);
    }
  }
  --local(Slot::held_spin_locks);
}

void check_not_held(const void* lock, const void* caller) {
  if (!holds(lock)) return;
  char where[192];
  describe_code_address(caller, where, sizeof where);
  bug_check(BugCode::spin_lock_already_owned, "spin lock %p acquired at %s by the thread that holds it already", lock,
            where);
}

[[noreturn]] void report_mixed_use(const void* lock) {
  bug_check(BugCode::driver_violation, "spin lock %p is used both with KeAcquireSpinLock and as a queued spin lock",
            lock);
}

void acquire_plain(PKSPIN_LOCK lock, const void* caller) {
  check_not_held(lock, caller);
  scheduling_point();
  std::atomic_ref<ULONG_PTR> word(*lock);
  const auto me = reinterpret_cast<std::uintptr_t>(&io::this_thread()) | kPlainBit;
  io::Executor* executor = nullptr;
  for (unsigned spins = 0;; ++spins) {
    ULONG_PTR owner = word.load(std::memory_order_relaxed);
    // acquire pairs with the release in release_plain
    if (owner == 0 && word.compare_exchange_weak(owner, me, std::memory_order_acquire)) break;
    if (owner != 0 && (owner & kPlainBit) == 0) report_mixed_use(lock);
    if (executor == nullptr) executor = &kernel().executor();
    executor->relax(spins);
  }
  note_acquired(lock);
}

void release_plain(PKSPIN_LOCK lock, const void* caller) {
  note_released(lock, caller);
  std::atomic_ref<ULONG_PTR> word(*lock);
  if (word.load(std::memory_order_relaxed) != (reinterpret_cast<std::uintptr_t>(&io::this_thread()) | kPlainBit))
    report_mixed_use(lock);
  word.store(0, std::memory_order_release);
}

void acquire_queued(PKSPIN_LOCK lock, PKLOCK_QUEUE_HANDLE handle, const void* caller) {
  check_not_held(lock, caller);
  scheduling_point();
  KSPIN_LOCK_QUEUE& me = handle->LockQueue;
  me.Next = nullptr;
  me.Lock = reinterpret_cast<PKSPIN_LOCK>(reinterpret_cast<std::uintptr_t>(lock) | kWaitBit);
  // acq_rel: acquires what the last owner wrote when the lock was free, releases our handle to our successor.
  const ULONG_PTR previous = std::atomic_ref<ULONG_PTR>(*lock).exchange(reinterpret_cast<ULONG_PTR>(&me));
  if (previous == 0) {
    me.Lock = lock;
  } else {
    if ((previous & kPlainBit) != 0) report_mixed_use(lock);
    auto* before = reinterpret_cast<PKSPIN_LOCK_QUEUE>(previous);
    __atomic_store_n(&before->Next, &me, __ATOMIC_RELEASE);  // partner: the acquire of Next in release_queued
    io::Executor& executor = kernel().executor();
    // partner: the release of Lock in release_queued
    for (unsigned spins = 0; __atomic_load_n(&me.Lock, __ATOMIC_ACQUIRE) != lock; ++spins)
      executor.relax(spins);
  }
  note_acquired(lock);
}

void release_queued(PKLOCK_QUEUE_HANDLE handle, const void* caller) {
  KSPIN_LOCK_QUEUE& me = handle->LockQueue;
  PKSPIN_LOCK lock = me.Lock;
  note_released(lock, caller);
  PKSPIN_LOCK_QUEUE next = __atomic_load_n(&me.Next, __ATOMIC_ACQUIRE);
  if (next == nullptr) {
    auto last = reinterpret_cast<ULONG_PTR>(&me);
    if (std::atomic_ref<ULONG_PTR>(*lock).compare_exchange_strong(last, 0)) return;
    // Somebody has queued behind us and is about to say so. From here on only handles are touched: the next owner may
    // free the lock.
    io::Executor& executor = kernel().executor();
    for (unsigned spins = 0; (next = __atomic_load_n(&me.Next, __ATOMIC_ACQUIRE)) == nullptr; ++spins)
      executor.relax(spins);
  }
  __atomic_store_n(&next->Lock, lock, __ATOMIC_RELEASE);
}

}  // namespace
}  // namespace softndk::ntrt

using namespace softndk::ntrt;

extern "C" {

void KeInitializeSpinLock(PKSPIN_LOCK lock) noexcept {
  *lock = 0;
}

KIRQL KeAcquireSpinLockRaiseToDpc(PKSPIN_LOCK lock) noexcept {
  check_irql(EntryPoint::KeAcquireSpinLock);
  const Irql before = raise_irql(kDispatchLevel, __builtin_return_address(0));
  acquire_plain(lock, __builtin_return_address(0));
  return before;
}

void KeReleaseSpinLock(PKSPIN_LOCK lock, KIRQL new_irql) noexcept {
  check_irql(EntryPoint::KeReleaseSpinLock);
  release_plain(lock, __builtin_return_address(0));
  lower_irql(new_irql);
  scheduling_point();
}

void KeAcquireSpinLockAtDpcLevel(PKSPIN_LOCK lock) noexcept {
  check_irql(EntryPoint::KeAcquireSpinLockAtDpcLevel);
  acquire_plain(lock, __builtin_return_address(0));
}

BOOLEAN KeTryToAcquireSpinLockAtDpcLevel(PKSPIN_LOCK lock) noexcept {
  check_irql(EntryPoint::KeTryToAcquireSpinLockAtDpcLevel);
  check_not_held(lock, __builtin_return_address(0));
  scheduling_point();
  ULONG_PTR free = 0;
  const auto me = reinterpret_cast<std::uintptr_t>(&softndk::io::this_thread()) | kPlainBit;
  // acquire pairs with the release in release_plain
  if (!std::atomic_ref<ULONG_PTR>(*lock).compare_exchange_strong(free, me, std::memory_order_acquire)) return FALSE;
  note_acquired(lock);
  return TRUE;
}

void KeReleaseSpinLockFromDpcLevel(PKSPIN_LOCK lock) noexcept {
  check_irql(EntryPoint::KeReleaseSpinLockFromDpcLevel);
  release_plain(lock, __builtin_return_address(0));
  scheduling_point();
}

void KeAcquireInStackQueuedSpinLock(PKSPIN_LOCK lock, PKLOCK_QUEUE_HANDLE handle) noexcept {
  check_irql(EntryPoint::KeAcquireInStackQueuedSpinLock);
  handle->OldIrql = raise_irql(kDispatchLevel, __builtin_return_address(0));
  acquire_queued(lock, handle, __builtin_return_address(0));
}

void KeReleaseInStackQueuedSpinLock(PKLOCK_QUEUE_HANDLE handle) noexcept {
  check_irql(EntryPoint::KeReleaseInStackQueuedSpinLock);
  release_queued(handle, __builtin_return_address(0));
  lower_irql(handle->OldIrql);
  scheduling_point();
}

void KeAcquireInStackQueuedSpinLockAtDpcLevel(PKSPIN_LOCK lock, PKLOCK_QUEUE_HANDLE handle) noexcept {
  check_irql(EntryPoint::KeAcquireInStackQueuedSpinLockAtDpcLevel);
  handle->OldIrql = kDispatchLevel;
  acquire_queued(lock, handle, __builtin_return_address(0));
}

void KeReleaseInStackQueuedSpinLockFromDpcLevel(PKLOCK_QUEUE_HANDLE handle) noexcept {
  check_irql(EntryPoint::KeReleaseInStackQueuedSpinLockFromDpcLevel);
  release_queued(handle, __builtin_return_address(0));
  scheduling_point();
}
}
