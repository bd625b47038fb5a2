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
#include "probe_driver.h"

EXTERN_C DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD DriverUnload;

PROBE Probe;

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
