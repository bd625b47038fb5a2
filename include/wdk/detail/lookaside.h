// Lookaside lists and interlocked lists.
//
// A lookaside list caches nothing here: each entry is an allocation of its own, so that a sanitizer and the pool's
// checks see every one, and a delete while entries are out is reported.
#ifndef SOFTNDK_WDK_DETAIL_LOOKASIDE_H
#define SOFTNDK_WDK_DETAIL_LOOKASIDE_H

#include "ex.h"
#include "interlocked.h"
#include "ke.h"
#include "list.h"

#define EX_LOOKASIDE_LIST_EX_FLAGS_RAISE_ON_FAIL 0x00000001
#define EX_LOOKASIDE_LIST_EX_FLAGS_FAIL_NO_RAISE 0x00000002
#define POOL_NX_ALLOCATION 512
#define POOL_RAISE_IF_ALLOCATION_FAILURE 16
#define POOL_COLD_ALLOCATION 256

struct _LOOKASIDE_LIST_EX;
typedef PVOID(NTAPI ALLOCATE_FUNCTION_EX)(_In_ POOL_TYPE PoolType, _In_ SIZE_T NumberOfBytes, _In_ ULONG Tag,
                                          _Inout_ struct _LOOKASIDE_LIST_EX* Lookaside);
typedef ALLOCATE_FUNCTION_EX* PALLOCATE_FUNCTION_EX;
typedef VOID(NTAPI FREE_FUNCTION_EX)(_In_ PVOID Buffer, _Inout_ struct _LOOKASIDE_LIST_EX* Lookaside);
typedef FREE_FUNCTION_EX* PFREE_FUNCTION_EX;
typedef PVOID(NTAPI ALLOCATE_FUNCTION)(_In_ POOL_TYPE PoolType, _In_ SIZE_T NumberOfBytes, _In_ ULONG Tag);
typedef ALLOCATE_FUNCTION* PALLOCATE_FUNCTION;
typedef VOID(NTAPI FREE_FUNCTION)(_In_ PVOID Buffer);
typedef FREE_FUNCTION* PFREE_FUNCTION;

/// The runtime's; 128 bytes, as on Windows, aligned to a cache line.
typedef struct DECLSPEC_CACHEALIGN _SOFTNDK_LOOKASIDE {
  PVOID Allocate;
  PVOID Free;
  SIZE_T Size;
  ULONG Tag;
  POOL_TYPE Type;
  ULONG Kind;
  volatile LONG Outstanding;
  ULONG_PTR Reserved[11];
} SOFTNDK_LOOKASIDE;

typedef struct DECLSPEC_CACHEALIGN _LOOKASIDE_LIST_EX {
  SOFTNDK_LOOKASIDE L;
} LOOKASIDE_LIST_EX, *PLOOKASIDE_LIST_EX;
typedef struct DECLSPEC_CACHEALIGN _NPAGED_LOOKASIDE_LIST {
  SOFTNDK_LOOKASIDE L;
} NPAGED_LOOKASIDE_LIST, *PNPAGED_LOOKASIDE_LIST;
typedef struct DECLSPEC_CACHEALIGN _PAGED_LOOKASIDE_LIST {
  SOFTNDK_LOOKASIDE L;
} PAGED_LOOKASIDE_LIST, *PPAGED_LOOKASIDE_LIST;
SOFTNDK_STATIC_ASSERT(sizeof(NPAGED_LOOKASIDE_LIST) == 128, "Windows x64 layout");

/// A list that many threads push and pop: pointer and depth behind a bit that serves as its lock.
typedef struct DECLSPEC_ALIGN(16) _SLIST_ENTRY {
  struct _SLIST_ENTRY* Next;
} SLIST_ENTRY, *PSLIST_ENTRY;
typedef union DECLSPEC_ALIGN(16) _SLIST_HEADER {
  __extension__ struct {
    ULONGLONG Alignment;
    ULONGLONG Region;
  };
  struct {
    volatile ULONG Depth;
    volatile LONG Busy;
    PSLIST_ENTRY First;
  } SoftNdk;
} SLIST_HEADER, *PSLIST_HEADER;
SOFTNDK_STATIC_ASSERT(sizeof(SLIST_HEADER) == 16, "Windows x64 layout");

EXTERN_C_START

/// IRQL of these <= DISPATCH_LEVEL, <= APC_LEVEL for paged lists.
NTKERNELAPI NTSTATUS NTAPI ExInitializeLookasideListEx(_Out_ PLOOKASIDE_LIST_EX Lookaside,
                                                       _In_opt_ PALLOCATE_FUNCTION_EX Allocate,
                                                       _In_opt_ PFREE_FUNCTION_EX Free, _In_ POOL_TYPE PoolType,
                                                       _In_ ULONG Flags, _In_ SIZE_T Size, _In_ ULONG Tag,
                                                       _In_ USHORT Depth) SOFTNDK_NOEXCEPT;
/// Entries that are still out are reported.
NTKERNELAPI VOID NTAPI ExDeleteLookasideListEx(_Inout_ PLOOKASIDE_LIST_EX Lookaside) SOFTNDK_NOEXCEPT;
NTKERNELAPI VOID NTAPI ExFlushLookasideListEx(_Inout_ PLOOKASIDE_LIST_EX Lookaside) SOFTNDK_NOEXCEPT;
NTKERNELAPI PVOID NTAPI ExAllocateFromLookasideListEx(_Inout_ PLOOKASIDE_LIST_EX Lookaside) SOFTNDK_NOEXCEPT;
NTKERNELAPI VOID NTAPI ExFreeToLookasideListEx(_Inout_ PLOOKASIDE_LIST_EX Lookaside, _In_ PVOID Entry) SOFTNDK_NOEXCEPT;
NTKERNELAPI VOID NTAPI ExInitializeNPagedLookasideList(_Out_ PNPAGED_LOOKASIDE_LIST Lookaside,
                                                       _In_opt_ PALLOCATE_FUNCTION Allocate,
                                                       _In_opt_ PFREE_FUNCTION Free, _In_ ULONG Flags, _In_ SIZE_T Size,
                                                       _In_ ULONG Tag, _In_ USHORT Depth) SOFTNDK_NOEXCEPT;
NTKERNELAPI VOID NTAPI ExDeleteNPagedLookasideList(_Inout_ PNPAGED_LOOKASIDE_LIST Lookaside) SOFTNDK_NOEXCEPT;
NTKERNELAPI PVOID NTAPI ExAllocateFromNPagedLookasideList(_Inout_ PNPAGED_LOOKASIDE_LIST Lookaside) SOFTNDK_NOEXCEPT;
NTKERNELAPI VOID NTAPI ExFreeToNPagedLookasideList(_Inout_ PNPAGED_LOOKASIDE_LIST Lookaside,
                                                   _In_ PVOID Entry) SOFTNDK_NOEXCEPT;
NTKERNELAPI VOID NTAPI ExInitializePagedLookasideList(_Out_ PPAGED_LOOKASIDE_LIST Lookaside,
                                                      _In_opt_ PALLOCATE_FUNCTION Allocate,
                                                      _In_opt_ PFREE_FUNCTION Free, _In_ ULONG Flags, _In_ SIZE_T Size,
                                                      _In_ ULONG Tag, _In_ USHORT Depth) SOFTNDK_NOEXCEPT;
NTKERNELAPI VOID NTAPI ExDeletePagedLookasideList(_Inout_ PPAGED_LOOKASIDE_LIST Lookaside) SOFTNDK_NOEXCEPT;
NTKERNELAPI PVOID NTAPI ExAllocateFromPagedLookasideList(_Inout_ PPAGED_LOOKASIDE_LIST Lookaside) SOFTNDK_NOEXCEPT;
NTKERNELAPI VOID NTAPI ExFreeToPagedLookasideList(_Inout_ PPAGED_LOOKASIDE_LIST Lookaside,
                                                  _In_ PVOID Entry) SOFTNDK_NOEXCEPT;

// Lists under a spin lock of the caller's, which is taken for each call. IRQL any up to DISPATCH_LEVEL. The entry that
// was first (last), or NULL.

NTKERNELAPI PLIST_ENTRY NTAPI ExInterlockedInsertHeadList(_Inout_ PLIST_ENTRY ListHead, _Inout_ PLIST_ENTRY ListEntry,
                                                          _Inout_ PKSPIN_LOCK Lock) SOFTNDK_NOEXCEPT;
NTKERNELAPI PLIST_ENTRY NTAPI ExInterlockedInsertTailList(_Inout_ PLIST_ENTRY ListHead, _Inout_ PLIST_ENTRY ListEntry,
                                                          _Inout_ PKSPIN_LOCK Lock) SOFTNDK_NOEXCEPT;
NTKERNELAPI PLIST_ENTRY NTAPI ExInterlockedRemoveHeadList(_Inout_ PLIST_ENTRY ListHead,
                                                          _Inout_ PKSPIN_LOCK Lock) SOFTNDK_NOEXCEPT;
NTKERNELAPI PSINGLE_LIST_ENTRY NTAPI ExInterlockedPushEntryList(_Inout_ PSINGLE_LIST_ENTRY ListHead,
                                                                _Inout_ PSINGLE_LIST_ENTRY ListEntry,
                                                                _Inout_ PKSPIN_LOCK Lock) SOFTNDK_NOEXCEPT;
NTKERNELAPI PSINGLE_LIST_ENTRY NTAPI ExInterlockedPopEntryList(_Inout_ PSINGLE_LIST_ENTRY ListHead,
                                                               _Inout_ PKSPIN_LOCK Lock) SOFTNDK_NOEXCEPT;

EXTERN_C_END

SOFTNDK_INLINE VOID InitializeSListHead(PSLIST_HEADER SListHead) {
  SListHead->Alignment = 0;
  SListHead->Region = 0;
}
SOFTNDK_INLINE VOID ExInitializeSListHead(PSLIST_HEADER SListHead) {
  InitializeSListHead(SListHead);
}
SOFTNDK_INLINE USHORT QueryDepthSList(PSLIST_HEADER SListHead) {
  return (USHORT)__atomic_load_n(&SListHead->SoftNdk.Depth, __ATOMIC_RELAXED);
}
SOFTNDK_INLINE VOID SoftNdkLockSList(PSLIST_HEADER SListHead) {
  while (__atomic_exchange_n(&SListHead->SoftNdk.Busy, 1, __ATOMIC_ACQUIRE) != 0)
    YieldProcessor();
}
SOFTNDK_INLINE VOID SoftNdkUnlockSList(PSLIST_HEADER SListHead) {
  __atomic_store_n(&SListHead->SoftNdk.Busy, 0, __ATOMIC_RELEASE);
}
SOFTNDK_INLINE PSLIST_ENTRY SoftNdkPushSList(PSLIST_HEADER SListHead, PSLIST_ENTRY Entry) {
  PSLIST_ENTRY first;
  SoftNdkLockSList(SListHead);
  first = SListHead->SoftNdk.First;
  Entry->Next = first;
  SListHead->SoftNdk.First = Entry;
  SListHead->SoftNdk.Depth = SListHead->SoftNdk.Depth + 1;
  SoftNdkUnlockSList(SListHead);
  return first;
}
SOFTNDK_INLINE PSLIST_ENTRY SoftNdkPopSList(PSLIST_HEADER SListHead) {
  PSLIST_ENTRY first;
  SoftNdkLockSList(SListHead);
  first = SListHead->SoftNdk.First;
  if (first != NULL) {
    SListHead->SoftNdk.First = first->Next;
    SListHead->SoftNdk.Depth = SListHead->SoftNdk.Depth - 1;
  }
  SoftNdkUnlockSList(SListHead);
  return first;
}
SOFTNDK_INLINE PSLIST_ENTRY SoftNdkFlushSList(PSLIST_HEADER SListHead) {
  PSLIST_ENTRY first;
  SoftNdkLockSList(SListHead);
  first = SListHead->SoftNdk.First;
  SListHead->SoftNdk.First = NULL;
  SListHead->SoftNdk.Depth = 0;
  SoftNdkUnlockSList(SListHead);
  return first;
}
#define InterlockedPushEntrySList(head, entry) SoftNdkPushSList(head, entry)
#define InterlockedPopEntrySList(head) SoftNdkPopSList(head)
#define InterlockedFlushSList(head) SoftNdkFlushSList(head)
#define ExInterlockedPushEntrySList(head, entry, lock) SoftNdkPushSList(head, entry)
#define ExInterlockedPopEntrySList(head, lock) SoftNdkPopSList(head)
#define ExInterlockedFlushSList(head) SoftNdkFlushSList(head)
#define ExQueryDepthSList(head) QueryDepthSList(head)

#endif
