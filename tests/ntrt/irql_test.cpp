#include "ntrt/irql.h"

#include "ntrt/bug_check.h"
#include "ntrt/kernel_fixture.h"

namespace softndk::ntrt {
namespace {

TEST(KernelSurface_10_1, EveryRowOfTheTableIsARange) {
  for (const IrqlRange& row : irql_table::kRows)
    EXPECT_LE(row.lowest, row.highest) << row.name;
  EXPECT_STREQ(irql_range(EntryPoint::KeSetEvent).name, "KeSetEvent");
}

TEST(KernelSurface_4_2, RaiseReturnsTheLevelBeforeAndLowerRestoresIt) {
  EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL);
  KIRQL first, second;
  KeRaiseIrql(APC_LEVEL, &first);
  KeRaiseIrql(DISPATCH_LEVEL, &second);
  EXPECT_EQ(first, PASSIVE_LEVEL);
  EXPECT_EQ(second, APC_LEVEL);
  EXPECT_EQ(KeGetCurrentIrql(), DISPATCH_LEVEL);
  KeLowerIrql(second);
  KeLowerIrql(first);
  EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL);
}

class KernelSurface_10_1_Threads : public KernelTest {};
SOFTNDK_IN_BOTH_WORLDS(KernelSurface_10_1_Threads);

TEST_P(KernelSurface_10_1_Threads, EachThreadHasItsOwnIrql) {
  run([] {
    IrqlScope scope(kDispatchLevel, "test");
    KEVENT looked;
    KeInitializeEvent(&looked, NotificationEvent, FALSE);
    SystemThread thread;
    const auto look = [](void* event) noexcept {
      EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL);
      KeSetEvent(static_cast<PRKEVENT>(event), IO_NO_INCREMENT, FALSE);
    };
    ASSERT_TRUE(thread.start("other", look, &looked));
    relax_until([&] { return KeReadStateEvent(&looked) != 0; });
    EXPECT_EQ(KeGetCurrentIrql(), DISPATCH_LEVEL);
    thread.join();
  });
}

TEST(KernelSurface_10_1, PagedCodeIsFineBelowDispatchLevel) {
  PAGED_CODE()
  KIRQL before;
  KeRaiseIrql(APC_LEVEL, &before);
  PAGED_CODE()
  KeLowerIrql(before);
}

using KernelSurface_10_1_DeathTest = ::testing::Test;

TEST(KernelSurface_10_1_DeathTest, PagedCodeAtDispatchLevelIsABugCheck) {
  const auto pageable = [] { PAGED_CODE() };
  EXPECT_DEATH(
      {
        KIRQL before;
        KeRaiseIrql(DISPATCH_LEVEL, &before);
        pageable();
      },
      "PAGED_CODE in .*irql_test.cpp.* at DISPATCH_LEVEL");
}

TEST(KernelSurface_10_1_DeathTest, CallbackThatReturnsWithRaisedIrqlIsABugCheck) {
  EXPECT_DEATH(
      {
        IrqlScope scope(kPassiveLevel, "completion callback");
        KIRQL before;
        KeRaiseIrql(DISPATCH_LEVEL, &before);
      },
      "IRQL_UNEXPECTED_VALUE.*completion callback.*returned at IRQL 2");
}

TEST(KernelSurface_10_1_DeathTest, CallbackThatReturnsWithALockHeldIsABugCheck) {
  KSPIN_LOCK lock = 0;
  EXPECT_DEATH(
      {
        IrqlScope scope(kDispatchLevel, "CQ callback");
        KeAcquireSpinLockAtDpcLevel(&lock);
      },
      "CQ callback.*entered with 0 spin lock.*returned with 1");
}

TEST(KernelSurface_10_1_DeathTest, RaisingToALowerLevelIsABugCheck) {
  EXPECT_DEATH(
      {
        KIRQL before;
        KeRaiseIrql(DISPATCH_LEVEL, &before);
        KeRaiseIrql(APC_LEVEL, &before);
      },
      "IRQL_NOT_GREATER_OR_EQUAL");
}

TEST(KernelSurface_10_1_DeathTest, LoweringToAHigherLevelIsABugCheck) {
  EXPECT_DEATH(KeLowerIrql(DISPATCH_LEVEL), "IRQL_NOT_LESS_OR_EQUAL");
}

TEST(KernelSurface_10_1_DeathTest, LoweringWithASpinLockHeldIsABugCheck) {
  KSPIN_LOCK lock = 0;
  EXPECT_DEATH(
      {
        const KIRQL before = KeAcquireSpinLockRaiseToDpc(&lock);
        KeLowerIrql(before);
      },
      "lowered to PASSIVE_LEVEL with 1 spin lock");
}

TEST(KernelSurface_10_9_DeathTest, HookSeesTheReportAndMayLeaveTheProcess) {
  const auto leave = [](void* context, const BugReport& report) noexcept {
    std::fprintf(stderr, "%s: %s %s\n", static_cast<const char*>(context), to_string(report.code), report.text);
    std::_Exit(7);
  };
  char mark[] = "recorded";
  EXPECT_EXIT(
      {
        set_bug_check_hook(leave, mark);
        KeBugCheckEx(0xe2, 1, 2, 3, 4);
      },
      ::testing::ExitedWithCode(7), "recorded: DRIVER_REQUEST KeBugCheckEx\\(0xe2, 0x1");
}

TEST(KernelSurface_10_9_DeathTest, FailedAssertionNamesItsPlaceAndText) {
  int answer = 42;
  EXPECT_DEATH(NT_ASSERT(answer == 43), "ASSERTION_FAILED.*irql_test.cpp:[0-9]*: answer == 43");
  set_assertions_fatal(false);
  NT_ASSERT(answer == 43);  // one line in the log
  EXPECT_FALSE(NT_VERIFY(answer == 43));
  set_assertions_fatal(true);
  EXPECT_TRUE(NT_VERIFY(answer == 42));
}

TEST(KernelSurface_10_9_DeathTest, CallWithoutARunningKernelIsABugCheck) {
  EXPECT_DEATH(KeQueryInterruptTime(), "while it is not started");
}

}  // namespace
}  // namespace softndk::ntrt
