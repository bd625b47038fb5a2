#include "iwarp/rdmap_header.h"

namespace softndk::iwarp {

expected<ReadRequestHeader, RdmapError> decode_read_request(ByteReader& in) noexcept {
  if (in.remaining() < ReadRequestHeader::kWireBytes) return unexpected(RdmapError::truncated);
  ReadRequestHeader header;
  header.sink_stag = in.u32();
  header.sink_to_bytes = in.u64();
  header.length_bytes = in.u32();
  header.source_stag = in.u32();
  header.source_to_bytes = in.u64();
  return header;
}

void encode(const ReadRequestHeader& header, ByteWriter& out) noexcept {
  out.u32(header.sink_stag);
  out.u64(header.sink_to_bytes);
  out.u32(header.length_bytes);
  out.u32(header.source_stag);
  out.u64(header.source_to_bytes);
}

}  // namespace softndk::iwarp
