#pragma once
#include <atomic>
#include <optional>

#include "base/intrusive_list.h"
#include "base/thread_safety.h"
#include "provider/delivery.h"
#include "provider/settings.h"

namespace softndk::provider {

/// Deliveries that wait because the settings want it: until the minimum latency has passed, and, permuted, for a time
/// of their own that is drawn from the seed, so that later ones overtake them, on a processor that is drawn too. What
/// a rule puts in order is safe: it is delivered only when what comes before it has returned (R-CLS-02, R-CLS-03,
/// R-CLS-07), so two deliveries that wait at once are of requests without order (R-REQ-08). Any thread.
class HeldDeliveries {
 public:
  explicit HeldDeliveries(const Settings& settings) noexcept;

  /// False, for good: everything is delivered at once and nothing of this costs.
  bool is_on() const noexcept { return latency_ns_ != 0 || connect_latency_ns_ != 0 || order_seed_.has_value(); }
  bool has_latency() const noexcept { return latency_ns_ != 0; }

  /// The call begins.
  void begin(Delivery& delivery) noexcept {
    if (latency_ns_ != 0) delivery.due_ns_ = ntrt::now_ns() + latency_ns_;
  }
  /// The same for NdkCompleteConnect[Ex], after begin().
  void begin_connect(Delivery& delivery) noexcept {
    if (connect_latency_ns_ > latency_ns_) delivery.due_ns_ = ntrt::now_ns() + connect_latency_ns_;
  }
  /// Queues it to its processor when it is due. Needs is_on().
  void hold(Delivery& delivery) noexcept SOFTNDK_EXCLUDES(mutex_);

 private:
  struct Bell : ntrt::DeferredTimer {
    explicit Bell(HeldDeliveries& it) noexcept;
    HeldDeliveries& held;
  };
  void release_due() noexcept SOFTNDK_EXCLUDES(mutex_);
  /// Sees to it that the bell rings in time for the first.
  void set_bell() noexcept SOFTNDK_REQUIRES(mutex_);

  const io::TimeNs latency_ns_;
  const io::TimeNs connect_latency_ns_;
  const std::optional<std::uint64_t> order_seed_;
  std::atomic<std::uint64_t> draws_{0};

  Mutex mutex_;
  IntrusiveList<Delivery> waiting_ SOFTNDK_GUARDED_BY(mutex_);  ///< the first due is the first
  /// One run of the bell is to come, and no more: so that when nothing waits none is on its way, and this may go.
  bool bell_is_set_ SOFTNDK_GUARDED_BY(mutex_) = false;
  io::TimeNs bell_at_ns_ SOFTNDK_GUARDED_BY(mutex_) = 0;
  Bell bell_{*this};
};

}  // namespace softndk::provider
