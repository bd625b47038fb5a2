// The batch buffers that all connections of a processor share.
#include "rnic/batch_buffers.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>
#include <vector>

#include "sim/program.h"
#include "sim/seed_loop.h"

namespace softndk::rnic::test {
namespace {

TEST(BatchBuffers, AsManyAsReservedAreThereAtOnceAndDiffer) {
  BatchBufferPool pool;
  std::set<BatchBuffers*> taken;
  constexpr std::size_t kCount = 1000;  // several slabs
  for (std::size_t i = 0; i < kCount; ++i)
    ASSERT_TRUE(pool.reserve_one());
  for (std::size_t i = 0; i < kCount; ++i)
    taken.insert(pool.take());
  EXPECT_EQ(taken.size(), kCount);
  for (BatchBuffers* buffers : taken)
    pool.give_back(buffers);
}

TEST(BatchBuffers, WhatWasGivenBackLastIsTakenNext) {
  BatchBufferPool pool;
  ASSERT_TRUE(pool.reserve_one());
  ASSERT_TRUE(pool.reserve_one());
  BatchBuffers* first = pool.take();
  BatchBuffers* second = pool.take();
  pool.give_back(first);
  EXPECT_EQ(pool.take(), first);
  pool.give_back(second);
  EXPECT_EQ(pool.take(), second);
}

/// Takes, marks, looks and gives back; nobody else's mark may be there meanwhile.
void use(BatchBufferPool& pool, std::uint8_t mark, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    BatchBuffers* buffers = pool.take();
    buffers->arena[0] = mark;
    interleave_point();
    ASSERT_EQ(buffers->arena[0], mark);
    pool.give_back(buffers);
  }
}

TEST(BatchBuffers, AreOneHoldersOnlyUnderThreads) {
  BatchBufferPool pool;
  std::vector<std::thread> threads;
  for (std::uint8_t mark = 1; mark <= 4; ++mark) {
    ASSERT_TRUE(pool.reserve_one());
    threads.emplace_back([&pool, mark] { use(pool, mark, 20'000); });
  }
  for (std::thread& thread : threads)
    thread.join();
}

TEST(BatchBuffers, AreOneHoldersOnlyInEveryOrder) {
  sim::for_each_seed(200, [](std::uint64_t seed) {
    sim::Options options;
    options.interleave = sim::Chance::one_in(2);
    sim::World world(seed, options);
    const sim::Result result = world.run([&] {
      BatchBufferPool pool;
      sim::Fibers fibers(world.view());
      for (std::uint8_t mark = 1; mark <= 3; ++mark) {
        ASSERT_TRUE(pool.reserve_one());
        fibers.start("user", [&pool, mark] { use(pool, mark, 20); });
      }
      fibers.join_all();
    });
    ASSERT_EQ(result, sim::Result::completed) << world.report();
  });
}

}  // namespace
}  // namespace softndk::rnic::test
