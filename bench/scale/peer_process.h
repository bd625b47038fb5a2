#pragma once
// The other process, and what a process has used of the machine.
#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace softndk::scale {

struct Usage {
  double cpu_s = 0;
  std::size_t resident_bytes = 0;
  static Usage now();
};

/// This program again, as a server. Ends with this object.
class PeerProcess {
 public:
  /// Exits the program if it cannot be had.
  PeerProcess(bool raw, std::size_t connections_max);
  ~PeerProcess();
  PeerProcess(const PeerProcess&) = delete;
  PeerProcess& operator=(const PeerProcess&) = delete;

  std::uint16_t port() const { return port_; }
  Usage usage();

 private:
  pid_t pid_ = -1;
  int socket_ = -1;
  std::uint16_t port_ = 0;
};

/// What the program does as a server: answers usage() on `socket` until that is closed.
int serve(int socket, bool raw, std::size_t connections_max);

/// As many descriptors as `count` connections take; false: the hard limit forbids it, and stderr says so.
bool raise_descriptor_limit(std::size_t count);

}  // namespace softndk::scale
