#pragma once
// Which pool blocks live: a treap ordered by address, its nodes beside the blocks and not in them, so that an overrun
// cannot take the record with it. (A standard map would throw when memory is short.)
#include <cstddef>
#include <cstdint>

#include "ntrt/call_stack.h"
#include "wdk/ntddk.h"

namespace softndk::ntrt {

struct PoolBlock {
  std::uintptr_t begin = 0;
  std::size_t bytes = 0;
  std::uint64_t serial = 0;  ///< order of allocation
  void* allocated_by = nullptr;
  void* freed_by = nullptr;
  const CallStack* stack = nullptr;  ///< of the allocation, if stacks are on
  ULONG tag = 0;
  bool paged = false;

  PoolBlock* left = nullptr;  // the rest is the tree's
  PoolBlock* right = nullptr;
  std::uint64_t priority = 0;
};

class PoolBlockTree {
 public:
  void insert(PoolBlock& block) noexcept {
    block.left = block.right = nullptr;
    block.priority = (block.begin >> 4) * 0x9E3779B97F4A7C15u;  // addresses are spread: a multiply shuffles enough
    block.priority ^= block.priority >> 29;
    PoolBlock** at = &root_;
    while (*at != nullptr && (*at)->priority >= block.priority)
      at = block.begin < (*at)->begin ? &(*at)->left : &(*at)->right;
    split(*at, block.begin, block.left, block.right);
    *at = &block;
    ++count_;
  }

  /// The block that begins there, taken out; or null.
  PoolBlock* remove(std::uintptr_t begin) noexcept {
    PoolBlock** at = &root_;
    while (*at != nullptr && (*at)->begin != begin)
      at = begin < (*at)->begin ? &(*at)->left : &(*at)->right;
    PoolBlock* found = *at;
    if (found == nullptr) return nullptr;
    *at = merge(found->left, found->right);
    --count_;
    return found;
  }

  /// The last block that begins at or before `address`, or null.
  PoolBlock* floor(std::uintptr_t address) const noexcept {
    PoolBlock* best = nullptr;
    for (PoolBlock* at = root_; at != nullptr;) {
      if (at->begin <= address) {
        best = at;
        at = at->right;
      } else {
        at = at->left;
      }
    }
    return best;
  }

  template <class Visit>
  void for_each(Visit&& visit) const {
    walk(root_, visit);
  }
  std::size_t count() const noexcept { return count_; }

 private:
  // Everything in `tree` that begins before `key` goes to `low`, the rest to `high`.
  static void split(PoolBlock* tree, std::uintptr_t key, PoolBlock*& low, PoolBlock*& high) noexcept {
    PoolBlock** to_low = &low;
    PoolBlock** to_high = &high;
    while (tree != nullptr) {
      if (tree->begin < key) {
        *to_low = tree;
        to_low = &tree->right;
        tree = tree->right;
      } else {
        *to_high = tree;
        to_high = &tree->left;
        tree = tree->left;
      }
    }
    *to_low = nullptr;
    *to_high = nullptr;
  }
  static PoolBlock* merge(PoolBlock* low, PoolBlock* high) noexcept {
    PoolBlock* root = nullptr;
    PoolBlock** to = &root;
    while (low != nullptr && high != nullptr) {
      if (low->priority >= high->priority) {
        *to = low;
        to = &low->right;
        low = low->right;
      } else {
        *to = high;
        to = &high->left;
        high = high->left;
      }
    }
    *to = low != nullptr ? low : high;
    return root;
  }
  template <class Visit>
  static void walk(PoolBlock* tree, Visit& visit) {
    if (tree == nullptr) return;
    walk(tree->left, visit);
    visit(*tree);
    walk(tree->right, visit);
  }

  PoolBlock* root_ = nullptr;
  std::size_t count_ = 0;
};

}  // namespace softndk::ntrt
