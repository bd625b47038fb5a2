/*
 * Posting, completions, credits.
 *
 * Credits: a send consumes a receive of the peer, so an end counts the receives that it knows of. Every message grants
 * those that were posted since the last one. The last credit is for messages that grant some: otherwise both ends could
 * stand there with one credit each and nothing that may be said.
 */
#include "socket_driver.h"

#define RESULT_BATCH 16

VOID InitializeWork(PWORK Work, PRDMA_SOCKET Socket, WORK_TYPE Type, WORK_COMPLETE* Complete, PVOID Context) {
  RtlZeroMemory(Work, sizeof(*Work));
  Work->Socket = Socket;
  Work->Type = Type;
  Work->Complete = Complete;
  Work->Context = Context;
  InitializeListHead(&Work->Before);
}

/* ---- posting to the initiator queue; InitiatorLock is held */

static NTSTATUS PostOne(PWORK Work, ULONG Flags) {
  NDK_QP* qp = Work->Socket->Qp;
  const NDK_QP_DISPATCH* dispatch = qp->Dispatch;
  PREGION region = Work->Region;
  Flags |= Work->Flags;
  switch (Work->Type) {
    case WorkSend:
      return Work->RemoteToken == 0
                 ? dispatch->NdkSend(qp, Work, Work->Sgl, Work->SgeCount, Flags)
                 : dispatch->NdkSendAndInvalidate(qp, Work, Work->Sgl, Work->SgeCount, Flags, Work->RemoteToken);
    case WorkFastRegister:
      return dispatch->NdkFastRegister(qp, Work, region->Mr, region->Buffer->Lam->AdapterPageCount,
                                       region->Buffer->Lam->AdapterPageArray, 0, region->Buffer->Length,
                                       (PVOID)region->Base, region->Flags | Flags);
    case WorkInvalidate:
      return dispatch->NdkInvalidate(qp, Work, &region->Mr->Header, Flags);
    case WorkRead:
      return dispatch->NdkRead(qp, Work, Work->Sgl, Work->SgeCount, Work->RemoteAddress, Work->RemoteToken, Flags);
    case WorkWrite:
      return dispatch->NdkWrite(qp, Work, Work->Sgl, Work->SgeCount, Work->RemoteAddress, Work->RemoteToken, Flags);
    default:
      NT_ASSERT(FALSE);
      return STATUS_INVALID_PARAMETER;
  }
}

/*
 * A posted work belongs to its completion, which may have freed it before the post returns: nothing here looks at one
 * again. What is not posted, because the post failed or because one before it did, goes to `Failed`.
 */
static VOID PostList(PRDMA_SOCKET Socket, PLIST_ENTRY Works, BOOLEAN More, NTSTATUS* Status, PLIST_ENTRY Failed) {
  while (!IsListEmpty(Works)) {
    PWORK work = CONTAINING_RECORD(RemoveHeadList(Works), WORK, Link);
    const BOOLEAN last = IsListEmpty(Works) && !More;
    if (NT_SUCCESS(*Status) && !ExAcquireRundownProtectionEx(&Socket->Rundown, 1)) {
      *Status = STATUS_CONNECTION_DISCONNECTED;
    }
    if (NT_SUCCESS(*Status)) {
      *Status = PostOne(work, last ? 0 : NDK_OP_FLAG_DEFER);
      if (!NT_SUCCESS(*Status)) { /* what was deferred before it has been started nevertheless */
        ExReleaseRundownProtectionEx(&Socket->Rundown, 1);
      }
    }
    if (!NT_SUCCESS(*Status)) {
      InsertTailList(Failed, &work->Link);
    }
  }
}

static VOID CompleteFailed(PLIST_ENTRY Failed, NTSTATUS Status) {
  NDK_RESULT_EX result;
  RtlZeroMemory(&result, sizeof(result));
  result.Status = Status;
  while (!IsListEmpty(Failed)) {
    PWORK work = CONTAINING_RECORD(RemoveHeadList(Failed), WORK, Link);
    work->Complete(work, &result);
  }
}

VOID PostChain(PRDMA_SOCKET Socket, PLIST_ENTRY Works) {
  KLOCK_QUEUE_HANDLE lock;
  LIST_ENTRY failed;
  NTSTATUS status = STATUS_SUCCESS;
  InitializeListHead(&failed);
  KeAcquireInStackQueuedSpinLock(&Socket->InitiatorLock, &lock);
  PostList(Socket, Works, FALSE, &status, &failed);
  KeReleaseInStackQueuedSpinLock(&lock);
  CompleteFailed(&failed, status);
}

/* ---- messages and credits */

static VOID MessageSent(PWORK Work, const NDK_RESULT_EX* Result) {
  UNREFERENCED_PARAMETER(Result); /* a connection that is lost shows at the receives */
  MessageFree(Work);
}

PWORK MessageAllocate(PRDMA_SOCKET Socket, MESSAGE_TYPE Type, ULONG PayloadBytes) {
  PWORK work;
  NT_ASSERT(PayloadBytes <= MESSAGE_PAYLOAD_MAX);
  work = (PWORK)ExAllocatePoolWithTagPriority(NonPagedPoolNx, sizeof(WORK) + sizeof(MESSAGE) + PayloadBytes, WORK_TAG,
                                              NormalPoolPriority);
  if (work == NULL) {
    return NULL;
  }
  InitializeWork(work, Socket, WorkSend, MessageSent, NULL);
  work->Message = (PMESSAGE)(work + 1);
  if (!NT_SUCCESS(BufferMap(&Socket->Adapter, work->Message, sizeof(MESSAGE) + PayloadBytes, &work->Buffer))) {
    ExFreePoolWithTag(work, WORK_TAG);
    return NULL;
  }
  RtlZeroMemory(work->Message, sizeof(MESSAGE));
  work->Message->Type = (USHORT)Type;
  work->Message->PayloadBytes = PayloadBytes;
  work->SgeCount = BufferSgl(&work->Buffer, sizeof(MESSAGE) + PayloadBytes, Socket->PrivilegedToken, work->Sgl);
  return work;
}

VOID MessageFree(PWORK Send) {
  BufferUnmap(&Send->Socket->Adapter, &Send->Buffer);
  ExFreePoolWithTag(Send, WORK_TAG);
}

/* InitiatorLock is held. */
static VOID FailPending(PRDMA_SOCKET Socket, PLIST_ENTRY Failed) {
  while (!IsListEmpty(&Socket->PendingSends)) {
    PWORK send = CONTAINING_RECORD(RemoveHeadList(&Socket->PendingSends), WORK, Link);
    while (!IsListEmpty(&send->Before)) {
      InsertTailList(Failed, RemoveHeadList(&send->Before));
    }
    InsertTailList(Failed, &send->Link);
  }
}

/* InitiatorLock is held. Sends what the credits allow, oldest first. */
static VOID SendPending(PRDMA_SOCKET Socket, NTSTATUS* Status, PLIST_ENTRY Failed) {
  while (!IsListEmpty(&Socket->PendingSends)) {
    PWORK send;
    LIST_ENTRY alone;
    const BOOLEAN grants = Socket->CreditsToGrant != 0;
    if (Socket->SendCredits == 0 || (Socket->SendCredits == 1 && !grants)) {
      return;
    }
    send = CONTAINING_RECORD(RemoveHeadList(&Socket->PendingSends), WORK, Link);
    send->Message->CreditsGranted = Socket->CreditsToGrant;
    Socket->CreditsToGrant = 0;
    Socket->SendCredits--;
    /*
     * A peer that waits for solicited messages alone has to be woken by the one behind which nothing can follow, or it
     * would keep the credits that we need to go on.
     */
    if (Socket->SendCredits <= 1) {
      send->Flags |= NDK_OP_FLAG_SEND_AND_SOLICIT_EVENT;
    }
    PostList(Socket, &send->Before, TRUE, Status, Failed);
    InitializeListHead(&alone);
    InsertTailList(&alone, &send->Link);
    PostList(Socket, &alone, FALSE, Status, Failed);
  }
}

/*
 * Takes note of credits, ours and the peer's, and sends `Send`, if there is one, when they allow it. Returns how many
 * receives the peer has not heard of.
 */
static USHORT SendAndGrant(PRDMA_SOCKET Socket, PWORK Send, USHORT Granted, USHORT ToGrant) {
  KLOCK_QUEUE_HANDLE lock;
  LIST_ENTRY failed;
  NTSTATUS status = STATUS_SUCCESS;
  USHORT left;
  InitializeListHead(&failed);
  KeAcquireInStackQueuedSpinLock(&Socket->InitiatorLock, &lock);
  Socket->SendCredits = (USHORT)(Socket->SendCredits + Granted);
  Socket->CreditsToGrant = (USHORT)(Socket->CreditsToGrant + ToGrant);
  if (Send != NULL) {
    InsertTailList(&Socket->PendingSends, &Send->Link);
  }
  if (Socket->Stopping) {
    FailPending(Socket, &failed);
    status = STATUS_CONNECTION_DISCONNECTED;
  } else {
    SendPending(Socket, &status, &failed);
  }
  left = Socket->CreditsToGrant;
  KeReleaseInStackQueuedSpinLock(&lock);
  CompleteFailed(&failed, status);
  return left;
}

VOID MessageSend(PWORK Send) {
  (VOID) SendAndGrant(Send->Socket, Send, 0, 0);
}

VOID StopSending(PRDMA_SOCKET Socket) {
  KLOCK_QUEUE_HANDLE lock;
  LIST_ENTRY failed;
  InitializeListHead(&failed);
  KeAcquireInStackQueuedSpinLock(&Socket->InitiatorLock, &lock);
  Socket->Stopping = TRUE;
  FailPending(Socket, &failed);
  KeReleaseInStackQueuedSpinLock(&lock);
  CompleteFailed(&failed, STATUS_CONNECTION_DISCONNECTED);
}

/* ---- receiving */

/* The first end of a stream counts. */
VOID StreamEnd(PRDMA_SOCKET Socket, NTSTATUS Status) {
  if (InterlockedCompareExchange(&Socket->StreamStatus, Status, STATUS_PENDING) == STATUS_PENDING) {
    KeSetEvent(&Socket->StreamDone, IO_NO_INCREMENT, FALSE);
  }
}

static VOID DataReceived(PRDMA_SOCKET Socket, const MESSAGE* Message) {
  if (Message->Cookie != Socket->StreamNext ||
      !IsPattern(MessagePayload(Message), Message->PayloadBytes, Message->Cookie)) {
    StreamEnd(Socket, STATUS_DATA_ERROR);
    return;
  }
  Socket->StreamNext++;
  Socket->StreamBytes += Message->PayloadBytes;
  if (Message->Flags & MESSAGE_FLAG_LAST) {
    StreamEnd(Socket, STATUS_SUCCESS);
  }
}

static VOID ReceiveCompleted(PWORK Work, const NDK_RESULT_EX* Result);

static VOID ReceiveFree(PWORK Work) {
  BufferUnmap(&Work->Socket->Adapter, &Work->Buffer);
  ExFreePoolWithTag(Work, WORK_TAG);
}

static NTSTATUS PostReceive(PWORK Work) {
  PRDMA_SOCKET socket = Work->Socket;
  NTSTATUS status;
  if (!ExAcquireRundownProtectionEx(&socket->Rundown, 1)) {
    return STATUS_CONNECTION_DISCONNECTED;
  }
  status = socket->Qp->Dispatch->NdkReceive(socket->Qp, Work, Work->Sgl, Work->SgeCount);
  if (!NT_SUCCESS(status)) {
    ExReleaseRundownProtectionEx(&socket->Rundown, 1);
  }
  return status;
}

/*
 * The first posts, before the queue is armed. Afterwards only ReceiveCompleted posts, which never runs twice at once:
 * that is why the receive queue has no lock.
 */
NTSTATUS PostReceives(PRDMA_SOCKET Socket) {
  ULONG i;
  for (i = 0; i < RECEIVE_COUNT; ++i) {
    NTSTATUS status;
    PWORK work = (PWORK)ExAllocatePoolWithTagPriority(NonPagedPoolNx, sizeof(WORK) + MESSAGE_BYTES, WORK_TAG,
                                                      NormalPoolPriority);
    if (work == NULL) {
      return STATUS_INSUFFICIENT_RESOURCES;
    }
    InitializeWork(work, Socket, WorkReceive, ReceiveCompleted, NULL);
    work->Message = (PMESSAGE)(work + 1); /* in the middle of a page: 64 KiB there are 17 of them */
    status = BufferMap(&Socket->Adapter, work->Message, MESSAGE_BYTES, &work->Buffer);
    if (!NT_SUCCESS(status)) {
      ExFreePoolWithTag(work, WORK_TAG);
      return status;
    }
    work->SgeCount = BufferSgl(&work->Buffer, MESSAGE_BYTES, Socket->PrivilegedToken, work->Sgl);
    status = PostReceive(work);
    if (!NT_SUCCESS(status)) {
      ReceiveFree(work);
      return status;
    }
  }
  return STATUS_SUCCESS;
}

static VOID MessageReceived(PRDMA_SOCKET Socket, const MESSAGE* Message, const NDK_RESULT_EX* Result) {
  switch (Message->Type) {
    case MessageData:
      DataReceived(Socket, Message);
      break;
    case MessageReadMine:
    case MessageWriteMine:
      TransferServe(Socket, Message);
      break;
    case MessageTransferDone:
      TransferAnswered(Socket, Message, Result);
      break;
    default:
      NT_ASSERT(Message->Type == MessageCredits);
      break;
  }
}

static VOID ReceiveCompleted(PWORK Work, const NDK_RESULT_EX* Result) {
  PRDMA_SOCKET socket = Work->Socket;
  const MESSAGE* message = Work->Message;
  USHORT granted;

  if (!NT_SUCCESS(Result->Status)) { /* the flush: this socket comes to its end, or the peer's has */
    NT_ASSERT(Result->Status == STATUS_CANCELLED);
    SocketLost(socket);
    ReceiveFree(Work);
    return;
  }
  NT_ASSERT((Result->Type & NdkOperationTypeReceive) != 0);
  NT_ASSERT(Result->QPContext == socket);
  NT_ASSERT(Result->BytesTransferred == sizeof(MESSAGE) + message->PayloadBytes);
  granted = message->CreditsGranted;
  MessageReceived(socket, message, Result);

  if (!NT_SUCCESS(PostReceive(Work))) {
    ReceiveFree(Work);
    return;
  }
  if (SendAndGrant(socket, NULL, granted, 1) >= CREDIT_GRANT_THRESHOLD) {
    PWORK credits = MessageAllocate(socket, MessageCredits, 0);
    if (credits != NULL) {
      credits->Flags = NDK_OP_FLAG_SEND_AND_SOLICIT_EVENT; /* the peer may be waiting for nothing else */
      MessageSend(credits);
    }
  }
}

/* ---- notifications. Called once for each arm, and never while the last call still runs. */

static VOID Drain(PRDMA_SOCKET Socket, NDK_CQ* Cq, ULONG Arm) {
  NDK_RESULT_EX results[RESULT_BATCH];
  ULONG ended = 0;
  ULONG count;
  while ((count = Cq->Dispatch->NdkGetCqResultsEx(Cq, results, RESULT_BATCH)) != 0) {
    ULONG i;
    for (i = 0; i < count; ++i) {
      PWORK work = (PWORK)results[i].RequestContext;
      work->Complete(work, &results[i]);
    }
    ended += count;
  }
  NT_ASSERT(ended != 0); /* a notification without a completion */
  Cq->Dispatch->NdkArmCq(Cq, Arm);
  /* Not one by one above: with the last reference the socket may be closed, and its queues with it. */
  ExReleaseRundownProtectionEx(&Socket->Rundown, ended);
}

VOID ReceiveNotified(PVOID Context, NTSTATUS CqStatus) {
  PRDMA_SOCKET socket = (PRDMA_SOCKET)Context;
  NT_ASSERT(NT_SUCCESS(CqStatus)); /* an overflow: the queue is as deep as all that may be posted */
  Drain(socket, socket->ReceiveCq, socket->ReceiveArm);
}

VOID InitiatorNotified(PVOID Context, NTSTATUS CqStatus) {
  PRDMA_SOCKET socket = (PRDMA_SOCKET)Context;
  NT_ASSERT(NT_SUCCESS(CqStatus));
  Drain(socket, socket->InitiatorCq, NDK_CQ_NOTIFY_ANY);
}
