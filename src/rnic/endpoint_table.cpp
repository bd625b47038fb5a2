#include "rnic/endpoint_table.h"

#include <algorithm>

#include "base/log.h"

namespace softndk::rnic {

using rdma::CmStatus;

CmStatus to_cm_status(io::IoError error) noexcept {
  switch (error) {
    case io::IoError::refused:
      return CmStatus::refused;
    case io::IoError::network_unreachable:
      return CmStatus::network_unreachable;
    case io::IoError::host_unreachable:
      return CmStatus::host_unreachable;
    case io::IoError::timed_out:
      return CmStatus::timed_out;
    case io::IoError::reset:
      return CmStatus::refused;  // a TCP connection that never carried a Reply
    case io::IoError::address_in_use:
      return CmStatus::address_in_use;
    case io::IoError::address_not_local:
      return CmStatus::address_not_local;
    case io::IoError::already_connected:
      return CmStatus::already_connected;
    case io::IoError::no_resources:
      return CmStatus::no_resources;
    case io::IoError::not_permitted:
      return CmStatus::address_in_use;  // a port that is not for us
    case io::IoError::closed:
      return CmStatus::cancelled;
  }
  SOFTNDK_UNREACHABLE();
}

Endpoint::Endpoint(EndpointTable& table, const Address& address) : table_(table), address_(address) {}

void Endpoint::set_target(AcceptTarget* target) noexcept {
  MutexLock lock(target_mutex_);
  target_ = target;
}

void Endpoint::pause(bool paused) noexcept {
  if (acceptor_ == nullptr) return;
  if (paused) {
    acceptor_->pause();
  } else if (expected<void, io::IoError> resumed = acceptor_->resume(); !resumed) {
    log(LogLevel::error, "listener %s could not be resumed: %s", AddressText(address_).text,
        to_string(resumed.error()));
  }
}

expected<void, io::IoError> Endpoint::listen(io::Network& network, unsigned backlog,
                                             io::Processor& processor) noexcept {
  auto acceptor = network.listen(address_, backlog, *this, processor);
  if (!acceptor) return unexpected(acceptor.error());
  acceptor_ = std::move(*acceptor);
  return {};
}

expected<void, io::IoError> Endpoint::reserve(io::Network& network) noexcept {
  auto reservation = network.reserve(address_);
  if (!reservation) return unexpected(reservation.error());
  reservation_ = std::move(*reservation);
  return {};
}

io::AcceptSink::Choice Endpoint::choose_sink(const Address&, const Address& peer) noexcept {
  MutexLock lock(target_mutex_);
  if (target_ == nullptr) return {};
  const AcceptTarget::Choice choice = target_->choose_sink(*this, peer);
  return {choice.sink, choice.processor};
}

void Endpoint::on_accept(OwnedInterface<io::ByteStream> stream, io::StreamSink& sink) noexcept {
  // Every sink we name is an AcceptedSink; it takes the stream even if the target has gone since.
  static_cast<AcceptedSink&>(sink).adopt(std::move(stream));
}

void Endpoint::on_acceptor_closed() noexcept {
  io::Task* task = freed_task_;
  io::Processor* processor = freed_processor_;
  table_.erase(*this);  // `this` is gone
  if (task != nullptr) processor->post(*task);
}

EndpointRef EndpointRef::share() const noexcept {
  if (endpoint_ == nullptr) return {};
  MutexLock lock(endpoint_->table_.mutex_);
  ++endpoint_->references_;
  return EndpointRef(endpoint_);
}

void EndpointRef::release_then(io::Task* done, io::Processor* processor) noexcept {
  Endpoint* endpoint = std::exchange(endpoint_, nullptr);
  bool last = false;
  if (endpoint != nullptr) {
    MutexLock lock(endpoint->table_.mutex_);
    last = --endpoint->references_ == 0;
  }
  if (last && endpoint->acceptor_ != nullptr) {
    // The port is free only when the listening socket is gone.
    endpoint->freed_task_ = done;
    endpoint->freed_processor_ = processor;
    endpoint->acceptor_->close();
    return;
  }
  if (last) {
    endpoint->reservation_ = nullptr;  // before the table forgets it, or a newcomer finds the port taken
    endpoint->table_.erase(*endpoint);
  }
  if (done != nullptr) processor->post(*done);
}

bool EndpointTable::add_addresses(std::span<const Address> addresses) noexcept {
  return addresses_.append(addresses);
}

bool EndpointTable::is_ours(const Address& address) const noexcept {
  if (address.is_wildcard()) return true;
  return std::any_of(addresses_.begin(), addresses_.end(), [&](const Address& own) {
    // All of 127/8 is the loopback interface's.
    if (own.is_loopback() && address.is_loopback()) return own.family == address.family;
    return own.same_host(address);
  });
}

expected<Endpoint*, CmStatus> EndpointTable::insert(const Address& address) noexcept {
  auto endpoint = try_make<Endpoint>(*this, address);
  if (endpoint == nullptr) return unexpected(CmStatus::no_resources);
  MutexLock lock(mutex_);
  IntrusiveList<Endpoint>& bucket = buckets_[address.port % kBuckets];
  for (Endpoint* other = bucket.front(); other != nullptr; other = bucket.after(*other)) {
    if (other->address_.port != address.port || other->address_.family != address.family) continue;
    // A wildcard and a specific address on one port conflict (R-LSN-04).
    if (other->address_.same_host(address) || other->address_.is_wildcard() || address.is_wildcard())
      return unexpected(CmStatus::address_in_use);
  }
  bucket.push_back(*endpoint);
  return endpoint.release();
}

void EndpointTable::erase(Endpoint& endpoint) noexcept {
  {
    MutexLock lock(mutex_);
    IntrusiveList<Endpoint>::remove(endpoint);
  }
  Owned<Endpoint> freed(&endpoint);
}

void EndpointTable::add(AddressPair& pair) noexcept {
  MutexLock lock(mutex_);
  streams_[pair.local.port % kBuckets].push_back(pair);
}

void EndpointTable::remove(AddressPair& pair) noexcept {
  MutexLock lock(mutex_);
  if (pair.is_linked()) IntrusiveList<AddressPair>::remove(pair);
}

bool EndpointTable::has_stream(const Address& local, const Address& remote) noexcept {
  MutexLock lock(mutex_);
  IntrusiveList<AddressPair>& bucket = streams_[local.port % kBuckets];
  for (AddressPair* pair = bucket.front(); pair != nullptr; pair = bucket.after(*pair))
    if (pair->local == local && pair->remote == remote) return true;
  return false;
}

rdma::CmStatus EndpointTable::to_cm_status(io::IoError error) noexcept {
  return rnic::to_cm_status(error);
}

}  // namespace softndk::rnic
