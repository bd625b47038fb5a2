#pragma once
#include <cstdint>

namespace softndk::io {

/// Nanoseconds on a clock that only goes forward; its zero is arbitrary. kNever is later than any instant.
using TimeNs = std::uint64_t;
inline constexpr TimeNs kNever = UINT64_MAX;
inline constexpr TimeNs kMicrosecond = 1'000;
inline constexpr TimeNs kMillisecond = 1'000'000;
inline constexpr TimeNs kSecond = 1'000'000'000;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual TimeNs now_ns() noexcept = 0;
  /// The same for reports: under simulation a look costs no time, so that what is watched runs as if unwatched.
  virtual TimeNs peek_ns() noexcept { return now_ns(); }
  /// Wall time in 100 ns units since 1601, the NT kernel's; under simulation it follows now_ns() from a fixed day.
  virtual std::uint64_t wall_100ns() noexcept = 0;
};

}  // namespace softndk::io
