#include "provider/srq.h"

#include "ntrt/irql.h"
#include "provider/dispatch.h"
#include "provider/status.h"
#include "provider/work_translation.h"

namespace softndk::provider {

const ObjectType Srq::kType = {
    .name = "srq",
    .ndk_type = NdkObjectTypeSrq,
    .begin_close = [](Object&) noexcept {},  // R-CLS-08: its queue pairs go on using it
    .retire = [](Object& object) noexcept { static_cast<Srq&>(object).device_->close(); },  // R-CLS-25
    .destroy = [](Object& object) noexcept { Owned<Srq> gone(static_cast<Srq*>(&object)); },
};

Srq::Srq(Pd& pd, InstanceCount::Ticket ticket, NDK_FN_SRQ_NOTIFICATION_CALLBACK notification, PVOID context) noexcept
    : NDK_SRQ{},
      Object(kType, pd.adapter()),
      pd_(pd),
      ticket_(std::move(ticket)),
      notification_(notification),
      context_(context) {
  init_header(Header, NdkObjectTypeSrq, pd.adapter().version());
  Dispatch = &kSrqDispatch;
  hold_antecedent(pd);
}

expected<NDK_SRQ*, NTSTATUS> Srq::create(Pd& pd, const rdma::SrqParameters& parameters,
                                         NDK_FN_SRQ_NOTIFICATION_CALLBACK notification, PVOID context) noexcept {
  InstanceCount::Ticket ticket = pd.adapter().miniport().srqs.take();
  if (!ticket) return unexpected(STATUS_INSUFFICIENT_RESOURCES);
  Owned<Srq> srq = try_make<Srq>(pd, std::move(ticket), notification, context);
  if (srq == nullptr) return unexpected(STATUS_INSUFFICIENT_RESOURCES);
  auto device = pd.adapter().device().create_srq(pd.device(), parameters, srq->sink_);
  if (!device) return unexpected(to_ntstatus(device.error()));
  srq->device_ = std::move(*device);
  return srq.release();
}

NTSTATUS Srq::post_receive(PVOID context, const NDK_SGE* sges, ULONG count) noexcept {
  if (sges == nullptr && count != 0) return STATUS_INVALID_PARAMETER;
  SgeList list;
  if (!list.translate(sges, count)) return STATUS_DATA_OVERRUN;
  const auto posted = device_->post_receive({.context = context, .sges = list.entries()});
  return posted ? STATUS_SUCCESS : to_ntstatus(posted.error());
}

NTSTATUS Srq::modify(ULONG depth, ULONG threshold, NDK_FN_REQUEST_COMPLETION completion, PVOID context) noexcept {
  if (depth > adapter().info().MaxSrqDepth) return STATUS_INVALID_PARAMETER;
  return request(*this, CompletionKind::local_request, completion, context, [&]() -> NTSTATUS {
    const auto modified = device_->modify(depth, threshold);
    return modified ? STATUS_SUCCESS : to_ntstatus(modified.error());
  });
}

void Srq::notify(bool failed) noexcept {
  // The device says when; a failure is told once, whatever is armed (R-SRQ-11).
  if (notification_ == nullptr || (failed && failure_told_.exchange(true))) return;
  if (!try_add_ref(RefReason::callback)) return;  // none begins after the close was called
  {
    ntrt::IrqlScope dispatch(ntrt::kDispatchLevel, "SrqNotification", reinterpret_cast<const void*>(notification_));
    notification_(context_, failed ? STATUS_INTERNAL_ERROR : STATUS_SUCCESS);
  }
  release(RefReason::callback);
}

}  // namespace softndk::provider
