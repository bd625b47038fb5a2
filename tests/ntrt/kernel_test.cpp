#include "ntrt/kernel.h"

#include <atomic>
#include <string>
#include <vector>

#include "base/log.h"
#include "ntrt/kernel_fixture.h"

namespace softndk::ntrt {
namespace {

void use_a_bit_of_everything() {
  KEVENT done;
  KeInitializeEvent(&done, NotificationEvent, FALSE);
  WORK_QUEUE_ITEM item;
  ExInitializeWorkItem(
      &item, [](PVOID event) { KeSetEvent(static_cast<PRKEVENT>(event), 0, FALSE); }, &done);
  ExQueueWorkItem(&item, DelayedWorkQueue);
  EXPECT_EQ(wait(&done), STATUS_SUCCESS);
  KDPC dpc;
  KeInitializeDpc(
      &dpc, [](PKDPC, PVOID, PVOID, PVOID) {}, nullptr);
  KeInsertQueueDpc(&dpc, nullptr, nullptr);
  KTIMER timer;
  KeInitializeTimer(&timer);
  LARGE_INTEGER due;
  due.QuadPart = -1;
  KeSetTimer(&timer, due, nullptr);
  EXPECT_EQ(wait(&timer), STATUS_SUCCESS);
}

TEST(KernelSurface_10_10, StartsAndStopsManyTimesInOneProcess) {
  for (int i = 0; i < 50; ++i)
    run_on_linux(use_a_bit_of_everything);
  EXPECT_EQ(kernel_if_running(), nullptr);
}

TEST(KernelSurface_10_10, StartsAndStopsManyTimesInOneWorld) {
  sim::World world(7);
  const sim::Result result = world.run([&] {
    for (int i = 0; i < 50; ++i) {
      Kernel running;
      ASSERT_TRUE(running.start(world.view(), quiet_options()));
      use_a_bit_of_everything();
      running.stop();
      running.stop();  // nothing to do
    }
  });
  EXPECT_EQ(result, sim::Result::completed) << world.report();
}

TEST(KernelSurface_10_10, SecondKernelAtTheSameTimeIsRefused) {
  run_simulated(1, [] {
    sim::World other_world(2);
    Kernel second;
    const auto started = second.start(other_world.view());
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error(), StartError::already_running);
    EXPECT_FALSE(second.is_running());
  });
}

TEST(KernelSurface_10_10, StartThatRunsOutOfMemoryOrThreadsLeavesNothingBehind) {
  // Fails the first, second, ... fallible call until a start meets none that fails.
  bool succeeded = false;
  for (std::uint64_t nth = 1; !succeeded; ++nth) {
    ASSERT_LT(nth, 100u);
    sim::Options options;
    options.fail_nth_call = nth;
    sim::World world(nth, options);
    const sim::Result result = world.run([&] {
      Kernel running;
      const auto started = running.start(world.view(), quiet_options());
      if (!started) {
        EXPECT_EQ(started.error(), StartError::no_resources);
        EXPECT_EQ(kernel_if_running(), nullptr);
      }
      succeeded = started.has_value();
      running.stop();
    });
    ASSERT_EQ(result, sim::Result::completed) << world.report();
  }
}

TEST(KernelSurface_10_10, StopActionsRunLastAddedFirstAndMayBeCancelled) {
  struct Numbered : StopAction {
    int number = 0;
    std::vector<int>* order = nullptr;
  };
  std::vector<int> order;
  Numbered actions[3];
  run_simulated(1, [&] {
    for (int i = 0; i < 3; ++i) {
      actions[i].number = i;
      actions[i].order = &order;
      actions[i].run = [](StopAction& self) noexcept {
        auto& own = static_cast<Numbered&>(self);
        EXPECT_EQ(KeGetCurrentIrql(), PASSIVE_LEVEL);
        use_a_bit_of_everything();  // the kernel still runs
        own.order->push_back(own.number);
      };
      kernel().at_stop(actions[i]);
    }
    kernel().cancel_at_stop(actions[1]);
  });
  EXPECT_EQ(order, (std::vector<int>{2, 0}));
}

TEST(KernelSurface_10_6, StopReportsWhatDriversLeftBehind) {
  std::vector<std::string> lines;
  set_log_sink(
      [](void* to, LogLevel, const char* line) { static_cast<std::vector<std::string>*>(to)->push_back(line); },
      &lines);
  KTIMER timer;
  DRIVER_OBJECT driver{};
  PIO_WORKITEM item = nullptr;
  run_simulated(1, [&] {
    KeInitializeTimer(&timer);
    KeSetTimer(&timer, relative_ms(3'600'000), nullptr);
    HANDLE thread;
    PsCreateSystemThread(
        &thread, 0, nullptr, nullptr, nullptr, [](PVOID) {}, nullptr);
    item = IoAllocateWorkItem(reinterpret_cast<PDEVICE_OBJECT>(&driver));
  });
  set_log_sink(nullptr, nullptr);
  std::string all;
  for (const std::string& line : lines)
    all += line + "\n";
  EXPECT_NE(all.find("1 KTIMER"), std::string::npos) << all;
  EXPECT_NE(all.find("1 handle"), std::string::npos) << all;
  EXPECT_NE(all.find("1 work item"), std::string::npos) << all;
  deallocate(item);
}

TEST(KernelSurface_10_3, SameSeedGivesTheSameRun) {
  const auto trace_of = [](std::uint64_t seed) {
    sim::World world(seed);
    EXPECT_EQ(world.run([&] {
      Kernel running;
      ASSERT_TRUE(running.start(world.view(), quiet_options()));
      for (int i = 0; i < 5; ++i)
        use_a_bit_of_everything();
      running.stop();
    }),
              sim::Result::completed);
    return world.trace_hash();
  };
  EXPECT_EQ(trace_of(11), trace_of(11));
  EXPECT_NE(trace_of(11), trace_of(12));
}

class KernelSurface_4_2_Processors : public KernelTest {};
SOFTNDK_IN_BOTH_WORLDS(KernelSurface_4_2_Processors);

TEST_P(KernelSurface_4_2_Processors, OneNodeHoldsEveryProcessor) {
  run([] {
    EXPECT_EQ(KeGetCurrentNodeNumber(), 0);
    GROUP_AFFINITY affinity{};
    USHORT count = 0;
    KeQueryNodeActiveAffinity(0, &affinity, &count);
    EXPECT_EQ(count, processor_count());
    EXPECT_EQ(static_cast<unsigned>(__builtin_popcountll(affinity.Mask)), processor_count());
    KeQueryNodeActiveAffinity(0, &affinity, nullptr);  // as the NVMe initiator calls it
    KAFFINITY active = 0;
    EXPECT_EQ(KeQueryActiveProcessorCount(&active), processor_count());
    EXPECT_EQ(active, affinity.Mask);
    EXPECT_EQ(KeQueryActiveProcessorCountEx(ALL_PROCESSOR_GROUPS), processor_count());
    EXPECT_EQ(choose_processor(1), 0u);
    EXPECT_EQ(choose_processor(2), 1u % processor_count());
    const unsigned first = choose_processor(0);
    EXPECT_EQ(choose_processor(0), (first + 1) % processor_count());
  });
}

}  // namespace
}  // namespace softndk::ntrt
