#include "net/spin_history.h"

#include <gtest/gtest.h>

namespace softndk::net {
namespace {

int waits_until_the_next_trial(SpinHistory& history) {
  int skipped = 0;
  while (!history.worth_trying())
    ++skipped;
  return skipped;
}

TEST(SpinHistory, TriesAlwaysWhileItPays) {
  SpinHistory history;
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(history.worth_trying());
    history.succeeded();
  }
}

TEST(SpinHistory, TriesLessOftenEachTimeItWasInVainButNeverStops) {
  SpinHistory history;
  for (int expected : {1, 3, 7, 15, 15, 15}) {
    history.failed();
    EXPECT_EQ(waits_until_the_next_trial(history), expected);
  }
  history.succeeded();
  EXPECT_EQ(waits_until_the_next_trial(history), 0);
  history.failed();
  EXPECT_EQ(waits_until_the_next_trial(history), 1);
}

}  // namespace
}  // namespace softndk::net
