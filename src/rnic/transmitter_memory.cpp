// Fast-registers, binds and invalidates: requests of the initiator queue that take their turn in it and never see the
// wire. And the end of a Read that invalidates its sink.
#include "rnic/transmitter.h"

namespace softndk::rnic {

using rdma::Operation;
using rdma::WorkStatus;

Transmitter::Append Transmitter::execute_memory_work(SendRecord& record) noexcept {
  MemoryRecord& what = record.memory();
  WorkStatus status = WorkStatus::success;
  if (record.operation == Operation::bind) {
    status = static_cast<Window*>(what.object)->bind(what.bind, what.token, context_.domain);
  } else if (record.operation == Operation::fast_register) {
    status = static_cast<FastRegion*>(what.object)->validate(what.list, context_.domain);
  } else if (what.waits) {
    if (!revoked_.load()) return Append::stalled;
  } else {
    revoked_.store(false);
    wakers_.fetch_add(1);
    switch (what.object->revoke(context_.domain, *this)) {
      case Revocable::Revoke::waits:
        // Nothing behind it may start (R-INV-05): the work behind it needs the token to be dead. Answers to the peer's
        // Reads, which may be what it waits for, go on.
        what.waits = true;
        return Append::stalled;
      case Revocable::Revoke::wrong_state:
        status = WorkStatus::wrong_state;
        [[fallthrough]];
      case Revocable::Revoke::done:
        wakers_.fetch_sub(1);
        break;
    }
  }
  // What is built from here on finds it done (R-FRMR-14); its entry comes when what was posted before it is out.
  if (status != WorkStatus::success) {
    if (!batch_->empty()) return Append::full;  // what was queued before goes out first; then we are here again
    return refuse(record, status);
  }
  end_memory_work(record, record.operation == Operation::bind);
  built_ = RecordRing::after(built_, record.header);
  if (batch_->empty()) {
    sent_ = built_;
    retire();
  }
  return Append::done;
}

void Transmitter::end_memory_work(SendRecord& record, bool bound) noexcept {
  MemoryRecord& what = record.memory();
  if (std::exchange(what.over, true)) return;
  if (what.list != nullptr) static_cast<FastRegion*>(what.object)->give_back(std::exchange(what.list, nullptr));
  what.object->work_done(what.bind.region_owner, bound);
}

bool Transmitter::cancel_memory_work(SendRecord& record) noexcept {
  MemoryRecord& what = record.memory();
  if (what.over) return true;
  if (what.waits && !revoked_.load()) {
    if (!what.object->forget(*this)) return false;
    wakers_.fetch_sub(1);
  }
  end_memory_work(record, false);
  return true;
}

void Transmitter::on_revoked() noexcept {
  wake(revoked_);
}

void Transmitter::wake(std::atomic<bool>& news) noexcept {
  news.store(true);
  kick();
  wakers_.fetch_sub(1);  // the queue pair may be gone from here on: is_idle()
}

bool Transmitter::invalidate_sink(SendRecord& record) noexcept {
  if (record.status == WorkStatus::success) {
    if (sink_waits_) {
      if (!sink_revoked_.load()) return false;
    } else {
      sink_revoked_.store(false);
      wakers_.fetch_add(1);
      switch (record.sink->revoke(context_.domain, sink_waiter_)) {
        case Revocable::Revoke::waits:
          sink_waits_ = true;
          return false;                       // retire() comes back: we are told
        case Revocable::Revoke::wrong_state:  // the peer was quicker: it is invalid
        case Revocable::Revoke::done:
          wakers_.fetch_sub(1);
          break;
      }
    }
  }
  leave_sink(record);
  return true;
}

void Transmitter::leave_sink(SendRecord& record) noexcept {
  // A wait that a flush ends: the access that lasts is another connection's, and ours does not depend on it.
  if (sink_waits_ && !sink_revoked_.load()) {
    if (record.sink->forget(sink_waiter_)) {
      wakers_.fetch_sub(1);
      record.status = WorkStatus::cancelled;
    }
  }
  sink_waits_ = false;
  --sinks_to_invalidate_;
  std::exchange(record.sink, nullptr)->drop();
}

}  // namespace softndk::rnic
