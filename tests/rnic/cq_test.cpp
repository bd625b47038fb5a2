// A completion queue fed by several threads at once, as by queue pairs that share it.
#include "rnic/cq.h"
#include "lent_window.h"

namespace softndk::rnic::test {
namespace {

/// Counts the completions that are on their way, so that the producers themselves never overflow the queue.
class Credits {
 public:
  explicit Credits(int count) : left_(count) {}
  bool take() {
    int left = left_.load();
    while (left > 0)
      if (left_.compare_exchange_weak(left, left - 1)) return true;
    return false;
  }
  void give(int count) { left_.fetch_add(count); }

 private:
  std::atomic<int> left_;
};

class Reader final : public rdma::CqSink {
 public:
  explicit Reader(io::World& world) : bell(world) {}
  void on_notify(rdma::CqHealth health) noexcept override {
    const Visits::Visit visit(visits);
    if (health != rdma::CqHealth::good) failed = true;
    ++told;
    bell.ring();
  }
  void on_cq_closed() noexcept override {
    const Visits::Visit visit(visits);
    closed = true;
    bell.ring();
  }
  Bell bell;
  Visits visits;
  std::atomic<int> told{0};
  std::atomic<bool> failed{false}, closed{false};
};

TEST(R_ARM_06, NeitherWakesNorResultsAreLostBetweenProducers) {
  auto real = net::World::create();
  ASSERT_TRUE(real);
  io::World world = (*real)->view();
  constexpr std::uint32_t kDepth = 8;
  constexpr int kEach = 30'000;
  constexpr int kProducers = 3;
  rdma::DeviceCounters counters;
  Reader reader(world);
  const Settings settings;
  const CqContext context{counters, world.clock, settings};
  auto cq = Cq::create({kDepth, 0}, reader, world.executor.processor(0), context);
  ASSERT_TRUE(cq != nullptr);
  Credits credits(kDepth);
  std::vector<std::unique_ptr<io::contract::Worker>> producers;
  for (int p = 0; p < kProducers; ++p) {
    producers.push_back(std::make_unique<io::contract::Worker>(world, [&, p] {
      for (int i = 0; i < kEach && !reader.failed.load(); ++i) {
        for (unsigned spins = 0; !credits.take() && !reader.failed.load(); ++spins)
          world.executor.relax(spins);
        Completion completion{};
        completion.request_context = reinterpret_cast<void*>(static_cast<std::uintptr_t>(p * kEach + i + 1));
        cq->place(completion);
      }
    }));
  }
  std::vector<int> next(kProducers, 0);
  int taken = 0;
  while (taken < kProducers * kEach && !reader.failed.load()) {
    Completion some[5];
    const std::size_t count = cq->poll(some);
    for (std::size_t i = 0; i < count; ++i) {
      const auto number = static_cast<int>(reinterpret_cast<std::uintptr_t>(some[i].request_context)) - 1;
      ASSERT_EQ(number % kEach, next[number / kEach]++) << "each producer's in their order";
    }
    taken += static_cast<int>(count);
    credits.give(static_cast<int>(count));
    if (count != 0) continue;
    // Empty, armed, and no second look: the next one has to be told.
    const int before = reader.told.load();
    cq->arm(rdma::CqNotify::any);
    ASSERT_TRUE(reader.bell.wait([&] { return reader.told.load() != before; })) << "a lost wake after " << taken;
  }
  EXPECT_FALSE(reader.failed.load()) << "an overflow of a queue that never held more than its depth";
  EXPECT_EQ(counters.cq_errors.load(), 0u);
  producers.clear();
  cq->close();
  EXPECT_TRUE(reader.bell.wait([&] { return reader.closed.load(); }));
  reader.visits.wait(world.executor);
}

/// One queue in any world.
struct Alone {
  explicit Alone(io::World& in, std::uint32_t depth = 8, const Settings& settings = {})
      : world(in),
        reader(in),
        context{counters, in.clock, settings},
        cq(Cq::create({depth, 0}, reader, in.executor.processor(0), context)) {}
  ~Alone() {
    cq->close();
    EXPECT_TRUE(reader.bell.wait([&] { return reader.closed.load(); }));
    reader.visits.wait(world.executor);
  }
  void place(std::uintptr_t number) {
    Completion completion{};
    completion.request_context = reinterpret_cast<void*>(number);
    cq->place(completion);
  }
  bool told(int times) {
    return reader.bell.wait([&] { return reader.told.load() >= times; });
  }
  io::World& world;
  rdma::DeviceCounters counters;
  Reader reader;
  const CqContext context;
  OwnedInterface<Cq> cq;
};

struct Bystander final : CqMember {
  void on_cq_failed() noexcept override { failed = true; }
  std::atomic<bool> failed{false};
};

TEST(R_ARM_17, AFatalErrorKillsTheQueueAndItsQueuePairsAndIsToldOnce) {
  in_every_world([](io::World& world) {
    Alone alone(world);
    Bystander qps[2];
    for (Bystander& qp : qps)
      alone.cq->add_member(qp);
    alone.place(1);
    alone.cq->arm(rdma::CqNotify::errors);
    alone.cq->fail(rdma::CqHealth::failed);
    alone.cq->fail(rdma::CqHealth::overflow);  // the first reason counts
    EXPECT_TRUE(alone.told(1));
    EXPECT_TRUE(alone.reader.failed.load());
    EXPECT_EQ(alone.counters.cq_errors.load(), 1u);
    EXPECT_TRUE(eventually(world, [&] { return qps[0].failed && qps[1].failed; }));
    alone.place(2);
    Completion some[4];
    EXPECT_EQ(alone.cq->poll(some), 1u) << "what was there (R-ARM-19), and no further completions";
    for (const auto kind : {rdma::CqNotify::errors, rdma::CqNotify::solicited, rdma::CqNotify::any})
      alone.cq->arm(kind);
    world.executor.park(world.clock.now_ns() + io::kMillisecond);
    EXPECT_EQ(alone.reader.told.load(), 1);
    for (Bystander& qp : qps)
      alone.cq->remove_member(qp);
  });
}

TEST(R_ARM_17, WhatADeadQueueLetsGoOfMayCreateAQueuePairOnIt) {
  // Found by reading: a request that is cancelled may have been the last that a close waits for, whose completion is
  // the consumer's. It ran under the lock of the queue's list of queue pairs, and the new one waited for that.
  sim::for_each_seed(20, [](std::uint64_t seed) {
    sim::World simulated(seed);
    const sim::Result result = simulated.run([&] {
      io::World world = simulated.view();
      Scene scene(world);
      ASSERT_TRUE(scene.establish_raw());
      Buffer land(*scene.victim.pd, 4096, kAllRights);
      Lent lent(world, scene.victim);
      struct Closed final : rdma::QpSink {
        explicit Closed(io::World& world) : bell(world) {}
        void on_qp_closed() noexcept override {
          closed = true;
          bell.ring();
        }
        Bell bell;
        std::atomic<bool> closed{false};
      } sink(world);
      OwnedInterface<rdma::QueuePair> made;
      lent.in_work_done = [&] {
        rdma::QpParameters parameters;
        parameters.receive_cq = parameters.initiator_cq = scene.victim.cq.get();
        parameters.receive_depth = parameters.initiator_depth = 4;
        auto qp = scene.device->create_qp(*scene.victim.pd, parameters, sink);
        if (qp) made = std::move(*qp);
      };
      lent.post(Operation::bind, &land, 4096, {.defer = true});
      static_cast<Cq&>(*scene.victim.cq).fail(rdma::CqHealth::failed);
      EXPECT_TRUE(lent.bell.wait([&] { return lent.done.load() == 1; }));
      ASSERT_NE(made, nullptr);
      made->close();
      EXPECT_TRUE(sink.bell.wait([&] { return sink.closed.load(); }));
    });
    ASSERT_EQ(result, sim::Result::completed) << simulated.report();
  });
}

TEST(R_CQ_08, ProducersAndAConsumerBesideAResizer) {
  auto real = net::World::create();
  ASSERT_TRUE(real);
  io::World world = (*real)->view();
  constexpr std::uint32_t kInFlight = 12;
  constexpr int kEach = 20'000;
  constexpr int kProducers = 2;
  Alone alone(world, kInFlight);
  Credits credits(kInFlight);
  std::atomic<bool> done{false};
  {
    std::vector<std::unique_ptr<io::contract::Worker>> workers;
    for (int p = 0; p < kProducers; ++p) {
      workers.push_back(std::make_unique<io::contract::Worker>(world, [&, p] {
        for (int i = 0; i < kEach && !alone.reader.failed; ++i) {
          for (unsigned spins = 0; !credits.take() && !alone.reader.failed; ++spins)
            world.executor.relax(spins);
          alone.place(static_cast<std::uintptr_t>(p * kEach + i + 1));
        }
      }));
    }
    for (int r = 0; r < 2; ++r) {
      workers.push_back(std::make_unique<io::contract::Worker>(world, [&, r] {
        constexpr std::uint32_t kDepths[] = {12, 16, 13, 33, 15, 200, 12, 1'000, 64, 5'000, 12};
        for (unsigned i = 0; !done; ++i) {
          EXPECT_TRUE(alone.cq->resize(kDepths[(i + static_cast<unsigned>(r)) % std::size(kDepths)]).has_value());
          world.executor.relax(i);
        }
      }));
    }
    std::vector<int> next(kProducers, 0);
    for (int taken = 0; taken < kProducers * kEach && !alone.reader.failed;) {
      Completion some[5];
      const std::size_t count = alone.cq->poll(some);
      for (std::size_t i = 0; i < count; ++i) {
        const auto number = static_cast<int>(reinterpret_cast<std::uintptr_t>(some[i].request_context)) - 1;
        EXPECT_EQ(number % kEach, next[number / kEach]++);
      }
      taken += static_cast<int>(count);
      credits.give(static_cast<int>(count));
      if (count != 0) continue;
      const int before = alone.reader.told.load();
      alone.cq->arm(rdma::CqNotify::any);
      if (!alone.told(before + 1)) {
        ADD_FAILURE() << "a lost wake after " << taken;
        break;
      }
    }
    done = true;
  }
  EXPECT_FALSE(alone.reader.failed.load());
}

TEST(R_CQ_09, AShrinkThatSucceedsIsExactWhateverIsPlacedMeanwhile) {
  // Two producers try to put five into a queue that becomes four deep at some moment: either the fifth came before it,
  // and the resize fails, or after it, and the queue is dead.
  int runs = 0;
  int resizes = 0;
  sim::for_each_seed(400, [&](std::uint64_t seed) {
    sim::Options options;
    options.interleave = sim::Chance::one_in(2);
    sim::World simulated(seed, options);
    const sim::Result result = simulated.run([&] {
      io::World world = simulated.view();
      Alone alone(world, 5);
      bool resized = false;
      {
        io::contract::Worker one(world, [&] {
          for (std::uintptr_t i = 1; i <= 3; ++i)
            alone.place(i);
        });
        io::contract::Worker two(world, [&] {
          for (std::uintptr_t i = 4; i <= 5; ++i)
            alone.place(i);
        });
        resized = alone.cq->resize(4).has_value();
      }
      Completion some[8];
      EXPECT_EQ(alone.cq->poll(some), resized ? 4u : 5u);
      EXPECT_EQ(alone.counters.cq_errors.load(), resized ? 1u : 0u);
      EXPECT_EQ(alone.cq->depth(), resized ? 4u : 5u);
      resizes += resized ? 1 : 0;
    });
    ++runs;
    ASSERT_EQ(result, sim::Result::completed) << simulated.report();
  });
  if (runs >= 100) {
    EXPECT_TRUE(resizes > 0 && resizes < runs) << "both were met: " << resizes << " of " << runs;
  }
}

}  // namespace
}  // namespace softndk::rnic::test
