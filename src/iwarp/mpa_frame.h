#pragma once
// MPA Request and Reply frames (RFC 5044 7.1.1, RFC 6581 6 and 9).
#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/expected.h"

namespace softndk::iwarp {

inline constexpr std::size_t kMpaHeaderBytes = 20;
inline constexpr std::size_t kMpaPrivateBytesMax = 512;  ///< PD_Length, the 4 enhanced octets included
inline constexpr std::size_t kMpaEnhancedBytes = 4;
inline constexpr std::size_t kMpaFrameBytesMax = kMpaHeaderBytes + kMpaPrivateBytesMax;

/// Kinds of first message that tell a responder that the initiator is ready (RFC 6581 9.2).
struct RtrKinds {
  bool send = false;   ///< B: zero-length Send
  bool write = false;  ///< C: zero-length RDMA Write
  bool read = false;   ///< D: zero-length RDMA Read
  bool operator==(const RtrKinds&) const = default;
  bool any() const { return send || write || read; }
};

/// The first 4 octets of private data when S is set. Raw numbers, 14 bits each.
struct MpaEnhanced {
  bool peer_to_peer = false;  ///< A
  RtrKinds rtr;               ///< as on the wire; without A they mean nothing
  std::uint16_t ird = 0;
  std::uint16_t ord = 0;
  bool operator==(const MpaEnhanced&) const = default;
};

/// ULP private data, bounded by the frame.
class PrivateData {
 public:
  PrivateData() = default;
  /// `octets` must not exceed kMpaPrivateBytesMax.
  explicit PrivateData(Bytes octets) noexcept;
  Bytes bytes() const { return Bytes(octets_).first(size_); }
  bool operator==(const PrivateData&) const = default;

 private:
  std::array<std::uint8_t, kMpaPrivateBytesMax> octets_{};
  std::uint16_t size_ = 0;
};

enum class MpaKind : std::uint8_t { request, reply };

struct MpaFrame {
  MpaKind kind = MpaKind::request;
  bool markers = false;                 ///< M: "put markers into what you send me"
  bool crc = false;                     ///< C
  bool reject = false;                  ///< R: means something in a Reply only, but is reported as it stood
  std::uint8_t revision = 2;            ///< 1 or 2
  std::optional<MpaEnhanced> enhanced;  ///< S with revision 2; never with revision 1, whose S bit is reserved
  PrivateData private_data;             ///< the ULP's, without the 4 enhanced octets
  bool operator==(const MpaFrame&) const = default;
  std::size_t wire_bytes() const {
    return kMpaHeaderBytes + (enhanced ? kMpaEnhancedBytes : 0) + private_data.bytes().size();
  }
};

enum class MpaError : std::uint8_t {
  need_more,              ///< no complete frame yet, nothing wrong so far
  wrong_key,              ///< also the key of the other kind
  unsupported_revision,   ///< not 1 or 2
  private_data_too_long,  ///< PD_Length above 512
  enhanced_data_missing,  ///< S set, PD_Length below 4
};

/// Decodes the frame at the front of `in`, which may hold more; the frame's wire_bytes() say how much it took.
/// Reserved bits are ignored. Errors are found as early as the octets show them, in the order key, revision, length.
[[nodiscard]] expected<MpaFrame, MpaError> decode_mpa(Bytes in, MpaKind kind) noexcept;
/// Appends wire_bytes() octets, at most kMpaFrameBytesMax.
void encode(const MpaFrame& frame, ByteWriter& out) noexcept;

}  // namespace softndk::iwarp
