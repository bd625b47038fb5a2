// Kernel core: IRQL, events and waits, spin locks, DPCs, timers, processors, time.
//
// The objects keep their Windows x64 sizes and all of their state inside: an event on a stack frame that has returned
// left nothing behind. Their fields are the runtime's; drivers read none of them.
#ifndef SOFTNDK_WDK_DETAIL_KE_H
#define SOFTNDK_WDK_DETAIL_KE_H

#include "../ntdef.h"

typedef UCHAR KIRQL, *PKIRQL;
#define PASSIVE_LEVEL 0
#define LOW_LEVEL 0
#define APC_LEVEL 1
#define DISPATCH_LEVEL 2
#define CLOCK_LEVEL 13
#define IPI_LEVEL 14
#define HIGH_LEVEL 15

typedef CCHAR KPROCESSOR_MODE;
typedef LONG KPRIORITY;
typedef ULONG_PTR KSPIN_LOCK, *PKSPIN_LOCK;

typedef enum _MODE { KernelMode, UserMode, MaximumMode } MODE;

typedef enum _KWAIT_REASON {
  Executive,
  FreePage,
  PageIn,
  PoolAllocation,
  DelayExecution,
  Suspended,
  UserRequest,
  WrExecutive,
  WrFreePage,
  WrPageIn,
  WrPoolAllocation,
  WrDelayExecution,
  WrSuspended,
  WrUserRequest
} KWAIT_REASON;

typedef enum _WAIT_TYPE { WaitAll, WaitAny } WAIT_TYPE;
typedef enum _EVENT_TYPE { NotificationEvent, SynchronizationEvent } EVENT_TYPE;
typedef enum _TIMER_TYPE { NotificationTimer, SynchronizationTimer } TIMER_TYPE;

#define IO_NO_INCREMENT 0
#define EVENT_INCREMENT 1
#define LOW_PRIORITY 0
#define LOW_REALTIME_PRIORITY 16
#define HIGH_PRIORITY 31
#define MAXIMUM_WAIT_OBJECTS 64
#define THREAD_WAIT_OBJECTS 3

typedef struct _DISPATCHER_HEADER {
  __extension__ union {
    volatile LONG Lock;
    __extension__ struct {
      UCHAR Type;
      UCHAR Signalling;
      UCHAR Size;
      UCHAR Reserved1;
    };
  };
  LONG SignalState;
  LIST_ENTRY WaitListHead;
} DISPATCHER_HEADER, *PDISPATCHER_HEADER;

typedef struct _KEVENT {
  DISPATCHER_HEADER Header;
} KEVENT, *PKEVENT, *PRKEVENT;

typedef struct _KSPIN_LOCK_QUEUE {
  struct _KSPIN_LOCK_QUEUE* volatile Next;
  PKSPIN_LOCK volatile Lock;
} KSPIN_LOCK_QUEUE, *PKSPIN_LOCK_QUEUE;

typedef struct _KLOCK_QUEUE_HANDLE {
  KSPIN_LOCK_QUEUE LockQueue;
  KIRQL OldIrql;
} KLOCK_QUEUE_HANDLE, *PKLOCK_QUEUE_HANDLE;

typedef struct _KTHREAD *PKTHREAD, *PRKTHREAD;
typedef struct _ETHREAD* PETHREAD;
typedef struct _KPROCESS *PKPROCESS, *PRKPROCESS;
typedef struct _EPROCESS* PEPROCESS;

/// Opaque; drivers pass NULL and let the runtime find the block.
typedef struct _KWAIT_BLOCK {
  ULONG_PTR Reserved[6];
} KWAIT_BLOCK, *PKWAIT_BLOCK;

struct _KDPC;
/// Runs at DISPATCH_LEVEL on a processor thread.
typedef VOID(NTAPI KDEFERRED_ROUTINE)(_In_ struct _KDPC* Dpc, _In_opt_ PVOID DeferredContext,
                                      _In_opt_ PVOID SystemArgument1, _In_opt_ PVOID SystemArgument2);
typedef KDEFERRED_ROUTINE* PKDEFERRED_ROUTINE;

typedef enum _KDPC_IMPORTANCE { LowImportance, MediumImportance, HighImportance, MediumHighImportance } KDPC_IMPORTANCE;

typedef struct _KDPC {
  __extension__ union {
    ULONG TargetInfoAsUlong;
    __extension__ struct {
      UCHAR Type;
      UCHAR Importance;
      volatile USHORT Number;
    };
  };
  SINGLE_LIST_ENTRY DpcListEntry;
  KAFFINITY ProcessorHistory;
  PKDEFERRED_ROUTINE DeferredRoutine;
  PVOID DeferredContext;
  PVOID SystemArgument1;
  PVOID SystemArgument2;
  PVOID DpcData;  // not NULL while queued
} KDPC, *PKDPC, *PRKDPC;

typedef struct _KTIMER {
  DISPATCHER_HEADER Header;
  ULARGE_INTEGER DueTime;
  LIST_ENTRY TimerListEntry;
  struct _KDPC* Dpc;
  USHORT Processor;
  USHORT TimerType;
  ULONG Period;  // milliseconds, 0 = once
} KTIMER, *PKTIMER, *PRKTIMER;

SOFTNDK_STATIC_ASSERT(sizeof(DISPATCHER_HEADER) == 24 && sizeof(KEVENT) == 24, "Windows x64 layout");
SOFTNDK_STATIC_ASSERT(sizeof(KSPIN_LOCK) == 8 && sizeof(KLOCK_QUEUE_HANDLE) == 24, "Windows x64 layout");
SOFTNDK_STATIC_ASSERT(sizeof(KDPC) == 64 && sizeof(KTIMER) == 64, "Windows x64 layout");

EXTERN_C_START

// IRQL: a number of the calling thread. Raising never waits for a processor.

/// IRQL  any
NTHALAPI KIRQL NTAPI KeGetCurrentIrql(VOID) SOFTNDK_NOEXCEPT;
/// `NewIrql` is at or above the current one.
NTHALAPI VOID NTAPI KeRaiseIrql(_In_ KIRQL NewIrql, _Out_ PKIRQL OldIrql) SOFTNDK_NOEXCEPT;
/// `NewIrql` is at or below the current one.
NTHALAPI VOID NTAPI KeLowerIrql(_In_ KIRQL NewIrql) SOFTNDK_NOEXCEPT;

// Events

/// May be repeated on the same memory. IRQL any.
NTKERNELAPI VOID NTAPI KeInitializeEvent(_Out_ PRKEVENT Event, _In_ EVENT_TYPE Type,
                                         _In_ BOOLEAN State) SOFTNDK_NOEXCEPT;
/// Returns the previous state. Once a waiter may run the event's memory is no longer touched.
/// IRQL  <= DISPATCH_LEVEL; `Wait` TRUE needs PASSIVE or APC level
NTKERNELAPI LONG NTAPI KeSetEvent(_Inout_ PRKEVENT Event, _In_ KPRIORITY Increment, _In_ BOOLEAN Wait) SOFTNDK_NOEXCEPT;
/// IRQL  <= DISPATCH_LEVEL
NTKERNELAPI VOID NTAPI KeClearEvent(_Inout_ PRKEVENT Event) SOFTNDK_NOEXCEPT;
/// As KeClearEvent, and returns the previous state.
NTKERNELAPI LONG NTAPI KeResetEvent(_Inout_ PRKEVENT Event) SOFTNDK_NOEXCEPT;
NTKERNELAPI LONG NTAPI KeReadStateEvent(_In_ PRKEVENT Event) SOFTNDK_NOEXCEPT;

// Waits. Timeout: NULL never, negative relative and positive absolute (since 1601) in units of 100 ns, zero polls.

/// Object is a KEVENT, a KTIMER or a thread object. STATUS_SUCCESS, or STATUS_TIMEOUT (which is NT_SUCCESS).
/// IRQL  <= APC_LEVEL; DISPATCH_LEVEL with a zero timeout
NTKERNELAPI NTSTATUS NTAPI KeWaitForSingleObject(_In_ PVOID Object, _In_ KWAIT_REASON WaitReason,
                                                 _In_ KPROCESSOR_MODE WaitMode, _In_ BOOLEAN Alertable,
                                                 _In_opt_ PLARGE_INTEGER Timeout) SOFTNDK_NOEXCEPT;
/// WaitAny gives STATUS_WAIT_0 plus the index. Up to THREAD_WAIT_OBJECTS objects need no WaitBlockArray.
NTKERNELAPI NTSTATUS NTAPI KeWaitForMultipleObjects(_In_ ULONG Count, _In_reads_(Count) PVOID Object[],
                                                    _In_ WAIT_TYPE WaitType, _In_ KWAIT_REASON WaitReason,
                                                    _In_ KPROCESSOR_MODE WaitMode, _In_ BOOLEAN Alertable,
                                                    _In_opt_ PLARGE_INTEGER Timeout,
                                                    _Out_opt_ PKWAIT_BLOCK WaitBlockArray) SOFTNDK_NOEXCEPT;
/// IRQL  <= APC_LEVEL
NTKERNELAPI NTSTATUS NTAPI KeDelayExecutionThread(_In_ KPROCESSOR_MODE WaitMode, _In_ BOOLEAN Alertable,
                                                  _In_ PLARGE_INTEGER Interval) SOFTNDK_NOEXCEPT;

// Spin locks. Zeroed memory is an initialised lock.

/// IRQL  any
NTKERNELAPI VOID NTAPI KeInitializeSpinLock(_Out_ PKSPIN_LOCK SpinLock) SOFTNDK_NOEXCEPT;
/// IRQL  <= DISPATCH_LEVEL, then DISPATCH_LEVEL. First come, first served. `LockHandle` lives on the caller's stack.
NTKERNELAPI VOID NTAPI KeAcquireInStackQueuedSpinLock(_Inout_ PKSPIN_LOCK SpinLock,
                                                      _Out_ PKLOCK_QUEUE_HANDLE LockHandle) SOFTNDK_NOEXCEPT;
/// Does not touch the lock once its next owner may have freed it. Restores the IRQL.
NTKERNELAPI VOID NTAPI KeReleaseInStackQueuedSpinLock(_In_ PKLOCK_QUEUE_HANDLE LockHandle) SOFTNDK_NOEXCEPT;
/// IRQL  DISPATCH_LEVEL before and after
NTKERNELAPI VOID NTAPI KeAcquireInStackQueuedSpinLockAtDpcLevel(_Inout_ PKSPIN_LOCK SpinLock,
                                                                _Out_ PKLOCK_QUEUE_HANDLE LockHandle) SOFTNDK_NOEXCEPT;
NTKERNELAPI VOID NTAPI KeReleaseInStackQueuedSpinLockFromDpcLevel(_In_ PKLOCK_QUEUE_HANDLE LockHandle) SOFTNDK_NOEXCEPT;
/// Returns the IRQL to hand to KeReleaseSpinLock.
NTKERNELAPI KIRQL NTAPI KeAcquireSpinLockRaiseToDpc(_Inout_ PKSPIN_LOCK SpinLock) SOFTNDK_NOEXCEPT;
NTKERNELAPI VOID NTAPI KeReleaseSpinLock(_Inout_ PKSPIN_LOCK SpinLock, _In_ KIRQL NewIrql) SOFTNDK_NOEXCEPT;
NTKERNELAPI VOID NTAPI KeAcquireSpinLockAtDpcLevel(_Inout_ PKSPIN_LOCK SpinLock) SOFTNDK_NOEXCEPT;
NTKERNELAPI VOID NTAPI KeReleaseSpinLockFromDpcLevel(_Inout_ PKSPIN_LOCK SpinLock) SOFTNDK_NOEXCEPT;
#define KeAcquireSpinLock(SpinLock, OldIrql) ((void)(*(OldIrql) = KeAcquireSpinLockRaiseToDpc(SpinLock)))

// DPCs

NTKERNELAPI VOID NTAPI KeInitializeDpc(_Out_ PRKDPC Dpc, _In_ PKDEFERRED_ROUTINE DeferredRoutine,
                                       _In_opt_ PVOID DeferredContext) SOFTNDK_NOEXCEPT;
/// FALSE when it was queued already; then the arguments are not taken. IRQL any.
NTKERNELAPI BOOLEAN NTAPI KeInsertQueueDpc(_Inout_ PRKDPC Dpc, _In_opt_ PVOID SystemArgument1,
                                           _In_opt_ PVOID SystemArgument2) SOFTNDK_NOEXCEPT;
/// TRUE when it was queued and now will not run. A routine already running is not waited for.
NTKERNELAPI BOOLEAN NTAPI KeRemoveQueueDpc(_Inout_ PRKDPC Dpc) SOFTNDK_NOEXCEPT;
/// Returns after every DPC queued before has run. IRQL PASSIVE_LEVEL.
NTKERNELAPI VOID NTAPI KeFlushQueuedDpcs(VOID) SOFTNDK_NOEXCEPT;

// Timers

NTKERNELAPI VOID NTAPI KeInitializeTimer(_Out_ PKTIMER Timer) SOFTNDK_NOEXCEPT;
NTKERNELAPI VOID NTAPI KeInitializeTimerEx(_Out_ PKTIMER Timer, _In_ TIMER_TYPE Type) SOFTNDK_NOEXCEPT;
/// TRUE when the timer was set before; it starts anew. IRQL <= DISPATCH_LEVEL.
NTKERNELAPI BOOLEAN NTAPI KeSetTimer(_Inout_ PKTIMER Timer, _In_ LARGE_INTEGER DueTime,
                                     _In_opt_ PKDPC Dpc) SOFTNDK_NOEXCEPT;
/// `Period` in milliseconds.
NTKERNELAPI BOOLEAN NTAPI KeSetTimerEx(_Inout_ PKTIMER Timer, _In_ LARGE_INTEGER DueTime, _In_ LONG Period,
                                       _In_opt_ PKDPC Dpc) SOFTNDK_NOEXCEPT;
/// TRUE when the timer was set. Its DPC may already be queued or running.
NTKERNELAPI BOOLEAN NTAPI KeCancelTimer(_Inout_ PKTIMER Timer) SOFTNDK_NOEXCEPT;

// Processors and time

NTKERNELAPI USHORT NTAPI KeGetCurrentNodeNumber(VOID) SOFTNDK_NOEXCEPT;
/// Either pointer may be NULL.
NTKERNELAPI VOID NTAPI KeQueryNodeActiveAffinity(_In_ USHORT NodeNumber, _Out_opt_ PGROUP_AFFINITY Affinity,
                                                 _Out_opt_ PUSHORT Count) SOFTNDK_NOEXCEPT;
NTKERNELAPI ULONG NTAPI KeQueryActiveProcessorCount(_Out_opt_ PKAFFINITY ActiveProcessors) SOFTNDK_NOEXCEPT;
NTKERNELAPI ULONG NTAPI KeQueryActiveProcessorCountEx(_In_ USHORT GroupNumber) SOFTNDK_NOEXCEPT;
#define ALL_PROCESSOR_GROUPS 0xffff

/// Wall clock, 100 ns since 1601.
NTKERNELAPI VOID NTAPI KeQuerySystemTime(_Out_ PLARGE_INTEGER CurrentTime) SOFTNDK_NOEXCEPT;
/// 100 ns since the runtime started; never goes back.
NTKERNELAPI ULONGLONG NTAPI KeQueryInterruptTime(VOID) SOFTNDK_NOEXCEPT;
/// Frequency in ticks a second.
NTKERNELAPI LARGE_INTEGER NTAPI KeQueryPerformanceCounter(_Out_opt_ PLARGE_INTEGER PerformanceFrequency)
    SOFTNDK_NOEXCEPT;

/// The calling thread, which is an object one can wait for.
NTKERNELAPI PKTHREAD NTAPI KeGetCurrentThread(VOID) SOFTNDK_NOEXCEPT;

/// Reports code and parameters, then aborts.
NTKERNELAPI VOID NTAPI KeBugCheckEx(_In_ ULONG BugCheckCode, _In_ ULONG_PTR BugCheckParameter1,
                                    _In_ ULONG_PTR BugCheckParameter2, _In_ ULONG_PTR BugCheckParameter3,
                                    _In_ ULONG_PTR BugCheckParameter4) SOFTNDK_NOEXCEPT DECLSPEC_NORETURN;

EXTERN_C_END

// Processors and threads, further. One group and one node; processors are those that call drivers back.

EXTERN_C_START

NTKERNELAPI USHORT NTAPI KeQueryHighestNodeNumber(VOID) SOFTNDK_NOEXCEPT;
NTKERNELAPI ULONG NTAPI KeQueryMaximumProcessorCount(VOID) SOFTNDK_NOEXCEPT;
NTKERNELAPI ULONG NTAPI KeQueryMaximumProcessorCountEx(_In_ USHORT GroupNumber) SOFTNDK_NOEXCEPT;
NTKERNELAPI KAFFINITY NTAPI KeQueryActiveProcessors(VOID) SOFTNDK_NOEXCEPT;
NTKERNELAPI USHORT NTAPI KeQueryActiveGroupCount(VOID) SOFTNDK_NOEXCEPT;
NTKERNELAPI USHORT NTAPI KeQueryMaximumGroupCount(VOID) SOFTNDK_NOEXCEPT;
NTKERNELAPI KAFFINITY NTAPI KeQueryGroupAffinity(_In_ USHORT GroupNumber) SOFTNDK_NOEXCEPT;
/// 0 on a thread that is no processor's. `ProcNumber` may be NULL.
NTKERNELAPI ULONG NTAPI KeGetCurrentProcessorNumberEx(_Out_opt_ PPROCESSOR_NUMBER ProcNumber) SOFTNDK_NOEXCEPT;
NTKERNELAPI ULONG NTAPI KeGetProcessorIndexFromNumber(_In_ PPROCESSOR_NUMBER ProcNumber) SOFTNDK_NOEXCEPT;
NTKERNELAPI NTSTATUS NTAPI KeGetProcessorNumberFromIndex(_In_ ULONG ProcIndex,
                                                         _Out_ PPROCESSOR_NUMBER ProcNumber) SOFTNDK_NOEXCEPT;
/// Remembered and given back, and nothing else: where a thread runs is the host's affair.
NTKERNELAPI VOID NTAPI KeSetSystemGroupAffinityThread(_In_ PGROUP_AFFINITY Affinity,
                                                      _Out_opt_ PGROUP_AFFINITY PreviousAffinity) SOFTNDK_NOEXCEPT;
NTKERNELAPI VOID NTAPI KeRevertToUserGroupAffinityThread(_In_ PGROUP_AFFINITY PreviousAffinity) SOFTNDK_NOEXCEPT;
NTKERNELAPI KPRIORITY NTAPI KeSetPriorityThread(_Inout_ PKTHREAD Thread, _In_ KPRIORITY Priority) SOFTNDK_NOEXCEPT;

NTKERNELAPI BOOLEAN NTAPI KeTryToAcquireSpinLockAtDpcLevel(_Inout_ PKSPIN_LOCK SpinLock) SOFTNDK_NOEXCEPT;
NTKERNELAPI BOOLEAN NTAPI KeReadStateTimer(_In_ PKTIMER Timer) SOFTNDK_NOEXCEPT;
/// As KeSetTimerEx: nothing is gained by waking late.
NTKERNELAPI BOOLEAN NTAPI KeSetCoalescableTimer(_Inout_ PKTIMER Timer, _In_ LARGE_INTEGER DueTime, _In_ ULONG Period,
                                                _In_ ULONG TolerableDelay, _In_opt_ PKDPC Dpc) SOFTNDK_NOEXCEPT;
NTKERNELAPI VOID NTAPI KeSetImportanceDpc(_Inout_ PRKDPC Dpc, _In_ KDPC_IMPORTANCE Importance) SOFTNDK_NOEXCEPT;
NTKERNELAPI VOID NTAPI KeSetTargetProcessorDpc(_Inout_ PRKDPC Dpc, _In_ CCHAR Number) SOFTNDK_NOEXCEPT;

/// 100 ns units; with the processor's own resolution.
NTKERNELAPI VOID NTAPI KeQuerySystemTimePrecise(_Out_ PLARGE_INTEGER CurrentTime) SOFTNDK_NOEXCEPT;
NTKERNELAPI ULONGLONG NTAPI KeQueryInterruptTimePrecise(_Out_ PULONG64 QpcTimeStamp) SOFTNDK_NOEXCEPT;
NTKERNELAPI ULONGLONG NTAPI KeQueryUnbiasedInterruptTime(VOID) SOFTNDK_NOEXCEPT;
/// How many 100 ns units a tick of KeQueryTickCount has.
NTKERNELAPI ULONG NTAPI KeQueryTimeIncrement(VOID) SOFTNDK_NOEXCEPT;
NTKERNELAPI VOID NTAPI SoftNdkQueryTickCount(_Out_ PLARGE_INTEGER CurrentCount) SOFTNDK_NOEXCEPT;
#define KeQueryTickCount(CurrentCount) SoftNdkQueryTickCount(CurrentCount)
NTHALAPI VOID NTAPI KeStallExecutionProcessor(_In_ ULONG MicroSeconds) SOFTNDK_NOEXCEPT;

EXTERN_C_END

#define KeGetCurrentProcessorNumber() KeGetCurrentProcessorNumberEx(NULL)
#define KeBugCheck(code) KeBugCheckEx(code, 0, 0, 0, 0)

#define KeRaiseIrqlToDpcLevel() SoftNdkRaiseIrqlToDpcLevel()
SOFTNDK_INLINE KIRQL SoftNdkRaiseIrqlToDpcLevel(VOID) {
  KIRQL old;
  KeRaiseIrql(DISPATCH_LEVEL, &old);
  return old;
}

#endif
