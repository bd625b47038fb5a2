#pragma once
#include "base/alloc.h"
#include "base/array.h"
#include "base/expected.h"
#include "io/byte_stream.h"
#include "io/executor.h"
#include "io/rng.h"

namespace softndk::io {

/// Who gets accepted streams. Called on the acceptor's processor thread.
class AcceptSink {
 public:
  /// Names the sink (and the processor) of a stream about to be handed over, or null to refuse it by RST.
  struct Choice {
    StreamSink* sink = nullptr;
    Processor* processor = nullptr;
  };
  virtual Choice choose_sink(const Address& local, const Address& peer) noexcept = 0;
  /// The stream, connected. Its events go to the chosen sink; none comes before this returned.
  virtual void on_accept(OwnedInterface<ByteStream> stream, StreamSink& sink) noexcept = 0;
  /// The last event, after close(): the acceptor may be destroyed inside it.
  virtual void on_acceptor_closed() noexcept = 0;

 protected:
  ~AcceptSink() = default;
};

class Acceptor {
 public:
  virtual ~Acceptor() = default;
  /// New connections are refused from now on (a TCP RST, as if nobody listened); the port stays taken.
  virtual void pause() noexcept = 0;
  virtual expected<void, IoError> resume() noexcept = 0;
  /// Refuses at once; on_acceptor_closed() follows. Accepted streams live on.
  virtual void close() noexcept = 0;
  virtual const Address& local_address() const noexcept = 0;
};

struct ConnectOptions {
  bool share_local = false;  ///< several streams may start at this local address and port (a shared endpoint)
};

/// One IP interface of the host (or of the simulated host).
struct Interface {
  std::uint32_t index = 0;
  char name[64] = "";
  bool loopback = false;
  bool up = false;
  Array<Address> addresses;  ///< ports 0
};

class Network {
 public:
  virtual ~Network() = default;
  /// `local` names a port (never 0: the endpoint table chose one, C-98). IPv6 sockets take no IPv4.
  virtual expected<OwnedInterface<Acceptor>, IoError> listen(const Address& local, unsigned backlog, AcceptSink& sink,
                                                             Processor& processor) noexcept = 0;
  /// Starts to connect; on_connected() or on_connect_failed() follows, never inside this call. Bounds of time are the
  /// caller's. `local` names a port.
  virtual expected<OwnedInterface<ByteStream>, IoError> connect(const Address& local, const Address& remote,
                                                                const ConnectOptions& options, StreamSink& sink,
                                                                Processor& processor) noexcept = 0;
  /// Takes a local address and port without using it yet, so that nobody else gets it; freed when destroyed. For
  /// shared endpoints (C-98).
  class Reservation {
   public:
    virtual ~Reservation() = default;
  };
  virtual expected<OwnedInterface<Reservation>, IoError> reserve(const Address& local) noexcept = 0;
  /// The local address that traffic to `remote` would leave from; for wildcard sources (R-CNCT-07).
  virtual expected<Address, IoError> source_for(const Address& remote) noexcept = 0;
  /// All of them, up or not. Errors: no_resources.
  virtual expected<Array<Interface>, IoError> interfaces() noexcept = 0;
};

/// Everything that varies from run to run, in one place. Production: net::World. Simulation: sim::World.
struct World {
  Clock& clock;
  Rng& rng;
  Executor& executor;
  Network& network;
};

}  // namespace softndk::io
