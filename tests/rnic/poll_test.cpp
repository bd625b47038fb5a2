// Progress on the thread that polls (docs/notes/0008): it happens there, and it hides nothing from anybody.
#include <deque>
#include <set>
#include <thread>

#include "raw_peer.h"

namespace softndk::rnic::test {
namespace {

Settings polling() {
  Settings settings;
  settings.poll_reads = PollReads::at_once;
  return settings;
}

/// Polls until a completion is there, without a pause and without a notification.
std::optional<Completion> poll_one(io::World& world, Peer& peer) {
  const io::TimeNs deadline_ns = world.clock.now_ns() + 20 * io::kSecond;
  Completion one;
  for (unsigned spins = 0; world.clock.now_ns() < deadline_ns; ++spins) {
    if (peer.cq->poll(std::span(&one, 1)) == 1) return one;
    world.executor.relax(spins);
  }
  return std::nullopt;
}

/// Waits for what no event tells of.
template <class Condition>
bool wait_for(io::World& world, Condition&& condition) {
  const io::TimeNs deadline_ns = world.clock.now_ns() + 20 * io::kSecond;
  while (!condition()) {
    if (world.clock.now_ns() >= deadline_ns) return false;
    world.executor.park(world.clock.now_ns() + 200 * io::kMicrosecond);
  }
  return true;
}

/// Two connected peers, of which the passive one's device polls at once.
struct Pair {
  Pair(io::World& world, unsigned first_passive = 0)
      : active_device(make_device(world)),
        passive_device(make_device(world, polling(), first_passive)),
        host(world, *passive_device),
        active(world, *active_device),
        passive(world, *passive_device) {
    establish(host, active, passive, host.listen());
  }
  OwnedInterface<Device> active_device, passive_device;
  Host host;
  Peer active, passive;
};

struct Blocker : io::Task {
  Blocker()
      : Task([](io::Task& task) noexcept {
          auto& self = static_cast<Blocker&>(task);
          self.begun = true;
          while (!self.let_go)
            std::this_thread::yield();
          self.over = true;
        }) {}
  std::atomic<bool> begun{false}, let_go{false}, over{false};
};

TEST(Polls, MoveAConnectionOnWhoseProcessorStandsStill) {
  auto real = net::World::create({.processors = 2});
  ASSERT_TRUE(real);
  io::World world = (*real)->view();
  Pair pair(world, 1);
  Buffer here(*pair.active.pd, 100'000, kAllRights), there(*pair.passive.pd, 100'000, kAllRights);
  Completion none;
  ASSERT_EQ(pair.passive.cq->poll(std::span(&none, 1)), 0u);  // from here on it reads
  Blocker blocker;
  world.executor.processor(1).post(blocker);
  while (!blocker.begun)
    std::this_thread::yield();
  for (std::uint32_t i = 1; i <= 50; ++i) {
    here.fill(static_cast<std::uint8_t>(i));
    ASSERT_TRUE(pair.passive.receive(there, 0, 100'000));
    ASSERT_TRUE(pair.active.post(rdma::Operation::send, here, 0, i * 2'000));
    ASSERT_EQ(pair.active.wait_status(), WorkStatus::success);
    const auto received = poll_one(world, pair.passive);
    ASSERT_TRUE(received);
    EXPECT_EQ(received->bytes, i * 2'000);
    // And back: more than TCP takes at once is written on by the polls.
    ASSERT_TRUE(pair.active.receive(here, 0, 100'000));
    ASSERT_TRUE(pair.passive.post(rdma::Operation::send, there, 0, 100'000));
    const auto sent = poll_one(world, pair.passive);
    ASSERT_TRUE(sent);
    EXPECT_EQ(sent->status, WorkStatus::success);
    ASSERT_EQ(pair.active.wait_status(), WorkStatus::success);
  }
  EXPECT_EQ(here.content(), there.content());
  EXPECT_FALSE(blocker.over);
  blocker.let_go = true;
  while (!blocker.over)
    std::this_thread::yield();
}

TEST(Polls, ThatStopKeepNoWriteOfThePeersWaiting) {
  in_every_world(
      [](io::World& world) {
        Pair pair(world);
        Buffer here(*pair.active.pd, 5'000, kAllRights), there(*pair.passive.pd, 5'000, kAllRights);
        for (unsigned round = 1; round <= 3; ++round) {
          Completion none;
          for (unsigned i = 0; i < round * 40; ++i)
            ASSERT_EQ(pair.passive.cq->poll(std::span(&none, 1)), 0u);
          here.fill(static_cast<std::uint8_t>(round));
          const std::vector<std::uint8_t> wanted = here.content();
          ASSERT_TRUE(pair.active.post(rdma::Operation::write, here, 0, 5'000, 1, there.address(),
                                       there.region->remote_token()));
          EXPECT_TRUE(wait_for(world, [&] { return there.glimpse(4'999) == wanted[4'999]; }));
          ASSERT_EQ(pair.active.wait_status(), WorkStatus::success);
          // And a Read of the peer's is answered.
          ASSERT_TRUE(pair.active.post(rdma::Operation::read, here, 0, 5'000, 2, there.address(),
                                       there.region->remote_token()));
          ASSERT_EQ(pair.active.wait_status(), WorkStatus::success);
        }
      },
      200);
}

TEST(Polls, ThatEndWithAnArmLeaveTheRestToNotifications) {
  in_every_world(
      [](io::World& world) {
        Pair pair(world);
        Buffer here(*pair.active.pd, 64, kAllRights), there(*pair.passive.pd, 64, kAllRights);
        for (unsigned round = 0; round < 4; ++round) {
          Completion one;
          ASSERT_EQ(pair.passive.cq->poll(std::span(&one, 1)), 0u);
          ASSERT_TRUE(pair.passive.receive(there, 0, 64));
          const int before = pair.passive.notifications;
          pair.passive.cq->arm(rdma::CqNotify::any);
          ASSERT_TRUE(pair.active.post(rdma::Operation::send, here, 0, 64));
          ASSERT_TRUE(pair.passive.bell.wait([&] { return pair.passive.notifications != before; }));
          ASSERT_EQ(pair.passive.cq->poll(std::span(&one, 1)), 1u);
          ASSERT_EQ(pair.active.wait_status(), WorkStatus::success);
        }
      },
      200);
}

TEST(Polls, ThatStopHideNoDisconnect) {
  for (const bool by_the_peer : {true, false}) {
    in_every_world(
        [by_the_peer](io::World& world) {
          Pair pair(world);
          Completion none;
          ASSERT_EQ(pair.passive.cq->poll(std::span(&none, 1)), 0u);
          Peer& first = by_the_peer ? pair.active : pair.passive;
          Peer& second = by_the_peer ? pair.passive : pair.active;
          ASSERT_EQ(first.connection->disconnect(), CmStatus::pending);
          ASSERT_TRUE(second.wait_peer_disconnect());
          ASSERT_EQ(second.disconnect(), CmStatus::success);
          ASSERT_EQ(first.wait(first.disconnected), CmStatus::success);
        },
        100);
  }
}

TEST(Polls, GoOnWhileAQueuePairOfTheQueueCloses) {
  in_every_world(
      [](io::World& world) {
        auto device = make_device(world, polling());
        Host host(world, *device);
        Peer active(world, *device), passive(world, *device);
        establish(host, active, passive, host.listen());
        Buffer here(*active.pd, 200'000, kAllRights), there(*passive.pd, 200'000, kAllRights);
        std::atomic<bool> stop{false};
        io::contract::Worker poller(world, [&] {
          Completion some[4];
          for (unsigned spins = 0; !stop; ++spins) {
            passive.cq->poll(some);
            world.executor.relax(spins);
          }
        });
        for (unsigned i = 0; i < 4; ++i)
          ASSERT_TRUE(
              active.post(rdma::Operation::write, here, 0, 200'000, 1, there.address(), there.region->remote_token()));
        ASSERT_EQ(active.wait_status(), WorkStatus::success);
        passive.close_connection();
        passive.qp->close();
        EXPECT_TRUE(passive.bell.wait([&] { return passive.qp_closed.load(); }));
        passive.qp = nullptr;
        stop = true;
        poller.join();
      },
      300);
}

TEST(Polls, OfMoreConnectionsThanTheyReadLeaveNoneOut) {
  auto real = net::World::create();
  ASSERT_TRUE(real);
  io::World world = (*real)->view();
  auto device = make_device(world, polling());
  Host host(world, *device);
  const Address at = host.listen();
  Peer shared(world, *device, {.cq_depth = 1'000});
  Buffer here(*shared.pd, 64, kAllRights);
  // All passive ends complete into one queue.
  constexpr unsigned kConnections = 40;
  std::deque<Peer> actives;
  std::deque<Peer> passives;
  for (unsigned i = 0; i < kConnections; ++i) {
    actives.emplace_back(world, *device, PeerOptions{.domain = shared.pd.get()});
    Peer& passive =
        passives.emplace_back(world, *device, PeerOptions{.domain = shared.pd.get(), .cq = shared.cq.get()});
    establish(host, actives.back(), passive, at);
    ASSERT_TRUE(passive.receive(here, 0, 64, 100 + i));
  }
  std::set<std::uintptr_t> seen;
  for (Peer& active : actives)
    ASSERT_TRUE(active.post(rdma::Operation::send, here, 0, 8));
  for (unsigned i = 0; i < kConnections; ++i) {
    const auto received = poll_one(world, shared);
    ASSERT_TRUE(received) << i << " of " << kConnections;
    seen.insert(reinterpret_cast<std::uintptr_t>(received->qp_context));
  }
  EXPECT_EQ(seen.size(), kConnections);
  actives.clear();
  passives.clear();
}

}  // namespace
}  // namespace softndk::rnic::test
