#include "iwarp/mpa_frame.h"

#include <gtest/gtest.h>

#include "wire_builder.h"

namespace softndk::iwarp {
namespace {

using test::from_hex;
using test::Octets;

Octets encoded(const MpaFrame& frame) {
  Octets room(kMpaFrameBytesMax);
  ByteWriter out(room);
  encode(frame, out);
  room.resize(out.size());
  return room;
}

Octets with(Octets octets, std::size_t at, std::uint8_t value) {
  octets[at] = value;
  return octets;
}

MpaFrame sample(MpaKind kind, std::uint8_t revision, std::size_t private_bytes) {
  MpaFrame frame;
  frame.kind = kind;
  frame.crc = true;
  frame.revision = revision;
  if (revision == 2) frame.enhanced = MpaEnhanced{true, {.write = true, .read = true}, 0x3FFE, 1};
  frame.private_data = PrivateData(test::pattern(private_bytes));
  return frame;
}

TEST(Rfc5044_7_1_1, RoundTripsWithEverySizeOfPrivateData) {
  for (MpaKind kind : {MpaKind::request, MpaKind::reply}) {
    for (std::size_t size : {0, 1, 508, 512}) {
      const MpaFrame frame = sample(kind, 1, size);
      const Octets octets = encoded(frame);
      EXPECT_EQ(octets.size(), 20 + size);
      EXPECT_EQ(frame.wire_bytes(), octets.size());
      EXPECT_EQ(decode_mpa(octets, kind), frame) << size;
      if (size > 508) continue;
      const MpaFrame enhanced = sample(kind, 2, size);
      EXPECT_EQ(decode_mpa(encoded(enhanced), kind), enhanced) << size;
      EXPECT_EQ(enhanced.wire_bytes(), 24 + size);
    }
  }
}

TEST(Rfc5044_7_1_1, EveryPrefixNeedsMore) {
  for (std::uint8_t revision : {1, 2}) {
    const Octets octets = encoded(sample(MpaKind::request, revision, 5));
    for (std::size_t size = 0; size < octets.size(); ++size) {
      const auto frame = decode_mpa(Bytes(octets).first(size), MpaKind::request);
      ASSERT_FALSE(frame) << size;
      EXPECT_EQ(frame.error(), MpaError::need_more) << size;
    }
  }
}

TEST(Rfc5044_7_1_1, OctetsBehindTheFrameAreLeftAlone) {
  const MpaFrame frame = sample(MpaKind::reply, 2, 3);
  const auto decoded = decode_mpa(test::concat({encoded(frame), {1, 2, 3}}), MpaKind::reply);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(*decoded, frame);
}

TEST(Rfc5044_7_1_1, EveryWrongKeyOctetIsRefusedAtOnce) {
  const Octets good = encoded(sample(MpaKind::request, 1, 0));
  for (std::size_t at = 0; at < 16; ++at) {
    const Octets bad = with(good, at, good[at] ^ 0x20);
    EXPECT_EQ(decode_mpa(bad, MpaKind::request).error(), MpaError::wrong_key) << at;
    EXPECT_EQ(decode_mpa(Bytes(bad).first(at + 1), MpaKind::request).error(), MpaError::wrong_key) << at;
  }
}

TEST(Rfc5044_7_1_1, TheOtherKindsKeyIsWrong) {
  EXPECT_EQ(decode_mpa(encoded(sample(MpaKind::request, 1, 0)), MpaKind::reply).error(), MpaError::wrong_key);
  EXPECT_EQ(decode_mpa(encoded(sample(MpaKind::reply, 2, 0)), MpaKind::request).error(), MpaError::wrong_key);
}

TEST(Rfc5044_7_1_1, OnlyRevisionsOneAndTwoAreKnown) {
  const Octets good = encoded(sample(MpaKind::request, 1, 0));
  for (std::uint8_t revision : {0, 3, 255}) {
    EXPECT_EQ(decode_mpa(with(good, 17, revision), MpaKind::request).error(), MpaError::unsupported_revision);
  }
}

TEST(Rfc5044_7_1_1, PrivateDataLengthIsBounded) {
  Octets frame = encoded(sample(MpaKind::request, 1, 0));
  for (std::uint16_t size : {513, 65535}) {
    store_be16(frame.data() + 18, size);
    EXPECT_EQ(decode_mpa(frame, MpaKind::request).error(), MpaError::private_data_too_long);
  }
  store_be16(frame.data() + 18, 512);
  EXPECT_EQ(decode_mpa(frame, MpaKind::request).error(), MpaError::need_more);
}

TEST(Rfc6581_9, EnhancedDataMustBeThereWhenSIsSet) {
  Octets frame = encoded(sample(MpaKind::reply, 2, 0));
  for (std::uint16_t size : {0, 1, 2, 3}) {
    store_be16(frame.data() + 18, size);
    EXPECT_EQ(decode_mpa(frame, MpaKind::reply).error(), MpaError::enhanced_data_missing) << size;
  }
}

TEST(Rfc5044_7_1_1, ReservedBitsAreIgnored) {
  const MpaFrame plain = sample(MpaKind::request, 1, 4);
  const Octets first = encoded(plain);
  for (std::uint8_t bit : {0x10, 0x08, 0x04, 0x02, 0x01}) {
    EXPECT_EQ(decode_mpa(with(first, 16, first[16] | bit), MpaKind::request), plain) << int{bit};
  }
  const MpaFrame enhanced = sample(MpaKind::request, 2, 4);
  const Octets second = encoded(enhanced);
  for (std::uint8_t bit : {0x08, 0x04, 0x02, 0x01}) {
    EXPECT_EQ(decode_mpa(with(second, 16, second[16] | bit), MpaKind::request), enhanced) << int{bit};
  }
}

TEST(Rfc6581_6, RevisionTwoWithoutSCarriesPlainPrivateData) {
  Octets frame = encoded(sample(MpaKind::request, 2, 4));
  frame[16] &= 0xEF;
  const auto decoded = decode_mpa(frame, MpaKind::request);
  ASSERT_TRUE(decoded);
  EXPECT_FALSE(decoded->enhanced);
  EXPECT_EQ(decoded->private_data.bytes().size(), 8u);
}

TEST(Rfc5044_7_1_1, EachFlagHasItsBit) {
  MpaFrame frame;
  EXPECT_EQ(encoded(frame)[16], 0x00);
  frame.markers = true;
  EXPECT_EQ(encoded(frame)[16], 0x80);
  frame.crc = true;
  EXPECT_EQ(encoded(frame)[16], 0xC0);
  frame.reject = true;
  EXPECT_EQ(encoded(frame)[16], 0xE0);
  frame.enhanced.emplace();
  EXPECT_EQ(encoded(frame)[16], 0xF0);
}

TEST(Rfc6581_9, EachEnhancedFieldHasItsBits) {
  struct Row {
    MpaEnhanced enhanced;
    const char* hex;
  };
  const Row rows[] = {
      {{true, {}, 0, 0}, "80000000"},
      {{false, {.send = true}, 0, 0}, "40000000"},
      {{false, {.write = true}, 0, 0}, "00008000"},
      {{false, {.read = true}, 0, 0}, "00004000"},
      {{false, {}, 0x3FFF, 0}, "3fff0000"},
      {{false, {}, 0, 0x3FFF}, "00003fff"},
  };
  for (const Row& row : rows) {
    MpaFrame frame;
    frame.enhanced = row.enhanced;
    const Octets octets = encoded(frame);
    EXPECT_EQ(test::to_hex(Bytes(octets).subspan(20)), row.hex);
    EXPECT_EQ(decode_mpa(octets, MpaKind::request), frame);
  }
}

}  // namespace
}  // namespace softndk::iwarp
