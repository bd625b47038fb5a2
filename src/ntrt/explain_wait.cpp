#include "ntrt/explain_wait.h"

#include <cstdarg>
#include <cstdio>

#include "base/log.h"
#include "ntrt/bug_check.h"
#include "ntrt/kernel.h"
#include "ntrt/wait_queue.h"

namespace softndk::ntrt {
namespace {

/// Requests that are named in one report.
constexpr std::size_t kRequestsMax = 16;
/// An event further behind a request's context than this is part of something else.
constexpr std::uintptr_t kNearBytes = 4096;

bool is_near(const void* context, const void* object) {
  const auto from = reinterpret_cast<std::uintptr_t>(context);
  const auto at = reinterpret_cast<std::uintptr_t>(object);
  return context != nullptr && object != nullptr && at >= from && at - from < kNearBytes;
}

/// Those for which `wanted` holds, each with the object that it is a request of.
template <class Wanted>
std::size_t report_requests(const LineSink& sink, const char* remark, Wanted&& wanted) {
  std::size_t count = 0;
  NodeRecord owner;
  TreeWalk walk;
  NodeRecord record;
  while (walk.next(record)) {
    if (record.object != nullptr) owner = record;
    if (record.object != nullptr || !wanted(record) || ++count > kRequestsMax) continue;
    char line[640];
    std::snprintf(line, sizeof line, "%s %p: %s%s", owner.kind, owner.object, record.text.state, remark);
    sink.write(sink.context, line);
  }
  if (count > kRequestsMax) {
    char line[64];
    std::snprintf(line, sizeof line, "and %zu more requests", count - kRequestsMax);
    sink.write(sink.context, line);
  }
  return count;
}

}  // namespace

std::size_t report_pending_requests(const LineSink& sink, const void* object) noexcept {
  const std::size_t near =
      report_requests(sink, " (its context is the structure that holds this event)",
                      [&](const NodeRecord& record) { return is_near(record.text.context, object); });
  return near +
         report_requests(sink, "", [&](const NodeRecord& record) { return !is_near(record.text.context, object); });
}

std::size_t report_waiting_threads(const LineSink& sink) noexcept {
  std::size_t count = 0;
  for_each_wait([&](const WaitDescription& wait) noexcept {
    if (wait.caller == nullptr) return;
    ++count;
    char line[640];
    wait.write(line, sizeof line);
    sink.write(sink.context, line);
  });
  return count;
}

void explain_open_objects(const char* call) noexcept {
  {
    NodeRecord first;
    if (!TreeWalk().next(first)) return;
  }
  explain_blocked_call(nullptr, "%s waits until the consumers have closed what they opened:", call);
}

void explain_blocked_call(const void* adapter, const char* format, ...) noexcept {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  log(LogLevel::error, "%s", text);
  report_objects(sink_to_log(), {.under = adapter});
}

}  // namespace softndk::ntrt
