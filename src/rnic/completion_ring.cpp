#include "rnic/completion_ring.h"

#include <bit>

#include "base/interleave.h"

namespace softndk::rnic {

Owned<CompletionRing::Segment> CompletionRing::Segment::create(std::uint32_t depth, bool timed) noexcept {
  Owned<Segment> segment = try_make<Segment>();
  if (segment == nullptr) return nullptr;
  const std::uint64_t capacity = std::bit_ceil(std::uint64_t{depth});
  // Zeroed memory is a valid array of cells: nothing published, and no page touched before its cell is used.
  if (!segment->memory_.reserve(capacity * (sizeof(Cell) + (timed ? sizeof(io::TimeNs) : 0)))) return nullptr;
  segment->mask_ = capacity - 1;
  segment->cells_ = reinterpret_cast<Cell*>(segment->memory_.data());
  if (timed) segment->due_ns_ = reinterpret_cast<io::TimeNs*>(segment->cells_ + capacity);
  return segment;
}

bool CompletionRing::reserve_memory(std::uint32_t depth, bool timed) noexcept {
  Owned<Segment> segment = Segment::create(depth, timed);
  if (segment == nullptr) return false;
  MutexLock lock(resize_mutex_);
  first_ = std::move(segment);
  newest_ = head_cursor_ = first_.get();
  timed_ = timed;
  depth_.store(depth, std::memory_order_relaxed);
  shapes_[0].depth.store(depth, std::memory_order_relaxed);
  shapes_[0].segment.store(newest_, std::memory_order_relaxed);
  return true;
}

CompletionRing::Claim CompletionRing::claim() noexcept {
  // acquire, here and where the exchange fails: partner of the exchange in resize(), the shape in force is complete.
  std::uint64_t tail = tail_.load(std::memory_order_acquire);
  for (;;) {
    if ((tail & kShut) != 0) return {};
    const Shape& shape = shapes_[tail & kShapeBit];
    const Number number = (tail >> kTicketShift) - shape.resizes.load(std::memory_order_acquire);
    const std::uint32_t depth = shape.depth.load(std::memory_order_acquire);
    Segment* segment = shape.segment.load(std::memory_order_acquire);
    interleave_point();
    // acquire: partner of the release in take(); the consumer is done with the cell that this number will overwrite.
    // Signed: while we looked, other producers may have passed our ticket and the consumer theirs.
    const auto held = static_cast<std::int64_t>(number - head_.load(std::memory_order_acquire));
    if (held >= static_cast<std::int64_t>(depth)) {
      // An exchange here too: full, with this very tail, and nothing is placed behind what is lost.
      if (tail_.compare_exchange_strong(tail, tail | kShut, std::memory_order_acquire)) return {nullptr, kNone, true};
      // Release too: who reads the next tail has seen the head that we have seen, so the queue is not full to him
      // alone.
    } else if (tail_.compare_exchange_weak(tail, tail + kOneTicket, std::memory_order_acq_rel,
                                           std::memory_order_acquire)) {
      return {segment, number, false};
    }
  }
}

CompletionRing::Cell* CompletionRing::find_from(Segment* segment, Number number, Segment** found) noexcept {
  do {
    // At least acquire: partner of the store in publish(), what the cell holds is then visible. Sequentially consistent
    // for who has set a flag before (publish()), and on x86 the same instruction.
    Cell& cell = segment->cell(number);
    if (cell.published.load() == number + 1) {
      if (found != nullptr) *found = segment;
      return &cell;
    }
    // A segment is linked before any entry can be in it, so none is overlooked.
    segment = segment->next_.load();
  } while (segment != nullptr);
  return nullptr;
}

std::size_t CompletionRing::take(std::span<rdma::Completion> results, Number end) noexcept {
  Number head = head_.load(std::memory_order_relaxed);  // only the consumer writes it
  std::size_t count = 0;
  while (count < results.size() && head < end) {
    const Cell* cell = find_from(head_cursor_, head, &head_cursor_);
    if (cell == nullptr) break;
    results[count++] = cell->completion;
    ++head;
  }
  if (count != 0) head_.store(head, std::memory_order_release);  // partner: claim()
  return count;
}

CompletionRing::Number CompletionRing::claimed() const noexcept {
  for (;;) {
    const std::uint64_t tail = tail_.load();
    const Number number = (tail >> kTicketShift) - shapes_[tail & kShapeBit].resizes.load(std::memory_order_acquire);
    if (((tail_.load() ^ tail) & ~kShut) == 0) return number;
  }
}

expected<void, rdma::CqError> CompletionRing::resize(std::uint32_t depth) noexcept {
  MutexLock lock(resize_mutex_);
  Segment* segment = newest_;
  if (depth > segment->mask_ + 1) {
    Owned<Segment> larger = Segment::create(depth, timed_);
    if (larger == nullptr) return unexpected(rdma::CqError::no_resources);
    segment = larger.get();
    newest_->owned_next_ = std::move(larger);
    // Sequentially consistent, before the exchange below: who finds an entry of it missing has not looked too early.
    newest_->next_.store(segment);
    newest_ = segment;
  }
  std::uint64_t tail = tail_.load(std::memory_order_acquire);
  for (;;) {
    const Shape& before = shapes_[tail & kShapeBit];
    Shape& after = shapes_[~tail & kShapeBit];
    const std::uint64_t resizes = before.resizes.load(std::memory_order_relaxed);
    const Number number = (tail >> kTicketShift) - resizes;
    interleave_point();
    // More than before is never too few; so the new segment, if there is one, comes to use.
    if (static_cast<std::int64_t>(number - head_.load(std::memory_order_acquire)) > static_cast<std::int64_t>(depth))
      return unexpected(rdma::CqError::too_shallow);
    after.resizes.store(resizes + 1, std::memory_order_release);
    after.depth.store(depth, std::memory_order_release);
    after.segment.store(segment, std::memory_order_release);
    interleave_point();
    if (tail_.compare_exchange_strong(tail, (tail + kOneTicket) ^ kShapeBit)) break;
  }
  depth_.store(depth, std::memory_order_relaxed);
  return {};
}

}  // namespace softndk::rnic
