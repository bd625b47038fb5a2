#pragma once
// The provider as the NDIS miniport driver that every NDK provider is (spec/ndkpi.md 4.2 to 4.4).
#include "provider/settings.h"
#include "rdma/device.h"
#include "wdk/ndis.h"
#include "wdk/ntddk.h"

namespace softndk::provider {

/// Where adapters get their devices: what the hardware's bus would be. Given by the composition root.
class DeviceSource {
 public:
  /// Called in MiniportInitializeEx, PASSIVE_LEVEL. Null: no RDMA device behind this interface, and the adapter does
  /// not start. The device outlives the adapter's MiniportHaltEx.
  virtual rdma::Device* device_for(NET_IFINDEX index) noexcept = 0;
  /// The keywords of this adapter in the registry, over what set_settings() said; read at the same time.
  virtual void read_keywords(NET_IFINDEX, Settings&) noexcept {}

 protected:
  ~DeviceSource() = default;
};

/// Both before the driver is loaded; `source` outlives it. Adapters that start later use what was set last.
void set_device_source(DeviceSource* source) noexcept;
void set_settings(const Settings& settings) noexcept;

}  // namespace softndk::provider

/// The driver's DriverEntry: registers the miniport, and with it the NDK handlers.
extern "C" NTSTATUS provider_driver_entry(PDRIVER_OBJECT driver, PUNICODE_STRING registry_path) noexcept;
