#include <atomic>
#include <memory>
#include <vector>

#include "ntrt/dispatcher.h"
#include "ntrt/kernel_fixture.h"

namespace softndk::ntrt {
namespace {

class KernelSurface_4_6_Dpc : public KernelTest {};
SOFTNDK_IN_BOTH_WORLDS(KernelSurface_4_6_Dpc);

TEST_P(KernelSurface_4_6_Dpc, RoutineRunsAtDispatchLevelWithItsArguments) {
  struct Seen {
    KDPC dpc;
    KEVENT done;
    PVOID arguments[2] = {};
    PKDPC own = nullptr;
    KIRQL irql = 0;
    bool on_processor = false;
  };
  run([] {
    Seen seen;
    KeInitializeEvent(&seen.done, NotificationEvent, FALSE);
    KeInitializeDpc(
        &seen.dpc,
        [](PKDPC dpc, PVOID context, PVOID first, PVOID second) {
          auto& to = *static_cast<Seen*>(context);
          to.own = dpc;
          to.arguments[0] = first;
          to.arguments[1] = second;
          to.irql = KeGetCurrentIrql();
          to.on_processor = current_processor() != nullptr;
          KeSetEvent(&to.done, IO_NO_INCREMENT, FALSE);
        },
        &seen);
    int first, second;
    EXPECT_TRUE(KeInsertQueueDpc(&seen.dpc, &first, &second));
    EXPECT_EQ(wait(&seen.done), STATUS_SUCCESS);
    EXPECT_EQ(seen.own, &seen.dpc);
    EXPECT_EQ(seen.arguments[0], &first);
    EXPECT_EQ(seen.arguments[1], &second);
    EXPECT_EQ(seen.irql, DISPATCH_LEVEL);
    EXPECT_TRUE(seen.on_processor);
  });
}

TEST_P(KernelSurface_4_6_Dpc, FlushReturnsAfterEveryQueuedDpcHasRun) {
  struct Counting {
    KDPC dpc;
    std::atomic<unsigned>* count;
  };
  run([this] {
    const unsigned loops = rounds(100);
    for (unsigned loop = 0; loop < loops; ++loop) {
      std::atomic<unsigned> count{0};
      std::vector<Counting> dpcs(40);  // more than one batch
      for (Counting& one : dpcs) {
        one.count = &count;
        KeInitializeDpc(
            &one.dpc, [](PKDPC, PVOID context, PVOID, PVOID) { ++*static_cast<Counting*>(context)->count; }, &one);
        EXPECT_TRUE(KeInsertQueueDpc(&one.dpc, nullptr, nullptr));
      }
      KeFlushQueuedDpcs();
      EXPECT_EQ(count, 40u);
    }
  });
}

// Insertions that meet a queued DPC are refused, all others run: what was accepted is what ran.
TEST_P(KernelSurface_4_6_Dpc, EveryAcceptedInsertionRunsOnce) {
  struct Counting {
    KDPC dpc;
    std::atomic<unsigned> ran{0};
  };
  run([this] {
    Counting counting;
    KeInitializeDpc(
        &counting.dpc, [](PKDPC, PVOID context, PVOID, PVOID) { ++static_cast<Counting*>(context)->ran; }, &counting);
    std::atomic<unsigned> accepted{0}, removed{0};
    const unsigned each = rounds(500);
    {
      TestThreads threads;
      for (int i = 0; i < 2; ++i) {
        threads.spawn([&] {
          for (unsigned round = 0; round < each; ++round) {
            if (KeInsertQueueDpc(&counting.dpc, nullptr, nullptr)) ++accepted;
          }
        });
      }
      threads.spawn([&] {
        for (unsigned round = 0; round < each; ++round) {
          if (KeRemoveQueueDpc(&counting.dpc)) ++removed;
        }
      });
    }
    KeFlushQueuedDpcs();
    EXPECT_EQ(counting.ran + removed, accepted);
    EXPECT_GT(accepted, 0u);
  });
}

TEST_P(KernelSurface_4_6_Dpc, DpcMayInsertItselfAgainAndBeFreedInItsRoutine) {
  struct Own {
    KDPC dpc;
    PKEVENT done;
    int left = 4;
  };
  run([] {
    KEVENT done;
    KeInitializeEvent(&done, NotificationEvent, FALSE);
    auto* own = new Own;
    own->done = &done;
    KeInitializeDpc(
        &own->dpc,
        [](PKDPC dpc, PVOID context, PVOID, PVOID) {
          auto* self = static_cast<Own*>(context);
          if (--self->left > 0) {
            EXPECT_TRUE(KeInsertQueueDpc(dpc, nullptr, nullptr));
            return;
          }
          PKEVENT event = self->done;
          delete self;
          KeSetEvent(event, IO_NO_INCREMENT, FALSE);
        },
        own);
    EXPECT_TRUE(KeInsertQueueDpc(&own->dpc, nullptr, nullptr));
    EXPECT_EQ(wait(&done), STATUS_SUCCESS);
  });
}

TEST(KernelSurface_4_6_Dpc_DeathTest, WaitingInADpcIsABugCheck) {
  const auto body = [] {
    KDPC dpc;
    KEVENT never;
    KeInitializeEvent(&never, NotificationEvent, FALSE);
    KeInitializeDpc(
        &dpc, [](PKDPC, PVOID event, PVOID, PVOID) { wait(event); }, &never);
    KeInsertQueueDpc(&dpc, nullptr, nullptr);
    wait(&never);
  };
  EXPECT_DEATH(run_on_linux(body), "KeWaitForSingleObject called at DISPATCH_LEVEL");
}

class KernelSurface_4_6_Timer : public KernelTest {};
SOFTNDK_IN_BOTH_WORLDS(KernelSurface_4_6_Timer);

TEST_P(KernelSurface_4_6_Timer, TimerIsSignalledNotBeforeItIsDue) {
  run([] {
    KTIMER timer;
    KeInitializeTimer(&timer);
    const ULONGLONG before = KeQueryInterruptTime();
    EXPECT_FALSE(KeSetTimer(&timer, relative_ms(3), nullptr));
    EXPECT_EQ(wait(&timer), STATUS_SUCCESS);
    EXPECT_GE(KeQueryInterruptTime() - before, 30'000u);
    EXPECT_TRUE(poll(&timer)) << "a notification timer stays signalled";
    EXPECT_FALSE(KeCancelTimer(&timer));
  });
}

TEST_P(KernelSurface_4_6_Timer, CancelledTimerDoesNotExpire) {
  run([] {
    KTIMER timer, later;
    KeInitializeTimer(&timer);
    KeInitializeTimer(&later);
    EXPECT_FALSE(KeSetTimer(&timer, relative_ms(1), nullptr));
    EXPECT_TRUE(KeSetTimer(&timer, relative_ms(600'000), nullptr)) << "it was set already";
    KeSetTimer(&later, relative_ms(4), nullptr);
    EXPECT_EQ(wait(&later), STATUS_SUCCESS);
    EXPECT_FALSE(poll(&timer));
    EXPECT_TRUE(KeCancelTimer(&timer));
    EXPECT_FALSE(KeCancelTimer(&timer));
  });
}

TEST_P(KernelSurface_4_6_Timer, TimersExpireInTheOrderOfTheirDueTimes) {
  struct Numbered {
    KTIMER timer;
    KDPC dpc;
    int number;
    std::vector<int>* order;
  };
  run([] {
    constexpr LONGLONG kDue[] = {6, 2, 8, 4, 10};
    std::vector<int> order;  // DPCs of one processor, then read after a flush
    Numbered timers[5];
    for (int i = 0; i < 5; ++i) {
      timers[i].number = i;
      timers[i].order = &order;
      KeInitializeTimer(&timers[i].timer);
      KeInitializeDpc(
          &timers[i].dpc,
          [](PKDPC, PVOID context, PVOID, PVOID) {
            auto& own = *static_cast<Numbered*>(context);
            own.order->push_back(own.number);
          },
          &timers[i]);
    }
    LARGE_INTEGER now;
    KeQuerySystemTime(&now);
    for (int i = 0; i < 5; ++i) {
      LARGE_INTEGER due;
      due.QuadPart = now.QuadPart + kDue[i] * 10'000;  // absolute, so that their order is certain
      KeSetTimer(&timers[i].timer, due, &timers[i].dpc);
    }
    EXPECT_EQ(wait(&timers[4].timer), STATUS_SUCCESS);
    KeFlushQueuedDpcs();
    EXPECT_EQ(order, (std::vector<int>{1, 3, 0, 2, 4}));
  });
}

TEST_P(KernelSurface_4_6_Timer, PeriodicTimerRunsItsDpcUntilItIsCancelled) {
  struct Ticks {
    KDPC dpc;
    std::atomic<int> count{0};
  };
  run([] {
    KTIMER timer;
    Ticks ticks;
    KeInitializeTimerEx(&timer, SynchronizationTimer);
    KeInitializeDpc(
        &ticks.dpc, [](PKDPC, PVOID to, PVOID, PVOID) { ++static_cast<Ticks*>(to)->count; }, &ticks);
    KeSetTimerEx(&timer, relative_ms(1), 1, &ticks.dpc);
    for (int i = 0; i < 3; ++i)
      EXPECT_EQ(wait(&timer), STATUS_SUCCESS);
    EXPECT_TRUE(KeCancelTimer(&timer));
    KeFlushQueuedDpcs();
    const int at_end = ticks.count;
    EXPECT_GE(at_end, 1);
    LARGE_INTEGER pause = relative_ms(3);
    KeDelayExecutionThread(KernelMode, FALSE, &pause);
    KeFlushQueuedDpcs();
    EXPECT_EQ(ticks.count, at_end);
  });
}

TEST_P(KernelSurface_4_6_Timer, TimerMayBeFreedOnceItsWaitOrItsCancellationReturned) {
  run([this] {
    const unsigned count = rounds(300);
    for (unsigned i = 0; i < count; ++i) {
      auto timer = std::make_unique<KTIMER>();
      KeInitializeTimer(timer.get());
      LARGE_INTEGER due;
      due.QuadPart = -10;
      KeSetTimer(timer.get(), due, nullptr);
      if (i % 2 == 0) {
        EXPECT_EQ(wait(timer.get()), STATUS_SUCCESS);
      } else {
        KeCancelTimer(timer.get());
      }
    }
  });
}

TEST_P(KernelSurface_4_6_Timer, DelayLastsAtLeastItsInterval) {
  run([] {
    const io::TimeNs before = now_ns();
    LARGE_INTEGER interval = relative_ms(2);
    EXPECT_EQ(KeDelayExecutionThread(KernelMode, FALSE, &interval), STATUS_SUCCESS);
    EXPECT_GE(now_ns() - before, 2 * io::kMillisecond);
    LARGE_INTEGER frequency;
    const LARGE_INTEGER first = KeQueryPerformanceCounter(&frequency);
    EXPECT_EQ(frequency.QuadPart, 10'000'000);
    EXPECT_GE(KeQueryPerformanceCounter(nullptr).QuadPart, first.QuadPart);
  });
}

}  // namespace
}  // namespace softndk::ntrt
