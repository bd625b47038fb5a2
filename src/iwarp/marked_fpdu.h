#pragma once
// Takes markers out of a received stream (RFC 5044 4.2). We never ask a peer for them, so this serves tests, which
// play the peer that does.
#include <cstdint>

#include "base/bytes.h"
#include "base/expected.h"

namespace softndk::iwarp {

class MarkedFpduReader {
 public:
  /// `position`: stream octets of this direction before the first one that will be read.
  explicit MarkedFpduReader(bool crc, std::uint64_t position = 0) noexcept : crc_on_(crc), position_(position) {}

  enum class Error : std::uint8_t { need_more, crc, marker_mismatch };
  struct Frame {
    std::size_t consumed_bytes;  ///< stream octets, markers included
    std::size_t ulpdu_bytes;
    std::size_t markers;
  };
  /// Takes the FPDU at the front of `in`, its ULPDU into `ulpdu` (room for 65535 octets). After an error other than
  /// need_more nothing may be read any more.
  [[nodiscard]] expected<Frame, Error> next(Bytes in, MutableBytes ulpdu) noexcept;

 private:
  const bool crc_on_;
  std::uint64_t position_;
};

}  // namespace softndk::iwarp
