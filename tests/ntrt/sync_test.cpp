// Mutexes, semaphores, fast mutexes, resources and push locks.
#include <atomic>

#include "ntrt/kernel_fixture.h"
#include "wdk/ntddk.h"

namespace softndk::ntrt {
namespace {

class KernelSurface_Mutex : public KernelTest {};
SOFTNDK_IN_BOTH_WORLDS(KernelSurface_Mutex);

TEST_P(KernelSurface_Mutex, AMutexHasOneOwnerWhoMayTakeItAgain) {
  run([this] {
    KMUTEX mutex;
    KeInitializeMutex(&mutex, 0);
    EXPECT_EQ(KeReadStateMutex(&mutex), 1);
    int inside = 0;  // unguarded but for the mutex
    TestThreads threads;
    for (int t = 0; t < 3; ++t) {
      threads.spawn([&] {
        for (unsigned i = 0; i < rounds(500); ++i) {
          EXPECT_EQ(wait(&mutex), STATUS_SUCCESS);
          EXPECT_EQ(wait(&mutex), STATUS_SUCCESS);
          EXPECT_EQ(++inside, 1);
          --inside;
          EXPECT_EQ(KeReleaseMutex(&mutex, FALSE), -1);
          EXPECT_EQ(KeReleaseMutex(&mutex, FALSE), 0);
        }
      });
    }
    threads.join();
    EXPECT_EQ(KeReadStateMutex(&mutex), 1);
    EXPECT_TRUE(poll(&mutex));
    threads.spawn([&] { EXPECT_FALSE(poll(&mutex)) << "somebody else's"; });
    threads.join();
    KeReleaseMutex(&mutex, FALSE);
  });
}

TEST_P(KernelSurface_Mutex, AWaitForAllTakesAMutexOnlyWithTheRest) {
  run([] {
    KMUTEX mutex;
    KEVENT event;
    KeInitializeMutex(&mutex, 0);
    KeInitializeEvent(&event, SynchronizationEvent, FALSE);
    PVOID both[] = {&mutex, &event};
    LARGE_INTEGER now = {};
    EXPECT_EQ(KeWaitForMultipleObjects(2, both, WaitAll, Executive, KernelMode, FALSE, &now, nullptr), STATUS_TIMEOUT);
    EXPECT_EQ(KeReadStateMutex(&mutex), 1);
    TestThreads threads;
    threads.spawn([&] {
      EXPECT_EQ(KeWaitForMultipleObjects(2, both, WaitAll, Executive, KernelMode, FALSE, nullptr, nullptr),
                STATUS_SUCCESS);
      KeReleaseMutex(&mutex, FALSE);
    });
    KeSetEvent(&event, 0, FALSE);
    threads.join();
    EXPECT_EQ(KeReadStateMutex(&mutex), 1);
    EXPECT_EQ(KeReadStateEvent(&event), 0);
  });
}

TEST_P(KernelSurface_Mutex, ASemaphoreReleasesAsManyAsItsAdjustment) {
  run([] {
    KSEMAPHORE semaphore;
    KeInitializeSemaphore(&semaphore, 1, 10);
    EXPECT_TRUE(poll(&semaphore));
    EXPECT_FALSE(poll(&semaphore));
    std::atomic<int> through{0};
    TestThreads threads;
    for (int t = 0; t < 4; ++t) {
      threads.spawn([&] {
        EXPECT_EQ(wait(&semaphore), STATUS_SUCCESS);
        ++through;
      });
    }
    EXPECT_EQ(KeReleaseSemaphore(&semaphore, 0, 5, FALSE), 0);
    threads.join();
    EXPECT_EQ(through, 4);
    EXPECT_EQ(KeReadStateSemaphore(&semaphore), 1);
  });
}

TEST_P(KernelSurface_Mutex, AFastMutexRaisesToApcLevelAndExcludes) {
  run([this] {
    FAST_MUTEX mutex;
    ExInitializeFastMutex(&mutex);
    int inside = 0;
    TestThreads threads;
    for (int t = 0; t < 3; ++t) {
      threads.spawn([&] {
        for (unsigned i = 0; i < rounds(500); ++i) {
          const bool tried = i % 3 == 0 && ExTryToAcquireFastMutex(&mutex);
          if (!tried) ExAcquireFastMutex(&mutex);
          EXPECT_EQ(KeGetCurrentIrql(), APC_LEVEL);
          EXPECT_EQ(++inside, 1);
          --inside;
          ExReleaseFastMutex(&mutex);
          EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL);
        }
      });
    }
    threads.join();
    KGUARDED_MUTEX guarded;
    KeInitializeGuardedMutex(&guarded);
    KeAcquireGuardedMutex(&guarded);
    EXPECT_TRUE(KeAreApcsDisabled());
    EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL);
    threads.spawn([&] { EXPECT_FALSE(KeTryToAcquireGuardedMutex(&guarded)); });
    threads.join();
    KeReleaseGuardedMutex(&guarded);
    EXPECT_FALSE(KeAreApcsDisabled());
  });
}

TEST_P(KernelSurface_Mutex, AResourceIsForOneOrForMany) {
  run([this] {
    ERESOURCE resource;
    ASSERT_EQ(ExInitializeResourceLite(&resource), STATUS_SUCCESS);
    std::atomic<int> readers{0};
    int writers = 0;
    TestThreads threads;
    for (int t = 0; t < 3; ++t) {
      threads.spawn([&, t] {
        for (unsigned i = 0; i < rounds(300); ++i) {
          if ((i + static_cast<unsigned>(t)) % 3 == 0) {
            ExEnterCriticalRegionAndAcquireResourceExclusive(&resource);
            EXPECT_TRUE(ExIsResourceAcquiredExclusiveLite(&resource));
            EXPECT_TRUE(ExAcquireResourceSharedLite(&resource, FALSE)) << "its own, once more";
            ExReleaseResourceLite(&resource);
            EXPECT_EQ(++writers, 1);
            EXPECT_EQ(readers, 0);
            --writers;
            ExReleaseResourceAndLeaveCriticalRegion(&resource);
          } else {
            EXPECT_TRUE(ExAcquireResourceSharedLite(&resource, TRUE));
            ++readers;
            EXPECT_EQ(writers, 0);
            --readers;
            ExReleaseResourceLite(&resource);
          }
        }
      });
    }
    threads.join();
    EXPECT_TRUE(ExAcquireResourceSharedLite(&resource, TRUE));
    threads.spawn([&] {
      EXPECT_FALSE(ExAcquireResourceExclusiveLite(&resource, FALSE));
      EXPECT_TRUE(ExAcquireResourceSharedLite(&resource, FALSE));
      ExReleaseResourceLite(&resource);
    });
    threads.join();
    ExReleaseResourceLite(&resource);
    EXPECT_EQ(ExDeleteResourceLite(&resource), STATUS_SUCCESS);
  });
}

TEST_P(KernelSurface_Mutex, APushLockIsForOneOrForMany) {
  run([this] {
    EX_PUSH_LOCK lock;
    ExInitializePushLock(&lock);
    std::atomic<int> readers{0};
    int writers = 0;
    TestThreads threads;
    for (int t = 0; t < 3; ++t) {
      threads.spawn([&, t] {
        for (unsigned i = 0; i < rounds(300); ++i) {
          if ((i + static_cast<unsigned>(t)) % 3 == 0) {
            ExAcquirePushLockExclusive(&lock);
            EXPECT_EQ(++writers, 1);
            EXPECT_EQ(readers, 0);
            --writers;
            ExReleasePushLockExclusive(&lock);
          } else {
            ExAcquirePushLockShared(&lock);
            ++readers;
            EXPECT_EQ(writers, 0);
            --readers;
            ExReleasePushLockShared(&lock);
          }
        }
      });
    }
    threads.join();
    EXPECT_EQ(lock, 0u);
  });
}

TEST_P(KernelSurface_Mutex, ADpcRunsOnTheProcessorItWasGiven) {
  run([] {
    struct Seen {
      KDPC dpc;
      KEVENT done;
      ULONG processor = 99;
    };
    for (CCHAR number = 0; number < 2; ++number) {
      Seen seen;
      KeInitializeEvent(&seen.done, NotificationEvent, FALSE);
      KeInitializeDpc(
          &seen.dpc,
          [](PKDPC, PVOID context, PVOID, PVOID) {
            auto& to = *static_cast<Seen*>(context);
            to.processor = KeGetCurrentProcessorNumberEx(nullptr);
            KeSetEvent(&to.done, 0, FALSE);
          },
          &seen);
      KeSetTargetProcessorDpc(&seen.dpc, number);
      EXPECT_TRUE(KeInsertQueueDpc(&seen.dpc, nullptr, nullptr));
      EXPECT_EQ(wait(&seen.done), STATUS_SUCCESS);
      EXPECT_EQ(seen.processor, static_cast<ULONG>(number) % KeQueryMaximumProcessorCount());
      KeFlushQueuedDpcs();
    }
  });
}

TEST(KernelSurface_MutexDeath, OnlyItsOwnerReleasesIt) {
  const auto die = [](auto release) { EXPECT_DEATH(run_on_linux([&] { release(); }), "bug check"); };
  die([] {
    KMUTEX mutex;
    KeInitializeMutex(&mutex, 0);
    KeReleaseMutex(&mutex, FALSE);
  });
  die([] {
    FAST_MUTEX mutex;
    ExInitializeFastMutex(&mutex);
    ExAcquireFastMutexUnsafe(&mutex);
    ExAcquireFastMutexUnsafe(&mutex);
  });
  die([] {
    KSEMAPHORE semaphore;
    KeInitializeSemaphore(&semaphore, 0, 2);
    KeReleaseSemaphore(&semaphore, 0, 3, FALSE);
  });
  die([] {
    EX_PUSH_LOCK lock;
    ExInitializePushLock(&lock);
    ExReleasePushLockExclusive(&lock);
  });
  die([] { KeLeaveCriticalRegion(); });
}

}  // namespace
}  // namespace softndk::ntrt
