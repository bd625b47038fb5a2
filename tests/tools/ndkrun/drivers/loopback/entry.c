/*
 * The entry of examples/loopback_driver for ndkrun: what its own main() would do before DriverEntry and ask after
 * DriverUnload. The example's DriverEntry is called LoopbackEntry here, by a -D.
 */
#undef DriverEntry
#include <softndk/softndk.h>

#include "loopback_driver.h"

DRIVER_INITIALIZE LoopbackEntry, DriverEntry;
static PDRIVER_UNLOAD LoopbackUnload;

static VOID Unload(PDRIVER_OBJECT DriverObject) {
  LoopbackUnload(DriverObject);
  DbgPrint("loopback: %lu rounds\n", LoopbackRoundsPassed);
  softndk_driver_done(LoopbackStatus);
}

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath) {
  NTSTATUS status;
  LoopbackInterface = 7;
  KeInitializeEvent(&LoopbackFinished, NotificationEvent, FALSE);
  status = LoopbackEntry(DriverObject, RegistryPath);
  LoopbackUnload = DriverObject->DriverUnload;
  DriverObject->DriverUnload = Unload;
  return status;
}
