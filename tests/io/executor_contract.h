#pragma once
// io/clock.h, io/rng.h and io/executor.h, sentence by sentence. See world_fixture.h for how to instantiate.
#include <algorithm>
#include <set>

#include "io/world_fixture.h"

namespace softndk::io::contract {

template <class Factory>
class ExecutorContract : public WorldTest<Factory> {};
TYPED_TEST_SUITE_P(ExecutorContract);

/// A task that counts its runs and runs `body` inside. Counts first, as the body may ring for it: who has seen the
/// count drains before the task goes.
struct CountingTask : Task {
  explicit CountingTask(std::function<void()> inside = {})
      : Task([](Task& task) noexcept { static_cast<CountingTask&>(task).run(); }), body(std::move(inside)) {}
  void run() noexcept {
    runs.fetch_add(1);
    if (body) body();
  }
  std::function<void()> body;
  std::atomic<int> runs{0};
};
struct CountingTimer : Timer {
  explicit CountingTimer(std::function<void()> inside = {})
      : Timer([](Task& task) noexcept { static_cast<CountingTimer&>(static_cast<Timer&>(task)).run(); }),
        body(std::move(inside)) {}
  void run() noexcept {
    runs.fetch_add(1);
    if (body) body();
  }
  std::function<void()> body;
  std::atomic<int> runs{0};
};

/// Returns when everything that was posted to `processor` before has run, and its run has returned.
inline void drain(World& world, Processor& processor) {
  struct State {
    std::atomic<bool> done{false};
  };
  auto state = std::make_shared<State>();
  struct Fence : Task {
    Fence(World& world, std::shared_ptr<State> state)
        : Task([](Task& task) noexcept {
            auto& fence = static_cast<Fence&>(task);
            auto keep = fence.state;
            Executor& executor = fence.executor;
            ThreadContext& waiter = fence.waiter;
            keep->done.store(true);  // `fence` may be gone from here on
            executor.unpark(waiter);
          }),
          state(std::move(state)),
          executor(world.executor),
          waiter(this_thread()) {}
    std::shared_ptr<State> state;
    Executor& executor;
    ThreadContext& waiter;
  };
  // Two rounds: the second begins after the first's run, and with it all before, has returned.
  for (int round = 0; round < 2; ++round) {
    state->done.store(false);
    Fence fence(world, state);
    ASSERT_TRUE(processor.post(fence));
    const TimeNs deadline_ns = world.clock.now_ns() + kPatience;
    while (!state->done.load()) {
      world.executor.park(deadline_ns);
      ASSERT_LT(world.clock.now_ns(), deadline_ns);
    }
  }
}

TYPED_TEST_P(ExecutorContract, ClockOnlyGoesForward) {
  this->in_world([](World& world) {
    TimeNs last = world.clock.now_ns();
    for (int i = 0; i < 1000; ++i) {
      const TimeNs now = world.clock.now_ns();
      EXPECT_GE(now, last);
      last = now;
      world.executor.yield();
    }
    EXPECT_LT(last, kNever);
  });
}

TYPED_TEST_P(ExecutorContract, WallClockCountsFrom1601) {
  this->in_world([](World& world) {
    constexpr std::uint64_t k2020 = (419ull * 365 + 101) * 24 * 3600 * 10'000'000;  // 101 leap days from 1601 to 2020
    const std::uint64_t before = world.clock.wall_100ns();
    EXPECT_GT(before, k2020);
    EXPECT_LT(before, k2020 * 3);
    world.executor.park(world.clock.now_ns() + 2 * kMillisecond);
    EXPECT_GT(world.clock.wall_100ns(), before);
  });
}

TYPED_TEST_P(ExecutorContract, RandomNumbersDifferAndStayBelowTheirBound) {
  this->in_world([](World& world) {
    std::set<std::uint64_t> seen;
    for (int i = 0; i < 1000; ++i)
      seen.insert(world.rng.next());
    EXPECT_EQ(seen.size(), 1000u);
    std::array<int, 7> histogram{};
    for (int i = 0; i < 7000; ++i)
      ++histogram.at(world.rng.below(7));
    for (int count : histogram)
      EXPECT_GT(count, 500);
  });
}

TYPED_TEST_P(ExecutorContract, RandomNumbersOfTwoThreadsDiffer) {
  this->in_world([](World& world) {
    std::vector<std::uint64_t> first(100), second(100);
    Worker one(world, [&] { std::generate(first.begin(), first.end(), [&] { return world.rng.next(); }); });
    Worker two(world, [&] { std::generate(second.begin(), second.end(), [&] { return world.rng.next(); }); });
    one.join();
    two.join();
    std::set<std::uint64_t> seen(first.begin(), first.end());
    seen.insert(second.begin(), second.end());
    EXPECT_EQ(seen.size(), 200u);
  });
}

TYPED_TEST_P(ExecutorContract, ParkTimesOutAtItsDeadlineNotBefore) {
  this->in_world([](World& world) {
    for (const TimeNs wait : {TimeNs{0}, 10 * kMicrosecond, 3 * kMillisecond}) {
      const TimeNs deadline_ns = world.clock.now_ns() + wait;
      while (world.executor.park(deadline_ns))  // true: it woke for no reason
        ASSERT_LT(world.clock.now_ns(), deadline_ns + kPatience);
      EXPECT_GE(world.clock.now_ns(), deadline_ns);
    }
    while (world.executor.park(0)) {  // long past: no wait, but an answer
    }
  });
}

TYPED_TEST_P(ExecutorContract, AnEarlyWakeCountsOnce) {
  this->in_world([](World& world) {
    while (world.executor.park(0)) {  // none is left over from before
    }
    world.executor.unpark(this_thread());
    world.executor.unpark(this_thread());
    EXPECT_TRUE(world.executor.park(kNever));  // returns at once; a lost token would hang here
    int woke = 0;
    while (world.executor.park(world.clock.now_ns() + kMillisecond))
      ASSERT_LT(++woke, 100) << "tokens add up";
  });
}

TYPED_TEST_P(ExecutorContract, UnparkWakesAnotherThread) {
  this->in_world([](World& world) {
    // Ping-pong without time-outs: one lost wake hangs it.
    constexpr int kRounds = 2000;
    std::atomic<int> turn{0};
    ThreadContext& mine = this_thread();
    std::atomic<ThreadContext*> theirs{nullptr};
    Worker other(world, [&] {
      theirs.store(&this_thread());
      world.executor.unpark(mine);
      for (int i = 1; i < 2 * kRounds; i += 2) {
        while (turn.load() != i)
          world.executor.park(kNever);
        turn.store(i + 1);
        world.executor.unpark(mine);
      }
    });
    while (theirs.load() == nullptr)
      world.executor.park(kNever);
    EXPECT_NE(theirs.load(), &mine);
    for (int i = 0; i < 2 * kRounds; i += 2) {
      while (turn.load() != i)
        world.executor.park(kNever);
      turn.store(i + 1);
      world.executor.unpark(*theirs.load());
    }
    other.join();
    EXPECT_EQ(turn.load(), 2 * kRounds);
  });
}

TYPED_TEST_P(ExecutorContract, UnparkAndTimeOutMayRace) {
  this->in_world([](World& world) {
    // Whatever the race ends in, a wake that was missed by one park is there for the next.
    for (int i = 0; i < 200; ++i) {
      std::atomic<bool> told{false};
      ThreadContext& mine = this_thread();
      Worker other(world, [&] {
        told.store(true);
        world.executor.unpark(mine);
      });
      world.executor.park(world.clock.now_ns() + world.rng.below(60) * kMicrosecond);
      while (!told.load())
        world.executor.park(kNever);
    }
  });
}

TYPED_TEST_P(ExecutorContract, LateUnparkOfAThreadThatHasEndedIsHarmless) {
  this->in_world([](World& world) {
    std::vector<ThreadContext*> ended;
    for (int i = 0; i < 20; ++i) {
      Worker worker(world, [&] { ended.push_back(&this_thread()); });
      worker.join();
    }
    for (ThreadContext* context : ended)
      world.executor.unpark(*context);
  });
}

TYPED_TEST_P(ExecutorContract, SpawnedThreadsHaveTheirNameAndTheirOwnContext) {
  this->in_world([](World& world) {
    constexpr int kThreads = 8;
    std::array<ThreadContext*, kThreads> contexts{};
    std::array<ThreadHandle, kThreads> handles{};
    std::atomic<int> here{0};
    struct Start {
      World* world;
      ThreadContext** context;
      std::atomic<int>* here;
    };
    std::array<Start, kThreads> starts;
    for (int i = 0; i < kThreads; ++i) {
      starts[i] = {&world, &contexts[i], &here};
      auto handle = world.executor.spawn(
          "named",
          [](void* argument) {
            auto& start = *static_cast<Start*>(argument);
            *start.context = &this_thread();
            EXPECT_STREQ(this_thread().name, "named");
            for (std::uintptr_t local : this_thread().local)
              EXPECT_EQ(local, 0u);
            this_thread().local[0] = 1;
            start.here->fetch_add(1);
            for (unsigned spins = 0; start.here->load() < kThreads; ++spins)
              start.world->executor.relax(spins);  // all live at once, so no context may be shared
          },
          &starts[i]);
      ASSERT_TRUE(handle.has_value());
      handles[i] = *handle;
    }
    for (ThreadHandle handle : handles)
      world.executor.join(handle);
    std::set<ThreadContext*> distinct(contexts.begin(), contexts.end());
    distinct.insert(&this_thread());
    EXPECT_EQ(distinct.size(), kThreads + 1u);
  });
}

TYPED_TEST_P(ExecutorContract, ThereIsAProcessorAndEachKnowsItsIndex) {
  this->in_world([](World& world) {
    ASSERT_GE(world.executor.processor_count(), 1u);
    for (unsigned i = 0; i < world.executor.processor_count(); ++i) {
      EXPECT_EQ(world.executor.processor(i).index(), i);
      EXPECT_FALSE(world.executor.processor(i).is_current());
    }
  });
}

TYPED_TEST_P(ExecutorContract, TasksRunOnTheirProcessorInOrder) {
  this->in_world([](World& world) {
    for (unsigned p = 0; p < world.executor.processor_count(); ++p) {
      Processor& processor = world.executor.processor(p);
      std::vector<int> order;
      std::vector<std::unique_ptr<CountingTask>> tasks;
      for (int i = 0; i < 100; ++i)
        tasks.push_back(std::make_unique<CountingTask>([&, i] {
          EXPECT_TRUE(processor.is_current());
          order.push_back(i);
        }));
      for (auto& task : tasks)
        EXPECT_TRUE(processor.post(*task));
      drain(world, processor);
      ASSERT_EQ(order.size(), 100u);
      EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
    }
  });
}

TYPED_TEST_P(ExecutorContract, ATaskThatIsQueuedIsNotQueuedTwice) {
  this->in_world([](World& world) {
    Processor& processor = world.executor.processor(0);
    CountingTask inner;
    // Posted from the processor itself, it cannot run in between.
    CountingTask outer([&] {
      EXPECT_TRUE(processor.post(inner));
      EXPECT_TRUE(inner.is_queued());
      EXPECT_FALSE(processor.post(inner));
      EXPECT_EQ(inner.runs.load(), 0) << "nested inside the call that posted it";
    });
    EXPECT_TRUE(processor.post(outer));
    drain(world, processor);
    EXPECT_EQ(inner.runs.load(), 1);
    EXPECT_TRUE(processor.post(inner));
    drain(world, processor);
    EXPECT_EQ(inner.runs.load(), 2);
  });
}

TYPED_TEST_P(ExecutorContract, ATaskMayPostItselfFromInside) {
  this->in_world([](World& world) {
    Processor& processor = world.executor.processor(0);
    Bell bell(world);
    std::atomic<int> runs{0};
    std::function<void()> again;
    CountingTask task([&] { again(); });
    again = [&] {
      if (runs.fetch_add(1) + 1 < 500) {
        EXPECT_TRUE(processor.post(task));
      } else {
        bell.ring();
      }
    };
    EXPECT_TRUE(processor.post(task));
    EXPECT_TRUE(bell.wait([&] { return runs.load() == 500; }));
    drain(world, processor);
    EXPECT_EQ(runs.load(), 500);
  });
}

TYPED_TEST_P(ExecutorContract, ATaskMayBeFreedInsideItsRun) {
  this->in_world([](World& world) {
    struct SelfFreeing : Task {
      explicit SelfFreeing(std::atomic<int>& freed)
          : Task([](Task& task) noexcept { delete static_cast<SelfFreeing*>(&task); }), freed(freed) {}
      ~SelfFreeing() { freed.fetch_add(1); }
      std::atomic<int>& freed;
    };
    std::atomic<int> freed{0};
    Processor& processor = world.executor.processor(0);
    for (int i = 0; i < 100; ++i)
      EXPECT_TRUE(processor.post(*new SelfFreeing(freed)));
    drain(world, processor);
    EXPECT_EQ(freed.load(), 100);
  });
}

TYPED_TEST_P(ExecutorContract, ManyThreadsPostAndEachKeepsItsOrder) {
  this->in_world([](World& world) {
    constexpr int kThreads = 4, kPosts = 500;
    Processor& processor = world.executor.processor(world.executor.processor_count() - 1);
    std::array<int, kThreads> last;
    last.fill(-1);
    int total = 0;  // touched on the processor only
    std::vector<std::unique_ptr<CountingTask>> tasks;
    for (int i = 0; i < kThreads * kPosts; ++i)
      tasks.push_back(std::make_unique<CountingTask>([&, i] {
        EXPECT_TRUE(processor.is_current());
        EXPECT_LT(last[i / kPosts], i % kPosts);
        last[i / kPosts] = i % kPosts;
        ++total;
      }));
    std::vector<std::unique_ptr<Worker>> workers;
    for (int t = 0; t < kThreads; ++t)
      workers.push_back(std::make_unique<Worker>(world, [&, t] {
        for (int i = 0; i < kPosts; ++i) {
          EXPECT_TRUE(processor.post(*tasks[t * kPosts + i]));
          // Now and then it falls asleep, so that a post meets every stage of that.
          if (i % 50 == 0) world.executor.park(world.clock.now_ns() + 100 * kMicrosecond);
        }
      }));
    for (auto& worker : workers)
      worker->join();
    drain(world, processor);
    EXPECT_EQ(total, kThreads * kPosts);
  });
}

TYPED_TEST_P(ExecutorContract, APostWakesAProcessorThatSleeps) {
  this->in_world([](World& world) {
    Processor& processor = world.executor.processor(0);
    for (int i = 0; i < 50; ++i) {
      const TimeNs deadline_ns = world.clock.now_ns() + world.rng.below(400) * kMicrosecond;
      while (world.executor.park(deadline_ns)) {
      }
      drain(world, processor);
    }
  });
}

TYPED_TEST_P(ExecutorContract, TimersRunInTheOrderOfTheirDeadlines) {
  this->in_world([](World& world) {
    Processor& processor = world.executor.processor(0);
    constexpr int kTimers = 60;
    Bell bell(world);
    std::vector<int> order;
    std::atomic<int> ran{0};
    std::vector<std::unique_ptr<CountingTimer>> timers;
    std::vector<TimeNs> deadlines(kTimers);
    for (int i = 0; i < kTimers; ++i)
      timers.push_back(std::make_unique<CountingTimer>([&, i] {
        EXPECT_TRUE(processor.is_current());
        EXPECT_GE(world.clock.now_ns(), deadlines[i]);
        order.push_back(i);
        ran.fetch_add(1);
        bell.ring();
      }));
    std::vector<int> shuffled(kTimers);
    for (int i = 0; i < kTimers; ++i)
      shuffled[i] = i;
    for (int i = kTimers - 1; i > 0; --i)
      std::swap(shuffled[i], shuffled[world.rng.below(i + 1)]);
    const TimeNs start_ns = world.clock.now_ns() + 20 * kMillisecond;
    for (int i = 0; i < kTimers; ++i)
      deadlines[i] = start_ns + i * 100 * kMicrosecond;
    // From the processor itself: none can run before the last is armed.
    CountingTask arm_all([&] {
      for (int i : shuffled)
        processor.arm(*timers[i], deadlines[i]);
    });
    EXPECT_TRUE(processor.post(arm_all));
    EXPECT_TRUE(bell.wait([&] { return ran.load() == kTimers; }));
    drain(world, processor);
    EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
  });
}

TYPED_TEST_P(ExecutorContract, ATimerRunsOnceForAllItsArming) {
  this->in_world([](World& world) {
    Processor& processor = world.executor.processor(0);
    Bell bell(world);
    CountingTimer timer([&] { bell.ring(); });
    const TimeNs now = world.clock.now_ns();
    // Arming again moves it: later, earlier, never, now.
    processor.arm(timer, now + kPatience * 2);
    processor.arm(timer, now + kPatience * 3);
    processor.arm(timer, kNever);
    EXPECT_EQ(timer.runs.load(), 0);
    processor.arm(timer, now);
    EXPECT_TRUE(bell.wait([&] { return timer.runs.load() == 1; }));
    CountingTimer fence([&] { bell.ring(); });
    processor.arm(fence, world.clock.now_ns() + kMillisecond);
    EXPECT_TRUE(bell.wait([&] { return fence.runs.load() == 1; }));
    drain(world, processor);
    EXPECT_EQ(timer.runs.load(), 1);
    EXPECT_FALSE(processor.cancel(timer));
  });
}

TYPED_TEST_P(ExecutorContract, ACancelledTimerDoesNotRun) {
  this->in_world([](World& world) {
    Processor& processor = world.executor.processor(0);
    Bell bell(world);
    std::vector<std::unique_ptr<CountingTimer>> timers;
    const TimeNs base_ns = world.clock.now_ns() + 5 * kMillisecond;
    std::array<bool, 200> cancelled{};
    for (int i = 0; i < 200; ++i) {
      timers.push_back(std::make_unique<CountingTimer>([&] { bell.ring(); }));
      processor.arm(*timers[i], base_ns + world.rng.below(2000) * kMicrosecond);
    }
    for (int i = 0; i < 200; i += 2)
      cancelled[i] = processor.cancel(*timers[i]);  // false only if it ran before us
    EXPECT_TRUE(bell.wait([&] {
      return std::all_of(timers.begin(), timers.end(),
                         [&, i = 0](auto& timer) mutable { return cancelled[i++] || timer->runs.load() == 1; });
    }));
    drain(world, processor);
    for (int i = 0; i < 200; ++i) {
      EXPECT_EQ(timers[i]->runs.load(), cancelled[i] ? 0 : 1);
      EXPECT_FALSE(processor.cancel(*timers[i])) << "nothing is armed any more";
    }
  });
}

TYPED_TEST_P(ExecutorContract, CancelSaysWhetherTheRunHappens) {
  this->in_world([](World& world) {
    // The race of a cancel with the deadline: true means never, false means exactly one run.
    Processor& processor = world.executor.processor(0);
    Bell bell(world);
    for (int i = 0; i < 300; ++i) {
      CountingTimer timer([&] { bell.ring(); });
      processor.arm(timer, world.clock.now_ns() + world.rng.below(40) * kMicrosecond);
      for (std::uint64_t spin = world.rng.below(20); spin > 0; --spin)
        world.executor.relax(0);
      if (processor.cancel(timer)) {
        drain(world, processor);
        EXPECT_EQ(timer.runs.load(), 0);
      } else {
        EXPECT_TRUE(bell.wait([&] { return timer.runs.load() == 1; }));
        drain(world, processor);
        EXPECT_EQ(timer.runs.load(), 1);
      }
    }
  });
}

TYPED_TEST_P(ExecutorContract, ATimerMayArmItselfAndCancelOthersFromInside) {
  this->in_world([](World& world) {
    Processor& processor = world.executor.processor(0);
    Bell bell(world);
    std::atomic<int> runs{0};
    CountingTimer victim;
    std::function<void()> again;
    CountingTimer timer([&] { again(); });
    again = [&] {
      if (runs.load() == 0) {
        EXPECT_TRUE(processor.cancel(victim));
      }
      if (runs.load() < 20) processor.arm(timer, world.clock.now_ns() + 10 * kMicrosecond);
      runs.fetch_add(1);
      bell.ring();
    };
    processor.arm(victim, world.clock.now_ns() + kPatience);
    processor.arm(timer, 0);
    EXPECT_TRUE(bell.wait([&] { return runs.load() == 21; }));
    drain(world, processor);
    EXPECT_EQ(victim.runs.load(), 0);
  });
}

TYPED_TEST_P(ExecutorContract, ATimerMayBeFreedInsideItsRun) {
  this->in_world([](World& world) {
    struct SelfFreeing : Timer {
      SelfFreeing(std::atomic<int>& freed, Bell& bell)
          : Timer([](Task& task) noexcept { delete static_cast<SelfFreeing*>(static_cast<Timer*>(&task)); }),
            freed(freed),
            bell(bell) {}
      ~SelfFreeing() {
        freed.fetch_add(1);
        bell.ring();
      }
      std::atomic<int>& freed;
      Bell& bell;
    };
    std::atomic<int> freed{0};
    Bell bell(world);
    Processor& processor = world.executor.processor(0);
    for (int i = 0; i < 20; ++i)
      processor.arm(*new SelfFreeing(freed, bell), world.clock.now_ns() + world.rng.below(1000) * kMicrosecond);
    EXPECT_TRUE(bell.wait([&] { return freed.load() == 20; }));
    drain(world, processor);
  });
}

TYPED_TEST_P(ExecutorContract, APostedTimerAndItsDeadlineShareOneRunAtATime) {
  this->in_world([](World& world) {
    // A timer is a task and may be posted too; if both fall together, one run serves.
    Processor& processor = world.executor.processor(0);
    CountingTimer timer;
    CountingTask both([&] {
      EXPECT_TRUE(processor.post(timer));
      processor.arm(timer, 0);
    });
    EXPECT_TRUE(processor.post(both));
    drain(world, processor);
    CountingTimer fence;
    processor.arm(fence, world.clock.now_ns());
    while (fence.runs.load() == 0)
      drain(world, processor);
    drain(world, processor);
    EXPECT_GE(timer.runs.load(), 1);
    EXPECT_LE(timer.runs.load(), 2);
  });
}

TYPED_TEST_P(ExecutorContract, TasksAndTimersThatRearmDoNotStarveEachOther) {
  this->in_world([](World& world) {
    Processor& processor = world.executor.processor(0);
    std::atomic<bool> stop{false};
    std::function<void()> post_again, arm_again;
    CountingTask task([&] { post_again(); });
    CountingTimer timer([&] { arm_again(); });
    post_again = [&] {
      if (!stop.load()) processor.post(task);
    };
    arm_again = [&] {
      if (!stop.load()) processor.arm(timer, 0);  // always overdue
    };
    processor.post(task);
    processor.arm(timer, 0);
    const TimeNs deadline_ns = world.clock.now_ns() + kPatience;
    while ((task.runs.load() < 50 || timer.runs.load() < 50) && world.clock.now_ns() < deadline_ns)
      world.executor.park(world.clock.now_ns() + kMillisecond);
    stop.store(true);
    drain(world, processor);
    while (processor.cancel(timer)) {
    }
    drain(world, processor);
    EXPECT_GE(task.runs.load(), 50);
    EXPECT_GE(timer.runs.load(), 50);
  });
}

REGISTER_TYPED_TEST_SUITE_P(ExecutorContract, ClockOnlyGoesForward, WallClockCountsFrom1601,
                            RandomNumbersDifferAndStayBelowTheirBound, RandomNumbersOfTwoThreadsDiffer,
                            ParkTimesOutAtItsDeadlineNotBefore, AnEarlyWakeCountsOnce, UnparkWakesAnotherThread,
                            UnparkAndTimeOutMayRace, LateUnparkOfAThreadThatHasEndedIsHarmless,
                            SpawnedThreadsHaveTheirNameAndTheirOwnContext, ThereIsAProcessorAndEachKnowsItsIndex,
                            TasksRunOnTheirProcessorInOrder, ATaskThatIsQueuedIsNotQueuedTwice,
                            ATaskMayPostItselfFromInside, ATaskMayBeFreedInsideItsRun,
                            ManyThreadsPostAndEachKeepsItsOrder, APostWakesAProcessorThatSleeps,
                            TimersRunInTheOrderOfTheirDeadlines, ATimerRunsOnceForAllItsArming,
                            ACancelledTimerDoesNotRun, CancelSaysWhetherTheRunHappens,
                            ATimerMayArmItselfAndCancelOthersFromInside, ATimerMayBeFreedInsideItsRun,
                            APostedTimerAndItsDeadlineShareOneRunAtATime, TasksAndTimersThatRearmDoNotStarveEachOther);

}  // namespace softndk::io::contract
