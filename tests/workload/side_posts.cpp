// What a side posts, in which order and how its memory is named in it.
#include <algorithm>

#include "workload/stage.h"
#include "workload/verdict.h"

namespace softndk::workload {
namespace {
/// What a fast region of our own begins at: any number.
constexpr std::uint64_t kFastBase = 0x2468'ace0'0000'0001;
/// Requests of a transfer through one: registered, used, invalidated.
constexpr std::size_t kChain = 3;
}  // namespace

bool Side::needs_mapping() const {
  const auto is_elsewhere = [](const Transfer& transfer) { return transfer.place != Place::region; };
  return plan_.logical_receives || std::any_of(plan_.transfers.begin(), plan_.transfers.end(), is_elsewhere);
}

bool Side::needs_fast_region() const {
  const auto is_fast = [](const Transfer& transfer) { return transfer.place == Place::fast_region; };
  return std::any_of(plan_.transfers.begin(), plan_.transfers.end(), is_fast);
}

bool Side::has_room(std::size_t requests) const {
  return posted_ + requests - initiator_completed_.load() <= plan_.depth;
}

/// With those before it that were silent too it leaves room for the largest transfer: nobody else would give it.
bool Side::may_be_silent() const {
  return silent_run_ + 1 + (needs_fast_region() ? kChain : 1) <= plan_.depth;
}

Work& Side::next_request(Work::Kind kind, bool silent) {
  Work& work = initiator_[posted_++];
  work.kind = kind;
  work.silent = silent;
  silent_run_ = silent ? silent_run_ + 1 : 0;
  work.state = Work::State::posted;
  return work;
}

/// After the post. False: it was refused, and nothing more will be posted.
bool Side::posted(Work& work, NTSTATUS status, bool needs_memory) {
  if (status == STATUS_SUCCESS) return true;
  if (work.state.load() != Work::State::posted)
    fail("%s: post %zu returned %s and completed as well (R-WR-01)", describe().c_str(), work.number, name_of(status));
  work.state = Work::State::none;
  --posted_;
  posts_refused_ = true;
  if (needs_memory && status == STATUS_INSUFFICIENT_RESOURCES && stage_.is_faulty()) return false;
  if (status != STATUS_CONNECTION_INVALID || !failures_are_right())
    fail("%s: post %zu returned %s", describe().c_str(), work.number, name_of(status));
  return false;
}

NDK_SGE Side::sge(Place place, std::size_t patch, std::uint32_t offset, std::uint32_t bytes) const {
  NDK_SGE sge{};
  sge.Length = bytes;
  const std::size_t at = local_.offset(patch) + offset;
  switch (place) {
    case Place::region:
      sge.VirtualAddress = local_.memory().data + at;
      sge.MemoryRegionToken = local_mr_.get()->Dispatch->NdkGetLocalTokenFromMr(local_mr_.get());
      break;
    case Place::logical:
      sge.LogicalAddress.QuadPart = static_cast<LONGLONG>(mapping_.address(at));
      sge.MemoryRegionToken = privileged_token_;
      break;
    case Place::fast_region:
      sge.VirtualAddress = reinterpret_cast<PVOID>(kFastBase + offset);
      sge.MemoryRegionToken = fast_region_.local_token;
      break;
  }
  return sge;
}

/// Returns how many it has filled.
ULONG Side::source_or_sink(const Transfer& transfer, std::size_t patch, NDK_SGE* sges) const {
  std::uint32_t offset = 0;
  for (ULONG i = 0; i < transfer.sges; ++i) {
    const bool is_last = i + 1u == transfer.sges;
    const std::uint32_t bytes = is_last ? transfer.bytes - offset : (transfer.bytes - offset) / 2;
    sges[i] = sge(transfer.place, patch, offset, bytes);
    if (transfer.inlined) sges[i].MemoryRegionToken = 0;
    offset += bytes;
  }
  return transfer.sges;
}

/// Whether our message `transfers[number]` says so. A peer that hears of nothing else has to hear of one in each window
/// of its receives, and of what it has to act on.
bool Side::is_solicited(std::size_t number) const {
  const Transfer& transfer = plan_.transfers[number];
  if (transfer.solicited || !peer_->plan_.solicited_only) return transfer.solicited;
  const bool is_last = messages_sent_ + 1 == solicited_.size();
  return is_last || transfer.closes != Transfer::kNoLease || (messages_sent_ + 1) % peer_->plan_.depth == 0;
}

bool Side::post(std::size_t number) {
  const Transfer& transfer = plan_.transfers[number];
  if (transfer.place == Place::fast_region) return post_chain(number);
  // The last one says that all before it are done.
  const bool silent = transfer.silent && number + 1 != plan_.transfers.size() && may_be_silent();
  return has_room(1) && post_one(number, silent, 0);
}

bool Side::post_one(std::size_t number, bool silent, ULONG flags) {
  const Transfer& transfer = plan_.transfers[number];
  constexpr Work::Kind kKinds[] = {Work::Kind::send, Work::Kind::write, Work::Kind::read};
  constexpr std::size_t kSgesMax = 4;
  NDK_SGE sges[kSgesMax] = {};
  const std::size_t patch = local_patch_[number];
  const ULONG count = source_or_sink(transfer, patch, sges);
  if (silent) flags |= NDK_OP_FLAG_SILENT_SUCCESS;
  if (transfer.inlined) flags |= NDK_OP_FLAG_INLINE;
  Work& work = next_request(kKinds[static_cast<unsigned>(transfer.kind)], silent);
  work.patch = patch;
  work.bytes = transfer.bytes;
  work.is_logical = transfer.place == Place::logical;
  work.is_fast = transfer.place == Place::fast_region;
  work.uses_lease = transfer.lease != Transfer::kNoLease;
  work.invalidates = (flags & NDK_OP_FLAG_RDMA_READ_LOCAL_INVALIDATE) != 0;
  NDK_QP* qp = qp_.get();
  if (transfer.kind == Transfer::Kind::send) {
    const bool solicits = is_solicited(number);
    if (solicits) flags |= NDK_OP_FLAG_SEND_AND_SOLICIT_EVENT;
    solicited_[messages_sent_] = solicits;
    announce(messages_sent_++);
    const bool closes = transfer.closes != Transfer::kNoLease;
    if (closes) flags |= NDK_OP_FLAG_READ_FENCE;  // Reads through the lease may not be overtaken by its end
    const UINT32 revoked = closes && transfer.revokes ? peer_->leases_.at(transfer.closes).token.load() : 0;
    const Calling calling;
    return posted(work, revoked != 0 ? qp->Dispatch->NdkSendAndInvalidate(qp, &work, sges, count, flags, revoked)
                                     : qp->Dispatch->NdkSend(qp, &work, sges, count, flags));
  }
  const Target to = peer_->target(transfer, remote_patch_[number]);
  if (transfer.kind == Transfer::Kind::write) {
    to.map.may_be_written(remote_patch_[number], transfer.bytes);
    const Calling calling;
    return posted(work, qp->Dispatch->NdkWrite(qp, &work, sges, count, to.address, to.token, flags));
  }
  local_.may_be_written(patch, transfer.bytes);
  const Calling calling;
  return posted(work, qp->Dispatch->NdkRead(qp, &work, sges, count, to.address, to.token, flags));
}

/// One transfer out of, or into, a region that is registered for it and invalid again afterwards.
bool Side::post_chain(std::size_t number) {
  if (!has_room(kChain)) return false;
  const Transfer& transfer = plan_.transfers[number];
  const bool is_read = transfer.kind == Transfer::Kind::read;
  const std::size_t at = local_.offset(local_patch_[number]);
  NDK_QP* qp = qp_.get();
  NDK_MR* region = fast_region_.mr.get();
  const bool silent = may_be_silent();
  ULONG flags = NDK_OP_FLAG_DEFER | (silent ? NDK_OP_FLAG_SILENT_SUCCESS : 0);
  if (is_read) flags |= NDK_OP_FLAG_ALLOW_LOCAL_WRITE | NDK_OP_FLAG_RDMA_READ_SINK;
  if (fast_region_.ends_by_read) flags |= NDK_OP_FLAG_READ_FENCE;
  Work& registration = next_request(Work::Kind::fast_register, silent);
  registration.is_again = fast_region_.uses++ != 0;
  bool well = false;
  {
    const Calling calling;
    well = posted(registration,
                  qp->Dispatch->NdkFastRegister(qp, &registration, region, mapping_.pages_of(at, transfer.bytes),
                                                mapping_.page_at(at), mapping_.first_byte_at(at), transfer.bytes,
                                                reinterpret_cast<PVOID>(kFastBase), flags),
                  true);
  }
  fast_region_.ends_by_read = is_read && transfer.revokes;
  if (!well) return false;
  if (fast_region_.ends_by_read) return post_one(number, false, NDK_OP_FLAG_RDMA_READ_LOCAL_INVALIDATE);
  if (!post_one(number, transfer.silent && may_be_silent(), NDK_OP_FLAG_DEFER)) return false;
  Work& invalidation = next_request(Work::Kind::invalidate, false);
  const Calling calling;
  return posted(invalidation,
                qp->Dispatch->NdkInvalidate(qp, &invalidation, &region->Header, is_read ? NDK_OP_FLAG_READ_FENCE : 0));
}

}  // namespace softndk::workload
