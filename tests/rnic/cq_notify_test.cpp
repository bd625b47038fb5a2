// What a notification finds in its completion queue, with a consumer that takes results nowhere else, as drivers do.
#include "raw_peer.h"
#include "rnic/cq.h"

namespace softndk::rnic::test {
namespace {

/// Takes everything that is there, arms again and returns.
class Drainer final : public rdma::CqSink {
 public:
  Drainer(io::World& world, int awaited) : bell(world), awaited_(awaited) {}
  void on_notify(rdma::CqHealth) noexcept override {
    const Visits::Visit visit(visits);
    const int before = taken;
    Completion some[3];
    for (std::size_t count; (count = cq->poll(some)) != 0;)
      taken += static_cast<int>(count);
    if (taken == before) ++empty;
    cq->arm(rdma::CqNotify::any);
    if (taken >= awaited_) {
      all = true;
      bell.ring();
    }
  }
  void on_cq_closed() noexcept override {
    const Visits::Visit visit(visits);
    closed = true;
    bell.ring();
  }
  Bell bell;
  Visits visits;
  Cq* cq = nullptr;
  int taken = 0;  // notifications of one queue never overlap
  std::atomic<int> empty{0};
  std::atomic<bool> all{false}, closed{false};

 private:
  const int awaited_;
};

TEST(R_ARM_23, ANotificationNeverFindsThatItsCompletionsWereTakenByTheLast) {
  // A producer that has published looks whether somebody has armed. Meanwhile the callback before had taken what it
  // published and armed anew: it saw that arm, and raised a notification with nothing in the queue. Public consumers
  // assert that there is something. Found by examples/socket_driver in simulation.
  in_every_world(
      [](io::World& world) {
        constexpr int kProducers = 3;
        constexpr int kEach = 40;
        rdma::DeviceCounters counters;
        const Settings settings;
        const CqContext context{counters, world.clock, settings};
        Drainer drainer(world, kProducers * kEach);
        auto cq = Cq::create({kProducers * kEach, 0}, drainer, world.executor.processor(0), context);
        ASSERT_TRUE(cq != nullptr);
        drainer.cq = cq.get();
        cq->arm(rdma::CqNotify::any);
        std::vector<std::unique_ptr<io::contract::Worker>> producers;
        for (int p = 0; p < kProducers; ++p)
          producers.push_back(std::make_unique<io::contract::Worker>(world, [&] {
            for (int i = 0; i < kEach; ++i)
              cq->place(Completion{});
          }));
        EXPECT_TRUE(drainer.bell.wait([&] { return drainer.all.load(); })) << "a lost wake";
        producers.clear();
        EXPECT_EQ(drainer.empty.load(), 0);
        cq->close();
        EXPECT_TRUE(drainer.bell.wait([&] { return drainer.closed.load(); }));
        drainer.visits.wait(world.executor);
      },
      40);
}

/// Takes nothing, and counts.
class Told final : public rdma::CqSink {
 public:
  explicit Told(io::World& world) : bell(world), executor_(world.executor) {}
  ~Told() { visits_.wait(executor_); }
  void on_notify(rdma::CqHealth health) noexcept override {
    const Visits::Visit visit(visits_);
    EXPECT_EQ(health, rdma::CqHealth::good);
    ++count;
    bell.ring();
  }
  void on_cq_closed() noexcept override {
    const Visits::Visit visit(visits_);
    closed = true;
    bell.ring();
  }
  bool wait(int times) {
    return bell.wait([&] { return count.load() == times; });
  }
  Bell bell;
  std::atomic<int> count{0};
  std::atomic<bool> closed{false};

 private:
  io::Executor& executor_;
  Visits visits_;
};

/// A queue that nobody polls.
struct Unpolled {
  Unpolled(io::World& world, std::uint32_t depth, const Settings& with = {})
      : processor(world.executor.processor(0)),
        settings(with),
        told(world),
        cq(Cq::create({depth, 0}, told, processor, context(world))) {}
  ~Unpolled() {
    cq->close();
    EXPECT_TRUE(told.bell.wait([&] { return told.closed.load(); }));
  }
  CqContext context(io::World& world) { return {counters, world.clock, settings}; }
  void place(int count) {
    for (int i = 0; i < count; ++i)
      cq->place(Completion{});
  }
  /// What was posted to the processor before has run.
  void settle() {
    struct Marker : io::Task {
      explicit Marker(Unpolled& it) : Task([](Task& self) noexcept { static_cast<Marker&>(self).pass(); }), it(it) {}
      void pass() noexcept {
        passed = true;
        it.told.bell.ring();
      }
      Unpolled& it;
      std::atomic<bool> passed{false};
    } marker(*this);
    processor.post(marker);
    EXPECT_TRUE(told.bell.wait([&] { return marker.passed.load(); }));
  }
  io::Processor& processor;
  rdma::DeviceCounters counters;
  Settings settings;
  Told told;
  OwnedInterface<Cq> cq;
};

TEST(R_ARM_08, WhatIsOldSatisfiesAnArmAfterAResizeToo) {
  // Found by reading: the notification looked for what is old from a place behind it.
  in_every_world([](io::World& world) {
    Settings settings;
    settings.arm_counts_old = true;
    Unpolled it(world, 4, settings);
    it.place(4);
    it.cq->arm(rdma::CqNotify::any);
    ASSERT_TRUE(it.told.wait(1));
    ASSERT_TRUE(it.cq->resize(8));
    it.place(1);
    it.cq->arm(rdma::CqNotify::any);
    ASSERT_TRUE(it.told.wait(2));
    it.cq->arm(rdma::CqNotify::any);
    EXPECT_TRUE(it.told.wait(3)) << "five are there, all of them old";
  });
}

TEST(R_MOD_05, AResizeThatLeavesRoomForLessCompanyIsHeardOfByWhatWaits) {
  in_every_world([](io::World& world) {
    Unpolled it(world, 64);
    it.cq->moderate({rdma::CqModeration::kUnbounded, 50});
    it.place(10);
    it.cq->arm(rdma::CqNotify::any);
    it.settle();
    EXPECT_EQ(it.told.count.load(), 0) << "it waits for the fiftieth";
    ASSERT_TRUE(it.cq->resize(16));
    it.place(6);
    EXPECT_TRUE(it.told.wait(1)) << "the queue is full";
  });
}

TEST(R_MOD_05, WhatIsOldTakesThePlaceOfCompany) {
  in_every_world([](io::World& world) {
    Unpolled it(world, 16);
    it.place(10);
    it.cq->arm(rdma::CqNotify::any);
    ASSERT_TRUE(it.told.wait(1));
    it.cq->moderate({rdma::CqModeration::kUnbounded, 16});
    it.cq->arm(rdma::CqNotify::any);
    it.place(6);
    EXPECT_TRUE(it.told.wait(2)) << "the queue is full";
  });
}

}  // namespace
}  // namespace softndk::rnic::test
