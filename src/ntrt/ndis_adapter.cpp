// Miniport adapters: how they appear, what they say of themselves, how they go.
#include "ntrt/ndis_adapter.h"
#include "ntrt/object_tree.h"

#include <cstring>

#include "base/log.h"
#include "ntrt/bug_check.h"
#include "ntrt/irql.h"

namespace softndk::ntrt {

MiniportAdapter* NdisState::find_adapter(NDIS_HANDLE handle) noexcept {
  for (MiniportAdapter* adapter = adapters.front(); adapter != nullptr; adapter = adapters.after(*adapter)) {
    if (adapter == handle) return adapter;
  }
  return nullptr;
}

MiniportAdapter* NdisState::find_adapter(NET_IFINDEX index) noexcept {
  for (MiniportAdapter* adapter = adapters.front(); adapter != nullptr; adapter = adapters.after(*adapter)) {
    if (adapter->summary.index == index) return adapter;
  }
  return nullptr;
}

namespace {

template <std::size_t N>
void copy_text(char (&to)[N], const char* from) {
  std::memcpy(to, from, strnlen(from, N - 1));
}

/// An Ethernet interface's LUID whose own index is the interface index.
std::uint64_t luid_of(NET_IFINDEX index) {
  NET_LUID luid = {};
  luid.Info.IfType = IF_TYPE_ETHERNET_CSMACD;
  luid.Info.NetLuidIndex = index & 0xFFFFFF;
  return luid.Value;
}

/// Links the adapter, so that its index is taken and its handle is known, unless the index or the driver forbids it.
bool announce(MiniportAdapter& adapter, DRIVER_OBJECT* object) {
  MutexLock lock(g_ndis.mutex);
  MiniportDriver* driver = g_ndis.drivers.front();
  while (driver != nullptr && (driver->object != object || driver->deregistering))
    driver = g_ndis.drivers.after(*driver);
  if (driver == nullptr || g_ndis.find_adapter(adapter.summary.index) != nullptr) return false;
  adapter.driver = driver;
  g_ndis.adapters.push_back(adapter);
  return true;
}

NDIS_STATUS call_initialize(MiniportAdapter& adapter) {
  NDIS_MINIPORT_INIT_PARAMETERS parameters = {};
  parameters.Header = {NDIS_OBJECT_TYPE_MINIPORT_INIT_PARAMETERS, NDIS_MINIPORT_INIT_PARAMETERS_REVISION_1,
                       NDIS_SIZEOF_MINIPORT_INIT_PARAMETERS_REVISION_1};
  parameters.IfIndex = adapter.summary.index;
  parameters.NetLuid.Value = adapter.summary.luid;
  MINIPORT_INITIALIZE_HANDLER initialize = adapter.driver->characteristics.InitializeHandlerEx;
  IrqlScope scope(kPassiveLevel, "MiniportInitializeEx", reinterpret_cast<const void*>(initialize));
  return initialize(&adapter, adapter.driver->context, &parameters);
}

void forget(MiniportAdapter& adapter) {
  {
    MutexLock lock(g_ndis.mutex);
    g_ndis.adapters.remove(adapter);
    g_ndis.waiters.notify();
  }
  Owned<MiniportAdapter> gone(&adapter);
}

/// Fills a copy for the outside.
void summarise(MiniportAdapter& adapter, AdapterSummary& to) {
  to = adapter.summary;
  to.open_instances = 0;
  for (NdkInstance* one = adapter.instances.front(); one != nullptr; one = adapter.instances.after(*one))
    ++to.open_instances;
}

}  // namespace

void log_adapter_users(const MiniportAdapter* wanted, const char* what) noexcept {
  AdapterSummary summary;
  std::uint32_t opens = 0, oids = 0;
  {
    MutexLock lock(g_ndis.mutex);
    MiniportAdapter* adapter = g_ndis.find_adapter(const_cast<MiniportAdapter*>(wanted));
    if (adapter == nullptr) return;
    summarise(*adapter, summary);
    opens = adapter->opens_in_progress;
    oids = adapter->oid_requests;
  }
  log(LogLevel::error, "NDIS: %s of adapter %u (%s) waits for %u open NDK adapters, %u opens and %u OID requests", what,
      summary.index, summary.alias, summary.open_instances, opens, oids);
  report_objects(sink_to_log(), {.on_interface = summary.index});
}

NDIS_STATUS ndis_add_adapter(DriverHandle driver, const AdapterIdentity& identity) noexcept {
  check_irql(EntryPoint::NdisMRegisterMiniportDriver);
  if (!driver || identity.index == NET_IFINDEX_UNSPECIFIED) return NDIS_STATUS_INVALID_PARAMETER;
  Owned<MiniportAdapter> made = try_make<MiniportAdapter>();
  if (made == nullptr) return NDIS_STATUS_RESOURCES;
  AdapterSummary& summary = made->summary;
  summary.index = identity.index;
  summary.luid = identity.luid != 0 ? identity.luid : luid_of(identity.index);
  copy_text(summary.alias, identity.alias);
  copy_text(summary.description, identity.description);
  copy_text(summary.driver, driver.name());
  if (!announce(*made, driver.object())) return NDIS_STATUS_INVALID_PARAMETER;

  MiniportAdapter& adapter = *made.release();
  const NDIS_STATUS status = call_initialize(adapter);
  if (status != NDIS_STATUS_SUCCESS) {
    log(LogLevel::error, "NDIS: MiniportInitializeEx of adapter %u (%s) failed with 0x%08x", adapter.summary.index,
        adapter.summary.alias, static_cast<unsigned>(status));
    forget(adapter);
    return status;
  }
  MutexLock lock(g_ndis.mutex);
  adapter.life = MiniportAdapter::Life::running;
  return NDIS_STATUS_SUCCESS;
}

void finish_removal(MiniportAdapter& adapter) noexcept {
  g_ndis.waiters.wait(
      g_ndis.mutex, [&] { return !adapter.has_open_ndk() && adapter.oid_requests == 0; },
      [&] { log_adapter_users(&adapter, "removal"); });
  MINIPORT_HALT_HANDLER halt = adapter.driver->characteristics.HaltHandlerEx;
  {
    IrqlScope scope(kPassiveLevel, "MiniportHaltEx", reinterpret_cast<const void*>(halt));
    halt(adapter.context, NdisHaltDeviceDisabled);
  }
  forget(adapter);
}

NDIS_STATUS ndis_remove_adapter(NET_IFINDEX index) noexcept {
  check_irql(EntryPoint::NdisMDeregisterMiniportDriver);
  MiniportAdapter* adapter = nullptr;
  {
    MutexLock lock(g_ndis.mutex);
    adapter = g_ndis.find_adapter(index);
    if (adapter == nullptr || adapter->life != MiniportAdapter::Life::running) return NDIS_STATUS_INVALID_PARAMETER;
    adapter->life = MiniportAdapter::Life::removing;
  }
  finish_removal(*adapter);
  return NDIS_STATUS_SUCCESS;
}

void remove_adapters_of(MiniportDriver& driver) noexcept {
  for (;;) {
    MiniportAdapter* mine = nullptr;
    bool others_work = false;  // one that is appearing or going elsewhere: wait for it
    {
      MutexLock lock(g_ndis.mutex);
      for (MiniportAdapter* at = g_ndis.adapters.front(); at != nullptr; at = g_ndis.adapters.after(*at)) {
        if (at->driver != &driver) continue;
        if (at->life == MiniportAdapter::Life::running) {
          mine = at;
          mine->life = MiniportAdapter::Life::removing;
          break;
        }
        others_work = true;
      }
    }
    if (mine != nullptr) {
      finish_removal(*mine);
    } else if (others_work) {
      const auto settled = [&driver]() SOFTNDK_NO_ANALYSIS {  // wait() asks under the mutex
        for (MiniportAdapter* at = g_ndis.adapters.front(); at != nullptr; at = g_ndis.adapters.after(*at)) {
          if (at->driver == &driver) return at->life == MiniportAdapter::Life::running;
        }
        return true;
      };
      g_ndis.waiters.wait(g_ndis.mutex, settled, [] {
        log(LogLevel::warning, "NDIS: deregistration waits for an adapter that is being initialised or removed");
      });
    } else {
      return;
    }
  }
}

bool ndis_find_adapter(NET_IFINDEX index, AdapterSummary& to) noexcept {
  MutexLock lock(g_ndis.mutex);
  MiniportAdapter* adapter = g_ndis.find_adapter(index);
  if (adapter == nullptr) return false;
  summarise(*adapter, to);
  return true;
}

bool ndis_find_adapter_by_luid(std::uint64_t luid, AdapterSummary& to) noexcept {
  MutexLock lock(g_ndis.mutex);
  for (MiniportAdapter* adapter = g_ndis.adapters.front(); adapter != nullptr;
       adapter = g_ndis.adapters.after(*adapter)) {
    if (adapter->summary.luid != luid) continue;
    summarise(*adapter, to);
    return true;
  }
  return false;
}

std::size_t ndis_list_adapters(NET_IFINDEX* indexes, std::size_t room) noexcept {
  MutexLock lock(g_ndis.mutex);
  std::size_t count = 0;
  for (MiniportAdapter* adapter = g_ndis.adapters.front(); adapter != nullptr;
       adapter = g_ndis.adapters.after(*adapter)) {
    if (count < room) indexes[count] = adapter->summary.index;
    ++count;
  }
  return count;
}

namespace {

/// Stores what one structure of attributes says. Inside MiniportInitializeEx only.
NDIS_STATUS set_attributes(NDIS_HANDLE handle, const NDIS_MINIPORT_ADAPTER_ATTRIBUTES& attributes,
                           const char*& mistake) {
  MutexLock lock(g_ndis.mutex);
  MiniportAdapter* adapter = g_ndis.find_adapter(handle);
  if (adapter == nullptr) {
    mistake = "no adapter has this handle";
    return NDIS_STATUS_FAILURE;
  }
  if (adapter->life != MiniportAdapter::Life::initialising) {
    mistake = "only allowed inside MiniportInitializeEx";
    return NDIS_STATUS_FAILURE;
  }
  switch (attributes.Header.Type) {
    case NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_REGISTRATION_ATTRIBUTES:
      adapter->context = attributes.RegistrationAttributes.MiniportAdapterContext;
      return NDIS_STATUS_SUCCESS;
    case NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_NDK_ATTRIBUTES: {
      if (!adapter->driver->has_ndk) {
        mistake = "NDK attributes, but the driver set no NDIS_NDK_PROVIDER_CHARACTERISTICS";
        return NDIS_STATUS_FAILURE;
      }
      const NDIS_MINIPORT_ADAPTER_NDK_ATTRIBUTES& ndk = attributes.NDKAttributes;
      adapter->summary.ndk = ndk.Enabled ? NdkState::enabled : NdkState::disabled;
      adapter->summary.capabilities = *ndk.NdkCapabilities;
      adapter->summary.info = *ndk.NdkCapabilities->NdkInfo;
      adapter->summary.capabilities.NdkInfo = nullptr;
      return NDIS_STATUS_SUCCESS;
    }
    case NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_GENERAL_ATTRIBUTES:
    case NDIS_OBJECT_TYPE_MINIPORT_ADD_DEVICE_REGISTRATION_ATTRIBUTES:
      return NDIS_STATUS_SUCCESS;  // of packets and power, which are not simulated
    default:
      return NDIS_STATUS_NOT_SUPPORTED;
  }
}

}  // namespace
}  // namespace softndk::ntrt

using namespace softndk::ntrt;

extern "C" NDIS_STATUS NdisMSetMiniportAttributes(NDIS_HANDLE handle,
                                                  PNDIS_MINIPORT_ADAPTER_ATTRIBUTES attributes) noexcept {
  check_irql(EntryPoint::NdisMSetMiniportAttributes);
  if (attributes == nullptr) return NDIS_STATUS_INVALID_PARAMETER;
  if (attributes->Header.Type == NDIS_OBJECT_TYPE_MINIPORT_ADAPTER_NDK_ATTRIBUTES) {
    const NDIS_STATUS status = check_ndk_attributes(attributes->NDKAttributes);
    if (status != NDIS_STATUS_SUCCESS) return status;
  }
  const char* mistake = nullptr;
  const NDIS_STATUS status = set_attributes(handle, *attributes, mistake);
  if (mistake != nullptr) report_miniport_misuse("NdisMSetMiniportAttributes", mistake, __builtin_return_address(0));
  return status;
}
