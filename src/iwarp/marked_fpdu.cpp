#include "iwarp/marked_fpdu.h"

#include "iwarp/crc32c.h"
#include "iwarp/fpdu.h"

namespace softndk::iwarp {
namespace {

// Walks a marked stream from where one FPDU (or the marker in front of it) starts.
struct Walk {
  Bytes in;
  std::uint64_t position;
  Crc32c crc;
  std::size_t at = 0;
  std::size_t since_length = 0;
  std::size_t markers = 0;
  bool pointers_agree = true;
  bool in_fpdu = false;

  bool skip_marker() {
    if ((position + at) % kMarkerInterval != 0) return true;
    if (in.size() - at < kMarkerBytes) return false;
    // The reserved half is covered by the CRC but not looked at; the pointer's two low bits read as 0.
    if ((load_be16(in.data() + at + 2) & ~3u) != since_length) pointers_agree = false;
    crc.update(in.subspan(at, kMarkerBytes));
    at += kMarkerBytes;
    if (in_fpdu) since_length += kMarkerBytes;
    ++markers;
    return true;
  }
  // Takes octets that the CRC covers, markers before and between them included.
  bool take(std::uint8_t* to, std::size_t count) {
    for (; count != 0; --count) {
      if (!skip_marker() || at == in.size()) return false;
      in_fpdu = true;
      crc.update(in.subspan(at, 1));
      *to++ = in[at++];
      ++since_length;
    }
    return true;
  }
};

}  // namespace

expected<MarkedFpduReader::Frame, MarkedFpduReader::Error> MarkedFpduReader::next(Bytes in,
                                                                                  MutableBytes ulpdu) noexcept {
  Walk walk{.in = in, .position = position_, .crc = {}};
  std::uint8_t length[kFpduLengthBytes];
  if (!walk.take(length, sizeof length)) return unexpected(Error::need_more);
  const std::size_t ulpdu_bytes = load_be16(length);
  std::uint8_t pad[3];
  if (!walk.take(ulpdu.data(), ulpdu_bytes) || !walk.take(pad, pad_bytes(static_cast<std::uint32_t>(ulpdu_bytes))) ||
      !walk.skip_marker() || in.size() - walk.at < kFpduCrcBytes) {
    return unexpected(Error::need_more);
  }
  if (crc_on_ && load_crc(in.data() + walk.at) != walk.crc.value()) return unexpected(Error::crc);
  if (!walk.pointers_agree) return unexpected(Error::marker_mismatch);
  walk.at += kFpduCrcBytes;
  position_ += walk.at;
  return Frame{walk.at, ulpdu_bytes, walk.markers};
}

}  // namespace softndk::iwarp
