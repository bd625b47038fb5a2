// Sends: which receive they fill, where they wait for one, and what they invalidate.
#include <algorithm>
#include <cstring>

#include "base/interleave.h"
#include "base/log.h"
#include "rnic/receiver.h"

namespace softndk::rnic {

using iwarp::Segment;
using iwarp::TerminateCode;
using rdma::WorkStatus;
namespace terminate_code = iwarp::terminate_code;

iwarp::RxTarget::Verdict Receiver::begin_send(const Segment& segment, TerminateCode& why) noexcept {
  const std::uint32_t end = segment.message_offset_bytes + segment.payload_bytes;
  // After a stall the same octets are looked at again: a Send that has its place keeps it.
  if (segment.first && send_sink_ == SendSink::none && !open_send(segment)) return Verdict::stall;
  if (send_sink_ == SendSink::parked && !parking_.grow_newest(end)) {
    attention_.store(true);
    look_at_parked();  // a receive may have come just before: it then takes what is here and the rest
    if (send_sink_ == SendSink::parked) return Verdict::stall;
  }
  if (send_sink_ == SendSink::receive && end > queue_.front()->length_bytes) {
    receive_fault_ = WorkStatus::receive_too_small;
    why = terminate_code::kUntaggedTooLong;
    return Verdict::reject;
  }
  return Verdict::ok;
}

/// Decides where a Send goes that begins now. False: nowhere, until a receive is posted.
bool Receiver::open_send(const Segment& segment) noexcept {
  const std::optional<Waiting> waited = std::exchange(at_the_gate_, std::nullopt);
  look_at_parked();
  if (flushed_) {
    send_sink_ = SendSink::dropped;
    return true;
  }
  if (draining_ || !parking_.empty() || queue_.front() == nullptr) {
    // Partner: on_posted(). A receive that was posted too early to see this is found by the look below, or, once the
    // message is complete, by the one in deliver_send().
    attention_.store(true);
    const bool first_parked = parking_.empty();
    const io::TimeNs now_ns = context_.clock.now_ns();
    if (parking_.open_message(segment, now_ns)) {
      send_sink_ = SendSink::parked;
      if (first_parked && settings_->no_receive_timeout_ns != 0)
        context_.processor.arm(park_timer_, now_ns + settings_->no_receive_timeout_ns);
      return true;
    }
    look_at_parked();
    if (!parking_.empty()) return false;  // the oldest one's timer runs
    if (draining_ || queue_.front() == nullptr) {
      at_the_gate_ = waited.value_or(Waiting{segment, now_ns});
      if (settings_->no_receive_timeout_ns != 0)
        context_.processor.arm(park_timer_, at_the_gate_->arrived_ns + settings_->no_receive_timeout_ns);
      return false;
    }
  }
  send_sink_ = SendSink::receive;
  receive_fault_ = WorkStatus::success;
  return true;
}

iwarp::RxTarget::Verdict Receiver::end_send(const Segment& segment, TerminateCode& why) noexcept {
  const SendSink sink = std::exchange(send_sink_, SendSink::none);
  if (sink == SendSink::receive)
    return deliver_send(segment, segment.message_offset_bytes + segment.payload_bytes, why);
  if (sink == SendSink::parked) {
    ParkingLot::Message& message = *parking_.newest();
    message.complete = true;
    message.header.invalidate_stag = segment.invalidate_stag;
    look_at_parked();
  }
  return Verdict::ok;
}

// A Send has come whole, and the receive at the front holds it. What it invalidates is invalid before that receive is
// reported (R-SINV-01), and nobody uses it any more: an answer through it may still be on its way to TCP, which may
// take as long as the peer likes. Sends behind it are parked meanwhile, and all else is read on.
iwarp::RxTarget::Verdict Receiver::deliver_send(const Segment& segment, std::uint32_t bytes,
                                                TerminateCode& why) noexcept {
  rdma::Completion completion = received(WorkStatus::success, bytes);
  completion.solicited = iwarp::is_solicited(segment.opcode);
  if (!iwarp::has_invalidate(segment.opcode)) {
    place_receive(completion);
    return Verdict::ok;
  }
  completion.operation = rdma::Operation::receive_invalidate;
  completion.invalidated_token = segment.invalidate_stag;
  const auto held = context_.tokens.hold_for_peer(segment.invalidate_stag, context_.domain);
  if (!held) {
    why = held.error() == PeerRefusal::unknown ? terminate_code::kInvalidateUnknownStag
                                               : terminate_code::kInvalidateForeignStag;
    return Verdict::reject;  // the receive stays where it is: it will be cancelled (R-SINV-02, R-SINV-04)
  }
  Revocable* const revocable = *held;
  drained_.store(false);
  wakers_.fetch_add(1);
  switch (revocable->revoke(context_.domain, *this)) {
    case Revocable::Revoke::waits:
      draining_ = Draining{revocable, completion};
      finish_drain();
      return Verdict::ok;
    case Revocable::Revoke::done:
      wakers_.fetch_sub(1);
      revocable->drop();
      place_receive(completion);
      return Verdict::ok;
    case Revocable::Revoke::wrong_state:  // somebody was quicker
      wakers_.fetch_sub(1);
      revocable->drop();
      why = terminate_code::kInvalidateUnknownStag;
      return Verdict::reject;
  }
  SOFTNDK_UNREACHABLE();
}

void Receiver::on_revoked() noexcept {
  drained_.store(true);
  interleave_point();
  context_.processor.post(owner_task_);
  interleave_point();
  wakers_.fetch_sub(1);  // the queue pair may be gone from here on: is_idle()
}

void Receiver::finish_drain() noexcept {
  if (!draining_ || !drained_.load()) return;
  const Draining drained = *std::exchange(draining_, std::nullopt);
  drained.revocable->drop();
  place_receive(drained.completion);
}

/// The receive that waits is cancelled like all others. Its token stays dead.
void Receiver::forget_drain() noexcept {
  finish_drain();
  if (!draining_) return;
  Revocable& revocable = *std::exchange(draining_, std::nullopt)->revocable;
  if (revocable.forget(*this)) wakers_.fetch_sub(1);
  revocable.drop();
}

// ---- those that came before their receives

void Receiver::look_at_parked() noexcept {
  if (parking_.empty() || flushed_ || at_fault_) return;
  while (ParkingLot::Message* message = parking_.oldest()) {
    if (draining_) return;
    if (!message->complete && send_sink_ != SendSink::parked) return;
    if (queue_.front() == nullptr) return;
    if (!move_to_receive(*message)) return;
  }
  attention_.store(false);
  context_.processor.cancel(park_timer_);
  // A receive posted between our last look and the store is not lost: the next Send finds it by itself.
}

/// Gives the oldest parked message, or what has arrived of it, to the receive at the front. False: it did not fit.
bool Receiver::move_to_receive(ParkingLot::Message& message) noexcept {
  ReceiveRecord& record = *queue_.front();
  Segment header = message.header;
  const bool complete = message.complete;
  // There is room for all of the segment that comes in now, but not yet all of it.
  const std::uint32_t arrived = complete ? message.bytes : message.bytes - rx_->unplaced_bytes();
  std::uint32_t moved = 0;
  WorkStatus fault = message.bytes > record.length_bytes ? WorkStatus::receive_too_small : WorkStatus::success;
  while (fault == WorkStatus::success && moved < arrived) {
    IoSpan spans[iwarp::RxStream::kMapSpansMax];
    const std::size_t count = map_sges(record.sges(), moved, arrived - moved, spans);
    if (count == 0) fault = WorkStatus::local_access;
    for (std::size_t i = 0; i < count; ++i) {
      std::memcpy(spans[i].data, message.data + moved, spans[i].size);
      moved += static_cast<std::uint32_t>(spans[i].size);
    }
    unmap({});
  }
  parking_.drop_oldest();
  if (fault != WorkStatus::success) {
    place_receive(received(fault, 0));
    reading_ = false;
    report_fault(iwarp::make_terminate(fault == WorkStatus::receive_too_small ? terminate_code::kUntaggedTooLong
                                                                              : terminate_code::kDdpLocalCatastrophic,
                                       header));
    return false;
  }
  if (!complete) {
    send_sink_ = SendSink::receive;  // the rest goes straight into it
    receive_fault_ = WorkStatus::success;
    return true;
  }
  TerminateCode why;
  if (deliver_send(header, moved, why) == Verdict::ok) return true;
  reading_ = false;
  report_fault(iwarp::make_terminate(why, header));
  return false;
}

void Receiver::on_no_receive() noexcept {
  const ParkingLot::Message* oldest = parking_.oldest();
  if ((oldest == nullptr && !at_the_gate_) || !reading_) return;
  const io::TimeNs due_ns =
      (oldest != nullptr ? oldest->arrived_ns : at_the_gate_->arrived_ns) + settings_->no_receive_timeout_ns;
  if (context_.clock.now_ns() < due_ns) {  // the one it was set for has been taken meanwhile
    context_.processor.arm(park_timer_, due_ns);
    return;
  }
  // There is a receive, but the one before it waits for an access through a dead token. Our peer can help it where it
  // does not take what we send; another connection's access is no fault of its.
  if (draining_ && !transmitter_.waits_for_peer()) {
    context_.processor.arm(park_timer_, context_.clock.now_ns() + settings_->no_receive_timeout_ns);
    return;
  }
  log(LogLevel::warning, "a Send waited too long for a receive: the connection is given up");
  reading_ = false;
  report_fault(iwarp::make_terminate(terminate_code::kUntaggedNoBuffer,
                                     oldest != nullptr ? oldest->header : at_the_gate_->header));
}

}  // namespace softndk::rnic
