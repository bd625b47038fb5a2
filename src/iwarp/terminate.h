#pragma once
// The Terminate message (RFC 5040 4.8) and every code it can carry (RFC 5040 4.8, 5041 7, 5044 8, 6581 8).
#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/expected.h"
#include "iwarp/segment.h"

namespace softndk::iwarp {

struct TerminateCode {
  std::uint8_t layer = 0;  ///< 0 RDMAP, 1 DDP, 2 LLP (MPA)
  std::uint8_t etype = 0;
  std::uint8_t code = 0;
  constexpr bool operator==(const TerminateCode&) const = default;
  /// 0x000LEECC: one number for a log line or a completion.
  constexpr std::uint32_t packed() const {
    return std::uint32_t{layer} << 12 | std::uint32_t{etype} << 8 | std::uint32_t{code};
  }
};

namespace terminate_code {
// RDMAP, local catastrophic: also the abortive close of our own consumer.
inline constexpr TerminateCode kRdmapLocalCatastrophic{0, 0, 0x00};
// RDMAP, remote protection: Read Request and Send with Invalidate.
inline constexpr TerminateCode kReadInvalidStag{0, 1, 0x00};
inline constexpr TerminateCode kReadBaseOrBounds{0, 1, 0x01};
inline constexpr TerminateCode kReadAccessRights{0, 1, 0x02};
inline constexpr TerminateCode kReadStagNotAssociated{0, 1, 0x03};
inline constexpr TerminateCode kReadToWrap{0, 1, 0x04};
inline constexpr TerminateCode kInvalidateForeignStag{0, 1, 0x09};  ///< the STag exists but is not this stream's
inline constexpr TerminateCode kProtectionUnspecified{0, 1, 0xFF};
// RDMAP, remote operation.
inline constexpr TerminateCode kInvalidRdmapVersion{0, 2, 0x05};
inline constexpr TerminateCode kUnexpectedOpcode{0, 2, 0x06};
inline constexpr TerminateCode kCatastrophicStream{0, 2, 0x07};
inline constexpr TerminateCode kCatastrophicGlobal{0, 2, 0x08};
inline constexpr TerminateCode kInvalidateUnknownStag{0, 2, 0x09};
inline constexpr TerminateCode kOperationUnspecified{0, 2, 0xFF};
// DDP.
inline constexpr TerminateCode kDdpLocalCatastrophic{1, 0, 0x00};
inline constexpr TerminateCode kTaggedInvalidStag{1, 1, 0x00};  ///< also a Write to memory without that right
inline constexpr TerminateCode kTaggedBaseOrBounds{1, 1, 0x01};
inline constexpr TerminateCode kTaggedStagNotAssociated{1, 1, 0x02};
inline constexpr TerminateCode kTaggedToWrap{1, 1, 0x03};
inline constexpr TerminateCode kTaggedInvalidVersion{1, 1, 0x04};
inline constexpr TerminateCode kUntaggedInvalidQueue{1, 2, 0x01};
inline constexpr TerminateCode kUntaggedNoBuffer{1, 2, 0x02};  ///< no receive in time; read limit exceeded
inline constexpr TerminateCode kUntaggedMsnRange{1, 2, 0x03};
inline constexpr TerminateCode kUntaggedInvalidOffset{1, 2, 0x04};
inline constexpr TerminateCode kUntaggedTooLong{1, 2, 0x05};
inline constexpr TerminateCode kUntaggedInvalidVersion{1, 2, 0x06};
// LLP (MPA).
inline constexpr TerminateCode kMpaTcpLost{2, 0, 0x01};  ///< a local report only
inline constexpr TerminateCode kMpaCrc{2, 0, 0x02};
inline constexpr TerminateCode kMpaMarkerOrLength{2, 0, 0x03};  ///< also a ULPDU too short for its header
inline constexpr TerminateCode kMpaInvalidFrame{2, 0, 0x04};
inline constexpr TerminateCode kMpaLocalCatastrophic{2, 0, 0x05};
inline constexpr TerminateCode kMpaInsufficientIrd{2, 0, 0x06};
inline constexpr TerminateCode kMpaNoMatchingRtr{2, 0, 0x07};
}  // namespace terminate_code

/// True for every combination that one of the RFCs gives a meaning (all codes of layer 0, etype 0 are one).
[[nodiscard]] bool is_defined(TerminateCode code) noexcept;

/// A Terminate as sent and received. Headers are kept as they were on the wire.
struct Terminate {
  static constexpr std::size_t kControlBytes = 4;
  static constexpr std::size_t kHeadersBytesMax = UntaggedDdpHeader::kWireBytes + ReadRequestHeader::kWireBytes;
  static constexpr std::size_t kWireBytesMax = kControlBytes + 2 + kHeadersBytesMax;

  TerminateCode code;
  std::uint8_t ddp_header_bytes = 0;   ///< 0, 14 or 18: which copied DDP header is there
  std::uint8_t rdma_header_bytes = 0;  ///< 0 or 28
  std::uint16_t segment_bytes = 0;     ///< of the offending segment: its ULPDU_Length (siw: its payload only)
  std::array<std::uint8_t, kHeadersBytesMax> headers{};  ///< the DDP header, then the RDMA header; unused octets are 0

  bool operator==(const Terminate&) const = default;
  Bytes copied_headers() const {
    return Bytes(headers).first(std::size_t{ddp_header_bytes} + std::size_t{rdma_header_bytes});
  }
  std::size_t wire_bytes() const {
    return kControlBytes + (ddp_header_bytes != 0 ? 2 : 0) + ddp_header_bytes + rdma_header_bytes;
  }
};

enum class TerminateError : std::uint8_t { truncated };

/// `payload` is what follows the untagged DDP header. Takes the RFC's layout and that of Linux siw on little-endian
/// hosts. Without headers some codes mean one thing in either layout: `first_fpdu` (the Terminate is the first FPDU of
/// its direction) chooses MPA's meaning, otherwise it is RDMAP's.
[[nodiscard]] expected<Terminate, TerminateError> decode_terminate(Bytes payload, bool first_fpdu) noexcept;
/// Appends wire_bytes() octets, always in the RFC's layout.
void encode(const Terminate& terminate, ByteWriter& out) noexcept;

/// What arrived. An invalid one (wrong queue, MSN, offset or size) ends the stream just the same.
struct ReceivedTerminate {
  bool well_formed = false;
  Terminate terminate;  ///< all 0 unless well_formed
};

// Building one. Which headers a code copies is RFC 5040's figure 10; the functions apply it.

/// No incoming segment is to blame, or the code copies none.
[[nodiscard]] Terminate make_terminate(TerminateCode code) noexcept;
/// `headers` as received, DDP header first, as much as there is: a code that copies a header gets one only if it is
/// complete, and the RDMA header only for a Read Request.
[[nodiscard]] Terminate make_terminate(TerminateCode code, Bytes headers, std::uint16_t ulpdu_bytes) noexcept;
/// For a segment that was kept (a parked Send): its header is written anew.
[[nodiscard]] Terminate make_terminate(TerminateCode code, const Segment& segment) noexcept;
/// For a Read Request of which `answered_bytes` were sent already: the copy says what is left.
[[nodiscard]] Terminate make_terminate(TerminateCode code, const ReadRequest& request,
                                       std::uint32_t answered_bytes) noexcept;

/// Which of our Reads a peer's Terminate complains about, if it copies a Read Request's header. With `sink` it is the
/// oldest pending one with that SinkSTag and SinkTO inside it (siw garbles the MSN then), else the one with `msn`.
struct NamedRead {
  struct Sink {
    Stag stag;
    std::uint64_t to_bytes;
    bool operator==(const Sink&) const = default;
  };
  std::uint32_t msn = 0;
  std::optional<Sink> sink;
  bool operator==(const NamedRead&) const = default;
};
[[nodiscard]] std::optional<NamedRead> named_read(const Terminate& terminate) noexcept;

}  // namespace softndk::iwarp
