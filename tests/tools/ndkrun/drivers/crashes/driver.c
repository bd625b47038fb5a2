#include <ntddk.h>

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath) {
  volatile ULONG* nowhere = (volatile ULONG*)(ULONG_PTR)RegistryPath->Length;
  UNREFERENCED_PARAMETER(DriverObject);
  *nowhere = 1;
  return STATUS_SUCCESS;
}
