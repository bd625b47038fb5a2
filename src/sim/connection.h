#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "io/network.h"
#include "sim/ports.h"
#include "sim/processor.h"

namespace softndk::sim {

/// Octets in order: appended at the end, taken from the front, or cut at the end.
class OctetQueue {
 public:
  std::size_t size() const { return octets_.size() - first_; }
  void append(const std::uint8_t* from, std::size_t count) { octets_.insert(octets_.end(), from, from + count); }
  void take(std::uint8_t* to, std::size_t count);
  void drop_front(std::size_t count);
  void keep_front(std::size_t count) { octets_.resize(first_ + count); }

 private:
  std::vector<std::uint8_t> octets_;
  std::size_t first_ = 0;
};

/// One simulated TCP connection: two sides, and for each direction octets that are written, launched, delivered, read
/// and acknowledged in that order. Both sides' streams share it, and so does what is under way in the agenda; it
/// lives until the last of these is gone. Side 0 connected, side 1 was accepted.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Core& core, std::uint32_t number, Ports::Hold active_hold, const Address& remote, bool same_host);

  // What io::ByteStream says, for one side.
  io::IoResult read(unsigned side, std::span<const IoSpan> into);
  io::IoResult write(unsigned side, std::span<const ConstIoSpan> from, bool record_end);
  io::IoResult::Status peek(unsigned side) const;
  void arm(unsigned side, io::Interest interest);
  void disarm(unsigned side, io::Interest interest) {
    sides_[side].armed = io::Interest(unsigned(sides_[side].armed) & ~unsigned(interest));
  }
  void finish_writing(unsigned side);
  std::size_t unacknowledged_bytes(unsigned side) const;
  std::size_t segment_bytes(unsigned side) const;
  bool is_same_host() const { return same_host_; }
  void close(unsigned side, io::ByteStream::CloseKind kind);
  const Address& local_address(unsigned side) const { return sides_[side].local; }
  const Address& peer_address(unsigned side) const { return sides_[1 - side].local; }

  // For the network.
  std::uint32_t name_of(unsigned side) const { return 2 * number_ + side; }
  /// Who is told of the side's events; none is told before open_gate().
  void attach(unsigned side, io::StreamSink& sink, Processor& processor);
  void open_gate(unsigned side);
  /// The listener has taken the SYN: both directions exist from now on.
  void establish(Ports::Hold passive_hold);
  /// The active side hears that the handshake is done, or that it failed.
  void tell_connected();
  void tell_connect_failed(io::IoError error);
  /// An RST from `side`, which has no program to close it.
  void refuse(unsigned side);
  bool is_closed(unsigned side) const { return sides_[side].closed; }
  bool has_heard_the_last(unsigned side) const { return sides_[side].in_last_event; }
  Ports::Hold drop_hold(unsigned side) { return std::move(sides_[side].hold); }

 private:
  enum class Phase : std::uint8_t { opening, open, lost };
  struct Side {
    io::StreamSink* sink = nullptr;
    Processor* processor = nullptr;
    Address local;
    Ports::Hold hold;
    Phase phase = Phase::opening;
    io::IoError error = io::IoError::reset;  // if lost
    io::Interest armed = io::Interest::none;
    bool gate_open = false;      // events may be told
    bool ready_queued = false;   // an on_ready() is on its way
    bool closed = false;         // the program called close()
    bool told_closed = false;    // on_closed() is on its way
    bool in_last_event = false;  // on_closed() was called
    bool released = false;       // the address is free, and the peer's octets are answered by RST
  };
  /// One direction; side `i` writes to pipe `i`. Counts are of octets since the beginning.
  struct Pipe {
    OctetQueue octets;  // [read_, written_)
    std::uint64_t written = 0;
    std::uint64_t launched = 0;
    std::uint64_t delivered = 0;
    std::uint64_t read = 0;
    std::uint64_t acknowledged = 0;  // as the writer knows
    bool finished = false;           // FIN comes after what is written
    bool fin_launched = false;
    bool fin_delivered = false;
    bool fin_acknowledged = false;
    bool launch_planned = false;     // the news of an open window is under way
    io::TimeNs last_arrival_ns = 0;  // order within a direction
    std::uint64_t segment_changes_at = UINT64_MAX;
  };
  enum class Fate : std::uint8_t { lives, is_reset, falls_silent };

  io::Interest possible(unsigned side) const;
  void look_for_readiness(unsigned side);
  void tell_ready(unsigned side);
  io::TimeNs arrival_ns(Pipe& pipe);
  /// `action` later, unless the connection has fallen silent by then.
  template <class Action>
  void at(io::TimeNs at_ns, Action action);
  void launch(unsigned from);
  void plan_launch(unsigned from);
  void deliver(unsigned from, std::uint64_t until);
  void deliver_fin(unsigned from);
  void drain(unsigned side);
  void lose(unsigned side, io::IoError error);
  void send_reset(unsigned from);
  void meet_fate();
  void settle(unsigned side);
  void release(unsigned side);
  void tell_closed(unsigned side);

  Core& core_;
  const std::uint32_t number_;
  const bool same_host_;
  std::array<Side, 2> sides_;
  std::array<Pipe, 2> pipes_;
  Fate fate_ = Fate::lives;
  unsigned fate_pipe_ = 0;
  std::uint64_t fate_at_ = 0;  // octets of that pipe
  bool silent_ = false;
  bool cut_ = false;  // nothing is delivered any more but the resets
};

/// The program's hold on one side.
class Stream final : public io::ByteStream {
 public:
  Stream(std::shared_ptr<Connection> connection, unsigned side) : connection_(std::move(connection)), side_(side) {}
  ~Stream() override;

  io::IoResult read(std::span<const IoSpan> into) noexcept override;
  io::IoResult write(std::span<const ConstIoSpan> from, bool record_end) noexcept override;
  io::IoResult::Status peek() noexcept override;
  void arm(io::Interest interest) noexcept override;
  void disarm(io::Interest interest) noexcept override;
  void finish_writing() noexcept override;
  std::size_t unacknowledged_bytes() noexcept override;
  std::size_t segment_bytes() noexcept override;
  bool is_same_host() const noexcept override;
  void close(CloseKind kind) noexcept override;
  const Address& local_address() const noexcept override;
  const Address& peer_address() const noexcept override;

 private:
  std::shared_ptr<Connection> connection_;
  const unsigned side_;
};

}  // namespace softndk::sim
