/* A DriverEntry that fails has undone itself: its unload must not run. */
#include <ntddk.h>

static VOID Unload(PDRIVER_OBJECT DriverObject) {
  UNREFERENCED_PARAMETER(DriverObject);
  DbgPrint("fails: unloaded, which is wrong\n");
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath) {
  UNREFERENCED_PARAMETER(RegistryPath);
  DriverObject->DriverUnload = Unload;
  return STATUS_INSUFFICIENT_RESOURCES;
}
