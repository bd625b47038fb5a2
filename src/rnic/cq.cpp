#include "rnic/cq.h"

#include <algorithm>

#include "base/interleave.h"
#include "base/log.h"

namespace softndk::rnic {

using rdma::Completion;
using rdma::CqHealth;
using rdma::CqModeration;
using rdma::CqNotify;

OwnedInterface<Cq> Cq::create(const rdma::CqParameters& parameters, rdma::CqSink& sink, io::Processor& processor,
                              const CqContext& context) noexcept {
  OwnedInterface<Cq> cq = make_interface<Cq>(sink, processor, context);
  if (cq == nullptr || !cq->ring_.reserve_memory(parameters.depth, cq->latency_ns_ != 0)) return nullptr;
  cq->old_cursor_ = cq->ripe_cursor_ = cq->ring_.begin();
  return cq;
}

Cq::Cq(rdma::CqSink& sink, io::Processor& processor, const CqContext& context)
    : sink_(sink),
      processor_(processor),
      counters_(context.counters),
      clock_(context.clock),
      latency_ns_(context.settings.completion_latency_ns),
      arm_counts_old_(context.settings.arm_counts_old),
      notify_task_(*this, [](io::Task& task) noexcept { static_cast<CqTask&>(task).cq.notify(); }),
      failed_task_(*this, [](io::Task& task) noexcept { static_cast<CqTask&>(task).cq.tell_members(); }),
      close_task_(*this, [](io::Task& task) noexcept { static_cast<CqTask&>(task).cq.try_to_close(); }),
      company_timer_(*this, [](io::Task& task) noexcept { static_cast<CqTimer&>(task).cq.notify(); }),
      ripe_timer_(*this, [](io::Task& task) noexcept { static_cast<CqTimer&>(task).cq.ripen(); }),
      poller_(processor, context.clock, context.settings.poll_reads) {}

namespace {
/// Longer intervals are rounded down (R-MOD-08).
constexpr io::TimeNs kIntervalMaxNs = io::kSecond;
}  // namespace

// ---- placing and taking

void Cq::place(const Completion& completion) noexcept {
  const CompletionRing::Claim claim = ring_.claim();
  if (claim.segment == nullptr) {
    if (claim.overflow) fail(CqHealth::overflow);
    return;
  }
  interleave_point();  // others claim later numbers and publish them first
  claim.cell().completion = completion;
  const bool solicits = completion.solicited || completion.status != rdma::WorkStatus::success;
  if (latency_ns_ != 0) [[unlikely]] {
    const io::TimeNs due_ns = clock_.now_ns() + latency_ns_;
    claim.segment->due_ns(claim.number) = due_ns;
    CompletionRing::publish(claim);
    interleave_point();
    if (!ripening_.exchange(true)) processor_.arm(ripe_timer_, due_ns);  // partner: the end of ripen()
    return;
  }
  if (solicits) note_solicited(claim.number);
  // Store then load here, load after store in arm(), all four sequentially consistent: either this load sees the arm,
  // or the arm sees the published cell.
  CompletionRing::publish(claim);
  look_for_arm(claim.number, solicits);
}

void Cq::note_solicited(Number number) noexcept {
  Number end = solicited_end_.load(std::memory_order_relaxed);
  interleave_point();
  while (end < number + 1 && !solicited_end_.compare_exchange_weak(end, number + 1)) {
  }
}

void Cq::look_for_arm(Number number, bool solicits) noexcept {
  interleave_point();
  const CqNotify armed = armed_.load();
  if (armed == CqNotify::any || (armed == CqNotify::solicited && solicits)) fire(number);
  // The same with a notification that waits for company (is_deferred()).
  if (number >= company_.load()) processor_.post(notify_task_);
}

std::size_t Cq::poll(std::span<Completion> results) noexcept {
  std::size_t count = take(results);
  if (count != 0) {
    poller_.on_found();
  } else if (!results.empty() && poller_.on_empty()) {
    count = take(results);
  }
  return count;
}

std::size_t Cq::take(std::span<Completion> results) noexcept {
  if (latency_ns_ != 0) return ring_.take(results, ripe_end_.load());
  // A number that is claimed and not published yet hides what others have placed behind it: a consumer whose queue pair
  // is closed would find its last completions missing (R-CLS-21). Its producer is a few instructions away.
  constexpr unsigned kWaitsMax = 1000;
  std::size_t count = ring_.take(results, kNone);
  for (unsigned waits = 0; count == 0 && !results.empty() && !ring_.is_empty() && waits < kWaitsMax; ++waits) {
    interleave_wait();
    count = ring_.take(results, kNone);
  }
  return count;
}

void Cq::ripen() noexcept {
  if (closing_.load()) return;
  Number next = ripe_end_.load(std::memory_order_relaxed);
  const io::TimeNs now_ns = clock_.now_ns();
  for (;;) {
    CompletionRing::Cell* cell = ring_.find(ripe_cursor_, next);
    if (cell == nullptr) {
      ripening_.store(false);
      interleave_point();
      // Published meanwhile, by somebody who saw the flag still up: one of us sees the other.
      if (ring_.find(ripe_cursor_, next) == nullptr || ripening_.exchange(true)) return;
      continue;
    }
    const io::TimeNs due_ns = ripe_cursor_.segment->due_ns(next);
    if (due_ns > now_ns) return processor_.arm(ripe_timer_, due_ns);
    const bool solicits = cell->completion.solicited || cell->completion.status != rdma::WorkStatus::success;
    if (solicits) note_solicited(next);
    ripe_end_.store(next + 1);  // as the publishing in place()
    look_for_arm(next, solicits);
    ++next;
  }
}

// ---- arming

bool Cq::is_visible(Number number, CompletionRing::Cursor from) noexcept {
  return latency_ns_ == 0 ? ring_.find(from, number) != nullptr : number < ripe_end_.load();
}

bool Cq::satisfied(CqNotify kind, CompletionRing::Cursor cursor) noexcept {
  if (kind == CqNotify::none) return false;
  if (health_.load() != CqHealth::good) return !failure_told_.load();  // latched, and told once (R-ARM-18)
  // Only what is still here, and was placed after the last notification was entered (R-ARM-06..09), counts.
  const Number head = ring_.head();
  const Number from = arm_counts_old_ ? head : std::max(head, entered_.load(std::memory_order_relaxed));
  if (kind == CqNotify::any) return is_visible(from, cursor);
  if (kind == CqNotify::solicited) {
    // Not published yet: its producer has its own look at armed_ still before it.
    const Number end = solicited_end_.load();
    return end > from && is_visible(end - 1, cursor);
  }
  return false;  // R-ARM-13
}

/// The enumerators are in order of strength, so the stronger of the two is the larger (R-ARM-01). A notification that
/// clears it meanwhile makes the exchange fail, and the new arm then stands alone.
void Cq::strengthen(std::atomic<CqNotify>& arm, CqNotify kind) noexcept {
  CqNotify pending = arm.load(std::memory_order_relaxed);
  while (pending < kind && !arm.compare_exchange_weak(pending, kind)) {
  }
}

void Cq::arm(CqNotify kind) noexcept {
  if (kind != CqNotify::errors && kind != CqNotify::solicited && kind != CqNotify::any) return;  // R-ARM-20
  poller_.on_arm();
  arm_and_look(kind, ring_.cursor());
}

void Cq::arm_and_look(CqNotify kind, CompletionRing::Cursor cursor) noexcept {
  strengthen(armed_, kind);
  interleave_point();
  if (satisfied(armed_.load(), cursor)) fire(kNone);  // partner: the store and load at the end of place()
}

void Cq::fire(Number number) noexcept {
  interleave_point();
  // At most once for each arm (R-ARM-02): the exchange decides who of several producers it was.
  const CqNotify kind = armed_.exchange(CqNotify::none);
  if (kind == CqNotify::none) return;
  strengthen(fired_, kind);
  // What came since the last notification is company that it has already.
  const Number news = std::max(ring_.head(), entered_.load());
  Number nobody = kNone;
  due_since_.compare_exchange_strong(nobody, std::min(number, news));  // else: one that waits tells of this too
  processor_.post(notify_task_);
}

// ---- telling

void Cq::notify() noexcept {
  if (closing_.load() || due_since_.load() == kNone) return;
  const CqHealth health = health_.load();
  if (health == CqHealth::good && is_deferred()) return;
  if (waits_) {
    waits_ = false;
    company_.store(kNone);
    processor_.cancel(company_timer_);
  }
  due_since_.store(kNone);  // what becomes due from here on is told next time
  const CqNotify kind = fired_.exchange(CqNotify::none);
  // A producer may see an arm that was made after its completion had been polled, and a consumer may arm and then poll:
  // what it was for is not there any more, so the arm stands (R-ARM-23).
  // What is old may lie in cells that our cursor has left, after a resize.
  const CompletionRing::Cursor from = arm_counts_old_ ? ring_.begin() : old_cursor_;
  if (health == CqHealth::good && !satisfied(kind, from)) return arm_and_look(kind, from);
  if (health != CqHealth::good && failure_told_.exchange(true)) return;
  mark_old();
  sink_.on_notify(health);
}

void Cq::mark_old() noexcept {
  // What can be polled now is old. Not all that is claimed: an entry that is not published yet is news that its
  // producer, who may have seen no arm, will not tell.
  Number entered = std::max(entered_.load(std::memory_order_relaxed), ring_.head());
  if (latency_ns_ != 0) {
    entered = std::max(entered, ripe_end_.load());
  } else {
    while (ring_.find(old_cursor_, entered) != nullptr)
      ++entered;
  }
  interleave_point();
  entered_.store(entered);
}

expected<void, rdma::CqError> Cq::resize(std::uint32_t depth) noexcept {
  const auto resized = ring_.resize(depth);
  if (resized) processor_.post(notify_task_);  // less company may be room for than one waits for
  return resized;
}

void Cq::moderate(const CqModeration& moderation) noexcept {
  const bool is_none = moderation.interval_us == 0 || moderation.count <= 1;  // R-MOD-03, R-MOD-04
  moderation_.store(is_none ? 0 : std::uint64_t{moderation.interval_us} << 32 | moderation.count);
  processor_.post(notify_task_);  // one that waits is under the new rule from now on (R-MOD-11)
}

/// Whether the notification that is due has to wait for company; then it is called again in time.
bool Cq::is_deferred() noexcept {
  const std::uint64_t moderation = moderation_.load();
  if (moderation == 0) return false;  // R-MOD-01
  const auto interval_us = static_cast<std::uint32_t>(moderation >> 32);
  auto count = static_cast<std::uint32_t>(moderation);
  const std::uint32_t depth = ring_.depth();
  if (!waits_) {
    waits_ = true;
    waits_since_ns_ = clock_.now_ns();
  }
  const bool is_timed = interval_us != CqModeration::kUnbounded;
  // More cannot come together than the queue holds, which a resize may have made less.
  if (!is_timed) count = std::min(count, depth);
  const bool is_counted = count <= depth;
  Number last = is_counted ? due_since_.load() + count - 1 : kNone;
  // Nor behind what is here already: without a time it would wait until the queue overflows.
  if (!is_timed) last = std::min(last, ring_.head() + depth - 1);
  company_.store(last);
  interleave_point();
  // Partner: look_for_arm(). An entry that was taken already is not found; then the head has passed it.
  CompletionRing::Cursor cursor = ring_.begin();
  if (is_counted &&
      (latency_ns_ == 0 ? ring_.find(cursor, last) != nullptr || ring_.head() > last : ripe_end_.load() > last))
    return false;
  if (!is_timed) return true;
  const io::TimeNs until_ns = waits_since_ns_ + std::min(interval_us * io::kMicrosecond, kIntervalMaxNs);
  if (clock_.now_ns() >= until_ns) return false;
  processor_.arm(company_timer_, until_ns);
  return true;
}

// ---- the end

void Cq::fail(CqHealth health) noexcept {
  CqHealth good = CqHealth::good;
  if (!health_.compare_exchange_strong(good, health)) return;
  ring_.shut();
  counters_.cq_errors.fetch_add(1, std::memory_order_relaxed);
  log(LogLevel::warning, "completion queue %p of depth %u %s: its queue pairs are dead", static_cast<void*>(this),
      depth(), health == CqHealth::overflow ? "overflowed" : "failed");
  processor_.post(failed_task_);
  fire(kNone);  // health_ was stored before armed_ is read; arm() stores armed_ before it reads health_
  processor_.post(notify_task_);  // one that waits for company has waited enough (R-MOD-14)
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

void Cq::try_to_close() noexcept {
  // What waits is dropped (R-MOD-15). A run of a timer that is queued already finds that it came too late, but it must
  // find us.
  processor_.cancel(company_timer_);
  processor_.cancel(ripe_timer_);
  poller_.close();
  if (poller_.is_queued() || company_timer_.is_queued() || ripe_timer_.is_queued() || notify_task_.is_queued()) {
    processor_.post(close_task_);
    return;
  }
  sink_.on_cq_closed();
}

}  // namespace softndk::rnic
