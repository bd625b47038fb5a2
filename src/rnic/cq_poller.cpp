#include "rnic/cq_poller.h"

#include <algorithm>
#include <utility>

#include "base/interleave.h"

namespace softndk::rnic {

CqPoller::CqPoller(io::Processor& processor, io::Clock& clock, PollReads when) noexcept
    : processor_(processor),
      clock_(clock),
      when_(when),
      empty_polls_min_(when == PollReads::at_once ? 1 : kEmptyPollsMin),
      lease_([](io::Task& task) noexcept { static_cast<Lease&>(task).poller->on_lease(); }) {
  lease_.poller = this;
}

void CqPoller::add(PolledSide& side) noexcept {
  for (unsigned i = 0; i < kSlots; ++i) {
    PolledSide* nobody = nullptr;
    if (!slots_[i].side.compare_exchange_strong(nobody, &side)) continue;
    unsigned used = used_.load();
    while (used < i + 1 && !used_.compare_exchange_weak(used, i + 1)) {
    }
    return;
  }
}

bool CqPoller::try_remove(PolledSide& side) noexcept {
  if (busy_.exchange(true)) return false;
  for (Slot& slot : slots_) {
    if (slot.side.load() != &side) continue;
    if (std::exchange(slot.is_polled, false)) side.end_polling(room());
    slot.side.store(nullptr);
  }
  let_go();
  return true;
}

ReadRoom CqPoller::room() const noexcept {
  Room& memory = *reinterpret_cast<Room*>(memory_.data());
  return {MutableBytes(memory.staging), MutableBytes(memory.scratch), true};
}

bool CqPoller::enter() noexcept {
  if (when_ == PollReads::off) return false;
  const io::TimeNs now_ns = clock_.now_ns();
  // Polls that are far between are no progress that a peer could rely on.
  const bool is_dense = now_ns - std::exchange(first_empty_ns_, now_ns) <= kEntryNs;
  if (!is_dense && when_ != PollReads::at_once) {
    empty_polls_ = 0;
    return false;
  }
  if (memory_.data() == nullptr && !memory_.reserve(sizeof(Room))) return false;
  active_.store(true);
  leave_due_.store(false);
  lease_ns_ = kLeaseMinNs;
  polls_seen_ = polls_.load(std::memory_order_relaxed);
  processor_.arm(lease_, now_ns + lease_ns_);
  return true;
}

bool CqPoller::progress() noexcept {
  interleave_point();
  if (busy_.exchange(true)) return false;  // the lease is being looked at, or a member leaves
  if (!active_.load(std::memory_order_relaxed) && !enter()) {
    let_go();
    return false;
  }
  polls_.store(polls_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  const unsigned used = used_.load(std::memory_order_relaxed);
  for (unsigned i = 0; i < used; ++i) {
    Slot& slot = slots_[i];
    PolledSide* side = slot.side.load();
    if (side == nullptr) continue;
    if (!std::exchange(slot.is_polled, true)) side->begin_polling();
    side->poll(room());
  }
  let_go();
  return true;
}

void CqPoller::let_go() noexcept {
  for (;;) {
    if (leave_due_.exchange(false)) leave();
    interleave_point();
    busy_.store(false);
    // Partner: on_arm(), which stores and then finds us busy.
    if (!leave_due_.load() || busy_.exchange(true)) return;
  }
}

void CqPoller::leave() noexcept {
  if (!active_.load()) return;
  active_.store(false);
  for (Slot& slot : slots_)
    if (std::exchange(slot.is_polled, false)) slot.side.load()->end_polling(room());
}

void CqPoller::on_lease() noexcept {
  if (!active_.load()) return;
  interleave_point();
  if (busy_.exchange(true)) {  // a poll is under way: there is nothing to fear for this long
    processor_.arm(lease_, clock_.now_ns() + kLeaseMinNs);
    return;
  }
  const std::uint32_t polls = polls_.load(std::memory_order_relaxed);
  if (polls - std::exchange(polls_seen_, polls) < kPollsPerLease) {
    leave();
  } else {
    lease_ns_ = std::min(2 * lease_ns_, kLeaseMaxNs);
  }
  if (active_.load()) processor_.arm(lease_, clock_.now_ns() + lease_ns_);
  let_go();
}

}  // namespace softndk::rnic
