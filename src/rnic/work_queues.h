#pragma once
// The records of a queue pair's two rings, and the rings' producer sides (what a post does).
#include <atomic>
#include <cstdint>
#include <span>

#include "base/alloc.h"
#include "base/expected.h"
#include "base/thread_safety.h"
#include "io/executor.h"
#include "rdma/device.h"
#include "rnic/record_ring.h"
#include "rnic/tpt/fast_region.h"
#include "rnic/tpt/window.h"

namespace softndk::rnic {

/// How far a read has come; written by the receive side (and by the transmit side before it is sent).
enum class ReadState : std::uint8_t { pending, done };

/// Behind the record of a fast-register, a bind or an invalidate.
struct MemoryRecord {
  Revocable* object;           ///< the window or the region; gone once it is over
  PageList* list = nullptr;    ///< fast_register, until its turn
  rdma::WindowWork bind = {};  ///< bind
  rdma::Token token = 0;       ///< that the bind gives the window
  bool waits = false;          ///< invalidate: for accesses in progress
  bool over = false;           ///< the object's owner knows
};

/// An initiator request in its ring, followed by its sges, by its inline octets, or by its MemoryRecord.
struct SendRecord {
  RecordRing::Header header;
  rdma::Operation operation;
  rdma::WorkFlags flags;
  std::uint8_t sge_count;
  bool started = false;  ///< access was checked and, but for reads, the regions are pinned
  std::uint32_t length_bytes;
  std::uint32_t inline_bytes;
  rdma::Token remote_token;
  std::uint64_t remote_address;
  void* context;
  std::atomic<ReadState> read_state{ReadState::pending};
  Revocable* sink = nullptr;  ///< read, once begun: what it will invalidate; held
  rdma::WorkStatus status;    ///< of a read that is done, or of a request that failed before it was sent
  std::uint32_t device_code;

  std::span<rdma::Sge> sges() { return {reinterpret_cast<rdma::Sge*>(this + 1), sge_count}; }
  MemoryRecord& memory() { return *reinterpret_cast<MemoryRecord*>(this + 1); }
  std::uint8_t* inline_data() { return reinterpret_cast<std::uint8_t*>(this + 1); }
};

/// A posted receive, followed by its sges.
struct ReceiveRecord {
  RecordRing::Header header;
  std::uint32_t sge_count;
  std::uint32_t length_bytes;
  void* context;
  std::span<rdma::Sge> sges() { return {reinterpret_cast<rdma::Sge*>(this + 1), sge_count}; }
};
/// Work that takes its turn in the queue and never sees the wire.
constexpr bool is_memory_work(rdma::Operation operation) {
  return operation == rdma::Operation::fast_register || operation == rdma::Operation::bind ||
         operation == rdma::Operation::invalidate;
}
static_assert(sizeof(SendRecord) % alignof(MemoryRecord) == 0);
static_assert(alignof(SendRecord) <= RecordRing::kAlignment && sizeof(SendRecord) % alignof(rdma::Sge) == 0);
static_assert(alignof(ReceiveRecord) <= RecordRing::kAlignment && sizeof(ReceiveRecord) % alignof(rdma::Sge) == 0);

/// `retired` is read first: so the difference is never below zero.
inline std::uint64_t outstanding_of(const std::atomic<std::uint64_t>& posted,
                                    const std::atomic<std::uint64_t>& retired) noexcept {
  const std::uint64_t over = retired.load(std::memory_order_acquire);
  return posted.load(std::memory_order_relaxed) - over;
}

/// The initiator queue: the poster pushes, the owner of the transmit side starts, finishes and retires.
class SendQueue {
 public:
  CallerRole poster;  ///< NDKPI serialises posts on one queue (R-WR-03, R-WR-04)

  [[nodiscard]] bool reserve_memory(const rdma::QpParameters& parameters, const rdma::DeviceCaps& caps) noexcept;
  /// Checks and copies `work`; it is visible to the owner afterwards. Takes no lock and allocates nothing,
  /// but for a fast-register, whose region keeps its page lists under a lock and takes memory for a third one.
  expected<void, rdma::PostError> push(const rdma::SendWork& work) noexcept SOFTNDK_REQUIRES(poster);

  RecordRing& ring() { return ring_; }
  /// Posted and not retired. Any thread; a moment old.
  std::uint64_t outstanding() const noexcept { return outstanding_of(posted_, retired_); }
  /// Everything posted until now may begin. The poster.
  void release_deferred() noexcept { released_.store(ring_.published()); }
  /// Where the deferred ones begin that may not: one mode of two (R-DEF-08).
  RecordRing::Position released() const noexcept { return released_.load(); }
  bool has_deferred() const noexcept { return released() != ring_.published(); }
  /// The owner has placed the completion of one request (or silently finished it): its place is free (R-WR-13).
  void retired_one() noexcept {
    interleave_point();
    retired_.fetch_add(1, std::memory_order_release);  // partner: push()
  }
  /// Set once before the connection is used.
  void set_read_limit(std::uint32_t outbound) noexcept { read_limit_.store(outbound, std::memory_order_relaxed); }

 private:
  RecordRing ring_;
  std::uint32_t depth_ = 0;
  std::uint32_t sge_max_ = 0;
  std::uint32_t read_sge_max_ = 0;
  std::uint32_t inline_max_ = 0;
  std::uint32_t message_max_ = 0;
  std::atomic<std::uint32_t> read_limit_{0};
  std::atomic<std::uint64_t> posted_{0};  ///< written by the poster only
  std::atomic<RecordRing::Position> released_{0};
  alignas(64) std::atomic<std::uint64_t> retired_{0};
};

class Srq;
class SrqMember;

/// The receive queue: the poster pushes, the owner of the receive side takes. Or the place of one receive that was
/// taken from a shared queue.
class ReceiveQueue {
 public:
  CallerRole poster;
  ReceiveQueue();
  ~ReceiveQueue();

  /// Receives come from `srq` from now on; `wake` looks for one, on `processor`. False when memory is short.
  [[nodiscard]] bool join(Srq& srq, io::Processor& processor, io::Task& wake) noexcept;

  [[nodiscard]] bool reserve_memory(const rdma::QpParameters& parameters, const rdma::DeviceCaps& caps) noexcept;
  expected<void, rdma::PostError> push(const rdma::ReceiveWork& work) noexcept SOFTNDK_REQUIRES(poster);

  /// Of a queue of its own. Any thread; a moment old.
  std::uint64_t outstanding() const noexcept { return outstanding_of(posted_, retired_); }

  // The owner's side. A record that was taken stays where it is until retire_front().

  /// The next receive; of a shared queue it is this queue pair's from here on. Null: there is none, and a shared queue
  /// wakes us when there is.
  ReceiveRecord* front() noexcept {
    return srq_ == nullptr ? ring_.record_at<ReceiveRecord>(taken_, ring_.published()) : shared_front();
  }
  void retire_front() noexcept;
  /// What a flush cancels: of a shared queue only what was taken (R-FLU-05).
  ReceiveRecord* front_of_ours() noexcept { return srq_ == nullptr || holds_ ? front() : nullptr; }
  /// Nothing more is wanted of a shared queue.
  void leave() noexcept;

 private:
  RecordRing ring_;
  std::uint32_t depth_ = 0;
  std::uint32_t sge_max_ = 0;
  std::uint32_t message_max_ = 0;
  std::atomic<std::uint64_t> posted_{0};  ///< written by the poster only
  RecordRing::Position taken_ = 0;        // owner only
  alignas(64) std::atomic<std::uint64_t> retired_{0};

  ReceiveRecord* shared_front() noexcept;
  Srq* srq_ = nullptr;
  Owned<SrqMember> member_;
  LazyMemory room_;  // for the one receive
  bool holds_ = false;
};

}  // namespace softndk::rnic
