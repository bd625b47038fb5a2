#include "provider/held_deliveries.h"

#include <algorithm>

namespace softndk::provider {
namespace {

/// How much later than it could a permuted delivery may come: far more than two calls of a consumer are apart.
constexpr io::TimeNs kPermutedWithinNs = 100 * io::kMicrosecond;

}  // namespace

HeldDeliveries::HeldDeliveries(const Settings& settings) noexcept
    : latency_ns_(settings.latency_ns),
      connect_latency_ns_(settings.connect_latency_ns),
      order_seed_(settings.order_seed) {}

HeldDeliveries::Bell::Bell(HeldDeliveries& it) noexcept
    : DeferredTimer([](DeferredTimer& self) noexcept { static_cast<Bell&>(self).held.release_due(); },
                    "held deliveries"),
      held(it) {}

void HeldDeliveries::hold(Delivery& delivery) noexcept {
  io::TimeNs due_ns = std::max(delivery.due_ns_, ntrt::now_ns());
  if (order_seed_) {
    const std::uint64_t drawn = mix(*order_seed_ + draws_.fetch_add(1));
    due_ns += drawn % kPermutedWithinNs;
    delivery.set_processor(static_cast<unsigned>(drawn >> 32) % ntrt::processor_count());
  }
  delivery.due_ns_ = due_ns;
  MutexLock lock(mutex_);
  // From the end: it is seldom due before many others.
  Delivery* before = waiting_.back();
  while (before != nullptr && before->due_ns_ > due_ns)
    before = waiting_.before(*before);
  waiting_.insert_after(before, delivery);
  set_bell();
}

void HeldDeliveries::set_bell() noexcept {
  const Delivery* first = waiting_.front();
  if (first == nullptr || (bell_is_set_ && bell_at_ns_ <= first->due_ns_)) return;
  // A run that has begun will find it.
  if (bell_is_set_ && !bell_.cancel()) return;
  bell_is_set_ = true;
  bell_at_ns_ = first->due_ns_;
  bell_.arm_at(bell_at_ns_);
}

void HeldDeliveries::release_due() noexcept {
  IntrusiveList<Delivery> due;
  {
    MutexLock lock(mutex_);
    bell_is_set_ = false;
    const io::TimeNs now_ns = ntrt::now_ns();
    while (!waiting_.empty() && waiting_.front()->due_ns_ <= now_ns)
      due.push_back(*waiting_.pop_front());
    set_bell();
  }
  // The last of them may lead to the end of everything, this included.
  while (Delivery* delivery = due.pop_front())
    delivery->queue();
}

}  // namespace softndk::provider
