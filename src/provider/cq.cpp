#include "provider/cq.h"

#include <algorithm>
#include <array>

#include "ntrt/irql.h"
#include "provider/dispatch.h"
#include "provider/status.h"
#include "provider/work_translation.h"

namespace softndk::provider {

const ObjectType Cq::kType = {
    .name = "cq",
    .ndk_type = NdkObjectTypeCq,
    .begin_close = [](Object&) noexcept {},  // R-CLS-08: its queue pairs go on using it
    .retire = Cq::retire,
    .destroy = [](Object& object) noexcept { Owned<Cq> gone(static_cast<Cq*>(&object)); },
    .describe =
        [](const Object& object, ntrt::NodeText& to) noexcept {
          const auto& self = static_cast<const Cq&>(object);
          to.add(", depth %u", self.device_->depth());
          if (self.notification_ == nullptr) to.add(", without a notification callback");
        },
};

Cq::Cq(Adapter& adapter, InstanceCount::Ticket ticket, NDK_FN_CQ_NOTIFICATION_CALLBACK notification,
       PVOID context) noexcept
    : NDK_CQ{}, Object(kType, adapter), ticket_(std::move(ticket)), notification_(notification), context_(context) {
  init_header(Header, NdkObjectTypeCq, adapter.version());
  Dispatch = &kCqDispatch;
  hold_antecedent(adapter);
}

expected<NDK_CQ*, NTSTATUS> Cq::create(Adapter& adapter, std::uint32_t depth, std::uint64_t affinity_mask,
                                       NDK_FN_CQ_NOTIFICATION_CALLBACK notification, PVOID context) noexcept {
  InstanceCount::Ticket ticket = adapter.miniport().cqs.take();
  if (!ticket) return unexpected(STATUS_INSUFFICIENT_RESOURCES);
  Owned<Cq> cq = try_make<Cq>(adapter, std::move(ticket), notification, context);
  if (cq == nullptr) return unexpected(STATUS_INSUFFICIENT_RESOURCES);
  auto device = adapter.device().create_cq({.depth = depth, .affinity_mask = affinity_mask}, cq->sink_);
  if (!device) return unexpected(to_ntstatus(device.error()));
  cq->device_ = std::move(*device);
  return cq.release();
}

void Cq::retire(Object& object) noexcept {
  static_cast<Cq&>(object).device_->close();  // drops unread completions (R-CLS-22)
}

void Cq::arm(ULONG type) noexcept {
  if (notification_ == nullptr) return;  // R-ARM-22
  switch (type) {
    case NDK_CQ_NOTIFY_ERRORS:
      device_->arm(rdma::CqNotify::errors);
      return;
    case NDK_CQ_NOTIFY_ANY:
      device_->arm(rdma::CqNotify::any);
      return;
    case NDK_CQ_NOTIFY_SOLICITED:
      device_->arm(rdma::CqNotify::solicited);
      return;
    default:
      return;
  }
}

NTSTATUS Cq::resize(ULONG depth, NDK_FN_REQUEST_COMPLETION completion, PVOID context) noexcept {
  if (!adapter().miniport().caps().cq_resize) return STATUS_NOT_SUPPORTED;
  if (depth == 0 || depth > adapter().info().MaxCqDepth) return STATUS_INVALID_PARAMETER;
  // Until its callback has returned it holds the close up (R-CQ-10).
  return request(*this, CompletionKind::local_request, completion, context, [&]() -> NTSTATUS {
    const auto resized = device_->resize(depth);
    return resized ? STATUS_SUCCESS : to_ntstatus(resized.error());
  });
}

NTSTATUS Cq::moderate(ULONG interval_us, ULONG count) noexcept {
  static_assert(rdma::CqModeration::kUnbounded == MAXULONG);
  if (!adapter().miniport().caps().cq_moderation) return STATUS_NOT_SUPPORTED;
  const bool is_counted = count != MAXULONG && count <= device_->depth();  // R-MOD-05, R-MOD-06
  if (interval_us == MAXULONG && !is_counted) return STATUS_INVALID_PARAMETER_MIX;
  device_->moderate({.interval_us = interval_us, .count = count});
  return STATUS_SUCCESS;
}

void Cq::notify(rdma::CqHealth health) noexcept {
  if (notification_ == nullptr) return;
  // No callback begins after the close was called; one that runs then holds the close up (R-ARM-21).
  if (!try_add_ref(RefReason::callback)) return;
  {
    ntrt::IrqlScope dispatch(ntrt::kDispatchLevel, "CqNotification", reinterpret_cast<const void*>(notification_));
    notification_(context_, to_ntstatus(health));
  }
  release(RefReason::callback);
}

template <class Result, class Translate>
ULONG Cq::take(std::span<Result> results, Translate&& translate_one) noexcept {
  std::array<rdma::Completion, 32> batch;
  std::size_t taken = 0;
  while (taken < results.size()) {
    const std::size_t wanted = std::min(batch.size(), results.size() - taken);
    const std::size_t got = device_->poll({batch.data(), wanted});
    for (std::size_t i = 0; i < got; ++i)
      translate_one(batch[i], results[taken + i]);
    taken += got;
    if (got < wanted) break;
  }
  return static_cast<ULONG>(taken);
}

ULONG Cq::results(std::span<NDK_RESULT> results) noexcept {
  return take(results, [](const rdma::Completion& from, NDK_RESULT& to) { translate(from, to); });
}

ULONG Cq::results(std::span<NDK_RESULT_EX> results) noexcept {
  const NDK_VERSION version = adapter().version();
  return take(results, [version](const rdma::Completion& from, NDK_RESULT_EX& to) { translate(from, to, version); });
}

}  // namespace softndk::provider
