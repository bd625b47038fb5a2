// How a side ends: at any moment, in any order.
#include "workload/stage.h"
#include "workload/verdict.h"

namespace softndk::workload {
namespace {
/// Bits of SidePlan::close_order that are not the order.
constexpr std::uint64_t kWaits = 1ull << 60;        // for each close before the next: successors first then
constexpr std::uint64_t kDeregisters = 1ull << 61;  // regions, before they are closed
constexpr std::uint64_t kHasty = 1ull << 62;        // closes what still has a request pending
enum : unsigned {
  kConnector,
  kQp,
  kLocalMr,
  kRemoteMr,
  kInitiatorCq,
  kReceiveCq,
  kPd,
  kFastRegion,
  kLeased,
  kBoundMr,
  kMappings,
  kSrq,
  kObjects
};
}  // namespace

void Side::begin_ending() {
  const bool graceful = established_.load() && plan_.until == Until::done && transfers_done_.load() &&
                        peer_->transfers_done() && (plan_.close_order & kHasty) == 0 && !hurried_.load() &&
                        (plan_.end == End::disconnect || plan_.end == End::wait_and_disconnect);
  if (!graceful) session_.roughly = true;
  session_.ends = true;
  ending_ = true;
  peer_->kick();
  kick();
}

void Side::inside(Call& call) {
  if (&call == &connect_shared_ && call.status() == STATUS_SUCCESS) connector_.node.is_over(endpoint_->node);
  // The close that comes from inside the completion, before the call has returned to us (R-CLS-10, R-REQ-03).
  if (!plan_.closes_inside || &call.node() != &connector_.node || plan_.until == Until::done) return;
  const bool last =
      (plan_.until == Until::answered && (&call == &connect_ || &call == &connect_shared_ || &call == &accept_)) ||
      (plan_.until == Until::established && (&call == &complete_ || &call == &accept_)) ||
      (plan_.until == Until::created && &call == &connector_.creation);
  if (!last || !connector_.is_live()) return;
  session_.ends = session_.roughly = true;
  ending_ = true;
  peer_->kick();
  connector_.close(connector_.get()->Dispatch->NdkCloseConnector);
}

void Side::end() {
  if (!is_active_ && connector_.node.state() == Node::State::none) {
    // An event may bring one to the last moment; from here on it is turned away.
    static NDK_CONNECTOR nobody;
    NDK_CONNECTOR* offered = offered_.exchange(&nobody);
    if (offered != nullptr && offered != &nobody) connector_.adopt(offered);
  }
  if (!disconnect()) return;
  if (!close_objects()) return;
  if (qp_.creation.is_done() && qp_.creation.status() == STATUS_SUCCESS && !checked_completions_) {
    for (Pump* pump : {receive_pump_, initiator_pump_})
      if (pump->cq.node.state() != Node::State::live) discarded_ = true;
    if (!discarded_.load()) {
      if (drain.load() == Drain::none) {
        // Twice the same pump is once; of two, the second is asked when the first is done.
        receive_pump_->drain_for(*this);
        return;
      }
      if (drain.load() == Drain::wanted) return;
      if (initiator_pump_ != receive_pump_ && !drained_initiator_) {
        drained_initiator_ = true;
        initiator_pump_->drain_for(*this);
        return;
      }
      check_all_completed();
    }
    checked_completions_ = true;
    drain = Drain::none;
    kick();
    return;
  }
  finish();
}

/// True: nothing is to be waited for.
bool Side::disconnect() {
  if (!established_.load() || !connector_.is_live() || rejected_) return true;
  if (plan_.end == End::flush_and_close && qp_.is_live() && !flushed_) {
    flushed_ = true;
    const Calling calling;
    qp_.get()->Dispatch->NdkFlush(qp_.get());
  }
  if (plan_.end != End::disconnect && plan_.end != End::wait_and_disconnect) return true;
  if (plan_.until != Until::done) return true;
  if (disconnect_.is_idle()) {
    NDK_CONNECTOR* connector = connector_.get();
    disconnect_.make([&] { return connector->Dispatch->NdkDisconnect(connector, &Call::completed, &disconnect_); });
    if (disconnect_.is_done() && disconnect_.status() == STATUS_CONNECTION_INVALID)
      fail("%s: NdkDisconnect of an established connection returned STATUS_CONNECTION_INVALID", describe().c_str());
  }
  if ((plan_.close_order & kHasty) != 0 || hurried_.load()) return true;
  if (!disconnect_.is_done()) return false;
  if (disconnect_.status() != STATUS_SUCCESS && !stage_.is_faulty() && !session_.roughly.load())
    fail("%s: NdkDisconnect, with nothing on its way, ended with %s (R-DISC-01)", describe().c_str(),
         name_of(disconnect_.status()));
  return true;
}

/// True: all are gone.
bool Side::close_objects() {
  unsigned order[kObjects] = {kConnector, kQp,       kSrq,         kFastRegion, kLeased, kBoundMr,
                              kLocalMr,   kRemoteMr, kInitiatorCq, kReceiveCq,  kPd,     kMappings};
  const bool waits = (plan_.close_order & kWaits) != 0;
  if (!waits) {
    std::uint64_t bits = plan_.close_order;
    for (unsigned i = kObjects; i > 1; --i) {
      std::swap(order[i - 1], order[bits % i]);
      bits /= i;
    }
  }
  bool all_gone = true;
  for (const unsigned which : order) {
    const bool gone = close_one(which);
    all_gone = all_gone && gone;
    if (waits && !gone) return false;
  }
  return all_gone;
}

bool Side::close_one(unsigned which) {
  const auto ends = [](auto& slot, auto close) {
    // A create that is still pending is waited for, and what it makes is closed (R-CRT-12).
    if (slot.is_live()) slot.close(close(slot.get()));
    return slot.node.is_gone();
  };
  const bool hasty = (plan_.close_order & kHasty) != 0;  // closes it while the request is pending (R-CLS-03)
  const auto region_ends = [&](Slot<NDK_MR>& mr, Call& registration, Call& deregistration) {
    if (registration.is_pending() && !hasty) return false;
    const bool registered = registration.is_done() && registration.status() == STATUS_SUCCESS;
    if (registered && mr.is_live() && (plan_.close_order & kDeregisters) != 0 && deregistration.is_idle()) {
      deregistration.make(
          [&] { return mr.get()->Dispatch->NdkDeregisterMr(mr.get(), &Call::completed, &deregistration); });
    }
    if (deregistration.is_pending() && !hasty) return false;
    return ends(mr, [](NDK_MR* object) { return object->Dispatch->NdkCloseMr; });
  };
  const auto queue_ends = [&](Pump& pump, bool is_ours) {
    if (!is_ours) return true;
    // Results of a queue pair that is gone are taken first, if that is the order.
    if (qp_.node.state() == Node::State::closed && !checked_completions_ && pump.cq.is_live() && !hurried_.load() &&
        (plan_.close_order & kWaits) != 0)
      return true;
    if (pump.cq.is_live()) pump.close();
    return pump.cq.node.is_gone();
  };
  switch (which) {
    case kConnector:
      return ends(connector_, [](NDK_CONNECTOR* object) { return object->Dispatch->NdkCloseConnector; });
    case kQp:
      return ends(qp_, [](NDK_QP* object) { return object->Dispatch->NdkCloseQp; });
    case kLocalMr:
      return region_ends(local_mr_, register_local_, deregister_local_);
    case kRemoteMr:
      return region_ends(remote_mr_, register_remote_, deregister_remote_);
    case kFastRegion:
      return fast_region_.close(hasty);
    case kLeased:
      return leases_.close_objects(hasty);
    case kBoundMr:
      return leases_.close_bound_region(hasty, (plan_.close_order & kDeregisters) != 0);
    case kMappings: {
      // When neither a request nor a region names its pages any more.
      if (!qp_.node.is_gone() || !fast_region_.mr.node.is_gone() || !leases_.are_gone()) return false;
      const bool released = mapping_.release();
      return leases_.mapping.release() && released;
    }
    case kSrq:
      return basin_.close(hasty);
    case kInitiatorCq:
      return queue_ends(own_initiator_pump_, initiator_pump_ == &own_initiator_pump_);
    case kReceiveCq:
      return queue_ends(own_receive_pump_, receive_pump_ == &own_receive_pump_);
    case kPd:
      if (plan_.shares_pd) return true;
      if ((plan_.close_order & kWaits) != 0 && !checked_completions_ && !qp_.node.is_gone()) return false;
      return ends(own_pd_, [](NDK_PD* object) { return object->Dispatch->NdkClosePd; });
    default:
      return true;
  }
}

void Side::finish() {
  for (const Pump* pump : {&own_receive_pump_, &own_initiator_pump_}) {
    if (pump->cq.node.is_gone()) continue;
    const_cast<Pump*>(pump)->close();
    return;  // it kicks us when it is gone
  }
  const Call& establishing = is_active_ ? complete_ : accept_;
  if (establishing.is_done() && establishing.status() == STATUS_SUCCESS)
    ++(is_active_ ? stage_.connects : stage_.accepts);
  if (establishing.is_done() && establishing.status() == STATUS_CANCELLED) ++stage_.cancelled;
  finished_ = true;
  stage_.kick();
}

VOID Side::disconnected(PVOID context) {
  static_cast<Side*>(context)->peer_disconnected();
}

VOID Side::disconnected_ex(PVOID context, ULONG) {
  static_cast<Side*>(context)->peer_disconnected();
}

void Side::peer_disconnected() {
  const Inside inside(connector_.node, "DisconnectEvent");
  if (disconnect_events_.fetch_add(1) != 0) fail("%s: a second disconnect event (R-EVT-04)", describe().c_str());
  const Call& establishing = is_active_ ? complete_ : accept_;
  if (establishing.is_idle()) fail("%s: a disconnect event before the connection", describe().c_str());
  if (!failures_are_right() && !peer_->is_ending())
    fail("%s: a disconnect event, and nobody had ended anything", describe().c_str());
  kick();
}

}  // namespace softndk::workload
