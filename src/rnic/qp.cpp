#include "rnic/qp.h"

#include "base/interleave.h"
#include "base/log.h"

namespace softndk::rnic {

OwnedInterface<Qp> Qp::create(const QpContext& context, const rdma::QpParameters& parameters,
                              const rdma::DeviceCaps& caps, rdma::QpSink& sink) noexcept {
  OwnedInterface<Qp> qp = make_interface<Qp>(context, parameters, sink);
  if (qp == nullptr || !qp->transmitter_.queue().reserve_memory(parameters, caps) ||
      !qp->receiver_.reserve_memory(parameters, caps))
    return nullptr;
  return qp;
}

Qp::Qp(const QpContext& context, const rdma::QpParameters& parameters, rdma::QpSink& sink)
    : context_(context),
      sink_(sink),
      receive_cq_(static_cast<Cq&>(*parameters.receive_cq)),
      initiator_cq_(static_cast<Cq&>(*parameters.initiator_cq)),
      transmitter_(context_, initiator_cq_, pending_reads_, inbound_reads_, poll_mark_),
      receiver_(context_, receive_cq_, pending_reads_, inbound_reads_, transmitter_, poll_mark_),
      close_task_([](io::Task& task) noexcept { static_cast<CloseTask&>(task).qp->try_to_end(); }),
      cq_failed_task_([](io::Task& task) noexcept {
        Qp& qp = *static_cast<CloseTask&>(task).qp;
        qp.leave_polls();
        qp.flush();
      }),
      close_timer_([](io::Task& task) noexcept { static_cast<CloseTimer&>(task).qp->try_to_end(); }) {
  close_task_.qp = cq_failed_task_.qp = close_timer_.qp = receive_member_.qp = initiator_member_.qp = this;
  transmitter_.set_cancel_reads([](void* receiver) noexcept { static_cast<Receiver*>(receiver)->cancel_reads(); },
                                &receiver_);
  receive_cq_.add_member(receive_member_);
  initiator_cq_.add_member(initiator_member_);
  receive_cq_.poller().add(receive_member_);
  if (&initiator_cq_ != &receive_cq_) initiator_cq_.poller().add(initiator_member_);
}

Qp::~Qp() {
  while (!leave_cqs())
    interleave_wait();
}

bool Qp::leave_cqs() noexcept {
  if (!left_receive_cq_) {
    if (!receive_cq_.poller().try_remove(receive_member_)) return false;
    receive_cq_.remove_member(receive_member_);
    left_receive_cq_ = true;
  }
  if (!left_initiator_cq_) {
    if (!initiator_cq_.poller().try_remove(initiator_member_)) return false;
    initiator_cq_.remove_member(initiator_member_);
    left_initiator_cq_ = true;
  }
  return true;
}

void Qp::end_polling(const ReadRoom& room) noexcept {
  poll_mark_.end();
  transmitter_.poll();
  receiver_.look(room);
}

void Qp::leave_polls() noexcept {
  transmitter_.poll();
  receiver_.on_readable();
}

expected<void, rdma::PostError> Qp::post_send(const rdma::SendWork& work) noexcept {
  SendQueue& queue = transmitter_.queue();
  queue.poster.assume();
  if (!poll_mark_.is_connected()) {
    start_deferred();  // where only the peer has left, they can still go out
    return unexpected(rdma::PostError::not_connected);
  }
  expected<void, rdma::PostError> pushed = queue.push(work);
  // A deferred request waits for the next that is not, or for one that fails (R-DEF-03, R-DEF-04).
  if (!work.flags.defer || !pushed || context_.defer == DeferPolicy::at_once) {
    std::size_t own_bytes = 0;
    for (const rdma::Sge& sge : work.sges)
      own_bytes += sge.length_bytes;
    transmitter_.post(own_bytes);
  }
  return pushed;
}

expected<void, rdma::PostError> Qp::post_receive(const rdma::ReceiveWork& work) noexcept {
  ReceiveQueue& queue = receiver_.queue();
  queue.poster.assume();
  expected<void, rdma::PostError> pushed = queue.push(work);
  if (pushed) receiver_.on_posted();
  return pushed;
}

void Qp::flush() noexcept {
  receiver_.flush();
  transmitter_.flush();
}

bool Qp::bind(Link& link) noexcept {
  MutexLock lock(mutex_);
  if (link_ != nullptr || used_) return false;
  link_ = &link;
  return true;
}

void Qp::unbind() noexcept {
  MutexLock lock(mutex_);
  link_ = nullptr;
}

bool Qp::attach(const TxAttachment& tx, const RxAttachment& rx) noexcept {
  {
    MutexLock lock(mutex_);
    used_ = true;
  }
  // Room for a Read that is the RTR besides the negotiated ones.
  if (!pending_reads_.reserve(tx.outbound_read_limit + 1) || !inbound_reads_.reserve(rx.inbound_reads_max))
    return false;
  // Both or none: a side that is attached alone would keep a stream that nobody takes from it.
  if (!transmitter_.prepare() || !receiver_.prepare(rx)) return false;
  transmitter_.queue().set_read_limit(tx.outbound_read_limit);
  transmitter_.attach(tx);
  receiver_.attach(rx);
  return true;
}

void Qp::set_connected(bool connected) noexcept {
  poll_mark_.set_connected(connected);
  // Partner: on_cq_failed(), which stores in the other order. A queue pair over a dead queue takes no post (R-ARM-16).
  if (connected && cq_failed_.load()) poll_mark_.set_connected(false);
  if (!connected) leave_polls();
}

void Qp::on_cq_failed() noexcept {
  cq_failed_.store(true);
  poll_mark_.set_connected(false);
  // Not here: what a flush lets go of may complete a request of the consumer's, who may create a queue pair in it.
  context_.processor.post(cq_failed_task_);
  MutexLock lock(mutex_);
  if (link_ != nullptr) link_->raise(kTxLocalError);
}

void Qp::close() noexcept {
  if (context_.defer == DeferPolicy::forced && transmitter_.queue().has_deferred())
    log(LogLevel::warning, "queue pair %p closes, and the last of its deferred requests were never started",
        static_cast<void*>(this));  // R-DEF-05, R-DEF-08
  poll_mark_.set_connected(false);
  transmitter_.stop(true);
  receiver_.stop();
  context_.processor.post(close_task_);
}

void Qp::try_to_end() noexcept {
  // First, so that nobody posts the task which is looked at next.
  // An owner elsewhere is about to let go: it has nothing to wait for. Until then we come round again.
  if (!leave_cqs() || cq_failed_task_.is_queued() || !transmitter_.is_idle() || !receiver_.is_idle()) {
    context_.processor.post(close_task_);
    return;
  }
  // Every request has its entry, and by now the consumer can take it (R-CLS-21).
  if (!last_completions_) last_completions_ = completions();
  if (!has_shown(*last_completions_)) {
    context_.processor.arm(close_timer_, context_.clock.now_ns() + completion_latency_ns());
    return;
  }
  sink_.on_qp_closed();
}

}  // namespace softndk::rnic
