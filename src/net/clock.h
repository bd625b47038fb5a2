#pragma once
#include <time.h>

#include "io/clock.h"

namespace softndk::net {

/// CLOCK_MONOTONIC and CLOCK_REALTIME, read in user space (a system call costs ten times as much).
class Clock final : public io::Clock {
 public:
  Clock() noexcept;
  io::TimeNs now_ns() noexcept override;
  std::uint64_t wall_100ns() noexcept override;

 private:
  using GetTime = int (*)(clockid_t, timespec*);
  GetTime get_time_;
};

/// For the kernel. kNever has no timespec: callers pass null for it.
constexpr timespec to_timespec(io::TimeNs ns) {
  return {.tv_sec = static_cast<time_t>(ns / io::kSecond), .tv_nsec = static_cast<long>(ns % io::kSecond)};
}

}  // namespace softndk::net
