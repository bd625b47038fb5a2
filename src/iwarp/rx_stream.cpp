#include "iwarp/rx_stream.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace softndk::iwarp {
namespace {

// Staging offered behind a large payload: room for its trailer and the next header, and little of the next payload,
// so that in a bulk transfer that one is read to its place as well instead of being copied there. The same where the
// next header is awaited and the last message was a large one.
constexpr std::size_t kStagingBehindPayload = 256;

// A large message in this sense: to copy so much costs more than the read that it takes to avoid it.
constexpr std::uint32_t kBulkBytesMin = 16 * 1024;

// Length field and both control octets: with them it is known how long the header is.
constexpr std::size_t kHeaderStart = kFpduLengthBytes + 2;

// ULPDU octets that are kept in the header buffer, for a segment that starts with these control octets.
std::uint32_t kept_bytes(std::uint8_t ddp_octet, std::uint8_t rdmap_octet) {
  const bool tagged = decode_ddp_control(ddp_octet).tagged;
  if (tagged) return TaggedDdpHeader::kWireBytes;
  const auto opcode = decode_rdmap_control(rdmap_octet);
  if (opcode && *opcode == Opcode::read_request) return header_bytes(Opcode::read_request);
  if (opcode && *opcode == Opcode::terminate) return UntaggedDdpHeader::kWireBytes + Terminate::kWireBytesMax;
  return UntaggedDdpHeader::kWireBytes;
}

bool exceeds_message(std::uint32_t offset_bytes, std::uint32_t payload_bytes) {
  return payload_bytes > UINT32_MAX - offset_bytes;
}

}  // namespace

RxStream::RxStream(RxTarget& target, const RxSettings& settings) noexcept
    : target_(target),
      settings_(settings),
      send_msn_(settings.first_send_msn),
      read_request_msn_(settings.first_read_request_msn) {
  SOFTNDK_CHECK(settings.verify_before_place.empty() || settings.verify_before_place.size() >= kUlpduBytesMax);
}

std::size_t RxStream::next_buffers(MutableBytes staging, std::span<IoSpan> spans) noexcept {
  SOFTNDK_CHECK(spans.size() >= 2 && staging_.empty() && mapped_count_ == 0);
  if (phase_ != Phase::header && phase_ != Phase::payload && phase_ != Phase::trailer) return 0;
  const std::uint32_t missing = phase_ == Phase::payload ? payload_bytes_ - payload_have_ : 0;
  std::uint32_t direct = 0;
  if (missing != 0 && missing >= settings_.direct_bytes_min && !is_discarding()) {
    if (!settings_.verify_before_place.empty()) {
      mapped_[0] = {settings_.verify_before_place.data() + payload_have_, missing};
      mapped_count_ = 1;
    } else {
      const auto room = std::span(mapped_).first(std::min(mapped_.size(), spans.size() - 1));
      TerminateCode why;
      switch (target_.map(segment_, payload_have_, missing, room, mapped_count_, why)) {
        case RxTarget::Verdict::ok:
          is_mapped_ = true;
          break;
        case RxTarget::Verdict::stall:
          mapped_count_ = 0;
          return 0;
        case RxTarget::Verdict::reject:
          mapped_count_ = 0;
          condemn(why);
          break;
      }
    }
    for (std::size_t i = 0; i < mapped_count_; ++i) {
      spans[i] = mapped_[i];
      direct += static_cast<std::uint32_t>(mapped_[i].size);
    }
    // A map that ends early is asked for again; staging behind it would only catch payload that could go direct.
    if (direct != 0 && direct < missing) return mapped_count_;
  }
  const bool is_bulk = direct != 0 || (bulk_ && phase_ == Phase::header && header_have_ == 0);
  staging_ = is_bulk ? staging.first(std::min(staging.size(), kStagingBehindPayload)) : staging;
  if (staging_.empty()) return mapped_count_;
  spans[mapped_count_] = {staging_.data(), staging_.size()};
  return mapped_count_ + 1;
}

RxResult RxStream::advance(std::size_t received_bytes) noexcept {
  for (std::size_t i = 0; i < mapped_count_; ++i) {
    const std::size_t filled = std::min(received_bytes, mapped_[i].size);
    if (settings_.crc) crc_.update({mapped_[i].data, filled});
    payload_have_ += static_cast<std::uint32_t>(filled);
    received_bytes -= filled;
  }
  if (is_mapped_) target_.unmap(segment_);
  is_mapped_ = false;
  mapped_count_ = 0;
  SOFTNDK_CHECK(received_bytes <= staging_.size());
  return consume(std::exchange(staging_, {}).first(received_bytes));
}

RxResult RxStream::consume(Bytes octets) noexcept {
  crc_from_ = octets.data();
  Step step = Step::proceed;
  while (step == Step::proceed) {
    switch (phase_) {
      case Phase::header:
        step = take_header(octets);
        break;
      case Phase::begin:
        step = begin();
        break;
      case Phase::payload:
        step = take_payload(octets);
        break;
      case Phase::trailer:
        step = take_trailer(octets);
        break;
      case Phase::place:
        step = place_verified();
        break;
      case Phase::deliver:
        step = deliver();
        break;
      case Phase::failed:
      case Phase::terminated:
        step = Step::stopped;
        break;
    }
  }
  hash_until(octets.data());
  return result(step, octets);
}

RxResult RxStream::result(Step step, Bytes rest) const noexcept {
  using Status = RxResult::Status;
  if (phase_ == Phase::failed) return {Status::failed, {}, failure_};
  if (phase_ == Phase::terminated) return {Status::terminated, {}, {}};
  if (step == Step::stalled) return {Status::stalled, rest, {}};
  return {Status::more, {}, {}};
}

RxStream::End RxStream::on_end() const noexcept {
  const bool between = phase_ == Phase::header && header_have_ == 0 && !open_.is_open;
  return between || phase_ == Phase::terminated ? End::graceful : End::lost;
}

std::uint32_t RxStream::unplaced_bytes() const noexcept {
  const bool within = phase_ == Phase::payload || phase_ == Phase::trailer || phase_ == Phase::place;
  // Of a condemned one nothing is placed, and if its header condemned it the target was never told of it.
  if (!within || kind_ != Kind::segment || condemned_) return 0;
  return payload_bytes_ - (settings_.verify_before_place.empty() ? payload_have_ : placed_);
}

// Octets of one input are hashed in as few runs as possible: header and payload of a small FPDU in one.
void RxStream::hash_until(const std::uint8_t* end) noexcept {
  if (settings_.crc && end != crc_from_) crc_.update({crc_from_, end});
  crc_from_ = end;
}

std::uint32_t RxStream::header_need() const noexcept {
  if (header_have_ < kFpduLengthBytes) return kFpduLengthBytes;
  const std::uint32_t whole = kFpduLengthBytes + load_be16(header_.data());
  if (header_have_ < kHeaderStart) return std::min<std::uint32_t>(kHeaderStart, whole);
  const std::uint32_t kept = kept_bytes(header_[kFpduLengthBytes], header_[kFpduLengthBytes + 1]);
  return std::min<std::uint32_t>(kFpduLengthBytes + kept, whole);
}

RxStream::Step RxStream::take_header(Bytes& in) noexcept {
  if (header_have_ == 0 && in.size() >= header_.size()) {
    // Nearly always all of it is here, and what is copied too much is overwritten or never looked at.
    std::memcpy(header_.data(), in.data(), header_.size());
    const std::uint32_t whole = kFpduLengthBytes + load_be16(header_.data());
    const auto kept = kFpduLengthBytes + kept_bytes(header_[kFpduLengthBytes], header_[kFpduLengthBytes + 1]);
    header_have_ = static_cast<std::uint8_t>(std::min<std::uint32_t>(static_cast<std::uint32_t>(kept), whole));
    in = in.subspan(header_have_);
  }
  // At most three rounds: the length, the control octets, the rest.
  for (std::uint32_t need = header_need(); header_have_ < need; need = header_need()) {
    const std::size_t count = std::min<std::size_t>(in.size(), need - header_have_);
    if (count == 0) return Step::starved;
    std::copy_n(in.begin(), count, header_.begin() + header_have_);
    header_have_ = static_cast<std::uint8_t>(header_have_ + count);
    in = in.subspan(count);
  }
  ulpdu_bytes_ = load_be16(header_.data());
  payload_bytes_ = ulpdu_bytes_ - (header_have_ - static_cast<std::uint32_t>(kFpduLengthBytes));
  kind_ = Kind::segment;
  condemned_ = false;
  judge_header();
  phase_ = kind_ == Kind::segment && !condemned_ ? Phase::begin : Phase::payload;
  if (payload_bytes_ >= kBulkBytesMin) {
    bulk_ = true;
  } else if (kind_ != Kind::segment || segment_.first) {  // the last piece of a large message says nothing
    bulk_ = false;
  }
  return Step::proceed;
}

// Order of RFC 5041 7 and RFC 5040 7.2: versions, opcode, model, size; then what each model has.
void RxStream::judge_header() noexcept {
  const Bytes ulpdu = header();
  if (ulpdu.size() < 2) return condemn(terminate_code::kMpaMarkerOrLength);
  const DdpControl control = decode_ddp_control(ulpdu[0]);
  if (control.version != kDdpVersion) {
    return condemn(control.tagged ? terminate_code::kTaggedInvalidVersion : terminate_code::kUntaggedInvalidVersion);
  }
  const auto opcode = decode_rdmap_control(ulpdu[1]);
  if (!opcode) {
    return condemn(opcode.error() == RdmapError::unsupported_version ? terminate_code::kInvalidRdmapVersion
                                                                     : terminate_code::kUnexpectedOpcode);
  }
  if (is_tagged(*opcode) != control.tagged) return condemn(terminate_code::kUnexpectedOpcode);
  // A Terminate is taken in the middle of a message, too: its sender has given that message up.
  if (*opcode == Opcode::terminate) return judge_terminate();
  if (ulpdu_bytes_ < header_bytes(*opcode)) return condemn(terminate_code::kMpaMarkerOrLength);
  // Messages of one direction come one after the other (RFC 5041 5.3), so nothing else may stand inside one.
  if (open_.is_open && *opcode != open_.opcode) return condemn(terminate_code::kUnexpectedOpcode);

  segment_ = {};
  segment_.opcode = *opcode;
  segment_.first = !open_.is_open;
  segment_.last = control.last;
  segment_.payload_bytes = payload_bytes_;
  segment_.message_offset_bytes = open_.is_open ? open_.bytes : 0;
  if (control.tagged) {
    judge_tagged();
  } else {
    judge_untagged();
  }
}

void RxStream::judge_tagged() noexcept {
  ByteReader in(header());
  const auto header = decode_tagged(in);
  if (!header) return condemn(terminate_code::kMpaMarkerOrLength);  // excluded by the size check
  segment_.stag = header->stag;
  segment_.to_bytes = header->to_bytes;
  if (payload_bytes_ == 0) return;
  if (segment_.message_offset_bytes != 0) {
    if (header->stag != open_.stag) return condemn(terminate_code::kTaggedInvalidStag);
    if (header->to_bytes != open_.next_to_bytes) return condemn(terminate_code::kTaggedBaseOrBounds);
  }
  if (exceeds_message(segment_.message_offset_bytes, payload_bytes_)) {
    return condemn(terminate_code::kTaggedBaseOrBounds);
  }
}

void RxStream::judge_untagged() noexcept {
  ByteReader in(header());
  const auto header = decode_untagged(in);
  if (!header) return condemn(terminate_code::kMpaMarkerOrLength);  // excluded by the size check
  const Opcode opcode = segment_.opcode;
  const bool is_read = opcode == Opcode::read_request;
  if (header->queue != static_cast<std::uint32_t>(queue_of(opcode))) {
    return condemn(terminate_code::kUntaggedInvalidQueue);
  }
  if (header->msn != (is_read ? read_request_msn_ : send_msn_)) return condemn(terminate_code::kUntaggedMsnRange);
  if (header->offset_bytes != segment_.message_offset_bytes) return condemn(terminate_code::kUntaggedInvalidOffset);
  if (is_read) {
    const auto request = decode_read_request(in);
    if (!request || !header->last || payload_bytes_ != 0) return condemn(terminate_code::kUnexpectedOpcode);
    kind_ = Kind::read_request;
    read_request_ = {header->msn, *request};
    return;
  }
  if (exceeds_message(header->offset_bytes, payload_bytes_)) return condemn(terminate_code::kUntaggedTooLong);
  segment_.msn = header->msn;
  if (has_invalidate(opcode)) segment_.invalidate_stag = header->ulp_word;
}

void RxStream::judge_terminate() noexcept {
  kind_ = Kind::terminate;
  terminate_ = {};
  ByteReader in(header());
  const auto header = decode_untagged(in);
  if (!header || header->queue != static_cast<std::uint32_t>(Queue::terminate) || header->msn != 1 ||
      header->offset_bytes != 0 || !header->last) {
    return;
  }
  const auto terminate = decode_terminate(in.rest(), fpdus_ == 0);
  if (terminate) terminate_ = {true, *terminate};
}

void RxStream::condemn(TerminateCode code) noexcept {
  condemned_ = true;
  verdict_ = code;
}

RxStream::Step RxStream::begin() noexcept {
  TerminateCode why;
  const Step step = obey(target_.begin_segment(segment_, why), why);
  if (step == Step::proceed) phase_ = Phase::payload;
  return step;
}

// What is rejected is read on to the end of its FPDU, whose CRC decides whether it is reported.
RxStream::Step RxStream::obey(RxTarget::Verdict verdict, TerminateCode why) noexcept {
  if (verdict == RxTarget::Verdict::reject) condemn(why);
  return verdict == RxTarget::Verdict::stall ? Step::stalled : Step::proceed;
}

RxStream::Step RxStream::take_payload(Bytes& in) noexcept {
  while (payload_have_ < payload_bytes_) {
    const std::size_t count = std::min<std::size_t>(in.size(), payload_bytes_ - payload_have_);
    if (count == 0) return Step::starved;
    std::uint32_t taken = static_cast<std::uint32_t>(count);
    Step step = Step::proceed;
    if (!is_discarding()) {
      if (settings_.verify_before_place.empty()) {
        step = place_octets(in.first(count), payload_have_, taken);
      } else {
        std::copy_n(in.begin(), count, settings_.verify_before_place.begin() + payload_have_);
      }
    }
    payload_have_ += taken;
    in = in.subspan(taken);
    if (step != Step::proceed) return step;
  }
  phase_ = Phase::trailer;
  return Step::proceed;
}

RxTarget::Verdict RxTarget::place(const Segment& segment, std::uint32_t offset, Bytes octets, std::uint32_t& placed,
                                  TerminateCode& why) noexcept {
  placed = 0;
  while (placed < octets.size()) {
    IoSpan spans[RxStream::kMapSpansMax];
    std::size_t count = 0;
    const auto left = static_cast<std::uint32_t>(octets.size() - placed);
    if (const Verdict verdict = map(segment, offset + placed, left, spans, count, why); verdict != Verdict::ok)
      return verdict;
    SOFTNDK_CHECK(count != 0 && spans[0].size != 0);
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t size = std::min(spans[i].size, octets.size() - placed);
      std::memcpy(spans[i].data, octets.data() + placed, size);
      placed += static_cast<std::uint32_t>(size);
    }
    unmap(segment);
  }
  return Verdict::ok;
}

// Moves payload to where the target wants it. `placed` says how far it came; less than all after a stall or a reject.
RxStream::Step RxStream::place_octets(Bytes from, std::uint32_t offset, std::uint32_t& placed) noexcept {
  placed = 0;
  if (from.empty()) return Step::proceed;
  TerminateCode why;
  const RxTarget::Verdict verdict = target_.place(segment_, offset, from, placed, why);
  SOFTNDK_CHECK(verdict != RxTarget::Verdict::ok || placed == from.size());
  return obey(verdict, why);
}

RxStream::Step RxStream::take_trailer(Bytes& in) noexcept {
  const std::uint32_t pad = pad_bytes(ulpdu_bytes_);
  const std::uint32_t whole = pad + kFpduCrcBytes;
  if (trailer_have_ == 0 && in.size() >= whole) {  // nearly always: hashed where it stands, with the payload before it
    hash_until(in.data() + pad);
    const std::uint32_t field = load_crc(in.data() + pad);
    in = in.subspan(whole);
    crc_from_ = in.data();
    return judge_crc(field);
  }
  hash_until(in.data());
  const std::size_t count = std::min<std::size_t>(in.size(), whole - trailer_have_);
  std::copy_n(in.begin(), count, trailer_.begin() + trailer_have_);
  trailer_have_ = static_cast<std::uint8_t>(trailer_have_ + count);
  in = in.subspan(count);
  crc_from_ = in.data();  // the pad is hashed from trailer_, the CRC field not at all
  if (trailer_have_ < whole) return Step::starved;
  if (settings_.crc) crc_.update(Bytes(trailer_).first(pad));
  return judge_crc(load_crc(trailer_.data() + pad));
}

RxStream::Step RxStream::judge_crc(std::uint32_t field) noexcept {
  const bool first = fpdus_++ == 0;
  if (settings_.crc && field != crc_.value()) {
    // siw sends the Terminates of its connection set-up with a CRC field of 0, whatever was agreed.
    if (first && kind_ == Kind::terminate && field == 0) {
      phase_ = Phase::deliver;
      return Step::proceed;
    }
    return fail(terminate_code::kMpaCrc);
  }
  // A Terminate is the peer's no, not its ready-to-receive: told apart here, because whoever hears of the two may hear
  // of the first before the second is told.
  if (first && kind_ != Kind::terminate) target_.on_first_fpdu();
  if (condemned_) return fail(verdict_);
  const bool is_staged = kind_ == Kind::segment && !settings_.verify_before_place.empty();
  phase_ = is_staged ? Phase::place : Phase::deliver;
  return Step::proceed;
}

RxStream::Step RxStream::place_verified() noexcept {
  const Bytes left = Bytes(settings_.verify_before_place).subspan(placed_, payload_bytes_ - placed_);
  std::uint32_t placed = 0;
  const Step step = place_octets(left, placed_, placed);
  placed_ += placed;
  if (condemned_) return fail(verdict_);
  if (step == Step::proceed) phase_ = Phase::deliver;
  return step;
}

RxStream::Step RxStream::deliver() noexcept {
  if (kind_ == Kind::terminate) {
    phase_ = Phase::terminated;
    target_.on_terminate(terminate_);
    return Step::stopped;
  }
  TerminateCode why;
  const auto verdict =
      kind_ == Kind::read_request ? target_.on_read_request(read_request_, why) : target_.end_segment(segment_, why);
  switch (verdict) {
    case RxTarget::Verdict::ok:
      finish_fpdu();
      return Step::proceed;
    case RxTarget::Verdict::stall:
      return Step::stalled;
    case RxTarget::Verdict::reject:
      return fail(why);
  }
  SOFTNDK_UNREACHABLE();
}

void RxStream::finish_fpdu() noexcept {
  if (kind_ == Kind::read_request) {
    ++read_request_msn_;
  } else if (segment_.last) {
    open_ = {};
    if (!is_tagged(segment_.opcode)) ++send_msn_;
  } else {
    open_.is_open = true;
    open_.opcode = segment_.opcode;
    open_.bytes = segment_.message_offset_bytes + segment_.payload_bytes;
    if (segment_.payload_bytes != 0) {
      open_.stag = segment_.stag;
      open_.next_to_bytes = segment_.to_bytes + segment_.payload_bytes;
    }
  }
  phase_ = Phase::header;
  header_have_ = 0;
  trailer_have_ = 0;
  payload_have_ = 0;
  placed_ = 0;
  crc_.reset();
}

RxStream::Step RxStream::fail(TerminateCode code) noexcept {
  failure_ = make_terminate(code, header(), static_cast<std::uint16_t>(ulpdu_bytes_));
  phase_ = Phase::failed;
  return Step::stopped;
}

}  // namespace softndk::iwarp
