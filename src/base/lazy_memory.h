#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/alloc.h"

namespace softndk {

/// Memory that costs what is touched of it: a queue of great depth is address space until it is used. Small sizes come
/// from the allocator, which is quicker to get and to give back.
class LazyMemory {
 public:
  LazyMemory() = default;
  LazyMemory(LazyMemory&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_bytes_(std::exchange(other.size_bytes_, 0)) {}
  LazyMemory& operator=(LazyMemory&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_bytes_, other.size_bytes_);
    return *this;
  }
  ~LazyMemory() {
    if (data_ == nullptr) return;
    if (size_bytes_ <= kSmallBytes) {
      deallocate(data_);
    } else {
      unmap(data_, size_bytes_);
    }
  }

  /// Zeroed. False when memory is short; nothing has changed then.
  [[nodiscard]] bool reserve(std::size_t size_bytes) noexcept {
    if (!reserve_unset(size_bytes)) return false;
    if (size_bytes <= kSmallBytes) __builtin_memset(data_, 0, size_bytes);
    return true;
  }
  /// The same for who writes before he reads: of small sizes too, no page is touched before it is used.
  [[nodiscard]] bool reserve_unset(std::size_t size_bytes) noexcept {
    void* data = size_bytes <= kSmallBytes ? try_allocate(size_bytes, 64) : try_map(size_bytes);
    if (data == nullptr) return false;
    LazyMemory old(std::move(*this));
    data_ = data;
    size_bytes_ = size_bytes;
    return true;
  }
  std::uint8_t* data() const { return static_cast<std::uint8_t*>(data_); }
  std::size_t size() const { return size_bytes_; }

 private:
  static constexpr std::size_t kSmallBytes = 32 * 1024;
  void* data_ = nullptr;
  std::size_t size_bytes_ = 0;
};

}  // namespace softndk
