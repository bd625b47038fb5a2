#pragma once
// What the host's routes and interfaces say.
#include "base/address.h"
#include "base/expected.h"
#include "io/network.h"

namespace softndk::net {

/// The local address, with port 0, that traffic to `remote` leaves from. Sends nothing.
expected<Address, io::IoError> source_for(const Address& remote) noexcept;
/// Whether `remote` is an address of this host: only then it is its own source.
bool is_same_host(const Address& local, const Address& remote) noexcept;
/// Errors: no_resources.
expected<Array<io::Interface>, io::IoError> interfaces() noexcept;

}  // namespace softndk::net
