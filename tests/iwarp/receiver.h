#pragma once
// A receive stream with its target, and the ULPDUs, right and wrong, that tests feed it.
#include <gtest/gtest.h>

#include <string>

#include "iwarp/rx_stream.h"
#include "memory_target.h"
#include "wire_builder.h"

namespace softndk::iwarp::test {

inline constexpr Stag kStag = 0x4200;

inline RxSettings settings_of(MutableBytes verify = {}) {
  RxSettings settings;
  settings.verify_before_place = verify;
  return settings;
}

// One receiver: target, stream, what became of it.
struct Receiver {
  explicit Receiver(RxSettings settings = {}) : stream(target, settings) {
    target.regions[kStag] = {0, Octets(100000)};
  }
  MemoryTarget target;
  RxStream stream;
  RxResult take(const Octets& octets) { return stream.consume(octets); }
};

// What the peer's octets are answered with.
inline std::string answer_to(const Octets& octets) {
  Receiver receiver;
  const RxResult result = receiver.take(octets);
  if (result.status != RxResult::Status::failed) return "none";
  Octets room(Terminate::kWireBytesMax);
  ByteWriter out(room);
  encode(result.failure, out);
  return to_hex(out.written());
}

inline Octets changed(Octets octets, std::size_t at, std::uint8_t value) {
  octets[at] = value;
  return octets;
}

inline Octets send_ulpdu(std::uint32_t msn = 1, std::uint32_t offset = 0, bool last = true, std::size_t payload = 4) {
  Octets octets(18 + payload, 0x5A);
  ByteWriter out(octets);
  encode(UntaggedDdpHeader{last, 0x43, 0, 0, msn, offset}, out);
  return octets;
}
inline Octets tagged_ulpdu(Opcode opcode, std::uint64_t to, bool last, std::size_t payload, Stag stag = kStag) {
  Octets octets(14 + payload, 0xA5);
  ByteWriter out(octets);
  encode(TaggedDdpHeader{last, encode_rdmap_control(opcode), stag, to}, out);
  return octets;
}
inline Octets read_ulpdu(std::uint32_t msn = 1, std::uint32_t offset = 0, bool last = true) {
  Octets octets(46);
  ByteWriter out(octets);
  encode(UntaggedDdpHeader{last, 0x41, 0, 1, msn, offset}, out);
  encode(ReadRequestHeader{1, 2, 3, 4, 5}, out);
  return octets;
}

}  // namespace softndk::iwarp::test
