#include "socket_driver.h"

/*
 * A connect request comes at DISPATCH_LEVEL; a socket takes 512 memory regions and waits for each of them. So every
 * accept is a work item, and the client waits for it.
 */

typedef struct _ACCEPT {
  PIO_WORKITEM Item;
  PLISTENER Listener;
  NDK_CONNECTOR* Connector;
} ACCEPT, *PACCEPT;

static VOID Ignore(PVOID Context) {
  UNREFERENCED_PARAMETER(Context);
}

static IO_WORKITEM_ROUTINE_EX AcceptWork;
static VOID AcceptWork(PVOID IoObject, PVOID Context, PIO_WORKITEM Item) {
  PACCEPT accept = (PACCEPT)Context;
  PLISTENER listener = accept->Listener;
  NDK_CONNECTOR* connector = accept->Connector;
  PRDMA_SOCKET socket;
  NTSTATUS status;

  PAGED_CODE();
  UNREFERENCED_PARAMETER(IoObject);
  IoFreeWorkItem(Item);
  ExFreePoolWithTag(accept, WORK_TAG);

  status = SocketCreate(listener->DriverObject, NDK_CQ_NOTIFY_SOLICITED, &socket);
  if (!NT_SUCCESS(status)) {
    connector->Dispatch->NdkCloseConnector(&connector->Header, Ignore, NULL); /* which rejects the request */
  } else {
    status = SocketAccept(socket, connector);
    if (!NT_SUCCESS(status)) {
      SocketClose(socket);
      socket = NULL;
    }
  }
  listener->Accepted = socket;
  listener->AcceptStatus = status;
  KeSetEvent(&listener->AcceptDone, IO_NO_INCREMENT, FALSE);
  ExReleaseRundownProtectionEx(&listener->Accepts, 1); /* last: then the listener may go */
}

/* <= DISPATCH_LEVEL. The connector is ours, whatever we do with it. */
static VOID ConnectRequested(PVOID Context, NDK_CONNECTOR* Connector) {
  PLISTENER listener = (PLISTENER)Context;
  SOCKADDR_IN peer;
  ULONG bytes = sizeof(peer);
  PACCEPT accept = NULL;

  if (NT_SUCCESS(Connector->Dispatch->NdkGetPeerAddress(Connector, (PSOCKADDR)&peer, &bytes)) &&
      ExAcquireRundownProtectionEx(&listener->Accepts, 1)) {
    accept = (PACCEPT)ExAllocatePoolWithTagPriority(NonPagedPoolNx, sizeof(*accept), WORK_TAG, NormalPoolPriority);
    if (accept != NULL) {
      accept->Item = IoAllocateWorkItem((PDEVICE_OBJECT)listener->DriverObject);
      if (accept->Item == NULL) {
        ExFreePoolWithTag(accept, WORK_TAG);
        accept = NULL;
      }
    }
    if (accept == NULL) {
      ExReleaseRundownProtectionEx(&listener->Accepts, 1);
    }
  }
  if (accept == NULL) {
    Connector->Dispatch->NdkCloseConnector(&Connector->Header, Ignore, NULL);
    return;
  }
  accept->Listener = listener;
  accept->Connector = Connector;
  IoQueueWorkItemEx(accept->Item, AcceptWork, DelayedWorkQueue, accept);
}

static NTSTATUS Listen(PLISTENER Listener) {
  NDK_ADAPTER* ndka = Listener->Adapter.Ndka;
  NDK_LISTENER* ndkl = NULL;
  ULONG bytes = sizeof(Listener->Address);
  NTSTATUS status;

  CallBegin(&Listener->Call);
  status = ndka->Dispatch->NdkCreateListener(ndka, ConnectRequested, Listener, CallCreated, &Listener->Call, &ndkl);
  if (status == STATUS_PENDING) {
    status = CallFinish(&Listener->Call, status);
    ndkl = (NDK_LISTENER*)Listener->Call.Object;
  }
  if (!NT_SUCCESS(status)) {
    return status;
  }
  Listener->Ndkl = ndkl;

  Listener->Address.sin_family = AF_INET;
  status = RtlIpv4StringToAddressExW(SOCKET_LOCAL_ADDRESS, TRUE, &Listener->Address.sin_addr,
                                     &Listener->Address.sin_port); /* no port: the provider chooses */
  if (!NT_SUCCESS(status)) {
    return status;
  }
  CallBegin(&Listener->Call);
  status = ndkl->Dispatch->NdkListen(ndkl, (PSOCKADDR)&Listener->Address, sizeof(Listener->Address), CallCompleted,
                                     &Listener->Call);
  status = CallFinish(&Listener->Call, status);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  return ndkl->Dispatch->NdkGetLocalAddress(ndkl, (PSOCKADDR)&Listener->Address, &bytes);
}

NTSTATUS ListenerCreate(PDRIVER_OBJECT DriverObject, PLISTENER* Listener) {
  PLISTENER listener;
  NTSTATUS status;

  PAGED_CODE();
  *Listener = NULL;
  listener =
      (PLISTENER)ExAllocatePoolWithTagPriority(NonPagedPoolNx, sizeof(*listener), SOCKET_TAG, NormalPoolPriority);
  if (listener == NULL) {
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  RtlZeroMemory(listener, sizeof(*listener));
  listener->DriverObject = DriverObject;
  KeInitializeEvent(&listener->Call.Done, NotificationEvent, FALSE);
  KeInitializeEvent(&listener->AcceptDone, NotificationEvent, FALSE);
  ExInitializeRundownProtection(&listener->Accepts);
  status = AdapterOpen(&listener->Adapter);
  if (NT_SUCCESS(status)) {
    status = Listen(listener);
  }
  if (!NT_SUCCESS(status)) {
    ListenerClose(listener);
    return status;
  }
  *Listener = listener;
  return STATUS_SUCCESS;
}

/* After the socket that it accepted: a listener's close waits for its connectors. */
VOID ListenerClose(PLISTENER Listener) {
  PAGED_CODE();
  if (Listener->Ndkl != NULL) {
    Listener->Ndkl->Dispatch->NdkControlConnectEvents(Listener->Ndkl, TRUE);
  }
  ExWaitForRundownProtectionRelease(&Listener->Accepts);
  if (Listener->Accepted != NULL) {
    SocketClose(Listener->Accepted);
  }
  if (Listener->Ndkl != NULL) {
    CallClose(&Listener->Call, &Listener->Ndkl->Header, Listener->Ndkl->Dispatch->NdkCloseListener);
  }
  AdapterClose(&Listener->Adapter);
  ExFreePoolWithTag(Listener, SOCKET_TAG);
}
