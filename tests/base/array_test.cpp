#include "base/array.h"

#include <gtest/gtest.h>

#include <memory>
#include <numeric>

namespace softndk {
namespace {

TEST(Array, KeepsItsElementsWhileItGrows) {
  Array<std::unique_ptr<int>> array;
  EXPECT_TRUE(array.empty());
  for (int i = 0; i < 100; ++i)
    ASSERT_TRUE(array.push_back(std::make_unique<int>(i)));
  ASSERT_EQ(array.size(), 100u);
  for (int i = 0; i < 100; ++i)
    EXPECT_EQ(*array[static_cast<std::size_t>(i)], i);
  Array<std::unique_ptr<int>> moved = std::move(array);
  EXPECT_EQ(moved.size(), 100u);
  EXPECT_EQ(*moved.back(), 99);
}

TEST(Array, SaysWhenItCannotGrowAndStaysAsItIs) {
  const std::int64_t before = allocations_alive();
  {
    Array<int> array;
    const int first[] = {1, 2, 3};
    ASSERT_TRUE(array.append(first));
    set_fault_hook([](void*, const char*) noexcept { return true; }, nullptr);
    bool failed = false;
    for (int i = 4; i < 100 && !failed; ++i)
      failed = !array.push_back(i);
    set_fault_hook(nullptr, nullptr);
    EXPECT_TRUE(failed);
    const auto count = static_cast<int>(array.size());
    EXPECT_EQ(std::accumulate(array.begin(), array.end(), 0), count * (count + 1) / 2);
  }
  EXPECT_EQ(allocations_alive(), before);
}

}  // namespace
}  // namespace softndk
