#include "net/reserved_ports.h"

#include "base/alloc.h"
#include "net/io_error.h"
#include "net/socket_address.h"
#include "net/tcp_socket.h"

namespace softndk::net {

using io::IoError;

ReservedPort::ReservedPort(ReservedPorts& owner, sys::Fd fd, const Address& local) noexcept
    : owner_(owner), fd_(std::move(fd)), local_(local) {
  MutexLock lock(owner_.lock_);
  owner_.list_.push_back(*this);
}

ReservedPort::~ReservedPort() {
  MutexLock lock(owner_.lock_);
  IntrusiveList<ReservedPort>::remove(*this);
}

expected<OwnedInterface<io::Network::Reservation>, IoError> ReservedPorts::reserve(const Address& local) noexcept {
  auto fd = open_tcp(local.family);
  if (!fd) return unexpected(fd.error());
  if (auto bound = bind_exclusively(fd->get(), local); !bound) return unexpected(bound.error());
  auto port = make_interface<ReservedPort>(*this, std::move(*fd), local);
  if (port == nullptr) return unexpected(IoError::no_resources);
  return port;
}

void ReservedPorts::consent(const Address& local, bool consents) noexcept {
  for (ReservedPort* port = list_.front(); port != nullptr; port = list_.after(*port)) {
    const Address& reserved = port->local_;
    if (reserved.family != local.family || reserved.port != local.port) continue;
    if (reserved.same_host(local) || reserved.is_wildcard() || local.is_wildcard())
      consent_to_reuse(port->fd_.get(), consents);
  }
}

expected<void, IoError> ReservedPorts::bind_shared(int fd, const Address& local) noexcept {
  const SocketAddress address(local);
  consent_to_reuse(fd, true);
  MutexLock lock(lock_);
  consent(local, true);
  const long result = sys::bind(fd, address.get(), address.size());
  consent(local, false);
  if (result < 0) return unexpected(to_io_error(-result, Call::local));
  return {};
}

}  // namespace softndk::net
