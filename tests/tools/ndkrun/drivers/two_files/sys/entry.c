/* Spelled as on a file system that does not care: ndkrun build finds all of it. */
#include "precomp.h"
#include "COMMON/shared.h"
#include "entry.tmh"

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath) {
  UNREFERENCED_PARAMETER(DriverObject);
  UNREFERENCED_PARAMETER(RegistryPath);
  DbgPrint("two files: %u\n", TwoFilesNumber() + SHARED_NUMBER);
  return STATUS_UNSUCCESSFUL;
}
