// The same over plain sockets and epoll: what the kernel itself charges for many connections.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <thread>
#include <vector>

#include "end.h"

namespace softndk::scale {
namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

void prepare(int socket) {
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5);
}

/// Both ends: sockets that are watched, and whole messages that come in.
class Watch {
 public:
  Watch() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}
  ~Watch() { ::close(epoll_); }
  void add(int socket) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = socket;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event);
  }
  /// Calls `on_ready(socket)` for those that are readable; false: it came to nothing.
  template <class OnReady>
  bool wait(OnReady on_ready) {
    epoll_event events[64];
    const int count = ::epoll_wait(epoll_, events, std::size(events), 100);
    for (int i = 0; i < count; ++i)
      on_ready(events[i].data.fd);
    return count >= 0;
  }

 private:
  const int epoll_;
};

/// How many whole messages came in; messages are never split here, being so small.
std::size_t receive(int socket) {
  char room[kMessageBytes * kDepth];
  const ssize_t bytes = ::recv(socket, room, sizeof room, MSG_DONTWAIT);
  return bytes > 0 ? static_cast<std::size_t>(bytes) / kMessageBytes : 0;
}
bool send(int socket, std::size_t count) {
  const char room[kMessageBytes * kDepth] = {};
  return ::send(socket, room, count * kMessageBytes, MSG_NOSIGNAL) == static_cast<ssize_t>(count * kMessageBytes);
}

class RawServer final : public Server {
 public:
  ~RawServer() override {
    stops_ = true;
    thread_.join();
    for (int socket : sockets_)
      ::close(socket);
    ::close(listening_);
  }
  RawServer() {
    listening_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = loopback(0);
    socklen_t length = sizeof address;
    ::bind(listening_, reinterpret_cast<sockaddr*>(&address), length);
    ::listen(listening_, 1024);
    ::getsockname(listening_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    watch_.add(listening_);
    thread_ = std::thread([this] { run(); });
  }
  std::uint16_t port() const override { return port_; }

 private:
  void run() {
    while (!stops_) {
      watch_.wait([this](int socket) {
        if (socket == listening_) {
          const int accepted = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
          if (accepted < 0) return;
          prepare(accepted);
          sockets_.push_back(accepted);
          watch_.add(accepted);
          return;
        }
        if (const std::size_t count = receive(socket)) {
          send(socket, count);
        } else {
          ::shutdown(socket, SHUT_RDWR);
          epoll_gone(socket);
        }
      });
    }
  }
  void epoll_gone(int socket) {
    std::erase(sockets_, socket);
    ::close(socket);
  }
  int listening_ = -1;
  std::uint16_t port_ = 0;
  Watch watch_;
  std::vector<int> sockets_;
  std::atomic<bool> stops_{false};
  std::thread thread_;
};

class RawClient final : public Client {
 public:
  explicit RawClient(std::uint16_t port) : port_(port) {}
  ~RawClient() override {
    for (int socket : sockets_)
      ::close(socket);
  }
  bool connect(std::size_t count) override {
    while (sockets_.size() < count) {
      const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      const sockaddr_in address = loopback(port_);
      if (socket < 0 || ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        std::perror("scale: connect");
        return false;
      }
      prepare(socket);
      sockets_.push_back(socket);
      watch_.add(socket);
    }
    return true;
  }
  bool exchange(std::size_t connections, unsigned window, std::size_t operations) override {
    std::size_t next = 0, sent = 0, answered = 0;
    const auto send_next = [&] {
      ++sent;
      return send(sockets_[next++ % connections], 1);
    };
    while (sent < operations && sent < window)
      if (!send_next()) return false;
    bool all = true;
    while (answered < operations && all) {
      all = watch_.wait([&](int socket) {
        for (std::size_t count = receive(socket); count != 0; --count) {
          ++answered;
          if (sent < operations && !send_next()) all = false;
        }
      }) && all;
    }
    return all;
  }

 private:
  const std::uint16_t port_;
  Watch watch_;
  std::vector<int> sockets_;
};

}  // namespace

std::unique_ptr<Server> make_raw_server() {
  return std::make_unique<RawServer>();
}
std::unique_ptr<Client> make_raw_client(std::uint16_t port) {
  return std::make_unique<RawClient>(port);
}

}  // namespace softndk::scale
