#include "runtime/runtime.h"

#include <cstdio>
#include <cstring>

#include "base/log.h"
#include "ntrt/call_stack.h"
#include "ntrt/ndis.h"
#include "ntrt/path_map.h"
#include "ntrt/registry_text.h"
#include "ntrt/stack_context.h"
#include "verifier/install.h"
#include "verifier/timeline.h"

namespace softndk::runtime {

Description::Description(const io::Interface& interface) noexcept {
  std::snprintf(text, sizeof text, "SoftNDK iWARP Adapter (%s)", interface.name);
}

expected<Owned<Runtime>, NTSTATUS> Runtime::start(const io::World& world, const Configuration& configuration) noexcept {
  set_log_level(configuration.log);
  ntrt::set_stack_depth(configuration.object_stacks);
  ntrt::set_dead_contexts_reported(configuration.dead_contexts);
  auto runtime = try_make<Runtime>(world);
  if (runtime == nullptr) return unexpected(NTSTATUS{STATUS_INSUFFICIENT_RESOURCES});
  if (const NTSTATUS status = runtime->bring_up(configuration); !NT_SUCCESS(status)) return unexpected(status);
  return runtime;
}

NTSTATUS Runtime::bring_up(const Configuration& configuration) noexcept {
  ntrt::KernelOptions kernel_options;
  kernel_options.explain_wait_after_ns = configuration.explain_wait_ns;
  if (auto started = kernel_.start(world_, kernel_options); !started) {
    return started.error() == ntrt::StartError::already_running ? STATUS_INVALID_DEVICE_STATE
                                                                : STATUS_INSUFFICIENT_RESOURCES;
  }
  kernel_started_ = true;
  if (const NTSTATUS status = kernel_.path_map().set(configuration.path_map); !NT_SUCCESS(status)) return status;
  // What is wrong in the file is in the log; the rest of it is there.
  if (configuration.registry[0] != '\0') ntrt::registry_load(kernel_.registry(), configuration.registry);
  static_assert(sizeof registry_save_ == sizeof configuration.registry_save);
  std::memcpy(registry_save_, configuration.registry_save, sizeof registry_save_);
  if (configuration.trace[0] != '\0') {
    if (!verifier::Timeline::start()) return STATUS_INSUFFICIENT_RESOURCES;
    std::memcpy(trace_, configuration.trace, sizeof trace_);
  }
  if (configuration.verifier || trace_[0] != '\0') {
    verifier::install();
    verifier_installed_ = true;
  }
  unsigned next_processor = 0;
  const unsigned processors = world_.executor.processor_count();
  const auto found = world_.network.interfaces();
  if (!found) return STATUS_INSUFFICIENT_RESOURCES;
  auto interfaces = configuration.interfaces.apply(*found);
  if (!interfaces) return interfaces.error();
  for (io::Interface& interface : *interfaces) {
    rnic::DeviceOptions options;
    options.addresses = interface.addresses;
    options.first_processor = next_processor++ % processors;
    options.processors = processors;
    options.settings = configuration.rnic;
    OwnedInterface<rnic::Device> device = rnic::Device::create(world_, options);
    if (device == nullptr || !adapters_.push_back({std::move(interface), std::move(device), false, {}}))
      return STATUS_INSUFFICIENT_RESOURCES;
  }
  provider::set_device_source(this);
  provider::set_settings(configuration.provider);
  auto driver = ntrt::load_driver(provider_driver_entry, "softndk", ntrt::DriverKind::provider);
  if (!driver) return driver.error();
  driver_ = *driver;
  for (Adapter& adapter : adapters_)
    static_cast<void>(add(adapter));
  return STATUS_SUCCESS;
}

/// An interface whose adapter does not start is one without NDK, and a line in the log.
NDIS_STATUS Runtime::add(Adapter& adapter) noexcept {
  const Description description(adapter.interface);
  const ntrt::AdapterIdentity identity{adapter.interface.index, 0, adapter.interface.name, description.text};
  const NDIS_STATUS status = ntrt::ndis_add_adapter(driver_, identity);
  if (status != NDIS_STATUS_SUCCESS) {
    log(LogLevel::error, "interface %u (%s) has no adapter: 0x%08x", adapter.interface.index, adapter.interface.name,
        static_cast<unsigned>(status));
  }
  adapter.added = status == NDIS_STATUS_SUCCESS;
  return status;
}

Runtime::~Runtime() {
  for (const Adapter& adapter : adapters_) {
    if (adapter.added) ntrt::ndis_remove_adapter(adapter.interface.index);
  }
  if (driver_) ntrt::unload_driver(driver_);
  if (registry_save_[0] != '\0') ntrt::registry_save(kernel_.registry(), registry_save_);
  provider::set_device_source(nullptr);
  if (verifier_installed_) verifier::uninstall();
  if (trace_[0] != '\0') {
    write_trace();
    verifier::Timeline::stop();
  }
  if (kernel_started_) kernel_.stop();
}

bool Runtime::write_trace() const noexcept {
  if (trace_[0] == '\0') return true;
  const bool written = verifier::Timeline::recording()->write(trace_);
  if (!written) log(LogLevel::error, "the timeline cannot be written to %s", trace_);
  return written;
}

Runtime::Adapter* Runtime::find(NET_IFINDEX index) noexcept {
  for (Adapter& adapter : adapters_) {
    if (adapter.interface.index == index) return &adapter;
  }
  return nullptr;
}

rdma::Device* Runtime::device_for(NET_IFINDEX index) noexcept {
  Adapter* adapter = find(index);
  return adapter == nullptr ? nullptr : adapter->device.get();
}

void Runtime::read_keywords(NET_IFINDEX index, provider::Settings& settings) noexcept {
  if (const Adapter* adapter = find(index); adapter != nullptr && adapter->network_direct)
    settings.network_direct = *adapter->network_direct;
}

NTSTATUS Runtime::set_network_direct(NET_IFINDEX index, bool value) noexcept {
  Adapter* adapter = find(index);
  if (adapter == nullptr) return STATUS_NOT_FOUND;
  if (adapter->added) ntrt::ndis_remove_adapter(index);
  adapter->network_direct = value;
  return add(*adapter);
}

}  // namespace softndk::runtime
