#include "provider/mr.h"

#include "provider/dispatch.h"
#include "provider/status.h"

namespace softndk::provider {
namespace {

constexpr ULONG kFlagsDefined = 0xf;

rdma::AccessRights rights_of(ULONG flags) {
  // REMOTE_WRITE has LOCAL_WRITE's bit in it (R-MR-06). A sink for reads is written to (R-MR-09); where sinks need no
  // announcement the flag has no effect of its own (R-MR-08), so its absence takes nothing away.
  rdma::AccessRights rights;
  rights.local_write = (flags & (NDK_MR_FLAG_ALLOW_LOCAL_WRITE | NDK_MR_FLAG_RDMA_READ_SINK)) != 0;
  rights.remote_read = (flags & NDK_MR_FLAG_ALLOW_REMOTE_READ) != 0;
  rights.remote_write = (flags & NDK_MR_FLAG_ALLOW_REMOTE_WRITE) == NDK_MR_FLAG_ALLOW_REMOTE_WRITE;
  rights.read_sink = (flags & NDK_MR_FLAG_RDMA_READ_SINK) != 0;
  return rights;
}

}  // namespace

const ObjectType Mr::kType = {
    .name = "mr",
    .ndk_type = NdkObjectTypeMr,
    .begin_close = [](Object&) noexcept {},
    .retire = Mr::retire,
    .destroy = [](Object& object) noexcept { Owned<Mr> gone(static_cast<Mr*>(&object)); },
    .describe = Mr::describe,
};

AnyMr::AnyMr(const ObjectType& type, Pd& pd, bool is_fast) noexcept
    : NDK_MR{}, Object(type, pd.adapter()), is_fast_(is_fast) {
  init_header(Header, NdkObjectTypeMr, pd.adapter().version());
  Dispatch = &kMrDispatch;
  hold_antecedent(pd);
}

Mr::Mr(Pd& pd, InstanceCount::Ticket ticket) noexcept : AnyMr(kType, pd, false), ticket_(std::move(ticket)) {}

expected<NDK_MR*, NTSTATUS> Mr::create(Pd& pd) noexcept {
  InstanceCount::Ticket ticket = pd.adapter().miniport().mrs.take();
  if (!ticket) return unexpected(STATUS_INSUFFICIENT_RESOURCES);
  Owned<Mr> mr = try_make<Mr>(pd, std::move(ticket));
  if (mr == nullptr) return unexpected(STATUS_INSUFFICIENT_RESOURCES);
  auto device = pd.device().create_region();
  if (!device) return unexpected(to_ntstatus(device.error()));
  mr->device_ = std::move(*device);
  return mr.release();
}

bool Mr::claim(State from, State to) noexcept {
  return state_.compare_exchange_strong(from, to);
}

expected<void, NTSTATUS> Mr::enable(const MDL* mdl, SIZE_T length_bytes, ULONG flags) noexcept {
  const auto measure = ntrt::measure_mdl_chain(mdl, length_bytes);
  if (!measure) return unexpected(STATUS_INVALID_PARAMETER);  // measured before: the chain changed meanwhile
  const std::size_t bytes = measure->extent_count * sizeof(rdma::MemoryExtent);
  Owned<rdma::MemoryExtent> extents(static_cast<rdma::MemoryExtent*>(try_allocate(bytes)));
  if (extents == nullptr) return unexpected(STATUS_INSUFFICIENT_RESOURCES);
  std::size_t count = 0;
  ntrt::for_each_mdl_extent(mdl, length_bytes, [&](std::uint8_t* data, std::size_t extent_bytes) {
    extents.get()[count++] = {data, extent_bytes};
  });
  const auto enabled = device_->enable(measure->base_address, {extents.get(), count}, rights_of(flags));
  if (!enabled) return unexpected(to_ntstatus(enabled.error()));
  return {};
}

NTSTATUS Mr::register_chain(const MDL* mdl, SIZE_T length_bytes, ULONG flags, NDK_FN_REQUEST_COMPLETION completion,
                            PVOID context) noexcept {
  if ((flags & ~kFlagsDefined) != 0) return STATUS_INVALID_PARAMETER;
  if (length_bytes > adapter().info().MaxRegistrationSize) return STATUS_INVALID_PARAMETER;
  if (!ntrt::measure_mdl_chain(mdl, length_bytes)) return STATUS_INVALID_PARAMETER;
  if (!claim(State::idle, State::registering)) return STATUS_INVALID_DEVICE_REQUEST;
  local_write_ = rights_of(flags).local_write;
  request_.begin(pending_calls::kRegisterMr, completion, context);
  const auto enabled = enable(mdl, length_bytes, flags);
  return request_.settle(CompletionKind::local_request, enabled ? STATUS_SUCCESS : enabled.error());
}

NTSTATUS Mr::deregister(NDK_FN_REQUEST_COMPLETION completion, PVOID context) noexcept {
  if (!claim(State::registered, State::deregistering)) return STATUS_INVALID_DEVICE_REQUEST;
  if (references(RefReason::binding) != 0) {  // R-MR-12
    state_.store(State::registered);
    return STATUS_INVALID_DEVICE_STATE;
  }
  request_.begin(pending_calls::kDeregisterMr, completion, context);
  Ref<Mr> alive(*this, RefReason::callback);  // on_deregistered() may end everything while disable() returns
  if (device_->disable(sink_)) return request_.settle(CompletionKind::local_request, STATUS_SUCCESS);
  return STATUS_PENDING;
}

void Mr::deregistered() noexcept {
  if (state_.load() == State::deregistering) {
    // Never inside the call that let the last access go: that may be a post, or a poll under the consumer's own lock.
    request_.end_later(STATUS_SUCCESS);
  } else {
    retired();
  }
}

NTSTATUS Mr::conclude(Object& object, NTSTATUS status) noexcept {
  Mr& self = static_cast<Mr&>(object);
  const bool registered = self.state_.load() == State::registering && NT_SUCCESS(status);
  self.state_.store(registered ? State::registered : State::idle);
  return status;
}

void Mr::retire(Object& object) noexcept {
  // R-CLS-23. No request is pending any more: each held a reference.
  Mr& self = static_cast<Mr&>(object);
  if (!self.device_->is_enabled() || self.device_->disable(self.sink_)) self.retired();
}

void Mr::describe(const Object& object, ntrt::NodeText& to) noexcept {
  const auto& self = static_cast<const Mr&>(object);
  switch (self.state_.load()) {
    case State::idle:
      return to.add(", not registered");
    case State::registering:
      return to.add(", being registered");
    case State::registered:
      return to.add(", registered, tokens 0x%x (local) and 0x%x (remote)", self.device_->local_token(),
                    self.device_->remote_token());
    case State::deregistering:
      return to.add(", being deregistered");
  }
}

UINT32 Mr::local_token() const noexcept {
  return state_.load() == State::registered ? device_->local_token() : 0;
}

UINT32 Mr::remote_token() const noexcept {
  return state_.load() == State::registered ? device_->remote_token() : 0;
}

}  // namespace softndk::provider
