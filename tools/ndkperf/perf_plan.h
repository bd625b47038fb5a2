#pragma once
// What is measured.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/common/failure.h"
#include "tools/common/ndk_queues.h"

namespace softndk::tools {

enum class PerfOp : std::uint8_t { send = 1, write = 2, read = 3 };
enum class PerfMode : std::uint8_t { bandwidth = 1, latency = 2, connect = 3, objects = 4 };

struct PerfPlan {
  PerfOp op = PerfOp::send;
  PerfMode mode = PerfMode::bandwidth;
  std::vector<std::size_t> sizes_bytes;
  std::uint64_t iterations = 0;  ///< of each connection; 0: as duration_s says, or a default that depends on the size
  double duration_s = 0;         ///< 0: not bounded by time
  std::uint32_t depth = 128;     ///< requests in flight on each connection
  std::uint32_t connections = 1;
  std::uint32_t offset_bytes = 0;  ///< of the buffers within their pages, on both sides
  bool defer = false;              ///< bandwidth: requests that others follow at once say so (NDK_OP_FLAG_DEFER)
  WaitMode wait = WaitMode::polled;
  /// "send_bw"; "conn" and "obj", where nothing is carried.
  std::string test_name;  ///< "send_bw"

  std::size_t size_max_bytes() const;
  /// Waves of connections, where nothing bounds them by time; 0 where something does.
  std::uint64_t connect_waves() const;
  /// For one size, where nothing else bounds it.
  std::uint64_t default_iterations(std::size_t size_bytes) const;
};

inline constexpr std::size_t kPerfSizeBytesMax = std::size_t{64} << 20;
inline constexpr std::uint32_t kPerfConnectionsMax = 16384;
inline constexpr std::uint32_t kPerfDepthMax = 4096;
inline constexpr std::uint32_t kPerfOffsetBytesMax = 4095;

std::optional<PerfOp> parse_op(const std::string& text);
std::optional<PerfMode> parse_mode(const std::string& text);
const char* to_string(PerfOp op);
const char* to_string(PerfMode mode);  ///< "bw", "lat", "conn", "obj"
std::string test_name(PerfOp op, PerfMode mode);

/// "all" (1 B to 4 MiB in powers of two), or sizes with commas and the suffixes K and M: "64,4K,1M". nullopt: neither.
std::optional<std::vector<std::size_t>> parse_sizes(const std::string& text);

}  // namespace softndk::tools
