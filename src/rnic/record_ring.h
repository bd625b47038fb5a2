#pragma once
#include <atomic>
#include <bit>
#include <cstdint>

#include "base/interleave.h"
#include "base/lazy_memory.h"
#include "base/log.h"

namespace softndk::rnic {

/// A ring of records of different sizes with one producer and one consumer, each allowed a thread of its own. Positions
/// are octets since the beginning of time, so they never repeat; a record never wraps: where it would, the rest of the
/// lap is padding. When all that was posted has been freed it skips to the beginning: who has little outstanding stays
/// there, in memory that is in the cache, and what he never reaches costs nothing.
class RecordRing {
 public:
  using Position = std::uint64_t;
  /// The first word of every record.
  struct Header {
    std::uint32_t bytes;    ///< of the record, a multiple of kAlignment
    std::uint32_t padding;  ///< 1: nothing here, go on behind it
  };
  static constexpr std::uint32_t kAlignment = 16;
  static constexpr std::uint32_t round_up(std::size_t bytes) {
    return static_cast<std::uint32_t>((bytes + kAlignment - 1) / kAlignment * kAlignment);
  }

  /// Room for `count` records of at most `record_bytes_max`, whatever their order.
  [[nodiscard]] bool reserve_memory(std::uint64_t count, std::size_t record_bytes_max) noexcept {
    const std::uint64_t wanted = (count + 2) * round_up(record_bytes_max);
    const std::uint64_t capacity = std::bit_ceil(wanted);
    if (!memory_.reserve_unset(capacity)) return false;  // no record is read before it was written
    mask_ = capacity - 1;
    return true;
  }

  // Producer.

  /// Room for one record, or null when the ring is full; not visible before publish().
  void* reserve(std::size_t bytes) noexcept {
    const std::uint32_t size = round_up(bytes);
    const std::uint64_t capacity = mask_ + 1;
    // acquire: partner of the release in free_until(); the consumer has left what we are about to overwrite.
    Position freed = freed_.load(std::memory_order_acquire);
    if (freed == written_ && (written_ & mask_) >= kWarmBytes) {
      skip_to_begin();
      freed = written_;
    } else if (freed == skip_from_.load(std::memory_order_relaxed)) {
      freed = skip_to_.load(std::memory_order_relaxed);  // what it skipped is free
    }
    Position at = written_;
    const std::uint64_t to_end = capacity - (at & mask_);
    const std::uint64_t needed = size > to_end ? to_end + size : size;
    if (at + needed - freed > capacity) return nullptr;
    if (size > to_end) {
      *header_at(at) = {static_cast<std::uint32_t>(to_end), 1};
      at += to_end;
    }
    *header_at(at) = {size, 0};
    written_ = at + size;
    return memory_.data() + (at & mask_);
  }
  /// Makes everything reserved visible. Sequentially consistent: a producer that looks at a flag afterwards and a
  /// consumer that sets the flag and then looks at the ring cannot both miss each other.
  void publish() noexcept {
    interleave_point();
    published_.store(written_);
  }

  // Consumer.

  Position published() const noexcept { return published_.load(); }
  /// The record at `at`, which is moved past padding and a skip; null if `at` has then reached `end`. It may have
  /// passed it: where `end` is another cursor of the consumer's, one of the two may have looked at the record behind a
  /// gap and left it for later, and the other one not.
  template <class Record>
  Record* record_at(Position& at, Position end) const noexcept {
    if (at >= end) return nullptr;
    if (at == skip_from_.load(std::memory_order_relaxed)) {
      at = skip_to_.load(std::memory_order_relaxed);  // published together with the record behind it
      if (at >= end) return nullptr;
    }
    const Header* header = header_at(at);
    if (header->padding != 0) {
      at += header->bytes;  // likewise
      if (at >= end) return nullptr;
    }
    return reinterpret_cast<Record*>(memory_.data() + (at & mask_));
  }
  static Position after(Position at, const Header& header) { return at + header.bytes; }
  void free_until(Position at) noexcept { freed_.store(at, std::memory_order_release); }

 private:
  /// All is freed, so every cursor of the consumer's is here, or behind the last skip at least: that one is over.
  void skip_to_begin() noexcept {
    const Position begin = (written_ | mask_) + 1;
    skip_to_.store(begin, std::memory_order_relaxed);
    skip_from_.store(written_, std::memory_order_relaxed);
    written_ = begin;
  }
  Header* header_at(Position at) const noexcept { return reinterpret_cast<Header*>(memory_.data() + (at & mask_)); }

  /// What is used before the beginning is gone back to.
  static constexpr std::uint64_t kWarmBytes = 512;
  static constexpr Position kNowhere = UINT64_MAX;

  LazyMemory memory_;
  std::uint64_t mask_ = 0;
  Position written_ = 0;  // producer only
  alignas(64) std::atomic<Position> published_{0};
  // The last skip; visible, like a record, to who has seen a later `published_`.
  std::atomic<Position> skip_from_{kNowhere};
  std::atomic<Position> skip_to_{0};
  alignas(64) std::atomic<Position> freed_{0};
};

}  // namespace softndk::rnic
