/* A driver of our own: it says when it is done, from a work item. */
#include <ntddk.h>

#include <softndk/softndk.h>

static VOID Work(PVOID IoObject, PVOID Context, PIO_WORKITEM WorkItem) {
  UNREFERENCED_PARAMETER(IoObject);
  UNREFERENCED_PARAMETER(Context);
  IoFreeWorkItem(WorkItem);
  DbgPrint("done: the ");
  DbgPrint("work is over\n");
  softndk_driver_done(STATUS_SUCCESS);
}

static VOID Unload(PDRIVER_OBJECT DriverObject) {
  UNREFERENCED_PARAMETER(DriverObject);
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath) {
  PIO_WORKITEM item = IoAllocateWorkItem((PDEVICE_OBJECT)DriverObject);
  UNREFERENCED_PARAMETER(RegistryPath);
  if (item == NULL) return STATUS_INSUFFICIENT_RESOURCES;
  DriverObject->DriverUnload = Unload;
  IoQueueWorkItemEx(item, Work, DelayedWorkQueue, NULL);
  return STATUS_SUCCESS;
}
