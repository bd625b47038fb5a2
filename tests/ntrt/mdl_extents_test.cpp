// What the page frames of an MDL chain say (R-MR-01..03, R-LAM-01, R-LAM-02, R-LAM-04..06).
#include "ntrt/mdl_extents.h"

#include <gtest/gtest.h>

#include <vector>

#include "ntrt/mdl.h"
#include "ntrt/pool.h"

namespace softndk::ntrt {
namespace {

constexpr std::uint64_t kNowhere = 0x7000'0000'0000;  // a virtual address that is not mapped: only an index

/// An MDL by hand: its virtual range, and the frame behind each page.
struct HandMdl {
  HandMdl(std::uint64_t address, ULONG bytes, std::vector<PFN_NUMBER> frames)
      : memory((sizeof(MDL) + frames.size() * 8 + sizeof(MDL) - 1) / sizeof(MDL)) {
    mdl().StartVa = reinterpret_cast<void*>(address & ~std::uint64_t{4095});
    mdl().ByteOffset = static_cast<ULONG>(address & 4095);
    mdl().ByteCount = bytes;
    mdl().MdlFlags = MDL_PAGES_LOCKED;
    std::copy(frames.begin(), frames.end(), mdl_frames(&mdl()));
  }
  MDL& mdl() { return memory[0]; }
  HandMdl& then(HandMdl& next) {
    mdl().Next = &next.mdl();
    return next;
  }
  std::vector<MDL> memory;
};

using Extent = std::pair<std::uint64_t, std::size_t>;
std::vector<Extent> extents(const MDL* mdl, std::size_t length) {
  std::vector<Extent> found;
  for_each_mdl_extent(mdl, length, [&](std::uint8_t* data, std::size_t bytes) {
    found.emplace_back(reinterpret_cast<std::uintptr_t>(data), bytes);
  });
  const auto measure = measure_mdl_chain(mdl, length);
  EXPECT_TRUE(measure.has_value());
  if (measure) {
    EXPECT_EQ(measure->extent_count, found.size());
  }
  return found;
}
std::vector<std::uint64_t> pages(const MDL* mdl, std::size_t length) {
  std::vector<std::uint64_t> found;
  for_each_mdl_page(mdl, length, [&](std::uint64_t page) { found.push_back(page); });
  const auto measure = measure_mdl_chain(mdl, length);
  EXPECT_TRUE(measure.has_value());
  if (measure) {
    EXPECT_EQ(measure->page_count, found.size());
  }
  return found;
}
MdlError error_of(const MDL* mdl, std::size_t length) {
  const auto measure = measure_mdl_chain(mdl, length);
  EXPECT_FALSE(measure.has_value());
  return measure ? MdlError::no_mdl : measure.error();
}

TEST(R_LAM_06, ExtentsComeFromTheFramesAndNotFromTheVirtualAddress) {
  HandMdl one(kNowhere + 100, 5000, {7, 9});
  EXPECT_EQ(extents(&one.mdl(), 5000), (std::vector<Extent>{{7 * 4096 + 100, 3996}, {9 * 4096, 1004}}));
  EXPECT_EQ(pages(&one.mdl(), 5000), (std::vector<std::uint64_t>{7 * 4096, 9 * 4096}));
}

TEST(R_MR_03, BaseIsTheFirstMdlsVirtualAddress) {
  HandMdl one(kNowhere + 100, 5000, {7, 9});
  const auto measure = measure_mdl_chain(&one.mdl(), 1);
  ASSERT_TRUE(measure);
  EXPECT_EQ(measure->base_address, kNowhere + 100);
}

TEST(R_LAM_06, AdjacentFramesMergeAndPermutedOnesDoNot) {
  HandMdl one(kNowhere, 5 * 4096, {4, 5, 6, 3, 2});
  EXPECT_EQ(extents(&one.mdl(), 5 * 4096),
            (std::vector<Extent>{{4 * 4096, 3 * 4096}, {3 * 4096, 4096}, {2 * 4096, 4096}}));
}

TEST(R_LAM_02, OffsetsAndLengthsAroundAPage) {
  for (std::uint32_t offset : {0u, 1u, 4095u}) {
    for (std::size_t length : {1u, 4096u, 4097u}) {
      HandMdl one(kNowhere + offset, 4097, {10, 20, 30});
      const auto measure = measure_mdl_chain(&one.mdl(), length);
      ASSERT_TRUE(measure);
      EXPECT_EQ(measure->first_byte_offset, offset);
      EXPECT_EQ(measure->page_count, (offset + length + 4095) / 4096) << offset << " " << length;
      EXPECT_EQ(pages(&one.mdl(), length).size(), measure->page_count);
      std::size_t total = 0;
      for (const Extent& extent : extents(&one.mdl(), length))
        total += extent.second;
      EXPECT_EQ(total, length);
    }
  }
}

TEST(R_MR_01, ChainOfThreeThatIsVirtuallyContiguous) {
  HandMdl a(kNowhere, 4096, {50}), b(kNowhere + 4096, 8192, {51, 80}), c(kNowhere + 3 * 4096, 10, {81});
  a.then(b).then(c);
  EXPECT_EQ(extents(&a.mdl(), 3 * 4096 + 10), (std::vector<Extent>{{50 * 4096, 8192}, {80 * 4096, 4106}}))
      << "merged across MDLs";
  EXPECT_EQ(pages(&a.mdl(), 3 * 4096 + 10).size(), 4u);
}

TEST(R_MR_01, ChainThatMeetsInsideAPageSharesThatPage) {
  HandMdl a(kNowhere + 16, 100, {5}), b(kNowhere + 116, 5000, {5, 6});
  a.then(b);
  EXPECT_EQ(extents(&a.mdl(), 5100), (std::vector<Extent>{{5 * 4096 + 16, 5100}}));
  EXPECT_EQ(pages(&a.mdl(), 5100), (std::vector<std::uint64_t>{5 * 4096, 6 * 4096}));
  EXPECT_FALSE(measure_mdl_chain(&a.mdl(), 5100)->pages_differ);
}

TEST(R_LAM_01, MdlsThatDisagreeAboutASharedPageHaveExtentsButNoPageList) {
  HandMdl a(kNowhere + 16, 100, {5}), b(kNowhere + 116, 100, {9});
  a.then(b);
  EXPECT_TRUE(measure_mdl_chain(&a.mdl(), 200)->pages_differ);
  EXPECT_FALSE(measure_mdl_chain(&a.mdl(), 100)->pages_differ) << "the second one does not matter yet";
  EXPECT_EQ(extents(&a.mdl(), 200), (std::vector<Extent>{{5 * 4096 + 16, 100}, {9 * 4096 + 116, 100}}));
}

TEST(R_LAM_04, GapOrOverlapInsideLengthIsRefusedAndBeyondItIsNot) {
  for (int shift : {-1, 1, 4096}) {
    HandMdl a(kNowhere, 4096, {1}), b(kNowhere + 4096 + static_cast<std::uint64_t>(shift), 4096, {2, 3});
    a.then(b);
    EXPECT_EQ(error_of(&a.mdl(), 4097), MdlError::not_contiguous) << shift;
    EXPECT_TRUE(measure_mdl_chain(&a.mdl(), 4096)) << shift;
  }
}

TEST(R_LAM_05, LengthZeroOrBeyondTheChain) {
  HandMdl a(kNowhere, 4096, {1}), b(kNowhere + 4096, 100, {2});
  a.then(b);
  EXPECT_EQ(error_of(&a.mdl(), 0), MdlError::zero_length);
  EXPECT_TRUE(measure_mdl_chain(&a.mdl(), 4196));
  EXPECT_EQ(error_of(&a.mdl(), 4197), MdlError::too_short);
  EXPECT_EQ(error_of(&a.mdl(), SIZE_MAX), MdlError::too_short);
  EXPECT_EQ(error_of(nullptr, 1), MdlError::no_mdl);
}

TEST(R_MR_01, AnMdlThatIsNotLockedIsRefusedWhereItMatters) {
  HandMdl a(kNowhere, 4096, {1}), b(kNowhere + 4096, 4096, {2});
  a.then(b);
  b.mdl().MdlFlags = 0;
  EXPECT_EQ(error_of(&a.mdl(), 4097), MdlError::not_locked);
  EXPECT_TRUE(measure_mdl_chain(&a.mdl(), 4096));
  b.mdl().MdlFlags = MDL_SOURCE_IS_NONPAGED_POOL;
  EXPECT_TRUE(measure_mdl_chain(&a.mdl(), 4097));
  b.mdl().MdlFlags = MDL_PARTIAL;
  EXPECT_TRUE(measure_mdl_chain(&a.mdl(), 4097));
}

TEST(R_MR_01, MalformedHeadersAreRefused) {
  HandMdl offset(kNowhere, 10, {1});
  offset.mdl().ByteOffset = 4096;
  EXPECT_EQ(error_of(&offset.mdl(), 1), MdlError::malformed);
  HandMdl start(kNowhere, 10, {1});
  start.mdl().StartVa = reinterpret_cast<void*>(kNowhere + 1);
  EXPECT_EQ(error_of(&start.mdl(), 1), MdlError::malformed);
  HandMdl wrap(~std::uint64_t{4095}, 8192, {1, 2});
  EXPECT_EQ(error_of(&wrap.mdl(), 8192), MdlError::malformed);
}

TEST(R_MR_01, EmptyMdlsOfAChainAddNothing) {
  HandMdl a(kNowhere, 100, {1}), empty(kNowhere + 100, 0, {}), b(kNowhere + 100, 100, {1});
  a.then(empty).then(b);
  EXPECT_EQ(extents(&a.mdl(), 200), (std::vector<Extent>{{4096, 200}}));
  EXPECT_EQ(error_of(&a.mdl(), 201), MdlError::too_short);
}

TEST(R_MR_01, BuiltMdlYieldsTheBufferItself) {
  auto* buffer = static_cast<std::uint8_t*>(ExAllocatePoolWithTag(NonPagedPoolNx, 65536, 'tseT'));
  MDL* mdl = IoAllocateMdl(buffer + 5, 65000, FALSE, FALSE, nullptr);
  MmBuildMdlForNonPagedPool(mdl);
  EXPECT_EQ(extents(mdl, 65000), (std::vector<Extent>{{reinterpret_cast<std::uintptr_t>(buffer) + 5, 65000}}));
  IoFreeMdl(mdl);
  ExFreePoolWithTag(buffer, 'tseT');
}

}  // namespace
}  // namespace softndk::ntrt
