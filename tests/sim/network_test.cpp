#include "sim/network.h"

#include <optional>

#include "io/world_fixture.h"
#include "sim/program.h"
#include "sim/seed_loop.h"

namespace softndk::sim {
namespace {

using io::IoError;
using io::IoResult;
using io::contract::connect_pair;
using io::contract::octets;
using io::contract::open_door;
using io::contract::outcome_of_connect;
using io::contract::Pair;
using CloseKind = io::ByteStream::CloseKind;

/// Runs `body(world)`; it must come to its end.
template <class Body>
void in_world(std::uint64_t seed, const Options& options, Body body) {
  World world(seed, options);
  io::World view = world.view();
  EXPECT_EQ(world.run([&] { body(view); }), Result::completed) << world.report();
}

struct Received {
  std::vector<std::uint8_t> octets;
  IoResult end;
};
Received receive_all(io::contract::End& end) {
  Received received;
  std::vector<std::uint8_t> room(5000);
  while (true) {
    const IoResult result = end.read_some(room);
    if (result.status != IoResult::Status::done) {
      received.end = result;
      return received;
    }
    received.octets.insert(received.octets.end(), room.begin(),
                           room.begin() + static_cast<std::ptrdiff_t>(result.bytes));
  }
}

// --- what connect ends in

TEST(Connect, ToAbsentPeers) {
  in_world(1, {}, [](io::World& world) {
    io::Processor& processor = world.executor.processor(0);
    const io::TimeNs begin_ns = world.clock.now_ns();
    EXPECT_EQ(outcome_of_connect(world, address("10.0.0.1:50000"), address("10.0.0.99:445"), processor),
              IoError::host_unreachable);
    EXPECT_GE(world.clock.now_ns(), begin_ns + kNeighbourGivesUpNs);
    EXPECT_EQ(outcome_of_connect(world, address("10.0.0.1:50000"), address("192.0.2.1:445"), processor),
              IoError::network_unreachable);
    EXPECT_EQ(outcome_of_connect(world, address("[fd00::1]:50000"), address("[2001:db8::1]:445"), processor),
              IoError::network_unreachable);
    EXPECT_EQ(outcome_of_connect(world, address("10.0.0.1:50000"), address("[fd00::2]:445"), processor),
              IoError::not_permitted);
    EXPECT_EQ(world.network.source_for(address("192.0.2.1")).error(), IoError::network_unreachable);
    EXPECT_EQ(*world.network.source_for(address("10.0.0.99")), address("10.0.0.1"));
    EXPECT_EQ(*world.network.source_for(address("127.0.0.5")), address("127.0.0.5"));
  });
}

TEST(Connect, TimesOutWhereNobodyAnswers) {
  Options options;
  options.unanswered_connect = Chance::always();
  in_world(1, options, [](io::World& world) {
    auto end = io::contract::start_connect(world, address("10.0.0.1:50000"), address("10.0.0.2:445"),
                                           world.executor.processor(0));
    ASSERT_TRUE(end.has_value());
    while ((*end)->failed_count() == 0)
      sleep_until(world, world.clock.now_ns() + io::kSecond);
    EXPECT_EQ((*end)->error(), IoError::timed_out);
    EXPECT_TRUE((*end)->close());
  });
}

TEST(Connect, AnInterfaceThatIsDownHasNoAddresses) {
  Options options;
  options.interfaces[2].up = false;
  in_world(1, options, [](io::World& world) {
    EXPECT_EQ(
        outcome_of_connect(world, address("10.0.0.2:50000"), address("10.0.0.1:445"), world.executor.processor(0)),
        IoError::address_not_local);
    EXPECT_EQ(world.network.interfaces()->size(), 3U);
  });
}

TEST(Connect, ABacklogThatIsFullDelaysAndDoesNotRefuse) {
  Options options;
  options.accept_delay_ns = {io::kSecond / 2, io::kSecond / 2};
  in_world(1, options, [](io::World& world) {
    auto door = open_door(world, address("10.0.0.1"), world.executor.processor(0), 1);
    ASSERT_NE(door, nullptr);
    std::vector<std::shared_ptr<io::contract::End>> clients;
    for (int i = 0; i < 5; ++i)
      clients.push_back(io::contract::start_connect_from_any(world, door->address(), world.executor.processor(1)));
    const io::TimeNs begin_ns = world.clock.now_ns();
    for (auto& client : clients)
      EXPECT_TRUE(client->wait_connected());
    EXPECT_GT(world.clock.now_ns(), begin_ns + io::kSecond / 2) << "two at a time";
    for (auto& client : clients) {
      auto server = door->next();
      ASSERT_NE(server, nullptr);
      EXPECT_TRUE(server->close());
      EXPECT_TRUE(client->close());
    }
    EXPECT_TRUE(door->close());
  });
}

TEST(Connect, AddressesOfOneInterfaceAreOneHost) {
  in_world(1, {}, [](io::World& world) {
    io::Processor& processor = world.executor.processor(0);
    auto door = open_door(world, address("10.0.0.1"), processor);
    ASSERT_NE(door, nullptr);
    const auto is_same_host = [&](const char* local) {
      auto client = io::contract::start_connect(world, address(local), door->address(), processor);
      EXPECT_TRUE(client.has_value() && (*client)->wait_connected());
      const bool same = (*client)->stream->is_same_host();
      auto server = door->next();
      EXPECT_EQ(server->stream->is_same_host(), same);
      EXPECT_TRUE((*client)->close());
      EXPECT_TRUE(server->close());
      return same;
    };
    EXPECT_TRUE(is_same_host("10.0.0.1:50000"));
    EXPECT_FALSE(is_same_host("10.0.0.2:50000")) << "the other adapter plays another machine";
    EXPECT_TRUE(is_same_host("127.0.0.1:50000"));
    EXPECT_TRUE(door->close());
  });
}

// --- octets

TEST(Octets, ReadsAndWritesAreShortAtTimes) {
  int short_reads = 0, short_writes = 0;
  for_each_seed(20, [&](std::uint64_t seed) {
    in_world(seed, {}, [&](io::World& world) {
      Pair pair = connect_pair(world, address("10.0.0.1"));
      ASSERT_TRUE(pair.ok());
      const auto sent = octets(20'000, 1);
      const ConstIoSpan span{sent.data(), sent.size()};
      const IoResult wrote = pair.client->stream->write({&span, 1}, false);
      ASSERT_EQ(wrote.status, IoResult::Status::done);
      short_writes += wrote.bytes < sent.size();
      std::vector<std::uint8_t> room(sent.size());
      const IoResult read = pair.server->read_some(room);
      ASSERT_EQ(read.status, IoResult::Status::done);
      short_reads += read.bytes < wrote.bytes;
      EXPECT_TRUE(std::equal(room.begin(), room.begin() + static_cast<std::ptrdiff_t>(read.bytes), sent.begin()));
      pair.close();
    });
  });
  EXPECT_GT(short_reads, 0);
  EXPECT_GT(short_writes, 0);
}

TEST(Octets, BuffersBoundWhatIsUnderWay) {
  Options options;
  options.send_buffer_bytes = 3000;
  options.receive_buffer_bytes = 2000;
  in_world(1, options, [](io::World& world) {
    Pair pair = connect_pair(world, address("10.0.0.1"));
    ASSERT_TRUE(pair.ok());
    const auto all = octets(100'000, 1);
    std::size_t sent = 0;
    for (int round = 0; round < 200; ++round) {  // until both buffers are full
      const ConstIoSpan span{all.data() + sent, all.size() - sent};
      const IoResult result = pair.client->stream->write({&span, 1}, false);
      if (result.status == IoResult::Status::done) sent += result.bytes;
      sleep_until(world, world.clock.now_ns() + io::kMillisecond);
    }
    EXPECT_EQ(sent, 5000U);
    EXPECT_EQ(pair.client->stream->unacknowledged_bytes(), 3000U);
    EXPECT_EQ(pair.server->read_exactly(sent), octets(sent, 1));
    pair.close();
  });
}

TEST(Octets, TheSegmentSizeChangesOnce) {
  Options options;
  options.segment_bytes = 1460;
  options.segment_bytes_later = 65483;
  options.segment_changes_at_bytes = {5000, 5000};
  in_world(1, options, [](io::World& world) {
    Pair pair = connect_pair(world, address("10.0.0.1"));
    ASSERT_TRUE(pair.ok());
    EXPECT_EQ(pair.client->stream->segment_bytes(), 1460U);
    ASSERT_TRUE(pair.client->write_all(octets(4999, 1)));
    EXPECT_EQ(pair.client->stream->segment_bytes(), 1460U);
    ASSERT_TRUE(pair.client->write_all(octets(1, 1)));
    EXPECT_EQ(pair.client->stream->segment_bytes(), 65483U);
    EXPECT_EQ(pair.server->stream->segment_bytes(), 1460U) << "each direction its own";
    pair.close();
  });
}

// --- losses

TEST(Reset, AtAnyOctetLeavesAPrefix) {
  Options options;
  options.reset = Chance::always();
  options.reset_at_bytes = {0, 30'000};
  int cut_short = 0;
  for_each_seed(200, [&](std::uint64_t seed) {
    in_world(seed, options, [&](io::World& world) {
      Pair pair = connect_pair(world, address("10.0.0.1"));
      ASSERT_TRUE(pair.ok());
      Fibers fibers(world);
      Received at_server, at_client;
      const auto send = [](io::contract::End& end, std::uint64_t salt) {
        if (end.write_all(octets(30'000, salt))) {
          end.stream->finish_writing();
        } else {
          EXPECT_EQ(end.last_write.status, IoResult::Status::failed);
          EXPECT_EQ(end.last_write.error, IoError::reset);
        }
      };
      fibers.start("to server", [&] { send(*pair.client, 1); });
      fibers.start("to client", [&] { send(*pair.server, 2); });
      fibers.start("at server", [&] { at_server = receive_all(*pair.server); });
      at_client = receive_all(*pair.client);
      fibers.join_all();
      EXPECT_EQ(at_server.octets, octets(at_server.octets.size(), 1));
      EXPECT_EQ(at_client.octets, octets(at_client.octets.size(), 2));
      for (const Received* received : {&at_server, &at_client}) {
        if (received->end.status == IoResult::Status::end) {
          EXPECT_EQ(received->octets.size(), 30'000U) << "a FIN comes after the data";
        } else {
          EXPECT_EQ(received->end.error, IoError::reset);
          ++cut_short;
        }
      }
      pair.close();
    });
  });
  EXPECT_GT(cut_short, 50);
}

TEST(Reset, KeepsWhatItsSenderSawAcknowledged) {
  for_each_seed(100, [](std::uint64_t seed) {
    in_world(seed, {}, [](io::World& world) {
      Pair pair = connect_pair(world, address("10.0.0.1"));
      ASSERT_TRUE(pair.ok());
      ASSERT_TRUE(pair.client->write_all(octets(10'000, 1)));
      const std::size_t enough = world.rng.below(10'001);
      while (pair.client->stream->unacknowledged_bytes() > enough)
        sleep_until(world, world.clock.now_ns() + 3 * io::kMicrosecond);
      const std::size_t acknowledged = 10'000 - pair.client->stream->unacknowledged_bytes();
      pair.client->stream->close(CloseKind::abort);
      EXPECT_TRUE(pair.client->wait_closed());
      sleep_until(world, world.clock.now_ns() + io::kSecond);  // the RST has arrived
      const Received received = receive_all(*pair.server);
      EXPECT_EQ(received.octets, octets(acknowledged, 1)) << "no less, and in simulation no more";
      EXPECT_EQ(received.end.error, IoError::reset);
      pair.close();
    });
  });
}

TEST(Reset, AnswersOctetsForAClosedStreamWhosePeerLingersTooLong) {
  Options options;
  options.linger_ns = {io::kMillisecond, io::kMillisecond};
  in_world(1, options, [](io::World& world) {
    Pair pair = connect_pair(world, address("10.0.0.1"));
    ASSERT_TRUE(pair.ok());
    const io::TimeNs begin_ns = world.clock.now_ns();
    EXPECT_TRUE(pair.server->close());
    EXPECT_GE(world.clock.now_ns(), begin_ns + io::kMillisecond) << "the peer had not finished";
    std::uint8_t octet;
    EXPECT_EQ(pair.client->read_some({&octet, 1}).status, IoResult::Status::end);
    ASSERT_TRUE(pair.client->write_all(octets(1, 1)));
    sleep_until(world, world.clock.now_ns() + io::kMillisecond);
    const ConstIoSpan span{&octet, 1};
    EXPECT_EQ(pair.client->stream->write({&span, 1}, false).error, IoError::reset);
    pair.close();
  });
}

TEST(Silence, NothingArrivesAndNothingIsTold) {
  Options options;
  options.silence = Chance::always();
  options.silence_at_bytes = {1, 5000};
  for_each_seed(50, [&](std::uint64_t seed) {
    in_world(seed, options, [](io::World& world) {
      Pair pair = connect_pair(world, address("10.0.0.1"));
      ASSERT_TRUE(pair.ok());
      ASSERT_TRUE(pair.client->write_all(octets(10'000, 1)));
      ASSERT_TRUE(pair.server->write_all(octets(10'000, 2)));
      sleep_until(world, world.clock.now_ns() + 100 * io::kSecond);
      EXPECT_TRUE(pair.client->stream->unacknowledged_bytes() > 0 || pair.server->stream->unacknowledged_bytes() > 0);
      // Both must come to their end without the other's help; neither learns of the other's.
      const bool abort = world.rng.below(2) == 0;
      EXPECT_TRUE(pair.client->close(abort ? CloseKind::abort : CloseKind::orderly));
      sleep_until(world, world.clock.now_ns() + 100 * io::kSecond);
      std::vector<std::uint8_t> room(20'000);
      std::size_t got = 0;
      IoResult result;
      for (const IoSpan span{room.data(), room.size()};
           (result = pair.server->stream->read({&span, 1})).status == IoResult::Status::done;)
        got += result.bytes;
      EXPECT_EQ(result.status, IoResult::Status::would_block);
      EXPECT_LT(got, 10'001U);
      pair.close();
    });
  });
}

TEST(Stream, DestroyedBeforeItsLastEventIsCaught) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(in_world(1, {},
                        [](io::World& world) {
                          Pair pair = connect_pair(world, address("10.0.0.1"));
                          pair.client->stream->close(CloseKind::orderly);
                          pair.client->stream.reset();
                        }),
               "before its on_closed");
}

TEST(Reservation, MayOutliveItsWorld) {
  OwnedInterface<io::Network::Reservation> reservation;
  in_world(1, {}, [&](io::World& world) {
    auto reserved = world.network.reserve(address("10.0.0.1:50000"));
    ASSERT_TRUE(reserved.has_value());
    reservation = std::move(*reserved);
  });
  reservation.reset();
}

}  // namespace
}  // namespace softndk::sim
