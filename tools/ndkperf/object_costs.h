#pragma once
// What the objects of the interface cost to make, to close and to have. One process, no peer.
#include <cstdint>
#include <vector>

#include "tools/common/common_options.h"
#include "tools/common/histogram.h"

namespace softndk::tools {

struct ObjectCost {
  const char* object = "";  ///< "NDK_QP", "registration of 4 KiB"
  std::uint64_t count = 0;  ///< that were there at once; a registration is made and undone so often
  Histogram create_ns;
  Histogram close_ns;
  double resident_bytes_each = 0;  ///< growth of this process; 0 for registrations
};

/// Queues with `depth` entries. A failure is the first call's that did not succeed.
Result<std::vector<ObjectCost>> measure_objects(const Adapter& adapter, std::uint64_t count, ULONG depth);

}  // namespace softndk::tools
