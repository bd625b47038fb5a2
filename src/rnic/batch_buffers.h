#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/interleave.h"
#include "base/thread_safety.h"

namespace softndk::rnic {

/// What a batch may hold: spans of 16 octets and an arena for headers, trailers and small payload.
struct BatchBuffers {
  static constexpr std::size_t kSpans = 160;
  static constexpr std::size_t kArenaBytes = 8192;
  ConstIoSpan spans[kSpans];
  std::uint8_t arena[kArenaBytes];
};

/// The batch buffers of all connections of a processor. A connection holds some only while it has a batch that is not
/// written, so those that are idle cost nothing, and those that are not share what is warm in the cache: the last ones
/// given back are the next ones taken. There are as many as connections, mostly untouched memory, so none is ever
/// missing, though all peers should stop reading at once.
class BatchBufferPool {
 public:
  BatchBufferPool() = default;
  ~BatchBufferPool();
  BatchBufferPool(const BatchBufferPool&) = delete;
  BatchBufferPool& operator=(const BatchBufferPool&) = delete;

  /// One more may be taken at a time, until give_up_one(). False: memory is short.
  [[nodiscard]] bool reserve_one() noexcept SOFTNDK_EXCLUDES(mutex_);
  void give_up_one() noexcept SOFTNDK_EXCLUDES(mutex_);

  // Any thread; no lock, no allocation.

  /// By who has reserved and holds none.
  BatchBuffers* take() noexcept {
    // One is free at any time, but what was in the stack at the first look may be the warm one at the second.
    for (;;) {
      interleave_point();
      if (BatchBuffers* warm = warm_.exchange(nullptr)) return warm;
      if (BatchBuffers* other = take_from_stack()) return other;
    }
  }
  void give_back(BatchBuffers* buffers) noexcept {
    interleave_point();
    BatchBuffers* other = warm_.exchange(buffers);
    if (other != nullptr) push(other);
  }

 private:
  /// Slab k has kFirstSlab << k buffers; they are numbered through, from 1 on, and 0 is none.
  static constexpr std::uint32_t kFirstSlab = 64;
  static constexpr unsigned kSlabsMax = 16;
  struct Entry {
    BatchBuffers buffers;
    std::uint32_t number;
  };
  using Next = std::atomic<std::uint32_t>;
  struct Slab {
    Entry* entries = nullptr;
    Next* next = nullptr;  ///< apart from the entries, which nobody touches before they are used
    std::size_t bytes = 0;
  };

  static unsigned slab_of(std::uint32_t number) noexcept;
  static std::uint32_t place_of(std::uint32_t number, unsigned slab) noexcept;
  Next& next_of(std::uint32_t number) noexcept;
  [[nodiscard]] bool add_slab() noexcept SOFTNDK_REQUIRES(mutex_);
  void push(std::uint32_t number) noexcept;
  void push(BatchBuffers* buffers) noexcept;
  BatchBuffers* take_from_stack() noexcept;  ///< null: it is empty

  alignas(64) std::atomic<BatchBuffers*> warm_{nullptr};  ///< what was given back last, if nobody has taken it
  /// The rest is a stack: the first free one below, how often it has changed above: so an old value is never taken for
  /// the present one.
  std::atomic<std::uint64_t> head_{0};
  alignas(64) Slab slabs_[kSlabsMax];  ///< each written once, before a number of it can be seen
  Mutex mutex_;
  unsigned slab_count_ SOFTNDK_GUARDED_BY(mutex_) = 0;
  std::uint32_t count_ SOFTNDK_GUARDED_BY(mutex_) = 0;
  std::uint32_t reserved_ SOFTNDK_GUARDED_BY(mutex_) = 0;
};

}  // namespace softndk::rnic
