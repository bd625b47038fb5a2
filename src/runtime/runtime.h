#pragma once
// The composition root: the only place that names both a provider and a transport.
#include <memory>
#include <string>
#include <vector>

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
  static expected<std::unique_ptr<Runtime>, NTSTATUS> start(const io::World& world, const Configuration& configuration);
  /// Removes the adapters (which waits until consumers have closed theirs), unloads the provider, stops the kernel.
  ~Runtime();

  struct Adapter {
    io::Interface interface;
    std::string description;
    OwnedInterface<rnic::Device> device;
  };
  const std::vector<Adapter>& adapters() const { return adapters_; }

  // provider::DeviceSource
  rdma::Device* device_for(NET_IFINDEX index) noexcept override;

 private:
  Runtime(const io::World& world, const Configuration& configuration);
  NTSTATUS bring_up(const Configuration& configuration);

  io::World world_;
  ntrt::Kernel kernel_;
  bool kernel_started_ = false;
  bool verifier_installed_ = false;
  ntrt::DriverHandle driver_;
  std::vector<Adapter> adapters_;
  std::vector<NET_IFINDEX> added_;
};

/// "SoftNDK iWARP Adapter (eth0)": what performance counters and netstat call it.
std::string description_of(const io::Interface& interface);

}  // namespace softndk::runtime
