#pragma once
#include <atomic>
#include <cstdint>

#include "base/intrusive_list.h"
#include "base/lazy_memory.h"
#include "base/thread_safety.h"
#include "io/executor.h"
#include "rdma/device.h"
#include "rdma/queue.h"

namespace softndk::rnic {

class Cq;

/// A queue pair's membership in a completion queue: whom to tell when the queue dies.
class CqMember : public ListLink {
 public:
  virtual void on_cq_failed() noexcept = 0;

 protected:
  ~CqMember() = default;
};

/// A completion queue: many producers (the owners of its connections' two directions), one consumer, no lock between
/// them. A producer takes a ticket, fills its cell, publishes it, and looks whether somebody has armed; the consumer
/// arms, and looks whether something was published. These four accesses are sequentially consistent, so that one of the
/// two always sees the other: a notification is never lost.
class Cq final : public rdma::CompletionQueue {
 public:
  static OwnedInterface<Cq> create(const rdma::CqParameters& parameters, rdma::CqSink& sink, io::Processor& processor,
                                   rdma::DeviceCounters& counters) noexcept;
  Cq(std::uint32_t depth, rdma::CqSink& sink, io::Processor& processor, rdma::DeviceCounters& counters);

  // rdma::CompletionQueue
  std::size_t poll(std::span<rdma::Completion> results) noexcept override;
  void arm(rdma::CqNotify kind) noexcept override;
  void close() noexcept override;
  std::uint32_t depth() const noexcept override { return depth_; }

  /// Adds a completion; any thread. One too many kills the queue (R-ARM-16) and drops it and all that follow.
  void place(const rdma::Completion& completion) noexcept;
  io::Processor& processor() noexcept { return processor_; }

  void add_member(CqMember& member) noexcept SOFTNDK_EXCLUDES(members_mutex_);
  void remove_member(CqMember& member) noexcept SOFTNDK_EXCLUDES(members_mutex_);

 private:
  struct Cell {
    std::atomic<std::uint64_t> published{0};  ///< the ticket + 1 of what it holds
    rdma::Completion completion;
  };
  struct NotifyTask : io::Task {
    using Task::Task;
    Cq* cq = nullptr;
  };

  bool is_published(std::uint64_t ticket) const noexcept;
  bool satisfied(rdma::CqNotify kind) const noexcept;
  void fire() noexcept;
  void fail(rdma::CqHealth health) noexcept;
  void notify() noexcept;
  void tell_members() noexcept SOFTNDK_EXCLUDES(members_mutex_);

  // Constant after construction.
  const std::uint32_t depth_;
  std::uint64_t mask_ = 0;
  rdma::CqSink& sink_;
  io::Processor& processor_;
  rdma::DeviceCounters& counters_;
  LazyMemory memory_;
  Cell* cells_ = nullptr;

  alignas(64) std::atomic<std::uint64_t> tail_{0};  // producers: next ticket
  std::atomic<std::uint64_t> solicited_end_{0};     // producers: one past the newest ticket that satisfies `solicited`
  alignas(64) std::atomic<std::uint64_t> head_{0};  // consumer: next to take
  alignas(64) std::atomic<rdma::CqNotify> armed_{rdma::CqNotify::none};
  std::atomic<std::uint64_t> entered_{0};  // tail_ when the last notification was entered (R-ARM-09)
  std::atomic<rdma::CqHealth> health_{rdma::CqHealth::good};
  std::atomic<bool> failure_told_{false};
  std::atomic<bool> closing_{false};

  NotifyTask notify_task_;
  NotifyTask failed_task_;
  NotifyTask close_task_;
  Mutex members_mutex_;
  IntrusiveList<CqMember> members_ SOFTNDK_GUARDED_BY(members_mutex_);
};

}  // namespace softndk::rnic
