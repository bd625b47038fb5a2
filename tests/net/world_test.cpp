#include "net/world.h"

#include <dirent.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <memory>
#include <thread>

#include "io/executor_contract.h"
#include "net/fault.h"
#include "net/linux_world.h"

namespace softndk::net {
namespace {

using io::contract::CountingTask;
using io::contract::drain;

int open_descriptors() {
  int count = 0;
  DIR* directory = opendir("/proc/self/fd");
  while (readdir(directory) != nullptr)
    ++count;
  closedir(directory);
  return count;
}

TEST(World, ComesAndGoesManyTimesWithoutLeavingDescriptors) {
  const int before = open_descriptors();
  for (int i = 0; i < 50; ++i) {
    auto world = World::create({.processors = 3});
    ASSERT_TRUE(world.has_value());
    EXPECT_EQ((*world)->view().executor.processor_count(), 3u);
  }
  EXPECT_EQ(open_descriptors(), before);
}

TEST(World, HasAProcessorByDefault) {
  auto world = World::create();
  ASSERT_TRUE(world.has_value());
  EXPECT_GE((*world)->view().executor.processor_count(), 1u);
  EXPECT_LE((*world)->view().executor.processor_count(), 4u);
}

TEST(World, EveryCallThatFailsInCreateIsNoResourcesAndLeavesNothing) {
  const int before = open_descriptors();
  int nth = 0;
  for (;; ++nth) {
    Fault fault(nth);
    auto world = World::create({.processors = 2});
    if (fault.hits() == 0) {
      EXPECT_TRUE(world.has_value());
      break;
    }
    ASSERT_FALSE(world.has_value()) << nth;
    EXPECT_EQ(world.error(), io::IoError::no_resources);
  }
  EXPECT_GE(nth, 9) << "a world, and for each of two processors: epoll, eventfd, memory, thread";
  EXPECT_EQ(open_descriptors(), before);
}

TEST(World, RunsWhatIsPostedBeforeItEnds) {
  CountingTask task;
  {
    auto world = World::create({.processors = 1, .spin_ns = 0});
    ASSERT_TRUE(world.has_value());
    (*world)->view().executor.processor(0).post(task);
  }
  EXPECT_EQ(task.runs.load(), 1);
}

TEST(World, ThreadsThatItDidNotMakeMayParkAndPost) {
  auto world = World::create({.processors = 2});
  ASSERT_TRUE(world.has_value());
  io::World view = (*world)->view();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i)
        drain(view, view.executor.processor(static_cast<unsigned>(i % 2)));
    });
  for (auto& thread : threads)
    thread.join();
}

TEST(World, SpawnThatFailsSaysSo) {
  auto world = World::create();
  ASSERT_TRUE(world.has_value());
  for (const char* name : {"thread", "allocate"}) {
    Fault fault(name);
    auto thread = (*world)->view().executor.spawn(
        "never", [](void*) {}, nullptr);
    ASSERT_FALSE(thread.has_value());
    EXPECT_EQ(thread.error(), io::IoError::no_resources);
  }
}

TEST(World, ProcessorThreadsLeaveSignalsToTheProgram) {
  auto world = World::create({.processors = 1});
  ASSERT_TRUE(world.has_value());
  io::World view = (*world)->view();
  sigset_t mask;
  sigemptyset(&mask);
  CountingTask look([&] { pthread_sigmask(SIG_SETMASK, nullptr, &mask); });
  view.executor.processor(0).post(look);
  drain(view, view.executor.processor(0));
  for (int signal : {SIGINT, SIGTERM, SIGUSR1, SIGCHLD})
    EXPECT_EQ(sigismember(&mask, signal), 1);
}

TEST(WorldDeathTest, ParkOnAProcessorIsABug) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(
      {
        auto world = World::create({.processors = 1});
        io::World view = (*world)->view();
        CountingTask task([&] { view.executor.park(0); });
        view.executor.processor(0).post(task);
        drain(view, view.executor.processor(0));
      },
      "broken invariant");
}

}  // namespace
}  // namespace softndk::net
