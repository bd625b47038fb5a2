#include "rnic/transmitter.h"

#include <algorithm>
#include <cstring>

#include "iwarp/rtr.h"

namespace softndk::rnic {

using iwarp::Opcode;
using iwarp::TxFramer;
using rdma::Operation;
using rdma::WorkStatus;

Transmitter::Transmitter(const QpContext& context, Cq& cq, SpscFifo<PendingRead>& pending_reads,
                         SpscFifo<InboundRead>& inbound_reads, const PollMark& poll_mark)
    : context_(context),
      cq_(cq),
      pending_reads_(pending_reads),
      inbound_reads_(inbound_reads),
      poll_mark_(poll_mark),
      owner_task_([](io::Task& task) noexcept {
        Transmitter& self = *static_cast<OwnerTask&>(task).transmitter;
        // The ownership came with the task.
        self.ownership_.resume([&self]() SOFTNDK_NO_ANALYSIS {
          self.budget_bytes_ = 16 * kPosterBytesMax;
          return self.work_as_owner();
        });
      }) {
  owner_task_.transmitter = this;
}

Transmitter::~Transmitter() {
  if (has_reserved_) context_.batch_buffers.give_up_one();
}

bool Transmitter::prepare() noexcept {
  if (!has_reserved_) has_reserved_ = context_.batch_buffers.reserve_one();
  return has_reserved_;
}

void Transmitter::attach(const TxAttachment& attachment) noexcept {
  attachment_ = attachment;
  command(kAttach);
}

void Transmitter::send_terminate(const iwarp::Terminate& terminate) noexcept {
  asked_terminate_ = terminate;
  command(kTerminate);
}

void Transmitter::run(std::size_t budget_bytes) noexcept {
  ownership_.run([this, budget_bytes]() SOFTNDK_NO_ANALYSIS {
    budget_bytes_ = budget_bytes;
    return work_as_owner();
  });
}

bool Transmitter::work_as_owner() noexcept {
  const bool lets_go = send_as_owner();
  if (lets_go && buffers_ != nullptr && batch_->empty()) give_buffers_back();
  return lets_go;
}

bool Transmitter::send_as_owner() noexcept {
  obey_commands();
  if (unfinished_.load(std::memory_order_relaxed)) unfinished_.store(false);
  for (;;) {
    if (flushed_) {
      flush_queue();
    } else {
      retire();
    }
    if (stream_ == nullptr || dead_) return true;
    if (batch_->empty()) {
      const bool was_flushed = flushed_;
      if (buffers_ == nullptr) take_buffers();
      fill_batch();
      if (flushed_ && !was_flushed) continue;  // a request could not be executed: all that is behind it is cancelled
    }
    if (batch_->empty()) break;
    if (blocked_) return true;
    if (budget_bytes_ == 0) {
      // Enough of others' work in this caller's context: a poll goes on, or the processor, and then it owns from now
      // on.
      unfinished_.store(true);
      interleave_point();
      if (poll_mark_.is_polled()) return true;
      unfinished_.store(false);
      context_.processor.post(owner_task_);
      return false;
    }
    if (!write_batch()) return true;
  }
  if (finish_due_ && !finished_ && everything_sent()) {
    finished_ = true;
    stream_->finish_writing();
    raise(kFinSent);
  }
  return true;
}

void Transmitter::obey_commands() noexcept {
  const std::uint32_t commands = commands_.exchange(0);
  if (commands == 0) return;
  if ((commands & kAttach) != 0) take_attachment();
  if ((commands & kOpenGate) != 0) gate_open_ = true;
  if ((commands & kWritable) != 0) blocked_ = false;
  if ((commands & kTerminate) != 0 && !terminate_due_ && !stopped_) {  // at most one, and the first error wins
    terminate_ = asked_terminate_;
    terminate_due_ = true;
  }
  if ((commands & kFinish) != 0) finish_due_ = true;
  if ((commands & (kFlush | kStop)) != 0 && !flushed_) {
    flushed_ = true;
    keep_half_sent_octets();
  }
  if ((commands & kStop) != 0) stopped_ = true;
  if ((commands & kDead) != 0) {
    dead_ = true;
    drop_batch();
  }
  if ((commands & kDetach) != 0) {
    drop_batch();
    response_pin_.release();
    response_started_ = false;
    Link* link = std::exchange(link_, nullptr);
    stream_ = nullptr;
    if (link != nullptr) link->raise(kTxDetached);
  }
}

void Transmitter::take_attachment() noexcept {
  stream_ = attachment_.stream;
  link_ = attachment_.link;
  batch_.emplace(std::span<ConstIoSpan>(), MutableBytes());
  framer_.emplace(attachment_.crc, attachment_.markers);
  aligned_ = attachment_.aligned;
  markers_ = attachment_.markers;
  rtr_due_ = attachment_.rtr;
  read_limit_ = attachment_.outbound_read_limit;
  segment_bytes_ = static_cast<std::uint32_t>(stream_->segment_bytes());
  gate_open_ = spoken_ = false;
  blocked_ = false;
}

void Transmitter::take_buffers() noexcept {
  buffers_ = context_.batch_buffers.take();
  batch_.emplace(std::span<ConstIoSpan>(buffers_->spans), MutableBytes(buffers_->arena));
}

void Transmitter::give_buffers_back() noexcept {
  context_.batch_buffers.give_back(std::exchange(buffers_, nullptr));
}

// ---- writing

bool Transmitter::write_batch() noexcept {
  const io::IoResult written = stream_->write(batch_->spans(), aligned_);
  switch (written.status) {
    case io::IoResult::Status::done: {
      context_.counters.out_octets.fetch_add(written.bytes, std::memory_order_relaxed);
      budget_bytes_ -= std::min(budget_bytes_, written.bytes);
      const bool whole = written.bytes == batch_->bytes();
      batch_->drop_front(written.bytes);
      if (whole) batch_written();
      return true;
    }
    case io::IoResult::Status::would_block:
      blocked_ = true;
      interleave_point();
      // Else on_writable() comes back to us, perhaps before we let go.
      if (!poll_mark_.is_polled()) stream_->arm(io::Interest::write);
      return false;
    case io::IoResult::Status::end:
    case io::IoResult::Status::failed:
      break;
  }
  dead_ = true;
  drop_batch();
  raise(kWriteFailed);
  return false;
}

void Transmitter::batch_written() noexcept {
  spoken_ = true;
  context_.counters.out_frames.fetch_add(std::exchange(frames_in_batch_, 0), std::memory_order_relaxed);
  for (unsigned i = 0; i < batch_pin_count_; ++i)
    batch_pins_[i].release();
  batch_pin_count_ = 0;
  while (SendRecord* record = queue_.ring().record_at<SendRecord>(sent_, built_)) {
    release_record(*record);
    sent_ = RecordRing::after(sent_, record->header);
  }
  if (std::exchange(rtr_in_batch_, false)) raise(kRtrSent);
  if (std::exchange(terminate_in_batch_, false)) raise(kTerminateSent);
}

void Transmitter::fill_batch() noexcept {
  segment_bytes_ = static_cast<std::uint32_t>(stream_->segment_bytes());
  if (append_control()) return;
  // Behind our FIN nothing follows: a post that was under way when the disconnect began is cancelled with the rest.
  if (!gate_open_ || stopped_ || half_message_ || terminate_due_ || finished_) return;
  for (;;) {
    const bool response_waits = inbound_reads_.front() != nullptr;
    const bool request_waits = !flushed_ && built_ != startable();
    // A message once begun is finished first; between messages the two kinds take turns.
    bool answer = response_waits && (!request_waits || responses_in_row_ < kResponsesInRowMax);
    if (response_offset_ != 0) answer = true;
    if (message_offset_ != 0) answer = false;
    Append appended = answer ? append_response_fpdu() : request_waits ? append_request_fpdu() : Append::stalled;
    // A request may have to wait for a Read of ours, whose answer the peer may hold back for its own: ours go on.
    if (appended == Append::stalled && !answer && response_waits && message_offset_ == 0)
      appended = append_response_fpdu();
    if (appended != Append::done) return;
  }
}

/// We cannot go on: everything queued is cancelled, and the peer is told.
void Transmitter::give_up(const iwarp::Terminate& terminate) noexcept {
  if (!terminate_due_ && !stopped_) {
    terminate_ = terminate;
    terminate_due_ = true;
  }
  flushed_ = true;
  raise(kTxLocalError);
}

bool Transmitter::append_control() noexcept {
  if (terminate_due_) {
    terminate_due_ = false;
    stopped_ = true;
    framer_->append_terminate(terminate_, *batch_);
    terminate_in_batch_ = true;
    ++frames_in_batch_;
    return true;
  }
  if (rtr_due_ != iwarp::Rtr::none && gate_open_ && !stopped_) {
    const iwarp::Rtr rtr = std::exchange(rtr_due_, iwarp::Rtr::none);
    // A Read has an answer that the receive side must know of; it is nobody's request.
    if (rtr == iwarp::Rtr::read) pending_reads_.push(PendingRead{nullptr, {1, 0, 0, 1, 0}, 1});
    iwarp::append_rtr(rtr, sequence_, *framer_, *batch_);
    rtr_in_batch_ = true;
    ++frames_in_batch_;
  }
  return false;
}

bool Transmitter::everything_sent() noexcept {
  return batch_->empty() && sent_ == queue_.ring().published() && inbound_reads_.front() == nullptr &&
         pending_reads_.size() == 0;
}

bool Transmitter::fits(std::uint32_t stream_bytes, const iwarp::TxRoom& room) const noexcept {
  if (batch_->empty()) return true;
  const std::size_t limit = aligned_ ? segment_bytes_ : kBatchBytes;
  return batch_->bytes() + stream_bytes <= limit && room.fits(*batch_);
}

template <class Map>
bool Transmitter::append_cut(const iwarp::TxMessage& message, std::uint32_t& offset, Map&& map) noexcept {
  std::uint32_t mulpdu = aligned_ ? iwarp::mulpdu(segment_bytes_, markers_) : iwarp::kUlpduBytesMax;
  if (markers_) mulpdu = std::min(mulpdu, kMarkedUlpduBytesMax);
  const TxFramer::Cut plan = TxFramer::plan(message, offset, mulpdu);
  // 32 sges of pages that are nowhere neighbours: each may touch two more pages than its octets fill, and an FPDU holds
  // 16 pages' worth; 80 at the most.
  IoSpan spans[96];
  const std::size_t count = map(offset, plan.payload_bytes, std::span<IoSpan>(spans));
  iwarp::TxRoom room = framer_->room_for(plan.payload_bytes, count);
  if (plan.payload_bytes <= kCopyBytesMax) room.arena_bytes += plan.payload_bytes;
  if (!fits(framer_->stream_bytes(message.opcode, plan.payload_bytes), room)) return false;
  framer_->begin(message, offset, mulpdu, *batch_);
  for (std::size_t i = 0; i < count; ++i) {
    if (plan.payload_bytes <= kCopyBytesMax) {
      framer_->payload_copied({spans[i].data, spans[i].size}, *batch_);
    } else {
      framer_->payload({spans[i].data, spans[i].size}, *batch_);
    }
  }
  framer_->finish(*batch_);
  ++frames_in_batch_;
  offset = plan.last ? 0 : offset + plan.payload_bytes;
  return true;
}

// ---- requests of ours

Transmitter::Append Transmitter::append_request_fpdu() noexcept {
  SendRecord* record = queue_.ring().record_at<SendRecord>(built_, startable());
  // A Read that invalidates its sink is over when it has (R-FEN-01, R-RLI-01).
  const bool reads_are_over = pending_reads_.size() == 0 && sinks_to_invalidate_ == (record->sink != nullptr ? 1 : 0);
  if (record->flags.read_fence && message_offset_ == 0 && !reads_are_over) return Append::stalled;
  if (record->operation == Operation::read) return append_read(*record);
  if (is_memory_work(record->operation)) return execute_memory_work(*record);
  if (!record->started) {
    if (is_small(*record)) return append_small(*record);
    if (!start_record(*record)) return Append::full;
  }
  const bool whole =
      append_cut(message_, message_offset_,
                 [&](std::uint32_t offset, std::uint32_t length, std::span<IoSpan> spans) SOFTNDK_NO_ANALYSIS {
                   if (record->inline_bytes != 0) {
                     spans[0] = {record->inline_data() + offset, length};
                     return std::size_t{length != 0 ? 1u : 0u};
                   }
                   std::size_t count = 0;
                   for (const rdma::Sge& sge : record->sges()) {
                     if (length == 0) break;
                     if (offset >= sge.length_bytes) {
                       offset -= sge.length_bytes;
                       continue;
                     }
                     std::size_t bytes = std::min<std::size_t>(length, sge.length_bytes - offset);
                     count += map_region(context_.tokens.pinned_slot(sge, context_.domain), sge.address + offset, bytes,
                                         spans.subspan(count));
                     length -= static_cast<std::uint32_t>(bytes);
                     offset = 0;
                   }
                   return count;
                 });
  if (!whole) return Append::full;
  if (message_offset_ == 0) {
    built_ = RecordRing::after(built_, record->header);
    responses_in_row_ = 0;
  }
  return Append::done;
}

/// But for its number, which it takes when it is certain to be sent.
iwarp::TxMessage Transmitter::message_of(const SendRecord& record) const noexcept {
  iwarp::TxMessage message;
  message.length_bytes = record.length_bytes;
  if (record.operation == Operation::write) {
    message.opcode = Opcode::write;
    message.stag = record.remote_token;
    message.to_bytes = record.remote_address;
  } else {
    const bool invalidates = record.operation == Operation::send_invalidate;
    message.opcode = iwarp::send_opcode(record.flags.solicited, invalidates);
    message.stag = invalidates ? record.remote_token : 0;
  }
  return message;
}

bool Transmitter::start_record(SendRecord& record) noexcept {
  if (record.inline_bytes == 0 && !pin_sges(record, Access::local_read)) {
    // What was queued before goes out first; then we are here again.
    if (batch_->empty()) refuse(record, WorkStatus::local_access);
    return false;
  }
  record.started = true;
  message_ = message_of(record);
  if (!is_tagged(message_.opcode)) message_.msn = sequence_.take(iwarp::Queue::send);
  return true;
}

bool Transmitter::is_small(const SendRecord& record) const noexcept {
  return record.length_bytes <= kCopyBytesMax && !markers_ &&
         (!aligned_ || iwarp::mulpdu(segment_bytes_, false) >= kCopyBytesMax + iwarp::UntaggedDdpHeader::kWireBytes);
}

/// One FPDU, whose payload is copied, so that nothing stays pinned: the way of most messages, kept short.
Transmitter::Append Transmitter::append_small(SendRecord& record) noexcept {
  iwarp::TxMessage message = message_of(record);
  const std::uint32_t whole_bytes = TxFramer::whole_bytes(message.opcode, message.length_bytes);
  if (!fits(whole_bytes, {.spans = 1, .arena_bytes = whole_bytes})) return Append::full;
  std::uint8_t* to = batch_->place() + TxFramer::header_room(message.opcode);
  if (record.inline_bytes != 0) {
    std::memcpy(to, record.inline_data(), record.inline_bytes);
  } else {
    for (const rdma::Sge& sge : record.sges()) {
      if (sge.length_bytes == 0) continue;  // no octets, no check (C-40)
      const auto pin =
          context_.tokens.pin(sge.token, context_.domain, sge.address, sge.length_bytes, Access::local_read);
      if (!pin) {
        if (!batch_->empty()) return Append::full;  // what was queued before goes out first; then we are here again
        return refuse(record, WorkStatus::local_access);
      }
      to = copy_from_region(*pin->slot(), sge.address, sge.length_bytes, to);
    }
  }
  if (!is_tagged(message.opcode)) message.msn = sequence_.take(iwarp::Queue::send);
  framer_->append_whole(message, *batch_);
  ++frames_in_batch_;
  built_ = RecordRing::after(built_, record.header);
  responses_in_row_ = 0;
  return Append::done;
}

Transmitter::Append Transmitter::append_read(SendRecord& record) noexcept {
  if (record.flags.local_invalidate && record.sink == nullptr) {
    if (record.sge_count != 0)
      record.sink = context_.tokens.hold_fast_region(record.sges().front().token, context_.domain);
    if (record.sink == nullptr) {  // R-RLI-03
      if (!batch_->empty()) return Append::full;
      return refuse(record, WorkStatus::wrong_state);
    }
    ++sinks_to_invalidate_;
  }
  if (record.length_bytes == 0) {
    // Nothing to fetch: completed here, in its turn (spec/iwarp.md 6.5 item 4 says why it stays off the wire).
    if (!spoken_ && frames_in_batch_ == 0) {
      // But without an RTR the peer's FPDUs wait for our first one, which its consumer need not know (R-CNCT-19).
      iwarp::append_rtr(iwarp::Rtr::write, sequence_, *framer_, *batch_);
      ++frames_in_batch_;
    }
    record.read_state.store(ReadState::done);
    built_ = RecordRing::after(built_, record.header);
    if (batch_->empty()) {
      sent_ = built_;
      retire();
    }
    return Append::done;
  }
  if (pending_reads_.size() >= read_limit_) return Append::stalled;  // it and everything behind it waits (RFC 5040 6.1)
  if (!fits(iwarp::fpdu_bytes(iwarp::header_bytes(Opcode::read_request)), framer_->room_for_control()))
    return Append::full;
  if (!pin_sges(record, context_.read_access)) {
    if (!batch_->empty()) return Append::full;
    return refuse(record, WorkStatus::local_access);
  }
  unpin_sges(record, record.sge_count);  // looked at again when the response comes
  record.started = true;
  PendingRead pending;
  pending.record = &record;
  // Sink tag and offset only come back to us; the first sge's read well in a capture.
  pending.request = {record.sges()[0].token, record.sges()[0].address, record.length_bytes, record.remote_token,
                     record.remote_address};
  pending.msn = sequence_.take(iwarp::Queue::read_request);
  // Known to the receive side before the request can reach the peer.
  SOFTNDK_CHECK(pending_reads_.push(pending));
  framer_->append_read_request(pending.request, pending.msn, *batch_);
  ++frames_in_batch_;
  built_ = RecordRing::after(built_, record.header);
  responses_in_row_ = 0;
  return Append::done;
}

Transmitter::Append Transmitter::refuse(SendRecord& record, WorkStatus status) noexcept {
  record.status = status;
  give_up(iwarp::make_terminate(iwarp::terminate_code::kRdmapLocalCatastrophic));
  return Append::full;
}

bool Transmitter::pin_sges(SendRecord& record, Access access) noexcept {
  const std::span<rdma::Sge> sges = record.sges();
  for (std::size_t i = 0; i < sges.size(); ++i) {
    if (sges[i].length_bytes == 0) continue;  // no octets, no check (C-40)
    auto pin = context_.tokens.pin(sges[i].token, context_.domain, sges[i].address, sges[i].length_bytes, access);
    if (!pin) {
      unpin_sges(record, i);
      return false;
    }
    pin->keep();
  }
  return true;
}

void Transmitter::unpin_sges(SendRecord& record, std::size_t count) noexcept {
  for (const rdma::Sge& sge : record.sges().first(count)) {
    if (sge.length_bytes != 0) context_.tokens.unpin(sge, context_.domain);
  }
}

void Transmitter::release_record(SendRecord& record) noexcept {
  if (!record.started || record.operation == Operation::read || record.inline_bytes != 0) return;
  record.started = false;
  unpin_sges(record, record.sge_count);
}

// ---- answers to the peer's reads

Transmitter::Append Transmitter::append_response_fpdu() noexcept {
  const iwarp::ReadRequest request = inbound_reads_.front()->request;
  if (!response_started_) {
    if (batch_pin_count_ == kBatchPins) return Append::full;
    if (request.header.length_bytes != 0) {
      auto pin = context_.tokens.pin(request.header.source_stag, context_.domain, request.header.source_to_bytes,
                                     request.header.length_bytes, Access::remote_read);
      if (!pin) {
        // Valid when it was asked for, gone now: the consumer took the memory away.
        if (!batch_->empty()) return Append::full;
        give_up(iwarp::make_terminate(iwarp::terminate_code::kReadInvalidStag, request, 0));
        return Append::full;
      }
      response_pin_ = std::move(*pin);
    }
    response_started_ = true;
    response_offset_ = 0;
  }
  iwarp::TxMessage message;
  message.opcode = Opcode::read_response;
  message.length_bytes = request.header.length_bytes;
  message.stag = request.header.sink_stag;
  message.to_bytes = request.header.sink_to_bytes;
  const bool appended = append_cut(
      message, response_offset_,
      [&](std::uint32_t offset, std::uint32_t length, std::span<IoSpan> spans) SOFTNDK_NO_ANALYSIS {
        std::size_t bytes = length;
        return length == 0 ? 0
                           : map_region(*response_pin_.slot(), request.header.source_to_bytes + offset, bytes, spans);
      });
  if (!appended) return Append::full;
  if (response_offset_ == 0) {
    response_started_ = false;
    if (response_pin_) batch_pins_[batch_pin_count_++] = std::move(response_pin_);
    inbound_reads_.pop();
    ++responses_in_row_;
  }
  return Append::done;
}

// ---- completions

void Transmitter::complete(SendRecord& record, WorkStatus status) noexcept {
  const bool tells = status != WorkStatus::success || !record.flags.silent;  // errors are never silent (R-WR-23)
  rdma::Completion completion{};
  completion.request_context = record.context;
  completion.qp_context = context_.consumer_context;
  completion.status = status;
  completion.operation = record.operation == Operation::send_invalidate ? Operation::send : record.operation;
  completion.device_code = status == WorkStatus::success ? 0 : record.device_code;
  retire_ = RecordRing::after(retire_, record.header);
  queue_.ring().free_until(retire_);
  queue_.retired_one();  // before it is placed: who sees the completion may post into its room (R-WR-13)
  if (tells) cq_.place(completion);
}

void Transmitter::retire() noexcept {
  // In posting order, all kinds together: a Write behind a Read completes after it (RFC 5040 5.5, rule 15).
  while (SendRecord* record = queue_.ring().record_at<SendRecord>(retire_, sent_)) {
    if (record->operation == Operation::read && record->read_state.load() != ReadState::done) return;
    if (record->sink != nullptr && !invalidate_sink(*record)) return;
    complete(*record, record->status);
  }
}

void Transmitter::flush_queue() noexcept {
  retire();
  // Reads that are on their way belong to the receive side, which may be placing one this moment: it must let go
  // before their memory is the consumer's again.
  if (pending_reads_.size() != 0 && cancel_reads_ != nullptr) cancel_reads_(cancel_context_);
  const RecordRing::Position end = queue_.ring().published();
  while (SendRecord* record = queue_.ring().record_at<SendRecord>(retire_, end)) {
    if (record->operation == Operation::read && record->started && record->read_state.load() != ReadState::done) return;
    // What has taken effect, and only waits for the octets before it to go out, is not cancelled any more.
    const bool took_effect = is_memory_work(record->operation) && record->memory().over;
    if (is_memory_work(record->operation) && !cancel_memory_work(*record)) return;
    if (record->sink != nullptr) leave_sink(*record);
    release_record(*record);
    if (record->status == WorkStatus::success && !took_effect) record->status = WorkStatus::cancelled;
    complete(*record, record->status);
    sent_ = std::max(sent_, retire_);
    built_ = std::max(built_, retire_);
  }
  // Only what the connection asked for is news to it: that of a consumer's flush, still under way, would look like it.
  if (stopped_) raise(kSqFlushed);
}

void Transmitter::keep_half_sent_octets() noexcept {
  half_message_ = half_message_ || message_offset_ != 0;
  message_offset_ = 0;
  if (!batch_ || stream_ == nullptr || batch_->empty()) return;
  // Consumers get their memory back before TCP has taken the rest of an FPDU that is half out.
  LazyMemory kept;
  const std::size_t bytes = batch_->bytes();
  if (!kept.reserve(bytes)) {
    dead_ = true;
    drop_batch();
    raise(kWriteFailed);
    return;
  }
  std::size_t at = 0;
  for (const ConstIoSpan& span : batch_->spans()) {
    std::memcpy(kept.data() + at, span.data, span.size);
    at += span.size;
  }
  kept_ = std::move(kept);
  batch_->clear();
  batch_->refer({kept_.data(), bytes});
}

void Transmitter::drop_batch() noexcept {
  if (batch_) batch_->clear();
  for (unsigned i = 0; i < batch_pin_count_; ++i)
    batch_pins_[i].release();
  batch_pin_count_ = 0;
  frames_in_batch_ = 0;
}

}  // namespace softndk::rnic
