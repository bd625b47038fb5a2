#pragma once
// Hosts drivers: gives DriverEntry its DRIVER_OBJECT and registry path, and DriverUnload its turn. A driver is a pair
// of functions linked into the process; nothing is loaded from a file.
#include <cstddef>
#include <cstdint>

#include "base/expected.h"
#include "wdk/ntddk.h"

namespace softndk::ntrt {

struct Driver;

enum class DriverKind : std::uint8_t { consumer, provider };

/// Names a loaded driver until unload_driver(); copying it copies the name, not the driver.
class DriverHandle {
 public:
  DriverHandle() = default;
  explicit DriverHandle(Driver* driver) : driver_(driver) {}
  explicit operator bool() const { return driver_ != nullptr; }
  DRIVER_OBJECT* object() const noexcept;
  const char* name() const noexcept;
  bool operator==(const DriverHandle&) const = default;

 private:
  friend std::size_t unload_driver(DriverHandle) noexcept;
  Driver* driver_ = nullptr;
};

/// Calls `entry` on the calling thread, at PASSIVE_LEVEL. `name` is copied (at most 63 characters) and becomes
/// "\Driver\name" and the last part of the registry path. The error is what DriverEntry returned (it has undone itself:
/// DriverUnload is not called), or STATUS_INSUFFICIENT_RESOURCES, or STATUS_INVALID_PARAMETER for no entry or no name.
[[nodiscard]] expected<DriverHandle, NTSTATUS> load_driver(PDRIVER_INITIALIZE entry, const char* name,
                                                           DriverKind kind = DriverKind::consumer) noexcept;

/// Calls DriverUnload, if the driver set one, on the calling thread at PASSIVE_LEVEL, then forgets the driver. A driver
/// without DriverUnload cannot be unloaded on Windows; here it is forgotten with a warning. What it left behind is
/// named: miniport registrations and adapters of NDIS in a warning; objects, pool blocks, MDLs and work items that its
/// code created in an error, with their creators. Returns how many of the latter there are; 0 for a provider, and as
/// long as another driver of the same program or library is loaded, for then nobody can tell whose they are.
std::size_t unload_driver(DriverHandle driver) noexcept;

/// The name of the consumer driver that this code belongs to: the one loaded last of those whose DriverEntry is in the
/// same program or shared library. Empty if there is none.
struct DriverName {
  explicit DriverName(const void* code) noexcept;
  char text[64] = "";
};

}  // namespace softndk::ntrt
