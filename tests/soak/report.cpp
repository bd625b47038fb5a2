#include "report.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>

namespace softndk::soak {
namespace {

std::uint64_t now_ms() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

}  // namespace

void Report::write_line(const char* prefix, const char* format, std::va_list arguments) {
  char line[512];
  const int begin = std::snprintf(line, sizeof line, "%s", prefix);
  int bytes = begin + std::vsnprintf(line + begin, sizeof line - 1 - begin, format, arguments);
  if (bytes > static_cast<int>(sizeof line) - 2) bytes = sizeof line - 2;
  line[bytes++] = '\n';
  // Less than PIPE_BUF: whole or not at all. If nobody reads, the parent is gone, and so are we.
  static_cast<void>(!::write(pipe_, line, static_cast<std::size_t>(bytes)));
}

void Report::say(const char* format, ...) {
  std::va_list arguments;
  va_start(arguments, format);
  write_line("", format, arguments);
  va_end(arguments);
}

void Report::complain(const char* format, ...) {
  complaints_.fetch_add(1);
  std::va_list arguments;
  va_start(arguments, format);
  write_line("wrong ", format, arguments);
  va_end(arguments);
}

void Watch::step(const char* doing) {
  doing_.store(doing);
  since_ms_.store(now_ms());
}

const char* Watch::hangs_in() const {
  const std::uint64_t since_ms = since_ms_.load();
  return since_ms != 0 && now_ms() > since_ms + kPatienceMs ? doing_.load() : nullptr;
}

}  // namespace softndk::soak
