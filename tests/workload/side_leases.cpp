// Memory that is open to the peer for a while: opened as soon as its object is free, used when the peer knows of it,
// ended by the one or by the other.
#include "workload/stage.h"
#include "workload/verdict.h"

namespace softndk::workload {

Side::Target Side::target(const Transfer& transfer, std::size_t patch) {
  if (transfer.lease == Transfer::kNoLease)
    return {remote_, reinterpret_cast<std::uint64_t>(remote_.data(patch)), remote_token_.load()};
  Lease& lease = leases_.at(transfer.lease);
  return {leases_.map, leases_.address(lease, patch), lease.token.load()};
}

bool Side::is_open_for(const Transfer& transfer) {
  const int number = transfer.lease != Transfer::kNoLease ? transfer.lease : transfer.closes;
  return number == Transfer::kNoLease || leases_.at(number).can_be_used();
}

void Side::tend_leases() {
  for (Lease& lease : leases_.all()) {
    if (lease.stage.load() == Lease::Stage::planned && leases_.is_free_for(lease) && !open(lease)) return;
    if (lease.stage.load() == Lease::Stage::opening && lease.is_over.load() && !end(lease)) return;
  }
}

/// False: there is no room, or it was refused.
bool Side::open(Lease& lease) {
  if (!has_room(1)) return false;
  NDK_QP* qp = qp_.get();
  const std::size_t bytes = lease.end - lease.first;
  ULONG flags = 0;
  if (lease.is_read || !lease.is_written) flags |= NDK_OP_FLAG_ALLOW_REMOTE_READ;
  if (lease.is_written) flags |= NDK_OP_FLAG_ALLOW_REMOTE_WRITE;
  Work& work = next_request(lease.plan.by_window ? Work::Kind::bind : Work::Kind::fast_register, false);
  work.lease = &lease;
  work.is_again = lease.use != 0;
  lease.stage = Lease::Stage::opening;
  if (lease.plan.by_window) {
    Window& window = leases_.windows[lease.plan.object];
    NDK_MW* mw = window.mw.get();
    {
      const Calling calling;
      if (!posted(work, qp->Dispatch->NdkBind(qp, &work, leases_.bound_mr.get(), mw,
                                              reinterpret_cast<PVOID>(lease.base), bytes, flags)))
        return false;
    }
    const UINT32 token = mw->Dispatch->NdkGetRemoteTokenFromMw(mw);
    if (token == 0 || token == window.token)
      fail("%s: bound, a window has token 0x%x, and 0x%x before (R-MW-06)", describe().c_str(), token, window.token);
    lease.token = window.token = token;
  } else {
    FastRegion& region = leases_.regions[lease.plan.object];
    NDK_MR* mr = region.mr.get();
    const Mapping& mapping = leases_.mapping;
    {
      const Calling calling;
      if (!posted(work,
                  qp->Dispatch->NdkFastRegister(qp, &work, mr, mapping.pages_of(lease.first, bytes),
                                                mapping.page_at(lease.first), mapping.first_byte_at(lease.first), bytes,
                                                reinterpret_cast<PVOID>(lease.base), flags),
                  true))
        return false;
    }
    const UINT32 token = mr->Dispatch->NdkGetRemoteTokenFromMr(mr);
    if (token == 0 || token != region.remote_token)
      fail("%s: registered again, a fast region has token 0x%x, and 0x%x before (R-FRMR-12)", describe().c_str(), token,
           region.remote_token);
    lease.token = token;
  }
  peer_->kick();
  return true;
}

/// The peer does not use it any more. False: there is no room, or it was refused.
bool Side::end(Lease& lease) {
  if (lease.is_revoked) {
    lease.stage = Lease::Stage::closed;
    ++done_[lease.plan.by_window ? Arm::remote_window : Arm::remote_region];
    return true;
  }
  Lease* next = nullptr;  // of the same object, in one chain with this one's end
  for (Lease& other : leases_.all())
    if (next == nullptr && other.stage.load() == Lease::Stage::planned &&
        other.plan.by_window == lease.plan.by_window && other.plan.object == lease.plan.object)
      next = &other;
  const bool in_chain = next != nullptr && has_room(2);
  if (!in_chain && !has_room(1)) return false;
  const bool silent = in_chain && may_be_silent();
  Work& work = next_request(Work::Kind::invalidate, silent);
  work.lease = &lease;
  lease.stage = Lease::Stage::closing;
  NDK_QP* qp = qp_.get();
  NDK_OBJECT_HEADER* object = lease.plan.by_window ? &leases_.windows[lease.plan.object].mw.get()->Header
                                                   : &leases_.regions[lease.plan.object].mr.get()->Header;
  const ULONG flags = (in_chain ? NDK_OP_FLAG_DEFER : 0) | (silent ? NDK_OP_FLAG_SILENT_SUCCESS : 0);
  {
    const Calling calling;
    if (!posted(work, qp->Dispatch->NdkInvalidate(qp, &work, object, flags))) return false;
  }
  return !in_chain || open(*next);
}

void Side::lease_request_done(Work& work) {
  if (work.lease == nullptr) return;
  if (work.kind == Work::Kind::invalidate) {
    work.lease->stage = Lease::Stage::closed;
  } else {
    work.lease->is_open = true;
    peer_->kick();
  }
}

/// What our leases opened so far comes before our message `number` (R-FRMR-14).
void Side::announce(std::size_t number) {
  for (Lease& lease : leases_.all()) {
    std::size_t nobody = Lease::kNobody;
    if (lease.stage.load() == Lease::Stage::opening) lease.told_by.compare_exchange_strong(nobody, number);
  }
}

/// The peer's message `number` is there: what it opened before it can be used, what it has done with is over.
void Side::hear_of_leases(std::size_t number) {
  for (Lease& lease : peer_->leases_.all())
    if (lease.told_by.load() <= number) lease.is_open = true;
  const Transfer* told = peer_->message(number);
  if (told->closes != Transfer::kNoLease) leases_.at(told->closes).is_over = true;
}

}  // namespace softndk::workload
