#include "tools/ndkrun/leaks.h"

#include <softndk/softndk.h>
#include <unistd.h>

#include <cstdio>

namespace softndk::tools {

std::uint64_t report_leaks() {
  // The drivers are gone: what is left is nobody's.
  if (softndk_visit_objects([](void*, const softndk_object*) {}, nullptr) == 0) return 0;
  std::fputs("ndkrun: the drivers are unloaded, and these live on:\n", stderr);
  std::fflush(stderr);
  return softndk_report_objects(STDERR_FILENO);
}

void report_waits() {
  std::fputs("ndkrun: what lives:\n", stderr);
  std::fflush(stderr);
  if (softndk_report_objects(STDERR_FILENO) == 0) std::fputs("ndkrun: nothing\n", stderr);
}

}  // namespace softndk::tools
