#include "workload/verdict.h"

#include <unistd.h>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>

#include "runtime/status_names.h"
#include "sim/world.h"

namespace softndk::workload {
namespace {
const sim::World* g_world = nullptr;
std::FILE* g_trace = nullptr;
}  // namespace

void set_current_run(const sim::World* world, std::FILE* trace) noexcept {
  g_world = world;
  g_trace = trace;
}

void fail(const char* format, ...) {
  if (g_world != nullptr) {
    std::fprintf(stderr, "workload: seed %llu, after %llu steps: ", static_cast<unsigned long long>(g_world->seed()),
                 static_cast<unsigned long long>(g_world->steps()));
  }
  va_list arguments;
  va_start(arguments, format);
  std::vfprintf(stderr, format, arguments);
  va_end(arguments);
  std::fputc('\n', stderr);
  if (g_trace != nullptr && g_world != nullptr) g_world->print_trace(g_trace);
  std::fflush(nullptr);
  if (std::getenv("SOFTNDK_WORKLOAD_ABORT") != nullptr) std::abort();
  _exit(kFailed);
}

const char* name_of(int status) {
  static thread_local char text[4][80];
  static thread_local unsigned turn = 0;
  char* to = text[turn++ % 4];
  std::snprintf(to, sizeof text[0], "%s (0x%08X)", runtime::status_name(status), static_cast<unsigned>(status));
  return to;
}

}  // namespace softndk::workload
