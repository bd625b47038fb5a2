// Lookaside lists: every entry is an allocation of its own. Lists under a driver's spin lock.
#include <atomic>

#include "base/log.h"
#include "ntrt/bug_check.h"
#include "ntrt/irql.h"
#include "ntrt/pool.h"
#include "wdk/ntddk.h"

namespace softndk::ntrt {
namespace {

enum class Kind : ULONG { ex = 1, plain = 2 };  // which of the two signatures its functions have
constexpr int kPagedBit = 1;                    // of a POOL_TYPE
constexpr int kCacheAlignedBit = 4;

std::atomic_ref<LONG> outstanding(SOFTNDK_LOOKASIDE& list) {
  return std::atomic_ref<LONG>(const_cast<LONG&>(list.Outstanding));
}

void initialize(SOFTNDK_LOOKASIDE& list, Kind kind, PVOID allocate, PVOID free, POOL_TYPE type, SIZE_T bytes,
                ULONG tag) {
  check_irql(EntryPoint::ExInitializeLookasideListEx);
  list = SOFTNDK_LOOKASIDE{};
  list.Allocate = allocate;
  list.Free = free;
  list.Size = bytes;
  list.Tag = tag;
  list.Type = type;
  list.Kind = static_cast<ULONG>(kind);
}

void check_initialized(const SOFTNDK_LOOKASIDE& list, const char* call) {
  if (list.Kind != static_cast<ULONG>(Kind::ex) && list.Kind != static_cast<ULONG>(Kind::plain))
    bug_check(BugCode::driver_violation, "%s: lookaside list %p was never initialised, or was deleted", call,
              static_cast<const void*>(&list));
}

PVOID allocate(SOFTNDK_LOOKASIDE& list, PVOID outer, PVOID caller) {
  check_irql(EntryPoint::ExAllocateFromLookasideListEx);
  check_initialized(list, "an allocation");
  PVOID entry = nullptr;
  if (list.Allocate == nullptr) {
    entry = pool_allocate({.bytes = list.Size,
                           .tag = list.Tag,
                           .paged = (list.Type & kPagedBit) != 0,
                           .cache_aligned = (list.Type & kCacheAlignedBit) != 0},
                          caller);
  } else if (list.Kind == static_cast<ULONG>(Kind::ex)) {
    entry = reinterpret_cast<PALLOCATE_FUNCTION_EX>(list.Allocate)(list.Type, list.Size, list.Tag,
                                                                   static_cast<PLOOKASIDE_LIST_EX>(outer));
  } else {
    entry = reinterpret_cast<PALLOCATE_FUNCTION>(list.Allocate)(list.Type, list.Size, list.Tag);
  }
  if (entry != nullptr) outstanding(list).fetch_add(1, std::memory_order_relaxed);
  return entry;
}

void free_entry(SOFTNDK_LOOKASIDE& list, PVOID outer, PVOID entry, PVOID caller) {
  check_irql(EntryPoint::ExFreeToLookasideListEx);
  check_initialized(list, "a free");
  outstanding(list).fetch_sub(1, std::memory_order_relaxed);
  if (list.Free == nullptr) {
    pool_free(entry, list.Tag, caller);
  } else if (list.Kind == static_cast<ULONG>(Kind::ex)) {
    reinterpret_cast<PFREE_FUNCTION_EX>(list.Free)(entry, static_cast<PLOOKASIDE_LIST_EX>(outer));
  } else {
    reinterpret_cast<PFREE_FUNCTION>(list.Free)(entry);
  }
}

void delete_list(SOFTNDK_LOOKASIDE& list, PVOID caller) {
  check_irql(EntryPoint::ExDeleteLookasideListEx);
  check_initialized(list, "a delete");
  if (const LONG left = outstanding(list).load(std::memory_order_relaxed); left != 0) {
    char place[128];
    describe_code_address(caller, place, sizeof place);
    log(LogLevel::error, "lookaside list %p (tag %s) deleted by %s while %d of its entries are out",
        static_cast<void*>(&list), PoolTagText(list.Tag).text, place, left);
  }
  list.Kind = 0;
}

POOL_TYPE nonpaged_type(ULONG flags) {
  return (flags & POOL_NX_ALLOCATION) != 0 ? NonPagedPoolNx : NonPagedPool;
}

/// The driver's spin lock for the length of a call.
class Held {
 public:
  explicit Held(PKSPIN_LOCK lock) noexcept : lock_(lock), before_(KeAcquireSpinLockRaiseToDpc(lock)) {}
  ~Held() noexcept { KeReleaseSpinLock(lock_, before_); }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

 private:
  PKSPIN_LOCK lock_;
  KIRQL before_;
};

PLIST_ENTRY first_of(PLIST_ENTRY head) {
  return IsListEmpty(head) ? nullptr : head->Flink;
}

}  // namespace
}  // namespace softndk::ntrt

using namespace softndk::ntrt;

extern "C" {

NTSTATUS ExInitializeLookasideListEx(PLOOKASIDE_LIST_EX list, PALLOCATE_FUNCTION_EX allocate_function,
                                     PFREE_FUNCTION_EX free_function, POOL_TYPE type, ULONG flags, SIZE_T bytes,
                                     ULONG tag, USHORT depth) noexcept {
  constexpr ULONG kBoth = EX_LOOKASIDE_LIST_EX_FLAGS_RAISE_ON_FAIL | EX_LOOKASIDE_LIST_EX_FLAGS_FAIL_NO_RAISE;
  if ((flags & ~kBoth) != 0) return STATUS_INVALID_PARAMETER_5;
  if (flags == kBoth) return STATUS_INVALID_PARAMETER_5;
  if (depth != 0) return STATUS_INVALID_PARAMETER_8;
  initialize(list->L, Kind::ex, reinterpret_cast<PVOID>(allocate_function), reinterpret_cast<PVOID>(free_function),
             type, bytes, tag);
  return STATUS_SUCCESS;
}

VOID ExDeleteLookasideListEx(PLOOKASIDE_LIST_EX list) noexcept {
  delete_list(list->L, __builtin_return_address(0));
}
VOID ExFlushLookasideListEx(PLOOKASIDE_LIST_EX list) noexcept {
  check_initialized(list->L, "a flush");  // nothing is cached
}
PVOID ExAllocateFromLookasideListEx(PLOOKASIDE_LIST_EX list) noexcept {
  return allocate(list->L, list, __builtin_return_address(0));
}
VOID ExFreeToLookasideListEx(PLOOKASIDE_LIST_EX list, PVOID entry) noexcept {
  free_entry(list->L, list, entry, __builtin_return_address(0));
}

VOID ExInitializeNPagedLookasideList(PNPAGED_LOOKASIDE_LIST list, PALLOCATE_FUNCTION allocate_function,
                                     PFREE_FUNCTION free_function, ULONG flags, SIZE_T bytes, ULONG tag,
                                     USHORT) noexcept {
  initialize(list->L, Kind::plain, reinterpret_cast<PVOID>(allocate_function), reinterpret_cast<PVOID>(free_function),
             nonpaged_type(flags), bytes, tag);
}
VOID ExDeleteNPagedLookasideList(PNPAGED_LOOKASIDE_LIST list) noexcept {
  delete_list(list->L, __builtin_return_address(0));
}
PVOID ExAllocateFromNPagedLookasideList(PNPAGED_LOOKASIDE_LIST list) noexcept {
  return allocate(list->L, list, __builtin_return_address(0));
}
VOID ExFreeToNPagedLookasideList(PNPAGED_LOOKASIDE_LIST list, PVOID entry) noexcept {
  free_entry(list->L, list, entry, __builtin_return_address(0));
}

VOID ExInitializePagedLookasideList(PPAGED_LOOKASIDE_LIST list, PALLOCATE_FUNCTION allocate_function,
                                    PFREE_FUNCTION free_function, ULONG, SIZE_T bytes, ULONG tag, USHORT) noexcept {
  initialize(list->L, Kind::plain, reinterpret_cast<PVOID>(allocate_function), reinterpret_cast<PVOID>(free_function),
             PagedPool, bytes, tag);
}
VOID ExDeletePagedLookasideList(PPAGED_LOOKASIDE_LIST list) noexcept {
  delete_list(list->L, __builtin_return_address(0));
}
PVOID ExAllocateFromPagedLookasideList(PPAGED_LOOKASIDE_LIST list) noexcept {
  return allocate(list->L, list, __builtin_return_address(0));
}
VOID ExFreeToPagedLookasideList(PPAGED_LOOKASIDE_LIST list, PVOID entry) noexcept {
  free_entry(list->L, list, entry, __builtin_return_address(0));
}

PLIST_ENTRY ExInterlockedInsertHeadList(PLIST_ENTRY head, PLIST_ENTRY entry, PKSPIN_LOCK lock) noexcept {
  Held held(lock);
  PLIST_ENTRY before = first_of(head);
  InsertHeadList(head, entry);
  return before;
}
PLIST_ENTRY ExInterlockedInsertTailList(PLIST_ENTRY head, PLIST_ENTRY entry, PKSPIN_LOCK lock) noexcept {
  Held held(lock);
  PLIST_ENTRY before = IsListEmpty(head) ? nullptr : head->Blink;
  InsertTailList(head, entry);
  return before;
}
PLIST_ENTRY ExInterlockedRemoveHeadList(PLIST_ENTRY head, PKSPIN_LOCK lock) noexcept {
  Held held(lock);
  return IsListEmpty(head) ? nullptr : RemoveHeadList(head);
}
PSINGLE_LIST_ENTRY ExInterlockedPushEntryList(PSINGLE_LIST_ENTRY head, PSINGLE_LIST_ENTRY entry,
                                              PKSPIN_LOCK lock) noexcept {
  Held held(lock);
  PSINGLE_LIST_ENTRY before = head->Next;
  PushEntryList(head, entry);
  return before;
}
PSINGLE_LIST_ENTRY ExInterlockedPopEntryList(PSINGLE_LIST_ENTRY head, PKSPIN_LOCK lock) noexcept {
  Held held(lock);
  return PopEntryList(head);
}

}  // extern "C"
