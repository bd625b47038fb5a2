#include <atomic>
#include <cstdlib>
#include <memory>
#include <vector>

#include "ntrt/kernel_fixture.h"

namespace softndk::ntrt {
namespace {

class KernelSurface_4_2_SpinLock : public KernelTest {};
SOFTNDK_IN_BOTH_WORLDS(KernelSurface_4_2_SpinLock);

TEST_P(KernelSurface_4_2_SpinLock, PlainLockExcludesAndRestoresTheIrql) {
  run([this] {
    KSPIN_LOCK lock;
    KeInitializeSpinLock(&lock);
    const unsigned each = rounds(3000);
    unsigned count = 0;  // guarded by lock
    {
      TestThreads threads;
      for (int i = 0; i < 3; ++i) {
        threads.spawn([&] {
          for (unsigned round = 0; round < each; ++round) {
            KIRQL before;
            KeAcquireSpinLock(&lock, &before);
            EXPECT_EQ(KeGetCurrentIrql(), DISPATCH_LEVEL);
            count = count + 1;
            KeReleaseSpinLock(&lock, before);
            EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL);
          }
        });
      }
    }
    EXPECT_EQ(count, 3 * each);
    EXPECT_EQ(lock, 0u);
  });
}

TEST_P(KernelSurface_4_2_SpinLock, QueuedLockExcludesAndRestoresTheIrql) {
  run([this] {
    KSPIN_LOCK lock = 0;
    const unsigned each = rounds(3000);
    unsigned count = 0;  // guarded by lock
    {
      TestThreads threads;
      for (int i = 0; i < 3; ++i) {
        threads.spawn([&, i] {
          for (unsigned round = 0; round < each; ++round) {
            KLOCK_QUEUE_HANDLE handle;
            if (i == 0) {  // one of them is at DISPATCH_LEVEL already
              IrqlScope scope(kDispatchLevel, "test");
              KeAcquireInStackQueuedSpinLockAtDpcLevel(&lock, &handle);
              count = count + 1;
              KeReleaseInStackQueuedSpinLockFromDpcLevel(&handle);
            } else {
              KeAcquireInStackQueuedSpinLock(&lock, &handle);
              count = count + 1;
              KeReleaseInStackQueuedSpinLock(&handle);
            }
            EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL);
          }
        });
      }
    }
    EXPECT_EQ(count, 3 * each);
    EXPECT_EQ(lock, 0u);
  });
}

TEST_P(KernelSurface_4_2_SpinLock, QueuedLockIsHandedOverInOrderOfArrival) {
  run([] {
    constexpr int kWaiters = 5;
    KSPIN_LOCK lock = 0;
    std::vector<int> order;  // guarded by lock
    TestThreads threads;
    KLOCK_QUEUE_HANDLE handle;
    KeAcquireInStackQueuedSpinLock(&lock, &handle);
    for (int i = 0; i < kWaiters; ++i) {
      const ULONG_PTR tail = std::atomic_ref(lock).load();
      threads.spawn([&, i] {
        KLOCK_QUEUE_HANDLE own;
        KeAcquireInStackQueuedSpinLock(&lock, &own);
        order.push_back(i);
        KeReleaseInStackQueuedSpinLock(&own);
      });
      relax_until([&] { return std::atomic_ref(lock).load() != tail; });  // it stands in the queue
    }
    KeReleaseInStackQueuedSpinLock(&handle);
    threads.join();
    EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
  });
}

// Two users share an object; whoever leaves the lock last frees it, lock and all.
TEST_P(KernelSurface_4_2_SpinLock, ReleaseDoesNotTouchALockThatTheNextOwnerFreed) {
  struct Shared {
    KSPIN_LOCK lock = 0;
    int users = 2;
  };
  run([this] {
    std::atomic<Shared*> offered{nullptr};
    const unsigned count = rounds(3000);
    const auto leave = [](Shared* shared) {
      KLOCK_QUEUE_HANDLE handle;
      KeAcquireInStackQueuedSpinLock(&shared->lock, &handle);
      const bool last = --shared->users == 0;
      KeReleaseInStackQueuedSpinLock(&handle);
      if (last) delete shared;
    };
    TestThreads threads;
    threads.spawn([&] {
      for (unsigned i = 0; i < count; ++i) {
        Shared* shared = nullptr;
        relax_until([&] { return (shared = offered.exchange(nullptr)) != nullptr; });
        leave(shared);
      }
    });
    for (unsigned i = 0; i < count; ++i) {
      auto* shared = new Shared;
      offered.store(shared);
      leave(shared);
      relax_until([&] { return offered.load() == nullptr; });
    }
  });
}

TEST_P(KernelSurface_4_2_SpinLock, SeveralLocksMayBeReleasedInAnyOrder) {
  run([] {
    KSPIN_LOCK locks[6] = {};
    {
      IrqlScope scope(kDispatchLevel, "test");
      for (KSPIN_LOCK& lock : locks)
        KeAcquireSpinLockAtDpcLevel(&lock);
      for (int i : {1, 0, 5, 2, 4, 3})
        KeReleaseSpinLockFromDpcLevel(&locks[i]);
    }
    for (KSPIN_LOCK lock : locks)
      EXPECT_EQ(lock, 0u);
  });
}

TEST(KernelSurface_4_2_SpinLock_DeathTest, AcquiringALockTwiceIsABugCheck) {
  KSPIN_LOCK lock = 0;
  KIRQL before;
  EXPECT_DEATH(
      {
        KeAcquireSpinLock(&lock, &before);
        KeAcquireSpinLock(&lock, &before);
      },
      "SPIN_LOCK_ALREADY_OWNED");
  KLOCK_QUEUE_HANDLE first, second;
  EXPECT_DEATH(
      {
        KeAcquireInStackQueuedSpinLock(&lock, &first);
        KeAcquireInStackQueuedSpinLock(&lock, &second);
      },
      "SPIN_LOCK_ALREADY_OWNED");
}

TEST(KernelSurface_4_2_SpinLock_DeathTest, ReleaseByAThreadThatDoesNotHoldTheLockIsABugCheck) {
  const auto body = [] {
    KSPIN_LOCK lock = 0;
    KIRQL before;
    KeAcquireSpinLock(&lock, &before);
    TestThreads threads;
    threads.spawn([&] {
      KIRQL own;
      KeRaiseIrql(DISPATCH_LEVEL, &own);
      KeReleaseSpinLock(&lock, own);
    });
    threads.join();
  };
  EXPECT_DEATH(run_on_linux(body), "SPIN_LOCK_NOT_OWNED");
}

TEST(KernelSurface_4_2_SpinLock_DeathTest, OneLockUsedInBothWaysIsABugCheck) {
  const auto body = [] {
    KSPIN_LOCK lock = 0;
    KLOCK_QUEUE_HANDLE handle;
    KeAcquireInStackQueuedSpinLock(&lock, &handle);
    TestThreads threads;
    threads.spawn([&] {
      KIRQL before;
      KeAcquireSpinLock(&lock, &before);
    });
    threads.join();
  };
  EXPECT_DEATH(run_on_linux(body), "both with KeAcquireSpinLock and as a queued");
}

TEST(KernelSurface_4_2_SpinLock_DeathTest, AtDpcLevelCallBelowDispatchLevelIsABugCheck) {
  KSPIN_LOCK lock = 0;
  EXPECT_DEATH(KeAcquireSpinLockAtDpcLevel(&lock), "KeAcquireSpinLockAtDpcLevel called at PASSIVE_LEVEL");
}

}  // namespace
}  // namespace softndk::ntrt
