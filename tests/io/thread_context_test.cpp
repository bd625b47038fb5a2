#include <gtest/gtest.h>

#include <thread>

#include "base/alloc.h"
#include "io/executor.h"

namespace softndk::io {
namespace {

TEST(ThreadContext, AThreadIsAdoptedOnceAndKeepsItsContext) {
  ThreadContext& mine = this_thread();
  mine.local[3] = 42;
  EXPECT_EQ(&this_thread(), &mine);
  EXPECT_EQ(this_thread().local[3], 42u);
  mine.local[3] = 0;
}

TEST(ThreadContext, ThreadsThatLiveTogetherShareNone) {
  ThreadContext* theirs = nullptr;
  std::thread other([&] { theirs = &this_thread(); });
  other.join();
  EXPECT_NE(theirs, nullptr);
  EXPECT_NE(theirs, &this_thread());
}

TEST(ThreadContext, ARecycledContextIsEmptyAndStillThere) {
  ThreadContext* first = nullptr;
  std::thread([&] {
    first = &this_thread();
    first->local[0] = 7;
    first->name = "first";
  }).join();
  EXPECT_EQ(first->local[0], 0u);  // the memory stays: a late unpark may still name it
  std::thread([&] {
    EXPECT_EQ(&this_thread(), first);
    EXPECT_EQ(this_thread().local[0], 0u);
    EXPECT_STREQ(this_thread().name, "");
  }).join();
}

TEST(ThreadContext, AnExecutorMaySwitchContextsAndBack) {
  ThreadContext& mine = this_thread();
  ThreadContext fiber;
  set_this_thread(&fiber);
  EXPECT_EQ(&this_thread(), &fiber);
  set_this_thread(nullptr);
  EXPECT_EQ(&this_thread(), &mine);
}

TEST(ThreadContext, SwitchedBeforeItsFirstUseAThreadIsAdoptedLater) {
  std::thread([] {
    ThreadContext fiber;
    set_this_thread(&fiber);
    EXPECT_EQ(&this_thread(), &fiber);
    set_this_thread(nullptr);
    EXPECT_NE(&this_thread(), &fiber);
    EXPECT_EQ(&this_thread(), &this_thread());
  }).join();
}

TEST(SpareContext, IsTheNewThreadsWhoTakesNoneItself) {
  SpareContext spare = SpareContext::take();
  ASSERT_TRUE(spare);
  ThreadContext* theirs = nullptr;
  std::thread([&] {
    // From here on nothing is to be had, and nothing needed.
    set_fault_hook([](void*, const char*) noexcept { return true; }, nullptr);
    spare.adopt();
    theirs = &this_thread();
    set_fault_hook(nullptr, nullptr);
  }).join();
  EXPECT_FALSE(spare);
  EXPECT_NE(theirs, &this_thread());
  std::thread([&] { EXPECT_EQ(&this_thread(), theirs) << "it was not given back"; }).join();
}

TEST(SpareContext, IsEmptyWhenMemoryIsShortAndGoesBackUnused) {
  set_fault_hook([](void*, const char*) noexcept { return true; }, nullptr);
  EXPECT_FALSE(SpareContext::take());
  set_fault_hook(nullptr, nullptr);
  { SpareContext unused = SpareContext::take(); }
}

}  // namespace
}  // namespace softndk::io
