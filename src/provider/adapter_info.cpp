#include "provider/adapter_info.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "provider/work_translation.h"

namespace softndk::provider {
namespace {

constexpr ULONG kLargeRequestBytes = 65536;  // a hint: from here on read and write beat send and receive
constexpr ULONG kFrmrPageCountMin = 16;      // R-QAI-07
constexpr ULONG kFrmrPageCountBest =
    512;  // "the size that allows most": a region of 2 MiB, whatever the device could do

ULONG adapter_flags(const rdma::DeviceCaps& caps) {
  // RDMA_READ_SINK_NOT_REQUIRED: consumers refuse an adapter without it (R-QAI-09); one profile lacks it (R-MR-09).
  // Direct placement gives no order of bytes (R-RDMA-05).
  ULONG flags = caps.read_sinks_announced ? 0 : NDK_ADAPTER_FLAG_RDMA_READ_SINK_NOT_REQUIRED;
  if (caps.read_local_invalidate) flags |= NDK_ADAPTER_FLAG_RDMA_READ_LOCAL_INVALIDATE_SUPPORTED;
  if (caps.loopback) flags |= NDK_ADAPTER_FLAG_LOOPBACK_CONNECTIONS_SUPPORTED;  // R-CNCT-15
  if (caps.cq_resize) flags |= NDK_ADAPTER_FLAG_CQ_RESIZE_SUPPORTED;
  if (caps.cq_moderation) flags |= NDK_ADAPTER_FLAG_CQ_INTERRUPT_MODERATION_SUPPORTED;
  return flags;
}

}  // namespace

rdma::DeviceCaps lower_caps(rdma::DeviceCaps caps, LimitsProfile profile) noexcept {
  const auto lower = [](auto& limit, std::uint32_t most) {
    limit = std::min<std::remove_reference_t<decltype(limit)>>(limit, most);
  };
  switch (profile) {
    case LimitsProfile::max:
      break;
    case LimitsProfile::connectx3:  // spec/tools.md 2
      lower(caps.fast_register_pages_max, 511);
      lower(caps.initiator_sge_max, 32);
      lower(caps.receive_sge_max, 32);
      lower(caps.read_sge_max, 32);
      lower(caps.inbound_read_limit_max, 16);
      lower(caps.outbound_read_limit_max, 128);
      lower(caps.receive_queue_depth_max, 16351);
      lower(caps.initiator_queue_depth_max, 16351);
      lower(caps.private_data_max, 56);
      caps.memory_windows = false;
      break;
    case LimitsProfile::minimal:
      lower(caps.registration_bytes_max, 1u << 20);
      lower(caps.fast_register_pages_max, kFrmrPageCountMin);
      lower(caps.initiator_sge_max, 2);
      lower(caps.receive_sge_max, 2);
      lower(caps.read_sge_max, 1);
      lower(caps.message_bytes_max, 1u << 20);
      lower(caps.inline_bytes_max, 0);
      lower(caps.inbound_read_limit_max, 1);
      lower(caps.outbound_read_limit_max, 1);
      lower(caps.receive_queue_depth_max, 64);
      lower(caps.initiator_queue_depth_max, 64);
      lower(caps.srq_depth_max, 0);
      lower(caps.cq_depth_max, 256);
      lower(caps.private_data_max, 56);
      caps.memory_windows = false;
      caps.cq_resize = false;
      caps.cq_moderation = false;
      caps.read_local_invalidate = false;
      break;
  }
  return caps;
}

NDK_RDMA_TECHNOLOGY active_technology(const Settings&) noexcept {
  return NdkiWarp;
}

NDK_VERSION version_max(const Settings& settings) noexcept {
  return settings.has_major_2 ? NDK_VERSION{2, settings.minor_max_of_2} : NDK_VERSION{1, settings.minor_max_of_1};
}

NDK_ADAPTER_INFO make_adapter_info(const rdma::DeviceCaps& caps, const Settings& settings,
                                   NDK_VERSION version) noexcept {
  NDK_ADAPTER_INFO info{};
  info.Version = version;  // R-QAI-05
  info.VendorId = settings.vendor_id;
  info.DeviceId = settings.device_id;
  info.MaxRegistrationSize = caps.registration_bytes_max;
  info.MaxWindowSize = caps.memory_windows ? caps.registration_bytes_max : 0;  // C-83
  info.FRMRPageCount = std::clamp(caps.fast_register_pages_max, kFrmrPageCountMin, kFrmrPageCountBest);
  info.MaxInitiatorRequestSge = std::min(caps.initiator_sge_max, kSgesMax);
  info.MaxReceiveRequestSge = std::min(caps.receive_sge_max, kSgesMax);
  info.MaxReadRequestSge = std::min(caps.read_sge_max, kSgesMax);  // R-QAI-08
  info.MaxTransferLength = caps.message_bytes_max;
  info.MaxInlineDataSize = std::min(caps.inline_bytes_max, kInlineBytesMax);
  info.MaxInboundReadLimit = caps.inbound_read_limit_max;
  info.MaxOutboundReadLimit = caps.outbound_read_limit_max;
  info.MaxReceiveQueueDepth = caps.receive_queue_depth_max;
  info.MaxInitiatorQueueDepth = caps.initiator_queue_depth_max;
  info.MaxSrqDepth = caps.srq_depth_max;  // R-QAI-10
  info.MaxCqDepth = caps.cq_depth_max;
  info.LargeRequestThreshold = kLargeRequestBytes;
  info.MaxCallerData = caps.private_data_max;
  info.MaxCalleeData = caps.private_data_max;
  info.AdapterFlags = adapter_flags(caps);
  info.RdmaTechnology = active_technology(settings);  // R-INF-02
  return info;
}

NTSTATUS copy_adapter_info(const NDK_ADAPTER_INFO& info, NDK_ADAPTER_INFO* to, ULONG* size_bytes) noexcept {
  if (size_bytes == nullptr) return STATUS_INVALID_PARAMETER;
  const ULONG required = info.Version.Major == 1 ? kAdapterInfoBytesV1 : kAdapterInfoBytesV2;
  if (*size_bytes < required) {
    *size_bytes = required;
    return STATUS_BUFFER_TOO_SMALL;
  }
  if (to == nullptr) return STATUS_INVALID_PARAMETER;
  // Whoever has room for RdmaTechnology gets it, also with major 1: a public consumer opens 1.0 and reads it.
  const ULONG written = *size_bytes >= kAdapterInfoBytesV2 ? kAdapterInfoBytesV2 : required;
  std::memcpy(to, &info, written);
  *size_bytes = written;
  return STATUS_SUCCESS;
}

NDIS_NDK_CAPABILITIES make_capabilities(const Settings& settings, NDK_ADAPTER_INFO& info) noexcept {
  NDIS_NDK_CAPABILITIES to{};
  to.Header.Type = NDIS_OBJECT_TYPE_DEFAULT;
  to.Header.Revision = NDIS_NDK_CAPABILITIES_REVISION_1;
  to.Header.Size = NDIS_SIZEOF_NDK_CAPABILITIES_REVISION_1;
  to.MaxQpCount = settings.qp_count_max;
  to.MaxCqCount = settings.cq_count_max;
  to.MaxMrCount = settings.mr_count_max;
  to.MaxPdCount = settings.pd_count_max;
  to.MaxMwCount = info.MaxWindowSize != 0 ? settings.mw_count_max : 0;
  to.MaxSrqCount = info.MaxSrqDepth != 0 ? settings.srq_count_max : 0;
  to.NdkInfo = &info;
  return to;
}

NDK_VERSION negotiate(const Settings& settings, NDK_VERSION asked) noexcept {
  NDK_VERSION granted{};
  if (asked.Major == 1) {
    granted = {1, settings.minor_max_of_1};
  } else if (asked.Major == 2 && settings.has_major_2) {
    granted = {2, settings.minor_max_of_2};
  } else {
    return {};
  }
  return asked.Minor <= granted.Minor ? granted : NDK_VERSION{};
}

}  // namespace softndk::provider
