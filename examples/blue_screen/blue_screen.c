/*
 * The driver of docs/guide/blue-screen.md: it registers a buffer with the RDMA adapter of interface 4, and gives it back
 * when it is unloaded. It has two mistakes that people make; on Windows the first is a blue screen, and the second a
 * service that never stops.
 */
#include <ntddk.h>
#include <wsk.h>
#include <wskndk.h>

#define BUFFER_BYTES 65536
#define BUFFER_TAG 'fuBR'

static const WSK_CLIENT_DISPATCH ClientDispatch = {MAKE_WSK_VERSION(1, 0), 0, NULL};
static WSK_REGISTRATION Registration;
static WSK_PROVIDER_NPI Npi;
static WSK_PROVIDER_NDK_DISPATCH Ndk;
static NDK_ADAPTER* Adapter;
static NDK_PD* Pd;
static NDK_MR* Mr;
static PVOID Buffer;
static PMDL Mdl;

/* The end of a call that may pend. */
typedef struct _CALL {
  KEVENT Done;
  NTSTATUS Status;
  NDK_OBJECT_HEADER* Object;
} CALL;

static VOID CallCreated(PVOID Context, NTSTATUS Status, NDK_OBJECT_HEADER* Object) {
  CALL* call = (CALL*)Context;
  call->Status = Status;
  call->Object = Object;
  KeSetEvent(&call->Done, IO_NO_INCREMENT, FALSE);
}

static VOID CallCompleted(PVOID Context, NTSTATUS Status) {
  CallCreated(Context, Status, NULL);
}

static NTSTATUS CallWait(CALL* Call, NTSTATUS Status) {
  if (Status == STATUS_PENDING) {
    KeWaitForSingleObject(&Call->Done, Executive, KernelMode, FALSE, NULL);
    Status = Call->Status;
  }
  return Status;
}

static NTSTATUS OpenAdapter(NET_IFINDEX InterfaceIndex) {
  WSK_CLIENT_NPI client = {NULL, &ClientDispatch};
  NDK_VERSION version = {2, 0};
  NTSTATUS status = WskRegister(&client, &Registration);
  if (NT_SUCCESS(status)) {
    status = WskCaptureProviderNPI(&Registration, WSK_INFINITE_WAIT, &Npi);
  }
  if (NT_SUCCESS(status)) {
    status = Npi.Dispatch->WskControlClient(Npi.Client, WSKNDK_GET_WSK_PROVIDER_NDK_DISPATCH, 0, NULL, sizeof(Ndk),
                                            &Ndk, NULL, NULL);
  }
  if (NT_SUCCESS(status)) {
    status = Ndk.WskOpenNdkAdapter(Npi.Client, version, InterfaceIndex, &Adapter);
  }
  return status;
}

static NTSTATUS RegisterBuffer(VOID) {
  CALL call = {0};
  NTSTATUS status;

  KeInitializeEvent(&call.Done, SynchronizationEvent, FALSE);
  status = CallWait(&call, Adapter->Dispatch->NdkCreatePd(Adapter, CallCreated, &call, &Pd));
  if (NT_SUCCESS(status) && call.Object != NULL) {
    Pd = CONTAINING_RECORD(call.Object, NDK_PD, Header);
  }
  call.Object = NULL;
  if (NT_SUCCESS(status)) {
    status = CallWait(&call, Pd->Dispatch->NdkCreateMr(Pd, FALSE, CallCreated, &call, &Mr));
  }
  if (NT_SUCCESS(status) && call.Object != NULL) {
    Mr = CONTAINING_RECORD(call.Object, NDK_MR, Header);
  }
  if (!NT_SUCCESS(status)) {
    return status;
  }
  Buffer = ExAllocatePoolWithTag(NonPagedPoolNx, BUFFER_BYTES, BUFFER_TAG);
  Mdl = Buffer == NULL ? NULL : IoAllocateMdl(Buffer, BUFFER_BYTES, FALSE, FALSE, NULL);
  if (Mdl == NULL) {
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  MmBuildMdlForNonPagedPool(Mdl);
  return CallWait(&call, Mr->Dispatch->NdkRegisterMr(Mr, Mdl, BUFFER_BYTES, NDK_MR_FLAG_ALLOW_LOCAL_WRITE,
                                                     CallCompleted, &call));
}

static VOID UnregisterBuffer(VOID) {
  Mr->Dispatch->NdkCloseMr(&Mr->Header, NULL, NULL); /* who cares when it is gone? */
  IoFreeMdl(Mdl);
  ExFreePoolWithTag(Buffer, BUFFER_TAG);
}

static VOID DriverUnload(PDRIVER_OBJECT DriverObject) {
  UNREFERENCED_PARAMETER(DriverObject);
  UnregisterBuffer();
  Ndk.WskCloseNdkAdapter(Npi.Client, Adapter);
  WskReleaseProviderNPI(&Registration);
  WskDeregister(&Registration);
}

DRIVER_INITIALIZE DriverEntry;

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath) {
  NTSTATUS status;
  UNREFERENCED_PARAMETER(RegistryPath);
  DriverObject->DriverUnload = DriverUnload;
  status = OpenAdapter(4);
  if (NT_SUCCESS(status)) {
    status = RegisterBuffer();
  }
  DbgPrint("blue_screen: %s\n", NT_SUCCESS(status) ? "the buffer is registered" : "it could not be registered");
  return status;
}
