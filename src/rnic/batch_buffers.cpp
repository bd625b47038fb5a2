#include "rnic/batch_buffers.h"

#include <bit>
#include <memory>

#include "base/interleave.h"

namespace softndk::rnic {

BatchBufferPool::~BatchBufferPool() {
  for (const Slab& slab : slabs_)
    if (slab.entries != nullptr) unmap(slab.entries, slab.bytes);
}

unsigned BatchBufferPool::slab_of(std::uint32_t number) noexcept {
  return static_cast<unsigned>(std::bit_width((number - 1) / kFirstSlab + 1)) - 1;
}

std::uint32_t BatchBufferPool::place_of(std::uint32_t number, unsigned slab) noexcept {
  return number - 1 - kFirstSlab * ((1u << slab) - 1);
}

BatchBufferPool::Next& BatchBufferPool::next_of(std::uint32_t number) noexcept {
  const unsigned slab = slab_of(number);
  return slabs_[slab].next[place_of(number, slab)];
}

bool BatchBufferPool::reserve_one() noexcept {
  MutexLock lock(mutex_);
  if (reserved_ == count_ && !add_slab()) return false;
  ++reserved_;
  return true;
}

void BatchBufferPool::give_up_one() noexcept {
  MutexLock lock(mutex_);
  --reserved_;
}

bool BatchBufferPool::add_slab() noexcept {
  if (slab_count_ == kSlabsMax) return false;
  const std::uint32_t count = kFirstSlab << slab_count_;
  const std::size_t bytes = count * (sizeof(Entry) + sizeof(Next));
  void* memory = try_map(bytes);
  if (memory == nullptr) return false;
  Slab& slab = slabs_[slab_count_++];
  slab.entries = static_cast<Entry*>(memory);
  slab.next = reinterpret_cast<Next*>(slab.entries + count);
  slab.bytes = bytes;
  std::uninitialized_default_construct_n(slab.next, count);
  for (std::uint32_t number = count_ + count; number > count_; --number)
    push(number);
  count_ += count;
  return true;
}

void BatchBufferPool::push(std::uint32_t number) noexcept {
  Next& next = next_of(number);
  std::uint64_t head = head_.load(std::memory_order_relaxed);
  std::uint64_t changed;
  do {
    interleave_point();
    next.store(static_cast<std::uint32_t>(head), std::memory_order_relaxed);
    changed = ((head >> 32) + 1) << 32 | number;
    // release: partner of the acquire in take_from_stack(), for `next`, the slab, and what the last holder did with the
    // buffers.
  } while (!head_.compare_exchange_weak(head, changed, std::memory_order_release, std::memory_order_relaxed));
}

BatchBuffers* BatchBufferPool::take_from_stack() noexcept {
  std::uint64_t head = head_.load(std::memory_order_acquire);
  for (;;) {
    const auto number = static_cast<std::uint32_t>(head);
    if (number == 0) return nullptr;
    // It may be somebody else's by now, and its next one changed: then the exchange fails.
    const std::uint64_t next = next_of(number).load(std::memory_order_relaxed);
    interleave_point();
    const std::uint64_t changed = ((head >> 32) + 1) << 32 | next;
    if (!head_.compare_exchange_weak(head, changed, std::memory_order_acquire, std::memory_order_acquire)) continue;
    const unsigned slab = slab_of(number);
    Entry& entry = slabs_[slab].entries[place_of(number, slab)];
    entry.number = number;
    return &entry.buffers;
  }
}

void BatchBufferPool::push(BatchBuffers* buffers) noexcept {
  static_assert(offsetof(Entry, buffers) == 0);
  push(reinterpret_cast<Entry*>(buffers)->number);
}

}  // namespace softndk::rnic
