#include "iwarp/rdmap_header.h"

#include <gtest/gtest.h>

#include "vectors.h"

namespace softndk::iwarp {
namespace {

using test::from_hex;
using test::Octets;

TEST(Rfc5040_4_1, ControlOctetOfEveryOpcode) {
  for (std::uint8_t opcode = 0; opcode < 16; ++opcode) {
    const auto decoded = decode_rdmap_control(static_cast<std::uint8_t>(0x40 | opcode));
    if (opcode > 7) {
      EXPECT_EQ(decoded.error(), RdmapError::unknown_opcode) << int{opcode};
    } else {
      ASSERT_TRUE(decoded) << int{opcode};
      EXPECT_EQ(static_cast<std::uint8_t>(*decoded), opcode);
      EXPECT_EQ(encode_rdmap_control(*decoded), 0x40 | opcode);
    }
  }
}

TEST(Rfc5040_4_1, OnlyVersionOneIsTakenAndTheVersionIsLookedAtFirst) {
  for (std::uint8_t version : {0x00, 0x80, 0xC0}) {
    EXPECT_EQ(decode_rdmap_control(static_cast<std::uint8_t>(version | 3)).error(), RdmapError::unsupported_version);
    EXPECT_EQ(decode_rdmap_control(static_cast<std::uint8_t>(version | 9)).error(), RdmapError::unsupported_version);
  }
}

TEST(Rfc5040_4_1, ReservedBitsAreIgnored) {
  EXPECT_EQ(decode_rdmap_control(0x60 | 3), Opcode::send);
  EXPECT_EQ(decode_rdmap_control(0x50 | 3), Opcode::send);
  EXPECT_EQ(decode_rdmap_control(0x70 | 3), Opcode::send);
}

TEST(Rfc5040_4_2, WhatEachOpcodeIs) {
  struct Row {
    Opcode opcode;
    bool tagged, send, invalidate, solicited;
    std::uint32_t queue, header;
  };
  constexpr Row kRows[] = {
      {Opcode::write, true, false, false, false, 0, 14},
      {Opcode::read_request, false, false, false, false, 1, 46},
      {Opcode::read_response, true, false, false, false, 0, 14},
      {Opcode::send, false, true, false, false, 0, 18},
      {Opcode::send_invalidate, false, true, true, false, 0, 18},
      {Opcode::send_solicited, false, true, false, true, 0, 18},
      {Opcode::send_solicited_invalidate, false, true, true, true, 0, 18},
      {Opcode::terminate, false, false, false, false, 2, 18},
  };
  for (const Row& row : kRows) {
    EXPECT_EQ(is_tagged(row.opcode), row.tagged);
    EXPECT_EQ(is_send(row.opcode), row.send);
    EXPECT_EQ(has_invalidate(row.opcode), row.invalidate);
    EXPECT_EQ(is_solicited(row.opcode), row.solicited);
    if (!row.tagged) {
      EXPECT_EQ(static_cast<std::uint32_t>(queue_of(row.opcode)), row.queue);
    }
    EXPECT_EQ(header_bytes(row.opcode), row.header);
    if (row.send) {
      EXPECT_EQ(send_opcode(row.solicited, row.invalidate), row.opcode);
    }
  }
}

const ReadRequestHeader kHeader{0xAABBCC00, 0x8000000000002000, 0xFFFFFFFF, 0x12345600, 0xFFFFFFFFFFFFF000};
const std::string kHex = "aabbcc008000000000002000ffffffff12345600fffffffffffff000";

TEST(Rfc5040_4_4, ReadRequestExactOctetsBothWays) {
  std::uint8_t room[ReadRequestHeader::kWireBytes];
  ByteWriter out(room);
  encode(kHeader, out);
  EXPECT_EQ(test::to_hex(out.written()), kHex);
  const Octets octets = from_hex(kHex + "ee");
  ByteReader in(octets);
  EXPECT_EQ(decode_read_request(in), kHeader);
  EXPECT_EQ(in.remaining(), 1u);
}

TEST(Rfc5040_4_4, ReadRequestEveryPrefixIsTruncated) {
  const Octets octets = from_hex(kHex);
  for (std::size_t size = 0; size < octets.size(); ++size) {
    ByteReader in(Bytes(octets).first(size));
    EXPECT_EQ(decode_read_request(in).error(), RdmapError::truncated) << size;
    EXPECT_EQ(in.remaining(), size);
  }
}

}  // namespace
}  // namespace softndk::iwarp
