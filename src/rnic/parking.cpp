#include "rnic/parking.h"

#include <algorithm>
#include <cstring>

namespace softndk::rnic {

bool ParkingLot::open_message(const iwarp::Segment& first, io::TimeNs now_ns) noexcept {
  if (messages_ >= messages_max_ || first.payload_bytes > bytes_max_ - bytes_) return false;
  Owned<Message> message = try_make<Message>();
  if (message == nullptr) return false;
  Message* opened = message.release();
  opened->header = first;
  opened->arrived_ns = now_ns;
  (tail_ != nullptr ? tail_->next : head_) = opened;
  tail_ = opened;
  ++messages_;
  return true;
}

bool ParkingLot::grow_newest(std::uint32_t bytes) noexcept {
  if (bytes <= tail_->capacity) {
    tail_->bytes = std::max(tail_->bytes, bytes);
    return true;
  }
  // Doubling keeps the copying linear; the bound counts what is reserved, so that it is the memory that is bounded.
  const std::uint32_t others = bytes_ - tail_->capacity;
  const std::uint32_t room = bytes_max_ > others ? bytes_max_ - others : 0;
  if (bytes > room) return false;
  const std::uint32_t capacity = std::min(std::max(bytes, tail_->capacity * 2), room);
  auto* data = static_cast<std::uint8_t*>(try_allocate(capacity));
  if (data == nullptr) return false;
  if (tail_->bytes != 0) std::memcpy(data, tail_->data, tail_->bytes);
  deallocate(tail_->data);
  tail_->data = data;
  tail_->capacity = capacity;
  tail_->bytes = bytes;
  bytes_ = others + capacity;
  return true;
}

void ParkingLot::drop_oldest() noexcept {
  Owned<Message> message(head_);
  head_ = message->next;
  if (head_ == nullptr) tail_ = nullptr;
  bytes_ -= message->capacity;
  --messages_;
  deallocate(message->data);
}

void ParkingLot::clear() noexcept {
  while (head_ != nullptr)
    drop_oldest();
}

}  // namespace softndk::rnic
