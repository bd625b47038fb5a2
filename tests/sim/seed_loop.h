#pragma once
// Runs a scenario under many seeds, and under one again when a seed has failed.
//
//   TEST(Credits, AreNeverLost) {
//     sim::for_each_seed(200, [](std::uint64_t seed) {
//       sim::World world(seed);
//       EXPECT_EQ(world.run([&] { ... }), sim::Result::completed) << world.report();
//     });
//   }
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "sim/sanitizer.h"

namespace softndk::sim {

/// Seeds 1 to `count` until one fails; then names it and the command that runs it alone. SOFTNDK_SIM_SEED=n runs only
/// n; SOFTNDK_SIM_SEEDS=n runs n instead of `count`. Sanitizer builds, being slow, run a quarter.
template <class Scenario>
void for_each_seed(std::uint64_t count, Scenario scenario) {
  std::uint64_t first = 1;
  if (SOFTNDK_ASAN || SOFTNDK_TSAN) count = (count + 3) / 4;
  if (const char* wanted = std::getenv("SOFTNDK_SIM_SEEDS")) count = std::strtoull(wanted, nullptr, 0);
  if (const char* wanted = std::getenv("SOFTNDK_SIM_SEED")) {
    first = std::strtoull(wanted, nullptr, 0);
    count = 1;
  }
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    scenario(seed);
    if (!::testing::Test::HasFailure()) continue;
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    const auto& arguments = ::testing::internal::GetArgvs();
    ADD_FAILURE() << "seed " << seed << " failed; to replay it:\n  SOFTNDK_SIM_SEED=" << seed << " "
                  << (arguments.empty() ? std::string("<this program>") : arguments[0])
                  << " --gtest_filter=" << test->test_suite_name() << "." << test->name();
    return;
  }
}

}  // namespace softndk::sim
