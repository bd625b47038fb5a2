#include "tools/common/ndk_queues.h"

#include <fmt/format.h>
#include <sched.h>

namespace softndk::tools {
namespace {

Result<void> posted(const char* call, NTSTATUS status) {
  if (status == STATUS_SUCCESS) return {};
  const char* const rule = status == STATUS_CONNECTION_INVALID       ? "R-WR-08"
                           : status == STATUS_INSUFFICIENT_RESOURCES ? "R-WR-12"
                           : status == STATUS_INVALID_DEVICE_REQUEST ? "R-RL-05"
                                                                     : "";
  return tl::unexpected(provider_failure(call, status, "queue pair", rule));
}

}  // namespace

VOID Cq::notified(PVOID context, NTSTATUS status) {
  auto* cq = static_cast<Cq*>(context);
  if (status != STATUS_SUCCESS) cq->status_.store(status, std::memory_order_release);
  cq->event_.set();
}

Result<std::unique_ptr<Cq>> Cq::create(const Adapter& adapter, ULONG depth) {
  auto cq = std::make_unique<Cq>();
  cq->name_ = fmt::format("completion queue of depth {}", depth);
  const NTSTATUS status = cq->Object::create([&](auto completion, PVOID context, NDK_CQ** out) {
    return adapter.get()->Dispatch->NdkCreateCq(adapter.get(), depth, &Cq::notified, cq.get(), nullptr, completion,
                                                context, out);
  });
  if (!NT_SUCCESS(status)) return tl::unexpected(provider_failure("NdkCreateCq", status, cq->name_, "R-CQ-01"));
  return cq;
}

std::size_t Cq::poll(std::span<NDK_RESULT_EX> results) {
  return get()->Dispatch->NdkGetCqResultsEx(get(), results.data(), static_cast<ULONG>(results.size()));
}

void Cq::wake() {
  woken_.store(true);
  event_.set();
}

Result<std::size_t> Cq::wait(std::span<NDK_RESULT_EX> results, WaitMode mode, const Deadline& deadline,
                             const char* waiting_for) {
  for (unsigned attempt = 1;; ++attempt) {
    if (const std::size_t count = poll(results)) return count;
    if (take_wake()) return 0;
    if (mode == WaitMode::polled) {
      if (attempt % 1024 != 0) continue;
      if (deadline.passed()) return tl::unexpected(limit_passed(waiting_for, name_, deadline.limit_s()));
      sched_yield();  // with fewer processors than pollers the peer must get its turn
      continue;
    }
    // Arm, then look once more. A completion placed before the arm need not notify if an earlier callback had it in
    // view already (R-ARM-07), and that callback's signal may be the one cleared here.
    event_.clear();
    if (take_wake()) return 0;
    get()->Dispatch->NdkArmCq(get(), NDK_CQ_NOTIFY_ANY);
    if (const std::size_t count = poll(results)) return count;
    if (!event_.wait(deadline)) return tl::unexpected(limit_passed(waiting_for, name_, deadline.limit_s()));
    if (const NTSTATUS status = status_.load(std::memory_order_acquire); status != STATUS_SUCCESS)
      return tl::unexpected(provider_failure("the notification", status, name_, "R-ARM-16"));
  }
}

Result<std::unique_ptr<Qp>> Qp::create(const Adapter& adapter, const Pd& pd, const Cq& cq, const QpShape& shape,
                                       void* qp_context) {
  auto qp = std::make_unique<Qp>();
  const NTSTATUS status = qp->Object::create([&](auto completion, PVOID context, NDK_QP** out) {
    return pd.get()->Dispatch->NdkCreateQp(pd.get(), cq.get(), cq.get(), qp_context, shape.receive_depth,
                                           shape.initiator_depth, 1, 1, shape.inline_bytes, completion, context, out);
  });
  if (!NT_SUCCESS(status)) return tl::unexpected(provider_failure("NdkCreateQp", status, adapter.name()));
  return qp;
}

Result<void> Qp::receive(void* context, const NDK_SGE& sge) {
  return posted("NdkReceive", get()->Dispatch->NdkReceive(get(), context, &sge, 1));
}

Result<void> Qp::send(void* context, const NDK_SGE& sge, ULONG flags) {
  return posted("NdkSend", get()->Dispatch->NdkSend(get(), context, &sge, 1, flags));
}

Result<void> Qp::read(void* context, const NDK_SGE& sink, UINT64 remote_address, UINT32 remote_token, ULONG flags) {
  return posted("NdkRead", get()->Dispatch->NdkRead(get(), context, &sink, 1, remote_address, remote_token, flags));
}

Result<void> Qp::send_and_invalidate(void* context, const NDK_SGE& sge, UINT32 remote_token, ULONG flags) {
  return posted("NdkSendAndInvalidate",
                get()->Dispatch->NdkSendAndInvalidate(get(), context, &sge, 1, flags, remote_token));
}

Result<void> Qp::bind(void* context, const Region& region, const Window& window, std::size_t bytes, ULONG flags) {
  return posted("NdkBind", get()->Dispatch->NdkBind(get(), context, region.get(), window.get(), region.memory().data(),
                                                    bytes, flags));
}

Result<void> Qp::invalidate(void* context, const Window& window, ULONG flags) {
  return posted("NdkInvalidate", get()->Dispatch->NdkInvalidate(get(), context, &window.get()->Header, flags));
}

Result<void> Qp::write(void* context, const NDK_SGE& source, UINT64 remote_address, UINT32 remote_token, ULONG flags) {
  return posted("NdkWrite", get()->Dispatch->NdkWrite(get(), context, &source, 1, remote_address, remote_token, flags));
}

}  // namespace softndk::tools
