#pragma once
// What must be as it was after a run in which a call failed, and how many calls failed in all.
#include <dirent.h>
#include <sched.h>

#include <cstdio>
#include <cstdlib>

#include "base/alloc.h"
#include "base/fault_stacks.h"
#include "ntrt/pool.h"

namespace softndk::stack {

inline unsigned entries_of(const char* directory) {
  unsigned count = 0;
  DIR* open = opendir(directory);
  while (readdir(open) != nullptr)
    ++count;
  closedir(open);
  return count;
}

struct Balance {
  std::int64_t allocations = allocations_alive();
  std::size_t pool_blocks = ntrt::pool_usage().blocks;
  unsigned descriptors = entries_of("/proc/self/fd");
  unsigned threads = entries_of("/proc/self/task");
  bool operator==(const Balance&) const = default;
  /// What is left when everything has ended. The kernel lists a thread for a moment after it was joined.
  static Balance after(const Balance& before) {
    Balance now;
    for (int looks = 0; now.threads != before.threads && looks < 100'000; ++looks) {
      sched_yield();
      now.threads = entries_of("/proc/self/task");
    }
    return now;
  }
  friend std::ostream& operator<<(std::ostream& to, const Balance& balance) {
    return to << balance.allocations << " allocations, " << balance.pool_blocks << " pool blocks, "
              << balance.descriptors << " descriptors, " << balance.threads << " threads";
  }
};

/// Prints, at the end of all tests, how many stacks failed: each test records its number.
class FailedStacks final : public testing::Environment {
 public:
  static void record(unsigned count) { testing::Test::RecordProperty("stacks_failed", static_cast<int>(count)); }
  void TearDown() override {
    const auto& unit = *testing::UnitTest::GetInstance();
    int total = 0;
    for (int i = 0; i < unit.total_test_suite_count(); ++i) {
      const auto& suite = *unit.GetTestSuite(i);
      for (int k = 0; k < suite.total_test_count(); ++k) {
        const auto& result = *suite.GetTestInfo(k)->result();
        for (int p = 0; p < result.test_property_count(); ++p)
          total += std::atoi(result.GetTestProperty(p).value());
      }
    }
    std::printf("%d stacks failed\n", total);
  }
};
inline auto* const g_failed_stacks = testing::AddGlobalTestEnvironment(new FailedStacks);

}  // namespace softndk::stack
