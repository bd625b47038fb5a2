// What a peer can do wrong, and the answer it gets; and Terminates that it sends.
#include <gtest/gtest.h>

#include "receiver.h"

namespace softndk::iwarp {
namespace {

using test::answer_to;
using test::changed;
using test::concat;
using test::fpdu_of;
using test::kStag;
using test::Octets;
using test::read_ulpdu;
using test::Receiver;
using test::send_ulpdu;
using test::settings_of;
using test::tagged_ulpdu;
using test::to_hex;
using Status = RxResult::Status;

// ---- Headers that break a rule: the answer on the wire (control word, length, copied header) ----

TEST(Rfc5041_7_2, VersionsQueuesNumbersAndOffsets) {
  const Octets send = send_ulpdu();
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

// Told of as the first FPDU, it opened the responder's gate and passed for the ready-to-receive message, if the next
// thing told, the Terminate, came a moment later: an accept then succeeded that the peer had given up. Found by the
// scenario of rejections, seed 10361.
TEST(Rfc5044_7_1_2, ATerminateIsNoFirstFpdu) {
  Receiver receiver;
  EXPECT_EQ(receiver.take(fpdu_of(terminate_ulpdu(terminate_code::kMpaLocalCatastrophic))).status, Status::terminated);
  EXPECT_EQ(receiver.target.log, std::vector<std::string>{"terminate"});
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

}  // namespace
}  // namespace softndk::iwarp
