#include "iwarp/mpa_handshake.h"

#include <gtest/gtest.h>

#include "wire_builder.h"

namespace softndk::iwarp {
namespace {

using test::Octets;
using Initiator = InitiatorHandshake;
using Responder = ResponderHandshake;

constexpr HandshakeSettings kDefaults{};

Octets request_of(const Initiator& initiator) {
  Octets room(kMpaFrameBytesMax);
  room.resize(initiator.request(room));
  return room;
}
Octets accept_of(Responder& responder, ReadLimits wanted, Bytes private_data = {}) {
  Octets room(kMpaFrameBytesMax);
  room.resize(responder.accept(wanted, private_data, room));
  return room;
}
Octets reject_of(Responder& responder, Bytes private_data = {}) {
  Octets room(kMpaFrameBytesMax);
  room.resize(responder.reject(private_data, room));
  return room;
}
Octets encoded(const MpaFrame& frame) {
  Octets room(kMpaFrameBytesMax);
  ByteWriter out(room);
  encode(frame, out);
  room.resize(out.size());
  return room;
}
MpaFrame decoded(const Octets& octets, MpaKind kind) {
  return decode_mpa(octets, kind).value();
}

MpaFrame enhanced_frame(MpaKind kind, MpaEnhanced enhanced) {
  MpaFrame frame;
  frame.kind = kind;
  frame.crc = true;
  frame.revision = 2;
  frame.enhanced = enhanced;
  return frame;
}
MpaFrame plain_frame(MpaKind kind, std::uint8_t revision) {
  MpaFrame frame;
  frame.kind = kind;
  frame.crc = true;
  frame.revision = revision;
  return frame;
}

// Both ends with their settings; what each ends up with.
struct Outcome {
  HandshakeResult initiator, responder;
  ReadLimits offered;
};
Outcome shake(const HandshakeSettings& a, ReadLimits a_wants, const HandshakeSettings& b, ReadLimits b_wants) {
  Initiator initiator(a, a_wants, {});
  Responder responder(b);
  responder.feed(request_of(initiator));
  EXPECT_EQ(responder.state(), Responder::State::requested);
  const ReadLimits offered = responder.offered_limits();
  initiator.feed(accept_of(responder, b_wants));
  EXPECT_EQ(initiator.state(), Initiator::State::accepted);
  return {initiator.result(), responder.result(), offered};
}

TEST(Rfc6581_9_2, TheDefaultRequestIsEnhancedWithWriteAndRead) {
  const MpaFrame request = decoded(request_of(Initiator(kDefaults, {16, 16}, {})), MpaKind::request);
  EXPECT_EQ(request.revision, 2);
  EXPECT_TRUE(request.crc);
  EXPECT_FALSE(request.markers);
  EXPECT_FALSE(request.reject);
  EXPECT_EQ(request.enhanced, (MpaEnhanced{true, {.write = true, .read = true}, 16, 16}));
}

TEST(Rfc6581_9_2, RtrNeverAsksForTheClientServerModel) {
  HandshakeSettings settings;
  settings.rtr = RtrPolicy::never;
  const MpaFrame request = decoded(request_of(Initiator(settings, {16, 16}, {})), MpaKind::request);
  EXPECT_EQ(request.enhanced, (MpaEnhanced{false, {}, 16, 16}));
  const Outcome outcome = shake(settings, {1, 1}, kDefaults, {1, 1});
  EXPECT_FALSE(outcome.initiator.rtr_agreed);
  EXPECT_FALSE(outcome.responder.rtr_agreed);
}

TEST(Rfc6581_9_2, TwoOfOursAgreeOnAZeroLengthWrite) {
  const Outcome outcome = shake(kDefaults, {16, 16}, kDefaults, {16, 16});
  EXPECT_TRUE(outcome.initiator.rtr_agreed);
  EXPECT_TRUE(outcome.responder.rtr_agreed);
  EXPECT_EQ(outcome.initiator.rtr_to_send, Rtr::write);
  EXPECT_EQ(outcome.responder.rtr_to_send, Rtr::none);
}

TEST(Rfc6581_9_2, EveryReplyToOurRtrOffer) {
  for (unsigned bits = 0; bits < 16; ++bits) {
    const bool peer_to_peer = bits & 8;
    const RtrKinds kinds{.send = (bits & 4) != 0, .write = (bits & 2) != 0, .read = (bits & 1) != 0};
    for (std::uint32_t ord : {0u, 1u}) {
      Initiator initiator(kDefaults, {1, ord}, {});
      initiator.feed(encoded(enhanced_frame(MpaKind::reply, {peer_to_peer, kinds, 1, 1})));
      if (!peer_to_peer) {
        EXPECT_EQ(initiator.state(), Initiator::State::accepted);
        EXPECT_FALSE(initiator.result().rtr_agreed);
      } else if (kinds.write) {
        EXPECT_EQ(initiator.result().rtr_to_send, Rtr::write);
      } else if (kinds.read && ord >= 1) {
        EXPECT_EQ(initiator.result().rtr_to_send, Rtr::read);
      } else {
        EXPECT_EQ(initiator.state(), Initiator::State::failed);
        EXPECT_EQ(initiator.failure(), HandshakeFailure::no_common_rtr);
        EXPECT_EQ(initiator.terminate(), terminate_code::kMpaNoMatchingRtr);
      }
    }
  }
}

TEST(Rfc6581_9_2, OurReplyToEveryRtrOffer) {
  for (unsigned bits = 0; bits < 16; ++bits) {
    const bool peer_to_peer = bits & 8;
    const RtrKinds kinds{.send = (bits & 4) != 0, .write = (bits & 2) != 0, .read = (bits & 1) != 0};
    Responder responder(kDefaults);
    responder.feed(encoded(enhanced_frame(MpaKind::request, {peer_to_peer, kinds, 4, 4})));
    const auto reply = decoded(accept_of(responder, {4, 4}), MpaKind::reply).enhanced.value();
    EXPECT_EQ(reply.peer_to_peer, peer_to_peer);
    EXPECT_EQ(responder.result().rtr_agreed, peer_to_peer);
    RtrKinds expected{.write = kinds.write, .read = kinds.read};
    if (!expected.any()) expected.write = true;
    if (!peer_to_peer) expected = {};
    EXPECT_EQ(reply.rtr, expected) << bits;
  }
}

TEST(Rfc6581_9_2, AReadRtrHasAReadToUse) {
  Responder responder(kDefaults);
  responder.feed(encoded(enhanced_frame(MpaKind::request, {true, {.read = true}, 4, 4})));
  const auto reply = decoded(accept_of(responder, {0, 4}), MpaKind::reply).enhanced.value();
  EXPECT_TRUE(reply.rtr.read);
  EXPECT_EQ(reply.ird, 1);
  EXPECT_EQ(responder.result().limits.ird, 1u);
}

TEST(Rfc6581_9_2, WithoutReadsOnlyWriteIsNamed) {
  Responder responder(kDefaults);
  responder.feed(encoded(enhanced_frame(MpaKind::request, {true, {.write = true, .read = true}, 4, 4})));
  const auto reply = decoded(accept_of(responder, {0, 4}), MpaKind::reply).enhanced.value();
  EXPECT_EQ(reply.rtr, (RtrKinds{.write = true}));
  EXPECT_EQ(reply.ird, 0);
  EXPECT_EQ(responder.result().ird_slots, 1u) << "an unannounced zero-length Read still finds room";
}

TEST(Rfc5044_7_1_1, CrcIsOnIfEitherSideWantsIt) {
  for (bool a : {false, true}) {
    for (bool b : {false, true}) {
      HandshakeSettings initiator, responder;
      initiator.crc = a;
      responder.crc = b;
      const Outcome outcome = shake(initiator, {1, 1}, responder, {1, 1});
      EXPECT_EQ(outcome.initiator.crc, a || b);
      EXPECT_EQ(outcome.responder.crc, a || b);
    }
  }
}

TEST(Rfc5044_7_1_1, MarkersGoWhereThePeerAskedForThem) {
  for (bool asked : {false, true}) {
    MpaFrame reply = plain_frame(MpaKind::reply, 1);
    reply.markers = asked;
    HandshakeSettings first;
    first.revision = 1;
    Initiator initiator(first, {1, 1}, {});
    initiator.feed(encoded(reply));
    EXPECT_EQ(initiator.result().markers_to_send, asked);

    MpaFrame request = plain_frame(MpaKind::request, 1);
    request.markers = asked;
    Responder responder(kDefaults);
    responder.feed(encoded(request));
    EXPECT_FALSE(decoded(accept_of(responder, {1, 1}), MpaKind::reply).markers) << "we never ask for them";
    EXPECT_EQ(responder.result().markers_to_send, asked);
  }
}

TEST(Rfc6581_10, TheReplyHasTheRequestsForm) {
  for (std::uint8_t revision : {1, 2}) {
    Responder responder(kDefaults);
    responder.feed(encoded(plain_frame(MpaKind::request, revision)));
    const MpaFrame reply = decoded(accept_of(responder, {4, 4}), MpaKind::reply);
    EXPECT_EQ(reply.revision, revision);
    EXPECT_FALSE(reply.enhanced);
    EXPECT_FALSE(responder.result().peer);
    EXPECT_EQ(responder.result().limits, (ReadLimits{4, 4}));
    EXPECT_FALSE(responder.result().rtr_agreed);
  }
}

TEST(Rfc6581_10, AResponderOfRevisionOneFindsRevisionTwoMalformed) {
  HandshakeSettings old;
  old.revision = 1;
  Responder responder(old);
  responder.feed(request_of(Initiator(kDefaults, {1, 1}, {})));
  EXPECT_EQ(responder.state(), Responder::State::failed);
  EXPECT_EQ(responder.failure(), HandshakeFailure::bad_frame);
  EXPECT_EQ(responder.mpa_error(), MpaError::unsupported_revision);
}

TEST(Rfc6581_10, AnInitiatorOfRevisionOneSendsThePlainForm) {
  HandshakeSettings old;
  old.revision = 1;
  const Octets private_data = test::pattern(512);
  Initiator initiator(old, {3, 4}, private_data);
  const MpaFrame request = decoded(request_of(initiator), MpaKind::request);
  EXPECT_EQ(request.revision, 1);
  EXPECT_FALSE(request.enhanced);
  EXPECT_EQ(request.private_data.bytes().size(), 512u);
  initiator.feed(encoded(plain_frame(MpaKind::reply, 1)));
  EXPECT_EQ(initiator.state(), Initiator::State::accepted);
  EXPECT_EQ(initiator.result().limits, (ReadLimits{3, 4}));
  EXPECT_FALSE(initiator.result().peer);
}

TEST(Rfc6581_10, RepliesThatDoNotFitTheRequest) {
  struct Row {
    std::uint8_t request_revision;
    MpaFrame reply;
    HandshakeFailure failure;
  };
  const Row rows[] = {
      {1, plain_frame(MpaKind::reply, 2), HandshakeFailure::revision_raised},
      {2, plain_frame(MpaKind::reply, 1), HandshakeFailure::not_enhanced},
      {2, plain_frame(MpaKind::reply, 2), HandshakeFailure::not_enhanced},
  };
  for (const Row& row : rows) {
    HandshakeSettings settings;
    settings.revision = row.request_revision;
    Initiator initiator(settings, {1, 1}, {});
    initiator.feed(encoded(row.reply));
    EXPECT_EQ(initiator.state(), Initiator::State::failed);
    EXPECT_EQ(initiator.failure(), row.failure);
    EXPECT_EQ(initiator.terminate(), std::nullopt) << "no full operation: TCP is just closed";
  }
}

TEST(Rfc5044_7_1_2, MalformedFramesEndTheHandshakeOnBothSides) {
  const auto break_frame = [](Octets frame, std::size_t at, std::uint8_t value) {
    frame[at] = value;
    return frame;
  };
  const Octets request = request_of(Initiator(kDefaults, {1, 1}, {}));
  const Octets reply = encoded(enhanced_frame(MpaKind::reply, {}));
  for (std::size_t at : {0u, 9u, 17u, 18u}) {
    Responder responder(kDefaults);
    responder.feed(break_frame(request, at, 0xFE));
    EXPECT_EQ(responder.failure(), HandshakeFailure::bad_frame) << at;
    Initiator initiator(kDefaults, {1, 1}, {});
    initiator.feed(break_frame(reply, at, 0xFE));
    EXPECT_EQ(initiator.failure(), HandshakeFailure::bad_frame) << at;
    EXPECT_EQ(initiator.terminate(), std::nullopt);
  }
}

TEST(Rfc5044_7_1, TwoInitiatorsNoticeEachOther) {
  Initiator a(kDefaults, {1, 1}, {});
  Initiator b(kDefaults, {1, 1}, {});
  a.feed(request_of(b));
  EXPECT_EQ(a.state(), Initiator::State::failed);
  EXPECT_EQ(a.mpa_error(), MpaError::wrong_key);
}

TEST(Rfc5044_7_1_2, FramesArriveInAnySegmentation) {
  const Octets hello = test::pattern(20);
  for (std::size_t split = 0; split <= 44; ++split) {
    Initiator initiator(kDefaults, {16, 16}, hello);
    const Octets request = request_of(initiator);
    ASSERT_EQ(request.size(), 44u);
    Responder responder(kDefaults);
    responder.feed(Bytes(request).first(split));
    EXPECT_EQ(responder.state(), split < 44 ? Responder::State::waiting : Responder::State::requested);
    responder.feed(Bytes(request).subspan(split));
    ASSERT_EQ(responder.state(), Responder::State::requested);
    EXPECT_EQ(test::to_hex(responder.private_data()), test::to_hex(hello));

    const Octets reply = accept_of(responder, {16, 16}, hello);
    EXPECT_EQ(initiator.feed(Bytes(reply).first(split)), split);
    EXPECT_EQ(initiator.feed(Bytes(reply).subspan(split)), reply.size() - split);
    ASSERT_EQ(initiator.state(), Initiator::State::accepted);
    EXPECT_EQ(test::to_hex(initiator.private_data()), test::to_hex(hello));
  }
}

TEST(Rfc5044_7_1_2, OctetsBehindTheRequestAreAnError) {
  const Octets request = request_of(Initiator(kDefaults, {1, 1}, {}));
  Responder at_once(kDefaults);
  at_once.feed(test::concat({request, {0}}));
  EXPECT_EQ(at_once.failure(), HandshakeFailure::trailing_octets);
  Responder later(kDefaults);
  later.feed(request);
  later.feed({});
  EXPECT_EQ(later.state(), Responder::State::requested);
  later.feed(Octets{0});
  EXPECT_EQ(later.failure(), HandshakeFailure::trailing_octets);
  Responder flooded(kDefaults);
  flooded.feed(test::concat({request, Octets(5000)}));
  EXPECT_EQ(flooded.failure(), HandshakeFailure::trailing_octets);
}

TEST(Rfc5044_7_1_2, OctetsBehindTheReplyAreLeftForTheFpduStream) {
  Initiator initiator(kDefaults, {1, 1}, {});
  Octets reply = encoded(enhanced_frame(MpaKind::reply, {true, {.write = true}, 1, 1}));
  const std::size_t frame_bytes = reply.size();
  reply.resize(frame_bytes + 700, 0xEE);
  EXPECT_EQ(initiator.feed(Bytes(reply).first(10)), 10u);
  EXPECT_EQ(initiator.feed(Bytes(reply).subspan(10)), frame_bytes - 10);
  EXPECT_EQ(initiator.state(), Initiator::State::accepted);
  EXPECT_EQ(initiator.feed(Bytes(reply).subspan(frame_bytes)), 0u);
}

TEST(Rfc5044_7_1_2, RejectCarriesThePrivateDataAndTheForm) {
  Initiator initiator(kDefaults, {1, 1}, {});
  Responder responder(kDefaults);
  responder.feed(request_of(initiator));
  const Octets no{'N', 'O'};
  const Octets reply = reject_of(responder, no);
  EXPECT_TRUE(decoded(reply, MpaKind::reply).reject);
  EXPECT_TRUE(decoded(reply, MpaKind::reply).enhanced);
  initiator.feed(reply);
  EXPECT_EQ(initiator.state(), Initiator::State::rejected);
  EXPECT_EQ(test::to_hex(initiator.private_data()), test::to_hex(no));
  EXPECT_TRUE(initiator.result().peer) << "the raw limits are reported for a reject, too (RFC 6581 9.1)";
}

TEST(Rfc5044_7_1_1, RejectMeansNothingInARequest) {
  MpaFrame request = enhanced_frame(MpaKind::request, {false, {}, 1, 1});
  request.reject = true;
  Responder responder(kDefaults);
  responder.feed(encoded(request));
  EXPECT_EQ(responder.state(), Responder::State::requested);
  EXPECT_FALSE(decoded(accept_of(responder, {1, 1}), MpaKind::reply).reject);
}

// siw sends the Request's flag octet back with all its reserved bits.
TEST(SiwHandshake, EchoedReservedBitsDoNotMatter) {
  Initiator initiator(kDefaults, {1, 1}, {});
  Octets reply = encoded(enhanced_frame(MpaKind::reply, {true, {.write = true}, 1, 1}));
  reply[16] |= 0x0F;
  initiator.feed(reply);
  EXPECT_EQ(initiator.state(), Initiator::State::accepted);
}

// rping over siw: C=0, client-server, one Read each way. Our C=1 is how CRC gets on.
TEST(SiwHandshake, ItsRequestGetsCrcAndNoRtr) {
  MpaFrame request = enhanced_frame(MpaKind::request, {false, {}, 1, 1});
  request.crc = false;
  Responder responder(kDefaults);
  responder.feed(encoded(request));
  const MpaFrame reply = decoded(accept_of(responder, {16, 16}), MpaKind::reply);
  EXPECT_TRUE(reply.crc);
  EXPECT_EQ(reply.enhanced, (MpaEnhanced{false, {}, 1, 1}));
  EXPECT_TRUE(responder.result().crc);
  EXPECT_FALSE(responder.result().rtr_agreed);
}

// 6.1: it prefers Write when we offer both.
TEST(SiwHandshake, ItsReplyToOurRequestIsTaken) {
  Initiator initiator(kDefaults, {16, 16}, {});
  initiator.feed(encoded(enhanced_frame(MpaKind::reply, {true, {.write = true}, 16, 16})));
  EXPECT_EQ(initiator.state(), Initiator::State::accepted);
  EXPECT_EQ(initiator.result().rtr_to_send, Rtr::write);
}

// A row: what each side asks for and may have, and what both end up with.
struct LimitsRow {
  ReadLimits a_wants, a_max, b_wants, b_max;
};
TEST(R_RL_01, LimitsAreTheSmallestOfRequestMaximumAndPeer) {
  std::vector<LimitsRow> rows;
  for (std::uint32_t a_ird : {0u, 1u, 16u, 128u}) {
    for (std::uint32_t a_ord : {0u, 1u, 16u, 128u}) {
      for (std::uint32_t b : {0u, 1u, 7u, 128u}) {
        for (std::uint32_t max : {1u, 8u, 128u}) {
          rows.push_back({{a_ird, a_ord}, {128, 128}, {b, b}, {max, max}});
          rows.push_back({{a_ird, a_ord}, {max, max}, {b, 128 - b}, {128, 128}});
        }
      }
    }
  }
  for (const LimitsRow& row : rows) {
    HandshakeSettings a, b;
    a.maxima = row.a_max;
    b.maxima = row.b_max;
    const Outcome outcome = shake(a, row.a_wants, b, row.b_wants);
    const std::uint32_t a_in = std::min({row.a_wants.ird, row.a_max.ird, row.b_wants.ord, row.b_max.ord});
    const std::uint32_t a_out = std::min({row.a_wants.ord, row.a_max.ord, row.b_wants.ird, row.b_max.ird});
    EXPECT_EQ(outcome.initiator.limits, (ReadLimits{a_in, a_out}));
    EXPECT_EQ(outcome.responder.limits, (ReadLimits{a_out, a_in})) << "R-RL-03: in(A) = out(B), out(A) = in(B)";
    EXPECT_GE(outcome.responder.ird_slots, 1u);
  }
}

TEST(R_RL_02, RequestsAboveTheMaximumAreCappedSilently) {
  const Outcome outcome = shake(kDefaults, {UINT32_MAX, UINT32_MAX}, kDefaults, {UINT32_MAX, UINT32_MAX});
  EXPECT_EQ(outcome.initiator.limits, (ReadLimits{128, 128}));
  EXPECT_EQ(outcome.responder.limits, (ReadLimits{128, 128}));
  HandshakeSettings boundless;
  boundless.maxima = {UINT32_MAX, UINT32_MAX};
  const auto request = decoded(request_of(Initiator(boundless, {UINT32_MAX, UINT32_MAX}, {})), MpaKind::request);
  EXPECT_EQ(request.enhanced->ird, kReadLimitWireMax) << "0x3FFF would mean something else";
  EXPECT_EQ(request.enhanced->ord, kReadLimitWireMax);
}

TEST(R_RL_03, BeforeAcceptTheOfferIsThePeersCappedToTheMaxima) {
  HandshakeSettings responder;
  responder.maxima = {8, 4};
  EXPECT_EQ(shake(kDefaults, {6, 16}, responder, {1, 1}).offered, (ReadLimits{8, 4}));
  EXPECT_EQ(shake(kDefaults, {3, 2}, responder, {1, 1}).offered, (ReadLimits{2, 3}));
}

TEST(Rfc6581_9_1, UnnegotiatedFieldsAreAnsweredInKindAndBindNothing) {
  Responder responder(kDefaults);
  responder.feed(encoded(enhanced_frame(MpaKind::request, {false, {}, 0x3FFF, 0x3FFF})));
  const auto reply = decoded(accept_of(responder, {5, 6}), MpaKind::reply).enhanced.value();
  EXPECT_EQ(reply.ird, 0x3FFF);
  EXPECT_EQ(reply.ord, 0x3FFF);
  EXPECT_EQ(responder.result().limits, (ReadLimits{5, 6}));

  Responder half(kDefaults);
  half.feed(encoded(enhanced_frame(MpaKind::request, {false, {}, 3, 0x3FFF})));
  const auto half_reply = decoded(accept_of(half, {5, 6}), MpaKind::reply).enhanced.value();
  EXPECT_EQ(half_reply.ird, 0x3FFF);
  EXPECT_EQ(half_reply.ord, 3);
  EXPECT_EQ(half.result().limits, (ReadLimits{5, 3}));

  Initiator initiator(kDefaults, {5, 6}, {});
  initiator.feed(encoded(enhanced_frame(MpaKind::reply, {true, {.write = true}, 0x3FFF, 0x3FFF})));
  EXPECT_EQ(initiator.state(), Initiator::State::accepted);
  EXPECT_EQ(initiator.result().limits, (ReadLimits{5, 6}));
}

TEST(Rfc6581_9_1, AnInitiatorFollowsAReplyUpToItsMaximumAndNoFurther) {
  HandshakeSettings settings;
  settings.maxima = {32, 32};
  for (std::uint16_t ord : {4, 5, 32, 33, 0x3FFE}) {
    Initiator initiator(settings, {4, 4}, {});
    initiator.feed(encoded(enhanced_frame(MpaKind::reply, {true, {.write = true}, 4, ord})));
    if (ord <= 32) {
      EXPECT_EQ(initiator.state(), Initiator::State::accepted) << ord;
      EXPECT_EQ(initiator.result().limits.ird, ord);
      EXPECT_EQ(initiator.result().ird_slots, ord);
    } else {
      EXPECT_EQ(initiator.failure(), HandshakeFailure::insufficient_ird) << ord;
      EXPECT_EQ(initiator.terminate(), terminate_code::kMpaInsufficientIrd);
    }
  }
}

TEST(Rfc6581_9_1, AnInitiatorThatWantsNoReadsIsOfferedOne) {
  Responder responder(kDefaults);
  responder.feed(encoded(enhanced_frame(MpaKind::request, {true, {.write = true, .read = true}, 4, 0})));
  const auto reply = decoded(accept_of(responder, {4, 4}), MpaKind::reply).enhanced.value();
  EXPECT_EQ(reply.ird, 1);
  EXPECT_EQ(responder.result().limits.ird, 0u);
  EXPECT_EQ(responder.result().ird_slots, 1u);
}

TEST(Rfc6581_9, PrivateDataUpToTheFramesLimit) {
  EXPECT_EQ(private_data_max(1), 512u);
  EXPECT_EQ(private_data_max(2), 508u);
  const Octets most = test::pattern(508);
  Initiator initiator(kDefaults, {1, 1}, most);
  Responder responder(kDefaults);
  responder.feed(request_of(initiator));
  EXPECT_EQ(test::to_hex(responder.private_data()), test::to_hex(most));
  EXPECT_EQ(responder.private_data_max(), 508u);
  initiator.feed(accept_of(responder, {1, 1}, most));
  EXPECT_EQ(test::to_hex(initiator.private_data()), test::to_hex(most));
}

}  // namespace
}  // namespace softndk::iwarp
