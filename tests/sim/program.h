#pragma once
// Small things that the tests of sim run inside a world.
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <vector>

#include "sim/world.h"

namespace softndk::sim {

/// Fibers that run closures. Lives at least until they have ended; join_all() waits for them.
class Fibers {
 public:
  explicit Fibers(io::World world) : world_(world) {}
  void start(const char* name, std::function<void()> body) {
    bodies_.push_back(std::make_unique<std::function<void()>>(std::move(body)));
    auto handle = world_.executor.spawn(
        name, [](void* it) { (*static_cast<std::function<void()>*>(it))(); }, bodies_.back().get());
    ASSERT_TRUE(handle.has_value());
    handles_.push_back(*handle);
  }
  void join_all() {
    for (const io::ThreadHandle handle : handles_)
      world_.executor.join(handle);
    handles_.clear();
  }

 private:
  io::World world_;
  std::vector<std::unique_ptr<std::function<void()>>> bodies_;
  std::vector<io::ThreadHandle> handles_;
};

inline void sleep_until(io::World& world, io::TimeNs deadline_ns) {
  while (world.executor.park(deadline_ns)) {
  }
}

inline Address address(const char* text) {
  Address parsed;
  EXPECT_TRUE(parse_address(text, parsed)) << text;
  return parsed;
}

/// For tests in which a run is to be given up: the log need not say so.
inline Options quiet(Options options = {}) {
  options.log_reports = false;
  return options;
}

}  // namespace softndk::sim
