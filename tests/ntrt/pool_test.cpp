// spec/kernel-surface.md 4.4: the pool.
#include "ntrt/pool.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "base/alloc.h"
#include "base/log.h"

namespace softndk::ntrt {
namespace {

constexpr ULONG kTag = 'tseT';  // "Test" in memory order

std::uintptr_t address_of(const void* p) {
  return reinterpret_cast<std::uintptr_t>(p);
}
bool all_bytes_are(const void* p, std::size_t bytes, std::uint8_t value) {
  const auto* at = static_cast<const std::uint8_t*>(p);
  for (std::size_t i = 0; i < bytes; ++i) {
    if (at[i] != value) return false;
  }
  return true;
}

/// What pool_report_leaks prints.
std::string leak_list(std::size_t* count = nullptr) {
  std::string list;
  const auto append = [](void* to, const char* line) noexcept {
    *static_cast<std::string*>(to) += line + std::string("\n");
  };
  const std::size_t live = pool_report_leaks({&list, append});
  if (count != nullptr) *count = live;
  return list;
}

TEST(Pool, BlocksOfAPageAndMoreBeginAPage) {
  for (std::size_t bytes : {4096u, 4097u, 8192u, 65536u, 1000000u}) {
    void* block = ExAllocatePoolWithTagPriority(NonPagedPoolNx, bytes, kTag, NormalPoolPriority);
    ASSERT_NE(block, nullptr);
    EXPECT_EQ(address_of(block) % 4096, 0u) << bytes;
    ExFreePoolWithTag(block, kTag);
  }
}

TEST(Pool, SmallBlocksAreAlignedTo16AndNeverCrossAPage) {
  std::vector<void*> blocks;
  for (std::size_t bytes = 1; bytes < 4096; ++bytes) {
    void* block = ExAllocatePoolWithTag(NonPagedPoolNx, bytes, kTag);
    ASSERT_NE(block, nullptr);
    EXPECT_EQ(address_of(block) % 16, 0u) << bytes;
    EXPECT_EQ(address_of(block) / 4096, (address_of(block) + bytes - 1) / 4096) << bytes;
    blocks.push_back(block);
  }
  for (void* block : blocks)
    ExFreePoolWithTag(block, kTag);
}

TEST(Pool, CacheAlignedKindsBeginACacheLine) {
  for (int i = 0; i < 20; ++i) {
    void* a = ExAllocatePoolWithTag(NonPagedPoolNxCacheAligned, 24, kTag);
    void* b = ExAllocatePool2(POOL_FLAG_NON_PAGED | POOL_FLAG_CACHE_ALIGNED, 24, kTag);
    EXPECT_EQ(address_of(a) % 64, 0u);
    EXPECT_EQ(address_of(b) % 64, 0u);
    ExFreePool(a);
    ExFreePool(b);
  }
}

TEST(Pool, FreshMemoryIsPoisonedOrZeroedAsTheInterfaceSays) {
  void* poisoned = ExAllocatePoolWithTag(NonPagedPoolNx, 1000, kTag);
  void* zeroed = ExAllocatePool2(POOL_FLAG_NON_PAGED, 1000, kTag);
  void* uninitialised = ExAllocatePool2(POOL_FLAG_NON_PAGED | POOL_FLAG_UNINITIALIZED, 1000, kTag);
  EXPECT_TRUE(all_bytes_are(poisoned, 1000, kPoolFreshByte));
  EXPECT_TRUE(all_bytes_are(zeroed, 1000, 0));
  EXPECT_TRUE(all_bytes_are(uninitialised, 1000, kPoolFreshByte));
  for (void* block : {poisoned, zeroed, uninitialised})
    ExFreePoolWithTag(block, kTag);
}

TEST(Pool, AllocatePool3UnderstandsPriorityAndRefusesWhatItDoesNotKnow) {
  POOL_EXTENDED_PARAMETER priority = {};
  priority.Type = PoolExtendedParameterPriority;
  priority.Priority = HighPoolPriority;
  void* block = ExAllocatePool3(POOL_FLAG_NON_PAGED, 64, kTag, &priority, 1);
  ASSERT_NE(block, nullptr);
  EXPECT_TRUE(all_bytes_are(block, 64, 0));
  ExFreePool2(block, kTag, &priority, 1);

  POOL_EXTENDED_PARAMETER unknown = {};
  unknown.Type = PoolExtendedParameterSecurePool;
  EXPECT_EQ(ExAllocatePool3(POOL_FLAG_NON_PAGED, 64, kTag, &unknown, 1), nullptr);
  unknown.Optional = 1;
  block = ExAllocatePool3(POOL_FLAG_NON_PAGED, 64, kTag, &unknown, 1);
  EXPECT_NE(block, nullptr);
  ExFreePool2(block, kTag, nullptr, 0);
  EXPECT_EQ(ExAllocatePool3(POOL_FLAG_NON_PAGED, 64, kTag, nullptr, 1), nullptr);
}

TEST(Pool, FlagsNameExactlyOneKindOfPool) {
  EXPECT_EQ(ExAllocatePool2(0, 64, kTag), nullptr);
  EXPECT_EQ(ExAllocatePool2(POOL_FLAG_NON_PAGED | POOL_FLAG_PAGED, 64, kTag), nullptr);
}

TEST(Pool, UsageAndLeakListKnowTagSizeAndCaller) {
  const PoolUsage before = pool_usage(kTag);
  const std::size_t blocks_before = pool_usage().blocks;
  void* block = ExAllocatePoolWithTag(NonPagedPoolNx, 777, kTag);
  EXPECT_EQ(pool_usage(kTag).bytes, before.bytes + 777);
  EXPECT_EQ(pool_usage(kTag).blocks, before.blocks + 1);
  EXPECT_EQ(pool_usage().blocks, blocks_before + 1);

  std::size_t live = 0;
  const std::string list = leak_list(&live);
  EXPECT_EQ(live, blocks_before + 1);
  EXPECT_NE(list.find("777 bytes"), std::string::npos) << list;
  EXPECT_NE(list.find("tag Test"), std::string::npos) << list;
  EXPECT_NE(list.find("allocated by 0x"), std::string::npos) << list;
  ExFreePoolWithTag(block, kTag);
  EXPECT_EQ(pool_usage(kTag).blocks, before.blocks);
  EXPECT_EQ(leak_list().find("777 bytes"), std::string::npos);
}

TEST(Pool, LeakListIsBoundedAndOldestFirst) {
  std::vector<void*> blocks;
  for (std::size_t i = 0; i < 150; ++i)
    blocks.push_back(ExAllocatePoolWithTag(NonPagedPoolNx, 10000 + i, kTag));
  const std::string list = leak_list();
  const auto first = list.find(": 10000 bytes, tag Test"), later = list.find(": 10050 bytes, tag Test");
  EXPECT_NE(first, std::string::npos);
  EXPECT_NE(later, std::string::npos);
  EXPECT_LT(first, later);
  EXPECT_NE(list.find("and "), std::string::npos);
  EXPECT_EQ(list.find(": 10149 bytes, tag Test"), std::string::npos);
  for (void* block : blocks)
    ExFreePoolWithTag(block, kTag);
}

TEST(Pool, ContainsLooksAtWholeRangesOfNonpagedBlocks) {
  auto* block = static_cast<char*>(ExAllocatePoolWithTag(NonPagedPoolNx, 10000, kTag));
  auto* paged = static_cast<char*>(ExAllocatePoolWithTag(PagedPool, 100, kTag));
  EXPECT_TRUE(pool_contains(block, 10000));
  EXPECT_TRUE(pool_contains(block + 9999, 1));
  EXPECT_FALSE(pool_contains(block + 9999, 2));
  EXPECT_FALSE(pool_contains(block + 10000, 1));
  EXPECT_FALSE(pool_contains(block - 1, 2));
  EXPECT_FALSE(pool_contains(paged, 100));
  char on_stack[8];
  EXPECT_FALSE(pool_contains(on_stack, 8));
  ExFreePoolWithTag(block, kTag);
  EXPECT_FALSE(pool_contains(block, 1));
  ExFreePoolWithTag(paged, kTag);
}

TEST(Pool, FaultHookMakesAllocationsFailWithNull) {
  set_fault_hook([](void*, const char* what) noexcept { return std::strcmp(what, "pool") == 0; }, nullptr);
  EXPECT_EQ(ExAllocatePoolWithTag(NonPagedPoolNx, 64, kTag), nullptr);
  EXPECT_EQ(ExAllocatePool2(POOL_FLAG_NON_PAGED, 64, kTag), nullptr);
  set_fault_hook(nullptr, nullptr);
}

TEST(Pool, ManyBlocksAreFoundAgainInAnyOrder) {
  // Exercises the record tree: free in an order unlike that of allocation, with lookups between.
  std::vector<char*> blocks;
  for (std::size_t i = 0; i < 2000; ++i)
    blocks.push_back(static_cast<char*>(ExAllocatePoolWithTag(NonPagedPoolNx, 16 + i % 500, kTag)));
  const std::size_t live = pool_usage(kTag).blocks;
  for (std::size_t step = 0, i = 0; step < blocks.size(); ++step) {
    i = (i + 1237) % blocks.size();  // coprime to 2000: each once
    EXPECT_TRUE(pool_contains(blocks[i], 16 + i % 500));
    ExFreePoolWithTag(blocks[i], kTag);
    EXPECT_FALSE(pool_contains(blocks[i], 1));
  }
  EXPECT_EQ(pool_usage(kTag).blocks, live - blocks.size());
}

TEST(Pool, TagsPrintInMemoryOrder) {
  EXPECT_STREQ(PoolTagText('tkdN').text, "Ndkt");
  EXPECT_STREQ(PoolTagText(0x01424344).text, "DCB.");
}

TEST(PoolDeathTest, TagMismatchNamesBothTags) {
  EXPECT_DEATH(ExFreePoolWithTag(ExAllocatePoolWithTag(NonPagedPoolNx, 64, 'amdR'), 'tkdN'),
               "freed with tag Ndkt .*allocated with tag Rdma");
}
TEST(PoolDeathTest, DoubleFreeNamesTheFirst) {
  EXPECT_DEATH(
      {
        void* block = ExAllocatePoolWithTag(NonPagedPoolNx, 64, kTag);
        ExFreePoolWithTag(block, kTag);
        ExFreePoolWithTag(block, kTag);
      },
      "double free of pool block .*64 bytes, tag Test.*freed before by");
}
TEST(PoolDeathTest, FreeOfAnInnerOrForeignPointer) {
  EXPECT_DEATH(ExFreePool(static_cast<char*>(ExAllocatePoolWithTag(NonPagedPoolNx, 64, kTag)) + 16),
               "16 bytes into a live pool block");
  EXPECT_DEATH(
      {
        char foreign[16];
        ExFreePool(foreign);
      },
      "no pool block begins there");
}
TEST(PoolDeathTest, OverrunIsFound) {
  // By the guard bytes when the block is freed, or by AddressSanitizer at once.
  EXPECT_DEATH(
      {
        auto* block = static_cast<volatile char*>(ExAllocatePoolWithTag(NonPagedPoolNx, 61, kTag));
        block[61] = 1;
        ExFreePoolWithTag(const_cast<char*>(block), kTag);
      },
      "written past its end|heap-buffer-overflow");
}
TEST(PoolDeathTest, WriteAfterFreeIsFound) {
  // When the block leaves the quarantine, or by AddressSanitizer at once.
  EXPECT_DEATH(
      {
        auto* block = static_cast<volatile char*>(ExAllocatePoolWithTag(NonPagedPoolNx, 64, kTag));
        ExFreePoolWithTag(const_cast<char*>(block), kTag);
        block[40] = 1;
        for (int i = 0; i < 1000; ++i)
          ExFreePoolWithTag(ExAllocatePoolWithTag(NonPagedPoolNx, 64, kTag), kTag);
      },
      "was written at offset 40 after it was freed|heap-use-after-free");
}
TEST(PoolDeathTest, RaiseOnFailureStops) {
  EXPECT_DEATH(
      {
        set_fault_hook([](void*, const char*) noexcept { return true; }, nullptr);
        static_cast<void>(ExAllocatePool2(POOL_FLAG_NON_PAGED | POOL_FLAG_RAISE_ON_FAILURE, 64, kTag));
      },
      "POOL_FLAG_RAISE_ON_FAILURE");
}

}  // namespace
}  // namespace softndk::ntrt
