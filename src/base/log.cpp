#include "base/log.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace softndk {
namespace {
std::atomic<int> g_level{static_cast<int>(LogLevel::error)};
std::atomic<void (*)(void*, LogLevel, const char*)> g_sink{nullptr};
std::atomic<void*> g_sink_context{nullptr};
const char* name_of(LogLevel level) {
  switch (level) {
    case LogLevel::error:
      return "error";
    case LogLevel::warning:
      return "warning";
    case LogLevel::note:
      return "note";
    case LogLevel::debug:
      return "debug";
  }
  return "?";
}
}  // namespace

void set_log_level(LogLevel level) noexcept {
  g_level.store(static_cast<int>(level), std::memory_order_relaxed);
}
bool log_enabled(LogLevel level) noexcept {
  return static_cast<int>(level) <= g_level.load(std::memory_order_relaxed);
}
void set_log_sink(void (*sink)(void*, LogLevel, const char*), void* context) noexcept {
  g_sink_context.store(context, std::memory_order_relaxed);
  g_sink.store(sink, std::memory_order_release);  // partner: the acquire in log
}

void log(LogLevel level, const char* format, ...) noexcept {
  if (!log_enabled(level)) return;
  char line[1024];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  if (auto sink = g_sink.load(std::memory_order_acquire)) {
    sink(g_sink_context.load(std::memory_order_relaxed), level, line);
  } else {
    std::fprintf(stderr, "softndk: %s: %s\n", name_of(level), line);
  }
}

void panic(const char* file, int line, const char* text) noexcept {
  std::fprintf(stderr, "softndk: broken invariant at %s:%d: %s\n", file, line, text);
  std::abort();
}

}  // namespace softndk
