#pragma once
#include <mutex>
#include <string>

#include "base/log.h"

namespace softndk::ntrt {

/// Collects what is logged, from warnings up, while it lives.
class LogLines {
 public:
  LogLines() {
    set_log_level(LogLevel::warning);
    set_log_sink([](void* self, LogLevel, const char* line) { static_cast<LogLines*>(self)->add(line); }, this);
  }
  ~LogLines() {
    set_log_sink(nullptr, nullptr);
    set_log_level(LogLevel::error);
  }
  LogLines(const LogLines&) = delete;
  LogLines& operator=(const LogLines&) = delete;

  std::string text() {
    std::lock_guard lock(mutex_);
    return text_;
  }
  bool has(const char* part) { return text().find(part) != std::string::npos; }

 private:
  void add(const char* line) {
    std::lock_guard lock(mutex_);
    text_ += line;
    text_ += '\n';
  }
  std::mutex mutex_;
  std::string text_;
};

}  // namespace softndk::ntrt
