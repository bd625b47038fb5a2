#include "peer_process.h"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "end.h"

namespace softndk::scale {
namespace {

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

template <class Value>
bool read_whole(int socket, Value& value) {
  return ::recv(socket, &value, sizeof value, MSG_WAITALL) == static_cast<ssize_t>(sizeof value);
}
template <class Value>
bool write_whole(int socket, const Value& value) {
  return ::send(socket, &value, sizeof value, MSG_NOSIGNAL) == static_cast<ssize_t>(sizeof value);
}

}  // namespace

Usage Usage::now() {
  Usage usage;
  rusage spent{};
  ::getrusage(RUSAGE_SELF, &spent);
  usage.cpu_s = seconds(spent.ru_utime) + seconds(spent.ru_stime);
  ::malloc_trim(0);
  if (std::FILE* statm = std::fopen("/proc/self/statm", "r")) {
    unsigned long all_pages = 0, resident_pages = 0;
    if (std::fscanf(statm, "%lu %lu", &all_pages, &resident_pages) == 2)
      usage.resident_bytes = resident_pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    std::fclose(statm);
  }
  return usage;
}

PeerProcess::PeerProcess(bool raw, std::size_t connections_max) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) std::exit(1);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) std::exit(1);
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    ::fcntl(ends[1], F_SETFD, 0);
    const std::string socket = std::to_string(ends[1]), count = std::to_string(connections_max);
    ::execl("/proc/self/exe", "server", "--serve", socket.c_str(), "--connections", count.c_str(),
            raw ? "--raw" : nullptr, nullptr);
    ::_exit(1);
  }
  ::close(ends[1]);
  socket_ = ends[0];
  if (!read_whole(socket_, port_)) {
    std::fprintf(stderr, "server process: the server could not start\n");
    std::exit(1);
  }
}

PeerProcess::~PeerProcess() {
  ::close(socket_);
  ::waitpid(pid_, nullptr, 0);
}

Usage PeerProcess::usage() {
  Usage usage;
  if (!write_whole(socket_, 'u') || !read_whole(socket_, usage)) {
    std::fprintf(stderr, "server process: the server has died\n");
    std::exit(1);
  }
  return usage;
}

int serve(int socket, bool raw, std::size_t connections_max) {
  const std::unique_ptr<Server> server = raw ? make_raw_server() : make_ndk_server(connections_max);
  if (server == nullptr || !write_whole(socket, server->port())) return 1;
  for (char asked; read_whole(socket, asked);)
    write_whole(socket, Usage::now());
  return 0;
}

bool raise_descriptor_limit(std::size_t count) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  constexpr std::size_t kOthers = 200;
  if (limit.rlim_max >= count + kOthers) return true;
  std::fprintf(stderr,
               "%zu connections take as many descriptors in each process, and the hard limit is %llu: raise it "
               "(ulimit -Hn %zu as root, or LimitNOFILE= of the service), or ask for fewer --connections\n",
               count, static_cast<unsigned long long>(limit.rlim_max), count + kOthers);
  return false;
}

}  // namespace softndk::scale
