#pragma once
// A bug check is a report and abort(), so that a debugger or a sanitizer stands at the driver's frame. Nothing is
// thrown through C frames.
#include <cstddef>
#include <cstdint>

#include "ntrt/code_address.h"

namespace softndk::ntrt {

/// The stop codes that we raise, with the numbers Windows gives them.
enum class BugCode : std::uint32_t {
  irql_not_less_or_equal = 0x0a,
  irql_not_greater_or_equal = 0x09,
  spin_lock_already_owned = 0x0f,
  spin_lock_not_owned = 0x10,
  mutex_not_owned = 0x11,
  reference_below_zero = 0x18,  // REFERENCE_BY_POINTER
  bad_pool_caller = 0xc2,
  driver_violation = 0xc4,        // DRIVER_VERIFIER_DETECTED_VIOLATION
  irql_left_raised = 0xc8,        // IRQL_UNEXPECTED_VALUE
  work_item_queued_twice = 0xe4,  // WORKER_INVALID
  bad_object = 0x189,
  assertion_failed = 0x1420,  // ours: Windows breaks into the debugger instead
  no_resources = 0x1421,      // ours: something that must not fail ran out
  driver_request = 0x1422,    // ours: KeBugCheck called with a code that stands in the text
};
const char* to_string(BugCode code) noexcept;

struct BugReport {
  BugCode code;
  const char* text;  ///< one line, without newline
};

/// Prints "softndk: bug check NAME (0x..): text" and the caller's stack to stderr, and aborts. Any thread, any IRQL,
/// whether the runtime runs or not.
[[noreturn]] void bug_check(BugCode code, const char* format, ...) noexcept __attribute__((format(printf, 2, 3)));

/// Called with the report before the abort, for tests: it may record it and leave the process (`_exit`) or the frame
/// (`longjmp`); if it returns, the abort follows. Null removes it.
using BugCheckHook = void (*)(void* context, const BugReport& report) noexcept;
void set_bug_check_hook(BugCheckHook hook, void* context) noexcept;

/// Whether a driver's failed NT_ASSERT is a bug check (at first) or only a line in the log.
void set_assertions_fatal(bool fatal) noexcept;

}  // namespace softndk::ntrt
