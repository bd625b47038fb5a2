#include "ntrt/dispatcher.h"

#include <atomic>
#include <cstring>
#include <memory>
#include <vector>

#include "base/log.h"
#include "ntrt/kernel_fixture.h"

namespace softndk::ntrt {
namespace {

class KernelSurface_4_1 : public KernelTest {};
SOFTNDK_IN_BOTH_WORLDS(KernelSurface_4_1);

TEST_P(KernelSurface_4_1, SetAndResetReturnThePreviousState) {
  run([] {
    KEVENT event;
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    EXPECT_EQ(KeReadStateEvent(&event), 0);
    EXPECT_EQ(KeSetEvent(&event, IO_NO_INCREMENT, FALSE), 0);
    EXPECT_EQ(KeSetEvent(&event, IO_NO_INCREMENT, FALSE), 1);
    EXPECT_EQ(KeReadStateEvent(&event), 1);
    EXPECT_EQ(KeResetEvent(&event), 1);
    EXPECT_EQ(KeResetEvent(&event), 0);
    KeInitializeEvent(&event, SynchronizationEvent, TRUE);
    EXPECT_TRUE(poll(&event));
    EXPECT_FALSE(poll(&event)) << "a synchronization event resets itself";
  });
}

TEST_P(KernelSurface_4_1, NotificationEventReleasesEveryWaiterAndStaysSet) {
  run([] {
    KEVENT event;
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    std::atomic<int> released{0};
    TestThreads threads;
    for (int i = 0; i < 40; ++i) {  // more than one batch of wakes
      threads.spawn([&] {
        EXPECT_EQ(wait(&event), STATUS_SUCCESS);
        ++released;
      });
    }
    EXPECT_EQ(wait_ms(&event, 1), STATUS_TIMEOUT);
    EXPECT_EQ(released, 0);
    KeSetEvent(&event, IO_NO_INCREMENT, FALSE);
    threads.join();
    EXPECT_EQ(released, 40);
    EXPECT_TRUE(poll(&event));
  });
}

TEST_P(KernelSurface_4_1, SynchronizationEventReleasesOneWaiterForEachSet) {
  run([] {
    constexpr int kWaiters = 6;
    KEVENT event, released_one;
    KeInitializeEvent(&event, SynchronizationEvent, FALSE);
    KeInitializeEvent(&released_one, SynchronizationEvent, FALSE);
    std::atomic<int> released{0};
    TestThreads threads;
    for (int i = 0; i < kWaiters; ++i) {
      threads.spawn([&] {
        EXPECT_EQ(wait(&event), STATUS_SUCCESS);
        ++released;
        KeSetEvent(&released_one, IO_NO_INCREMENT, FALSE);
      });
    }
    for (int i = 1; i <= kWaiters; ++i) {
      KeSetEvent(&event, IO_NO_INCREMENT, FALSE);
      EXPECT_EQ(wait(&released_one), STATUS_SUCCESS);
      EXPECT_EQ(released, i);
    }
    threads.join();
    EXPECT_FALSE(poll(&event));
  });
}

// The waiter's frame is overwritten as soon as its wait returns, while the setter may still be inside KeSetEvent.
__attribute__((noinline)) void wait_on_own_stack(std::atomic<KEVENT*>& where) {
  KEVENT event;
  KeInitializeEvent(&event, NotificationEvent, FALSE);
  where.store(&event);
  ASSERT_EQ(wait(&event), STATUS_SUCCESS);
  std::memset(static_cast<void*>(&event), 0xcc, sizeof event);
}

TEST_P(KernelSurface_4_1, EventOnTheWaitersStackIsNotTouchedAfterTheWaitReturned) {
  run([this] {
    std::atomic<KEVENT*> where{nullptr};
    const unsigned count = rounds(3000);
    TestThreads threads;
    threads.spawn([&] {
      for (unsigned i = 0; i < count; ++i) {
        KEVENT* event = nullptr;
        relax_until([&] { return (event = where.exchange(nullptr)) != nullptr; });
        EXPECT_EQ(KeSetEvent(event, IO_NO_INCREMENT, FALSE), 0);
      }
    });
    for (unsigned i = 0; i < count; ++i)
      wait_on_own_stack(where);
  });
}

TEST_P(KernelSurface_4_1, EventInPoolMayBeFreedAfterAPollSawTheSignal) {
  run([this] {
    std::atomic<KEVENT*> where{nullptr};
    const unsigned count = rounds(2000);
    TestThreads threads;
    threads.spawn([&] {
      for (unsigned i = 0; i < count; ++i) {
        KEVENT* event = nullptr;
        relax_until([&] { return (event = where.exchange(nullptr)) != nullptr; });
        KeSetEvent(event, IO_NO_INCREMENT, FALSE);
      }
    });
    for (unsigned i = 0; i < count; ++i) {
      auto event = std::make_unique<KEVENT>();
      KeInitializeEvent(event.get(), NotificationEvent, FALSE);
      where.store(event.get());
      relax_until([&] { return i % 2 == 0 ? poll(event.get()) : KeReadStateEvent(event.get()) != 0; });
    }
  });
}

TEST_P(KernelSurface_4_1, RelativeTimeoutPassesAndLeavesTheEventUsable) {
  run([] {
    KEVENT event;
    KeInitializeEvent(&event, SynchronizationEvent, FALSE);
    const io::TimeNs before = now_ns();
    EXPECT_EQ(wait_ms(&event, 2), STATUS_TIMEOUT);
    EXPECT_GE(now_ns() - before, 2 * io::kMillisecond);
    KeSetEvent(&event, IO_NO_INCREMENT, FALSE);
    EXPECT_EQ(wait_ms(&event, 60'000), STATUS_SUCCESS) << "the wait that timed out must not have taken the signal";
  });
}

TEST_P(KernelSurface_4_1, AbsoluteTimeoutCountsFrom1601) {
  run([] {
    KEVENT event;
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    LARGE_INTEGER due;
    KeQuerySystemTime(&due);
    EXPECT_GT(due.QuadPart, 133'000'000'000'000'000) << "years before 2022";
    due.QuadPart += 20'000;
    EXPECT_EQ(KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, &due), STATUS_TIMEOUT);
    due.QuadPart = 1;  // long past
    EXPECT_EQ(KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, &due), STATUS_TIMEOUT);
    due.QuadPart = INT64_MIN;  // no such deadline fits the clock
    KeSetEvent(&event, IO_NO_INCREMENT, FALSE);
    EXPECT_EQ(KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, &due), STATUS_SUCCESS);
  });
}

TEST_P(KernelSurface_4_1, PollIsAllowedAtDispatchLevel) {
  run([] {
    KEVENT event;
    KeInitializeEvent(&event, NotificationEvent, TRUE);
    IrqlScope scope(kDispatchLevel, "test");
    EXPECT_TRUE(poll(&event));
  });
}

TEST_P(KernelSurface_4_1, EventMaySetInsideAQueuedSpinLock) {
  run([] {
    KSPIN_LOCK lock = 0;
    KEVENT event;
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    TestThreads threads;
    threads.spawn([&] {
      KLOCK_QUEUE_HANDLE handle;
      KeAcquireInStackQueuedSpinLock(&lock, &handle);
      KeSetEvent(&event, IO_NO_INCREMENT, FALSE);
      KeReleaseInStackQueuedSpinLock(&handle);
    });
    EXPECT_EQ(wait(&event), STATUS_SUCCESS);
  });
}

TEST_P(KernelSurface_4_1, WaitAnyNamesTheFirstSignalledObject) {
  run([] {
    KEVENT events[3];
    for (KEVENT& event : events)
      KeInitializeEvent(&event, SynchronizationEvent, FALSE);
    PVOID objects[] = {&events[0], &events[1], &events[2]};
    const auto wait_any = [&](LONGLONG ms) {
      LARGE_INTEGER time = relative_ms(ms);
      return KeWaitForMultipleObjects(3, objects, WaitAny, Executive, KernelMode, FALSE, &time, nullptr);
    };
    EXPECT_EQ(wait_any(0), STATUS_TIMEOUT);
    KeSetEvent(&events[2], IO_NO_INCREMENT, FALSE);
    KeSetEvent(&events[1], IO_NO_INCREMENT, FALSE);
    EXPECT_EQ(wait_any(0), STATUS_WAIT_1);
    EXPECT_EQ(wait_any(0), STATUS_WAIT_2) << "the signal that was not taken is kept";
    TestThreads threads;
    threads.spawn([&] { KeSetEvent(&events[0], IO_NO_INCREMENT, FALSE); });
    EXPECT_EQ(wait_any(60'000), STATUS_WAIT_0);
  });
}

TEST_P(KernelSurface_4_1, WaitAllTakesNothingUntilAllAreSignalled) {
  run([] {
    KEVENT first, second;
    KeInitializeEvent(&first, SynchronizationEvent, FALSE);
    KeInitializeEvent(&second, SynchronizationEvent, FALSE);
    PVOID objects[] = {&first, &second};
    LARGE_INTEGER brief = relative_ms(1);
    KeSetEvent(&first, IO_NO_INCREMENT, FALSE);
    EXPECT_EQ(KeWaitForMultipleObjects(2, objects, WaitAll, Executive, KernelMode, FALSE, &brief, nullptr),
              STATUS_TIMEOUT);
    EXPECT_TRUE(poll(&first)) << "a wait for all that timed out took a signal";
    TestThreads threads;
    threads.spawn([&] { KeSetEvent(&second, IO_NO_INCREMENT, FALSE); });
    threads.spawn([&] { KeSetEvent(&first, IO_NO_INCREMENT, FALSE); });
    EXPECT_EQ(KeWaitForMultipleObjects(2, objects, WaitAll, Executive, KernelMode, FALSE, nullptr, nullptr),
              STATUS_SUCCESS);
    EXPECT_FALSE(poll(&first));
    EXPECT_FALSE(poll(&second));
  });
}

// Every signal of an auto-reset event goes to exactly one wait, whatever mixture of waits competes for it.
TEST_P(KernelSurface_4_1, NoSignalIsLostOrDoubledAmongCompetingWaits) {
  run([this] {
    const unsigned each = rounds(400);
    KEVENT events[2], taken_one, stop;
    for (KEVENT& event : events)
      KeInitializeEvent(&event, SynchronizationEvent, FALSE);
    KeInitializeEvent(&taken_one, SynchronizationEvent, FALSE);
    KeInitializeEvent(&stop, NotificationEvent, FALSE);
    std::atomic<unsigned> taken{0};
    const auto count_one = [&] {
      ++taken;
      KeSetEvent(&taken_one, IO_NO_INCREMENT, FALSE);
    };
    TestThreads waiters;
    for (int i = 0; i < 2; ++i) {
      waiters.spawn([&] {
        PVOID objects[] = {&events[0], &events[1], &stop};
        while (KeWaitForMultipleObjects(3, objects, WaitAny, Executive, KernelMode, FALSE, nullptr, nullptr) !=
               STATUS_WAIT_2)
          count_one();
      });
      waiters.spawn([&, i] {
        PVOID objects[] = {&events[i], &stop};
        LARGE_INTEGER brief;
        brief.QuadPart = -100;  // 10 us: many of these time out just when the signal comes
        for (;;) {
          const NTSTATUS by =
              KeWaitForMultipleObjects(2, objects, WaitAny, Executive, KernelMode, FALSE, &brief, nullptr);
          if (by == STATUS_WAIT_1) return;
          if (by == STATUS_WAIT_0) count_one();
        }
      });
    }
    for (unsigned i = 0; i < each; ++i) {
      KeSetEvent(&events[i % 2], IO_NO_INCREMENT, FALSE);
      EXPECT_EQ(wait(&taken_one), STATUS_SUCCESS);
      EXPECT_EQ(taken, i + 1);
    }
    KeSetEvent(&stop, IO_NO_INCREMENT, FALSE);
  });
}

TEST(KernelSurface_10_7, LongWaitSaysWhatItWaitsFor) {
  std::vector<std::string> lines;
  set_log_level(LogLevel::warning);
  set_log_sink(
      [](void* to, LogLevel, const char* line) { static_cast<std::vector<std::string>*>(to)->push_back(line); },
      &lines);
  KernelOptions options;
  options.explain_wait_after_ns = 5 * io::kSecond;
  run_simulated(
      1,
      [] {
        KEVENT event;
        KeInitializeEvent(&event, SynchronizationEvent, FALSE);
        TestThreads threads;
        threads.spawn([&] {
          LARGE_INTEGER time = relative_ms(20'000);
          KeDelayExecutionThread(KernelMode, FALSE, &time);
          KeSetEvent(&event, IO_NO_INCREMENT, FALSE);
        });
        EXPECT_EQ(wait(&event), STATUS_SUCCESS);
      },
      options);
  set_log_sink(nullptr, nullptr);
  set_log_level(LogLevel::error);
  ASSERT_EQ(lines.size(), 1u) << "once for each wait";
  EXPECT_NE(lines[0].find("synchronization event"), std::string::npos) << lines[0];
}

using KernelSurface_4_1_DeathTest = ::testing::Test;

TEST(KernelSurface_4_1_DeathTest, BlockingAtDispatchLevelIsABugCheck) {
  const auto body = [] {
    KEVENT event;
    KeInitializeEvent(&event, NotificationEvent, TRUE);
    KIRQL before;
    KeRaiseIrql(DISPATCH_LEVEL, &before);
    wait(&event);
  };
  EXPECT_DEATH(run_on_linux(body), "IRQL_NOT_LESS_OR_EQUAL.*KeWaitForSingleObject called at DISPATCH_LEVEL.*raised at");
}

TEST(KernelSurface_4_1_DeathTest, WaitingForMemoryThatIsNoObjectIsABugCheck) {
  const auto body = [] {
    KEVENT event;
    std::memset(static_cast<void*>(&event), 0xcc, sizeof event);
    wait(&event);
  };
  EXPECT_DEATH(run_on_linux(body), "BAD_OBJECT_HEADER.*no event, mutex, semaphore, timer or thread");
}

}  // namespace
}  // namespace softndk::ntrt
