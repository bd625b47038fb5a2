#pragma once
#include <cstdint>

#include "base/alloc.h"
#include "base/bytes.h"
#include "io/clock.h"
#include "iwarp/segment.h"

namespace softndk::rnic {

/// Sends that arrived before a receive was posted (R-CNCT-20): kept in order, within bounds of number and octets.
class ParkingLot {
 public:
  struct Message {
    Message* next = nullptr;
    std::uint8_t* data = nullptr;
    std::uint32_t capacity = 0;
    std::uint32_t bytes = 0;
    bool complete = false;
    io::TimeNs arrived_ns = 0;
    iwarp::Segment header;  ///< of its first segment
  };

  ParkingLot() = default;
  ~ParkingLot() { clear(); }
  ParkingLot(const ParkingLot&) = delete;
  ParkingLot& operator=(const ParkingLot&) = delete;

  void set_bounds(std::uint32_t bytes_max, std::uint32_t messages_max) {
    bytes_max_ = bytes_max;
    messages_max_ = messages_max;
  }
  bool empty() const { return head_ == nullptr; }
  Message* oldest() { return head_; }
  Message* newest() { return tail_; }

  /// Begins a message; false: a bound is reached, or memory is short.
  [[nodiscard]] bool open_message(const iwarp::Segment& first, io::TimeNs now_ns) noexcept;
  /// Makes room for the newest to grow to `bytes`; false: as above. The octets are at newest()->data.
  [[nodiscard]] bool grow_newest(std::uint32_t bytes) noexcept;
  void drop_oldest() noexcept;
  void clear() noexcept;

 private:
  std::uint32_t bytes_max_ = 0;
  std::uint32_t messages_max_ = 0;
  std::uint32_t bytes_ = 0;
  std::uint32_t messages_ = 0;
  Message* head_ = nullptr;
  Message* tail_ = nullptr;
};

}  // namespace softndk::rnic
