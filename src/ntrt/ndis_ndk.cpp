// NDK instances of an adapter, and the state in which there may be any.
#include "base/log.h"
#include "ntrt/bug_check.h"
#include "ntrt/irql.h"
#include "ntrt/ndis_adapter.h"

namespace softndk::ntrt {
namespace {

using Life = MiniportAdapter::Life;

/// Pins an adapter for one open, or says why not. "Enabled" comes before everything the provider checks (R-NDIS-03).
NTSTATUS begin_open(NET_IFINDEX index, MiniportAdapter*& to) {
  MutexLock lock(g_ndis.mutex);
  MiniportAdapter* adapter = g_ndis.find_adapter(index);
  if (adapter == nullptr || adapter->summary.ndk == NdkState::absent) return STATUS_NOT_FOUND;
  if (adapter->life != Life::running || adapter->summary.ndk != NdkState::enabled) return NDIS_STATUS_ADAPTER_NOT_READY;
  ++adapter->opens_in_progress;
  to = adapter;
  return STATUS_SUCCESS;
}

void end_open(MiniportAdapter& adapter, NdkInstance* instance) {
  MutexLock lock(g_ndis.mutex);
  --adapter.opens_in_progress;
  if (instance != nullptr) adapter.instances.push_back(*instance);
  g_ndis.waiters.notify();
}

NDIS_STATUS call_open(const MiniportAdapter& adapter, NDK_VERSION version, NDK_ADAPTER*& opened) {
  NDIS_OPEN_NDK_ADAPTER_PARAMETERS parameters = {version, NDIS_DEFAULT_SWITCH_ID, NDIS_DEFAULT_VPORT_ID};
  OPEN_NDK_ADAPTER_HANDLER open = adapter.driver->ndk.OpenNDKAdapterHandler;
  IrqlScope scope(kPassiveLevel, "OpenNDKAdapterHandler", reinterpret_cast<const void*>(open));
  return open(adapter.context, &parameters, &opened);
}

}  // namespace

NTSTATUS ndis_open_ndk_adapter(NET_IFINDEX index, NDK_VERSION version, NDK_ADAPTER** to) noexcept {
  check_irql(EntryPoint::WskOpenNdkAdapter);
  MiniportAdapter* adapter = nullptr;
  if (const NTSTATUS status = begin_open(index, adapter); status != STATUS_SUCCESS) return status;
  Owned<NdkInstance> instance = try_make<NdkInstance>();  // first: nothing may fail once the provider has opened
  if (instance == nullptr) {
    end_open(*adapter, nullptr);
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  NDIS_STATUS status = call_open(*adapter, version, instance->adapter);
  if (status == NDIS_STATUS_SUCCESS && instance->adapter == nullptr) {
    log(LogLevel::error, "NDIS: OpenNDKAdapterHandler of adapter %u succeeded without an adapter", index);
    status = NDIS_STATUS_FAILURE;
  } else if (status != NDIS_STATUS_SUCCESS && NT_SUCCESS(status)) {
    log(LogLevel::error, "NDIS: OpenNDKAdapterHandler of adapter %u returned 0x%08x; it is synchronous", index,
        static_cast<unsigned>(status));
    status = NDIS_STATUS_FAILURE;
  }
  if (status != NDIS_STATUS_SUCCESS) {
    end_open(*adapter, nullptr);
    return status;  // the values that NTSTATUS has too are the same numbers; the others pass through (R-WSK-04)
  }
  *to = instance->adapter;
  end_open(*adapter, instance.release());
  return STATUS_SUCCESS;
}

void ndis_close_ndk_adapter(NDK_ADAPTER* opened) noexcept {
  check_irql(EntryPoint::WskCloseNdkAdapter);
  MiniportAdapter* adapter = nullptr;
  NdkInstance* instance = nullptr;
  {
    MutexLock lock(g_ndis.mutex);
    for (adapter = g_ndis.adapters.front(); adapter != nullptr; adapter = g_ndis.adapters.after(*adapter)) {
      instance = adapter->instances.front();
      while (instance != nullptr && (instance->adapter != opened || instance->closing))
        instance = adapter->instances.after(*instance);
      if (instance != nullptr) break;
    }
    if (instance != nullptr) instance->closing = true;
  }
  if (instance == nullptr) {
    report_miniport_misuse("close of an NDK adapter", "it is not open (never, or no longer); ignored",
                           __builtin_return_address(0));
    return;
  }
  CLOSE_NDK_ADAPTER_HANDLER close = adapter->driver->ndk.CloseNDKAdapterHandler;
  {
    IrqlScope scope(kPassiveLevel, "CloseNDKAdapterHandler", reinterpret_cast<const void*>(close));
    close(adapter->context, opened);
  }
  {
    MutexLock lock(g_ndis.mutex);
    adapter->instances.remove(*instance);
    g_ndis.waiters.notify();
  }
  Owned<NdkInstance> gone(instance);
}

namespace {

/// The adapter of a PnP event; null, with the reason, if there is none or the event must not come now.
MiniportAdapter* find_for_event(NDIS_HANDLE handle, NET_PNP_EVENT_CODE event, const char*& mistake)
    SOFTNDK_REQUIRES(g_ndis.mutex) {
  MiniportAdapter* adapter = g_ndis.find_adapter(handle);
  if (adapter == nullptr) {
    mistake = "no adapter has this handle";
  } else if (adapter->summary.ndk == NdkState::absent) {
    mistake = "NDK event of an adapter that set no NDK attributes";
  } else if (adapter->oid_thread == &io::this_thread()) {
    mistake = "called from the context of MiniportOidRequest (R-PNP-05)";
  } else if (event == NetEventNDKEnable && adapter->summary.ndk == NdkState::disabling) {
    mistake = "NetEventNDKEnable while NetEventNDKDisable is pending";
  }
  return mistake == nullptr ? adapter : nullptr;
}

NDIS_STATUS enable(NDIS_HANDLE handle, const char*& mistake) {
  MutexLock lock(g_ndis.mutex);
  MiniportAdapter* adapter = find_for_event(handle, NetEventNDKEnable, mistake);
  if (adapter == nullptr) return NDIS_STATUS_FAILURE;
  ++adapter->summary.enable_events;
  adapter->summary.ndk = NdkState::enabled;
  g_ndis.waiters.notify();
  return NDIS_STATUS_SUCCESS;
}

NDIS_STATUS disable(NDIS_HANDLE handle, const char*& mistake) {
  MiniportAdapter* adapter = nullptr;
  {
    MutexLock lock(g_ndis.mutex);
    adapter = find_for_event(handle, NetEventNDKDisable, mistake);
    if (adapter == nullptr) return NDIS_STATUS_FAILURE;
    ++adapter->summary.disable_events;
    if (adapter->summary.ndk == NdkState::enabled) adapter->summary.ndk = NdkState::disabling;
  }
  // The adapter outlives this wait: its own miniport is inside this call, and so cannot have been halted.
  g_ndis.waiters.wait(
      g_ndis.mutex, [adapter] { return !adapter->has_open_ndk(); },
      [adapter] { log_adapter_users(adapter, "NetEventNDKDisable"); });
  MutexLock lock(g_ndis.mutex);
  adapter->summary.ndk = NdkState::disabled;
  return NDIS_STATUS_SUCCESS;
}

}  // namespace
}  // namespace softndk::ntrt

using namespace softndk::ntrt;

extern "C" NDIS_STATUS NdisMNetPnPEvent(NDIS_HANDLE handle, PNET_PNP_EVENT_NOTIFICATION notification) noexcept {
  check_irql(EntryPoint::NdisMNetPnPEvent);
  if (notification == nullptr) return NDIS_STATUS_INVALID_PARAMETER;
  const char* mistake = nullptr;
  NDIS_STATUS status = NDIS_STATUS_NOT_SUPPORTED;
  if (notification->NetPnPEvent.NetEvent == NetEventNDKEnable) status = enable(handle, mistake);
  if (notification->NetPnPEvent.NetEvent == NetEventNDKDisable) status = disable(handle, mistake);
  if (mistake != nullptr) report_miniport_misuse("NdisMNetPnPEvent", mistake, __builtin_return_address(0));
  return status;
}
