#include "ntrt/wsk.h"

#include "base/alloc.h"
#include "base/log.h"
#include "ntrt/bug_check.h"
#include "ntrt/irql.h"
#include "ntrt/kernel.h"
#include "ntrt/ndis.h"
#include "ntrt/object_tree.h"
#include "ntrt/wsk_client.h"

namespace softndk::ntrt {

constinit WskState g_wsk;

WskClient* WskState::find(const WSK_REGISTRATION* registration) noexcept {
  for (WskClient* client = clients.front(); client != nullptr; client = clients.after(*client)) {
    if (client->registration == registration) return client;
  }
  return nullptr;
}

WskClient* WskState::find(PWSK_CLIENT wanted) noexcept {
  for (WskClient* client = clients.front(); client != nullptr; client = clients.after(*client)) {
    if (client == wanted) return client;
  }
  return nullptr;
}

void report_wsk_misuse(const char* call, const char* mistake, void* caller) noexcept {
  char place[128];
  describe_code_address(caller, place, sizeof place);
  log(LogLevel::error, "%s at %s: %s", call, place, mistake);
}

namespace {

/// What a report says of an instance; copied, so that nothing is printed under the lock.
struct InstanceLine {
  NDK_ADAPTER* adapter;
  NET_IFINDEX index;
  void* opened_by;
  bool closing;
};
constexpr std::size_t kLines = 16;

struct Holdings {
  std::uint32_t captures = 0;
  std::uint32_t opens_in_progress = 0;
  std::size_t instances = 0;
  std::size_t copied = 0;
  InstanceLine lines[kLines];
};

void copy_holdings(WskClient& client, Holdings& to) {
  to.captures = client.captures;
  to.opens_in_progress = client.opens_in_progress;
  for (WskInstance* instance = client.instances.front(); instance != nullptr;
       instance = client.instances.after(*instance)) {
    ++to.instances;
    if (to.copied < kLines)
      to.lines[to.copied++] = {instance->outer, instance->index, instance->opened_by, instance->closing};
  }
}

template <class Print>
void print_holdings(const Holdings& holdings, Print&& print) {
  char line[256];
  for (std::size_t i = 0; i < holdings.copied; ++i) {
    const InstanceLine& one = holdings.lines[i];
    char place[128];
    describe_code_address(one.opened_by, place, sizeof place);
    std::snprintf(line, sizeof line, "NDK adapter %p on interface %u, opened by %s%s", static_cast<void*>(one.adapter),
                  one.index, place, one.closing ? ", being closed" : "");
    print(line);
  }
  if (holdings.instances > holdings.copied) {
    std::snprintf(line, sizeof line, "and %zu more NDK adapters", holdings.instances - holdings.copied);
    print(line);
  }
}

}  // namespace

void log_holdings(const WskClient* wanted, const char* waiting_call) noexcept {
  Holdings holdings;
  {
    MutexLock lock(g_wsk.mutex);
    WskClient* client = g_wsk.find(const_cast<PWSK_CLIENT>(static_cast<const void*>(wanted)));
    if (client == nullptr) return;
    copy_holdings(*client, holdings);
  }
  log(LogLevel::error, "%s waits: %u captured NPIs, %u opens under way, %zu open NDK adapters", waiting_call,
      holdings.captures, holdings.opens_in_progress, holdings.instances);
  print_holdings(holdings, [](const char* line) { log(LogLevel::error, "  %s", line); });
  for (std::size_t i = 0; i < holdings.copied; ++i)
    report_objects(sink_to_log(), {.under = holdings.lines[i].adapter});
}

void wsk_set_ndk_interposer(const NdkInterposer* interposer) noexcept {
  MutexLock lock(g_wsk.mutex);
  g_wsk.interposer = interposer == nullptr ? NdkInterposer{} : *interposer;
}

std::size_t wsk_open_ndk_adapters() noexcept {
  std::size_t count = 0;
  MutexLock lock(g_wsk.mutex);
  for (WskClient* client = g_wsk.clients.front(); client != nullptr; client = g_wsk.clients.after(*client)) {
    for (WskInstance* one = client->instances.front(); one != nullptr; one = client->instances.after(*one))
      ++count;
  }
  return count;
}

void wsk_report(std::FILE* to) noexcept {
  // Client by client, by position: one may go while we print, which loses a line and no more.
  for (std::size_t position = 0;; ++position) {
    Holdings holdings;
    void* registered_by = nullptr;
    {
      MutexLock lock(g_wsk.mutex);
      WskClient* client = g_wsk.clients.front();
      for (std::size_t i = 0; i < position && client != nullptr; ++i)
        client = g_wsk.clients.after(*client);
      if (client == nullptr) return;
      registered_by = client->registered_by;
      copy_holdings(*client, holdings);
    }
    char place[128];
    describe_code_address(registered_by, place, sizeof place);
    std::fprintf(to, "wsk: client registered by %s: %u captured NPIs, %zu open NDK adapters\n", place,
                 holdings.captures, holdings.instances);
    print_holdings(holdings, [to](const char* line) { std::fprintf(to, "wsk:   %s\n", line); });
  }
}

}  // namespace softndk::ntrt

using namespace softndk;
using namespace softndk::ntrt;

extern "C" {

NTSTATUS WskRegister(PWSK_CLIENT_NPI npi, PWSK_REGISTRATION registration) noexcept {
  check_irql(EntryPoint::WskRegister);
  if (npi == nullptr || npi->Dispatch == nullptr || registration == nullptr) return STATUS_INVALID_PARAMETER;
  want_kernel();  // a driver's first step on its way to an adapter
  Owned<WskClient> client = try_make<WskClient>();
  if (client == nullptr) return STATUS_INSUFFICIENT_RESOURCES;
  client->registration = registration;
  client->npi = *npi;  // a consumer may have built it on its stack
  client->registered_by = __builtin_return_address(0);
  {
    MutexLock lock(g_wsk.mutex);
    if (g_wsk.find(registration) != nullptr) {
      client = nullptr;
    } else {
      g_wsk.clients.push_back(*client);
      *registration = WSK_REGISTRATION{};
      registration->ReservedRegistrationContext = client.release();
      return STATUS_SUCCESS;
    }
  }
  report_wsk_misuse("WskRegister", "this WSK_REGISTRATION is registered already; call WskDeregister first",
                    __builtin_return_address(0));
  return STATUS_ALREADY_REGISTERED;
}

VOID WskDeregister(PWSK_REGISTRATION registration) noexcept {
  check_irql(EntryPoint::WskDeregister);
  WskClient* client = nullptr;
  {
    MutexLock lock(g_wsk.mutex);
    client = registration == nullptr ? nullptr : g_wsk.find(registration);
    if (client != nullptr && client->deregistering) client = nullptr;
    if (client != nullptr) client->deregistering = true;  // no capture from here on
  }
  if (client == nullptr) {
    report_wsk_misuse("WskDeregister", "the WSK_REGISTRATION is not registered (never, or no longer); ignored",
                      __builtin_return_address(0));
    return;
  }
  g_wsk.waiters.wait(
      g_wsk.mutex, [client] { return client->captures == 0 && !client->holds_ndk(); },
      [client] { log_holdings(client, "WskDeregister"); });
  {
    MutexLock lock(g_wsk.mutex);
    g_wsk.clients.remove(*client);
    *registration = WSK_REGISTRATION{};
  }
  Owned<WskClient> gone(client);
}

NTSTATUS WskCaptureProviderNPI(PWSK_REGISTRATION registration, ULONG, PWSK_PROVIDER_NPI to) noexcept {
  // The time-out is for a provider that is not there yet; ours is there as long as the process.
  check_irql(EntryPoint::WskCaptureProviderNPI);
  if (registration == nullptr || to == nullptr) return STATUS_INVALID_PARAMETER;
  {
    MutexLock lock(g_wsk.mutex);
    WskClient* client = g_wsk.find(registration);
    if (client != nullptr) {
      if (client->deregistering) return STATUS_DEVICE_NOT_READY;
      if (WSK_MAJOR_VERSION(client->npi.Dispatch->Version) != WSK_MAJOR_VERSION(kWskProviderDispatch.Version))
        return STATUS_NOINTERFACE;
      if (client->releasing) return STATUS_DEVICE_NOT_READY;
      ++client->captures;
      *to = {client, &kWskProviderDispatch};
      return STATUS_SUCCESS;
    }
  }
  report_wsk_misuse("WskCaptureProviderNPI", "the WSK_REGISTRATION is not registered", __builtin_return_address(0));
  return STATUS_INVALID_PARAMETER;
}

VOID WskReleaseProviderNPI(PWSK_REGISTRATION registration) noexcept {
  check_irql(EntryPoint::WskReleaseProviderNPI);
  WskClient* client = nullptr;
  bool last = false;
  {
    MutexLock lock(g_wsk.mutex);
    client = registration == nullptr ? nullptr : g_wsk.find(registration);
    if (client != nullptr && (client->captures == 0 || client->releasing)) client = nullptr;
    if (client != nullptr) {
      last = client->captures == 1;
      client->releasing = last;
      if (!last) --client->captures;
    }
  }
  if (client == nullptr) {
    report_wsk_misuse("WskReleaseProviderNPI", "nothing is captured through this WSK_REGISTRATION; ignored",
                      __builtin_return_address(0));
    return;
  }
  if (!last) return;
  // The last capture keeps the client alive while its NDK adapters are open, as on Windows, where this call is what
  // a driver that forgot to close one hangs in.
  g_wsk.waiters.wait(
      g_wsk.mutex, [client] { return !client->holds_ndk(); },
      [client] { log_holdings(client, "WskReleaseProviderNPI"); });
  MutexLock lock(g_wsk.mutex);
  client->releasing = false;
  --client->captures;
  g_wsk.waiters.notify();
}

}  // extern "C"
