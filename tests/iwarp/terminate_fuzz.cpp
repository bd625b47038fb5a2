// Any octets as a Terminate's content: what decodes, from either layout, encodes to the RFC's and decodes to the same.
#include <array>
#include <cstdint>

#include "base/log.h"
#include "iwarp/terminate.h"

using namespace softndk;
using namespace softndk::iwarp;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size_bytes) {
  const Bytes in{input, size_bytes};
  for (const bool first_fpdu : {false, true}) {
    const auto terminate = decode_terminate(in, first_fpdu);
    if (!terminate) continue;
    std::array<std::uint8_t, Terminate::kWireBytesMax> room;
    ByteWriter out(room);
    encode(*terminate, out);
    SOFTNDK_CHECK(out.size() == terminate->wire_bytes());
    const auto again = decode_terminate(out.written(), first_fpdu);
    SOFTNDK_CHECK(again && *again == *terminate);
    const auto named = named_read(*terminate);
    SOFTNDK_CHECK(!named || terminate->ddp_header_bytes == UntaggedDdpHeader::kWireBytes);
  }
  return 0;
}
