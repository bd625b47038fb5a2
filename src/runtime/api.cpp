// include/softndk/softndk.h over one process-wide runtime.
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <new>

#include "base/alloc.h"
#include "base/log.h"
#include "net/host.h"
#include "net/local_server.h"
#include "net/sys.h"
#include "ntrt/driver.h"
#include "ntrt/explain_wait.h"
#include "ntrt/kernel.h"
#include "ntrt/ndis.h"
#include "ntrt/registry_text.h"
#include "runtime/process_document.h"
#include "runtime/publisher.h"
#include "runtime/runtime.h"
#include "runtime/status_names.h"
#include "sim/world.h"
#include "softndk/softndk.h"

using namespace softndk;

struct softndk_driver {
  ntrt::DriverHandle handle;
};

namespace {

struct Process {
  runtime::SettingValues settings;
  runtime::Configuration configuration;
  Owned<net::World> world;
  Owned<sim::World> simulation;  ///< set while softndk_run() simulates, and for ever after a run that was given up
  Owned<runtime::Publisher> publisher;  ///< outlives the kernel's stop, which stops it
  Owned<runtime::Runtime> running;
  softndk_run_info last_run = {};
};

// Held while starting and stopping, which block: nothing of the kernel takes it but an automatic start.
std::recursive_mutex g_mutex;

/// Whose file has to go when a program ends without softndk_stop().
net::LocalServer* g_file_to_remove = nullptr;

/// Made at the first use and never destroyed: a thread of a consumer may outlive main.
Process& process() {
  alignas(Process) static std::byte room[sizeof(Process)];
  static Process* the_process = ::new (room) Process;
  return *the_process;
}

/// A process that cannot publish runs all the same; a simulation does not try.
void publish(Process& self) {
  if (!self.configuration.publish || self.world == nullptr) return;
  auto publisher = try_make<runtime::Publisher>(*self.running, self.settings, net::sys::process_id());
  expected<void, io::IoError> done = unexpected(io::IoError::no_resources);
  if (publisher != nullptr) {
    io::Executor& executor = self.world->view().executor;
    // The last one, as adapters begin with the first.
    auto& processor = static_cast<net::Processor&>(executor.processor(executor.processor_count() - 1));
    auto server = net::LocalServer::open(self.configuration.publish_directory, *publisher, processor);
    if (!server) {
      done = unexpected(server.error());
    } else {
      g_file_to_remove = server->get();
      done = publisher->start(std::move(*server));
    }
  }
  if (done) {
    self.publisher = std::move(publisher);
    return;
  }
  g_file_to_remove = nullptr;
  log(LogLevel::warning, "ndkstat will not see this process (setting publish): %s", io::to_string(done.error()));
}

int32_t start_locked(Process& self) {
  if (self.running != nullptr) return STATUS_INVALID_DEVICE_STATE;
  self.configuration = runtime::Configuration();
  self.settings.configure(self.configuration);
  if (self.configuration.simulation_seed && self.simulation == nullptr) {
    log(LogLevel::error, "the runtime cannot start: the setting world asks for a simulation, which is softndk_run's");
    return STATUS_INVALID_DEVICE_STATE;
  }
  if (self.simulation == nullptr) {
    auto world = net::World::create(self.configuration.net);
    if (!world) {
      log(LogLevel::error, "the runtime cannot start: %s", io::to_string(world.error()));
      return STATUS_INSUFFICIENT_RESOURCES;
    }
    self.world = std::move(*world);
  }
  const io::World world = self.simulation != nullptr ? self.simulation->view() : self.world->view();
  auto started = runtime::Runtime::start(world, self.configuration);
  if (!started) {
    self.world = nullptr;
    log(LogLevel::error, "the runtime cannot start: %s", softndk_status_name(started.error()));
    return started.error();
  }
  self.running = std::move(*started);
  publish(self);
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

/// "lo" and the interfaces that the setting names; without any, the world's own.
sim::Options simulation_options(const runtime::Configuration& configuration) {
  sim::Options options;
  options.steps_max = configuration.simulation_steps_max;
  if (configuration.interfaces.empty()) return options;
  options.interfaces.resize(1);
  for (const runtime::InterfaceMap::Entry& entry : configuration.interfaces)
    sim::add_address(options.interfaces, entry.index, entry.address);
  return options;
}

/// The first fiber of a simulation.
struct SimulatedBody {
  void (*body)(void*);
  void* context;
  int32_t status = STATUS_SUCCESS;

  void operator()() {
    status = softndk_start();
    if (!NT_SUCCESS(status)) return;
    body(context);
    if (softndk_is_running()) status = softndk_stop();
  }
};

int32_t run_simulated(Process& self, const runtime::Configuration& configuration, SimulatedBody first) {
  if (self.simulation != nullptr || self.running != nullptr) return STATUS_INVALID_DEVICE_STATE;
  self.simulation = try_make<sim::World>(*configuration.simulation_seed, simulation_options(configuration));
  if (self.simulation == nullptr) return STATUS_INSUFFICIENT_RESOURCES;
  sim::World& world = *self.simulation;
  const io::TimeNs began_ns = world.view().clock.now_ns();
  const sim::Result result = world.run(first);
  self.last_run = {world.seed(), world.trace_hash(), world.steps(), world.view().clock.now_ns() - began_ns,
                   world.report().c_str()};
  // What is in the middle of something stays so: neither the runtime nor the world can be taken down.
  if (result == sim::Result::deadlock) return STATUS_POSSIBLE_DEADLOCK;
  if (result == sim::Result::too_long) return STATUS_IO_TIMEOUT;
  self.last_run.report = "";
  self.simulation = nullptr;
  return first.status;
}

/// Nothing runs yet: the host is asked directly, or a world that is never run.
expected<Array<io::Interface>, io::IoError> interfaces_to_be(const runtime::Configuration& configuration) {
  if (!configuration.simulation_seed) return net::interfaces();
  sim::World world(*configuration.simulation_seed, simulation_options(configuration));
  return world.view().network.interfaces();
}

/// A program may end without softndk_stop(); the file of its socket, if there is one, must not stay.
__attribute__((destructor)) void remove_socket_file() {
  if (g_file_to_remove != nullptr) g_file_to_remove->unlink();
}

/// Calls `visit(const io::Interface&)` for the adapters, or before a start for what would become adapters.
template <class Visit>
void for_each_usable(Process& self, Visit visit) noexcept {
  if (self.running != nullptr) {
    for (const runtime::Runtime::Adapter& adapter : self.running->adapters())
      visit(adapter.interface);
    return;
  }
  runtime::Configuration configuration;
  self.settings.configure(configuration);
  auto interfaces = interfaces_to_be(configuration);
  if (!interfaces) log(LogLevel::error, "the host's interfaces: %s", io::to_string(interfaces.error()));
  if (!interfaces) return;
  const auto mapped = configuration.interfaces.apply(*interfaces);
  if (!mapped) return;
  for (const io::Interface& interface : *mapped)
    visit(interface);
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
  ntrt::explain_open_objects("softndk_stop");
  self.running = nullptr;
  g_file_to_remove = nullptr;
  self.publisher = nullptr;
  self.world = nullptr;
  return STATUS_SUCCESS;
}

int32_t softndk_run(void (*body)(void* context), void* context) {
  if (body == nullptr) return STATUS_INVALID_PARAMETER;
  Process& self = process();
  runtime::Configuration configuration;
  {
    std::lock_guard lock(g_mutex);
    self.settings.configure(configuration);
    self.last_run = {};
  }
  if (configuration.simulation_seed) return run_simulated(self, configuration, {body, context});
  if (const int32_t status = softndk_start(); !NT_SUCCESS(status)) return status;
  body(context);
  return softndk_is_running() ? softndk_stop() : STATUS_SUCCESS;
}

void softndk_last_run(softndk_run_info* info) {
  if (info != nullptr) *info = process().last_run;
}

int32_t softndk_write_trace(void) {
  // Not under g_mutex: softndk_stop(), which holds it, may be what hangs.
  runtime::Runtime* running = process().running.get();
  return running == nullptr || running->write_trace() ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL;
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
  return process().settings.get(name);
}

const softndk_setting* softndk_settings(size_t* count) {
  struct Rows {
    Rows() noexcept {
      for (const runtime::Setting& setting : runtime::settings_table())
        row[count++] = {setting.name, setting.default_value, setting.range, setting.meaning};
    }
    softndk_setting row[runtime::SettingValues::kCountMax];
    std::size_t count = 0;
  };
  static const Rows rows;
  if (count != nullptr) *count = rows.count;
  return rows.row;
}

size_t softndk_interfaces(softndk_interface* interfaces, size_t capacity) {
  std::lock_guard lock(g_mutex);
  std::size_t count = 0;
  for_each_usable(process(), [&](const io::Interface& one) {
    if (count++ >= capacity) return;
    softndk_interface& to = interfaces[count - 1];
    std::memset(&to, 0, sizeof to);
    to.index = one.index;
    static_assert(sizeof to.name == sizeof one.name);
    std::memcpy(to.name, one.name, sizeof to.name);
    static_assert(sizeof to.description == sizeof runtime::Description::text);
    std::memcpy(to.description, runtime::Description(one).text, sizeof to.description);
    to.is_loopback = one.loopback;
    static_assert(sizeof to.addresses[0] == sizeof HostText::text);
    for (std::size_t k = 0; k < one.addresses.size() && k < std::size(to.addresses); ++k)
      std::memcpy(to.addresses[k], HostText(one.addresses[k]).text, sizeof to.addresses[k]);
  });
  return count;
}

uint32_t softndk_find_interface(const char* which) {
  if (which == nullptr || *which == '\0') return 0;
  std::lock_guard lock(g_mutex);
  Address wanted;
  const bool is_address = parse_address(which, wanted);
  std::uint32_t found = 0;
  for_each_usable(process(), [&](const io::Interface& interface) {
    char number[16];
    std::snprintf(number, sizeof number, "%u", interface.index);
    bool matches = std::strcmp(number, which) == 0 || std::strcmp(interface.name, which) == 0;
    for (const Address& address : interface.addresses) {
      if (!is_address) continue;
      const bool same_zone = wanted.scope_id == 0 || wanted.scope_id == address.scope_id;
      matches = matches || (address.family == wanted.family && address.octets == wanted.octets && same_zone) ||
                (interface.loopback && wanted.is_loopback() && wanted.family == address.family);
    }
    if (matches && found == 0) found = interface.index;
  });
  return found;
}

int32_t softndk_load_driver(softndk_driver_entry entry, const char* name, softndk_driver** driver) {
  if (entry == nullptr || name == nullptr || driver == nullptr) return STATUS_INVALID_PARAMETER;
  *driver = nullptr;
  (void)ntrt::kernel();                    // starts the runtime if nobody has
  auto made = try_make<softndk_driver>();  // first: a driver that has been loaded is not to be thrown out again
  if (made == nullptr) return STATUS_INSUFFICIENT_RESOURCES;
  auto loaded = ntrt::load_driver(reinterpret_cast<PDRIVER_INITIALIZE>(entry), name);
  if (!loaded) return loaded.error();
  made->handle = *loaded;
  *driver = made.release();
  return STATUS_SUCCESS;
}

size_t softndk_unload_driver(softndk_driver* driver) {
  if (driver == nullptr) return 0;
  Owned<softndk_driver> freed(driver);
  return ntrt::unload_driver(driver->handle);
}

int32_t softndk_registry_load(const char* path) {
  if (path == nullptr) return STATUS_INVALID_PARAMETER;
  return ntrt::registry_load(ntrt::kernel().registry(), path);
}

int32_t softndk_registry_save(const char* path) {
  if (path == nullptr) return STATUS_INVALID_PARAMETER;
  return ntrt::registry_save(ntrt::kernel().registry(), path);
}

int32_t softndk_oid_query(uint32_t interface_index, uint32_t oid, void* buffer, uint32_t length, uint32_t* bytes) {
  const ntrt::OidResult result = ntrt::ndis_oid_query(interface_index, oid, buffer, length);
  if (bytes != nullptr) *bytes = result.bytes;
  return result.status;
}

int32_t softndk_oid_query_direct(uint32_t interface_index, uint32_t oid, void* buffer, uint32_t length,
                                 uint32_t* bytes) {
  const ntrt::OidResult result = ntrt::ndis_direct_oid_query(interface_index, oid, buffer, length);
  if (bytes != nullptr) *bytes = result.bytes;
  return result.status;
}

int32_t softndk_oid_set(uint32_t interface_index, uint32_t oid, const void* buffer, uint32_t length, uint32_t* bytes) {
  const ntrt::OidResult result = ntrt::ndis_oid_set(interface_index, oid, const_cast<void*>(buffer), length);
  if (bytes != nullptr) *bytes = result.bytes;
  return result.status;
}

int32_t softndk_set_keyword(uint32_t interface_index, const char* keyword, const char* value) {
  if (keyword == nullptr || value == nullptr) return STATUS_INVALID_PARAMETER;
  if (std::strcmp(keyword, "*NetworkDirect") != 0) return STATUS_NOT_FOUND;
  const bool on = std::strcmp(value, "1") == 0;
  if (!on && std::strcmp(value, "0") != 0) return STATUS_INVALID_PARAMETER;
  runtime::Runtime* running = nullptr;
  {
    std::lock_guard lock(g_mutex);
    running = process().running.get();
  }
  // Without the lock: it waits for consumers, who may call us.
  return running == nullptr ? STATUS_INVALID_DEVICE_STATE : running->set_network_direct(interface_index, on);
}

int32_t softndk_describe(char* text, size_t capacity, size_t* bytes) {
  std::lock_guard lock(g_mutex);
  Process& self = process();
  if (self.running == nullptr) return STATUS_INVALID_DEVICE_STATE;
  const Array<char> document = runtime::describe_process(*self.running, self.settings, net::sys::process_id());
  if (document.empty()) return STATUS_INSUFFICIENT_RESOURCES;
  if (bytes != nullptr) *bytes = document.size();
  if (document.size() > capacity) return STATUS_BUFFER_TOO_SMALL;
  std::memcpy(text, document.begin(), document.size());
  return STATUS_SUCCESS;
}

const char* softndk_status_name(int32_t status) {
  if (const char* name = runtime::status_name(status)) return name;
  thread_local char text[16];
  std::snprintf(text, sizeof text, "0x%08x", static_cast<unsigned>(status));
  return text;
}

}  // extern "C"
