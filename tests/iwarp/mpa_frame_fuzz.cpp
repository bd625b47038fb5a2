// Any octets as an MPA frame: what decodes survives encoding, and the handshakes do not care how octets are cut.
#include <array>
#include <cstdint>

#include "base/log.h"
#include "iwarp/mpa_handshake.h"

using namespace softndk;
using namespace softndk::iwarp;

namespace {

void check_round_trip(Bytes in, MpaKind kind) {
  const auto frame = decode_mpa(in, kind);
  if (!frame) return;
  SOFTNDK_CHECK(frame->wire_bytes() <= in.size());
  std::array<std::uint8_t, kMpaFrameBytesMax> room;
  ByteWriter out(room);
  encode(*frame, out);
  SOFTNDK_CHECK(out.size() == frame->wire_bytes());
  const auto again = decode_mpa(out.written(), kind);
  SOFTNDK_CHECK(again && *again == *frame);
}

void check_responder(Bytes in, std::size_t split) {
  ResponderHandshake whole({}), cut({});
  whole.feed(in);
  cut.feed(in.first(split));
  cut.feed(in.subspan(split));
  SOFTNDK_CHECK(whole.state() == cut.state() && whole.failure() == cut.failure());
  if (whole.state() != ResponderHandshake::State::requested) return;
  std::array<std::uint8_t, kMpaFrameBytesMax> room;
  const Bytes reply = Bytes(room).first(whole.accept({16, 16}, {}, room));
  SOFTNDK_CHECK(decode_mpa(reply, MpaKind::reply));
}

void check_initiator(Bytes in, std::size_t split) {
  InitiatorHandshake whole({}, {16, 16}, {}), cut({}, {16, 16}, {});
  const std::size_t taken = whole.feed(in);
  const std::size_t first = cut.feed(in.first(split));
  const std::size_t second = cut.feed(in.subspan(first));
  SOFTNDK_CHECK(whole.state() == cut.state() && whole.failure() == cut.failure());
  if (whole.state() == InitiatorHandshake::State::accepted) SOFTNDK_CHECK(taken == first + second);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size_bytes) {
  if (size_bytes == 0) return 0;
  const Bytes in{input + 1, size_bytes - 1};
  const std::size_t split = std::min<std::size_t>(input[0], in.size());
  check_round_trip(in, MpaKind::request);
  check_round_trip(in, MpaKind::reply);
  check_responder(in, split);
  check_initiator(in, split);
  return 0;
}
