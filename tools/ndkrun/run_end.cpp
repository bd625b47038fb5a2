#include "tools/ndkrun/run_end.h"

#include <softndk/softndk.h>

#include <algorithm>
#include <cstdio>

namespace softndk::tools {
namespace {
constexpr LONGLONG kTicksPerSecond = 10'000'000;  // of 100 ns
constexpr std::size_t kLineBytesMax = 4096;
/// Between two looks whether anything is under way.
constexpr double kLookEvery_s = 0.02;
}  // namespace

const char* to_string(EndReason reason) {
  switch (reason) {
    case EndReason::none:
      return "none";
    case EndReason::done:
      return "done";
    case EndReason::text:
      return "text";
    case EndReason::time:
      return "time";
    case EndReason::idle:
      return "idle";
    case EndReason::interrupted:
      return "interrupted";
    case EndReason::timed_out:
      return "timeout";
  }
  return "?";
}

RunEnd::RunEnd(const EndConditions& conditions) : conditions_(conditions) {
  KeInitializeEvent(&ended_, NotificationEvent, FALSE);
  softndk_on_driver_done(&told_done, this);
  softndk_on_debug_print(&told_text, this);
}

RunEnd::~RunEnd() {
  softndk_on_debug_print(nullptr, nullptr);
  softndk_on_driver_done(nullptr, nullptr);
}

void RunEnd::end(EndReason reason) {
  EndReason none = EndReason::none;
  if (reason_.compare_exchange_strong(none, reason)) KeSetEvent(&ended_, IO_NO_INCREMENT, FALSE);
}

EndReason RunEnd::wait() {
  // In pieces: a wait without an end would be explained as one that hangs.
  constexpr double kPiece_s = 3;
  double left_s = conditions_.for_s;
  while (reason_.load() == EndReason::none) {
    double piece_s = conditions_.idle ? kLookEvery_s : kPiece_s;
    if (left_s >= 0) piece_s = std::min(piece_s, left_s);
    LARGE_INTEGER due;
    due.QuadPart = -static_cast<LONGLONG>(piece_s * kTicksPerSecond) - 1;
    if (KeWaitForSingleObject(&ended_, Executive, KernelMode, FALSE, &due) != STATUS_TIMEOUT) continue;
    // Twice: between two work items that start each other there may be a moment without either.
    idle_looks_ = conditions_.idle && softndk_is_idle() ? idle_looks_ + 1 : 0;
    if (idle_looks_ == 2) end(EndReason::idle);
    if (left_s >= 0 && (left_s -= piece_s) <= 0) end(EndReason::time);
  }
  return reason_.load();
}

void RunEnd::told_done(void* context, std::int32_t status) {
  auto& self = *static_cast<RunEnd*>(context);
  NTSTATUS good = STATUS_SUCCESS;
  if (!NT_SUCCESS(status)) self.verdict_.compare_exchange_strong(good, status);
  if (++self.dones_ == self.conditions_.dones) self.end(EndReason::done);
}

void RunEnd::told_text(void* context, const char* text, std::size_t length) {
  std::fwrite(text, 1, length, stderr);
  auto& self = *static_cast<RunEnd*>(context);
  if (!self.conditions_.text.empty()) self.heard({text, length});
}

void RunEnd::heard(std::string_view text) {
  bool found = false;
  {
    const std::lock_guard lock(mutex_);
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      line_.append(text.substr(0, end));
      found = found || line_.find(conditions_.text) != std::string::npos;
      if (end < text.size() || line_.size() > kLineBytesMax) line_.clear();
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  }
  if (found) end(EndReason::text);
}

}  // namespace softndk::tools
