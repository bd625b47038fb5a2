#include <ntddk.h>

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath) {
  NDK_ADAPTER* adapter = NULL;
  UNREFERENCED_PARAMETER(RegistryPath);
  IoRegisterPlugPlayNotification(DriverObject, adapter);
  return STATUS_SUCCESS;
}
