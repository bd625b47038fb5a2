#pragma once
// What the two sides of ndkperf say to each other besides the load itself.
//
// One connection is for control, the others carry the load. Each connect request says in its private data what the
// connection is for, each side's private data says where its two buffers are.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "tools/ndkperf/perf_plan.h"

namespace softndk::tools {

/// Where the peer's buffers of one connection are: `in` may be written, `out` may be read.
struct PerfBuffers {
  static constexpr std::size_t kWireBytes = 24;
  std::uint64_t in_address = 0;
  std::uint64_t out_address = 0;
  std::uint32_t in_token = 0;
  std::uint32_t out_token = 0;
  bool operator==(const PerfBuffers&) const = default;
};
void encode(const PerfBuffers& buffers, std::span<std::byte, PerfBuffers::kWireBytes> out);
PerfBuffers decode_buffers(std::span<const std::byte, PerfBuffers::kWireBytes> in);

struct PerfHello {
  static constexpr std::size_t kWireBytes = 28 + PerfBuffers::kWireBytes;
  bool is_control = false;
  PerfOp op = PerfOp::send;
  PerfMode mode = PerfMode::bandwidth;
  WaitMode wait = WaitMode::polled;
  std::uint32_t connections = 1;  ///< that carry load
  std::uint32_t depth = 1;
  std::uint32_t buffer_bytes = 1;  ///< of the largest size
  std::uint32_t offset_bytes = 0;  ///< of the buffers within their pages
  PerfBuffers buffers;
  bool operator==(const PerfHello&) const = default;
};
void encode(const PerfHello& hello, std::span<std::byte, PerfHello::kWireBytes> out);
/// nullopt: not from an ndkperf of this version, or with values out of range.
std::optional<PerfHello> decode_perf_hello(std::span<const std::byte> in);

enum class PerfKind : std::uint32_t {
  begin = 1,    ///< client: a round of `size_bytes` is about to start
  ready = 2,    ///< server: then start
  end = 3,      ///< client: `count` messages have been sent, or connections made
  drained = 4,  ///< server: they have all arrived
  verify = 5,   ///< client: compare what came last
  verdict = 6   ///< server: `count` connections hold other bytes than they should; `cpu_ns` is what the round took it
};
struct PerfControl {
  static constexpr std::size_t kWireBytes = 32;
  PerfKind kind = PerfKind::begin;
  std::uint32_t size_bytes = 0;
  std::uint64_t count = 0;
  std::uint64_t cpu_ns = 0;
  std::uint64_t resident_growth_kib = 0;  ///< drained, in the test of connections: what they weigh
  bool operator==(const PerfControl&) const = default;
};
void encode(const PerfControl& control, std::span<std::byte, PerfControl::kWireBytes> out);
PerfControl decode_control(std::span<const std::byte, PerfControl::kWireBytes> in);

/// The load's bytes for a size; other sizes have others, so that a stale buffer shows.
void fill_load(std::span<std::byte> out);
bool is_load(std::span<const std::byte> in);

}  // namespace softndk::tools
