#pragma once
// One side of a ping connection: queue pair, message slots and two data buffers, with one request in flight at a time.
#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "tools/common/ndk_connection.h"
#include "tools/ndkping/ping_message.h"

namespace softndk::tools {

class PingLink {
 public:
  /// Receives are posted before this returns, so a peer may send as soon as it is connected. `limit_s` bounds each wait
  /// for the peer; 0 means none.
  static Result<std::unique_ptr<PingLink>> create(const Adapter& adapter, std::size_t buffer_bytes, double limit_s);

  /// Client.
  Result<void> connect(const Address& source, const Address& destination, std::span<const std::byte> private_bytes);
  /// Server: the next connection. The peer's private data decides before accept().
  Result<void> take(Listener& listener, std::span<std::byte> private_bytes);
  Result<void> accept();
  void reject() { connector_->reject(); }
  Result<void> disconnect();
  std::string name() const { return connector_->name(); }

  Result<void> send(const PingMessage& message);
  /// The same, and takes `token` away from the peer.
  Result<void> send_and_invalidate(const PingMessage& message, std::uint32_t token);
  /// nullopt: the peer has ended the connection instead; disconnect() then tells whether in good order.
  Result<std::optional<PingMessage>> receive();
  /// The peer's message, where its leaving is a failure.
  Result<PingMessage> receive_more();
  /// Of ours, by the message received last; 0: none.
  std::uint32_t invalidated_token() const { return invalidated_token_; }
  /// From the peer's memory into the first bytes of incoming().
  Result<void> read(const PingMessage& from, std::size_t bytes);
  /// The first bytes of incoming() or outgoing() into the peer's memory.
  Result<void> write_incoming(const PingMessage& to, std::size_t bytes);
  /// Binds the window over the first bytes of incoming(), and what tells the peer of it. take_back() ends it.
  Result<PingMessage> lend_incoming(std::size_t bytes);
  Result<void> take_back();
  Result<void> write_outgoing(const PingMessage& to, std::size_t bytes);

  std::size_t buffer_bytes() const { return outgoing_->memory().size(); }
  /// The peer may read it.
  std::span<std::byte> outgoing(std::size_t bytes) const { return outgoing_->memory().first(bytes); }
  PingMessage advertise_outgoing(std::size_t bytes) const { return advertise(*outgoing_, bytes); }
  /// The peer may write it, and our reads end here.
  std::span<std::byte> incoming(std::size_t bytes) const { return incoming_->memory().first(bytes); }
  PingMessage advertise_incoming(std::size_t bytes) const { return advertise(*incoming_, bytes); }

 private:
  explicit PingLink(const Adapter& adapter, double limit_s) : adapter_(adapter), limit_s_(limit_s) {}
  static PingMessage advertise(const Region& region, std::size_t bytes);
  Result<void> post_receive(std::size_t slot);
  Result<void> take_results(const char* waiting_for);
  enum class Answer : std::uint8_t { none, from_peer };
  Result<void> finish(const char* call, Answer answer);  ///< waits for the one request in flight

  const Adapter& adapter_;
  const double limit_s_;
  struct Arrived {
    PingMessage message;
    std::uint32_t invalidated_token;
  };
  std::deque<Arrived> inbox_;
  std::uint32_t invalidated_token_ = 0;
  std::optional<NTSTATUS> initiator_status_;  ///< of the request that was in flight
  // Closed in the reverse order: connection, queue pair, memory, completion queue, protection domain.
  std::unique_ptr<Pd> pd_;
  std::unique_ptr<Cq> cq_;
  std::unique_ptr<Region> messages_;
  std::unique_ptr<Region> outgoing_;
  std::unique_ptr<Region> incoming_;
  std::unique_ptr<Window> window_;
  std::unique_ptr<Qp> qp_;
  std::unique_ptr<Connector> connector_;
};

}  // namespace softndk::tools
