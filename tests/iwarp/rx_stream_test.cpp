#include "iwarp/rx_stream.h"

#include <gtest/gtest.h>

#include <random>

#include "memory_target.h"
#include "wire_builder.h"

namespace softndk::iwarp {
namespace {

using test::concat;
using test::fpdu_of;
using test::from_hex;
using test::MemoryTarget;
using test::message_octets;
using test::Octets;
using test::pattern;
using test::to_hex;
using test::ulpdu_of;
using test::vector;
using Status = RxResult::Status;

constexpr Stag kStag = 0x4200;

RxSettings settings_of(MutableBytes verify = {}) {
  RxSettings settings;
  settings.verify_before_place = verify;
  return settings;
}

// One receiver: target, stream, what became of it.
struct Receiver {
  explicit Receiver(RxSettings settings = {}) : stream(target, settings) {
    target.regions[kStag] = {0, Octets(100000)};
  }
  MemoryTarget target;
  RxStream stream;
  RxResult take(const Octets& octets) { return stream.consume(octets); }
};

// What the peer's octets are answered with.
std::string answer_to(const Octets& octets) {
  Receiver receiver;
  const RxResult result = receiver.take(octets);
  if (result.status != Status::failed) return "none";
  Octets room(Terminate::kWireBytesMax);
  ByteWriter out(room);
  encode(result.failure, out);
  return to_hex(out.written());
}

Octets changed(Octets octets, std::size_t at, std::uint8_t value) {
  octets[at] = value;
  return octets;
}

Octets send_ulpdu(std::uint32_t msn = 1, std::uint32_t offset = 0, bool last = true, std::size_t payload = 4) {
  Octets octets(18 + payload, 0x5A);
  ByteWriter out(octets);
  encode(UntaggedDdpHeader{last, 0x43, 0, 0, msn, offset}, out);
  return octets;
}
Octets tagged_ulpdu(Opcode opcode, std::uint64_t to, bool last, std::size_t payload, Stag stag = kStag) {
  Octets octets(14 + payload, 0xA5);
  ByteWriter out(octets);
  encode(TaggedDdpHeader{last, encode_rdmap_control(opcode), stag, to}, out);
  return octets;
}
Octets read_ulpdu(std::uint32_t msn = 1, std::uint32_t offset = 0, bool last = true) {
  Octets octets(46);
  ByteWriter out(octets);
  encode(UntaggedDdpHeader{last, 0x41, 0, 1, msn, offset}, out);
  encode(ReadRequestHeader{1, 2, 3, 4, 5}, out);
  return octets;
}

// ---- Conversations in every segmentation ----

// All message kinds, zero, small, large and in several segments.
Octets conversation() {
  Octets all;
  const auto add = [&all](TxMessage message, std::size_t size, std::uint32_t mulpdu_bytes) {
    const Octets content = pattern(size, message.msn + 77);
    all = concat({std::move(all), message_octets(message, content, mulpdu_bytes)});
  };
  add({Opcode::write, 0, 1, 0, 0}, 0, 1454);  // the RTR
  add({Opcode::send, 0, 0, 0, 1}, 100, 1454);
  add({Opcode::write, 0, kStag, 10, 0}, 5, 1454);
  add({Opcode::write, 0, kStag, 1000, 0}, 30001, 1454);
  all = concat({std::move(all), fpdu_of(read_ulpdu())});
  add({Opcode::send_invalidate, 0, 0x99, 0, 2}, 9001, 65535);
  add({Opcode::read_response, 0, kStag, 40000, 0}, 20002, 8942);
  add({Opcode::send_solicited, 0, 0, 0, 3}, 0, 1454);
  all = concat({std::move(all), fpdu_of(read_ulpdu(2), 0)});
  add({Opcode::send_solicited_invalidate, 0, 0, 0, 4}, 3, 1454);
  add({Opcode::write, 0, kStag, 65000, 0}, 35000, 65535);
  return all;
}

struct Outcome {
  std::vector<std::string> log;
  Octets memory;
  bool operator==(const Outcome&) const = default;
};
Outcome outcome_of(Receiver& receiver) {
  return {receiver.target.log, receiver.target.regions[kStag].octets};
}
const Outcome& expected_outcome() {
  static const Outcome outcome = [] {
    Receiver receiver;
    EXPECT_EQ(receiver.take(conversation()).status, Status::more);
    return outcome_of(receiver);
  }();
  return outcome;
}

TEST(Rfc5044_6, TheConversationArrivesAsItWasSent) {
  const Outcome& outcome = expected_outcome();
  ASSERT_EQ(outcome.log.size(), 12u);
  EXPECT_EQ(outcome.log[0], "first");
  EXPECT_EQ(outcome.log[1], "write 0+0 stag 1 to 0");
  EXPECT_EQ(outcome.log[2], "send 0+100 msn 1 invalidate 0 " + to_hex(pattern(100, 78)));
  EXPECT_EQ(outcome.log[5], "read_request msn 1 length 3");
  EXPECT_EQ(outcome.log[6], "send_invalidate 0+9001 msn 2 invalidate 153 " + to_hex(pattern(9001, 79)));
  EXPECT_EQ(outcome.log[8], "send_solicited 0+0 msn 3 invalidate 0 ");
  const auto placed = [&](std::size_t at, std::size_t size) { return to_hex(Bytes(outcome.memory).subspan(at, size)); };
  EXPECT_EQ(placed(10, 5), to_hex(pattern(5, 77)));
  EXPECT_EQ(placed(1000, 30001), to_hex(pattern(30001, 77)));
  EXPECT_EQ(placed(40000, 20002), to_hex(pattern(20002, 77)));
  EXPECT_EQ(placed(65000, 35000), to_hex(pattern(35000, 77)));
}

TEST(Rfc5044_6, OneOctetAtATime) {
  const Octets octets = conversation();
  Receiver receiver;
  for (const std::uint8_t& octet : octets)
    ASSERT_EQ(receiver.stream.consume({&octet, 1}).status, Status::more);
  EXPECT_EQ(outcome_of(receiver), expected_outcome());
}

TEST(Rfc5044_6, EverySplitOfAShortConversation) {
  const Octets octets = concat({vector("rdma-write-5"), vector("send-invalidate"), vector("read-request")});
  for (std::size_t first = 0; first <= octets.size(); ++first) {
    for (std::size_t second = first; second <= octets.size(); ++second) {
      MemoryTarget target;
      target.regions[0x12345600] = {0x1000, Octets(16)};
      RxStream stream(target, {});
      ASSERT_EQ(stream.consume(Bytes(octets).first(first)).status, Status::more);
      ASSERT_EQ(stream.consume(Bytes(octets).subspan(first, second - first)).status, Status::more);
      ASSERT_EQ(stream.consume(Bytes(octets).subspan(second)).status, Status::more);
      ASSERT_EQ(target.log.size(), 4u) << first << " " << second;
      ASSERT_EQ(to_hex(Bytes(target.regions[0x12345600].octets).first(5)), "48656c6c6f");
    }
  }
}

// A socket that gives random amounts, read into whatever the stream asks for.
void run_with_socket(Receiver& receiver, const Octets& octets, std::mt19937& random, std::size_t staging_bytes) {
  std::size_t at = 0;
  Octets staging(staging_bytes), kept;
  RxResult result;
  while (at < octets.size() || result.status == Status::stalled) {
    if (random() % 8 == 0) receiver.target.stalls = static_cast<int>(random() % 3);
    if (result.status == Status::stalled) {
      kept.assign(result.unconsumed.begin(), result.unconsumed.end());
      const Octets again = kept;
      result = receiver.stream.consume(again);
      if (result.status == Status::stalled) {
        kept.assign(result.unconsumed.begin(), result.unconsumed.end());
        result.unconsumed = kept;
      }
      continue;
    }
    ASSERT_EQ(result.status, Status::more);
    std::array<IoSpan, 8> spans;
    const std::size_t count = receiver.stream.next_buffers(staging, std::span(spans).first(2 + random() % 7));
    if (count == 0) {  // a stall of the target while mapping
      result = receiver.stream.consume({});
      continue;
    }
    std::size_t budget = std::min<std::size_t>(octets.size() - at, random() % (random() % 4 == 0 ? 20000 : 300));
    std::size_t received = 0;
    for (std::size_t i = 0; i < count && budget != 0; ++i) {
      const std::size_t size = std::min(budget, spans[i].size);
      std::copy_n(octets.data() + at, size, spans[i].data);
      at += size;
      received += size;
      budget -= size;
    }
    result = receiver.stream.advance(received);
  }
}

TEST(Rfc5044_6, RandomReadsStagedDirectAndStalled) {
  const Octets octets = conversation();
  for (std::uint32_t seed = 1; seed <= 120; ++seed) {
    std::mt19937 random(seed);
    Octets verify;
    if (seed % 3 == 0) verify.resize(kUlpduBytesMax);
    RxSettings settings = settings_of(verify);
    settings.direct_bytes_min = seed % 2 == 0 ? 1 : 4096;
    Receiver receiver(settings);
    if (seed % 5 == 0) receiver.target.crumb_bytes = 1 + random() % 5000;
    if (seed % 7 == 0) receiver.target.crumbs = 1 + random() % 3;
    run_with_socket(receiver, octets, random, 64 + random() % 4000);
    ASSERT_EQ(outcome_of(receiver), expected_outcome()) << "seed " << seed;
  }
}

TEST(Rfc5044_6, EndsAreGracefulOnlyBetweenMessages) {
  const Octets whole = concat({vector("send-se-seg1"), vector("send-se-seg2"), vector("read-request")});
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    RxSettings settings;
    settings.first_send_msn = 3;
    Receiver receiver(settings);
    receiver.stream.consume(Bytes(whole).first(size));
    const bool between = size == 0 || size == 60 || size == 112;
    EXPECT_EQ(receiver.stream.on_end(), between ? RxStream::End::graceful : RxStream::End::lost) << size;
  }
}

// ---- CRC, pad, first FPDU ----

TEST(Rfc5044_8, ABadCrcAnywhereIsCodeTwoAndNothingIsAnnounced) {
  const Octets good = message_octets({Opcode::send, 0, 0, 0, 1}, pattern(9));
  for (std::size_t at = 2; at < good.size(); ++at) {  // the length field itself would just wait for more
    Receiver receiver;
    const RxResult result = receiver.take(changed(good, at, good[at] ^ 0x10));
    ASSERT_EQ(result.status, Status::failed) << at;
    EXPECT_EQ(result.failure, make_terminate(terminate_code::kMpaCrc)) << at;
    EXPECT_TRUE(receiver.target.log.empty()) << "not even the first-FPDU gate opens";
  }
}

TEST(Rfc5044_8, ABadCrcWinsOverABadHeader) {
  for (const Octets& ulpdu : {changed(send_ulpdu(), 0, 0x40), changed(send_ulpdu(), 1, 0x4F), send_ulpdu(7),
                              tagged_ulpdu(Opcode::write, 0, true, 4, 0xBAD)}) {
    Octets fpdu = fpdu_of(ulpdu);
    fpdu.back() ^= 1;
    EXPECT_EQ(answer_to(fpdu), "20020000");
  }
}

TEST(Rfc5044_6, PayloadOfABadFpduIsPlacedEarlyOnlyWhereThatIsWanted) {
  Octets octets = message_octets({Opcode::write, 0, kStag, 0, 0}, pattern(5000));
  octets.back() ^= 1;
  Receiver early;
  EXPECT_EQ(early.take(octets).status, Status::failed);
  EXPECT_EQ(to_hex(Bytes(early.target.regions[kStag].octets).first(5000)), to_hex(pattern(5000)));

  Octets room(kUlpduBytesMax);
  Receiver late(settings_of(room));
  EXPECT_EQ(late.take(octets).status, Status::failed);
  EXPECT_EQ(late.target.regions[kStag].octets, Octets(100000)) << "verify_before_place: nothing was touched";
  EXPECT_EQ(late.target.maps, 0u);
}

TEST(Rfc5044_4_4, WithCrcOffTheFieldIsNotLookedAt) {
  RxSettings settings;
  settings.crc = false;
  Receiver receiver(settings);
  Octets fpdu = fpdu_of(send_ulpdu());
  fpdu.back() ^= 0xFF;
  EXPECT_EQ(receiver.take(fpdu).status, Status::more);
  EXPECT_EQ(receiver.target.sends.size(), 1u);
}

TEST(Rfc5044_4_1, APadThatIsNotZeroIsTaken) {
  for (std::size_t payload : {0u, 1u, 2u, 3u, 4u}) {
    Receiver receiver;
    EXPECT_EQ(receiver.take(fpdu_of(send_ulpdu(1, 0, true, payload), 0xEE)).status, Status::more);
    ASSERT_EQ(receiver.target.sends.size(), 1u);
    EXPECT_EQ(receiver.target.sends[0].size(), payload);
  }
}

TEST(Rfc5044_7_1_2, TheGateOpensOnceWithTheFirstGoodCrc) {
  Receiver receiver;
  const Octets fpdu = fpdu_of(send_ulpdu());
  receiver.stream.consume(Bytes(fpdu).first(fpdu.size() - 1));
  EXPECT_TRUE(receiver.target.log.empty());
  receiver.stream.consume(Bytes(fpdu).last(1));
  EXPECT_EQ(receiver.target.log.front(), "first");
  receiver.take(fpdu_of(send_ulpdu(2)));
  EXPECT_EQ(std::count(receiver.target.log.begin(), receiver.target.log.end(), "first"), 1);
}

TEST(Rfc5044_3, TheLargestUlpduIsTaken) {
  Receiver receiver;
  EXPECT_EQ(receiver.take(fpdu_of(send_ulpdu(1, 0, true, kUlpduBytesMax - 18))).status, Status::more);
  ASSERT_EQ(receiver.target.sends.size(), 1u);
  EXPECT_EQ(receiver.target.sends[0].size(), kUlpduBytesMax - 18);
}

// ---- Headers that break a rule: the answer on the wire (control word, length, copied header) ----

TEST(Rfc5041_7_2, VersionsQueuesNumbersAndOffsets) {
  const Octets send = send_ulpdu();
  const std::string header = to_hex(Bytes(send).first(18));
  const auto with = [&](std::size_t at, std::uint8_t value) { return fpdu_of(changed(send, at, value)); };
  const auto copied = [&](std::size_t at, std::uint8_t value) {
    return "c0000016" + to_hex(Bytes(changed(send, at, value)).first(18));
  };
  EXPECT_EQ(answer_to(with(0, 0x40)), "1206" + copied(0, 0x40)) << "DV 0";
  EXPECT_EQ(answer_to(with(0, 0x42)), "1206" + copied(0, 0x42)) << "DV 2";
  EXPECT_EQ(answer_to(with(9, 1)), "1201" + copied(9, 1)) << "a Send on queue 1";
  EXPECT_EQ(answer_to(with(9, 3)), "1201" + copied(9, 3)) << "queue 3";
  EXPECT_EQ(answer_to(with(13, 0)), "1203" + copied(13, 0)) << "MSN 0";
  EXPECT_EQ(answer_to(with(13, 2)), "1203" + copied(13, 2)) << "MSN 2";
  EXPECT_EQ(answer_to(with(17, 4)), "1204" + copied(17, 4)) << "MO 4 in the first segment";
  const Octets write = tagged_ulpdu(Opcode::write, 0, true, 4);
  EXPECT_EQ(answer_to(fpdu_of(changed(write, 0, 0xC3))),
            "1104c0000012" + to_hex(Bytes(changed(write, 0, 0xC3)).first(14)));
}

TEST(Rfc5040_7_2, VersionAndOpcode) {
  const Octets send = send_ulpdu();
  for (std::uint8_t control : {0x03, 0x83, 0xC3}) {
    EXPECT_TRUE(answer_to(fpdu_of(changed(send, 1, control))).starts_with("0205c0000016")) << int{control};
  }
  for (std::uint8_t opcode = 8; opcode < 16; ++opcode) {
    const Octets bad = changed(send, 1, static_cast<std::uint8_t>(0x40 | opcode));
    EXPECT_EQ(answer_to(fpdu_of(bad)), "0206c0000016" + to_hex(Bytes(bad).first(18))) << int{opcode};
  }
}

TEST(Rfc5040_7_2, TheTaggedBitMustFitTheOpcode) {
  for (std::uint8_t opcode = 0; opcode < 8; ++opcode) {
    const bool tagged = is_tagged(static_cast<Opcode>(opcode));
    Octets ulpdu(80);
    ulpdu[0] = tagged ? 0x41 : 0xC1;
    ulpdu[1] = static_cast<std::uint8_t>(0x40 | opcode);
    EXPECT_TRUE(answer_to(fpdu_of(ulpdu)).starts_with("0206c000")) << int{opcode};
  }
}

TEST(Rfc5041_4_1, ReservedBitsAreIgnored) {
  for (std::uint8_t bit : {0x20, 0x10, 0x08, 0x04}) {
    EXPECT_EQ(answer_to(fpdu_of(changed(send_ulpdu(), 0, 0x41 | bit))), "none");
    EXPECT_EQ(answer_to(fpdu_of(changed(tagged_ulpdu(Opcode::write, 0, true, 4), 0, 0xC1 | bit))), "none");
  }
  for (std::uint8_t bit : {0x20, 0x10})
    EXPECT_EQ(answer_to(fpdu_of(changed(send_ulpdu(), 1, 0x43 | bit))), "none");
}

TEST(Rfc5044_8, AUlpduShorterThanItsHeaderIsCodeThree) {
  for (const Octets& ulpdu : {send_ulpdu(), tagged_ulpdu(Opcode::write, 0, true, 0), read_ulpdu()}) {
    const std::size_t header = ulpdu[1] == 0x43 ? 18 : ulpdu.size();
    for (std::size_t size = 0; size < header; ++size) {
      EXPECT_EQ(answer_to(fpdu_of(Bytes(ulpdu).first(size))), "20030000") << size;
    }
  }
}

TEST(Rfc5040_4_4, AReadRequestHasOneSegmentOfOneLength) {
  Octets longer = read_ulpdu();
  longer.push_back(0);
  EXPECT_TRUE(answer_to(fpdu_of(longer)).starts_with("0206c000002f"));
  EXPECT_TRUE(answer_to(fpdu_of(read_ulpdu(1, 0, false))).starts_with("0206c000002e"));
  EXPECT_TRUE(answer_to(fpdu_of(read_ulpdu(2))).starts_with("1203c000002e"));
  EXPECT_TRUE(answer_to(fpdu_of(read_ulpdu(1, 4))).starts_with("1204c000002e"));
  EXPECT_TRUE(answer_to(fpdu_of(changed(read_ulpdu(), 9, 0))).starts_with("1201c000002e"));
}

TEST(Rfc5041_5_3, MessagesAreContiguousAndNotInterleaved) {
  const auto after = [](const Octets& first, const Octets& second) {
    return answer_to(concat({fpdu_of(first), fpdu_of(second)})).substr(0, 4);
  };
  const Octets write = tagged_ulpdu(Opcode::write, 100, false, 8);
  EXPECT_EQ(after(write, tagged_ulpdu(Opcode::write, 108, true, 8)), "none");
  EXPECT_EQ(after(write, tagged_ulpdu(Opcode::write, 109, true, 8)), "1101");
  EXPECT_EQ(after(write, tagged_ulpdu(Opcode::write, 100, true, 8)), "1101");
  EXPECT_EQ(after(write, tagged_ulpdu(Opcode::write, 108, true, 8, kStag + 1)), "1100");
  EXPECT_EQ(after(write, tagged_ulpdu(Opcode::read_response, 108, true, 8)), "0206");
  EXPECT_EQ(after(write, send_ulpdu()), "0206");
  EXPECT_EQ(after(write, read_ulpdu()), "0206");
  const Octets send = send_ulpdu(1, 0, false, 8);
  EXPECT_EQ(after(send, send_ulpdu(1, 8)), "none");
  EXPECT_EQ(after(send, send_ulpdu(1, 0)), "1204");
  EXPECT_EQ(after(send, send_ulpdu(1, 7)), "1204");
  EXPECT_EQ(after(send, send_ulpdu(2, 8)), "1203");
  EXPECT_EQ(after(send, changed(send_ulpdu(1, 8), 1, 0x45)), "0206");
  EXPECT_EQ(after(send, tagged_ulpdu(Opcode::write, 0, true, 4)), "0206");
  EXPECT_EQ(after(send_ulpdu(), send_ulpdu(1)), "1203") << "a message is delivered once";
}

TEST(Rfc5041_4_3, SequenceNumbersWrapToZero) {
  RxSettings settings;
  settings.first_send_msn = UINT32_MAX;
  settings.first_read_request_msn = UINT32_MAX;
  Receiver receiver(settings);
  EXPECT_EQ(receiver
                .take(concat({fpdu_of(send_ulpdu(UINT32_MAX)), fpdu_of(send_ulpdu(0)), fpdu_of(send_ulpdu(1)),
                              fpdu_of(read_ulpdu(UINT32_MAX)), fpdu_of(read_ulpdu(0))}))
                .status,
            Status::more);
  EXPECT_EQ(receiver.target.sends.size(), 3u);
  EXPECT_EQ(receiver.target.read_requests.size(), 2u);
}

// Hands out one scratch buffer for every payload, so that a message of 4 GiB costs nothing.
struct ScratchTarget final : RxTarget {
  Octets scratch = Octets(kUlpduBytesMax);
  Verdict begin_segment(const Segment&, TerminateCode&) noexcept override { return Verdict::ok; }
  Verdict map(const Segment&, std::uint32_t, std::uint32_t length, std::span<IoSpan> spans, std::size_t& count,
              TerminateCode&) noexcept override {
    spans[0] = {scratch.data(), length};
    count = 1;
    return Verdict::ok;
  }
  void unmap(const Segment&) noexcept override {}
  Verdict end_segment(const Segment&, TerminateCode&) noexcept override { return Verdict::ok; }
  Verdict on_read_request(const ReadRequest&, TerminateCode&) noexcept override { return Verdict::ok; }
  void on_terminate(const ReceivedTerminate&) noexcept override {}
  void on_first_fpdu() noexcept override {}
};

TEST(Rfc5041_5_2, AMessageIsShorterThanFourGibibytes) {
  for (const bool tagged : {false, true}) {
    ScratchTarget target;
    RxSettings settings;
    settings.crc = false;
    RxStream stream(target, settings);
    const std::uint32_t header = tagged ? 14 : 18;
    std::uint64_t sent = 0;
    RxResult result;
    Octets head;
    while (result.status == Status::more) {
      ASSERT_LE(sent, std::uint64_t{UINT32_MAX});
      const std::uint32_t payload = 65000;
      head = tagged ? tagged_ulpdu(Opcode::write, sent, false, 0)
                    : send_ulpdu(1, static_cast<std::uint32_t>(sent), false, 0);
      Octets length(2);
      store_be16(length.data(), static_cast<std::uint16_t>(header + payload));
      result = stream.consume(concat({length, head}));
      sent += payload;
      std::array<IoSpan, 2> spans;
      Octets staging(64);
      ASSERT_NE(stream.next_buffers(staging, spans), 0u);
      if (spans[0].data != target.scratch.data()) break;  // condemned: the payload is not wanted any more
      result = stream.advance(payload);
      result = stream.consume(Octets(fpdu_bytes(header + payload) - 2 - header - payload));
    }
    EXPECT_GT(sent, std::uint64_t{UINT32_MAX});
    EXPECT_LE(sent - 65000, std::uint64_t{UINT32_MAX});
    // The segment that would pass the limit was condemned; feed the rest of it to hear why.
    EXPECT_EQ(stream.advance(0).status, Status::more);
    result = stream.consume(Octets(fpdu_bytes(header + 65000) - 2 - header));
    ASSERT_EQ(result.status, Status::failed);
    EXPECT_EQ(result.failure.code, tagged ? terminate_code::kTaggedBaseOrBounds : terminate_code::kUntaggedTooLong);
  }
}

TEST(Rfc5041_5_2, AZeroLengthTaggedMessageHasNoMemoryToCheck) {
  for (const Stag stag : {0u, 0xDEADBEEFu, kStag}) {
    for (const std::uint64_t to : {std::uint64_t{0}, UINT64_MAX}) {
      Receiver receiver;
      EXPECT_EQ(receiver.take(fpdu_of(tagged_ulpdu(Opcode::write, to, true, 0, stag))).status, Status::more);
      EXPECT_EQ(receiver.target.maps, 0u);
    }
  }
}

TEST(Rfc5040_4_1, TheInvalidateStagIsReadForItsOpcodesOnly) {
  for (const auto opcode :
       {Opcode::send, Opcode::send_invalidate, Opcode::send_solicited, Opcode::send_solicited_invalidate}) {
    Receiver receiver;
    Octets ulpdu = changed(send_ulpdu(), 1, encode_rdmap_control(opcode));
    store_be32(ulpdu.data() + 2, 0x12345678);
    EXPECT_EQ(receiver.take(fpdu_of(ulpdu)).status, Status::more);
    EXPECT_EQ(receiver.target.begun.at(0).invalidate_stag, has_invalidate(opcode) ? 0x12345678u : 0u);
  }
}

// ---- Terminates received ----

Octets terminate_ulpdu(TerminateCode code) {
  Octets room(18 + Terminate::kWireBytesMax);
  ByteWriter out(room);
  encode(UntaggedDdpHeader{true, 0x47, 0, 2, 1, 0}, out);
  encode(make_terminate(code, ReadRequest{}, 0), out);
  room.resize(out.size());
  return room;
}

TEST(Rfc5040_4_8, ATerminateIsTakenAnywhereAndEndsTheStream) {
  for (const Octets& before : {Octets{}, fpdu_of(send_ulpdu()), fpdu_of(send_ulpdu(1, 0, false)),
                               fpdu_of(tagged_ulpdu(Opcode::write, 0, false, 9))}) {
    Receiver receiver;
    const Octets terminate = fpdu_of(terminate_ulpdu(terminate_code::kReadInvalidStag));
    EXPECT_EQ(receiver.take(concat({before, terminate, fpdu_of(send_ulpdu(2))})).status, Status::terminated);
    ASSERT_TRUE(receiver.target.terminate);
    EXPECT_TRUE(receiver.target.terminate->well_formed);
    EXPECT_EQ(receiver.target.terminate->terminate.code, terminate_code::kReadInvalidStag);
    EXPECT_EQ(receiver.target.log.back(), "terminate");
    EXPECT_EQ(receiver.take(fpdu_of(send_ulpdu(2))).status, Status::terminated) << "dropped";
    EXPECT_EQ(receiver.target.log.back(), "terminate");
  }
}

TEST(Rfc5040_4_8, AnInvalidTerminateEndsTheStreamAsWell) {
  const Octets good = terminate_ulpdu(terminate_code::kReadInvalidStag);
  std::vector<Octets> bad{changed(good, 9, 0), changed(good, 13, 2), changed(good, 17, 4), changed(good, 0, 0x01)};
  for (std::size_t size = 2; size < 22; ++size)
    bad.emplace_back(good.begin(), good.begin() + static_cast<int>(size));
  for (const Octets& ulpdu : bad) {
    Receiver receiver;
    EXPECT_EQ(receiver.take(fpdu_of(ulpdu)).status, Status::terminated);
    ASSERT_TRUE(receiver.target.terminate);
    EXPECT_FALSE(receiver.target.terminate->well_formed);
  }
}

TEST(Rfc5040_4_8, AnOverlongTerminateIsReadByItsBeginning) {
  Octets ulpdu = terminate_ulpdu(terminate_code::kReadInvalidStag);
  ulpdu.resize(9000);
  Receiver receiver;
  EXPECT_EQ(receiver.take(fpdu_of(ulpdu)).status, Status::terminated);
  EXPECT_TRUE(receiver.target.terminate->well_formed);
}

TEST(SiwTerminate, AZeroCrcIsTakenOnAFirstFpduOnly) {
  Octets terminate = fpdu_of(terminate_ulpdu(terminate_code::kMpaInvalidFrame));
  store_crc(terminate.data() + terminate.size() - 4, 0);
  Receiver first;
  EXPECT_EQ(first.take(terminate).status, Status::terminated);
  EXPECT_EQ(first.target.log, std::vector<std::string>{"terminate"});
  Receiver later;
  EXPECT_EQ(later.take(concat({fpdu_of(send_ulpdu()), terminate})).failure.code, terminate_code::kMpaCrc);
  Octets send = fpdu_of(send_ulpdu());
  store_crc(send.data() + send.size() - 4, 0);
  Receiver other;
  EXPECT_EQ(other.take(send).failure.code, terminate_code::kMpaCrc) << "only a Terminate is excused";
}

// ---- What the target refuses ----

TEST(Rfc5041_7_1, ARefusedSegmentIsDroppedAndReportedWithItsHeader) {
  const Octets ulpdu = tagged_ulpdu(Opcode::write, 99990, true, 20);
  Receiver receiver;
  const RxResult result = receiver.take(fpdu_of(ulpdu));
  ASSERT_EQ(result.status, Status::failed);
  EXPECT_EQ(result.failure, make_terminate(terminate_code::kTaggedBaseOrBounds, ulpdu, 34));
  EXPECT_EQ(receiver.target.regions[kStag].octets, Octets(100000));
  EXPECT_EQ(receiver.target.log, std::vector<std::string>{"first"});
  EXPECT_EQ(receiver.take(fpdu_of(send_ulpdu())).status, Status::failed) << "what follows is dropped";
  EXPECT_EQ(receiver.target.log.size(), 1u);
  Octets staging(64);
  std::array<IoSpan, 2> spans;
  EXPECT_EQ(receiver.stream.next_buffers(staging, spans), 0u);
}

TEST(Rfc5041_8_3, AStagRevokedBetweenTwoSegmentsTakesNothingMore) {
  Receiver receiver;
  EXPECT_EQ(receiver.take(fpdu_of(tagged_ulpdu(Opcode::write, 0, false, 8))).status, Status::more);
  receiver.target.regions.clear();
  EXPECT_EQ(receiver.take(fpdu_of(tagged_ulpdu(Opcode::write, 8, true, 8))).failure.code,
            terminate_code::kTaggedInvalidStag);
}

TEST(Rfc5041_8_3, AStagRevokedInsideASegmentTakesNothingMore) {
  for (const bool verify : {false, true}) {
    Octets room(verify ? kUlpduBytesMax : 0);
    Receiver receiver(settings_of(room));
    const Octets fpdu = fpdu_of(tagged_ulpdu(Opcode::write, 0, true, 100));
    EXPECT_EQ(receiver.stream.consume(Bytes(fpdu).first(50)).status, Status::more);
    receiver.target.reject_map = terminate_code::kTaggedInvalidStag;
    EXPECT_EQ(receiver.stream.consume(Bytes(fpdu).subspan(50)).failure.code, terminate_code::kTaggedInvalidStag);
    EXPECT_EQ(receiver.target.regions[kStag].octets[60], 0);
    EXPECT_EQ(receiver.target.log, std::vector<std::string>{"first"});
  }
}

TEST(Rfc5041_8_3, AStagRevokedBeforeADirectReadIsNotOffered) {
  Receiver receiver;
  const Octets fpdu = fpdu_of(tagged_ulpdu(Opcode::write, 0, true, 8000));
  receiver.stream.consume(Bytes(fpdu).first(100));
  receiver.target.reject_map = terminate_code::kTaggedInvalidStag;
  Octets staging(9000);
  std::array<IoSpan, 2> spans;
  ASSERT_EQ(receiver.stream.next_buffers(staging, spans), 1u);
  ASSERT_EQ(spans[0].data, staging.data());
  std::copy(fpdu.begin() + 100, fpdu.end(), staging.begin());
  EXPECT_EQ(receiver.stream.advance(fpdu.size() - 100).failure.code, terminate_code::kTaggedInvalidStag);
}

TEST(Rfc5040_7_1, RefusalsAtTheEndNameWhatTheyRefuse) {
  Receiver invalidate;
  invalidate.target.reject_end = terminate_code::kInvalidateUnknownStag;
  const Octets send = changed(send_ulpdu(), 1, 0x44);
  EXPECT_EQ(invalidate.take(fpdu_of(send)).failure, make_terminate(terminate_code::kInvalidateUnknownStag, send, 22));
  Receiver read;
  read.target.reject_read = terminate_code::kUntaggedNoBuffer;
  const RxResult result = read.take(fpdu_of(read_ulpdu()));
  EXPECT_EQ(result.failure, make_terminate(terminate_code::kUntaggedNoBuffer, read_ulpdu(), 46));
  EXPECT_EQ(result.failure.rdma_header_bytes, 0);
  Receiver rights;
  rights.target.reject_read = terminate_code::kReadAccessRights;
  EXPECT_EQ(rights.take(fpdu_of(read_ulpdu())).failure.rdma_header_bytes, 28);
}

// ---- Stalls ----

TEST(Rfc5041_7_1, AStallKeepsTheRestAndTheSameQuestionIsAskedAgain) {
  const Octets octets = concat({fpdu_of(send_ulpdu(1)), fpdu_of(read_ulpdu()), fpdu_of(send_ulpdu(2))});
  // Verdicts are given in this order: begin, map, end, read, begin, map, end. Each one is the first to stall once.
  for (int skip = 0; skip < 7; ++skip) {
    struct Stalling final : RxTarget {
      MemoryTarget inner;
      int countdown = 0;
      bool stall() { return countdown-- == 0; }
      Verdict begin_segment(const Segment& segment, TerminateCode& why) noexcept override {
        return stall() ? Verdict::stall : inner.begin_segment(segment, why);
      }
      Verdict map(const Segment& segment, std::uint32_t offset, std::uint32_t length, std::span<IoSpan> spans,
                  std::size_t& count, TerminateCode& why) noexcept override {
        return stall() ? Verdict::stall : inner.map(segment, offset, length, spans, count, why);
      }
      void unmap(const Segment& segment) noexcept override { inner.unmap(segment); }
      Verdict end_segment(const Segment& segment, TerminateCode& why) noexcept override {
        return stall() ? Verdict::stall : inner.end_segment(segment, why);
      }
      Verdict on_read_request(const ReadRequest& request, TerminateCode& why) noexcept override {
        return stall() ? Verdict::stall : inner.on_read_request(request, why);
      }
      void on_terminate(const ReceivedTerminate& received) noexcept override { inner.on_terminate(received); }
      void on_first_fpdu() noexcept override { inner.on_first_fpdu(); }
    };
    Stalling target;
    target.countdown = skip;
    RxStream stream(target, {});
    const RxResult stalled = stream.consume(octets);
    ASSERT_EQ(stalled.status, Status::stalled) << skip;
    EXPECT_EQ(stalled.unconsumed.data() + stalled.unconsumed.size(), octets.data() + octets.size());
    const Octets kept(stalled.unconsumed.begin(), stalled.unconsumed.end());
    EXPECT_EQ(stream.consume(kept).status, Status::more);
    EXPECT_EQ(target.inner.log.size(), 4u) << skip;
    EXPECT_EQ(target.inner.sends.size(), 2u);
  }
}

// ---- Direct placement ----

TEST(RxStreamBuffers, SmallPayloadIsStagedAndLargeIsReadToItsPlace) {
  Receiver receiver;
  Octets staging(20000);
  std::array<IoSpan, 4> spans;
  ASSERT_EQ(receiver.stream.next_buffers(staging, spans), 1u);
  EXPECT_EQ(spans[0].data, staging.data());
  EXPECT_EQ(spans[0].size, staging.size());

  const Octets fpdu = fpdu_of(tagged_ulpdu(Opcode::write, 1000, true, 10000));
  std::copy_n(fpdu.begin(), 116, staging.begin());
  EXPECT_EQ(receiver.stream.advance(116).status, Status::more);
  ASSERT_EQ(receiver.stream.next_buffers(staging, spans), 2u);
  const Octets& memory = receiver.target.regions[kStag].octets;
  EXPECT_EQ(spans[0].data, memory.data() + 1000 + 100);
  EXPECT_EQ(spans[0].size, 9900u);
  EXPECT_EQ(spans[1].data, staging.data());
  EXPECT_LT(spans[1].size, 1000u) << "little of what follows, so that the next large payload can go direct";

  std::copy_n(fpdu.begin() + 116, 7000, spans[0].data);
  EXPECT_EQ(receiver.stream.advance(7000).status, Status::more);
  ASSERT_EQ(receiver.stream.next_buffers(staging, spans), 1u) << "2900 octets are not worth a map";
  std::copy(fpdu.begin() + 116 + 7000, fpdu.end(), staging.begin());
  EXPECT_EQ(receiver.stream.advance(fpdu.size() - 7116).status, Status::more);
  EXPECT_EQ(receiver.target.log.size(), 2u);
  EXPECT_EQ(memory[10999], 0xA5);
}

TEST(RxStreamBuffers, AMapThatEndsEarlyGetsNoStagingBehindIt) {
  Receiver receiver;
  receiver.target.crumb_bytes = 1000;
  receiver.target.crumbs = 2;
  const Octets fpdu = fpdu_of(tagged_ulpdu(Opcode::write, 0, true, 10000));
  receiver.stream.consume(Bytes(fpdu).first(16));
  Octets staging(100);
  std::array<IoSpan, 4> spans;
  ASSERT_EQ(receiver.stream.next_buffers(staging, spans), 2u);
  EXPECT_EQ(spans[1].data, spans[0].data + 1000);
  receiver.stream.advance(0);
}

TEST(RxStreamBuffers, VerifiedPayloadIsReadToItsOwnRoom) {
  Octets room(kUlpduBytesMax);
  Receiver receiver(settings_of(room));
  const Octets fpdu = fpdu_of(tagged_ulpdu(Opcode::write, 0, true, 10000));
  receiver.stream.consume(Bytes(fpdu).first(26));
  Octets staging(100);
  std::array<IoSpan, 4> spans;
  ASSERT_EQ(receiver.stream.next_buffers(staging, spans), 2u);
  EXPECT_EQ(spans[0].data, room.data() + 10);
  std::copy_n(fpdu.begin() + 26, 9990, spans[0].data);
  std::copy(fpdu.begin() + 10016, fpdu.end(), spans[1].data);
  EXPECT_EQ(receiver.target.maps, 0u);
  EXPECT_EQ(receiver.stream.advance(fpdu.size() - 26).status, Status::more);
  EXPECT_EQ(receiver.target.regions[kStag].octets[9999], 0xA5);
  EXPECT_EQ(receiver.target.regions[kStag].octets[10000], 0);
}

TEST(RxStreamBuffers, PayloadThatNobodyWantsIsOnlyStaged) {
  Receiver receiver;
  const Octets fpdu = fpdu_of(tagged_ulpdu(Opcode::write, 0, true, 10000, 0xBAD));
  receiver.stream.consume(Bytes(fpdu).first(16));
  Octets staging(20000);
  std::array<IoSpan, 2> spans;
  ASSERT_EQ(receiver.stream.next_buffers(staging, spans), 1u);
  EXPECT_EQ(spans[0].size, staging.size());
  std::copy(fpdu.begin() + 16, fpdu.end(), staging.begin());
  EXPECT_EQ(receiver.stream.advance(fpdu.size() - 16).failure.code, terminate_code::kTaggedInvalidStag);
}

}  // namespace
}  // namespace softndk::iwarp
