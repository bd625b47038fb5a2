#pragma once
// Which of many sockets have something to do.
#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <span>

#include "programs/tcp_socket.h"

namespace softndk::bench {

class Ready {
 public:
  explicit Ready(Wait wait)
      : epoll_(static_cast<int>(check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1"))), wait_(wait) {}

  /// `key` comes back in data.u64.
  void watch(const Socket& socket, std::uint32_t events, std::uint64_t key) {
    control(EPOLL_CTL_ADD, socket, events, key);
  }
  void change(const Socket& socket, std::uint32_t events, std::uint64_t key) {
    control(EPOLL_CTL_MOD, socket, events, key);
  }
  void forget(const Socket& socket) { control(EPOLL_CTL_DEL, socket, 0, 0); }

  /// At least one.
  std::span<const epoll_event> next() {
    Spin spin;
    for (;;) {
      const int count =
          epoll_wait(epoll_.fd(), events_.data(), static_cast<int>(events_.size()), wait_ == Wait::spin ? 0 : -1);
      if (count > 0) return std::span(events_).first(static_cast<std::size_t>(count));
      if (count < 0 && errno != EINTR) die("epoll_wait");
      spin.again();
    }
  }

 private:
  void control(int what, const Socket& socket, std::uint32_t events, std::uint64_t key) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = key;
    check(epoll_ctl(epoll_.fd(), what, socket.fd(), &event), "epoll_ctl");
  }

  Socket epoll_;
  Wait wait_;
  std::array<epoll_event, 64> events_;
};

}  // namespace softndk::bench
