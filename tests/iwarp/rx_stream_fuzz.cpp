// Any octets as a peer's FPDUs: the same is announced and placed however they are cut, staged, read directly, stalled
// or verified first, and what is answered is a Terminate that reads back.
#include <cstdint>

#include "iwarp/rx_stream.h"
#include "memory_target.h"

using namespace softndk;
using namespace softndk::iwarp;
using test::MemoryTarget;
using test::Octets;

namespace {

// Bits of the first input octet.
constexpr std::uint8_t kCrc = 1;
constexpr std::uint8_t kStalls = 2;

struct Outcome {
  RxResult::Status status = RxResult::Status::more;
  Terminate failure;
  std::vector<std::string> log;
  RxStream::End end = RxStream::End::graceful;
  bool operator==(const Outcome&) const = default;
};

void prepare(MemoryTarget& target) {
  for (const Stag stag : {0x12345600u, 0xAABBCC00u})
    target.regions[stag] = {0x1000, Octets(0x2000)};
}

Outcome outcome_of(const RxResult& result, const RxStream& stream, const MemoryTarget& target) {
  return {result.status, result.failure, target.log, stream.on_end()};
}

Outcome whole(Bytes in, const RxSettings& settings) {
  MemoryTarget target;
  prepare(target);
  RxStream stream(target, settings);
  const RxResult result = stream.consume(in);
  return outcome_of(result, stream, target);
}

Outcome in_pieces(Bytes in, RxSettings settings, std::uint8_t seed, bool stalls) {
  settings.direct_bytes_min = 1 + seed % 64;
  MemoryTarget target;
  prepare(target);
  target.crumb_bytes = 1 + seed % 50;
  RxStream stream(target, settings);
  Octets staging(1 + seed), kept;
  RxResult result;
  std::uint32_t random = seed;
  do {
    random = random * 1664525 + 1013904223;
    if (stalls) target.stalls = random >> 28 == 0;
    if (result.status == RxResult::Status::stalled) {
      result = stream.consume(kept);
    } else {
      std::array<IoSpan, 3> spans;
      const std::size_t count = stream.next_buffers(staging, spans);
      if (count == 0) {
        result = stream.consume({});
        if (result.status == RxResult::Status::more) continue;
        break;
      }
      std::size_t received = 0;
      const std::size_t budget = std::min<std::size_t>(in.size(), (random >> 16) % 200);
      for (std::size_t i = 0; i < count && received < budget; ++i) {
        const std::size_t size = std::min(spans[i].size, budget - received);
        std::memcpy(spans[i].data, in.data(), size);
        in = in.subspan(size);
        received += size;
      }
      result = stream.advance(received);
    }
    if (result.status == RxResult::Status::stalled) {
      kept = Octets(result.unconsumed.begin(), result.unconsumed.end());
      result.unconsumed = {};
    }
  } while (result.status == RxResult::Status::stalled || (result.status == RxResult::Status::more && !in.empty()));
  return outcome_of(result, stream, target);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size_bytes) {
  if (size_bytes < 2) return 0;
  const Bytes in{input + 2, size_bytes - 2};
  RxSettings settings;
  settings.crc = (input[0] & kCrc) != 0;
  const bool stalls = (input[0] & kStalls) != 0;

  const Outcome expected = whole(in, settings);
  SOFTNDK_CHECK(in_pieces(in, settings, input[1], stalls) == expected);
  static Octets verify(kUlpduBytesMax);
  settings.verify_before_place = verify;
  SOFTNDK_CHECK(in_pieces(in, settings, input[1], stalls) == expected);

  if (expected.status == RxResult::Status::failed) {
    std::array<std::uint8_t, Terminate::kWireBytesMax> room;
    ByteWriter out(room);
    encode(expected.failure, out);
    const bool first_fpdu = expected.failure.code.layer == 2;
    const auto again = decode_terminate(out.written(), first_fpdu);
    SOFTNDK_CHECK(again && *again == expected.failure);
  }
  return 0;
}
