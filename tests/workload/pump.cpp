#include "workload/pump.h"

#include <algorithm>
#include <optional>

#include "workload/side.h"
#include "workload/tally.h"
#include "workload/verdict.h"

namespace softndk::workload {

Pump::Pump(unsigned number, const SidePlan& plan)
    : cq("CQ", "NdkCreateCq", "NdkCloseCq", number, *this),
      polled_(plan.polled),
      extended_(plan.extended),
      resize_("NdkResizeCq", Call::Kind::request, cq.node, *this),
      whims_(plan.close_order + number) {
  set_style(plan.style == Style::thread ? Style::dpc : plan.style);
}

void Pump::create(NDK_ADAPTER* adapter, ULONG depth) {
  depth_ = depth;
  cq.make([&](auto... rest) {
    return adapter->Dispatch->NdkCreateCq(adapter, depth, &Pump::notified, this, nullptr, rest...);
  });
}

void Pump::drain_for(Side& side) {
  side.drains = this;
  side.drain = Side::Drain::wanted;
  kick_strand();
}

void Pump::close() {
  if (!close_wanted_.exchange(true)) kick_strand();
}

void Pump::kick() {
  kick_strand();
  if (owner != nullptr) owner->kick();
}

VOID Pump::notified(PVOID context, NTSTATUS status) {
  auto& self = *static_cast<Pump*>(context);
  const Inside inside(self.cq.node, "CqNotification");
  if (self.in_notification_.exchange(true)) fail("CQ %u: two notifications at once (R-ARM-04)", self.cq.node.number());
  self.event_for_any_ = self.armed_for_any_;  // before anybody can arm it again
  self.event_ = true;
  if (!self.armed_.exchange(false)) fail("CQ %u: a notification without an arm (R-ARM-03)", self.cq.node.number());
  if (status != STATUS_SUCCESS) fail("CQ %u: it says %s, and is large enough", self.cq.node.number(), name_of(status));
  self.kick_strand();
  self.in_notification_ = false;
}

void Pump::take_all() {
  constexpr ULONG kBatch = 3;
  for (;;) {
    ULONG count = 0;
    NDK_RESULT_EX results[kBatch];
    std::optional<Calling> calling(std::in_place);
    if (extended_) {
      count = cq.get()->Dispatch->NdkGetCqResultsEx(cq.get(), results, kBatch);
    } else {
      NDK_RESULT plain[kBatch];
      count = cq.get()->Dispatch->NdkGetCqResults(cq.get(), plain, kBatch);
      for (ULONG i = 0; i < count && i < kBatch; ++i) {
        results[i] = {};
        results[i].Status = plain[i].Status;
        results[i].BytesTransferred = plain[i].BytesTransferred;
        results[i].QPContext = plain[i].QPContext;
        results[i].RequestContext = plain[i].RequestContext;
      }
    }
    calling.reset();
    if (count > kBatch) fail("CQ %u: %u results in an array of %u", cq.node.number(), count, kBatch);
    for (ULONG i = 0; i < count; ++i) {
      const auto side = std::find(sides_.begin(), sides_.end(), static_cast<Side*>(results[i].QPContext));
      if (side == sides_.end()) fail("CQ %u: a result with a QPContext of nobody (R-QP-05)", cq.node.number());
      ++((*side)->take_result(results[i], extended_) ? reasons_ : unsolicited_);
    }
    if (count == 0) return;
  }
}

/// What a queue that is armed for solicited receives tells of is one, or a failure (R-ARM-11, R-ARM-12); it may have
/// been taken meanwhile.
void Pump::check_event() {
  if (!solicited_only_) return;
  if (!event_for_any_ && reasons_ == 0)
    fail("CQ %u: armed for solicited receives, it told of something else (R-ARM-12)", cq.node.number());
  if (!event_for_any_) ++solicited_events_;
  reasons_ = 0;
}

void Pump::add_to(Tally& tally) const {
  if (!solicited_only_) return;
  tally[Arm::solicited_arm] += solicited_arms_;
  tally[Arm::solicited_event] += solicited_events_;
  tally[Arm::unsolicited_message] += unsolicited_;
}

void Pump::step() {
  if (!cq.is_live()) {
    if (close_wanted_.load()) {
      for (Side* side : sides_)
        side->drained(true);
    }
    return;
  }
  if (close_wanted_.load()) {
    cq.close(cq.get()->Dispatch->NdkCloseCq);
    for (Side* side : sides_)
      side->drained(true);
    return;
  }
  // Who wants to know is looked at before the results are: those of a queue pair that is gone are all there by then.
  std::vector<Side*> waiting;
  for (Side* side : sides_)
    if (side->drain.load() == Side::Drain::wanted && side->drains.load() == this) waiting.push_back(side);
  const bool had_event = event_.exchange(false);
  take_all();
  if (had_event) check_event();
  for (Side* side : waiting)
    side->drained(false);
  follow_whim();
  if (!polled_ && !armed_.exchange(true)) arm();
}

}  // namespace softndk::workload
