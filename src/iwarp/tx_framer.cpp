#include "iwarp/tx_framer.h"

#include <algorithm>
#include <array>

namespace softndk::iwarp {
namespace {
constexpr std::uint32_t ddp_header_bytes(Opcode opcode) {
  return is_tagged(opcode) ? TaggedDdpHeader::kWireBytes : UntaggedDdpHeader::kWireBytes;
}
// Markers that can fall into `octets` octets of an FPDU, wherever it starts.
constexpr std::uint32_t markers_max(std::uint32_t octets) {
  return octets / (kMarkerInterval - kMarkerBytes) + 2;
}

void put_header(const TxMessage& message, std::uint32_t offset_bytes, TxFramer::Cut cut, ByteWriter& header) {
  header.u16(static_cast<std::uint16_t>(ddp_header_bytes(message.opcode) + cut.payload_bytes));
  const std::uint8_t ulp = encode_rdmap_control(message.opcode);
  if (is_tagged(message.opcode)) {
    encode(TaggedDdpHeader{cut.last, ulp, message.stag, message.to_bytes + offset_bytes}, header);
  } else {
    encode(UntaggedDdpHeader{cut.last, ulp, has_invalidate(message.opcode) ? message.stag : 0,
                             static_cast<std::uint32_t>(queue_of(message.opcode)), message.msn, offset_bytes},
           header);
  }
}

}  // namespace

TxFramer::Cut TxFramer::plan(const TxMessage& message, std::uint32_t offset_bytes,
                             std::uint32_t mulpdu_bytes) noexcept {
  SOFTNDK_CHECK(mulpdu_bytes > ddp_header_bytes(message.opcode) && mulpdu_bytes <= kUlpduBytesMax);
  const std::uint32_t room = mulpdu_bytes - ddp_header_bytes(message.opcode);
  const std::uint32_t left = message.length_bytes - offset_bytes;
  return {std::min(room, left), left <= room};
}

TxRoom TxFramer::room_for(std::uint32_t payload_bytes, std::size_t payload_spans) const noexcept {
  constexpr std::size_t kHeader = kFpduLengthBytes + UntaggedDdpHeader::kWireBytes;
  constexpr std::size_t kTrailer = 3 + kFpduCrcBytes;
  TxRoom room{payload_spans + 2, kHeader + kTrailer};
  if (markers_) {
    const std::size_t markers = markers_max(static_cast<std::uint32_t>(kHeader + kTrailer) + payload_bytes);
    room.spans += 2 * markers;  // the marker, and what it cuts off the span it falls into
    room.arena_bytes += kMarkerBytes * markers;
  }
  return room;
}

std::uint32_t TxFramer::stream_bytes(Opcode opcode, std::uint32_t payload_bytes) const noexcept {
  const std::uint32_t plain = fpdu_bytes(ddp_header_bytes(opcode) + payload_bytes);
  if (!markers_) return plain;
  std::uint32_t total = 0;
  // A marker is due wherever the position is a multiple of 512; it takes 4 octets of the interval it opens.
  for (std::uint32_t left = plain, at = position_; left != 0;) {
    if (at == 0) {
      total += kMarkerBytes;
      at = kMarkerBytes;
    }
    const std::uint32_t step = std::min(left, kMarkerInterval - at);
    total += step;
    left -= step;
    at = (at + step) % kMarkerInterval;
  }
  return total;
}

void TxFramer::marker_if_due(GatherList& out) noexcept {
  if (!markers_ || position_ != 0) return;
  std::array<std::uint8_t, kMarkerBytes> marker{};
  store_be16(marker.data() + 2, static_cast<std::uint16_t>(since_length_));
  if (crc_on_) crc_.update(marker);
  out.write(marker);
  position_ = kMarkerBytes;
  // Before the length field there is nothing to point at yet: FPDUPTR stays 0 and the distance starts behind it.
  if (in_fpdu_) since_length_ += kMarkerBytes;
}

template <class Piece>
void TxFramer::emit(Bytes octets, GatherList& out, Piece&& piece) noexcept {
  if (crc_on_ && !markers_) crc_.update(octets);
  while (!octets.empty()) {
    marker_if_due(out);
    in_fpdu_ = true;
    const std::size_t step =
        markers_ ? std::min<std::size_t>(octets.size(), kMarkerInterval - position_) : octets.size();
    const Bytes now = octets.first(step);
    if (crc_on_ && markers_) crc_.update(now);
    piece(now);
    if (markers_) {
      position_ = static_cast<std::uint32_t>((position_ + step) % kMarkerInterval);
      since_length_ += static_cast<std::uint32_t>(step);
    }
    octets = octets.subspan(step);
  }
}

void TxFramer::emit_copied(Bytes octets, GatherList& out) noexcept {
  emit(octets, out, [&](Bytes now) { out.write(now); });
}

TxFramer::Cut TxFramer::begin(const TxMessage& message, std::uint32_t offset_bytes, std::uint32_t mulpdu_bytes,
                              GatherList& out) noexcept {
  const Cut cut = plan(message, offset_bytes, mulpdu_bytes);
  const std::uint32_t ulpdu = ddp_header_bytes(message.opcode) + cut.payload_bytes;
  std::array<std::uint8_t, kFpduLengthBytes + UntaggedDdpHeader::kWireBytes> octets;
  ByteWriter header(octets);
  put_header(message, offset_bytes, cut, header);
  crc_.reset();
  pad_ = pad_bytes(ulpdu);
  payload_left_ = cut.payload_bytes;
  since_length_ = 0;
  in_fpdu_ = false;
  emit_copied(header.written(), out);
  return cut;
}

void TxFramer::payload(ConstIoSpan octets, GatherList& out) noexcept {
  SOFTNDK_CHECK(octets.size <= payload_left_);
  payload_left_ -= static_cast<std::uint32_t>(octets.size);
  emit({octets.data, octets.size}, out, [&](Bytes now) { out.refer({now.data(), now.size()}); });
}

void TxFramer::payload_copied(Bytes octets, GatherList& out) noexcept {
  SOFTNDK_CHECK(octets.size() <= payload_left_);
  payload_left_ -= static_cast<std::uint32_t>(octets.size());
  emit_copied(octets, out);
}

void TxFramer::finish(GatherList& out) noexcept {
  SOFTNDK_CHECK(payload_left_ == 0);
  constexpr std::array<std::uint8_t, 3> kPad{};
  emit_copied(Bytes(kPad).first(pad_), out);
  marker_if_due(out);  // between pad and CRC it still belongs to this FPDU and to its CRC
  std::array<std::uint8_t, kFpduCrcBytes> field{};
  if (crc_on_) store_crc(field.data(), crc_.value());
  out.write(field);
  if (markers_) position_ = (position_ + kFpduCrcBytes) % kMarkerInterval;
}

void TxFramer::append_whole(const TxMessage& message, GatherList& out) noexcept {
  SOFTNDK_CHECK(!markers_);
  std::uint8_t* const at = out.place();
  ByteWriter header({at, header_room(message.opcode)});
  put_header(message, 0, {message.length_bytes, true}, header);
  std::uint32_t bytes = static_cast<std::uint32_t>(header.size()) + message.length_bytes;
  for (std::uint32_t pad = pad_bytes(bytes - static_cast<std::uint32_t>(kFpduLengthBytes)); pad != 0; --pad)
    at[bytes++] = 0;
  crc_.reset();
  if (crc_on_) crc_.update({at, bytes});
  store_crc(at + bytes, crc_on_ ? crc_.value() : 0);
  out.placed(bytes + kFpduCrcBytes);
}

void TxFramer::append_read_request(const ReadRequestHeader& header, std::uint32_t msn, GatherList& out) noexcept {
  std::array<std::uint8_t, ReadRequestHeader::kWireBytes> octets;
  ByteWriter content(octets);
  encode(header, content);
  begin({Opcode::read_request, static_cast<std::uint32_t>(content.size()), 0, 0, msn}, 0, kMulpduMin, out);
  payload_copied(content.written(), out);
  finish(out);
}

void TxFramer::append_terminate(const Terminate& terminate, GatherList& out) noexcept {
  std::array<std::uint8_t, Terminate::kWireBytesMax> octets;
  ByteWriter content(octets);
  encode(terminate, content);
  // The one message of its queue, so always MSN 1 (RFC 5040 4.8).
  begin({Opcode::terminate, static_cast<std::uint32_t>(content.size()), 0, 0, 1}, 0, kMulpduMin, out);
  payload_copied(content.written(), out);
  finish(out);
}

}  // namespace softndk::iwarp
