#include "tools/ndkping/ping_text.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace softndk::tools {
namespace {

std::string text(std::size_t bytes, std::uint64_t number) {
  std::vector<std::byte> buffer(bytes);
  fill_ping_text(buffer, number);
  return {reinterpret_cast<const char*>(buffer.data()), buffer.size()};
}

TEST(PingText, IsWhatLinuxRpingSends) {
  using namespace std::string_literals;
  EXPECT_EQ(text(64, 0), "rdma-ping-0: ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqr\0"s);
  EXPECT_EQ(text(20, 1), "rdma-ping-1: BCDEFG\0"s);
}

TEST(PingText, LettersBeginAgainAfterZ) {
  EXPECT_EQ(text(16, 57).substr(0, 15), "rdma-ping-57: z");
  EXPECT_EQ(text(17, 57).substr(14, 2), "zA");
  EXPECT_EQ(text(16, 58).substr(14, 1), "A");
}

TEST(PingText, TheOnlyNulIsTheLastByte) {
  for (const std::size_t bytes : {1u, 2u, 7u, 13u, 14u, 100u, 5000u}) {
    const std::string all = text(bytes, 123456789);
    EXPECT_EQ(all.find('\0'), bytes - 1);
  }
}

TEST(PingText, ShortBufferHoldsTheBeginning) {
  using namespace std::string_literals;
  EXPECT_EQ(text(1, 0), "\0"s);
  EXPECT_EQ(text(6, 0), "rdma-\0"s);
}

TEST(PingText, ComparisonNamesTheFirstWrongByte) {
  std::vector<std::byte> wanted(100);
  fill_ping_text(wanted, 3);
  std::vector<std::byte> found = wanted;
  EXPECT_FALSE(compare(wanted, found));
  found[99] = std::byte{1};
  found[41] = std::byte{2};
  const auto mismatch = compare(wanted, found);
  ASSERT_TRUE(mismatch);
  EXPECT_EQ(mismatch->offset, 41u);
  EXPECT_EQ(mismatch->found, std::byte{2});
  EXPECT_EQ(mismatch->wanted, wanted[41]);
  EXPECT_TRUE(compare(wanted, std::span(wanted).first(99)));
}

}  // namespace
}  // namespace softndk::tools
