/* Does nothing, in the order that ndkrun promises. */
#include <ntddk.h>

static VOID Unload(PDRIVER_OBJECT DriverObject) {
  UNREFERENCED_PARAMETER(DriverObject);
  DbgPrint("quiet: unloaded\n");
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath) {
  DbgPrint("quiet: loaded as %wZ\n", RegistryPath);
  DriverObject->DriverUnload = Unload;
  return STATUS_SUCCESS;
}
