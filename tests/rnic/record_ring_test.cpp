// The ring under both queues of a queue pair, by one thread: positions, padding, ends.
#include "rnic/record_ring.h"

#include <gtest/gtest.h>

namespace softndk::rnic::test {
namespace {

struct Record {
  RecordRing::Header header;
  int number;
};

constexpr std::size_t kBytes = 96;  // does not divide the ring, so that laps end in padding

class RecordRingTest : public ::testing::Test {
 protected:
  RecordRingTest() { EXPECT_TRUE(ring.reserve_memory(4, kBytes)); }
  bool push(int number) {
    auto* record = static_cast<Record*>(ring.reserve(kBytes));
    if (record == nullptr) return false;
    record->number = number;
    ring.publish();
    return true;
  }
  /// Takes the next one out.
  int take() {
    Record* record = ring.record_at<Record>(taken, ring.published());
    if (record == nullptr) return -1;
    const int number = record->number;
    taken = RecordRing::after(taken, record->header);
    ring.free_until(taken);
    return number;
  }
  RecordRing ring;
  RecordRing::Position taken = 0;
};

TEST_F(RecordRingTest, RecordsComeOutAsTheyWentInOverManyLaps) {
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(push(i));
    ASSERT_EQ(take(), i);
  }
  EXPECT_EQ(take(), -1);
}

/// A read-fenced Send waited behind the end of a lap: the cursor that had looked at it stood behind the padding, one
/// that came after it stood before, and took the Send for sent.
TEST_F(RecordRingTest, ARecordThatWasOnlyLookedAtBehindPaddingIsNotBeforeTheLooker) {
  int number = 0;
  for (int lap = 0; lap < 20; ++lap) {
    ASSERT_TRUE(push(++number));
    RecordRing::Position looker = taken;
    const Record* seen = ring.record_at<Record>(looker, ring.published());
    ASSERT_NE(seen, nullptr);
    ASSERT_EQ(seen->number, number);
    RecordRing::Position follower = taken;
    EXPECT_EQ(ring.record_at<Record>(follower, looker), nullptr) << "record " << number;
    ASSERT_EQ(take(), number);
  }
}

/// 10,000 idle connections shall not each keep a lap of the ring in memory because each has once sent a lap's worth.
TEST(RecordRing, OneThatIsEmptyAgainAndAgainUsesItsBeginningOnly) {
  RecordRing ring;
  ASSERT_TRUE(ring.reserve_memory(64, kBytes));
  const std::uint8_t* begin = nullptr;
  RecordRing::Position taken = 0;
  for (int i = 0; i < 1000; ++i) {
    const auto* room = static_cast<const std::uint8_t*>(ring.reserve(kBytes));
    ASSERT_NE(room, nullptr);
    if (begin == nullptr) begin = room;
    ASSERT_LT(room, begin + 512 + kBytes);
    ring.publish();
    const Record* record = ring.record_at<Record>(taken, ring.published());
    ASSERT_EQ(static_cast<const void*>(record), room);
    taken = RecordRing::after(taken, record->header);
    ring.free_until(taken);
  }
}

/// A flush looked at a Read behind the gap and had to leave it; what had been sent ended before the gap. The next look
/// took everything behind it for sent, and then went on into memory that no record had ever been in.
TEST_F(RecordRingTest, AnEndThatACursorHasPassedIsReached) {
  for (int round = 0; round < 200; ++round) {
    const RecordRing::Position sent = taken;
    ASSERT_TRUE(push(round));
    RecordRing::Position looker = taken;
    ASSERT_NE(ring.record_at<Record>(looker, ring.published()), nullptr);
    ASSERT_EQ(ring.record_at<Record>(looker, sent), nullptr) << "round " << round;
    ASSERT_EQ(take(), round);
  }
}

/// Where the beginning was gone back to, what was skipped counted as used until the next record was freed: a queue pair
/// refused receives long before its depth.
TEST_F(RecordRingTest, TheWholeDepthIsThereAfterASkip) {
  for (int round = 0; round < 200; ++round) {
    for (int i = 0; i < 1 + round % 4; ++i)
      ASSERT_TRUE(push(i)) << "round " << round;
    for (int i = 0; i < 1 + round % 4; ++i)
      ASSERT_EQ(take(), i);
    for (int i = 0; i < 4; ++i)
      ASSERT_TRUE(push(i)) << "round " << round;
    for (int i = 0; i < 4; ++i)
      ASSERT_EQ(take(), i);
    ASSERT_EQ(take(), -1);
  }
}

}  // namespace
}  // namespace softndk::rnic::test
