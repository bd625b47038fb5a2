#pragma once
#include <algorithm>
#include <cstddef>
#include <iterator>
#include <memory>
#include <span>
#include <utility>

#include "base/alloc.h"

namespace softndk {

/// A sequence that grows, and says so when it cannot. (std::vector would throw, and nothing here may.) Elements move
/// when it grows. Copies are asked for by name, as they may fail too.
template <class T>
class Array {
 public:
  using value_type = T;
  Array() = default;
  Array(Array&& other) noexcept
      : items_(std::exchange(other.items_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        room_(std::exchange(other.room_, 0)) {}
  Array& operator=(Array&& other) noexcept {
    std::swap(items_, other.items_);
    std::swap(size_, other.size_);
    std::swap(room_, other.room_);
    return *this;
  }
  ~Array() {
    std::destroy_n(items_, size_);
    deallocate(items_);
  }

  /// False when memory is short; nothing has changed then, `value` but its being moved from.
  [[nodiscard]] bool push_back(T value) noexcept {
    if (size_ == room_ && !grow(room_ == 0 ? 4 : room_ * 2)) return false;
    ::new (items_ + size_) T(std::move(value));
    ++size_;
    return true;
  }
  /// False when memory is short; some may have been appended then.
  template <class Range>
  [[nodiscard]] bool append(const Range& values) noexcept {
    return std::all_of(std::begin(values), std::end(values), [this](const T& value) { return push_back(value); });
  }

  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  T* begin() noexcept { return items_; }
  T* end() noexcept { return items_ + size_; }
  const T* begin() const noexcept { return items_; }
  const T* end() const noexcept { return items_ + size_; }
  T& operator[](std::size_t index) noexcept { return items_[index]; }
  const T& operator[](std::size_t index) const noexcept { return items_[index]; }
  T& back() noexcept { return items_[size_ - 1]; }
  operator std::span<const T>() const noexcept { return {items_, size_}; }

 private:
  bool grow(std::size_t room) noexcept {
    auto* items = static_cast<T*>(try_allocate(room * sizeof(T), alignof(T)));
    if (items == nullptr) return false;
    std::uninitialized_move_n(items_, size_, items);
    std::destroy_n(items_, size_);
    deallocate(items_);
    items_ = items;
    room_ = room;
    return true;
  }

  T* items_ = nullptr;
  std::size_t size_ = 0;
  std::size_t room_ = 0;
};

}  // namespace softndk
