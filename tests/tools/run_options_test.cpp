#include "tools/ndkrun/run_options.h"

#include <gtest/gtest.h>

namespace softndk::tools {
namespace {

using Settings = std::vector<std::pair<std::string, std::string>>;

TEST(RunOptions, LatencyIsHardwareLikeUnlessAsked) {
  EXPECT_EQ(settings_for({}, std::nullopt).value(),
            (Settings{{"latency_us", "30"}, {"connect_latency_us", "20000"}, {"object_stacks", "on"}}));
  RunOptions at_once;
  at_once.latency = "0";
  EXPECT_EQ(settings_for(at_once, std::nullopt).value(), (Settings{{"latency_us", "0"}, {"object_stacks", "on"}}));
  EXPECT_EQ(parse_latency("0"), "0");
  EXPECT_EQ(parse_latency("50"), "50");
  EXPECT_EQ(parse_latency("50us"), "50");
  EXPECT_EQ(parse_latency("50 us"), "50");
  EXPECT_EQ(parse_latency("soon"), std::nullopt);
  EXPECT_EQ(parse_latency(""), std::nullopt);
}

TEST(RunOptions, SeedGoesWhereASeedIsMissing) {
  RunOptions options;
  options.policy = "mixed";
  options.order = "permuted(9)";
  options.simulated = true;
  options.interfaces = {"7=10.0.0.1", "8=10.0.0.2"};
  options.settings = {"crc=off"};
  EXPECT_EQ(settings_for(options, 5).value(), (Settings{{"latency_us", "30"},
                                                        {"connect_latency_us", "20000"},
                                                        {"object_stacks", "on"},
                                                        {"policy", "mixed(5)"},
                                                        {"order", "permuted(9)"},
                                                        {"interfaces", "7=10.0.0.1,8=10.0.0.2"},
                                                        {"world", "sim(5)"},
                                                        {"crc", "off"}}));
}

TEST(RunOptions, SeedRangesHaveTwoEnds) {
  ASSERT_TRUE(parse_seeds("3..7"));
  EXPECT_EQ(parse_seeds("3..7")->first, 3u);
  EXPECT_EQ(parse_seeds("3..7")->last, 7u);
  for (const char* const bad : {"", "3", "7..3", "a..b", "3..", "..7", "3...7"})
    EXPECT_FALSE(parse_seeds(bad)) << bad;
}

TEST(RunOptions, ReplayIsTheSameCommandForOneSeed) {
  RunOptions options;
  options.simulated = true;
  EXPECT_EQ(replay_command(options, {"a.so", "--sim", "--seeds", "1..9", "--until", "all done", "--json"}, 4),
            "ndkrun run a.so --until 'all done' --sim --seed 4");
  EXPECT_EQ(replay_command(RunOptions(), {"a.so", "--runs=5", "--policy", "mixed(2)"}, 3),
            "ndkrun run a.so --policy 'mixed(2)' --seed 3");
}

}  // namespace
}  // namespace softndk::tools
