#include "iwarp/ddp_header.h"

#include <gtest/gtest.h>

#include "wire_builder.h"

namespace softndk::iwarp {
namespace {

using test::from_hex;
using test::Octets;
using test::to_hex;

template <class Header>
std::string encoded(const Header& header) {
  std::uint8_t room[Header::kWireBytes];
  ByteWriter out(room);
  encode(header, out);
  EXPECT_EQ(out.size(), Header::kWireBytes);
  return to_hex(out.written());
}

const TaggedDdpHeader kTagged{true, 0x40, 0x12345600, 0x8000000000001000};
const std::string kTaggedHex = "c140123456008000000000001000";
const UntaggedDdpHeader kUntagged{false, 0x44, 0x12345601, 2, 0xFFFFFFFF, 0x01020304};
const std::string kUntaggedHex = "01441234560100000002ffffffff01020304";

TEST(Rfc5041_4_2, ExactOctetsBothWays) {
  EXPECT_EQ(encoded(kTagged), kTaggedHex);
  const Octets octets = from_hex(kTaggedHex + "ee");
  ByteReader in(octets);
  EXPECT_EQ(decode_tagged(in), kTagged);
  EXPECT_EQ(in.remaining(), 1u);
}

TEST(Rfc5041_4_3, ExactOctetsBothWays) {
  EXPECT_EQ(encoded(kUntagged), kUntaggedHex);
  const Octets octets = from_hex(kUntaggedHex + "ee");
  ByteReader in(octets);
  EXPECT_EQ(decode_untagged(in), kUntagged);
  EXPECT_EQ(in.remaining(), 1u);
}

template <class Decode>
void every_prefix_is_truncated(const std::string& hex, Decode decode) {
  const Octets octets = from_hex(hex);
  for (std::size_t size = 0; size < octets.size(); ++size) {
    ByteReader in(Bytes(octets).first(size));
    const auto header = decode(in);
    ASSERT_FALSE(header) << size;
    EXPECT_EQ(header.error(), DdpError::truncated) << size;
    EXPECT_EQ(in.remaining(), size) << "the reader moved";
  }
}
TEST(Rfc5041_4_2, EveryPrefixIsTruncated) {
  every_prefix_is_truncated(kTaggedHex, decode_tagged);
}
TEST(Rfc5041_4_3, EveryPrefixIsTruncated) {
  every_prefix_is_truncated(kUntaggedHex, decode_untagged);
}

TEST(Rfc5041_4_1, ReservedBitsAreIgnoredAndSentZero) {
  for (std::uint8_t bit : {0x20, 0x10, 0x08, 0x04}) {
    Octets tagged = from_hex(kTaggedHex);
    Octets untagged = from_hex(kUntaggedHex);
    tagged[0] |= bit;
    untagged[0] |= bit;
    ByteReader tagged_in(tagged);
    ByteReader untagged_in(untagged);
    EXPECT_EQ(decode_tagged(tagged_in), kTagged);
    EXPECT_EQ(decode_untagged(untagged_in), kUntagged);
  }
}

TEST(Rfc5041_4_1, OnlyVersionOneIsTaken) {
  for (std::uint8_t version : {0, 2, 3}) {
    Octets tagged = from_hex(kTaggedHex);
    Octets untagged = from_hex(kUntaggedHex);
    tagged[0] = static_cast<std::uint8_t>((tagged[0] & ~3) | version);
    untagged[0] = static_cast<std::uint8_t>((untagged[0] & ~3) | version);
    ByteReader tagged_in(tagged);
    ByteReader untagged_in(untagged);
    EXPECT_EQ(decode_tagged(tagged_in).error(), DdpError::unsupported_version);
    EXPECT_EQ(decode_untagged(untagged_in).error(), DdpError::unsupported_version);
    EXPECT_EQ(decode_ddp_control(tagged[0]).version, version);
  }
}

TEST(Rfc5041_4_1, TheTaggedBitChoosesTheModel) {
  const Octets tagged = from_hex(kTaggedHex);
  const Octets untagged = from_hex(kUntaggedHex);
  ByteReader tagged_in(tagged);
  ByteReader untagged_in(untagged);
  EXPECT_EQ(decode_untagged(tagged_in).error(), DdpError::wrong_model);
  EXPECT_EQ(decode_tagged(untagged_in).error(), DdpError::wrong_model);
}

TEST(Rfc5041_4_1, ControlOctetRoundTrips) {
  for (bool tagged : {false, true}) {
    for (bool last : {false, true}) {
      const DdpControl control{tagged, last, 1};
      EXPECT_EQ(decode_ddp_control(encode_ddp_control(control)), control);
    }
  }
}

}  // namespace
}  // namespace softndk::iwarp
