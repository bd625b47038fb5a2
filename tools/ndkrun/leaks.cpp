#include "tools/ndkrun/leaks.h"

#include <softndk/softndk.h>
#include <unistd.h>

#include <cstdio>

// Until softndk.h declares it.
extern "C" std::size_t softndk_report_objects(int fd) __attribute__((weak));

namespace softndk::tools {

std::uint64_t report_leaks() {
  std::fflush(stderr);
  return softndk_report_objects == nullptr ? 0 : softndk_report_objects(STDERR_FILENO);
}

void report_waits() {
  std::fflush(stderr);
  if (softndk_report_objects != nullptr) (void)softndk_report_objects(STDERR_FILENO);
}

}  // namespace softndk::tools
