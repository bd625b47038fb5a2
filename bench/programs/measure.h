#pragma once
// The clock, the distribution, and the lines that all programs print.
#include <chrono>
#include <cstdint>

#include <nlohmann/json.hpp>

#include "tools/common/histogram.h"

namespace softndk::bench {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Whether a round goes on: until its time is up, or as many messages as were asked for have been sent.
class Budget {
 public:
  Budget(double duration_s, std::uint64_t iterations)
      : duration_s_(duration_s), iterations_(iterations == 0 ? UINT64_MAX : iterations), start_(Clock::now()) {}
  bool allows(std::uint64_t done) const {
    return done < iterations_ && (duration_s_ <= 0 || seconds_since(start_) < duration_s_);
  }
  double elapsed_s() const { return seconds_since(start_); }

 private:
  double duration_s_;
  std::uint64_t iterations_;
  Clock::time_point start_;
};

/// Keys as ndkperf's, so that one reader does for both.
inline nlohmann::json latency_json(const tools::Histogram& latency_ns) {
  const auto us = [](std::uint64_t ns) { return static_cast<double>(ns) / 1000; };
  nlohmann::json steps = nlohmann::json::array();
  latency_ns.for_each_step([&](std::uint64_t highest_ns, std::uint64_t count) {
    steps.push_back({us(highest_ns), count});
  });
  return {{"lat_min_us", us(latency_ns.min())},
          {"lat_avg_us", latency_ns.mean() / 1000},
          {"lat_p50_us", us(latency_ns.quantile(0.5))},
          {"lat_p99_us", us(latency_ns.quantile(0.99))},
          {"lat_p999_us", us(latency_ns.quantile(0.999))},
          {"lat_max_us", us(latency_ns.max())},
          {"lat_histogram_us", steps}};
}

inline nlohmann::json rate_json(std::uint64_t messages, std::size_t size_bytes, double elapsed_s) {
  const double rate = elapsed_s > 0 ? static_cast<double>(messages) / elapsed_s : 0;
  return {{"size_bytes", size_bytes},
          {"iterations", messages},
          {"elapsed_s", elapsed_s},
          {"msg_rate_per_s", rate},
          {"bw_avg_mib_s", rate * static_cast<double>(size_bytes) / (1024.0 * 1024.0)}};
}

}  // namespace softndk::bench
