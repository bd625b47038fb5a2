// Locks for one or many: resources and push locks, each over one word.
#include <atomic>

#include "ntrt/bug_check.h"
#include "ntrt/irql.h"
#include "ntrt/kernel.h"
#include "ntrt/wait_queue.h"
#include "wdk/ntddk.h"

namespace softndk::ntrt {
namespace {

// 0 free, > 0 shared owners, < 0 exclusive (for a resource: how often).
using State = std::atomic_ref<LONG64>;

State state_of(const void* word) {
  return State(*static_cast<LONG64*>(const_cast<void*>(word)));
}

bool can_be_exclusive(const void* word) noexcept {
  return state_of(word).load() == 0;
}
bool can_be_shared(const void* word) noexcept {
  return state_of(word).load() >= 0;
}

bool try_exclusive(void* word) {
  LONG64 free = 0;
  return state_of(word).compare_exchange_strong(free, -1);
}

bool try_shared(void* word) {
  LONG64 owners = state_of(word).load();
  while (owners >= 0) {
    if (state_of(word).compare_exchange_weak(owners, owners + 1)) return true;
  }
  return false;
}

void acquire(void* word, bool exclusive, const char* what, const void* caller) {
  scheduling_point();
  while (!(exclusive ? try_exclusive(word) : try_shared(word)))
    wait_on_address(word, exclusive ? can_be_exclusive : can_be_shared, io::kNever, what, caller);
}

/// One owner less of either kind; wakes those who may come in.
void release(void* word) {
  io::Executor& executor = kernel().executor();
  LONG64 before = state_of(word).load();
  while (!state_of(word).compare_exchange_weak(before, before < 0 ? before + 1 : before - 1)) {
  }
  if (before == 1 || before == -1) wake_address(word, executor);  // an address only: who got it may have freed it
  scheduling_point();
}

[[noreturn]] void report_not_owned(const void* lock, const void* caller) {
  char where[192];
  describe_code_address(caller, where, sizeof where);
  bug_check(BugCode::mutex_not_owned, "lock %p released at %s, but nobody owns it that way", lock, where);
}

void* this_owner() {
  return &io::this_thread();
}
std::atomic_ref<PVOID> owner_of(ERESOURCE& resource) {
  return std::atomic_ref<PVOID>(resource.Owner);
}
void* word_of(ERESOURCE& resource) {
  return const_cast<LONG64*>(&resource.State);
}

bool owns(ERESOURCE& resource) {
  return owner_of(resource).load(std::memory_order_relaxed) == this_owner();
}

bool acquire_resource(ERESOURCE& resource, bool exclusive, bool wait, const void* caller) {
  check_irql(EntryPoint::ExAcquireFastMutex);
  if (owns(resource)) {  // either way it is the exclusive owner's once more
    state_of(word_of(resource)).fetch_sub(1);
    return true;
  }
  if (wait) {
    acquire(word_of(resource), exclusive, "resource", caller);
  } else {
    scheduling_point();
    if (!(exclusive ? try_exclusive(word_of(resource)) : try_shared(word_of(resource)))) return false;
  }
  if (exclusive) owner_of(resource).store(this_owner(), std::memory_order_relaxed);
  return true;
}

}  // namespace
}  // namespace softndk::ntrt

using namespace softndk::ntrt;

extern "C" {

NTSTATUS ExInitializeResourceLite(PERESOURCE resource) noexcept {
  *resource = ERESOURCE{};
  return STATUS_SUCCESS;
}

NTSTATUS ExDeleteResourceLite(PERESOURCE resource) noexcept {
  check_irql(EntryPoint::ExAcquireFastMutex);
  if (!can_be_exclusive(word_of(*resource)))
    bug_check(BugCode::driver_violation, "resource %p deleted while somebody owns it", static_cast<void*>(resource));
  return STATUS_SUCCESS;
}

BOOLEAN ExAcquireResourceExclusiveLite(PERESOURCE resource, BOOLEAN wait) noexcept {
  return acquire_resource(*resource, true, wait != FALSE, __builtin_return_address(0));
}

BOOLEAN ExAcquireResourceSharedLite(PERESOURCE resource, BOOLEAN wait) noexcept {
  return acquire_resource(*resource, false, wait != FALSE, __builtin_return_address(0));
}

void ExReleaseResourceLite(PERESOURCE resource) noexcept {
  check_irql(EntryPoint::KeReleaseMutex);
  const LONG64 state = state_of(word_of(*resource)).load();
  if (state == 0 || (state < 0 && !owns(*resource))) report_not_owned(resource, __builtin_return_address(0));
  if (state == -1) owner_of(*resource).store(nullptr, std::memory_order_relaxed);
  release(word_of(*resource));
}

BOOLEAN ExIsResourceAcquiredExclusiveLite(PERESOURCE resource) noexcept {
  return owns(*resource);
}

void ExInitializePushLock(PEX_PUSH_LOCK lock) noexcept {
  *lock = 0;
}

void ExAcquirePushLockExclusive(PEX_PUSH_LOCK lock) noexcept {
  check_irql(EntryPoint::ExAcquireFastMutex);
  acquire(lock, true, "push lock", __builtin_return_address(0));
}

void ExAcquirePushLockShared(PEX_PUSH_LOCK lock) noexcept {
  check_irql(EntryPoint::ExAcquireFastMutex);
  acquire(lock, false, "push lock", __builtin_return_address(0));
}

void ExReleasePushLockExclusive(PEX_PUSH_LOCK lock) noexcept {
  check_irql(EntryPoint::ExAcquireFastMutex);
  if (state_of(lock).load() >= 0) report_not_owned(lock, __builtin_return_address(0));
  release(lock);
}

void ExReleasePushLockShared(PEX_PUSH_LOCK lock) noexcept {
  check_irql(EntryPoint::ExAcquireFastMutex);
  if (state_of(lock).load() <= 0) report_not_owned(lock, __builtin_return_address(0));
  release(lock);
}

}  // extern "C"
