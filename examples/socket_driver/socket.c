#include "socket_driver.h"

/* What the two ends tell each other with the connect and with the accept. */
typedef struct _HELLO {
  ULONG Magic;
  USHORT Version;
  USHORT Receives; /* how many the sender posts: the first credits of the other end */
} HELLO;
#define HELLO_MAGIC 0x4b434f53

/* ---- requests that may pend: CallBegin, the request with a callback of these and the CALL, CallFinish */

VOID CallBegin(PCALL Call) {
  KeClearEvent(&Call->Done);
}

NTSTATUS CallFinish(PCALL Call, NTSTATUS Returned) {
  PAGED_CODE();
  if (Returned != STATUS_PENDING) {
    return Returned; /* and then no callback comes */
  }
  KeWaitForSingleObject(&Call->Done, Executive, KernelMode, FALSE, NULL);
  return Call->Status;
}

VOID CallCreated(PVOID Context, NTSTATUS Status, NDK_OBJECT_HEADER* Object) {
  PCALL call = (PCALL)Context;
  call->Object = Object;
  call->Status = Status;
  KeSetEvent(&call->Done, IO_NO_INCREMENT, FALSE);
}

VOID CallCompleted(PVOID Context, NTSTATUS Status) {
  CallCreated(Context, Status, NULL);
}

VOID CallClosed(PVOID Context) {
  CallCreated(Context, STATUS_SUCCESS, NULL);
}

VOID CallClose(PCALL Call, NDK_OBJECT_HEADER* Object, NDK_FN_CLOSE_OBJECT Close) {
  CallBegin(Call);
  CallFinish(Call, Close(Object, CallClosed, Call));
}

/*
 * The object of a create that has ended: the out parameter has it when the create succeeded inline, the callback
 * brought it otherwise.
 */
static NTSTATUS CallCreate(PCALL Call, NTSTATUS Returned, PVOID Inline, PVOID* Object) {
  const NTSTATUS status = CallFinish(Call, Returned);
  *Object = NT_SUCCESS(status) ? (Returned == STATUS_PENDING ? (PVOID)Call->Object : Inline) : NULL;
  return status;
}

/* ---- the adapter */

ULONG AdapterDepth(ULONG Advertised) {
  return min(Advertised, MAXUSHORT);
}

static NTSTATUS CheckAdapter(PADAPTER Adapter) {
  NET_LUID luid;
  WCHAR alias[NDIS_IF_MAX_STRING_SIZE + 1];
  ULONG bytes = sizeof(Adapter->Info);
  NTSTATUS status = ConvertInterfaceIndexToLuid(SOCKET_INTERFACE_INDEX, &luid);
  if (NT_SUCCESS(status)) {
    status = ConvertInterfaceLuidToAlias(&luid, alias, NDIS_IF_MAX_STRING_SIZE + 1);
  }
  if (NT_SUCCESS(status)) {
    status = Adapter->Ndka->Dispatch->NdkQueryAdapterInfo(Adapter->Ndka, &Adapter->Info, &bytes);
  }
  if (!NT_SUCCESS(status)) {
    return status;
  }
  if ((Adapter->Info.AdapterFlags & NDK_ADAPTER_FLAG_RDMA_READ_SINK_NOT_REQUIRED) == 0 ||
      Adapter->Info.FRMRPageCount < BYTES_TO_PAGES(SEGMENT_BYTES) ||
      Adapter->Info.MaxInitiatorRequestSge < SGE_COUNT_MAX || Adapter->Info.MaxReceiveRequestSge < SGE_COUNT_MAX) {
    DbgPrint("socket_driver: %ws cannot do what we need\n", alias);
    return STATUS_NOT_SUPPORTED;
  }
  Adapter->RemoteInvalidate = Adapter->Info.Version.Major > 1 || Adapter->Info.Version.Minor >= 2;
  Adapter->ReadLocalInvalidate =
      (Adapter->Info.AdapterFlags & NDK_ADAPTER_FLAG_RDMA_READ_LOCAL_INVALIDATE_SUPPORTED) != 0;
  return STATUS_SUCCESS;
}

NTSTATUS AdapterOpen(PADAPTER Adapter) {
  static const NDK_VERSION version = {1, 2};
  NTSTATUS status;

  PAGED_CODE();
  RtlZeroMemory(Adapter, sizeof(*Adapter));
  status = WskCaptureProviderNPI(&WskRegistration, WSK_INFINITE_WAIT, &Adapter->Npi);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  status = Adapter->Npi.Dispatch->WskControlClient(Adapter->Npi.Client, WSKNDK_GET_WSK_PROVIDER_NDK_DISPATCH, 0, NULL,
                                                   sizeof(Adapter->Ndk), &Adapter->Ndk, NULL, NULL);
  if (NT_SUCCESS(status)) {
    status = Adapter->Ndk.WskOpenNdkAdapter(Adapter->Npi.Client, version, SOCKET_INTERFACE_INDEX, &Adapter->Ndka);
  }
  if (!NT_SUCCESS(status)) {
    WskReleaseProviderNPI(&WskRegistration);
    return status;
  }
  status = CheckAdapter(Adapter);
  if (!NT_SUCCESS(status)) {
    AdapterClose(Adapter);
  }
  return status;
}

/* Returns when nothing of the adapter can call back any more. */
VOID AdapterClose(PADAPTER Adapter) {
  if (Adapter->Ndka != NULL) {
    Adapter->Ndk.WskCloseNdkAdapter(Adapter->Npi.Client, Adapter->Ndka);
    Adapter->Ndka = NULL;
    WskReleaseProviderNPI(&WskRegistration);
  }
}

/* ---- create */

static NTSTATUS CreateQueue(PRDMA_SOCKET Socket, NDK_FN_CQ_NOTIFICATION_CALLBACK Notified, NDK_CQ** Cq) {
  NDK_ADAPTER* ndka = Socket->Adapter.Ndka;
  NDK_CQ* cq = NULL;
  NTSTATUS status;
  CallBegin(&Socket->Call);
  status = ndka->Dispatch->NdkCreateCq(ndka, AdapterDepth(Socket->Adapter.Info.MaxCqDepth), Notified, Socket, NULL,
                                       CallCreated, &Socket->Call, &cq);
  return CallCreate(&Socket->Call, status, cq, (PVOID*)Cq);
}

static NTSTATUS CreateObjects(PRDMA_SOCKET Socket) {
  NDK_ADAPTER* ndka = Socket->Adapter.Ndka;
  const NDK_ADAPTER_INFO* info = &Socket->Adapter.Info;
  NDK_PD* pd = NULL;
  NDK_QP* qp = NULL;
  NTSTATUS status;

  CallBegin(&Socket->Call);
  status = ndka->Dispatch->NdkCreatePd(ndka, CallCreated, &Socket->Call, &pd);
  status = CallCreate(&Socket->Call, status, pd, (PVOID*)&Socket->Pd);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  Socket->Pd->Dispatch->NdkGetPrivilegedMemoryRegionToken(Socket->Pd, &Socket->PrivilegedToken);

  status = CreateQueue(Socket, ReceiveNotified, &Socket->ReceiveCq);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  status = CreateQueue(Socket, InitiatorNotified, &Socket->InitiatorCq);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  if (info->AdapterFlags & NDK_ADAPTER_FLAG_CQ_INTERRUPT_MODERATION_SUPPORTED) {
    /* What ends there is waited for by nobody in a hurry: up to 20 us, however many there are. */
    status = Socket->InitiatorCq->Dispatch->NdkControlCqInterruptModeration(Socket->InitiatorCq, 20, MAXULONG);
    if (!NT_SUCCESS(status)) {
      return status;
    }
  }

  CallBegin(&Socket->Call);
  status = Socket->Pd->Dispatch->NdkCreateQp(
      Socket->Pd, Socket->ReceiveCq, Socket->InitiatorCq, Socket, AdapterDepth(info->MaxReceiveQueueDepth),
      AdapterDepth(info->MaxInitiatorQueueDepth), SGE_COUNT_MAX, SGE_COUNT_MAX, 0, CallCreated, &Socket->Call, &qp);
  status = CallCreate(&Socket->Call, status, qp, (PVOID*)&Socket->Qp);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  return RegionsCreate(Socket);
}

NTSTATUS SocketCreate(PDRIVER_OBJECT DriverObject, ULONG ReceiveArm, PRDMA_SOCKET* Socket) {
  PRDMA_SOCKET socket;
  NTSTATUS status;

  PAGED_CODE();
  *Socket = NULL;
  socket = (PRDMA_SOCKET)ExAllocatePoolWithTagPriority(NonPagedPoolNx, sizeof(*socket), SOCKET_TAG, NormalPoolPriority);
  if (socket == NULL) {
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  RtlZeroMemory(socket, sizeof(*socket));
  socket->DriverObject = DriverObject;
  socket->ReceiveArm = ReceiveArm;
  socket->StreamStatus = STATUS_PENDING;
  KeInitializeEvent(&socket->Call.Done, NotificationEvent, FALSE);
  KeInitializeEvent(&socket->Disconnected, NotificationEvent, FALSE);
  KeInitializeEvent(&socket->StreamDone, NotificationEvent, FALSE);
  KeInitializeEvent(&socket->RegionsReady, NotificationEvent, FALSE);
  KeInitializeSpinLock(&socket->InitiatorLock);
  KeInitializeSpinLock(&socket->TransferLock);
  KeInitializeSpinLock(&socket->RegionLock);
  InitializeListHead(&socket->PendingSends);
  ExInitializeRundownProtection(&socket->Rundown);

  status = AdapterOpen(&socket->Adapter);
  if (NT_SUCCESS(status)) {
    status = CreateObjects(socket);
  }
  if (!NT_SUCCESS(status)) {
    SocketClose(socket);
    return status;
  }
  *Socket = socket;
  return STATUS_SUCCESS;
}

/* ---- connect */

/* Nothing that the peer owes us will come, and nothing that waits for a credit will be sent. <= DISPATCH_LEVEL */
VOID SocketLost(PRDMA_SOCKET Socket) {
  StopSending(Socket);
  TransfersFail(Socket);
  StreamEnd(Socket, STATUS_CONNECTION_DISCONNECTED);
}

/* What is posted stays so: a graceful disconnect of the peer flushes nothing here. */
static VOID PeerDisconnected(PVOID Context) {
  PRDMA_SOCKET socket = (PRDMA_SOCKET)Context;
  SocketLost(socket);
  KeSetEvent(&socket->Disconnected, IO_NO_INCREMENT, FALSE);
}

static VOID Ignore(PVOID Context, NTSTATUS Status) {
  UNREFERENCED_PARAMETER(Context);
  UNREFERENCED_PARAMETER(Status);
}

/* We owe the peer something that we cannot give: it has to hear of it. Nobody waits; the connector's close does. */
VOID SocketGiveUp(PRDMA_SOCKET Socket) {
  Socket->Connector->Dispatch->NdkDisconnect(Socket->Connector, Ignore, NULL);
  KeSetEvent(&Socket->Disconnected, IO_NO_INCREMENT, FALSE); /* who disconnects may not hear of the peer's */
}

/* What the peer sent along; the size that the provider names is that of its own buffer, so we say what we expect. */
static NTSTATUS GetHello(PRDMA_SOCKET Socket) {
  NDK_CONNECTOR* connector = Socket->Connector;
  HELLO hello;
  ULONG bytes = 0;
  ULONG inbound;
  ULONG outbound;
  NTSTATUS status = connector->Dispatch->NdkGetConnectionData(connector, &inbound, &outbound, NULL, &bytes);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  if (bytes < sizeof(hello) || inbound == 0 || outbound == 0) {
    return STATUS_NOT_SUPPORTED;
  }
  bytes = sizeof(hello);
  status = connector->Dispatch->NdkGetConnectionData(connector, NULL, NULL, &hello, &bytes);
  if (!NT_SUCCESS(status) && status != STATUS_BUFFER_TOO_SMALL) { /* too small for padding that we do not want */
    return status;
  }
  if (hello.Magic != HELLO_MAGIC || hello.Version != 1 || hello.Receives < 2) {
    return STATUS_INVALID_PARAMETER;
  }
  Socket->SendCredits = hello.Receives;
  return STATUS_SUCCESS;
}

/* Both ends, once they are connected. Completions may be there before a queue is armed; then it notifies at once. */
static NTSTATUS Begin(PRDMA_SOCKET Socket) {
  const NTSTATUS status = PostReceives(Socket);
  Socket->Connected = TRUE;
  Socket->ReceiveCq->Dispatch->NdkArmCq(Socket->ReceiveCq, Socket->ReceiveArm);
  Socket->InitiatorCq->Dispatch->NdkArmCq(Socket->InitiatorCq, NDK_CQ_NOTIFY_ANY);
  return status;
}

NTSTATUS SocketConnect(PRDMA_SOCKET Socket, const SOCKADDR_IN* Address) {
  static const HELLO hello = {HELLO_MAGIC, 1, RECEIVE_COUNT};
  NDK_ADAPTER* ndka = Socket->Adapter.Ndka;
  NDK_CONNECTOR* connector = NULL;
  SOCKADDR_IN local = *Address;
  NTSTATUS status;

  PAGED_CODE();
  CallBegin(&Socket->Call);
  status = ndka->Dispatch->NdkCreateConnector(ndka, CallCreated, &Socket->Call, &connector);
  status = CallCreate(&Socket->Call, status, connector, (PVOID*)&Socket->Connector);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  connector = Socket->Connector;

  local.sin_port = 0; /* the provider chooses */
  CallBegin(&Socket->Call);
  status = connector->Dispatch->NdkConnect(connector, Socket->Qp, (PSOCKADDR)&local, sizeof(local), (PSOCKADDR)Address,
                                           sizeof(*Address), READ_LIMIT, READ_LIMIT, &hello, sizeof(hello),
                                           CallCompleted, &Socket->Call);
  status = CallFinish(&Socket->Call, status);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  CallBegin(&Socket->Call);
  status = connector->Dispatch->NdkCompleteConnect(connector, PeerDisconnected, Socket, CallCompleted, &Socket->Call);
  status = CallFinish(&Socket->Call, status);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  status = GetHello(Socket);
  return NT_SUCCESS(status) ? Begin(Socket) : status;
}

/* Takes the connector over, whatever it returns. */
NTSTATUS SocketAccept(PRDMA_SOCKET Socket, NDK_CONNECTOR* Connector) {
  static const HELLO hello = {HELLO_MAGIC, 1, RECEIVE_COUNT};
  NTSTATUS status;

  PAGED_CODE();
  Socket->Connector = Connector;
  status = GetHello(Socket);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  CallBegin(&Socket->Call);
  status = Connector->Dispatch->NdkAccept(Connector, Socket->Qp, READ_LIMIT, READ_LIMIT, &hello, sizeof(hello),
                                          PeerDisconnected, Socket, CallCompleted, &Socket->Call);
  status = CallFinish(&Socket->Call, status); /* until the client has completed, too */
  return NT_SUCCESS(status) ? Begin(Socket) : status;
}

/* ---- close */

/*
 * Everything that is posted comes back with a failure, through the armed queues like any other completion, and each
 * brings back its reference. When the wait returns nothing of the socket is in use. May be repeated.
 */
VOID SocketDisconnect(PRDMA_SOCKET Socket) {
  PAGED_CODE();
  SocketLost(Socket);
  if (Socket->Connected) {
    Socket->Connected = FALSE;
    Socket->Qp->Dispatch->NdkFlush(Socket->Qp);
  }
  ExWaitForRundownProtectionRelease(&Socket->Rundown);
}

/* Also what SocketCreate could not finish. A connector that is still connected ends its connection by being closed. */
VOID SocketClose(PRDMA_SOCKET Socket) {
  PCALL call = &Socket->Call;

  PAGED_CODE();
  SocketDisconnect(Socket);
  if (Socket->Connector != NULL) {
    CallClose(call, &Socket->Connector->Header, Socket->Connector->Dispatch->NdkCloseConnector);
  }
  if (Socket->Qp != NULL) {
    CallClose(call, &Socket->Qp->Header, Socket->Qp->Dispatch->NdkCloseQp);
  }
  RegionsClose(Socket);
  if (Socket->Pd != NULL) {
    CallClose(call, &Socket->Pd->Header, Socket->Pd->Dispatch->NdkClosePd);
  }
  if (Socket->InitiatorCq != NULL) {
    CallClose(call, &Socket->InitiatorCq->Header, Socket->InitiatorCq->Dispatch->NdkCloseCq);
  }
  if (Socket->ReceiveCq != NULL) {
    CallClose(call, &Socket->ReceiveCq->Header, Socket->ReceiveCq->Dispatch->NdkCloseCq);
  }
  AdapterClose(&Socket->Adapter);
  if (Socket->Regions != NULL) {
    ExFreePoolWithTag(Socket->Regions, SOCKET_TAG);
  }
  ExFreePoolWithTag(Socket, SOCKET_TAG);
}
