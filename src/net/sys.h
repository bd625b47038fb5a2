#pragma once
// The system calls of src/net, by number. A program that our library is linked into may define functions named send,
// listen or accept, and would then get our calls to libc's; it cannot get these. Hidden, like all of the layer.
//
// Each returns what the kernel does: >= 0, or -errno. None is interrupted by signals for good: EINTR is the caller's to
// repeat where it can occur. errno itself is never touched.
//
// Those that can fail for want of something ask fault_injected() with their name first. The others fail only for wrong
// arguments, or where their failure changes nothing (docs/fallible-calls.md says which and why).
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include <cstddef>
#include <cstdint>

struct epoll_event;

namespace softndk::net::sys {

long socket(int domain, int type, int protocol) noexcept;
long bind(int fd, const sockaddr* address, socklen_t size) noexcept;
long listen(int fd, int backlog) noexcept;
long accept4(int fd, sockaddr* address, socklen_t* size, int flags) noexcept;
long connect(int fd, const sockaddr* address, socklen_t size) noexcept;
long shutdown(int fd, int how) noexcept;
long getsockname(int fd, sockaddr* address, socklen_t* size) noexcept;
long getsockopt(int fd, int level, int name, void* value, socklen_t* size) noexcept;
long setsockopt(int fd, int level, int name, const void* value, socklen_t size) noexcept;
long sendmsg(int fd, const msghdr* message, int flags) noexcept;
long recvmsg(int fd, msghdr* message, int flags) noexcept;
/// One buffer, no address.
long send(int fd, const void* from, std::size_t size, int flags) noexcept;
long recv(int fd, void* into, std::size_t size, int flags) noexcept;
long ioctl(int fd, unsigned long request, void* argument) noexcept;
long write(int fd, const void* from, std::size_t size) noexcept;
long close(int fd) noexcept;

long fchmod(int fd, unsigned mode) noexcept;
long mkdir(const char* path, unsigned mode) noexcept;
long unlink(const char* path) noexcept;

long epoll_create() noexcept;
long epoll_ctl(int epoll, int operation, int fd, epoll_event* event) noexcept;
/// `timeout` null: for ever. Rounded up to milliseconds on a kernel before 5.11.
long epoll_wait(int epoll, epoll_event* events, int count, const timespec* timeout) noexcept;
long eventfd() noexcept;

/// Sleeps while *word is `expected`, until woken or CLOCK_MONOTONIC passes `deadline` (null: never).
long futex_wait(const std::uint32_t* word, std::uint32_t expected, const timespec* deadline) noexcept;
long futex_wake_one(const std::uint32_t* word) noexcept;

long sched_yield() noexcept;
long getrandom(void* into, std::size_t size) noexcept;
/// At most 15 octets of `name` show.
long set_thread_name(const char* name) noexcept;
/// How late the kernel may wake this thread in order to save power.
long set_timer_slack_ns(unsigned long slack_ns) noexcept;
long block_all_signals() noexcept;
/// How many CPUs this process may run on; at least 1.
unsigned usable_cpus() noexcept;
int process_id() noexcept;
unsigned effective_user() noexcept;

/// Sets an int-valued option.
inline long set_option(int fd, int level, int name, int value) noexcept {
  return setsockopt(fd, level, name, &value, sizeof value);
}

/// Owns a descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(long fd) noexcept : fd_(static_cast<int>(fd)) {}
  Fd(Fd&& other) noexcept : fd_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept {
    reset(other.release());
    return *this;
  }
  ~Fd() { reset(); }
  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  int release() noexcept {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }
  void reset(int fd = -1) noexcept {
    if (fd_ >= 0) close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

}  // namespace softndk::net::sys
