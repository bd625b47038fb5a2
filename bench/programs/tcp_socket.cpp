#include "programs/tcp_socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

namespace softndk::bench {
namespace {

constexpr int kBacklog = 4096;

sockaddr_in address_of(const std::string& text, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (inet_pton(AF_INET, text.c_str(), &address.sin_addr) != 1) {
    errno = 0;
    die(text + " is no IPv4 address");
  }
  return address;
}

Socket new_socket(const std::string& congestion, int flags) {
  Socket socket(static_cast<int>(check(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0), "socket")));
  const int on = 1;
  check(setsockopt(socket.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), "TCP_NODELAY");
  if (!congestion.empty())
    check(setsockopt(socket.fd(), IPPROTO_TCP, TCP_CONGESTION, congestion.data(),
                     static_cast<socklen_t>(congestion.size())),
          "TCP_CONGESTION");
  return socket;
}

int flags_of(Wait wait) {
  return wait == Wait::spin ? MSG_DONTWAIT : 0;
}

bool would_block(ssize_t result) {
  return result < 0 && (errno == EAGAIN || errno == EINTR);
}

}  // namespace

void die(const std::string& what) {
  std::fprintf(stderr, "%s%s%s\n", what.c_str(), errno == 0 ? "" : ": ", errno == 0 ? "" : std::strerror(errno));
  std::exit(1);
}

long check(long result, const char* what) {
  if (result < 0) die(what);
  return result;
}

void Socket::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Socket listen_on(const std::string& address, std::uint16_t port, const std::string& congestion) {
  Socket socket = new_socket(congestion, 0);
  const int on = 1;
  check(setsockopt(socket.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), "SO_REUSEADDR");
  const sockaddr_in local = address_of(address, port);
  check(bind(socket.fd(), reinterpret_cast<const sockaddr*>(&local), sizeof(local)), "bind");
  check(listen(socket.fd(), kBacklog), "listen");
  return socket;
}

std::uint16_t port_of(const Socket& socket) {
  sockaddr_in local{};
  socklen_t bytes = sizeof(local);
  check(getsockname(socket.fd(), reinterpret_cast<sockaddr*>(&local), &bytes), "getsockname");
  return ntohs(local.sin_port);
}

Socket accept_from(const Socket& listener, Wait wait) {
  Spin spin;
  for (;;) {
    const int fd = accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC);
    if (fd >= 0) return Socket(fd);
    if (wait == Wait::block || !would_block(fd)) die("accept");
    spin.again();
  }
}

Socket connect_to(const std::string& address, std::uint16_t port, const std::string& congestion) {
  Socket socket = new_socket(congestion, 0);
  const sockaddr_in peer = address_of(address, port);
  check(connect(socket.fd(), reinterpret_cast<const sockaddr*>(&peer), sizeof(peer)), "connect");
  return socket;
}

Socket connect_patiently(const std::string& address, std::uint16_t port, const std::string& congestion) {
  const sockaddr_in peer = address_of(address, port);
  const auto due = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  for (;;) {
    Socket socket = new_socket(congestion, 0);
    if (connect(socket.fd(), reinterpret_cast<const sockaddr*>(&peer), sizeof(peer)) == 0) return socket;
    if (errno != ECONNREFUSED || std::chrono::steady_clock::now() > due) die("connect");
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

Socket begin_connect(const std::string& address, std::uint16_t port, const std::string& congestion) {
  Socket socket = new_socket(congestion, SOCK_NONBLOCK);
  const sockaddr_in peer = address_of(address, port);
  if (connect(socket.fd(), reinterpret_cast<const sockaddr*>(&peer), sizeof(peer)) < 0 && errno != EINPROGRESS)
    die("connect");
  return socket;
}

void set_nonblocking(const Socket& socket) {
  check(fcntl(socket.fd(), F_SETFL, check(fcntl(socket.fd(), F_GETFL), "F_GETFL") | O_NONBLOCK), "F_SETFL");
}

std::string congestion_of(const Socket& socket) {
  char name[32] = {};
  socklen_t bytes = sizeof(name) - 1;
  check(getsockopt(socket.fd(), IPPROTO_TCP, TCP_CONGESTION, name, &bytes), "TCP_CONGESTION");
  return name;
}

void Spin::again() {
  if (++attempts_ % 1024 == 0) sched_yield();
}

void send_all(const Socket& socket, std::span<const std::byte> bytes, Wait wait) {
  Spin spin;
  while (!bytes.empty()) {
    const ssize_t sent = send(socket.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL | flags_of(wait));
    if (would_block(sent)) {
      spin.again();
      continue;
    }
    bytes = bytes.subspan(static_cast<std::size_t>(check(sent, "send")));
  }
}

std::size_t receive_some(const Socket& socket, std::span<std::byte> bytes, Wait wait) {
  Spin spin;
  for (;;) {
    const ssize_t received = recv(socket.fd(), bytes.data(), bytes.size(), flags_of(wait));
    if (!would_block(received)) return static_cast<std::size_t>(check(received, "recv"));
    spin.again();
  }
}

bool receive_all(const Socket& socket, std::span<std::byte> bytes, Wait wait) {
  const std::size_t wanted = bytes.size();
  while (!bytes.empty()) {
    const std::size_t received = receive_some(socket, bytes, wait);
    if (received == 0) {
      errno = 0;
      if (bytes.size() != wanted) die("the peer closed in the middle of a message");
      return false;
    }
    bytes = bytes.subspan(received);
  }
  return true;
}

LoadBuffer::LoadBuffer(std::size_t bytes, std::size_t offset_bytes) : offset_(offset_bytes), bytes_(bytes) {
  void* const pages =
      mmap(nullptr, bytes + offset_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (pages == MAP_FAILED) die("mmap");
  pages_ = static_cast<std::byte*>(pages);
  // Written, or the sender would read one page of zeros over and over.
  std::memset(pages_, 0x5a, bytes + offset_bytes);
}

LoadBuffer::~LoadBuffer() {
  munmap(pages_, bytes_ + offset_);
}

}  // namespace softndk::bench
