#pragma once
// A completion queue and the only code that takes results from it and arms it (the consumer serialises both).
#include <atomic>
#include <vector>

#include "workload/lifetime.h"
#include "workload/strand.h"

namespace softndk::workload {

class Side;

class Pump final : public Strand, public Caller {
 public:
  Pump(unsigned number, const SidePlan& plan);
  /// Before anything runs: results of this side's queue pair come here.
  void attach(Side& side) { sides_.push_back(&side); }

  void create(NDK_ADAPTER* adapter, ULONG depth);
  /// Takes what is there, and tells `side`, which has lost its queue pair, when all of it has been taken.
  void drain_for(Side& side);
  /// No result is taken any more; the close follows as soon as nobody is in the middle of it.
  void close();
  bool is_polled() const { return polled_; }
  /// Before anything runs: of its receives only solicited ones, and failures, are to be told.
  void arm_for_solicited() { solicited_only_ = true; }
  void add_to(struct Tally& tally) const;

  void inside(Call&) override {}
  void kick() override;

  Slot<NDK_CQ> cq;
  Caller* owner = nullptr;  ///< hears of its creation and its close too

 private:
  static VOID notified(PVOID context, NTSTATUS status);
  void step() override;
  void take_all();
  void arm();
  void check_event();
  // pump_whims.cpp: what no plan of a connection needs, and any consumer may do.
  void follow_whim();
  std::uint64_t draw(std::uint64_t below);

  const bool polled_;
  const bool extended_;
  bool solicited_only_ = false;
  std::vector<Side*> sides_;
  std::atomic<bool> armed_{false};
  std::atomic<bool> in_notification_{false};
  std::atomic<bool> close_wanted_{false};
  Call resize_;
  ULONG depth_ = 0;  ///< that is enough
  // Of a queue that is armed for solicited ones:
  bool armed_for_any_ = false;              ///< this time, by a whim
  std::atomic<bool> event_{false};          ///< a notification that was not looked at yet
  std::atomic<bool> event_for_any_{false};  ///< of an arm for any
  std::uint64_t reasons_ = 0;               ///< results since the last one that may be told
  std::uint64_t unsolicited_ = 0, solicited_events_ = 0, solicited_arms_ = 0;
  std::uint64_t whims_;
};

}  // namespace softndk::workload
