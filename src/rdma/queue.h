#pragma once
#include <cstdint>
#include <span>

#include "base/expected.h"
#include "rdma/work.h"

namespace softndk::rdma {

/// What an arm waits for, weakest first (the numbers of the interface are in another order: C-31).
enum class CqNotify : std::uint8_t { none, errors, solicited, any };
enum class CqHealth : std::uint8_t { good, overflow, failed };
enum class CqError : std::uint8_t { no_resources, too_shallow };

/// How long, and how many completions, a notification may wait for company (spec/ndkpi.md 3.11).
struct CqModeration {
  static constexpr std::uint32_t kUnbounded = UINT32_MAX;
  std::uint32_t interval_us = 0;  ///< 0: none at all
  std::uint32_t count = 0;        ///< 0, 1: none at all; more than the depth is as good as unbounded
};

class CqSink {
 public:
  /// An arm was satisfied (cleared before this runs), or the queue died. On the queue's processor thread, never nested
  /// and never two at a time for one queue (R-ARM-02, R-ARM-04).
  virtual void on_notify(CqHealth health) noexcept = 0;
  /// The last event, after close(): the queue may be destroyed inside it.
  virtual void on_cq_closed() noexcept = 0;

 protected:
  ~CqSink() = default;
};

class CompletionQueue {
 public:
  virtual ~CompletionQueue() = default;
  /// Removes up to results.size() completions, oldest first. Serialised by the caller with arm(). A poll that finds
  /// nothing may read the sockets of the queue's connections.
  virtual std::size_t poll(std::span<Completion> results) noexcept = 0;
  /// Combines with what is armed: the stronger wins (R-ARM-01). Satisfied at once by a matching completion placed
  /// after the last notification was entered (R-ARM-06, R-ARM-09). `none` and unknown kinds are ignored.
  virtual void arm(CqNotify kind) noexcept = 0;
  /// Unread completions are dropped; no notification any more; on_cq_closed() follows. All queue pairs over it are
  /// closed by then.
  virtual void close() noexcept = 0;
  /// While completions are placed and polled. An error changes nothing; too_shallow: more entries are present.
  virtual expected<void, CqError> resize(std::uint32_t depth) noexcept = 0;
  /// In force at once, for a notification that waits already too. At most one of the two bounds is unbounded.
  virtual void moderate(const CqModeration& moderation) noexcept = 0;
  virtual std::uint32_t depth() const noexcept = 0;
};

struct SrqParameters {
  std::uint32_t depth = 0;
  std::uint32_t sge_max = 0;
  std::uint32_t threshold = 0;      ///< 0: not armed
  std::uint64_t affinity_mask = 0;  ///< a hint; 0: none
};
enum class SrqError : std::uint8_t { no_resources, too_shallow };

class SrqSink {
 public:
  /// An armed queue fell below its threshold (disarmed before this runs), or it failed. On the queue's processor
  /// thread, never two at a time for one queue (R-SRQ-08).
  virtual void on_srq_notify(bool failed) noexcept = 0;
  /// The last event, after close(): the queue may be destroyed inside it.
  virtual void on_srq_closed() noexcept = 0;

 protected:
  ~SrqSink() = default;
};

/// Receives that several queue pairs of one protection domain take from, each when a message of its own arrives.
class SharedReceiveQueue {
 public:
  virtual ~SharedReceiveQueue() = default;
  /// Serialised by the caller (R-SRQ-16).
  virtual expected<void, PostError> post_receive(const ReceiveWork& work) noexcept = 0;
  /// 0 keeps the depth, 0 keeps threshold and arming (R-SRQ-03). An error changes nothing.
  virtual expected<void, SrqError> modify(std::uint32_t depth, std::uint32_t threshold) noexcept = 0;
  /// What is queued is dropped (R-CLS-25); on_srq_closed() follows. All queue pairs over it are closed by then.
  virtual void close() noexcept = 0;
};

class QpSink {
 public:
  /// The last event, after close(): every outstanding request has its completion (cancelled) in its CQ; the queue
  /// pair may be destroyed inside it. On a processor thread.
  virtual void on_qp_closed() noexcept = 0;

 protected:
  ~QpSink() = default;
};

/// How many requests have been posted and have no completion yet; for reports, so it may be a moment old.
struct QpUse {
  std::uint64_t initiator_requests = 0;
  std::uint64_t receives = 0;
};

class QueuePair {
 public:
  virtual ~QueuePair() = default;
  /// Serialised by the caller (R-WR-03); runs beside everything else. Takes no lock, allocates nothing; may send in
  /// the caller's context.
  virtual expected<void, PostError> post_send(const SendWork& work) noexcept = 0;
  virtual expected<void, PostError> post_receive(const ReceiveWork& work) noexcept = 0;
  /// Starts what was deferred and not begun: a post that its caller refused, which the device never saw, has to
  /// (R-DEF-03). Serialised with post_send(). Nothing to do for a device that treats `defer` as a hint to gather only.
  virtual void start_deferred() noexcept {}
  /// Starts to cancel everything outstanding on both queues and returns; later posts are taken and cancelled too
  /// (R-FLU-01, R-FLU-06).
  virtual void flush() noexcept = 0;
  /// Called once, when no connection is bound to it any more.
  virtual void close() noexcept = 0;
  /// Any thread.
  virtual QpUse use() const noexcept { return {}; }
};

}  // namespace softndk::rdma
