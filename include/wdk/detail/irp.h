// IRPs with their stack of locations, and device objects. Nobody outside the process opens a device here: what a driver
// creates is there for its own IoCallDriver.
#ifndef SOFTNDK_WDK_DETAIL_IRP_H
#define SOFTNDK_WDK_DETAIL_IRP_H

#include "interlocked.h"
#include "io.h"
#include "ob.h"

#include "../ntstatus.h"

#define IO_NETWORK_INCREMENT 2
#define FILE_ANY_ACCESS 0
#define FILE_READ_ACCESS 1
#define FILE_WRITE_ACCESS 2
#define METHOD_BUFFERED 0
#define METHOD_IN_DIRECT 1
#define METHOD_OUT_DIRECT 2
#define METHOD_NEITHER 3
#define CTL_CODE(type, function, method, access) (((type) << 16) | ((access) << 14) | ((function) << 2) | (method))

#define SL_PENDING_RETURNED 0x01
#define SL_INVOKE_ON_CANCEL 0x20
#define SL_INVOKE_ON_SUCCESS 0x40
#define SL_INVOKE_ON_ERROR 0x80

/// STATUS_MORE_PROCESSING_REQUIRED takes the IRP back; anything else lets its completion go on.
typedef NTSTATUS(NTAPI IO_COMPLETION_ROUTINE)(_In_ PDEVICE_OBJECT DeviceObject, _In_ PIRP Irp, _In_opt_ PVOID Context);
typedef IO_COMPLETION_ROUTINE* PIO_COMPLETION_ROUTINE;

typedef struct _IO_STACK_LOCATION {
  UCHAR MajorFunction;
  UCHAR MinorFunction;
  UCHAR Flags;
  UCHAR Control;
  union {
    struct {
      ULONG OutputBufferLength;
      ULONG POINTER_ALIGNMENT_PAD1;
      ULONG InputBufferLength;
      ULONG POINTER_ALIGNMENT_PAD2;
      ULONG IoControlCode;
      ULONG POINTER_ALIGNMENT_PAD3;
      PVOID Type3InputBuffer;
    } DeviceIoControl;
    struct {
      ULONG Length;
      ULONG POINTER_ALIGNMENT_PAD1;
      ULONG Key;
      ULONG POINTER_ALIGNMENT_PAD2;
      LARGE_INTEGER ByteOffset;
    } Read;
    struct {
      ULONG Length;
      ULONG POINTER_ALIGNMENT_PAD1;
      ULONG Key;
      ULONG POINTER_ALIGNMENT_PAD2;
      LARGE_INTEGER ByteOffset;
    } Write;
    struct {
      PVOID Argument1;
      PVOID Argument2;
      PVOID Argument3;
      PVOID Argument4;
    } Others;
  } Parameters;
  PDEVICE_OBJECT DeviceObject;
  struct _FILE_OBJECT* FileObject;
  PIO_COMPLETION_ROUTINE CompletionRoutine;
  PVOID Context;
} IO_STACK_LOCATION, *PIO_STACK_LOCATION;
SOFTNDK_STATIC_ASSERT(sizeof(IO_STACK_LOCATION) == 72, "Windows x64 layout");

#define IoSizeOfIrp(StackSize) ((USHORT)(sizeof(IRP) + (StackSize) * sizeof(IO_STACK_LOCATION)))
#define IoGetCurrentIrpStackLocation(Irp) ((Irp)->Tail.Overlay.CurrentStackLocation)
#define IoGetNextIrpStackLocation(Irp) ((Irp)->Tail.Overlay.CurrentStackLocation - 1)
#define IoSetNextIrpStackLocation(Irp) ((void)((Irp)->CurrentLocation--, (Irp)->Tail.Overlay.CurrentStackLocation--))
#define IoSkipCurrentIrpStackLocation(Irp) \
  ((void)((Irp)->CurrentLocation++, (Irp)->Tail.Overlay.CurrentStackLocation++))
#define IoMarkIrpPending(Irp) ((void)(IoGetCurrentIrpStackLocation(Irp)->Control |= SL_PENDING_RETURNED))
#define IoSetCancelRoutine(Irp, Routine) \
  ((PDRIVER_CANCEL)InterlockedExchangePointer((PVOID volatile*)&(Irp)->CancelRoutine, (PVOID)(Routine)))
#define IoCallDriver(DeviceObject, Irp) IofCallDriver(DeviceObject, Irp)

SOFTNDK_INLINE VOID SoftNdkSetCompletionRoutine(PIRP Irp, PIO_COMPLETION_ROUTINE Routine, PVOID Context,
                                                BOOLEAN Success, BOOLEAN Error, BOOLEAN Cancel) {
  PIO_STACK_LOCATION next = IoGetNextIrpStackLocation(Irp);
  next->CompletionRoutine = Routine;
  next->Context = Context;
  next->Control = (UCHAR)((Success ? SL_INVOKE_ON_SUCCESS : 0) | (Error ? SL_INVOKE_ON_ERROR : 0) |
                          (Cancel ? SL_INVOKE_ON_CANCEL : 0));
}
#define IoSetCompletionRoutine(Irp, Routine, Context, Success, Error, Cancel) \
  SoftNdkSetCompletionRoutine(Irp, Routine, Context, (BOOLEAN)(Success), (BOOLEAN)(Error), (BOOLEAN)(Cancel))

SOFTNDK_INLINE VOID SoftNdkCopyStackLocationToNext(PIRP Irp) {
  PIO_STACK_LOCATION current = IoGetCurrentIrpStackLocation(Irp);
  PIO_STACK_LOCATION next = IoGetNextIrpStackLocation(Irp);
  memcpy(next, current, offsetof(IO_STACK_LOCATION, CompletionRoutine));
  next->Control = 0;
}
#define IoCopyCurrentIrpStackLocationToNext(Irp) SoftNdkCopyStackLocationToNext(Irp)

EXTERN_C_START

/// IRQL of these <= DISPATCH_LEVEL. NULL when memory is short.
NTKERNELAPI PIRP NTAPI IoAllocateIrp(_In_ CCHAR StackSize, _In_ BOOLEAN ChargeQuota) SOFTNDK_NOEXCEPT;
NTKERNELAPI VOID NTAPI IoFreeIrp(_In_ PIRP Irp) SOFTNDK_NOEXCEPT;
NTKERNELAPI VOID NTAPI IoReuseIrp(_Inout_ PIRP Irp, _In_ NTSTATUS Iostatus) SOFTNDK_NOEXCEPT;
NTKERNELAPI VOID NTAPI IoInitializeIrp(_Inout_ PIRP Irp, _In_ USHORT PacketSize, _In_ CCHAR StackSize) SOFTNDK_NOEXCEPT;
NTKERNELAPI NTSTATUS NTAPI IofCallDriver(_In_ PDEVICE_OBJECT DeviceObject, _Inout_ PIRP Irp) SOFTNDK_NOEXCEPT;

/// IRQL <= APC_LEVEL. The name means nothing; the extension is zeroed.
NTKERNELAPI NTSTATUS NTAPI IoCreateDevice(_In_ PDRIVER_OBJECT DriverObject, _In_ ULONG DeviceExtensionSize,
                                          _In_opt_ PUNICODE_STRING DeviceName, _In_ ULONG DeviceType,
                                          _In_ ULONG DeviceCharacteristics, _In_ BOOLEAN Exclusive,
                                          _Outptr_ PDEVICE_OBJECT* DeviceObject) SOFTNDK_NOEXCEPT;
NTKERNELAPI VOID NTAPI IoDeleteDevice(_In_ PDEVICE_OBJECT DeviceObject) SOFTNDK_NOEXCEPT;

EXTERN_C_END

/// Names for programs that open devices: there are none, so they lead nowhere.
SOFTNDK_INLINE NTSTATUS IoCreateSymbolicLink(PUNICODE_STRING SymbolicLinkName, PUNICODE_STRING DeviceName) {
  return SymbolicLinkName != NULL && DeviceName != NULL ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
}
SOFTNDK_INLINE NTSTATUS IoDeleteSymbolicLink(PUNICODE_STRING SymbolicLinkName) {
  return SymbolicLinkName != NULL ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
}

#endif
