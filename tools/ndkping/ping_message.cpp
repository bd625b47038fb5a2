#include "tools/ndkping/ping_message.h"

#include <cstring>

#include "tools/common/big_endian.h"

namespace softndk::tools {
namespace {

constexpr char kMagic[] = {'N', 'D', 'K', 'p', 'i', 'n', 'g'};

}  // namespace

void encode(const PingMessage& message, std::span<std::byte, PingMessage::kWireBytes> out) {
  put_big_endian(out.subspan(0, 8), message.address);
  put_big_endian(out.subspan(8, 4), message.token);
  put_big_endian(out.subspan(12, 4), message.size_bytes);
}

PingMessage decode_ping(std::span<const std::byte, PingMessage::kWireBytes> in) {
  return {take_big_endian<std::uint64_t>(in.subspan(0, 8)), take_big_endian<std::uint32_t>(in.subspan(8, 4)),
          take_big_endian<std::uint32_t>(in.subspan(12, 4))};
}

const char* to_string(PingTest test) {
  switch (test) {
    case PingTest::rping:
      return "rping";
    case PingTest::rread:
      return "rread";
    case PingTest::rwrite:
      return "rwrite";
    case PingTest::rbind:
      return "rbind";
    case PingTest::rinv:
      return "rinv";
  }
  return "?";
}

PingHello encode_hello(PingTest test) {
  PingHello hello;
  std::memcpy(hello.data(), kMagic, sizeof(kMagic));
  hello[sizeof(kMagic)] = static_cast<std::byte>(test);
  return hello;
}

std::optional<PingTest> decode_hello(std::span<const std::byte> in) {
  if (in.size() < sizeof(PingHello) || std::memcmp(in.data(), kMagic, sizeof(kMagic)) != 0) return std::nullopt;
  for (PingTest test : kPingTests)
    if (in[sizeof(kMagic)] == static_cast<std::byte>(test)) return test;
  return std::nullopt;
}

}  // namespace softndk::tools
