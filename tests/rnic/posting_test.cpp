// Posts take no lock (spec/ndkpi.md 3.5).
#include <deque>

#include "raw_peer.h"

namespace softndk::rnic::test {
namespace {

/// Stops one thread at the n-th of its interleave points, until it is let go on, and counts the rounds of others'
/// waits.
class Stopped {
 public:
  explicit Stopped(unsigned nth) : nth_(nth) { set_interleave_hook(hook, this); }
  /// It stays: a thread may be on its way out of the hook.
  void leave() { set_interleave_hook(nullptr, nullptr); }
  /// The caller is the one.
  void begin() { thread_ = &io::this_thread(); }
  void end() {
    thread_ = nullptr;
    over_ = true;
  }
  bool wait_stopped_or_over(io::Executor& executor) const {
    for (unsigned spins = 0; !stopped_ && !over_; ++spins)
      executor.relax(spins);
    return stopped_;
  }
  void release() { released_ = true; }
  bool somebody_waits() const { return waits_ > kWaitsMax; }

 private:
  /// Far more than a poll waits for a claimed entry.
  static constexpr unsigned kWaitsMax = 100'000;
  static void hook(void* self, bool blocked) noexcept { static_cast<Stopped*>(self)->reached(blocked); }
  void reached(bool blocked) noexcept {
    if (thread_ != &io::this_thread()) {
      // Whoever waits too long for the one who stands still is let go with him, and the test fails.
      if (blocked && stopped_ && !released_ && ++waits_ > kWaitsMax) released_ = true;
      return;
    }
    if (blocked || ++met_ != nth_) return;
    stopped_ = true;
    while (!released_)
      std::this_thread::yield();
  }
  const unsigned nth_;
  unsigned met_ = 0;
  std::atomic<const io::ThreadContext*> thread_{nullptr};
  std::atomic<bool> stopped_{false}, released_{false}, over_{false};
  std::atomic<unsigned> waits_{0};
};

TEST(R_WR_04, APosterWhoStandsStillAnywhereKeepsNobodyWaiting) {
  std::deque<Stopped> all_stopped;  // outlives the world's threads
  auto real = net::World::create();
  ASSERT_TRUE(real);
  io::World world = (*real)->view();
  auto device = make_device(world);
  Host host(world, *device);
  const Address at = host.listen();
  PeerOptions options;
  options.depth = 1'024;
  options.cq_depth = 4'096;
  Peer active(world, *device, options), passive(world, *device, options);
  establish(host, active, passive, at);
  {
    Buffer here(*active.pd, 64, kAllRights), there(*passive.pd, 64, kAllRights);
    unsigned points = 0;
    for (bool reached = true; reached; ++points) {
      ASSERT_LT(points, 500u) << "a post has no end";
      ASSERT_TRUE(passive.receive(there, 0, 64));
      Stopped& stopped = all_stopped.emplace_back(points + 1);
      io::contract::Worker poster(world, [&] {
        stopped.begin();
        EXPECT_TRUE(active.post(rdma::Operation::send, here, 0, 8));
        stopped.end();
      });
      reached = stopped.wait_stopped_or_over(world.executor);
      // The other queue, the completion queue, its depth: everything that is somebody else's to do.
      EXPECT_TRUE(active.receive(here, 0, 64));
      Completion some[4];
      std::size_t got = active.cq->poll(some);
      active.cq->arm(rdma::CqNotify::any);
      EXPECT_TRUE(active.cq->resize(4'096 + points));
      EXPECT_FALSE(stopped.somebody_waits()) << "at point " << points + 1;
      stopped.release();
      poster.join();
      if (got == 0) {
        EXPECT_EQ(active.wait_status(), WorkStatus::success);
      }
      EXPECT_EQ(passive.wait_status(), WorkStatus::success);
      stopped.leave();
    }
    EXPECT_GT(points, 5u) << "the points of a post were met";
  }
  active.close_all();
  passive.close_all();
}

}  // namespace
}  // namespace softndk::rnic::test
