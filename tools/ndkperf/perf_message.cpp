#include "tools/ndkperf/perf_message.h"

#include <cstring>

#include "tools/common/big_endian.h"

namespace softndk::tools {
namespace {

constexpr char kMagic[] = {'N', 'D', 'K', 'p', 'e', 'r', 'f', 2};  // the last is the version

std::byte load_byte(std::size_t index, std::size_t size) {
  return static_cast<std::byte>(index * 131 + (index >> 8) + size);
}

}  // namespace

void encode(const PerfBuffers& buffers, std::span<std::byte, PerfBuffers::kWireBytes> out) {
  put_big_endian(out.subspan(0, 8), buffers.in_address);
  put_big_endian(out.subspan(8, 8), buffers.out_address);
  put_big_endian(out.subspan(16, 4), buffers.in_token);
  put_big_endian(out.subspan(20, 4), buffers.out_token);
}

PerfBuffers decode_buffers(std::span<const std::byte, PerfBuffers::kWireBytes> in) {
  return {take_big_endian<std::uint64_t>(in.subspan(0, 8)), take_big_endian<std::uint64_t>(in.subspan(8, 8)),
          take_big_endian<std::uint32_t>(in.subspan(16, 4)), take_big_endian<std::uint32_t>(in.subspan(20, 4))};
}

void encode(const PerfHello& hello, std::span<std::byte, PerfHello::kWireBytes> out) {
  std::memcpy(out.data(), kMagic, sizeof(kMagic));
  out[8] = static_cast<std::byte>(hello.is_control);
  out[9] = static_cast<std::byte>(hello.op);
  out[10] = static_cast<std::byte>(hello.mode);
  out[11] = static_cast<std::byte>(hello.wait);
  put_big_endian(out.subspan(12, 4), hello.connections);
  put_big_endian(out.subspan(16, 4), hello.depth);
  put_big_endian(out.subspan(20, 4), hello.buffer_bytes);
  put_big_endian(out.subspan(24, 4), hello.offset_bytes);
  encode(hello.buffers, out.subspan<28, PerfBuffers::kWireBytes>());
}

std::optional<PerfHello> decode_perf_hello(std::span<const std::byte> in) {
  if (in.size() < PerfHello::kWireBytes || std::memcmp(in.data(), kMagic, sizeof(kMagic)) != 0) return std::nullopt;
  const auto octet = [&](std::size_t at) { return std::to_integer<unsigned>(in[at]); };
  PerfHello hello;
  if (octet(8) > 1 || octet(9) < 1 || octet(9) > 3 || octet(10) < 1 || octet(10) > 3 || octet(11) > 1)
    return std::nullopt;
  hello.is_control = octet(8) == 1;
  hello.op = static_cast<PerfOp>(octet(9));
  hello.mode = static_cast<PerfMode>(octet(10));
  hello.wait = static_cast<WaitMode>(octet(11));
  hello.connections = take_big_endian<std::uint32_t>(in.subspan(12, 4));
  hello.depth = take_big_endian<std::uint32_t>(in.subspan(16, 4));
  hello.buffer_bytes = take_big_endian<std::uint32_t>(in.subspan(20, 4));
  hello.offset_bytes = take_big_endian<std::uint32_t>(in.subspan(24, 4));
  if (hello.connections < 1 || hello.connections > kPerfConnectionsMax || hello.depth < 1 ||
      hello.depth > kPerfDepthMax || hello.buffer_bytes < 1 || hello.buffer_bytes > kPerfSizeBytesMax ||
      hello.offset_bytes > kPerfOffsetBytesMax)
    return std::nullopt;
  hello.buffers = decode_buffers(in.subspan(28).first<PerfBuffers::kWireBytes>());
  return hello;
}

void encode(const PerfControl& control, std::span<std::byte, PerfControl::kWireBytes> out) {
  put_big_endian(out.subspan(0, 4), static_cast<std::uint32_t>(control.kind));
  put_big_endian(out.subspan(4, 4), control.size_bytes);
  put_big_endian(out.subspan(8, 8), control.count);
  put_big_endian(out.subspan(16, 8), control.cpu_ns);
  put_big_endian(out.subspan(24, 8), control.resident_growth_kib);
}

PerfControl decode_control(std::span<const std::byte, PerfControl::kWireBytes> in) {
  return {static_cast<PerfKind>(take_big_endian<std::uint32_t>(in.subspan(0, 4))),
          take_big_endian<std::uint32_t>(in.subspan(4, 4)), take_big_endian<std::uint64_t>(in.subspan(8, 8)),
          take_big_endian<std::uint64_t>(in.subspan(16, 8)), take_big_endian<std::uint64_t>(in.subspan(24, 8))};
}

void fill_load(std::span<std::byte> out) {
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = load_byte(i, out.size());
}

bool is_load(std::span<const std::byte> in) {
  for (std::size_t i = 0; i < in.size(); ++i)
    if (in[i] != load_byte(i, in.size())) return false;
  return true;
}

}  // namespace softndk::tools
