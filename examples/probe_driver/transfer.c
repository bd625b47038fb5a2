/* Moving bytes. */
#include "probe_driver.h"

static VOID fill(PUCHAR bytes, ULONG count, UCHAR first) {
  ULONG i;
  for (i = 0; i < count; ++i) {
    bytes[i] = (UCHAR)(first + i + (i >> 8));
  }
}

static NDK_SGE sgeOf(PEND end, ULONG offset, ULONG bytes) {
  NDK_SGE sge;
  RtlZeroMemory(&sge, sizeof(sge));
  sge.VirtualAddress = end->Buffer + offset;
  sge.Length = bytes;
  sge.MemoryRegionToken = end->Token;
  return sge;
}

NTSTATUS sendAndReceive(PEND from, PEND to, ULONG bytes) {
  NDK_SGE source = sgeOf(from, 0, bytes);
  NDK_SGE sink = sgeOf(to, HALF, HALF);
  NDK_RESULT result;
  NTSTATUS status;
  fill(from->Buffer, bytes, (UCHAR)bytes);
  RtlZeroMemory(to->Buffer + HALF, HALF);
  status = to->Qp->Dispatch->NdkReceive(to->Qp, to->Buffer, &sink, 1);
  if (NT_ERROR(status)) {
    return status;
  }
  status = from->Qp->Dispatch->NdkSend(from->Qp, from->Buffer, &source, 1, 0);
  if (NT_ERROR(status)) {
    return status;
  }
  status = reap(from, "NdkSend", from->Buffer, &result);
  if (NT_SUCCESS(status)) {
    status = reap(to, "NdkReceive", to->Buffer, &result);
  }
  if (NT_SUCCESS(status) &&
      (result.BytesTransferred != bytes || RtlCompareMemory(from->Buffer, to->Buffer + HALF, bytes) != bytes)) {
    status = STATUS_DATA_ERROR;
  }
  return status;
}

/* What the server has, into the client's second half; then the client's first half over the server's. */
NTSTATUS readAndWrite(VOID) {
  PEND client = &Probe.Client;
  PEND server = &Probe.Server;
  const UINT32 remoteToken = server->Mr->Dispatch->NdkGetRemoteTokenFromMr(server->Mr);
  const UINT64 remote = (UINT64)(ULONG_PTR)server->Buffer;
  NDK_SGE sge = sgeOf(client, HALF, HALF);
  NDK_RESULT result;
  NTSTATUS status;

  fill(server->Buffer, HALF, 0x31);
  RtlZeroMemory(client->Buffer + HALF, HALF);
  status = client->Qp->Dispatch->NdkRead(client->Qp, &sge, &sge, 1, remote, remoteToken, 0);
  if (NT_ERROR(status)) {
    return status;
  }
  status = reap(client, "NdkRead", &sge, &result);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  if (RtlCompareMemory(client->Buffer + HALF, server->Buffer, HALF) != HALF) {
    return STATUS_DATA_ERROR;
  }

  fill(client->Buffer, HALF, 0x77);
  sge = sgeOf(client, 0, HALF);
  status = client->Qp->Dispatch->NdkWrite(client->Qp, &sge, &sge, 1, remote, remoteToken, 0);
  if (NT_ERROR(status)) {
    return status;
  }
  status = reap(client, "NdkWrite", &sge, &result);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  /* A write says nothing to its target. A send behind it does: when that has arrived, the write has. */
  status = sendAndReceive(client, server, 64);
  if (NT_SUCCESS(status)) {
    fill(client->Buffer, 64, 0x77); /* the send was from there */
    if (RtlCompareMemory(server->Buffer, client->Buffer, HALF) != HALF) {
      status = STATUS_DATA_ERROR;
    }
  }
  return status;
}
