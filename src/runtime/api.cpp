// include/softndk/softndk.h over one process-wide runtime.
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>

#include "base/log.h"
#include "ntrt/driver.h"
#include "ntrt/kernel.h"
#include "ntrt/ndis.h"
#include "runtime/runtime.h"
#include "runtime/status_names.h"
#include "softndk/softndk.h"

using namespace softndk;

struct softndk_driver {
  ntrt::DriverHandle handle;
};

namespace {

struct Process {
  runtime::SettingValues settings;
  std::string shown;  // what softndk_get() returned last
  runtime::Configuration configuration;
  Owned<net::World> world;
  std::unique_ptr<runtime::Runtime> running;
};

// Held while starting and stopping, which block: nothing of the kernel takes it but an automatic start.
std::recursive_mutex g_mutex;

/// Made at the first use and never destroyed: a thread of a consumer may outlive main.
Process& process() {
  static Process* the_process = new Process;
  return *the_process;
}

int32_t start_locked(Process& self) {
  if (self.running != nullptr) return STATUS_INVALID_DEVICE_STATE;
  self.configuration = runtime::Configuration();
  self.settings.configure(self.configuration);
  auto world = net::World::create(self.configuration.net);
  if (!world) {
    log(LogLevel::error, "the runtime cannot start: %s", io::to_string(world.error()));
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  self.world = std::move(*world);
  auto started = runtime::Runtime::start(self.world->view(), self.configuration);
  if (!started) {
    self.world = nullptr;
    log(LogLevel::error, "the runtime cannot start: %s", softndk_status_name(started.error()));
    return started.error();
  }
  self.running = std::move(*started);
  return STATUS_SUCCESS;
}

/// The first kernel call of a program that never heard of softndk_start().
void start_automatically() noexcept {
  std::lock_guard lock(g_mutex);
  if (process().running == nullptr) start_locked(process());
}

__attribute__((constructor)) void offer_automatic_start() {
  ntrt::set_automatic_start(start_automatically);
}

std::vector<io::Interface> usable_interfaces(Process& self) {
  std::vector<io::Interface> usable;
  if (self.running != nullptr) {
    for (const runtime::Runtime::Adapter& adapter : self.running->adapters())
      usable.push_back(adapter.interface);
    return usable;
  }
  // Nothing runs yet: ask the host directly.
  net::Options options;
  options.processors = 1;
  if (auto world = net::World::create(options)) {
    for (io::Interface& interface : (*world)->view().network.interfaces()) {
      if (interface.up && !interface.addresses.empty()) usable.push_back(std::move(interface));
    }
  }
  return usable;
}

/// Without the port, brackets or prefix.
std::string host_text(const Address& address) {
  std::string text = to_string(address);
  if (text.starts_with('[')) return text.substr(1, text.find(']') - 1);
  return text.substr(0, text.find(':'));
}

void copy_text(char* to, std::size_t room, const std::string& text) {
  const std::size_t bytes = std::min(text.size(), room - 1);
  std::memcpy(to, text.data(), bytes);
  to[bytes] = '\0';
}

}  // namespace

extern "C" {

const char* softndk_version(void) {
  return SOFTNDK_VERSION;
}

int32_t softndk_start(void) {
  std::lock_guard lock(g_mutex);
  return start_locked(process());
}

int32_t softndk_stop(void) {
  std::lock_guard lock(g_mutex);
  Process& self = process();
  if (self.running == nullptr) return STATUS_INVALID_DEVICE_STATE;
  self.running = nullptr;
  self.world = nullptr;
  return STATUS_SUCCESS;
}

int softndk_is_running(void) {
  std::lock_guard lock(g_mutex);
  return process().running != nullptr;
}

int32_t softndk_set(const char* name, const char* value) {
  if (name == nullptr || value == nullptr) return STATUS_INVALID_PARAMETER;
  std::lock_guard lock(g_mutex);
  const auto done = process().settings.set(name, value);
  if (done) return STATUS_SUCCESS;
  return done.error() == runtime::SettingError::unknown ? STATUS_NOT_FOUND : STATUS_INVALID_PARAMETER;
}

const char* softndk_get(const char* name) {
  if (name == nullptr) return nullptr;
  std::lock_guard lock(g_mutex);
  const std::string* value = process().settings.get(name);
  return value == nullptr ? nullptr : value->c_str();
}

const softndk_setting* softndk_settings(size_t* count) {
  static const std::vector<softndk_setting>* rows = [] {
    auto* made = new std::vector<softndk_setting>;
    for (const runtime::Setting& setting : runtime::settings_table())
      made->push_back({setting.name, setting.default_value, setting.range, setting.meaning});
    return made;
  }();
  if (count != nullptr) *count = rows->size();
  return rows->data();
}

size_t softndk_interfaces(softndk_interface* interfaces, size_t capacity) {
  std::lock_guard lock(g_mutex);
  const std::vector<io::Interface> usable = usable_interfaces(process());
  for (std::size_t i = 0; i < usable.size() && i < capacity; ++i) {
    softndk_interface& to = interfaces[i];
    std::memset(&to, 0, sizeof to);
    to.index = usable[i].index;
    copy_text(to.name, sizeof to.name, usable[i].name);
    copy_text(to.description, sizeof to.description, runtime::description_of(usable[i]));
    to.is_loopback = usable[i].loopback;
    for (std::size_t k = 0; k < usable[i].addresses.size() && k < std::size(to.addresses); ++k)
      copy_text(to.addresses[k], sizeof to.addresses[k], host_text(usable[i].addresses[k]));
  }
  return usable.size();
}

uint32_t softndk_find_interface(const char* which) {
  if (which == nullptr || *which == '\0') return 0;
  std::lock_guard lock(g_mutex);
  Address wanted;
  const bool is_address = parse_address(which, wanted);
  for (const io::Interface& interface : usable_interfaces(process())) {
    if (std::to_string(interface.index) == which || std::strcmp(interface.name, which) == 0) return interface.index;
    for (const Address& address : interface.addresses) {
      if (!is_address) continue;
      const bool same_zone = wanted.scope_id == 0 || wanted.scope_id == address.scope_id;
      if (address.family == wanted.family && address.octets == wanted.octets && same_zone) return interface.index;
      if (interface.loopback && wanted.is_loopback() && wanted.family == address.family) return interface.index;
    }
  }
  return 0;
}

int32_t softndk_load_driver(softndk_driver_entry entry, const char* name, softndk_driver** driver) {
  if (entry == nullptr || name == nullptr || driver == nullptr) return STATUS_INVALID_PARAMETER;
  *driver = nullptr;
  (void)ntrt::kernel();  // starts the runtime if nobody has
  auto loaded = ntrt::load_driver(reinterpret_cast<PDRIVER_INITIALIZE>(entry), name);
  if (!loaded) return loaded.error();
  *driver = new softndk_driver{*loaded};
  return STATUS_SUCCESS;
}

void softndk_unload_driver(softndk_driver* driver) {
  if (driver == nullptr) return;
  ntrt::unload_driver(driver->handle);
  delete driver;
}

int32_t softndk_oid_query(uint32_t interface_index, uint32_t oid, void* buffer, uint32_t length, uint32_t* bytes) {
  const ntrt::OidResult result = ntrt::ndis_oid_query(interface_index, oid, buffer, length);
  if (bytes != nullptr) *bytes = result.bytes;
  return result.status;
}

int32_t softndk_oid_set(uint32_t interface_index, uint32_t oid, const void* buffer, uint32_t length, uint32_t* bytes) {
  const ntrt::OidResult result = ntrt::ndis_oid_set(interface_index, oid, const_cast<void*>(buffer), length);
  if (bytes != nullptr) *bytes = result.bytes;
  return result.status;
}

const char* softndk_status_name(int32_t status) {
  if (const char* name = runtime::status_name(status)) return name;
  thread_local char text[16];
  std::snprintf(text, sizeof text, "0x%08x", static_cast<unsigned>(status));
  return text;
}

}  // extern "C"
