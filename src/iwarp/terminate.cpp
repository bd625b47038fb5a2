#include "iwarp/terminate.h"

namespace softndk::iwarp {
namespace {

// Octet 20 of the ULPDU in the RFC's layout, and in that of siw on a little-endian host.
constexpr std::uint8_t kLengthValid = 0x80;
constexpr std::uint8_t kDdpHeaderIncluded = 0x40;
constexpr std::uint8_t kRdmaHeaderIncluded = 0x20;
constexpr std::uint8_t kRfcFlags = kLengthValid | kDdpHeaderIncluded | kRdmaHeaderIncluded;
constexpr std::uint8_t kSiwFlags = 0x07;

constexpr std::uint8_t kLayerRdmap = 0;
constexpr std::uint8_t kLayerDdp = 1;
constexpr std::uint8_t kLayerMpa = 2;

TerminateCode rfc_reading(std::uint8_t octet, std::uint8_t code) {
  return {static_cast<std::uint8_t>(octet >> 4), static_cast<std::uint8_t>(octet & 0x0F), code};
}
TerminateCode siw_reading(std::uint8_t octet, std::uint8_t code) {
  return {static_cast<std::uint8_t>(octet & 0x0F), static_cast<std::uint8_t>(octet >> 4), code};
}

// No flag says which layout this is: the RFC's, if that gives a defined code. Only 2/0/05..07 and 0/2/05..07 are each
// other's mirror image; the former end connection set-up, so they can only be the first thing a peer says.
TerminateCode guess_reading(std::uint8_t octet, std::uint8_t code, bool first_fpdu) {
  const TerminateCode rfc = rfc_reading(octet, code);
  const TerminateCode siw = siw_reading(octet, code);
  if (!is_defined(siw)) return rfc;
  if (!is_defined(rfc)) return siw;
  const bool is_mirrored = rfc.layer == kLayerMpa || siw.layer == kLayerMpa;
  if (is_mirrored && (rfc.layer == kLayerMpa) != first_fpdu) return siw;
  return rfc;
}

bool copies_ddp_header(TerminateCode code) {
  return code.layer == kLayerDdp || (code.layer == kLayerRdmap && code.etype != 0);
}
bool copies_rdma_header(TerminateCode code) {
  return code.layer == kLayerRdmap && code.etype == 1;
}

}  // namespace

bool is_defined(TerminateCode code) noexcept {
  const std::uint8_t value = code.code;
  switch (code.layer << 4 | code.etype) {
    case 0x00:
      return true;
    case 0x01:
      return value <= 0x04 || value == 0x09 || value == 0xFF;
    case 0x02:
      return (value >= 0x05 && value <= 0x09) || value == 0xFF;
    case 0x10:
      return value == 0x00;
    case 0x11:
      return value <= 0x04;
    case 0x12:
      return value >= 0x01 && value <= 0x06;
    case 0x20:
      return value >= 0x01 && value <= 0x07;
    default:
      return false;
  }
}

expected<Terminate, TerminateError> decode_terminate(Bytes payload, bool first_fpdu) noexcept {
  ByteReader in(payload);
  if (in.remaining() < Terminate::kControlBytes) return unexpected(TerminateError::truncated);
  const std::uint8_t kind = in.u8();
  const std::uint8_t code = in.u8();
  const std::uint8_t flags = in.u8();
  in.skip(1);

  Terminate terminate;
  const bool flagged = (flags & (kRfcFlags | kSiwFlags)) != 0;
  if (flags & kRfcFlags) {
    terminate.code = rfc_reading(kind, code);
  } else if (flags & kSiwFlags) {
    terminate.code = siw_reading(kind, code);
  } else {
    terminate.code = guess_reading(kind, code, first_fpdu);
  }

  // Headers that are there count, whatever the flags say (siw sets them at the wrong end); flags without headers do not
  // make sense in any layout.
  constexpr std::size_t kWithTagged = 2 + TaggedDdpHeader::kWireBytes;
  constexpr std::size_t kWithUntagged = 2 + UntaggedDdpHeader::kWireBytes;
  const bool tagged = in.remaining() > 2 && decode_ddp_control(in.rest()[2]).tagged;
  if (in.remaining() < (tagged ? kWithTagged : kWithUntagged)) {
    if (flagged) return unexpected(TerminateError::truncated);
    return terminate;
  }
  terminate.segment_bytes = in.u16();
  terminate.ddp_header_bytes = tagged ? TaggedDdpHeader::kWireBytes : UntaggedDdpHeader::kWireBytes;
  // A Read Request's header follows, if anything does: no other message has one.
  if (!tagged && in.remaining() >= UntaggedDdpHeader::kWireBytes + ReadRequestHeader::kWireBytes) {
    terminate.rdma_header_bytes = ReadRequestHeader::kWireBytes;
  }
  ByteWriter copy(terminate.headers);
  copy.bytes(in.bytes(std::size_t{terminate.ddp_header_bytes} + terminate.rdma_header_bytes));
  return terminate;
}

void encode(const Terminate& terminate, ByteWriter& out) noexcept {
  out.u8(static_cast<std::uint8_t>(terminate.code.layer << 4 | (terminate.code.etype & 0x0F)));
  out.u8(terminate.code.code);
  std::uint8_t flags = 0;
  if (terminate.ddp_header_bytes != 0) flags |= kLengthValid | kDdpHeaderIncluded;
  if (terminate.rdma_header_bytes != 0) flags |= kRdmaHeaderIncluded;
  out.u8(flags);
  out.u8(0);
  if (terminate.ddp_header_bytes != 0) out.u16(terminate.segment_bytes);
  out.bytes(terminate.copied_headers());
}

Terminate make_terminate(TerminateCode code) noexcept {
  Terminate terminate;
  terminate.code = code;
  return terminate;
}

Terminate make_terminate(TerminateCode code, Bytes headers, std::uint16_t ulpdu_bytes) noexcept {
  Terminate terminate = make_terminate(code);
  if (!copies_ddp_header(code) || headers.size() < 2) return terminate;
  const bool tagged = decode_ddp_control(headers[0]).tagged;
  const std::size_t ddp_bytes = tagged ? TaggedDdpHeader::kWireBytes : UntaggedDdpHeader::kWireBytes;
  if (headers.size() < ddp_bytes) return terminate;
  terminate.segment_bytes = ulpdu_bytes;
  terminate.ddp_header_bytes = static_cast<std::uint8_t>(ddp_bytes);
  const auto opcode = decode_rdmap_control(headers[1]);
  if (copies_rdma_header(code) && !tagged && opcode && *opcode == Opcode::read_request &&
      headers.size() >= ddp_bytes + ReadRequestHeader::kWireBytes) {
    terminate.rdma_header_bytes = ReadRequestHeader::kWireBytes;
  }
  ByteWriter copy(terminate.headers);
  copy.bytes(headers.first(ddp_bytes + terminate.rdma_header_bytes));
  return terminate;
}

Terminate make_terminate(TerminateCode code, const Segment& segment) noexcept {
  std::array<std::uint8_t, UntaggedDdpHeader::kWireBytes> octets;
  ByteWriter out(octets);
  const std::uint8_t ulp = encode_rdmap_control(segment.opcode);
  if (is_tagged(segment.opcode)) {
    encode(TaggedDdpHeader{segment.last, ulp, segment.stag, segment.to_bytes}, out);
  } else {
    encode(UntaggedDdpHeader{segment.last, ulp, segment.invalidate_stag,
                             static_cast<std::uint32_t>(queue_of(segment.opcode)), segment.msn,
                             segment.message_offset_bytes},
           out);
  }
  return make_terminate(code, out.written(), static_cast<std::uint16_t>(out.size() + segment.payload_bytes));
}

Terminate make_terminate(TerminateCode code, const ReadRequest& request, std::uint32_t answered_bytes) noexcept {
  std::array<std::uint8_t, Terminate::kHeadersBytesMax> octets;
  ByteWriter out(octets);
  encode(UntaggedDdpHeader{true, encode_rdmap_control(Opcode::read_request), 0,
                           static_cast<std::uint32_t>(Queue::read_request), request.msn, 0},
         out);
  ReadRequestHeader left = request.header;
  left.sink_to_bytes += answered_bytes;
  left.source_to_bytes += answered_bytes;
  left.length_bytes -= answered_bytes;
  encode(left, out);
  return make_terminate(code, out.written(), static_cast<std::uint16_t>(out.size()));
}

std::optional<NamedRead> named_read(const Terminate& terminate) noexcept {
  ByteReader in(terminate.copied_headers());
  const auto ddp = decode_untagged(in);
  if (!ddp || ddp->queue != static_cast<std::uint32_t>(Queue::read_request)) return std::nullopt;
  NamedRead named;
  named.msn = ddp->msn;
  if (const auto request = decode_read_request(in)) {
    named.sink = NamedRead::Sink{request->sink_stag, request->sink_to_bytes};
  }
  return named;
}

}  // namespace softndk::iwarp
