#include "iwarp/stream_state.h"

#include <gtest/gtest.h>

#include <set>
#include <utility>

namespace softndk::iwarp {
namespace {

using enum StreamState;
using enum StreamEvent;

// Every cell, rows in the order of StreamState, columns in the order of StreamEvent. '.' is an empty cell; the letters
// stand for the states: I S R(await_ready) F(await_first) O C(closing) P(peer_closed) T(terminating) X(terminated)
// Z(closed).
constexpr const char* kTable[kStreamStateCount] = {
    // mpa acc_by acc_peer fail ready first disc abort err term fin fin_sent lost timeout
    "S......Z......",  // idle
    ".RFZ...ZT.Z.ZZ",  // startup
    "....O..TTXZ.Z.",  // await_ready
    ".....OCTTXP.ZZ",  // await_first
    "......CTTXP.Z.",  // operational
    ".......TTXZCZZ",  // closing
    "......ZZT...Z.",  // peer_closed
    "..........ZTZZ",  // terminating
    ".......Z..XZZZ",  // terminated
    "..............",  // closed
};
constexpr char kLetters[] = "ISRFOCPTXZ";

TEST(Rfc5040_6_2, EveryStateTimesEveryEvent) {
  for (std::size_t state = 0; state < kStreamStateCount; ++state) {
    for (std::size_t event = 0; event < kStreamEventCount; ++event) {
      const auto to = next(static_cast<StreamState>(state), static_cast<StreamEvent>(event));
      const char expected = kTable[state][event];
      const char actual = to ? kLetters[static_cast<std::size_t>(*to)] : '.';
      EXPECT_EQ(actual, expected) << "state " << state << " event " << event;
    }
  }
}

TEST(Rfc5040_6_2, NoCellIsListedTwice) {
  std::set<std::pair<StreamState, StreamEvent>> seen;
  for (const StreamStep& step : kStreamSteps)
    EXPECT_TRUE(seen.insert({step.from, step.on}).second);
}

TEST(Rfc5040_6_2, EveryStateReachesClosedAndIsReached) {
  std::set<StreamState> reached{idle};
  for (std::size_t round = 0; round < kStreamStateCount; ++round) {
    for (const StreamStep& step : kStreamSteps)
      if (reached.contains(step.from)) reached.insert(step.to);
  }
  EXPECT_EQ(reached.size(), kStreamStateCount);
  std::set<StreamState> ends{closed};
  for (std::size_t round = 0; round < kStreamStateCount; ++round) {
    for (const StreamStep& step : kStreamSteps)
      if (ends.contains(step.to)) ends.insert(step.from);
  }
  EXPECT_EQ(ends.size(), kStreamStateCount);
}

TEST(Rfc5044_7_1_2, TheResponderSendsNothingBeforeTheFirstFpdu) {
  EXPECT_FALSE(may_send_messages(await_first));
  EXPECT_TRUE(may_receive_messages(await_first));
  EXPECT_TRUE(may_send_messages(*next(await_first, first_fpdu)));
}

TEST(Rfc5044_7_2, AHalfClosedStreamMaySendInTheOpenDirection) {
  const auto state = *next(operational, peer_fin);
  EXPECT_TRUE(may_send_messages(state));
  EXPECT_FALSE(may_receive_messages(state));
}

TEST(Rfc5040_5_4, NothingIsSentAfterATerminateEitherWay) {
  EXPECT_FALSE(may_send_messages(*next(operational, terminate_received)));
  EXPECT_FALSE(may_send_messages(*next(operational, local_error)));
  EXPECT_FALSE(next(terminated, local_error)) << "a Terminate is never answered with a Terminate";
}

}  // namespace
}  // namespace softndk::iwarp
