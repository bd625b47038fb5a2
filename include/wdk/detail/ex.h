// Executive: pool, rundown protection, work items without an object.
#ifndef SOFTNDK_WDK_DETAIL_EX_H
#define SOFTNDK_WDK_DETAIL_EX_H

#include "../ntdef.h"

// Pool. At 4096 bytes and more the memory begins a page; below that it is aligned to 16 and never crosses a page.

typedef enum _POOL_TYPE {
  NonPagedPool = 0,
  NonPagedPoolExecute = NonPagedPool,
  PagedPool = 1,
  NonPagedPoolMustSucceed = 2,
  NonPagedPoolCacheAligned = 4,
  PagedPoolCacheAligned = 5,
  NonPagedPoolNx = 512,
  NonPagedPoolNxCacheAligned = 516,
  MaxPoolType = 7
} POOL_TYPE;

typedef enum _EX_POOL_PRIORITY {
  LowPoolPriority = 0,
  LowPoolPrioritySpecialPoolOverrun = 8,
  LowPoolPrioritySpecialPoolUnderrun = 9,
  NormalPoolPriority = 16,
  NormalPoolPrioritySpecialPoolOverrun = 24,
  NormalPoolPrioritySpecialPoolUnderrun = 25,
  HighPoolPriority = 32,
  HighPoolPrioritySpecialPoolOverrun = 40,
  HighPoolPrioritySpecialPoolUnderrun = 41
} EX_POOL_PRIORITY;

typedef ULONG64 POOL_FLAGS;
#define POOL_FLAG_REQUIRED_START 0x0000000000000001ull
#define POOL_FLAG_USE_QUOTA 0x0000000000000001ull
#define POOL_FLAG_UNINITIALIZED 0x0000000000000002ull
#define POOL_FLAG_SESSION 0x0000000000000004ull
#define POOL_FLAG_CACHE_ALIGNED 0x0000000000000008ull
#define POOL_FLAG_RESERVED1 0x0000000000000010ull
#define POOL_FLAG_RAISE_ON_FAILURE 0x0000000000000020ull
#define POOL_FLAG_NON_PAGED 0x0000000000000040ull
#define POOL_FLAG_NON_PAGED_EXECUTE 0x0000000000000080ull
#define POOL_FLAG_PAGED 0x0000000000000100ull
#define POOL_FLAG_RESERVED2 0x0000000000000200ull
#define POOL_FLAG_RESERVED3 0x0000000000000400ull
#define POOL_FLAG_REQUIRED_END 0x0000000080000000ull
#define POOL_FLAG_OPTIONAL_START 0x0000000100000000ull
#define POOL_FLAG_SPECIAL_POOL 0x0000000100000000ull
#define POOL_FLAG_OPTIONAL_END 0x8000000000000000ull

typedef enum _POOL_EXTENDED_PARAMETER_TYPE {
  PoolExtendedParameterInvalidType = 0,
  PoolExtendedParameterPriority,
  PoolExtendedParameterSecurePool,
  PoolExtendedParameterNumaNode,
  PoolExtendedParameterMax
} POOL_EXTENDED_PARAMETER_TYPE;

#define POOL_EXTENDED_PARAMETER_TYPE_BITS 8
#define POOL_EXTENDED_PARAMETER_REQUIRED_FIELD_BITS 1
#define POOL_EXTENDED_PARAMETER_RESERVED_BITS \
  (64 - POOL_EXTENDED_PARAMETER_TYPE_BITS - POOL_EXTENDED_PARAMETER_REQUIRED_FIELD_BITS)

typedef struct _POOL_EXTENDED_PARAMETER {
  __extension__ struct {
    ULONG64 Type : POOL_EXTENDED_PARAMETER_TYPE_BITS;
    ULONG64 Optional : POOL_EXTENDED_PARAMETER_REQUIRED_FIELD_BITS;
    ULONG64 Reserved : POOL_EXTENDED_PARAMETER_RESERVED_BITS;
  };
  __extension__ union {
    ULONG64 Reserved2;
    PVOID Reserved3;
    EX_POOL_PRIORITY Priority;
    PVOID SecurePoolParams;
    ULONG PreferredNode;
  };
} POOL_EXTENDED_PARAMETER, *PPOOL_EXTENDED_PARAMETER;
typedef const POOL_EXTENDED_PARAMETER* PCPOOL_EXTENDED_PARAMETER;
SOFTNDK_STATIC_ASSERT(sizeof(POOL_EXTENDED_PARAMETER) == 16, "Windows x64 layout");

// Rundown protection

/// Zeroed memory is initialised.
typedef struct _EX_RUNDOWN_REF {
  __extension__ union {
    volatile ULONG_PTR Count;
    volatile PVOID Ptr;
  };
} EX_RUNDOWN_REF, *PEX_RUNDOWN_REF;
SOFTNDK_STATIC_ASSERT(sizeof(EX_RUNDOWN_REF) == 8, "Windows x64 layout");

// Work items

typedef enum _WORK_QUEUE_TYPE {
  CriticalWorkQueue,
  DelayedWorkQueue,
  HyperCriticalWorkQueue,
  NormalWorkQueue,
  BackgroundWorkQueue,
  RealTimeWorkQueue,
  SuperCriticalWorkQueue,
  MaximumWorkQueue,
  CustomPriorityWorkQueue = 32
} WORK_QUEUE_TYPE;

/// Runs at PASSIVE_LEVEL on a pool thread and may block.
typedef VOID(NTAPI WORKER_THREAD_ROUTINE)(_In_ PVOID Parameter);
typedef WORKER_THREAD_ROUTINE* PWORKER_THREAD_ROUTINE;

typedef struct _WORK_QUEUE_ITEM {
  LIST_ENTRY List;  // List.Flink is NULL unless queued
  PWORKER_THREAD_ROUTINE WorkerRoutine;
  PVOID Parameter;
} WORK_QUEUE_ITEM, *PWORK_QUEUE_ITEM;
SOFTNDK_STATIC_ASSERT(sizeof(WORK_QUEUE_ITEM) == 32, "Windows x64 layout");

#define ExInitializeWorkItem(Item, Routine, Context) \
  do {                                               \
    (Item)->WorkerRoutine = (Routine);               \
    (Item)->Parameter = (Context);                   \
    (Item)->List.Flink = NULL;                       \
  } while (0)

EXTERN_C_START

/// Poisoned, not zeroed; NULL on failure. Tag is a multi-character constant, not 0.
/// IRQL  <= DISPATCH_LEVEL; paged pool <= APC_LEVEL
NTKERNELAPI PVOID NTAPI ExAllocatePoolWithTag(_In_ POOL_TYPE PoolType, _In_ SIZE_T NumberOfBytes,
                                              _In_ ULONG Tag) SOFTNDK_NOEXCEPT;
NTKERNELAPI PVOID NTAPI ExAllocatePoolWithTagPriority(_In_ POOL_TYPE PoolType, _In_ SIZE_T NumberOfBytes,
                                                      _In_ ULONG Tag, _In_ EX_POOL_PRIORITY Priority) SOFTNDK_NOEXCEPT;
/// Zeroed unless POOL_FLAG_UNINITIALIZED.
NTKERNELAPI PVOID NTAPI ExAllocatePool2(_In_ POOL_FLAGS Flags, _In_ SIZE_T NumberOfBytes,
                                        _In_ ULONG Tag) SOFTNDK_NOEXCEPT;
NTKERNELAPI PVOID NTAPI ExAllocatePool3(_In_ POOL_FLAGS Flags, _In_ SIZE_T NumberOfBytes, _In_ ULONG Tag,
                                        _In_opt_ PCPOOL_EXTENDED_PARAMETER ExtendedParameters,
                                        _In_ ULONG ExtendedParametersCount) SOFTNDK_NOEXCEPT;
NTKERNELAPI VOID NTAPI ExFreePool(_In_ PVOID P) SOFTNDK_NOEXCEPT;
/// The tag has to be the allocation's.
NTKERNELAPI VOID NTAPI ExFreePoolWithTag(_In_ PVOID P, _In_ ULONG Tag) SOFTNDK_NOEXCEPT;
NTKERNELAPI VOID NTAPI ExFreePool2(_In_ PVOID P, _In_ ULONG Tag, _In_opt_ PCPOOL_EXTENDED_PARAMETER ExtendedParameters,
                                   _In_ ULONG ExtendedParametersCount) SOFTNDK_NOEXCEPT;

NTKERNELAPI VOID NTAPI ExInitializeRundownProtection(_Out_ PEX_RUNDOWN_REF RunRef) SOFTNDK_NOEXCEPT;
/// FALSE once rundown has begun. The thread that releases may be another one. IRQL <= DISPATCH_LEVEL.
NTKERNELAPI BOOLEAN NTAPI ExAcquireRundownProtection(_Inout_ PEX_RUNDOWN_REF RunRef) SOFTNDK_NOEXCEPT;
NTKERNELAPI BOOLEAN NTAPI ExAcquireRundownProtectionEx(_Inout_ PEX_RUNDOWN_REF RunRef,
                                                       _In_ ULONG Count) SOFTNDK_NOEXCEPT;
/// The release that ends a rundown lets the waiter free the structure: it is not touched afterwards.
NTKERNELAPI VOID NTAPI ExReleaseRundownProtection(_Inout_ PEX_RUNDOWN_REF RunRef) SOFTNDK_NOEXCEPT;
NTKERNELAPI VOID NTAPI ExReleaseRundownProtectionEx(_Inout_ PEX_RUNDOWN_REF RunRef, _In_ ULONG Count) SOFTNDK_NOEXCEPT;
/// Forbids new references, then waits for the last. Returns at once when called again. IRQL <= APC_LEVEL.
NTKERNELAPI VOID NTAPI ExWaitForRundownProtectionRelease(_Inout_ PEX_RUNDOWN_REF RunRef) SOFTNDK_NOEXCEPT;

/// The item belongs to the runtime until its routine has been entered; then it may be queued again or freed.
/// IRQL  <= DISPATCH_LEVEL
NTKERNELAPI VOID NTAPI ExQueueWorkItem(_Inout_ PWORK_QUEUE_ITEM WorkItem,
                                       _In_ WORK_QUEUE_TYPE QueueType) SOFTNDK_NOEXCEPT;

EXTERN_C_END

#define ExAllocatePool(PoolType, NumberOfBytes) ExAllocatePoolWithTag(PoolType, NumberOfBytes, 0x656e6f4eu)
#define ExAllocatePoolWithQuotaTag(PoolType, NumberOfBytes, Tag) \
  ExAllocatePoolWithTag((POOL_TYPE)((PoolType) & ~POOL_QUOTA_FAIL_INSTEAD_OF_RAISE), NumberOfBytes, Tag)
#define POOL_QUOTA_FAIL_INSTEAD_OF_RAISE 8
/// Every pool allocation is non-executable here: nothing to opt in to.
#define DrvRtPoolNxOptIn 1
#define ExInitializeDriverRuntime(RuntimeFlags) ((void)(RuntimeFlags))
#define ExReInitializeRundownProtection(RunRef) ExInitializeRundownProtection(RunRef)

SOFTNDK_INLINE PVOID NTAPI ExAllocatePoolUninitialized(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag) {
  return ExAllocatePoolWithTag(PoolType, NumberOfBytes, Tag);
}

SOFTNDK_INLINE PVOID NTAPI ExAllocatePoolZero(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag) {
  PVOID p = ExAllocatePoolWithTag(PoolType, NumberOfBytes, Tag);
  if (p != NULL) memset(p, 0, (size_t)NumberOfBytes);
  return p;
}

#endif
