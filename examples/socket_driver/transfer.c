/*
 * Transfers: one end registers memory, tells the peer of it in a message, and the peer reads or writes it.
 *
 * Who asks posts one chain, all but its last request deferred: a fast-register for each segment and the message. Who
 * serves MessageReadMine registers sinks, reads, and answers when it has looked at every byte. Who serves
 * MessageWriteMine posts one chain again: the writes and the answer behind them. The answer invalidates the first
 * segment at the other end (NdkSendAndInvalidate); the others are invalidated by the end that registered them.
 */
#include "socket_driver.h"

static PTRANSFER TransferAllocate(PRDMA_SOCKET Socket, MESSAGE_TYPE Type) {
  PTRANSFER transfer =
      (PTRANSFER)ExAllocatePoolWithTagPriority(NonPagedPoolNx, sizeof(*transfer), WORK_TAG, NormalPoolPriority);
  if (transfer != NULL) {
    RtlZeroMemory(transfer, sizeof(*transfer));
    transfer->Socket = Socket;
    transfer->Type = Type;
    KeInitializeEvent(&transfer->Done, NotificationEvent, FALSE);
  }
  return transfer;
}

static VOID TransferFree(PTRANSFER Transfer) {
  ULONG i;
  for (i = 0; i < Transfer->SegmentCount; ++i) {
    if (Transfer->Regions[i] != NULL) {
      RegionReturn(Transfer->Regions[i]);
    }
    BufferFree(&Transfer->Socket->Adapter, &Transfer->Buffers[i]);
  }
  ExFreePoolWithTag(Transfer, WORK_TAG);
}

/* A step of a transfer is a number of requests; the first failure among them is the step's. */
static VOID StepBegin(PTRANSFER Transfer, LONG Requests) {
  KeClearEvent(&Transfer->Done);
  InterlockedExchange(&Transfer->Outstanding, Requests);
}

static VOID StepRequestEnded(PTRANSFER Transfer, NTSTATUS Status) {
  if (!NT_SUCCESS(Status)) {
    InterlockedCompareExchange(&Transfer->Status, Status, STATUS_SUCCESS);
  }
  if (InterlockedDecrement(&Transfer->Outstanding) == 0) {
    KeSetEvent(&Transfer->Done, IO_NO_INCREMENT, FALSE); /* and the transfer may be gone */
  }
}

static NTSTATUS StepWait(PTRANSFER Transfer) {
  KeWaitForSingleObject(&Transfer->Done, Executive, KernelMode, FALSE, NULL);
  return Transfer->Status;
}

static VOID WorkEnded(PWORK Work, const NDK_RESULT_EX* Result) {
  StepRequestEnded((PTRANSFER)Work->Context, Result->Status);
}

static VOID MessageEnded(PWORK Work, const NDK_RESULT_EX* Result) {
  PTRANSFER transfer = (PTRANSFER)Work->Context;
  MessageFree(Work);
  StepRequestEnded(transfer, Result->Status);
}

/* The read has invalidated the region under its sink, or nobody ever will. */
static VOID ReadEnded(PWORK Work, const NDK_RESULT_EX* Result) {
  if (NT_SUCCESS(Result->Status) && (Work->Flags & NDK_OP_FLAG_RDMA_READ_LOCAL_INVALIDATE)) {
    Work->Region->Valid = FALSE;
  }
  WorkEnded(Work, Result);
}

static VOID InvalidateEnded(PWORK Work, const NDK_RESULT_EX* Result) {
  if (NT_SUCCESS(Result->Status)) {
    Work->Region->Valid = FALSE;
  }
  WorkEnded(Work, Result);
}

/* Buffers and regions for the segments, whose sizes are set. */
static NTSTATUS Prepare(PTRANSFER Transfer, BOOLEAN Regions) {
  ULONG i;
  for (i = 0; i < Transfer->SegmentCount; ++i) {
    const NTSTATUS status =
        BufferAllocate(&Transfer->Socket->Adapter, Transfer->Segments[i].Bytes, &Transfer->Buffers[i]);
    if (!NT_SUCCESS(status)) {
      return status;
    }
    if (Regions) {
      Transfer->Regions[i] = RegionTake(Transfer->Socket);
      if (Transfer->Regions[i] == NULL) {
        return STATUS_INSUFFICIENT_RESOURCES;
      }
    }
  }
  return STATUS_SUCCESS;
}

static ULONG64 SegmentSeed(ULONG64 Cookie, ULONG Index) {
  return Cookie * SEGMENT_COUNT_MAX + Index;
}

static VOID FillSegments(PTRANSFER Transfer, BOOLEAN Pattern) {
  ULONG i;
  for (i = 0; i < Transfer->SegmentCount; ++i) {
    PBUFFER buffer = &Transfer->Buffers[i];
    if (Pattern) {
      FillPattern(buffer->Bytes, buffer->Length, SegmentSeed(Transfer->Cookie, i));
    } else {
      RtlFillMemory(buffer->Bytes, buffer->Length, 0xee);
    }
  }
}

static NTSTATUS CheckSegments(PTRANSFER Transfer) {
  ULONG i;
  for (i = 0; i < Transfer->SegmentCount; ++i) {
    if (!IsPattern(Transfer->Buffers[i].Bytes, Transfer->Buffers[i].Length, SegmentSeed(Transfer->Cookie, i))) {
      return STATUS_DATA_ERROR;
    }
  }
  return STATUS_SUCCESS;
}

/* Those that nobody has invalidated yet. */
static NTSTATUS InvalidateRegions(PTRANSFER Transfer) {
  LIST_ENTRY works;
  LONG count = 0;
  ULONG i;
  InitializeListHead(&works);
  for (i = 0; i < Transfer->SegmentCount; ++i) {
    PREGION region = Transfer->Regions[i];
    if (region != NULL && region->Valid) {
      InsertTailList(&works, &RegionInvalidate(region, InvalidateEnded, Transfer)->Link);
      count++;
    }
  }
  if (count == 0) {
    return STATUS_SUCCESS;
  }
  StepBegin(Transfer, count);
  PostChain(Transfer->Socket, &works);
  return StepWait(Transfer);
}

/* ---- the end that asks */

/* From here on an answer may come, or be given up: everything else of the transfer is in place. */
static BOOLEAN TakeSlot(PTRANSFER Transfer) {
  PRDMA_SOCKET socket = Transfer->Socket;
  KLOCK_QUEUE_HANDLE lock;
  ULONG slot;
  KeAcquireInStackQueuedSpinLock(&socket->TransferLock, &lock);
  for (slot = 0; slot < TRANSFER_COUNT_MAX && socket->Transfers[slot] != NULL; ++slot) {
  }
  if (slot < TRANSFER_COUNT_MAX) {
    socket->Transfers[slot] = Transfer;
  }
  KeReleaseInStackQueuedSpinLock(&lock);
  return slot < TRANSFER_COUNT_MAX;
}

/* The transfer with that cookie, or any if there is none, which then no longer waits for an answer; NULL: none does. */
static PTRANSFER EmptySlot(PRDMA_SOCKET Socket, const ULONG64* Cookie) {
  KLOCK_QUEUE_HANDLE lock;
  PTRANSFER transfer = NULL;
  ULONG slot;
  KeAcquireInStackQueuedSpinLock(&Socket->TransferLock, &lock);
  for (slot = 0; slot < TRANSFER_COUNT_MAX && transfer == NULL; ++slot) {
    transfer = Socket->Transfers[slot];
    if (transfer != NULL && Cookie != NULL && transfer->Cookie != *Cookie) {
      transfer = NULL;
    }
    if (transfer != NULL) {
      Socket->Transfers[slot] = NULL;
    }
  }
  KeReleaseInStackQueuedSpinLock(&lock);
  return transfer;
}

VOID TransfersFail(PRDMA_SOCKET Socket) {
  PTRANSFER transfer;
  while ((transfer = EmptySlot(Socket, NULL)) != NULL) {
    StepRequestEnded(transfer, STATUS_CONNECTION_DISCONNECTED);
  }
}

/* What was not sent is not answered. */
static VOID AskEnded(PWORK Work, const NDK_RESULT_EX* Result) {
  PTRANSFER transfer = (PTRANSFER)Work->Context;
  if (!NT_SUCCESS(Result->Status) && EmptySlot(transfer->Socket, &transfer->Cookie) != NULL) {
    StepRequestEnded(transfer, Result->Status);
  }
  MessageEnded(Work, Result);
}

VOID TransferAnswered(PRDMA_SOCKET Socket, const MESSAGE* Message, const NDK_RESULT_EX* Result) {
  PTRANSFER transfer = EmptySlot(Socket, &Message->Cookie);
  if (transfer == NULL) {
    return; /* it has been given up */
  }
  if (Result->Type == NdkOperationTypeReceiveAndInvalidate) {
    NT_ASSERT(Result->TypeSpecificCompletionOutput == transfer->Regions[0]->RemoteToken);
    transfer->Regions[0]->Valid = FALSE;
  }
  StepRequestEnded(transfer, Message->Status);
}

static NTSTATUS RunRegistered(PTRANSFER Transfer, ULONG RemoteRight) {
  PRDMA_SOCKET socket = Transfer->Socket;
  PWORK message = MessageAllocate(socket, Transfer->Type, Transfer->SegmentCount * sizeof(SEGMENT));
  PSEGMENT segments;
  NTSTATUS status;
  ULONG i;

  if (message == NULL) {
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  message->Message->Cookie = Transfer->Cookie;
  message->Complete = AskEnded;
  message->Context = Transfer;
  message->Flags = NDK_OP_FLAG_SEND_AND_SOLICIT_EVENT;
  segments = (PSEGMENT)MessagePayload(message->Message);
  for (i = 0; i < Transfer->SegmentCount; ++i) {
    PREGION region = Transfer->Regions[i];
    InsertTailList(&message->Before,
                   &RegionRegister(region, &Transfer->Buffers[i], RemoteRight, WorkEnded, Transfer)->Link);
    segments[i].Address = region->Base;
    segments[i].Token = region->RemoteToken;
    segments[i].Bytes = Transfer->Segments[i].Bytes;
  }
  StepBegin(Transfer, (LONG)Transfer->SegmentCount + 2); /* the message and its answer */
  if (!TakeSlot(Transfer)) {
    MessageFree(message);
    for (i = 0; i < Transfer->SegmentCount; ++i) {
      Transfer->Regions[i]->Valid = FALSE;
    }
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  MessageSend(message);
  status = StepWait(Transfer);
  if (NT_SUCCESS(status) && socket->Adapter.RemoteInvalidate && Transfer->Regions[0]->Valid) {
    return STATUS_DATA_ERROR; /* the answer should have invalidated it */
  }
  return NT_SUCCESS(status) ? InvalidateRegions(Transfer) : status;
}

NTSTATUS TransferRun(PRDMA_SOCKET Socket, MESSAGE_TYPE Type, ULONG Bytes, ULONG64 Cookie) {
  const BOOLEAN peerReads = Type == MessageReadMine;
  PTRANSFER transfer;
  NTSTATUS status;

  PAGED_CODE();
  if (!ExAcquireRundownProtectionEx(&Socket->Rundown, 1)) {
    return STATUS_CONNECTION_DISCONNECTED;
  }
  transfer = TransferAllocate(Socket, Type);
  if (transfer == NULL) {
    ExReleaseRundownProtectionEx(&Socket->Rundown, 1);
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  while (Bytes > 0 && transfer->SegmentCount < SEGMENT_COUNT_MAX) {
    const ULONG bytes = min(Bytes, SEGMENT_BYTES);
    transfer->Segments[transfer->SegmentCount++].Bytes = bytes;
    Bytes -= bytes;
  }
  transfer->Cookie = Cookie;
  status = Prepare(transfer, TRUE);
  if (NT_SUCCESS(status)) {
    FillSegments(transfer, peerReads);
    status = RunRegistered(transfer, peerReads ? NDK_OP_FLAG_ALLOW_REMOTE_READ : NDK_OP_FLAG_ALLOW_REMOTE_WRITE);
  }
  if (NT_SUCCESS(status)) {
    status = CheckSegments(transfer); /* those that the peer has read are as they were, too */
  }
  TransferFree(transfer);
  ExReleaseRundownProtectionEx(&Socket->Rundown, 1);
  return status;
}

/* ---- the end that serves */

static PWORK AllocateAnswer(PRDMA_SOCKET Socket, ULONG64 Cookie, NTSTATUS Status) {
  PWORK answer = MessageAllocate(Socket, MessageTransferDone, 0);
  if (answer != NULL) {
    answer->Message->Cookie = Cookie;
    answer->Message->Status = Status;
    answer->Flags = NDK_OP_FLAG_SEND_AND_SOLICIT_EVENT;
  }
  return answer;
}

/* Reads are one chain: each sink is registered right before its read, which invalidates it when it has ended. */
static NTSTATUS ReadSegments(PTRANSFER Transfer) {
  PRDMA_SOCKET socket = Transfer->Socket;
  LIST_ENTRY works;
  NTSTATUS status;
  ULONG i;

  InitializeListHead(&works);
  for (i = 0; i < Transfer->SegmentCount; ++i) {
    PREGION region = Transfer->Regions[i];
    PWORK read = &Transfer->Works[i];
    InsertTailList(&works,
                   &RegionRegister(region, &Transfer->Buffers[i],
                                   NDK_OP_FLAG_ALLOW_LOCAL_WRITE | NDK_OP_FLAG_RDMA_READ_SINK, WorkEnded, Transfer)
                        ->Link);
    InitializeWork(read, socket, WorkRead, ReadEnded, Transfer);
    read->Region = region;
    read->RemoteAddress = Transfer->Segments[i].Address;
    read->RemoteToken = Transfer->Segments[i].Token;
    read->SgeCount = 1;
    read->Sgl[0].VirtualAddress = (PVOID)region->Base;
    read->Sgl[0].Length = Transfer->Segments[i].Bytes;
    read->Sgl[0].MemoryRegionToken = region->LocalToken;
    if (socket->Adapter.ReadLocalInvalidate) {
      read->Flags = NDK_OP_FLAG_RDMA_READ_LOCAL_INVALIDATE;
    }
    InsertTailList(&works, &read->Link);
  }
  StepBegin(Transfer, 2 * (LONG)Transfer->SegmentCount);
  PostChain(socket, &works);
  status = StepWait(Transfer);
  if (NT_SUCCESS(status)) {
    status = InvalidateRegions(Transfer);
  }
  return NT_SUCCESS(status) ? CheckSegments(Transfer) : status;
}

/* Writes from unregistered memory, by its logical addresses. */
static VOID AddWrites(PTRANSFER Transfer, PLIST_ENTRY Works) {
  PRDMA_SOCKET socket = Transfer->Socket;
  ULONG i;
  for (i = 0; i < Transfer->SegmentCount; ++i) {
    PWORK write = &Transfer->Works[i];
    InitializeWork(write, socket, WorkWrite, WorkEnded, Transfer);
    write->RemoteAddress = Transfer->Segments[i].Address;
    write->RemoteToken = Transfer->Segments[i].Token;
    write->SgeCount =
        BufferSgl(&Transfer->Buffers[i], Transfer->Segments[i].Bytes, socket->PrivilegedToken, write->Sgl);
    InsertTailList(Works, &write->Link);
  }
}

static VOID Serve(PTRANSFER Transfer) {
  PRDMA_SOCKET socket = Transfer->Socket;
  const BOOLEAN reads = Transfer->Type == MessageReadMine;
  NTSTATUS status = Prepare(Transfer, reads);
  PWORK answer;

  if (NT_SUCCESS(status)) {
    FillSegments(Transfer, !reads);
    if (reads) {
      status = ReadSegments(Transfer);
    }
  }
  answer = AllocateAnswer(socket, Transfer->Cookie, status);
  if (answer == NULL) {
    SocketGiveUp(socket);
    return;
  }
  if (NT_SUCCESS(status) && socket->Adapter.RemoteInvalidate) {
    answer->RemoteToken = Transfer->Segments[0].Token;
  }
  answer->Complete = MessageEnded;
  answer->Context = Transfer;
  StepBegin(Transfer, 1);
  if (NT_SUCCESS(status) && !reads) {
    StepBegin(Transfer, 1 + (LONG)Transfer->SegmentCount);
    AddWrites(Transfer, &answer->Before);
  }
  MessageSend(answer);
  if (!NT_SUCCESS(StepWait(Transfer))) {
    SocketGiveUp(socket);
  }
}

static IO_WORKITEM_ROUTINE_EX ServeWork;
static VOID ServeWork(PVOID IoObject, PVOID Context, PIO_WORKITEM Item) {
  PTRANSFER transfer = (PTRANSFER)Context;
  PRDMA_SOCKET socket = transfer->Socket;
  PAGED_CODE();
  UNREFERENCED_PARAMETER(IoObject);
  Serve(transfer);
  TransferFree(transfer);
  ExReleaseRundownProtectionEx(&socket->Rundown, 1);
  IoFreeWorkItem(Item);
}

/* <= DISPATCH_LEVEL, and the message goes back to its receive: what is needed of it is copied. */
VOID TransferServe(PRDMA_SOCKET Socket, const MESSAGE* Message) {
  const SEGMENT* segments = (const SEGMENT*)MessagePayload(Message);
  const ULONG count = Message->PayloadBytes / sizeof(SEGMENT);
  PTRANSFER transfer = NULL;
  PWORK answer;
  ULONG i;

  for (i = 0; i < count && segments[i].Token != 0 && segments[i].Bytes != 0 && segments[i].Bytes <= SEGMENT_BYTES;
       ++i) {
  }
  if (count != 0 && i == count && count <= SEGMENT_COUNT_MAX && ExAcquireRundownProtectionEx(&Socket->Rundown, 1)) {
    transfer = TransferAllocate(Socket, (MESSAGE_TYPE)Message->Type);
    if (transfer != NULL) {
      transfer->Item = IoAllocateWorkItem((PDEVICE_OBJECT)Socket->DriverObject);
    }
    if (transfer != NULL && transfer->Item != NULL) {
      transfer->Cookie = Message->Cookie;
      transfer->SegmentCount = count;
      RtlCopyMemory(transfer->Segments, segments, count * sizeof(SEGMENT));
      IoQueueWorkItemEx(transfer->Item, ServeWork, DelayedWorkQueue, transfer);
      return;
    }
    if (transfer != NULL) {
      TransferFree(transfer);
    }
    ExReleaseRundownProtectionEx(&Socket->Rundown, 1);
  }
  answer = AllocateAnswer(Socket, Message->Cookie, STATUS_INVALID_PARAMETER);
  if (answer == NULL) {
    SocketGiveUp(Socket);
    return;
  }
  MessageSend(answer);
}
