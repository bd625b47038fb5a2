#include "provider/miniport.h"

#include <utility>

#include "base/log.h"
#include "base/thread_safety.h"
#include "ntrt/deferred.h"
#include "provider/adapter.h"
#include "provider/api.h"
#include "provider/oid.h"
#include "wdk/ndis.h"
#include "wdk/ndisndk.h"

namespace softndk::provider {
namespace {

/// What the driver keeps between its calls, as any driver's globals.
struct DriverGlobals {
  Mutex mutex;
  DeviceSource* source SOFTNDK_GUARDED_BY(mutex) = nullptr;
  Settings settings SOFTNDK_GUARDED_BY(mutex);
  NDIS_HANDLE registration SOFTNDK_GUARDED_BY(mutex) = nullptr;
};
DriverGlobals& globals() noexcept {
  static DriverGlobals the_globals;
  return the_globals;
}

/// The miniport adapter context: the adapter, and the thread that tells NDIS of state changes.
class Instance {
 public:
  Instance(NDIS_HANDLE ndis, NET_IFINDEX index, rdma::Device& device, const Settings& settings) noexcept
      : adapter(device, settings, index),
        ndis_(ndis),
        told_(settings.network_direct),
        asked_(settings.network_direct),
        wanted_(settings.network_direct) {}

  /// Starts the change and returns: the event to NDIS may wait until every NDK adapter is closed, and may not be sent
  /// from inside an OID request (R-PNP-04, R-PNP-05). No event without a change (R-PNP-08).
  NDIS_STATUS change_state(bool enable) noexcept { return change(&Instance::asked_, enable); }
  /// The same by the adapter's own doing (R-PNP-02).
  NDIS_STATUS device_works(bool works) noexcept { return change(&Instance::works_, works); }

  void stop() noexcept {
    if (teller_ != nullptr) teller_->join();
    adapter.completions().stop();
  }

  MiniportAdapter adapter;

 private:
  /// Enabled is what was asked for, of a device that works.
  NDIS_STATUS change(bool Instance::*half, bool to) noexcept SOFTNDK_EXCLUDES(mutex_) {
    Owned<ntrt::SystemThread> finished;
    bool before = false;
    {
      MutexLock lock(mutex_);
      before = std::exchange(this->*half, to);
      wanted_ = asked_ && works_;
      if (!wanted_) adapter.set_enabled(false);  // R-PNP-06: opens fail from now on
      if (!telling_) finished = std::move(teller_);
    }
    if (finished != nullptr) finished->join();  // it has left its loop
    const NDIS_STATUS status = start_telling();
    if (status != NDIS_STATUS_SUCCESS) {
      MutexLock lock(mutex_);
      this->*half = before;
    }
    return status;
  }

  NDIS_STATUS start_telling() noexcept SOFTNDK_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    if (telling_ || told_ == wanted_) return NDIS_STATUS_SUCCESS;
    teller_ = try_make<ntrt::SystemThread>();
    // The thread takes the lock first of all, and so finds what follows done.
    telling_ =
        teller_ != nullptr && teller_->start(
                                  "ndk state", [](void* self) noexcept { static_cast<Instance*>(self)->tell(); }, this);
    if (telling_) return NDIS_STATUS_SUCCESS;
    teller_ = nullptr;
    wanted_ = told_;  // a set that fails changes nothing (R-OID-04)
    adapter.set_enabled(told_);
    return NDIS_STATUS_RESOURCES;
  }

  void tell() noexcept SOFTNDK_EXCLUDES(mutex_) {
    for (;;) {
      bool enable = false;
      {
        MutexLock lock(mutex_);
        if (told_ == wanted_) {
          telling_ = false;
          return;
        }
        enable = wanted_;
      }
      if (enable) adapter.set_enabled(true);
      NET_PNP_EVENT_NOTIFICATION notification{};
      notification.Header.Type = NDIS_OBJECT_TYPE_DEFAULT;
      notification.Header.Revision = NET_PNP_EVENT_NOTIFICATION_REVISION_1;
      notification.Header.Size = NDIS_SIZEOF_NET_PNP_EVENT_NOTIFICATION_REVISION_1;
      notification.NetPnPEvent.NetEvent = enable ? NetEventNDKEnable : NetEventNDKDisable;  // R-PNP-03
      NdisMNetPnPEvent(ndis_, &notification);
      MutexLock lock(mutex_);
      told_ = enable;
    }
  }

  const NDIS_HANDLE ndis_;
  Owned<ntrt::SystemThread> teller_;  // changed under mutex_; read by stop(), when nothing changes it any more
  Mutex mutex_;
  bool told_ SOFTNDK_GUARDED_BY(mutex_);   ///< the state NDIS knows
  bool asked_ SOFTNDK_GUARDED_BY(mutex_);  ///< for, by the last OID_NDK_SET_STATE
  bool works_ SOFTNDK_GUARDED_BY(mutex_) = true;
  bool wanted_ SOFTNDK_GUARDED_BY(mutex_);  ///< both of these
  bool telling_ SOFTNDK_GUARDED_BY(mutex_) = false;
};

Instance& ours(NDIS_HANDLE context) noexcept {
  return *static_cast<Instance*>(context);
}

/// OPEN_NDK_ADAPTER_HANDLER. Checks in this order: enabled, version, VPort, memory (R-NDIS-02, R-NDIS-03, R-NDIS-05);
/// *adapter is written on success only (R-NDIS-04).
NDIS_STATUS open_ndk_adapter(NDIS_HANDLE context, PNDIS_OPEN_NDK_ADAPTER_PARAMETERS parameters,
                             NDK_ADAPTER** adapter) noexcept {
  enter_passive("OpenNDKAdapterHandler");
  MiniportAdapter& miniport = ours(context).adapter;
  if (!miniport.is_enabled()) return NDIS_STATUS_ADAPTER_NOT_READY;
  const NDK_VERSION version = negotiate(miniport.settings(), parameters->Version);
  if (version.Major == 0) return NDIS_STATUS_BAD_VERSION;
  if (parameters->SwitchId != 0 || parameters->VPortId != 0) return NDIS_STATUS_NOT_SUPPORTED;
  const auto opened = Adapter::open(miniport, version);
  if (!opened) return NDIS_STATUS_RESOURCES;
  *adapter = *opened;
  return NDIS_STATUS_SUCCESS;
}

void close_ndk_adapter(NDIS_HANDLE, NDK_ADAPTER* adapter) noexcept {
  enter_passive("CloseNDKAdapterHandler");
  static_cast<Adapter*>(adapter)->close_and_wait();
}

/// R-NDIS-07; the driver fills the header (C-87).
NDIS_STATUS set_options(NDIS_HANDLE driver, NDIS_HANDLE) noexcept {
  NDIS_NDK_PROVIDER_CHARACTERISTICS characteristics{};
  characteristics.Header.Type = NDIS_OBJECT_TYPE_NDK_PROVIDER_CHARACTERISTICS;
  characteristics.Header.Revision = NDIS_NDK_PROVIDER_CHARACTERISTICS_REVISION_1;
  characteristics.Header.Size = NDIS_SIZEOF_NDK_PROVIDER_CHARACTERISTICS_REVISION_1;
  characteristics.OpenNDKAdapterHandler = open_ndk_adapter;
  characteristics.CloseNDKAdapterHandler = close_ndk_adapter;
  return NdisSetOptionalHandlers(driver, &characteristics.Header);
}

/// R-NDIS-08, R-NDIS-09: capabilities are reported also while NDK is disabled.
NDIS_STATUS set_attributes(NDIS_HANDLE ndis, Instance& instance) noexcept {
  NDIS_MINIPORT_ADAPTER_ATTRIBUTES attributes{};
  auto& registration = attributes.RegistrationAttributes;
  registration.Header.Type = NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES;
  registration.Header.Revision = NDIS_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES_REVISION_1;
  registration.Header.Size = NDIS_SIZEOF_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES_REVISION_1;
  registration.MiniportAdapterContext = &instance;
  registration.AttributeFlags = NDIS_MINIPORT_ATTRIBUTES_NDIS_WDM;  // a software device
  registration.InterfaceType = NdisInterfaceInternal;
  if (const NDIS_STATUS status = NdisMSetMiniportAttributes(ndis, &attributes); status != NDIS_STATUS_SUCCESS) {
    return status;
  }

  const Settings& settings = instance.adapter.settings();
  NDK_ADAPTER_INFO info = make_adapter_info(instance.adapter.caps(), settings, version_max(settings));
  NDIS_NDK_CAPABILITIES capabilities = make_capabilities(settings, info);
  attributes = {};
  attributes.NDKAttributes.Header.Type = NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_NDK_ATTRIBUTES;
  attributes.NDKAttributes.Header.Revision = NDIS_MINIPORT_ADAPTER_NDK_ATTRIBUTES_REVISION_1;
  attributes.NDKAttributes.Header.Size = NDIS_SIZEOF_MINIPORT_ADAPTER_NDK_ATTRIBUTES_REVISION_1;
  attributes.NDKAttributes.Enabled = settings.network_direct;  // R-PNP-01
  attributes.NDKAttributes.NdkCapabilities = &capabilities;
  return NdisMSetMiniportAttributes(ndis, &attributes);
}

NDIS_STATUS initialize(NDIS_HANDLE ndis, NDIS_HANDLE, PNDIS_MINIPORT_INIT_PARAMETERS parameters) noexcept {
  DeviceSource* source = nullptr;
  Settings settings;
  {
    MutexLock lock(globals().mutex);
    source = globals().source;
    settings = globals().settings;
  }
  rdma::Device* device = source == nullptr ? nullptr : source->device_for(parameters->IfIndex);
  if (device == nullptr) return NDIS_STATUS_ADAPTER_NOT_FOUND;
  source->read_keywords(parameters->IfIndex, settings);
  if (settings.technology != active_technology(settings)) {  // R-INF-03
    log(LogLevel::warning, "interface %u: *NetworkDirectTechnology %u is not supported; it is iWARP (1)",
        parameters->IfIndex, settings.technology);
  }
  if (settings.roce_frame_bytes != Settings::kRoceFrameBytes) {  // what operates differs from it (R-INF-01)
    log(LogLevel::warning, "interface %u: *NetworkDirectRoCEFrameSize %u is not used: iWARP has no such frames",
        parameters->IfIndex, settings.roce_frame_bytes);
  }
  Owned<Instance> instance = try_make<Instance>(ndis, parameters->IfIndex, *device, settings);
  if (instance == nullptr) return NDIS_STATUS_RESOURCES;
  if (const NDIS_STATUS status = set_attributes(ndis, *instance); status != NDIS_STATUS_SUCCESS) return status;
  instance->adapter.completions().start();
  instance.release();  // halt() has it from here on
  return NDIS_STATUS_SUCCESS;
}

void halt(NDIS_HANDLE context, NDIS_HALT_ACTION) noexcept {
  Owned<Instance> instance(&ours(context));
  instance->stop();
}

/// R-NDIS-12.
NDIS_STATUS oid_request(NDIS_HANDLE context, PNDIS_OID_REQUEST request) noexcept {
  Instance& instance = ours(context);
  return answer_oid(
      instance.adapter, *request,
      {[](void* self, bool enable) noexcept { return static_cast<Instance*>(self)->change_state(enable); },
       [](void* self, bool works) noexcept { return static_cast<Instance*>(self)->device_works(works); }, &instance});
}

/// Statistics may be asked for directly too: at DISPATCH_LEVEL, beside other requests.
NDIS_STATUS direct_oid_request(NDIS_HANDLE context, PNDIS_OID_REQUEST request) noexcept {
  const bool query =
      request->RequestType == NdisRequestQueryInformation || request->RequestType == NdisRequestQueryStatistics;
  if (!query || request->DATA.QUERY_INFORMATION.Oid != OID_NDK_STATISTICS) return NDIS_STATUS_NOT_SUPPORTED;
  return oid_request(context, request);
}

// No packets pass through this miniport, so pausing and restarting that path is nothing.
NDIS_STATUS pause(NDIS_HANDLE, PNDIS_MINIPORT_PAUSE_PARAMETERS) noexcept {
  return NDIS_STATUS_SUCCESS;
}
NDIS_STATUS restart(NDIS_HANDLE, PNDIS_MINIPORT_RESTART_PARAMETERS) noexcept {
  return NDIS_STATUS_SUCCESS;
}

void unload(PDRIVER_OBJECT) noexcept {
  NDIS_HANDLE registration = nullptr;
  {
    MutexLock lock(globals().mutex);
    registration = std::exchange(globals().registration, nullptr);
  }
  if (registration != nullptr) NdisMDeregisterMiniportDriver(registration);
}

}  // namespace

void set_device_source(DeviceSource* source) noexcept {
  MutexLock lock(globals().mutex);
  globals().source = source;
}

void set_settings(const Settings& settings) noexcept {
  MutexLock lock(globals().mutex);
  globals().settings = settings;
}

}  // namespace softndk::provider

extern "C" NTSTATUS provider_driver_entry(PDRIVER_OBJECT driver, PUNICODE_STRING registry_path) noexcept {
  using namespace softndk::provider;
  NDIS_MINIPORT_DRIVER_CHARACTERISTICS characteristics{};
  characteristics.Header.Type = NDIS_OBJECT_TYPE_MINIPORT_DRIVER_CHARACTERISTICS;
  characteristics.Header.Revision = NDIS_MINIPORT_DRIVER_CHARACTERISTICS_REVISION_2;
  characteristics.Header.Size = NDIS_SIZEOF_MINIPORT_DRIVER_CHARACTERISTICS_REVISION_2;
  characteristics.MajorNdisVersion = 6;
  characteristics.MinorNdisVersion = 50;
  characteristics.SetOptionsHandler = set_options;
  characteristics.InitializeHandlerEx = initialize;
  characteristics.HaltHandlerEx = halt;
  characteristics.UnloadHandler = unload;
  characteristics.PauseHandler = pause;
  characteristics.RestartHandler = restart;
  characteristics.OidRequestHandler = oid_request;
  characteristics.DirectOidRequestHandler = direct_oid_request;
  characteristics.CancelOidRequestHandler = [](NDIS_HANDLE, PVOID) noexcept {};
  characteristics.CancelDirectOidRequestHandler = [](NDIS_HANDLE, PVOID) noexcept {};
  driver->DriverUnload = unload;

  NDIS_HANDLE registration = nullptr;
  const NDIS_STATUS status =
      NdisMRegisterMiniportDriver(driver, registry_path, nullptr, &characteristics, &registration);
  if (status == NDIS_STATUS_SUCCESS) {
    softndk::MutexLock lock(globals().mutex);
    globals().registration = registration;
  }
  return status;
}
