#include "iwarp/mpa_frame.h"

#include <algorithm>
#include <cstring>

#include "base/log.h"

namespace softndk::iwarp {
namespace {

constexpr std::size_t kKeyBytes = 16;
constexpr char kRequestKey[] = "MPA ID Req Frame";
constexpr char kReplyKey[] = "MPA ID Rep Frame";
static_assert(sizeof kRequestKey == kKeyBytes + 1 && sizeof kReplyKey == kKeyBytes + 1);
const char* key_of(MpaKind kind) {
  return kind == MpaKind::request ? kRequestKey : kReplyKey;
}

constexpr std::uint8_t kMarkers = 0x80;
constexpr std::uint8_t kCrc = 0x40;
constexpr std::uint8_t kReject = 0x20;
constexpr std::uint8_t kEnhanced = 0x10;

// Bits 15 and 14 of each word of the enhanced data; the numbers are the other 14.
constexpr std::uint16_t kUpper = 0x8000;
constexpr std::uint16_t kLower = 0x4000;
constexpr std::uint16_t kNumber = 0x3FFF;

MpaEnhanced decode_enhanced(ByteReader& in) {
  const std::uint16_t first = in.u16();
  const std::uint16_t second = in.u16();
  MpaEnhanced enhanced;
  enhanced.peer_to_peer = first & kUpper;
  enhanced.rtr.send = first & kLower;
  enhanced.rtr.write = second & kUpper;
  enhanced.rtr.read = second & kLower;
  enhanced.ird = first & kNumber;
  enhanced.ord = second & kNumber;
  return enhanced;
}

void encode(const MpaEnhanced& enhanced, ByteWriter& out) {
  out.u16(static_cast<std::uint16_t>((enhanced.peer_to_peer ? kUpper : 0) | (enhanced.rtr.send ? kLower : 0) |
                                     (enhanced.ird & kNumber)));
  out.u16(static_cast<std::uint16_t>((enhanced.rtr.write ? kUpper : 0) | (enhanced.rtr.read ? kLower : 0) |
                                     (enhanced.ord & kNumber)));
}

}  // namespace

PrivateData::PrivateData(Bytes octets) noexcept : size_(static_cast<std::uint16_t>(octets.size())) {
  SOFTNDK_CHECK(octets.size() <= octets_.size());
  std::copy(octets.begin(), octets.end(), octets_.begin());
}

expected<MpaFrame, MpaError> decode_mpa(Bytes in, MpaKind kind) noexcept {
  const std::size_t key_bytes = std::min(in.size(), kKeyBytes);
  if (key_bytes != 0 && std::memcmp(in.data(), key_of(kind), key_bytes) != 0) return unexpected(MpaError::wrong_key);
  if (in.size() < kMpaHeaderBytes) return unexpected(MpaError::need_more);
  ByteReader reader(in.subspan(kKeyBytes));
  const std::uint8_t flags = reader.u8();
  MpaFrame frame;
  frame.kind = kind;
  frame.markers = flags & kMarkers;
  frame.crc = flags & kCrc;
  frame.reject = flags & kReject;
  frame.revision = reader.u8();
  std::size_t private_bytes = reader.u16();
  if (frame.revision != 1 && frame.revision != 2) return unexpected(MpaError::unsupported_revision);
  if (private_bytes > kMpaPrivateBytesMax) return unexpected(MpaError::private_data_too_long);
  const bool enhanced = frame.revision >= 2 && (flags & kEnhanced);
  if (enhanced && private_bytes < kMpaEnhancedBytes) return unexpected(MpaError::enhanced_data_missing);
  if (reader.remaining() < private_bytes) return unexpected(MpaError::need_more);
  if (enhanced) {
    frame.enhanced = decode_enhanced(reader);
    private_bytes -= kMpaEnhancedBytes;
  }
  frame.private_data = PrivateData(reader.bytes(private_bytes));
  return frame;
}

void encode(const MpaFrame& frame, ByteWriter& out) noexcept {
  const Bytes ulp = frame.private_data.bytes();
  const std::size_t private_bytes = ulp.size() + (frame.enhanced ? kMpaEnhancedBytes : 0);
  SOFTNDK_CHECK(private_bytes <= kMpaPrivateBytesMax);
  SOFTNDK_CHECK(!frame.enhanced || frame.revision >= 2);
  out.bytes({reinterpret_cast<const std::uint8_t*>(key_of(frame.kind)), kKeyBytes});
  out.u8(static_cast<std::uint8_t>((frame.markers ? kMarkers : 0) | (frame.crc ? kCrc : 0) |
                                   (frame.reject ? kReject : 0) | (frame.enhanced ? kEnhanced : 0)));
  out.u8(frame.revision);
  out.u16(static_cast<std::uint16_t>(private_bytes));
  if (frame.enhanced) encode(*frame.enhanced, out);
  out.bytes(ulp);
}

}  // namespace softndk::iwarp
