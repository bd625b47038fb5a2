#pragma once
#include <atomic>
#include <cstdint>
#include <span>

#include "base/alloc.h"
#include "base/expected.h"
#include "base/lazy_memory.h"
#include "base/thread_safety.h"
#include "io/clock.h"
#include "rdma/queue.h"

namespace softndk::rnic {

/// The entries of a completion queue: many producers, one consumer, exactly as many as the depth allows, and a depth
/// that changes under them. No lock, and no allocation but in resize() (docs/notes/0006).
///
/// Entries are numbered in the order in which they were claimed, from 0 on, and never again. A producer claims the next
/// number by an exchange on the tail, fills its cell and publishes it by storing number + 1 there; the consumer takes
/// the cell at its head if its number is there.
///
/// The tail counts tickets: claims, and resizes too. So its value never repeats, and an exchange that succeeds proves
/// that the shape which was read before it (depth, cells) is still the one in force. Cells live in segments; a larger
/// one is linked behind the last when the depth outgrows it. Each is at least twice its predecessor, so all old ones
/// together are smaller than the newest, and nobody need know when they have been left: they go with the ring.
class CompletionRing {
 public:
  using Number = std::uint64_t;
  static constexpr Number kNone = UINT64_MAX;

  struct Cell {
    std::atomic<Number> published{0};  ///< the number + 1 of what it holds
    rdma::Completion completion;
  };
  class Segment {
   public:
    /// Null when memory is short. `timed`: with room for due times.
    static Owned<Segment> create(std::uint32_t depth, bool timed) noexcept;
    Cell& cell(Number number) noexcept { return cells_[number & mask_]; }
    io::TimeNs& due_ns(Number number) noexcept { return due_ns_[number & mask_]; }

   private:
    friend class CompletionRing;
    LazyMemory memory_;
    Cell* cells_ = nullptr;
    io::TimeNs* due_ns_ = nullptr;
    std::uint64_t mask_ = 0;
    std::atomic<Segment*> next_{nullptr};
    Owned<Segment> owned_next_;  // resizers only
  };

  /// A place for one entry, the claimant's until it has published it.
  struct Claim {
    Segment* segment = nullptr;  ///< null: there is none
    Number number = kNone;
    bool overflow = false;  ///< the queue was full: this claim shut it, for good
    Cell& cell() const noexcept { return segment->cell(number); }
  };

  /// Once, before any use. False when memory is short.
  [[nodiscard]] bool reserve_memory(std::uint32_t depth, bool timed) noexcept;

  // Producers.

  Claim claim() noexcept;
  /// What the claimant wrote to the cell is visible to whoever finds the entry. Sequentially consistent: a producer
  /// that looks at a flag afterwards and a consumer that sets the flag and then looks here cannot both miss each other.
  static void publish(const Claim& claim) noexcept { claim.cell().published.store(claim.number + 1); }
  /// No claim succeeds any more.
  void shut() noexcept { tail_.fetch_or(kShut); }

  /// A place from which somebody looks for entries, in ascending order: one for each thread that looks.
  struct Cursor {
    Segment* segment = nullptr;
  };

  // The consumer.

  Cursor cursor() const noexcept { return {head_cursor_}; }
  Number head() const noexcept { return head_.load(); }
  /// Takes what is at the head, up to results.size() entries and to number `end`.
  std::size_t take(std::span<rdma::Completion> results, Number end) noexcept;
  /// Whether everything that was claimed has been taken.
  bool is_empty() const noexcept { return claimed() == head_.load(std::memory_order_relaxed); }

  // Anybody.

  Cursor begin() noexcept { return {first_.get()}; }
  /// The entry, or null: it is not published, or has been overwritten. `cursor` may move up to it, not beyond.
  Cell* find(Cursor& cursor, Number number) noexcept { return find_from(cursor.segment, number, &cursor.segment); }
  /// One past the newest number that somebody has claimed.
  Number claimed() const noexcept;
  std::uint32_t depth() const noexcept { return depth_.load(std::memory_order_relaxed); }
  /// From now on there is room for `depth` entries. Beside everything else; an error changes nothing. Errors:
  /// too_shallow (more are claimed and not taken), no_resources.
  expected<void, rdma::CqError> resize(std::uint32_t depth) noexcept SOFTNDK_EXCLUDES(resize_mutex_);

 private:
  /// The tail: tickets above two bits.
  static constexpr std::uint64_t kShapeBit = 1;  ///< which shape is in force
  static constexpr std::uint64_t kShut = 2;
  static constexpr unsigned kTicketShift = 2;
  static constexpr std::uint64_t kOneTicket = std::uint64_t{1} << kTicketShift;

  /// What a producer must know. The one that is not in force is written by resize(); who reads it meanwhile holds an
  /// old tail, and its exchange fails. Stored with release, read with acquire: who has seen a new value sees the new
  /// tail.
  struct Shape {
    std::atomic<std::uint64_t> resizes{0};  ///< tickets that no entry has
    std::atomic<std::uint32_t> depth{0};
    std::atomic<Segment*> segment{nullptr};
  };

  Cell* find_from(Segment* segment, Number number, Segment** found) noexcept;

  Owned<Segment> first_;
  std::atomic<std::uint32_t> depth_{0};
  bool timed_ = false;
  alignas(64) Shape shapes_[2];
  alignas(64) std::atomic<std::uint64_t> tail_{0};  // producers, resizers
  alignas(64) std::atomic<Number> head_{0};         // consumer: next to take
  Segment* head_cursor_ = nullptr;                  // consumer: where the head is, or before
  Mutex resize_mutex_;
  Segment* newest_ SOFTNDK_GUARDED_BY(resize_mutex_) = nullptr;
};

}  // namespace softndk::rnic
