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

}  // namespace
}  // namespace softndk::rnic::test
