#include "net/host.h"

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
  if (fault_injected("socket")) return unexpected(IoError::no_resources);
  const long result = sys::socket(to_domain(remote.family), SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (result < 0) return unexpected(to_io_error(-result, Call::local));
  const sys::Fd fd(result);
  const SocketAddress target(remote.with_port(remote.port != 0 ? remote.port : 9));
  const long connected = sys::connect(fd.get(), target.get(), target.size());
  if (connected < 0) return unexpected(to_io_error(-connected, Call::connect));
  return local_name(fd.get()).with_port(0);
}

bool is_same_host(const Address& local, const Address& remote) noexcept {
  if (remote.is_loopback() || local.same_host(remote)) return true;
  const auto source = source_for(remote);
  return source && source->same_host(remote);
}

std::vector<io::Interface> interfaces() {
  ifaddrs* first = nullptr;
  if (fault_injected("getifaddrs") || ::getifaddrs(&first) != 0) return {};
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(first, &::freeifaddrs);

  std::vector<io::Interface> found;
  for (const ifaddrs* one = first; one != nullptr; one = one->ifa_next) {
    char name[sizeof io::Interface::name] = {};
    std::strncpy(name, one->ifa_name, sizeof name - 1);
    if (char* alias = std::strchr(name, ':')) *alias = '\0';  // "eth0:1" is a label on an address of eth0
    const std::uint32_t index = ::if_nametoindex(name);
    if (index == 0) continue;  // it went away meanwhile
    auto interface =
        std::find_if(found.begin(), found.end(), [&](const io::Interface& other) { return other.index == index; });
    if (interface == found.end()) {
      interface = found.emplace(found.end());
      interface->index = index;
      std::memcpy(interface->name, name, sizeof name);
      interface->loopback = (one->ifa_flags & IFF_LOOPBACK) != 0;
      interface->up = (one->ifa_flags & IFF_UP) != 0;
    }
    if (const auto address = to_address(one->ifa_addr)) interface->addresses.push_back(address->with_port(0));
  }
  return found;
}

}  // namespace softndk::net
