#pragma once
#include <cstdint>

#include "base/intrusive_list.h"
#include "ntrt/deferred.h"

namespace softndk::provider {

/// A callback that the consumer is owed. Lives inside its owner; while it runs it may be used again, or be gone.
class Delivery : public ntrt::DeferredCall, public ListLink {
 public:
  /// Calls the consumer. Runs at DISPATCH_LEVEL, once for each deliver() or queue(), without a lock held (R-REQ-07).
  using Function = void (*)(Delivery& self) noexcept;
  Delivery(Function function, const char* what) noexcept
      : DeferredCall([](DeferredCall& self) noexcept { static_cast<Delivery&>(self).run(); }, what),
        function_(function),
        what_(what) {
    set_processor(ntrt::choose_processor(0));
  }

  void run() noexcept { function_(*this); }
  const char* what() const noexcept { return what_; }

 private:
  friend class Completer;
  friend class HeldDeliveries;
  Function function_;
  const char* what_;
  std::uint64_t ticket_ = 0;
  io::TimeNs due_ns_ = 0;  ///< not before
};

/// A well mixed number for each n (splitmix64).
constexpr std::uint64_t mix(std::uint64_t n) noexcept {
  n += 0x9e3779b97f4a7c15;
  n = (n ^ (n >> 30)) * 0xbf58476d1ce4e5b9;
  n = (n ^ (n >> 27)) * 0x94d049bb133111eb;
  return n ^ (n >> 31);
}

}  // namespace softndk::provider
