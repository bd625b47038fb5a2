#include "rnic/connection.h"

#include <algorithm>
#include <cstring>

#include "base/log.h"
#include "iwarp/tx_framer.h"
#include "rnic/shared_endpoint.h"

namespace softndk::rnic {

using rdma::CmStatus;

Connection::Connection(const ConnectionContext& context, io::Processor& processor, rdma::ConnectionSink* sink)
    : context_(context),
      processor_(processor),
      sink_(sink),
      work_task_([](io::Task& task) noexcept { static_cast<WorkTask&>(task).connection->work(); }),
      timer_([](io::Task& task) noexcept { static_cast<WorkTimer&>(task).connection->call(kTimer); }),
      freed_task_([](io::Task& task) noexcept { static_cast<FreedTask&>(task).connection->end_quietly(); }),
      state_(State::idle) {
  work_task_.connection = timer_.connection = freed_task_.connection = this;
}

Connection::~Connection() {
  SOFTNDK_CHECK(posting_.load() == 0 && !work_task_.is_queued());
}

void Connection::call(std::uint32_t bits) noexcept {
  leave_word(calls_, bits);
}

void Connection::raise(std::uint32_t events) noexcept {
  leave_word(link_events_, events);
}

void Connection::leave_word(std::atomic<std::uint32_t>& words, std::uint32_t bits) noexcept {
  // By these words a direction may let go of us, or the consumer close us, and our thread, which is at work on
  // something else, may read them and come to our end before they are posted: end_quietly() waits for the last line.
  if (processor_.is_current()) {  // it cannot be at its end at the same time
    words.fetch_or(bits);
    processor_.post(work_task_);
    return;
  }
  posting_.fetch_add(1);
  words.fetch_or(bits);
  interleave_point();
  processor_.post(work_task_);
  posting_.fetch_sub(1);
}

Connection::State Connection::state() const noexcept {
  MutexLock lock(mutex_);
  return state_;
}

void Connection::set_state(State state) noexcept {
  MutexLock lock(mutex_);
  state_ = state;
}

void Connection::arm_timer(io::TimeNs after_ns) noexcept {
  deadline_ns_ = context_.world.clock.now_ns() + after_ns;
  processor_.arm(timer_, deadline_ns_);
}

void Connection::stop_timer() noexcept {
  deadline_ns_ = io::kNever;  // a run that is queued already finds that it came too late
  processor_.cancel(timer_);
}

// ---- what callers ask for

CmStatus Connection::connect(rdma::QueuePair& qp, const rdma::ConnectParameters& parameters) noexcept {
  MutexLock lock(mutex_);
  if (close_called_) return CmStatus::cancelled;
  if (state_ != State::idle) return CmStatus::wrong_state;
  if (!static_cast<Qp&>(qp).bind(*this)) return CmStatus::qp_busy;
  asked_qp_ = &qp;
  asked_local_ = parameters.local;
  if (parameters.endpoint != nullptr) asked_endpoint_ = static_cast<SharedEndpoint*>(parameters.endpoint)->reference();
  asked_remote_ = parameters.remote;
  asked_limits_ = parameters.limits;
  own_data_ = iwarp::PrivateData(parameters.private_data);
  peer_data_ = {};
  has_peer_data_ = false;
  limits_.reset();
  state_ = State::connecting;
  call(kConnect);
  return CmStatus::pending;
}

CmStatus Connection::complete_connect() noexcept {
  MutexLock lock(mutex_);
  if (close_called_) return CmStatus::cancelled;
  if (state_ != State::accepted) return CmStatus::not_connected;
  state_ = State::completing;
  call(kComplete);
  return CmStatus::pending;
}

CmStatus Connection::accept(rdma::QueuePair& qp, const rdma::AcceptParameters& parameters) noexcept {
  MutexLock lock(mutex_);
  if (close_called_) return CmStatus::cancelled;
  if (peer_abandoned_) return CmStatus::aborted;  // known a moment before the state says so
  if (state_ != State::incoming) return CmStatus::wrong_state;
  if (!static_cast<Qp&>(qp).bind(*this)) return CmStatus::qp_busy;
  asked_qp_ = &qp;
  asked_limits_ = parameters.limits;
  own_data_ = iwarp::PrivateData(parameters.private_data);
  state_ = State::accepting;
  call(kAccept);
  return CmStatus::pending;
}

CmStatus Connection::reject(Bytes private_data) noexcept {
  MutexLock lock(mutex_);
  if (peer_abandoned_) return CmStatus::aborted;
  if (state_ != State::incoming && state_ != State::accepted) return CmStatus::wrong_state;
  own_data_ = iwarp::PrivateData(private_data);
  // Nobody may accept or complete it from here on; which of the two it was, the processor tells by the side.
  state_ = State::ending;
  call(kReject);
  return CmStatus::success;
}

CmStatus Connection::disconnect() noexcept {
  MutexLock lock(mutex_);
  if (close_called_) return CmStatus::cancelled;
  if (disconnect_asked_ || !was_established_) return CmStatus::not_connected;
  disconnect_asked_ = true;
  call(kDisconnect);
  return CmStatus::pending;
}

void Connection::close() noexcept {
  {
    MutexLock lock(mutex_);
    close_called_ = true;  // what another thread asks for at this moment (R-CLS-12) is answered now or never
  }
  call(kClose);
}

// ---- queries

std::optional<Address> Connection::local_address() const noexcept {
  MutexLock lock(mutex_);
  return local_;
}

std::optional<Address> Connection::peer_address() const noexcept {
  MutexLock lock(mutex_);
  return peer_;
}

std::optional<rdma::ReadLimits> Connection::limits() const noexcept {
  MutexLock lock(mutex_);
  return limits_;
}

std::optional<std::size_t> Connection::private_data(MutableBytes into) const noexcept {
  MutexLock lock(mutex_);
  if (!has_peer_data_) return std::nullopt;
  const Bytes data = peer_data_.bytes();
  const std::size_t bytes = std::min(data.size(), into.size());
  if (bytes != 0) std::memcpy(into.data(), data.data(), bytes);
  return data.size();
}

void Connection::note_stream(const Address& local, const Address& remote) noexcept {
  {
    MutexLock lock(mutex_);
    local_ = local;
    peer_ = remote;
  }
  pair_.local = local;
  pair_.remote = remote;
  context_.endpoints.add(pair_);
}

void Connection::keep_peer_data(Bytes data) noexcept {
  MutexLock lock(mutex_);
  peer_data_ = iwarp::PrivateData(data);
  has_peer_data_ = true;
}

iwarp::HandshakeSettings Connection::handshake_settings() const noexcept {
  iwarp::HandshakeSettings settings;
  settings.rtr = context_.settings.rtr == RtrPolicy::never ? iwarp::RtrPolicy::never : iwarp::RtrPolicy::automatic;
  settings.crc = context_.settings.crc;
  settings.maxima = {context_.limits_max.inbound, context_.limits_max.outbound};
  return settings;
}

// ---- the processor thread

void Connection::work() noexcept {
  if (finishing_) return;
  const std::uint32_t calls = calls_.exchange(0);
  if ((calls & kTimer) != 0) on_timer();
  if ((calls & kConnect) != 0) start_connect();
  if ((calls & kComplete) != 0) start_complete();
  if ((calls & kAccept) != 0) start_accept();
  if ((calls & kReject) != 0) start_reject();
  if (const std::uint32_t events = link_events_.exchange(0)) take_link_events(events);
  if ((calls & kDisconnect) != 0) start_disconnect();
  if ((calls & kClose) != 0) start_close();
  if ((calls & kAbandon) != 0 && sink_ == nullptr) start_close();  // else the consumer took it at the last moment
  if (state() == State::ending) advance_ending();
  if (close_asked_) finish_close();
}

void Connection::on_timer() noexcept {
  if (context_.world.clock.now_ns() < deadline_ns_) return;  // it was for something that is over
  deadline_ns_ = io::kNever;
  switch (state()) {
    case State::connecting:
    case State::requesting:
      return fail_connect(CmStatus::timed_out, Ending::abort);  // T2
    case State::completing:
      return qp_->transmitter().open_gate();  // first_fpdu_delay
    case State::waiting:
      return start_close();  // T1
    case State::incoming:
      return on_abandoned_by_peer();  // T2: nobody answered
    case State::accepting:
      if (qp_ == nullptr) return;  // T2 ran out while accept() was called, which was quicker: start_accept() is next
      return fail_establishment(CmStatus::timed_out, Ending::abort);  // T3
    case State::disconnecting:
      result_ = CmStatus::timed_out;
      tell_disconnected_ = true;
      return begin_ending(Ending::abort);
    case State::ending:
    case State::idle:
    case State::accepted:
    case State::established:
    case State::peer_gone:
    case State::ended:
      return;
  }
}

void Connection::on_ready(io::Interest ready) noexcept {
  if (contains(ready, io::Interest::write)) {
    if (!frame_left_.empty()) {
      write_frame();
    } else if (attached_) {
      qp_->transmitter().on_writable();
    }
  }
  if (contains(ready, io::Interest::read)) {
    switch (state()) {
      case State::requesting:
        read_reply();
        break;
      case State::waiting:
        read_request();
        break;
      case State::incoming:
        watch_incoming();
        break;
      case State::ending:
        break;  // looked at by advance_ending(), below
      case State::idle:
      case State::connecting:
      case State::accepted:
      case State::completing:
      case State::accepting:
      case State::established:
      case State::peer_gone:
      case State::disconnecting:
      case State::ended:
        if (attached_) qp_->receiver().on_readable();
        break;
    }
    if (attached_ && state() == State::ending && !lingering_) qp_->receiver().on_readable();
  }
  call(0);
}

bool Connection::write_frame() noexcept {
  while (!frame_left_.empty()) {
    const ConstIoSpan span{frame_left_.data(), frame_left_.size()};
    const io::IoResult written = stream_->write(std::span(&span, 1), true);
    if (written.status == io::IoResult::Status::would_block) {
      stream_->arm(io::Interest::write);
      return false;
    }
    if (written.status != io::IoResult::Status::done) {
      frame_left_ = {};
      raise(kWriteFailed);
      return false;
    }
    frame_left_ = frame_left_.subspan(written.bytes);
  }
  if (state() == State::accepting && !attached_) reply_written();
  return true;
}

void Connection::write_terminate(iwarp::TerminateCode code, const iwarp::HandshakeResult& agreed) noexcept {
  ConstIoSpan spans[4];
  std::uint8_t arena[128];
  iwarp::GatherList list(spans, arena);
  iwarp::TxFramer framer(agreed.crc, agreed.markers_to_send);
  framer.append_terminate(iwarp::make_terminate(code), list);
  write_fpdu(list);
}

void Connection::write_fpdu(const iwarp::GatherList& fpdu) noexcept {
  std::size_t bytes = 0;
  for (const ConstIoSpan& span : fpdu.spans()) {
    std::memcpy(handshake_->out + bytes, span.data, span.size);
    bytes += span.size;
  }
  context_.counters.out_octets.fetch_add(bytes, std::memory_order_relaxed);
  context_.counters.out_frames.fetch_add(1, std::memory_order_relaxed);
  frame_left_ = Bytes(handshake_->out, bytes);
  write_frame();
}

}  // namespace softndk::rnic
