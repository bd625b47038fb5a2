#pragma once
#include <atomic>
#include <cstdint>

#include "base/intrusive_list.h"
#include "base/thread_safety.h"
#include "io/network.h"
#include "iwarp/mpa_handshake.h"
#include "rdma/connection.h"
#include "rnic/endpoint_table.h"
#include "rnic/link.h"
#include "rnic/qp.h"
#include "rnic/settings.h"

namespace softndk::rnic {

class Listener;

/// What every connection of a device shares; outlives them.
struct ConnectionContext {
  io::World& world;
  const Settings& settings;
  EndpointTable& endpoints;
  rdma::DeviceCounters& counters;
  rdma::ReadLimits limits_max;
  std::uint32_t private_data_max;
};

/// One connection, from its first packet to its last. All of its decisions are made on its processor thread: calls
/// leave word and return, events of the stream arrive there, and the two directions report by raise().
///
///   active:   idle -> connecting -> requesting -> accepted -> completing -> established
///   passive:  waiting -> incoming -> accepting -> established
///   both:     established -> (peer_gone) -> disconnecting -> ending -> ended;  any -> ending -> ended
class Connection final : public ListLink, public rdma::Connection, public AcceptedSink, public Link {
 public:
  enum class State : std::uint8_t {
    idle,
    connecting,  ///< TCP
    requesting,  ///< MPA Request out, Reply awaited
    accepted,    ///< the Reply is good; the consumer completes, rejects or closes
    completing,  ///< the RTR is on its way
    waiting,     ///< passive: MPA Request awaited; nobody knows of it yet
    incoming,    ///< passive: the consumer was told
    accepting,   ///< passive: Reply out; RTR awaited, if one was agreed
    established,
    peer_gone,  ///< the peer's FIN between messages; our consumer has not acted
    disconnecting,
    ending,  ///< flush, last words, close; then `ended`, or `idle` after a retryable failure
    ended,
  };

  Connection(const ConnectionContext& context, io::Processor& processor, rdma::ConnectionSink* sink);
  ~Connection() override;

  // rdma::Connection; any thread
  rdma::CmStatus connect(rdma::QueuePair& qp, const rdma::ConnectParameters& parameters) noexcept override;
  rdma::CmStatus complete_connect() noexcept override;
  rdma::CmStatus accept(rdma::QueuePair& qp, const rdma::AcceptParameters& parameters) noexcept override;
  rdma::CmStatus reject(Bytes private_data) noexcept override;
  rdma::CmStatus disconnect() noexcept override;
  void close() noexcept override;
  std::optional<Address> local_address() const noexcept override;
  std::optional<Address> peer_address() const noexcept override;
  std::optional<rdma::ReadLimits> limits() const noexcept override;
  std::optional<std::size_t> private_data(MutableBytes into) const noexcept override;

  // For the listener.
  void set_listener(Listener* listener, EndpointRef endpoint) noexcept;
  /// The consumer takes it: its events go to `sink` from now on. On the processor thread.
  void give_to(rdma::ConnectionSink& sink) noexcept { sink_ = &sink; }
  /// Nobody took it, or the listener is gone: ends, and destroys itself.
  void abandon() noexcept { call(kAbandon); }

  // AcceptedSink, io::StreamSink; on the processor thread
  void adopt(OwnedInterface<io::ByteStream> stream) noexcept override;
  void on_connected() noexcept override;
  void on_connect_failed(io::IoError error) noexcept override;
  void on_ready(io::Interest ready) noexcept override;
  void on_closed() noexcept override;

  // Link; any thread
  void raise(std::uint32_t events) noexcept override;

 private:
  // What callers ask for.
  enum Call : std::uint32_t {
    kConnect = 1u << 0,
    kComplete = 1u << 1,
    kAccept = 1u << 2,
    kReject = 1u << 3,
    kDisconnect = 1u << 4,
    kClose = 1u << 5,
    kAbandon = 1u << 6,
    kTimer = 1u << 7,
  };
  /// How a stream ends.
  enum class Ending : std::uint8_t {
    none,
    orderly,          ///< FIN; what waits unread is drained
    terminate,        ///< our Terminate, FIN, the peer's FIN or a time-out; then closed
    terminate_abort,  ///< our Terminate, acknowledged or timed out; then RST
    abort,            ///< RST
  };
  struct WorkTask : io::Task {
    using Task::Task;
    Connection* connection = nullptr;
  };
  struct WorkTimer : io::Timer {
    using Timer::Timer;
    Connection* connection = nullptr;
  };
  struct FreedTask : io::Task {
    using Task::Task;
    Connection* connection = nullptr;
  };
  struct Handshakes {
    std::optional<iwarp::InitiatorHandshake> initiator;
    std::optional<iwarp::ResponderHandshake> responder;
    std::uint8_t out[iwarp::kMpaFrameBytesMax];
    std::uint8_t early[1024];  ///< octets behind the Reply
    std::size_t early_bytes = 0;
  };

  void call(std::uint32_t bits) noexcept;
  void leave_word(std::atomic<std::uint32_t>& words, std::uint32_t bits) noexcept;
  void work() noexcept;
  State state() const noexcept SOFTNDK_EXCLUDES(mutex_);
  void set_state(State state) noexcept SOFTNDK_EXCLUDES(mutex_);
  void arm_timer(io::TimeNs after_ns) noexcept;
  void stop_timer() noexcept;
  void on_timer() noexcept;

  // connection_active.cpp
  void start_connect() noexcept;
  [[nodiscard]] rdma::CmStatus open_stream(const Address& local, const Address& remote, EndpointRef shared) noexcept;
  void read_reply() noexcept;
  void judge_reply() noexcept;
  void start_complete() noexcept;
  void fail_connect(rdma::CmStatus status, Ending ending) noexcept;
  /// The consumer turns away after an accepting Reply (R-CNCT-12).
  void give_up_accepted() noexcept;

  // connection_passive.cpp
  void watch_incoming() noexcept;
  void read_request() noexcept;
  void deliver_request() noexcept;
  void start_accept() noexcept;
  void reply_written() noexcept;
  void start_reject() noexcept;
  void on_abandoned_by_peer() noexcept;
  void leave_backlog() noexcept;

  // connection_data.cpp: between the handshake and the end
  [[nodiscard]] bool attach(const iwarp::HandshakeResult& agreed, iwarp::Rtr rtr, Bytes early) noexcept;
  void establish() noexcept;
  void fail_establishment(rdma::CmStatus status, Ending ending) noexcept;
  void take_link_events(std::uint32_t events) noexcept;
  void start_disconnect() noexcept;
  void start_close() noexcept;
  void lose(Ending ending, std::uint32_t reason) noexcept;

  // connection_end.cpp
  void begin_ending(Ending ending) noexcept;
  void advance_ending() noexcept;
  [[nodiscard]] bool last_words_said() noexcept;
  void after_ending() noexcept;
  void finish_close() noexcept;
  void end_quietly() noexcept;

  // connection.cpp
  bool write_frame() noexcept;
  /// A whole FPDU outside full operation: the stream has no queue pair yet, or never will.
  void write_terminate(iwarp::TerminateCode code, const iwarp::HandshakeResult& agreed) noexcept;
  /// The stream exists, until on_closed().
  void note_stream(const Address& local, const Address& remote) noexcept SOFTNDK_EXCLUDES(mutex_);
  /// One FPDU from outside the transmitter, which has not begun.
  void write_fpdu(const iwarp::GatherList& fpdu) noexcept;
  void keep_peer_data(Bytes data) noexcept SOFTNDK_EXCLUDES(mutex_);
  iwarp::HandshakeSettings handshake_settings() const noexcept;

  const ConnectionContext& context_;
  io::Processor& processor_;
  rdma::ConnectionSink* sink_;  // null: half-open, it owns itself
  WorkTask work_task_;
  WorkTimer timer_;
  FreedTask freed_task_;
  std::atomic<std::uint32_t> calls_{0};
  std::atomic<std::uint32_t> link_events_{0};
  std::atomic<std::uint32_t> posting_{0};  ///< threads that are inside call() or raise()

  // The processor thread's.
  OwnedInterface<io::ByteStream> stream_;
  Owned<Handshakes> handshake_;  // until the stream is attached or closed
  Bytes frame_left_;             // of handshake_->out: not with TCP yet
  Listener* listener_ = nullptr;
  EndpointRef endpoint_;
  AddressPair pair_;  // of stream_, known to the table
  Qp* qp_ = nullptr;
  bool attached_ = false;
  bool is_active_side_ = false;
  bool rtr_agreed_ = false;
  bool counted_active_ = false;
  bool waits_for_accept_ = false;  // counted in the endpoint's backlog
  bool close_asked_ = false;
  bool finishing_ = false;               // only on_closed() is still to come
  bool peer_end_told_ = false;           // R-EVT-04
  std::uint32_t seen_ = 0;               // link events so far
  io::TimeNs deadline_ns_ = io::kNever;  // of timer_

  // Ending.
  Ending ending_ = Ending::none;
  io::TimeNs last_words_until_ns_ = io::kNever;
  bool flush_asked_ = false;
  std::optional<Qp::Completions> flushed_;  // what came of it
  bool waits_to_be_seen_ = false;
  bool detach_asked_ = false;
  bool close_started_ = false;
  bool lingering_ = false;
  bool last_words_over_ = false;
  // What to tell when the end is reached.
  bool tell_connect_ = false;
  bool tell_established_ = false;
  bool tell_disconnected_ = false;
  bool tell_lost_ = false;
  bool back_to_idle_ = false;
  rdma::CmStatus result_ = rdma::CmStatus::success;
  std::uint32_t reason_ = 0;

  mutable Mutex mutex_;  // what calls and queries share with the processor thread
  State state_ SOFTNDK_GUARDED_BY(mutex_);
  bool disconnect_asked_ SOFTNDK_GUARDED_BY(mutex_) = false;
  bool close_called_ SOFTNDK_GUARDED_BY(mutex_) = false;     ///< nothing new is taken on
  bool was_established_ SOFTNDK_GUARDED_BY(mutex_) = false;  // it was established
  bool peer_abandoned_ SOFTNDK_GUARDED_BY(mutex_) = false;
  bool has_peer_data_ SOFTNDK_GUARDED_BY(mutex_) = false;
  rdma::QueuePair* asked_qp_ SOFTNDK_GUARDED_BY(mutex_) = nullptr;
  Address asked_local_ SOFTNDK_GUARDED_BY(mutex_);
  EndpointRef asked_endpoint_ SOFTNDK_GUARDED_BY(mutex_);  // a shared one, in place of asked_local_
  Address asked_remote_ SOFTNDK_GUARDED_BY(mutex_);
  rdma::ReadLimits asked_limits_ SOFTNDK_GUARDED_BY(mutex_);
  iwarp::PrivateData own_data_ SOFTNDK_GUARDED_BY(mutex_);   // to be sent
  iwarp::PrivateData peer_data_ SOFTNDK_GUARDED_BY(mutex_);  // of the request, reply or reject
  std::optional<Address> local_ SOFTNDK_GUARDED_BY(mutex_);
  std::optional<Address> peer_ SOFTNDK_GUARDED_BY(mutex_);
  std::optional<rdma::ReadLimits> limits_ SOFTNDK_GUARDED_BY(mutex_);
};

}  // namespace softndk::rnic
