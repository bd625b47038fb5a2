#pragma once
#include <cstdint>

namespace softndk::io {

/// Why a call on the network or the executor failed, in the terms the layers above can act on.
enum class IoError : std::uint8_t {
  refused,  ///< nobody listens there
  network_unreachable,
  host_unreachable,
  timed_out,
  reset,  ///< RST, or the connection was lost
  address_in_use,
  address_not_local,  ///< not an address of this host (or of the adapter)
  already_connected,  ///< the same 4-tuple exists
  no_resources,       ///< memory, descriptors, threads
  not_permitted,
  closed,  ///< the call came after close()
};
const char* to_string(IoError error) noexcept;

}  // namespace softndk::io
