#include "queue.h"

constexpr ULONG kReadLimit = 16;  // reads by the controller at once; we never read it

// ---- create and close

NTSTATUS Queue::CreateSlot(Slot& slot, USHORT id) {
  slot.id = id;
  slot.register_work = {Step::Register, &slot, nullptr};
  slot.send_work = {Step::Send, &slot, nullptr};
  slot.invalidate_work = {Step::Invalidate, &slot, nullptr};
  slot.capsule = reinterpret_cast<NvmeCommand*>(memory_.Bytes()) + id;
  KeInitializeEvent(&slot.done, NotificationEvent, FALSE);
  PushEntryList(&free_slots_, &slot.free);
  if (registration_ == Registration::Window) {
    slot.data = DataOf(id);
    return CreateMw(pd_, &slot.window);
  }
  NTSTATUS status = slot.mapped.Allocate(*adapter_, kCommandDataBytes);
  if (!NT_SUCCESS(status)) return status;
  slot.data = slot.mapped.Bytes();
  status = CreateMr(pd_, TRUE, &slot.fast_region);
  if (!NT_SUCCESS(status)) return status;
  Request request;
  status = request.Wait(slot.fast_region->Dispatch->NdkInitializeFastRegisterMr(
      slot.fast_region, BYTES_TO_PAGES(kCommandDataBytes), TRUE, kCompleted, &request));
  if (NT_SUCCESS(status)) slot.key = slot.fast_region->Dispatch->NdkGetRemoteTokenFromMr(slot.fast_region);
  return status;
}

NTSTATUS Queue::Create(Adapter& adapter, USHORT id, USHORT depth, Registration registration) {
  PAGED_CODE();
  adapter_ = &adapter;
  id_ = id;
  depth_ = depth;
  registration_ = registration;
  KeInitializeSpinLock(&post_lock_);
  KeInitializeSpinLock(&slot_lock_);
  in_use_.Begin();
  slots_ = AllocatePool<Slot>(depth * sizeof(Slot));
  receives_ = AllocatePool<Work>(depth * sizeof(Work));
  if (slots_ == nullptr || receives_ == nullptr) return STATUS_INSUFFICIENT_RESOURCES;

  // Each command is at most three requests and one receive. An adapter that can resize begins with less, and gets its
  // depth when the connection is sure to come (FinishConnect).
  const ULONG depth_in_the_end = 4u * depth;
  NTSTATUS status = adapter.Create<Queue, &Queue::Notified>(&cq_, adapter.CanResize() ? depth : depth_in_the_end, this);
  if (NT_SUCCESS(status)) status = adapter.Create(&pd_);
  if (NT_SUCCESS(status)) status = CreateQp(pd_, cq_, this, depth, 3u * depth, &qp_);
  const ULONG data_bytes = registration == Registration::Window ? kCommandDataBytes : 0;
  if (NT_SUCCESS(status)) status = memory_.Allocate(pd_, depth * (128 + data_bytes), NDK_MR_FLAG_ALLOW_LOCAL_WRITE);
  for (USHORT i = 0; i < depth && NT_SUCCESS(status); ++i) {
    status = CreateSlot(slots_[i], i);
    receives_[i] = {Step::Receive, nullptr, memory_.Bytes() + depth * 64 + i * 64};
    // Before anything can come; the queue is armed when the connection stands.
    if (NT_SUCCESS(status)) status = PostReceive(receives_[i]);
  }
  return status;
}

VOID Queue::Close() {
  PAGED_CODE();
  if (adapter_ == nullptr) return;
  Disconnect();
  CloseObject(connector_);
  CloseObject(qp_);
  for (USHORT i = 0; slots_ != nullptr && i < depth_; ++i) {
    CloseObject(slots_[i].window);  // before the region that it may be bound over
    CloseObject(slots_[i].fast_region);
    slots_[i].mapped.Free(*adapter_);
  }
  memory_.Free();
  CloseObject(pd_);
  CloseObject(cq_);
  FreePool(slots_);
  FreePool(receives_);
  adapter_ = nullptr;
}

// ---- connect and disconnect

NTSTATUS Queue::PrepareConnect(NvmeRdmaRequest& request) {
  PAGED_CODE();
  request = {record_format_, id_, depth_, depth_, {}};
  return adapter_->Create(&connector_);
}

NTSTATUS Queue::Connect(const SOCKADDR_IN& local, const SOCKADDR_IN& target) {
  NvmeRdmaRequest hello;
  const NTSTATUS status = PrepareConnect(hello);
  if (!NT_SUCCESS(status)) return status;
  Request request;
  return FinishConnect(request.Wait(
      connector_->Dispatch->NdkConnect(connector_, qp_, reinterpret_cast<const SOCKADDR*>(&local), sizeof(local),
                                       reinterpret_cast<const SOCKADDR*>(&target), sizeof(target), kReadLimit, 0,
                                       &hello, sizeof(hello), kCompleted, &request)));
}

NTSTATUS Queue::Connect(NDK_SHARED_ENDPOINT* endpoint, const SOCKADDR_IN& target) {
  NvmeRdmaRequest hello;
  const NTSTATUS status = PrepareConnect(hello);
  if (!NT_SUCCESS(status)) return status;
  Request request;
  return FinishConnect(request.Wait(connector_->Dispatch->NdkConnectWithSharedEndpoint(
      connector_, qp_, endpoint, reinterpret_cast<const SOCKADDR*>(&target), sizeof(target), kReadLimit, 0, &hello,
      sizeof(hello), kCompleted, &request)));
}

/// `status` is the connect's. The peer has accepted, and now says in its private data how much it takes.
NTSTATUS Queue::FinishConnect(NTSTATUS status) {
  if (!NT_SUCCESS(status)) return status;
  NvmeRdmaAccept answer = {};
  ULONG bytes = sizeof(answer);
  ULONG inbound = 0, outbound = 0;
  status = connector_->Dispatch->NdkGetConnectionData(connector_, &inbound, &outbound, &answer, &bytes);
  if (!NT_SUCCESS(status) && status != STATUS_BUFFER_TOO_SMALL) return status;
  if (answer.RecordFormat != 0 || answer.ControllerReceiveQueueSize < depth_ || inbound == 0 || outbound != 0) {
    connector_->Dispatch->NdkReject(connector_, nullptr, 0);
    return STATUS_NOT_SUPPORTED;
  }
  if (adapter_->CanResize()) {
    Request request;
    status = request.Wait(cq_->Dispatch->NdkResizeCq(cq_, 4u * depth_, kCompleted, &request));
    if (!NT_SUCCESS(status)) return status;
  }
  Request request;
  status = request.Wait(connector_->Dispatch->NdkCompleteConnect(connector_, Callback<&Queue::PeerGone>::Call, this,
                                                                 kCompleted, &request));
  if (!NT_SUCCESS(status)) return status;
  connected_ = true;
  cq_->Dispatch->NdkArmCq(cq_, NDK_CQ_NOTIFY_ANY);
  return STATUS_SUCCESS;
}

NTSTATUS Queue::RejectReason(NvmeRdmaReject& reason) {
  ULONG bytes = sizeof(reason);
  const NTSTATUS status = connector_->Dispatch->NdkGetConnectionData(connector_, nullptr, nullptr, &reason, &bytes);
  return status == STATUS_BUFFER_TOO_SMALL ? STATUS_SUCCESS : status;
}

/// The subsystem has gone before us: what we wait for comes back with the disconnect that this queue makes itself.
VOID Queue::PeerGone() {
  FailAll();
}

VOID Queue::Disconnect() {
  PAGED_CODE();
  if (!connected_) {
    return;  // the receives end with the QP, and nobody has armed the queue that they go to
  }
  connected_ = false;
  Request request;
  // Its status does not matter: the connection is gone, and what was posted is in the CQ as cancelled.
  request.Wait(connector_->Dispatch->NdkDisconnect(connector_, kCompleted, &request));
  in_use_.DropAndWait();
}

// ---- posting

NTSTATUS Queue::PostReceive(Work& work) {
  const NDK_SGE sge = memory_.Sge(work.receive, sizeof(NvmeCompletion));
  in_use_.Take();
  const NTSTATUS status = qp_->Dispatch->NdkReceive(qp_, &work, &sge, 1);
  if (!NT_SUCCESS(status)) in_use_.Drop(1);
  return status;
}

/// post_lock_ is held.
NTSTATUS Queue::PostRegistration(Slot& slot, ULONG bytes, ULONG rights) {
  const ULONG flags = rights | NDK_OP_FLAG_DEFER;
  if (registration_ == Registration::FastRegister) {
    return qp_->Dispatch->NdkFastRegister(qp_, &slot.register_work, slot.fast_region,
                                          ADDRESS_AND_SIZE_TO_SPAN_PAGES(slot.data, bytes), slot.mapped.Pages(),
                                          slot.mapped.FirstByteOffset(), bytes, slot.data, flags);
  }
  const NTSTATUS status =
      qp_->Dispatch->NdkBind(qp_, &slot.register_work, memory_.Region(), slot.window, slot.data, bytes, flags);
  // A window's key is another one after each bind, and known as soon as it is posted.
  if (NT_SUCCESS(status)) slot.key = slot.window->Dispatch->NdkGetRemoteTokenFromMw(slot.window);
  return status;
}

/// What fails to be posted is a part that ends here.
VOID Queue::PostCommand(Slot& slot, NvmeCommand& command, ULONG bytes, ULONG rights) {
  KLOCK_QUEUE_HANDLE lock;
  NTSTATUS registered = STATUS_SUCCESS;
  KeAcquireInStackQueuedSpinLock(&post_lock_, &lock);
  if (bytes != 0) {
    in_use_.Take();
    registered = PostRegistration(slot, bytes, rights);
    if (!NT_SUCCESS(registered)) in_use_.Drop(1);
    slot.valid = NT_SUCCESS(registered);
    command.Sgl = MakeKeyedSgl((ULONG64)(ULONG_PTR)slot.data, bytes, slot.key, (slot.id & 1) == 0);
  }
  NTSTATUS sent = registered;
  if (NT_SUCCESS(sent)) {
    *slot.capsule = command;
    InterlockedExchange(&slot.awaits_completion, 1);  // the last thing: whoever takes it back sees all the rest
    const NDK_SGE sge = memory_.Sge(slot.capsule, sizeof(command));
    in_use_.Take();
    sent = qp_->Dispatch->NdkSend(qp_, &slot.send_work, &sge, 1, 0);
    if (!NT_SUCCESS(sent)) in_use_.Drop(1);
  }
  KeReleaseInStackQueuedSpinLock(&lock);
  if (!NT_SUCCESS(registered)) {
    for (ULONG part = 0; part < 3; ++part)
      PartEnded(slot, registered);
  } else if (!NT_SUCCESS(sent)) {
    NotSent(slot, sent);
  }
}

/// In the callback, at <= DISPATCH_LEVEL.
VOID Queue::PostInvalidate(Slot& slot) {
  NDK_OBJECT_HEADER* object =
      registration_ == Registration::FastRegister ? &slot.fast_region->Header : &slot.window->Header;
  KLOCK_QUEUE_HANDLE lock;
  InterlockedIncrement(&slot.parts);
  in_use_.Take();
  KeAcquireInStackQueuedSpinLock(&post_lock_, &lock);
  const NTSTATUS status = qp_->Dispatch->NdkInvalidate(qp_, &slot.invalidate_work, object, 0);
  KeReleaseInStackQueuedSpinLock(&lock);
  if (!NT_SUCCESS(status)) {
    in_use_.Drop(1);
    PartEnded(slot, status);
  }
}

NTSTATUS Queue::Execute(NvmeCommand command, const VOID* out, PVOID in, ULONG bytes, NvmeCompletion& completion) {
  PAGED_CODE();
  if (bytes > kCommandDataBytes) return STATUS_INVALID_PARAMETER;
  KLOCK_QUEUE_HANDLE lock;
  KeAcquireInStackQueuedSpinLock(&slot_lock_, &lock);
  PSINGLE_LIST_ENTRY entry = PopEntryList(&free_slots_);
  KeReleaseInStackQueuedSpinLock(&lock);
  if (entry == nullptr) return STATUS_DEVICE_BUSY;
  Slot& slot = *CONTAINING_RECORD(entry, Slot, free);

  if (out != nullptr) {
    RtlCopyMemory(slot.data, out, bytes);
  } else if (bytes != 0) {
    RtlFillMemory(slot.data, bytes, 0xee);
  }
  command.CommandId = slot.id;
  command.Flags = kFlagSglForData;
  KeClearEvent(&slot.done);
  InterlockedExchange(&slot.status, STATUS_SUCCESS);
  InterlockedExchange(&slot.parts, bytes != 0 ? 3 : 2);
  PostCommand(slot, command, bytes, out != nullptr ? NDK_OP_FLAG_ALLOW_REMOTE_READ : NDK_OP_FLAG_ALLOW_REMOTE_WRITE);
  KeWaitForSingleObject(&slot.done, Executive, KernelMode, FALSE, nullptr);

  const NTSTATUS status = slot.status;
  completion = slot.completion;
  if (NT_SUCCESS(status) && in != nullptr) RtlCopyMemory(in, slot.data, bytes);
  // After a failure the key may still be valid: the slot is not used again, and its close ends the key.
  if (NT_SUCCESS(status)) {
    KeAcquireInStackQueuedSpinLock(&slot_lock_, &lock);
    PushEntryList(&free_slots_, &slot.free);
    KeReleaseInStackQueuedSpinLock(&lock);
  }
  return status;
}

// ---- completions

VOID Queue::PartEnded(Slot& slot, NTSTATUS status) {
  if (!NT_SUCCESS(status)) InterlockedCompareExchange(&slot.status, status, STATUS_SUCCESS);
  if (InterlockedDecrement(&slot.parts) == 0) KeSetEvent(&slot.done, IO_NO_INCREMENT, FALSE);
}

/// Then there will be no completion either.
VOID Queue::NotSent(Slot& slot, NTSTATUS status) {
  if (InterlockedExchange(&slot.awaits_completion, 0) != 0) PartEnded(slot, status);
  PartEnded(slot, status);
}

VOID Queue::FailAll() {
  for (USHORT i = 0; i < depth_; ++i) {
    if (InterlockedExchange(&slots_[i].awaits_completion, 0) != 0) PartEnded(slots_[i], STATUS_CONNECTION_DISCONNECTED);
  }
}

VOID Queue::Received(const Work& work, const NDK_RESULT_EX& result) {
  if (!NT_SUCCESS(result.Status)) {
    FailAll();
    return;
  }
  const NvmeCompletion completion = *static_cast<const NvmeCompletion*>(work.receive);
  NT_ASSERT(result.BytesTransferred == sizeof(completion) && completion.CommandId < depth_);
  Slot& slot = slots_[completion.CommandId];
  if (InterlockedExchange(&slot.awaits_completion, 0) != 0) {
    slot.completion = completion;
    if (result.Type == NdkOperationTypeReceiveAndInvalidate) {
      NT_ASSERT(result.TypeSpecificCompletionOutput == slot.key && slot.valid);
      slot.valid = false;
      InterlockedIncrement(&remotely_invalidated_);
    } else if (slot.valid) {
      PostInvalidate(slot);  // before the command can end
    }
    PartEnded(slot, STATUS_SUCCESS);
  }
  PostReceive(receives_[&work - receives_]);
}

VOID Queue::Finished(const Work& work, const NDK_RESULT_EX& result) {
  if (work.step == Step::Receive) {
    Received(work, result);
    return;
  }
  if (work.step == Step::Invalidate && NT_SUCCESS(result.Status)) {
    work.slot->valid = false;
    InterlockedIncrement(&locally_invalidated_);
  }
  if (work.step == Step::Send && !NT_SUCCESS(result.Status)) {
    NotSent(*work.slot, result.Status);
  } else {
    PartEnded(*work.slot, result.Status);
  }
}

VOID Queue::Notified(NTSTATUS cq_status) {
  NT_ASSERT(NT_SUCCESS(cq_status));
  NDK_RESULT_EX results[8];
  LONG ended = 0;
  ULONG count;
  while ((count = cq_->Dispatch->NdkGetCqResultsEx(cq_, results, RTL_NUMBER_OF(results))) != 0) {
    for (ULONG i = 0; i < count; ++i) {
      NT_ASSERT(results[i].QPContext == this);
      Finished(*static_cast<const Work*>(results[i].RequestContext), results[i]);
    }
    ended += (LONG)count;
  }
  cq_->Dispatch->NdkArmCq(cq_, NDK_CQ_NOTIFY_ANY);
  in_use_.Drop(ended);
}
