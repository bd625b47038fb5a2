// The functions in a protection domain's dispatch table.
#include "provider/api.h"
#include "provider/dispatch.h"
#include "provider/fast_mr.h"
#include "provider/mr.h"
#include "provider/mw.h"
#include "provider/pd.h"
#include "provider/qp.h"

namespace softndk::provider {
namespace {

Pd& ours(NDK_PD* pd) noexcept {
  return *static_cast<Pd*>(pd);
}

NTSTATUS create_mr(NDK_PD* pd, BOOLEAN fast_register, NDK_FN_CREATE_COMPLETION completion, PVOID context,
                   NDK_MR** mr) noexcept {
  enter("NdkCreateMr");
  Pd& self = ours(pd);
  if (completion == nullptr || mr == nullptr) return STATUS_INVALID_PARAMETER;
  if (fast_register && self.adapter().miniport().caps().fast_register_pages_max == 0) return STATUS_NOT_SUPPORTED;
  if (const NTSTATUS status = self.adapter().check_creatable(); !NT_SUCCESS(status)) return status;
  return create({self, {}, completion, context}, mr,
                [&] { return fast_register ? FastMr::create(self) : Mr::create(self); });
}

NTSTATUS create_mw(NDK_PD* pd, NDK_FN_CREATE_COMPLETION completion, PVOID context, NDK_MW** mw) noexcept {
  enter("NdkCreateMw");
  Pd& self = ours(pd);
  if (completion == nullptr || mw == nullptr) return STATUS_INVALID_PARAMETER;
  if (!self.adapter().miniport().caps().memory_windows) return STATUS_NOT_SUPPORTED;
  if (const NTSTATUS status = self.adapter().check_creatable(); !NT_SUCCESS(status)) return status;
  return create({self, {}, completion, context}, mw, [&] { return Mw::create(self); });
}

NTSTATUS create_srq(NDK_PD* pd, ULONG depth, ULONG sge_max, ULONG threshold,
                    NDK_FN_SRQ_NOTIFICATION_CALLBACK notification, PVOID notification_context, GROUP_AFFINITY* affinity,
                    NDK_FN_CREATE_COMPLETION completion, PVOID context, NDK_SRQ** srq) noexcept {
  enter("NdkCreateSrq");
  Pd& self = ours(pd);
  if (completion == nullptr || srq == nullptr) return STATUS_INVALID_PARAMETER;
  const NDK_ADAPTER_INFO& info = self.adapter().info();
  if (info.MaxSrqDepth == 0) return STATUS_NOT_SUPPORTED;  // R-QAI-10
  if (depth == 0 || depth > info.MaxSrqDepth || sge_max > info.MaxReceiveRequestSge) {
    return STATUS_INVALID_PARAMETER;  // R-SRQ-01, R-SRQ-02
  }
  if (const NTSTATUS status = self.adapter().check_creatable(); !NT_SUCCESS(status)) return status;
  const rdma::SrqParameters parameters{
      .depth = depth,
      .sge_max = sge_max,
      .threshold = threshold,
      .affinity_mask = affinity != nullptr && affinity->Group == 0 ? affinity->Mask : 0,
  };
  return create({self, {}, completion, context}, srq,
                [&] { return Srq::create(self, parameters, notification, notification_context); });
}

NTSTATUS create_qp(NDK_PD* pd, NDK_CQ* receive_cq, NDK_CQ* initiator_cq, PVOID qp_context, ULONG receive_depth,
                   ULONG initiator_depth, ULONG receive_sge_max, ULONG initiator_sge_max, ULONG inline_bytes_max,
                   NDK_FN_CREATE_COMPLETION completion, PVOID context, NDK_QP** qp) noexcept {
  enter("NdkCreateQp");
  Pd& self = ours(pd);
  if (completion == nullptr || qp == nullptr || receive_cq == nullptr || initiator_cq == nullptr) {
    return STATUS_INVALID_PARAMETER;
  }
  const NDK_ADAPTER_INFO& info = self.adapter().info();
  if (receive_depth > info.MaxReceiveQueueDepth || initiator_depth > info.MaxInitiatorQueueDepth ||
      receive_sge_max > info.MaxReceiveRequestSge || initiator_sge_max > info.MaxInitiatorRequestSge ||
      inline_bytes_max > info.MaxInlineDataSize) {
    return STATUS_INVALID_PARAMETER;  // R-QP-01
  }
  Cq& receive = *static_cast<Cq*>(receive_cq);
  Cq& initiator = *static_cast<Cq*>(initiator_cq);
  if (&receive.adapter() != &self.adapter() || &initiator.adapter() != &self.adapter()) {
    return STATUS_INVALID_PARAMETER;  // R-OBJ-14
  }
  if (const NTSTATUS status = self.adapter().check_creatable(); !NT_SUCCESS(status)) return status;
  const QpLimits limits{receive_depth, initiator_depth, receive_sge_max, initiator_sge_max, inline_bytes_max};
  return create({self, {&receive, &initiator}, completion, context}, qp,
                [&] { return Qp::create(self, receive, initiator, nullptr, qp_context, limits); });
}

NTSTATUS create_qp_with_srq(NDK_PD* pd, NDK_CQ* receive_cq, NDK_CQ* initiator_cq, NDK_SRQ* srq, PVOID qp_context,
                            ULONG initiator_depth, ULONG initiator_sge_max, ULONG inline_bytes_max,
                            NDK_FN_CREATE_COMPLETION completion, PVOID context, NDK_QP** qp) noexcept {
  enter("NdkCreateQpWithSrq");
  Pd& self = ours(pd);
  const NDK_ADAPTER_INFO& info = self.adapter().info();
  if (info.MaxSrqDepth == 0) return STATUS_NOT_SUPPORTED;  // R-QAI-10
  if (completion == nullptr || qp == nullptr || receive_cq == nullptr || initiator_cq == nullptr || srq == nullptr) {
    return STATUS_INVALID_PARAMETER;
  }
  if (initiator_depth > info.MaxInitiatorQueueDepth || initiator_sge_max > info.MaxInitiatorRequestSge ||
      inline_bytes_max > info.MaxInlineDataSize) {
    return STATUS_INVALID_PARAMETER;  // R-QP-01
  }
  Cq& receive = *static_cast<Cq*>(receive_cq);
  Cq& initiator = *static_cast<Cq*>(initiator_cq);
  Srq& shared = *static_cast<Srq*>(srq);
  if (&receive.adapter() != &self.adapter() || &initiator.adapter() != &self.adapter() || &shared.pd() != &self) {
    return STATUS_INVALID_PARAMETER;  // R-OBJ-14
  }
  if (const NTSTATUS status = self.adapter().check_creatable(); !NT_SUCCESS(status)) return status;
  const QpLimits limits{0, initiator_depth, 0, initiator_sge_max, inline_bytes_max};
  return create({self, {&receive, &initiator, &shared}, completion, context}, qp,
                [&] { return Qp::create(self, receive, initiator, &shared, qp_context, limits); });
}

/// R-PTK-02.
void get_privileged_token(NDK_PD* pd, UINT32* token) noexcept {
  enter("NdkGetPrivilegedMemoryRegionToken");
  if (token != nullptr) *token = ours(pd).device().privileged_token();
}

}  // namespace

const NDK_PD_DISPATCH kPdDispatch = {
    .NdkClosePd = close_object<NDK_PD, Pd>,
    .NdkQueryExtension = query_extension,
    .NdkCreateMr = create_mr,
    .NdkCreateMw = create_mw,
    .NdkCreateSrq = create_srq,
    .NdkCreateQp = create_qp,
    .NdkCreateQpWithSrq = create_qp_with_srq,
    .NdkGetPrivilegedMemoryRegionToken = get_privileged_token,
};

}  // namespace softndk::provider
