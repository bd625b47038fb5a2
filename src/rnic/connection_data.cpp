// Between the handshake and the end: the queue pair works, and this side decides what news of the stream means.
#include "base/log.h"
#include "rnic/connection.h"

namespace softndk::rnic {

using rdma::CmStatus;
namespace terminate_code = iwarp::terminate_code;

bool Connection::attach(const iwarp::HandshakeResult& agreed, iwarp::Rtr rtr, Bytes early) noexcept {
  TxAttachment tx;
  tx.stream = stream_.get();
  tx.link = this;
  tx.crc = agreed.crc;
  tx.markers = agreed.markers_to_send;
  tx.aligned = context_.settings.fpdu == FpduPolicy::aligned ||
               (context_.settings.fpdu == FpduPolicy::automatic && !stream_->is_same_host());
  tx.rtr = rtr;
  tx.outbound_read_limit = agreed.limits.ord;
  RxAttachment rx;
  rx.stream = stream_.get();
  rx.link = this;
  rx.crc = agreed.crc;
  rx.settings = &context_.settings;
  rx.first_octets = early;
  rx.inbound_reads_max = agreed.ird_slots;
  attached_ = qp_->attach(tx, rx);
  handshake_ = nullptr;
  return attached_;
}

void Connection::establish() noexcept {
  stop_timer();
  rdma::DeviceCounters& counters = context_.counters;
  (is_active_side_ ? counters.connects : counters.accepts).fetch_add(1, std::memory_order_relaxed);
  counters.active_connections.fetch_add(1, std::memory_order_relaxed);
  counted_active_ = true;
  qp_->set_connected(true);  // before anybody is told (R-WR-10)
  {
    MutexLock lock(mutex_);
    state_ = State::established;
    was_established_ = true;
  }
  if (qp_->is_dead()) raise(kTxLocalError);  // its completion queue overflowed before there was anything to break
  sink_->on_established(CmStatus::success);
}

void Connection::fail_establishment(CmStatus status, Ending ending) noexcept {
  stop_timer();
  if (status != CmStatus::cancelled) context_.counters.connect_failures.fetch_add(1, std::memory_order_relaxed);
  tell_established_ = true;
  result_ = status;
  begin_ending(ending);
}

void Connection::take_link_events(std::uint32_t events) noexcept {
  seen_ |= events;
  const bool gone = (events & (kLost | kWriteFailed)) != 0;
  const bool fault = (events & kPeerFault) != 0;
  const bool terminated = (events & kPeerTerminate) != 0;
  if (fault && attached_) qp_->transmitter().send_terminate(qp_->receiver().report().terminate);
  if ((events & kTxLocalError) != 0 && attached_) {
    // The transmit side has its own last words ready; where the fault came from elsewhere (a dead completion queue),
    // these are they.
    qp_->transmitter().send_terminate(iwarp::make_terminate(terminate_code::kRdmapLocalCatastrophic));
  }
  const bool broken_here = fault || (events & kTxLocalError) != 0;
  const std::uint32_t reason =
      attached_ && (fault || terminated) ? qp_->receiver().report().terminate.code.packed() : 0;
  switch (state()) {
    case State::completing:
      if (gone || terminated || (events & kPeerFin) != 0) return fail_establishment(CmStatus::aborted, Ending::abort);
      if (broken_here) return fail_establishment(CmStatus::aborted, Ending::terminate);
      if ((events & kRtrSent) != 0) establish();
      return;
    case State::accepting:
      // An end in place of the agreed RTR: the peer has changed its mind (R-CNCT-12).
      if (gone || terminated) return fail_establishment(CmStatus::aborted, Ending::abort);
      if (broken_here) return fail_establishment(CmStatus::aborted, Ending::terminate);
      if ((events & kFirstFpdu) == 0) {
        if ((events & kPeerFin) != 0) fail_establishment(CmStatus::aborted, Ending::abort);
        return;
      }
      establish();
      break;  // what came behind the RTR counts as well
    case State::established:
    case State::peer_gone:
    case State::disconnecting:
      break;
    case State::idle:
    case State::connecting:
    case State::requesting:
    case State::accepted:
    case State::waiting:
    case State::incoming:
    case State::ending:
    case State::ended:
      return;
  }
  if (terminated) return lose(Ending::orderly, reason);
  if (gone) return lose(Ending::abort, 0);
  if (broken_here) return lose(Ending::terminate, reason);
  if ((events & kPeerFin) != 0 && state() == State::established) {
    // Graceful: nothing is flushed, receives stay posted, our own FIN waits for our consumer (R-DISC-06, R-DISC-08).
    qp_->set_connected(false);
    set_state(State::peer_gone);
    peer_end_told_ = true;
    return sink_->on_peer_disconnect(true, 0);
  }
  if (state() == State::disconnecting) {
    if ((events & kPeerFin) != 0) qp_->receiver().cancel_reads();  // nobody will answer them
    if ((seen_ & kPeerFin) != 0 && (seen_ & kFinSent) != 0) {
      result_ = CmStatus::success;
      tell_disconnected_ = true;
      begin_ending(Ending::orderly);
    }
  }
}

/// The connection is broken: whoever waits for a disconnect hears of it, or else the consumer does.
void Connection::lose(Ending ending, std::uint32_t reason) noexcept {
  context_.counters.connection_errors.fetch_add(1, std::memory_order_relaxed);
  if (state() == State::disconnecting) {
    tell_disconnected_ = true;
    result_ = CmStatus::aborted;
  } else if (!peer_end_told_) {
    tell_lost_ = true;
    reason_ = reason;
  }
  begin_ending(ending);
}

void Connection::start_disconnect() noexcept {
  switch (state()) {
    case State::established:
      qp_->set_connected(false);
      set_state(State::disconnecting);
      break;
    case State::peer_gone:
      set_state(State::disconnecting);
      qp_->flush();  // nobody listens any more
      break;
    case State::ending:  // broken: flushed first, then told (R-DISC-14)
    case State::ended:
      tell_disconnected_ = true;
      result_ = CmStatus::aborted;
      if (state() == State::ended) after_ending();
      return;
    default:
      return;
  }
  arm_timer(context_.settings.disconnect_timeout_ns);
  qp_->transmitter().finish();
}

void Connection::start_close() noexcept {
  if (sink_ != nullptr || state() == State::waiting) close_asked_ = true;
  switch (state()) {
    case State::idle:
    case State::ending:
    case State::ended:
      return;
    case State::connecting:
    case State::requesting:
      return fail_connect(CmStatus::cancelled, Ending::abort);
    case State::accepted:
      context_.counters.connect_failures.fetch_add(1, std::memory_order_relaxed);
      return give_up_accepted();
    case State::waiting:
      return begin_ending(Ending::abort);
    case State::incoming:  // unanswered: that is a reject (R-CLS-18)
      set_state(State::ending);
      return start_reject();
    case State::completing:
    case State::accepting:
      if (!attached_) return fail_establishment(CmStatus::cancelled, Ending::abort);
      qp_->transmitter().send_terminate(iwarp::make_terminate(terminate_code::kMpaLocalCatastrophic));
      return fail_establishment(CmStatus::cancelled, Ending::terminate_abort);
    case State::established:  // without a disconnect: abortive (R-CLS-19)
      qp_->transmitter().send_terminate(iwarp::make_terminate(terminate_code::kRdmapLocalCatastrophic));
      return begin_ending(Ending::terminate_abort);
    case State::peer_gone:
      return begin_ending(Ending::orderly);  // answers the peer's disconnect (R-CLS-20)
    case State::disconnecting:
      tell_disconnected_ = true;
      result_ = CmStatus::cancelled;
      return begin_ending(Ending::abort);
  }
}

}  // namespace softndk::rnic
