#pragma once
#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>

#include "base/alloc.h"
#include "base/interleave.h"

namespace softndk::rnic {

/// A bounded queue of small values between the two owners of a connection: one pushes, the other pops.
template <class T>
class SpscFifo {
 public:
  SpscFifo() = default;
  SpscFifo(const SpscFifo&) = delete;
  SpscFifo& operator=(const SpscFifo&) = delete;
  ~SpscFifo() { deallocate(items_); }

  /// Room for at least `capacity` items; while nobody uses it. False when memory is short.
  [[nodiscard]] bool reserve(std::uint32_t capacity) noexcept {
    const std::uint32_t rounded = std::bit_ceil(capacity == 0 ? 1u : capacity);
    void* memory = try_allocate(sizeof(T) * rounded, alignof(T));
    if (memory == nullptr) return false;
    deallocate(items_);
    items_ = static_cast<T*>(memory);
    std::uninitialized_default_construct_n(items_, rounded);
    mask_ = rounded - 1;
    capacity_ = capacity;
    head_.store(0);
    tail_.store(0);
    return true;
  }

  // The pusher's side.
  bool push(const T& item) noexcept {
    const std::uint32_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_.load(std::memory_order_acquire) >= capacity_) return false;  // partner: pop()
    items_[tail & mask_] = item;
    interleave_point();
    tail_.store(tail + 1, std::memory_order_release);  // partner: front()
    return true;
  }

  // The popper's side.
  T* front() noexcept {
    const std::uint32_t head = head_.load(std::memory_order_relaxed);
    if (head == tail_.load(std::memory_order_acquire)) return nullptr;  // partner: push()
    return &items_[head & mask_];
  }
  /// The n-th from the front, or null.
  T* peek(std::uint32_t n) noexcept {
    const std::uint32_t head = head_.load(std::memory_order_relaxed);
    if (tail_.load(std::memory_order_acquire) - head <= n) return nullptr;
    return &items_[(head + n) & mask_];
  }
  void pop() noexcept { head_.store(head_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

  /// Exact for both sides about what they themselves do; the other side may be changing it.
  std::uint32_t size() const noexcept {
    return tail_.load(std::memory_order_acquire) - head_.load(std::memory_order_acquire);
  }
  std::uint32_t capacity() const noexcept { return capacity_; }

 private:
  T* items_ = nullptr;
  std::uint32_t mask_ = 0;
  std::uint32_t capacity_ = 0;
  alignas(64) std::atomic<std::uint32_t> head_{0};
  alignas(64) std::atomic<std::uint32_t> tail_{0};
};

}  // namespace softndk::rnic
