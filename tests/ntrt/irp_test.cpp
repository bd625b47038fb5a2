// IRPs with a stack, devices, partial MDLs.
#include <gtest/gtest.h>

#include <cstring>

#include "ntrt/pool.h"
#include "wdk/ntddk.h"

namespace softndk::ntrt {
namespace {

struct Seen {
  int calls = 0;
  NTSTATUS answer = STATUS_SUCCESS;
  NTSTATUS status = STATUS_UNSUCCESSFUL;
  static NTSTATUS routine(PDEVICE_OBJECT, PIRP irp, PVOID context) {
    auto* self = static_cast<Seen*>(context);
    ++self->calls;
    self->status = irp->IoStatus.Status;
    return self->answer;
  }
};

TEST(KernelSurface_Irp, ACompletionRoutineMayTakeTheIrpBack) {
  PIRP irp = IoAllocateIrp(1, FALSE);
  ASSERT_NE(irp, nullptr);
  KEVENT event;
  KeInitializeEvent(&event, NotificationEvent, FALSE);
  irp->UserEvent = &event;
  Seen seen;
  seen.answer = STATUS_MORE_PROCESSING_REQUIRED;
  IoSetCompletionRoutine(irp, Seen::routine, &seen, TRUE, TRUE, TRUE);
  IoSetNextIrpStackLocation(irp);  // what the callee does
  irp->IoStatus.Status = STATUS_CONNECTION_REFUSED;
  IoCompleteRequest(irp, IO_NO_INCREMENT);
  EXPECT_EQ(seen.calls, 1);
  EXPECT_EQ(seen.status, STATUS_CONNECTION_REFUSED);
  EXPECT_EQ(KeReadStateEvent(&event), 0) << "the completion went no further";
  IoReuseIrp(irp, STATUS_UNSUCCESSFUL);
  IoSetCompletionRoutine(irp, Seen::routine, &seen, FALSE, TRUE, FALSE);
  IoSetNextIrpStackLocation(irp);
  irp->IoStatus.Status = STATUS_SUCCESS;
  IoCompleteRequest(irp, IO_NO_INCREMENT);
  EXPECT_EQ(seen.calls, 1) << "only errors were asked for";
  IoFreeIrp(irp);
  EXPECT_EQ(pool_usage(' prI').blocks, 0u);
}

TEST(KernelSurface_Irp, ARequestReachesTheDispatchRoutineOfItsDevice) {
  static int requests = 0;
  DRIVER_OBJECT driver = {};
  driver.MajorFunction[IRP_MJ_DEVICE_CONTROL] = [](PDEVICE_OBJECT device, PIRP irp) -> NTSTATUS {
    requests += *static_cast<int*>(device->DeviceExtension);
    EXPECT_EQ(IoGetCurrentIrpStackLocation(irp)->Parameters.DeviceIoControl.IoControlCode, 0x222004u);
    irp->IoStatus.Status = STATUS_SUCCESS;
    irp->IoStatus.Information = 5;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
  };
  PDEVICE_OBJECT device = nullptr;
  ASSERT_EQ(IoCreateDevice(&driver, sizeof(int), nullptr, FILE_DEVICE_UNKNOWN, 0, FALSE, &device), STATUS_SUCCESS);
  EXPECT_EQ(driver.DeviceObject, device);
  *static_cast<int*>(device->DeviceExtension) = 7;
  PIRP irp = IoAllocateIrp(device->StackSize, FALSE);
  IO_STATUS_BLOCK done = {};
  irp->UserIosb = &done;
  PIO_STACK_LOCATION next = IoGetNextIrpStackLocation(irp);
  next->MajorFunction = IRP_MJ_DEVICE_CONTROL;
  next->Parameters.DeviceIoControl.IoControlCode =
      CTL_CODE(FILE_DEVICE_UNKNOWN, 0x801, METHOD_BUFFERED, FILE_ANY_ACCESS);
  EXPECT_EQ(IoCallDriver(device, irp), STATUS_SUCCESS);
  EXPECT_EQ(requests, 7);
  EXPECT_EQ(done.Information, 5u);
  IoFreeIrp(irp);
  IoDeleteDevice(device);
  EXPECT_EQ(driver.DeviceObject, nullptr);
}

TEST(KernelSurface_Mdl, APartDescribesItsStretchOfTheWhole) {
  auto* buffer = static_cast<char*>(ExAllocatePoolWithTag(NonPagedPoolNx, 4 * PAGE_SIZE, 'traP'));
  PMDL whole = IoAllocateMdl(buffer, 4 * PAGE_SIZE, FALSE, FALSE, nullptr);
  MmBuildMdlForNonPagedPool(whole);
  PMDL part = IoAllocateMdl(buffer + 100, 2 * PAGE_SIZE, FALSE, FALSE, nullptr);
  IoBuildPartialMdl(whole, part, buffer + PAGE_SIZE + 100, 2 * PAGE_SIZE);
  EXPECT_EQ(MmGetMdlByteCount(part), 2u * PAGE_SIZE);
  EXPECT_EQ(MmGetMdlVirtualAddress(part), buffer + PAGE_SIZE + 100);
  EXPECT_EQ(MmGetSystemAddressForMdlSafe(part, NormalPagePriority), buffer + PAGE_SIZE + 100);
  EXPECT_EQ(std::memcmp(MmGetMdlPfnArray(part), MmGetMdlPfnArray(whole) + 1, 3 * sizeof(PFN_NUMBER)), 0);
  EXPECT_NE(part->MdlFlags & MDL_PARTIAL, 0);
  MmPrepareMdlForReuse(part);
  IoBuildPartialMdl(whole, part, buffer + 2 * PAGE_SIZE, 10);
  EXPECT_EQ(MmGetMdlByteCount(part), 10u);
  EXPECT_DEATH(IoBuildPartialMdl(whole, part, buffer + 4 * PAGE_SIZE, 1), "does not lie in it");
  EXPECT_DEATH(IoBuildPartialMdl(whole, part, buffer + 1, 3 * PAGE_SIZE), "too few pages");
  IoFreeMdl(part);
  IoFreeMdl(whole);
  ExFreePoolWithTag(buffer, 'traP');
}

}  // namespace
}  // namespace softndk::ntrt
