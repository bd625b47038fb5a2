/* A first consumer: opens an NDK adapter, says what it can do, creates three objects, closes them. C and C++. */
#include <stdio.h>

#include <softndk/softndk.h>

#include <ntddk.h>

#include <wskndk.h>

static KEVENT done;
static NDK_OBJECT_HEADER* made;
static VOID created(PVOID context, NTSTATUS status, NDK_OBJECT_HEADER* object) {
  (void)context, made = NT_SUCCESS(status) ? object : NULL, KeSetEvent(&done, 0, FALSE);
}
static VOID closed(PVOID context) {
  (void)context, KeSetEvent(&done, 0, FALSE);
}

/* Every create and close returns its result, or STATUS_PENDING and then calls back exactly once. */
static NTSTATUS settle(NTSTATUS status, void* out) {
  if (status != STATUS_PENDING) return status;
  KeWaitForSingleObject(&done, Executive, KernelMode, FALSE, NULL);
  if (out != NULL) *(void**)out = made;
  return out == NULL || made != NULL ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL;
}

int main(int argc, char** argv) {
  static const WSK_CLIENT_DISPATCH dispatch = {MAKE_WSK_VERSION(1, 0), 0, NULL};
  WSK_CLIENT_NPI client = {NULL, &dispatch};
  WSK_REGISTRATION registration;
  WSK_PROVIDER_NPI npi;
  WSK_PROVIDER_NDK_DISPATCH ndk;
  NDK_VERSION version = {2, 0};
  NDK_ADAPTER* adapter;
  NDK_ADAPTER_INFO info;
  ULONG bytes = sizeof(info);
  NDK_PD* pd;
  NDK_CQ* cq;
  NDK_CONNECTOR* connector;

  KeInitializeEvent(&done, SynchronizationEvent, FALSE);
  if (WskRegister(&client, &registration) || WskCaptureProviderNPI(&registration, WSK_INFINITE_WAIT, &npi) ||
      npi.Dispatch->WskControlClient(npi.Client, WSKNDK_GET_WSK_PROVIDER_NDK_DISPATCH, 0, NULL, sizeof(ndk), &ndk, NULL,
                                     NULL) ||
      ndk.WskOpenNdkAdapter(npi.Client, version, softndk_find_interface(argc > 1 ? argv[1] : "lo"), &adapter) ||
      adapter->Dispatch->NdkQueryAdapterInfo(adapter, &info, &bytes))
    return 1;
  printf("NDK %u.%u, up to %u bytes in one request\n", info.Version.Major, info.Version.Minor, info.MaxTransferLength);

  if (settle(adapter->Dispatch->NdkCreatePd(adapter, created, NULL, &pd), &pd) ||
      settle(adapter->Dispatch->NdkCreateCq(adapter, 16, NULL, NULL, NULL, created, NULL, &cq), &cq) ||
      settle(adapter->Dispatch->NdkCreateConnector(adapter, created, NULL, &connector), &connector))
    return 1;
  settle(connector->Dispatch->NdkCloseConnector(&connector->Header, closed, NULL), NULL);
  settle(cq->Dispatch->NdkCloseCq(&cq->Header, closed, NULL), NULL);
  settle(pd->Dispatch->NdkClosePd(&pd->Header, closed, NULL), NULL);

  ndk.WskCloseNdkAdapter(npi.Client, adapter);
  WskReleaseProviderNPI(&registration);
  WskDeregister(&registration);
  return 0;
}
