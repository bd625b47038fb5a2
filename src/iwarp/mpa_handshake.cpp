#include "iwarp/mpa_handshake.h"

#include <algorithm>

#include "base/log.h"

namespace softndk::iwarp {
namespace {

// A zero-length Send would take a receive of the consumer's, so it is neither offered nor accepted.
constexpr RtrKinds kOurRtrKinds{.send = false, .write = true, .read = true};

std::uint16_t wire(std::uint32_t limit) {
  return static_cast<std::uint16_t>(limit);
}

std::size_t write_frame(const MpaFrame& frame, MutableBytes room) {
  ByteWriter out(room);
  encode(frame, out);
  return out.size();
}

// The octets of `in` that still fit the buffer, appended; a valid frame always fits.
std::size_t append(std::array<std::uint8_t, kMpaFrameBytesMax>& buffer, std::size_t have, Bytes in) {
  const std::size_t count = std::min(in.size(), buffer.size() - have);
  std::copy_n(in.begin(), count, buffer.begin() + static_cast<std::ptrdiff_t>(have));
  return count;
}

}  // namespace

InitiatorHandshake::InitiatorHandshake(const HandshakeSettings& settings, ReadLimits wanted,
                                       Bytes private_data) noexcept
    : settings_(settings), own_(cap(wanted, settings.maxima)) {
  request_.kind = MpaKind::request;
  request_.crc = settings.crc;
  request_.revision = settings.revision;
  request_.private_data = PrivateData(private_data);
  if (settings.revision >= 2) {
    MpaEnhanced enhanced;
    enhanced.peer_to_peer = settings.rtr == RtrPolicy::automatic;
    if (enhanced.peer_to_peer) enhanced.rtr = kOurRtrKinds;
    enhanced.ird = wire(own_.ird);
    enhanced.ord = wire(own_.ord);
    request_.enhanced = enhanced;
  }
}

std::size_t InitiatorHandshake::request(MutableBytes room) const noexcept {
  return write_frame(request_, room);
}

std::size_t InitiatorHandshake::feed(Bytes in) noexcept {
  if (state_ != State::waiting) return 0;
  const std::size_t had = have_;
  have_ += append(buffer_, have_, in);
  auto frame = decode_mpa(Bytes(buffer_).first(have_), MpaKind::reply);
  if (!frame) {
    if (frame.error() != MpaError::need_more) {
      mpa_error_ = frame.error();
      fail(HandshakeFailure::bad_frame);
    }
    return have_ - had;
  }
  reply_ = *frame;
  judge();
  return reply_.wire_bytes() - had;
}

void InitiatorHandshake::fail(HandshakeFailure failure) noexcept {
  state_ = State::failed;
  failure_ = failure;
}

void InitiatorHandshake::judge() noexcept {
  if (reply_.revision > request_.revision) return fail(HandshakeFailure::revision_raised);
  if (request_.enhanced && !reply_.enhanced) return fail(HandshakeFailure::not_enhanced);
  if (reply_.enhanced) result_.peer = ReadLimits{reply_.enhanced->ird, reply_.enhanced->ord};
  if (reply_.reject) {
    state_ = State::rejected;
    return;
  }
  result_.crc = request_.crc || reply_.crc;
  result_.markers_to_send = reply_.markers;
  result_.limits = own_;
  result_.ird_slots = std::max(1u, own_.ird);
  state_ = State::accepted;
  if (!request_.enhanced) return;

  const ReadLimits peer = *result_.peer;
  result_.limits = meet(own_, peer);
  if (peer.ord != kReadLimitUnnegotiated && peer.ord > own_.ird) {
    // More than we offered, which it must not ask for; RFC 6581 9.1 has us follow as far as the adapter can.
    if (peer.ord > settings_.maxima.ird) return fail(HandshakeFailure::insufficient_ird);
    result_.limits.ird = peer.ord;
  }
  result_.ird_slots = std::max(1u, result_.limits.ird);

  // A Reply that clears A has a responder that waits for nothing special; siw and cxgb4 can be set up so. It is not
  // refused: our consumer's first message does what an RTR would.
  if (!request_.enhanced->peer_to_peer || !reply_.enhanced->peer_to_peer) return;
  result_.rtr_agreed = true;
  if (reply_.enhanced->rtr.write) {
    result_.rtr_to_send = Rtr::write;
  } else if (reply_.enhanced->rtr.read && result_.limits.ord >= 1) {
    result_.rtr_to_send = Rtr::read;
  } else {
    fail(HandshakeFailure::no_common_rtr);
  }
}

std::optional<TerminateCode> InitiatorHandshake::terminate() const {
  switch (failure_) {
    case HandshakeFailure::insufficient_ird:
      return terminate_code::kMpaInsufficientIrd;
    case HandshakeFailure::no_common_rtr:
      return terminate_code::kMpaNoMatchingRtr;
    case HandshakeFailure::none:
    case HandshakeFailure::bad_frame:
    case HandshakeFailure::revision_raised:
    case HandshakeFailure::not_enhanced:
    case HandshakeFailure::trailing_octets:
      return std::nullopt;
  }
  SOFTNDK_UNREACHABLE();
}

void ResponderHandshake::feed(Bytes in) noexcept {
  if (in.empty()) return;
  const auto fail = [this](HandshakeFailure failure) {
    state_ = State::failed;
    failure_ = failure;
  };
  if (state_ == State::requested) return fail(HandshakeFailure::trailing_octets);
  if (state_ != State::waiting) return;
  const std::size_t taken = append(buffer_, have_, in);
  have_ += taken;
  const auto frame = decode_mpa(Bytes(buffer_).first(have_), MpaKind::request);
  if (!frame) {
    if (frame.error() == MpaError::need_more) return;
    mpa_error_ = frame.error();
    return fail(HandshakeFailure::bad_frame);
  }
  // A responder that does not know revision 2 finds the frame malformed (RFC 6581 10).
  if (frame->revision > settings_.revision) {
    mpa_error_ = MpaError::unsupported_revision;
    return fail(HandshakeFailure::bad_frame);
  }
  if (have_ > frame->wire_bytes() || taken < in.size()) return fail(HandshakeFailure::trailing_octets);
  request_ = *frame;
  result_.peer = peer_limits();
  state_ = State::requested;
}

std::optional<ReadLimits> ResponderHandshake::peer_limits() const noexcept {
  if (!request_.enhanced) return std::nullopt;
  return ReadLimits{request_.enhanced->ird, request_.enhanced->ord};
}

ReadLimits ResponderHandshake::offered_limits() const {
  const ReadLimits own = cap(settings_.maxima, settings_.maxima);
  const auto peer = peer_limits();
  return peer ? meet(own, *peer) : own;
}

std::size_t ResponderHandshake::private_data_max() const {
  return kMpaPrivateBytesMax - (request_.enhanced ? kMpaEnhancedBytes : 0);
}

MpaFrame ResponderHandshake::reply_frame(ReadLimits sent) const noexcept {
  MpaFrame reply;
  reply.kind = MpaKind::reply;
  reply.crc = settings_.crc || request_.crc;
  reply.revision = request_.revision;
  if (!request_.enhanced) return reply;
  MpaEnhanced enhanced;
  const MpaEnhanced& asked = *request_.enhanced;
  enhanced.ird = wire(asked.ord == kReadLimitUnnegotiated ? kReadLimitUnnegotiated : sent.ird);
  enhanced.ord = wire(asked.ird == kReadLimitUnnegotiated ? kReadLimitUnnegotiated : sent.ord);
  enhanced.peer_to_peer = asked.peer_to_peer;
  if (asked.peer_to_peer) {
    enhanced.rtr.write = asked.rtr.write && kOurRtrKinds.write;
    enhanced.rtr.read = asked.rtr.read && kOurRtrKinds.read;
    // Nothing in common: name one that we take, so that the initiator can tell what is wrong (RFC 6581 9.2).
    if (!enhanced.rtr.any()) enhanced.rtr.write = true;
    // A Read needs one of the Reads we announce; where there is none, Write alone is named.
    if (enhanced.ird == 0 && enhanced.rtr.write) enhanced.rtr.read = false;
  }
  reply.enhanced = enhanced;
  return reply;
}

std::size_t ResponderHandshake::accept(ReadLimits wanted, Bytes private_data, MutableBytes room) noexcept {
  SOFTNDK_CHECK(state_ == State::requested);
  const ReadLimits own = cap(wanted, settings_.maxima);
  const auto peer = peer_limits();
  result_.limits = peer ? meet(own, *peer) : own;
  ReadLimits sent = result_.limits;
  if (request_.enhanced) {
    const MpaEnhanced& asked = *request_.enhanced;
    result_.rtr_agreed = asked.peer_to_peer;
    if (asked.peer_to_peer && asked.rtr.read && !asked.rtr.write && sent.ird == 0) {
      // The only RTR it can send is a Read. A peer that asked for Reads may then have one in progress (R-RL-01's
      // in(A) = out(B)); one that asked for none will not use it for anything else.
      sent.ird = 1;
      if (asked.ord != 0) result_.limits.ird = 1;
    } else if (asked.ord == 0) {
      sent.ird = std::max(1u, sent.ird);
    }
  }
  result_.ird_slots = std::max(1u, result_.limits.ird);
  MpaFrame reply = reply_frame(sent);
  reply.private_data = PrivateData(private_data);
  result_.crc = reply.crc;
  result_.markers_to_send = request_.markers;
  state_ = State::accepted;
  return write_frame(reply, room);
}

std::size_t ResponderHandshake::reject(Bytes private_data, MutableBytes room) noexcept {
  SOFTNDK_CHECK(state_ == State::requested);
  MpaFrame reply = reply_frame(offered_limits());
  reply.reject = true;
  reply.private_data = PrivateData(private_data);
  state_ = State::rejected;
  return write_frame(reply, room);
}

}  // namespace softndk::iwarp
