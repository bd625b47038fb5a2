#include "ntrt/deferred.h"

#include <atomic>
#include <memory>

#include "ntrt/kernel_fixture.h"

namespace softndk::ntrt {
namespace {

class Deferred : public KernelTest {};
SOFTNDK_IN_BOTH_WORLDS(Deferred);

TEST_P(Deferred, CallRunsAtDispatchLevelOnItsProcessor) {
  struct Call : DeferredCall {
    Call()
        : DeferredCall(
              [](DeferredCall& self) noexcept {
                auto& own = static_cast<Call&>(self);
                own.irql = current_irql();
                own.processor = current_processor();
                own.gate.open();
              },
              "test call") {}
    Irql irql = 0;
    io::Processor* processor = nullptr;
    WaitGate gate{"test gate"};
  };
  run([] {
    for (unsigned i = 0; i < processor_count(); ++i) {
      Call call;
      call.set_processor(i);
      EXPECT_TRUE(call.queue());
      call.gate.wait();
      EXPECT_EQ(call.irql, kDispatchLevel);
      EXPECT_EQ(call.processor, &processor(i));
      EXPECT_EQ(current_irql(), kPassiveLevel);
      flush_processors();
    }
  });
}

// A queue() that says false promises that the coming run sees what was written before it.
TEST_P(Deferred, WorkAnnouncedByQueueIsSeenByARun) {
  struct Call : DeferredCall {
    Call()
        : DeferredCall(
              [](DeferredCall& self) noexcept {
                auto& own = static_cast<Call&>(self);
                own.done.store(own.wanted.load());
              },
              "test call") {}
    std::atomic<unsigned> wanted{0}, done{0};
  };
  run([this] {
    Call call;
    const unsigned count = rounds(2000);
    for (unsigned i = 1; i <= count; ++i) {
      call.wanted = i;
      call.queue();
      if (i % 7 == 0) relax_until([&] { return call.done == i; });
    }
    relax_until([&] { return call.done == count; });
    flush_processors();
  });
}

TEST_P(Deferred, CallMayDestroyItself) {
  struct Call : DeferredCall {
    explicit Call(WaitGate& to_open)
        : DeferredCall(
              [](DeferredCall& self) noexcept {
                std::unique_ptr<Call> own(static_cast<Call*>(&self));
                WaitGate& gate_of_own = own->gate;
                own.reset();
                gate_of_own.open();
              },
              "test call"),
          gate(to_open) {}
    WaitGate& gate;
  };
  run([this] {
    for (unsigned i = 0; i < rounds(500); ++i) {
      WaitGate gate("test gate");
      (new Call(gate))->queue();
      gate.wait();
    }
  });
}

struct Alarm : DeferredTimer {
  Alarm()
      : DeferredTimer(
            [](DeferredTimer& self) noexcept {
              auto& own = static_cast<Alarm&>(self);
              EXPECT_EQ(current_irql(), kDispatchLevel);
              own.rang_at_ns = now_ns();
              ++own.count;
              own.gate.open();
            },
            "test alarm") {}
  std::atomic<io::TimeNs> rang_at_ns{0};
  std::atomic<int> count{0};
  WaitGate gate{"the alarm"};
};

TEST_P(Deferred, TimerRunsOnceNotBeforeItsDeadline) {
  run([] {
    Alarm alarm;
    alarm.set_processor(1);
    const io::TimeNs due = now_ns() + 2 * io::kMillisecond;
    alarm.arm_at(due - io::kMillisecond);
    alarm.arm_at(due);  // moves it
    alarm.gate.wait();
    EXPECT_GE(alarm.rang_at_ns, due - io::kMillisecond);
    flush_processors();
    EXPECT_FALSE(alarm.cancel());
  });
}

TEST_P(Deferred, CancelledTimerDoesNotRun) {
  run([] {
    Alarm alarm;
    alarm.arm_after(3600 * io::kSecond);
    EXPECT_TRUE(alarm.cancel());
    EXPECT_FALSE(alarm.cancel());
    flush_processors();
    EXPECT_EQ(alarm.count, 0);
  });
}

TEST_P(Deferred, GateOnTheWaitersStackIsNotTouchedAfterTheWait) {
  run([this] {
    std::atomic<WaitGate*> where{nullptr};
    const unsigned count = rounds(3000);
    TestThreads threads;
    threads.spawn([&] {
      for (unsigned i = 0; i < count; ++i) {
        WaitGate* gate = nullptr;
        relax_until([&] { return (gate = where.exchange(nullptr)) != nullptr; });
        gate->open();
      }
    });
    for (unsigned i = 0; i < count; ++i) {
      auto gate = std::make_unique<WaitGate>("test gate");
      where.store(gate.get());
      gate->wait();
    }
  });
}

TEST_P(Deferred, EventTimesOutAndStaysUsable) {
  run([] {
    WaitEvent event("test event");
    EXPECT_FALSE(event.wait_until(now_ns() + io::kMillisecond));
    event.set();
    EXPECT_TRUE(event.wait_until(now_ns()));
    event.reset();
    EXPECT_FALSE(event.wait_until(now_ns()));
  });
}

TEST(Deferred_DeathTest, GateWaitedForAtDispatchLevelIsABugCheck) {
  const auto body = [] {
    WaitGate gate("test gate");
    IrqlScope scope(kDispatchLevel, "test");
    gate.wait();
  };
  EXPECT_DEATH(run_on_linux(body), "KeWaitForSingleObject called at DISPATCH_LEVEL");
}

}  // namespace
}  // namespace softndk::ntrt
