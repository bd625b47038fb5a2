#include "sim/network.h"

#include "base/alloc.h"
#include "base/log.h"

namespace softndk::sim {
namespace {

class HeldAddress final : public io::Network::Reservation {
 public:
  explicit HeldAddress(Ports::Hold hold) : hold_(std::move(hold)) {}
  ~HeldAddress() override {
    HiddenFromTsan hidden;
    hold_ = {};
  }

 private:
  Ports::Hold hold_;
};

}  // namespace

expected<OwnedInterface<io::Acceptor>, io::IoError> Network::listen(const Address& local, unsigned backlog,
                                                                    io::AcceptSink& sink,
                                                                    io::Processor& processor) noexcept {
  HiddenFromTsan hidden;
  SOFTNDK_CHECK(local.port != 0);
  if (fault_injected("listen")) return unexpected(io::IoError::no_resources);
  auto hold = ports_.bind(local, Ports::Use::listener);
  if (!hold) return unexpected(hold.error());
  auto listener =
      std::make_shared<Listener>(core_, std::move(*hold), backlog, sink, static_cast<Processor&>(processor));
  auto acceptor = make_interface<Acceptor>(listener);
  if (acceptor == nullptr) return unexpected(io::IoError::no_resources);
  std::erase_if(listeners_, [](const auto& one) { return one->is_closed(); });
  listeners_.push_back(std::move(listener));
  return acceptor;
}

expected<OwnedInterface<io::ByteStream>, io::IoError> Network::connect(const Address& local, const Address& remote,
                                                                       const io::ConnectOptions& options,
                                                                       io::StreamSink& sink,
                                                                       io::Processor& processor) noexcept {
  HiddenFromTsan hidden;
  SOFTNDK_CHECK(local.port != 0);
  if (local.family != remote.family) return unexpected(io::IoError::not_permitted);
  if (fault_injected("connect")) return unexpected(io::IoError::no_resources);
  const auto use = options.share_local ? Ports::Use::shared_stream : Ports::Use::exclusive_stream;
  auto hold = ports_.bind_stream(local, remote, use);
  if (!hold) return unexpected(hold.error());
  const bool same_host = core_.options.same_host.value_or(ports_.on_same_interface(Ports::local_of(*hold), remote));
  auto connection = std::make_shared<Connection>(core_, ++connections_, std::move(*hold), remote, same_host);
  auto stream = make_interface<Stream>(connection, 0U);
  if (stream == nullptr) return unexpected(io::IoError::no_resources);
  happens_before(connection.get());
  connection->attach(0, sink, static_cast<Processor&>(processor));
  core_.note(TraceKind::connect, connection->name_of(0), remote.port);
  // What is wrong with the peer is told as an event, what is wrong here was told inline.
  if (!ports_.is_local(remote) && !ports_.is_on_link(remote)) {
    core_.agenda.at(later(), [connection] { connection->tell_connect_failed(io::IoError::network_unreachable); });
  } else if (!ports_.is_local(remote)) {
    core_.agenda.at(core_.now_ns + kNeighbourGivesUpNs,
                    [connection] { connection->tell_connect_failed(io::IoError::host_unreachable); });
  } else if (core_.network.happens(core_.options.unanswered_connect)) {
    core_.agenda.at(core_.now_ns + kConnectGivesUpNs,
                    [connection] { connection->tell_connect_failed(io::IoError::timed_out); });
  } else {
    core_.agenda.at(later(), [this, connection] { arrive(connection, 0); });
  }
  return stream;
}

std::shared_ptr<Listener> Network::listener_at(const Address& address) {
  std::shared_ptr<Listener> found;
  for (const auto& listener : listeners_) {
    const Address& own = listener->local_address();
    if (listener->is_closed() || own.port != address.port || own.family != address.family) continue;
    if (own.same_host(address)) return listener;
    if (own.is_wildcard()) found = listener;
  }
  return found;
}

/// The SYN, at the remote address.
void Network::arrive(const std::shared_ptr<Connection>& connection, unsigned attempt) {
  if (connection->is_closed(0)) return;
  const Address& remote = connection->peer_address(0);
  const auto listener = listener_at(remote);
  if (listener == nullptr || listener->refuses()) {
    core_.agenda.at(later(), [connection] { connection->tell_connect_failed(io::IoError::refused); });
    return;
  }
  if (listener->is_full()) {
    constexpr unsigned kRetries = 6;
    const io::TimeNs pause_ns = io::kSecond << attempt;
    core_.agenda.at(core_.now_ns + pause_ns, [this, connection, attempt] {
      if (attempt < kRetries)
        arrive(connection, attempt + 1);
      else
        connection->tell_connect_failed(io::IoError::timed_out);
    });
    return;
  }
  connection->establish(ports_.bind_accepted(remote, connection->local_address(0)));
  core_.agenda.at(later(), [connection] { connection->tell_connected(); });
  listener->enqueue(connection);
}

expected<OwnedInterface<io::Network::Reservation>, io::IoError> Network::reserve(const Address& local) noexcept {
  HiddenFromTsan hidden;
  SOFTNDK_CHECK(local.port != 0);
  if (fault_injected("reserve")) return unexpected(io::IoError::no_resources);
  auto hold = ports_.bind(local, Ports::Use::reservation);
  if (!hold) return unexpected(hold.error());
  auto held = make_interface<HeldAddress>(std::move(*hold));
  if (held == nullptr) return unexpected(io::IoError::no_resources);
  return held;
}

expected<Address, io::IoError> Network::source_for(const Address& remote) noexcept {
  HiddenFromTsan hidden;
  return ports_.source_for(remote);
}

expected<Array<io::Interface>, io::IoError> Network::interfaces() noexcept {
  HiddenFromTsan hidden;
  Array<io::Interface> found;
  for (const Interface& own : ports_.interfaces()) {
    io::Interface copy;
    copy.index = own.index;
    std::copy(std::begin(own.name), std::end(own.name), copy.name);
    copy.loopback = own.loopback;
    copy.up = own.up;
    if (!copy.addresses.append(own.addresses) || !found.push_back(std::move(copy)))
      return unexpected(io::IoError::no_resources);
  }
  return found;
}

}  // namespace softndk::sim
