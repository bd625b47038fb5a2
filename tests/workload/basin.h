#pragma once
// A shared receive queue that a side posts its receives to, and the only code that modifies it.
#include "workload/lifetime.h"
#include "workload/plan.h"
#include "workload/tally.h"

namespace softndk::workload {

class Basin {
 public:
  Basin(unsigned number, const SidePlan& plan, Caller& caller);

  /// True: it is there. `pd` is used only while the create has not been called.
  bool make(NDK_PD* pd);
  /// In its side's steps: re-arms it when it has told, and changes its depth, by a whim.
  void tend();
  /// True: it is gone.
  bool close(bool hasty);
  void add_to(Tally& tally) const;

  Slot<NDK_SRQ> srq;
  Call modifying;

 private:
  static VOID notified(PVOID context, NTSTATUS status);
  void modify(ULONG depth, ULONG threshold);

  const ULONG depth_;
  const ULONG sges_;
  const ULONG threshold_;
  std::uint64_t whims_;
  Caller& caller_;
  std::atomic<bool> in_notification_{false};
  std::atomic<bool> is_armed_{false};
  bool asked_for_depth_ = false;
  std::atomic<std::uint64_t> told_{0};
  std::uint64_t modified_ = 0;
};

}  // namespace softndk::workload
