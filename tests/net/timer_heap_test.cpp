#include "net/timer_heap.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <set>
#include <vector>

namespace softndk::net {
namespace {

struct Timers {
  explicit Timers(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
      all.push_back(std::make_unique<io::Timer>([](io::Task&) noexcept {}));
  }
  io::Timer& operator[](std::size_t i) { return *all[i]; }
  std::vector<std::unique_ptr<io::Timer>> all;
};

TEST(TimerHeap, GivesTheEarliestFirst) {
  Timers timers(3);
  timers[0].deadline_ns = 20;
  timers[1].deadline_ns = 10;
  timers[2].deadline_ns = 30;
  TimerHeap heap;
  EXPECT_EQ(heap.earliest(), nullptr);
  for (std::size_t i = 0; i < 3; ++i)
    heap.insert(timers[i]);
  for (std::size_t i : {1, 0, 2}) {
    ASSERT_EQ(heap.earliest(), &timers[i]);
    heap.remove(timers[i]);
  }
  EXPECT_EQ(heap.earliest(), nullptr);
}

TEST(TimerHeap, EqualDeadlinesAllComeOut) {
  Timers timers(50);
  TimerHeap heap;
  for (std::size_t i = 0; i < 50; ++i)
    heap.insert(timers[i]);
  std::set<io::Timer*> seen;
  while (io::Timer* timer = heap.earliest()) {
    heap.remove(*timer);
    EXPECT_TRUE(seen.insert(timer).second);
  }
  EXPECT_EQ(seen.size(), 50u);
}

TEST(TimerHeap, AgreesWithASortedSetUnderAnyInsertAndRemove) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    std::mt19937 random(seed);
    Timers timers(200);
    std::multiset<io::TimeNs> model;
    std::vector<bool> inside(200);
    TimerHeap heap;
    for (int step = 0; step < 20'000; ++step) {
      const std::size_t i = random() % 200;
      if (inside[i]) {
        heap.remove(timers[i]);
        model.erase(model.find(timers[i].deadline_ns));
      } else {
        timers[i].deadline_ns = random() % 1000;
        heap.insert(timers[i]);
        model.insert(timers[i].deadline_ns);
      }
      inside[i] = !inside[i];
      if (model.empty()) {
        ASSERT_EQ(heap.earliest(), nullptr);
      } else {
        ASSERT_EQ(heap.earliest()->deadline_ns, *model.begin()) << "seed " << seed << ", step " << step;
      }
    }
  }
}

TEST(TimerHeap, AHundredThousandSiblingsDoNotExhaustTheStack) {
  Timers timers(100'000);
  TimerHeap heap;
  for (std::size_t i = 0; i < timers.all.size(); ++i) {
    timers[i].deadline_ns = i == 0 ? 0 : i;  // all become children of the first
    heap.insert(timers[i]);
  }
  heap.remove(timers[0]);
  EXPECT_EQ(heap.earliest(), &timers[1]);
}

}  // namespace
}  // namespace softndk::net
