#pragma once
#include "io/error.h"

namespace softndk::net {

/// Which call failed: EADDRNOTAVAIL means two things.
enum class Call : unsigned char {
  local,     ///< socket, bind, listen, epoll_ctl: our own end
  connect,   ///< connect, and what SO_ERROR tells about it
  transfer,  ///< of a connection that once stood
};

/// The one place where an errno (positive) becomes an IoError.
io::IoError to_io_error(long error, Call call) noexcept;

}  // namespace softndk::net
