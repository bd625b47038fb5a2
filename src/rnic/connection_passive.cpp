// The passive side: an accepted TCP connection, its MPA Request, and the consumer's answer.
#include "base/log.h"
#include "rnic/connection.h"
#include "rnic/listener.h"

namespace softndk::rnic {

using rdma::CmStatus;

void Connection::set_listener(Listener* listener, EndpointRef endpoint) noexcept {
  listener_ = listener;
  endpoint_ = std::move(endpoint);
  set_state(State::waiting);
  // From here on, because a stream that was announced may never be handed over: memory can be short in between.
  arm_timer(context_.settings.request_timeout_ns);
}

void Connection::adopt(OwnedInterface<io::ByteStream> stream) noexcept {
  stream_ = std::move(stream);
  note_stream(stream_->local_address(), stream_->peer_address());
  handshake_ = try_make<Handshakes>();
  if (handshake_ == nullptr || state() != State::waiting) return abandon();
  handshake_->responder.emplace(handshake_settings());
  arm_timer(context_.settings.request_timeout_ns);
  stream_->arm(io::Interest::read);
}

void Connection::read_request() noexcept {
  iwarp::ResponderHandshake& handshake = *handshake_->responder;
  while (handshake.state() == iwarp::ResponderHandshake::State::waiting) {
    std::uint8_t room[1024];
    const IoSpan span{room, sizeof room};
    const io::IoResult got = stream_->read(std::span(&span, 1));
    if (got.status == io::IoResult::Status::would_block) return stream_->arm(io::Interest::read);
    if (got.status != io::IoResult::Status::done) return start_close();
    handshake.feed(Bytes(room, got.bytes));
  }
  stop_timer();
  if (handshake.state() != iwarp::ResponderHandshake::State::requested) {
    log(LogLevel::note, "%s sent something that is no MPA Request we can take", AddressText(*peer_address()).text);
    context_.counters.connect_failures.fetch_add(1, std::memory_order_relaxed);
    return start_close();  // no Reply for a malformed frame (RFC 5044 7.1.2)
  }
  deliver_request();
}

void Connection::deliver_request() noexcept {
  const iwarp::ReadLimits offered = handshake_->responder->offered_limits();
  keep_peer_data(handshake_->responder->private_data());
  {
    MutexLock lock(mutex_);
    limits_ = rdma::ReadLimits{offered.ird, offered.ord};
    state_ = State::incoming;
  }
  waits_for_accept_ = true;
  // choose_sink() has looked already, but before those that came at the same time were counted (R-LSN-07).
  const bool has_room = endpoint_->waiting_for_accept.fetch_add(1) < context_.settings.backlog;
  arm_timer(context_.settings.connect_timeout_ns);
  const bool taken = has_room && listener_->deliver(*this);
  if (taken) {
    std::exchange(listener_, nullptr)->forget(*this);
  } else {
    // Refused, in MPA's way (R-CNCT-04, C-93): nobody will ever hear of it. Its listener still waits for it, whose
    // address it holds.
    set_state(State::ending);
    close_asked_ = true;
    return start_reject();
  }
  watch_incoming();
}

/// Between the connect event and the answer nothing may arrive: not an octet (RFC 5044 7.1.2 rule 2), and no end.
void Connection::watch_incoming() noexcept {
  if (state() != State::incoming) return;
  if (stream_->peek() != io::IoResult::Status::would_block) return on_abandoned_by_peer();
  stream_->arm(io::Interest::read);
}

void Connection::on_abandoned_by_peer() noexcept {
  {
    MutexLock lock(mutex_);
    if (state_ != State::incoming) return;  // the consumer was quicker; its answer will find out
    peer_abandoned_ = true;
  }
  stop_timer();
  leave_backlog();
  context_.counters.connect_failures.fetch_add(1, std::memory_order_relaxed);
  begin_ending(Ending::abort);
  sink_->on_abandoned();
}

void Connection::leave_backlog() noexcept {
  if (std::exchange(waits_for_accept_, false)) endpoint_->waiting_for_accept.fetch_sub(1);
}

void Connection::start_accept() noexcept {
  stop_timer();
  leave_backlog();
  if (state() != State::accepting) return;  // closed meanwhile
  rdma::ReadLimits wanted;
  iwarp::PrivateData own;
  {
    MutexLock lock(mutex_);
    qp_ = static_cast<Qp*>(asked_qp_);
    wanted = asked_limits_;
    own = own_data_;
  }
  const io::IoResult::Status peer = stream_->peek();
  if (peer != io::IoResult::Status::would_block) return fail_establishment(CmStatus::aborted, Ending::abort);
  iwarp::ResponderHandshake& handshake = *handshake_->responder;
  const std::size_t bytes = handshake.accept({wanted.inbound, wanted.outbound}, own.bytes(), handshake_->out);
  const iwarp::HandshakeResult& agreed = handshake.result();
  rtr_agreed_ = agreed.rtr_agreed;
  {
    MutexLock lock(mutex_);
    limits_ = rdma::ReadLimits{agreed.limits.ird, agreed.limits.ord};
  }
  frame_left_ = Bytes(handshake_->out, bytes);
  write_frame();
}

void Connection::reply_written() noexcept {
  if (!attach(handshake_->responder->result(), iwarp::Rtr::none, {}))
    return fail_establishment(CmStatus::no_resources, Ending::abort);
  if (rtr_agreed_) {
    arm_timer(context_.settings.rtr_timeout_ns);
  } else {
    establish();  // there will be no RTR to wait for (R-CNCT-02)
  }
}

/// The state is `ending` already: the caller's reject() has said so.
void Connection::start_reject() noexcept {
  stop_timer();
  leave_backlog();
  iwarp::PrivateData own;
  {
    MutexLock lock(mutex_);
    own = own_data_;
  }
  context_.counters.connect_failures.fetch_add(1, std::memory_order_relaxed);
  if (is_active_side_) return give_up_accepted();
  frame_left_ = Bytes(handshake_->out, handshake_->responder->reject(own.bytes(), handshake_->out));
  write_frame();
  begin_ending(Ending::orderly);
}

}  // namespace softndk::rnic
