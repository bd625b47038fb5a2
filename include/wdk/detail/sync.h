// Further dispatcher objects and locks: mutexes, semaphores, fast and guarded mutexes, resources, push locks.
//
// All of them keep their whole state in the structure, which the owner may free once nobody uses it.
#ifndef SOFTNDK_WDK_DETAIL_SYNC_H
#define SOFTNDK_WDK_DETAIL_SYNC_H

#include "ke.h"

typedef struct _KMUTANT {
  DISPATCHER_HEADER Header;  // SignalState: 1 free, 0 owned once, below that owned again
  LIST_ENTRY MutantListEntry;
  struct _KTHREAD* OwnerThread;
  BOOLEAN Abandoned;
  UCHAR ApcDisable;
} KMUTANT, *PKMUTANT, *PRKMUTANT, KMUTEX, *PKMUTEX, *PRKMUTEX;

typedef struct _KSEMAPHORE {
  DISPATCHER_HEADER Header;  // SignalState: the count
  LONG Limit;
} KSEMAPHORE, *PKSEMAPHORE, *PRKSEMAPHORE;

typedef struct _FAST_MUTEX {
  volatile LONG Count;  // 1 free; below: how many want it
  PVOID Owner;
  ULONG Contention;
  KEVENT Event;
  ULONG OldIrql;
} FAST_MUTEX, *PFAST_MUTEX, KGUARDED_MUTEX, *PKGUARDED_MUTEX;

/// A word that counts its shared owners, or says that one owner is exclusive. Zeroed is free.
typedef ULONG_PTR EX_PUSH_LOCK, *PEX_PUSH_LOCK;

typedef struct _ERESOURCE {
  LIST_ENTRY SystemResourcesList;
  volatile LONG64 State;  // 0 free, > 0 shared owners, < 0 how often its exclusive owner has it
  PVOID Owner;
  ULONG_PTR Reserved[9];
} ERESOURCE, *PERESOURCE;

SOFTNDK_STATIC_ASSERT(sizeof(KMUTEX) == 56 && sizeof(KSEMAPHORE) == 32 && sizeof(FAST_MUTEX) == 56 &&
                          sizeof(ERESOURCE) == 104,
                      "Windows x64 layout");

EXTERN_C_START

// Mutexes: owned by a thread, which may take it again. A wait takes them. IRQL of the wait <= APC_LEVEL.

NTKERNELAPI VOID NTAPI KeInitializeMutex(_Out_ PRKMUTEX Mutex, _In_ ULONG Level) SOFTNDK_NOEXCEPT;
/// Returns the state before: 0 when this frees it. A thread that does not own it is stopped.
NTKERNELAPI LONG NTAPI KeReleaseMutex(_Inout_ PRKMUTEX Mutex, _In_ BOOLEAN Wait) SOFTNDK_NOEXCEPT;
NTKERNELAPI LONG NTAPI KeReadStateMutex(_In_ PRKMUTEX Mutex) SOFTNDK_NOEXCEPT;
#define KeWaitForMutexObject KeWaitForSingleObject

// Semaphores

NTKERNELAPI VOID NTAPI KeInitializeSemaphore(_Out_ PRKSEMAPHORE Semaphore, _In_ LONG Count,
                                             _In_ LONG Limit) SOFTNDK_NOEXCEPT;
/// Returns the count before; a count past the limit is stopped. IRQL <= DISPATCH_LEVEL.
NTKERNELAPI LONG NTAPI KeReleaseSemaphore(_Inout_ PRKSEMAPHORE Semaphore, _In_ KPRIORITY Increment,
                                          _In_ LONG Adjustment, _In_ BOOLEAN Wait) SOFTNDK_NOEXCEPT;
NTKERNELAPI LONG NTAPI KeReadStateSemaphore(_In_ PRKSEMAPHORE Semaphore) SOFTNDK_NOEXCEPT;

// Fast mutexes raise to APC_LEVEL, guarded ones and the Unsafe calls leave the IRQL. Not to be taken twice.

NTKERNELAPI VOID NTAPI ExInitializeFastMutex(_Out_ PFAST_MUTEX FastMutex) SOFTNDK_NOEXCEPT;
NTKERNELAPI VOID NTAPI ExAcquireFastMutex(_Inout_ PFAST_MUTEX FastMutex) SOFTNDK_NOEXCEPT;
NTKERNELAPI VOID NTAPI ExReleaseFastMutex(_Inout_ PFAST_MUTEX FastMutex) SOFTNDK_NOEXCEPT;
NTKERNELAPI BOOLEAN NTAPI ExTryToAcquireFastMutex(_Inout_ PFAST_MUTEX FastMutex) SOFTNDK_NOEXCEPT;
NTKERNELAPI VOID NTAPI ExAcquireFastMutexUnsafe(_Inout_ PFAST_MUTEX FastMutex) SOFTNDK_NOEXCEPT;
NTKERNELAPI VOID NTAPI ExReleaseFastMutexUnsafe(_Inout_ PFAST_MUTEX FastMutex) SOFTNDK_NOEXCEPT;
NTKERNELAPI VOID NTAPI KeInitializeGuardedMutex(_Out_ PKGUARDED_MUTEX Mutex) SOFTNDK_NOEXCEPT;
NTKERNELAPI VOID NTAPI KeAcquireGuardedMutex(_Inout_ PKGUARDED_MUTEX Mutex) SOFTNDK_NOEXCEPT;
NTKERNELAPI VOID NTAPI KeReleaseGuardedMutex(_Inout_ PKGUARDED_MUTEX Mutex) SOFTNDK_NOEXCEPT;
NTKERNELAPI BOOLEAN NTAPI KeTryToAcquireGuardedMutex(_Inout_ PKGUARDED_MUTEX Mutex) SOFTNDK_NOEXCEPT;

// Regions without APCs: no APC exists here, so what they do is to be counted, and checked when a callback returns.

NTKERNELAPI VOID NTAPI KeEnterCriticalRegion(VOID) SOFTNDK_NOEXCEPT;
NTKERNELAPI VOID NTAPI KeLeaveCriticalRegion(VOID) SOFTNDK_NOEXCEPT;
NTKERNELAPI VOID NTAPI KeEnterGuardedRegion(VOID) SOFTNDK_NOEXCEPT;
NTKERNELAPI VOID NTAPI KeLeaveGuardedRegion(VOID) SOFTNDK_NOEXCEPT;
NTKERNELAPI BOOLEAN NTAPI KeAreApcsDisabled(VOID) SOFTNDK_NOEXCEPT;

// Resources: one exclusive owner, who may take it again either way, or any number of shared ones. IRQL <= APC_LEVEL.

NTKERNELAPI NTSTATUS NTAPI ExInitializeResourceLite(_Out_ PERESOURCE Resource) SOFTNDK_NOEXCEPT;
NTKERNELAPI NTSTATUS NTAPI ExDeleteResourceLite(_Inout_ PERESOURCE Resource) SOFTNDK_NOEXCEPT;
/// FALSE only with Wait FALSE.
NTKERNELAPI BOOLEAN NTAPI ExAcquireResourceExclusiveLite(_Inout_ PERESOURCE Resource,
                                                         _In_ BOOLEAN Wait) SOFTNDK_NOEXCEPT;
NTKERNELAPI BOOLEAN NTAPI ExAcquireResourceSharedLite(_Inout_ PERESOURCE Resource, _In_ BOOLEAN Wait) SOFTNDK_NOEXCEPT;
NTKERNELAPI VOID NTAPI ExReleaseResourceLite(_Inout_ PERESOURCE Resource) SOFTNDK_NOEXCEPT;
NTKERNELAPI BOOLEAN NTAPI ExIsResourceAcquiredExclusiveLite(_In_ PERESOURCE Resource) SOFTNDK_NOEXCEPT;

// Push locks: as resources, without recursion.

NTKERNELAPI VOID NTAPI ExInitializePushLock(_Out_ PEX_PUSH_LOCK PushLock) SOFTNDK_NOEXCEPT;
NTKERNELAPI VOID NTAPI ExAcquirePushLockExclusive(_Inout_ PEX_PUSH_LOCK PushLock) SOFTNDK_NOEXCEPT;
NTKERNELAPI VOID NTAPI ExReleasePushLockExclusive(_Inout_ PEX_PUSH_LOCK PushLock) SOFTNDK_NOEXCEPT;
NTKERNELAPI VOID NTAPI ExAcquirePushLockShared(_Inout_ PEX_PUSH_LOCK PushLock) SOFTNDK_NOEXCEPT;
NTKERNELAPI VOID NTAPI ExReleasePushLockShared(_Inout_ PEX_PUSH_LOCK PushLock) SOFTNDK_NOEXCEPT;

EXTERN_C_END

SOFTNDK_INLINE PVOID ExEnterCriticalRegionAndAcquireResourceExclusive(PERESOURCE Resource) {
  KeEnterCriticalRegion();
  ExAcquireResourceExclusiveLite(Resource, TRUE);
  return NULL;
}

SOFTNDK_INLINE VOID ExReleaseResourceAndLeaveCriticalRegion(PERESOURCE Resource) {
  ExReleaseResourceLite(Resource);
  KeLeaveCriticalRegion();
}

#endif
