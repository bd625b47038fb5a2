#include "provider/fast_mr.h"

#include "provider/status.h"

namespace softndk::provider {

const ObjectType FastMr::kType = {
    .name = "mr",
    .ndk_type = NdkObjectTypeMr,
    .begin_close = [](Object&) noexcept {},
    // R-CLS-23. No work on it is posted any more: each held a reference.
    .retire = [](Object& object) noexcept { static_cast<FastMr&>(object).device_->close(); },
    .destroy = [](Object& object) noexcept { Owned<FastMr> gone(static_cast<FastMr*>(&object)); },
    .describe =
        [](const Object& object, ntrt::NodeText& to) noexcept {
          const auto& self = static_cast<const FastMr&>(object);
          to.add(", for fast registration");
          if (self.is_initialized()) to.add(" of up to %u pages, token 0x%x", self.page_count(), self.token());
        },
};

FastMr::FastMr(Pd& pd, InstanceCount::Ticket ticket) noexcept : AnyMr(kType, pd, true), ticket_(std::move(ticket)) {}

expected<NDK_MR*, NTSTATUS> FastMr::create(Pd& pd) noexcept {
  InstanceCount::Ticket ticket = pd.adapter().miniport().mrs.take();
  if (!ticket) return unexpected(STATUS_INSUFFICIENT_RESOURCES);
  Owned<FastMr> mr = try_make<FastMr>(pd, std::move(ticket));
  if (mr == nullptr) return unexpected(STATUS_INSUFFICIENT_RESOURCES);
  auto device = pd.device().create_fast_region(mr->sink_);
  if (!device) return unexpected(to_ntstatus(device.error()));
  mr->device_ = std::move(*device);
  return mr.release();
}

NTSTATUS FastMr::initialize(ULONG page_count, bool remote_access, NDK_FN_REQUEST_COMPLETION completion,
                            PVOID context) noexcept {
  if (page_count == 0) return STATUS_INVALID_PARAMETER;
  if (page_count > adapter().miniport().caps().fast_register_pages_max) return STATUS_IMPLEMENTATION_LIMIT;
  State before = state_.load();
  State during;
  do {
    if (before == State::initializing || before == State::reinitializing) return STATUS_INVALID_DEVICE_REQUEST;
    during = before == State::idle ? State::initializing : State::reinitializing;
  } while (!state_.compare_exchange_weak(before, during));
  request_.begin(pending_calls::kInitializeFastMr, completion, context);
  const auto initialized = device_->initialize(page_count);
  if (initialized) {
    page_count_ = page_count;
    remote_access_ = remote_access;
  }
  return request_.settle(CompletionKind::local_request,
                         initialized ? STATUS_SUCCESS : to_ntstatus(initialized.error()));
}

NTSTATUS FastMr::conclude(Object& object, NTSTATUS status) noexcept {
  FastMr& self = static_cast<FastMr&>(object);
  const bool never = self.state_.load() == State::initializing && !NT_SUCCESS(status);
  self.state_.store(never ? State::idle : State::initialized);
  return status;
}

}  // namespace softndk::provider
