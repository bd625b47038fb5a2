#include "rnic/cq.h"

#include <algorithm>
#include <bit>

#include "base/interleave.h"
#include "base/log.h"

namespace softndk::rnic {

using rdma::Completion;
using rdma::CqHealth;
using rdma::CqNotify;

OwnedInterface<Cq> Cq::create(const rdma::CqParameters& parameters, rdma::CqSink& sink, io::Processor& processor,
                              rdma::DeviceCounters& counters) noexcept {
  OwnedInterface<Cq> cq = make_interface<Cq>(parameters.depth, sink, processor, counters);
  if (cq == nullptr) return nullptr;
  const std::uint64_t capacity = std::bit_ceil(std::uint64_t{parameters.depth});
  // Zeroed memory is a valid array of cells: nothing published, and no page touched before its cell is used.
  if (!cq->memory_.reserve(capacity * sizeof(Cell))) return nullptr;
  cq->mask_ = capacity - 1;
  cq->cells_ = reinterpret_cast<Cell*>(cq->memory_.data());
  return cq;
}

Cq::Cq(std::uint32_t depth, rdma::CqSink& sink, io::Processor& processor, rdma::DeviceCounters& counters)
    : depth_(depth),
      sink_(sink),
      processor_(processor),
      counters_(counters),
      notify_task_([](io::Task& task) noexcept { static_cast<NotifyTask&>(task).cq->notify(); }),
      failed_task_([](io::Task& task) noexcept { static_cast<NotifyTask&>(task).cq->tell_members(); }),
      close_task_([](io::Task& task) noexcept { static_cast<NotifyTask&>(task).cq->sink_.on_cq_closed(); }) {
  notify_task_.cq = failed_task_.cq = close_task_.cq = this;
}

bool Cq::is_published(std::uint64_t ticket) const noexcept {
  // At least acquire: partner of the store in place(), what the cell holds is then visible. Sequentially consistent for
  // arm(), and on x86 the same instruction.
  return cells_[ticket & mask_].published.load() == ticket + 1;
}

void Cq::place(const Completion& completion) noexcept {
  std::uint64_t ticket = tail_.load(std::memory_order_relaxed);
  do {
    if (health_.load(std::memory_order_relaxed) != CqHealth::good) return;
    interleave_point();
    // acquire: partner of the release in poll(); the consumer is done with the cell this ticket will overwrite. Signed:
    // while we looked, other producers may have passed our ticket and the consumer theirs; the exchange then fails.
    const auto held = static_cast<std::int64_t>(ticket - head_.load(std::memory_order_acquire));
    if (held >= static_cast<std::int64_t>(depth_)) return fail(CqHealth::overflow);
  } while (!tail_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_relaxed));
  interleave_point();  // others take later tickets and publish them first
  Cell& cell = cells_[ticket & mask_];
  cell.completion = completion;
  const bool solicits = completion.solicited || completion.status != rdma::WorkStatus::success;
  if (solicits) {
    std::uint64_t end = solicited_end_.load(std::memory_order_relaxed);
    interleave_point();
    while (end < ticket + 1 && !solicited_end_.compare_exchange_weak(end, ticket + 1)) {
    }
  }
  // Store then load here, load after store in arm(), all four sequentially consistent: either this load sees the arm,
  // or the arm sees the published cell.
  cell.published.store(ticket + 1);
  interleave_point();
  const CqNotify armed = armed_.load();
  if (armed == CqNotify::any || (armed == CqNotify::solicited && solicits)) fire();
}

std::size_t Cq::poll(std::span<Completion> results) noexcept {
  std::uint64_t head = head_.load(std::memory_order_relaxed);  // only the consumer writes it
  std::size_t count = 0;
  // A ticket that is taken and not published yet hides what others have placed behind it: a consumer whose queue pair
  // is closed would find its last completions missing (R-CLS-21). Its producer is a few instructions away.
  constexpr unsigned kWaitsMax = 1000;
  for (unsigned waits = 0; !is_published(head) && tail_.load() != head && waits < kWaitsMax; ++waits)
    interleave_wait();
  while (count < results.size() && is_published(head)) {
    results[count++] = cells_[head & mask_].completion;
    ++head;
  }
  if (count != 0) head_.store(head, std::memory_order_release);  // partner: place()
  return count;
}

bool Cq::satisfied(CqNotify kind) const noexcept {
  if (kind == CqNotify::none) return false;
  if (health_.load() != CqHealth::good && !failure_told_.load()) return true;  // latched (R-ARM-18)
  // Only what is still here, and was placed after the last notification was entered (R-ARM-06..09), counts.
  const std::uint64_t from = std::max(head_.load(std::memory_order_relaxed), entered_.load(std::memory_order_relaxed));
  if (kind == CqNotify::any) return is_published(from);
  if (kind == CqNotify::solicited) {
    // Not published yet: its producer has its own look at armed_ still before it.
    const std::uint64_t end = solicited_end_.load();
    return end > from && is_published(end - 1);
  }
  return false;
}

void Cq::arm(CqNotify kind) noexcept {
  if (kind != CqNotify::errors && kind != CqNotify::solicited && kind != CqNotify::any) return;  // R-ARM-20
  CqNotify pending = armed_.load(std::memory_order_relaxed);
  // The enumerators are in order of strength, so the stronger of the two is the larger (R-ARM-01). A notification that
  // clears it meanwhile makes the exchange fail, and the new arm then stands alone.
  while (pending < kind && !armed_.compare_exchange_weak(pending, kind)) {
  }
  interleave_point();
  if (satisfied(armed_.load())) fire();  // partner: the store and load at the end of place()
}

void Cq::fire() noexcept {
  interleave_point();
  // At most once for each arm (R-ARM-02): the exchange decides who of several producers it was.
  if (armed_.exchange(CqNotify::none) == CqNotify::none) return;
  processor_.post(notify_task_);
}

void Cq::notify() noexcept {
  if (closing_.load()) return;
  const CqHealth health = health_.load();
  if (health != CqHealth::good) failure_told_.store(true);
  // What can be polled now is old. Not tail_: a ticket that is taken but not published yet is news that its producer,
  // who may have seen no arm, will not tell.
  std::uint64_t entered = std::max(entered_.load(std::memory_order_relaxed), head_.load());
  while (is_published(entered))
    ++entered;
  interleave_point();
  entered_.store(entered);
  sink_.on_notify(health);
}

void Cq::fail(CqHealth health) noexcept {
  CqHealth good = CqHealth::good;
  if (!health_.compare_exchange_strong(good, health)) return;
  counters_.cq_errors.fetch_add(1, std::memory_order_relaxed);
  log(LogLevel::warning, "completion queue %p of depth %u overflowed: its queue pairs are dead",
      static_cast<void*>(this), depth_);
  processor_.post(failed_task_);
  fire();  // health_ was stored before armed_ is read; arm() stores armed_ before it reads health_
}

void Cq::tell_members() noexcept {
  // A member may leave while we look at the next: it does so under the same lock, and being told only sets bits.
  MutexLock lock(members_mutex_);
  for (CqMember* member = members_.front(); member != nullptr; member = members_.after(*member))
    member->on_cq_failed();
}

void Cq::add_member(CqMember& member) noexcept {
  MutexLock lock(members_mutex_);
  members_.push_back(member);
}

void Cq::remove_member(CqMember& member) noexcept {
  MutexLock lock(members_mutex_);
  IntrusiveList<CqMember>::remove(member);
}

void Cq::close() noexcept {
  closing_.store(true);
  interleave_point();
  // Behind a notification that is queued already: the processor runs its tasks in order.
  processor_.post(close_task_);
}

}  // namespace softndk::rnic
