#pragma once
#include <atomic>
#include <optional>

#include "base/alloc.h"
#include "base/thread_safety.h"
#include "io/byte_stream.h"
#include "net/call_gate.h"
#include "net/processor.h"
#include "net/sys.h"

namespace softndk::net {

/// A TCP connection. Its descriptor is watched with EPOLLONESHOT and lies disarmed between an event and the next arm(),
/// because one that another thread polls costs three times as much per message when a reactor watches it too. Even
/// disarmed it costs a twentieth more; so once nothing is asked of it any more (disarm()) it is not watched at all.
///
/// Who touches the descriptor passes `gate_` first, and it is closed on the processor thread, by a task, once all have
/// left: no call ever works on a number that has become somebody else's, and after on_closed() none is under way.
///
///   connecting ──> connected ──┐
///       └────────> failed ─────┤        held: accepted, but on_accept() has not returned
///   held ────────> connected ──┴──> closing ──> (on_closed)
class TcpStream final : public io::ByteStream, private EventSource {
 public:
  enum class Phase : std::uint8_t { connecting, held, connected, failed, closing, closed };

  /// `first` is connecting or held. The descriptor is not watched yet.
  TcpStream(Processor& processor, io::StreamSink& sink, sys::Fd fd, const Address& local, const Address& peer,
            bool same_host, Phase first) noexcept;
  ~TcpStream() override;

  /// Begins to watch; on error the stream may be destroyed at once. While connecting, events may come from here on.
  expected<void, io::IoError> start() noexcept SOFTNDK_EXCLUDES(lock_);
  /// The same for a connect() that failed at once: on_connect_failed() will say so.
  void start_failed(io::IoError error) noexcept;
  /// Destroyed without having been started: nothing was promised to anybody.
  void give_up() noexcept SOFTNDK_EXCLUDES(lock_);

  /// Around on_accept(): no event is delivered between the two, not even on_closed().
  void hold() noexcept;
  void release_hold() noexcept SOFTNDK_EXCLUDES(lock_);

  io::IoResult read(std::span<const IoSpan> into) noexcept override;
  io::IoResult write(std::span<const ConstIoSpan> from, bool record_end) noexcept override;
  io::IoResult::Status peek() noexcept override;
  void arm(io::Interest interest) noexcept override SOFTNDK_EXCLUDES(lock_);
  void disarm(io::Interest interest) noexcept override SOFTNDK_EXCLUDES(lock_);
  void finish_writing() noexcept override;
  std::size_t unacknowledged_bytes() noexcept override;
  std::size_t segment_bytes() noexcept override;
  bool is_same_host() const noexcept override { return same_host_; }
  void close(CloseKind kind) noexcept override SOFTNDK_EXCLUDES(lock_);
  const Address& local_address() const noexcept override { return local_; }
  const Address& peer_address() const noexcept override { return peer_; }

 private:
  class Call;
  /// A task of the stream: the processor knows it only as a Task.
  struct StreamTask : io::Task {
    StreamTask(TcpStream& stream, Run run) : Task(run), stream(stream) {}
    TcpStream& stream;
  };

  void on_events(std::uint32_t events) noexcept override SOFTNDK_EXCLUDES(lock_);
  void finish_connecting(std::optional<io::IoError> error) noexcept SOFTNDK_EXCLUDES(lock_);
  void finish_closing() noexcept SOFTNDK_EXCLUDES(lock_);
  void drain_input() noexcept;
  void watch_armed() noexcept SOFTNDK_REQUIRES(lock_);
  io::IoResult failed(long error) noexcept;
  io::IoResult end_or_reset() noexcept;

  // Constant after construction.
  Processor& processor_;
  io::StreamSink& sink_;
  const Address local_;
  const Address peer_;
  const bool same_host_;

  sys::Fd fd_;  // through gate_, until finish_closing()
  CallGate gate_;
  StreamTask close_task_;
  StreamTask failed_task_;
  StreamTask unwatched_task_;  // the kernel had no memory to watch what was disarmed before

  // A connection's first error, to be told to both directions for ever: the kernel tells it once, and afterwards a read
  // would look like an orderly end. 0: none. Any thread inside the gate; relaxed, it guards nothing.
  std::atomic<std::uint8_t> error_{0};
  std::atomic<bool> fin_sent_{false};  // by the write owner; relaxed, see end_or_reset()
  // TCP_MAXSEG changes rarely (on loopback once, after the first traffic) and costs a system call.
  std::atomic<std::uint32_t> segment_bytes_{0};
  std::atomic<std::uint32_t> segment_reads_{0};

  Mutex lock_;
  Phase phase_ SOFTNDK_GUARDED_BY(lock_);
  io::Interest armed_ SOFTNDK_GUARDED_BY(lock_) = io::Interest::none;
  bool end_reported_ SOFTNDK_GUARDED_BY(lock_) = false;
  bool watched_ SOFTNDK_GUARDED_BY(lock_) = false;
  bool abort_ SOFTNDK_GUARDED_BY(lock_) = false;
  io::IoError connect_error_ SOFTNDK_GUARDED_BY(lock_) = io::IoError::reset;
};

}  // namespace softndk::net
