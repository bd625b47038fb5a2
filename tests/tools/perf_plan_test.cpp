#include "tools/ndkperf/perf_plan.h"

#include <gtest/gtest.h>

namespace softndk::tools {
namespace {

using Sizes = std::vector<std::size_t>;

TEST(PerfSizes, ListsTakeSuffixes) {
  EXPECT_EQ(parse_sizes("64"), (Sizes{64}));
  EXPECT_EQ(parse_sizes("1,4K,2m"), (Sizes{1, 4096, 2 << 20}));
  EXPECT_EQ(parse_sizes("64M"), (Sizes{std::size_t{64} << 20}));
}

TEST(PerfSizes, AllArePowersOfTwoUpTo4Mib) {
  const auto sizes = parse_sizes("all");
  ASSERT_TRUE(sizes);
  EXPECT_EQ(sizes->size(), 23u);
  EXPECT_EQ(sizes->front(), 1u);
  EXPECT_EQ(sizes->back(), 4u << 20);
}

TEST(PerfSizes, WhatIsNoSizeIsRefused) {
  for (const char* const text : {"", "0", "-1", "1,", ",1", "1K2", "K", "65M", "99999999999999999999", "all,1", "1 2"})
    EXPECT_FALSE(parse_sizes(text)) << text;
}

TEST(PerfPlan, DefaultIterationsShrinkWithTheSize) {
  PerfPlan plan;
  EXPECT_EQ(plan.default_iterations(1), 20000u);
  EXPECT_EQ(plan.default_iterations(1 << 20), 512u);
  EXPECT_EQ(plan.default_iterations(64 << 20), 100u);
  plan.mode = PerfMode::latency;
  EXPECT_EQ(plan.default_iterations(1), 2000u);
}

TEST(PerfPlan, WavesOfConnectionsMakeAtLeastWhatWasAskedFor) {
  PerfPlan plan;
  plan.mode = PerfMode::connect;
  plan.connections = 300;
  EXPECT_EQ(plan.connect_waves(), 7u);  // 2000 by default
  plan.iterations = 600;
  EXPECT_EQ(plan.connect_waves(), 2u);
  plan.iterations = 601;
  EXPECT_EQ(plan.connect_waves(), 3u);
  plan.iterations = 0;
  plan.duration_s = 1;
  EXPECT_EQ(plan.connect_waves(), 0u);
}

TEST(PerfPlan, WordsForOpAndModeReadBack) {
  for (const PerfOp op : {PerfOp::send, PerfOp::write, PerfOp::read})
    EXPECT_EQ(parse_op(to_string(op)), op);
  for (const PerfMode mode : {PerfMode::bandwidth, PerfMode::latency, PerfMode::connect, PerfMode::objects})
    EXPECT_EQ(parse_mode(to_string(mode)), mode);
  EXPECT_FALSE(parse_op("atomic"));
  EXPECT_FALSE(parse_mode(""));
}

}  // namespace
}  // namespace softndk::tools
