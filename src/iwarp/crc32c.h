#pragma once
// CRC32C as MPA uses it (RFC 5044 4.4): reflected Castagnoli polynomial, register starts as all ones, result inverted.
#include <cstdint>

#include "base/bytes.h"

namespace softndk::iwarp {

/// A CRC that grows with the octets it is fed. The check value of the ASCII digits 123456789 is 0xE3069283.
class Crc32c {
 public:
  void update(Bytes octets) noexcept;
  void reset() noexcept { state_ = kStart; }
  /// The value for all octets since the last reset. On the wire its least significant octet comes first.
  [[nodiscard]] std::uint32_t value() const noexcept { return ~state_; }

 private:
  static constexpr std::uint32_t kStart = 0xFFFFFFFF;
  std::uint32_t state_ = kStart;
};

[[nodiscard]] std::uint32_t crc32c(Bytes octets) noexcept;

/// The ways to advance the raw (not inverted) register. crc32c_extend picks the best at first use; the others are
/// named so that a test can compare them.
namespace crc32c_kernel {
using Extend = std::uint32_t (*)(std::uint32_t state, const std::uint8_t* octets, std::size_t count) noexcept;
std::uint32_t extend_table(std::uint32_t state, const std::uint8_t* octets, std::size_t count) noexcept;
/// Null where the processor has no CRC32 instruction.
[[nodiscard]] Extend extend_sse42() noexcept;
/// Null where the build found no ISA-L.
[[nodiscard]] Extend extend_isal() noexcept;
}  // namespace crc32c_kernel

/// The one field of the stack that is not big-endian (RFC 5044 4.4).
inline void store_crc(std::uint8_t* to, std::uint32_t crc) {
  std::memcpy(to, &crc, sizeof crc);
}
inline std::uint32_t load_crc(const std::uint8_t* from) {
  std::uint32_t crc;
  std::memcpy(&crc, from, sizeof crc);
  return crc;
}

}  // namespace softndk::iwarp
