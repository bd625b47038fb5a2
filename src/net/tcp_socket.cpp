#include "net/tcp_socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <atomic>
#include <cstring>

#include "base/alloc.h"
#include "base/log.h"
#include "net/io_error.h"
#include "net/socket_address.h"

namespace softndk::net {

using io::IoError;

expected<sys::Fd, IoError> open_tcp(Address::Family family) noexcept {
  const long result = sys::socket(to_domain(family), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (result < 0) return unexpected(to_io_error(-result, Call::local));
  sys::Fd fd(result);
  sys::set_option(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  if (family == Address::Family::v6) sys::set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
  return fd;
}

void set_congestion_control(int fd, const char* name) noexcept {
  if (name == nullptr || *name == '\0') return;
  const long result = fault_injected("congestion") ? -ENOENT
                                                   : sys::setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name,
                                                                     static_cast<socklen_t>(std::strlen(name)));
  static std::atomic<bool> told{false};
  if (result < 0 && !told.exchange(true))
    log(LogLevel::warning, "TCP congestion control \"%s\" is not to be had (errno %ld); the default stays", name,
        -result);
}

void consent_to_reuse(int fd, bool consents) noexcept {
  sys::set_option(fd, SOL_SOCKET, SO_REUSEADDR, consents ? 1 : 0);
}

expected<void, IoError> bind_exclusively(int fd, const Address& local) noexcept {
  const SocketAddress address(local);
  // First without consent: that fails if anybody has the port, who may or may not consent.
  long result = sys::bind(fd, address.get(), address.size());
  if (result == -EADDRINUSE) {
    consent_to_reuse(fd, true);
    result = sys::bind(fd, address.get(), address.size());
    consent_to_reuse(fd, false);
  }
  if (result < 0) return unexpected(to_io_error(-result, Call::local));
  return {};
}

void reset_on_close(int fd, bool resets) noexcept {
  const linger now{.l_onoff = resets ? 1 : 0, .l_linger = 0};
  sys::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

expected<Address, IoError> local_name(int fd) noexcept {
  SocketAddress name;
  const long result = sys::getsockname(fd, name.get(), name.size_in_out());
  if (result < 0) return unexpected(to_io_error(-result, Call::local));
  return name.address();
}

}  // namespace softndk::net
