#include "session.h"

/* What the server tells the client of its payload. Between two machines this would be in network byte order. */
typedef struct _DESCRIPTOR {
  UINT64 Address;
  UINT32 Token;
  ULONG Length;
} DESCRIPTOR;

static VOID FillSge(PEND End, ULONG Offset, ULONG Length, NDK_SGE* Sge) {
  Sge->VirtualAddress = End->Buffer + Offset;
  Sge->Length = Length;
  Sge->MemoryRegionToken = End->LocalToken;
}

/* The request context is the slot's address: it comes back in the result and says where the message is. */
NTSTATUS EndPostReceive(PEND End, ULONG Slot) {
  NDK_SGE sge;
  FillSge(End, Slot * MESSAGE_BYTES, MESSAGE_BYTES, &sge);
  return End->Qp->Dispatch->NdkReceive(End->Qp, sge.VirtualAddress, &sge, 1);
}

/* A post never pends. When it succeeds exactly one result follows; when it fails, none. */
static NTSTATUS Send(PEND End, const VOID* Message, ULONG Length) {
  NDK_SGE sge;
  NDK_RESULT result;
  NTSTATUS status;
  FillSge(End, 3 * MESSAGE_BYTES, Length, &sge);
  RtlCopyMemory(sge.VirtualAddress, Message, Length);
  status = End->Qp->Dispatch->NdkSend(End->Qp, NULL, &sge, 1, 0);
  return NT_SUCCESS(status) ? QueueWait(&End->Initiated, &result) : status;
}

static NTSTATUS Receive(PEND End, VOID* Message, ULONG Length) {
  NDK_RESULT result;
  NTSTATUS status = QueueWait(&End->Receives, &result);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  if (result.BytesTransferred != Length || result.QPContext != End) {
    return STATUS_DATA_ERROR;
  }
  RtlCopyMemory(Message, result.RequestContext, Length);
  return STATUS_SUCCESS;
}

static UCHAR PatternByte(ULONG Index) {
  return (UCHAR)(Index * 7 + (Index >> 8));
}

static BOOLEAN PayloadIsPattern(PEND End) {
  ULONG i;
  for (i = 0; i < PAYLOAD_BYTES; ++i) {
    if (End->Buffer[PAYLOAD_OFFSET + i] != PatternByte(i)) {
      return FALSE;
    }
  }
  return TRUE;
}

NTSTATUS SessionTransfer(PSESSION Session) {
  PEND client = &Session->Client;
  PEND server = &Session->Server;
  CHAR hello[5];
  DESCRIPTOR descriptor;
  NDK_SGE sge;
  NDK_RESULT result;
  NTSTATUS status;
  ULONG i;

  /* Send, both ways. The server answers with where its payload is. */
  status = Send(client, "hello", sizeof(hello));
  if (!NT_SUCCESS(status)) {
    return status;
  }
  status = Receive(server, hello, sizeof(hello));
  if (!NT_SUCCESS(status)) {
    return status;
  }
  if (RtlCompareMemory(hello, "hello", sizeof(hello)) != sizeof(hello)) {
    return STATUS_DATA_ERROR;
  }
  descriptor.Address = (UINT64)(ULONG_PTR)(server->Buffer + PAYLOAD_OFFSET);
  descriptor.Token = server->Mr->Dispatch->NdkGetRemoteTokenFromMr(server->Mr);
  descriptor.Length = PAYLOAD_BYTES;
  status = Send(server, &descriptor, sizeof(descriptor));
  if (!NT_SUCCESS(status)) {
    return status;
  }
  RtlZeroMemory(&descriptor, sizeof(descriptor));
  status = Receive(client, &descriptor, sizeof(descriptor));
  if (!NT_SUCCESS(status)) {
    return status;
  }

  /* Write, silently, and a Send behind it: when the Send's receive completes at the peer, the Write is there. */
  for (i = 0; i < PAYLOAD_BYTES; ++i) {
    client->Buffer[PAYLOAD_OFFSET + i] = PatternByte(i);
  }
  FillSge(client, PAYLOAD_OFFSET, descriptor.Length, &sge);
  status = client->Qp->Dispatch->NdkWrite(client->Qp, NULL, &sge, 1, descriptor.Address, descriptor.Token,
                                          NDK_OP_FLAG_SILENT_SUCCESS);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  status = Send(client, "there", sizeof(hello));
  if (!NT_SUCCESS(status)) {
    return status;
  }
  status = Receive(server, hello, sizeof(hello));
  if (!NT_SUCCESS(status)) {
    return status;
  }
  if (!PayloadIsPattern(server)) {
    return STATUS_DATA_ERROR;
  }

  /* Read it back over what the client has. */
  RtlFillMemory(client->Buffer + PAYLOAD_OFFSET, PAYLOAD_BYTES, 0xee);
  status = client->Qp->Dispatch->NdkRead(client->Qp, NULL, &sge, 1, descriptor.Address, descriptor.Token, 0);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  status = QueueWait(&client->Initiated, &result);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  if (!PayloadIsPattern(client)) {
    return STATUS_DATA_ERROR;
  }

  /* Flush: every receive that is still posted comes back as cancelled, through the queue like any other result. */
  status = EndPostReceive(server, 0);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  server->Qp->Dispatch->NdkFlush(server->Qp);
  status = QueueWait(&server->Receives, &result);
  return status == STATUS_CANCELLED ? STATUS_SUCCESS : STATUS_DATA_ERROR;
}
