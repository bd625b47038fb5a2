#include "provider/connector.h"

#include <algorithm>
#include <cstring>

#include "base/log.h"
#include "ntrt/irql.h"
#include "provider/dispatch.h"
#include "provider/status.h"

namespace softndk::provider {

const ObjectType Connector::kType = {
    .name = "connector",
    .ndk_type = NdkObjectTypeConnector,
    .begin_close = Connector::begin_close,
    .retire = [](Object& object) noexcept { object.retired(); },
    .destroy = [](Object& object) noexcept { Owned<Connector> gone(static_cast<Connector*>(&object)); },
    .describe = Connector::describe,
};

Connector::Connector(Adapter& adapter, Listener* listener) noexcept
    : NDK_CONNECTOR{},
      Object(kType, adapter),
      state_(listener == nullptr ? ConnectorState::idle : ConnectorState::incoming) {
  init_header(Header, NdkObjectTypeConnector, adapter.version());
  Dispatch = &kConnectorDispatch;
  hold_antecedent(adapter);
  if (listener != nullptr) hold_antecedent(*listener);
  adapter.miniport().add(*this);
}

Connector::~Connector() {
  adapter().miniport().remove(*this);
}

expected<NDK_CONNECTOR*, NTSTATUS> Connector::create(Adapter& adapter) noexcept {
  Owned<Connector> connector = try_make<Connector>(adapter, nullptr);
  if (connector == nullptr) return unexpected(STATUS_INSUFFICIENT_RESOURCES);
  auto device = adapter.device().create_connection(connector->sink_);
  if (!device) return unexpected(to_ntstatus(device.error()));
  connector->device_ = std::move(*device);
  return connector.release();
}

NDK_CONNECTOR* Connector::take(Listener& listener, rdma::ListenerSink::Incoming& incoming) noexcept {
  Owned<Connector> connector = try_make<Connector>(listener.adapter(), &listener);
  if (connector == nullptr) return nullptr;
  connector->device_ = incoming.take(connector->sink_);
  if (connector->device_ == nullptr) return nullptr;
  connector->publish({});
  return connector.release();
}

ConnectorState Connector::state() const noexcept {
  MutexLock lock(mutex_);
  return state_;
}

bool Connector::advance(ConnectorEvent event) noexcept {
  const std::optional<ConnectorState> to = next_state(state_, event);
  if (to) state_ = *to;
  return to.has_value();
}

NTSTATUS Connector::start(ConnectorEvent event, Qp* qp, NTSTATUS wrong_state) noexcept {
  MutexLock lock(mutex_);
  if (!next_state(state_, event)) return wrong_state;
  if (qp != nullptr) {
    if (!qp->bind()) return STATUS_CONNECTION_ACTIVE;
    qp_ = qp;
    qp_spent_ = false;
    hold_antecedent(*qp);
  }
  const bool stepped = advance(event);
  SOFTNDK_CHECK(stepped);
  return STATUS_SUCCESS;
}

NTSTATUS Connector::connect(Qp& qp, SharedEndpoint* over, rdma::ConnectParameters parameters,
                            const Completion& completion) noexcept {
  const NTSTATUS started = start(ConnectorEvent::connect_called, &qp, STATUS_INVALID_DEVICE_STATE);
  if (!NT_SUCCESS(started)) return started;
  if (over != nullptr) {
    MutexLock lock(mutex_);
    endpoint_ = over;
    hold_antecedent(*over);
    parameters.endpoint = &over->device();
  }
  request_.begin(pending_calls::kConnect, completion.routine, completion.context);
  // The end may be reported, and the connector closed by it, before the device's call returns (R-REQ-02, R-CLS-10).
  Ref<Connector> alive(*this, RefReason::callback);
  const rdma::CmStatus status = device_->connect(qp.device(), parameters);
  if (status == rdma::CmStatus::pending) return STATUS_PENDING;
  return request_.settle(CompletionKind::network_request, to_ntstatus(status));
}

NTSTATUS Connector::complete_connect(const DisconnectEvent& event, const Completion& completion) noexcept {
  const NTSTATUS started = start(ConnectorEvent::complete_called, nullptr, STATUS_CONNECTION_INVALID);
  if (!NT_SUCCESS(started)) return started;
  {
    MutexLock lock(mutex_);
    event_ = event;
    qp_spent_ = true;
  }
  request_.begin(pending_calls::kCompleteConnect, completion.routine, completion.context);
  completions_of(*this).begin_connect(request_);
  Ref<Connector> alive(*this, RefReason::callback);
  const rdma::CmStatus status = device_->complete_connect();
  if (status == rdma::CmStatus::pending) return STATUS_PENDING;
  return request_.settle(CompletionKind::network_request, to_ntstatus(status));
}

NTSTATUS Connector::accept(Qp& qp, const rdma::AcceptParameters& parameters, const DisconnectEvent& event,
                           const Completion& completion) noexcept {
  const NTSTATUS started = start(ConnectorEvent::accept_called, &qp, STATUS_INVALID_DEVICE_STATE);
  if (!NT_SUCCESS(started)) return started;
  {
    MutexLock lock(mutex_);
    event_ = event;
    qp_spent_ = true;
  }
  request_.begin(pending_calls::kAccept, completion.routine, completion.context);
  Ref<Connector> alive(*this, RefReason::callback);
  const rdma::CmStatus status = device_->accept(qp.device(), parameters);
  if (status == rdma::CmStatus::pending) return STATUS_PENDING;
  return request_.settle(CompletionKind::network_request, to_ntstatus(status));
}

NTSTATUS Connector::disconnect(const Completion& completion) noexcept {
  bool broken = false;
  {
    MutexLock lock(mutex_);
    broken = state_ == ConnectorState::broken;
    if (!advance(ConnectorEvent::disconnect_called)) return STATUS_CONNECTION_INVALID;
  }
  request_.begin(pending_calls::kDisconnect, completion.routine, completion.context);
  Ref<Connector> alive(*this, RefReason::callback);
  rdma::CmStatus status = device_->disconnect();
  if (status == rdma::CmStatus::pending) return STATUS_PENDING;
  // A loss that our table has, or has not yet, seen: the flush has begun with it (R-DISC-14).
  if (broken || status == rdma::CmStatus::not_connected) status = rdma::CmStatus::aborted;
  return request_.settle(CompletionKind::network_request, to_ntstatus(status));
}

NTSTATUS Connector::reject(Bytes private_data) noexcept {
  {
    MutexLock lock(mutex_);
    if (!advance(ConnectorEvent::rejected)) return STATUS_CONNECTION_INVALID;
  }
  const rdma::CmStatus status = device_->reject(private_data);
  MutexLock lock(mutex_);
  if (Qp* qp = std::exchange(qp_, nullptr)) qp->unbind();  // still held: the device may not be done with it yet
  return to_ntstatus(status);
}

Ref<Object> Connector::unbind_qp() noexcept {
  if (qp_ == nullptr) return {};
  Qp& qp = *std::exchange(qp_, nullptr);
  qp.unbind();
  return take_antecedent(qp);
}

Ref<Object> Connector::leave_endpoint() noexcept {
  if (endpoint_ == nullptr) return {};
  return take_antecedent(*std::exchange(endpoint_, nullptr));
}

void Connector::device_closed() noexcept {
  {
    MutexLock lock(mutex_);
    // Closed while connecting: the pair is as new, and may be connected again as soon as the consumer hears of it.
    if (qp_ != nullptr && !qp_spent_) std::exchange(qp_, nullptr)->unbind();
  }
  release(RefReason::request);
}

void Connector::request_ended(rdma::CmStatus status) noexcept {
  request_.end(to_ntstatus(status));
}

ConnectorEvent Connector::end_of_request(NTSTATUS status) const noexcept {
  const bool succeeded = NT_SUCCESS(status);
  switch (state_) {
    case ConnectorState::connecting: {
      if (succeeded) return ConnectorEvent::connect_succeeded;
      return is_retryable(status) ? ConnectorEvent::connect_failed_retryable : ConnectorEvent::connect_failed;
    }
    case ConnectorState::completing:
      return succeeded ? ConnectorEvent::complete_succeeded : ConnectorEvent::complete_failed;
    case ConnectorState::accepting:
      return succeeded ? ConnectorEvent::accept_succeeded : ConnectorEvent::accept_failed;
    default:
      return ConnectorEvent::disconnected;  // whatever it says, the connection is over (R-DISC-03)
  }
}

NTSTATUS Connector::conclude(Object& object, NTSTATUS status) noexcept {
  Connector& self = static_cast<Connector&>(object);
  Ref<Object> qp, endpoint;  // dropped after the lock: one may be the last of a closed queue pair or endpoint
  {
    MutexLock lock(self.mutex_);
    if (self.state_ == ConnectorState::closing) return STATUS_CANCELLED;  // close wins (R-CNCT-18)
    const ConnectorEvent event = self.end_of_request(status);
    const bool stepped = self.advance(event);
    SOFTNDK_CHECK(stepped);
    // Before the callback, which may connect again with the same pair.
    if (event == ConnectorEvent::connect_failed || event == ConnectorEvent::connect_failed_retryable) {
      qp = self.unbind_qp();
      endpoint = self.leave_endpoint();  // R-EP-06
    }
    self.reporting_ = event == ConnectorEvent::complete_succeeded || event == ConnectorEvent::accept_succeeded;
  }
  return status;
}

void Connector::reported(Object& object) noexcept {
  Connector& self = static_cast<Connector&>(object);
  MutexLock lock(self.mutex_);
  // Once, for the request that made the connection: a disconnect may be reported while the event is still queued.
  if (!std::exchange(self.reporting_, false) || !self.left_early_) return;
  self.add_ref(RefReason::callback);
  self.late_event_.queue();
}

void Connector::peer_left(PeerLeft how) noexcept {
  DisconnectEvent event;
  {
    MutexLock lock(mutex_);
    if (reporting_ || state_ == ConnectorState::completing || state_ == ConnectorState::accepting) {
      left_early_ = how;
      return;
    }
    // After our own disconnect or close it need not be told (R-DISC-07).
    if (!advance(how.graceful ? ConnectorEvent::peer_disconnected : ConnectorEvent::lost)) return;
    event = std::exchange(event_, {});
  }
  if (event) raise_disconnect(event, how.reason);
}

void Connector::raise_disconnect(const DisconnectEvent& event, std::uint32_t reason) noexcept {
  if (!try_add_ref(RefReason::callback)) return;
  {
    ntrt::IrqlScope dispatch(ntrt::kDispatchLevel, "DisconnectEvent");
    if (event.with_reason != nullptr) {
      event.with_reason(event.context, reason);
    } else {
      event.plain(event.context);
    }
  }
  release(RefReason::callback);
}

Connector::LateEvent::LateEvent(Connector& connector) noexcept
    : Delivery(
          [](Delivery& self) noexcept {
            // On a processor, never nested in the call that made the connection (R-DISC-18).
            Connector& raiser = static_cast<LateEvent&>(self).owner;
            std::optional<PeerLeft> how;
            {
              MutexLock lock(raiser.mutex_);
              how = std::exchange(raiser.left_early_, std::nullopt);
            }
            if (how) raiser.peer_left(*how);
            raiser.release(RefReason::callback);
          },
          "disconnect event"),
      owner(connector) {}

void Connector::begin_close(Object& object) noexcept {
  Connector& self = static_cast<Connector&>(object);
  {
    MutexLock lock(self.mutex_);
    const bool stepped = self.advance(ConnectorEvent::close_called);
    SOFTNDK_CHECK(stepped);
  }
  self.add_ref(RefReason::request);  // until the device's last event
  self.device_->close();             // rejects, aborts or answers, as the state wants it (R-CLS-18..R-CLS-20)
}

void Connector::describe(const Object& object, ntrt::NodeText& to) noexcept {
  const auto& self = static_cast<const Connector&>(object);
  to.local = self.device_->local_address();
  to.peer = self.device_->peer_address();
  MutexLock lock(self.mutex_);
  if (self.state_ != ConnectorState::closing) to.add(", %s", to_string(self.state_));
  self.describe_antecedents(to);
}

NTSTATUS Connector::connection_data(ULONG* inbound, ULONG* outbound, void* private_data,
                                    ULONG* length_bytes) const noexcept {
  constexpr std::size_t kReceivedMax = 512;  // what MPA can carry (R-GCD-03)
  std::array<std::uint8_t, kReceivedMax> received{};
  if (private_data == nullptr && *length_bytes != 0) return STATUS_INVALID_PARAMETER;
  const std::optional<std::size_t> received_bytes = device_->private_data(received);
  if (!received_bytes) return STATUS_CONNECTION_INVALID;  // R-GCD-08
  const rdma::ReadLimits limits = device_->limits().value_or(rdma::ReadLimits{});
  if (inbound != nullptr) *inbound = limits.inbound;
  if (outbound != nullptr) *outbound = limits.outbound;

  // The size of our buffer, not of what the peer sent (R-GCD-02); the rest of it is zero.
  const std::size_t required = std::max<std::size_t>(adapter().info().MaxCalleeData, *received_bytes);
  SOFTNDK_CHECK(required <= received.size());
  const std::size_t room = *length_bytes;
  *length_bytes = static_cast<ULONG>(required);
  if (private_data == nullptr) return STATUS_SUCCESS;
  const std::size_t copied = std::min(room, required);
  std::memcpy(private_data, received.data(), copied);
  return room < required ? STATUS_BUFFER_TOO_SMALL : STATUS_SUCCESS;
}

}  // namespace softndk::provider
