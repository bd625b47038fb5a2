#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/expected.h"
#include "rdma/work.h"

namespace softndk::rdma {

struct AccessRights {
  bool local_write : 1 = false;
  bool remote_read : 1 = false;
  bool remote_write : 1 = false;
  // Local read is always granted.
};

/// Host memory that is contiguous: what a run of adjacent page frames comes to.
struct MemoryExtent {
  std::uint8_t* data;
  std::size_t bytes;
};

enum class MemoryError : std::uint8_t { no_resources, wrong_state, too_long };

class DeregisterSink {
 public:
  /// No access through the region's tokens is in progress any more, and none will begin. On a processor thread.
  virtual void on_deregistered() noexcept = 0;

 protected:
  ~DeregisterSink() = default;
};

/// A memory region in a protection domain. register/deregister are serialised by the caller; accesses by connections
/// run beside them. Destroyed only when not registered, or after on_deregistered().
class MemoryRegion {
 public:
  virtual ~MemoryRegion() = default;
  /// Gives the octets of `extents`, in order, the addresses [base_address, base_address + sum). The extents are copied.
  virtual expected<void, MemoryError> enable(std::uint64_t base_address, std::span<const MemoryExtent> extents,
                                             AccessRights rights) noexcept = 0;
  /// The tokens are dead for new operations at once. True: no access is in progress, the region is free. False:
  /// on_deregistered() follows.
  virtual bool disable(DeregisterSink& sink) noexcept = 0;
  virtual bool is_enabled() const noexcept = 0;
  /// 0 until enabled. Sparse, never 0, not given out again soon (R-MR-13, R-MR-15).
  virtual Token local_token() const noexcept = 0;
  virtual Token remote_token() const noexcept = 0;
};

}  // namespace softndk::rdma
