/*
 * A probe: what an engineer writes in an afternoon to see how an NDK provider behaves. It asks the adapter for its
 * limits, makes one object of each kind, connects to itself, moves a few bytes in each way, and says of each step how
 * it went: to the debugger, to a file, and to its registry key, where a script finds the result.
 *
 *   HKLM\SYSTEM\CurrentControlSet\Services\<name>\Parameters
 *     InterfaceIndex  REG_DWORD  the interface of both ends            (1)
 *     LocalAddress    REG_SZ     its address                           (127.0.0.1)
 *     LogFile         REG_SZ     an absolute path of the kernel's      (\??\C:\ndkprobe.log)
 *     Result          REG_DWORD  written: the NTSTATUS of the first step that failed, or 0
 *     Steps           REG_DWORD  written: how many succeeded
 *     Summary         REG_SZ     written: the last line of the log
 *
 * Completion queues have no notification callback here: a probe polls.
 */
#define NTSTRSAFE_LIB
#include <ntddk.h>

#include <ntstrsafe.h>

#include <ip2string.h>
#include <ndkpi.h>
#include <netioapi.h>
#include <wsk.h>
#include <wskndk.h>

#define PROBE_TAG 'borP'
#define BUFFER_BYTES 16384
#define HALF (BUFFER_BYTES / 2) /* the first half is sent from and read from, the second one receives */
#define VALUE_BYTES_MAX 512
#define SECONDS_10 10000

EXTERN_C DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD DriverUnload;

/* ---- everything there is, in one place; a probe runs once */

typedef struct _END {
  NDK_CQ* Cq; /* of both directions */
  NDK_QP* Qp;
  NDK_CONNECTOR* Connector;
  NDK_MR* Mr;
  PUCHAR Buffer;
  PMDL Mdl;
  BOOLEAN Locked;
  UINT32 Token;
} END, *PEND;

typedef struct _PROBE {
  ULONG Interface;
  SOCKADDR_IN Address;
  WCHAR LogPath[VALUE_BYTES_MAX / sizeof(WCHAR)];
  HANDLE Key;
  HANDLE Log;
  ULONG Steps;
  CHAR Line[256];

  WSK_REGISTRATION Registration;
  BOOLEAN Registered;
  WSK_PROVIDER_NPI Npi;
  WSK_PROVIDER_NDK_DISPATCH Ndk;
  NDK_ADAPTER* Adapter;
  NDK_ADAPTER_INFO* Info;
  NDK_PD* Pd;
  NDK_LISTENER* Listener;
  NDK_LISTENER* MuteListener;
  END Client;
  END Server;

  KEVENT Done; /* of one request at a time */
  NTSTATUS Status;
  NDK_OBJECT_HEADER* Object;

  volatile LONG Accepting; /* one connection is enough: a second request is refused */
  KEVENT Accepted;
  NTSTATUS AcceptStatus;
} PROBE;

static PROBE Probe;

/* ---- the file and the registry */

/* To the debugger and to the file. PASSIVE_LEVEL. */
VOID logf(const char* format, ...) {
  IO_STATUS_BLOCK io;
  va_list arguments;
  va_start(arguments, format);
  RtlStringCbVPrintfA(Probe.Line, sizeof(Probe.Line), format, arguments);
  va_end(arguments);
  DbgPrint("probe_driver: %s\n", Probe.Line);
  if (Probe.Log != NULL) {
    ZwWriteFile(Probe.Log, NULL, NULL, NULL, &io, Probe.Line, (ULONG)strlen(Probe.Line), NULL, NULL);
    ZwWriteFile(Probe.Log, NULL, NULL, NULL, &io, (PVOID) "\r\n", 2, NULL, NULL);
  }
}

static VOID openLog(VOID) {
  UNICODE_STRING path;
  OBJECT_ATTRIBUTES attributes;
  IO_STATUS_BLOCK io;
  NTSTATUS status;
  RtlInitUnicodeString(&path, Probe.LogPath);
  InitializeObjectAttributes(&attributes, &path, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL, NULL);
  status = ZwCreateFile(&Probe.Log, FILE_APPEND_DATA | SYNCHRONIZE, &attributes, &io, NULL, FILE_ATTRIBUTE_NORMAL,
                        FILE_SHARE_READ | FILE_SHARE_WRITE, FILE_OPEN_IF, FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0);
  if (!NT_SUCCESS(status)) {
    Probe.Log = NULL;
    logf("no log file %ws: 0x%08lx", Probe.LogPath, status);
  }
}

static NTSTATUS openKey(PUNICODE_STRING servicePath) {
  UNICODE_STRING parameters;
  OBJECT_ATTRIBUTES attributes;
  HANDLE service;
  NTSTATUS status;
  InitializeObjectAttributes(&attributes, servicePath, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL, NULL);
  status = ZwOpenKey(&service, KEY_READ, &attributes);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  RtlInitUnicodeString(&parameters, L"Parameters");
  InitializeObjectAttributes(&attributes, &parameters, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, service, NULL);
  status = ZwCreateKey(&Probe.Key, KEY_READ | KEY_SET_VALUE, &attributes, 0, NULL, 0, NULL);
  ZwClose(service);
  return status;
}

static NTSTATUS queryValue(const WCHAR* name, ULONG type, PVOID to, ULONG bytes) {
  ULONG64 room[(sizeof(KEY_VALUE_PARTIAL_INFORMATION) + VALUE_BYTES_MAX) / sizeof(ULONG64)];
  KEY_VALUE_PARTIAL_INFORMATION* value = (KEY_VALUE_PARTIAL_INFORMATION*)room;
  UNICODE_STRING valueName;
  ULONG needed;
  NTSTATUS status;
  if (Probe.Key == NULL) {
    return STATUS_INVALID_HANDLE;
  }
  RtlInitUnicodeString(&valueName, name);
  status = ZwQueryValueKey(Probe.Key, &valueName, KeyValuePartialInformation, value, sizeof(room), &needed);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  if (value->Type != type || value->DataLength > bytes) {
    return STATUS_OBJECT_TYPE_MISMATCH;
  }
  RtlCopyMemory(to, value->Data, value->DataLength);
  return STATUS_SUCCESS;
}

static VOID setValue(const WCHAR* name, ULONG type, PVOID data, ULONG bytes) {
  UNICODE_STRING valueName;
  if (Probe.Key != NULL) {
    RtlInitUnicodeString(&valueName, name);
    ZwSetValueKey(Probe.Key, &valueName, 0, type, data, bytes);
  }
}

/* What is not there keeps its default. */
static NTSTATUS readParameters(PUNICODE_STRING servicePath) {
  WCHAR address[64];
  NTSTATUS status;
  Probe.Interface = 1;
  RtlZeroMemory(address, sizeof(address));
  RtlCopyMemory(address, L"127.0.0.1", sizeof(L"127.0.0.1"));
  RtlCopyMemory(Probe.LogPath, L"\\??\\C:\\ndkprobe.log", sizeof(L"\\??\\C:\\ndkprobe.log"));

  status = openKey(servicePath);
  if (!NT_SUCCESS(status)) {
    logf("no key %wZ: 0x%08lx", servicePath, status);
  }
  queryValue(L"InterfaceIndex", REG_DWORD, &Probe.Interface, sizeof(Probe.Interface));
  queryValue(L"LocalAddress", REG_SZ, address, sizeof(address) - sizeof(WCHAR));
  queryValue(L"LogFile", REG_SZ, Probe.LogPath, sizeof(Probe.LogPath) - sizeof(WCHAR));
  Probe.Address.sin_family = AF_INET;
  return RtlIpv4StringToAddressExW(address, TRUE, &Probe.Address.sin_addr, &Probe.Address.sin_port);
}

static VOID writeResult(NTSTATUS status) {
  WCHAR summary[RTL_NUMBER_OF(Probe.Line)];
  ULONG i;
  for (i = 0; Probe.Line[i] != 0; ++i) {
    summary[i] = (WCHAR)(UCHAR)Probe.Line[i];
  }
  summary[i] = 0;
  setValue(L"Result", REG_DWORD, &status, sizeof(status));
  setValue(L"Steps", REG_DWORD, &Probe.Steps, sizeof(Probe.Steps));
  setValue(L"Summary", REG_SZ, summary, (i + 1) * sizeof(WCHAR));
}

/* ---- waiting */

NTSTATUS wait(PKEVENT event, LONG milliseconds) {
  LARGE_INTEGER timeout;
  timeout.QuadPart = -(LONGLONG)milliseconds * 10000;
  return KeWaitForSingleObject(event, Executive, KernelMode, FALSE, &timeout);
}

/* <= DISPATCH_LEVEL */
VOID complete(PVOID context, NTSTATUS status) {
  UNREFERENCED_PARAMETER(context);
  Probe.Status = status;
  KeSetEvent(&Probe.Done, IO_NO_INCREMENT, FALSE);
}

static VOID created(PVOID context, NTSTATUS status, NDK_OBJECT_HEADER* object) {
  Probe.Object = object;
  complete(context, status);
}

static VOID closed(PVOID context) {
  complete(context, STATUS_SUCCESS);
}

/*
 * Everything static: a completion that comes after the wait has timed out finds its memory in place, which a context on
 * the stack would not. The wait goes on then, or the driver would be gone when it comes.
 */
static NTSTATUS finish(const char* what, NTSTATUS returned) {
  NTSTATUS status = returned;
  if (returned == STATUS_PENDING) {
    while (wait(&Probe.Done, SECONDS_10) == STATUS_TIMEOUT) {
      logf("%s is still pending", what);
    }
    status = Probe.Status;
  }
  KeClearEvent(&Probe.Done);
  logf("%-28s 0x%08lx%s", what, status, returned == STATUS_PENDING ? " (pended)" : "");
  if (NT_SUCCESS(status)) {
    Probe.Steps++;
  }
  return status;
}

static PVOID made(NTSTATUS returned, PVOID inlineObject) {
  return returned == STATUS_PENDING ? (PVOID)Probe.Object : inlineObject;
}

static VOID closeObject(const char* what, NDK_OBJECT_HEADER* object, NDK_FN_CLOSE_OBJECT close) {
  finish(what, close(object, closed, NULL));
}

/* One result of a queue that is polled; half a minute at most. */
NTSTATUS reap(PEND end, const char* what, PVOID request, NDK_RESULT* result) {
  ULONG tries;
  LARGE_INTEGER millisecond;
  millisecond.QuadPart = -10000;
  for (tries = 0; tries < 30000; ++tries) {
    if (end->Cq->Dispatch->NdkGetCqResults(end->Cq, result, 1) == 1) {
      logf("%-28s 0x%08lx, %lu bytes", what, result->Status, result->BytesTransferred);
      if (result->RequestContext != request || result->QPContext != end) {
        return STATUS_DATA_ERROR;
      }
      if (NT_SUCCESS(result->Status)) {
        Probe.Steps++;
      }
      return result->Status;
    }
    KeDelayExecutionThread(KernelMode, FALSE, &millisecond);
  }
  return STATUS_IO_TIMEOUT;
}

/* ---- the adapter */

static NTSTATUS openAdapter(VOID) {
  static const WSK_CLIENT_DISPATCH dispatch = {MAKE_WSK_VERSION(1, 0), 0, NULL};
  static const NDK_VERSION version = {2, 0};
  WSK_CLIENT_NPI client = {NULL, &dispatch};
  NET_LUID luid;
  ULONG bytes = 0;
  NTSTATUS status;

  status = WskRegister(&client, &Probe.Registration);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  Probe.Registered = TRUE;
  status = WskCaptureProviderNPI(&Probe.Registration, 10000, &Probe.Npi);
  if (!NT_SUCCESS(status) || Probe.Npi.Client == NULL) {
    return NT_SUCCESS(status) ? STATUS_UNSUCCESSFUL : status;
  }

  /* The output is the table itself; a pointer to it, which seems so natural, would be too small. */
  status = Probe.Npi.Dispatch->WskControlClient(Probe.Npi.Client, WSKNDK_GET_WSK_PROVIDER_NDK_DISPATCH, 0, NULL,
                                                sizeof(Probe.Ndk), &Probe.Ndk, NULL, NULL);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  status = ConvertInterfaceIndexToLuid(Probe.Interface, &luid);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  status = Probe.Ndk.WskOpenNdkAdapter(Probe.Npi.Client, version, Probe.Interface, &Probe.Adapter);
  if (!NT_SUCCESS(status)) {
    Probe.Adapter = NULL;
    return finish("WskOpenNdkAdapter", status);
  }
  finish("WskOpenNdkAdapter", status);

  /* How much, then the thing itself. */
  status = Probe.Adapter->Dispatch->NdkQueryAdapterInfo(Probe.Adapter, NULL, &bytes);
  if (status != STATUS_BUFFER_TOO_SMALL || bytes != sizeof(NDK_ADAPTER_INFO)) { /* of version 2: with its technology */
    return STATUS_UNSUCCESSFUL;
  }
  Probe.Info = (NDK_ADAPTER_INFO*)ExAllocatePoolWithTag(NonPagedPoolNx, bytes, PROBE_TAG);
  if (Probe.Info == NULL) {
    return STATUS_NO_MEMORY;
  }
  status =
      finish("NdkQueryAdapterInfo", Probe.Adapter->Dispatch->NdkQueryAdapterInfo(Probe.Adapter, Probe.Info, &bytes));
  if (NT_SUCCESS(status)) {
    logf("version %hu.%hu, technology %d, flags 0x%lx", Probe.Info->Version.Major, Probe.Info->Version.Minor,
         Probe.Info->RdmaTechnology, Probe.Info->AdapterFlags);
    logf("registration %llu bytes, FRMR %lu pages, SGEs %lu/%lu/%lu", (ULONG64)Probe.Info->MaxRegistrationSize,
         Probe.Info->FRMRPageCount, Probe.Info->MaxInitiatorRequestSge, Probe.Info->MaxReceiveRequestSge,
         Probe.Info->MaxReadRequestSge);
    logf("depths: receive %lu, initiator %lu, SRQ %lu, CQ %lu; private data %lu/%lu", Probe.Info->MaxReceiveQueueDepth,
         Probe.Info->MaxInitiatorQueueDepth, Probe.Info->MaxSrqDepth, Probe.Info->MaxCqDepth, Probe.Info->MaxCallerData,
         Probe.Info->MaxCalleeData);
  }
  return status;
}

/* ---- an end */

/* Locked page by page, as one would with memory that is not nonpaged pool. */
static NTSTATUS lockBuffer(PEND end) {
  NTSTATUS status = STATUS_SUCCESS;
  end->Buffer = (PUCHAR)ExAllocatePoolWithTag(NonPagedPoolNx, BUFFER_BYTES, PROBE_TAG);
  if (end->Buffer == NULL) {
    return STATUS_NO_MEMORY;
  }
  end->Mdl = IoAllocateMdl(end->Buffer, BUFFER_BYTES, FALSE, FALSE, NULL);
  if (end->Mdl == NULL) {
    return STATUS_NO_MEMORY;
  }
  __try {
    MmProbeAndLockPages(end->Mdl, KernelMode, IoModifyAccess);
    end->Locked = TRUE;
  } __except (EXCEPTION_EXECUTE_HANDLER) {
    status = GetExceptionCode();
    logf("MmProbeAndLockPages raised 0x%08lx", status);
  }
  return status;
}

static NTSTATUS createEnd(PEND end) {
  const ULONG rights = NDK_MR_FLAG_ALLOW_REMOTE_READ | NDK_MR_FLAG_ALLOW_REMOTE_WRITE;
  NDK_CQ* cq = NULL;
  NDK_MR* mr = NULL;
  NDK_QP* qp = NULL;
  NTSTATUS returned;
  NTSTATUS status;

  status = lockBuffer(end);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  returned = Probe.Adapter->Dispatch->NdkCreateCq(Probe.Adapter, 16, NULL, NULL, NULL, created, NULL, &cq);
  status = finish("NdkCreateCq", returned);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  end->Cq = (NDK_CQ*)made(returned, cq);
  end->Cq->Dispatch->NdkArmCq(end->Cq, NDK_CQ_NOTIFY_ANY); /* there is nobody to notify: nothing happens */

  returned = Probe.Pd->Dispatch->NdkCreateMr(Probe.Pd, FALSE, created, NULL, &mr);
  status = finish("NdkCreateMr", returned);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  end->Mr = (NDK_MR*)made(returned, mr);
  status = finish("NdkRegisterMr",
                  end->Mr->Dispatch->NdkRegisterMr(end->Mr, end->Mdl, BUFFER_BYTES, rights, complete, NULL));
  if (!NT_SUCCESS(status)) {
    return status;
  }
  end->Token = end->Mr->Dispatch->NdkGetLocalTokenFromMr(end->Mr);

  returned = Probe.Pd->Dispatch->NdkCreateQp(Probe.Pd, end->Cq, end->Cq, end, 8, 8, 1, 1, 0, created, NULL, &qp);
  status = finish("NdkCreateQp", returned);
  if (NT_SUCCESS(status)) {
    end->Qp = (NDK_QP*)made(returned, qp);
  }
  return status;
}

/* ---- connecting */

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
static VOID connectRequested(PVOID context, NDK_CONNECTOR* connector) {
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
static NTSTATUS startListening(NDK_LISTENER** listener, NDK_FN_CONNECT_EVENT_CALLBACK event, SOCKADDR_IN* address) {
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

static NTSTATUS connectEnds(const SOCKADDR_IN* server, const SOCKADDR_IN* mute) {
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

/* ---- moving bytes */

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

static NTSTATUS sendAndReceive(PEND from, PEND to, ULONG bytes) {
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
static NTSTATUS readAndWrite(VOID) {
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

/* ---- the end of it */

static VOID closeEnd(PEND end) {
  if (end->Connector != NULL) {
    closeObject("NdkCloseConnector", &end->Connector->Header, end->Connector->Dispatch->NdkCloseConnector);
  }
  if (end->Qp != NULL) {
    closeObject("NdkCloseQp", &end->Qp->Header, end->Qp->Dispatch->NdkCloseQp);
  }
  if (end->Mr != NULL) {
    closeObject("NdkCloseMr", &end->Mr->Header, end->Mr->Dispatch->NdkCloseMr);
  }
  if (end->Cq != NULL) {
    closeObject("NdkCloseCq", &end->Cq->Header, end->Cq->Dispatch->NdkCloseCq);
  }
  if (end->Locked) {
    MmUnlockPages(end->Mdl);
  }
  if (end->Mdl != NULL) {
    IoFreeMdl(end->Mdl);
  }
  if (end->Buffer != NULL) {
    ExFreePoolWithTag(end->Buffer, PROBE_TAG);
  }
}

/* Whatever there is. The order is that of an author who knows the rules; any other would do. */
VOID cleanup(VOID) {
  if (Probe.Listener != NULL) {
    Probe.Listener->Dispatch->NdkControlConnectEvents(Probe.Listener, TRUE);
  }
  closeEnd(&Probe.Client);
  closeEnd(&Probe.Server);
  if (Probe.Listener != NULL) {
    closeObject("NdkCloseListener", &Probe.Listener->Header, Probe.Listener->Dispatch->NdkCloseListener);
  }
  if (Probe.MuteListener != NULL) {
    closeObject("NdkCloseListener", &Probe.MuteListener->Header, Probe.MuteListener->Dispatch->NdkCloseListener);
  }
  if (Probe.Pd != NULL) {
    closeObject("NdkClosePd", &Probe.Pd->Header, Probe.Pd->Dispatch->NdkClosePd);
  }
  if (Probe.Adapter != NULL) {
    Probe.Ndk.WskCloseNdkAdapter(Probe.Npi.Client, Probe.Adapter);
  }
  if (Probe.Info != NULL) {
    ExFreePoolWithTag(Probe.Info, PROBE_TAG);
  }
  if (Probe.Npi.Client != NULL) {
    WskReleaseProviderNPI(&Probe.Registration);
  }
  if (Probe.Registered) {
    WskDeregister(&Probe.Registration);
  }
}

NTSTATUS probe(VOID) {
  static const ULONG sizes[] = {1, 64, 1000, 4096, HALF};
  SOCKADDR_IN server;
  SOCKADDR_IN mute;
  NDK_PD* pd = NULL;
  NTSTATUS returned;
  NTSTATUS status = STATUS_UNSUCCESSFUL;
  ULONG i;

  __try {
    status = openAdapter();
    if (!NT_SUCCESS(status)) {
      __leave;
    }
    returned = Probe.Adapter->Dispatch->NdkCreatePd(Probe.Adapter, created, NULL, &pd);
    status = finish("NdkCreatePd", returned);
    if (!NT_SUCCESS(status)) {
      __leave;
    }
    Probe.Pd = (NDK_PD*)made(returned, pd);
    status = createEnd(&Probe.Client);
    if (!NT_SUCCESS(status)) {
      __leave;
    }
    status = createEnd(&Probe.Server);
    if (!NT_SUCCESS(status)) {
      __leave;
    }
    status = startListening(&Probe.Listener, connectRequested, &server);
    if (!NT_SUCCESS(status)) {
      __leave;
    }
    status = startListening(&Probe.MuteListener, NULL, &mute);
    if (!NT_SUCCESS(status)) {
      __leave;
    }
    status = connectEnds(&server, &mute);
    for (i = 0; NT_SUCCESS(status) && i < RTL_NUMBER_OF(sizes); ++i) {
      status = sendAndReceive(&Probe.Client, &Probe.Server, sizes[i]);
      if (NT_SUCCESS(status)) {
        status = sendAndReceive(&Probe.Server, &Probe.Client, sizes[i]);
      }
    }
    if (NT_SUCCESS(status)) {
      status = readAndWrite();
    }
  } __finally {
    cleanup();
  }
  return status;
}

static VOID DriverUnload(PDRIVER_OBJECT DriverObject) {
  UNREFERENCED_PARAMETER(DriverObject);
  KdPrint(("probe_driver: unloaded\n"));
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath) {
  NTSTATUS status;
  DriverObject->DriverUnload = DriverUnload;
  RtlZeroMemory(&Probe, sizeof(Probe));
  KeInitializeEvent(&Probe.Done, NotificationEvent, FALSE);
  KeInitializeEvent(&Probe.Accepted, NotificationEvent, FALSE);

  status = readParameters(RegistryPath);
  openLog();
  if (NT_SUCCESS(status)) {
    status = probe();
  }
  logf("%s with 0x%08lx after %lu steps", NT_SUCCESS(status) ? "ended" : "FAILED", status, Probe.Steps);
  writeResult(status);
  if (Probe.Log != NULL) {
    ZwClose(Probe.Log);
  }
  if (Probe.Key != NULL) {
    ZwClose(Probe.Key);
  }
  return status;
}
