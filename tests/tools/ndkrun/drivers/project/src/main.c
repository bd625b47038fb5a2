#include <ntddk.h>

#include "header.h"

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath) {
  UNREFERENCED_PARAMETER(DriverObject);
  UNREFERENCED_PARAMETER(RegistryPath);
  DbgPrint("project: %u\n", ANSWER + OFFSET);
  return STATUS_SUCCESS;
}
