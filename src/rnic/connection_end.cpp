// How a connection ends: requests flushed, last words said, directions let go, stream closed, everybody told, in this
// order and whatever the reason.
#include <algorithm>

#include "rnic/connection.h"
#include "rnic/listener.h"

namespace softndk::rnic {

using rdma::CmStatus;

namespace {
constexpr io::TimeNs kAcknowledgeStepNs = io::kMillisecond;
}

void Connection::begin_ending(Ending ending) noexcept {
  stop_timer();
  set_state(State::ending);
  ending_ = ending;
  if (std::exchange(counted_active_, false))
    context_.counters.active_connections.fetch_sub(1, std::memory_order_relaxed);
  const bool speaks = ending != Ending::abort;
  last_words_over_ = !speaks || stream_ == nullptr;
  if (!last_words_over_) {
    last_words_until_ns_ = context_.world.clock.now_ns() + context_.settings.terminate_timeout_ns;
    arm_timer(context_.settings.terminate_timeout_ns);
  }
  call(0);
}

void Connection::advance_ending() noexcept {
  if (ending_ == Ending::none) return;  // reject() was called this moment; its turn comes
  if (attached_) {
    if (!flush_asked_) {
      flush_asked_ = true;
      qp_->set_connected(false);
      seen_ &= ~static_cast<std::uint32_t>(kSqFlushed | kRqFlushed);
      qp_->receiver().stop();
      qp_->transmitter().stop(ending_ == Ending::abort);
      return;  // their news bring us back
    }
    constexpr std::uint32_t kFlushed = kSqFlushed | kRqFlushed;
    if ((seen_ & kFlushed) != kFlushed) return;
    // In the queue, and to be seen there, before anybody is told of the end (R-DISC-05).
    if (!flushed_) flushed_ = qp_->completions();
    if (!qp_->has_shown(*flushed_)) {
      waits_to_be_seen_ = true;
      return arm_timer(qp_->completion_latency_ns());
    }
    if (std::exchange(waits_to_be_seen_, false) && !last_words_over_) {
      const io::TimeNs now_ns = context_.world.clock.now_ns();
      arm_timer(last_words_until_ns_ - std::min(now_ns, last_words_until_ns_));
    }
    if (std::exchange(tell_lost_, false) && !peer_end_told_) {
      peer_end_told_ = true;
      sink_->on_peer_disconnect(false, reason_);
    }
  }
  if (!last_words_over_ && !last_words_said()) return;
  last_words_over_ = true;
  if (attached_) {
    if (!detach_asked_) {
      detach_asked_ = true;
      qp_->transmitter().detach();
      qp_->receiver().detach();
      return;
    }
    constexpr std::uint32_t kDetached = kTxDetached | kRxDetached;
    if ((seen_ & kDetached) != kDetached) return;
  }
  if (stream_ != nullptr) {
    if (!close_started_) {
      close_started_ = true;
      frame_left_ = {};
      const bool abort = ending_ == Ending::abort || ending_ == Ending::terminate_abort;
      stream_->close(abort ? io::ByteStream::CloseKind::abort : io::ByteStream::CloseKind::orderly);
    }
    return;  // on_closed() brings us back
  }
  after_ending();
}

/// True when nothing more is to be said, or the time for it is over.
bool Connection::last_words_said() noexcept {
  const io::TimeNs now_ns = context_.world.clock.now_ns();
  if (now_ns >= last_words_until_ns_ || (seen_ & kWriteFailed) != 0) return true;
  if (!frame_left_.empty()) return false;
  if (ending_ == Ending::orderly) return true;
  if (attached_ && (seen_ & kTerminateSent) == 0) return false;
  if (ending_ == Ending::terminate_abort) {
    // A reset throws away what TCP has not delivered, so it waits for the Terminate to be acknowledged.
    if (stream_->unacknowledged_bytes() == 0) return true;
    arm_timer(std::min(kAcknowledgeStepNs, last_words_until_ns_ - now_ns));
    return false;
  }
  if (!lingering_) {
    lingering_ = true;
    stream_->finish_writing();
  }
  // Whatever the peer still sends is dropped: unread input would turn our FIN into a reset, and the Terminate with it.
  for (;;) {
    std::uint8_t room[4096];
    const IoSpan span{room, sizeof room};
    const io::IoResult got = stream_->read(std::span(&span, 1));
    if (got.status == io::IoResult::Status::would_block) break;
    if (got.status != io::IoResult::Status::done) return true;
  }
  stream_->arm(io::Interest::read);
  return false;
}

void Connection::on_closed() noexcept {
  stream_ = nullptr;
  context_.endpoints.remove(pair_);
  call(0);
}

void Connection::after_ending() noexcept {
  stop_timer();
  const bool retry = std::exchange(back_to_idle_, false) && !close_asked_;
  frame_left_ = {};
  handshake_ = nullptr;
  if (tell_connect_) {
    endpoint_.release();  // a failed attempt gives its address back when the failure is reported (R-EP-06)
    seen_ = 0;
    close_started_ = false;
    ending_ = Ending::none;
  }
  if (qp_ != nullptr && !attached_) {
    qp_->unbind();  // it never carried anything: free for another connection
    qp_ = nullptr;
  }
  {
    MutexLock lock(mutex_);
    state_ = retry ? State::idle : State::ended;
    if (retry) {
      local_.reset();
      peer_.reset();
    }
  }
  if (std::exchange(tell_lost_, false) && !peer_end_told_) {
    peer_end_told_ = true;
    sink_->on_peer_disconnect(false, reason_);
  }
  if (std::exchange(tell_connect_, false)) sink_->on_connect_done(result_);
  if (std::exchange(tell_established_, false)) sink_->on_established(result_);
  if (std::exchange(tell_disconnected_, false)) sink_->on_disconnected(result_);
}

void Connection::finish_close() noexcept {
  const State now = state();
  if (now != State::idle && now != State::ended) return;
  finishing_ = true;
  stop_timer();
  if (qp_ != nullptr) qp_->unbind();
  // The address is free, if we were the last to hold it, before anybody is told (R-EP-03).
  endpoint_.release_then(&freed_task_, &processor_);
}

void Connection::end_quietly() noexcept {
  // The address is free now, so the listener's close may complete; and from here on it does not call abandon().
  if (listener_ != nullptr) std::exchange(listener_, nullptr)->forget(*this);
  // Somebody's last word may still be queued, or be about to be; it finds nothing to do, but it must find us.
  if (posting_.load() != 0 || work_task_.is_queued() || timer_.is_queued()) {
    processor_.post(freed_task_);
    return;
  }
  if (sink_ != nullptr) return sink_->on_closed();
  OwnedInterface<Connection> self(this);
}

}  // namespace softndk::rnic
