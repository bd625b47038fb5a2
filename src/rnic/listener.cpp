#include "rnic/listener.h"

#include "base/log.h"

namespace softndk::rnic {

using rdma::CmStatus;

namespace {

class Offer final : public rdma::ListenerSink::Incoming {
 public:
  explicit Offer(Connection& connection) : connection_(connection) {}
  OwnedInterface<rdma::Connection> take(rdma::ConnectionSink& sink) noexcept override {
    connection_.give_to(sink);
    taken_ = true;
    return OwnedInterface<rdma::Connection>(&connection_);
  }
  bool taken() const { return taken_; }

 private:
  Connection& connection_;
  bool taken_ = false;
};

}  // namespace

Listener::Listener(const ConnectionContext& context, io::Processor& processor, rdma::ListenerSink& sink)
    : context_(context),
      processor_(processor),
      sink_(sink),
      free_task_([](io::Task& task) noexcept { static_cast<ClosedTask&>(task).listener->on_address_free(); }),
      closed_task_(
          [](io::Task& task) noexcept { static_cast<ClosedTask&>(task).listener->sink_.on_listener_closed(); }) {
  free_task_.listener = closed_task_.listener = this;
}

Listener::~Listener() = default;

// Lock order: an endpoint's target lock is held around choose_sink(), which takes ours; so ours is never held around a
// call of the endpoint that takes that one.

expected<Address, CmStatus> Listener::listen(const Address& local) noexcept {
  {
    MutexLock lock(mutex_);
    if (listened_ || closing_) return unexpected(CmStatus::wrong_state);
    listened_ = true;  // a second call fails from here on, one after a failure may try again (R-LSN-03)
    taking_ = true;
  }
  auto taken = context_.endpoints.take(local, [this](Endpoint& endpoint) {
    endpoint.set_target(this);
    return endpoint.listen(context_.world.network, context_.settings.backlog, processor_);
  });
  {
    MutexLock lock(mutex_);
    taking_ = false;
    if (!taken) listened_ = false;
    if (!closing_) {
      if (!taken) return unexpected(taken.error());
      endpoint_ = std::move(*taken);
      if (paused_) endpoint_->pause(true);  // remembered from before (R-LSN-11)
      return endpoint_->address();
    }
  }
  // Closed meanwhile on another thread, which its consumer should not do (R-CLS-12): close() has left the end to us.
  give_up(taken ? std::move(*taken) : EndpointRef());
  return unexpected(CmStatus::wrong_state);
}

void Listener::pause(bool paused) noexcept {
  MutexLock lock(mutex_);
  if (paused == paused_) return;
  paused_ = paused;
  if (endpoint_) endpoint_->pause(paused);
}

std::optional<Address> Listener::local_address() const noexcept {
  MutexLock lock(mutex_);
  return endpoint_ ? std::optional(endpoint_->address()) : std::nullopt;
}

AcceptTarget::Choice Listener::choose_sink(Endpoint&, const Address& peer) noexcept {
  MutexLock lock(mutex_);
  // endpoint_ is not set yet for a connection that is quicker than listen() returns: it is refused, and tries again.
  if (closing_ || paused_ || !endpoint_) return {};
  if (half_open_count_ >= context_.settings.half_open_max ||
      endpoint_->waiting_for_accept.load() >= context_.settings.backlog) {
    log(LogLevel::warning, "listener %s refuses %s: its backlog is full", AddressText(endpoint_->address()).text,
        AddressText(peer).text);
    return {};
  }
  OwnedInterface<Connection> connection = make_interface<Connection>(context_, processor_, nullptr);
  if (connection == nullptr) return {};
  connection->set_listener(this, endpoint_.share());
  half_open_.push_back(*connection);
  ++half_open_count_;
  return {connection.release(), &processor_};  // it owns itself until somebody takes it
}

bool Listener::deliver(Connection& connection) noexcept {
  {
    MutexLock lock(mutex_);
    if (closing_ || paused_) return false;
  }
  Offer offer(connection);
  sink_.on_connect_request(offer);
  return offer.taken();
}

void Listener::forget(Connection& connection) noexcept {
  MutexLock lock(mutex_);
  IntrusiveList<Connection>::remove(connection);
  --half_open_count_;
  if (closed_ && half_open_count_ == 0) processor_.post(closed_task_);
}

void Listener::close() noexcept {
  EndpointRef endpoint;
  {
    MutexLock lock(mutex_);
    closing_ = true;
    endpoint = std::move(endpoint_);
    for (Connection* connection = half_open_.front(); connection != nullptr; connection = half_open_.after(*connection))
      connection->abandon();
    if (taking_) return;
  }
  give_up(std::move(endpoint));
}

void Listener::give_up(EndpointRef endpoint) noexcept {
  if (endpoint) {
    endpoint->set_target(nullptr);
    endpoint->pause(true);  // refuses at once; its connections may hold the address for longer (R-EP-01, R-LSN-13)
  }
  endpoint.release_then(&free_task_, &processor_);
}

void Listener::on_address_free() noexcept {
  MutexLock lock(mutex_);
  closed_ = true;
  if (half_open_count_ == 0) processor_.post(closed_task_);
}

}  // namespace softndk::rnic
