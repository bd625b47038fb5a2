// IRPs and the device objects they are sent to.
#include <cstring>

#include "ntrt/bug_check.h"
#include "ntrt/irql.h"
#include "ntrt/pool.h"
#include "wdk/ntddk.h"

namespace softndk::ntrt {
namespace {

constexpr ULONG kIrpTag = ' prI';                // "Irp " in leak lists, as on Windows
constexpr ULONG kDeviceTag = 'iveD';             // "Devi"
constexpr CSHORT kIrpType = 6, kDeviceType = 3;  // IO_TYPE_*, which debugger extensions look for

void initialize(PIRP irp, CCHAR stack_size) {
  std::memset(irp, 0, sizeof *irp + static_cast<std::size_t>(stack_size) * sizeof(IO_STACK_LOCATION));
  irp->Type = kIrpType;
  irp->Size = IoSizeOfIrp(stack_size);
  irp->StackCount = stack_size;
  irp->CurrentLocation = static_cast<CHAR>(stack_size + 1);
  irp->Tail.Overlay.CurrentStackLocation = reinterpret_cast<PIO_STACK_LOCATION>(irp + 1) + stack_size;
}

bool wants_call(const IO_STACK_LOCATION& location, const IRP& irp) {
  const UCHAR reason = NT_SUCCESS(irp.IoStatus.Status) ? SL_INVOKE_ON_SUCCESS : SL_INVOKE_ON_ERROR;
  const bool on_cancel = irp.Cancel && (location.Control & SL_INVOKE_ON_CANCEL) != 0;
  return location.CompletionRoutine != nullptr && ((location.Control & reason) != 0 || on_cancel);
}

/// Calls the routines of the locations passed on the way up. False: one of them took the IRP back.
bool call_completion_routines(PIRP irp) {
  while (irp->CurrentLocation <= irp->StackCount) {
    const IO_STACK_LOCATION location = *IoGetCurrentIrpStackLocation(irp);
    irp->PendingReturned = (location.Control & SL_PENDING_RETURNED) != 0;
    IoSkipCurrentIrpStackLocation(irp);
    if (!wants_call(location, *irp)) continue;
    const bool has_owner = irp->CurrentLocation <= irp->StackCount;
    PDEVICE_OBJECT device = has_owner ? IoGetCurrentIrpStackLocation(irp)->DeviceObject : nullptr;
    if (location.CompletionRoutine(device, irp, location.Context) == STATUS_MORE_PROCESSING_REQUIRED) return false;
  }
  return true;
}

}  // namespace
}  // namespace softndk::ntrt

using namespace softndk::ntrt;

extern "C" {

VOID(IoCompleteRequest)(PIRP irp, CCHAR boost) noexcept {
  check_irql(EntryPoint::IofCompleteRequest);
  if (irp->CurrentLocation > irp->StackCount + 1)
    bug_check(BugCode::driver_violation, "IRP %p completed twice", static_cast<void*>(irp));
  // An IRP that a driver laid out by hand may have no locations.
  if (irp->Tail.Overlay.CurrentStackLocation != nullptr && !call_completion_routines(irp)) return;
  irp->CurrentLocation = static_cast<CHAR>(irp->StackCount + 2);
  // Whoever waits for the event may free all three: copy first, signal last.
  PKEVENT event = irp->UserEvent;
  if (irp->UserIosb != nullptr) *irp->UserIosb = irp->IoStatus;
  if (event != nullptr) KeSetEvent(event, boost, FALSE);
}

PIRP IoAllocateIrp(CCHAR stack_size, BOOLEAN) noexcept {
  check_irql(EntryPoint::IoAllocateIrp);
  auto* irp =
      static_cast<PIRP>(pool_allocate({.bytes = IoSizeOfIrp(stack_size), .tag = kIrpTag}, __builtin_return_address(0)));
  if (irp != nullptr) initialize(irp, stack_size);
  return irp;
}

VOID IoFreeIrp(PIRP irp) noexcept {
  check_irql(EntryPoint::IoFreeIrp);
  pool_free(irp, kIrpTag, __builtin_return_address(0));
}

VOID IoInitializeIrp(PIRP irp, USHORT, CCHAR stack_size) noexcept {
  initialize(irp, stack_size);
}

VOID IoReuseIrp(PIRP irp, NTSTATUS status) noexcept {
  check_irql(EntryPoint::IoAllocateIrp);
  initialize(irp, irp->StackCount);
  irp->IoStatus.Status = status;
}

NTSTATUS IofCallDriver(PDEVICE_OBJECT device, PIRP irp) noexcept {
  check_irql(EntryPoint::IofCallDriver);
  if (irp->CurrentLocation <= 1)
    bug_check(BugCode::driver_violation, "IRP %p has no stack location left", static_cast<void*>(irp));
  IoSetNextIrpStackLocation(irp);
  PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(irp);
  location->DeviceObject = device;
  return device->DriverObject->MajorFunction[location->MajorFunction](device, irp);
}

NTSTATUS IoCreateDevice(PDRIVER_OBJECT driver, ULONG extension_bytes, PUNICODE_STRING, ULONG type,
                        ULONG characteristics, BOOLEAN, PDEVICE_OBJECT* to) noexcept {
  check_irql(EntryPoint::IoCreateDevice);
  const std::size_t bytes = sizeof(DEVICE_OBJECT) + extension_bytes;
  auto* device = static_cast<PDEVICE_OBJECT>(
      pool_allocate({.bytes = bytes, .tag = kDeviceTag, .zeroed = true}, __builtin_return_address(0)));
  if (device == nullptr) return STATUS_INSUFFICIENT_RESOURCES;
  device->Type = kDeviceType;
  device->Size = static_cast<USHORT>(bytes);
  device->DriverObject = driver;
  device->NextDevice = driver->DeviceObject;
  device->Flags = DO_DEVICE_INITIALIZING;
  device->Characteristics = characteristics;
  device->DeviceType = type;
  device->StackSize = 1;
  device->DeviceExtension = extension_bytes == 0 ? nullptr : device + 1;
  driver->DeviceObject = device;
  *to = device;
  return STATUS_SUCCESS;
}

VOID IoDeleteDevice(PDEVICE_OBJECT device) noexcept {
  check_irql(EntryPoint::IoDeleteDevice);
  for (PDEVICE_OBJECT* at = &device->DriverObject->DeviceObject; *at != nullptr; at = &(*at)->NextDevice) {
    if (*at != device) continue;
    *at = device->NextDevice;
    break;
  }
  pool_free(device, kDeviceTag, __builtin_return_address(0));
}

}  // extern "C"
