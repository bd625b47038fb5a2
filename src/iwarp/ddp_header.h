#pragma once
// DDP segment headers (RFC 5041 4.1 to 4.3).
#include <cstdint>

#include "base/bytes.h"
#include "base/expected.h"

namespace softndk::iwarp {

using Stag = std::uint32_t;

/// The first octet of every segment, before it is known which of the two headers follows. Reserved bits are dropped.
struct DdpControl {
  bool tagged = false;
  bool last = false;
  std::uint8_t version = 1;
  bool operator==(const DdpControl&) const = default;
};
inline constexpr std::uint8_t kDdpVersion = 1;
[[nodiscard]] constexpr DdpControl decode_ddp_control(std::uint8_t octet) {
  return {(octet & 0x80) != 0, (octet & 0x40) != 0, static_cast<std::uint8_t>(octet & 0x03)};
}
[[nodiscard]] constexpr std::uint8_t encode_ddp_control(DdpControl control) {
  return static_cast<std::uint8_t>((control.tagged ? 0x80 : 0) | (control.last ? 0x40 : 0) | (control.version & 0x03));
}

/// Tagged Buffer Model header (RFC 5041 4.2).
struct TaggedDdpHeader {
  static constexpr std::size_t kWireBytes = 14;
  bool last = false;           ///< L: final segment of its DDP message
  std::uint8_t ulp = 0;        ///< RsvdULP: RDMAP's control octet; DDP carries it and never looks
  Stag stag = 0;               ///< the sink buffer
  std::uint64_t to_bytes = 0;  ///< where in the sink buffer the payload's first octet goes
  bool operator==(const TaggedDdpHeader&) const = default;
};

/// Untagged Buffer Model header (RFC 5041 4.3).
struct UntaggedDdpHeader {
  static constexpr std::size_t kWireBytes = 18;
  bool last = false;
  std::uint8_t ulp = 0;            ///< RsvdULP, first octet: RDMAP's control octet
  std::uint32_t ulp_word = 0;      ///< RsvdULP, the other four: RDMAP's Invalidate STag
  std::uint32_t queue = 0;         ///< QN
  std::uint32_t msn = 0;           ///< 1 for a queue's first message, then +1 modulo 2^32
  std::uint32_t offset_bytes = 0;  ///< MO: where in the message the payload's first octet belongs
  bool operator==(const UntaggedDdpHeader&) const = default;
};

enum class DdpError : std::uint8_t { truncated, unsupported_version, wrong_model };

/// Take one header off `in`; on error `in` has not moved. wrong_model: the T bit says the other header follows.
[[nodiscard]] expected<TaggedDdpHeader, DdpError> decode_tagged(ByteReader& in) noexcept;
[[nodiscard]] expected<UntaggedDdpHeader, DdpError> decode_untagged(ByteReader& in) noexcept;
/// Append exactly kWireBytes; `out` has room for them.
inline void encode(const TaggedDdpHeader& header, ByteWriter& out) noexcept {
  out.u8(encode_ddp_control({true, header.last, kDdpVersion}));
  out.u8(header.ulp);
  out.u32(header.stag);
  out.u64(header.to_bytes);
}

inline void encode(const UntaggedDdpHeader& header, ByteWriter& out) noexcept {
  out.u8(encode_ddp_control({false, header.last, kDdpVersion}));
  out.u8(header.ulp);
  out.u32(header.ulp_word);
  out.u32(header.queue);
  out.u32(header.msn);
  out.u32(header.offset_bytes);
}

// Each message has one: inline.
namespace detail {
// What both headers begin with. The model is looked at first: without it nobody knows how long the header is.
inline expected<DdpControl, DdpError> check_control(const ByteReader& in, bool tagged, std::size_t wire_bytes) {
  if (in.remaining() == 0) return unexpected(DdpError::truncated);
  const DdpControl control = decode_ddp_control(in.rest()[0]);
  if (control.tagged != tagged) return unexpected(DdpError::wrong_model);
  if (control.version != kDdpVersion) return unexpected(DdpError::unsupported_version);
  if (in.remaining() < wire_bytes) return unexpected(DdpError::truncated);
  return control;
}
}  // namespace detail

inline expected<TaggedDdpHeader, DdpError> decode_tagged(ByteReader& in) noexcept {
  const auto control = detail::check_control(in, true, TaggedDdpHeader::kWireBytes);
  if (!control) return unexpected(control.error());
  in.skip(1);
  TaggedDdpHeader header;
  header.last = control->last;
  header.ulp = in.u8();
  header.stag = in.u32();
  header.to_bytes = in.u64();
  return header;
}

inline expected<UntaggedDdpHeader, DdpError> decode_untagged(ByteReader& in) noexcept {
  const auto control = detail::check_control(in, false, UntaggedDdpHeader::kWireBytes);
  if (!control) return unexpected(control.error());
  in.skip(1);
  UntaggedDdpHeader header;
  header.last = control->last;
  header.ulp = in.u8();
  header.ulp_word = in.u32();
  header.queue = in.u32();
  header.msn = in.u32();
  header.offset_bytes = in.u32();
  return header;
}

}  // namespace softndk::iwarp
