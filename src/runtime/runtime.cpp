#include "runtime/runtime.h"

#include "base/log.h"
#include "ntrt/ndis.h"
#include "verifier/install.h"

namespace softndk::runtime {

std::string description_of(const io::Interface& interface) {
  return "SoftNDK iWARP Adapter (" + std::string(interface.name) + ")";
}

expected<std::unique_ptr<Runtime>, NTSTATUS> Runtime::start(const io::World& world,
                                                            const Configuration& configuration) {
  std::unique_ptr<Runtime> runtime(new Runtime(world, configuration));
  if (const NTSTATUS status = runtime->bring_up(configuration); !NT_SUCCESS(status)) return unexpected(status);
  return runtime;
}

Runtime::Runtime(const io::World& world, const Configuration& configuration) : world_(world) {
  set_log_level(configuration.log);
}

NTSTATUS Runtime::bring_up(const Configuration& configuration) {
  if (auto started = kernel_.start(world_); !started) {
    return started.error() == ntrt::StartError::already_running ? STATUS_INVALID_DEVICE_STATE
                                                                : STATUS_INSUFFICIENT_RESOURCES;
  }
  kernel_started_ = true;
  if (configuration.verifier) {
    verifier::install();
    verifier_installed_ = true;
  }
  unsigned next_processor = 0;
  const unsigned processors = world_.executor.processor_count();
  for (io::Interface& interface : world_.network.interfaces()) {
    if (!interface.up || interface.addresses.empty()) continue;
    rnic::DeviceOptions options;
    options.addresses = interface.addresses;
    options.first_processor = next_processor++ % processors;
    options.processors = processors;
    options.settings = configuration.rnic;
    OwnedInterface<rnic::Device> device = rnic::Device::create(world_, options);
    if (device == nullptr) return STATUS_INSUFFICIENT_RESOURCES;
    std::string description = description_of(interface);
    adapters_.push_back({std::move(interface), std::move(description), std::move(device)});
  }
  provider::set_device_source(this);
  provider::set_settings(configuration.provider);
  auto driver = ntrt::load_driver(provider_driver_entry, "softndk");
  if (!driver) return driver.error();
  driver_ = *driver;
  for (const Adapter& adapter : adapters_) {
    const ntrt::AdapterIdentity identity{adapter.interface.index, 0, adapter.interface.name,
                                         adapter.description.c_str()};
    const NDIS_STATUS status = ntrt::ndis_add_adapter(driver_, identity);
    if (status != NDIS_STATUS_SUCCESS) {
      log(LogLevel::error, "interface %u (%s) has no adapter: 0x%08x", adapter.interface.index, adapter.interface.name,
          static_cast<unsigned>(status));
      continue;
    }
    added_.push_back(adapter.interface.index);
  }
  return STATUS_SUCCESS;
}

Runtime::~Runtime() {
  for (const NET_IFINDEX index : added_)
    ntrt::ndis_remove_adapter(index);
  if (driver_) ntrt::unload_driver(driver_);
  provider::set_device_source(nullptr);
  if (verifier_installed_) verifier::uninstall();
  if (kernel_started_) kernel_.stop();
}

rdma::Device* Runtime::device_for(NET_IFINDEX index) noexcept {
  for (const Adapter& adapter : adapters_) {
    if (adapter.interface.index == index) return adapter.device.get();
  }
  return nullptr;
}

}  // namespace softndk::runtime
