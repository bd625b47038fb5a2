#pragma once
// When a run is over: the drivers say so, a line of theirs, a time, nothing left to do, or the user.
#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include <ntddk.h>

namespace softndk::tools {

enum class EndReason : std::uint8_t { none, done, text, time, idle, interrupted, timed_out };
const char* to_string(EndReason reason);

struct EndConditions {
  unsigned dones = 0;  ///< so many calls of softndk_driver_done; 0: they do not end the run
  std::string text;    ///< in a line of DbgPrint; empty: none
  double for_s = -1;   ///< < 0: not given
  bool idle = false;
};

/// While it lives it hears what drivers say and print. One at a time.
class RunEnd {
 public:
  explicit RunEnd(const EndConditions& conditions);
  ~RunEnd();
  RunEnd(const RunEnd&) = delete;
  RunEnd& operator=(const RunEnd&) = delete;

  /// Any thread; the first reason counts.
  void end(EndReason reason);
  /// On the thread that runs the drivers; a kernel wait.
  EndReason wait();
  EndReason reason() const { return reason_.load(); }
  /// What the drivers said of themselves: the first error, else STATUS_SUCCESS.
  NTSTATUS verdict() const { return verdict_.load(); }

 private:
  static void told_done(void* self, std::int32_t status);
  static void told_text(void* self, const char* text, std::size_t length);
  void heard(std::string_view text);

  const EndConditions conditions_;
  std::atomic<EndReason> reason_{EndReason::none};
  std::atomic<NTSTATUS> verdict_{STATUS_SUCCESS};
  std::atomic<unsigned> dones_{0};
  KEVENT ended_;
  unsigned idle_looks_ = 0;  // in a row at which nothing was under way
  std::mutex mutex_;         // never held across a kernel call
  std::string line_;         // what was printed of the line that has not ended
};

}  // namespace softndk::tools
