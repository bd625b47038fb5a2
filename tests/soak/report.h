#pragma once
// What a peer tells the process that started it: one line each, on a pipe. And the watch over its workers.
#include <atomic>
#include <cstdarg>
#include <cstdint>

namespace softndk::soak {

class Report {
 public:
  explicit Report(int pipe) : pipe_(pipe) {}
  /// One line, whole; any thread.
  __attribute__((format(printf, 2, 3))) void say(const char* format, ...);
  /// Something that may not be: "wrong ...", and the peer will end with an error.
  __attribute__((format(printf, 2, 3))) void complain(const char* format, ...);
  unsigned complaints() const { return complaints_.load(); }

 private:
  void write_line(const char* prefix, const char* format, std::va_list arguments);
  const int pipe_;
  std::atomic<unsigned> complaints_{0};
};

/// Since when a worker has been doing what. Nothing it does may last as long as kPatienceMs.
class Watch {
 public:
  static constexpr std::uint64_t kPatienceMs = 25'000;
  void step(const char* doing);
  void rest() { since_ms_.store(0); }
  /// What it hangs in, or null.
  const char* hangs_in() const;

 private:
  std::atomic<const char*> doing_{""};
  std::atomic<std::uint64_t> since_ms_{0};
};

/// Of one peer; any thread.
struct Tally {
  std::atomic<std::uint64_t> sessions{0};
  std::atomic<std::uint64_t> established{0};
  std::atomic<std::uint64_t> refused{0};
  std::atomic<std::uint64_t> left{0};       ///< with a disconnect event
  std::atomic<std::uint64_t> lost{0};       ///< broken while something was going on
  std::atomic<std::uint64_t> cancelled{0};  ///< requests
  std::atomic<std::uint64_t> checked_bytes{0};
};

}  // namespace softndk::soak
