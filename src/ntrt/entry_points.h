#pragma once
// The one table of the IRQLs at which each entry point may be called. The names are the interface's own.
#include <cstdint>

namespace softndk::ntrt {

// X(name, lowest, highest). A row `Name_ZeroTimeout` is that call with a time-out of zero, a poll.
#define SOFTNDK_NT_ENTRY_POINTS(X)                              \
  X(PAGED_CODE, passive, apc)                                   \
  /* events and waits */                                        \
  X(KeInitializeEvent, passive, high)                           \
  X(KeSetEvent, passive, dispatch)                              \
  X(KeSetEvent_Wait, passive, apc)                              \
  X(KeClearEvent, passive, dispatch)                            \
  X(KeResetEvent, passive, dispatch)                            \
  X(KeReadStateEvent, passive, dispatch)                        \
  X(KeWaitForSingleObject, passive, apc)                        \
  X(KeWaitForSingleObject_ZeroTimeout, passive, dispatch)       \
  X(KeWaitForMultipleObjects, passive, apc)                     \
  X(KeWaitForMultipleObjects_ZeroTimeout, passive, dispatch)    \
  X(KeDelayExecutionThread, passive, apc)                       \
  X(KeReleaseSemaphore, passive, dispatch)                      \
  X(KeReadStateSemaphore, passive, dispatch)                    \
  X(KeReleaseMutex, passive, dispatch)                          \
  X(KeReadStateMutex, passive, dispatch)                        \
  X(ExAcquireFastMutex, passive, apc)                           \
  X(ExTryToAcquireFastMutex, passive, apc)                      \
  X(ExReleaseFastMutex, apc, apc)                               \
  X(KeEnterCriticalRegion, passive, apc)                        \
  X(KeLeaveCriticalRegion, passive, apc)                        \
  /* spin locks */                                              \
  X(KeAcquireSpinLock, passive, dispatch)                       \
  X(KeReleaseSpinLock, dispatch, dispatch)                      \
  X(KeAcquireSpinLockAtDpcLevel, dispatch, high)                \
  X(KeReleaseSpinLockFromDpcLevel, dispatch, high)              \
  X(KeTryToAcquireSpinLockAtDpcLevel, dispatch, high)           \
  X(KeAcquireInStackQueuedSpinLock, passive, dispatch)          \
  X(KeReleaseInStackQueuedSpinLock, dispatch, dispatch)         \
  X(KeAcquireInStackQueuedSpinLockAtDpcLevel, dispatch, high)   \
  X(KeReleaseInStackQueuedSpinLockFromDpcLevel, dispatch, high) \
  /* rundown protection */                                      \
  X(ExInitializeRundownProtection, passive, high)               \
  X(ExAcquireRundownProtection, passive, dispatch)              \
  X(ExReleaseRundownProtection, passive, dispatch)              \
  X(ExWaitForRundownProtectionRelease, passive, apc)            \
  /* work items, DPCs, timers */                                \
  X(IoAllocateWorkItem, passive, dispatch)                      \
  X(IoFreeWorkItem, passive, dispatch)                          \
  X(IoQueueWorkItem, passive, dispatch)                         \
  X(IoQueueWorkItemEx, passive, dispatch)                       \
  X(ExQueueWorkItem, passive, dispatch)                         \
  X(KeInsertQueueDpc, passive, high)                            \
  X(KeRemoveQueueDpc, passive, high)                            \
  X(KeFlushQueuedDpcs, passive, passive)                        \
  X(KeSetTimer, passive, dispatch)                              \
  X(KeCancelTimer, passive, dispatch)                           \
  X(KeReadStateTimer, passive, dispatch)                        \
  /* threads, objects */                                        \
  X(PsCreateSystemThread, passive, passive)                     \
  X(PsTerminateSystemThread, passive, passive)                  \
  X(ObReferenceObjectByHandle, passive, passive)                \
  X(ObReferenceObject, passive, dispatch)                       \
  X(ObDereferenceObject, passive, dispatch)                     \
  X(ZwClose, passive, passive)                                  \
  X(KeSetSystemAffinityThread, passive, dispatch)               \
  X(KeFlushIoBuffers, passive, dispatch)                        \
  /* pool and MDLs */                                           \
  X(ExAllocatePool_NonPaged, passive, dispatch)                 \
  X(ExAllocatePool_Paged, passive, apc)                         \
  X(ExFreePool_NonPaged, passive, dispatch)                     \
  X(ExFreePool_Paged, passive, apc)                             \
  X(ExInitializeLookasideListEx, passive, dispatch)             \
  X(ExDeleteLookasideListEx, passive, dispatch)                 \
  X(ExAllocateFromLookasideListEx, passive, dispatch)           \
  X(ExFreeToLookasideListEx, passive, dispatch)                 \
  X(IoAllocateMdl, passive, dispatch)                           \
  X(IoFreeMdl, passive, dispatch)                               \
  X(IoBuildPartialMdl, passive, dispatch)                       \
  X(MmBuildMdlForNonPagedPool, passive, dispatch)               \
  X(MmProbeAndLockPages, passive, dispatch)                     \
  X(MmUnlockPages, passive, dispatch)                           \
  X(MmMapLockedPagesSpecifyCache, passive, dispatch)            \
  X(MmUnmapLockedPages, passive, dispatch)                      \
  /* drivers, IRPs, strings, registry */                        \
  X(IoCreateDevice, passive, apc)                               \
  X(IoDeleteDevice, passive, apc)                               \
  X(IoAllocateIrp, passive, dispatch)                           \
  X(IoFreeIrp, passive, dispatch)                               \
  X(IofCallDriver, passive, dispatch)                           \
  X(IofCompleteRequest, passive, dispatch)                      \
  X(RtlStringPrintf, passive, passive)                          \
  X(ZwOpenKey, passive, passive)                                \
  X(ZwCreateKey, passive, passive)                              \
  X(ZwQueryValueKey, passive, passive)                          \
  X(ZwSetValueKey, passive, passive)                            \
  X(ZwCreateFile, passive, passive)                             \
  X(ZwWriteFile, passive, passive)                              \
  /* WSK, NDIS, IP helper */                                    \
  X(WskRegister, passive, passive)                              \
  X(WskDeregister, passive, passive)                            \
  X(WskCaptureProviderNPI, passive, passive)                    \
  X(WskReleaseProviderNPI, passive, passive)                    \
  X(WskControlClient, passive, dispatch)                        \
  X(WskOpenNdkAdapter, passive, passive)                        \
  X(WskCloseNdkAdapter, passive, passive)                       \
  X(NdisMRegisterMiniportDriver, passive, passive)              \
  X(NdisMDeregisterMiniportDriver, passive, passive)            \
  X(NdisMSetMiniportAttributes, passive, passive)               \
  X(NdisSetOptionalHandlers, passive, passive)                  \
  X(NdisMOidRequestComplete, passive, dispatch)                 \
  X(NdisMIndicateStatusEx, passive, dispatch)                   \
  X(NdisMNetPnPEvent, passive, passive)                         \
  X(NdisDirectOidRequest, passive, dispatch)                    \
  X(ConvertInterfaceIndexToLuid, passive, passive)              \
  X(ConvertInterfaceLuidToAlias, passive, passive)              \
  X(GetBestRoute2, passive, passive)

// clang-format off
enum class EntryPoint : std::uint8_t {
#define SOFTNDK_ROW(name, lowest, highest) name,
  SOFTNDK_NT_ENTRY_POINTS(SOFTNDK_ROW)
#undef SOFTNDK_ROW
};
// clang-format on

struct IrqlRange {
  std::uint8_t lowest;
  std::uint8_t highest;
  const char* name;
};

namespace irql_table {
inline constexpr std::uint8_t passive = 0, apc = 1, dispatch = 2, high = 15;
inline constexpr IrqlRange kRows[] = {
#define SOFTNDK_ROW(name, lowest, highest) {lowest, highest, #name},
    SOFTNDK_NT_ENTRY_POINTS(SOFTNDK_ROW)
#undef SOFTNDK_ROW
};
}  // namespace irql_table

constexpr const IrqlRange& irql_range(EntryPoint entry) {
  return irql_table::kRows[static_cast<unsigned>(entry)];
}

}  // namespace softndk::ntrt
