#pragma once
#include <cstddef>
#include <span>

#include "base/bytes.h"
#include "base/log.h"

namespace softndk::iwarp {

/// What one gathering write sends: octets written here (headers, trailers, markers, small payload) and references to
/// memory elsewhere, in order. Neighbours in memory become one span, so a trailer and the next header cost one.
/// The caller owns spans, arena and whatever is referred to until the octets are sent.
class GatherList {
 public:
  GatherList(std::span<ConstIoSpan> spans, MutableBytes arena) : spans_(spans), arena_(arena) {}

  void clear() { first_ = count_ = used_ = bytes_ = 0; }
  bool empty() const { return bytes_ == 0; }
  /// Octets still to be sent.
  std::size_t bytes() const { return bytes_; }
  std::span<const ConstIoSpan> spans() const { return spans_.subspan(first_, count_ - first_); }
  std::size_t spans_left() const { return spans_.size() - count_; }
  std::size_t arena_left() const { return arena_.size() - used_; }

  /// Copies; there must be room for the octets and one span.
  void write(Bytes octets) {
    if (octets.empty()) return;
    SOFTNDK_CHECK(octets.size() <= arena_left());
    std::uint8_t* at = arena_.data() + used_;
    std::memcpy(at, octets.data(), octets.size());
    used_ += octets.size();
    refer({at, octets.size()});
  }
  /// The same in two steps, for who builds its octets in place: where they go, and that there are `count` of them.
  /// Nothing else may be added between the two; room for `count` octets and a span was looked for.
  std::uint8_t* place() { return arena_.data() + used_; }
  void placed(std::size_t count) {
    SOFTNDK_CHECK(count <= arena_left());
    std::uint8_t* at = place();
    used_ += count;
    refer({at, count});
  }
  /// Refers; there must be room for one span.
  void refer(ConstIoSpan span) {
    if (span.size == 0) return;
    bytes_ += span.size;
    if (count_ != first_ && spans_[count_ - 1].data + spans_[count_ - 1].size == span.data) {
      spans_[count_ - 1].size += span.size;
      return;
    }
    SOFTNDK_CHECK(count_ < spans_.size());
    spans_[count_++] = span;
  }
  /// The first `count` octets are sent. When all are, the list is as after clear().
  void drop_front(std::size_t count) {
    SOFTNDK_CHECK(count <= bytes_);
    if (count == bytes_) return clear();
    bytes_ -= count;
    while (count >= spans_[first_].size)
      count -= spans_[first_++].size;
    spans_[first_] = {spans_[first_].data + count, spans_[first_].size - count};
  }

 private:
  std::span<ConstIoSpan> spans_;
  MutableBytes arena_;
  std::size_t first_ = 0;
  std::size_t count_ = 0;
  std::size_t used_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace softndk::iwarp
