#include "ntrt/driver.h"

#include <algorithm>
#include <cstring>

#include "base/alloc.h"
#include "base/intrusive_list.h"
#include "base/log.h"
#include "base/thread_safety.h"
#include "ntrt/bug_check.h"
#include "ntrt/deferred.h"
#include "ntrt/driver_watch.h"
#include "ntrt/irql.h"
#include "ntrt/kernel.h"
#include "ntrt/ndis.h"
#include "ntrt/registry.h"

namespace softndk::ntrt {
namespace {

constexpr std::size_t kNameMax = 63;
constexpr std::size_t kPathMax = 128;
constexpr CSHORT kDriverObjectType = 4;  // IO_TYPE_DRIVER, which debugger extensions look for

/// What a driver that has no routine for a request answers.
NTSTATUS refuse_request(PDEVICE_OBJECT, PIRP irp) {
  irp->IoStatus.Status = STATUS_INVALID_DEVICE_REQUEST;
  irp->IoStatus.Information = 0;
  IoCompleteRequest(irp, IO_NO_INCREMENT);
  return STATUS_INVALID_DEVICE_REQUEST;
}

/// Names are ASCII; other bytes become '?'.
UNICODE_STRING join(WCHAR (&to)[kPathMax], const char* prefix, const char* name) {
  std::size_t length = 0;
  for (const char* part : {prefix, name}) {
    for (; *part != '\0' && length + 1 < kPathMax; ++part)
      to[length++] = static_cast<unsigned char>(*part) < 0x80 ? static_cast<WCHAR>(*part) : u'?';
  }
  to[length] = 0;
  return {static_cast<USHORT>(length * sizeof(WCHAR)), static_cast<USHORT>((length + 1) * sizeof(WCHAR)), to};
}

}  // namespace

struct Driver : ListLink {
  DRIVER_OBJECT object = {};
  DriverKind kind = DriverKind::consumer;
  char name[kNameMax + 1] = "";
  WCHAR object_name[kPathMax];
  WCHAR registry_path_text[kPathMax];
  UNICODE_STRING registry_path;
};

namespace {
/// In the order of loading; a driver is in it from before its DriverEntry to after its DriverUnload.
struct LoadedDrivers {
  Mutex mutex;
  IntrusiveList<Driver> list SOFTNDK_GUARDED_BY(mutex);
};
constinit LoadedDrivers g_drivers;

/// An address in the driver.
const void* code_of(const Driver& driver) noexcept {
  return reinterpret_cast<const void*>(driver.object.DriverInit);
}
void remember(Driver& driver) noexcept {
  MutexLock lock(g_drivers.mutex);
  g_drivers.list.push_back(driver);
}
void forget(Driver& driver) noexcept {
  MutexLock lock(g_drivers.mutex);
  IntrusiveList<Driver>::remove(driver);
}
}  // namespace

namespace {
/// The consumer driver loaded last of this module.
Driver* find_driver_of(const void* module) noexcept SOFTNDK_REQUIRES(g_drivers.mutex) {
  for (Driver* driver = g_drivers.list.back(); driver != nullptr; driver = g_drivers.list.before(*driver)) {
    if (driver->kind == DriverKind::consumer && code_module(code_of(*driver)) == module) return driver;
  }
  return nullptr;
}
}  // namespace

DriverName::DriverName(const void* code) noexcept {
  const void* const module = code_module(code);
  if (module == nullptr) return;
  MutexLock lock(g_drivers.mutex);
  const Driver* driver = find_driver_of(module);
  static_assert(sizeof text == sizeof driver->name);
  if (driver != nullptr) std::memcpy(text, driver->name, sizeof text);
}

DRIVER_OBJECT* DriverHandle::object() const noexcept {
  return driver_ == nullptr ? nullptr : &driver_->object;
}
const char* DriverHandle::name() const noexcept {
  return driver_ == nullptr ? "" : driver_->name;
}

expected<DriverHandle, NTSTATUS> load_driver(PDRIVER_INITIALIZE entry, const char* name, DriverKind kind) noexcept {
  if (entry == nullptr || name == nullptr || *name == '\0') return unexpected(NTSTATUS{STATUS_INVALID_PARAMETER});
  Owned<Driver> driver = try_make<Driver>();
  if (driver == nullptr) return unexpected(NTSTATUS{STATUS_INSUFFICIENT_RESOURCES});
  driver->kind = kind;
  std::memcpy(driver->name, name, strnlen(name, kNameMax));
  DRIVER_OBJECT& object = driver->object;
  object.Type = kDriverObjectType;
  object.Size = sizeof object;
  object.DriverName = join(driver->object_name, "\\Driver\\", driver->name);
  object.DriverInit = entry;
  std::fill(std::begin(object.MajorFunction), std::end(object.MajorFunction), refuse_request);
  driver->registry_path =
      join(driver->registry_path_text, "\\Registry\\Machine\\System\\CurrentControlSet\\Services\\", driver->name);

  // Its service key, which whoever installs a driver makes; the driver's parameters may be there already.
  NTSTATUS status = STATUS_SUCCESS;
  if (Kernel* running = kernel_if_running()) {
    Registry& registry = running->registry();
    MutexLock lock(registry.mutex);
    RegistryKey* service = nullptr;
    status = registry.open(nullptr, text_of(driver->registry_path), Registry::Missing::create_all, service);
  }
  if (!NT_SUCCESS(status)) return unexpected(status);
  remember(*driver);
  {
    IrqlScope scope(kPassiveLevel, "DriverEntry", reinterpret_cast<const void*>(entry));
    status = entry(&object, &driver->registry_path);
  }
  if (!NT_SUCCESS(status)) {
    forget(*driver);
    ndis_driver_unloaded(&object);
    log(LogLevel::note, "driver %s: DriverEntry failed with 0x%08x", driver->name, static_cast<unsigned>(status));
    return unexpected(status);
  }
  return DriverHandle(driver.release());
}

std::size_t unload_driver(DriverHandle handle) noexcept {
  Owned<Driver> driver(handle.driver_);
  if (driver == nullptr) return 0;
  if (PDRIVER_UNLOAD unload = driver->object.DriverUnload; unload != nullptr) {
    const UnloadWatch watch(driver->name, code_of(*driver));
    IrqlScope scope(kPassiveLevel, "DriverUnload", reinterpret_cast<const void*>(unload));
    unload(&driver->object);
  } else {
    log(LogLevel::warning, "driver %s has no DriverUnload: on Windows it would stay for ever", driver->name);
  }
  forget(*driver);
  ndis_driver_unloaded(&driver->object);
  if (driver->kind == DriverKind::provider) return 0;
  if (kernel_if_running() != nullptr) flush_processors();  // a callback that the driver has heard of may not have ended
  {
    MutexLock lock(g_drivers.mutex);
    if (find_driver_of(code_module(code_of(*driver))) != nullptr) return 0;
  }
  return report_driver_leaks(driver->name, code_of(*driver));
}

}  // namespace softndk::ntrt
