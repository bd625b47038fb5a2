#include "ntrt/work_item.h"

#include <atomic>
#include <cstring>
#include <memory>

#include "base/log.h"
#include "ntrt/kernel_fixture.h"

namespace softndk::ntrt {
namespace {

/// The sample passes its driver object where a device object is asked for.
struct DriverStandIn {
  DRIVER_OBJECT object{};
  PDEVICE_OBJECT as_device() { return reinterpret_cast<PDEVICE_OBJECT>(&object); }
};

class KernelSurface_4_6 : public KernelTest {};
SOFTNDK_IN_BOTH_WORLDS(KernelSurface_4_6);

TEST_P(KernelSurface_4_6, RoutineGetsObjectContextAndItemAtPassiveLevel) {
  struct Seen {
    KEVENT done;
    PVOID object = nullptr;
    PIO_WORKITEM item = nullptr;
    KIRQL irql = 0xff;
  };
  run([] {
    DriverStandIn driver;
    Seen seen;
    KeInitializeEvent(&seen.done, NotificationEvent, FALSE);
    PIO_WORKITEM item = IoAllocateWorkItem(driver.as_device());
    ASSERT_NE(item, nullptr);
    {
      IrqlScope scope(kDispatchLevel, "connect callback");
      IoQueueWorkItemEx(
          item,
          [](PVOID object, PVOID context, PIO_WORKITEM own) {
            auto& to = *static_cast<Seen*>(context);
            to.object = object;
            to.item = own;
            to.irql = KeGetCurrentIrql();
            KeSetEvent(&to.done, IO_NO_INCREMENT, FALSE);
          },
          DelayedWorkQueue, &seen);
    }
    EXPECT_EQ(wait(&seen.done), STATUS_SUCCESS);
    EXPECT_EQ(seen.object, &driver.object);
    EXPECT_EQ(seen.item, item);
    EXPECT_EQ(seen.irql, PASSIVE_LEVEL);
    IoFreeWorkItem(item);  // freed while the routine may still be on its way out
  });
}

TEST_P(KernelSurface_4_6, ItemMayBeFreedInItsOwnRoutine) {
  run([this] {
    DriverStandIn driver;
    std::atomic<unsigned> ran{0};
    const unsigned count = rounds(500);
    for (unsigned i = 0; i < count; ++i) {
      PIO_WORKITEM item = IoAllocateWorkItem(driver.as_device());
      ASSERT_NE(item, nullptr);
      IoQueueWorkItemEx(
          item,
          [](PVOID, PVOID context, PIO_WORKITEM own) {
            IoFreeWorkItem(own);
            ++*static_cast<std::atomic<unsigned>*>(context);
          },
          DelayedWorkQueue, &ran);
    }
    wait_for_work_items(&driver.object);
    EXPECT_EQ(ran, count);
  });
}

TEST_P(KernelSurface_4_6, ItemMayBeFreedByTheThreadThatItsLastActionWoke) {
  run([this] {
    DriverStandIn driver;
    const unsigned count = rounds(1000);
    for (unsigned i = 0; i < count; ++i) {
      KEVENT done;
      KeInitializeEvent(&done, NotificationEvent, FALSE);
      PIO_WORKITEM item = IoAllocateWorkItem(driver.as_device());
      ASSERT_NE(item, nullptr);
      IoQueueWorkItem(
          item, [](PDEVICE_OBJECT, PVOID event) { KeSetEvent(static_cast<PRKEVENT>(event), IO_NO_INCREMENT, FALSE); },
          CriticalWorkQueue, &done);
      EXPECT_EQ(wait(&done), STATUS_SUCCESS);
      IoFreeWorkItem(item);
    }
  });
}

TEST_P(KernelSurface_4_6, ItemMayBeQueuedAgainOnceItsRoutineHasStarted) {
  struct Chain {
    KEVENT done;
    int left = 10;
  };
  run([] {
    DriverStandIn driver;
    Chain chain;
    KeInitializeEvent(&chain.done, NotificationEvent, FALSE);
    PIO_WORKITEM item = IoAllocateWorkItem(driver.as_device());
    ASSERT_NE(item, nullptr);
    static constexpr PIO_WORKITEM_ROUTINE_EX again = [](PVOID, PVOID context, PIO_WORKITEM own) {
      auto& run = *static_cast<Chain*>(context);
      if (--run.left == 0) {
        IoFreeWorkItem(own);
        KeSetEvent(&run.done, IO_NO_INCREMENT, FALSE);
      } else {
        struct Again {
          static void routine(PVOID object, PVOID chain, PIO_WORKITEM work) { again(object, chain, work); }
        };
        IoQueueWorkItemEx(own, Again::routine, DelayedWorkQueue, context);
      }
    };
    IoQueueWorkItemEx(item, again, DelayedWorkQueue, &chain);
    EXPECT_EQ(wait(&chain.done), STATUS_SUCCESS);
    EXPECT_EQ(chain.left, 0);
    wait_for_work_items(&driver.object);
  });
}

// The sample's work items wait for NDK completions; with a fixed number of workers the one that signals would never
// run.
TEST_P(KernelSurface_4_6, BlockedItemsNeverKeepAnotherFromRunning) {
  struct Item {
    WORK_QUEUE_ITEM work;
    PKEVENT event;
    std::atomic<unsigned>* arrived;
  };
  run([] {
    constexpr unsigned kBlocked = 64;
    KEVENT go;
    KeInitializeEvent(&go, NotificationEvent, FALSE);
    std::atomic<unsigned> through{0};
    Item items[kBlocked + 1];
    for (unsigned i = 0; i < kBlocked; ++i) {
      items[i].event = &go;
      items[i].arrived = &through;
      ExInitializeWorkItem(
          &items[i].work,
          [](PVOID context) {
            auto& item = *static_cast<Item*>(context);
            wait(item.event);
            ++*item.arrived;
          },
          &items[i]);
      ExQueueWorkItem(&items[i].work, DelayedWorkQueue);
    }
    items[kBlocked].event = &go;
    ExInitializeWorkItem(
        &items[kBlocked].work,
        [](PVOID context) { KeSetEvent(static_cast<Item*>(context)->event, IO_NO_INCREMENT, FALSE); },
        &items[kBlocked]);
    ExQueueWorkItem(&items[kBlocked].work, DelayedWorkQueue);
    relax_until([&] { return through == kBlocked; });
    EXPECT_GE(kernel().workers().worker_count(), kBlocked);
  });
}

TEST_P(KernelSurface_4_6, EmbeddedItemMayBeQueuedAgainFromItsRoutine) {
  struct Item {
    WORK_QUEUE_ITEM work;
    KEVENT done;
    int left = 5;
  };
  run([] {
    Item item;
    KeInitializeEvent(&item.done, NotificationEvent, FALSE);
    ExInitializeWorkItem(
        &item.work,
        [](PVOID context) {
          auto& own = *static_cast<Item*>(context);
          if (--own.left > 0) {
            ExQueueWorkItem(&own.work, CriticalWorkQueue);
          } else {
            KeSetEvent(&own.done, IO_NO_INCREMENT, FALSE);
          }
        },
        &item);
    ExQueueWorkItem(&item.work, DelayedWorkQueue);
    EXPECT_EQ(wait(&item.done), STATUS_SUCCESS);
  });
}

TEST_P(KernelSurface_4_6, ItemsAreDroppedByNobodyWhenThePoolIsFull) {
  struct Shared {
    KEVENT go;
    std::atomic<unsigned> ran{0};
  };
  set_log_sink([](void*, LogLevel, const char*) {}, nullptr);
  KernelOptions options = quiet_options();
  options.worker_count_max = 2;
  run(
      [] {
        Shared shared;
        KeInitializeEvent(&shared.go, NotificationEvent, FALSE);
        WORK_QUEUE_ITEM items[10];
        for (WORK_QUEUE_ITEM& item : items) {
          ExInitializeWorkItem(
              &item,
              [](PVOID context) {
                auto& to = *static_cast<Shared*>(context);
                wait(&to.go);
                ++to.ran;
              },
              &shared);
          ExQueueWorkItem(&item, DelayedWorkQueue);
        }
        EXPECT_LE(kernel().workers().worker_count(), 2u);
        KeSetEvent(&shared.go, IO_NO_INCREMENT, FALSE);
        relax_until([&] { return shared.ran == 10; });
      },
      options);
  set_log_sink(nullptr, nullptr);
}

TEST_P(KernelSurface_4_6, ObjectIsReferencedWhileItsItemsAreQueuedOrRun) {
  struct Seen {
    KEVENT go;
    std::atomic<bool> left{false};
  };
  run([] {
    DriverStandIn driver, other;
    Seen seen;
    KeInitializeEvent(&seen.go, NotificationEvent, FALSE);
    PIO_WORKITEM item = IoAllocateWorkItem(driver.as_device());
    ASSERT_NE(item, nullptr);
    IoQueueWorkItemEx(
        item,
        [](PVOID, PVOID context, PIO_WORKITEM own) {
          auto& to = *static_cast<Seen*>(context);
          IoFreeWorkItem(own);
          wait(&to.go);
          to.left = true;
        },
        DelayedWorkQueue, &seen);
    wait_for_work_items(&other.object);  // another object's items are not waited for
    TestThreads threads;
    threads.spawn([&] { KeSetEvent(&seen.go, IO_NO_INCREMENT, FALSE); });
    wait_for_work_items(&driver.object);
    EXPECT_TRUE(seen.left);
  });
}

TEST(KernelSurface_4_6_DeathTest, QueueingTwiceBeforeTheStartIsABugCheck) {
  const auto body = [] {
    // The only worker is busy, so the item cannot start between the two.
    KEVENT never;
    KeInitializeEvent(&never, NotificationEvent, FALSE);
    WORK_QUEUE_ITEM blocker, item;
    ExInitializeWorkItem(
        &blocker, [](PVOID event) { wait(event); }, &never);
    ExInitializeWorkItem(
        &item, [](PVOID) {}, nullptr);
    ExQueueWorkItem(&blocker, DelayedWorkQueue);
    relax_until([&] { return !kernel().workers().is_queued(blocker); });
    ExQueueWorkItem(&item, DelayedWorkQueue);
    ExQueueWorkItem(&item, DelayedWorkQueue);
  };
  KernelOptions options = quiet_options();
  options.worker_count_max = 1;
  EXPECT_DEATH(run_on_linux(body, options), "WORKER_INVALID.*while it is queued already");
}

TEST(KernelSurface_4_6_DeathTest, ReturningFromARoutineAtDispatchLevelIsABugCheck) {
  const auto body = [] {
    WORK_QUEUE_ITEM item;
    KEVENT never;
    KeInitializeEvent(&never, NotificationEvent, FALSE);
    ExInitializeWorkItem(
        &item,
        [](PVOID) {
          KIRQL before;
          KeRaiseIrql(DISPATCH_LEVEL, &before);
        },
        nullptr);
    ExQueueWorkItem(&item, DelayedWorkQueue);
    wait(&never);
  };
  EXPECT_DEATH(run_on_linux(body), "work item .*returned at IRQL 2");
}

}  // namespace
}  // namespace softndk::ntrt
