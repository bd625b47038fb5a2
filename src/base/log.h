#pragma once
// One line a finding, with the object named. Quiet by default: errors go to stderr, the rest only when asked for
// (setting `log`). Never called on a fast path.
#include <cstdarg>

namespace softndk {

enum class LogLevel { error, warning, note, debug };

void set_log_level(LogLevel level) noexcept;
bool log_enabled(LogLevel level) noexcept;
/// Where lines go instead of stderr; null restores stderr. The line has no newline at its end.
void set_log_sink(void (*sink)(void* context, LogLevel level, const char* line), void* context) noexcept;
void log(LogLevel level, const char* format, ...) noexcept __attribute__((format(printf, 2, 3)));

/// Our own invariant is broken: says where, and aborts, so that a debugger stands at the frame.
[[noreturn]] void panic(const char* file, int line, const char* text) noexcept;

}  // namespace softndk

/// Kept in every build: an invariant that costs a compare is worth a clear sentence. No effects inside `condition`.
#define SOFTNDK_CHECK(condition) \
  (__builtin_expect(!!(condition), 1) ? (void)0 : ::softndk::panic(__FILE__, __LINE__, #condition))
#define SOFTNDK_UNREACHABLE() ::softndk::panic(__FILE__, __LINE__, "unreachable")
