#pragma once
// RDMAP's control octet, opcodes and Read Request header (RFC 5040 4.1 to 4.4).
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/expected.h"
#include "iwarp/ddp_header.h"

namespace softndk::iwarp {

enum class Opcode : std::uint8_t {
  write = 0,
  read_request = 1,
  read_response = 2,
  send = 3,
  send_invalidate = 4,
  send_solicited = 5,
  send_solicited_invalidate = 6,
  terminate = 7,
};

/// DDP queue numbers as RDMAP uses them.
enum class Queue : std::uint32_t { send = 0, read_request = 1, terminate = 2 };

constexpr bool is_tagged(Opcode opcode) {
  return opcode == Opcode::write || opcode == Opcode::read_response;
}
constexpr bool is_send(Opcode opcode) {
  return opcode >= Opcode::send && opcode <= Opcode::send_solicited_invalidate;
}
constexpr bool has_invalidate(Opcode opcode) {
  return opcode == Opcode::send_invalidate || opcode == Opcode::send_solicited_invalidate;
}
constexpr bool is_solicited(Opcode opcode) {
  return opcode == Opcode::send_solicited || opcode == Opcode::send_solicited_invalidate;
}
/// The queue of an untagged opcode; meaningless for the two tagged ones.
constexpr Queue queue_of(Opcode opcode) {
  if (opcode == Opcode::read_request) return Queue::read_request;
  if (opcode == Opcode::terminate) return Queue::terminate;
  return Queue::send;
}
constexpr Opcode send_opcode(bool solicited, bool invalidate) {
  if (invalidate) return solicited ? Opcode::send_solicited_invalidate : Opcode::send_invalidate;
  return solicited ? Opcode::send_solicited : Opcode::send;
}

enum class RdmapError : std::uint8_t { truncated, unsupported_version, unknown_opcode };

/// The two reserved bits are ignored. Opcodes 8 to 15 are unknown: RFC 7306's are not supported.
[[nodiscard]] inline expected<Opcode, RdmapError> decode_rdmap_control(std::uint8_t octet) noexcept {
  if (octet >> 6 != 1) return unexpected(RdmapError::unsupported_version);
  const std::uint8_t opcode = octet & 0x0F;
  if (opcode > static_cast<std::uint8_t>(Opcode::terminate)) return unexpected(RdmapError::unknown_opcode);
  return static_cast<Opcode>(opcode);
}
[[nodiscard]] constexpr std::uint8_t encode_rdmap_control(Opcode opcode) {
  return static_cast<std::uint8_t>(0x40 | static_cast<std::uint8_t>(opcode));
}

/// What follows the untagged DDP header of a Read Request (RFC 5040 4.4).
struct ReadRequestHeader {
  static constexpr std::size_t kWireBytes = 28;
  Stag sink_stag = 0;  ///< the requester's buffer: copied uninterpreted into the Read Response
  std::uint64_t sink_to_bytes = 0;
  std::uint32_t length_bytes = 0;  ///< RDMARDSZ
  Stag source_stag = 0;            ///< the buffer to read here
  std::uint64_t source_to_bytes = 0;
  bool operator==(const ReadRequestHeader&) const = default;
};
[[nodiscard]] expected<ReadRequestHeader, RdmapError> decode_read_request(ByteReader& in) noexcept;
void encode(const ReadRequestHeader& header, ByteWriter& out) noexcept;

/// ULPDU octets before the ULP payload of a segment with this opcode. A Terminate's own control word counts as payload.
constexpr std::uint32_t header_bytes(Opcode opcode) {
  if (is_tagged(opcode)) return TaggedDdpHeader::kWireBytes;
  if (opcode == Opcode::read_request) return UntaggedDdpHeader::kWireBytes + ReadRequestHeader::kWireBytes;
  return UntaggedDdpHeader::kWireBytes;
}

}  // namespace softndk::iwarp
