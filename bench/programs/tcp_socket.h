#pragma once
// Plain TCP, as little as a benchmark needs. Whatever fails ends the program with a sentence: there is nobody to
// recover for.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

namespace softndk::bench {

/// Ends the program; errno, if not 0, is part of the sentence.
[[noreturn]] void die(const std::string& what);
/// `result` unless it is negative.
long check(long result, const char* what);

class Socket {
 public:
  Socket() = default;
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Socket() { close(); }
  void close();
  int fd() const { return fd_; }

 private:
  int fd_ = -1;
};

/// How a program waits for its peer. Spinning never sleeps, but lets another have the core now and then.
enum class Wait : std::uint8_t { spin, block };

/// `port` 0: any free one, see port_of(). Accepted sockets inherit the congestion control; empty is the system's.
Socket listen_on(const std::string& address, std::uint16_t port, const std::string& congestion);
std::uint16_t port_of(const Socket& socket);
/// `listener` is non-blocking where it is spun on.
Socket accept_from(const Socket& listener, Wait wait);
/// Tries again for two seconds while nobody listens, so that a server and a client may be started together.
Socket connect_patiently(const std::string& address, std::uint16_t port, const std::string& congestion);
Socket connect_to(const std::string& address, std::uint16_t port, const std::string& congestion);
/// Non-blocking, and not yet connected when this returns.
Socket begin_connect(const std::string& address, std::uint16_t port, const std::string& congestion);
void set_nonblocking(const Socket& socket);
/// What the kernel says of it, "cubic".
std::string congestion_of(const Socket& socket);

void send_all(const Socket& socket, std::span<const std::byte> bytes, Wait wait);
/// False: the peer had closed before the first octet.
bool receive_all(const Socket& socket, std::span<std::byte> bytes, Wait wait);
/// What there is, at least one octet; 0: the peer has closed.
std::size_t receive_some(const Socket& socket, std::span<std::byte> bytes, Wait wait);

/// Counts attempts in vain, and yields the core after many: with fewer cores than spinners the peer must get its turn.
class Spin {
 public:
  void again();

 private:
  unsigned attempts_ = 0;
};

/// Pages of our own, touched, and `offset_bytes` into them the octets that are sent from or received into: where a
/// buffer lies within its page decides how fast it is copied.
class LoadBuffer {
 public:
  LoadBuffer(std::size_t bytes, std::size_t offset_bytes);
  ~LoadBuffer();
  LoadBuffer(const LoadBuffer&) = delete;
  LoadBuffer& operator=(const LoadBuffer&) = delete;
  std::span<std::byte> bytes() const { return {pages_ + offset_, bytes_}; }

 private:
  std::byte* pages_;
  std::size_t offset_;
  std::size_t bytes_;
};

}  // namespace softndk::bench
