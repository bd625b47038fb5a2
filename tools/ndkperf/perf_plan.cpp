#include "tools/ndkperf/perf_plan.h"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace softndk::tools {
namespace {

constexpr std::size_t kAllSizesMax = std::size_t{4} << 20;

std::optional<std::size_t> parse_size(std::string_view text) {
  std::size_t unit = 1;
  if (!text.empty() && (text.back() == 'K' || text.back() == 'k')) unit = 1024;
  if (!text.empty() && (text.back() == 'M' || text.back() == 'm')) unit = std::size_t{1024} * 1024;
  if (unit != 1) text.remove_suffix(1);
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (number == 0 || number > kPerfSizeBytesMax / unit) return std::nullopt;
  return number * unit;
}

}  // namespace

std::size_t PerfPlan::size_max_bytes() const {
  return sizes_bytes.empty() ? 0 : *std::max_element(sizes_bytes.begin(), sizes_bytes.end());
}

std::uint64_t PerfPlan::default_iterations(std::size_t size_bytes) const {
  constexpr std::uint64_t kVolumeBytes = 512u << 20;
  const std::uint64_t most = mode == PerfMode::latency ? 2000 : 20000;
  return std::clamp<std::uint64_t>(kVolumeBytes / size_bytes, 100, most);
}

std::uint64_t PerfPlan::connect_waves() const {
  constexpr std::uint64_t kDefault = 2000;
  if (iterations == 0 && duration_s > 0) return 0;
  const std::uint64_t wanted = iterations > 0 ? iterations : kDefault;
  return (wanted + connections - 1) / connections;
}

std::optional<PerfOp> parse_op(const std::string& text) {
  for (PerfOp op : {PerfOp::send, PerfOp::write, PerfOp::read})
    if (text == to_string(op)) return op;
  return std::nullopt;
}

std::optional<PerfMode> parse_mode(const std::string& text) {
  for (PerfMode mode : {PerfMode::bandwidth, PerfMode::latency, PerfMode::connect, PerfMode::objects})
    if (text == to_string(mode)) return mode;
  return std::nullopt;
}

const char* to_string(PerfOp op) {
  switch (op) {
    case PerfOp::send:
      return "send";
    case PerfOp::write:
      return "write";
    case PerfOp::read:
      return "read";
  }
  return "?";
}

const char* to_string(PerfMode mode) {
  switch (mode) {
    case PerfMode::bandwidth:
      return "bw";
    case PerfMode::latency:
      return "lat";
    case PerfMode::connect:
      return "conn";
    case PerfMode::objects:
      return "obj";
  }
  return "?";
}

std::string test_name(PerfOp op, PerfMode mode) {
  if (mode == PerfMode::connect || mode == PerfMode::objects) return to_string(mode);
  return std::string(to_string(op)) + "_" + to_string(mode);
}

std::optional<std::vector<std::size_t>> parse_sizes(const std::string& text) {
  std::vector<std::size_t> sizes;
  if (text == "all") {
    for (std::size_t size = 1; size <= kAllSizesMax; size *= 2)
      sizes.push_back(size);
    return sizes;
  }
  std::string_view rest = text;
  for (;;) {
    const std::size_t comma = rest.find(',');
    const auto size = parse_size(rest.substr(0, comma));
    if (!size) return std::nullopt;
    sizes.push_back(*size);
    if (comma == std::string_view::npos) return sizes;
    rest.remove_prefix(comma + 1);
  }
}

}  // namespace softndk::tools
