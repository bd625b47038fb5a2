// The functions in a connector's dispatch table.
#include "provider/api.h"
#include "provider/connector.h"
#include "provider/dispatch.h"
#include "provider/sockaddr.h"

namespace softndk::provider {
namespace {

Connector& ours(NDK_CONNECTOR* connector) noexcept {
  return *static_cast<Connector*>(connector);
}

/// The queue pair may come from another instance, but of the same miniport adapter (R-OBJ-13).
Qp* usable_qp(const Connector& connector, NDK_QP* qp) noexcept {
  if (qp == nullptr) return nullptr;
  Qp* found = static_cast<Qp*>(qp);
  return &found->adapter().miniport() == &connector.adapter().miniport() ? found : nullptr;
}

NTSTATUS connect(NDK_CONNECTOR* connector, NDK_QP* qp, const SOCKADDR* source, ULONG source_bytes,
                 const SOCKADDR* destination, ULONG destination_bytes, ULONG inbound, ULONG outbound,
                 const VOID* private_data, ULONG private_data_bytes, NDK_FN_REQUEST_COMPLETION completion,
                 PVOID context) noexcept {
  enter("NdkConnect");
  Connector& self = ours(connector);
  Qp* pair = usable_qp(self, qp);
  if (pair == nullptr || completion == nullptr) return STATUS_INVALID_PARAMETER;
  const auto local = read_sockaddr(source, source_bytes);
  if (!local) return local.error();
  const auto remote = read_sockaddr(destination, destination_bytes);
  if (!remote) return remote.error();
  if (local->family != remote->family) return STATUS_INVALID_ADDRESS;  // R-CNCT-07
  Bytes data;
  const NTSTATUS read = read_private_data(private_data, private_data_bytes, self.adapter().info().MaxCallerData, data);
  if (!NT_SUCCESS(read)) return read;
  return self.connect(*pair,
                      {.local = *local,
                       .remote = *remote,
                       .limits = {.inbound = inbound, .outbound = outbound},  // capped below, silently (R-RL-02)
                       .private_data = data},
                      {completion, context});
}

/// No shared endpoint was ever created.
NTSTATUS connect_with_shared_endpoint(NDK_CONNECTOR*, NDK_QP*, NDK_SHARED_ENDPOINT*, const SOCKADDR*, ULONG, ULONG,
                                      ULONG, const VOID*, ULONG, NDK_FN_REQUEST_COMPLETION, PVOID) noexcept {
  enter("NdkConnectWithSharedEndpoint");
  return STATUS_NOT_SUPPORTED;
}

NTSTATUS complete_connect(NDK_CONNECTOR* connector, NDK_FN_DISCONNECT_EVENT_CALLBACK event, PVOID event_context,
                          NDK_FN_REQUEST_COMPLETION completion, PVOID context) noexcept {
  enter("NdkCompleteConnect");
  if (completion == nullptr) return STATUS_INVALID_PARAMETER;
  return ours(connector).complete_connect({.plain = event, .with_reason = nullptr, .context = event_context},
                                          {completion, context});
}

NTSTATUS complete_connect_ex(NDK_CONNECTOR* connector, NDK_FN_DISCONNECT_EVENT_CALLBACK_EX event, PVOID event_context,
                             NDK_FN_REQUEST_COMPLETION completion, PVOID context) noexcept {
  enter("NdkCompleteConnectEx");
  if (completion == nullptr) return STATUS_INVALID_PARAMETER;
  return ours(connector).complete_connect({.plain = nullptr, .with_reason = event, .context = event_context},
                                          {completion, context});
}

NTSTATUS accept_with(NDK_CONNECTOR* connector, NDK_QP* qp, ULONG inbound, ULONG outbound, const VOID* private_data,
                     ULONG private_data_bytes, const DisconnectEvent& event, const Completion& completion) noexcept {
  Connector& self = ours(connector);
  Qp* pair = usable_qp(self, qp);
  if (pair == nullptr || completion.routine == nullptr) return STATUS_INVALID_PARAMETER;
  Bytes data;
  const NTSTATUS read = read_private_data(private_data, private_data_bytes, self.adapter().info().MaxCalleeData, data);
  if (!NT_SUCCESS(read)) return read;
  return self.accept(*pair, {.limits = {.inbound = inbound, .outbound = outbound}, .private_data = data}, event,
                     completion);
}

NTSTATUS accept(NDK_CONNECTOR* connector, NDK_QP* qp, ULONG inbound, ULONG outbound, const VOID* private_data,
                ULONG private_data_bytes, NDK_FN_DISCONNECT_EVENT_CALLBACK event, PVOID event_context,
                NDK_FN_REQUEST_COMPLETION completion, PVOID context) noexcept {
  enter("NdkAccept");
  return accept_with(connector, qp, inbound, outbound, private_data, private_data_bytes,
                     {.plain = event, .with_reason = nullptr, .context = event_context}, {completion, context});
}

NTSTATUS accept_ex(NDK_CONNECTOR* connector, NDK_QP* qp, ULONG inbound, ULONG outbound, const VOID* private_data,
                   ULONG private_data_bytes, NDK_FN_DISCONNECT_EVENT_CALLBACK_EX event, PVOID event_context,
                   NDK_FN_REQUEST_COMPLETION completion, PVOID context) noexcept {
  enter("NdkAcceptEx");
  return accept_with(connector, qp, inbound, outbound, private_data, private_data_bytes,
                     {.plain = nullptr, .with_reason = event, .context = event_context}, {completion, context});
}

NTSTATUS reject(NDK_CONNECTOR* connector, const VOID* private_data, ULONG private_data_bytes) noexcept {
  enter("NdkReject");
  Connector& self = ours(connector);
  Bytes data;
  const NTSTATUS read = read_private_data(private_data, private_data_bytes, self.adapter().info().MaxCalleeData, data);
  if (!NT_SUCCESS(read)) return read;
  return self.reject(data);
}

NTSTATUS get_connection_data(NDK_CONNECTOR* connector, ULONG* inbound, ULONG* outbound, PVOID private_data,
                             ULONG* private_data_bytes) noexcept {
  enter("NdkGetConnectionData");
  if (private_data_bytes == nullptr) return STATUS_INVALID_PARAMETER;
  return ours(connector).connection_data(inbound, outbound, private_data, private_data_bytes);
}

NTSTATUS write_address(const std::optional<Address>& address, SOCKADDR* to, ULONG* length_bytes) noexcept {
  if (!address) return STATUS_CONNECTION_INVALID;  // R-ADR-05
  return write_sockaddr(*address, to, length_bytes);
}

NTSTATUS get_local_address(NDK_CONNECTOR* connector, SOCKADDR* address, ULONG* length_bytes) noexcept {
  enter("NdkGetLocalAddress");
  return write_address(ours(connector).local_address(), address, length_bytes);
}

NTSTATUS get_peer_address(NDK_CONNECTOR* connector, SOCKADDR* address, ULONG* length_bytes) noexcept {
  enter("NdkGetPeerAddress");
  return write_address(ours(connector).peer_address(), address, length_bytes);
}

NTSTATUS disconnect(NDK_CONNECTOR* connector, NDK_FN_REQUEST_COMPLETION completion, PVOID context) noexcept {
  enter("NdkDisconnect");
  if (completion == nullptr) return STATUS_INVALID_PARAMETER;
  return ours(connector).disconnect({completion, context});
}

}  // namespace

const NDK_CONNECTOR_DISPATCH kConnectorDispatch = {
    .NdkCloseConnector = close_object<NDK_CONNECTOR, Connector>,
    .NdkQueryExtension = query_extension,
    .NdkConnect = connect,
    .NdkConnectWithSharedEndpoint = connect_with_shared_endpoint,
    .NdkCompleteConnect = complete_connect,
    .NdkAccept = accept,
    .NdkReject = reject,
    .NdkGetConnectionData = get_connection_data,
    .NdkGetLocalAddress = get_local_address,
    .NdkGetPeerAddress = get_peer_address,
    .NdkDisconnect = disconnect,
    .NdkCompleteConnectEx = complete_connect_ex,
    .NdkAcceptEx = accept_ex,
};

}  // namespace softndk::provider
