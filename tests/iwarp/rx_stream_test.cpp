#include "iwarp/rx_stream.h"

#include <gtest/gtest.h>

#include <random>

#include "receiver.h"

namespace softndk::iwarp {
namespace {

using test::answer_to;
using test::changed;
using test::concat;
using test::fpdu_of;
using test::kStag;
using test::MemoryTarget;
using test::message_octets;
using test::Octets;
using test::pattern;
using test::read_ulpdu;
using test::Receiver;
using test::send_ulpdu;
using test::settings_of;
using test::tagged_ulpdu;
using test::to_hex;
using test::vector;
using Status = RxResult::Status;

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
