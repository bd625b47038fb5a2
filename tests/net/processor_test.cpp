#include "net/processor.h"

#include <gtest/gtest.h>
#include <sys/epoll.h>

#include <vector>

#include "io/executor_contract.h"
#include "net/linux_world.h"

namespace softndk::net {
namespace {

using io::contract::CountingTask;
using io::contract::CountingTimer;
using io::contract::drain;

struct EventCounter final : EventSource {
  explicit EventCounter(std::function<void()> inside) : body(std::move(inside)) {}
  void on_events(std::uint32_t) noexcept override { body(); }
  std::function<void()> body;
};

TEST(Processor, ARoundIsEventsThenTasksThenTimers) {
  SleepingWorld::run([](io::World& world) {
    auto& processor = static_cast<Processor&>(world.executor.processor(0));
    const sys::Fd fd(sys::eventfd());
    std::vector<char> order;
    CountingTask task([&] { order.push_back('t'); });
    CountingTimer timer([&] { order.push_back('d'); });
    EventCounter source([&] { order.push_back('e'); });
    ASSERT_TRUE(processor.watch(fd.get(), EPOLLIN | EPOLLET, source));
    // All three become possible inside one task, so the next round finds all.
    CountingTask begin([&] {
      processor.arm(timer, 0);
      processor.post(task);
      const std::uint64_t one = 1;
      sys::write(fd.get(), &one, sizeof one);
    });
    processor.post(begin);
    while (timer.runs.load() < 1)
      drain(world, processor);
    drain(world, processor);
    // The timer is due in the very round of `begin` still, before the others are looked for again.
    ASSERT_EQ(order.size(), 3u);
    EXPECT_EQ(std::string(order.begin(), order.end()), "det");
    order.clear();
    // From a timer, the last step of a round, it is the full order.
    CountingTimer begin_in_timer([&] {
      processor.post(task);
      const std::uint64_t one = 1;
      sys::write(fd.get(), &one, sizeof one);
    });
    processor.arm(begin_in_timer, 0);
    while (task.runs.load() < 2)
      drain(world, processor);
    drain(world, processor);
    EXPECT_EQ(std::string(order.begin(), order.end()), "et");
    processor.unwatch(fd.get());
  });
}

TEST(Processor, ATimerArmedFromOutsideWakesASleeper) {
  SleepingWorld::run([](io::World& world) {
    io::Processor& processor = world.executor.processor(0);
    io::contract::Bell bell(world);
    for (int i = 0; i < 20; ++i) {
      CountingTimer far([&] { bell.ring(); }), near([&] { bell.ring(); });
      processor.arm(far, world.clock.now_ns() + 3600 * io::kSecond);
      drain(world, processor);  // it now sleeps for an hour
      processor.arm(near, world.clock.now_ns() + 50 * io::kMicrosecond);
      EXPECT_TRUE(bell.wait([&] { return near.runs.load() == 1; }));
      EXPECT_TRUE(processor.cancel(far));
      drain(world, processor);
    }
  });
}

}  // namespace
}  // namespace softndk::net
