#pragma once
#include <atomic>
#include <cstdint>
#include <optional>

#include "base/thread_safety.h"
#include "rdma/device.h"
#include "rnic/cq.h"
#include "rnic/receiver.h"
#include "rnic/transmitter.h"

namespace softndk::rnic {

/// A queue pair: two rings, the two sides that work on them, and at most one connection in its life that carries data.
class Qp final : public rdma::QueuePair {
 public:
  static OwnedInterface<Qp> create(const QpContext& context, const rdma::QpParameters& parameters,
                                   const rdma::DeviceCaps& caps, rdma::QpSink& sink) noexcept;
  Qp(const QpContext& context, const rdma::QpParameters& parameters, rdma::QpSink& sink);
  ~Qp() override;

  // rdma::QueuePair
  expected<void, rdma::PostError> post_send(const rdma::SendWork& work) noexcept override;
  expected<void, rdma::PostError> post_receive(const rdma::ReceiveWork& work) noexcept override;
  void flush() noexcept override;
  void start_deferred() noexcept override { transmitter_.post(); }
  void close() noexcept override;
  rdma::QpUse use() const noexcept override {
    return {transmitter_.queue().outstanding(), receiver_.queue().outstanding()};
  }

  // For the connection.

  /// False: bound already, or it carried a connection before (R-QP-07, R-QP-08).
  [[nodiscard]] bool bind(Link& link) noexcept SOFTNDK_EXCLUDES(mutex_);
  /// The link is not told anything any more.
  void unbind() noexcept SOFTNDK_EXCLUDES(mutex_);
  /// From now on it carries data, and no other connection will.
  [[nodiscard]] bool attach(const TxAttachment& tx, const RxAttachment& rx) noexcept;
  /// Initiator posts are taken from now on (R-WR-10), or no more (R-WR-08, R-WR-11).
  void set_connected(bool connected) noexcept;
  bool is_dead() const noexcept { return cq_failed_.load(); }
  /// What has been placed for it so far: a minimum latency hides it for a while, and who is told of an end must find
  /// it.
  struct Completions {
    Cq::Mark receives;
    Cq::Mark initiator;
  };
  Completions completions() const noexcept { return {receive_cq_.placed(), initiator_cq_.placed()}; }
  bool has_shown(const Completions& placed) const noexcept {
    return receive_cq_.has_shown(placed.receives) && initiator_cq_.has_shown(placed.initiator);
  }
  io::TimeNs completion_latency_ns() const noexcept { return receive_cq_.latency_ns(); }
  Transmitter& transmitter() { return transmitter_; }
  Receiver& receiver() { return receiver_; }
  const TokenDomain& domain() const { return context_.domain; }

 private:
  struct Member final : CqMember, PolledSide {
    Qp* qp = nullptr;
    void on_cq_failed() noexcept override { qp->on_cq_failed(); }
    void begin_polling() noexcept override { qp->poll_mark_.begin(); }
    void poll(const ReadRoom& room) noexcept override { qp->poll(room); }
    void end_polling(const ReadRoom& room) noexcept override { qp->end_polling(room); }
  };
  struct CloseTask : io::Task {
    using Task::Task;
    Qp* qp = nullptr;
  };
  struct CloseTimer : io::Timer {
    using Timer::Timer;
    Qp* qp = nullptr;
  };
  /// Under the queue's lock: leaves word only.
  void on_cq_failed() noexcept SOFTNDK_EXCLUDES(mutex_);
  /// False: somebody polls one of them at this moment.
  [[nodiscard]] bool leave_cqs() noexcept;
  void poll(const ReadRoom& room) noexcept {
    if (!poll_mark_.is_polled()) return;
    transmitter_.poll();
    receiver_.poll(room);
  }
  void end_polling(const ReadRoom& room) noexcept;
  /// Any thread: what polls have left is seen to by the processor.
  void leave_polls() noexcept;
  void try_to_end() noexcept;

  const QpContext context_;
  rdma::QpSink& sink_;
  Cq& receive_cq_;
  Cq& initiator_cq_;
  SpscFifo<PendingRead> pending_reads_;
  SpscFifo<InboundRead> inbound_reads_;
  PollMark poll_mark_;
  Transmitter transmitter_;
  Receiver receiver_;
  std::atomic<bool> cq_failed_{false};
  Member receive_member_;
  Member initiator_member_;
  CloseTask close_task_;
  CloseTask cq_failed_task_;
  CloseTimer close_timer_;
  bool left_receive_cq_ = false;
  bool left_initiator_cq_ = false;
  std::optional<Completions> last_completions_;  // at the end
  Mutex mutex_;
  Link* link_ SOFTNDK_GUARDED_BY(mutex_) = nullptr;
  bool used_ SOFTNDK_GUARDED_BY(mutex_) = false;
};

}  // namespace softndk::rnic
