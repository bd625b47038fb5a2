#pragma once
// What a received header means, once every check that needs no memory or queue has passed.
#include <cstdint>

#include "iwarp/rdmap_header.h"

namespace softndk::iwarp {

/// One DDP segment of a Write, a Read Response or a Send. Fields of the other buffer model are 0.
struct Segment {
  Opcode opcode = Opcode::send;
  bool first = false;  ///< of its message
  bool last = false;
  std::uint32_t payload_bytes = 0;
  std::uint32_t message_offset_bytes = 0;  ///< payload octets of the message before this segment; untagged: MO
  // Tagged.
  Stag stag = 0;
  std::uint64_t to_bytes = 0;  ///< of this segment's first payload octet
  // Untagged.
  std::uint32_t msn = 0;
  Stag invalidate_stag = 0;  ///< valid if has_invalidate(opcode)
  bool operator==(const Segment&) const = default;
};

struct ReadRequest {
  std::uint32_t msn = 0;
  ReadRequestHeader header;
  bool operator==(const ReadRequest&) const = default;
};

}  // namespace softndk::iwarp
