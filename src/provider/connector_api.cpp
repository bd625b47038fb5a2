// The functions in a connector's dispatch table.
#include "provider/api.h"
#include "provider/connector.h"
#include "provider/dispatch.h"
#include "provider/shared_endpoint.h"
#include "provider/sockaddr.h"

namespace softndk::provider {
namespace {

Connector& ours(NDK_CONNECTOR* connector) noexcept {
  return *static_cast<Connector*>(connector);
}

/// It may come from another instance, but of the same miniport adapter (R-OBJ-13).
template <class Ours, class Ndk>
Ours* usable(const Connector& connector, Ndk* object) noexcept {
  if (object == nullptr) return nullptr;
  Ours* found = static_cast<Ours*>(object);
  return &found->adapter().miniport() == &connector.adapter().miniport() ? found : nullptr;
}

/// What a connect asks for besides its local address.
struct ConnectCall {
  NDK_QP* qp;
  const SOCKADDR* destination;
  ULONG destination_bytes;
  rdma::ReadLimits limits;  // capped below, silently (R-RL-02)
  const VOID* private_data;
  ULONG private_data_bytes;
  Completion completion;
};

/// `local`: of `over`, if that is given.
NTSTATUS connect_from(Connector& self, const Address& local, SharedEndpoint* over, const ConnectCall& call) noexcept {
  Qp* pair = usable<Qp>(self, call.qp);
  if (pair == nullptr || call.completion.routine == nullptr) return STATUS_INVALID_PARAMETER;
  const auto remote = read_sockaddr(call.destination, call.destination_bytes);
  if (!remote) return remote.error();
  if (local.family != remote->family) return STATUS_INVALID_ADDRESS;  // R-CNCT-07
  Bytes data;
  const NTSTATUS read =
      read_private_data(call.private_data, call.private_data_bytes, self.adapter().info().MaxCallerData, data);
  if (!NT_SUCCESS(read)) return read;
  return self.connect(*pair, over, {.local = local, .remote = *remote, .limits = call.limits, .private_data = data},
                      call.completion);
}

NTSTATUS connect(NDK_CONNECTOR* connector, NDK_QP* qp, const SOCKADDR* source, ULONG source_bytes,
                 const SOCKADDR* destination, ULONG destination_bytes, ULONG inbound, ULONG outbound,
                 const VOID* private_data, ULONG private_data_bytes, NDK_FN_REQUEST_COMPLETION completion,
                 PVOID context) noexcept {
  enter("NdkConnect");
  const auto local = read_sockaddr(source, source_bytes);
  if (!local) return local.error();
  return connect_from(ours(connector), *local, nullptr,
                      {qp,
                       destination,
                       destination_bytes,
                       {inbound, outbound},
                       private_data,
                       private_data_bytes,
                       {completion, context}});
}

NTSTATUS connect_with_shared_endpoint(NDK_CONNECTOR* connector, NDK_QP* qp, NDK_SHARED_ENDPOINT* endpoint,
                                      const SOCKADDR* destination, ULONG destination_bytes, ULONG inbound,
                                      ULONG outbound, const VOID* private_data, ULONG private_data_bytes,
                                      NDK_FN_REQUEST_COMPLETION completion, PVOID context) noexcept {
  enter("NdkConnectWithSharedEndpoint");
  Connector& self = ours(connector);
  SharedEndpoint* over = usable<SharedEndpoint>(self, endpoint);
  if (over == nullptr) return STATUS_INVALID_PARAMETER;
  return connect_from(self, over->local_address(), over,
                      {qp,
                       destination,
                       destination_bytes,
                       {inbound, outbound},
                       private_data,
                       private_data_bytes,
                       {completion, context}});
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
  Qp* pair = usable<Qp>(self, qp);
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
