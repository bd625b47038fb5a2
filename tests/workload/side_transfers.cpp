// Posting, and the ledger: each accepted post completes exactly once, in order, or is silent as asked.
#include "workload/stage.h"
#include "workload/verdict.h"

namespace softndk::workload {

void Side::run_transfers() {
  // Nothing more of ours gets lost when the other side has ended: it will not take it.
  const bool peer_gone = disconnect_events_.load() != 0;
  if (!plan_.lazy_receiver || sent_ == plan_.transfers.size()) post_receives(receives_.size());
  if (plan_.shared_receives) basin_.tend();
  if (!peer_gone && !posts_refused_) tend_leases();
  while (!peer_gone && !posts_refused_ && sent_ < plan_.transfers.size() && peer_->is_registered()) {
    if (!peer_->is_open_for(plan_.transfers[sent_])) break;
    if (!post(sent_)) break;
    ++sent_;
    if (plan_.until == Until::half_done && reached(Until::half_done)) return;
  }
  std::size_t expected = 0;
  for (const Work& work : receives_)
    expected += work.bytes != UINT32_MAX ? 1 : 0;
  const bool all_sent = sent_ == plan_.transfers.size() && initiator_completed_.load() == posted_ && leases_.are_over();
  const bool all_received = receives_completed_.load() >= expected;
  if (all_sent && all_received && !transfers_done_.exchange(true)) peer_->kick();
  if (peer_gone || posts_refused_) return begin_ending();
  if (!transfers_done_.load()) return;
  switch (plan_.end) {
    case End::disconnect:
      // Gracefully: when the other side has nothing on its way either.
      if (peer_->transfers_done() || peer_->is_ending()) begin_ending();
      return;
    case End::close:
    case End::flush_and_close:
      return begin_ending();
    case End::wait_and_disconnect:
    case End::wait_and_close:
      return;  // for the disconnect event
  }
}

bool is_right_status(const Work& work, NTSTATUS status) {
  if (status == STATUS_SUCCESS || status == STATUS_CANCELLED || status == STATUS_INTERNAL_ERROR) return true;
  switch (work.kind) {  // its region, or the peer's, may be closed already
    case Work::Kind::receive:
    case Work::Kind::send:
    case Work::Kind::write:
      return status == STATUS_ACCESS_VIOLATION;
    case Work::Kind::read:
      return status == STATUS_ACCESS_VIOLATION || status == STATUS_REMOTE_RESOURCES ||
             status == STATUS_INVALID_DEVICE_REQUEST;
    case Work::Kind::bind:
      return status == STATUS_ACCESS_VIOLATION || status == STATUS_INVALID_DEVICE_REQUEST;
    case Work::Kind::fast_register:
    case Work::Kind::invalidate:
      return status == STATUS_INVALID_DEVICE_REQUEST;
  }
  return false;
}

void Side::check_failure(const Work& work, NTSTATUS status) const {
  if (!is_right_status(work, status))
    fail("%s: %s %zu completed with %s, which is not in its table (R-CST-01)", describe().c_str(),
         work.is_receive() ? "receive" : "request", work.number, name_of(status));
  if (!failures_are_right())
    fail("%s: %s %zu failed with %s, and nobody had ended anything", describe().c_str(),
         work.is_receive() ? "receive" : "request", work.number, name_of(status));
  // The other side left with an NdkDisconnect and nothing on its way: receives stay until we act (R-DISC-06).
  if (!stage_.is_faulty() && !ending_.load() && !hurried_.load() && !session_.roughly.load())
    fail("%s: %s %zu failed with %s after a graceful disconnect of the peer (R-DISC-06)", describe().c_str(),
         work.is_receive() ? "receive" : "request", work.number, name_of(status));
}

/// Completions of one queue come in the order of the posts; what was passed over has to be silent.
void Side::check_order(Work& work, NTSTATUS status) {
  std::deque<Work>& queue = work.is_receive() ? receives_ : initiator_;
  std::atomic<std::size_t>& completed = work.is_receive() ? receives_completed_ : initiator_completed_;
  const std::size_t from = completed.load();
  if (work.number < from)
    fail("%s: %s %zu completed after a later one", describe().c_str(), work.is_receive() ? "receive" : "request",
         work.number);
  for (std::size_t i = from; i < work.number; ++i) {
    Work& passed = queue[i];
    if (!passed.silent)
      fail("%s: %s %zu completed, and %zu before it has not (R-WR-01)", describe().c_str(),
           work.is_receive() ? "receive" : "request", work.number, i);
    if (passed.state.exchange(Work::State::done) != Work::State::posted) continue;
    passed.status = STATUS_SUCCESS;
    if (status == STATUS_SUCCESS) succeeded(passed);  // R-SIL-02
  }
  completed = work.number + 1;
}

const Transfer* Side::message(std::size_t number) const {
  for (const Transfer& transfer : plan_.transfers)
    if (transfer.kind == Transfer::Kind::send && number-- == 0) return &transfer;
  return nullptr;
}

void Side::check_type(const Work& work, const NDK_RESULT_EX& result) const {
  constexpr NDK_OPERATION_TYPE kTypes[] = {
      NdkOperationTypeReceive,      NdkOperationTypeSend, NdkOperationTypeWrite,     NdkOperationTypeRead,
      NdkOperationTypeFastRegister, NdkOperationTypeBind, NdkOperationTypeInvalidate};
  NDK_OPERATION_TYPE type = kTypes[static_cast<unsigned>(work.kind)];
  const Transfer* received = work.is_receive() ? peer_->message(work.number) : nullptr;
  if (received != nullptr && received->closes != Transfer::kNoLease && received->revokes &&
      result.Status == STATUS_SUCCESS) {
    type = NdkOperationTypeReceiveAndInvalidate;
    const UINT32 token = leases_.at(received->closes).token.load();
    if (result.TypeSpecificCompletionOutput != token)
      fail("%s: receive %zu says that token 0x%llx was invalidated, and it is 0x%x (R-SINV-01)", describe().c_str(),
           work.number, static_cast<unsigned long long>(result.TypeSpecificCompletionOutput), token);
  }
  if (result.Type != type)
    fail("%s: %s %zu is of type %d and not %d", describe().c_str(), work.is_receive() ? "receive" : "request",
         work.number, result.Type, type);
}

bool Side::take_result(const NDK_RESULT_EX& result, bool has_type) {
  auto* context = static_cast<Work*>(result.RequestContext);
  Work* found = nullptr;
  for (Work& each : initiator_)
    if (&each == context) found = &each;
  for (Work& each : receives_)
    if (&each == context) found = &each;
  if (found == nullptr) fail("%s: a completion with a RequestContext of nobody", describe().c_str());
  Work& work = *found;
  const char* what = work.is_receive() ? "receive" : "request";
  if (qp_.node.state() == Node::State::closed && drain.load() == Drain::none && checked_completions_)
    fail("%s: %s %zu completed after its queue pair was closed and its queue drained", describe().c_str(), what,
         work.number);
  if (work.state.exchange(Work::State::done) != Work::State::posted)
    fail("%s: %s %zu completed twice, or without a post (R-WR-01)", describe().c_str(), what, work.number);
  work.status = result.Status;
  check_order(work, result.Status);
  if (result.Status == STATUS_SUCCESS && work.silent)
    fail("%s: request %zu was silent, and completed (R-SIL-01)", describe().c_str(), work.number);
  if (has_type) check_type(work, result);
  if (result.Status != STATUS_SUCCESS) {
    check_failure(work, result.Status);
  } else if (work.is_receive()) {
    receive_done(work, result.BytesTransferred);
  } else {
    succeeded(work);
  }
  kick();
  return result.Status != STATUS_SUCCESS || !work.is_receive() || peer_->solicited_[work.number] != 0;
}

/// A request: its completion said so, or that of a later one.
void Side::succeeded(Work& work) {
  const auto happened = [&](Arm arm) { ++done_[arm]; };
  if (work.uses_lease) happened(Arm::lease_transfer);
  switch (work.kind) {
    case Work::Kind::receive:
      return;
    case Work::Kind::send:
    case Work::Kind::write:
      if (work.is_logical) happened(Arm::logical_source);
      if (work.is_fast) happened(Arm::fast_source);
      return;
    case Work::Kind::read:
      local_.must_be_written(work.patch, work.bytes);
      if (work.is_logical) happened(Arm::logical_sink);
      if (work.is_fast) happened(Arm::fast_sink);
      if (work.invalidates) happened(Arm::read_invalidate);
      return;
    case Work::Kind::fast_register:
      if (work.lease != nullptr) happened(Arm::fast_register);
      if (work.is_again) happened(Arm::register_again);
      return lease_request_done(work);
    case Work::Kind::bind:
      happened(Arm::bind);
      if (work.is_again) happened(Arm::bind_again);
      return lease_request_done(work);
    case Work::Kind::invalidate:
      happened(Arm::invalidate);
      return lease_request_done(work);
  }
}

void Side::receive_done(const Work& work, std::uint32_t bytes) {
  if (bytes != work.bytes)
    fail("%s: receive %zu has %u octets, and the message %u (R-SEND-03)", describe().c_str(), work.number, bytes,
         work.bytes);
  local_.must_be_written(work.patch, work.bytes);
  if (work.is_logical) ++done_[Arm::logical_sink];
  if (plan_.shared_receives) ++done_[Arm::srq_receive];
  // What the peer wrote before it sent is there too (R-RDMA-06).
  std::size_t message = 0;
  for (std::size_t i = 0; i < peer_->plan_.transfers.size(); ++i) {
    const Transfer& transfer = peer_->plan_.transfers[i];
    if (transfer.kind == Transfer::Kind::send && message++ == work.number) break;
    if (transfer.kind == Transfer::Kind::write)
      target(transfer, peer_->target_of(i)).map.must_be_written(peer_->target_of(i), transfer.bytes);
  }
  hear_of_leases(work.number);
}

void Side::check_all_completed() const {
  for (const std::deque<Work>* queue : {&initiator_, &receives_}) {
    for (const Work& work : *queue) {
      if (work.is_receive() && plan_.shared_receives) continue;  // what no message took stays there (R-FLU-05)
      if (work.state.load() == Work::State::posted && !work.silent)
        fail("%s: %s %zu never completed, and its queue pair is closed (R-CLS-21)", describe().c_str(),
             work.is_receive() ? "receive" : "request", work.number);
    }
  }
}

void Side::add_to(Tally& tally) const {
  for (const std::deque<Work>* queue : {&initiator_, &receives_}) {
    for (const Work& work : *queue) {
      if (work.state.load() != Work::State::done) continue;
      ++(work.status == STATUS_SUCCESS ? tally.requests : tally.cancelled);
    }
  }
  for (const Call* call :
       {&connector_.closure, &qp_.closure, &local_mr_.closure, &remote_mr_.closure, &own_pd_.closure})
    if (call->was_called_back()) ++tally.closes_pending;
  tally += done_;
  tally[Arm::mapping] += (mapping_.was_built() ? 1 : 0) + (leases_.mapping.was_built() ? 1 : 0);
  if (plan_.shared_receives) basin_.add_to(tally);
  own_receive_pump_.add_to(tally);
}

void Side::drained(bool results_were_discarded) {
  if (results_were_discarded) discarded_ = true;
  if (drain.load() == Drain::wanted) drain = Drain::done;
  kick();
}

void Side::check_memory() const {
  local_.check_all();
  remote_.check_all();
  leases_.map.check_all();
}

}  // namespace softndk::workload
