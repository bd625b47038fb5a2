#pragma once
// Octets of FPDUs for tests: good ones through TxFramer, bad ones from hand-made ULPDUs.
#include <initializer_list>
#include <vector>

#include "iwarp/crc32c.h"
#include "iwarp/tx_framer.h"
#include "vectors.h"

namespace softndk::iwarp::test {

/// A gather list with room for everything a test sends.
struct Wire {
  std::vector<ConstIoSpan> span_room = std::vector<ConstIoSpan>(20000);
  Octets arena = Octets(1 << 20);
  GatherList list{span_room, arena};

  Octets octets() const {
    Octets all;
    for (const auto& span : list.spans())
      all.insert(all.end(), span.data, span.data + span.size);
    return all;
  }
};

/// All FPDUs of a message.
inline void append_message(TxFramer& framer, const TxMessage& message, Bytes content, std::uint32_t mulpdu_bytes,
                           GatherList& out) {
  std::uint32_t offset = 0;
  for (bool last = false; !last;) {
    const auto cut = framer.begin(message, offset, mulpdu_bytes, out);
    framer.payload({content.data() + offset, cut.payload_bytes}, out);
    framer.finish(out);
    offset += cut.payload_bytes;
    last = cut.last;
  }
}

inline Octets message_octets(TxMessage message, Bytes content, std::uint32_t mulpdu_bytes = kUlpduBytesMax,
                             bool crc = true) {
  Wire wire;
  TxFramer framer(crc, false);
  message.length_bytes = static_cast<std::uint32_t>(content.size());
  append_message(framer, message, content, mulpdu_bytes, wire.list);
  return wire.octets();
}

/// Wraps any octets as ULPDU, right or wrong, with a good CRC.
inline Octets fpdu_of(Bytes ulpdu, std::uint8_t pad_value = 0) {
  const auto ulpdu_bytes = static_cast<std::uint32_t>(ulpdu.size());
  Octets fpdu(fpdu_bytes(ulpdu_bytes), pad_value);
  ByteWriter out(fpdu);
  out.u16(static_cast<std::uint16_t>(ulpdu_bytes));
  out.bytes(ulpdu);
  const std::size_t covered = fpdu.size() - kFpduCrcBytes;
  store_crc(fpdu.data() + covered, crc32c(Bytes(fpdu).first(covered)));
  return fpdu;
}

/// The ULPDU inside one unmarked FPDU.
inline Octets ulpdu_of(Bytes fpdu) {
  const std::size_t size = load_be16(fpdu.data());
  return {fpdu.begin() + 2, fpdu.begin() + 2 + static_cast<std::ptrdiff_t>(size)};
}

inline Octets concat(std::initializer_list<Octets> parts) {
  Octets all;
  for (const Octets& part : parts)
    all.insert(all.end(), part.begin(), part.end());
  return all;
}

inline Octets pattern(std::size_t size, std::uint32_t seed = 1) {
  Octets octets(size);
  for (auto& octet : octets) {
    seed = seed * 1664525 + 1013904223;
    octet = static_cast<std::uint8_t>(seed >> 24);
  }
  return octets;
}

}  // namespace softndk::iwarp::test
