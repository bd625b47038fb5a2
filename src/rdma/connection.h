#pragma once
// Connection management: what a connector and a listener need of a device.
#include <cstdint>
#include <optional>
#include <span>

#include "base/address.h"
#include "base/alloc.h"
#include "base/bytes.h"
#include "base/expected.h"

namespace softndk::rdma {

class QueuePair;

/// The outcome of a connection request.
enum class CmStatus : std::uint8_t {
  success,
  pending,  ///< returned by a call only: the sink's event follows
  refused,  ///< nobody listens, backlog full, or rejected (then private_data() holds the reject's)
  network_unreachable,
  host_unreachable,
  timed_out,
  address_in_use,
  address_not_local,
  no_free_port,
  already_connected,  ///< the same pair of addresses and ports
  no_resources,
  aborted,    ///< the peer gave up, or the connection was lost
  cancelled,  ///< close() came first
  wrong_state,
  not_connected,  ///< the queue pair is not connecting, or the connection is not there
  qp_busy,        ///< the queue pair is bound, or was connected before
};

struct ReadLimits {
  std::uint32_t inbound = 0;   ///< reads by the peer in progress (IRD)
  std::uint32_t outbound = 0;  ///< own reads in progress (ORD)
};

/// A local address that any number of connections start from, each to another peer (R-SEP-01). The address is free once
/// this is destroyed and every connection over it is closed or has failed to connect (R-EP-04, R-EP-06).
class SharedEndpoint {
 public:
  virtual ~SharedEndpoint() = default;
  /// With the port that was given or chosen.
  virtual const Address& local_address() const noexcept = 0;
};

struct ConnectParameters {
  Address local;                       ///< port 0: the device chooses; a wildcard IP: the device chooses (R-CNCT-07)
  SharedEndpoint* endpoint = nullptr;  ///< if given, its address takes the place of `local`; used only during the call
  Address remote;
  ReadLimits limits;   ///< wanted; capped to the device's
  Bytes private_data;  ///< read only during the call
};
struct AcceptParameters {
  ReadLimits limits;
  Bytes private_data;
};

/// Events of one connection; on its processor thread, one at a time, never inside a call of the consumer.
class ConnectionSink {
 public:
  /// The end of connect(). success: the peer accepted; complete_connect(), reject() or close() is next.
  virtual void on_connect_done(CmStatus status) noexcept = 0;
  /// The end of accept() or complete_connect(). After success posts are taken (R-WR-10).
  virtual void on_established(CmStatus status) noexcept = 0;
  /// An established connection ended from the other side: graceful (a FIN between messages: nothing is flushed,
  /// R-DISC-06) or lost (flushed). At most once, only after on_established(success), never after disconnect() began
  /// to matter (R-DISC-07 allows the race).
  virtual void on_peer_disconnect(bool graceful, std::uint32_t reason) noexcept = 0;
  /// The end of disconnect(); all flush completions are in the CQs (R-DISC-05). success, timed_out or aborted.
  virtual void on_disconnected(CmStatus status) noexcept = 0;
  /// An incoming connection that nobody answered yet went away (R-REJ-01: reject() will say aborted).
  virtual void on_abandoned() noexcept = 0;
  /// The last event, after close(): the connection may be destroyed inside it. Requests that were pending have had
  /// their event (cancelled) before.
  virtual void on_closed() noexcept = 0;

 protected:
  ~ConnectionSink() = default;
};

/// One connection, active or passive, from nothing to closed. Calls are for any thread and never block.
class Connection {
 public:
  virtual ~Connection() = default;

  /// Active side. pending, or an immediate failure (the connection is as before, except wrong_state). After the four
  /// retryable failures the connection is idle again and the queue pair unbound (R-CONN-24).
  virtual CmStatus connect(QueuePair& qp, const ConnectParameters& parameters) noexcept = 0;
  virtual CmStatus complete_connect() noexcept = 0;

  /// Passive side, for a connection handed over by ListenerSink.
  virtual CmStatus accept(QueuePair& qp, const AcceptParameters& parameters) noexcept = 0;

  /// Passive before accept, or active after connect succeeded. success, aborted or wrong_state. Synchronous.
  virtual CmStatus reject(Bytes private_data) noexcept = 0;

  /// Graceful disconnect (R-DISC-01). pending, or not_connected.
  virtual CmStatus disconnect() noexcept = 0;

  /// Ends whatever is going on: an incoming request is rejected, a connected one aborted (R-CLS-18..20), pending
  /// requests get their event with `cancelled`; on_closed() is the last event. Called once.
  virtual void close() noexcept = 0;

  // Queries, any time; empty where there is nothing to say yet (R-ADR-05, R-GCD-08).
  virtual std::optional<Address> local_address() const noexcept = 0;
  virtual std::optional<Address> peer_address() const noexcept = 0;
  /// The limits in effect as far as they are known (R-RL-03).
  virtual std::optional<ReadLimits> limits() const noexcept = 0;
  /// Copies up to `into.size()` octets of what the peer sent with its request, reply or reject; returns how many it
  /// sent, or nothing where no such data exists.
  virtual std::optional<std::size_t> private_data(MutableBytes into) const noexcept = 0;
};

class ListenerSink {
 public:
  /// A complete, valid connect request. On a processor thread; events of one listener may overlap on several. The
  /// consumer of `incoming` takes it before it returns, or it is refused.
  class Incoming {
   public:
    virtual OwnedInterface<Connection> take(ConnectionSink& sink) noexcept = 0;

   protected:
    ~Incoming() = default;
  };
  /// Not taking it refuses the request.
  virtual void on_connect_request(Incoming& incoming) noexcept = 0;
  /// The last event, after close(): the listener may be destroyed inside it.
  virtual void on_listener_closed() noexcept = 0;

 protected:
  ~ListenerSink() = default;
};

class Listener {
 public:
  virtual ~Listener() = default;
  /// Synchronous. The address with the port that was given or chosen. Errors: address_in_use, address_not_local,
  /// no_free_port, no_resources, wrong_state (listening, or listened once).
  virtual expected<Address, CmStatus> listen(const Address& local) noexcept = 0;
  /// Requests that arrive while paused are refused (R-LSN-08); remembered before listen() too.
  virtual void pause(bool paused) noexcept = 0;
  /// Refuses new requests at once; those nobody was told of are refused too. on_listener_closed() follows.
  virtual void close() noexcept = 0;
  virtual std::optional<Address> local_address() const noexcept = 0;
};

}  // namespace softndk::rdma
