/* Listening, accepting inside the connect event, connecting. */
#include "probe_driver.h"

typedef struct _GREETING {
  USHORT RecordFormat;
  USHORT QueueId;
  USHORT ReceiveQueueSize;
  USHORT SendQueueSize;
  UCHAR Reserved[16];
} GREETING; /* 24 bytes; how many of them arrived is for us to know */

static const GREETING Greeting = {0, 1, 8, 8, {0}};

static VOID ignore(PVOID context) {
  UNREFERENCED_PARAMETER(context);
}

static VOID accepted(PVOID context, NTSTATUS status) {
  UNREFERENCED_PARAMETER(context);
  Probe.AcceptStatus = status;
  KeSetEvent(&Probe.Accepted, IO_NO_INCREMENT, FALSE);
}

/*
 * <= DISPATCH_LEVEL. Accepted at once: the accept ends when the client has completed its connect, so who waited for it
 * here would wait for ever. No disconnect callback.
 */
VOID connectRequested(PVOID context, NDK_CONNECTOR* connector) {
  NTSTATUS status;
  UNREFERENCED_PARAMETER(context);
  if (InterlockedExchange(&Probe.Accepting, 1) != 0) {
    connector->Dispatch->NdkReject(connector, NULL, 0);
    connector->Dispatch->NdkCloseConnector(&connector->Header, ignore, NULL);
    return;
  }
  Probe.Server.Connector = connector;
  status = connector->Dispatch->NdkAccept(connector, Probe.Server.Qp, 4, 4, &Greeting, sizeof(Greeting), NULL, NULL,
                                          accepted, NULL);
  if (status != STATUS_PENDING) {
    accepted(NULL, status);
  }
}

/* On a port that the provider chooses, which `address` then has. */
NTSTATUS startListening(NDK_LISTENER** listener, NDK_FN_CONNECT_EVENT_CALLBACK event, SOCKADDR_IN* address) {
  NDK_LISTENER* inlineListener = NULL;
  ULONG bytes = sizeof(*address);
  NTSTATUS returned;
  NTSTATUS status;
  returned = Probe.Adapter->Dispatch->NdkCreateListener(Probe.Adapter, event, NULL, created, NULL, &inlineListener);
  status = finish("NdkCreateListener", returned);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  *listener = (NDK_LISTENER*)made(returned, inlineListener);
  *address = Probe.Address;
  address->sin_port = 0;
  status = finish("NdkListen",
                  (*listener)->Dispatch->NdkListen(*listener, (PSOCKADDR)address, sizeof(*address), complete, NULL));
  if (!NT_SUCCESS(status)) {
    return status;
  }
  status = (*listener)->Dispatch->NdkGetLocalAddress(*listener, (PSOCKADDR)address, &bytes);
  if (NT_SUCCESS(status)) {
    logf("listening on %lu.%lu.%lu.%lu:%hu", address->sin_addr.s_addr & 0xff, (address->sin_addr.s_addr >> 8) & 0xff,
         (address->sin_addr.s_addr >> 16) & 0xff, address->sin_addr.s_addr >> 24, RtlUshortByteSwap(address->sin_port));
  }
  return status;
}

/* How long is what the peer sent? The provider tells how long its buffer is. */
static NTSTATUS checkGreeting(NDK_CONNECTOR* connector) {
  GREETING greeting;
  PVOID all;
  ULONG needed = 0;
  ULONG bytes;
  ULONG inbound = 0;
  ULONG outbound = 0;
  NTSTATUS status = connector->Dispatch->NdkGetConnectionData(connector, &inbound, &outbound, NULL, &needed);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  logf("private data: %lu bytes of room; read limits %lu in, %lu out", needed, inbound, outbound);
  if (needed < sizeof(greeting)) {
    return STATUS_DATA_ERROR;
  }
  bytes = sizeof(USHORT); /* less than there is: what fits comes, with the size that would be needed */
  status = connector->Dispatch->NdkGetConnectionData(connector, NULL, NULL, &greeting, &bytes);
  if (status != STATUS_BUFFER_TOO_SMALL || bytes != needed || greeting.RecordFormat != 0) {
    return STATUS_DATA_ERROR;
  }
  all = ExAllocatePoolWithTag(NonPagedPoolNx, needed, PROBE_TAG);
  if (all == NULL) {
    return STATUS_NO_MEMORY;
  }
  bytes = needed;
  status = connector->Dispatch->NdkGetConnectionData(connector, NULL, NULL, all, &bytes);
  if (NT_SUCCESS(status) && RtlCompareMemory(all, &Greeting, sizeof(Greeting)) != sizeof(Greeting)) {
    status = STATUS_DATA_ERROR;
  }
  ExFreePoolWithTag(all, PROBE_TAG);
  return status;
}

static NTSTATUS connectTo(NDK_CONNECTOR* connector, const SOCKADDR_IN* server) {
  SOCKADDR_IN local = Probe.Address;
  local.sin_port = 0;
  return connector->Dispatch->NdkConnect(connector, Probe.Client.Qp, (PSOCKADDR)&local, sizeof(local),
                                         (PSOCKADDR)server, sizeof(*server), 4, 4, &Greeting, sizeof(Greeting),
                                         complete, NULL);
}

NTSTATUS connectEnds(const SOCKADDR_IN* server, const SOCKADDR_IN* mute) {
  NDK_CONNECTOR* connector = NULL;
  NTSTATUS returned;
  NTSTATUS status;

  returned = Probe.Adapter->Dispatch->NdkCreateConnector(Probe.Adapter, created, NULL, &connector);
  status = finish("NdkCreateConnector", returned);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  connector = Probe.Client.Connector = (NDK_CONNECTOR*)made(returned, connector);
  /* Nobody hears what this one listens for. A refusal is no end: the same connector may ask again, and elsewhere. */
  if (finish("NdkConnect, to no callback", connectTo(connector, mute)) != STATUS_CONNECTION_REFUSED) {
    return STATUS_UNSUCCESSFUL;
  }
  status = finish("NdkConnect", connectTo(connector, server));
  if (!NT_SUCCESS(status)) {
    return status;
  }
  status = checkGreeting(connector);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  status = finish("NdkCompleteConnect", connector->Dispatch->NdkCompleteConnect(connector, NULL, NULL, complete, NULL));
  if (!NT_SUCCESS(status)) {
    return status;
  }
  while (wait(&Probe.Accepted, SECONDS_10) == STATUS_TIMEOUT) {
    logf("NdkAccept is still pending");
  }
  return finish("NdkAccept", Probe.AcceptStatus);
}
