#include "net/tcp_acceptor.h"

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>

#include <algorithm>

#include "base/log.h"
#include "net/host.h"
#include "net/io_error.h"
#include "net/socket_address.h"
#include "net/tcp_socket.h"
#include "net/tcp_stream.h"

namespace softndk::net {

using io::IoError;

namespace {

constexpr int kAcceptsPerEvent = 32;  // then other events have their turn; epoll tells us again
constexpr io::TimeNs kRetryAfter_ns = 50 * io::kMillisecond;

bool is_shortage(long error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

expected<OwnedInterface<TcpAcceptor>, IoError> TcpAcceptor::open(const Address& local, unsigned backlog,
                                                                 io::AcceptSink& sink, Processor& processor,
                                                                 const char* congestion) noexcept {
  SOFTNDK_CHECK(local.port != 0);
  auto fd = open_tcp(local.family);
  if (!fd) return unexpected(fd.error());
  if (local.is_loopback()) set_congestion_control(fd->get(), congestion);
  if (auto bound = bind_exclusively(fd->get(), local); !bound) return unexpected(bound.error());
  auto acceptor = make_interface<TcpAcceptor>(local, backlog, sink, processor, congestion, std::move(*fd));
  if (acceptor == nullptr) return unexpected(IoError::no_resources);
  MutexLock lock(acceptor->lock_);
  if (auto listening = acceptor->start_listening(); !listening) {
    acceptor->phase_ = Phase::closed;
    return unexpected(listening.error());
  }
  return acceptor;
}

TcpAcceptor::TcpAcceptor(const Address& local, unsigned backlog, io::AcceptSink& sink, Processor& processor,
                         const char* congestion, sys::Fd fd) noexcept
    : local_(local),
      backlog_(static_cast<int>(std::min<unsigned>(backlog, INT_MAX))),
      sink_(sink),
      processor_(processor),
      congestion_(congestion),
      close_task_(*this, [](io::Task& task) noexcept { static_cast<CloseTask&>(task).acceptor.finish_closing(); }),
      retry_timer_(*this, [](io::Task& task) noexcept { static_cast<RetryTimer&>(task).acceptor.retry(); }),
      fd_(std::move(fd)) {}

TcpAcceptor::~TcpAcceptor() {
  MutexLock lock(lock_);
  SOFTNDK_CHECK(phase_ == Phase::closed);  // destroyed before its on_acceptor_closed()
}

expected<void, IoError> TcpAcceptor::start_listening() noexcept {
  // listen() looks for conflicts anew, and our own accepted connections would be some if not both sides consented.
  consent_to_reuse(fd_.get(), true);
  const long result = sys::listen(fd_.get(), backlog_);
  consent_to_reuse(fd_.get(), false);
  if (result < 0) return unexpected(to_io_error(-result, Call::local));
  if (auto watched = processor_.watch(fd_.get(), EPOLLIN, *this); !watched) {
    sys::shutdown(fd_.get(), SHUT_RD);
    return watched;
  }
  watched_ = true;
  phase_ = Phase::listening;
  return {};
}

void TcpAcceptor::stop_listening(Phase next) noexcept {
  // Out of the epoll set: a socket that was shut down reports a hang-up for ever, asked or not.
  if (watched_) processor_.unwatch(fd_.get());
  watched_ = false;
  if (phase_ == Phase::listening) sys::shutdown(fd_.get(), SHUT_RD);
  phase_ = next;
}

void TcpAcceptor::pause() noexcept {
  MutexLock lock(lock_);
  if (phase_ == Phase::listening) stop_listening(Phase::paused);
}

expected<void, IoError> TcpAcceptor::resume() noexcept {
  MutexLock lock(lock_);
  switch (phase_) {
    case Phase::listening:
      return {};
    case Phase::paused:
      return start_listening();
    case Phase::closing:
    case Phase::closed:
      return unexpected(IoError::closed);
  }
  SOFTNDK_UNREACHABLE();
}

void TcpAcceptor::close() noexcept {
  {
    MutexLock lock(lock_);
    if (phase_ == Phase::closing || phase_ == Phase::closed) return;
    stop_listening(Phase::closing);
  }
  // Nothing may follow the post: on_acceptor_closed() may have destroyed the acceptor by then.
  processor_.post(close_task_);
}

void TcpAcceptor::finish_closing() noexcept {
  processor_.cancel(retry_timer_);  // it runs on this thread only, so now it runs no more
  {
    MutexLock lock(lock_);
    phase_ = Phase::closed;
    fd_.reset();
  }
  sink_.on_acceptor_closed();
}

void TcpAcceptor::on_events(std::uint32_t) noexcept {
  // The sink may pause or close us at any step; it cannot destroy us, as that takes a task of this thread.
  for (int i = 0; i < kAcceptsPerEvent; ++i) {
    auto accepted = accept_one();
    if (!accepted) return;
    hand_over(std::move(*accepted));
  }
}

std::optional<TcpAcceptor::Accepted> TcpAcceptor::accept_one() noexcept {
  MutexLock lock(lock_);
  while (phase_ == Phase::listening) {
    SocketAddress peer;
    const long result = sys::accept4(fd_.get(), peer.get(), peer.size_in_out(), SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (result >= 0) {
      // At once, under the lock: it must not stand in the way when we listen again, or somebody after us does.
      consent_to_reuse(static_cast<int>(result), true);
      overload_told_ = false;
      return Accepted{sys::Fd(result), peer.address()};
    }
    if (result == -EAGAIN || result == -EINVAL) return std::nullopt;
    if (is_shortage(-result)) {
      back_off(-result);
      return std::nullopt;
    }
    // Else the newcomer has failed, not we (accept(2) passes on its pending errors): the next one, please.
  }
  return std::nullopt;
}

// Level-triggered, we would be told of the same newcomers for ever.
void TcpAcceptor::back_off(long error) noexcept {
  if (!overload_told_)
    log(LogLevel::error, "listener %s: cannot accept, out of %s (errno %ld); newcomers wait until some are free",
        AddressText(local_).text, error == EMFILE || error == ENFILE ? "descriptors" : "memory", error);
  overload_told_ = true;
  processor_.change_watch(fd_.get(), 0, *this);
  processor_.arm(retry_timer_, processor_.now_ns() + kRetryAfter_ns);
}

void TcpAcceptor::retry() noexcept {
  MutexLock lock(lock_);
  if (watched_) processor_.change_watch(fd_.get(), EPOLLIN, *this);
}

void TcpAcceptor::hand_over(Accepted accepted) noexcept {
  const int fd = accepted.fd.get();
  reset_on_close(fd, true);  // until it has an owner
  expected<Address, IoError> name = local_;
  if (local_.is_wildcard()) name = local_name(fd);
  if (!name) {
    log(LogLevel::error, "listener %s: refused %s: %s", AddressText(local_).text, AddressText(accepted.peer).text,
        io::to_string(name.error()));
    return;
  }
  const Address local = *name;
  const Address peer = accepted.peer;
  const auto choice = sink_.choose_sink(local, peer);
  if (choice.sink == nullptr) return;

  const bool same_host = is_same_host(local, peer);
  if (same_host && !local_.is_loopback()) set_congestion_control(fd, congestion_);
  // Only our own processors are ever named to us.
  Processor& processor = choice.processor != nullptr ? static_cast<Processor&>(*choice.processor) : processor_;
  auto stream = make_interface<TcpStream>(processor, *choice.sink, std::move(accepted.fd), local, peer, same_host,
                                          TcpStream::Phase::held);
  if (stream == nullptr || !stream->start()) {
    log(LogLevel::error, "listener %s: refused %s for lack of memory", AddressText(local_).text,
        AddressText(peer).text);
    if (stream != nullptr) stream->give_up();
    return;
  }
  reset_on_close(fd, false);
  TcpStream& held = *stream;
  held.hold();
  sink_.on_accept(std::move(stream), *choice.sink);
  held.release_hold();
}

}  // namespace softndk::net
