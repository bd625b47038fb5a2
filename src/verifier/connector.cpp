// The functions in a connector's dispatch table, and its disconnect events.
#include "verifier/forward.h"

namespace softndk::verifier {

ConnectorShadow::~ConnectorShadow() {
  DisconnectRecord* record = disconnect_records_.load(std::memory_order_relaxed);
  while (record != nullptr) {
    const Owned<DisconnectRecord> gone(record);
    record = gone->next;
  }
}

void ConnectorShadow::keep(Owned<DisconnectRecord> record) noexcept {
  // Only the destructor walks the list, after everything else: no ordering is needed between the calls.
  record->next = disconnect_records_.load(std::memory_order_relaxed);
  while (!disconnect_records_.compare_exchange_weak(record->next, record.get(), std::memory_order_relaxed)) {
  }
  record.release();
}

namespace {

void disconnected(PVOID context) noexcept {
  const auto event = static_cast<DisconnectRecord*>(context)->plain;
  const Span span(Timeline::Kind::callback, "DisconnectEvent", nullptr);
  event();
}

void disconnected_ex(PVOID context, ULONG reason) noexcept {
  const auto event = static_cast<DisconnectRecord*>(context)->with_reason;
  const Span span(Timeline::Kind::callback, "DisconnectEvent", nullptr);
  event(reason);
}

/// Puts our routine and a record in the place of the consumer's event. False: memory is short.
bool interpose(ConnectorShadow& connector, NDK_FN_DISCONNECT_EVENT_CALLBACK& event, PVOID& context) noexcept {
  if (event == nullptr) return true;  // stays null: no event is raised (R-EVT-08)
  Owned<DisconnectRecord> record = try_make<DisconnectRecord>();
  if (record == nullptr) return false;
  record->plain = {event, context};
  event = disconnected;
  context = record.get();
  connector.keep(std::move(record));
  return true;
}

bool interpose(ConnectorShadow& connector, NDK_FN_DISCONNECT_EVENT_CALLBACK_EX& event, PVOID& context) noexcept {
  if (event == nullptr) return true;
  Owned<DisconnectRecord> record = try_make<DisconnectRecord>();
  if (record == nullptr) return false;
  record->with_reason = {event, context};
  event = disconnected_ex;
  context = record.get();
  connector.keep(std::move(record));
  return true;
}

/// The four requests that end in (event, event context, completion, context).
template <auto slot>
struct ForwardEstablish;
template <class... Args, NTSTATUS (*NDK_CONNECTOR_DISPATCH::*slot)(NDK_CONNECTOR*, Args...)>
struct ForwardEstablish<slot> {
  static NTSTATUS call(NDK_CONNECTOR* connector, Args... args) noexcept {
    constexpr std::size_t n = sizeof...(Args);
    ConnectorShadow& self = shadow_of(connector);
    std::tuple<Args...> arguments(inward(args)...);
    if (!interpose(self, std::get<n - 4>(arguments), std::get<n - 3>(arguments))) return STATUS_INSUFFICIENT_RESOURCES;
    return ForwardRequest<slot>::call_with(self, arguments);
  }
};
template <auto slot>
constexpr auto forward_establish = ForwardEstablish<slot>::call;

constexpr NDK_CONNECTOR_DISPATCH kTable = {
    .NdkCloseConnector = forward_close<NDK_CONNECTOR, &NDK_CONNECTOR_DISPATCH::NdkCloseConnector>,
    .NdkQueryExtension = query_extension<NDK_CONNECTOR>,
    .NdkConnect = forward_request<&NDK_CONNECTOR_DISPATCH::NdkConnect>,
    .NdkConnectWithSharedEndpoint = forward_request<&NDK_CONNECTOR_DISPATCH::NdkConnectWithSharedEndpoint>,
    .NdkCompleteConnect = forward_establish<&NDK_CONNECTOR_DISPATCH::NdkCompleteConnect>,
    .NdkAccept = forward_establish<&NDK_CONNECTOR_DISPATCH::NdkAccept>,
    .NdkReject = forward<&NDK_CONNECTOR_DISPATCH::NdkReject>,
    .NdkGetConnectionData = forward<&NDK_CONNECTOR_DISPATCH::NdkGetConnectionData>,
    .NdkGetLocalAddress = forward<&NDK_CONNECTOR_DISPATCH::NdkGetLocalAddress>,
    .NdkGetPeerAddress = forward<&NDK_CONNECTOR_DISPATCH::NdkGetPeerAddress>,
    .NdkDisconnect = forward_request<&NDK_CONNECTOR_DISPATCH::NdkDisconnect>,
    .NdkCompleteConnectEx = forward_establish<&NDK_CONNECTOR_DISPATCH::NdkCompleteConnectEx>,
    .NdkAcceptEx = forward_establish<&NDK_CONNECTOR_DISPATCH::NdkAcceptEx>,
};
constexpr NDK_CONNECTOR_DISPATCH kTableBefore2_1 = [] {
  NDK_CONNECTOR_DISPATCH table = kTable;
  table.NdkCompleteConnectEx = absent<&NDK_CONNECTOR_DISPATCH::NdkCompleteConnectEx>;
  table.NdkAcceptEx = absent<&NDK_CONNECTOR_DISPATCH::NdkAcceptEx>;
  return table;
}();

}  // namespace

template <>
const NDK_CONNECTOR_DISPATCH& table_for<NDK_CONNECTOR>(NDK_VERSION version) noexcept {
  return at_least(version, 2, 1) ? kTable : kTableBefore2_1;
}

}  // namespace softndk::verifier
