#include "ndk_layer.h"

// ---- the adapter

NTSTATUS Adapter::Open(WSK_REGISTRATION* registration, NET_IFINDEX interface_index) {
  PAGED_CODE();
  registration_ = registration;
  NTSTATUS status = WskCaptureProviderNPI(registration, WSK_INFINITE_WAIT, &npi_);
  if (!NT_SUCCESS(status)) return status;
  SIZE_T returned = 0;
  status = npi_.Dispatch->WskControlClient(npi_.Client, WSKNDK_GET_WSK_PROVIDER_NDK_DISPATCH, 0, nullptr, sizeof(ndk_),
                                           &ndk_, &returned, nullptr);
  const NDK_VERSION version = {1, 2};
  if (NT_SUCCESS(status)) status = ndk_.WskOpenNdkAdapter(npi_.Client, version, interface_index, &adapter_);
  if (!NT_SUCCESS(status)) {
    adapter_ = nullptr;
    WskReleaseProviderNPI(registration_);
    return status;
  }
  ULONG bytes = sizeof(info_);
  status = adapter_->Dispatch->NdkQueryAdapterInfo(adapter_, &info_, &bytes);
  if (NT_SUCCESS(status) && (info_.AdapterFlags & NDK_ADAPTER_FLAG_RDMA_READ_SINK_NOT_REQUIRED) == 0)
    status = STATUS_NOT_SUPPORTED;
  if (!NT_SUCCESS(status)) Close();
  return status;
}

VOID Adapter::Close() {
  if (adapter_ == nullptr) return;
  ndk_.WskCloseNdkAdapter(npi_.Client, adapter_);
  adapter_ = nullptr;
  WskReleaseProviderNPI(registration_);
}

NTSTATUS Adapter::Create(NDK_PD** pd) {
  return CreateObject(pd, [&](auto completion, auto context, auto out) {
    return adapter_->Dispatch->NdkCreatePd(adapter_, completion, context, out);
  });
}

NTSTATUS Adapter::CreateCq(NDK_CQ** cq, ULONG depth, NDK_FN_CQ_NOTIFICATION_CALLBACK notified, PVOID owner) {
  GROUP_AFFINITY affinity = {};
  KeQueryNodeActiveAffinity(KeGetCurrentNodeNumber(), &affinity, nullptr);
  return CreateObject(cq, [&](auto completion, auto context, auto out) {
    return adapter_->Dispatch->NdkCreateCq(adapter_, depth, notified, owner, &affinity, completion, context, out);
  });
}

NTSTATUS Adapter::Create(NDK_CONNECTOR** connector) {
  return CreateObject(connector, [&](auto completion, auto context, auto out) {
    return adapter_->Dispatch->NdkCreateConnector(adapter_, completion, context, out);
  });
}

NTSTATUS Adapter::Create(NDK_SHARED_ENDPOINT** endpoint, const SOCKADDR_IN& local) {
  return CreateObject(endpoint, [&](auto completion, auto context, auto out) {
    return adapter_->Dispatch->NdkCreateSharedEndpoint(adapter_, reinterpret_cast<const SOCKADDR*>(&local),
                                                       sizeof(local), completion, context, out);
  });
}

// ---- under a protection domain

NTSTATUS CreateQp(NDK_PD* pd, NDK_CQ* cq, PVOID qp_context, ULONG receives, ULONG initiated, NDK_QP** qp) {
  return CreateObject(qp, [&](auto completion, auto context, auto out) {
    return pd->Dispatch->NdkCreateQp(pd, cq, cq, qp_context, receives, initiated, 1, 1, 0, completion, context, out);
  });
}

NTSTATUS CreateMr(NDK_PD* pd, BOOLEAN fast_register, NDK_MR** mr) {
  return CreateObject(mr, [&](auto completion, auto context, auto out) {
    return pd->Dispatch->NdkCreateMr(pd, fast_register, completion, context, out);
  });
}

NTSTATUS CreateMw(NDK_PD* pd, NDK_MW** mw) {
  return CreateObject(mw, [&](auto completion, auto context, auto out) {
    return pd->Dispatch->NdkCreateMw(pd, completion, context, out);
  });
}

// ---- memory

NTSTATUS RegisteredMemory::Allocate(NDK_PD* pd, ULONG bytes, ULONG flags) {
  bytes_ = AllocatePool<UCHAR>(bytes);
  if (bytes_ == nullptr) return STATUS_INSUFFICIENT_RESOURCES;
  mdl_ = IoAllocateMdl(bytes_, bytes, FALSE, FALSE, nullptr);
  if (mdl_ == nullptr) return STATUS_INSUFFICIENT_RESOURCES;
  MmBuildMdlForNonPagedPool(mdl_);
  NTSTATUS status = CreateMr(pd, FALSE, &mr_);
  if (!NT_SUCCESS(status)) return status;
  Request request;
  status = request.Wait(mr_->Dispatch->NdkRegisterMr(mr_, mdl_, bytes, flags, kCompleted, &request));
  if (NT_SUCCESS(status)) token_ = mr_->Dispatch->NdkGetLocalTokenFromMr(mr_);
  return status;
}

VOID RegisteredMemory::Free() {
  if (token_ != 0) {
    Request request;
    request.Wait(mr_->Dispatch->NdkDeregisterMr(mr_, kCompleted, &request));
    token_ = 0;
  }
  CloseObject(mr_);
  if (mdl_ != nullptr) IoFreeMdl(mdl_);
  FreePool(bytes_);
  mdl_ = nullptr;
  bytes_ = nullptr;
}

NDK_SGE RegisteredMemory::Sge(PVOID address, ULONG bytes) const {
  NDK_SGE sge = {};
  sge.VirtualAddress = address;
  sge.Length = bytes;
  sge.MemoryRegionToken = token_;
  return sge;
}

NTSTATUS MappedMemory::Allocate(Adapter& adapter, ULONG bytes) {
  bytes_ = AllocatePool<UCHAR>(bytes);
  if (bytes_ == nullptr) return STATUS_INSUFFICIENT_RESOURCES;
  PMDL mdl = IoAllocateMdl(bytes_, bytes, FALSE, FALSE, nullptr);
  if (mdl == nullptr) return STATUS_INSUFFICIENT_RESOURCES;
  MmBuildMdlForNonPagedPool(mdl);
  // Ask first, then build.
  NDK_ADAPTER* ndk = adapter.Ndk();
  ULONG lam_bytes = 0;
  NTSTATUS status =
      ndk->Dispatch->NdkBuildLAM(ndk, mdl, bytes, nullptr, nullptr, nullptr, &lam_bytes, &first_byte_offset_);
  if (status == STATUS_BUFFER_TOO_SMALL) {
    lam_ = AllocatePool<NDK_LOGICAL_ADDRESS_MAPPING>(lam_bytes);
    status = lam_ == nullptr ? STATUS_INSUFFICIENT_RESOURCES : STATUS_SUCCESS;
    if (lam_ != nullptr) {
      Request request;
      status = request.Wait(
          ndk->Dispatch->NdkBuildLAM(ndk, mdl, bytes, kCompleted, &request, lam_, &lam_bytes, &first_byte_offset_));
      if (!NT_SUCCESS(status)) {
        FreePool(lam_);
        lam_ = nullptr;
      }
    }
  }
  IoFreeMdl(mdl);
  return status;
}

VOID MappedMemory::Free(Adapter& adapter) {
  if (lam_ != nullptr) adapter.Ndk()->Dispatch->NdkReleaseLAM(adapter.Ndk(), lam_);
  FreePool(lam_);
  FreePool(bytes_);
  lam_ = nullptr;
  bytes_ = nullptr;
}
