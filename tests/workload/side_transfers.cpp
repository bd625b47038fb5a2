// Posting, and the ledger: each accepted post completes exactly once, in order, or is silent as asked.
#include "workload/stage.h"
#include "workload/verdict.h"

namespace softndk::workload {

void Side::run_transfers() {
  // Nothing more of ours gets lost when the other side has ended: it will not take it.
  const bool peer_gone = disconnect_events_.load() != 0;
  if (!plan_.lazy_receiver || posted_ == plan_.transfers.size()) post_receives(receives_.size());
  while (!peer_gone && !posts_refused_ && posted_ < plan_.transfers.size() && peer_->is_registered()) {
    if (posted_ - initiator_completed_.load() >= plan_.depth) break;
    if (!post(posted_)) break;
    if (plan_.until == Until::half_done && reached(Until::half_done)) return;
  }
  std::size_t expected = 0;
  for (const Work& work : receives_)
    expected += work.bytes != UINT32_MAX ? 1 : 0;
  const bool all_sent = posted_ == plan_.transfers.size() && initiator_completed_.load() == posted_;
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

bool Side::post(std::size_t number) {
  const Transfer& transfer = plan_.transfers[number];
  Work& work = initiator_[number];
  // The last one says that all before it are done; and one in every window, or its slots would never be free.
  const bool last = number + 1 == plan_.transfers.size();
  const bool closes_window = (number + 1) % plan_.depth == 0;
  work.silent = transfer.silent && !last && !closes_window;
  ULONG flags = work.silent ? NDK_OP_FLAG_SILENT_SUCCESS : 0;
  if (transfer.solicited) flags |= NDK_OP_FLAG_SEND_AND_SOLICIT_EVENT;
  if (transfer.inlined) flags |= NDK_OP_FLAG_INLINE;
  constexpr std::size_t kSgesMax = 4;
  NDK_SGE sges[kSgesMax] = {};
  const std::size_t sge_count = std::min<std::size_t>(transfer.sges, kSgesMax);
  std::uint32_t offset = 0;
  for (std::size_t i = 0; i < sge_count; ++i) {
    const bool is_last = i + 1 == sge_count;
    const std::uint32_t bytes = is_last ? transfer.bytes - offset : (transfer.bytes - offset) / 2;
    sges[i].VirtualAddress = local_.data(work.patch) + offset;
    sges[i].Length = bytes;
    sges[i].MemoryRegionToken =
        transfer.inlined ? 0 : local_mr_.get()->Dispatch->NdkGetLocalTokenFromMr(local_mr_.get());
    offset += bytes;
  }
  NDK_QP* qp = qp_.get();
  const std::size_t patch = remote_patch_[number];
  const auto count = static_cast<ULONG>(sge_count);
  work.state = Work::State::posted;
  ++posted_;
  NTSTATUS posted = STATUS_SUCCESS;
  const Calling calling;
  switch (transfer.kind) {
    case Transfer::Kind::send:
      posted = qp->Dispatch->NdkSend(qp, &work, sges, count, flags);
      break;
    case Transfer::Kind::write:
      peer_->remote_.may_be_written(patch, transfer.bytes);
      posted =
          qp->Dispatch->NdkWrite(qp, &work, sges, count, peer_->remote_address(patch), peer_->remote_token(), flags);
      break;
    case Transfer::Kind::read:
      local_.may_be_written(work.patch, transfer.bytes);
      posted =
          qp->Dispatch->NdkRead(qp, &work, sges, count, peer_->remote_address(patch), peer_->remote_token(), flags);
      break;
  }
  if (posted == STATUS_SUCCESS) return true;
  if (work.state.load() != Work::State::posted)
    fail("%s: post %zu returned %s and completed as well (R-WR-01)", describe().c_str(), number, name_of(posted));
  work.state = Work::State::none;
  --posted_;
  posts_refused_ = true;
  if (posted != STATUS_CONNECTION_INVALID || !failures_are_right())
    fail("%s: post %zu returned %s", describe().c_str(), number, name_of(posted));
  return false;
}

bool is_right_status(const Work& work, NTSTATUS status) {
  if (status == STATUS_SUCCESS || status == STATUS_CANCELLED) return true;
  if (status == STATUS_ACCESS_VIOLATION || status == STATUS_INTERNAL_ERROR)
    return true;  // its region is closed already
  return !work.is_receive && work.kind == Transfer::Kind::read &&
         (status == STATUS_REMOTE_RESOURCES || status == STATUS_INVALID_DEVICE_REQUEST);
}

void Side::check_failure(const Work& work, NTSTATUS status) const {
  if (!is_right_status(work, status))
    fail("%s: %s %zu completed with %s, which is not in its table (R-CST-01)", describe().c_str(),
         work.is_receive ? "receive" : "request", work.number, name_of(status));
  if (!failures_are_right())
    fail("%s: %s %zu failed with %s, and nobody had ended anything", describe().c_str(),
         work.is_receive ? "receive" : "request", work.number, name_of(status));
  // The other side left with an NdkDisconnect and nothing on its way: receives stay until we act (R-DISC-06).
  if (!stage_.is_faulty() && !ending_.load() && !hurried_.load() && !session_.roughly.load())
    fail("%s: %s %zu failed with %s after a graceful disconnect of the peer (R-DISC-06)", describe().c_str(),
         work.is_receive ? "receive" : "request", work.number, name_of(status));
}

/// Completions of one queue come in the order of the posts; what was passed over has to be silent.
void Side::check_order(Work& work) {
  std::deque<Work>& queue = work.is_receive ? receives_ : initiator_;
  std::atomic<std::size_t>& completed = work.is_receive ? receives_completed_ : initiator_completed_;
  const std::size_t from = completed.load();
  if (work.number < from)
    fail("%s: %s %zu completed after a later one", describe().c_str(), work.is_receive ? "receive" : "request",
         work.number);
  for (std::size_t i = from; i < work.number; ++i) {
    Work& passed = queue[i];
    if (!passed.silent)
      fail("%s: %s %zu completed, and %zu before it has not (R-WR-01)", describe().c_str(),
           work.is_receive ? "receive" : "request", work.number, i);
    if (passed.state.exchange(Work::State::done) != Work::State::posted) continue;
    passed.status = STATUS_SUCCESS;
  }
  completed = work.number + 1;
}

void Side::take_result(const NDK_RESULT_EX& result, bool has_type) {
  auto* context = static_cast<Work*>(result.RequestContext);
  Work* found = nullptr;
  for (Work& each : initiator_)
    if (&each == context) found = &each;
  for (Work& each : receives_)
    if (&each == context) found = &each;
  if (found == nullptr) fail("%s: a completion with a RequestContext of nobody", describe().c_str());
  Work& work = *found;
  const char* what = work.is_receive ? "receive" : "request";
  if (qp_.node.state() == Node::State::closed && drain.load() == Drain::none && checked_completions_)
    fail("%s: %s %zu completed after its queue pair was closed and its queue drained", describe().c_str(), what,
         work.number);
  if (work.state.exchange(Work::State::done) != Work::State::posted)
    fail("%s: %s %zu completed twice, or without a post (R-WR-01)", describe().c_str(), what, work.number);
  work.status = result.Status;
  check_order(work);
  if (result.Status == STATUS_SUCCESS && work.silent)
    fail("%s: request %zu was silent, and completed (R-SIL-01)", describe().c_str(), work.number);
  if (has_type) {
    const NDK_OPERATION_TYPE type = work.is_receive                      ? NdkOperationTypeReceive
                                    : work.kind == Transfer::Kind::send  ? NdkOperationTypeSend
                                    : work.kind == Transfer::Kind::write ? NdkOperationTypeWrite
                                                                         : NdkOperationTypeRead;
    if (result.Type != type) fail("%s: %s %zu is of type %d", describe().c_str(), what, work.number, result.Type);
  }
  if (result.Status != STATUS_SUCCESS) {
    check_failure(work, result.Status);
  } else if (work.is_receive) {
    receive_done(work, result.BytesTransferred);
  } else if (work.kind == Transfer::Kind::read) {
    local_.must_be_written(work.patch, work.bytes);
  }
  kick();
}

void Side::receive_done(const Work& work, std::uint32_t bytes) {
  if (bytes != work.bytes)
    fail("%s: receive %zu has %u octets, and the message %u (R-SEND-03)", describe().c_str(), work.number, bytes,
         work.bytes);
  local_.must_be_written(work.patch, work.bytes);
  // What the peer wrote before it sent is there too (R-RDMA-06).
  std::size_t message = 0;
  for (std::size_t i = 0; i < peer_->plan_.transfers.size(); ++i) {
    const Transfer& transfer = peer_->plan_.transfers[i];
    if (transfer.kind == Transfer::Kind::send && message++ == work.number) return;
    if (transfer.kind == Transfer::Kind::write) remote_.must_be_written(peer_->target_of(i), transfer.bytes);
  }
}

void Side::check_all_completed() const {
  for (const std::deque<Work>* queue : {&initiator_, &receives_}) {
    for (const Work& work : *queue) {
      if (work.state.load() == Work::State::posted && !work.silent)
        fail("%s: %s %zu never completed, and its queue pair is closed (R-CLS-21)", describe().c_str(),
             work.is_receive ? "receive" : "request", work.number);
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
}

void Side::drained(bool results_were_discarded) {
  if (results_were_discarded) discarded_ = true;
  if (drain.load() == Drain::wanted) drain = Drain::done;
  kick();
}

void Side::check_memory() const {
  local_.check_all();
  remote_.check_all();
}

}  // namespace softndk::workload
