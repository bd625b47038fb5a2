/* Opens an adapter and creates a protection domain, and forgets both. */
#include <ntddk.h>
#include <wskndk.h>

static const WSK_CLIENT_DISPATCH Dispatch = {MAKE_WSK_VERSION(1, 0), 0, NULL};
static WSK_REGISTRATION Registration;

static VOID Created(PVOID Context, NTSTATUS Status, NDK_OBJECT_HEADER* Object) {
  UNREFERENCED_PARAMETER(Context);
  UNREFERENCED_PARAMETER(Status);
  UNREFERENCED_PARAMETER(Object);
}

static VOID Unload(PDRIVER_OBJECT DriverObject) {
  UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath) {
  WSK_CLIENT_NPI client = {NULL, &Dispatch};
  NDK_VERSION version = {1, 2};
  WSK_PROVIDER_NPI npi;
  WSK_PROVIDER_NDK_DISPATCH ndk;
  NDK_ADAPTER* adapter;
  NDK_PD* pd;
  NTSTATUS status;

  UNREFERENCED_PARAMETER(RegistryPath);
  DriverObject->DriverUnload = Unload;
  status = WskRegister(&client, &Registration);
  if (NT_SUCCESS(status)) status = WskCaptureProviderNPI(&Registration, WSK_INFINITE_WAIT, &npi);
  if (NT_SUCCESS(status))
    status = npi.Dispatch->WskControlClient(npi.Client, WSKNDK_GET_WSK_PROVIDER_NDK_DISPATCH, 0, NULL, sizeof(ndk),
                                            &ndk, NULL, NULL);
  if (NT_SUCCESS(status)) status = ndk.WskOpenNdkAdapter(npi.Client, version, 7, &adapter);
  if (NT_SUCCESS(status)) status = adapter->Dispatch->NdkCreatePd(adapter, Created, NULL, &pd);
  return NT_SUCCESS(status) ? STATUS_SUCCESS : status;
}
