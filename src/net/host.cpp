#include "net/host.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/alloc.h"
#include "net/io_error.h"
#include "net/socket_address.h"
#include "net/sys.h"
#include "net/tcp_socket.h"

namespace softndk::net {

using io::IoError;

expected<Address, IoError> source_for(const Address& remote) noexcept {
  // Connecting a datagram socket makes the kernel look up the route, and is all it does. It wants some port.
  const long result = sys::socket(to_domain(remote.family), SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (result < 0) return unexpected(to_io_error(-result, Call::local));
  const sys::Fd fd(result);
  const SocketAddress target(remote.with_port(remote.port != 0 ? remote.port : 9));
  const long connected = sys::connect(fd.get(), target.get(), target.size());
  if (connected < 0) return unexpected(to_io_error(-connected, Call::connect));
  const auto name = local_name(fd.get());
  if (!name) return unexpected(name.error());
  return name->with_port(0);
}

bool is_same_host(const Address& local, const Address& remote) noexcept {
  if (remote.is_loopback() || local.same_host(remote)) return true;
  const auto source = source_for(remote);
  return source && source->same_host(remote);
}

expected<Array<io::Interface>, IoError> interfaces() noexcept {
  ifaddrs* first = nullptr;
  if (fault_injected("getifaddrs") || ::getifaddrs(&first) != 0) return unexpected(IoError::no_resources);
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(first, &::freeifaddrs);

  Array<io::Interface> found;
  for (const ifaddrs* one = first; one != nullptr; one = one->ifa_next) {
    char name[sizeof io::Interface::name] = {};
    std::strncpy(name, one->ifa_name, sizeof name - 1);
    if (char* alias = std::strchr(name, ':')) *alias = '\0';  // "eth0:1" is a label on an address of eth0
    errno = 0;
    const std::uint32_t index = fault_injected("if_nametoindex") ? (errno = EMFILE, 0) : ::if_nametoindex(name);
    if (index == 0 && errno != ENODEV) return unexpected(IoError::no_resources);  // it opens a socket to ask
    if (index == 0) continue;                                                     // it went away meanwhile
    auto interface =
        std::find_if(found.begin(), found.end(), [&](const io::Interface& other) { return other.index == index; });
    if (interface == found.end()) {
      io::Interface fresh;
      fresh.index = index;
      std::memcpy(fresh.name, name, sizeof name);
      fresh.loopback = (one->ifa_flags & IFF_LOOPBACK) != 0;
      fresh.up = (one->ifa_flags & IFF_UP) != 0;
      if (!found.push_back(std::move(fresh))) return unexpected(IoError::no_resources);
      interface = &found.back();
    }
    const auto address = to_address(one->ifa_addr);
    if (address && !interface->addresses.push_back(address->with_port(0))) return unexpected(IoError::no_resources);
  }
  return found;
}

}  // namespace softndk::net
