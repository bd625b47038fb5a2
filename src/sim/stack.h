#pragma once
#include <cstddef>
#include <vector>

namespace softndk::sim {

/// Memory of one fiber's stack: mapped lazily, with a guard page below it.
struct Stack {
  std::byte* bottom = nullptr;  ///< lowest usable address
  std::size_t size_bytes = 0;
};

/// Stacks of one size, used again after their fibers have ended.
class StackPool {
 public:
  explicit StackPool(std::size_t size_bytes);
  ~StackPool();
  StackPool(const StackPool&) = delete;
  StackPool& operator=(const StackPool&) = delete;

  /// bottom is null when there is no memory.
  Stack take();
  void give_back(Stack stack);
  /// For the stack of a fiber that never ended. It stays mapped, and a leak checker may follow what it points to: what
  /// a deadlocked fiber holds is not a leak of the program's.
  static void abandon(Stack stack);

 private:
  const std::size_t size_bytes_;
  std::vector<Stack> free_;
};

}  // namespace softndk::sim
