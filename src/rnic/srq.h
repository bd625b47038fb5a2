#pragma once
#include <atomic>
#include <cstdint>

#include "base/intrusive_list.h"
#include "base/lazy_memory.h"
#include "base/thread_safety.h"
#include "io/executor.h"
#include "rdma/device.h"
#include "rdma/queue.h"
#include "rnic/work_queues.h"

namespace softndk::rnic {

/// A queue pair that takes its receives here: whom to wake when it found none.
class SrqMember : public ListLink {
 public:
  SrqMember(io::Processor& processor, io::Task& wake) noexcept : processor(processor), wake(wake) {}
  io::Processor& processor;
  io::Task& wake;  ///< looks for a receive, on `processor`
};

/// A shared receive queue. The receive sides of many queue pairs, on several threads, take from it in posting order
/// (R-SRQ-15), so here, unlike in a queue pair's own queue, there is a lock; it is held for the copy of one record.
///
/// Who finds it empty waits. A post wakes the one that has waited longest; if that one does not want the receive any
/// more it passes the word on, so no receive lies here while somebody waits for it.
class Srq final : public rdma::SharedReceiveQueue {
 public:
  static OwnedInterface<Srq> create(const rdma::SrqParameters& parameters, const rdma::DeviceCaps& caps,
                                    io::Processor& processor, rdma::SrqSink& sink) noexcept;
  Srq(const rdma::SrqParameters& parameters, const rdma::DeviceCaps& caps, io::Processor& processor,
      rdma::SrqSink& sink);

  // rdma::SharedReceiveQueue
  expected<void, rdma::PostError> post_receive(const rdma::ReceiveWork& work) noexcept override
      SOFTNDK_EXCLUDES(mutex_);
  expected<void, rdma::SrqError> modify(std::uint32_t depth, std::uint32_t threshold) noexcept override
      SOFTNDK_EXCLUDES(mutex_);
  void close() noexcept override;

  /// Moves the oldest receive to `record`, which has room for sge_max() entries. False: there is none, and `member` is
  /// woken when there is.
  [[nodiscard]] bool take(ReceiveRecord& record, SrqMember& member) noexcept SOFTNDK_EXCLUDES(mutex_);
  /// `member` does not wait any more, and does not want what it has been woken for.
  void leave(SrqMember& member) noexcept SOFTNDK_EXCLUDES(mutex_);
  std::uint32_t sge_max() const noexcept { return sge_max_; }

 private:
  struct ProcessorTask : io::Task {
    using Task::Task;
    Srq* srq = nullptr;
  };
  std::size_t record_bytes() const noexcept { return sizeof(ReceiveRecord) + sge_max_ * sizeof(rdma::Sge); }
  /// It only ever grows.
  std::uint32_t capacity() noexcept SOFTNDK_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return capacity_;
  }
  ReceiveRecord& record_at(std::uint64_t position) noexcept SOFTNDK_REQUIRES(mutex_);
  void wake_one() noexcept SOFTNDK_REQUIRES(mutex_);
  void fire() noexcept SOFTNDK_REQUIRES(mutex_);
  void notify() noexcept;

  const std::uint32_t sge_max_;
  const std::uint32_t message_max_;
  rdma::SrqSink& sink_;
  io::Processor& processor_;
  ProcessorTask notify_task_;
  ProcessorTask close_task_;
  std::atomic<bool> closing_{false};
  std::atomic<std::uint32_t> due_{0};  ///< notifications

  Mutex mutex_;
  LazyMemory memory_ SOFTNDK_GUARDED_BY(mutex_);  // `capacity_` records
  std::uint32_t capacity_ SOFTNDK_GUARDED_BY(mutex_);
  std::uint32_t depth_ SOFTNDK_GUARDED_BY(mutex_);  // at most capacity_
  std::uint64_t taken_ SOFTNDK_GUARDED_BY(mutex_) = 0;
  std::uint64_t posted_ SOFTNDK_GUARDED_BY(mutex_) = 0;
  std::uint32_t threshold_ SOFTNDK_GUARDED_BY(mutex_);
  bool armed_ SOFTNDK_GUARDED_BY(mutex_);
  IntrusiveList<SrqMember> waiting_ SOFTNDK_GUARDED_BY(mutex_);
};

}  // namespace softndk::rnic
