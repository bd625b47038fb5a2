#pragma once
// The host's own thread beside a run: Ctrl-C, SIGTERM and --timeout reach a run whatever its thread is in.
#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <thread>

namespace softndk::tools {

class Watch {
 public:
  struct Calls {
    /// The first Ctrl-C or SIGTERM. Empty: the signals are not taken.
    std::function<void()> interrupted;
    /// The time is over; true: more time, `grace_s`, is given once.
    std::function<bool()> timed_out;
    /// A second interruption, or the grace is over too. Does not return.
    std::function<void(const char* why)> give_up;
  };
  /// Blocks the signals for the calling thread and all it makes. `timeout_s` 0: none.
  Watch(Calls calls, double timeout_s);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  static constexpr double kGrace_s = 5;

 private:
  void run(double timeout_s);

  const Calls calls_;
  int signals_ = -1;  // signalfd
  int stop_ = -1;     // eventfd
  std::thread thread_;
};

}  // namespace softndk::tools
