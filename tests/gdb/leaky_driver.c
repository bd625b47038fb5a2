/* The driver of half_connected.c behind a DriverEntry. What it forgets is chosen by its host through LeakyMistake. */
#include <ntddk.h>
#include <wsk.h>
#include <wskndk.h>

#include "half_connected.h"
#include "leaky_driver.h"

static DRIVER_UNLOAD LeakyUnload;
static KEVENT NeverSet;
static PIO_WORKITEM Forgotten;

static VOID LeakyUnload(PDRIVER_OBJECT driver) {
  UNREFERENCED_PARAMETER(driver);
  if (LeakyMistake == LEAKY_HANGS) {
    KeWaitForSingleObject(&NeverSet, Executive, KernelMode, FALSE, NULL);
  }
  HalfConnectedClose(&Half, LeakyMistake != LEAKY_LEAKS);
  if (LeakyMistake != LEAKY_LEAKS) {
    IoFreeWorkItem(Forgotten);
    HalfConnectedLeave(&Half);
  }
}

/* What its host does for a driver that hangs, so that the test ends. */
VOID LeakyRescue(VOID) {
  KeSetEvent(&NeverSet, IO_NO_INCREMENT, FALSE);
}

NTSTATUS DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path) {
  NTSTATUS status;
  UNREFERENCED_PARAMETER(path);
  KeInitializeEvent(&NeverSet, NotificationEvent, FALSE);
  driver->DriverUnload = LeakyUnload;
  Forgotten = IoAllocateWorkItem((PDEVICE_OBJECT)driver);
  status = HalfConnectedOpen(&Half, LeakyInterface);
  if (NT_SUCCESS(status)) status = HalfConnectedCreate(&Half);
  if (NT_SUCCESS(status)) status = HalfConnectedConnect(&Half);
  return status;
}

LEAKY_MISTAKE LeakyMistake;
ULONG LeakyInterface;
