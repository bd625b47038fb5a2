#include <atomic>
#include <cstring>
#include <memory>

#include "ntrt/kernel_fixture.h"

namespace softndk::ntrt {
namespace {

class KernelSurface_4_2_Rundown : public KernelTest {};
SOFTNDK_IN_BOTH_WORLDS(KernelSurface_4_2_Rundown);

TEST_P(KernelSurface_4_2_Rundown, ZeroedMemoryIsInitialised) {
  run([] {
    EX_RUNDOWN_REF rundown;
    std::memset(static_cast<void*>(&rundown), 0, sizeof rundown);
    EXPECT_TRUE(ExAcquireRundownProtection(&rundown));
    ExReleaseRundownProtection(&rundown);
    ExWaitForRundownProtectionRelease(&rundown);
    EXPECT_FALSE(ExAcquireRundownProtection(&rundown));
    ExInitializeRundownProtection(&rundown);
    EXPECT_TRUE(ExAcquireRundownProtectionEx(&rundown, 3));
    ExReleaseRundownProtectionEx(&rundown, 2);
    ExReleaseRundownProtection(&rundown);
  });
}

TEST_P(KernelSurface_4_2_Rundown, WaitCalledAgainReturnsAtOnce) {
  run([] {
    EX_RUNDOWN_REF rundown;
    ExInitializeRundownProtection(&rundown);
    for (int i = 0; i < 3; ++i)
      ExWaitForRundownProtectionRelease(&rundown);
    EXPECT_FALSE(ExAcquireRundownProtectionEx(&rundown, 2));
  });
}

TEST_P(KernelSurface_4_2_Rundown, WaitLastsUntilTheLastReferenceOfAnotherThread) {
  run([] {
    EX_RUNDOWN_REF rundown;
    ExInitializeRundownProtection(&rundown);
    ASSERT_TRUE(ExAcquireRundownProtectionEx(&rundown, 4));
    std::atomic<bool> released{false};
    TestThreads threads;
    threads.spawn([&] {
      // Not before rundown has begun, so that the wait has to block.
      relax_until([&] {
        if (!ExAcquireRundownProtection(&rundown)) return true;
        ExReleaseRundownProtection(&rundown);
        return false;
      });
      IrqlScope scope(kDispatchLevel, "completion callback");
      ExReleaseRundownProtectionEx(&rundown, 3);
      released = true;
      ExReleaseRundownProtection(&rundown);
    });
    ExWaitForRundownProtectionRelease(&rundown);
    EXPECT_TRUE(released);
  });
}

TEST_P(KernelSurface_4_2_Rundown, StructureMayBeFreedAsSoonAsTheWaiterReturns) {
  run([this] {
    std::atomic<PEX_RUNDOWN_REF> held{nullptr};
    const unsigned count = rounds(3000);
    TestThreads threads;
    threads.spawn([&] {
      for (unsigned i = 0; i < count; ++i) {
        PEX_RUNDOWN_REF rundown = nullptr;
        relax_until([&] { return (rundown = held.exchange(nullptr)) != nullptr; });
        ExReleaseRundownProtectionEx(rundown, 2);
      }
    });
    for (unsigned i = 0; i < count; ++i) {
      auto rundown = std::make_unique<EX_RUNDOWN_REF>();
      ExInitializeRundownProtection(rundown.get());
      ASSERT_TRUE(ExAcquireRundownProtectionEx(rundown.get(), 2));
      held.store(rundown.get());
      ExWaitForRundownProtectionRelease(rundown.get());
      std::memset(static_cast<void*>(rundown.get()), 0xcc, sizeof *rundown);
    }
  });
}

TEST_P(KernelSurface_4_2_Rundown, NobodyIsInsideOnceTheWaitHasReturned) {
  run([this] {
    const unsigned count = rounds(200);
    for (unsigned i = 0; i < count; ++i) {
      EX_RUNDOWN_REF rundown;
      ExInitializeRundownProtection(&rundown);
      std::atomic<int> inside{0};
      std::atomic<bool> over{false};
      TestThreads threads;
      for (int user = 0; user < 3; ++user) {
        threads.spawn([&] {
          for (int visit = 0; visit < 20 && ExAcquireRundownProtection(&rundown); ++visit) {
            ++inside;
            EXPECT_FALSE(over);
            --inside;
            ExReleaseRundownProtection(&rundown);
          }
        });
      }
      ExWaitForRundownProtectionRelease(&rundown);
      over = true;
      EXPECT_EQ(inside, 0);
      threads.join();
    }
  });
}

TEST_P(KernelSurface_4_2_Rundown, TwoWaitersAreBothReleased) {
  run([] {
    EX_RUNDOWN_REF rundown;
    ExInitializeRundownProtection(&rundown);
    ASSERT_TRUE(ExAcquireRundownProtection(&rundown));
    TestThreads threads;
    threads.spawn([&] { ExWaitForRundownProtectionRelease(&rundown); });
    threads.spawn([&] { ExWaitForRundownProtectionRelease(&rundown); });
    ExReleaseRundownProtection(&rundown);
    threads.join();
    EXPECT_FALSE(ExAcquireRundownProtection(&rundown));
  });
}

TEST(KernelSurface_4_2_Rundown_DeathTest, ReleaseBelowZeroIsABugCheck) {
  EX_RUNDOWN_REF rundown = {};
  EXPECT_DEATH(ExReleaseRundownProtection(&rundown), "REFERENCE_BY_POINTER.*released 1 time.*only 0");
  EXPECT_DEATH(
      {
        ExAcquireRundownProtectionEx(&rundown, 2);
        ExReleaseRundownProtectionEx(&rundown, 3);
      },
      "released 3 time.*only 2");
}

TEST(KernelSurface_4_2_Rundown_DeathTest, WaitAtDispatchLevelIsABugCheck) {
  EX_RUNDOWN_REF rundown = {};
  EXPECT_DEATH(
      {
        KIRQL before;
        KeRaiseIrql(DISPATCH_LEVEL, &before);
        ExWaitForRundownProtectionRelease(&rundown);
      },
      "ExWaitForRundownProtectionRelease called at DISPATCH_LEVEL");
}

}  // namespace
}  // namespace softndk::ntrt
