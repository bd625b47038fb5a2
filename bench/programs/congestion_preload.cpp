// Preloaded into programs that have no setting for it (libfabric's, UCX's): every TCP socket gets the congestion
// control that BENCH_CONGESTION names, so that it is the same on all sides of a comparison. What a listener accepts
// inherits it.
#include <dlfcn.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

extern "C" int socket(int domain, int type, int protocol) noexcept {
  static auto* const next = reinterpret_cast<int (*)(int, int, int)>(dlsym(RTLD_NEXT, "socket"));
  const int fd = next(domain, type, protocol);
  constexpr int kTypeBits = 0xf;
  if (fd < 0 || (domain != AF_INET && domain != AF_INET6) || (type & kTypeBits) != SOCK_STREAM) return fd;
  const char* const name = std::getenv("BENCH_CONGESTION");
  if (name != nullptr &&
      setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, static_cast<socklen_t>(std::strlen(name))) < 0) {
    std::fprintf(stderr, "congestion control %s is not to be had\n", name);
    std::exit(1);
  }
  return fd;
}
