// DriverEntry in C++, without extern "C"; min() is the kernel's macro.
#include <ntddk.h>

namespace {
struct Counter {
  Counter() { KeInitializeEvent(&event, NotificationEvent, FALSE); }
  KEVENT event;
} counter;
}  // namespace

NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING) {
  DriverObject->DriverUnload = [](PDRIVER_OBJECT) { DbgPrint("cxx: unloaded\n"); };
  DbgPrint("cxx: %u\n", min(7u, 8u) + (counter.event.Header.SignalState == 0 ? 0 : 1));
  return STATUS_SUCCESS;
}
