#include "rnic/receiver.h"

#include <algorithm>
#include <cstring>

#include "base/interleave.h"
#include "base/log.h"
#include "rnic/srq.h"

namespace softndk::rnic {

using iwarp::Opcode;
using iwarp::RxResult;
using iwarp::Segment;
using iwarp::TerminateCode;
using rdma::WorkStatus;
namespace terminate_code = iwarp::terminate_code;

Receiver::Receiver(const QpContext& context, Cq& cq, SpscFifo<PendingRead>& pending_reads,
                   SpscFifo<InboundRead>& inbound_reads, Transmitter& transmitter, const PollMark& poll_mark)
    : context_(context),
      cq_(cq),
      pending_reads_(pending_reads),
      inbound_reads_(inbound_reads),
      transmitter_(transmitter),
      poll_mark_(poll_mark),
      owner_task_([](io::Task& task) noexcept { static_cast<OwnerTask&>(task).receiver->command(0); }),
      park_timer_([](io::Task& task) noexcept { static_cast<ParkTimer&>(task).receiver->command(kNoReceiveTimeout); }) {
  owner_task_.receiver = park_timer_.receiver = this;
}

bool Receiver::reserve_memory(const rdma::QpParameters& parameters, const rdma::DeviceCaps& caps) noexcept {
  if (parameters.srq != nullptr)
    return queue_.join(static_cast<Srq&>(*parameters.srq), context_.processor, owner_task_);
  return queue_.reserve_memory(parameters, caps);
}

bool Receiver::prepare(const RxAttachment& attachment) noexcept {
  if (attachment.settings->verify_before_place && !new_verify_room_.reserve(iwarp::kUlpduBytesMax)) return false;
  if (!attachment.first_octets.empty()) {
    if (!unconsumed_.reserve(attachment.first_octets.size())) return false;
    std::memcpy(unconsumed_.data(), attachment.first_octets.data(), attachment.first_octets.size());
    unconsumed_bytes_ = attachment.first_octets.size();
  }
  return true;
}

void Receiver::attach(const RxAttachment& attachment) noexcept {
  attachment_ = attachment;
  command(kAttach);
}

void Receiver::command(std::uint32_t bits) noexcept {
  interleave_point();
  if (bits != 0) commands_.fetch_or(bits);
  // What is not a poll happens on the processor's thread; who is not there leaves word.
  if (!context_.processor.is_current()) {
    context_.processor.post(owner_task_);
    return;
  }
  look({context_.staging, context_.scratch});
}

bool Receiver::work_as_owner(const ReadRoom& room) noexcept {
  scratch_ = room.scratch;
  obey_commands();
  finish_drain();
  if (flushed_) {
    flush_queue();
  } else {
    look_at_parked();
  }
  if (stalled_ && reading_) {
    stalled_ = false;
    take_result(rx_->consume(Bytes(unconsumed_.data(), std::exchange(unconsumed_bytes_, 0))));
  }
  unsigned reads = 0;
  while (reading_ && !stalled_ && read_some(room)) {
    if (std::exchange(kick_due_, false)) transmitter_.kick();
    ++reads;
    if (room.is_polling && poll_mark_.is_polled()) {
      if (reads >= kReadsInPoll) break;  // the next poll reads on
    } else if (reads >= kReadsInRow) {   // others want the processor too
      commands_.fetch_or(kReadable);
      context_.processor.post(owner_task_);
      break;
    }
  }
  if (std::exchange(kick_due_, false)) transmitter_.kick();
  return true;
}

void Receiver::obey_commands() noexcept {
  if (commands_.load() == 0) return;
  const std::uint32_t commands = commands_.exchange(0);
  if ((commands & kAttach) != 0) take_attachment();
  if ((commands & kFlush) != 0) flushed_ = true;
  if ((commands & kStop) != 0) reading_ = false;
  if ((commands & (kCancelReads | kStop)) != 0) cancel_pending_reads();
  if ((commands & kNoReceiveTimeout) != 0) on_no_receive();
  if ((commands & kDetach) != 0) {
    cancel_pending_reads();
    context_.processor.cancel(park_timer_);
    parking_.clear();
    reading_ = false;
    rx_.reset();
    stream_ = nullptr;
    if (Link* link = std::exchange(link_, nullptr)) link->raise(kRxDetached);
  }
}

void Receiver::take_attachment() noexcept {
  stream_ = attachment_.stream;
  link_ = attachment_.link;
  settings_ = attachment_.settings;
  inbound_reads_max_ = attachment_.inbound_reads_max;
  parking_.set_bounds(settings_->parked_bytes_max, settings_->parked_messages_max);
  verify_room_ = std::move(new_verify_room_);
  iwarp::RxSettings rx;
  rx.crc = attachment_.crc;
  rx.verify_before_place = MutableBytes(verify_room_.data(), verify_room_.size());
  rx_.emplace(*this, rx);
  reading_ = true;
  disarmed_ = false;
  at_fault_ = false;
  stalled_ = unconsumed_bytes_ != 0;  // what came behind the MPA frame is looked at first
}

// ---- reading

bool Receiver::read_some(const ReadRoom& room) noexcept {
  std::array<IoSpan, iwarp::RxStream::kMapSpansMax + 1> spans;
  const std::size_t count = rx_->next_buffers(room.staging, spans);
  if (count == 0) {
    // Stalled before the stream asked for memory; nothing is left over.
    if (take_result(rx_->consume({}))) stalled_ = true;
    return false;
  }
  std::size_t wanted = 0;
  for (std::size_t i = 0; i < count; ++i)
    wanted += spans[i].size;
  const io::IoResult got = stream_->read(std::span<const IoSpan>(spans).first(count));
  const RxResult result = rx_->advance(got.status == io::IoResult::Status::done ? got.bytes : 0);
  switch (got.status) {
    case io::IoResult::Status::done: {
      context_.counters.in_octets.fetch_add(got.bytes, std::memory_order_relaxed);
      const bool more = take_result(result);
      const std::uint64_t frames = rx_ ? rx_->fpdus() : frames_counted_;
      context_.counters.in_frames.fetch_add(frames - std::exchange(frames_counted_, frames), std::memory_order_relaxed);
      if (!more) return false;
      if (got.bytes == wanted) return true;
      break;  // it was all there is: an event tells of more sooner than a second look would
    }
    case io::IoResult::Status::would_block:
      break;
    case io::IoResult::Status::end:
      reading_ = false;
      raise(rx_->on_end() == iwarp::RxStream::End::graceful ? kPeerFin : kLost);
      return false;
    case io::IoResult::Status::failed:
      reading_ = false;
      raise(kLost);
      return false;
  }
  interleave_point();
  if (!poll_mark_.is_polled()) {
    disarmed_ = false;
    stream_->arm(io::Interest::read);
  } else if (!std::exchange(disarmed_, true)) {
    interleave_point();
    stream_->disarm(io::Interest::read);  // the transmit side may be waiting for room
  }
  return false;
}

bool Receiver::take_result(const RxResult& result) noexcept {
  switch (result.status) {
    case RxResult::Status::more:
      return true;
    case RxResult::Status::stalled:
      if (at_fault_) return false;
      stalled_ = true;
      if (!keep_unconsumed(result.unconsumed)) {
        reading_ = false;
        report_fault(iwarp::make_terminate(terminate_code::kDdpLocalCatastrophic));
      }
      return false;
    case RxResult::Status::failed:
      reading_ = false;
      complete_fault(result.failure.code);
      report_fault(result.failure);
      return false;
    case RxResult::Status::terminated:
      reading_ = false;
      return false;
  }
  SOFTNDK_UNREACHABLE();
}

bool Receiver::keep_unconsumed(Bytes octets) noexcept {
  if (octets.data() == unconsumed_.data()) {  // the same octets as before, or the end of them
    std::memmove(unconsumed_.data(), octets.data(), octets.size());
    unconsumed_bytes_ = octets.size();
    return true;
  }
  LazyMemory kept;
  if (!octets.empty()) {
    if (!kept.reserve(octets.size())) return false;
    std::memcpy(kept.data(), octets.data(), octets.size());
  }
  unconsumed_ = std::move(kept);
  unconsumed_bytes_ = octets.size();
  return true;
}

void Receiver::report_fault(const iwarp::Terminate& terminate) noexcept {
  at_fault_ = true;
  report_.terminate = terminate;
  raise(kPeerFault);
}

// ---- what the stream asks

iwarp::RxTarget::Verdict Receiver::begin_segment(const Segment& segment, TerminateCode& why) noexcept {
  if (at_fault_) return Verdict::stall;
  if (segment.opcode == Opcode::write) return check_write(segment, why);
  if (segment.opcode == Opcode::read_response) return check_response(segment, why);
  const Verdict verdict = begin_send(segment, why);
  return at_fault_ ? Verdict::stall : verdict;
}

iwarp::RxTarget::Verdict Receiver::check_write(const Segment& segment, TerminateCode& why) noexcept {
  if (segment.payload_bytes == 0) return Verdict::ok;
  const auto pin =
      context_.tokens.pin(segment.stag, context_.domain, segment.to_bytes, segment.payload_bytes, Access::remote_write);
  if (pin) return Verdict::ok;
  switch (pin.error()) {
    case AccessError::invalid_token:
      why = terminate_code::kTaggedInvalidStag;
      break;
    case AccessError::wrong_domain:
      why = terminate_code::kTaggedStagNotAssociated;
      break;
    case AccessError::wrong_rights:
      why = terminate_code::kTaggedInvalidStag;
      break;  // DDP has no code for it
    case AccessError::wraps:
      why = terminate_code::kTaggedToWrap;
      break;
    case AccessError::out_of_bounds:
      why = terminate_code::kTaggedBaseOrBounds;
      break;
  }
  return Verdict::reject;
}

iwarp::RxTarget::Verdict Receiver::check_response(const Segment& segment, TerminateCode& why) noexcept {
  if (cancelling_reads_) return Verdict::ok;  // dropped
  const PendingRead* read = pending_reads_.front();
  if (read == nullptr) {
    why = terminate_code::kUnexpectedOpcode;
    return Verdict::reject;
  }
  const std::uint64_t end = std::uint64_t{segment.message_offset_bytes} + segment.payload_bytes;
  if (segment.payload_bytes != 0 && segment.stag != read->request.sink_stag) {
    why = terminate_code::kTaggedInvalidStag;
    return Verdict::reject;
  }
  const bool misplaced =
      segment.payload_bytes != 0 && segment.to_bytes != read->request.sink_to_bytes + segment.message_offset_bytes;
  if (misplaced || end > read->request.length_bytes || (segment.last && end != read->request.length_bytes)) {
    why = terminate_code::kTaggedBaseOrBounds;
    return Verdict::reject;
  }
  return Verdict::ok;
}

iwarp::RxTarget::Verdict Receiver::map(const Segment& segment, std::uint32_t offset, std::uint32_t length,
                                       std::span<IoSpan> spans, std::size_t& count, TerminateCode& why) noexcept {
  const std::uint64_t message_offset = std::uint64_t{segment.message_offset_bytes} + offset;
  why = terminate_code::kDdpLocalCatastrophic;
  if (segment.opcode == Opcode::write) {
    auto pin =
        context_.tokens.pin(segment.stag, context_.domain, segment.to_bytes + offset, length, Access::remote_write);
    if (!pin) {  // it was good when the segment began: the consumer has taken it away
      why = terminate_code::kTaggedInvalidStag;
      return Verdict::reject;
    }
    std::size_t bytes = length;
    count = map_region(*pin->slot(), segment.to_bytes + offset, bytes, spans);
    pins_[pin_count_++] = std::move(*pin);
    return Verdict::ok;
  }
  if (segment.opcode == Opcode::read_response) {
    PendingRead* read = pending_reads_.front();
    if (cancelling_reads_ || read == nullptr) {
      count = map_scratch(length, spans);
      return Verdict::ok;
    }
    count = map_sges(read->record->sges(), message_offset, length, spans);
    if (count == 0) read_fault_ = WorkStatus::local_access;
    return count != 0 ? Verdict::ok : Verdict::reject;
  }
  switch (send_sink_) {
    case SendSink::receive:
      count = map_sges(queue_.front()->sges(), message_offset, length, spans);
      if (count == 0) receive_fault_ = WorkStatus::local_access;
      return count != 0 ? Verdict::ok : Verdict::reject;
    case SendSink::parked:
      spans[0] = {parking_.newest()->data + message_offset, length};
      count = 1;
      return Verdict::ok;
    case SendSink::none:
    case SendSink::dropped:
      break;
  }
  count = map_scratch(length, spans);
  return Verdict::ok;
}

std::size_t Receiver::map_scratch(std::uint32_t length, std::span<IoSpan> spans) noexcept {
  spans[0] = {scratch_.data(), std::min<std::size_t>(length, scratch_.size())};
  return 1;
}

std::size_t Receiver::map_sges(std::span<rdma::Sge> sges, std::uint64_t offset, std::uint32_t length,
                               std::span<IoSpan> spans) noexcept {
  std::size_t count = 0;
  for (const rdma::Sge& sge : sges) {
    if (length == 0 || count == spans.size() || pin_count_ == pins_.size()) break;
    if (offset >= sge.length_bytes) {
      offset -= sge.length_bytes;
      continue;
    }
    const std::size_t bytes = std::min<std::size_t>(length, sge.length_bytes - offset);
    auto pin = context_.tokens.pin(sge.token, context_.domain, sge.address + offset, bytes, Access::local_write);
    if (!pin) {
      unmap({});
      return 0;
    }
    std::size_t covered = bytes;
    count += map_region(*pin->slot(), sge.address + offset, covered, spans.subspan(count));
    pins_[pin_count_++] = std::move(*pin);
    if (covered < bytes) break;
    length -= static_cast<std::uint32_t>(bytes);
    offset = 0;
  }
  return count;
}

iwarp::RxTarget::Verdict Receiver::place(const Segment& segment, std::uint32_t offset, Bytes octets,
                                         std::uint32_t& placed, TerminateCode& why) noexcept {
  const std::uint64_t message_offset = std::uint64_t{segment.message_offset_bytes} + offset;
  placed = static_cast<std::uint32_t>(octets.size());
  if (segment.opcode == Opcode::write) {
    const auto pin = context_.tokens.pin(segment.stag, context_.domain, segment.to_bytes + offset, octets.size(),
                                         Access::remote_write);
    if (!pin) {  // it was good when the segment began: the consumer has taken it away
      why = terminate_code::kTaggedInvalidStag;
      return Verdict::reject;
    }
    copy_to_region(*pin->slot(), segment.to_bytes + offset, octets);
    return Verdict::ok;
  }
  why = terminate_code::kDdpLocalCatastrophic;
  if (segment.opcode == Opcode::read_response) {
    PendingRead* read = pending_reads_.front();
    if (cancelling_reads_ || read == nullptr || scatter(read->record->sges(), message_offset, octets))
      return Verdict::ok;
    read_fault_ = WorkStatus::local_access;
    return Verdict::reject;
  }
  switch (send_sink_) {
    case SendSink::receive:
      if (scatter(queue_.front()->sges(), message_offset, octets)) return Verdict::ok;
      receive_fault_ = WorkStatus::local_access;
      return Verdict::reject;
    case SendSink::parked:
      std::memcpy(parking_.newest()->data + message_offset, octets.data(), octets.size());
      return Verdict::ok;
    case SendSink::none:
    case SendSink::dropped:
      break;
  }
  return Verdict::ok;
}

bool Receiver::scatter(std::span<rdma::Sge> sges, std::uint64_t offset, Bytes octets) noexcept {
  for (const rdma::Sge& sge : sges) {
    if (octets.empty()) break;
    if (offset >= sge.length_bytes) {
      offset -= sge.length_bytes;
      continue;
    }
    const std::size_t bytes = std::min<std::size_t>(octets.size(), sge.length_bytes - offset);
    const auto pin = context_.tokens.pin(sge.token, context_.domain, sge.address + offset, bytes, Access::local_write);
    if (!pin) return false;
    copy_to_region(*pin->slot(), sge.address + offset, octets.first(bytes));
    octets = octets.subspan(bytes);
    offset = 0;
  }
  return true;
}

void Receiver::unmap(const Segment&) noexcept {
  for (std::size_t i = 0; i < pin_count_; ++i)
    pins_[i].release();
  pin_count_ = 0;
}

iwarp::RxTarget::Verdict Receiver::end_segment(const Segment& segment, TerminateCode& why) noexcept {
  if (!segment.last) return Verdict::ok;
  if (iwarp::is_send(segment.opcode)) return end_send(segment, why);
  if (segment.opcode == Opcode::read_response && !cancelling_reads_) finish_read(WorkStatus::success, 0);
  return Verdict::ok;
}

iwarp::RxTarget::Verdict Receiver::on_read_request(const iwarp::ReadRequest& request, TerminateCode& why) noexcept {
  if (at_fault_) return Verdict::stall;
  if (inbound_reads_.size() >= inbound_reads_max_) {
    why = terminate_code::kUntaggedNoBuffer;  // beyond the negotiated limit (R-RL-06)
    return Verdict::reject;
  }
  const iwarp::ReadRequestHeader& header = request.header;
  if (header.length_bytes != 0) {
    const auto pin = context_.tokens.pin(header.source_stag, context_.domain, header.source_to_bytes,
                                         header.length_bytes, Access::remote_read);
    if (!pin) {
      switch (pin.error()) {
        case AccessError::invalid_token:
          why = terminate_code::kReadInvalidStag;
          break;
        case AccessError::wrong_domain:
          why = terminate_code::kReadStagNotAssociated;
          break;
        case AccessError::wrong_rights:
          why = terminate_code::kReadAccessRights;
          break;
        case AccessError::wraps:
          why = terminate_code::kReadToWrap;
          break;
        case AccessError::out_of_bounds:
          why = terminate_code::kReadBaseOrBounds;
          break;
      }
      return Verdict::reject;
    }
  }
  inbound_reads_.push({request});
  kick_due_ = true;
  return Verdict::ok;
}

void Receiver::on_terminate(const iwarp::ReceivedTerminate& received) noexcept {
  if (at_fault_) return;  // what it did is being reported already
  report_.terminate = received.terminate;
  const iwarp::TerminateCode code = received.terminate.code;
  log(LogLevel::note, "peer terminated the stream: layer %u, type %u, code 0x%02x", code.layer, code.etype, code.code);
  const auto named = received.well_formed ? iwarp::named_read(received.terminate) : std::nullopt;
  std::uint32_t victim = UINT32_MAX;
  for (std::uint32_t i = 0; named; ++i) {
    const PendingRead* read = pending_reads_.peek(i);
    if (read == nullptr) break;
    const bool hit = named->sink ? read->request.sink_stag == named->sink->stag &&
                                       named->sink->to_bytes - read->request.sink_to_bytes <= read->request.length_bytes
                                 : read->msn == named->msn;
    if (hit) {
      victim = i;
      break;
    }
  }
  // The table of spec/ndkpi.md 3.17: what the peer complains of becomes the status of the Read it names.
  const bool out_of_range = code == terminate_code::kReadBaseOrBounds || code == terminate_code::kReadToWrap;
  const bool protection = code.layer == 0 && code.etype == 1;
  const WorkStatus blamed = protection && !out_of_range ? WorkStatus::remote_access : WorkStatus::remote_resources;
  for (std::uint32_t i = 0; pending_reads_.front() != nullptr; ++i)
    finish_read(i == victim ? blamed : WorkStatus::cancelled, code.packed());
  cancelling_reads_ = true;
  raise(kPeerTerminate);
}

void Receiver::on_first_fpdu() noexcept {
  transmitter_.open_gate();
  raise(kFirstFpdu);
}

// ---- completions

rdma::Completion Receiver::received(WorkStatus status, std::uint32_t bytes) noexcept {
  rdma::Completion completion{};
  completion.request_context = queue_.front()->context;
  completion.qp_context = context_.consumer_context;
  completion.bytes = bytes;
  completion.status = status;
  completion.operation = rdma::Operation::receive;
  return completion;
}

void Receiver::place_receive(const rdma::Completion& completion) noexcept {
  queue_.retire_front();  // before it is placed: who sees the completion may post into its room
  cq_.place(completion);
}

/// The peer did something that cannot be: what was at hand carries the reason, unless it was only its CRC.
void Receiver::complete_fault(TerminateCode code) noexcept {
  if (code == terminate_code::kMpaCrc) return;
  if (send_sink_ == SendSink::receive && receive_fault_ != WorkStatus::success) {
    place_receive(received(receive_fault_, 0));
    send_sink_ = SendSink::dropped;
  }
  if (read_fault_ != WorkStatus::success && pending_reads_.front() != nullptr) finish_read(read_fault_, code.packed());
}

void Receiver::finish_read(WorkStatus status, std::uint32_t device_code) noexcept {
  PendingRead& read = *pending_reads_.front();
  if (SendRecord* record = read.record) {  // none: the RTR
    record->status = status;
    record->device_code = device_code;
    record->read_state.store(ReadState::done);  // the record is the transmit side's again
  }
  pending_reads_.pop();
  kick_due_ = true;
}

void Receiver::cancel_pending_reads() noexcept {
  cancelling_reads_ = true;
  while (pending_reads_.front() != nullptr)
    finish_read(WorkStatus::cancelled, 0);
}

void Receiver::flush_queue() noexcept {
  attention_.store(true);
  if (send_sink_ != SendSink::none) send_sink_ = SendSink::dropped;
  parking_.clear();
  context_.processor.cancel(park_timer_);
  forget_drain();
  while (queue_.front_of_ours() != nullptr)
    place_receive(received(WorkStatus::cancelled, 0));
  queue_.leave();
  if (!reading_) raise(kRqFlushed);  // not after a consumer's flush, while the stream is still read
}

}  // namespace softndk::rnic
