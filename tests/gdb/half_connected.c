/*
 * A driver in the middle of a connection: it listens, connects to itself over the loopback interface, and stops while
 * both sides wait. What it looks like there, to a debugger and in reports, is what its host is for.
 */
#include <softndk/softndk.h>

#include <ntddk.h>
#include <wsk.h>
#include <wskndk.h>

#include "half_connected.h"

HALF_CONNECTED Half;

static const WSK_CLIENT_DISPATCH ClientDispatch = {MAKE_WSK_VERSION(1, 0), 0, NULL};

/* Where breakpoints go. */
__attribute__((noinline)) VOID HalfConnectedHere(HALF_CONNECTED* here) {
  __asm__ volatile("" : : "r"(here) : "memory");
}

static VOID Created(PVOID context, NTSTATUS status, NDK_OBJECT_HEADER* object) {
  HALF_CONNECTED* half = context;
  half->Status = status;
  half->Made = object;
  KeSetEvent(&half->Done, IO_NO_INCREMENT, FALSE);
}

static VOID Completed(PVOID context, NTSTATUS status) {
  HALF_CONNECTED* half = context;
  half->Status = status;
  KeSetEvent(&half->Done, IO_NO_INCREMENT, FALSE);
}

static VOID Connected(PVOID context, NTSTATUS status) {
  HALF_CONNECTED* half = context;
  half->ConnectStatus = status;
  KeSetEvent(&half->ConnectEvent, IO_NO_INCREMENT, FALSE);
}

static VOID Closed(PVOID context) {
  KeSetEvent(&((HALF_CONNECTED*)context)->Done, IO_NO_INCREMENT, FALSE);
}

static VOID Arrived(PVOID context, NDK_CONNECTOR* connector) {
  HALF_CONNECTED* half = context;
  half->Incoming = connector;
  KeSetEvent(&half->Arrived, IO_NO_INCREMENT, FALSE);
}

static NTSTATUS Settle(HALF_CONNECTED* half, NTSTATUS status, PVOID out) {
  if (status != STATUS_PENDING) return status;
  KeWaitForSingleObject(&half->Done, Executive, KernelMode, FALSE, NULL);
  if (NT_SUCCESS(half->Status) && out != NULL) *(PVOID*)out = half->Made;
  return half->Status;
}

NTSTATUS HalfConnectedOpen(HALF_CONNECTED* half, ULONG interfaceIndex) {
  WSK_CLIENT_NPI client = {NULL, &ClientDispatch};
  NDK_VERSION version = {2, 0};
  NTSTATUS status;

  KeInitializeEvent(&half->Done, SynchronizationEvent, FALSE);
  KeInitializeEvent(&half->Arrived, NotificationEvent, FALSE);
  KeInitializeEvent(&half->ConnectEvent, NotificationEvent, FALSE);
  InitializeListHead(&half->Sessions);
  InsertTailList(&half->Sessions, &half->Session);
  RtlInitUnicodeString(&half->Name, L"half connected");

  status = WskRegister(&client, &half->Registration);
  if (NT_SUCCESS(status)) status = WskCaptureProviderNPI(&half->Registration, WSK_INFINITE_WAIT, &half->Npi);
  if (NT_SUCCESS(status))
    status = half->Npi.Dispatch->WskControlClient(half->Npi.Client, WSKNDK_GET_WSK_PROVIDER_NDK_DISPATCH, 0, NULL,
                                                  sizeof(half->Ndk), &half->Ndk, NULL, NULL);
  if (NT_SUCCESS(status))
    status = half->Ndk.WskOpenNdkAdapter(half->Npi.Client, version, interfaceIndex, &half->Adapter);
  return status;
}

NTSTATUS HalfConnectedCreate(HALF_CONNECTED* half) {
  NDK_ADAPTER* adapter = half->Adapter;
  NTSTATUS status = Settle(half, adapter->Dispatch->NdkCreatePd(adapter, Created, half, &half->Pd), &half->Pd);
  if (NT_SUCCESS(status))
    status = Settle(half, adapter->Dispatch->NdkCreateCq(adapter, 16, NULL, NULL, NULL, Created, half, &half->Cq),
                    &half->Cq);
  if (NT_SUCCESS(status))
    status = Settle(half,
                    half->Pd->Dispatch->NdkCreateQp(half->Pd, half->Cq, half->Cq, half, 16, 16, 1, 1, 0, Created, half,
                                                    &half->Qp),
                    &half->Qp);
  if (NT_SUCCESS(status))
    status = Settle(half, half->Pd->Dispatch->NdkCreateMr(half->Pd, FALSE, Created, half, &half->Mr), &half->Mr);
  if (NT_SUCCESS(status))
    status = Settle(half, adapter->Dispatch->NdkCreateConnector(adapter, Created, half, &half->Connector),
                    &half->Connector);
  if (NT_SUCCESS(status))
    status = Settle(half, adapter->Dispatch->NdkCreateListener(adapter, Arrived, half, Created, half, &half->Listener),
                    &half->Listener);
  if (!NT_SUCCESS(status)) return status;

  half->Buffer = ExAllocatePoolWithTag(NonPagedPoolNx, 8192, 'flaH');
  half->Mdl = IoAllocateMdl(half->Buffer, 8192, FALSE, FALSE, NULL);
  MmBuildMdlForNonPagedPool(half->Mdl);
  return Settle(
      half,
      half->Mr->Dispatch->NdkRegisterMr(half->Mr, half->Mdl, 8192, NDK_MR_FLAG_ALLOW_LOCAL_WRITE, Completed, half),
      NULL);
}

NTSTATUS HalfConnectedConnect(HALF_CONNECTED* half) {
  ULONG bytes = sizeof(half->Address);
  NTSTATUS status;
  half->Address.Ipv4.sin_family = AF_INET;
  half->Address.Ipv4.sin_addr.S_un.S_addr = 0x0100007f;
  status = Settle(half,
                  half->Listener->Dispatch->NdkListen(half->Listener, (PSOCKADDR)&half->Address,
                                                      sizeof(half->Address.Ipv4), Completed, half),
                  NULL);
  if (!NT_SUCCESS(status)) return status;
  status = half->Listener->Dispatch->NdkGetLocalAddress(half->Listener, (PSOCKADDR)&half->Address, &bytes);
  if (!NT_SUCCESS(status)) return status;
  half->From = half->Address;
  half->From.Ipv4.sin_port = 0;
  half->ConnectStatus = half->Connector->Dispatch->NdkConnect(
      half->Connector, half->Qp, (PSOCKADDR)&half->From, sizeof(half->From.Ipv4), (PSOCKADDR)&half->Address,
      sizeof(half->Address.Ipv4), 0, 0, NULL, 0, Connected, half);
  if (half->ConnectStatus != STATUS_PENDING) return STATUS_UNSUCCESSFUL;
  KeWaitForSingleObject(&half->Arrived, Executive, KernelMode, FALSE, NULL);
  HalfConnectedHere(half);
  return STATUS_SUCCESS;
}

static VOID Close(HALF_CONNECTED* half, NDK_OBJECT_HEADER* object, NDK_FN_CLOSE_OBJECT close) {
  if (close(object, Closed, half) == STATUS_PENDING)
    KeWaitForSingleObject(&half->Done, Executive, KernelMode, FALSE, NULL);
}

VOID HalfConnectedClose(HALF_CONNECTED* half, BOOLEAN everything) {
  if (half->Incoming != NULL)
    Close(half, &half->Incoming->Header, half->Incoming->Dispatch->NdkCloseConnector);
  KeWaitForSingleObject(&half->ConnectEvent, Executive, KernelMode, FALSE, NULL);
  Close(half, &half->Listener->Header, half->Listener->Dispatch->NdkCloseListener);
  Close(half, &half->Connector->Header, half->Connector->Dispatch->NdkCloseConnector);
  Close(half, &half->Qp->Header, half->Qp->Dispatch->NdkCloseQp);
  Close(half, &half->Cq->Header, half->Cq->Dispatch->NdkCloseCq);
  if (!everything) return;
  Close(half, &half->Mr->Header, half->Mr->Dispatch->NdkCloseMr);
  Close(half, &half->Pd->Header, half->Pd->Dispatch->NdkClosePd);
  IoFreeMdl(half->Mdl);
  ExFreePoolWithTag(half->Buffer, 'flaH');
}

VOID HalfConnectedLeave(HALF_CONNECTED* half) {
  half->Ndk.WskCloseNdkAdapter(half->Npi.Client, half->Adapter);
  WskReleaseProviderNPI(&half->Registration);
  WskDeregister(&half->Registration);
}
