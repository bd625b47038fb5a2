#pragma once
// io/byte_stream.h, sentence by sentence.
#include "io/executor_contract.h"

namespace softndk::io::contract {

template <class Factory>
class StreamContract : public WorldTest<Factory> {};
TYPED_TEST_SUITE_P(StreamContract);

/// Writes until the stream takes no more; the octets are octets(.., salt) from position 0. How many went in.
inline std::size_t fill(End& end, std::uint64_t salt) {
  std::size_t sent = 0;
  for (;;) {
    const auto piece = octets(64 * 1024, salt, sent);
    const ConstIoSpan span{piece.data(), piece.size()};
    const IoResult result = end.stream->write({&span, 1}, false);
    if (result.status != IoResult::Status::done) {
      EXPECT_EQ(result.status, IoResult::Status::would_block);
      return sent;
    }
    sent += result.bytes;
  }
}
/// Reads to the end of the stream and compares with octets(.., salt) from `position` on. Where it ended.
inline std::size_t read_to_end(End& end, std::uint64_t salt, std::size_t position = 0) {
  std::vector<std::uint8_t> room(256 * 1024);
  for (;;) {
    const IoResult result = end.read_some(room);
    if (result.status != IoResult::Status::done) {
      EXPECT_EQ(result.status, IoResult::Status::end);
      return position;
    }
    const auto expected = octets(result.bytes, salt, position);
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), room.begin())) << "from " << position;
    position += result.bytes;
  }
}

/// Sends octets(total, salt) in random pieces of up to `spans` spans.
inline void send_randomly(World& world, End& end, std::size_t total, std::uint64_t salt) {
  std::vector<std::uint8_t> piece;
  for (std::size_t sent = 0; sent < total;) {
    const std::size_t most = world.rng.below(4) == 0 ? 200'000 : 2'000;
    piece = octets(std::min<std::size_t>(total - sent, 1 + world.rng.below(most)), salt, sent);
    std::vector<ConstIoSpan> spans;
    for (std::size_t at = 0; at < piece.size();) {
      const std::size_t length = std::min<std::size_t>(piece.size() - at, world.rng.below(piece.size() / 3 + 2));
      spans.push_back({piece.data() + at, length});  // now and then an empty one
      at += length;
    }
    const IoResult result = end.stream->write(spans, world.rng.below(3) == 0);
    if (result.status == IoResult::Status::done) {
      ASSERT_GT(result.bytes, 0u);
      ASSERT_LE(result.bytes, piece.size());
      sent += result.bytes;
    } else {
      ASSERT_EQ(result.status, IoResult::Status::would_block) << to_string(result.error);
      end.stream->arm(Interest::write);
      ASSERT_TRUE(end.wait_ready(Interest::write));
    }
  }
}
/// Receives octets(total, salt) into random lists of spans.
inline void receive_randomly(World& world, End& end, std::size_t total, std::uint64_t salt) {
  std::vector<std::uint8_t> room(300'000);
  for (std::size_t got = 0; got < total;) {
    std::vector<IoSpan> spans;
    std::size_t asked = 0;
    for (std::uint64_t n = 1 + world.rng.below(5); n > 0; --n) {
      const std::size_t length = world.rng.below(world.rng.below(3) == 0 ? 60'000 : 1'500);
      spans.push_back({room.data() + asked, length});
      asked += length;
    }
    const IoResult result = end.stream->read(spans);
    if (result.status == IoResult::Status::done) {
      ASSERT_LE(result.bytes, asked);
      ASSERT_TRUE(result.bytes > 0 || asked == 0);
      const auto expected = octets(result.bytes, salt, got);
      ASSERT_TRUE(std::equal(expected.begin(), expected.end(), room.begin())) << "from " << got;
      got += result.bytes;
    } else {
      ASSERT_EQ(result.status, IoResult::Status::would_block) << "at " << got << ": " << to_string(result.error);
      end.stream->arm(Interest::read);
      ASSERT_TRUE(end.wait_ready(Interest::read));
    }
  }
}

TYPED_TEST_P(StreamContract, OctetsArriveOnceAndInOrderBothWaysAtOnce) {
  this->in_world([this](World& world) {
    for (const Address& host : {this->v4(), this->v6()}) {
      Pair pair = connect_pair(world, host);
      ASSERT_TRUE(pair.ok());
      constexpr std::size_t kTotal = 3'000'000;
      Worker to_server(world, [&] { send_randomly(world, *pair.client, kTotal, 1); });
      Worker to_client(world, [&] { send_randomly(world, *pair.server, kTotal, 2); });
      Worker at_server(world, [&] { receive_randomly(world, *pair.server, kTotal, 1); });
      receive_randomly(world, *pair.client, kTotal, 2);
      to_server.join();
      to_client.join();
      at_server.join();
      pair.close();
    }
  });
}

TYPED_TEST_P(StreamContract, NothingAskedForIsDoneWithZero) {
  this->in_world([this](World& world) {
    Pair pair = connect_pair(world, this->v4());
    ASSERT_TRUE(pair.ok());
    std::uint8_t octet = 0;
    const IoSpan empty{&octet, 0};
    const ConstIoSpan nothing{&octet, 0};
    for (const auto& result :
         {pair.client->stream->read({}), pair.client->stream->read({&empty, 1}), pair.client->stream->write({}, false),
          pair.client->stream->write({&nothing, 1}, true)}) {
      EXPECT_EQ(result.status, IoResult::Status::done);
      EXPECT_EQ(result.bytes, 0u);
    }
    pair.close();
  });
}

TYPED_TEST_P(StreamContract, MoreSpansThanAKernelTakesAtOnce) {
  this->in_world([this](World& world) {
    Pair pair = connect_pair(world, this->v4());
    ASSERT_TRUE(pair.ok());
    const auto sent = octets(5000, 3);
    std::vector<ConstIoSpan> out;
    for (const std::uint8_t& octet : sent)
      out.push_back({&octet, 1});
    for (std::size_t at = 0; at < out.size();) {
      const IoResult result = pair.client->stream->write(std::span(out).subspan(at), true);
      ASSERT_EQ(result.status, IoResult::Status::done);
      at += result.bytes;
    }
    std::vector<std::uint8_t> got(5000);
    std::vector<IoSpan> in;
    for (std::uint8_t& octet : got)
      in.push_back({&octet, 1});
    for (std::size_t at = 0; at < in.size();) {
      const IoResult result = pair.server->stream->read(std::span(in).subspan(at));
      if (result.status == IoResult::Status::would_block) {
        pair.server->stream->arm(Interest::read);
        ASSERT_TRUE(pair.server->wait_ready(Interest::read));
        continue;
      }
      ASSERT_EQ(result.status, IoResult::Status::done);
      at += result.bytes;
    }
    EXPECT_EQ(got, sent);
    pair.close();
  });
}

TYPED_TEST_P(StreamContract, PeekLooksWithoutTaking) {
  this->in_world([this](World& world) {
    Pair pair = connect_pair(world, this->v4());
    ASSERT_TRUE(pair.ok());
    EXPECT_EQ(pair.server->stream->peek(), IoResult::Status::would_block);
    ASSERT_TRUE(pair.client->write_all(octets(5, 1)));
    pair.server->stream->arm(Interest::read);
    ASSERT_TRUE(pair.server->wait_ready(Interest::read));
    EXPECT_EQ(pair.server->stream->peek(), IoResult::Status::done);
    EXPECT_EQ(pair.server->stream->peek(), IoResult::Status::done);
    EXPECT_EQ(pair.server->read_exactly(5), octets(5, 1));
    EXPECT_EQ(pair.server->stream->peek(), IoResult::Status::would_block);
    pair.client->stream->finish_writing();
    pair.server->stream->arm(Interest::read);
    ASSERT_TRUE(pair.server->wait_ready(Interest::read));
    EXPECT_EQ(pair.server->stream->peek(), IoResult::Status::end);
    EXPECT_TRUE(pair.client->close(ByteStream::CloseKind::abort));
    pair.close();
    EXPECT_EQ(pair.server->stream->peek(), IoResult::Status::failed) << "after close()";
  });
}

TYPED_TEST_P(StreamContract, ArmReportsOnceAndDisarms) {
  this->in_world([this](World& world) {
    Pair pair = connect_pair(world, this->v4());
    ASSERT_TRUE(pair.ok());
    End& server = *pair.server;
    ASSERT_TRUE(pair.client->write_all(octets(10, 1)));
    server.stream->arm(Interest::read);
    ASSERT_TRUE(server.wait_ready(Interest::read));
    // The octets still wait and more come: without another arm() nothing is reported.
    ASSERT_TRUE(pair.client->write_all(octets(10, 1, 10)));
    for (int i = 0; i < 20; ++i)
      drain(world, server.processor);
    EXPECT_EQ(server.ready_count(), 1);
    server.stream->arm(Interest::read);  // possible already: reported at once
    ASSERT_TRUE(server.wait_ready(Interest::read));
    EXPECT_EQ(server.ready_count(), 2);
    EXPECT_EQ(server.read_exactly(20), octets(20, 1));
    pair.close();
  });
}

TYPED_TEST_P(StreamContract, ArmReportsOnlyWhatWasArmed) {
  this->in_world([this](World& world) {
    Pair pair = connect_pair(world, this->v4());
    ASSERT_TRUE(pair.ok());
    End& server = *pair.server;
    ASSERT_TRUE(pair.client->write_all(octets(10, 1)));
    std::atomic<unsigned> seen{0};
    server.when_ready = [&](Interest ready) { seen.fetch_or(unsigned(ready)); };
    server.stream->arm(Interest::write);
    ASSERT_TRUE(server.wait_ready(Interest::write));
    EXPECT_EQ(seen.load(), unsigned(Interest::write));
    server.stream->arm(Interest::none);
    for (int i = 0; i < 20; ++i)
      drain(world, server.processor);
    EXPECT_EQ(server.ready_count(), 1);
    pair.close();
  });
}

TYPED_TEST_P(StreamContract, ArmAddsToWhatIsArmed) {
  this->in_world([this](World& world) {
    Pair pair = connect_pair(world, this->v4());
    ASSERT_TRUE(pair.ok());
    End& server = *pair.server;
    // Reading waits for octets; writing is possible at once. Reporting the one leaves the other armed.
    server.stream->arm(Interest::read);
    server.stream->arm(Interest::write);
    ASSERT_TRUE(server.wait_ready(Interest::write));
    EXPECT_FALSE(contains(server.take_ready(), Interest::read));
    ASSERT_TRUE(pair.client->write_all(octets(1, 1)));
    ASSERT_TRUE(server.wait_ready(Interest::read));
    // The same in one call.
    EXPECT_EQ(server.read_exactly(1), octets(1, 1));
    server.stream->arm(Interest::both);
    ASSERT_TRUE(server.wait_ready(Interest::write));
    ASSERT_TRUE(pair.client->write_all(octets(1, 1)));
    ASSERT_TRUE(server.wait_ready(Interest::read));
    pair.close();
  });
}

TYPED_TEST_P(StreamContract, ArmFromManyThreadsLosesNothing) {
  this->in_world([this](World& world) {
    Pair pair = connect_pair(world, this->v4());
    ASSERT_TRUE(pair.ok());
    End& server = *pair.server;
    for (int round = 0; round < 50; ++round) {
      ASSERT_TRUE(pair.client->write_all(octets(1, 1)));
      Worker one(world, [&] { server.stream->arm(Interest::read); });
      Worker two(world, [&] { server.stream->arm(Interest::write); });
      server.stream->arm(Interest::both);
      one.join();
      two.join();
      ASSERT_TRUE(server.wait_ready(Interest::read));
      ASSERT_TRUE(server.wait_ready(Interest::write));
      EXPECT_EQ(server.read_exactly(1), octets(1, 1));
    }
    pair.close();
  });
}

TYPED_TEST_P(StreamContract, ArmedForWriteWakesWhenThePeerReads) {
  this->in_world([this](World& world) {
    Pair pair = connect_pair(world, this->v4());
    ASSERT_TRUE(pair.ok());
    const std::size_t sent = fill(*pair.client, 5);
    EXPECT_GT(sent, 0u);
    pair.client->stream->arm(Interest::write);
    Worker reader(world, [&] { EXPECT_EQ(pair.server->read_exactly(sent), octets(sent, 5)); });
    EXPECT_TRUE(pair.client->wait_ready(Interest::write));
    reader.join();
    pair.close();
  });
}

TYPED_TEST_P(StreamContract, EachDirectionEndsOnItsOwn) {
  this->in_world([this](World& world) {
    for (bool client_first : {true, false}) {
      Pair pair = connect_pair(world, this->v4());
      ASSERT_TRUE(pair.ok());
      End& first = client_first ? *pair.client : *pair.server;
      End& second = client_first ? *pair.server : *pair.client;
      ASSERT_TRUE(first.write_all(octets(100'000, 1)));
      first.stream->finish_writing();
      EXPECT_EQ(read_to_end(second, 1), 100'000u) << "the FIN comes after what was written";
      // The other direction stays open.
      Worker writer(world, [&] {
        EXPECT_TRUE(second.write_all(octets(1'000'000, 2)));
        second.stream->finish_writing();
      });
      EXPECT_EQ(read_to_end(first, 2), 1'000'000u);
      writer.join();
      std::uint8_t octet = 0;
      const ConstIoSpan span{&octet, 1};
      EXPECT_EQ(first.stream->write({&span, 1}, false).status, IoResult::Status::failed);
      pair.close();
    }
  });
}

TYPED_TEST_P(StreamContract, AnEndWakesBothInterests) {
  this->in_world([this](World& world) {
    Pair pair = connect_pair(world, this->v4());
    ASSERT_TRUE(pair.ok());
    fill(*pair.server, 5);  // not writable
    pair.server->stream->arm(Interest::both);
    pair.client->stream->finish_writing();
    EXPECT_TRUE(pair.server->wait_ready(Interest::read));
    EXPECT_TRUE(pair.server->wait_ready(Interest::write));
    pair.close(ByteStream::CloseKind::abort);
  });
}

TYPED_TEST_P(StreamContract, AnAbortReachesThePeerAsReset) {
  this->in_world([this](World& world) {
    for (Interest armed : {Interest::read, Interest::write, Interest::both}) {
      Pair pair = connect_pair(world, this->v4());
      ASSERT_TRUE(pair.ok());
      fill(*pair.server, 5);
      pair.server->stream->arm(armed);
      EXPECT_TRUE(pair.client->close(ByteStream::CloseKind::abort));
      for (Interest one : {Interest::read, Interest::write})
        if (contains(armed, one)) {
          EXPECT_TRUE(pair.server->wait_ready(one));
        }
      // It stays failed, whichever direction looks, however often.
      std::uint8_t octet = 0;
      const IoSpan in{&octet, 1};
      const ConstIoSpan out{&octet, 1};
      for (int i = 0; i < 3; ++i) {
        const IoResult wrote = pair.server->stream->write({&out, 1}, false);
        EXPECT_EQ(wrote.status, IoResult::Status::failed);
        EXPECT_EQ(wrote.error, IoError::reset);
        EXPECT_EQ(pair.server->stream->peek(), IoResult::Status::failed);
        const IoResult read = pair.server->stream->read({&in, 1});
        EXPECT_EQ(read.status, IoResult::Status::failed);
        EXPECT_EQ(read.error, IoError::reset);
      }
      pair.close();
    }
  });
}

TYPED_TEST_P(StreamContract, AnOrderlyCloseDeliversWhatWasWritten) {
  this->in_world([this](World& world) {
    // Input that the closing side has not read must not turn its FIN into an RST.
    for (bool finish_before : {false, true}) {
      Pair pair = connect_pair(world, this->v4());
      ASSERT_TRUE(pair.ok());
      ASSERT_TRUE(pair.client->write_all(octets(50'000, 1)));
      ASSERT_TRUE(pair.server->write_all(octets(50'000, 2)));
      ASSERT_EQ(pair.server->read_exactly(1), octets(1, 1));
      while (pair.client->stream->unacknowledged_bytes() > 0)
        world.executor.park(world.clock.now_ns() + kMillisecond);
      if (finish_before) pair.server->stream->finish_writing();
      EXPECT_TRUE(pair.server->close());
      EXPECT_EQ(read_to_end(*pair.client, 2), 50'000u);
      pair.close();
    }
  });
}

TYPED_TEST_P(StreamContract, CallsAfterCloseFailAndCloseAgainIsHarmless) {
  this->in_world([this](World& world) {
    Pair pair = connect_pair(world, this->v4());
    ASSERT_TRUE(pair.ok());
    ByteStream& stream = *pair.client->stream;
    ASSERT_TRUE(pair.server->write_all(octets(10, 1)));
    stream.close(ByteStream::CloseKind::orderly);
    std::uint8_t octet = 0;
    const IoSpan in{&octet, 1};
    const ConstIoSpan out{&octet, 1};
    for (int round = 0; round < 2; ++round) {
      const IoResult read = stream.read({&in, 1});
      EXPECT_EQ(read.status, IoResult::Status::failed);
      EXPECT_EQ(read.error, IoError::closed);
      const IoResult wrote = stream.write({&out, 1}, true);
      EXPECT_EQ(wrote.status, IoResult::Status::failed);
      EXPECT_EQ(wrote.error, IoError::closed);
      EXPECT_EQ(stream.peek(), IoResult::Status::failed);
      stream.arm(Interest::both);
      stream.finish_writing();
      EXPECT_EQ(stream.unacknowledged_bytes(), 0u);
      EXPECT_GT(stream.segment_bytes(), 0u);
      EXPECT_FALSE(stream.local_address().is_wildcard());
      stream.close(ByteStream::CloseKind::abort);
      EXPECT_TRUE(pair.client->wait_closed());
    }
    for (int i = 0; i < 20; ++i)
      drain(world, pair.client->processor);
    EXPECT_EQ(pair.client->closed_count(), 1);
    EXPECT_EQ(pair.client->ready_count(), 0);
    pair.close();
  });
}

TYPED_TEST_P(StreamContract, AStreamMayBeClosedInsideAnEventAndDestroyedInsideTheLast) {
  this->in_world([this](World& world) {
    for (int i = 0; i < 10; ++i) {
      Pair pair = connect_pair(world, this->v4());
      ASSERT_TRUE(pair.ok());
      End& server = *pair.server;
      server.when_ready = [&](Interest) {
        server.stream->close(ByteStream::CloseKind::orderly);
        server.stream->arm(Interest::both);
      };
      server.when_closed = [&] { server.stream.reset(); };
      server.stream->arm(Interest::both);
      EXPECT_TRUE(server.wait_closed());
      EXPECT_EQ(server.stream, nullptr);
      EXPECT_EQ(server.ready_count(), 1);
      pair.close();
    }
  });
}

TYPED_TEST_P(StreamContract, CloseDuringTrafficFromAnotherThread) {
  this->in_world([this](World& world) {
    for (int round = 0; round < 20; ++round) {
      Pair pair = connect_pair(world, this->v4());
      ASSERT_TRUE(pair.ok());
      std::atomic<int> calls{0};
      auto pump = [&](End& end) {
        // Owners of both directions who notice the close by a failing call. They must be done before the stream goes.
        std::vector<std::uint8_t> room(20'000);
        const IoSpan in{room.data(), room.size()};
        const ConstIoSpan out{room.data(), room.size()};
        for (bool open = true; open;) {
          open = false;
          for (const IoResult& result : {end.stream->write({&out, 1}, false), end.stream->read({&in, 1})})
            open = open || result.status == IoResult::Status::done || result.status == IoResult::Status::would_block;
          end.stream->arm(Interest::both);
          calls.fetch_add(1);
          world.executor.relax(1000);
        }
      };
      Worker one(world, [&] { pump(*pair.client); });
      Worker two(world, [&] { pump(*pair.server); });
      const int enough = 5 + static_cast<int>(world.rng.below(50));
      for (unsigned spins = 0; calls.load() < enough; ++spins)
        world.executor.relax(spins);
      const auto kind = round % 2 == 0 ? ByteStream::CloseKind::abort : ByteStream::CloseKind::orderly;
      pair.client->stream->close(kind);
      pair.server->stream->close(kind);
      EXPECT_TRUE(pair.client->wait_closed());
      EXPECT_TRUE(pair.server->wait_closed());
      one.join();
      two.join();
      pair.close();
    }
  });
}

TYPED_TEST_P(StreamContract, ManyThreadsCloseAtOnce) {
  this->in_world([this](World& world) {
    for (int round = 0; round < 20; ++round) {
      Pair pair = connect_pair(world, this->v4());
      ASSERT_TRUE(pair.ok());
      Worker one(world, [&] { pair.client->stream->close(ByteStream::CloseKind::orderly); });
      Worker two(world, [&] { pair.client->stream->close(ByteStream::CloseKind::abort); });
      pair.client->stream->close(ByteStream::CloseKind::orderly);
      one.join();
      two.join();
      EXPECT_TRUE(pair.client->wait_closed());
      drain(world, pair.client->processor);
      EXPECT_EQ(pair.client->closed_count(), 1);
      pair.close();
    }
  });
}

TYPED_TEST_P(StreamContract, UnacknowledgedBytesFallToZero) {
  this->in_world([this](World& world) {
    Pair pair = connect_pair(world, this->v4());
    ASSERT_TRUE(pair.ok());
    EXPECT_EQ(pair.client->stream->unacknowledged_bytes(), 0u);
    const std::size_t sent = fill(*pair.client, 5);
    const std::size_t waiting = pair.client->stream->unacknowledged_bytes();
    EXPECT_GT(waiting, 0u) << "a full stream: the peer cannot have taken it all";
    EXPECT_LE(waiting, sent);
    EXPECT_EQ(pair.server->read_exactly(sent), octets(sent, 5));
    const TimeNs deadline_ns = world.clock.now_ns() + kPatience;
    while (pair.client->stream->unacknowledged_bytes() > 0 && world.clock.now_ns() < deadline_ns)
      world.executor.park(world.clock.now_ns() + kMillisecond);
    EXPECT_EQ(pair.client->stream->unacknowledged_bytes(), 0u);
    pair.close();
  });
}

TYPED_TEST_P(StreamContract, NothingIsUnacknowledgedAfterTheReset) {
  // Both ends of a connection that are closed at once each say a last word and wait until it is acknowledged. The
  // first one's RST acknowledged nothing, and the second waited for two seconds.
  this->in_world([this](World& world) {
    Pair pair = connect_pair(world, this->v4());
    ASSERT_TRUE(pair.ok());
    fill(*pair.client, 5);
    EXPECT_GT(pair.client->stream->unacknowledged_bytes(), 0u);
    EXPECT_TRUE(pair.server->close(ByteStream::CloseKind::abort));
    const TimeNs deadline_ns = world.clock.now_ns() + kPatience;
    while (pair.client->stream->unacknowledged_bytes() > 0 && world.clock.now_ns() < deadline_ns)
      world.executor.park(world.clock.now_ns() + kMillisecond);
    EXPECT_EQ(pair.client->stream->unacknowledged_bytes(), 0u);
    pair.close();
  });
}

TYPED_TEST_P(StreamContract, SegmentBytesIsPlausibleAndMayOnlyGrowHere) {
  this->in_world([this](World& world) {
    Pair pair = connect_pair(world, this->v4());
    ASSERT_TRUE(pair.ok());
    std::size_t last = pair.client->stream->segment_bytes();
    EXPECT_GE(last, 128u);
    for (int i = 0; i < 200; ++i) {
      ASSERT_TRUE(pair.client->write_all(octets(1000, 1), true));
      ASSERT_EQ(pair.server->read_exactly(1000).size(), 1000u);
      const std::size_t now = pair.client->stream->segment_bytes();
      EXPECT_GE(now, last);
      EXPECT_LE(now, 65535u);
      last = now;
    }
    pair.close();
  });
}

REGISTER_TYPED_TEST_SUITE_P(StreamContract, OctetsArriveOnceAndInOrderBothWaysAtOnce, NothingAskedForIsDoneWithZero,
                            MoreSpansThanAKernelTakesAtOnce, PeekLooksWithoutTaking, ArmReportsOnceAndDisarms,
                            ArmReportsOnlyWhatWasArmed, ArmAddsToWhatIsArmed, ArmFromManyThreadsLosesNothing,
                            ArmedForWriteWakesWhenThePeerReads, EachDirectionEndsOnItsOwn, AnEndWakesBothInterests,
                            AnAbortReachesThePeerAsReset, AnOrderlyCloseDeliversWhatWasWritten,
                            CallsAfterCloseFailAndCloseAgainIsHarmless,
                            AStreamMayBeClosedInsideAnEventAndDestroyedInsideTheLast,
                            CloseDuringTrafficFromAnotherThread, ManyThreadsCloseAtOnce, UnacknowledgedBytesFallToZero,
                            NothingIsUnacknowledgedAfterTheReset, SegmentBytesIsPlausibleAndMayOnlyGrowHere);

}  // namespace softndk::io::contract
