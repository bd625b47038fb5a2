#include "ntrt/bug_check.h"

#include <execinfo.h>

#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>

#include "base/log.h"
#include "ntrt/object_tree.h"
#include "wdk/wdm.h"

namespace softndk::ntrt {
namespace {
std::atomic<BugCheckHook> g_hook{nullptr};
std::atomic<void*> g_hook_context{nullptr};
std::atomic<bool> g_assertions_fatal{true};
}  // namespace

const char* to_string(BugCode code) noexcept {
  switch (code) {
    case BugCode::irql_not_greater_or_equal:
      return "IRQL_NOT_GREATER_OR_EQUAL";
    case BugCode::irql_not_less_or_equal:
      return "IRQL_NOT_LESS_OR_EQUAL";
    case BugCode::spin_lock_already_owned:
      return "SPIN_LOCK_ALREADY_OWNED";
    case BugCode::spin_lock_not_owned:
      return "SPIN_LOCK_NOT_OWNED";
    case BugCode::mutex_not_owned:
      return "THREAD_NOT_MUTEX_OWNER";
    case BugCode::reference_below_zero:
      return "REFERENCE_BY_POINTER";
    case BugCode::bad_pool_caller:
      return "BAD_POOL_CALLER";
    case BugCode::driver_violation:
      return "DRIVER_VERIFIER_DETECTED_VIOLATION";
    case BugCode::irql_left_raised:
      return "IRQL_UNEXPECTED_VALUE";
    case BugCode::work_item_queued_twice:
      return "WORKER_INVALID";
    case BugCode::bad_object:
      return "BAD_OBJECT_HEADER";
    case BugCode::assertion_failed:
      return "ASSERTION_FAILED";
    case BugCode::no_resources:
      return "NO_RESOURCES";
    case BugCode::driver_request:
      return "DRIVER_REQUEST";
  }
  return "?";
}

void set_bug_check_hook(BugCheckHook hook, void* context) noexcept {
  g_hook_context.store(context, std::memory_order_relaxed);
  g_hook.store(hook, std::memory_order_release);  // partner: the acquire in bug_check
}

void set_assertions_fatal(bool fatal) noexcept {
  g_assertions_fatal.store(fatal, std::memory_order_relaxed);
}

void bug_check(BugCode code, const char* format, ...) noexcept {
  char text[768];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);

  if (BugCheckHook hook = g_hook.load(std::memory_order_acquire))
    hook(g_hook_context.load(std::memory_order_relaxed), BugReport{code, text});

  std::fprintf(stderr, "softndk: bug check %s (0x%x): %s\n", to_string(code), static_cast<unsigned>(code), text);
  CallStack stack = {};
  void* frames[CallStack::kFramesMax];
  const int count = backtrace(frames, CallStack::kFramesMax);
  while (stack.count + 1 < static_cast<unsigned>(count)) {  // the first frame is this function
    stack.frames[stack.count] = frames[stack.count + 1];
    ++stack.count;
  }
  int stderr_fd = 2;
  write_stack(sink_to_descriptor(stderr_fd), stack, 2);
  std::abort();
}

}  // namespace softndk::ntrt

using namespace softndk::ntrt;

extern "C" {

void SoftNdkAssertFailed(const char* file, int line, const char* text) noexcept {
  if (g_assertions_fatal.load(std::memory_order_relaxed))
    bug_check(BugCode::assertion_failed, "%s:%d: %s", file, line, text);
  softndk::log(softndk::LogLevel::error, "%s:%d: assertion failed: %s", file, line, text);
}

void KeBugCheckEx(ULONG code, ULONG_PTR p1, ULONG_PTR p2, ULONG_PTR p3, ULONG_PTR p4) noexcept {
  bug_check(BugCode::driver_request, "KeBugCheckEx(0x%x, 0x%llx, 0x%llx, 0x%llx, 0x%llx)", code, p1, p2, p3, p4);
}
}
