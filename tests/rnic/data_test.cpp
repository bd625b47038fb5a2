// Bytes from one region to another, over the real protocol, in both worlds and from many seeds.
#include "raw_peer.h"

namespace softndk::rnic::test {
namespace {

TEST(Rnic, SendWriteAndReadMoveEveryOctet) {
  in_every_world(
      [](io::World& world) {
        auto device = make_device(world);
        Host host(world, *device);
        const Address at = host.listen();
        {
          Peer active(world, *device);
          Peer passive(world, *device);
          establish(host, active, passive, at);
          if (testing::Test::HasFatalFailure()) return;
          for (const std::uint32_t bytes : {1u, 17u, 1500u, 4096u, 70000u, 300000u}) {
            SCOPED_TRACE(bytes);
            Buffer source(*active.pd, bytes, kAllRights, 0x7000);
            Buffer sink(*passive.pd, bytes, kAllRights, 0x123456);
            source.fill(static_cast<std::uint8_t>(bytes));
            ASSERT_TRUE(passive.receive(sink, 0, bytes, 77));
            ASSERT_TRUE(active.post(rdma::Operation::send, source, 0, bytes, 88));
            ASSERT_EQ(active.wait_status(), WorkStatus::success);
            const auto received = passive.wait_completion();
            ASSERT_TRUE(received);
            EXPECT_EQ(received->bytes, bytes);
            EXPECT_EQ(received->request_context, reinterpret_cast<void*>(77));
            EXPECT_EQ(sink.content(), source.content());

            source.fill(3);
            ASSERT_TRUE(
                active.post(rdma::Operation::write, source, 0, bytes, 1, sink.address(), sink.region->remote_token()));
            ASSERT_EQ(active.wait_status(), WorkStatus::success);
            Buffer back(*active.pd, bytes, kAllRights, 0x999);
            ASSERT_TRUE(
                active.post(rdma::Operation::read, back, 0, bytes, 2, sink.address(), sink.region->remote_token()));
            ASSERT_EQ(active.wait_status(), WorkStatus::success);
            EXPECT_EQ(back.content(), source.content());
            EXPECT_EQ(sink.content(), source.content());
          }
        }
      },
      40);
}

TEST(Rnic, GracefulDisconnectTellsOnceAndFlushes) {
  in_every_world(
      [](io::World& world) {
        auto device = make_device(world);
        Host host(world, *device);
        const Address at = host.listen();
        Peer active(world, *device);
        Peer passive(world, *device);
        establish(host, active, passive, at);
        if (testing::Test::HasFatalFailure()) return;
        Buffer sink(*passive.pd, 64, kAllRights);
        ASSERT_TRUE(passive.receive(sink, 0, 64, 5));
        ASSERT_EQ(active.connection->disconnect(), CmStatus::pending);
        ASSERT_TRUE(passive.wait_peer_disconnect());
        EXPECT_TRUE(passive.was_graceful);
        Completion none;
        EXPECT_EQ(passive.cq->poll(std::span(&none, 1)), 0u) << "a graceful disconnect flushes nothing";
        EXPECT_EQ(passive.disconnect(), CmStatus::success);
        EXPECT_EQ(passive.wait_status(), WorkStatus::cancelled);
        EXPECT_EQ(active.wait(active.disconnected), CmStatus::success);
        EXPECT_EQ(passive.peer_disconnects, 1);
        EXPECT_EQ(active.peer_disconnects, 0);
      },
      40);
}

// Octets behind the Reply opened our gate, the ready-to-receive message went out, and the news of it was thrown away
// with those that a completion begins without: it never ended. Found by failing what they need, seed 7, where nothing
// failed.
TEST(R_CNCT_03, AnFpduBehindTheReplyDoesNotKeepTheCompletionFromItsEnd) {
  sim::for_each_seed(60, [](std::uint64_t seed) {
    sim::World simulation(seed);
    const sim::Result result = simulation.run([&] {
      io::World world = simulation.view();
      Scene scene(world);
      const Address to = scene.raw.listen();
      scene.victim.new_connection();
      rdma::ConnectParameters parameters;
      parameters.local = to.with_port(0);
      parameters.remote = to;
      ASSERT_EQ(scene.victim.connection->connect(*scene.victim.qp, parameters), CmStatus::pending);
      ASSERT_TRUE(scene.raw.take_connection());
      ASSERT_TRUE(scene.raw.read_frame(iwarp::MpaKind::request));
      ASSERT_TRUE(scene.raw.send(concat({reply_octets(), send_octets(1, pattern(40))})));
      ASSERT_EQ(scene.victim.wait(scene.victim.connect_done), CmStatus::success);
      EXPECT_EQ(scene.victim.complete(), CmStatus::success);
      scene.victim.close_connection();
    });
    ASSERT_EQ(result, sim::Result::completed) << simulation.report();
  });
}

TEST(R_CLS_19, ClosingAConnectedConnectorIsAbortive) {
  in_every_world(
      [](io::World& world) {
        auto device = make_device(world);
        Host host(world, *device);
        const Address at = host.listen();
        Peer active(world, *device);
        Peer passive(world, *device);
        establish(host, active, passive, at);
        if (testing::Test::HasFatalFailure()) return;
        Buffer mine(*active.pd, 64, kAllRights);
        Buffer theirs(*passive.pd, 64, kAllRights);
        ASSERT_TRUE(active.receive(mine, 0, 64));
        ASSERT_TRUE(passive.receive(theirs, 0, 64));
        active.close_connection();
        EXPECT_EQ(active.wait_status(), WorkStatus::cancelled);
        ASSERT_TRUE(passive.wait_peer_disconnect());
        EXPECT_FALSE(passive.was_graceful);
        EXPECT_EQ(passive.wait_status(), WorkStatus::cancelled);
      },
      40);
}

}  // namespace
}  // namespace softndk::rnic::test
