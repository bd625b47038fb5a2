/* Its unload waits for an event that nobody signals. */
#include <ntddk.h>

static KEVENT Never;

static VOID Unload(PDRIVER_OBJECT DriverObject) {
  UNREFERENCED_PARAMETER(DriverObject);
  KeWaitForSingleObject(&Never, Executive, KernelMode, FALSE, NULL);
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath) {
  UNREFERENCED_PARAMETER(RegistryPath);
  KeInitializeEvent(&Never, NotificationEvent, FALSE);
  DriverObject->DriverUnload = Unload;
  return STATUS_SUCCESS;
}
