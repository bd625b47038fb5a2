#include "net/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <type_traits>

#include "base/alloc.h"

// What was written before a send is visible to who receives: the kernel's locks order the two, and ThreadSanitizer
// knows it from its wrappers of libc's functions, which we go round. So we tell it, and as it does itself: all sockets
// are one meeting place.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SOFTNDK_TSAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__) || defined(SOFTNDK_TSAN)
#include <sanitizer/tsan_interface.h>
#define SOFTNDK_SOCKET_RELEASES() __tsan_release(&g_sockets)
#define SOFTNDK_SOCKET_ACQUIRES() __tsan_acquire(&g_sockets)
static char g_sockets;
#else
#define SOFTNDK_SOCKET_RELEASES() (void)0
#define SOFTNDK_SOCKET_ACQUIRES() (void)0
#endif

namespace softndk::net::sys {
namespace {

#if defined(__x86_64__)
long call6(long number, long a, long b, long c, long d, long e, long f) noexcept {
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}
#else
long call6(long number, long a, long b, long c, long d, long e, long f) noexcept {
  const int saved = errno;
  long result = ::syscall(number, a, b, c, d, e, f);
  if (result == -1) result = -errno;
  errno = saved;
  return result;
}
#endif

template <class T>
long word(T value) noexcept {
  if constexpr (std::is_null_pointer_v<T>) {
    return 0;
  } else if constexpr (std::is_pointer_v<T>) {
    return reinterpret_cast<long>(value);
  } else {
    return static_cast<long>(value);
  }
}
template <class... Args>
long call(long number, Args... args) noexcept {
  static_assert(sizeof...(Args) <= 6);
  const long words[6] = {word(args)...};
  return call6(number, words[0], words[1], words[2], words[3], words[4], words[5]);
}

}  // namespace

long socket(int domain, int type, int protocol) noexcept {
  if (fault_injected("socket")) return -EMFILE;
  return call(SYS_socket, domain, type, protocol);
}
long bind(int fd, const sockaddr* address, socklen_t size) noexcept {
  if (fault_injected("bind")) return -ENOMEM;
  return call(SYS_bind, fd, address, size);
}
long listen(int fd, int backlog) noexcept {
  if (fault_injected("listen")) return -ENOMEM;
  return call(SYS_listen, fd, backlog);
}
long accept4(int fd, sockaddr* address, socklen_t* size, int flags) noexcept {
  if (fault_injected("accept")) return -EMFILE;
  const long result = call(SYS_accept4, fd, address, size, flags);
  SOFTNDK_SOCKET_ACQUIRES();
  return result;
}
long connect(int fd, const sockaddr* address, socklen_t size) noexcept {
  if (fault_injected("connect")) return -ENOBUFS;
  SOFTNDK_SOCKET_RELEASES();
  return call(SYS_connect, fd, address, size);
}
long shutdown(int fd, int how) noexcept {
  SOFTNDK_SOCKET_RELEASES();
  return call(SYS_shutdown, fd, how);
}
long getsockname(int fd, sockaddr* address, socklen_t* size) noexcept {
  if (fault_injected("getsockname")) return -ENOBUFS;
  return call(SYS_getsockname, fd, address, size);
}
long getsockopt(int fd, int level, int name, void* value, socklen_t* size) noexcept {
  return call(SYS_getsockopt, fd, level, name, value, size);
}
long setsockopt(int fd, int level, int name, const void* value, socklen_t size) noexcept {
  return call(SYS_setsockopt, fd, level, name, value, size);
}
long sendmsg(int fd, const msghdr* message, int flags) noexcept {
  if (fault_injected("send")) return -ENOBUFS;
  SOFTNDK_SOCKET_RELEASES();
  return call(SYS_sendmsg, fd, message, flags);
}
long recvmsg(int fd, msghdr* message, int flags) noexcept {
  if (fault_injected("recv")) return -ENOMEM;
  const long result = call(SYS_recvmsg, fd, message, flags);
  SOFTNDK_SOCKET_ACQUIRES();
  return result;
}
long send(int fd, const void* from, std::size_t size, int flags) noexcept {
  if (fault_injected("send")) return -ENOBUFS;
  SOFTNDK_SOCKET_RELEASES();
  return call(SYS_sendto, fd, from, size, flags, nullptr, 0);
}
long recv(int fd, void* into, std::size_t size, int flags) noexcept {
  if (fault_injected("recv")) return -ENOMEM;
  const long result = call(SYS_recvfrom, fd, into, size, flags, nullptr, nullptr);
  SOFTNDK_SOCKET_ACQUIRES();
  return result;
}
long ioctl(int fd, unsigned long request, void* argument) noexcept {
  return call(SYS_ioctl, fd, request, argument);
}
long write(int fd, const void* from, std::size_t size) noexcept {
  return call(SYS_write, fd, from, size);
}
long close(int fd) noexcept {
  SOFTNDK_SOCKET_RELEASES();
  return call(SYS_close, fd);
}

long fchmod(int fd, unsigned mode) noexcept {
  return call(SYS_fchmod, fd, mode);
}
long mkdir(const char* path, unsigned mode) noexcept {
  if (fault_injected("mkdir")) return -ENOSPC;
  return call(SYS_mkdirat, AT_FDCWD, path, mode);
}
long unlink(const char* path) noexcept {
  return call(SYS_unlinkat, AT_FDCWD, path, 0);
}

long epoll_create() noexcept {
  if (fault_injected("epoll_create")) return -EMFILE;
  return call(SYS_epoll_create1, EPOLL_CLOEXEC);
}
long epoll_ctl(int epoll, int operation, int fd, epoll_event* event) noexcept {
  if (operation == EPOLL_CTL_ADD && fault_injected("epoll_ctl")) return -ENOSPC;  // the others take nothing
  SOFTNDK_SOCKET_RELEASES();
  return call(SYS_epoll_ctl, epoll, operation, fd, event);
}
long epoll_wait(int epoll, epoll_event* events, int count, const timespec* timeout) noexcept {
#if defined(SYS_epoll_pwait2)
  const long result = call(SYS_epoll_pwait2, epoll, events, count, timeout, nullptr, 0);
  SOFTNDK_SOCKET_ACQUIRES();
  if (result != -ENOSYS) return result;
#endif
  long timeout_ms = -1;
  if (timeout != nullptr)
    timeout_ms =
        timeout->tv_sec >= INT_MAX / 1000 ? INT_MAX : timeout->tv_sec * 1000 + (timeout->tv_nsec + 999'999) / 1'000'000;
  const long count_ms = call(SYS_epoll_pwait, epoll, events, count, timeout_ms, nullptr, 0);
  SOFTNDK_SOCKET_ACQUIRES();
  return count_ms;
}
long eventfd() noexcept {
  if (fault_injected("eventfd")) return -EMFILE;
  return call(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK);
}

long futex_wait(const std::uint32_t* word, std::uint32_t expected, const timespec* deadline) noexcept {
  return call(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected, deadline, nullptr,
              FUTEX_BITSET_MATCH_ANY);
}
long futex_wake_one(const std::uint32_t* word) noexcept {
  return call(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, nullptr, nullptr, 0);
}

long sched_yield() noexcept {
  return call(SYS_sched_yield);
}
long getrandom(void* into, std::size_t size) noexcept {
  return call(SYS_getrandom, into, size, 0);
}
long set_thread_name(const char* name) noexcept {
  return call(SYS_prctl, PR_SET_NAME, name, 0, 0, 0);
}
long set_timer_slack_ns(unsigned long slack_ns) noexcept {
  return call(SYS_prctl, PR_SET_TIMERSLACK, slack_ns, 0, 0, 0);
}
long block_all_signals() noexcept {
  // The kernel's sigset is 64 bits; libc's larger one must not be passed. Faults stay fatal whatever the mask.
  const std::uint64_t all = ~std::uint64_t{0};
  return call(SYS_rt_sigprocmask, SIG_BLOCK, &all, nullptr, sizeof all);
}
unsigned usable_cpus() noexcept {
  unsigned long mask[1024 / (8 * sizeof(unsigned long))] = {};
  const long filled_bytes = call(SYS_sched_getaffinity, 0, sizeof mask, mask);
  unsigned cpus = 0;
  for (long i = 0; i * static_cast<long>(sizeof mask[0]) < filled_bytes; ++i)
    cpus += static_cast<unsigned>(__builtin_popcountl(mask[i]));
  return cpus == 0 ? 1 : cpus;
}
int process_id() noexcept {
  return static_cast<int>(call(SYS_getpid));
}
unsigned effective_user() noexcept {
  return static_cast<unsigned>(call(SYS_geteuid));
}

}  // namespace softndk::net::sys
