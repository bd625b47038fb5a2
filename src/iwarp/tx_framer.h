#pragma once
// Cuts messages into FPDUs for a gathering write (RFC 5041 5.2, RFC 5044 4).
#include <cstdint>

#include "iwarp/crc32c.h"
#include "iwarp/fpdu.h"
#include "iwarp/gather_list.h"
#include "iwarp/rdmap_header.h"
#include "iwarp/terminate.h"

namespace softndk::iwarp {

/// One DDP message. Queue and buffer model follow from the opcode.
struct TxMessage {
  Opcode opcode = Opcode::send;
  std::uint32_t length_bytes = 0;  ///< payload; a Read Request's header and a Terminate's content count as payload
  Stag stag = 0;                   ///< tagged: the sink; Send with Invalidate: what the peer shall invalidate
  std::uint64_t to_bytes = 0;      ///< tagged: where the message's first octet goes
  std::uint32_t msn = 0;           ///< untagged: from TxSequence
};

/// The MSNs of one sending direction: taken when a message is first cut, so in the order of the stream.
class TxSequence {
 public:
  /// Starts at 1 (RFC 5041 4.3); a test starts elsewhere to see it wrap.
  explicit TxSequence(std::uint32_t first = 1) : next_{first, first, first} {}
  std::uint32_t take(Queue queue) { return next_[static_cast<std::size_t>(queue)]++; }

 private:
  std::uint32_t next_[3];
};

/// Room in a GatherList.
struct TxRoom {
  std::size_t spans = 0;
  std::size_t arena_bytes = 0;
  bool fits(const GatherList& list) const { return spans <= list.spans_left() && arena_bytes <= list.arena_left(); }
};

/// The sending direction of one connection in full operation: header, payload and trailer of one FPDU after another.
///
///   const auto cut = framer.begin(message, offset, mulpdu, out);
///   for (span of the cut.payload_bytes octets of the message from `offset`) framer.payload(span, out);
///   framer.finish(out);
///
/// The CRC is taken over the payload inside payload(): the memory must not change before it is sent.
class TxFramer {
 public:
  TxFramer(bool crc, bool markers) noexcept : crc_on_(crc), markers_(markers) {}

  struct Cut {
    std::uint32_t payload_bytes;
    bool last;
  };
  /// What begin() will cut, without doing it: to see whether there is room and memory for it.
  [[nodiscard]] static Cut plan(const TxMessage& message, std::uint32_t offset_bytes,
                                std::uint32_t mulpdu_bytes) noexcept;
  /// The most a segment can take of a list, if its payload comes in `payload_spans` pieces by reference. Payload that
  /// is copied takes its octets of the arena in addition.
  [[nodiscard]] TxRoom room_for(std::uint32_t payload_bytes, std::size_t payload_spans) const noexcept;
  /// Octets on the stream for an FPDU begun now, markers included.
  [[nodiscard]] std::uint32_t stream_bytes(Opcode opcode, std::uint32_t payload_bytes) const noexcept;

  /// Starts the FPDU with the octets of `message` from `offset_bytes` on, as many as `mulpdu_bytes` (the largest ULPDU:
  /// mulpdu() of the current EMSS, or up to kUlpduBytesMax) permits.
  Cut begin(const TxMessage& message, std::uint32_t offset_bytes, std::uint32_t mulpdu_bytes, GatherList& out) noexcept;
  /// The next payload octets, by reference (room for one more span, and with markers for those inside it) ...
  void payload(ConstIoSpan octets, GatherList& out) noexcept;
  /// ... or copied.
  void payload_copied(Bytes octets, GatherList& out) noexcept;
  /// Pad and CRC. All octets that begin() cut have been given.
  void finish(GatherList& out) noexcept;

  /// A message that is one FPDU without markers, built where it is sent from: far less work for a small one. Its
  /// payload already stands `header_room(opcode)` octets behind out.place(). Room for whole_bytes() and one span was
  /// looked for.
  void append_whole(const TxMessage& message, GatherList& out) noexcept;
  static constexpr std::uint32_t header_room(Opcode opcode) {
    return static_cast<std::uint32_t>(kFpduLengthBytes) +
           (is_tagged(opcode) ? TaggedDdpHeader::kWireBytes : UntaggedDdpHeader::kWireBytes);
  }
  static constexpr std::uint32_t whole_bytes(Opcode opcode, std::uint32_t payload_bytes) {
    return fpdu_bytes(header_room(opcode) - static_cast<std::uint32_t>(kFpduLengthBytes) + payload_bytes);
  }

  // Whole messages that need no memory of the consumer's.
  void append_read_request(const ReadRequestHeader& header, std::uint32_t msn, GatherList& out) noexcept;
  void append_terminate(const Terminate& terminate, GatherList& out) noexcept;
  /// Room that suffices for either of the two, and for an RTR.
  [[nodiscard]] TxRoom room_for_control() const noexcept {
    TxRoom room = room_for(Terminate::kWireBytesMax, 1);
    room.arena_bytes += Terminate::kWireBytesMax;
    return room;
  }

 private:
  template <class Piece>
  void emit(Bytes octets, GatherList& out, Piece&& piece) noexcept;
  void emit_copied(Bytes octets, GatherList& out) noexcept;
  void marker_if_due(GatherList& out) noexcept;

  const bool crc_on_;
  const bool markers_;
  Crc32c crc_;
  std::uint32_t pad_ = 0;
  std::uint32_t payload_left_ = 0;
  // With markers only.
  bool in_fpdu_ = false;            // the length field of the FPDU at hand has begun
  std::uint32_t position_ = 0;      // octets of this direction so far, modulo kMarkerInterval
  std::uint32_t since_length_ = 0;  // octets since the first of the length field: FPDUPTR of a marker standing here
};

}  // namespace softndk::iwarp
