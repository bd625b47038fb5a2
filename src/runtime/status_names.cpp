#include "runtime/status_names.h"

#include <algorithm>
#include <iterator>

#include "wdk/ntstatus.h"

namespace softndk::runtime {
namespace {

struct Named {
  NTSTATUS status;
  const char* name;
};
// Generated at build time from include/wdk/ntstatus.h, so that a name is written once.
constexpr Named kNames[] = {
#include "status_names.inc"
};

}  // namespace

const char* status_name(NTSTATUS status) noexcept {
  const auto found = std::find_if(std::begin(kNames), std::end(kNames),
                                  [status](const Named& named) { return named.status == status; });
  return found == std::end(kNames) ? nullptr : found->name;
}

}  // namespace softndk::runtime
