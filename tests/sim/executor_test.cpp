#include "sim/executor.h"

#include <atomic>
#include <cfenv>
#include <set>
#include <string>

#include "sim/program.h"
#include "sim/seed_loop.h"

namespace softndk::sim {
namespace {

// --- deadlocks and runs without end

TEST(Deadlock, IsReportedWithNamesAndReasons) {
  World world(1, quiet());
  io::World view = world.view();
  static std::atomic<io::Executor*> executor;
  executor = &view.executor;
  const Result result = world.run([] {
    auto sleeper = executor.load()->spawn(
        "sleeper",
        [](void*) {
          while (true)
            executor.load()->park(io::kNever);
        },
        nullptr);
    ASSERT_TRUE(sleeper.has_value());
    executor.load()->join(*sleeper);
  });
  EXPECT_EQ(result, Result::deadlock);
  const std::string& report = world.report();
  EXPECT_NE(report.find("seed 1: deadlock"), std::string::npos) << report;
  EXPECT_NE(report.find("\"sleeper\" is parked since"), std::string::npos) << report;
  EXPECT_NE(report.find("\"main\" joins fiber"), std::string::npos) << report;
  EXPECT_GT(std::count(report.begin(), report.end(), '\n'), 5) << "each with its stack:\n" << report;
}

TEST(Deadlock, IsNotSeenWhileADeadlineIsLeft) {
  World world(1);
  io::World view = world.view();
  EXPECT_EQ(world.run([&] { sleep_until(view, view.clock.now_ns() + 3600 * io::kSecond); }), Result::completed);
}

TEST(TooLong, StepsAreBounded) {
  Options options = quiet();
  options.steps_max = 10'000;
  World world(1, options);
  io::World view = world.view();
  EXPECT_EQ(world.run([&] {
    while (true)
      view.executor.yield();
  }),
            Result::too_long);
  EXPECT_NE(world.report().find("steps"), std::string::npos);
  EXPECT_NE(world.report().find("\"main\" can run"), std::string::npos) << world.report();
}

TEST(TooLong, VirtualTimeIsBounded) {
  Options options = quiet();
  options.time_max_ns = io::kSecond;
  World world(1, options);
  io::World view = world.view();
  EXPECT_EQ(world.run([&] { sleep_until(view, view.clock.now_ns() + 2 * io::kSecond); }), Result::too_long);
  EXPECT_NE(world.report().find("virtual time"), std::string::npos);
}

// --- the clock

TEST(VirtualClock, JumpsWhenNothingCanRun) {
  World world(1);
  io::World view = world.view();
  world.run([&] {
    const io::TimeNs before_ns = view.clock.now_ns();
    const std::uint64_t wall_before = view.clock.wall_100ns();
    sleep_until(view, before_ns + 1000 * io::kSecond);
    EXPECT_GE(view.clock.now_ns(), before_ns + 1000 * io::kSecond);
    EXPECT_LT(view.clock.now_ns(), before_ns + 1001 * io::kSecond);
    EXPECT_NEAR(static_cast<double>(view.clock.wall_100ns() - wall_before), 1e10, 1e7);
  });
  EXPECT_LT(world.steps(), 100U);
}

TEST(VirtualClock, ALoopThatOnlyLooksEnds) {
  World world(1);
  io::World view = world.view();
  world.run([&] {
    const io::TimeNs until_ns = view.clock.now_ns() + 10 * io::kMicrosecond;
    while (view.clock.now_ns() < until_ns) {
    }
  });
}

TEST(VirtualClock, SpinningFibersReachATimerInFewSteps) {
  for_each_seed(20, [](std::uint64_t seed) {
    World world(seed);
    io::World view = world.view();
    world.run([&] {
      static std::atomic<bool> done;
      done = false;
      io::Timer timer([](io::Task&) noexcept { done = true; });
      view.executor.processor(0).arm(timer, view.clock.now_ns() + 10 * io::kSecond);
      Fibers fibers(view);
      for (int i = 0; i < 3; ++i)
        fibers.start("spinner", [&] {
          for (unsigned spins = 0; !done; ++spins)
            view.executor.relax(spins);
        });
      fibers.join_all();
      EXPECT_LT(view.clock.now_ns(), 13 * io::kSecond);
    });
    EXPECT_LT(world.steps(), 100'000U);
  });
}

TEST(VirtualClock, WorkWithManyYieldsDoesNotRunTheClockAway) {
  World world(1);
  io::World view = world.view();
  world.run([&] {
    const io::TimeNs deadline_ns = view.clock.now_ns() + 30 * io::kSecond;
    io::Timer timer([](io::Task&) noexcept {});
    view.executor.processor(0).arm(timer, deadline_ns);
    for (int i = 0; i < 5000; ++i)
      view.executor.yield();
    EXPECT_LT(view.clock.now_ns(), deadline_ns);
    EXPECT_TRUE(view.executor.processor(0).cancel(timer));
  });
}

// --- fibers

TEST(FibersOfAWorld, ThousandsLiveAtOnce) {
  const int count = SOFTNDK_TSAN ? 400 : 5000;
  World world(1);
  io::World view = world.view();
  std::atomic<int> here{0};
  EXPECT_EQ(world.run([&] {
    Fibers fibers(view);
    for (int i = 0; i < count; ++i)
      fibers.start("one of many", [&] {
        ++here;
        while (here < count)
          view.executor.park(view.clock.now_ns() + io::kMillisecond);
      });
    fibers.join_all();
  }),
            Result::completed);
  EXPECT_EQ(here, count);
}

TEST(FibersOfAWorld, StacksAreUsedAgain) {
  World world(1);
  io::World view = world.view();
  std::set<void*> stacks;
  EXPECT_EQ(world.run([&] {
    for (int i = 0; i < 1000; ++i) {
      Fibers fibers(view);
      fibers.start("short", [&] { stacks.insert(__builtin_frame_address(0)); });
      fibers.join_all();
    }
  }),
            Result::completed);
  EXPECT_LT(stacks.size(), 10U);
}

/// Recursion with a wait and live locals at each level, as a consumer that blocks inside calls inside calls.
std::uint64_t nested(io::World& world, unsigned depth, std::uint64_t salt) {
  std::uint64_t local[16];
  for (unsigned i = 0; i < 16; ++i)
    local[i] = salt * 31 + depth * 16 + i;
  if (depth % 3 == 0)
    world.executor.park(world.clock.now_ns() + salt % 7 * io::kMicrosecond);
  else
    world.executor.yield();
  const std::uint64_t below = depth == 0 ? 0 : nested(world, depth - 1, salt);
  world.executor.relax(depth);
  std::uint64_t sum = below;
  for (unsigned i = 0; i < 16; ++i)
    sum += local[i] - (salt * 31 + depth * 16 + i);
  return sum + 1;
}

TEST(FibersOfAWorld, BlockInTheMiddleOfNestedCalls) {
  for_each_seed(20, [](std::uint64_t seed) {
    World world(seed);
    io::World view = world.view();
    EXPECT_EQ(world.run([&] {
      Fibers fibers(view);
      for (std::uint64_t salt = 0; salt < 20; ++salt)
        fibers.start("nested", [&view, salt] { EXPECT_EQ(nested(view, 60, salt), 61U); });
      fibers.join_all();
    }),
              Result::completed);
  });
}

TEST(FibersOfAWorld, KeepTheirFloatingPointModes) {
  World world(1);
  io::World view = world.view();
  world.run([&] {
    Fibers fibers(view);
    for (const int mode : {FE_UPWARD, FE_DOWNWARD, FE_TONEAREST})
      fibers.start("rounding", [&view, mode] {
        std::fesetround(mode);
        for (int i = 0; i < 50; ++i) {
          view.executor.yield();
          EXPECT_EQ(std::fegetround(), mode);
        }
      });
    fibers.join_all();
    EXPECT_EQ(std::fegetround(), FE_TONEAREST);
  });
}

TEST(FibersOfAWorld, AStackOverflowHitsTheGuardPage) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        World world(1);
        world.run([] {
          volatile char* below = static_cast<volatile char*>(__builtin_frame_address(0));
          for (std::size_t down = 0; down < Options{}.stack_bytes + 4096; down += 1024)
            *(below - down) = 1;
        });
      },
      "");
}

TEST(FibersOfAWorld, TheCallersThreadContextComesBack) {
  io::ThreadContext& mine = io::this_thread();
  World world(1);
  io::ThreadContext* inside = nullptr;
  world.run([&] { inside = &io::this_thread(); });
  EXPECT_NE(inside, &mine);
  EXPECT_EQ(&io::this_thread(), &mine);
}

TEST(FibersOfAWorld, AWorldRunsSeveralTimes) {
  World world(1);
  io::World view = world.view();
  io::TimeNs last_ns = 0;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(world.run([&] {
      EXPECT_GT(view.clock.now_ns(), last_ns);
      sleep_until(view, view.clock.now_ns() + io::kSecond);
      last_ns = view.clock.now_ns();
    }),
              Result::completed);
  }
}

TEST(FibersOfAWorld, ARunEndsOnlyWhenAllThreadsHave) {
  World world(1);
  io::World view = world.view();
  std::atomic<bool> ended{false};
  std::function<void()> body = [&] {
    sleep_until(view, view.clock.now_ns() + io::kSecond);
    ended = true;
  };
  world.run([&] {
    auto handle = view.executor.spawn(
        "left alone", [](void* it) { (*static_cast<std::function<void()>*>(it))(); }, &body);
    ASSERT_TRUE(handle.has_value());  // and never joined: the world does it
  });
  EXPECT_TRUE(ended);
}

TEST(FibersOfAWorld, StallsDelayOneThreadAndNotTheOthers) {
  Options options;
  options.stall = Chance::one_in(10);
  int stalled = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    World world(seed, options);
    io::World view = world.view();
    EXPECT_EQ(world.run([&] {
      Fibers fibers(view);
      for (int i = 0; i < 4; ++i)
        fibers.start("worker", [&] {
          for (int round = 0; round < 20; ++round)
            view.executor.yield();
        });
      fibers.join_all();
    }),
              Result::completed);
    for (const TraceRecord& record : world.trace())
      stalled += record.kind == TraceKind::stall;
  }
  EXPECT_GT(stalled, 10);
}

TEST(Park, WakesForNoReasonNowAndThen) {
  Options options;
  options.spurious_wake = Chance::one_in(2);
  World world(1, options);
  io::World view = world.view();
  int spurious = 0;
  world.run([&] {
    for (int i = 0; i < 100; ++i)
      spurious += view.executor.park(view.clock.now_ns() + io::kMillisecond);
  });
  EXPECT_GT(spurious, 20);
  EXPECT_LT(spurious, 80);
}

// --- what it is for

/// A waiter that looks, then registers, then sleeps; with the bug, it does not look again once it is registered.
Result wait_for_flag(std::uint64_t seed, bool with_bug) {
  Options options = quiet();
  options.spurious_wake = Chance::never();  // would rescue it
  World world(seed, options);
  io::World view = world.view();
  static std::atomic<bool> ready;
  static std::atomic<io::ThreadContext*> waiter;
  ready = false;
  waiter = nullptr;
  struct Setter {
    static void run(void* executor) {
      auto& io = *static_cast<io::Executor*>(executor);
      io.yield();
      ready = true;
      if (io::ThreadContext* context = waiter) io.unpark(*context);
    }
  };
  const auto body = [&view, with_bug] {
    ASSERT_TRUE(view.executor.spawn("setter", &Setter::run, &view.executor).has_value());
    while (!ready) {
      view.executor.yield();  // stands for any work between the look and the registration
      waiter = &io::this_thread();
      if (with_bug || !ready) view.executor.park(io::kNever);
    }
  };
  return world.run(body);
}

TEST(Schedules, FindALostWakeUpWithinFewSeeds) {
  int found = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed)
    found += wait_for_flag(seed, true) == Result::deadlock;
  EXPECT_GT(found, 0);
  for_each_seed(500, [](std::uint64_t seed) { EXPECT_EQ(wait_for_flag(seed, false), Result::completed); });
}

/// Two threads count without a lock, although each runs when the other has long finished its step.
void race(bool find_races) {
  Options options;
  options.find_races = find_races;
  World world(1, options);
  io::World view = world.view();
  int count = 0;
  world.run([&] {
    Fibers fibers(view);
    for (int i = 0; i < 2; ++i)
      fibers.start("racer", [&] {
        view.executor.yield();
        ++count;
      });
    fibers.join_all();
  });
}

TEST(Races, AreFoundByThreadSanitizerThoughOneThreadRuns) {
  if (!SOFTNDK_TSAN) GTEST_SKIP() << "not built with ThreadSanitizer";
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT((race(true), std::exit(0)), ::testing::ExitedWithCode(66), "data race");
  EXPECT_EXIT((race(false), std::exit(0)), ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace softndk::sim
