#include "runtime/process_document.h"

#include <algorithm>
#include <cstdio>

#include "ntrt/bug_check.h"
#include "ntrt/driver.h"
#include "ntrt/kernel.h"
#include "ntrt/ndis.h"
#include "ntrt/object_tree.h"
#include "provider/sockaddr.h"
#include "runtime/json_writer.h"
#include "wdk/ntddndis.h"

namespace softndk::runtime {
namespace {

/// An address that an OID gave, as text.
struct OidAddressText : AddressText {
  explicit OidAddressText(const SOCKADDR_INET& from) noexcept : AddressText(read(from)) {}
  static Address read(const SOCKADDR_INET& from) noexcept {
    return provider::read_sockaddr(reinterpret_cast<const SOCKADDR*>(&from), sizeof from).value_or(Address());
  }
};

/// The answer to a query whose length is not known before; null where there is none.
class OidList {
 public:
  OidList(NET_IFINDEX index, NDIS_OID oid) noexcept {
    constexpr int kTries = 8;  // the list may grow between two questions
    for (int i = 0; i < kTries; ++i) {
      const ntrt::OidResult result = ntrt::ndis_oid_query(index, oid, room_, room_bytes_);
      if (result.status == NDIS_STATUS_SUCCESS) {
        whole_ = true;
        return;
      }
      if (result.status != NDIS_STATUS_BUFFER_TOO_SHORT) return;
      deallocate(room_);
      room_bytes_ = result.bytes + result.bytes / 4;
      room_ = try_allocate(room_bytes_);
      if (room_ == nullptr) return;
    }
  }
  ~OidList() { deallocate(room_); }
  OidList(const OidList&) = delete;
  OidList& operator=(const OidList&) = delete;
  template <class List>
  const List* as() const noexcept {
    return whole_ ? static_cast<const List*>(room_) : nullptr;
  }

 private:
  void* room_ = nullptr;
  ULONG room_bytes_ = 0;
  bool whole_ = false;
};

const char* to_text(ntrt::NdkState state) noexcept {
  switch (state) {
    case ntrt::NdkState::absent:
      return "absent";
    case ntrt::NdkState::disabled:
      return "disabled";
    case ntrt::NdkState::enabled:
      return "enabled";
    case ntrt::NdkState::disabling:
      return "disabling";
  }
  SOFTNDK_UNREACHABLE();
}

void write_capabilities(JsonWriter& to, const NDIS_NDK_CAPABILITIES& from) noexcept {
  to.begin_object("capabilities");
  to.number("max_qp_count", from.MaxQpCount);
  to.number("max_cq_count", from.MaxCqCount);
  to.number("max_mr_count", from.MaxMrCount);
  to.number("max_pd_count", from.MaxPdCount);
  to.number("max_inbound_read_limit", from.MaxInboundReadLimit);
  to.number("max_outbound_read_limit", from.MaxOutboundReadLimit);
  to.number("max_mw_count", from.MaxMwCount);
  to.number("max_srq_count", from.MaxSrqCount);
  to.number("missing_counter_mask", from.MissingCounterMask);
  to.end_object();
}

void write_info(JsonWriter& to, const NDK_ADAPTER_INFO& from) noexcept {
  to.begin_object("info");
  to.number("ndk_version_major", from.Version.Major);
  to.number("ndk_version_minor", from.Version.Minor);
  to.number("vendor_id", from.VendorId);
  to.number("device_id", from.DeviceId);
  to.number("max_registration_size_bytes", from.MaxRegistrationSize);
  to.number("max_window_size_bytes", from.MaxWindowSize);
  to.number("frmr_page_count", from.FRMRPageCount);
  to.number("max_initiator_request_sge", from.MaxInitiatorRequestSge);
  to.number("max_receive_request_sge", from.MaxReceiveRequestSge);
  to.number("max_read_request_sge", from.MaxReadRequestSge);
  to.number("max_transfer_length_bytes", from.MaxTransferLength);
  to.number("max_inline_data_size_bytes", from.MaxInlineDataSize);
  to.number("max_inbound_read_limit", from.MaxInboundReadLimit);
  to.number("max_outbound_read_limit", from.MaxOutboundReadLimit);
  to.number("max_receive_queue_depth", from.MaxReceiveQueueDepth);
  to.number("max_initiator_queue_depth", from.MaxInitiatorQueueDepth);
  to.number("max_srq_depth", from.MaxSrqDepth);
  to.number("max_cq_depth", from.MaxCqDepth);
  to.number("large_request_threshold_bytes", from.LargeRequestThreshold);
  to.number("max_caller_data_bytes", from.MaxCallerData);
  to.number("max_callee_data_bytes", from.MaxCalleeData);
  to.number("adapter_flags", from.AdapterFlags);
  to.number("rdma_technology", static_cast<std::uint32_t>(from.RdmaTechnology));
  to.end_object();
}

void write_counters(JsonWriter& to, NET_IFINDEX index) noexcept {
  NDIS_NDK_STATISTICS_INFO statistics;
  if (ntrt::ndis_oid_query(index, OID_NDK_STATISTICS, &statistics, sizeof statistics).status != NDIS_STATUS_SUCCESS)
    return;
  const NDIS_NDK_PERFORMANCE_COUNTERS& from = statistics.CounterSet;
  to.begin_object("counters");
  to.number("connect", from.Connect);
  to.number("accept", from.Accept);
  to.number("connect_failure", from.ConnectFailure);
  to.number("connection_error", from.ConnectionError);
  to.number("active_connection", from.ActiveConnection);
  to.number("cq_error", from.CQError);
  to.number("rdma_in_octets", from.RDMAInOctets);
  to.number("rdma_out_octets", from.RDMAOutOctets);
  to.number("rdma_in_frames", from.RDMAInFrames);
  to.number("rdma_out_frames", from.RDMAOutFrames);
  to.end_object();
}

/// Entries come in pairs: the ND view, then the TCP connection it maps to (R-OID-09).
void write_connections(JsonWriter& to, NET_IFINDEX index) noexcept {
  const OidList answer(index, OID_NDK_CONNECTIONS);
  to.begin_array("connections");
  if (const auto* list = answer.as<NDIS_NDK_CONNECTIONS>()) {
    for (ULONG i = 0; i + 1 < list->Count; i += 2) {
      const NDIS_NDK_CONNECTION_ENTRY& nd = list->Connections[i];
      const NDIS_NDK_CONNECTION_ENTRY& tcp = list->Connections[i + 1];
      to.begin_object();
      to.text("mode", nd.UserModeOwner ? "user" : "kernel");
      to.number("owner_pid", nd.OwnerPid);
      to.text("local", OidAddressText(nd.Local).text);
      to.text("foreign", OidAddressText(nd.Remote).text);
      to.text("tcp_local", OidAddressText(tcp.Local).text);
      to.text("tcp_foreign", OidAddressText(tcp.Remote).text);
      to.end_object();
    }
  }
  to.end_array();
}

void write_endpoints(JsonWriter& to, NET_IFINDEX index) noexcept {
  const OidList answer(index, OID_NDK_LOCAL_ENDPOINTS);
  to.begin_array("endpoints");
  if (const auto* list = answer.as<NDIS_NDK_LOCAL_ENDPOINTS>()) {
    for (ULONG i = 0; i + 1 < list->Count; i += 2) {
      const NDIS_NDK_LOCAL_ENDPOINT_ENTRY& nd = list->LocalEndpoints[i];
      to.begin_object();
      to.text("type", nd.Listener ? "listener" : "shared_endpoint");
      to.text("mode", nd.UserModeOwner ? "user" : "kernel");
      to.number("owner_pid", nd.OwnerPid);
      to.text("local", OidAddressText(nd.Local).text);
      to.text("tcp_local", OidAddressText(list->LocalEndpoints[i + 1].Local).text);
      to.end_object();
    }
  }
  to.end_array();
}

void write_adapter(JsonWriter& to, const Runtime::Adapter& adapter) noexcept {
  const NET_IFINDEX index = adapter.interface.index;
  ntrt::AdapterSummary summary;
  if (!ntrt::ndis_find_adapter(index, summary)) return;  // it goes, or never came
  to.begin_object();
  to.text("name", summary.alias);
  to.text("description", summary.description);
  to.number("ifindex", index);
  to.number("luid", summary.luid);
  to.truth("loopback", adapter.interface.loopback);
  to.begin_array("addresses");
  for (const Address& address : adapter.interface.addresses)
    to.text(nullptr, HostText(address).text);
  to.end_array();
  to.text("ndk_state", to_text(summary.ndk));
  to.number("open_instances", summary.open_instances);
  to.number("enable_events", summary.enable_events);
  to.number("disable_events", summary.disable_events);
  write_capabilities(to, summary.capabilities);
  write_info(to, summary.info);
  write_counters(to, index);
  write_connections(to, index);
  write_endpoints(to, index);
  to.end_object();
}

/// Objects beyond this many octets of document are counted only.
constexpr std::size_t kObjectsBytesMax = std::size_t{4} << 20;

/// Parents come before their children.
void write_objects(JsonWriter& to) noexcept {
  const std::size_t began_bytes = to.size_bytes();
  std::uint64_t left_out = 0;
  ntrt::TreeWalk walk;
  ntrt::NodeRecord record;
  to.begin_array("objects");
  while (walk.next(record)) {
    if (to.size_bytes() - began_bytes > kObjectsBytesMax) {
      ++left_out;
      continue;
    }
    to.begin_object();
    to.number("id", record.id);
    to.number("parent", record.parent);
    to.number("depth", record.depth);
    to.text("type", record.kind);
    if (record.depth == 0) to.number("ifindex", record.text.interface_index);
    char address[32] = "";
    if (record.object != nullptr) std::snprintf(address, sizeof address, "%p", record.object);
    to.text("object", address);
    to.text("state", record.text.state);
    to.text("local", record.text.local ? AddressText(*record.text.local).text : "");
    to.text("peer", record.text.peer ? AddressText(*record.text.peer).text : "");
    to.number("age_ms", record.age_ns / io::kMillisecond);
    to.text("driver", ntrt::DriverName(record.created_by).text);
    char code[192] = "";
    if (record.created_by != nullptr) ntrt::describe_code_address(record.created_by, code, sizeof code);
    to.text("created_by", code);
    to.end_object();
  }
  to.end_array();
  to.number("objects_not_shown", left_out);
}

}  // namespace

Array<char> describe_process(const Runtime& runtime, const SettingValues& settings, int pid) noexcept {
  JsonWriter to;
  to.begin_object();
  to.number("schema", kProcessDocumentSchema);
  to.text("document", "softndk-process");
  to.number("pid", static_cast<std::uint64_t>(pid));
  if (ntrt::Kernel* kernel = ntrt::kernel_if_running()) {
    to.number("monotonic_ns", kernel->clock().now_ns());
    to.number("started_monotonic_ns", kernel->started_ns());
  }
  to.begin_array("adapters");
  for (const Runtime::Adapter& adapter : runtime.adapters())
    write_adapter(to, adapter);
  to.end_array();
  write_objects(to);
  to.begin_array("settings");
  for (const Setting& setting : settings_table()) {
    to.begin_object();
    to.text("name", setting.name);
    to.text("value", settings.get(setting.name));
    to.end_object();
  }
  to.end_array();
  to.end_object();
  return to.take();
}

}  // namespace softndk::runtime
