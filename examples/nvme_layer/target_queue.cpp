#include "target.h"

constexpr ULONG kReadLimit = 16;

// ---- create and close

NTSTATUS TargetQueue::Create(Target& target, const NvmeRdmaRequest& request) {
  target_ = &target;
  id_ = request.QueueId;
  depth_ = request.HostSendQueueSize;
  in_use_.Begin();
  slots_ = AllocatePool<Slot>(depth_ * sizeof(Slot));
  if (slots_ == nullptr) return STATUS_INSUFFICIENT_RESOURCES;
  // A command is a receive, at most two transfers of data, and a send.
  NTSTATUS status = target.adapter_->Create<TargetQueue, &TargetQueue::Notified>(&cq_, 4u * depth_, this);
  if (NT_SUCCESS(status)) status = CreateQp(target.pd_, cq_, this, depth_, 3u * depth_, &qp_);
  if (NT_SUCCESS(status))
    status = memory_.Allocate(target.pd_, depth_ * (128 + kIdentifyBytes), NDK_MR_FLAG_ALLOW_LOCAL_WRITE);
  for (USHORT i = 0; i < depth_ && NT_SUCCESS(status); ++i) {
    Slot& slot = slots_[i];
    slot.command_work = {Step::Command, &slot};
    slot.data_work = {Step::Data, &slot};
    slot.connect_work = {Step::ConnectData, &slot};
    slot.completion_work = {Step::Completion, &slot};
    slot.command = reinterpret_cast<NvmeCommand*>(memory_.Bytes() + i * 64);
    slot.completion = reinterpret_cast<NvmeCompletion*>(memory_.Bytes() + (depth_ + i) * 64);
    slot.scratch = memory_.Bytes() + depth_ * 128 + i * kIdentifyBytes;
    status = PostReceive(slot);
  }
  return status;
}

NTSTATUS TargetQueue::Accept(NDK_CONNECTOR* connector) {
  connector_ = connector;
  const NvmeRdmaAccept answer = {0, depth_, {}};
  Request request;
  const NTSTATUS status =
      request.Wait(connector->Dispatch->NdkAccept(connector, qp_, 0, kReadLimit, &answer, sizeof(answer),
                                                  Callback<&TargetQueue::Over>::Call, this, kCompleted, &request));
  if (!NT_SUCCESS(status)) return status;
  connected_ = true;
  cq_->Dispatch->NdkArmCq(cq_, NDK_CQ_NOTIFY_ANY);  // commands may be there already: then it notifies at once
  return STATUS_SUCCESS;
}

VOID TargetQueue::Over() {
  InterlockedExchange(&over_, 1);
  KeSetEvent(&target_->wake_, IO_NO_INCREMENT, FALSE);
}

VOID TargetQueue::Close() {
  PAGED_CODE();
  if (connected_) {
    Request request;
    request.Wait(connector_->Dispatch->NdkDisconnect(connector_, kCompleted, &request));
    in_use_.DropAndWait();
  }
  CloseObject(connector_);
  CloseObject(qp_);
  memory_.Free();
  CloseObject(cq_);
  FreePool(slots_);
}

// ---- posting. Only the callback posts to the initiator queue, and it never runs twice at once: no lock.

bool TargetQueue::Posted(NTSTATUS status) {
  if (NT_SUCCESS(status)) return true;
  in_use_.Drop(1);  // not the last: the callback that we are in has not dropped its own
  Over();           // the host would wait for ever
  return false;
}

NTSTATUS TargetQueue::PostReceive(Slot& slot) {
  const NDK_SGE sge = memory_.Sge(slot.command, sizeof(NvmeCommand));
  in_use_.Take();
  const NTSTATUS status = qp_->Dispatch->NdkReceive(qp_, &slot.command_work, &sge, 1);
  Posted(status);
  return status;
}

bool TargetQueue::PostRead(Slot& slot, Work& work, PVOID to, ULONG flags) {
  const NvmeKeyedSgl& sgl = slot.command->Sgl;
  const bool disk = to != slot.scratch;
  const NDK_SGE sge = disk ? target_->disk_.Sge(to, SglBytes(sgl)) : memory_.Sge(to, SglBytes(sgl));
  in_use_.Take();
  return Posted(qp_->Dispatch->NdkRead(qp_, &work, &sge, 1, sgl.Address, SglKey(sgl), flags));
}

bool TargetQueue::PostWrite(Slot& slot, const NDK_SGE& from) {
  const NvmeKeyedSgl& sgl = slot.command->Sgl;
  in_use_.Take();
  return Posted(qp_->Dispatch->NdkWrite(qp_, &slot.data_work, &from, 1, sgl.Address, SglKey(sgl), NDK_OP_FLAG_DEFER));
}

VOID TargetQueue::Complete(Slot& slot, USHORT status, ULONG flags, ULONG64 result) {
  *slot.completion = {result, 0, id_, slot.command->CommandId, status};
  const NDK_SGE sge = memory_.Sge(slot.completion, sizeof(NvmeCompletion));
  const NvmeKeyedSgl& sgl = slot.command->Sgl;
  in_use_.Take();
  if (sgl.Identifier == kSglKeyedInvalidate && SglBytes(sgl) != 0) {
    Posted(qp_->Dispatch->NdkSendAndInvalidate(qp_, &slot.completion_work, &sge, 1, flags, SglKey(sgl)));
  } else {
    Posted(qp_->Dispatch->NdkSend(qp_, &slot.completion_work, &sge, 1, flags));
  }
}

// ---- commands

VOID TargetQueue::ReadOrWrite(Slot& slot) {
  const NvmeCommand& command = *slot.command;
  const ULONG64 first = command.Cdw10 | (ULONG64)command.Cdw11 << 32;
  const ULONG blocks = (command.Cdw12 & 0xffff) + 1;
  if (first >= Target::kBlocks || blocks > Target::kBlocks - first) {
    Complete(slot, kStatusLbaOutOfRange);
    return;
  }
  if (SglBytes(command.Sgl) != blocks * kBlockBytes) {
    Complete(slot, kStatusInvalidField);
    return;
  }
  PUCHAR at = target_->disk_.Bytes() + first * kBlockBytes;
  if (command.Opcode == kOpcodeWrite) {
    // The fence holds the completion back until the data is on the disk.
    if (PostRead(slot, slot.data_work, at, NDK_OP_FLAG_DEFER)) Complete(slot, kStatusSuccess, NDK_OP_FLAG_READ_FENCE);
  } else {
    if (PostWrite(slot, target_->disk_.Sge(at, blocks * kBlockBytes))) Complete(slot, kStatusSuccess);
  }
}

VOID TargetQueue::Identify(Slot& slot) {
  if (SglBytes(slot.command->Sgl) != kIdentifyBytes) {
    Complete(slot, kStatusInvalidField);
    return;
  }
  RtlZeroMemory(slot.scratch, kIdentifyBytes);
  const ULONG64 blocks = Target::kBlocks;
  RtlCopyMemory(slot.scratch, &blocks, sizeof(blocks));  // the namespace's size
  RtlCopyMemory(slot.scratch + 768, kSubsystemName, sizeof(kSubsystemName));
  if (PostWrite(slot, memory_.Sge(slot.scratch, kIdentifyBytes))) Complete(slot, kStatusSuccess);
}

/// Its data has been read.
VOID TargetQueue::ConnectCommand(Slot& slot) {
  const NvmeConnectData& data = *reinterpret_cast<const NvmeConnectData*>(slot.scratch);
  const bool known =
      RtlCompareMemory(data.SubsystemName, kSubsystemName, sizeof(kSubsystemName)) == sizeof(kSubsystemName);
  const bool ours = slot.command->Cdw10 >> 16 == id_;
  Complete(slot, known && ours ? kStatusSuccess : kStatusConnectInvalid, 0, 1);
}

VOID TargetQueue::Execute(Slot& slot) {
  const NvmeCommand& command = *slot.command;
  switch (command.Opcode) {
    case kOpcodeFabrics:
      if (command.NamespaceId == kFabricsConnect && SglBytes(command.Sgl) == sizeof(NvmeConnectData)) {
        PostRead(slot, slot.connect_work, slot.scratch, 0);
      } else {
        Complete(slot, kStatusInvalidField);
      }
      break;
    case kOpcodeIdentify:
      Identify(slot);
      break;
    case kOpcodeRead:
    case kOpcodeWrite:
      ReadOrWrite(slot);
      break;
    case kOpcodeFlush:
      Complete(slot, kStatusSuccess);
      break;
    default:
      Complete(slot, kStatusInvalidOpcode);
      break;
  }
}

VOID TargetQueue::Finished(const Work& work, const NDK_RESULT_EX& result) {
  // A failure is the end of the connection: nothing is posted again, and the host hears of it by the disconnect.
  if (!NT_SUCCESS(result.Status)) return;
  switch (work.step) {
    case Step::Command:
      NT_ASSERT(result.BytesTransferred == sizeof(NvmeCommand));
      Execute(*work.slot);
      break;
    case Step::ConnectData:
      ConnectCommand(*work.slot);
      break;
    case Step::Completion:
      PostReceive(*work.slot);
      break;
    case Step::Data:
      break;
  }
}

VOID TargetQueue::Notified(NTSTATUS cq_status) {
  NT_ASSERT(NT_SUCCESS(cq_status));
  NDK_RESULT_EX results[8];
  LONG ended = 0;
  ULONG count;
  while ((count = cq_->Dispatch->NdkGetCqResultsEx(cq_, results, RTL_NUMBER_OF(results))) != 0) {
    for (ULONG i = 0; i < count; ++i)
      Finished(*static_cast<const Work*>(results[i].RequestContext), results[i]);
    ended += (LONG)count;
  }
  cq_->Dispatch->NdkArmCq(cq_, NDK_CQ_NOTIFY_ANY);
  in_use_.Drop(ended);
}
