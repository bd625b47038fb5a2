#pragma once
// The composition root: the only place that names both a provider and a transport.
#include <optional>

#include "base/alloc.h"
#include "base/array.h"
#include "base/expected.h"
#include "io/network.h"
#include "ntrt/driver.h"
#include "ntrt/kernel.h"
#include "provider/miniport.h"
#include "rnic/device.h"
#include "runtime/settings_table.h"

namespace softndk::runtime {

/// A running kernel with our provider loaded and one NDK adapter for each IP interface of its world. One at a time in a
/// process (the kernel is).
class Runtime final : public provider::DeviceSource {
 public:
  /// On a world of the caller's (a simulated one, say), which outlives the runtime. On a thread (or fiber) of it.
  /// Errors: STATUS_INVALID_DEVICE_STATE when a kernel runs already, or what could not be had.
  static expected<Owned<Runtime>, NTSTATUS> start(const io::World& world, const Configuration& configuration) noexcept;
  /// For start().
  explicit Runtime(const io::World& world) noexcept : world_(world) {}
  /// Removes the adapters (which waits until consumers have closed theirs), unloads the provider, stops the kernel.
  ~Runtime();

  struct Adapter {
    io::Interface interface;
    OwnedInterface<rnic::Device> device;
    bool added = false;                  ///< NDIS knows it
    std::optional<bool> network_direct;  ///< the keyword, where it was changed for this adapter alone
  };
  const Array<Adapter>& adapters() const { return adapters_; }
  /// Changes *NetworkDirect of one adapter, which restarts it (R-PNP-09): waits until its NDK instances are closed.
  /// STATUS_NOT_FOUND: no such adapter; else why it did not come again. One call at a time.
  NTSTATUS set_network_direct(NET_IFINDEX index, bool value) noexcept;

  /// The timeline so far, where the setting trace says; nothing without it. False: it cannot be written.
  bool write_trace() const noexcept;

  // provider::DeviceSource
  rdma::Device* device_for(NET_IFINDEX index) noexcept override;
  void read_keywords(NET_IFINDEX index, provider::Settings& settings) noexcept override;

 private:
  NTSTATUS bring_up(const Configuration& configuration) noexcept;
  NDIS_STATUS add(Adapter& adapter) noexcept;
  Adapter* find(NET_IFINDEX index) noexcept;

  io::World world_;
  ntrt::Kernel kernel_;
  bool kernel_started_ = false;
  bool verifier_installed_ = false;
  char trace_[sizeof(Configuration::trace)] = "";
  char registry_save_[256] = "";
  ntrt::DriverHandle driver_;
  Array<Adapter> adapters_;
};

/// "SoftNDK iWARP Adapter (eth0)": what performance counters and netstat call it.
struct Description {
  explicit Description(const io::Interface& interface) noexcept;
  char text[128];
};

}  // namespace softndk::runtime
