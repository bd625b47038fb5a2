// Binds and invalidates: requests of the initiator queue that take their turn in it and never see the wire.
#include "rnic/transmitter.h"

namespace softndk::rnic {

using rdma::Operation;
using rdma::WorkStatus;

Transmitter::Append Transmitter::execute_window_work(SendRecord& record) noexcept {
  WindowRecord& what = record.window();
  WorkStatus status = WorkStatus::success;
  if (record.operation == Operation::bind) {
    status = what.window->bind(what.work, what.token, context_.domain);
  } else if (what.waits) {
    if (!window_free_.load()) return Append::stalled;
  } else {
    window_free_.store(false);
    wakers_.fetch_add(1);
    switch (what.window->unbind(context_.domain, *this)) {
      case Window::Unbind::waits:
        // Nothing behind it may start (R-INV-05): the binds behind it need the window to be free. Answers to the
        // peer's Reads, which may be what it waits for, go on.
        what.waits = true;
        return Append::stalled;
      case Window::Unbind::wrong_state:
        status = WorkStatus::wrong_state;
        [[fallthrough]];
      case Window::Unbind::done:
        wakers_.fetch_sub(1);
        break;
    }
  }
  if (status != WorkStatus::success) {
    if (!batch_->empty()) return Append::full;  // what was queued before goes out first; then we are here again
    record.status = status;
    give_up(iwarp::make_terminate(iwarp::terminate_code::kRdmapLocalCatastrophic));
    return Append::full;
  }
  end_window_work(record, record.operation == Operation::bind);
  built_ = RecordRing::after(built_, record.header);
  if (batch_->empty()) {
    sent_ = built_;
    retire();
  }
  return Append::done;
}

void Transmitter::end_window_work(SendRecord& record, bool bound) noexcept {
  WindowRecord& what = record.window();
  if (std::exchange(what.over, true)) return;
  what.window->work_done(what.work.region_owner, bound);
}

bool Transmitter::cancel_window_work(SendRecord& record) noexcept {
  WindowRecord& what = record.window();
  if (what.over) return true;
  if (what.waits && !window_free_.load()) {
    if (!what.window->forget(*this)) return false;
    wakers_.fetch_sub(1);
  }
  end_window_work(record, false);
  return true;
}

void Transmitter::on_window_free() noexcept {
  window_free_.store(true);
  kick();
  wakers_.fetch_sub(1);  // the queue pair may be gone from here on: is_idle()
}

}  // namespace softndk::rnic
