#include "net/network.h"

#include <errno.h>

#include "base/log.h"
#include "net/host.h"
#include "net/io_error.h"
#include "net/processor.h"
#include "net/socket_address.h"
#include "net/tcp_acceptor.h"
#include "net/tcp_socket.h"
#include "net/tcp_stream.h"

namespace softndk::net {

using io::IoError;

namespace {

// What is wrong with our end is told inline; what is wrong with the peer or the way to it comes as an event.
bool is_about_our_end(IoError error) {
  switch (error) {
    case IoError::address_in_use:
    case IoError::address_not_local:
    case IoError::already_connected:
    case IoError::no_resources:
    case IoError::not_permitted:
    case IoError::closed:
      return true;
    case IoError::refused:
    case IoError::network_unreachable:
    case IoError::host_unreachable:
    case IoError::timed_out:
    case IoError::reset:
      return false;
  }
  SOFTNDK_UNREACHABLE();
}

}  // namespace

expected<OwnedInterface<io::Acceptor>, IoError> Network::listen(const Address& local, unsigned backlog,
                                                                io::AcceptSink& sink,
                                                                io::Processor& processor) noexcept {
  return TcpAcceptor::open(local, backlog, sink, static_cast<Processor&>(processor), same_host_congestion_);
}

expected<OwnedInterface<io::ByteStream>, IoError> Network::connect(const Address& local, const Address& remote,
                                                                   const io::ConnectOptions& options,
                                                                   io::StreamSink& sink,
                                                                   io::Processor& processor) noexcept {
  SOFTNDK_CHECK(local.port != 0);
  auto fd = open_tcp(local.family);
  if (!fd) return unexpected(fd.error());
  const auto bound = options.share_local ? reserved_.bind_shared(fd->get(), local) : bind_exclusively(fd->get(), local);
  if (!bound) return unexpected(bound.error());

  const bool same_host = is_same_host(local, remote);
  if (same_host) set_congestion_control(fd->get(), same_host_congestion_);

  long result;
  if (remote == local) {
    result = -ECONNREFUSED;  // TCP would open simultaneously with itself
  } else {
    const SocketAddress target(remote);
    do {
      result = sys::connect(fd->get(), target.get(), target.size());
    } while (result == -EINTR);
  }
  IoError error = IoError::reset;
  const bool failed = result < 0 && result != -EINPROGRESS;
  if (failed) {
    error = to_io_error(-result, Call::connect);
    if (is_about_our_end(error)) return unexpected(error);
  }

  expected<Address, IoError> name = local;
  if (local.is_wildcard() && !failed) name = local_name(fd->get());
  if (!name) return unexpected(name.error());
  auto stream = make_interface<TcpStream>(static_cast<Processor&>(processor), sink, std::move(*fd), *name, remote,
                                          same_host, TcpStream::Phase::connecting);
  if (stream == nullptr) return unexpected(IoError::no_resources);
  if (failed) {
    stream->start_failed(error);
  } else if (auto started = stream->start(); !started) {
    stream->give_up();
    return unexpected(started.error());
  }
  return stream;
}

expected<OwnedInterface<io::Network::Reservation>, IoError> Network::reserve(const Address& local) noexcept {
  SOFTNDK_CHECK(local.port != 0);
  return reserved_.reserve(local);
}

expected<Address, IoError> Network::source_for(const Address& remote) noexcept {
  return net::source_for(remote);
}

expected<Array<io::Interface>, IoError> Network::interfaces() noexcept {
  return net::interfaces();
}

}  // namespace softndk::net
