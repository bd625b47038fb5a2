/* A kernel consumer as an outsider would write it: C, and no edit when it is compiled as C++. */
#include <ntddk.h>
#include <wsk.h>
#include <ndkpi.h>
#include <wskndk.h>

/* Names of the driver's own that a C library knows too: the runtime must not call these by mistake. */
#ifdef __cplusplus
extern "C" {
#endif
int send(int a, const void* b, unsigned long c, int d);
int wait(int* status);
float logf(float x);
static int hijacked;
int send(int a, const void* b, unsigned long c, int d) {
    (void)a; (void)b; (void)c; (void)d;
    hijacked = 1;
    return -1;
}
int wait(int* status) {
    (void)status;
    hijacked = 1;
    return -1;
}
float logf(float x) {
    hijacked = 1;
    return x;
}
DRIVER_INITIALIZE DriverEntry;
int OpenAndClose(ULONG InterfaceIndex);
#ifdef __cplusplus
}
#endif

static WSK_REGISTRATION Registration;
static const WSK_CLIENT_DISPATCH ClientDispatch = {MAKE_WSK_VERSION(1, 0), 0, NULL};

int OpenAndClose(ULONG InterfaceIndex) {
    WSK_CLIENT_NPI client = {NULL, &ClientDispatch};
    WSK_PROVIDER_NPI provider;
    WSK_PROVIDER_NDK_DISPATCH ndk;
    NDK_VERSION version = {2, 0};
    NDK_ADAPTER* adapter = NULL;
    NDK_ADAPTER_INFO info;
    ULONG size = sizeof(info);
    NTSTATUS status;

    if (!NT_SUCCESS(WskRegister(&client, &Registration))) return 1;
    if (!NT_SUCCESS(WskCaptureProviderNPI(&Registration, WSK_INFINITE_WAIT, &provider))) return 2;
    status = provider.Dispatch->WskControlClient(provider.Client, WSKNDK_GET_WSK_PROVIDER_NDK_DISPATCH, 0, NULL,
                                                 sizeof(ndk), &ndk, NULL, NULL);
    if (!NT_SUCCESS(status)) return 3;
    status = ndk.WskOpenNdkAdapter(provider.Client, version, InterfaceIndex, &adapter);
    if (!NT_SUCCESS(status)) return 4;
    status = adapter->Dispatch->NdkQueryAdapterInfo(adapter, &info, &size);
    if (!NT_SUCCESS(status) || info.RdmaTechnology != NdkiWarp) return 5;
    DbgPrint("opened interface %lu: NDKPI %hu.%hu, %lu pages a fast-register\n", InterfaceIndex, info.Version.Major,
             info.Version.Minor, info.FRMRPageCount);
    ndk.WskCloseNdkAdapter(provider.Client, adapter);
    WskReleaseProviderNPI(&Registration);
    WskDeregister(&Registration);
    return hijacked ? 6 : 0;
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath) {
    UNREFERENCED_PARAMETER(RegistryPath);
    RtlZeroMemory(DriverObject->MajorFunction, sizeof(DriverObject->MajorFunction));
    DriverObject->DriverUnload = NULL;
    return STATUS_SUCCESS;
}
