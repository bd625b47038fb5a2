#pragma once
#include <atomic>
#include <cstdint>

#include "base/intrusive_list.h"
#include "base/thread_safety.h"
#include "io/executor.h"
#include "rdma/device.h"
#include "rdma/queue.h"
#include "rnic/completion_ring.h"
#include "rnic/cq_poller.h"
#include "rnic/settings.h"

namespace softndk::rnic {

class Cq;

/// A queue pair's membership in a completion queue: whom to tell when the queue dies.
class CqMember : public ListLink {
 public:
  virtual void on_cq_failed() noexcept = 0;

 protected:
  ~CqMember() = default;
};

/// What completion queues need of their device; it outlives them.
struct CqContext {
  rdma::DeviceCounters& counters;
  io::Clock& clock;
  const Settings& settings;
};

/// A completion queue: entries (CompletionRing), and who is told of them. A producer places its entry, then looks
/// whether somebody has armed; the consumer arms, then looks whether something was placed. These four accesses are
/// sequentially consistent, so that one of the two always sees the other: a notification is never lost.
///
/// Whoever finds the arm satisfied takes it down and leaves word for the processor; there a moderated notification
/// waits until its time is over or enough has come. With a minimum latency, entries ripen on the processor: until then
/// neither a poll nor an arm sees them.
class Cq final : public rdma::CompletionQueue {
 public:
  static OwnedInterface<Cq> create(const rdma::CqParameters& parameters, rdma::CqSink& sink, io::Processor& processor,
                                   const CqContext& context) noexcept;
  Cq(rdma::CqSink& sink, io::Processor& processor, const CqContext& context);

  // rdma::CompletionQueue
  std::size_t poll(std::span<rdma::Completion> results) noexcept override;
  void arm(rdma::CqNotify kind) noexcept override;
  void close() noexcept override;
  expected<void, rdma::CqError> resize(std::uint32_t depth) noexcept override;
  void moderate(const rdma::CqModeration& moderation) noexcept override;
  std::uint32_t depth() const noexcept override { return ring_.depth(); }

  /// Adds a completion; any thread. One too many kills the queue (R-ARM-16) and drops it and all that follow.
  void place(const rdma::Completion& completion) noexcept;
  /// The queue and all its queue pairs are dead (R-ARM-16, R-ARM-17); any thread. The first reason counts.
  void fail(rdma::CqHealth health) noexcept;
  io::Processor& processor() noexcept { return processor_; }

  /// For who must not be told of its end before its completions are seen.
  using Mark = CompletionRing::Number;
  Mark placed() const noexcept { return latency_ns_ == 0 ? 0 : ring_.claimed(); }
  bool has_shown(Mark mark) const noexcept { return latency_ns_ == 0 || ripe_end_.load() >= mark; }
  io::TimeNs latency_ns() const noexcept { return latency_ns_; }

  void add_member(CqMember& member) noexcept SOFTNDK_EXCLUDES(members_mutex_);
  void remove_member(CqMember& member) noexcept SOFTNDK_EXCLUDES(members_mutex_);
  CqPoller& poller() noexcept { return poller_; }

 private:
  using Number = CompletionRing::Number;
  static constexpr Number kNone = CompletionRing::kNone;
  struct CqTask : io::Task {
    CqTask(Cq& owner, Run run) : Task(run), cq(owner) {}
    Cq& cq;
  };
  struct CqTimer : io::Timer {
    CqTimer(Cq& owner, Run run) : Timer(run), cq(owner) {}
    Cq& cq;
  };

  /// Entry `number`, not taken yet, can be seen; the caller looks from a cursor of its own thread.
  bool is_visible(Number number, CompletionRing::Cursor from) noexcept;
  bool satisfied(rdma::CqNotify kind, CompletionRing::Cursor from) noexcept;
  void arm_and_look(rdma::CqNotify kind, CompletionRing::Cursor from) noexcept;
  /// Entry `number` is visible from now on.
  void look_for_arm(Number number, bool solicits) noexcept;
  void note_solicited(Number number) noexcept;
  /// Takes the arm down; `number` satisfied it (kNone: what is here already).
  void fire(Number number) noexcept;
  static void strengthen(std::atomic<rdma::CqNotify>& arm, rdma::CqNotify kind) noexcept;
  std::size_t take(std::span<rdma::Completion> results) noexcept;
  void tell_members() noexcept SOFTNDK_EXCLUDES(members_mutex_);

  // On the processor.
  void notify() noexcept;
  bool is_deferred() noexcept;
  void mark_old() noexcept;
  void ripen() noexcept;
  void try_to_close() noexcept;

  // Constant after construction.
  rdma::CqSink& sink_;
  io::Processor& processor_;
  rdma::DeviceCounters& counters_;
  io::Clock& clock_;
  const io::TimeNs latency_ns_;
  const bool arm_counts_old_;

  CompletionRing ring_;
  alignas(64) std::atomic<rdma::CqNotify> armed_{rdma::CqNotify::none};
  std::atomic<rdma::CqNotify> fired_{rdma::CqNotify::none};  ///< the arm that the notification under way is for
  /// An entry that ends the wait of a moderated notification; kNone: there is no such wait.
  std::atomic<Number> company_{kNone};
  std::atomic<Number> solicited_end_{0};  ///< one past the newest visible entry that satisfies `solicited`
  std::atomic<Number> entered_{0};        ///< what is before it was there when the last notification was entered
  std::atomic<Number> due_since_{kNone};  ///< a notification is due: the first entry that it may wait with
  std::atomic<rdma::CqHealth> health_{rdma::CqHealth::good};
  std::atomic<bool> failure_told_{false};
  std::atomic<bool> closing_{false};
  std::atomic<std::uint64_t> moderation_{0};  ///< interval and count in one word; 0: none

  // The processor's.
  CompletionRing::Cursor old_cursor_;
  bool waits_ = false;             // a notification, for company
  io::TimeNs waits_since_ns_ = 0;  // if it does

  // With a minimum latency.
  std::atomic<Number> ripe_end_{0};     ///< what is before it can be seen
  std::atomic<bool> ripening_{false};   ///< the timer is armed, or whoever has set this is about to
  CompletionRing::Cursor ripe_cursor_;  // the processor's

  CqTask notify_task_;
  CqTask failed_task_;
  CqTask close_task_;
  CqTimer company_timer_;
  CqTimer ripe_timer_;
  CqPoller poller_;
  Mutex members_mutex_;
  IntrusiveList<CqMember> members_ SOFTNDK_GUARDED_BY(members_mutex_);
};

}  // namespace softndk::rnic
