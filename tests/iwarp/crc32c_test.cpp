#include "iwarp/crc32c.h"

#include <gtest/gtest.h>

#include "wire_builder.h"

namespace softndk::iwarp {
namespace {

using crc32c_kernel::Extend;
using test::Octets;

Bytes ascii(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

TEST(Rfc5044_4_4, CheckValueOfTheNineDigits) {
  EXPECT_EQ(crc32c(ascii("123456789")), 0xE3069283u);
  std::uint8_t field[4];
  store_crc(field, 0xE3069283);
  EXPECT_EQ(test::to_hex(field), "839206e3");
  EXPECT_EQ(load_crc(field), 0xE3069283u);
}

TEST(Rfc5044_4_4, NothingHashesToZeroAndResetForgets) {
  EXPECT_EQ(crc32c({}), 0u);
  Crc32c crc;
  crc.update(ascii("garbage"));
  crc.reset();
  crc.update(ascii("123456789"));
  EXPECT_EQ(crc.value(), 0xE3069283u);
}

TEST(Rfc5044_4_4, GrowsBySplitsAsByTheWhole) {
  const Octets octets = test::pattern(300);
  for (std::size_t split = 0; split <= octets.size(); ++split) {
    Crc32c crc;
    crc.update(Bytes(octets).first(split));
    crc.update(Bytes(octets).subspan(split));
    ASSERT_EQ(crc.value(), crc32c(octets)) << split;
  }
}

// The bits one at a time, as the RFC's text describes the register: what every fast way is held against.
std::uint32_t extend_by_bits(std::uint32_t state, Bytes octets) {
  for (std::uint8_t octet : octets) {
    state ^= octet;
    for (int bit = 0; bit < 8; ++bit)
      state = (state >> 1) ^ (state & 1 ? 0x82F63B78u : 0u);
  }
  return state;
}

void compare(Extend extend) {
  const Octets octets = test::pattern(5000, 7);
  for (std::size_t size = 0; size < 600; ++size) {
    const Bytes piece = Bytes(octets).subspan(size % 13, size);
    ASSERT_EQ(extend(0xFFFFFFFF, piece.data(), piece.size()), extend_by_bits(0xFFFFFFFF, piece)) << size;
  }
  ASSERT_EQ(extend(0x12345678, octets.data(), octets.size()), extend_by_bits(0x12345678, octets));
}

TEST(Rfc5044_4_4, TableAgreesWithBits) {
  compare(&crc32c_kernel::extend_table);
}
TEST(Rfc5044_4_4, InstructionAgreesWithBits) {
  if (crc32c_kernel::extend_sse42() == nullptr) GTEST_SKIP() << "no CRC32 instruction here";
  compare(crc32c_kernel::extend_sse42());
}
TEST(Rfc5044_4_4, IsalAgreesWithBits) {
  if (crc32c_kernel::extend_isal() == nullptr) GTEST_SKIP() << "built without ISA-L";
  compare(crc32c_kernel::extend_isal());
}

}  // namespace
}  // namespace softndk::iwarp
