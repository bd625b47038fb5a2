#pragma once
// The arithmetic of FPDUs: ULPDU_Length(2) | ULPDU | PAD(0..3) | CRC(4)  (RFC 5044 4.1, 5.1).
#include <cstddef>
#include <cstdint>

namespace softndk::iwarp {

inline constexpr std::size_t kFpduLengthBytes = 2;
inline constexpr std::size_t kFpduCrcBytes = 4;
inline constexpr std::uint32_t kUlpduBytesMax = 65535;  ///< what the length field can say, and a receiver takes
inline constexpr std::uint32_t kMulpduMin = 128;
inline constexpr std::uint32_t kMulpduMax = 64768;
inline constexpr std::uint32_t kMarkerInterval = 512;
inline constexpr std::uint32_t kMarkerBytes = 4;

constexpr std::uint32_t pad_bytes(std::uint32_t ulpdu_bytes) {
  return (4 - (kFpduLengthBytes + ulpdu_bytes) % 4) % 4;
}

/// Octets on the stream, markers not counted; always a multiple of 4.
constexpr std::uint32_t fpdu_bytes(std::uint32_t ulpdu_bytes) {
  return kFpduLengthBytes + ulpdu_bytes + pad_bytes(ulpdu_bytes) + kFpduCrcBytes;
}

/// The largest ULPDU that fits one TCP segment of `emss_bytes`, clamped to what RFC 5044 allows a sender.
constexpr std::uint32_t mulpdu(std::uint32_t emss_bytes, bool markers) {
  const std::uint32_t marker_bytes =
      markers ? kMarkerBytes * ((emss_bytes + kMarkerInterval - 1) / kMarkerInterval) : 0;
  const std::uint32_t overhead = 6 + marker_bytes + emss_bytes % 4;
  if (emss_bytes < overhead + kMulpduMin) return kMulpduMin;
  const std::uint32_t fit = emss_bytes - overhead;
  return fit > kMulpduMax ? kMulpduMax : fit;
}

}  // namespace softndk::iwarp
