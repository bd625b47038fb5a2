#include "workload/leases.h"

#include "workload/verdict.h"

namespace softndk::workload {
namespace {
constexpr unsigned kObjects = 2;  // of each kind
/// Any number is a base (R-FRMR-08); these differ in all their octets.
constexpr std::uint64_t kBases = 0x1357'9bdf'0246'8ace;
}  // namespace

// ---- FastRegion

bool FastRegion::make(NDK_PD* pd, ULONG pages_max, bool has_remote_access) {
  if (mr.creation.is_idle()) mr.make([&](auto... rest) { return pd->Dispatch->NdkCreateMr(pd, TRUE, rest...); });
  if (!mr.is_live()) return false;
  NDK_MR* region = mr.get();
  if (initializing.is_idle()) {
    initializing.make([&] {
      return region->Dispatch->NdkInitializeFastRegisterMr(region, pages_max, has_remote_access, &Call::completed,
                                                           &initializing);
    });
  }
  if (!initializing.is_done() || initializing.status() != STATUS_SUCCESS) return false;
  local_token = region->Dispatch->NdkGetLocalTokenFromMr(region);
  remote_token = region->Dispatch->NdkGetRemoteTokenFromMr(region);
  return true;
}

bool FastRegion::close(bool hasty) {
  if (initializing.is_pending() && !hasty) return false;
  if (mr.is_live()) mr.close(mr.get()->Dispatch->NdkCloseMr);
  return mr.node.is_gone();
}

// ---- Leases

Leases::Leases(unsigned number, Caller& caller)
    : map("memory that is leased to the peer"),
      mapping(number, caller),
      bound_mr("MR", "NdkCreateMr", "NdkCloseMr", number, caller),
      registering("NdkRegisterMr", Call::Kind::request, bound_mr.node, caller),
      deregistering("NdkDeregisterMr", Call::Kind::request, bound_mr.node, caller) {
  for (unsigned i = 0; i < kObjects; ++i) {
    regions.emplace_back(number + i, caller);
    windows.emplace_back(number + i, caller);
  }
}

std::size_t Leases::covers(int number, std::size_t patch) {
  patches_.resize(leases_.size());
  patches_[static_cast<std::size_t>(number)].push_back(patch);
  return patch;
}

std::size_t Leases::add_target(int number, std::uint32_t bytes, Pattern pattern) {
  at(number).is_written = true;
  return covers(number, map.add_target(bytes, pattern));
}

std::size_t Leases::add_constant(int number, std::uint32_t bytes, Pattern pattern) {
  at(number).is_read = true;
  return covers(number, map.add_constant(bytes, pattern));
}

void Leases::end_is_told(int number, bool revokes) {
  at(number).has_end = true;
  at(number).is_revoked = revokes;
}

void Leases::build(Node& pd) {
  patches_.resize(leases_.size());
  unsigned uses[2][kObjects] = {};
  for (std::size_t i = 0; i < leases_.size(); ++i) {
    Lease& lease = leases_[i];
    if (patches_[i].empty()) covers(static_cast<int>(i), map.add_constant(1, {}));  // all its transfers were cut
    lease.first = map.offset(patches_[i].front());
    lease.end = map.offset(patches_[i].back()) + map.bytes(patches_[i].back());
    if (lease.end == lease.first) ++lease.end;  // no lease is empty; nobody writes this octet
    lease.use = uses[lease.plan.by_window][lease.plan.object]++;
  }
  map.build();
  for (std::size_t i = 0; i < leases_.size(); ++i)
    leases_[i].base = leases_[i].plan.by_window ? reinterpret_cast<std::uint64_t>(map.memory().data) + leases_[i].first
                                                : kBases + i * 0x11'0000'0011;
  bound_mr.node.over({&pd});
  for (FastRegion& region : regions)
    region.mr.node.over({&pd});
  for (Window& window : windows)
    window.mw.node.over({&pd});
}

bool Leases::has_windows() const {
  for (const Lease& lease : leases_)
    if (lease.plan.by_window) return true;
  return false;
}

bool Leases::make(NDK_ADAPTER* adapter, NDK_PD* pd) {
  if (!is_needed()) return true;
  bool made = mapping.make(adapter, map);
  const auto pages = static_cast<ULONG>(map.memory().bytes / PAGE_SIZE + 2);
  for (FastRegion& region : regions)
    made = region.make(pd, pages, true) && made;
  if (!has_windows()) return made;
  for (Window& window : windows) {
    if (window.mw.creation.is_idle())
      window.mw.make([&](auto... rest) { return pd->Dispatch->NdkCreateMw(pd, rest...); });
    made = made && window.mw.is_live();
  }
  if (bound_mr.creation.is_idle())
    bound_mr.make([&](auto... rest) { return pd->Dispatch->NdkCreateMr(pd, FALSE, rest...); });
  if (bound_mr.is_live() && registering.is_idle()) {
    NDK_MR* mr = bound_mr.get();
    registering.make([&] {
      return mr->Dispatch->NdkRegisterMr(mr, map.memory().mdl, map.memory().bytes, NDK_MR_FLAG_ALLOW_LOCAL_WRITE,
                                         &Call::completed, &registering);
    });
  }
  return made && registering.is_done() && registering.status() == STATUS_SUCCESS;
}

bool Leases::failed() const {
  bool failed =
      mapping.failed() || bound_mr.failed() || (registering.is_done() && registering.status() != STATUS_SUCCESS);
  for (const FastRegion& region : regions)
    failed = failed || region.failed();
  for (const Window& window : windows)
    failed = failed || window.mw.failed();
  return failed;
}

bool Leases::issued() const {
  if (!is_needed()) return true;
  bool issued = true;
  for (const FastRegion& region : regions)
    issued = issued && !region.mr.creation.is_idle();
  if (!has_windows()) return issued;
  for (const Window& window : windows)
    issued = issued && !window.mw.creation.is_idle();
  return issued && !bound_mr.creation.is_idle();
}

bool Leases::close_objects(bool hasty) {
  for (FastRegion& region : regions)
    region.close(hasty);
  for (Window& window : windows)
    if (window.mw.is_live()) window.mw.close(window.mw.get()->Dispatch->NdkCloseMw);
  return are_gone();
}

bool Leases::are_gone() const {
  bool gone = true;
  for (const FastRegion& region : regions)
    gone = gone && region.mr.node.is_gone();
  for (const Window& window : windows)
    gone = gone && window.mw.node.is_gone();
  return gone;
}

bool Leases::close_bound_region(bool hasty, bool deregisters) {
  if (registering.is_pending() && !hasty) return false;
  const bool registered = registering.is_done() && registering.status() == STATUS_SUCCESS;
  if (registered && bound_mr.is_live() && deregisters && deregistering.is_idle()) {
    if (!are_gone()) return false;  // a bound window would refuse it (R-MR-12)
    NDK_MR* mr = bound_mr.get();
    deregistering.make([&] { return mr->Dispatch->NdkDeregisterMr(mr, &Call::completed, &deregistering); });
  }
  if (deregistering.is_pending() && !hasty) return false;
  if (bound_mr.is_live()) bound_mr.close(bound_mr.get()->Dispatch->NdkCloseMr);
  return bound_mr.node.is_gone();
}

bool Leases::is_free_for(const Lease& lease) const {
  for (const Lease& other : leases_) {
    if (&other == &lease) return true;
    const bool same = other.plan.by_window == lease.plan.by_window && other.plan.object == lease.plan.object;
    if (same && other.stage.load() != Lease::Stage::closed) return false;
  }
  return true;
}

bool Leases::are_over() const {
  for (const Lease& lease : leases_) {
    const bool over = lease.stage.load() == Lease::Stage::closed || (!lease.has_end && lease.can_be_used());
    if (!over) return false;
  }
  return true;
}

}  // namespace softndk::workload
