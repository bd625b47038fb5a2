#pragma once
#include "base/address.h"
#include "base/expected.h"
#include "base/intrusive_list.h"
#include "base/thread_safety.h"
#include "io/network.h"
#include "net/sys.h"

namespace softndk::net {

class ReservedPorts;

/// A bound socket that is never used. It consents to sharing its port only while one of our own binds to it, so that
/// nobody else gets the port, another process included.
class ReservedPort final : public io::Network::Reservation, public ListLink {
 public:
  ReservedPort(ReservedPorts& owner, sys::Fd fd, const Address& local) noexcept;
  ~ReservedPort() override;

 private:
  friend ReservedPorts;
  ReservedPorts& owner_;
  const sys::Fd fd_;
  const Address local_;
};

/// All reservations of a Network, which outlives them.
class ReservedPorts {
 public:
  expected<OwnedInterface<io::Network::Reservation>, io::IoError> reserve(const Address& local) noexcept;
  /// Binds a socket that shares its port with every other that was bound by this (until each comes to its end).
  expected<void, io::IoError> bind_shared(int fd, const Address& local) noexcept SOFTNDK_EXCLUDES(lock_);

 private:
  friend ReservedPort;
  void consent(const Address& local, bool consents) noexcept SOFTNDK_REQUIRES(lock_);

  Mutex lock_;
  IntrusiveList<ReservedPort> list_ SOFTNDK_GUARDED_BY(lock_);
};

}  // namespace softndk::net
