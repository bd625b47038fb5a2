// A completion queue fed by several threads at once, as by queue pairs that share it.
#include "rnic/cq.h"
#include "raw_peer.h"

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
  auto cq = Cq::create({kDepth, 0}, reader, world.executor.processor(0), counters);
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

}  // namespace
}  // namespace softndk::rnic::test
