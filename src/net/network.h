#pragma once
#include "io/network.h"
#include "net/reserved_ports.h"

namespace softndk::net {

/// The host's TCP. Processors handed in must be those of the same World.
class Network final : public io::Network {
 public:
  /// `same_host_congestion` as for set_congestion_control(); outlives the network.
  explicit Network(const char* same_host_congestion) noexcept : same_host_congestion_(same_host_congestion) {}

  expected<OwnedInterface<io::Acceptor>, io::IoError> listen(const Address& local, unsigned backlog,
                                                             io::AcceptSink& sink,
                                                             io::Processor& processor) noexcept override;
  expected<OwnedInterface<io::ByteStream>, io::IoError> connect(const Address& local, const Address& remote,
                                                                const io::ConnectOptions& options, io::StreamSink& sink,
                                                                io::Processor& processor) noexcept override;
  expected<OwnedInterface<Reservation>, io::IoError> reserve(const Address& local) noexcept override;
  expected<Address, io::IoError> source_for(const Address& remote) noexcept override;
  expected<Array<io::Interface>, io::IoError> interfaces() noexcept override;

 private:
  const char* const same_host_congestion_;
  ReservedPorts reserved_;
};

}  // namespace softndk::net
