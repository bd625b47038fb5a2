#include "tools/common/ndk_connection.h"

#include <algorithm>

namespace softndk::tools {
namespace {

VOID ignore_closed(PVOID) {}

/// What a user can do about it.
const char* hint(NTSTATUS status) {
  switch (status) {
    case STATUS_CONNECTION_REFUSED:
      return "nobody listens there, or the peer refused";
    case STATUS_NETWORK_UNREACHABLE:
    case STATUS_HOST_UNREACHABLE:
      return "no route to the peer";
    case STATUS_IO_TIMEOUT:
      return "the peer did not answer in time";
    case STATUS_SHARING_VIOLATION:
      return "the local address is in use";
    case STATUS_INVALID_ADDRESS:
      return "not an address of this adapter";
    case STATUS_CONNECTION_ABORTED:
      return "the peer gave up";
    default:
      return "";
  }
}

const char* rule_of(NTSTATUS status) {
  switch (status) {
    case STATUS_CONNECTION_REFUSED:
      return "R-CNCT-04";
    case STATUS_IO_TIMEOUT:
      return "R-CNCT-09";
    case STATUS_SHARING_VIOLATION:
    case STATUS_INVALID_ADDRESS:
      return "R-CNCT-06";
    case STATUS_CONNECTION_ABORTED:
      return "R-CNCT-11";
    default:
      return "";
  }
}

Failure connection_failure(const char* call, NTSTATUS status, std::string object, const char* rule) {
  Failure failure = provider_failure(call, status, std::move(object), rule);
  failure.reason = hint(status);
  return failure;
}

Address from_sockaddr(const SOCKADDR_INET& value) {
  Address address;
  address.value = value;
  return address;
}

template <class Object, class Call>
std::string address_text(Object* object, Call call) {
  SOCKADDR_INET value{.Ipv6 = {}};  // the longer member, so all of it
  ULONG bytes = sizeof(value);
  const NTSTATUS status = call(object, reinterpret_cast<SOCKADDR*>(&value), &bytes);
  return NT_SUCCESS(status) ? to_string(from_sockaddr(value)) : "?";
}

}  // namespace

ReadLimits read_limits(const Adapter& adapter) {
  constexpr ULONG kUseful = 16;
  return {std::min(adapter.limits().MaxInboundReadLimit, kUseful),
          std::min(adapter.limits().MaxOutboundReadLimit, kUseful)};
}

Result<std::unique_ptr<Connector>> Connector::create(const Adapter& adapter) {
  std::unique_ptr<Connector> connector(new Connector);
  const NTSTATUS status = connector->connector_.create([&](auto completion, PVOID context, NDK_CONNECTOR** out) {
    return adapter.get()->Dispatch->NdkCreateConnector(adapter.get(), completion, context, out);
  });
  if (!NT_SUCCESS(status))
    return tl::unexpected(provider_failure("NdkCreateConnector", status, adapter.name(), "R-CRT-06"));
  return connector;
}

Connector::Connector(NDK_CONNECTOR* incoming) {
  connector_.adopt(incoming);
  name_ = local_text() + " <- " + peer_text();
}

std::string Connector::name() const {
  return "connector " + name_;
}

VOID Connector::disconnected(PVOID context) {
  auto* connector = static_cast<Connector*>(context);
  connector->ended_.store(true, std::memory_order_release);
  connector->cq_->wake();
}

Result<void> Connector::settle(const char* call, NTSTATUS returned, const Deadline& deadline) {
  const auto status = request_.status(returned, deadline);
  if (!status) {
    // The callback is still to come and request_ is its context: closing cancels the request and waits for both.
    connector_.finish_close();
    return tl::unexpected(limit_passed(call, name(), deadline.limit_s()));
  }
  if (*status == STATUS_SUCCESS) return {};
  return tl::unexpected(connection_failure(call, *status, name(), rule_of(*status)));
}

Result<void> Connector::connect(const Qp& qp, Cq& cq, const Address& source, const Address& destination,
                                const ReadLimits& limits, std::span<const std::byte> private_bytes,
                                const Deadline& deadline) {
  NDK_CONNECTOR* const connector = connector_.get();
  cq_ = &cq;
  name_ = host_text(source) + " -> " + to_string(destination);
  request_.begin();
  auto settled = settle("NdkConnect",
                        connector->Dispatch->NdkConnect(
                            connector, qp.get(), source.sockaddr(), source.sockaddr_bytes(), destination.sockaddr(),
                            destination.sockaddr_bytes(), limits.inbound, limits.outbound, private_bytes.data(),
                            static_cast<ULONG>(private_bytes.size()), &Request::completed, &request_),
                        deadline);
  if (!settled) return settled;
  request_.begin();
  return settle("NdkCompleteConnect",
                connector->Dispatch->NdkCompleteConnect(connector, &Connector::disconnected, this, &Request::completed,
                                                        &request_),
                deadline);
}

Result<void> Connector::accept(const Qp& qp, Cq& cq, const ReadLimits& limits, std::span<const std::byte> private_bytes,
                               const Deadline& deadline) {
  NDK_CONNECTOR* const connector = connector_.get();
  cq_ = &cq;
  request_.begin();
  return settle("NdkAccept",
                connector->Dispatch->NdkAccept(connector, qp.get(), limits.inbound, limits.outbound,
                                               private_bytes.data(), static_cast<ULONG>(private_bytes.size()),
                                               &Connector::disconnected, this, &Request::completed, &request_),
                deadline);
}

void Connector::reject() {
  // The only other answer is that the peer had left before; it comes to the same.
  static_cast<void>(connector_.get()->Dispatch->NdkReject(connector_.get(), nullptr, 0));
}

Result<void> Connector::disconnect(const Deadline& deadline) {
  NDK_CONNECTOR* const connector = connector_.get();
  request_.begin();
  return settle("NdkDisconnect", connector->Dispatch->NdkDisconnect(connector, &Request::completed, &request_),
                deadline);
}

Result<void> Connector::peer_private_bytes(std::span<std::byte> bytes) const {
  // A buffer that is too small is filled all the same; what stays untouched reads as zeros.
  std::fill(bytes.begin(), bytes.end(), std::byte{0});
  ULONG length = static_cast<ULONG>(bytes.size());
  NDK_CONNECTOR* const connector = connector_.get();
  const NTSTATUS status = connector->Dispatch->NdkGetConnectionData(connector, nullptr, nullptr, bytes.data(), &length);
  if (status == STATUS_SUCCESS || status == STATUS_BUFFER_TOO_SMALL) return {};
  return tl::unexpected(provider_failure("NdkGetConnectionData", status, name(), "R-GCD-05"));
}

std::string Connector::local_text() const {
  return address_text(connector_.get(), connector_.get()->Dispatch->NdkGetLocalAddress);
}

std::string Connector::peer_text() const {
  return address_text(connector_.get(), connector_.get()->Dispatch->NdkGetPeerAddress);
}

VOID Listener::connect_event(PVOID context, NDK_CONNECTOR* connector) {
  auto* listener = static_cast<Listener*>(context);
  KLOCK_QUEUE_HANDLE lock;
  KeAcquireInStackQueuedSpinLock(&listener->lock_, &lock);
  const auto event = listener->stopped_ ? nullptr : listener->event_;
  const bool room = !listener->stopped_ && listener->count_ < kWaitingMax && event == nullptr;
  if (room) listener->waiting_[(listener->first_ + listener->count_++) % kWaitingMax] = connector;
  KeReleaseInStackQueuedSpinLock(&lock);
  if (event != nullptr)
    event(listener->event_context_, connector);
  else if (room)
    listener->arrived_.set();
  else  // closing an incoming connector rejects it (R-CLS-18), and is legal here (R-EVT-02)
    connector->Dispatch->NdkCloseConnector(&connector->Header, &ignore_closed, nullptr);
}

NDK_CONNECTOR* Listener::take() {
  KLOCK_QUEUE_HANDLE lock;
  KeAcquireInStackQueuedSpinLock(&lock_, &lock);
  NDK_CONNECTOR* connector = nullptr;
  if (count_ > 0) {
    connector = waiting_[first_];
    first_ = (first_ + 1) % kWaitingMax;
    --count_;
  }
  KeReleaseInStackQueuedSpinLock(&lock);
  return connector;
}

Result<std::unique_ptr<Listener>> Listener::create(const Adapter& adapter, const Address& address) {
  std::unique_ptr<Listener> listener(new Listener);
  listener->name_ = to_string(address);
  NTSTATUS status = listener->listener_.create([&](auto completion, PVOID context, NDK_LISTENER** out) {
    return adapter.get()->Dispatch->NdkCreateListener(adapter.get(), &Listener::connect_event, listener.get(),
                                                      completion, context, out);
  });
  if (!NT_SUCCESS(status))
    return tl::unexpected(provider_failure("NdkCreateListener", status, adapter.name(), "R-CRT-06"));
  NDK_LISTENER* const object = listener->listener_.get();
  listener->request_.begin();
  status = listener->request_.finish(object->Dispatch->NdkListen(object, address.sockaddr(), address.sockaddr_bytes(),
                                                                 &Request::completed, &listener->request_));
  if (!NT_SUCCESS(status)) return tl::unexpected(connection_failure("NdkListen", status, listener->name(), "R-LSN-02"));
  return listener;
}

void Listener::hand_to(NDK_FN_CONNECT_EVENT_CALLBACK event, PVOID context) {
  KLOCK_QUEUE_HANDLE lock;
  KeAcquireInStackQueuedSpinLock(&lock_, &lock);
  event_context_ = context;
  event_ = event;
  KeReleaseInStackQueuedSpinLock(&lock);
}

void Listener::stop() {
  KLOCK_QUEUE_HANDLE lock;
  KeAcquireInStackQueuedSpinLock(&lock_, &lock);
  stopped_ = true;  // an event that is on its way now refuses instead of queueing what nobody would take
  KeReleaseInStackQueuedSpinLock(&lock);
  listener_.begin_close();
  while (NDK_CONNECTOR* connector = take())
    connector->Dispatch->NdkCloseConnector(&connector->Header, &ignore_closed, nullptr);
}

Listener::~Listener() {
  stop();
  listener_.finish_close();
}

Result<std::unique_ptr<Connector>> Listener::next(const Deadline& deadline) {
  for (;;) {
    arrived_.clear();
    if (NDK_CONNECTOR* connector = take()) return std::make_unique<Connector>(connector);
    if (!arrived_.wait(deadline)) return tl::unexpected(limit_passed("the connect event", name(), deadline.limit_s()));
  }
}

}  // namespace softndk::tools
