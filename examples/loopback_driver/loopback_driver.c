/*
 * A kernel-style NDK consumer, as it would be written for Windows: both ends of a connection in one driver.
 *
 * DriverEntry registers with Winsock Kernel and queues a work item. The work item opens the NDK adapter of one
 * interface and runs a few sessions over it: connect, Send both ways, Write, Read, flush, disconnect, and a close of
 * everything in a different order each time. DriverUnload waits for it and takes back what DriverEntry did.
 */
#include "loopback_driver.h"

#include <wsk.h>
#include <wskndk.h>

#include "session.h"

NET_IFINDEX LoopbackInterface;
KEVENT LoopbackFinished;
NTSTATUS LoopbackStatus = STATUS_PENDING;
ULONG LoopbackRoundsPassed;

static DRIVER_UNLOAD DriverUnload;
static IO_WORKITEM_ROUTINE_EX LoopbackWork;

static const WSK_CLIENT_DISPATCH ClientDispatch = {MAKE_WSK_VERSION(1, 0), 0, NULL};
static WSK_REGISTRATION Registration;

/* One session. The rounds differ in who accepts where, and in how it ends. */
static NTSTATUS RunRound(PDRIVER_OBJECT DriverObject, NDK_ADAPTER* Adapter, ULONG Round) {
  PSESSION session;
  BOOLEAN acceptInEvent = (Round & 1) == 0;
  NTSTATUS status = SessionCreate(DriverObject, Adapter, acceptInEvent, &session);
  if (session == NULL) {
    return status;
  }
  if (NT_SUCCESS(status)) {
    status = SessionConnect(session);
  }
  if (NT_SUCCESS(status)) {
    status = SessionTransfer(session);
  }
  /* In every third round we do not disconnect: closing a connector that is connected aborts the connection. */
  if (NT_SUCCESS(status) && Round % 3 != 2) {
    status = SessionDisconnect(session);
  }
  SessionClose(session, (CLOSE_ORDER)(Round % CloseOrderCount));
  return status;
}

static NTSTATUS RunAllRounds(PDRIVER_OBJECT DriverObject) {
  static const NDK_VERSION version = {1, 2};
  WSK_PROVIDER_NPI npi;
  WSK_PROVIDER_NDK_DISPATCH ndk;
  NDK_ADAPTER* adapter;
  NTSTATUS status = WskCaptureProviderNPI(&Registration, WSK_INFINITE_WAIT, &npi);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  /* The output is the table itself; a buffer for a pointer to it would be too small. */
  status = npi.Dispatch->WskControlClient(npi.Client, WSKNDK_GET_WSK_PROVIDER_NDK_DISPATCH, 0, NULL, sizeof(ndk), &ndk,
                                          NULL, NULL);
  if (NT_SUCCESS(status)) {
    status = ndk.WskOpenNdkAdapter(npi.Client, version, LoopbackInterface, &adapter);
  }
  if (NT_SUCCESS(status)) {
    ULONG round;
    for (round = 0; round < LOOPBACK_ROUNDS && NT_SUCCESS(status); ++round) {
      status = RunRound(DriverObject, adapter, round);
      if (NT_SUCCESS(status)) {
        LoopbackRoundsPassed++;
      } else {
        DbgPrint("loopback: round %lu failed with 0x%08lx\n", round, status);
      }
    }
    /* Returns when nothing of the adapter can call back any more. */
    ndk.WskCloseNdkAdapter(npi.Client, adapter);
  }
  WskReleaseProviderNPI(&Registration);
  return status;
}

static VOID LoopbackWork(PVOID IoObject, PVOID Context, PIO_WORKITEM WorkItem) {
  UNREFERENCED_PARAMETER(Context);
  IoFreeWorkItem(WorkItem);
  LoopbackStatus = RunAllRounds((PDRIVER_OBJECT)IoObject);
  KeSetEvent(&LoopbackFinished, IO_NO_INCREMENT, FALSE);
}

static VOID DriverUnload(PDRIVER_OBJECT DriverObject) {
  UNREFERENCED_PARAMETER(DriverObject);
  KeWaitForSingleObject(&LoopbackFinished, Executive, KernelMode, FALSE, NULL);
  WskDeregister(&Registration);
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath) {
  WSK_CLIENT_NPI client = {NULL, &ClientDispatch};
  PIO_WORKITEM item;
  NTSTATUS status;

  UNREFERENCED_PARAMETER(RegistryPath);
  status = WskRegister(&client, &Registration);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  /* Work items hold a reference on the object they are allocated for; a driver without devices gives itself. */
  item = IoAllocateWorkItem((PDEVICE_OBJECT)DriverObject);
  if (item == NULL) {
    WskDeregister(&Registration); /* a DriverEntry that fails undoes itself: DriverUnload is not called */
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  DriverObject->DriverUnload = DriverUnload;
  IoQueueWorkItemEx(item, LoopbackWork, DelayedWorkQueue, NULL);
  return STATUS_SUCCESS;
}
