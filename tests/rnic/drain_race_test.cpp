// A Send with Invalidate waits until another connection's access through the token ends, on that one's thread, while
// its own queue pair is closed.
#include "lent_window.h"

namespace softndk::rnic::test {
namespace {

constexpr std::uint64_t kBase = 0x100000;
constexpr std::uint32_t kLarge = 1u << 20;

/// Two victims of one domain on two processors, each with a raw peer. The first one's has sent the invalidate; the
/// second one's is being sent an answer through the token, and reads none of it.
struct Neighbours {
  explicit Neighbours(io::World& in, const Settings& settings = patient())
      : world(in),
        device(make_device(in, settings, 0, 2)),
        holders_host(in, *device),
        users_host(in, *device),
        holder(in, *device, {.affinity_mask = 1}),
        user(in, *device, {.affinity_mask = 2, .domain = holder.pd.get()}),
        holders_peer(in),
        users_peer(in),
        land(*holder.pd, kLarge, kAllRights, kBase),
        inbox(*holder.pd, 256, kAllRights, 0x9000),
        lent(in, holder) {
    ready = establish_raw(holders_host, holder, holders_peer) && establish_raw(users_host, user, users_peer) && begin();
    EXPECT_TRUE(ready);
  }
  ~Neighbours() {
    holders_host.close();
    users_host.close();
  }
  static bool establish_raw(Host& host, Peer& victim, RawPeer& raw) {
    host.expect(victim);
    return raw.connect(host.listen()) && raw.send(request_octets()) && host.wait_request() &&
           victim.start_accept() == CmStatus::pending && raw.read_frame(iwarp::MpaKind::reply) &&
           raw.send(rtr_octets()) && victim.wait_established() == CmStatus::success;
  }
  bool begin() {
    const rdma::Token token = lent.bind(land, kLarge);
    const auto& counters = device->counters();
    if (!holder.receive(inbox, 0, 64) || !users_peer.send(read_request_octets(1, {7, 0, kLarge, token, kBase})))
      return false;
    if (!eventually(world, [&] { return counters.out_octets.load() > 100'000; })) return false;
    const std::uint64_t before = counters.in_frames.load();
    return holders_peer.send(send_octets(1, pattern(20), iwarp::send_opcode(false, true), token)) &&
           eventually(world, [&] { return counters.in_frames.load() > before; });
  }
  io::World& world;
  OwnedInterface<Device> device;
  Host holders_host, users_host;  ///< a listener's processor is that of its connections
  Peer holder, user;
  RawPeer holders_peer, users_peer;
  Buffer land, inbox;
  Lent lent;
  bool ready = false;
};

TEST(R_CNCT_20, APeerIsNotGivenUpForWhatAnotherConnectionsPeerHolds) {
  sim::for_each_seed(20, [](std::uint64_t seed) {
    sim::World simulated(seed);
    const sim::Result result = simulated.run([&] {
      io::World world = simulated.view();
      Settings settings = patient();
      settings.no_receive_timeout_ns = 20 * io::kMillisecond;
      Neighbours it(world, settings);
      ASSERT_TRUE(it.ready);
      ASSERT_TRUE(it.holders_peer.send(send_octets(2, pattern(5))));  // there is a receive, and it waits its turn
      ASSERT_TRUE(it.holder.receive(it.inbox, 64, 64));
      world.executor.park(world.clock.now_ns() + 200 * io::kMillisecond);
      Completion none;
      EXPECT_EQ(it.holder.cq->poll({&none, 1}), 0u);
      EXPECT_EQ(it.holder.peer_disconnects.load(), 0);
      for (std::size_t left = kLarge; left != 0;) {
        const Octets ulpdu = it.users_peer.read_ulpdu();
        ASSERT_GT(ulpdu.size(), 14u);
        left -= ulpdu.size() - 14;
      }
      for (const rdma::Operation operation : {rdma::Operation::receive_invalidate, rdma::Operation::receive}) {
        const auto got = it.holder.wait_completion();
        ASSERT_TRUE(got);
        EXPECT_EQ(got->status, WorkStatus::success);
        EXPECT_EQ(got->operation, operation);
      }
      it.user.close_all();
      it.lent.close();
      it.holder.close_all();
    });
    ASSERT_EQ(result, sim::Result::completed) << simulated.report();
  });
}

TEST(R_CLS_20, WhoIsAboutToBeToldThatItsTokenIsDrainedIsNotGone) {
  // Found by reading: its queue pair was destroyed while the other connection's thread was inside the call.
  sim::Options options;
  options.interleave = sim::Chance::one_in(2);
  options.stall = sim::Chance::one_in(10);  // one of the two stands still while all of the other happens
  options.send_buffer_bytes = options.receive_buffer_bytes = 64 * 1024;
  in_every_world(
      [](io::World& world) {
        Neighbours it(world);
        ASSERT_TRUE(it.ready);
        EXPECT_TRUE(it.users_peer.close(io::ByteStream::CloseKind::abort));
        for (std::uint64_t spins = world.rng.next() % 128; spins != 0; --spins)
          world.executor.relax(0);
        it.holder.close_connection();
        it.holder.qp->close();
        EXPECT_TRUE(it.holder.bell.wait([&] { return it.holder.qp_closed.load(); }));
        it.holder.qp = nullptr;
        EXPECT_TRUE(it.lent.bell.wait([&] { return !it.lent.is_bound(); }));
        it.user.close_all();
        it.lent.close();
        it.holder.close_all();
      },
      1200, options);
}

}  // namespace
}  // namespace softndk::rnic::test
