#include "provider/qp.h"

#include "provider/dispatch.h"
#include "provider/fast_mr.h"
#include "provider/mw.h"
#include "provider/status.h"

namespace softndk::provider {

const ObjectType Qp::kType = {
    .name = "qp",
    .ndk_type = NdkObjectTypeQp,
    // Cancels at once what is outstanding, although a connector over it may keep the close waiting (R-CLS-05).
    .begin_close = [](Object& object) noexcept { static_cast<Qp&>(object).flush(); },
    // No connector is bound any more. The device's last event comes when every request has its entry (R-CLS-21).
    .retire = [](Object& object) noexcept { static_cast<Qp&>(object).device_->close(); },
    .destroy = [](Object& object) noexcept { Owned<Qp> gone(static_cast<Qp*>(&object)); },
    .describe =
        [](const Object& object, ntrt::NodeText& to) noexcept {
          const auto& self = static_cast<const Qp&>(object);
          const rdma::QpUse use = self.device_->use();
          to.add(", %llu initiator requests and %llu receives outstanding",
                 static_cast<unsigned long long>(use.initiator_requests),
                 static_cast<unsigned long long>(use.receives));
          to.add(self.bound_.load() ? ", has a connector" : ", no connector");
          self.describe_antecedents(to);
        },
};

Qp::Qp(Pd& pd, Cq& receive_cq, Cq& initiator_cq, Srq* srq, InstanceCount::Ticket ticket) noexcept
    : NDK_QP{}, Object(kType, pd.adapter()), ticket_(std::move(ticket)), has_srq_(srq != nullptr) {
  init_header(Header, NdkObjectTypeQp, pd.adapter().version());
  Dispatch = &kQpDispatch;
  hold_antecedent(pd);
  hold_antecedent(receive_cq);
  hold_antecedent(initiator_cq);
  if (srq != nullptr) hold_antecedent(*srq);
}

expected<NDK_QP*, NTSTATUS> Qp::create(Pd& pd, Cq& receive_cq, Cq& initiator_cq, Srq* srq, PVOID context,
                                       const QpLimits& limits) noexcept {
  InstanceCount::Ticket ticket = pd.adapter().miniport().qps.take();
  if (!ticket) return unexpected(STATUS_INSUFFICIENT_RESOURCES);
  Owned<Qp> qp = try_make<Qp>(pd, receive_cq, initiator_cq, srq, std::move(ticket));
  if (qp == nullptr) return unexpected(STATUS_INSUFFICIENT_RESOURCES);
  auto device = pd.adapter().device().create_qp(pd.device(),
                                                {.receive_cq = &receive_cq.device(),
                                                 .initiator_cq = &initiator_cq.device(),
                                                 .srq = srq != nullptr ? &srq->device() : nullptr,
                                                 .context = context,
                                                 .receive_depth = limits.receive_depth,
                                                 .initiator_depth = limits.initiator_depth,
                                                 .receive_sge_max = limits.receive_sge_max,
                                                 .initiator_sge_max = limits.initiator_sge_max,
                                                 .inline_bytes_max = limits.inline_bytes_max},
                                                qp->sink_);
  if (!device) return unexpected(to_ntstatus(device.error()));
  qp->device_ = std::move(*device);
  return qp.release();
}

NTSTATUS Qp::refuse_post(NTSTATUS status) noexcept {
  device_->start_deferred();
  return status;
}

NTSTATUS Qp::post(rdma::Operation operation, PVOID context, const NDK_SGE* sges, ULONG count, UINT64 remote_address,
                  UINT32 remote_token, ULONG flags) noexcept {
  const auto work_flags = translate_flags(flags, operation, adapter().version(), adapter().miniport().caps());
  if (!work_flags || (sges == nullptr && count != 0)) return refuse_post(STATUS_INVALID_PARAMETER);
  // R-QAI-08: the adapter's, as it is reported; the device may have more.
  if (operation == rdma::Operation::read && count > adapter().miniport().caps().read_sge_max)
    return refuse_post(STATUS_DATA_OVERRUN);
  SgeList list;
  if (!list.translate(sges, count)) {
    const bool collected = work_flags->inline_data && list.collect_inline(sges, count);
    if (!collected) return refuse_post(STATUS_DATA_OVERRUN);  // R-WR-14, R-INL-04
  }
  const auto posted = device_->post_send({.operation = operation,
                                          .flags = *work_flags,
                                          .context = context,
                                          .sges = list.entries(),
                                          .remote_address = remote_address,
                                          .remote_token = remote_token});
  return posted ? STATUS_SUCCESS : to_ntstatus(posted.error());  // the device starts what was deferred if it refuses
}

NTSTATUS Qp::post_bind(PVOID context, AnyMr& region, Mw& window, PVOID address, SIZE_T length_bytes,
                       ULONG flags) noexcept {
  rdma::AccessRights rights;
  rights.remote_read = (flags & NDK_OP_FLAG_ALLOW_REMOTE_READ) != 0;
  rights.remote_write = (flags & NDK_OP_FLAG_ALLOW_REMOTE_WRITE) == NDK_OP_FLAG_ALLOW_REMOTE_WRITE;  // C-79
  const SIZE_T length_max = adapter().info().MaxWindowSize;
  if ((!rights.remote_read && !rights.remote_write) || length_bytes == 0 ||
      (length_max != 0 && length_bytes > length_max))
    return refuse_post(STATUS_INVALID_PARAMETER);                           // R-MW-04
  Mr* registered = region.is_fast() ? nullptr : static_cast<Mr*>(&region);  // R-MW-07: not on the other kind
  if (rights.remote_write && registered != nullptr && !registered->grants_remote_write())
    return refuse_post(STATUS_ACCESS_VIOLATION);
  return post_window_work(rdma::Operation::bind, context, flags, &region, window,
                          {.window = &window.device(),
                           .region = registered != nullptr ? &registered->device() : nullptr,
                           .region_owner = &region,
                           .address = reinterpret_cast<std::uint64_t>(address),
                           .length_bytes = length_bytes,
                           .rights = rights});
}

NTSTATUS Qp::post_invalidate(PVOID context, Mw& window, ULONG flags) noexcept {
  return post_window_work(rdma::Operation::invalidate, context, flags, nullptr, window, {.window = &window.device()});
}

NTSTATUS Qp::post_fast_register(PVOID context, FastMr& region, const rdma::PageAddresses& pages,
                                ULONG first_byte_offset, SIZE_T length_bytes, PVOID address, ULONG flags) noexcept {
  const auto base = reinterpret_cast<std::uint64_t>(address);
  if (!region.is_initialized()) return refuse_post(STATUS_INVALID_DEVICE_REQUEST);  // R-FRMR-04
  // R-FRMR-06, R-FRMR-07. Whether the pages are such the device looks at. Any base is good (R-FRMR-08) that leaves room
  // for the region's addresses.
  if (pages.size() == 0 || pages.size() > region.page_count() || first_byte_offset >= PAGE_SIZE || length_bytes == 0 ||
      length_bytes > pages.size() * PAGE_SIZE - first_byte_offset || base > UINT64_MAX - (length_bytes - 1))
    return refuse_post(STATUS_INVALID_PARAMETER);
  rdma::AccessRights rights;
  // ALLOW_REMOTE_WRITE has ALLOW_LOCAL_WRITE's bit in it (R-FRMR-09); a sink is written to (R-MR-09, C-78).
  rights.local_write = (flags & (NDK_OP_FLAG_ALLOW_LOCAL_WRITE | NDK_OP_FLAG_RDMA_READ_SINK)) != 0;
  rights.remote_read = (flags & NDK_OP_FLAG_ALLOW_REMOTE_READ) != 0;
  rights.remote_write = (flags & NDK_OP_FLAG_ALLOW_REMOTE_WRITE) == NDK_OP_FLAG_ALLOW_REMOTE_WRITE;
  rights.read_sink = (flags & NDK_OP_FLAG_RDMA_READ_SINK) != 0;
  if ((rights.remote_read || rights.remote_write) && !region.has_remote_access())
    return refuse_post(STATUS_ACCESS_VIOLATION);  // R-FRMR-05
  return post_region_work(rdma::Operation::fast_register, context, flags, region,
                          {.region = &region.device(),
                           .pages = pages,
                           .first_octet = first_byte_offset,
                           .address = base,
                           .length_bytes = length_bytes,
                           .rights = rights});
}

NTSTATUS Qp::post_invalidate(PVOID context, FastMr& region, ULONG flags) noexcept {
  return post_region_work(rdma::Operation::invalidate, context, flags, region, {.region = &region.device()});
}

NTSTATUS Qp::post_region_work(rdma::Operation operation, PVOID context, ULONG flags, FastMr& region,
                              const rdma::FastRegionWork& work) noexcept {
  const auto work_flags = translate_flags(flags, operation, adapter().version(), adapter().miniport().caps());
  if (!work_flags) return refuse_post(STATUS_INVALID_PARAMETER);
  region.begin_work();  // before the device may be through with it
  const auto posted =
      device_->post_send({.operation = operation, .flags = *work_flags, .context = context, .fast_region = &work});
  if (posted) return STATUS_SUCCESS;
  region.end_work();
  return to_ntstatus(posted.error());
}

NTSTATUS Qp::post_window_work(rdma::Operation operation, PVOID context, ULONG flags, AnyMr* region, Mw& window,
                              const rdma::WindowWork& work) noexcept {
  const auto work_flags = translate_flags(flags, operation, adapter().version(), adapter().miniport().caps());
  if (!work_flags) return refuse_post(STATUS_INVALID_PARAMETER);
  window.begin_work(region);  // before the device may be through with it
  const auto posted =
      device_->post_send({.operation = operation, .flags = *work_flags, .context = context, .window = &work});
  if (posted) return STATUS_SUCCESS;
  window.end_work(region, false);
  return to_ntstatus(posted.error());
}

NTSTATUS Qp::post_receive(PVOID context, const NDK_SGE* sges, ULONG count) noexcept {
  if (has_srq_) return STATUS_INVALID_DEVICE_REQUEST;  // R-QP-06
  if (sges == nullptr && count != 0) return STATUS_INVALID_PARAMETER;
  SgeList list;
  if (!list.translate(sges, count)) return STATUS_DATA_OVERRUN;
  const auto posted = device_->post_receive({.context = context, .sges = list.entries()});
  return posted ? STATUS_SUCCESS : to_ntstatus(posted.error());
}

}  // namespace softndk::provider
