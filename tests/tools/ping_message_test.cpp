#include "tools/ndkping/ping_message.h"

#include <gtest/gtest.h>

#include <array>

namespace softndk::tools {
namespace {

TEST(PingMessage, LayoutIsThatOfLinuxRping) {
  std::array<std::byte, PingMessage::kWireBytes> wire;
  encode({0x0102030405060708, 0x11121314, 0x21222324}, wire);
  constexpr unsigned char kWanted[] = {1, 2, 3, 4, 5, 6, 7, 8, 0x11, 0x12, 0x13, 0x14, 0x21, 0x22, 0x23, 0x24};
  for (std::size_t i = 0; i < wire.size(); ++i)
    EXPECT_EQ(std::to_integer<int>(wire[i]), kWanted[i]) << i;
}

TEST(PingMessage, DecodesToWhatWasEncoded) {
  const PingMessage message = {0xfedcba9876543210, 0x89abcdef, 0xffffffff};
  std::array<std::byte, PingMessage::kWireBytes> wire;
  encode(message, wire);
  EXPECT_EQ(decode_ping(wire), message);
}

TEST(PingHello, NamesTheTest) {
  for (const PingTest test : kPingTests)
    EXPECT_EQ(decode_hello(encode_hello(test)), test);
}

TEST(PingHello, WhatIsNotOursIsNone) {
  std::array<std::byte, 256> zeros{};
  EXPECT_EQ(decode_hello(zeros), std::nullopt);
  PingHello unknown = encode_hello(PingTest::rread);
  unknown.back() = std::byte{9};
  EXPECT_EQ(decode_hello(unknown), std::nullopt);
  const PingHello whole = encode_hello(PingTest::rread);
  EXPECT_EQ(decode_hello(std::span(whole).first(7)), std::nullopt);
}

}  // namespace
}  // namespace softndk::tools
