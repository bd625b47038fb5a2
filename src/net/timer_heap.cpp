#include "net/timer_heap.h"

#include <utility>

namespace softndk::net {

using io::Timer;

// The later root becomes the first child of the earlier.
Timer* TimerHeap::meld(Timer* one, Timer* other) noexcept {
  if (one == nullptr) return other;
  if (other == nullptr) return one;
  if (other->deadline_ns < one->deadline_ns) std::swap(one, other);
  other->sibling = one->child;
  if (one->child != nullptr) one->child->parent = other;
  other->parent = one;
  one->child = other;
  return one;
}

// The two passes of Fredman et al.: meld neighbours pairwise from the left, then the results from the right. Without
// recursion, as the list may be as long as the heap.
Timer* TimerHeap::meld_siblings(Timer* first) noexcept {
  Timer* pairs = nullptr;  // linked through `sibling`, the last pair first
  while (first != nullptr) {
    Timer* one = first;
    Timer* other = one->sibling;
    first = other != nullptr ? other->sibling : nullptr;
    one->sibling = one->parent = nullptr;
    if (other != nullptr) other->sibling = other->parent = nullptr;
    Timer* pair = meld(one, other);
    pair->sibling = pairs;
    pairs = pair;
  }
  Timer* root = nullptr;
  while (pairs != nullptr) {
    Timer* pair = std::exchange(pairs, pairs->sibling);
    pair->sibling = nullptr;
    root = meld(root, pair);
  }
  return root;
}

void TimerHeap::insert(Timer& timer) noexcept {
  timer.child = timer.sibling = timer.parent = nullptr;
  root_ = meld(root_, &timer);
}

void TimerHeap::remove(Timer& timer) noexcept {
  Timer* below = meld_siblings(std::exchange(timer.child, nullptr));
  if (root_ == &timer) {
    root_ = below;
  } else {
    // `parent` is the parent of a first child, and the elder sibling of every other.
    if (timer.parent->child == &timer) {
      timer.parent->child = timer.sibling;
    } else {
      timer.parent->sibling = timer.sibling;
    }
    if (timer.sibling != nullptr) timer.sibling->parent = timer.parent;
    root_ = meld(root_, below);
  }
  timer.sibling = timer.parent = nullptr;
}

}  // namespace softndk::net
