#include "iwarp/terminate.h"

#include <gtest/gtest.h>

#include "wire_builder.h"

namespace softndk::iwarp {
namespace {

using test::from_hex;
using test::Octets;
using namespace terminate_code;

Octets encoded(const Terminate& terminate) {
  Octets room(Terminate::kWireBytesMax);
  ByteWriter out(room);
  encode(terminate, out);
  EXPECT_EQ(out.size(), terminate.wire_bytes());
  room.resize(out.size());
  return room;
}

struct Row {
  TerminateCode code;
  const char* control;  // of a Terminate without headers
  bool ddp, rdma;       // what it copies of a Read Request
};
// Every row of RFC 5040 figure 9 and its extensions.
constexpr Row kRows[] = {
    {kRdmapLocalCatastrophic, "00000000", false, false},
    {kReadInvalidStag, "01000000", true, true},
    {kReadBaseOrBounds, "01010000", true, true},
    {kReadAccessRights, "01020000", true, true},
    {kReadStagNotAssociated, "01030000", true, true},
    {kReadToWrap, "01040000", true, true},
    {kInvalidateForeignStag, "01090000", true, true},
    {kProtectionUnspecified, "01ff0000", true, true},
    {kInvalidRdmapVersion, "02050000", true, false},
    {kUnexpectedOpcode, "02060000", true, false},
    {kCatastrophicStream, "02070000", true, false},
    {kCatastrophicGlobal, "02080000", true, false},
    {kInvalidateUnknownStag, "02090000", true, false},
    {kOperationUnspecified, "02ff0000", true, false},
    {kDdpLocalCatastrophic, "10000000", true, false},
    {kTaggedInvalidStag, "11000000", true, false},
    {kTaggedBaseOrBounds, "11010000", true, false},
    {kTaggedStagNotAssociated, "11020000", true, false},
    {kTaggedToWrap, "11030000", true, false},
    {kTaggedInvalidVersion, "11040000", true, false},
    {kUntaggedInvalidQueue, "12010000", true, false},
    {kUntaggedNoBuffer, "12020000", true, false},
    {kUntaggedMsnRange, "12030000", true, false},
    {kUntaggedInvalidOffset, "12040000", true, false},
    {kUntaggedTooLong, "12050000", true, false},
    {kUntaggedInvalidVersion, "12060000", true, false},
    {kMpaTcpLost, "20010000", false, false},
    {kMpaCrc, "20020000", false, false},
    {kMpaMarkerOrLength, "20030000", false, false},
    {kMpaInvalidFrame, "20040000", false, false},
    {kMpaLocalCatastrophic, "20050000", false, false},
    {kMpaInsufficientIrd, "20060000", false, false},
    {kMpaNoMatchingRtr, "20070000", false, false},
};
// These read alike in both layouts when no header tells them apart.
bool is_ambiguous(TerminateCode code) {
  return (code.layer == 0 && code.etype == 2 && code.code >= 5 && code.code <= 7) ||
         (code.layer == 2 && code.etype == 0 && code.code >= 5);
}

TEST(Rfc5040_4_8, EveryCodeHasItsControlWord) {
  for (const Row& row : kRows) {
    EXPECT_TRUE(is_defined(row.code));
    const Terminate terminate = make_terminate(row.code);
    EXPECT_EQ(test::to_hex(encoded(terminate)), row.control);
    const bool first_fpdu = row.code.layer == 2;
    EXPECT_EQ(decode_terminate(encoded(terminate), first_fpdu), terminate) << row.control;
    if (!is_ambiguous(row.code)) {
      EXPECT_EQ(decode_terminate(encoded(terminate), !first_fpdu), terminate) << row.control;
    }
  }
}

TEST(Rfc5040_4_8, UndefinedCodesAreKnownAsSuch) {
  std::size_t defined = 0;
  for (unsigned layer = 0; layer < 16; ++layer) {
    for (unsigned etype = 0; etype < 16; ++etype) {
      for (unsigned code = 0; code < 256; ++code) {
        defined += is_defined(
            {static_cast<std::uint8_t>(layer), static_cast<std::uint8_t>(etype), static_cast<std::uint8_t>(code)});
      }
    }
  }
  EXPECT_EQ(defined, std::size(kRows) + 255) << "every code of layer 0, etype 0 means the same";
}

const ReadRequest kRead{7, {0xAABBCC00, 0x2000, 64, 0xDEADBE00, 0x1000}};

TEST(Rfc5040_4_8, WhichHeadersEachCodeCopies) {
  for (const Row& row : kRows) {
    const Terminate terminate = make_terminate(row.code, kRead, 0);
    EXPECT_EQ(terminate.ddp_header_bytes, row.ddp ? 18 : 0) << row.control;
    EXPECT_EQ(terminate.rdma_header_bytes, row.rdma ? 28 : 0) << row.control;
    EXPECT_EQ(terminate.segment_bytes, row.ddp ? 46 : 0) << row.control;
    const auto decoded = decode_terminate(encoded(terminate), row.code.layer == 2);
    EXPECT_EQ(decoded, terminate) << row.control;
  }
}

TEST(Rfc5040_4_8, OnlyAReadRequestHasAnRdmaHeaderToCopy) {
  Segment segment;
  segment.opcode = Opcode::send_invalidate;
  segment.last = true;
  segment.msn = 9;
  segment.invalidate_stag = 0x12345600;
  segment.payload_bytes = 5;
  const Terminate terminate = make_terminate(kInvalidateForeignStag, segment);
  EXPECT_EQ(terminate.ddp_header_bytes, 18);
  EXPECT_EQ(terminate.rdma_header_bytes, 0);
  EXPECT_EQ(terminate.segment_bytes, 23);
  EXPECT_EQ(test::to_hex(terminate.copied_headers()), "414412345600000000000000000900000000");
}

TEST(Rfc5040_4_8, AnIncompleteHeaderIsNotCopied) {
  for (std::size_t size = 0; size < 18; ++size) {
    const Octets header = Octets(size, 0x41);
    EXPECT_EQ(make_terminate(kUntaggedMsnRange, header, 99), make_terminate(kUntaggedMsnRange)) << size;
  }
}

TEST(Rfc5040_4_8, AfterSomeOctetsTheCopySaysWhatIsLeft) {
  const Terminate terminate = make_terminate(kReadBaseOrBounds, kRead, 60);
  ByteReader in(terminate.copied_headers().subspan(18));
  EXPECT_EQ(decode_read_request(in), (ReadRequestHeader{0xAABBCC00, 0x203C, 4, 0xDEADBE00, 0x103C}));
}

TEST(Rfc5040_4_8, EveryPrefixOfAMessageWithHeadersIsTruncated) {
  const Octets octets = encoded(make_terminate(kReadInvalidStag, kRead, 0));
  for (std::size_t size = 0; size < 4 + 2 + 18; ++size) {
    EXPECT_EQ(decode_terminate(Bytes(octets).first(size), false).error(), TerminateError::truncated) << size;
  }
  // A DDP header alone is worth having: cut octets of the RDMA header only lose that.
  for (std::size_t size = 4 + 2 + 18; size < octets.size(); ++size) {
    const auto decoded = decode_terminate(Bytes(octets).first(size), false);
    ASSERT_TRUE(decoded) << size;
    EXPECT_EQ(decoded->ddp_header_bytes, 18);
    EXPECT_EQ(decoded->rdma_header_bytes, 0);
  }
}

TEST(Rfc5040_4_8, ReservedBitsAreIgnored) {
  const Terminate terminate = make_terminate(kReadInvalidStag, kRead, 0);
  Octets octets = encoded(terminate);
  octets[2] |= 0x1F;
  octets[3] |= 0xFF;
  EXPECT_EQ(decode_terminate(octets, false), terminate);
}

TEST(Rfc5040_4_8, HeadersCountWhateverTheFlagsSay) {
  Terminate terminate = make_terminate(kUntaggedMsnRange, kRead, 0);
  Octets octets = encoded(terminate);
  octets[2] = 0;
  EXPECT_EQ(decode_terminate(octets, false), terminate);
}

// Linux siw on a little-endian host swaps the nibbles and sets the header flags at the wrong end (seen on the wire).
TEST(SiwTerminate, ItsLayoutIsRead) {
  struct Sample {
    const char* control;
    TerminateCode code;
  };
  constexpr Sample kSamples[] = {
      {"11000300", kTaggedInvalidStag}, {"21030300", kUntaggedMsnRange},     {"20070300", kCatastrophicStream},
      {"10010700", kReadBaseOrBounds},  {"01000300", kDdpLocalCatastrophic},
  };
  for (const Sample& sample : kSamples) {
    const auto decoded = decode_terminate(from_hex(std::string(sample.control) + "0000" + std::string(36, '4')), false);
    ASSERT_TRUE(decoded) << sample.control;
    EXPECT_EQ(decoded->code, sample.code) << sample.control;
  }
}

TEST(SiwTerminate, WithoutHeadersTheDefinedReadingWins) {
  EXPECT_EQ(decode_terminate(from_hex("02020000"), false)->code, kMpaCrc);
  EXPECT_EQ(decode_terminate(from_hex("40110000"), false)->code, (TerminateCode{4, 0, 0x11})) << "neither is defined";
  EXPECT_EQ(decode_terminate(from_hex("21060000"), false)->code, kUntaggedInvalidVersion);
}

TEST(SiwTerminate, TheAmbiguousCodesGoByTheMoment) {
  for (std::uint8_t code : {5, 6, 7}) {
    for (std::uint8_t first_octet : {0x20, 0x02}) {
      const Octets octets{first_octet, code, 0, 0};
      EXPECT_EQ(decode_terminate(octets, true)->code, (TerminateCode{2, 0, code}));
      EXPECT_EQ(decode_terminate(octets, false)->code, (TerminateCode{0, 2, code}));
    }
  }
}

TEST(R_WR_22, ATerminateNamesAReadByItsSinkOrItsMsn) {
  EXPECT_EQ(named_read(make_terminate(kReadInvalidStag, kRead, 0)),
            (NamedRead{7, NamedRead::Sink{0xAABBCC00, 0x2000}}));
  EXPECT_EQ(named_read(make_terminate(kReadInvalidStag, kRead, 16)),
            (NamedRead{7, NamedRead::Sink{0xAABBCC00, 0x2010}}));
  EXPECT_EQ(named_read(make_terminate(kUntaggedNoBuffer, kRead, 0)), (NamedRead{7, std::nullopt}));
}

TEST(R_WR_22, ATerminateOfAnythingElseNamesNone) {
  Segment segment;
  segment.opcode = Opcode::write;
  segment.payload_bytes = 1;
  EXPECT_EQ(named_read(make_terminate(kTaggedInvalidStag, segment)), std::nullopt);
  segment.opcode = Opcode::send;
  EXPECT_EQ(named_read(make_terminate(kUntaggedNoBuffer, segment)), std::nullopt);
  EXPECT_EQ(named_read(make_terminate(kMpaCrc)), std::nullopt);
}

}  // namespace
}  // namespace softndk::iwarp
