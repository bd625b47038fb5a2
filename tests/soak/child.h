#pragma once
// A peer process as its parent sees it.
#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "peer.h"

namespace softndk::soak {

/// It never outlives its parent, nor this object.
class Child {
 public:
  /// Starts this program again, as a peer.
  Child(Role role, std::uint64_t seed);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  Role role() const { return role_; }
  pid_t pid() const { return pid_; }
  void command(const std::string& line);

  /// The next line that it has said, within `timeout_ms`; nothing: it said none, or its end is reached (is_mute()).
  std::optional<std::string> line(int timeout_ms);
  bool is_mute() const { return is_mute_; }

  /// SIGKILL, and the wait for its end.
  void kill();
  /// The wait for its own end. The exit code, or -1 when it was killed or did not come to it.
  int wait(int timeout_ms);
  /// Where all its threads are, on stderr, if there is a debugger; then SIGABRT, for a core file.
  void show_and_abort();

 private:
  const Role role_;
  pid_t pid_ = -1;
  int commands_ = -1, reports_ = -1;
  std::string said_;
  bool is_mute_ = false;
};

/// The numbers of a "quiet" line.
class Account {
 public:
  explicit Account(const std::string& line);
  std::uint64_t operator[](const std::string& name) const {
    const auto found = numbers_.find(name);
    return found == numbers_.end() ? 0 : found->second;
  }

 private:
  std::map<std::string, std::uint64_t> numbers_;
};

}  // namespace softndk::soak
