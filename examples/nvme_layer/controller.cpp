#include "controller.h"

constexpr USHORT kAdminDepth = 4;
constexpr USHORT kIoDepth = 16;

NTSTATUS Controller::Connect(Adapter& adapter, const SOCKADDR_IN& local, const SOCKADDR_IN& first,
                             const SOCKADDR_IN& second) {
  PAGED_CODE();
  NTSTATUS status = adapter.Create(&endpoint_, local);
  if (NT_SUCCESS(status)) status = admin_.Create(adapter, 0, kAdminDepth, Registration::FastRegister);
  if (NT_SUCCESS(status)) status = admin_.Connect(endpoint_, first);
  if (NT_SUCCESS(status)) status = FabricsConnect(admin_, 0, kAdminDepth);
  if (NT_SUCCESS(status)) status = Identify();

  if (NT_SUCCESS(status)) status = io_[0].Create(adapter, 1, kIoDepth, Registration::FastRegister);
  if (NT_SUCCESS(status)) status = io_[0].Connect(endpoint_, second);
  if (NT_SUCCESS(status)) status = FabricsConnect(io_[0], 1, kIoDepth);
  if (NT_SUCCESS(status)) status = io_[1].Create(adapter, 2, kIoDepth, Registration::Window);
  if (NT_SUCCESS(status)) status = io_[1].Connect(local, first);
  if (NT_SUCCESS(status)) status = FabricsConnect(io_[1], 2, kIoDepth);
  return status;
}

VOID Controller::Disconnect() {
  PAGED_CODE();
  for (Queue& queue : io_)
    queue.Close();
  admin_.Close();
  CloseObject(endpoint_);
}

static NTSTATUS ToStatus(const NvmeCompletion& completion) {
  return completion.Status == kStatusSuccess ? STATUS_SUCCESS : STATUS_IO_DEVICE_ERROR;
}

NTSTATUS Controller::FabricsConnect(Queue& queue, USHORT id, USHORT depth) {
  NvmeConnectData* data = AllocatePool<NvmeConnectData>();
  if (data == nullptr) return STATUS_INSUFFICIENT_RESOURCES;
  data->ControllerId = id == 0 ? 0xffff : 1;
  RtlCopyMemory(data->SubsystemName, kSubsystemName, sizeof(kSubsystemName));
  RtlCopyMemory(data->HostName, kHostName, sizeof(kHostName));
  NvmeCommand command = {};
  command.Opcode = kOpcodeFabrics;
  command.NamespaceId = kFabricsConnect;
  command.Cdw10 = (ULONG)id << 16;
  command.Cdw11 = depth - 1;
  NvmeCompletion completion;
  const NTSTATUS status = queue.Execute(command, data, nullptr, sizeof(*data), completion);
  FreePool(data);
  return NT_SUCCESS(status) ? ToStatus(completion) : status;
}

NTSTATUS Controller::Identify() {
  PUCHAR data = AllocatePool<UCHAR>(kIdentifyBytes);
  if (data == nullptr) return STATUS_INSUFFICIENT_RESOURCES;
  NvmeCommand command = {};
  command.Opcode = kOpcodeIdentify;
  NvmeCompletion completion;
  NTSTATUS status = admin_.Execute(command, nullptr, data, kIdentifyBytes, completion);
  if (NT_SUCCESS(status)) status = ToStatus(completion);
  if (NT_SUCCESS(status)) {
    RtlCopyMemory(&blocks_, data, sizeof(blocks_));
    if (RtlCompareMemory(data + 768, kSubsystemName, sizeof(kSubsystemName)) != sizeof(kSubsystemName))
      status = STATUS_DATA_ERROR;
  }
  FreePool(data);
  return status;
}

static NvmeCommand IoCommand(UCHAR opcode, ULONG64 block, ULONG blocks) {
  NvmeCommand command = {};
  command.Opcode = opcode;
  command.NamespaceId = 1;
  command.Cdw10 = (ULONG)block;
  command.Cdw11 = (ULONG)(block >> 32);
  command.Cdw12 = blocks - 1;
  return command;
}

NTSTATUS Controller::Write(USHORT queue, ULONG64 block, const VOID* from, ULONG blocks) {
  NvmeCompletion completion;
  const NTSTATUS status =
      io_[queue].Execute(IoCommand(kOpcodeWrite, block, blocks), from, nullptr, blocks * kBlockBytes, completion);
  return NT_SUCCESS(status) ? ToStatus(completion) : status;
}

NTSTATUS Controller::Flush(USHORT queue) {
  NvmeCommand command = {};
  command.Opcode = kOpcodeFlush;
  command.NamespaceId = 1;
  NvmeCompletion completion;
  const NTSTATUS status = io_[queue].Execute(command, nullptr, nullptr, 0, completion);
  return NT_SUCCESS(status) ? ToStatus(completion) : status;
}

NTSTATUS Controller::ReadStatus(USHORT queue, ULONG64 block, PVOID to, ULONG blocks, USHORT& nvme_status) {
  NvmeCompletion completion = {};
  const NTSTATUS status =
      io_[queue].Execute(IoCommand(kOpcodeRead, block, blocks), nullptr, to, blocks * kBlockBytes, completion);
  nvme_status = completion.Status;
  return status;
}

NTSTATUS Controller::Read(USHORT queue, ULONG64 block, PVOID to, ULONG blocks) {
  USHORT nvme_status;
  const NTSTATUS status = ReadStatus(queue, block, to, blocks, nvme_status);
  if (!NT_SUCCESS(status)) return status;
  return nvme_status == kStatusSuccess ? STATUS_SUCCESS : STATUS_IO_DEVICE_ERROR;
}
