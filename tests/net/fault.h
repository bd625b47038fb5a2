#pragma once
#include <atomic>
#include <cstring>

#include "base/alloc.h"

namespace softndk::net {

/// Makes fallible calls fail while it lives: either all of one name, or the n-th of any (counted from 0). One at a
/// time. Its state is static, as another thread may still be in the hook when it ends.
class Fault {
 public:
  explicit Fault(const char* name) { install(name, -1); }
  explicit Fault(int nth) { install("", nth); }
  ~Fault() { set_fault_hook(nullptr, nullptr); }
  Fault(const Fault&) = delete;
  Fault& operator=(const Fault&) = delete;
  /// How many calls it made fail.
  int hits() const { return hits_.load(); }

 private:
  static void install(const char* name, int nth) {
    name_.store(name);
    nth_.store(nth);
    asked_.store(0);
    hits_.store(0);
    set_fault_hook(&hook, nullptr);
  }
  static bool hook(void*, const char* what) noexcept {
    const bool fails = std::strcmp(name_.load(), what) == 0 || asked_.fetch_add(1) == nth_.load();
    if (fails) hits_.fetch_add(1);
    return fails;
  }
  static inline std::atomic<const char*> name_{""};
  static inline std::atomic<int> nth_{-1}, asked_{0}, hits_{0};
};

}  // namespace softndk::net
