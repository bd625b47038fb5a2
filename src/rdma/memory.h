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
  bool read_sink : 1 = false;  ///< of use where DeviceCaps::read_sinks_announced; local_write goes with it
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
  /// Gives the octets of `extents`, in order, the addresses [base_address, base_address + sum), and no others
  /// (R-MR-04). The extents are copied.
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

/// Pages of host memory under logical addresses, an address space of the device's own: nothing but requests of ours
/// that carry a privileged token, and fast-registers, know them (R-LAM-12).
class AddressMapping {
 public:
  /// Of the first page, a multiple of 4096 and no address of host memory. Page n is n * 4096 further.
  virtual std::uint64_t address() const noexcept = 0;
  /// The addresses are dead for new accesses at once, and this object is not to be used any more. False: some are in
  /// progress, against R-LAM-13; they end as they began.
  virtual bool release() noexcept = 0;

 protected:
  ~AddressMapping() = default;
};

/// What becomes of a fast-register region and of the work that names it. On any thread, no lock of the device held;
/// before the completion that tells the consumer.
class FastRegionSink {
 public:
  /// A posted fast-register or invalidate is over, executed or not; the device does not know it any more.
  virtual void on_region_work_done() noexcept = 0;
  /// The last event, after close(): the region may be destroyed inside it.
  virtual void on_region_closed() noexcept = 0;

 protected:
  ~FastRegionSink() = default;
};

/// A region that work of its domain's queue pairs makes valid and invalid (R-FRMR-13, R-FRMR-16).
class FastRegion {
 public:
  virtual ~FastRegion() = default;
  /// Room for lists of `pages_max` pages. Serialised by the caller. Errors: no_resources; too_long: more than the
  /// device has (R-FRMR-02); wrong_state: it is valid, or work that names it is posted. An error changes nothing.
  virtual expected<void, MemoryError> initialize(std::uint32_t pages_max) noexcept = 0;
  /// 0 until initialized, then always the same one, for both purposes (R-FRMR-12).
  virtual Token token() const noexcept = 0;
  /// Makes it invalid, if it is valid. Called once, when no work on it is posted any more.
  virtual void close() noexcept = 0;
};

/// Logical addresses in an array of a consumer's, whatever its element type: eight octets each.
class PageAddresses {
 public:
  PageAddresses() = default;
  PageAddresses(const void* first, std::size_t count) noexcept
      : first_(static_cast<const std::uint8_t*>(first)), count_(count) {}
  std::size_t size() const noexcept { return count_; }
  std::uint64_t operator[](std::size_t i) const noexcept {
    std::uint64_t address;
    __builtin_memcpy(&address, first_ + i * sizeof address, sizeof address);
    return address;
  }

 private:
  const std::uint8_t* first_ = nullptr;
  std::size_t count_ = 0;
};

/// What a fast-register, or an invalidate of such a region, is about. The region outlives the work.
struct FastRegionWork {
  FastRegion* region = nullptr;
  // Fast-register only. [address, address + length_bytes) are octets first_octet and on of the pages; they fit.
  // Peers use these addresses, wherever the pages are (R-FRMR-10).
  PageAddresses pages = {};  ///< of mappings; read only during the call (R-FRMR-15)
  std::uint32_t first_octet = 0;
  std::uint64_t address = 0;
  std::uint64_t length_bytes = 0;
  AccessRights rights = {};
};

/// What becomes of windows and of the work that names them. On any thread, no lock of the device held; before the
/// completion that tells the consumer.
class WindowSink {
 public:
  /// A posted bind or invalidate is over, executed or not; the device does not know it any more. `bound`: a bind took
  /// effect, and on_unbound() will follow.
  virtual void on_window_work_done(void* region_owner, bool bound) noexcept = 0;
  /// A binding ended: no access through it is in progress, the region is free of it.
  virtual void on_unbound(void* region_owner) noexcept = 0;
  /// The last event, after close(): the window may be destroyed inside it.
  virtual void on_window_closed() noexcept = 0;

 protected:
  ~WindowSink() = default;
};

/// A memory window: rights of its own to a part of a region, given by a bind and taken by an invalidate, both work of a
/// queue pair of its protection domain.
class MemoryWindow {
 public:
  virtual ~MemoryWindow() = default;
  /// Of the newest bind that was posted (R-MW-05); 0 before the first. Each bind has another one (R-MW-06).
  virtual Token remote_token() const noexcept = 0;
  /// Ends the binding, if there is one. Called once, when no work on it is posted any more.
  virtual void close() noexcept = 0;
};

/// What a bind or an invalidate is about. All of it outlives the work, the region a binding too.
struct WindowWork {
  MemoryWindow* window = nullptr;
  MemoryRegion* region = nullptr;  ///< bind only, like all that follows; null: one that no window goes on (R-MW-07)
  void* region_owner = nullptr;    ///< handed back to the window's sink
  std::uint64_t address = 0;
  std::uint64_t length_bytes = 0;
  AccessRights rights = {};
};

}  // namespace softndk::rdma
