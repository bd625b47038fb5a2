// DriverEntry brings up a subsystem and a host, connects the two, and has four workers write and read until every block
// has been compared. DriverUnload disconnects and takes everything down.
#include "controller.h"
#include "target.h"

#include <ip2string.h>

#ifndef NVME_INTERFACE_INDEX
#define NVME_INTERFACE_INDEX 1
#endif
#ifndef NVME_LOCAL_ADDRESS
#define NVME_LOCAL_ADDRESS L"127.0.0.1"
#endif

extern "C" DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD DriverUnload;

static const WSK_CLIENT_DISPATCH kClientDispatch = {MAKE_WSK_VERSION(1, 0), 0, nullptr};
static WSK_REGISTRATION g_registration;
static Adapter g_adapter;
static Target* g_target;
static Controller* g_controller;

// ---- the workload

constexpr ULONG kWorkers = 4;
constexpr ULONG kBlocksEach = Target::kBlocks / kWorkers;

struct Worker {
  WORK_QUEUE_ITEM item;
  ULONG index;
  ULONG commands;
  NTSTATUS status;
  KEVENT done;
};

static VOID FillBlocks(PUCHAR bytes, ULONG64 first, ULONG blocks, ULONG round) {
  for (ULONG block = 0; block < blocks; ++block) {
    ULONG64* words = reinterpret_cast<ULONG64*>(bytes + block * kBlockBytes);
    for (ULONG i = 0; i < kBlockBytes / sizeof(*words); ++i)
      words[i] = ((first + block) << 16 | round << 8 | i) * 0x9e3779b97f4a7c15ull;
  }
}

/// Writes the worker's share over one queue and reads it over the other, the second time the other way round.
static NTSTATUS WorkOn(Worker& worker, PUCHAR out, PUCHAR in) {
  static const ULONG kSizes[] = {1, 8, 9, 16, 64, 128};  // in blocks
  for (ULONG round = 0; round < 2; ++round) {
    const USHORT writes_over = (USHORT)((worker.index + round) % Controller::kIoQueues);
    const USHORT reads_over = (USHORT)(Controller::kIoQueues - 1 - writes_over);
    ULONG64 block = (ULONG64)worker.index * kBlocksEach;
    const ULONG64 end = block + kBlocksEach;
    for (ULONG i = worker.index; block < end; ++i) {
      const ULONG64 left = end - block;
      const ULONG asked = kSizes[i % RTL_NUMBER_OF(kSizes)];
      const ULONG blocks = asked < left ? asked : (ULONG)left;
      FillBlocks(out, block, blocks, round);
      NTSTATUS status = g_controller->Write(writes_over, block, out, blocks);
      if (NT_SUCCESS(status)) status = g_controller->Read(reads_over, block, in, blocks);
      if (!NT_SUCCESS(status)) return status;
      if (RtlCompareMemory(in, out, blocks * kBlockBytes) != blocks * kBlockBytes) return STATUS_DATA_ERROR;
      worker.commands += 2;
      block += blocks;
    }
    const NTSTATUS status = g_controller->Flush(writes_over);
    if (!NT_SUCCESS(status)) return status;
    worker.commands++;
  }
  return STATUS_SUCCESS;
}

static VOID WorkerRoutine(PVOID context) {
  Worker& worker = *static_cast<Worker*>(context);
  PUCHAR out = AllocatePool<UCHAR>(2 * kCommandDataBytes);
  worker.status = out == nullptr ? STATUS_INSUFFICIENT_RESOURCES : WorkOn(worker, out, out + kCommandDataBytes);
  FreePool(out);
  KeSetEvent(&worker.done, IO_NO_INCREMENT, FALSE);
}

static NTSTATUS RunWorkers() {
  Worker* workers = AllocatePool<Worker>(kWorkers * sizeof(Worker));
  if (workers == nullptr) return STATUS_INSUFFICIENT_RESOURCES;
  for (ULONG i = 0; i < kWorkers; ++i) {
    workers[i].index = i;
    KeInitializeEvent(&workers[i].done, NotificationEvent, FALSE);
    ExInitializeWorkItem(&workers[i].item, WorkerRoutine, &workers[i]);
    ExQueueWorkItem(&workers[i].item, DelayedWorkQueue);
  }
  NTSTATUS status = STATUS_SUCCESS;
  ULONG commands = 0;
  for (ULONG i = 0; i < kWorkers; ++i) {
    KeWaitForSingleObject(&workers[i].done, Executive, KernelMode, FALSE, nullptr);
    if (NT_SUCCESS(status)) status = workers[i].status;
    commands += workers[i].commands;
  }
  FreePool(workers);
  if (NT_SUCCESS(status)) {
    DbgPrint(
        "nvme_layer: %lu commands; keys invalidated by the peer and by us: %lu, %lu (regions), %lu, %lu (windows)\n",
        commands, g_controller->Io(0).RemotelyInvalidated(), g_controller->Io(0).LocallyInvalidated(),
        g_controller->Io(1).RemotelyInvalidated(), g_controller->Io(1).LocallyInvalidated());
  }
  return status;
}

// ---- what has to be refused

static NTSTATUS ExpectRefusals(const SOCKADDR_IN& local) {
  Queue* queue = AllocatePool<Queue>();
  PUCHAR data = AllocatePool<UCHAR>(kBlockBytes);
  if (queue == nullptr || data == nullptr) {
    FreePool(queue);
    FreePool(data);
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  queue->SpoilRecordFormat();
  NTSTATUS status = queue->Create(g_adapter, 3, 4, Registration::Window);
  if (NT_SUCCESS(status)) {
    status = queue->Connect(local, g_target->Portal(0));
    NvmeRdmaReject reason = {};
    if (status == STATUS_CONNECTION_REFUSED) status = queue->RejectReason(reason);
    if (NT_SUCCESS(status) && reason.Status != kRejectInvalidRecordFormat) status = STATUS_DATA_ERROR;
  }
  queue->Close();
  FreePool(queue);

  USHORT nvme_status = 0;
  if (NT_SUCCESS(status)) status = g_controller->ReadStatus(0, Target::kBlocks, data, 1, nvme_status);
  if (NT_SUCCESS(status) && nvme_status != kStatusLbaOutOfRange) status = STATUS_DATA_ERROR;
  FreePool(data);
  return status;
}

// ---- the driver

static VOID TakeDown() {
  if (g_controller != nullptr) g_controller->Disconnect();
  if (g_target != nullptr) g_target->Stop();
  FreePool(g_controller);
  FreePool(g_target);
  g_controller = nullptr;
  g_target = nullptr;
  g_adapter.Close();
}

static NTSTATUS BringUp() {
  NTSTATUS status = g_adapter.Open(&g_registration, NVME_INTERFACE_INDEX);
  if (!NT_SUCCESS(status)) return status;
  g_target = AllocatePool<Target>();
  g_controller = AllocatePool<Controller>();
  if (g_target == nullptr || g_controller == nullptr) return STATUS_INSUFFICIENT_RESOURCES;
  SOCKADDR_IN local = {};
  local.sin_family = AF_INET;
  status = RtlIpv4StringToAddressExW(NVME_LOCAL_ADDRESS, TRUE, &local.sin_addr, &local.sin_port);
  if (NT_SUCCESS(status)) status = g_target->Start(g_adapter, local, Target::kPortalsMax);
  if (NT_SUCCESS(status)) status = g_controller->Connect(g_adapter, local, g_target->Portal(0), g_target->Portal(1));
  if (NT_SUCCESS(status) && g_controller->Blocks() != Target::kBlocks) status = STATUS_DATA_ERROR;
  if (NT_SUCCESS(status)) status = ExpectRefusals(local);
  if (NT_SUCCESS(status)) status = RunWorkers();
  return status;
}

static VOID DriverUnload(PDRIVER_OBJECT) {
  PAGED_CODE();
  TakeDown();
  WskDeregister(&g_registration);
}

NTSTATUS DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING) {
  PAGED_CODE();
  WSK_CLIENT_NPI client = {nullptr, &kClientDispatch};
  NTSTATUS status = WskRegister(&client, &g_registration);
  if (!NT_SUCCESS(status)) return status;
  driver->DriverUnload = DriverUnload;
  status = BringUp();
  if (!NT_SUCCESS(status)) {
    DbgPrint("nvme_layer: failed with 0x%08lx\n", status);
    TakeDown();
    WskDeregister(&g_registration);
  }
  return status;
}
