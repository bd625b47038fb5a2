#pragma once
#include <memory>
#include <vector>

#include "sim/listener.h"

namespace softndk::sim {

/// TCP between the addresses of the simulated hosts, which are one address space: listeners, handshakes, refusals.
class Network final : public io::Network {
 public:
  explicit Network(Core& core) : core_(core), ports_(core.options.interfaces) {}

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
  io::TimeNs later() { return core_.now_ns + core_.network.in(core_.options.latency_ns); }
  std::shared_ptr<Listener> listener_at(const Address& address);
  void arrive(const std::shared_ptr<Connection>& connection, unsigned attempt);

  Core& core_;
  Ports ports_;
  std::vector<std::shared_ptr<Listener>> listeners_;  // closed ones leave when the next one comes
  std::uint32_t connections_ = 0;
};

}  // namespace softndk::sim
