#include "target.h"

// ---- the target

NTSTATUS Target::Start(Adapter& adapter, const SOCKADDR_IN& address, ULONG portals) {
  PAGED_CODE();
  adapter_ = &adapter;
  KeInitializeSpinLock(&lock_);
  InitializeListHead(&incoming_);
  InitializeListHead(&queues_);
  KeInitializeEvent(&wake_, SynchronizationEvent, FALSE);

  NTSTATUS status = adapter.Create(&pd_);
  // The disk is what data goes to and comes from; peers never see its token.
  if (NT_SUCCESS(status)) status = disk_.Allocate(pd_, kBlocks * kBlockBytes, NDK_MR_FLAG_ALLOW_LOCAL_WRITE);
  if (!NT_SUCCESS(status)) return status;

  HANDLE handle;
  status = PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, nullptr, nullptr, nullptr, Thread, this);
  if (!NT_SUCCESS(status)) return status;
  ObReferenceObjectByHandle(handle, THREAD_ALL_ACCESS, nullptr, KernelMode, &thread_, nullptr);
  ZwClose(handle);
  for (ULONG i = 0; i < portals && NT_SUCCESS(status); ++i)
    status = Listen(portals_[i], address);
  return status;
}

NTSTATUS Target::Listen(ListeningPort& portal, const SOCKADDR_IN& address) {
  NDK_ADAPTER* ndk = adapter_->Ndk();
  NTSTATUS status = CreateObject(&portal.listener, [&](auto completion, auto context, auto out) {
    return ndk->Dispatch->NdkCreateListener(ndk, Callback<&Target::ConnectRequested>::Call, this, completion, context,
                                            out);
  });
  if (!NT_SUCCESS(status)) return status;
  portal.address = address;
  portal.address.sin_port = 0;
  Request request;
  status = request.Wait(portal.listener->Dispatch->NdkListen(portal.listener,
                                                             reinterpret_cast<const SOCKADDR*>(&portal.address),
                                                             sizeof(portal.address), kCompleted, &request));
  ULONG bytes = sizeof(portal.address);
  if (NT_SUCCESS(status))
    status = portal.listener->Dispatch->NdkGetLocalAddress(portal.listener,
                                                           reinterpret_cast<SOCKADDR*>(&portal.address), &bytes);
  return status;
}

// ---- connect requests

static VOID Ignore(PVOID) {}

/// At <= DISPATCH_LEVEL. The connector is ours whatever comes.
VOID Target::ConnectRequested(NDK_CONNECTOR* connector) {
  UCHAR data[256];  // what the provider says it has is its buffer, not what the peer sent; ours is large enough
  ULONG bytes = sizeof(data);
  NvmeRdmaRequest request;
  NTSTATUS status = connector->Dispatch->NdkGetConnectionData(connector, nullptr, nullptr, data, &bytes);
  if (!NT_SUCCESS(status) || bytes < sizeof(request)) {
    Reject(connector, kRejectInvalidLength);
    return;
  }
  RtlCopyMemory(&request, data, sizeof(request));
  if (request.RecordFormat != 0) {
    Reject(connector, kRejectInvalidRecordFormat);
    return;
  }
  if (request.HostSendQueueSize == 0 || request.HostSendQueueSize > 64 ||
      request.HostReceiveQueueSize < request.HostSendQueueSize) {
    Reject(connector, kRejectInvalidQueueId);
    return;
  }
  Incoming* incoming = AllocatePool<Incoming>();
  bool taken = false;
  if (incoming != nullptr) {
    incoming->connector = connector;
    incoming->request = request;
    KLOCK_QUEUE_HANDLE lock;
    KeAcquireInStackQueuedSpinLock(&lock_, &lock);
    taken = !stopping_;
    if (taken) InsertTailList(&incoming_, &incoming->link);
    KeReleaseInStackQueuedSpinLock(&lock);
  }
  if (taken) {
    KeSetEvent(&wake_, IO_NO_INCREMENT, FALSE);
  } else {
    FreePool(incoming);
    connector->Dispatch->NdkCloseConnector(&connector->Header, Ignore, nullptr);  // which rejects it
  }
}

VOID Target::Reject(NDK_CONNECTOR* connector, USHORT reason) {
  const NvmeRdmaReject reject = {0, reason};
  connector->Dispatch->NdkReject(connector, &reject, sizeof(reject));
  connector->Dispatch->NdkCloseConnector(&connector->Header, Ignore, nullptr);
}

Target::Incoming* Target::NextIncoming() {
  KLOCK_QUEUE_HANDLE lock;
  PLIST_ENTRY entry = nullptr;
  KeAcquireInStackQueuedSpinLock(&lock_, &lock);
  if (!IsListEmpty(&incoming_)) entry = RemoveHeadList(&incoming_);
  KeReleaseInStackQueuedSpinLock(&lock);
  return entry == nullptr ? nullptr : CONTAINING_RECORD(entry, Incoming, link);
}

// ---- the thread

bool Target::Stopping() {
  KLOCK_QUEUE_HANDLE lock;
  KeAcquireInStackQueuedSpinLock(&lock_, &lock);
  const bool stopping = stopping_;
  KeReleaseInStackQueuedSpinLock(&lock);
  return stopping;
}

VOID Target::Thread(PVOID context) {
  static_cast<Target*>(context)->Serve();
  PsTerminateSystemThread(STATUS_SUCCESS);
}

VOID Target::Serve() {
  while (!Stopping()) {
    KeWaitForSingleObject(&wake_, Executive, KernelMode, FALSE, nullptr);
    while (Incoming* incoming = NextIncoming()) {
      Accept(incoming->connector, incoming->request);
      FreePool(incoming);
    }
    RemoveQueues(false);
  }
  RemoveQueues(true);
}

VOID Target::Accept(NDK_CONNECTOR* connector, const NvmeRdmaRequest& request) {
  TargetQueue* queue = AllocatePool<TargetQueue>();
  NTSTATUS status = queue == nullptr ? STATUS_INSUFFICIENT_RESOURCES : queue->Create(*this, request);
  if (NT_SUCCESS(status)) {
    status = queue->Accept(connector);
  } else {
    connector->Dispatch->NdkCloseConnector(&connector->Header, Ignore, nullptr);
  }
  if (NT_SUCCESS(status)) {
    InsertTailList(&queues_, &queue->link_);
  } else if (queue != nullptr) {
    queue->Close();
    FreePool(queue);
  }
}

VOID Target::RemoveQueues(bool all) {
  for (PLIST_ENTRY entry = queues_.Flink; entry != &queues_;) {
    TargetQueue* queue = CONTAINING_RECORD(entry, TargetQueue, link_);
    entry = entry->Flink;
    if (!all && !queue->IsOver()) continue;
    RemoveEntryList(&queue->link_);
    queue->Close();
    FreePool(queue);
  }
}

VOID Target::Stop() {
  PAGED_CODE();
  if (adapter_ == nullptr) return;
  for (ListeningPort& portal : portals_)
    if (portal.listener != nullptr) portal.listener->Dispatch->NdkControlConnectEvents(portal.listener, TRUE);
  KLOCK_QUEUE_HANDLE lock;
  KeAcquireInStackQueuedSpinLock(&lock_, &lock);
  stopping_ = true;
  KeReleaseInStackQueuedSpinLock(&lock);
  if (thread_ != nullptr) {
    KeSetEvent(&wake_, IO_NO_INCREMENT, FALSE);
    KeWaitForSingleObject(thread_, Executive, KernelMode, FALSE, nullptr);
    ObDereferenceObject(thread_);
    thread_ = nullptr;
  }
  while (Incoming* incoming = NextIncoming()) {  // came between the thread's last look and `stopping_`
    incoming->connector->Dispatch->NdkCloseConnector(&incoming->connector->Header, Ignore, nullptr);
    FreePool(incoming);
  }
  for (ListeningPort& portal : portals_)
    CloseObject(portal.listener);
  disk_.Free();
  CloseObject(pd_);
  adapter_ = nullptr;
}
