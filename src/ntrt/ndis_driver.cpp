// Miniport drivers: registration, optional handlers, the end of a driver; NDIS memory.
#include <algorithm>
#include <cstring>

#include "base/log.h"
#include "ntrt/bug_check.h"
#include "ntrt/irql.h"
#include "ntrt/ndis_adapter.h"
#include "ntrt/pool.h"

namespace softndk::ntrt {

constinit NdisState g_ndis;

MiniportDriver* NdisState::find_driver(NDIS_HANDLE handle) noexcept {
  for (MiniportDriver* driver = drivers.front(); driver != nullptr; driver = drivers.after(*driver)) {
    if (driver == handle) return driver;
  }
  return nullptr;
}

void report_miniport_misuse(const char* call, const char* mistake, void* caller) noexcept {
  char place[128];
  describe_code_address(caller, place, sizeof place);
  log(LogLevel::error, "NDIS: %s at %s: %s", call, place, mistake);
}

namespace {

/// DRIVER_OBJECT.DriverUnload of every miniport driver: NDIS halts the adapters, then the miniport's own unload handler
/// deregisters.
VOID unload_miniport_driver(PDRIVER_OBJECT object) {
  MINIPORT_DRIVER_UNLOAD unload = nullptr;
  for (;;) {
    MiniportDriver* driver = nullptr;
    {
      MutexLock lock(g_ndis.mutex);
      driver = g_ndis.drivers.front();
      while (driver != nullptr && (driver->object != object || driver->deregistering))
        driver = g_ndis.drivers.after(*driver);
      if (driver != nullptr) {
        driver->deregistering = true;
        if (unload == nullptr) unload = driver->characteristics.UnloadHandler;
      }
    }
    if (driver == nullptr) break;
    remove_adapters_of(*driver);
  }
  if (unload != nullptr) unload(object);
}

NDIS_STATUS call_set_options(MiniportDriver& driver) {
  SET_OPTIONS_HANDLER set_options = driver.characteristics.SetOptionsHandler;
  if (set_options == nullptr) return NDIS_STATUS_SUCCESS;
  {
    MutexLock lock(g_ndis.mutex);
    driver.setting_options = true;
  }
  NDIS_STATUS status;
  {
    IrqlScope scope(kPassiveLevel, "MiniportSetOptions", reinterpret_cast<const void*>(set_options));
    status = set_options(&driver, driver.context);
  }
  MutexLock lock(g_ndis.mutex);
  driver.setting_options = false;
  return status;
}

/// Nobody uses the driver any more.
void forget(MiniportDriver& driver) {
  {
    MutexLock lock(g_ndis.mutex);
    g_ndis.drivers.remove(driver);
  }
  Owned<MiniportDriver> gone(&driver);
}

}  // namespace

void ndis_driver_unloaded(DRIVER_OBJECT* object) noexcept {
  for (;;) {
    MiniportDriver* left = nullptr;
    {
      MutexLock lock(g_ndis.mutex);
      left = g_ndis.drivers.front();
      while (left != nullptr && left->object != object)
        left = g_ndis.drivers.after(*left);
      if (left != nullptr) left->deregistering = true;
    }
    if (left == nullptr) return;
    log(LogLevel::warning, "NDIS: a driver was unloaded without NdisMDeregisterMiniportDriver; done for it");
    remove_adapters_of(*left);
    forget(*left);
  }
}

}  // namespace softndk::ntrt

using namespace softndk;
using namespace softndk::ntrt;

extern "C" {

NDIS_STATUS NdisMRegisterMiniportDriver(PDRIVER_OBJECT object, PUNICODE_STRING, NDIS_HANDLE context,
                                        PNDIS_MINIPORT_DRIVER_CHARACTERISTICS characteristics,
                                        PNDIS_HANDLE handle) noexcept {
  check_irql(EntryPoint::NdisMRegisterMiniportDriver);
  if (object == nullptr || characteristics == nullptr || handle == nullptr) return NDIS_STATUS_INVALID_PARAMETER;
  if (const NDIS_STATUS status = check_driver_characteristics(*characteristics); status != NDIS_STATUS_SUCCESS)
    return status;
  Owned<MiniportDriver> driver = try_make<MiniportDriver>();
  if (driver == nullptr) return NDIS_STATUS_RESOURCES;
  driver->object = object;
  driver->context = context;
  // A table of an earlier revision ends earlier: what it lacks stays NULL.
  std::memcpy(&driver->characteristics, characteristics,
              std::min<std::size_t>(characteristics->Header.Size, sizeof driver->characteristics));
  MiniportDriver& registered = *driver.release();
  {
    MutexLock lock(g_ndis.mutex);
    g_ndis.drivers.push_back(registered);
  }
  *handle = &registered;  // before SetOptions, where a miniport may use it already
  const NDIS_STATUS status = call_set_options(registered);
  if (status != NDIS_STATUS_SUCCESS) {
    *handle = nullptr;
    forget(registered);
    return status;
  }
  object->DriverUnload = unload_miniport_driver;
  return NDIS_STATUS_SUCCESS;
}

VOID NdisMDeregisterMiniportDriver(NDIS_HANDLE handle) noexcept {
  check_irql(EntryPoint::NdisMDeregisterMiniportDriver);
  MiniportDriver* driver = nullptr;
  {
    MutexLock lock(g_ndis.mutex);
    driver = g_ndis.find_driver(handle);
    if (driver != nullptr) driver->deregistering = true;
  }
  if (driver == nullptr) {
    report_miniport_misuse("NdisMDeregisterMiniportDriver", "no miniport driver has this handle; ignored",
                           __builtin_return_address(0));
    return;
  }
  remove_adapters_of(*driver);
  if (driver->object->DriverUnload == unload_miniport_driver) driver->object->DriverUnload = nullptr;
  forget(*driver);
}

NDIS_STATUS NdisSetOptionalHandlers(NDIS_HANDLE handle, PNDIS_DRIVER_OPTIONAL_HANDLERS handlers) noexcept {
  check_irql(EntryPoint::NdisSetOptionalHandlers);
  if (handlers == nullptr) return NDIS_STATUS_INVALID_PARAMETER;
  if (handlers->Type != NDIS_OBJECT_TYPE_NDK_PROVIDER_CHARACTERISTICS) {
    log(LogLevel::error, "NDIS: NdisSetOptionalHandlers: Header.Type is 0x%x, 0x%x is what is served here",
        handlers->Type, NDIS_OBJECT_TYPE_NDK_PROVIDER_CHARACTERISTICS);
    return NDIS_STATUS_BAD_CHARACTERISTICS;
  }
  const auto& ndk = *reinterpret_cast<const NDIS_NDK_PROVIDER_CHARACTERISTICS*>(handlers);
  if (const NDIS_STATUS status = check_ndk_characteristics(ndk); status != NDIS_STATUS_SUCCESS) return status;
  const char* mistake = nullptr;
  {
    MutexLock lock(g_ndis.mutex);
    MiniportDriver* driver = g_ndis.find_driver(handle);
    if (driver == nullptr) {
      mistake = "no miniport driver has this handle";
    } else if (!driver->setting_options) {
      mistake = "only allowed inside SetOptionsHandler";
    } else {
      driver->ndk = ndk;
      driver->has_ndk = true;
      return NDIS_STATUS_SUCCESS;
    }
  }
  report_miniport_misuse("NdisSetOptionalHandlers", mistake, __builtin_return_address(0));
  return NDIS_STATUS_FAILURE;
}

PVOID NdisAllocateMemoryWithTagPriority(NDIS_HANDLE, UINT bytes, ULONG tag, EX_POOL_PRIORITY) noexcept {
  check_irql(EntryPoint::ExAllocatePool_NonPaged);
  return pool_allocate({.bytes = bytes, .tag = tag}, __builtin_return_address(0));
}

VOID NdisFreeMemory(PVOID block, UINT, UINT) noexcept {
  check_irql(EntryPoint::ExFreePool_NonPaged);
  pool_free(block, 0, __builtin_return_address(0));
}

}  // extern "C"
