#include "net/call_gate.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace softndk::net {
namespace {

TEST(CallGate, OpenUntilClosed) {
  CallGate gate;
  ASSERT_TRUE(gate.enter());
  ASSERT_TRUE(gate.enter());
  EXPECT_FALSE(gate.leave());
  EXPECT_TRUE(gate.close());
  EXPECT_FALSE(gate.close());
  EXPECT_FALSE(gate.enter());
  EXPECT_FALSE(gate.leave()) << "nobody has tried to finish yet";
  EXPECT_TRUE(gate.try_finish());
}

TEST(CallGate, TheLastOneOutTellsACloserThatWaits) {
  CallGate gate;
  ASSERT_TRUE(gate.enter());
  ASSERT_TRUE(gate.enter());
  EXPECT_TRUE(gate.close());
  EXPECT_FALSE(gate.try_finish());
  EXPECT_FALSE(gate.leave());
  EXPECT_TRUE(gate.leave());
  EXPECT_TRUE(gate.try_finish());
}

TEST(CallGate, ExactlyOneFinishesWhoeverRaces) {
  for (int round = 0; round < 300; ++round) {
    CallGate gate;
    std::atomic<int> finished{0}, inside{0};
    auto finish = [&] {
      if (!gate.try_finish()) return;
      EXPECT_EQ(inside.load(), 0);
      finished.fetch_add(1);
    };
    std::vector<std::thread> callers;
    for (int t = 0; t < 3; ++t)
      callers.emplace_back([&] {
        while (gate.enter()) {
          inside.fetch_add(1);
          inside.fetch_sub(1);
          if (gate.leave()) finish();
        }
      });
    EXPECT_TRUE(gate.close());
    finish();
    for (auto& caller : callers)
      caller.join();
    EXPECT_EQ(finished.load(), 1);
  }
}

}  // namespace
}  // namespace softndk::net
