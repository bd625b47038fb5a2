#include "rnic/srq.h"

#include <algorithm>
#include <cstring>

namespace softndk::rnic {

using rdma::PostError;
using rdma::SrqError;

OwnedInterface<Srq> Srq::create(const rdma::SrqParameters& parameters, const rdma::DeviceCaps& caps,
                                io::Processor& processor, rdma::SrqSink& sink) noexcept {
  OwnedInterface<Srq> srq = make_interface<Srq>(parameters, caps, processor, sink);
  if (srq == nullptr) return nullptr;
  MutexLock lock(srq->mutex_);
  if (!srq->memory_.reserve(parameters.depth * srq->record_bytes())) return nullptr;
  return srq;
}

Srq::Srq(const rdma::SrqParameters& parameters, const rdma::DeviceCaps& caps, io::Processor& processor,
         rdma::SrqSink& sink)
    : sge_max_(parameters.sge_max),
      message_max_(caps.message_bytes_max),
      sink_(sink),
      processor_(processor),
      notify_task_([](io::Task& task) noexcept { static_cast<ProcessorTask&>(task).srq->notify(); }),
      close_task_([](io::Task& task) noexcept { static_cast<ProcessorTask&>(task).srq->sink_.on_srq_closed(); }),
      capacity_(parameters.depth),
      depth_(parameters.depth),
      threshold_(parameters.threshold),
      armed_(parameters.threshold != 0) {
  notify_task_.srq = close_task_.srq = this;
}

ReceiveRecord& Srq::record_at(std::uint64_t position) noexcept {
  return *reinterpret_cast<ReceiveRecord*>(memory_.data() + position % capacity_ * record_bytes());
}

expected<void, PostError> Srq::post_receive(const rdma::ReceiveWork& work) noexcept {
  if (work.sges.size() > sge_max_) return unexpected(PostError::too_many_sges);
  std::uint64_t length_bytes = 0;
  for (const rdma::Sge& sge : work.sges)
    length_bytes += sge.length_bytes;
  if (length_bytes > message_max_) return unexpected(PostError::too_long);
  MutexLock lock(mutex_);
  if (posted_ - taken_ >= depth_) return unexpected(PostError::queue_full);  // R-SRQ-13, R-SRQ-17
  ReceiveRecord& record = *::new (&record_at(posted_)) ReceiveRecord;
  record.sge_count = static_cast<std::uint32_t>(work.sges.size());
  record.length_bytes = static_cast<std::uint32_t>(length_bytes);
  record.context = work.context;
  if (!work.sges.empty()) std::memcpy(record.sges().data(), work.sges.data(), work.sges.size_bytes());
  ++posted_;
  wake_one();
  return {};
}

bool Srq::take(ReceiveRecord& record, SrqMember& member) noexcept {
  MutexLock lock(mutex_);
  if (taken_ == posted_) {
    if (!member.is_linked()) waiting_.push_back(member);
    return false;
  }
  if (member.is_linked()) IntrusiveList<SrqMember>::remove(member);
  const ReceiveRecord& oldest = record_at(taken_);
  std::memcpy(&record, &oldest, sizeof(ReceiveRecord) + oldest.sge_count * sizeof(rdma::Sge));
  // A fall only: from the threshold to below it (R-SRQ-06, R-SRQ-07).
  if (posted_ - taken_ == threshold_) fire();
  ++taken_;
  return true;
}

void Srq::leave(SrqMember& member) noexcept {
  MutexLock lock(mutex_);
  if (member.is_linked()) IntrusiveList<SrqMember>::remove(member);
  if (taken_ != posted_) wake_one();
}

void Srq::wake_one() noexcept {
  if (SrqMember* member = waiting_.pop_front()) member->processor.post(member->wake);
}

expected<void, SrqError> Srq::modify(std::uint32_t depth, std::uint32_t threshold) noexcept {
  LazyMemory larger;  // made, and the old one given back, outside the lock
  if (depth > capacity() && !larger.reserve(depth * record_bytes())) return unexpected(SrqError::no_resources);
  MutexLock lock(mutex_);
  const std::uint64_t queued = posted_ - taken_;
  if (depth != 0) {
    if (depth < queued) return unexpected(SrqError::too_shallow);  // R-SRQ-12
    if (depth > capacity_) {
      for (std::uint64_t i = 0; i < queued; ++i)
        std::memcpy(larger.data() + i * record_bytes(), &record_at(taken_ + i), record_bytes());
      std::swap(memory_, larger);
      capacity_ = depth;
      taken_ = 0;
      posted_ = queued;
    }
    depth_ = depth;
  }
  if (threshold != 0) {  // R-SRQ-03, R-SRQ-04
    threshold_ = threshold;
    armed_ = true;
    if (queued < threshold) fire();
  }
  return {};
}

void Srq::fire() noexcept {
  if (!std::exchange(armed_, false)) return;  // R-SRQ-05
  due_.fetch_add(1);
  processor_.post(notify_task_);
}

void Srq::notify() noexcept {
  if (closing_.load()) return;
  sink_.on_srq_notify(false);
  // One after the other (R-SRQ-08); whoever armed it meanwhile may have left word only.
  if (due_.fetch_sub(1) != 1) processor_.post(notify_task_);
}

void Srq::close() noexcept {
  closing_.store(true);
  // Behind a notification that is queued already: the processor runs its tasks in order. What is queued here goes with
  // the memory (R-CLS-25).
  processor_.post(close_task_);
}

}  // namespace softndk::rnic
