#include "net/io_error.h"

#include <errno.h>

namespace softndk::net {

using io::IoError;

IoError to_io_error(long error, Call call) noexcept {
  switch (error) {
    case ECONNREFUSED:
      return IoError::refused;
    case ENETUNREACH:
    case ENETDOWN:
    case EAFNOSUPPORT:
      return IoError::network_unreachable;
    case EHOSTUNREACH:
    case EHOSTDOWN:
    case ENONET:
      return IoError::host_unreachable;
    case EINVAL:
      // From connect: no route leaves from that source (127.0.0.1 to another host).
      return call == Call::connect ? IoError::network_unreachable : IoError::not_permitted;
    case ETIMEDOUT:
      return IoError::timed_out;
    case EADDRINUSE:
      return IoError::address_in_use;
    case EADDRNOTAVAIL:
      // From bind: the address is not ours. From connect after an explicit bind: the 4-tuple exists (C-98).
      return call == Call::connect ? IoError::already_connected : IoError::address_not_local;
    case ENODEV:
      return IoError::address_not_local;  // no interface with that scope
    case EISCONN:
    case EALREADY:
      return IoError::already_connected;
    case ENOMEM:
    case ENOBUFS:
    case ENOSPC:
    case EMFILE:
    case ENFILE:
    case EAGAIN:
      return IoError::no_resources;
    case EACCES:
    case EPERM:
      return IoError::not_permitted;
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
    case ENOTCONN:
    default:  // errno is open-ended, and whatever else befalls a connection ends it
      return call == Call::local ? IoError::not_permitted : IoError::reset;
  }
}

}  // namespace softndk::net
