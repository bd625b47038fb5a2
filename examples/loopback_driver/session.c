#include "session.h"

#include <ip2string.h>

/*
 * ---- calls that may pend
 *
 * CallBegin, the call with one of the callbacks below and the CALL as its context, CallFinish with what it returned.
 */

static VOID CallBegin(PCALL Call) {
  KeClearEvent(&Call->Done);
}

static NTSTATUS CallFinish(PCALL Call, NTSTATUS Returned) {
  if (Returned != STATUS_PENDING) {
    return Returned; /* and then no callback comes */
  }
  KeWaitForSingleObject(&Call->Done, Executive, KernelMode, FALSE, NULL);
  return Call->Status;
}

/* IRQL <= DISPATCH_LEVEL, like every callback here. */
static VOID CreateCompleted(PVOID Context, NTSTATUS Status, NDK_OBJECT_HEADER* Object) {
  PCALL call = (PCALL)Context;
  call->Object = Object;
  call->Status = Status;
  KeSetEvent(&call->Done, IO_NO_INCREMENT, FALSE); /* last: whoever waits may free the session at once */
}

static VOID RequestCompleted(PVOID Context, NTSTATUS Status) {
  CreateCompleted(Context, Status, NULL);
}

/*
 * A create returns its object through the out parameter only when it succeeds inline; the callback delivers it
 * otherwise. `Out` is the address of a local, which is safe for that reason: after STATUS_PENDING nobody writes it.
 */
static NTSTATUS CreateFinish(PSESSION Session, NTSTATUS Returned, PVOID* Out, NDK_FN_CLOSE_OBJECT (*CloseSlot)(PVOID)) {
  NTSTATUS status = CallFinish(&Session->Call, Returned);
  if (!NT_SUCCESS(status)) {
    *Out = NULL;
    return status;
  }
  if (Returned == STATUS_PENDING) {
    *Out = Session->Call.Object;
  }
  Session->Objects[Session->ObjectCount].Header = (NDK_OBJECT_HEADER*)*Out;
  Session->Objects[Session->ObjectCount].Close = CloseSlot(*Out);
  Session->ObjectCount++;
  return status;
}

static NDK_FN_CLOSE_OBJECT PdClose(PVOID Pd) {
  return ((NDK_PD*)Pd)->Dispatch->NdkClosePd;
}
static NDK_FN_CLOSE_OBJECT CqClose(PVOID Cq) {
  return ((NDK_CQ*)Cq)->Dispatch->NdkCloseCq;
}
static NDK_FN_CLOSE_OBJECT MrClose(PVOID Mr) {
  return ((NDK_MR*)Mr)->Dispatch->NdkCloseMr;
}
static NDK_FN_CLOSE_OBJECT QpClose(PVOID Qp) {
  return ((NDK_QP*)Qp)->Dispatch->NdkCloseQp;
}
static NDK_FN_CLOSE_OBJECT ConnectorClose(PVOID Connector) {
  return ((NDK_CONNECTOR*)Connector)->Dispatch->NdkCloseConnector;
}
static NDK_FN_CLOSE_OBJECT ListenerClose(PVOID Listener) {
  return ((NDK_LISTENER*)Listener)->Dispatch->NdkCloseListener;
}

/* ---- completion queues */

static VOID CqNotified(PVOID Context, NTSTATUS CqStatus) {
  PQUEUE queue = (PQUEUE)Context;
  if (!NT_SUCCESS(CqStatus)) {
    queue->CqStatus = CqStatus;
  }
  KeSetEvent(&queue->Notified, IO_NO_INCREMENT, FALSE);
}

static NTSTATUS QueueCreate(PSESSION Session, PQUEUE Queue, ULONG Depth) {
  PVOID cq = NULL;
  NTSTATUS status;
  KeInitializeEvent(&Queue->Notified, NotificationEvent, FALSE);
  CallBegin(&Session->Call);
  status = Session->Adapter->Dispatch->NdkCreateCq(Session->Adapter, Depth, CqNotified, Queue, NULL, CreateCompleted,
                                                   &Session->Call, (NDK_CQ**)&cq);
  status = CreateFinish(Session, status, &cq, CqClose);
  Queue->Cq = (NDK_CQ*)cq;
  return status;
}

NTSTATUS QueueWait(PQUEUE Queue, NDK_RESULT* Result) {
  for (;;) {
    LARGE_INTEGER halfMinute;
    if (Queue->Cq->Dispatch->NdkGetCqResults(Queue->Cq, Result, 1) == 1) {
      return Result->Status;
    }
    /*
     * Empty. Arm, then look again: a result that came after the first look and before the arm, and that an earlier
     * notification was already for, need not notify a second time.
     */
    KeClearEvent(&Queue->Notified);
    Queue->Cq->Dispatch->NdkArmCq(Queue->Cq, NDK_CQ_NOTIFY_ANY);
    if (Queue->Cq->Dispatch->NdkGetCqResults(Queue->Cq, Result, 1) == 1) {
      return Result->Status;
    }
    halfMinute.QuadPart = -30LL * 10 * 1000 * 1000;
    if (KeWaitForSingleObject(&Queue->Notified, Executive, KernelMode, FALSE, &halfMinute) == STATUS_TIMEOUT) {
      return STATUS_IO_TIMEOUT;
    }
    if (!NT_SUCCESS(Queue->CqStatus)) {
      return Queue->CqStatus;
    }
  }
}

/* ---- an end: two completion queues, a buffer, its region, a queue pair */

static NTSTATUS EndCreate(PSESSION Session, PEND End) {
  PVOID object = NULL;
  NTSTATUS status;

  KeInitializeEvent(&End->Call.Done, NotificationEvent, FALSE);
  KeInitializeEvent(&End->Disconnected, NotificationEvent, FALSE);
  status = QueueCreate(Session, &End->Receives, 4);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  status = QueueCreate(Session, &End->Initiated, 4);
  if (!NT_SUCCESS(status)) {
    return status;
  }

  /* A page or more of pool is page-aligned. Pool is not zeroed. */
  End->Buffer = (PUCHAR)ExAllocatePoolWithTag(NonPagedPoolNx, BUFFER_BYTES, LOOPBACK_TAG);
  if (End->Buffer == NULL) {
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  RtlZeroMemory(End->Buffer, BUFFER_BYTES);
  End->Mdl = IoAllocateMdl(End->Buffer, BUFFER_BYTES, FALSE, FALSE, NULL);
  if (End->Mdl == NULL) {
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  MmBuildMdlForNonPagedPool(End->Mdl);

  CallBegin(&Session->Call);
  status = Session->Pd->Dispatch->NdkCreateMr(Session->Pd, FALSE, CreateCompleted, &Session->Call, (NDK_MR**)&object);
  status = CreateFinish(Session, status, &object, MrClose);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  End->Mr = (NDK_MR*)object;
  CallBegin(&Session->Call);
  status = End->Mr->Dispatch->NdkRegisterMr(
      End->Mr, End->Mdl, BUFFER_BYTES,
      NDK_MR_FLAG_ALLOW_REMOTE_READ | NDK_MR_FLAG_ALLOW_REMOTE_WRITE | NDK_MR_FLAG_RDMA_READ_SINK, RequestCompleted,
      &Session->Call);
  status = CallFinish(&Session->Call, status);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  End->LocalToken = End->Mr->Dispatch->NdkGetLocalTokenFromMr(End->Mr);

  object = NULL;
  CallBegin(&Session->Call);
  status = Session->Pd->Dispatch->NdkCreateQp(Session->Pd, End->Receives.Cq, End->Initiated.Cq, End, 4, 4, 1, 1, 0,
                                              CreateCompleted, &Session->Call, (NDK_QP**)&object);
  status = CreateFinish(Session, status, &object, QpClose);
  End->Qp = (NDK_QP*)object;
  return status;
}

/* ---- listening */

static VOID Disconnected(PVOID Context) {
  KeSetEvent(&((PEND)Context)->Disconnected, IO_NO_INCREMENT, FALSE);
}

static VOID Ignore(PVOID Context) {
  UNREFERENCED_PARAMETER(Context);
}

static VOID Accept(PSESSION Session) {
  static const CHAR greeting[] = "loop";
  NDK_CONNECTOR* connector = Session->Server.Connector;
  /* It completes when the active side has completed too: waiting for it in the connect event would be a deadlock. */
  NTSTATUS status =
      connector->Dispatch->NdkAccept(connector, Session->Server.Qp, 4, 4, greeting, sizeof(greeting), Disconnected,
                                     &Session->Server, RequestCompleted, &Session->Server.Call);
  if (status != STATUS_PENDING) {
    RequestCompleted(&Session->Server.Call, status);
  }
}

static IO_WORKITEM_ROUTINE_EX AcceptWork;
static VOID AcceptWork(PVOID IoObject, PVOID Context, PIO_WORKITEM WorkItem) {
  UNREFERENCED_PARAMETER(IoObject);
  IoFreeWorkItem(WorkItem); /* legal in its own routine */
  Accept((PSESSION)Context);
}

/* IRQL <= DISPATCH_LEVEL. The connector is ours from here on, whatever we do with it. */
static VOID ConnectEvent(PVOID Context, NDK_CONNECTOR* Connector) {
  PSESSION session = (PSESSION)Context;
  PIO_WORKITEM item = NULL;
  BOOLEAN ours = FALSE;
  KLOCK_QUEUE_HANDLE lock;

  if (!session->AcceptInEvent) {
    item = IoAllocateWorkItem((PDEVICE_OBJECT)session->DriverObject);
  }
  KeAcquireInStackQueuedSpinLock(&session->Lock, &lock);
  if (!session->Stopping && session->Server.Connector == NULL && (session->AcceptInEvent || item != NULL)) {
    session->Server.Connector = Connector;
    ours = TRUE;
  }
  KeReleaseInStackQueuedSpinLock(&lock);

  if (!ours) { /* closing it rejects the request; no lock is held over a call of the provider */
    if (item != NULL) {
      IoFreeWorkItem(item);
    }
    Connector->Dispatch->NdkCloseConnector(&Connector->Header, Ignore, NULL);
  } else if (item != NULL) {
    IoQueueWorkItemEx(item, AcceptWork, DelayedWorkQueue, session);
  } else {
    Accept(session);
  }
}

static NTSTATUS ListenOnLoopback(PSESSION Session, SOCKADDR_IN* Address) {
  PVOID listener = NULL;
  ULONG bytes = sizeof(*Address);
  NTSTATUS status;

  CallBegin(&Session->Call);
  status = Session->Adapter->Dispatch->NdkCreateListener(Session->Adapter, ConnectEvent, Session, CreateCompleted,
                                                         &Session->Call, (NDK_LISTENER**)&listener);
  status = CreateFinish(Session, status, &listener, ListenerClose);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  Session->Listener = (NDK_LISTENER*)listener;

  RtlZeroMemory(Address, sizeof(*Address));
  Address->sin_family = AF_INET;
  status = RtlIpv4StringToAddressExW(L"127.0.0.1", TRUE, &Address->sin_addr, &Address->sin_port); /* port 0: any */
  if (!NT_SUCCESS(status)) {
    return status;
  }
  CallBegin(&Session->Call);
  status = Session->Listener->Dispatch->NdkListen(Session->Listener, (PSOCKADDR)Address, sizeof(*Address),
                                                  RequestCompleted, &Session->Call);
  status = CallFinish(&Session->Call, status);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  return Session->Listener->Dispatch->NdkGetLocalAddress(Session->Listener, (PSOCKADDR)Address, &bytes);
}

/* ---- a session's life */

NTSTATUS SessionCreate(PDRIVER_OBJECT DriverObject, NDK_ADAPTER* Adapter, BOOLEAN AcceptInEvent, PSESSION* Session) {
  PVOID pd = NULL;
  NTSTATUS status;
  PSESSION session = (PSESSION)ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(SESSION), LOOPBACK_TAG);
  *Session = session;
  if (session == NULL) {
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  RtlZeroMemory(session, sizeof(*session));
  session->DriverObject = DriverObject;
  session->Adapter = Adapter;
  session->AcceptInEvent = AcceptInEvent;
  KeInitializeSpinLock(&session->Lock);
  KeInitializeEvent(&session->Call.Done, NotificationEvent, FALSE);
  KeInitializeEvent(&session->AllClosed, NotificationEvent, FALSE);

  CallBegin(&session->Call);
  status = Adapter->Dispatch->NdkCreatePd(Adapter, CreateCompleted, &session->Call, (NDK_PD**)&pd);
  status = CreateFinish(session, status, &pd, PdClose);
  session->Pd = (NDK_PD*)pd;
  if (NT_SUCCESS(status)) {
    status = EndCreate(session, &session->Client);
  }
  if (NT_SUCCESS(status)) {
    status = EndCreate(session, &session->Server);
  }
  return status;
}

NTSTATUS SessionConnect(PSESSION Session) {
  SOCKADDR_IN server;
  SOCKADDR_IN client;
  CHAR greeting[512]; /* the size we are told is the provider's, not that of what the peer sent: agree on a format */
  ULONG greetingBytes = sizeof(greeting);
  PVOID object = NULL;
  NDK_CONNECTOR* connector;
  NTSTATUS status;

  status = ListenOnLoopback(Session, &server);
  if (!NT_SUCCESS(status)) {
    return status;
  }

  /* Receives first: a peer may send as soon as it is connected. */
  status = EndPostReceive(&Session->Server, 0);
  if (NT_SUCCESS(status)) {
    status = EndPostReceive(&Session->Server, 1);
  }
  if (NT_SUCCESS(status)) {
    status = EndPostReceive(&Session->Client, 0);
  }
  if (!NT_SUCCESS(status)) {
    return status;
  }

  CallBegin(&Session->Call);
  status = Session->Adapter->Dispatch->NdkCreateConnector(Session->Adapter, CreateCompleted, &Session->Call,
                                                          (NDK_CONNECTOR**)&object);
  status = CreateFinish(Session, status, &object, ConnectorClose);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  connector = Session->Client.Connector = (NDK_CONNECTOR*)object;
  client = server;
  client.sin_port = 0;

  CallBegin(&Session->Client.Call);
  CallBegin(&Session->Server.Call); /* for the accept, before anything can lead to it */
  status = connector->Dispatch->NdkConnect(connector, Session->Client.Qp, (PSOCKADDR)&client, sizeof(client),
                                           (PSOCKADDR)&server, sizeof(server), 4, 4, NULL, 0, RequestCompleted,
                                           &Session->Client.Call);
  status = CallFinish(&Session->Client.Call, status);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  /* The peer accepted. Now is the moment to look at its private data, and to NdkReject if we do not like it. */
  status = connector->Dispatch->NdkGetConnectionData(connector, NULL, NULL, greeting, &greetingBytes);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  if (RtlCompareMemory(greeting, "loop", 5) != 5) {
    return STATUS_DATA_ERROR;
  }
  CallBegin(&Session->Client.Call);
  status = connector->Dispatch->NdkCompleteConnect(connector, Disconnected, &Session->Client, RequestCompleted,
                                                   &Session->Client.Call);
  status = CallFinish(&Session->Client.Call, status);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  /* The other end's accept completes now. It was made in the connect event, so its result always comes by the CALL. */
  return CallFinish(&Session->Server.Call, STATUS_PENDING);
}

NTSTATUS SessionDisconnect(PSESSION Session) {
  NDK_CONNECTOR* client = Session->Client.Connector;
  NDK_CONNECTOR* server = Session->Server.Connector;
  NTSTATUS clientReturned;
  NTSTATUS status;

  CallBegin(&Session->Client.Call);
  clientReturned = client->Dispatch->NdkDisconnect(client, RequestCompleted, &Session->Client.Call);
  /* It completes when the other end has disconnected too, which it does on its event. */
  KeWaitForSingleObject(&Session->Server.Disconnected, Executive, KernelMode, FALSE, NULL);
  CallBegin(&Session->Server.Call);
  status = server->Dispatch->NdkDisconnect(server, RequestCompleted, &Session->Server.Call);
  status = CallFinish(&Session->Server.Call, status);
  clientReturned = CallFinish(&Session->Client.Call, clientReturned);
  return NT_SUCCESS(status) ? clientReturned : status;
}

static VOID CloseCompleted(PVOID Context) {
  PSESSION session = (PSESSION)Context;
  if (InterlockedDecrement(&session->ClosesPending) == 0) {
    KeSetEvent(&session->AllClosed, IO_NO_INCREMENT, FALSE);
  }
}

static VOID CloseObject(PSESSION Session, ULONG Index) {
  InterlockedIncrement(&Session->ClosesPending);
  if (Session->Objects[Index].Close(Session->Objects[Index].Header, CloseCompleted, Session) != STATUS_PENDING) {
    CloseCompleted(Session); /* closed inline: nobody else will say so */
  }
}

static VOID EndFree(PEND End) {
  if (End->Mdl != NULL) {
    IoFreeMdl(End->Mdl);
  }
  if (End->Buffer != NULL) {
    ExFreePoolWithTag(End->Buffer, LOOPBACK_TAG);
  }
}

VOID SessionClose(PSESSION Session, CLOSE_ORDER Order) {
  ULONG i;
  KLOCK_QUEUE_HANDLE lock;

  KeAcquireInStackQueuedSpinLock(&Session->Lock, &lock);
  Session->Stopping = TRUE;
  KeReleaseInStackQueuedSpinLock(&lock);
  if (Session->Server.Connector != NULL) { /* came by an event: it has not been counted yet */
    Session->Objects[Session->ObjectCount].Header = &Session->Server.Connector->Header;
    Session->Objects[Session->ObjectCount].Close = ConnectorClose(Session->Server.Connector);
    Session->ObjectCount++;
  }

  /*
   * Any order is legal. What still has successors (a PD with queue pairs, a listener with connectors) stays pending
   * until they are closed, so nothing may be waited for before everything is closed.
   */
  Session->ClosesPending = 1; /* ours, so that the count cannot reach zero half-way */
  switch (Order) {
    case CloseNewestFirst:
      for (i = Session->ObjectCount; i > 0; --i) {
        CloseObject(Session, i - 1);
      }
      break;
    case CloseOldestFirst:
      for (i = 0; i < Session->ObjectCount; ++i) {
        CloseObject(Session, i);
      }
      break;
    default:
      for (i = 0; i < Session->ObjectCount; i += 2) {
        CloseObject(Session, i);
      }
      for (i = 1; i < Session->ObjectCount; i += 2) {
        CloseObject(Session, i);
      }
      break;
  }
  CloseCompleted(Session);
  KeWaitForSingleObject(&Session->AllClosed, Executive, KernelMode, FALSE, NULL);

  /* The regions are closed, so the adapter no longer looks at the pages. */
  EndFree(&Session->Client);
  EndFree(&Session->Server);
  ExFreePoolWithTag(Session, LOOPBACK_TAG);
}
