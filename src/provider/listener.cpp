#include "provider/listener.h"

#include "ntrt/irql.h"
#include "provider/connector.h"
#include "provider/dispatch.h"
#include "provider/status.h"

namespace softndk::provider {

const ObjectType Listener::kType = {
    .name = "listener",
    .ndk_type = NdkObjectTypeListener,
    .begin_close = Listener::begin_close,
    .retire = [](Object& object) noexcept { object.retired(); },
    .destroy = [](Object& object) noexcept { Owned<Listener> gone(static_cast<Listener*>(&object)); },
    .describe = Listener::describe,
};

Listener::Listener(Adapter& adapter, NDK_FN_CONNECT_EVENT_CALLBACK event, PVOID context) noexcept
    : NDK_LISTENER{}, Object(kType, adapter), event_(event), context_(context) {
  init_header(Header, NdkObjectTypeListener, adapter.version());
  Dispatch = &kListenerDispatch;
  hold_antecedent(adapter);
  adapter.miniport().add(*this);
}

Listener::~Listener() {
  adapter().miniport().remove(*this);
}

expected<NDK_LISTENER*, NTSTATUS> Listener::create(Adapter& adapter, NDK_FN_CONNECT_EVENT_CALLBACK event,
                                                   PVOID context) noexcept {
  Owned<Listener> listener = try_make<Listener>(adapter, event, context);
  if (listener == nullptr) return unexpected(STATUS_INSUFFICIENT_RESOURCES);
  auto device = adapter.device().create_listener(listener->sink_);
  if (!device) return unexpected(to_ntstatus(device.error()));
  listener->device_ = std::move(*device);
  return listener.release();
}

void Listener::begin_close(Object& object) noexcept {
  // Refuses from now on (R-CLS-08, R-LSN-13). Connectors that it raised live on and hold it.
  Listener& self = static_cast<Listener&>(object);
  self.add_ref(RefReason::request);  // until the device's last event
  self.device_->close();
}

NTSTATUS Listener::listen(const Address& local, NDK_FN_REQUEST_COMPLETION completion, PVOID context) noexcept {
  {
    MutexLock lock(mutex_);
    if (state_ != State::idle) return STATUS_INVALID_DEVICE_STATE;
    state_ = State::starting;
  }
  request_.begin(pending_calls::kListen, completion, context);
  // Requests are refused until the consumer is told that it listens (R-LSN-05): conclude() lets them in.
  device_->pause(true);
  const auto listening = device_->listen(local);
  {
    MutexLock lock(mutex_);
    if (listening) local_ = *listening;
  }
  return request_.settle(CompletionKind::network_request, listening ? STATUS_SUCCESS : to_ntstatus(listening.error()));
}

NTSTATUS Listener::conclude(Object& object, NTSTATUS status) noexcept {
  Listener& self = static_cast<Listener&>(object);
  if (self.is_closing()) return STATUS_CANCELLED;
  bool let_in = false;
  {
    MutexLock lock(self.mutex_);
    self.state_ = NT_SUCCESS(status) ? State::listening : State::idle;
    let_in = NT_SUCCESS(status) && !self.paused_;
  }
  // The callback follows at once. After it would be too late: the consumer may connect from inside it.
  if (let_in) self.device_->pause(false);
  return status;
}

void Listener::pause(bool paused) noexcept {
  bool listening = false;
  {
    MutexLock lock(mutex_);
    paused_ = paused;
    listening = state_ == State::listening;
  }
  if (listening) device_->pause(paused);
}

std::optional<Address> Listener::local_address() const noexcept {
  MutexLock lock(mutex_);
  return state_ == State::listening ? local_ : std::nullopt;
}

void Listener::describe(const Object& object, ntrt::NodeText& to) noexcept {
  const auto& self = static_cast<const Listener&>(object);
  MutexLock lock(self.mutex_);
  to.local = self.local_;
  to.add(self.state_ == State::listening ? ", listening" : self.state_ == State::starting ? ", starting" : ", idle");
  if (self.paused_) to.add(", paused");
  if (self.event_ == nullptr) to.add(", without a connect event callback");
}

void Listener::raise(rdma::ListenerSink::Incoming& incoming) noexcept {
  if (event_ == nullptr || !try_add_ref(RefReason::callback)) return;  // not taken: refused
  if (NDK_CONNECTOR* connector = Connector::take(*this, incoming)) {
    ntrt::IrqlScope dispatch(ntrt::kDispatchLevel, "ConnectEvent", reinterpret_cast<const void*>(event_));
    event_(context_, connector);  // the consumer owns it now, and may have closed it when this returns
  }
  release(RefReason::callback);
}

}  // namespace softndk::provider
