#include "tools/ndkperf/perf_message.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace softndk::tools {
namespace {

PerfHello some_hello() {
  PerfHello hello;
  hello.is_control = true;
  hello.op = PerfOp::write;
  hello.mode = PerfMode::latency;
  hello.wait = WaitMode::polled;
  hello.connections = 3;
  hello.depth = 64;
  hello.buffer_bytes = 1 << 20;
  hello.offset_bytes = 77;
  hello.buffers = {0x1122334455667788, 0x99aabbccddeeff00, 0x12345678, 0x9abcdef0};
  return hello;
}

TEST(PerfHello, DecodesToWhatWasEncoded) {
  std::array<std::byte, PerfHello::kWireBytes> wire;
  encode(some_hello(), wire);
  EXPECT_EQ(decode_perf_hello(wire), some_hello());
}

TEST(PerfHello, EveryShorterPrefixIsRefused) {
  std::array<std::byte, PerfHello::kWireBytes> wire;
  encode(some_hello(), wire);
  for (std::size_t bytes = 0; bytes < wire.size(); ++bytes)
    EXPECT_FALSE(decode_perf_hello(std::span(wire).first(bytes))) << bytes;
}

TEST(PerfHello, ValuesOutOfRangeAreRefused) {
  const auto decoded = [](auto change) {
    PerfHello hello = some_hello();
    change(hello);
    std::array<std::byte, PerfHello::kWireBytes> wire;
    encode(hello, wire);
    return decode_perf_hello(wire).has_value();
  };
  EXPECT_TRUE(decoded([](PerfHello&) {}));
  EXPECT_FALSE(decoded([](PerfHello& hello) { hello.op = static_cast<PerfOp>(0); }));
  EXPECT_FALSE(decoded([](PerfHello& hello) { hello.op = static_cast<PerfOp>(4); }));
  EXPECT_FALSE(decoded([](PerfHello& hello) { hello.mode = static_cast<PerfMode>(4); }));
  EXPECT_FALSE(decoded([](PerfHello& hello) { hello.wait = static_cast<WaitMode>(2); }));
  EXPECT_FALSE(decoded([](PerfHello& hello) { hello.connections = 0; }));
  EXPECT_FALSE(decoded([](PerfHello& hello) { hello.connections = kPerfConnectionsMax + 1; }));
  EXPECT_FALSE(decoded([](PerfHello& hello) { hello.depth = kPerfDepthMax + 1; }));
  EXPECT_FALSE(decoded([](PerfHello& hello) { hello.buffer_bytes = 0; }));
  EXPECT_FALSE(decoded([](PerfHello& hello) { hello.buffer_bytes = kPerfSizeBytesMax + 1; }));
  EXPECT_FALSE(decoded([](PerfHello& hello) { hello.offset_bytes = kPerfOffsetBytesMax + 1; }));
}

TEST(PerfHello, OtherPrivateDataIsRefused) {
  std::array<std::byte, PerfHello::kWireBytes> wire;
  encode(some_hello(), wire);
  for (std::size_t i = 0; i < 8; ++i) {
    auto changed = wire;
    changed[i] ^= std::byte{1};
    EXPECT_FALSE(decode_perf_hello(changed)) << i;
  }
}

TEST(PerfControl, DecodesToWhatWasEncoded) {
  const PerfControl control = {PerfKind::verdict, 4096, 0x123456789abcdef0, 0x0fedcba987654321, 0x1020304050607080};
  std::array<std::byte, PerfControl::kWireBytes> wire;
  encode(control, wire);
  EXPECT_EQ(decode_control(wire), control);
}

TEST(PerfLoad, AnyWrongByteIsFound) {
  std::vector<std::byte> load(1000);
  fill_load(load);
  EXPECT_TRUE(is_load(load));
  for (std::size_t i = 0; i < load.size(); ++i) {
    load[i] ^= std::byte{0x10};
    EXPECT_FALSE(is_load(load)) << i;
    load[i] ^= std::byte{0x10};
  }
}

TEST(PerfLoad, BytesLeftFromAnotherSizeAreWrong) {
  std::vector<std::byte> load(2048);
  fill_load(load);
  EXPECT_FALSE(is_load(std::span<const std::byte>(load).first(1024 + 1)));
}

}  // namespace
}  // namespace softndk::tools
