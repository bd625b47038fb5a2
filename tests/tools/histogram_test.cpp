#include "tools/common/histogram.h"

#include <gtest/gtest.h>

#include <cmath>
#include <utility>
#include <vector>

namespace softndk::tools {
namespace {

TEST(Histogram, EmptyOneAnswersZero) {
  const Histogram histogram;
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.min(), 0u);
  EXPECT_EQ(histogram.max(), 0u);
  EXPECT_EQ(histogram.quantile(0.5), 0u);
  EXPECT_EQ(histogram.mean(), 0.0);
  EXPECT_EQ(histogram.standard_deviation(), 0.0);
}

TEST(Histogram, SmallValuesAreExact) {
  Histogram histogram;
  for (std::uint64_t value = 1; value <= 60; ++value)
    histogram.record(value);
  EXPECT_EQ(histogram.quantile(0.0), 1u);
  EXPECT_EQ(histogram.quantile(0.5), 30u);
  EXPECT_EQ(histogram.quantile(1.0), 60u);
  EXPECT_DOUBLE_EQ(histogram.mean(), 30.5);
  EXPECT_NEAR(histogram.standard_deviation(), 17.46, 0.01);
}

TEST(Histogram, AnyValueIsKeptToOnePartIn64) {
  for (unsigned shift = 0; shift < 64; ++shift) {
    for (const std::uint64_t extra : {0ull, 1ull, 3ull}) {
      const std::uint64_t value = (1ull << shift) + extra * (1ull << shift) / 5;
      Histogram histogram;
      histogram.record(value);
      histogram.record(UINT64_MAX);  // so that max() does not hide the step's upper end
      const std::uint64_t found = histogram.quantile(0.5);
      EXPECT_GE(found, value);
      EXPECT_LE(found - value, value / Histogram::kStepsPerOctave) << value;
    }
  }
}

TEST(Histogram, QuantileIsNeverAboveTheMaximumNorBelowTheMinimum) {
  Histogram histogram;
  histogram.record(1000001);
  EXPECT_EQ(histogram.quantile(0.0), 1000001u);
  EXPECT_EQ(histogram.quantile(0.99), 1000001u);
}

TEST(Histogram, TailShowsInTheHighQuantiles) {
  Histogram histogram;
  for (int i = 0; i < 990; ++i)
    histogram.record(10);
  for (int i = 0; i < 10; ++i)
    histogram.record(50);
  EXPECT_EQ(histogram.quantile(0.5), 10u);
  EXPECT_EQ(histogram.quantile(0.99), 10u);
  EXPECT_EQ(histogram.quantile(0.991), 50u);
}

TEST(Histogram, MergeIsTheSameAsRecordingBoth) {
  Histogram left;
  Histogram right;
  Histogram both;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    Histogram& side = i % 3 == 0 ? left : right;
    side.record(i * i);
    both.record(i * i);
  }
  left.merge(right);
  EXPECT_EQ(left.count(), both.count());
  EXPECT_EQ(left.min(), both.min());
  EXPECT_EQ(left.max(), both.max());
  for (const double fraction : {0.1, 0.5, 0.9, 0.99, 1.0})
    EXPECT_EQ(left.quantile(fraction), both.quantile(fraction));
}

TEST(Histogram, ItsStepsHoldEveryValueOnceInRisingOrder) {
  Histogram histogram;
  for (const std::uint64_t value : {std::uint64_t{7}, std::uint64_t{7}, std::uint64_t{1000}, UINT64_MAX})
    histogram.record(value);
  std::vector<std::pair<std::uint64_t, std::uint64_t>> steps;
  histogram.for_each_step([&](std::uint64_t highest, std::uint64_t count) { steps.emplace_back(highest, count); });
  ASSERT_EQ(steps.size(), 3u);
  EXPECT_EQ(steps[0], std::pair(std::uint64_t{7}, std::uint64_t{2}));
  EXPECT_GE(steps[1].first, 1000u);
  EXPECT_LE(steps[1].first, 1000u + 1000u / Histogram::kStepsPerOctave);
  EXPECT_EQ(steps[1].second, 1u);
  EXPECT_EQ(steps[2], std::pair(UINT64_MAX, std::uint64_t{1}));
}

}  // namespace
}  // namespace softndk::tools
