#include "workload/basin.h"

#include "workload/verdict.h"

namespace softndk::workload {

Basin::Basin(unsigned number, const SidePlan& plan, Caller& caller)
    : srq("SRQ", "NdkCreateSrq", "NdkCloseSrq", number, caller),
      modifying("NdkModifySrq", Call::Kind::request, srq.node, caller),
      depth_(plan.depth),
      sges_(plan.sges),
      threshold_(static_cast<ULONG>(plan.close_order % (plan.depth + 1))),
      whims_(plan.close_order >> 8),
      caller_(caller) {}

bool Basin::make(NDK_PD* pd) {
  if (srq.creation.is_idle()) {
    is_armed_ = threshold_ != 0;  // for a fall only (R-SRQ-07)
    srq.make([&](auto... rest) {
      return pd->Dispatch->NdkCreateSrq(pd, depth_, sges_, threshold_, &Basin::notified, this, nullptr, rest...);
    });
  }
  return srq.is_live();
}

VOID Basin::notified(PVOID context, NTSTATUS status) {
  auto& self = *static_cast<Basin*>(context);
  const Inside inside(self.srq.node, "SrqNotification");
  if (self.in_notification_.exchange(true))
    fail("SRQ %u: two notifications at once (R-SRQ-08)", self.srq.node.number());
  if (!self.is_armed_.exchange(false))
    fail("SRQ %u: a notification, and it is not armed (R-SRQ-05)", self.srq.node.number());
  if (status != STATUS_SUCCESS) fail("SRQ %u: it says %s", self.srq.node.number(), name_of(status));
  ++self.told_;
  self.caller_.kick();
  self.in_notification_ = false;
}

void Basin::modify(ULONG depth, ULONG threshold) {
  NDK_SRQ* object = srq.get();
  modifying.make(
      [&] { return object->Dispatch->NdkModifySrq(object, depth, threshold, &Call::completed, &modifying); });
}

void Basin::tend() {
  if (!srq.is_live() || modifying.is_pending()) return;
  if (modifying.is_done()) {
    if (modifying.status() == STATUS_SUCCESS && asked_for_depth_) ++modified_;
    modifying.reset();
  }
  asked_for_depth_ = whims_ % 4 == 0;  // a few in a row; then it has what it needs
  whims_ /= 4;
  // A depth that was enough stays enough: never below what the side posts at a time.
  const ULONG depth = asked_for_depth_ ? depth_ + static_cast<ULONG>(whims_ % 32) : 0;
  const bool arms = threshold_ != 0 && !is_armed_.load() && told_.load() < 20;
  if (!arms && (!asked_for_depth_ || whims_ == 0)) return;
  if (arms) is_armed_ = true;  // it may tell before the call returns (R-SRQ-04)
  modify(depth, arms ? threshold_ : 0);
}

bool Basin::close(bool hasty) {
  if (modifying.is_pending() && !hasty) return false;
  if (srq.is_live()) srq.close(srq.get()->Dispatch->NdkCloseSrq);
  return srq.node.is_gone();
}

void Basin::add_to(Tally& tally) const {
  tally[Arm::srq_notification] += told_.load();
  tally[Arm::srq_modify] += modified_;
}

}  // namespace softndk::workload
