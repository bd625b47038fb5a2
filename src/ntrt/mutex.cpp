// Mutexes, semaphores, fast and guarded mutexes, regions without APCs.
#include <atomic>

#include "ntrt/bug_check.h"
#include "ntrt/dispatcher.h"
#include "ntrt/irql.h"
#include "ntrt/kernel.h"
#include "wdk/ntddk.h"

namespace softndk::ntrt {
namespace {

std::atomic_ref<LONG> count_of(FAST_MUTEX& mutex) {
  return std::atomic_ref<LONG>(const_cast<LONG&>(mutex.Count));
}
void* this_owner() {
  return &io::this_thread();
}

void acquire(FAST_MUTEX& mutex, const void* caller) {
  if (std::atomic_ref<PVOID>(mutex.Owner).load(std::memory_order_relaxed) == this_owner()) {
    char where[192];
    describe_code_address(caller, where, sizeof where);
    bug_check(BugCode::driver_violation, "fast mutex %p acquired at %s by the thread that holds it already",
              static_cast<void*>(&mutex), where);
  }
  scheduling_point();
  // One wait for each release that saw somebody waiting: the event hands the mutex over.
  if (count_of(mutex).fetch_sub(1) != 1) KeWaitForSingleObject(&mutex.Event, Executive, KernelMode, FALSE, nullptr);
  std::atomic_ref<PVOID>(mutex.Owner).store(this_owner(), std::memory_order_relaxed);
}

bool try_acquire(FAST_MUTEX& mutex) {
  scheduling_point();
  LONG free = 1;
  if (!count_of(mutex).compare_exchange_strong(free, 0)) return false;
  std::atomic_ref<PVOID>(mutex.Owner).store(this_owner(), std::memory_order_relaxed);
  return true;
}

void release(FAST_MUTEX& mutex, const void* caller) {
  if (std::atomic_ref<PVOID>(mutex.Owner).load(std::memory_order_relaxed) != this_owner()) {
    char where[192];
    describe_code_address(caller, where, sizeof where);
    bug_check(BugCode::mutex_not_owned, "fast mutex %p released at %s by a thread that does not own it",
              static_cast<void*>(&mutex), where);
  }
  std::atomic_ref<PVOID>(mutex.Owner).store(nullptr, std::memory_order_relaxed);
  if (count_of(mutex).fetch_add(1) < 0) KeSetEvent(&mutex.Event, IO_NO_INCREMENT, FALSE);
  scheduling_point();
}

}  // namespace
}  // namespace softndk::ntrt

using namespace softndk::ntrt;

extern "C" {

void KeInitializeMutex(PRKMUTEX mutex, ULONG) noexcept {
  *mutex = KMUTEX{};
  initialize_header(mutex->Header, ObjectKind::mutex, true);
}

LONG KeReleaseMutex(PRKMUTEX mutex, BOOLEAN) noexcept {
  check_irql(EntryPoint::KeReleaseMutex);
  const LONG before = release_mutex(*mutex, __builtin_return_address(0));
  scheduling_point();
  return before;
}

LONG KeReadStateMutex(PRKMUTEX mutex) noexcept {
  check_irql(EntryPoint::KeReadStateMutex);
  return read_state(mutex->Header);
}

void KeInitializeSemaphore(PRKSEMAPHORE semaphore, LONG count, LONG limit) noexcept {
  *semaphore = KSEMAPHORE{};
  initialize_header(semaphore->Header, ObjectKind::semaphore, false);
  semaphore->Header.SignalState = count;
  semaphore->Limit = limit;
}

LONG KeReleaseSemaphore(PRKSEMAPHORE semaphore, KPRIORITY, LONG adjustment, BOOLEAN) noexcept {
  check_irql(EntryPoint::KeReleaseSemaphore);
  const LONG before = release_semaphore(*semaphore, adjustment, __builtin_return_address(0));
  scheduling_point();
  return before;
}

LONG KeReadStateSemaphore(PRKSEMAPHORE semaphore) noexcept {
  check_irql(EntryPoint::KeReadStateSemaphore);
  return read_state(semaphore->Header);
}

void ExInitializeFastMutex(PFAST_MUTEX mutex) noexcept {
  *mutex = FAST_MUTEX{};
  mutex->Count = 1;
  KeInitializeEvent(&mutex->Event, SynchronizationEvent, FALSE);
}

void ExAcquireFastMutex(PFAST_MUTEX mutex) noexcept {
  check_irql(EntryPoint::ExAcquireFastMutex);
  const Irql before = raise_irql(kApcLevel, __builtin_return_address(0));
  acquire(*mutex, __builtin_return_address(0));
  mutex->OldIrql = before;
}

void ExReleaseFastMutex(PFAST_MUTEX mutex) noexcept {
  check_irql(EntryPoint::ExReleaseFastMutex);
  const auto before = static_cast<Irql>(mutex->OldIrql);  // the next owner writes its own
  release(*mutex, __builtin_return_address(0));
  lower_irql(before);
}

BOOLEAN ExTryToAcquireFastMutex(PFAST_MUTEX mutex) noexcept {
  check_irql(EntryPoint::ExTryToAcquireFastMutex);
  const Irql before = raise_irql(kApcLevel, __builtin_return_address(0));
  const bool acquired = try_acquire(*mutex);
  if (acquired) {
    mutex->OldIrql = before;
  } else {
    lower_irql(before);
  }
  return acquired;
}

void ExAcquireFastMutexUnsafe(PFAST_MUTEX mutex) noexcept {
  check_irql(EntryPoint::ExAcquireFastMutex);
  acquire(*mutex, __builtin_return_address(0));
}

void ExReleaseFastMutexUnsafe(PFAST_MUTEX mutex) noexcept {
  check_irql(EntryPoint::ExAcquireFastMutex);
  release(*mutex, __builtin_return_address(0));
}

void KeInitializeGuardedMutex(PKGUARDED_MUTEX mutex) noexcept {
  ExInitializeFastMutex(mutex);
}

void KeAcquireGuardedMutex(PKGUARDED_MUTEX mutex) noexcept {
  KeEnterGuardedRegion();
  acquire(*mutex, __builtin_return_address(0));
}

void KeReleaseGuardedMutex(PKGUARDED_MUTEX mutex) noexcept {
  release(*mutex, __builtin_return_address(0));
  KeLeaveGuardedRegion();
}

BOOLEAN KeTryToAcquireGuardedMutex(PKGUARDED_MUTEX mutex) noexcept {
  KeEnterGuardedRegion();
  const bool acquired = try_acquire(*mutex);
  if (!acquired) KeLeaveGuardedRegion();
  return acquired;
}

void KeEnterCriticalRegion(void) noexcept {
  check_irql(EntryPoint::KeEnterCriticalRegion);
  ++local(Slot::critical_regions);
}

void KeLeaveCriticalRegion(void) noexcept {
  check_irql(EntryPoint::KeLeaveCriticalRegion);
  if (local(Slot::critical_regions) == 0)
    bug_check(BugCode::driver_violation, "a thread leaves a critical or guarded region that it never entered");
  --local(Slot::critical_regions);
}

void KeEnterGuardedRegion(void) noexcept {
  KeEnterCriticalRegion();
}

void KeLeaveGuardedRegion(void) noexcept {
  KeLeaveCriticalRegion();
}

BOOLEAN KeAreApcsDisabled(void) noexcept {
  return local(Slot::critical_regions) != 0 || current_irql() >= kApcLevel;
}

}  // extern "C"
