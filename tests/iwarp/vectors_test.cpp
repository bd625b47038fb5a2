// The known-answer vectors, both ways: what they decode to, and the exact octets that encoding gives.
#include "vectors.h"

#include <gtest/gtest.h>

#include "iwarp/marked_fpdu.h"
#include "iwarp/mpa_handshake.h"
#include "iwarp/rtr.h"
#include "iwarp/rx_stream.h"
#include "memory_target.h"
#include "wire_builder.h"

namespace softndk::iwarp {
namespace {

using test::append_message;
using test::MemoryTarget;
using test::Octets;
using test::to_hex;
using test::vector;
using test::Wire;

TEST(Vectors, AllAreThere) {
  EXPECT_EQ(test::vector_names().size(), 29u);
}

MpaFrame mpa(MpaKind kind, std::uint8_t revision, std::optional<MpaEnhanced> enhanced, std::string_view private_data) {
  MpaFrame frame;
  frame.kind = kind;
  frame.crc = true;
  frame.revision = revision;
  frame.enhanced = enhanced;
  frame.private_data = PrivateData({reinterpret_cast<const std::uint8_t*>(private_data.data()), private_data.size()});
  return frame;
}

TEST(Vectors, MpaFrames) {
  const auto request = MpaKind::request;
  const auto reply = MpaKind::reply;
  struct Row {
    const char* name;
    MpaFrame frame;
  };
  std::vector<Row> rows{
      {"mpa-v1-request", mpa(request, 1, {}, "hello")},
      {"mpa-v1-reply", mpa(reply, 1, {}, "")},
      {"mpa-v2-request", mpa(request, 2, MpaEnhanced{true, {.write = true, .read = true}, 4, 2}, "ULP1")},
      {"mpa-v2-reply", mpa(reply, 2, MpaEnhanced{true, {.write = true}, 2, 4}, "OK")},
      {"mpa-v2-request-cs", mpa(request, 2, MpaEnhanced{false, {}, 16, 16}, "")},
      {"mpa-v2-reject", mpa(reply, 2, MpaEnhanced{false, {}, 16, 32}, "NO!")},
      {"mpa-v2-request-rtr-read", mpa(request, 2, MpaEnhanced{true, {.read = true}, 1, 1}, "")},
      {"mpa-v2-reply-rtr-read", mpa(reply, 2, MpaEnhanced{true, {.read = true}, 1, 1}, "")},
      {"mpa-v1-request-markers", mpa(request, 1, {}, "")},
      {"mpa-v1-reply-markers", mpa(reply, 1, {}, "")},
  };
  rows[5].frame.reject = true;
  rows[8].frame.markers = rows[9].frame.markers = true;
  for (const Row& row : rows) {
    EXPECT_EQ(decode_mpa(vector(row.name), row.frame.kind), row.frame) << row.name;
    Octets room(kMpaFrameBytesMax);
    ByteWriter out(room);
    encode(row.frame, out);
    EXPECT_EQ(to_hex(out.written()), to_hex(vector(row.name))) << row.name;
  }
}

// The v2 conversation through the two handshakes: same settings, same octets.
TEST(Vectors, TheHandshakesSpeakTheV2Conversation) {
  const auto ascii = [](std::string_view text) {
    return Bytes{reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
  };
  InitiatorHandshake initiator({}, {4, 2}, ascii("ULP1"));
  Octets room(kMpaFrameBytesMax);
  EXPECT_EQ(to_hex(Bytes(room).first(initiator.request(room))), to_hex(vector("mpa-v2-request")));
  initiator.feed(vector("mpa-v2-reply"));
  ASSERT_EQ(initiator.state(), InitiatorHandshake::State::accepted);
  EXPECT_EQ(initiator.result().limits, (ReadLimits{4, 2}));
  EXPECT_EQ(initiator.result().peer, (ReadLimits{2, 4}));
  EXPECT_EQ(initiator.result().rtr_to_send, Rtr::write);
  EXPECT_EQ(to_hex(initiator.private_data()), to_hex(ascii("OK")));

  InitiatorHandshake refused({}, {16, 16}, {});
  refused.feed(vector("mpa-v2-reject"));
  EXPECT_EQ(refused.state(), InitiatorHandshake::State::rejected);
  EXPECT_EQ(refused.result().peer, (ReadLimits{16, 32}));
  EXPECT_EQ(to_hex(refused.private_data()), to_hex(ascii("NO!")));

  ResponderHandshake responder({});
  responder.feed(vector("mpa-v2-request-rtr-read"));
  EXPECT_EQ(to_hex(Bytes(room).first(responder.accept({1, 1}, {}, room))), to_hex(vector("mpa-v2-reply-rtr-read")));
}

// One segment: the message it belongs to, and which part of it.
struct SegmentVector {
  const char* name;
  TxMessage message;
  std::uint32_t offset, mulpdu;
  const char* payload;
};
const SegmentVector kSegments[] = {
    {"rdma-write-5", {Opcode::write, 5, 0x12345600, 0x1000, 0}, 0, 1000, "48656c6c6f"},
    {"send-invalidate", {Opcode::send_invalidate, 4, 0x12345600, 0, 1}, 0, 1000, "01020304"},
    {"read-response", {Opcode::read_response, 6, 0xAABBCC00, 0x2000, 0}, 0, 1000, "48656c6c6f21"},
    {"send", {Opcode::send, 7, 0, 0, 2}, 0, 1000, "7061796c6f6164"},
    {"send-se-seg1", {Opcode::send_solicited, 11, 0, 0, 3}, 0, 26, "0001020304050607"},
    {"send-se-seg2", {Opcode::send_solicited, 11, 0, 0, 3}, 8, 26, "08090a"},
    {"send-se-invalidate-0", {Opcode::send_solicited_invalidate, 0, 0x12345601, 0, 4}, 0, 1000, ""},
    {"write-bad-stag", {Opcode::write, 5, 0xDEADBE00, 0x1000, 0}, 0, 1000, "48656c6c6f"},
    {"rtr-write-0", {Opcode::write, 0, 1, 0, 0}, 0, 1000, ""},
    {"read-response-0", {Opcode::read_response, 0, 1, 0, 0}, 0, 1000, ""},
};

TEST(Vectors, SegmentsAreCutToTheirOctets) {
  for (const SegmentVector& row : kSegments) {
    Wire wire;
    TxFramer framer(true, false);
    const Octets payload = test::from_hex(row.payload);
    const auto cut = framer.begin(row.message, row.offset, row.mulpdu, wire.list);
    EXPECT_EQ(cut.payload_bytes, payload.size()) << row.name;
    EXPECT_EQ(cut.last, row.offset + payload.size() == row.message.length_bytes);
    framer.payload({payload.data(), payload.size()}, wire.list);
    framer.finish(wire.list);
    EXPECT_EQ(to_hex(wire.octets()), to_hex(vector(row.name))) << row.name;
  }
}

TEST(Vectors, SegmentsAreReadToTheirFields) {
  std::optional<MemoryTarget> target;
  std::optional<RxStream> stream;
  for (const SegmentVector& row : kSegments) {
    if (row.offset == 0) {
      target.emplace();
      for (Stag stag : {0x12345600u, 0xAABBCC00u, 0xDEADBE00u})
        target->regions[stag] = {0x1000, Octets(0x2000)};
      stream.emplace(*target, RxSettings{.verify_before_place = {}, .first_send_msn = row.message.msn});
    }
    EXPECT_EQ(stream->consume(vector(row.name)).status, RxResult::Status::more) << row.name;
    const Octets payload = test::from_hex(row.payload);
    Segment expected;
    expected.opcode = row.message.opcode;
    expected.first = row.offset == 0;
    expected.last = row.offset + payload.size() == row.message.length_bytes;
    expected.payload_bytes = static_cast<std::uint32_t>(payload.size());
    expected.message_offset_bytes = row.offset;
    if (is_tagged(row.message.opcode)) {
      expected.stag = row.message.stag;
      expected.to_bytes = row.message.to_bytes;
    } else {
      expected.msn = row.message.msn;
      expected.invalidate_stag = row.message.stag;
    }
    ASSERT_FALSE(target->begun.empty()) << row.name;
    EXPECT_EQ(target->begun.back(), expected) << row.name;
    if (!payload.empty() && is_tagged(row.message.opcode)) {
      const Octets& memory = target->regions[row.message.stag].octets;
      EXPECT_EQ(to_hex(Bytes(memory).subspan(row.message.to_bytes - 0x1000, payload.size())), row.payload);
    }
    if (expected.last && is_send(row.message.opcode)) {
      EXPECT_TRUE(to_hex(target->sends.back()).ends_with(row.payload));
      EXPECT_EQ(target->sends.back().size(), row.message.length_bytes);
    }
  }
}

TEST(Vectors, ReadRequestsBothWays) {
  struct Row {
    const char* name;
    ReadRequestHeader header;
  };
  const Row rows[] = {
      {"read-request", {0xAABBCC00, 0x2000, 6, 0x12345600, 0x1000}},
      {"read-bad-stag", {0xAABBCC00, 0x2000, 64, 0xDEADBE00, 0x1000}},
      {"rtr-read-0", {1, 0, 0, 1, 0}},
  };
  for (const Row& row : rows) {
    Wire wire;
    TxFramer framer(true, false);
    framer.append_read_request(row.header, 1, wire.list);
    EXPECT_EQ(to_hex(wire.octets()), to_hex(vector(row.name)));
    MemoryTarget target;
    RxStream stream(target, {});
    EXPECT_EQ(stream.consume(vector(row.name)).status, RxResult::Status::more);
    ASSERT_EQ(target.read_requests.size(), 1u);
    EXPECT_EQ(target.read_requests[0], (ReadRequest{1, row.header}));
  }
}

TEST(Vectors, RtrKinds) {
  for (const auto& [rtr, name] : {std::pair{Rtr::write, "rtr-write-0"}, std::pair{Rtr::read, "rtr-read-0"}}) {
    Wire wire;
    TxFramer framer(true, false);
    TxSequence sequence;
    append_rtr(rtr, sequence, framer, wire.list);
    EXPECT_EQ(to_hex(wire.octets()), to_hex(vector(name)));
  }
}

// What the peer sent, what that makes of it, and the answer on the wire.
TEST(Vectors, TerminatesAnswerWhatProvokedThem) {
  struct Row {
    const char* provocation;
    const char* answer;
    TerminateCode code;
    std::optional<TerminateCode> reject_read;
  };
  const Row rows[] = {
      {"write-bad-stag", "terminate-ddp-stag", terminate_code::kTaggedInvalidStag, {}},
      {"read-bad-stag", "terminate-rdmap-stag", terminate_code::kReadInvalidStag, terminate_code::kReadInvalidStag},
      {"rdma-write-5", "terminate-mpa-crc", terminate_code::kMpaCrc, {}},
  };
  for (const Row& row : rows) {
    MemoryTarget target;
    target.reject_read = row.reject_read;
    RxStream stream(target, {});
    Octets octets = vector(row.provocation);
    if (row.code == terminate_code::kMpaCrc) octets.back() ^= 1;
    const RxResult result = stream.consume(octets);
    ASSERT_EQ(result.status, RxResult::Status::failed);
    EXPECT_EQ(result.failure.code, row.code);
    Wire wire;
    TxFramer framer(true, false);
    framer.append_terminate(result.failure, wire.list);
    EXPECT_EQ(to_hex(wire.octets()), to_hex(vector(row.answer)));

    MemoryTarget sender;
    RxStream back(sender, {});
    EXPECT_EQ(back.consume(vector(row.answer)).status, RxResult::Status::terminated);
    ASSERT_TRUE(sender.terminate);
    EXPECT_TRUE(sender.terminate->well_formed);
    EXPECT_EQ(sender.terminate->terminate, result.failure);
  }
}

TEST(Vectors, TheTerminateOfARealSiw) {
  MemoryTarget target;
  RxStream stream(target, {});
  EXPECT_EQ(stream.consume(vector("siw-terminate-ddp-stag")).status, RxResult::Status::terminated);
  ASSERT_TRUE(target.terminate && target.terminate->well_formed);
  const Terminate& terminate = target.terminate->terminate;
  EXPECT_EQ(terminate.code, terminate_code::kTaggedInvalidStag);
  EXPECT_EQ(terminate.segment_bytes, 5) << "siw puts the payload's length there";
  EXPECT_EQ(to_hex(terminate.copied_headers()), "c140deadbe000000000000001000");
}

TEST(Vectors, MarkedFpdusBothWays) {
  const Octets zeros(24);
  Wire wire;
  TxFramer framer(true, true);
  append_message(framer, {Opcode::send, 24, 0, 0, 1}, zeros, 1000, wire.list);
  EXPECT_EQ(to_hex(wire.octets()), to_hex(vector("marker-first-fpdu")));
  wire.list.clear();
  // Bring the stream to offset 492, where the second vector starts, with one FPDU of 440 octets: no marker is due in
  // it.
  append_message(framer, {Opcode::send, 416, 0, 0, 2}, Octets(416), 1000, wire.list);
  EXPECT_EQ(wire.list.bytes(), 440u);
  wire.list.clear();
  append_message(framer, {Opcode::send, 24, 0, 0, 2}, zeros, 1000, wire.list);
  EXPECT_EQ(to_hex(wire.octets()), to_hex(vector("marker-mid-fpdu")));

  for (const auto& [name, position] : {std::pair{"marker-first-fpdu", 0}, std::pair{"marker-mid-fpdu", 492}}) {
    MarkedFpduReader reader(true, static_cast<std::uint64_t>(position));
    Octets ulpdu(kUlpduBytesMax);
    const auto frame = reader.next(vector(name), ulpdu);
    ASSERT_TRUE(frame) << name;
    EXPECT_EQ(frame->consumed_bytes, 52u);
    EXPECT_EQ(frame->ulpdu_bytes, 42u);
    EXPECT_EQ(frame->markers, 1u);
    ByteReader in(ulpdu);
    EXPECT_EQ(decode_untagged(in), (UntaggedDdpHeader{true, 0x43, 0, 0, position == 0 ? 1u : 2u, 0}));
  }
}

TEST(Vectors, EveryFpduVectorHasAGoodCrc) {
  for (const std::string& name : test::vector_names()) {
    if (name.starts_with("mpa-") || name.starts_with("marker-")) continue;
    const Octets& octets = vector(name);
    EXPECT_EQ(to_hex(test::fpdu_of(test::ulpdu_of(octets))), to_hex(octets)) << name;
  }
}

}  // namespace
}  // namespace softndk::iwarp
