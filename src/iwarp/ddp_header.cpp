#include "iwarp/ddp_header.h"

namespace softndk::iwarp {
namespace {
// What both headers begin with. The model is looked at first: without it nobody knows how long the header is.
expected<DdpControl, DdpError> check_control(const ByteReader& in, bool tagged, std::size_t wire_bytes) {
  if (in.remaining() == 0) return unexpected(DdpError::truncated);
  const DdpControl control = decode_ddp_control(in.rest()[0]);
  if (control.tagged != tagged) return unexpected(DdpError::wrong_model);
  if (control.version != kDdpVersion) return unexpected(DdpError::unsupported_version);
  if (in.remaining() < wire_bytes) return unexpected(DdpError::truncated);
  return control;
}
}  // namespace

expected<TaggedDdpHeader, DdpError> decode_tagged(ByteReader& in) noexcept {
  const auto control = check_control(in, true, TaggedDdpHeader::kWireBytes);
  if (!control) return unexpected(control.error());
  in.skip(1);
  TaggedDdpHeader header;
  header.last = control->last;
  header.ulp = in.u8();
  header.stag = in.u32();
  header.to_bytes = in.u64();
  return header;
}

expected<UntaggedDdpHeader, DdpError> decode_untagged(ByteReader& in) noexcept {
  const auto control = check_control(in, false, UntaggedDdpHeader::kWireBytes);
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

void encode(const TaggedDdpHeader& header, ByteWriter& out) noexcept {
  out.u8(encode_ddp_control({true, header.last, kDdpVersion}));
  out.u8(header.ulp);
  out.u32(header.stag);
  out.u64(header.to_bytes);
}

void encode(const UntaggedDdpHeader& header, ByteWriter& out) noexcept {
  out.u8(encode_ddp_control({false, header.last, kDdpVersion}));
  out.u8(header.ulp);
  out.u32(header.ulp_word);
  out.u32(header.queue);
  out.u32(header.msn);
  out.u32(header.offset_bytes);
}

}  // namespace softndk::iwarp
