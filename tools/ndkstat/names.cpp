#include "tools/ndkstat/names.h"

#include <ndkinfo.h>

namespace softndk::tools {
namespace {

constexpr FieldName kInfo[] = {
    {"vendor_id", "VendorId"},
    {"device_id", "DeviceId"},
    {"max_registration_size_bytes", "MaxRegistrationSize"},
    {"max_window_size_bytes", "MaxWindowSize"},
    {"frmr_page_count", "FRMRPageCount"},
    {"max_initiator_request_sge", "MaxInitiatorRequestSge"},
    {"max_receive_request_sge", "MaxReceiveRequestSge"},
    {"max_read_request_sge", "MaxReadRequestSge"},
    {"max_transfer_length_bytes", "MaxTransferLength"},
    {"max_inline_data_size_bytes", "MaxInlineDataSize"},
    {"max_inbound_read_limit", "MaxInboundReadLimit"},
    {"max_outbound_read_limit", "MaxOutboundReadLimit"},
    {"max_receive_queue_depth", "MaxReceiveQueueDepth"},
    {"max_initiator_queue_depth", "MaxInitiatorQueueDepth"},
    {"max_srq_depth", "MaxSrqDepth"},
    {"max_cq_depth", "MaxCqDepth"},
    {"large_request_threshold_bytes", "LargeRequestThreshold"},
    {"max_caller_data_bytes", "MaxCallerData"},
    {"max_callee_data_bytes", "MaxCalleeData"},
};

constexpr FieldName kCapabilities[] = {
    {"max_qp_count", "MaxQueuePairCount"},
    {"max_cq_count", "MaxCompletionQueueCount"},
    {"max_mr_count", "MaxMemoryRegionCount"},
    {"max_pd_count", "MaxProtectionDomainCount"},
    {"max_inbound_read_limit", "MaxInboundReadLimit"},
    {"max_outbound_read_limit", "MaxOutboundReadLimit"},
    {"max_mw_count", "MaxMemoryWindowCount"},
    {"max_srq_count", "MaxSharedReceiveQueueCount"},
    {"missing_counter_mask", "RdmaMissingCounterInfo"},
};

constexpr CounterName kCounters[] = {
    {"connect", "Connect", "InitiatedConnections", "initiated_connections", "RDMA Initiated Connections", false,
     "Outbound connections established."},
    {"accept", "Accept", "AcceptedConnections", "accepted_connections", "RDMA Accepted Connections", false,
     "Inbound connections established."},
    {"connect_failure", "ConnectFailure", "FailedConnectionAttempts", "failed_connection_attempts",
     "RDMA Failed Connection Attempts", false, "Connection attempts that failed, inbound and outbound."},
    {"connection_error", "ConnectionError", "ConnectionErrors", "connection_errors", "RDMA Connection Errors", false,
     "Established connections that broke before the consumer disconnected."},
    {"active_connection", "ActiveConnection", "ActiveConnections", "active_connections", "RDMA Active Connections",
     true, "Connections that are active now."},
    {"cq_error", "CQError", "CompletionQueueErrors", "completion_queue_errors", "RDMA Completion Queue Errors", false,
     "Completion queues that went into error."},
    {"rdma_in_octets", "RDMAInOctets", "InboundBytes", "inbound_bytes", "RDMA Inbound Bytes/sec", false,
     "Octets of received FPDUs with their headers; TCP, IP and Ethernet headers are not in it."},
    {"rdma_out_octets", "RDMAOutOctets", "OutboundBytes", "outbound_bytes", "RDMA Outbound Bytes/sec", false,
     "Octets of sent FPDUs with their headers; TCP, IP and Ethernet headers are not in it."},
    {"rdma_in_frames", "RDMAInFrames", "InboundFrames", "inbound_frames", "RDMA Inbound Frames/sec", false,
     "FPDUs received."},
    {"rdma_out_frames", "RDMAOutFrames", "OutboundFrames", "outbound_frames", "RDMA Outbound Frames/sec", false,
     "FPDUs sent."},
};

#define SOFTNDK_FLAG(name) \
  { name, #name }
constexpr FlagName kFlags[] = {
    SOFTNDK_FLAG(NDK_ADAPTER_FLAG_IN_ORDER_DMA_SUPPORTED),
    SOFTNDK_FLAG(NDK_ADAPTER_FLAG_RDMA_READ_SINK_NOT_REQUIRED),
    SOFTNDK_FLAG(NDK_ADAPTER_FLAG_CQ_INTERRUPT_MODERATION_SUPPORTED),
    SOFTNDK_FLAG(NDK_ADAPTER_FLAG_MULTI_ENGINE_SUPPORTED),
    SOFTNDK_FLAG(NDK_ADAPTER_FLAG_RDMA_READ_LOCAL_INVALIDATE_SUPPORTED),
    SOFTNDK_FLAG(NDK_ADAPTER_FLAG_CQ_RESIZE_SUPPORTED),
    SOFTNDK_FLAG(NDK_ADAPTER_FLAG_LOOPBACK_CONNECTIONS_SUPPORTED),
};
#undef SOFTNDK_FLAG

constexpr const char* kTechnologies[] = {nullptr, "iWARP", "InfiniBand", "RoCE", "RoCEv2"};

}  // namespace

std::span<const FieldName> adapter_info_names() {
  return kInfo;
}
std::span<const FieldName> capability_names() {
  return kCapabilities;
}
std::span<const CounterName> counter_names() {
  return kCounters;
}
std::span<const FlagName> adapter_flag_names() {
  return kFlags;
}
const char* technology_name(unsigned long technology) {
  return technology < std::size(kTechnologies) ? kTechnologies[technology] : nullptr;
}

}  // namespace softndk::tools
