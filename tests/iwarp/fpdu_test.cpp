#include "iwarp/fpdu.h"

#include <gtest/gtest.h>

namespace softndk::iwarp {
namespace {

TEST(Rfc5044_4_1, PadMakesEveryFpduAMultipleOfFour) {
  EXPECT_EQ(pad_bytes(14), 0u);
  EXPECT_EQ(pad_bytes(15), 3u);
  EXPECT_EQ(pad_bytes(16), 2u);
  EXPECT_EQ(pad_bytes(17), 1u);
  for (std::uint32_t ulpdu = 0; ulpdu <= kUlpduBytesMax; ++ulpdu) {
    ASSERT_EQ(fpdu_bytes(ulpdu) % 4, 0u);
    ASSERT_LT(pad_bytes(ulpdu), 4u);
    ASSERT_EQ(fpdu_bytes(ulpdu), 2 + ulpdu + pad_bytes(ulpdu) + 4);
  }
}

TEST(Rfc5044_4_1, SizesOfFpdusWithoutPayload) {
  EXPECT_EQ(fpdu_bytes(14), 20u);
  EXPECT_EQ(fpdu_bytes(18), 24u);
  EXPECT_EQ(fpdu_bytes(46), 52u);
  EXPECT_EQ(fpdu_bytes(22), 28u);
  EXPECT_EQ(fpdu_bytes(38), 44u);
  EXPECT_EQ(fpdu_bytes(42), 48u);
  EXPECT_EQ(fpdu_bytes(70), 76u);
}

TEST(Rfc5044_5_1, MulpduOfEachEmss) {
  struct Row {
    std::uint32_t emss, plain, marked;
  };
  constexpr Row kRows[] = {
      {536, 530, 522}, {1448, 1442, 1430}, {1460, 1454, 1442}, {8948, 8942, 8870}, {65483, 64768, 64768}};
  for (const Row& row : kRows) {
    EXPECT_EQ(mulpdu(row.emss, false), row.plain) << row.emss;
    EXPECT_EQ(mulpdu(row.emss, true), row.marked) << row.emss;
  }
}

TEST(Rfc5044_5_1, MulpduStaysInItsBoundsAndItsFpduInTheSegment) {
  EXPECT_EQ(mulpdu(0, false), kMulpduMin);
  EXPECT_EQ(mulpdu(128, true), kMulpduMin);
  EXPECT_EQ(mulpdu(UINT16_MAX * 2, false), kMulpduMax);
  for (std::uint32_t emss = 200; emss < 70000; ++emss) {
    ASSERT_LE(fpdu_bytes(mulpdu(emss, false)), emss);
    ASSERT_LE(fpdu_bytes(mulpdu(emss, true)), emss);
  }
}

}  // namespace
}  // namespace softndk::iwarp
