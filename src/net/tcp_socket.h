#pragma once
// What every TCP socket of ours is set to, in one place.
#include "base/address.h"
#include "base/expected.h"
#include "io/error.h"
#include "net/sys.h"

namespace softndk::net {

/// Non-blocking, close-on-exec, TCP_NODELAY; an IPv6 one takes no IPv4.
expected<sys::Fd, io::IoError> open_tcp(Address::Family family) noexcept;

/// `name` null or empty: the system's default stays. One that the system does not offer is logged once and ignored:
/// it costs speed, not function. Accepted sockets inherit their listener's.
void set_congestion_control(int fd, const char* name) noexcept;

/// SO_REUSEADDR is consent: Linux lets two sockets that are not listening have one port if both say so, and remembers
/// the answer of one that went to TIME_WAIT. So ours refuse while they are in use and consent when they come to their
/// end (C-98; from other processes that is best effort, as nothing stops them from setting it too).
void consent_to_reuse(int fd, bool consents) noexcept;
/// Binds a port that we alone use; past connections of it in TIME_WAIT are no obstacle. Consents to nothing afterwards.
expected<void, io::IoError> bind_exclusively(int fd, const Address& local) noexcept;

/// Whether closing it sends RST.
void reset_on_close(int fd, bool resets) noexcept;

/// The kernel's idea of our end.
expected<Address, io::IoError> local_name(int fd) noexcept;

}  // namespace softndk::net
