#pragma once
#include <atomic>
#include <cstdint>
#include <utility>

namespace softndk::provider {

/// How many objects of one kind a miniport adapter may have (R-NDIS-14). Any thread.
class InstanceCount {
 public:
  explicit InstanceCount(std::uint32_t max) noexcept : left_(max) {}

  /// The right to one object; given back when destroyed. Empty when all are taken.
  class Ticket {
   public:
    Ticket() = default;
    explicit Ticket(InstanceCount* from) noexcept : from_(from) {}
    Ticket(Ticket&& other) noexcept : from_(std::exchange(other.from_, nullptr)) {}
    Ticket& operator=(Ticket&&) = delete;
    ~Ticket() {
      if (from_ != nullptr) from_->left_.fetch_add(1);
    }
    explicit operator bool() const noexcept { return from_ != nullptr; }

   private:
    InstanceCount* from_ = nullptr;
  };
  Ticket take() noexcept {
    std::uint32_t left = left_.load();
    do {
      if (left == 0) return Ticket();
    } while (!left_.compare_exchange_weak(left, left - 1));
    return Ticket(this);
  }

 private:
  std::atomic<std::uint32_t> left_;
};

}  // namespace softndk::provider
