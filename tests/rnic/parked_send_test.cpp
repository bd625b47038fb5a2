// Sends that find no receive (spec/ndkpi.md R-CNCT-20): held for a while, in order, and not beyond a peer's patience.
#include "raw_peer.h"

namespace softndk::rnic::test {
namespace {

using Close = io::ByteStream::CloseKind;
using rdma::Operation;
namespace code = iwarp::terminate_code;

constexpr std::uint64_t kBase = 0x100000;

TEST(R_CNCT_20, SendsWithoutAReceiveAreParkedInOrder) {
  in_every_world([](io::World& world) {
    Scene scene(world);
    ASSERT_TRUE(scene.establish_raw());
    Octets all;
    for (std::uint32_t msn = 1; msn <= 100; ++msn) {  // more than may be parked: the rest waits in TCP
      const Octets one = send_octets(msn, pattern(msn * 7, msn));
      all.insert(all.end(), one.begin(), one.end());
    }
    ASSERT_TRUE(scene.raw.send(all));
    Buffer buffer(*scene.victim.pd, 1000, kAllRights);
    for (std::uint32_t msn = 1; msn <= 100; ++msn) {
      SCOPED_TRACE(msn);
      ASSERT_TRUE(scene.victim.receive(buffer, 0, 1000, msn));
      const auto got = scene.victim.wait_completion();
      ASSERT_TRUE(got);
      ASSERT_EQ(got->status, WorkStatus::success);
      ASSERT_EQ(got->bytes, msn * 7);
      auto content = buffer.content();
      content.resize(msn * 7);
      ASSERT_EQ(content, pattern(msn * 7, msn));
    }
  });
}

// Found by seed 921 of the workload: what had not arrived yet was moved along, out of memory that nobody had written.
TEST(R_CNCT_20, OfAParkedSendNoMoreIsMovedThanHasArrived) {
  in_every_world([](io::World& world) {
    Scene scene(world);
    ASSERT_TRUE(scene.establish_raw());
    const Octets content = pattern(1000);
    Octets half = send_octets(1, content);
    constexpr std::size_t kFrontBytes = 20, kArrived = 400;
    half.resize(kFrontBytes + kArrived);
    const std::uint64_t before = scene.counters().in_octets.load();
    ASSERT_TRUE(scene.raw.send(half));
    ASSERT_TRUE(eventually(world, [&] { return scene.counters().in_octets.load() == before + half.size(); }));
    Buffer landing(*scene.victim.pd, 1000, kAllRights, 0x9000);
    landing.fill(0x55);
    const Octets untouched = landing.content();
    ASSERT_TRUE(scene.victim.receive(landing, 0, 1000));
    scene.raw.end->stream->close(io::ByteStream::CloseKind::abort);
    EXPECT_EQ(scene.victim.wait_status(), WorkStatus::cancelled);
    const Octets got = landing.content();
    EXPECT_TRUE(std::equal(got.begin(), got.begin() + kArrived, content.begin()));
    EXPECT_TRUE(std::equal(got.begin() + kArrived, got.end(), untouched.begin() + kArrived));
  });
}

// A segment that its header condemned was taken for the rest of the parked one: what was moved had a length below zero.
TEST(R_CNCT_20, ABadSegmentBehindHalfAParkedSendMovesNothing) {
  in_every_world([](io::World& world) {
    Scene scene(world);
    ASSERT_TRUE(scene.establish_raw());
    constexpr std::size_t kArrived = 20;
    Octets half = iwarp::test::ulpdu_of(send_octets(1, pattern(kArrived)));
    half[0] &= 0xBF;  // there is more to come
    Octets bad = iwarp::test::ulpdu_of(send_octets(1, pattern(1000)));
    bad[1] = 0x4F;  // an unknown opcode
    Octets bad_fpdu = iwarp::test::fpdu_of(bad);
    bad_fpdu.resize(50);
    const Octets all = concat({iwarp::test::fpdu_of(half), bad_fpdu});
    const std::uint64_t before = scene.counters().in_octets.load();
    ASSERT_TRUE(scene.raw.send(all));
    ASSERT_TRUE(eventually(world, [&] { return scene.counters().in_octets.load() == before + all.size(); }));
    Buffer landing(*scene.victim.pd, 100'000, kAllRights, 0x9000);
    landing.fill(0x55);
    const Octets untouched = landing.content();
    ASSERT_TRUE(scene.victim.receive(landing, 0, 100'000));
    scene.raw.end->stream->close(io::ByteStream::CloseKind::abort);
    EXPECT_EQ(scene.victim.wait_status(), WorkStatus::cancelled);
    const Octets got = landing.content();
    EXPECT_TRUE(std::equal(got.begin() + kArrived, got.end(), untouched.begin() + kArrived));
  });
}

TEST(R_CNCT_20, ALargeSendWithoutAReceiveWaitsInTcpAndThenArrives) {
  in_every_world([](io::World& world) {
    Scene scene(world);
    ASSERT_TRUE(scene.establish_raw());
    const Octets content = pattern(1 << 20);
    io::contract::Worker sender(world, [&] { EXPECT_TRUE(scene.raw.send(send_octets(1, content))); });
    Buffer buffer(*scene.victim.pd, 1 << 20, kAllRights);
    Completion none;
    EXPECT_EQ(scene.victim.cq->poll({&none, 1}), 0u);
    ASSERT_TRUE(scene.victim.receive(buffer, 0, 1 << 20));
    EXPECT_EQ(scene.victim.wait_status(), WorkStatus::success);
    EXPECT_EQ(buffer.content(), content);
  });
}

TEST(R_CNCT_20, AWriteBehindAParkedSendIsPlaced) {
  in_every_world([](io::World& world) {
    Scene scene(world);
    Buffer target(*scene.victim.pd, 4096, kAllRights, kBase);
    ASSERT_TRUE(scene.establish_raw());
    const Octets content = pattern(4096);
    ASSERT_TRUE(
        scene.raw.send(concat({send_octets(1, pattern(30)), write_octets(target.region->remote_token(), kBase, content),
                               read_request_octets(1, {7, 99, 4096, target.region->remote_token(), kBase})})));
    EXPECT_EQ(scene.raw.read_ulpdu().size() > 14, true) << "the Read behind both is answered";
    EXPECT_EQ(target.content(), content);
    Buffer landing(*scene.victim.pd, 64, kAllRights, 0x9000);
    ASSERT_TRUE(scene.victim.receive(landing, 0, 64));
    EXPECT_EQ(scene.victim.wait_status(), WorkStatus::success);
  });
}

TEST(R_CNCT_20, AParkedSendTooLongForTheReceiveThatComes) {
  in_every_world([](io::World& world) {
    Scene scene(world);
    ASSERT_TRUE(scene.establish_raw());
    ASSERT_TRUE(scene.raw.send(concat({send_octets(1, pattern(100)), send_octets(2, pattern(100))})));
    Buffer landing(*scene.victim.pd, 64, kAllRights, 0x9000);
    ASSERT_TRUE(scene.victim.receive(landing, 0, 64));
    EXPECT_EQ(scene.victim.wait_status(), WorkStatus::receive_too_small);
    EXPECT_EQ(scene.raw.listen_to_the_end(true).terminate, std::optional(code::kUntaggedTooLong));
    ASSERT_TRUE(scene.victim.wait_peer_disconnect());
  });
}

TEST(R_CNCT_20, AfterTheNoReceiveTimerTheConnectionIsGivenUp) {
  in_every_world(
      [](io::World& world) {
        Settings settings = patient();
        settings.no_receive_timeout_ns = 20 * io::kMillisecond;
        for (const std::size_t bytes : {std::size_t{0}, std::size_t{50}, std::size_t{400'000}}) {
          SCOPED_TRACE(bytes);
          Scene scene(world, settings);
          ASSERT_TRUE(scene.establish_raw());
          io::contract::Worker sender(world, [&] { scene.raw.send(send_octets(1, pattern(bytes))); });
          ASSERT_TRUE(scene.victim.wait_peer_disconnect());
          EXPECT_FALSE(scene.victim.was_graceful);
          sender.join();
          if (bytes < 1000) {
            EXPECT_EQ(scene.raw.listen_to_the_end(true).terminate, std::optional(code::kUntaggedNoBuffer));
          }
        }
      },
      5);
}

}  // namespace
}  // namespace softndk::rnic::test
