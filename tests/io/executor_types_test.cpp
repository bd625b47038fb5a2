#include <gtest/gtest.h>

#include "io/byte_stream.h"
#include "io/executor.h"

namespace softndk::io {
namespace {

TEST(Task, IsQueuedFromMarkToStart) {
  struct Seen : Task {
    Seen() : Task([](Task& task) noexcept { static_cast<Seen&>(task).queued_inside = task.is_queued(); }) {}
    bool queued_inside = true;
  } task;
  EXPECT_FALSE(task.is_queued());
  EXPECT_TRUE(task.mark_queued());
  EXPECT_FALSE(task.mark_queued());
  EXPECT_TRUE(task.is_queued());
  task.start();
  EXPECT_FALSE(task.queued_inside) << "it may be posted again from inside";
  EXPECT_TRUE(task.mark_queued());
}

TEST(Interest, IsASet) {
  EXPECT_EQ(Interest::read | Interest::write, Interest::both);
  EXPECT_TRUE(contains(Interest::both, Interest::read));
  EXPECT_FALSE(contains(Interest::read, Interest::write));
  EXPECT_FALSE(contains(Interest::none, Interest::both));
}

TEST(IoError, EveryOneHasItsOwnWords) {
  for (int one = 0; one <= static_cast<int>(IoError::closed); ++one) {
    EXPECT_STRNE(to_string(IoError(one)), "?");
    for (int other = 0; other < one; ++other)
      EXPECT_STRNE(to_string(IoError(one)), to_string(IoError(other)));
  }
}

}  // namespace
}  // namespace softndk::io
