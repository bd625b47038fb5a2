#include "iwarp/tx_framer.h"

#include <gtest/gtest.h>

#include "iwarp/marked_fpdu.h"
#include "iwarp/rtr.h"
#include "wire_builder.h"

namespace softndk::iwarp {
namespace {

using test::append_message;
using test::Octets;
using test::to_hex;
using test::Wire;

TEST(Rfc5041_5_2, TheExamplesOfTheText) {
  const TxMessage untagged{Opcode::send, 2048, 0, 0, 1};
  auto cut = TxFramer::plan(untagged, 0, 1500);
  EXPECT_EQ(cut.payload_bytes, 1482u);
  EXPECT_FALSE(cut.last);
  cut = TxFramer::plan(untagged, 1482, 1500);
  EXPECT_EQ(cut.payload_bytes, 566u);
  EXPECT_TRUE(cut.last);
  const TxMessage tagged{Opcode::write, 2048, 7, 16384, 0};
  cut = TxFramer::plan(tagged, 0, 1500);
  EXPECT_EQ(cut.payload_bytes, 1486u);
  cut = TxFramer::plan(tagged, 1486, 1500);
  EXPECT_EQ(cut.payload_bytes, 562u);
  EXPECT_TRUE(cut.last);
}

TEST(Rfc5041_5_2, BoundariesOfASegment) {
  for (std::uint32_t mulpdu_bytes : {128u, 1454u, 65535u}) {
    for (const auto opcode : {Opcode::send, Opcode::write}) {
      const std::uint32_t fit = mulpdu_bytes - header_bytes(opcode);
      for (std::uint32_t length : {fit - 1, fit, fit + 1}) {
        const auto cut = TxFramer::plan({opcode, length, 0, 0, 1}, 0, mulpdu_bytes);
        EXPECT_EQ(cut.payload_bytes, std::min(length, fit));
        EXPECT_EQ(cut.last, length <= fit);
      }
    }
  }
}

TEST(Rfc5041_5_2, SegmentsOfATaggedMessageCountTheirOffsets) {
  const Octets content = test::pattern(300);
  const Octets octets = test::message_octets({Opcode::write, 0, 0x55, 0xFFFFFFFF00000000, 0}, content, kMulpduMin);
  std::uint64_t to = 0xFFFFFFFF00000000;
  std::size_t at = 0;
  Octets got;
  for (bool last = false; !last;) {
    const Octets ulpdu = test::ulpdu_of(Bytes(octets).subspan(at));
    ByteReader in(ulpdu);
    const auto header = decode_tagged(in).value();
    EXPECT_EQ(header.stag, 0x55u);
    EXPECT_EQ(header.to_bytes, to);
    to += in.remaining();
    got.insert(got.end(), in.rest().begin(), in.rest().end());
    at += fpdu_bytes(static_cast<std::uint32_t>(ulpdu.size()));
    last = header.last;
  }
  EXPECT_EQ(at, octets.size());
  EXPECT_EQ(to_hex(got), to_hex(content));
}

TEST(Rfc5041_5_2, AZeroLengthMessageIsOneSegment) {
  EXPECT_EQ(test::message_octets({Opcode::write, 0, 1, 0, 0}, {}).size(), 20u);
  EXPECT_EQ(test::message_octets({Opcode::send, 0, 0, 0, 1}, {}).size(), 24u);
}

TEST(Rfc5041_4_3, EachQueueCountsFromOneAndWraps) {
  TxSequence sequence;
  EXPECT_EQ(sequence.take(Queue::send), 1u);
  EXPECT_EQ(sequence.take(Queue::send), 2u);
  EXPECT_EQ(sequence.take(Queue::read_request), 1u);
  EXPECT_EQ(sequence.take(Queue::terminate), 1u);
  TxSequence late(UINT32_MAX);
  EXPECT_EQ(late.take(Queue::send), UINT32_MAX);
  EXPECT_EQ(late.take(Queue::send), 0u);
}

TEST(Rfc5044_4_4, WithCrcOffTheFieldIsThereAndZero) {
  const Octets octets = test::message_octets({Opcode::write, 0, 1, 0, 0}, {}, kUlpduBytesMax, false);
  EXPECT_EQ(to_hex(octets),
            "000ec140000000010000000000000000"
            "00000000");
}

TEST(Rfc5041_4_3, TheInvalidateStagIsZeroUnlessAsked) {
  for (const auto opcode : {Opcode::send, Opcode::send_solicited}) {
    const Octets octets = test::message_octets({opcode, 0, 0x12345678, 0, 1}, {});
    EXPECT_EQ(load_be32(octets.data() + 4), 0u);
  }
}

TEST(GatherListTest, NeighboursMergeAndPayloadIsReferredTo) {
  Wire wire;
  TxFramer framer(true, false);
  const Octets content = test::pattern(1000);
  append_message(framer, {Opcode::send, 1000, 0, 0, 1}, content, 1454, wire.list);
  append_message(framer, {Opcode::send, 1000, 0, 0, 2}, content, 1454, wire.list);
  const auto spans = wire.list.spans();
  ASSERT_EQ(spans.size(), 5u) << "header, payload, trailer and header as one, payload, trailer";
  EXPECT_EQ(spans[1].data, content.data());
  EXPECT_EQ(spans[3].data, content.data());
}

TEST(GatherListTest, DroppingFromTheFrontKeepsTheRest) {
  const Octets a = test::pattern(100, 1), b = test::pattern(50, 2);
  for (std::size_t step : {1u, 7u, 99u, 100u, 101u, 159u, 160u}) {
    Wire wire;
    wire.list.refer({a.data(), a.size()});
    wire.list.write(Octets{1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
    wire.list.refer({b.data(), b.size()});
    const Octets all = wire.octets();
    std::size_t dropped = 0;
    while (!wire.list.empty()) {
      EXPECT_EQ(to_hex(wire.octets()), to_hex(Bytes(all).subspan(dropped)));
      const std::size_t count = std::min(step, wire.list.bytes());
      wire.list.drop_front(count);
      dropped += count;
    }
    EXPECT_EQ(dropped, 160u);
    EXPECT_EQ(wire.list.spans_left(), wire.span_room.size()) << "emptied, it starts over";
    EXPECT_EQ(wire.list.arena_left(), wire.arena.size());
  }
}

TEST(GatherListTest, TheRoomAskedForSuffices) {
  for (bool markers : {false, true}) {
    for (std::uint32_t size : {0u, 1u, 490u, 512u, 5000u, 65000u}) {
      for (std::size_t pieces : {1u, 3u}) {
        TxFramer framer(true, markers);
        const Octets content = test::pattern(size);
        for (int round = 0; round < 70; ++round) {
          const TxRoom room = framer.room_for(size, pieces);
          std::vector<ConstIoSpan> spans(room.spans);
          Octets arena(room.arena_bytes);
          GatherList list(spans, arena);
          ASSERT_TRUE(room.fits(list));
          const std::uint32_t expected = framer.stream_bytes(Opcode::send, size);
          framer.begin({Opcode::send, size, 0, 0, 1}, 0, kUlpduBytesMax, list);
          const std::size_t piece = size / pieces;
          for (std::size_t i = 0; i < pieces; ++i) {
            framer.payload({content.data() + i * piece, i + 1 == pieces ? size - i * piece : piece}, list);
          }
          framer.finish(list);
          ASSERT_EQ(list.bytes(), expected);
        }
      }
    }
  }
  TxFramer framer(true, true);
  const TxRoom room = framer.room_for_control();
  std::vector<ConstIoSpan> spans(room.spans);
  Octets arena(room.arena_bytes);
  GatherList list(spans, arena);
  framer.append_terminate(make_terminate(terminate_code::kReadInvalidStag, ReadRequest{}, 0), list);
  EXPECT_GT(list.bytes(), 0u);
}

// Streams of FPDUs with markers: what the peer that asked for them gets out again.
TEST(Rfc5044_4_3, MarkersAreInsertedWhereTheReaderExpectsThem) {
  for (std::uint32_t seed = 1; seed <= 40; ++seed) {
    Wire wire;
    TxFramer framer(true, true);
    std::vector<Octets> contents;
    std::uint32_t random = seed;
    for (std::uint32_t msn = 1; msn <= 60; ++msn) {
      random = random * 1664525 + 1013904223;
      contents.push_back(test::pattern((random >> 16) % (msn % 7 == 0 ? 3000 : 200), random));
    }
    for (std::uint32_t i = 0; i < contents.size(); ++i) {
      const auto length = static_cast<std::uint32_t>(contents[i].size());
      append_message(framer, {Opcode::send, length, 0, 0, i + 1}, contents[i], kUlpduBytesMax, wire.list);
    }
    const Octets octets = wire.octets();
    MarkedFpduReader reader(true);
    Octets ulpdu(kUlpduBytesMax);
    std::size_t at = 0, markers = 0;
    for (const Octets& content : contents) {
      const auto frame = reader.next(Bytes(octets).subspan(at), ulpdu);
      ASSERT_TRUE(frame) << "seed " << seed;
      EXPECT_EQ(to_hex(Bytes(ulpdu).subspan(18, frame->ulpdu_bytes - 18)), to_hex(content));
      at += frame->consumed_bytes;
      markers += frame->markers;
    }
    EXPECT_EQ(at, octets.size());
    EXPECT_EQ(markers, (octets.size() + 511) / 512) << "one at the start of each 512 octets";
  }
}

// A marker between pad and CRC, between two FPDUs, inside the header and inside the payload.
TEST(Rfc5044_4_2, EveryPlaceAMarkerCanStand) {
  for (std::uint32_t first = 20; first < 1100; first += 4) {
    // The first FPDU has `first` octets, so the second one meets its marker a little later each time.
    const Octets content(first - 20), second = test::pattern(41);
    Wire wire;
    TxFramer framer(true, true);
    append_message(framer, {Opcode::write, first - 20, 1, 0, 0}, content, kUlpduBytesMax, wire.list);
    append_message(framer, {Opcode::send, 41, 0, 0, 1}, second, kUlpduBytesMax, wire.list);
    const Octets octets = wire.octets();
    for (std::size_t at = 0; at < octets.size(); at += 512)
      EXPECT_EQ(load_be16(octets.data() + at), 0);
    MarkedFpduReader reader(true);
    Octets ulpdu(kUlpduBytesMax);
    const auto one = reader.next(octets, ulpdu);
    ASSERT_TRUE(one) << first;
    const auto two = reader.next(Bytes(octets).subspan(one->consumed_bytes), ulpdu);
    ASSERT_TRUE(two) << first;
    EXPECT_EQ(to_hex(Bytes(ulpdu).subspan(18, 41)), to_hex(second));
    EXPECT_EQ(one->consumed_bytes + two->consumed_bytes, octets.size());
  }
}

TEST(Rfc5044_8, TheMarkedReaderFindsWhatIsWrong) {
  Wire wire;
  TxFramer framer(true, true);
  const Octets content = test::pattern(600);
  append_message(framer, {Opcode::send, 600, 0, 0, 1}, content, kUlpduBytesMax, wire.list);
  const Octets good = wire.octets();
  Octets ulpdu(kUlpduBytesMax);
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(MarkedFpduReader(true).next(Bytes(good).first(size), ulpdu).error(), MarkedFpduReader::Error::need_more);
  }
  Octets bad = good;
  bad[100] ^= 1;
  EXPECT_EQ(MarkedFpduReader(true).next(bad, ulpdu).error(), MarkedFpduReader::Error::crc);
  EXPECT_TRUE(MarkedFpduReader(false).next(bad, ulpdu));
  // A good CRC over a marker that points elsewhere: error 3 of RFC 5044 8.
  bad = good;
  bad[515] ^= 4;
  store_crc(bad.data() + bad.size() - 4, crc32c(Bytes(bad).first(bad.size() - 4)));
  EXPECT_EQ(MarkedFpduReader(true).next(bad, ulpdu).error(), MarkedFpduReader::Error::marker_mismatch);
}

TEST(Rfc6581_9_2, EveryRtrIsAnOrdinaryMessageThatTakesItsMsn) {
  TxSequence sequence;
  Wire wire;
  TxFramer framer(true, false);
  append_rtr(Rtr::send, sequence, framer, wire.list);
  EXPECT_EQ(to_hex(test::ulpdu_of(wire.octets())), "414300000000000000000000000100000000");
  EXPECT_EQ(sequence.take(Queue::send), 2u);
  append_rtr(Rtr::read, sequence, framer, wire.list);
  EXPECT_EQ(sequence.take(Queue::read_request), 2u);
}

}  // namespace
}  // namespace softndk::iwarp
