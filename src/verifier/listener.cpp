// The functions in a listener's dispatch table, and its connect events.
#include "ntrt/object_tree.h"
#include "verifier/forward.h"
#include "verifier/notifications.h"

namespace softndk::verifier {
namespace {

/// Nobody is told of a connector that its consumer never saw.
void closed_unseen(PVOID) noexcept {}

}  // namespace

void connection_arrived(PVOID context, NDK_CONNECTOR* real_connector) noexcept {
  ListenerShadow& listener = *static_cast<ListenerShadow*>(context);
  const auto connect_event = listener.connect_event;
  // Its parent is the adapter, as for a connector that the consumer created (R-EVT-03).
  ConnectorShadow* shadow = make_shadow<NDK_CONNECTOR>(listener.parent());
  if (shadow == nullptr) {
    // An event has no status to fail with. Closing the connector refuses the peer (R-CLS-18), and its consumer, who has
    // seen nothing, has nothing to undo.
    log(LogLevel::error, "verifier: no memory for a connector of listener %p; the connection is refused",
        static_cast<void*>(&listener.Header));
    real_connector->Dispatch->NdkCloseConnector(&real_connector->Header, closed_unseen, nullptr);
    return;
  }
  shadow->adopt(*real_connector);
  ntrt::set_consumer_object(&real_connector->Header, &shadow->Header);
  const Span span(Timeline::Kind::callback, "ConnectEvent", &listener.Header);
  connect_event(static_cast<NDK_CONNECTOR*>(shadow));
}

namespace {

constexpr NDK_LISTENER_DISPATCH kTable = {
    .NdkCloseListener = forward_close<NDK_LISTENER, &NDK_LISTENER_DISPATCH::NdkCloseListener>,
    .NdkQueryExtension = query_extension<NDK_LISTENER>,
    .NdkListen = forward_request<&NDK_LISTENER_DISPATCH::NdkListen>,
    .NdkGetLocalAddress = forward<&NDK_LISTENER_DISPATCH::NdkGetLocalAddress>,
    .NdkControlConnectEvents = forward<&NDK_LISTENER_DISPATCH::NdkControlConnectEvents>,
};

}  // namespace

template <>
const NDK_LISTENER_DISPATCH& table_for<NDK_LISTENER>(NDK_VERSION) noexcept {
  return kTable;
}

}  // namespace softndk::verifier
