#include "net/tcp_stream.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cstddef>

#include "base/log.h"
#include "net/io_error.h"
#include "net/tcp_socket.h"

namespace softndk::net {

using io::Interest;
using io::IoError;
using io::IoResult;

namespace {

// IoSpan and iovec are one layout, so that the protocol's lists go to the kernel as they are.
static_assert(sizeof(IoSpan) == sizeof(iovec) && offsetof(IoSpan, data) == offsetof(iovec, iov_base) &&
              offsetof(IoSpan, size) == offsetof(iovec, iov_len) && sizeof(IoSpan::size) == sizeof(iovec::iov_len));
static_assert(sizeof(ConstIoSpan) == sizeof(iovec) && offsetof(ConstIoSpan, data) == offsetof(iovec, iov_base) &&
              offsetof(ConstIoSpan, size) == offsetof(iovec, iov_len));

constexpr std::size_t kSpansPerCall = 1024;          // UIO_MAXIOV
constexpr std::uint32_t kCallsPerSegmentRead = 64;   // of segment_bytes()
constexpr std::size_t kDrainMax_bytes = 16'000'000;  // a peer that never stops sending gets its RST after all
constexpr std::uint8_t kErrorBias = 1;               // error_ 0 is "none"

IoResult done(long bytes) {
  return {IoResult::Status::done, static_cast<std::size_t>(bytes)};
}
IoResult closed() {
  return {IoResult::Status::failed, 0, IoError::closed};
}
template <class Span>
bool asks_for_nothing(std::span<const Span> spans) {
  return std::all_of(spans.begin(), spans.end(), [](const Span& span) { return span.size == 0; });
}

}  // namespace

/// Inside the gate for as long as it lives. The last one out of a closing stream lets the processor go on.
class TcpStream::Call {
 public:
  explicit Call(TcpStream& stream) noexcept : stream_(stream), inside_(stream.gate_.enter()) {}
  ~Call() {
    if (inside_ && stream_.gate_.leave()) stream_.processor_.post(stream_.close_task_);
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  explicit operator bool() const noexcept { return inside_; }

 private:
  TcpStream& stream_;
  const bool inside_;
};

TcpStream::TcpStream(Processor& processor, io::StreamSink& sink, sys::Fd fd, const Address& local, const Address& peer,
                     bool same_host, Phase first) noexcept
    : processor_(processor),
      sink_(sink),
      local_(local),
      peer_(peer),
      same_host_(same_host),
      fd_(std::move(fd)),
      close_task_(*this, [](io::Task& task) noexcept { static_cast<StreamTask&>(task).stream.finish_closing(); }),
      failed_task_(*this,
                   [](io::Task& task) noexcept {
                     TcpStream& stream = static_cast<StreamTask&>(task).stream;
                     IoError error;
                     {
                       MutexLock lock(stream.lock_);
                       error = stream.connect_error_;
                     }
                     stream.finish_connecting(error);
                   }),
      unwatched_task_(*this,
                      [](io::Task& task) noexcept {
                        // Until there is memory the processor goes round and looks itself.
                        static_cast<StreamTask&>(task).stream.on_events(EPOLLIN | EPOLLOUT);
                      }),
      phase_(first) {}

TcpStream::~TcpStream() {
  MutexLock lock(lock_);
  SOFTNDK_CHECK(phase_ == Phase::closed);  // destroyed before its on_closed()
}

void TcpStream::give_up() noexcept {
  MutexLock lock(lock_);
  phase_ = Phase::closed;
}

expected<void, IoError> TcpStream::start() noexcept {
  MutexLock lock(lock_);
  const std::uint32_t events = phase_ == Phase::connecting ? EPOLLOUT | EPOLLONESHOT : EPOLLONESHOT;
  auto watched = processor_.watch(fd_.get(), events, *this);
  watched_ = watched.has_value();
  return watched;
}

void TcpStream::start_failed(IoError error) noexcept {
  {
    MutexLock lock(lock_);
    connect_error_ = error;
  }
  processor_.post(failed_task_);
}

void TcpStream::hold() noexcept {
  SOFTNDK_CHECK(gate_.enter());
}

void TcpStream::release_hold() noexcept {
  {
    MutexLock lock(lock_);
    if (phase_ == Phase::held) {
      phase_ = Phase::connected;
      if (armed_ != Interest::none) watch_armed();
    }
  }
  if (gate_.leave()) processor_.post(close_task_);
}

void TcpStream::on_events(std::uint32_t events) noexcept {
  Interest ready = Interest::none;
  {
    MutexLock lock(lock_);
    if (phase_ == Phase::connecting) {
      // below, without the lock
    } else if (phase_ != Phase::connected) {
      return;  // an error or hang-up, told though nobody asked; arm() will ask
    } else {
      if (events & EPOLLIN) ready = ready | Interest::read;
      if (events & EPOLLOUT) ready = ready | Interest::write;
      if (events & (EPOLLERR | EPOLLHUP)) ready = Interest::both;
      // The peer's FIN wakes both directions, once. For ever would make a writer spin that waits for room in a
      // connection whose other half is closed.
      if ((events & EPOLLRDHUP) && !end_reported_) {
        ready = Interest::both;
        end_reported_ = true;
      }
      ready = Interest(unsigned(ready) & unsigned(armed_));
      armed_ = Interest(unsigned(armed_) & ~unsigned(ready));
      if (armed_ != Interest::none) watch_armed();  // the event disarmed all of it
      if (ready == Interest::none) return;
    }
  }
  if (ready != Interest::none) {
    sink_.on_ready(ready);
    return;
  }
  int error = 0;
  socklen_t size = sizeof error;
  const long result = sys::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (result < 0) error = static_cast<int>(-result);
  finish_connecting(error == 0 ? std::nullopt : std::optional(to_io_error(error, net::Call::connect)));
}

void TcpStream::finish_connecting(std::optional<IoError> error) noexcept {
  {
    MutexLock lock(lock_);
    if (phase_ != Phase::connecting) return;  // closed meanwhile: on_closed() is all that follows
    phase_ = error ? Phase::failed : Phase::connected;
    if (!error && armed_ != Interest::none) watch_armed();
  }
  if (error) {
    sink_.on_connect_failed(*error);
  } else {
    sink_.on_connected();
  }
}

IoResult TcpStream::failed(long error) noexcept {
  const IoError mapped = to_io_error(error, net::Call::transfer);
  // The first one stays: later calls see EPIPE or an end in its place.
  std::uint8_t none = 0;
  if (error_.compare_exchange_strong(none, static_cast<std::uint8_t>(static_cast<std::uint8_t>(mapped) + kErrorBias),
                                     std::memory_order_relaxed))
    return {IoResult::Status::failed, 0, mapped};
  return {IoResult::Status::failed, 0, static_cast<IoError>(none - kErrorBias)};
}

// A read of 0: the peer's FIN, unless a write (or a peek) has taken the news of a reset out of the kernel already. Then
// the socket is in TCP_CLOSE, where a FIN alone brings it only after ours.
IoResult TcpStream::end_or_reset() noexcept {
  if (error_.load(std::memory_order_relaxed) != 0) return failed(ECONNRESET);
  if (!fin_sent_.load(std::memory_order_relaxed)) {
    tcp_info info{};
    socklen_t size = sizeof info;
    if (sys::getsockopt(fd_.get(), IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && info.tcpi_state == TCP_CLOSE)
      return failed(ECONNRESET);
  }
  return {IoResult::Status::end};
}

IoResult TcpStream::read(std::span<const IoSpan> into) noexcept {
  const Call call(*this);
  if (!call) return closed();
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(reinterpret_cast<const iovec*>(into.data()));
  message.msg_iovlen = std::min(into.size(), kSpansPerCall);
  long result;
  do {
    result = into.size() == 1 ? sys::recv(fd_.get(), into[0].data, into[0].size, MSG_DONTWAIT)
                              : sys::recvmsg(fd_.get(), &message, MSG_DONTWAIT);
  } while (result == -EINTR);
  if (result > 0) return done(result);
  if ((result == 0 || result == -EAGAIN) && asks_for_nothing(into.first(message.msg_iovlen))) return done(0);
  if (result == 0) return end_or_reset();
  if (result == -EAGAIN) return {IoResult::Status::would_block};
  return failed(-result);
}

IoResult TcpStream::write(std::span<const ConstIoSpan> from, bool record_end) noexcept {
  const Call call(*this);
  if (!call) return closed();
  int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
  // Only if this call reaches the record's end; when TCP takes less of it, the kernel drops the mark by itself.
  if (record_end && from.size() <= kSpansPerCall) flags |= MSG_EOR;
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(reinterpret_cast<const iovec*>(from.data()));
  message.msg_iovlen = std::min(from.size(), kSpansPerCall);
  long result;
  do {
    result = from.size() == 1 ? sys::send(fd_.get(), from[0].data, from[0].size, flags)
                              : sys::sendmsg(fd_.get(), &message, flags);
  } while (result == -EINTR);
  if (result >= 0) return done(result);
  if (result == -EAGAIN) return {IoResult::Status::would_block};
  return failed(-result);
}

IoResult::Status TcpStream::peek() noexcept {
  const Call call(*this);
  if (!call) return IoResult::Status::failed;
  std::uint8_t octet;
  long result;
  do {
    result = sys::recv(fd_.get(), &octet, 1, MSG_PEEK | MSG_DONTWAIT);
  } while (result == -EINTR);
  if (result > 0) return IoResult::Status::done;
  if (result == 0) return end_or_reset().status;
  if (result == -EAGAIN) return IoResult::Status::would_block;
  return failed(-result).status;
}

void TcpStream::watch_armed() noexcept {
  std::uint32_t events = EPOLLONESHOT;
  if (contains(armed_, Interest::read)) events |= EPOLLIN;
  if (contains(armed_, Interest::write)) events |= EPOLLOUT;
  if (!end_reported_) events |= EPOLLRDHUP;
  if (watched_) return processor_.change_watch(fd_.get(), events, *this);
  watched_ = processor_.watch(fd_.get(), events, *this).has_value();
  if (!watched_) processor_.post(unwatched_task_);
}

void TcpStream::arm(Interest interest) noexcept {
  if (interest == Interest::none) return;
  const Call call(*this);
  if (!call) return;
  MutexLock lock(lock_);
  armed_ = armed_ | interest;
  if (phase_ == Phase::connected) watch_armed();  // else it is done on entering that phase
}

void TcpStream::disarm(Interest interest) noexcept {
  const Call call(*this);
  if (!call) return;
  MutexLock lock(lock_);
  if (phase_ != Phase::connected || !watched_) return;
  armed_ = Interest(unsigned(armed_) & ~unsigned(interest));
  if (armed_ != Interest::none) return watch_armed();
  watched_ = false;
  processor_.unwatch(fd_.get());
}

void TcpStream::finish_writing() noexcept {
  const Call call(*this);
  if (!call || fin_sent_.exchange(true, std::memory_order_relaxed)) return;
  // From here on TCP may go to TIME_WAIT by itself, and take the answer to reuse along.
  consent_to_reuse(fd_.get(), true);
  sys::shutdown(fd_.get(), SHUT_WR);
}

std::size_t TcpStream::unacknowledged_bytes() noexcept {
  const Call call(*this);
  if (!call) return 0;
  int bytes = 0;
  if (sys::ioctl(fd_.get(), SIOCOUTQ, &bytes) < 0 || bytes <= 0) return 0;
  // TCP goes on counting after a reset what it has thrown away.
  tcp_info info{};
  socklen_t size = sizeof info;
  if (sys::getsockopt(fd_.get(), IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && info.tcpi_state == TCP_CLOSE) return 0;
  return static_cast<std::size_t>(bytes);
}

std::size_t TcpStream::segment_bytes() noexcept {
  constexpr std::size_t kSmallest = 536;  // RFC 9293's default
  std::uint32_t bytes = segment_bytes_.load(std::memory_order_relaxed);
  if (segment_reads_.fetch_add(1, std::memory_order_relaxed) % kCallsPerSegmentRead == 0) {
    const Call call(*this);
    int now = 0;
    socklen_t size = sizeof now;
    if (call && sys::getsockopt(fd_.get(), IPPROTO_TCP, TCP_MAXSEG, &now, &size) == 0 && now > 0) {
      bytes = static_cast<std::uint32_t>(now);
      segment_bytes_.store(bytes, std::memory_order_relaxed);
    }
  }
  return bytes != 0 ? bytes : kSmallest;
}

void TcpStream::close(CloseKind kind) noexcept {
  {
    MutexLock lock(lock_);
    if (phase_ == Phase::closed) return;
    abort_ = abort_ || kind == CloseKind::abort;
    phase_ = Phase::closing;
    if (!gate_.close()) return;
  }
  // Nothing may follow the post: on_closed() may have destroyed the stream by then.
  processor_.post(close_task_);
}

void TcpStream::finish_closing() noexcept {
  if (!gate_.try_finish()) return;  // the last one inside posts us again
  bool abort;
  {
    MutexLock lock(lock_);
    abort = abort_;
    if (watched_) processor_.unwatch(fd_.get());
    phase_ = Phase::closed;
  }
  if (abort) {
    reset_on_close(fd_.get(), true);
  } else {
    consent_to_reuse(fd_.get(), true);
    if (!fin_sent_.load(std::memory_order_relaxed)) sys::shutdown(fd_.get(), SHUT_WR);
    drain_input();
  }
  fd_.reset();
  sink_.on_closed();
}

void TcpStream::drain_input() noexcept {
  for (std::size_t drained = 0; drained < kDrainMax_bytes;) {
    // MSG_TRUNC: TCP throws the octets away where they are.
    const long result = sys::recv(fd_.get(), nullptr, kDrainMax_bytes, MSG_TRUNC | MSG_DONTWAIT);
    if (result == -EINTR) continue;
    if (result <= 0) return;
    drained += static_cast<std::size_t>(result);
  }
}

}  // namespace softndk::net
