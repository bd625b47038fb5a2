// A queue that is resized, moderated and armed for less and more while its connections go on: whims of its own, drawn
// from its plan, that must change nothing of what they see.
#include "workload/pump.h"
#include "workload/verdict.h"

namespace softndk::workload {

std::uint64_t Pump::draw(std::uint64_t below) {
  whims_ += 0x9e3779b97f4a7c15;
  std::uint64_t drawn = (whims_ ^ whims_ >> 30) * 0xbf58476d1ce4e5b9;
  drawn = (drawn ^ drawn >> 27) * 0x94d049bb133111eb;
  return (drawn ^ drawn >> 31) % below;
}

void Pump::follow_whim() {
  switch (draw(8)) {
    case 0: {
      if (resize_.is_pending()) return;
      resize_.reset();
      const std::uint64_t more = draw(20 * depth_);
      const auto depth = static_cast<ULONG>(draw(2) == 0 ? depth_ : depth_ + more);
      resize_.make([&] { return cq.get()->Dispatch->NdkResizeCq(cq.get(), depth, &Call::completed, &resize_); });
      return;
    }
    case 1: {
      // Never without an interval: a last completion has no company.
      constexpr ULONG kCounts[] = {0, 1, 2, 3, 5, MAXULONG};
      const auto interval_us = static_cast<ULONG>(draw(600) % 400);
      const ULONG count = kCounts[draw(std::size(kCounts))];
      const Calling calling;
      const NTSTATUS status = cq.get()->Dispatch->NdkControlCqInterruptModeration(cq.get(), interval_us, count);
      if (status != STATUS_SUCCESS) fail("CQ %u: moderation answers %s", cq.node.number(), name_of(status));
      return;
    }
    default:
      return;
  }
}

void Pump::arm() {
  const std::uint64_t whim = draw(4);
  const auto* table = cq.get()->Dispatch;
  const Calling calling;
  // The stronger wins, whichever is first (R-ARM-01); and errors there are none.
  armed_for_any_ = !solicited_only_ || draw(6) == 0;
  if (whim == 0) table->NdkArmCq(cq.get(), NDK_CQ_NOTIFY_ERRORS);
  if (solicited_only_ && (whim & 1) == 0) table->NdkArmCq(cq.get(), NDK_CQ_NOTIFY_SOLICITED);
  if (armed_for_any_) table->NdkArmCq(cq.get(), NDK_CQ_NOTIFY_ANY);
  if (solicited_only_ && (whim & 1) != 0) table->NdkArmCq(cq.get(), NDK_CQ_NOTIFY_SOLICITED);
  if (whim == 1) table->NdkArmCq(cq.get(), NDK_CQ_NOTIFY_ERRORS);
  if (!armed_for_any_) ++solicited_arms_;
}

}  // namespace softndk::workload
