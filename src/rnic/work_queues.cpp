#include "rnic/work_queues.h"

#include <algorithm>
#include <cstring>

#include "rnic/srq.h"

namespace softndk::rnic {

using rdma::Operation;
using rdma::PostError;

namespace {

/// The sum of the sges' lengths, or nothing when it passes `limit`.
bool sum_lengths(std::span<const rdma::Sge> sges, std::uint32_t limit, std::uint32_t& sum) {
  std::uint64_t total = 0;
  for (const rdma::Sge& sge : sges)
    total += sge.length_bytes;
  sum = static_cast<std::uint32_t>(std::min<std::uint64_t>(total, UINT32_MAX));
  return total <= limit;
}

}  // namespace

bool SendQueue::reserve_memory(const rdma::QpParameters& parameters, const rdma::DeviceCaps& caps) noexcept {
  depth_ = parameters.initiator_depth;
  sge_max_ = parameters.initiator_sge_max;
  read_sge_max_ = caps.read_sge_max;  // in place of the initiator's (R-QAI-08)
  inline_max_ = parameters.inline_bytes_max;
  message_max_ = caps.message_bytes_max;
  const std::size_t tail =
      std::max({std::max(sge_max_, read_sge_max_) * sizeof(rdma::Sge), std::size_t{inline_max_}, sizeof(MemoryRecord)});
  return ring_.reserve_memory(depth_, sizeof(SendRecord) + tail);
}

expected<void, PostError> SendQueue::push(const rdma::SendWork& work) noexcept {
  const bool carries_inline =
      work.flags.inline_data && (work.operation == Operation::send || work.operation == Operation::send_invalidate ||
                                 work.operation == Operation::write);
  std::uint32_t length_bytes = 0;
  if (carries_inline) {
    if (!sum_lengths(work.sges, inline_max_, length_bytes)) return unexpected(PostError::too_long);
  } else {
    const std::uint32_t sge_max = work.operation == Operation::read ? read_sge_max_ : sge_max_;
    if (work.sges.size() > sge_max) return unexpected(PostError::too_many_sges);
    if (!sum_lengths(work.sges, message_max_, length_bytes)) return unexpected(PostError::too_long);
  }
  if (work.operation == Operation::read && read_limit_.load(std::memory_order_relaxed) == 0)
    return unexpected(PostError::no_read_limit);
  // acquire: partner of retired_one().
  if (outstanding() >= depth_) return unexpected(PostError::queue_full);
  PageList* list = nullptr;
  if (work.operation == Operation::fast_register) {
    const auto taken = static_cast<FastRegion*>(work.fast_region->region)->take_list(*work.fast_region);
    if (!taken) return unexpected(taken.error());
    list = *taken;
  }
  const std::size_t tail = is_memory_work(work.operation) ? sizeof(MemoryRecord)
                           : carries_inline               ? length_bytes
                                                          : work.sges.size() * sizeof(rdma::Sge);
  void* room = ring_.reserve(sizeof(SendRecord) + tail);
  if (room == nullptr) {
    if (list != nullptr) static_cast<FastRegion*>(work.fast_region->region)->give_back(list);
    return unexpected(PostError::queue_full);
  }
  const RecordRing::Header header = *static_cast<RecordRing::Header*>(room);
  auto* record = ::new (room) SendRecord;
  record->header = header;
  record->operation = work.operation;
  record->flags = work.flags;
  record->sge_count = static_cast<std::uint8_t>(carries_inline ? 0 : work.sges.size());
  record->length_bytes = length_bytes;
  record->inline_bytes = carries_inline ? length_bytes : 0;
  record->remote_token = work.remote_token;
  record->remote_address = work.remote_address;
  record->context = work.context;
  record->status = rdma::WorkStatus::success;
  record->device_code = 0;
  if (is_memory_work(work.operation)) {
    Revocable* object = nullptr;
    if (work.window != nullptr) {
      object = static_cast<Window*>(work.window->window);
    } else {
      object = static_cast<FastRegion*>(work.fast_region->region);
    }
    MemoryRecord& memory = *::new (&record->memory()) MemoryRecord{.object = object, .list = list};
    if (work.operation == Operation::bind) {
      memory.bind = *work.window;
      // Its next token is known from here on, although the bind's turn comes later (R-MW-05).
      memory.token = static_cast<Window*>(object)->take_token();
    }
  } else if (carries_inline) {
    // Inline data is captured here, and its tokens never looked at (R-INL-01, R-INL-02).
    std::uint8_t* to = record->inline_data();
    for (const rdma::Sge& sge : work.sges) {
      if (sge.length_bytes == 0) continue;
      std::memcpy(to, reinterpret_cast<const void*>(sge.address), sge.length_bytes);
      to += sge.length_bytes;
    }
  } else {
    std::copy(work.sges.begin(), work.sges.end(), record->sges().begin());
  }
  posted_.store(posted_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  ring_.publish();
  return {};
}

bool ReceiveQueue::reserve_memory(const rdma::QpParameters& parameters, const rdma::DeviceCaps& caps) noexcept {
  depth_ = parameters.receive_depth;
  sge_max_ = parameters.receive_sge_max;
  message_max_ = caps.message_bytes_max;
  return ring_.reserve_memory(depth_, sizeof(ReceiveRecord) + sge_max_ * sizeof(rdma::Sge));
}

expected<void, PostError> ReceiveQueue::push(const rdma::ReceiveWork& work) noexcept {
  std::uint32_t length_bytes = 0;
  if (work.sges.size() > sge_max_) return unexpected(PostError::too_many_sges);
  if (!sum_lengths(work.sges, message_max_, length_bytes)) return unexpected(PostError::too_long);
  if (outstanding() >= depth_)  // partner: retire_front()
    return unexpected(PostError::queue_full);
  const std::size_t tail = work.sges.size() * sizeof(rdma::Sge);
  void* room = ring_.reserve(sizeof(ReceiveRecord) + tail);
  if (room == nullptr) return unexpected(PostError::queue_full);
  const RecordRing::Header header = *static_cast<RecordRing::Header*>(room);
  auto* record = ::new (room) ReceiveRecord;
  record->header = header;
  record->sge_count = static_cast<std::uint32_t>(work.sges.size());
  record->length_bytes = length_bytes;
  record->context = work.context;
  std::copy(work.sges.begin(), work.sges.end(), record->sges().begin());
  posted_.store(posted_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  ring_.publish();
  return {};
}

ReceiveQueue::ReceiveQueue() = default;
ReceiveQueue::~ReceiveQueue() = default;

bool ReceiveQueue::join(Srq& srq, io::Processor& processor, io::Task& wake) noexcept {
  srq_ = &srq;
  member_ = try_make<SrqMember>(processor, wake);
  return member_ != nullptr && room_.reserve(sizeof(ReceiveRecord) + srq.sge_max() * sizeof(rdma::Sge));
}

ReceiveRecord* ReceiveQueue::shared_front() noexcept {
  auto* record = reinterpret_cast<ReceiveRecord*>(room_.data());
  if (!holds_) holds_ = srq_->take(*record, *member_);
  return holds_ ? record : nullptr;
}

void ReceiveQueue::leave() noexcept {
  if (srq_ != nullptr) srq_->leave(*member_);
}

void ReceiveQueue::retire_front() noexcept {
  if (srq_ != nullptr) {
    holds_ = false;
    return;
  }
  ReceiveRecord* record = front();
  taken_ = RecordRing::after(taken_, record->header);
  ring_.free_until(taken_);
  retired_.fetch_add(1, std::memory_order_release);  // partner: push()
}

}  // namespace softndk::rnic
