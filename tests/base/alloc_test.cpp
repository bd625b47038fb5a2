#include "base/alloc.h"

#include <gtest/gtest.h>

#include <cstdint>

#include "base/lazy_memory.h"

namespace softndk {
namespace {

struct AllFail {
  AllFail() {
    set_fault_hook([](void*, const char*) noexcept { return true; }, nullptr);
  }
  ~AllFail() { set_fault_hook(nullptr, nullptr); }
};

TEST(Allocation, IsAlignedAndCountedUntilItIsGivenBack) {
  const std::int64_t before = allocations_alive();
  void* small = try_allocate(1);
  void* page = try_allocate(100, 4096);
  void* mapped = try_map(1 << 20);
  ASSERT_TRUE(small != nullptr && page != nullptr && mapped != nullptr);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(small) % 16, 0u);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(page) % 4096, 0u);
  EXPECT_EQ(allocations_alive(), before + 3);
  deallocate(small);
  deallocate(page);
  deallocate(nullptr);
  unmap(mapped, 1 << 20);
  EXPECT_EQ(allocations_alive(), before);
}

TEST(Allocation, AFailureIsNullAndCountsNothing) {
  const std::int64_t before = allocations_alive();
  const AllFail shortage;
  EXPECT_EQ(try_allocate(1), nullptr);
  EXPECT_EQ(try_map(1 << 20), nullptr);
  EXPECT_EQ(try_make<int>(1), nullptr);
  LazyMemory small, large;
  EXPECT_FALSE(small.reserve(100));
  EXPECT_FALSE(large.reserve(1 << 20));
  EXPECT_EQ(allocations_alive(), before);
}

}  // namespace
}  // namespace softndk
