/*
 * DriverEntry listens, connects to itself, and has the two ends talk until every byte has been looked at. The
 * connection then stays; DriverUnload takes it down, and everything else with it.
 */
#include "socket_driver.h"

#define STREAM_MESSAGES 96
#define STREAM_GROUP 7 /* of these the last one wakes the peer */
#define WORKER_COUNT 3

EXTERN_C DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD DriverUnload;
static DRIVER_DISPATCH DispatchNothing;

WSK_REGISTRATION WskRegistration;
static const WSK_CLIENT_DISPATCH WskClientDispatch = {MAKE_WSK_VERSION(1, 0), 0, NULL};
static PLISTENER Listener;
static PRDMA_SOCKET Client;

/* ---- messages: a stream of patterns, in groups */

static ULONG StreamBytesOf(ULONG Index) {
  static const ULONG sizes[] = {0, 1, 63, 512, 4096 - sizeof(MESSAGE), 5000, 16384, 30011, MESSAGE_PAYLOAD_MAX};
  return sizes[Index % RTL_NUMBER_OF(sizes)];
}

static NTSTATUS Stream(PRDMA_SOCKET From, PRDMA_SOCKET To) {
  ULONG64 bytes = 0;
  ULONG i;
  for (i = 0; i < STREAM_MESSAGES; ++i) {
    const ULONG payload = StreamBytesOf(i);
    const BOOLEAN last = i + 1 == STREAM_MESSAGES;
    PWORK send = MessageAllocate(From, MessageData, payload);
    if (send == NULL) {
      return STATUS_INSUFFICIENT_RESOURCES;
    }
    send->Message->Cookie = i;
    send->Message->Flags = last ? MESSAGE_FLAG_LAST : 0;
    FillPattern(MessagePayload(send->Message), payload, i);
    if (last || i % STREAM_GROUP == STREAM_GROUP - 1) {
      send->Flags = NDK_OP_FLAG_SEND_AND_SOLICIT_EVENT;
    }
    MessageSend(send);
    bytes += payload;
  }
  KeWaitForSingleObject(&To->StreamDone, Executive, KernelMode, FALSE, NULL);
  if (NT_SUCCESS(To->StreamStatus) && To->StreamBytes != bytes) {
    return STATUS_DATA_ERROR;
  }
  return To->StreamStatus;
}

/* ---- transfers: a few workers at once */

typedef struct _WORKER {
  PIO_WORKITEM Item;
  PRDMA_SOCKET Socket;
  ULONG Index;
  ULONG64 Bytes;
  NTSTATUS Status;
  KEVENT Done;
} WORKER, *PWORKER;

static IO_WORKITEM_ROUTINE_EX TransferWork;
static VOID TransferWork(PVOID IoObject, PVOID Context, PIO_WORKITEM Item) {
  static const ULONG sizes[] = {1, 4096, 65536, 70000, 262144, SEGMENT_COUNT_MAX * SEGMENT_BYTES - 3};
  PWORKER worker = (PWORKER)Context;
  ULONG i;
  PAGED_CODE();
  UNREFERENCED_PARAMETER(IoObject);
  UNREFERENCED_PARAMETER(Item);
  for (i = 0; i < RTL_NUMBER_OF(sizes) && NT_SUCCESS(worker->Status); ++i) {
    const ULONG bytes = sizes[(i + worker->Index) % RTL_NUMBER_OF(sizes)];
    const ULONG64 cookie = worker->Index * 16 + i + 1;
    worker->Status = TransferRun(worker->Socket, MessageReadMine, bytes, cookie);
    if (NT_SUCCESS(worker->Status)) {
      worker->Status = TransferRun(worker->Socket, MessageWriteMine, bytes, cookie);
      worker->Bytes += 2 * bytes;
    }
  }
  KeSetEvent(&worker->Done, IO_NO_INCREMENT, FALSE); /* who waits for it frees the item */
}

static NTSTATUS Transfers(PDRIVER_OBJECT DriverObject, PRDMA_SOCKET Socket, ULONG64* Bytes) {
  NTSTATUS status = STATUS_SUCCESS;
  ULONG started = 0;
  ULONG i;
  PWORKER workers = (PWORKER)ExAllocatePoolWithTagPriority(NonPagedPoolNx, WORKER_COUNT * sizeof(WORKER), SOCKET_TAG,
                                                           NormalPoolPriority);
  if (workers == NULL) {
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  RtlZeroMemory(workers, WORKER_COUNT * sizeof(WORKER));
  for (i = 0; i < WORKER_COUNT; ++i, ++started) {
    PWORKER worker = &workers[i];
    worker->Socket = Socket;
    worker->Index = i;
    KeInitializeEvent(&worker->Done, NotificationEvent, FALSE);
    worker->Item = IoAllocateWorkItem((PDEVICE_OBJECT)DriverObject);
    if (worker->Item == NULL) {
      status = STATUS_INSUFFICIENT_RESOURCES;
      break;
    }
    IoQueueWorkItemEx(worker->Item, TransferWork, DelayedWorkQueue, worker);
  }
  for (i = 0; i < started; ++i) {
    KeWaitForSingleObject(&workers[i].Done, Executive, KernelMode, FALSE, NULL);
    IoFreeWorkItem(workers[i].Item);
    if (NT_SUCCESS(status)) {
      status = workers[i].Status;
    }
    *Bytes += workers[i].Bytes;
  }
  ExFreePoolWithTag(workers, SOCKET_TAG);
  return status;
}

/* ---- the driver */

static NTSTATUS Start(PDRIVER_OBJECT DriverObject) {
  NTSTATUS status = ListenerCreate(DriverObject, &Listener);
  if (NT_SUCCESS(status)) {
    status = SocketCreate(DriverObject, NDK_CQ_NOTIFY_ANY, &Client);
  }
  if (NT_SUCCESS(status)) {
    status = SocketConnect(Client, &Listener->Address);
  }
  if (NT_SUCCESS(status)) {
    /* The accept ends when the client has completed, but may end after it: the server's socket is there only then. */
    KeWaitForSingleObject(&Listener->AcceptDone, Executive, KernelMode, FALSE, NULL);
    status = Listener->AcceptStatus;
  }
  return status;
}

static NTSTATUS Run(PDRIVER_OBJECT DriverObject) {
  PRDMA_SOCKET server = Listener->Accepted;
  ULONG64 moved = 0;
  NTSTATUS status;

  status = Stream(Client, server);
  if (NT_SUCCESS(status)) {
    status = Stream(server, Client);
  }
  if (NT_SUCCESS(status)) {
    status = Transfers(DriverObject, Client, &moved);
  }
  if (NT_SUCCESS(status)) {
    status = Transfers(DriverObject, server, &moved);
  }
  if (NT_SUCCESS(status)) {
    DbgPrint(
        "socket_driver: %llu bytes in messages and %llu in transfers arrived; %u regions a socket took %lu us "
        "(client) and %lu us (server, while the client waited)\n",
        server->StreamBytes + Client->StreamBytes, moved, REGION_COUNT, Client->RegionMicroseconds,
        server->RegionMicroseconds);
  }
  return status;
}

static VOID Stop(VOID) {
  if (Client != NULL) {
    SocketDisconnect(Client);
    SocketClose(Client); /* the connector's close is what the server notices */
    Client = NULL;
  }
  if (Listener != NULL) {
    if (Listener->Accepted != NULL) {
      KeWaitForSingleObject(&Listener->Accepted->Disconnected, Executive, KernelMode, FALSE, NULL);
    }
    ListenerClose(Listener);
    Listener = NULL;
  }
}

static NTSTATUS DispatchNothing(PDEVICE_OBJECT DeviceObject, PIRP Irp) {
  UNREFERENCED_PARAMETER(DeviceObject);
  Irp->IoStatus.Status = STATUS_NOT_SUPPORTED;
  Irp->IoStatus.Information = 0;
  IoCompleteRequest(Irp, IO_NO_INCREMENT);
  return STATUS_NOT_SUPPORTED;
}

static VOID DriverUnload(PDRIVER_OBJECT DriverObject) {
  PAGED_CODE();
  UNREFERENCED_PARAMETER(DriverObject);
  Stop();
  WskDeregister(&WskRegistration);
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath) {
  WSK_CLIENT_NPI client = {NULL, &WskClientDispatch};
  NTSTATUS status;

  PAGED_CODE();
  UNREFERENCED_PARAMETER(RegistryPath);
  RtlZeroMemory(DriverObject->MajorFunction, sizeof(DriverObject->MajorFunction));
  DriverObject->MajorFunction[IRP_MJ_CREATE] = DispatchNothing;
  DriverObject->MajorFunction[IRP_MJ_CLOSE] = DispatchNothing;
  DriverObject->MajorFunction[IRP_MJ_CLEANUP] = DispatchNothing;
  DriverObject->MajorFunction[IRP_MJ_DEVICE_CONTROL] = DispatchNothing;
  DriverObject->DriverUnload = DriverUnload;

  status = WskRegister(&client, &WskRegistration);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  status = Start(DriverObject);
  if (NT_SUCCESS(status)) {
    status = Run(DriverObject);
  }
  if (!NT_SUCCESS(status)) { /* nobody unloads a driver whose entry failed */
    DbgPrint("socket_driver: failed with 0x%08lx\n", status);
    Stop();
    WskDeregister(&WskRegistration);
  }
  return status;
}
