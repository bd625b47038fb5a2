// What the consumers of a plan do with memory and queues besides: mappings, fast registration, windows, invalidation
// from both ends, shared receive queues, queues that are armed for solicited receives only.
#include "workload/dice.h"
#include "workload/plan.h"

namespace softndk::workload {
namespace {

using Kind = Transfer::Kind;

/// Objects of each kind that a side has for its leases: few, so that they are used again.
constexpr std::uint32_t kObjects = 2;
constexpr std::uint32_t kChain = 3;  ///< requests of a transfer by a fast region: register, do it, invalidate

/// `user` reaches `owner`'s memory through leases, one after another; each ends with a Send that says so.
void draw_leases(Dice& dice, SidePlan& user, SidePlan& owner) {
  int open = Transfer::kNoLease;
  for (std::size_t i = 0; i < user.transfers.size(); ++i) {
    Transfer& transfer = user.transfers[i];
    if (transfer.kind == Kind::send) {
      if (open == Transfer::kNoLease) continue;
      transfer.closes = open;
      transfer.revokes = dice.one_in(2);
      open = Transfer::kNoLease;
      continue;
    }
    if (dice.one_in(4)) continue;  // over the region that is always open
    if (open == Transfer::kNoLease) {
      open = static_cast<int>(owner.leases.size());
      owner.leases.push_back({dice.one_in(2), static_cast<std::uint8_t>(dice.below(kObjects))});
    }
    transfer.lease = open;
  }
  if (open == Transfer::kNoLease) return;
  Transfer last;
  last.bytes = dice.between(0, 64);
  last.closes = open;
  last.revokes = dice.one_in(2);
  last.solicited = dice.one_in(2);
  user.transfers.push_back(last);
}

void draw_places(Dice& dice, SidePlan& side) {
  side.logical_receives = dice.one_in(3);
  for (Transfer& transfer : side.transfers) {
    if (transfer.inlined || transfer.bytes == 0) continue;
    if (dice.one_in(4)) {
      transfer.place = Place::logical;
    } else if (dice.one_in(4) && side.depth >= kChain) {
      transfer.place = Place::fast_region;
      if (transfer.kind == Kind::read) transfer.revokes = dice.one_in(2);
    }
  }
}

}  // namespace

void draw_memory(Plan& plan) {
  Dice dice(plan.seed, 0x6d656d6f);
  for (SessionPlan& session : plan.sessions) {
    if (dice.one_in(2)) draw_leases(dice, session.active, session.passive);
    if (dice.one_in(2)) draw_leases(dice, session.passive, session.active);
    for (SidePlan* side : {&session.active, &session.passive}) {
      if (dice.one_in(2)) draw_places(dice, *side);
      side->shared_receives = dice.one_in(4);
      // Only where nothing else has to be heard of.
      side->solicited_only = dice.one_in(3) && side->two_cqs && !side->shares_cq && !side->polled;
      // It would wait for a lease that waits for its receives.
      if (!session.active.leases.empty() || !session.passive.leases.empty()) side->lazy_receiver = false;
    }
  }
}

}  // namespace softndk::workload
