#include "sim/connection.h"

#include <algorithm>
#include <cstring>

#include "base/log.h"

namespace softndk::sim {

using io::Interest;
using io::IoError;
using io::IoResult;

void OctetQueue::take(std::uint8_t* to, std::size_t count) {
  if (count != 0) std::memcpy(to, octets_.data() + first_, count);
  drop_front(count);
}

void OctetQueue::drop_front(std::size_t count) {
  first_ += count;
  if (first_ > 4096 && first_ > octets_.size() / 2) {
    octets_.erase(octets_.begin(), octets_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
}

Connection::Connection(Core& core, std::uint32_t number, Ports::Hold active_hold, const Address& remote, bool same_host)
    : core_(core), number_(number), same_host_(same_host) {
  sides_[0].local = Ports::local_of(active_hold);
  sides_[0].hold = std::move(active_hold);
  sides_[1].local = remote;
  const Options& options = core_.options;
  RandomStream& random = core_.network;
  if (random.happens(options.reset)) {
    fate_ = Fate::is_reset;
    fate_at_ = random.in(options.reset_at_bytes);
    fate_pipe_ = static_cast<unsigned>(random.below(2));
  } else if (random.happens(options.silence)) {
    fate_ = Fate::falls_silent;
    fate_at_ = random.in(options.silence_at_bytes);
    fate_pipe_ = static_cast<unsigned>(random.below(2));
  }
  if (options.segment_bytes_later != 0)
    for (Pipe& pipe : pipes_)
      pipe.segment_changes_at = random.in(options.segment_changes_at_bytes);
}

// --- events

void Connection::attach(unsigned side, io::StreamSink& sink, Processor& processor) {
  sides_[side].sink = &sink;
  sides_[side].processor = &processor;
  happens_before(&sides_[side]);
}

void Connection::open_gate(unsigned side) {
  happens_before(&sides_[side]);
  sides_[side].gate_open = true;
  if (sides_[side].told_closed) {
    sides_[side].told_closed = false;
    tell_closed(side);
  } else {
    look_for_readiness(side);
  }
}

void Connection::establish(Ports::Hold passive_hold) {
  sides_[1].phase = Phase::open;
  sides_[1].hold = std::move(passive_hold);
}

void Connection::tell_connected() {
  Side& side = sides_[0];
  if (side.closed || side.phase != Phase::opening) return;
  side.phase = Phase::open;
  side.processor->push_event([self = shared_from_this()] {
    Side& active = self->sides_[0];
    if (active.closed) return;
    active.gate_open = true;
    happens_after(&active);
    {
      ShownToTsan shown;
      active.sink->on_connected();
    }
    self->look_for_readiness(0);
  });
  if (fate_ != Fate::lives && fate_at_ == 0) meet_fate();
}

void Connection::tell_connect_failed(IoError error) {
  Side& side = sides_[0];
  if (side.closed || side.phase != Phase::opening) return;
  core_.note(TraceKind::refused, name_of(0), static_cast<std::uint64_t>(error));
  side.phase = Phase::lost;
  side.error = error;
  side.hold = {};
  side.processor->push_event([self = shared_from_this(), error] {
    Side& active = self->sides_[0];
    if (active.closed) return;
    happens_after(&active);
    ShownToTsan shown;
    active.sink->on_connect_failed(error);
  });
}

Interest Connection::possible(unsigned index) const {
  const Side& side = sides_[index];
  if (side.phase == Phase::opening) return Interest::none;
  const Pipe& in = pipes_[1 - index];
  if (side.phase == Phase::lost || in.fin_delivered) return Interest::both;
  const Pipe& out = pipes_[index];
  Interest now = Interest::none;
  if (in.delivered > in.read) now = now | Interest::read;
  if (out.finished || out.written - out.acknowledged < core_.options.send_buffer_bytes) now = now | Interest::write;
  return now;
}

void Connection::look_for_readiness(unsigned index) {
  Side& side = sides_[index];
  if (!side.gate_open || side.closed || side.ready_queued) return;
  if ((unsigned(possible(index)) & unsigned(side.armed)) == 0) return;
  side.ready_queued = true;
  side.processor->push_event([self = shared_from_this(), index] { self->tell_ready(index); });
}

void Connection::tell_ready(unsigned index) {
  Side& side = sides_[index];
  side.ready_queued = false;
  // Looked at only now: somebody may have read what was there.
  const auto ready = Interest(unsigned(possible(index)) & unsigned(side.armed));
  if (side.closed || ready == Interest::none) return;
  side.armed = Interest(unsigned(side.armed) & ~unsigned(ready));
  happens_after(&side);
  happens_after(&pipes_[1 - index]);  // what the peer did to make it so
  ShownToTsan shown;
  side.sink->on_ready(ready);
}

void Connection::arm(unsigned index, Interest interest) {
  happens_before(&sides_[index]);
  sides_[index].armed = sides_[index].armed | interest;
  look_for_readiness(index);
}

// --- octets

IoResult Connection::read(unsigned index, std::span<const IoSpan> into) {
  Side& side = sides_[index];
  Pipe& in = pipes_[1 - index];
  if (side.closed) return {IoResult::Status::failed, 0, IoError::closed};
  std::size_t wanted = 0;
  for (const IoSpan& span : into)
    wanted += span.size;
  if (wanted == 0) return {};
  happens_after(&in);
  const std::size_t here = in.delivered - in.read;
  if (here == 0) return {peek(index), 0, side.error};
  std::size_t taken = std::min(wanted, here);
  if (taken > 1 && core_.network.happens(core_.options.short_read)) taken = core_.network.in({1, taken});
  std::size_t left = taken;
  for (const IoSpan& span : into) {
    const std::size_t part = std::min(left, span.size);
    in.octets.take(span.data, part);
    left -= part;
  }
  in.read += taken;
  core_.note(TraceKind::read, name_of(index), taken);
  plan_launch(1 - index);
  return {IoResult::Status::done, taken, {}};
}

IoResult::Status Connection::peek(unsigned index) const {
  const Side& side = sides_[index];
  const Pipe& in = pipes_[1 - index];
  if (side.closed) return IoResult::Status::failed;
  if (in.delivered > in.read) return IoResult::Status::done;
  if (in.fin_delivered) return IoResult::Status::end;
  return side.phase == Phase::lost ? IoResult::Status::failed : IoResult::Status::would_block;
}

IoResult Connection::write(unsigned index, std::span<const ConstIoSpan> from, bool record_end) {
  Side& side = sides_[index];
  Pipe& out = pipes_[index];
  if (side.closed || out.finished) return {IoResult::Status::failed, 0, IoError::closed};
  if (side.phase == Phase::lost) return {IoResult::Status::failed, 0, side.error};
  if (side.phase == Phase::opening) return {IoResult::Status::would_block, 0, {}};
  std::size_t wanted = 0;
  for (const ConstIoSpan& span : from)
    wanted += span.size;
  if (wanted == 0) return {};
  const std::size_t room = core_.options.send_buffer_bytes - (out.written - out.acknowledged);
  if (room == 0) return {IoResult::Status::would_block, 0, {}};
  std::size_t taken = std::min(wanted, room);
  if (taken > 1 && core_.network.happens(core_.options.short_write)) taken = core_.network.in({1, taken});
  std::size_t left = taken;
  for (const ConstIoSpan& span : from) {
    const std::size_t part = std::min(left, span.size);
    if (part != 0) out.octets.append(span.data, part);
    left -= part;
  }
  out.written += taken;
  happens_before(&out);
  core_.note(TraceKind::write, name_of(index), taken, record_end ? 1 : 0);
  launch(index);
  return {IoResult::Status::done, taken, {}};
}

io::TimeNs Connection::arrival_ns(Pipe& pipe) {
  const io::TimeNs arrival = core_.now_ns + core_.network.in(core_.options.latency_ns);
  return pipe.last_arrival_ns = std::max(arrival, pipe.last_arrival_ns);
}

template <class Action>
void Connection::at(io::TimeNs at_ns, Action action) {
  core_.agenda.at(at_ns, [self = shared_from_this(), action] {
    if (!self->silent_) action();
  });
}

/// Sends as far as the receiver's window allows, in pieces of any size.
void Connection::launch(unsigned from) {
  Pipe& pipe = pipes_[from];
  if (sides_[from].phase != Phase::open) return;
  while (pipe.launched < pipe.written) {
    const std::uint64_t window_end = pipe.read + core_.options.receive_buffer_bytes;
    if (pipe.launched >= window_end) return;
    const std::uint64_t most = std::min(pipe.written, window_end) - pipe.launched;
    const bool in_pieces = core_.network.below(2) == 0 && core_.options.in_pieces;
    pipe.launched += in_pieces ? 1 + core_.network.below(most) : most;
    at(arrival_ns(pipe), [this, from, until = pipe.launched] { deliver(from, until); });
  }
  if (pipe.finished && !pipe.fin_launched) {
    pipe.fin_launched = true;
    at(arrival_ns(pipe), [this, from] { deliver_fin(from); });
  }
}

/// The receiver has made room: the sender hears of it a little later.
void Connection::plan_launch(unsigned from) {
  Pipe& pipe = pipes_[from];
  if (pipe.launch_planned || pipe.launched == pipe.written) return;
  pipe.launch_planned = true;
  at(core_.now_ns + core_.network.in(core_.options.latency_ns), [this, from] {
    pipes_[from].launch_planned = false;
    launch(from);
  });
}

void Connection::deliver(unsigned from, std::uint64_t until) {
  Pipe& pipe = pipes_[from];
  Side& receiver = sides_[1 - from];
  if (cut_ || receiver.phase == Phase::lost) return;
  const bool fatal = fate_ != Fate::lives && fate_pipe_ == from && until >= fate_at_;
  if (fatal) until = std::max(fate_at_, pipe.delivered);
  pipe.delivered = until;
  core_.note(TraceKind::deliver, name_of(from), until);
  if (fatal) {
    meet_fate();
  } else if (receiver.released) {
    refuse(1 - from);
    return;
  } else {
    at(core_.now_ns + core_.network.in(core_.options.latency_ns), [this, from, until] {
      Pipe& acknowledged = pipes_[from];
      if (cut_ || sides_[from].phase == Phase::lost || acknowledged.acknowledged >= until) return;
      acknowledged.acknowledged = until;
      core_.note(TraceKind::ack, name_of(from), until);
      look_for_readiness(from);
    });
  }
  drain(1 - from);
  look_for_readiness(1 - from);
}

void Connection::deliver_fin(unsigned from) {
  if (cut_ || sides_[1 - from].phase == Phase::lost) return;
  pipes_[from].fin_delivered = true;
  core_.note(TraceKind::fin, name_of(from));
  at(core_.now_ns + core_.network.in(core_.options.latency_ns), [this, from] {
    if (cut_) return;
    pipes_[from].fin_acknowledged = true;
    settle(from);
  });
  look_for_readiness(1 - from);
  settle(1 - from);
}

/// Nobody reads after close(): what comes is thrown away, so that the peer's window stays open until its FIN.
void Connection::drain(unsigned index) {
  Pipe& in = pipes_[1 - index];
  if (!sides_[index].closed || in.delivered == in.read) return;
  in.octets.drop_front(in.delivered - in.read);
  in.read = in.delivered;
  plan_launch(1 - index);
}

std::size_t Connection::unacknowledged_bytes(unsigned side) const {
  const bool is_over = sides_[side].closed || sides_[side].phase == Phase::lost;
  return is_over ? 0 : pipes_[side].written - pipes_[side].acknowledged;
}

std::size_t Connection::segment_bytes(unsigned side) const {
  const Options& options = core_.options;
  return pipes_[side].written >= pipes_[side].segment_changes_at ? options.segment_bytes_later : options.segment_bytes;
}

// --- ends

void Connection::finish_writing(unsigned index) {
  Pipe& out = pipes_[index];
  if (sides_[index].closed || out.finished) return;
  happens_before(&out);
  out.finished = true;
  launch(index);
}

/// `index` learns that the connection is gone. What its peer had not seen acknowledged is lost with it; octets that
/// were acknowledged stay readable, because ByteStream::unacknowledged_bytes() promises as much to the peer.
void Connection::lose(unsigned index, IoError error) {
  Side& side = sides_[index];
  if (side.phase != Phase::open) return;
  side.phase = Phase::lost;
  side.error = error;
  core_.note(TraceKind::reset, name_of(index));
  Pipe& in = pipes_[1 - index];
  const std::uint64_t kept = std::max(in.read, std::min(in.acknowledged, in.delivered));
  in.octets.keep_front(kept - in.read);
  in.written = in.launched = in.delivered = kept;
  in.fin_delivered = in.fin_delivered && in.fin_acknowledged;
  look_for_readiness(index);
  settle(index);
}

void Connection::send_reset(unsigned from) {
  // It may overtake octets that are under way, but not the handshake's end.
  at(core_.now_ns + core_.network.in(core_.options.latency_ns), [this, from] {
    if (sides_[1 - from].phase == Phase::opening) tell_connected();
    lose(1 - from, IoError::reset);
  });
}

void Connection::refuse(unsigned side) {
  if (sides_[side].phase == Phase::lost) return;
  send_reset(side);
  sides_[side].phase = Phase::lost;
  release(side);
}

void Connection::meet_fate() {
  const Fate fate = std::exchange(fate_, Fate::lives);
  if (fate == Fate::falls_silent) {
    core_.note(TraceKind::silence, name_of(fate_pipe_), fate_at_);
    silent_ = true;
    return;
  }
  // Lost between the two: each side hears of it in its own time, and of nothing else.
  cut_ = true;
  send_reset(0);
  send_reset(1);
}

void Connection::close(unsigned index, io::ByteStream::CloseKind kind) {
  Side& side = sides_[index];
  if (side.closed) return;
  happens_before(&side);
  happens_before(&pipes_[index]);
  core_.note(TraceKind::close, name_of(index), kind == io::ByteStream::CloseKind::abort);
  const bool was_open = side.phase == Phase::open;
  if (was_open && kind == io::ByteStream::CloseKind::orderly) {
    finish_writing(index);
    side.closed = true;
    drain(index);
    // The peer may never send its FIN. (Not through at(): silence does not stop our own clock.)
    core_.agenda.at(core_.now_ns + core_.network.in(core_.options.linger_ns),
                    [self = shared_from_this(), index] { self->release(index); });
    settle(index);
    return;
  }
  side.closed = true;
  // A handshake that is given up may have met its listener already.
  if (was_open || sides_[1 - index].phase == Phase::open) send_reset(index);
  side.phase = Phase::lost;
  release(index);
}

/// A closed side lets go when there is nothing left to wait for.
void Connection::settle(unsigned index) {
  const Side& side = sides_[index];
  if (!side.closed) return;
  const bool both_finished = pipes_[index].fin_acknowledged && pipes_[1 - index].fin_delivered;
  if (both_finished || side.phase == Phase::lost) release(index);
}

void Connection::release(unsigned index) {
  Side& side = sides_[index];
  if (std::exchange(side.released, true)) return;
  core_.note(TraceKind::released, name_of(index));
  side.hold = {};
  if (side.closed) tell_closed(index);
}

void Connection::tell_closed(unsigned index) {
  Side& side = sides_[index];
  if (std::exchange(side.told_closed, true)) return;
  if (index == 1 && !side.gate_open) return;  // inside on_accept(): open_gate() comes back to it
  side.processor->push_event([self = shared_from_this(), index] {
    io::StreamSink* sink = self->sides_[index].sink;
    self->sides_[index].in_last_event = true;
    happens_after(&self->sides_[index]);
    ShownToTsan shown;
    sink->on_closed();
  });
}

// --- the program's side

Stream::~Stream() {
  HiddenFromTsan hidden;
  // In production the reactor would call into freed memory, some day. (Outside a run there is no one left to call.)
  SOFTNDK_CHECK((io::this_thread().world == nullptr || connection_->has_heard_the_last(side_)) &&
                "a stream is destroyed before its on_closed()");
  connection_.reset();
}

IoResult Stream::read(std::span<const IoSpan> into) noexcept {
  HiddenFromTsan hidden;
  return connection_->read(side_, into);
}
IoResult Stream::write(std::span<const ConstIoSpan> from, bool record_end) noexcept {
  HiddenFromTsan hidden;
  return connection_->write(side_, from, record_end);
}
IoResult::Status Stream::peek() noexcept {
  HiddenFromTsan hidden;
  return connection_->peek(side_);
}
void Stream::arm(Interest interest) noexcept {
  HiddenFromTsan hidden;
  connection_->arm(side_, interest);
}
void Stream::disarm(Interest interest) noexcept {
  HiddenFromTsan hidden;
  connection_->disarm(side_, interest);
}
void Stream::finish_writing() noexcept {
  HiddenFromTsan hidden;
  connection_->finish_writing(side_);
}
std::size_t Stream::unacknowledged_bytes() noexcept {
  HiddenFromTsan hidden;
  return connection_->unacknowledged_bytes(side_);
}
std::size_t Stream::segment_bytes() noexcept {
  HiddenFromTsan hidden;
  return connection_->segment_bytes(side_);
}
bool Stream::is_same_host() const noexcept {
  return connection_->is_same_host();
}
void Stream::close(CloseKind kind) noexcept {
  HiddenFromTsan hidden;
  connection_->close(side_, kind);
}
const Address& Stream::local_address() const noexcept {
  return connection_->local_address(side_);
}
const Address& Stream::peer_address() const noexcept {
  return connection_->peer_address(side_);
}

}  // namespace softndk::sim
