#pragma once
// What the mini-NDIS knows: miniport drivers and their adapters. Private to ndis_*.cpp.
#include "base/alloc.h"
#include "base/intrusive_list.h"
#include "base/thread_safety.h"
#include "io/executor.h"
#include "ntrt/change_waiters.h"
#include "ntrt/ndis.h"
#include "wdk/ndisndk.h"

namespace softndk::ntrt {

/// From NdisMRegisterMiniportDriver to NdisMDeregisterMiniportDriver. Its address is the NDIS_HANDLE.
struct MiniportDriver : ListLink {
  DRIVER_OBJECT* object = nullptr;
  NDIS_HANDLE context = nullptr;
  NDIS_MINIPORT_DRIVER_CHARACTERISTICS characteristics = {};
  NDIS_NDK_PROVIDER_CHARACTERISTICS ndk = {};  // constant once registered, as are all above
  bool has_ndk = false;
  bool setting_options = false;  ///< inside SetOptionsHandler
  bool deregistering = false;    ///< takes no new adapter
};

/// An NDK_ADAPTER that the provider has opened, or is opening.
struct NdkInstance : ListLink {
  NDK_ADAPTER* adapter = nullptr;
  bool closing = false;
};

/// Its address is the NDIS_HANDLE. Lives from ndis_add_adapter to the end of MiniportHaltEx.
struct MiniportAdapter : ListLink {
  enum class Life : std::uint8_t { initialising, running, removing };

  MiniportDriver* driver = nullptr;
  AdapterSummary summary;         ///< identity constant; ndk state and counts under the lock
  NDIS_HANDLE context = nullptr;  ///< what RegistrationAttributes named; constant once running
  Life life = Life::initialising;
  IntrusiveList<NdkInstance> instances;
  std::uint32_t opens_in_progress = 0;
  std::uint32_t oid_requests = 0;                 ///< running and waiting ones: they pin the adapter
  const io::ThreadContext* oid_thread = nullptr;  ///< inside MiniportOidRequest: one at a time, as NDIS promises

  bool has_open_ndk() const { return opens_in_progress != 0 || !instances.empty(); }
};

struct NdisState {
  Mutex mutex;
  IntrusiveList<MiniportDriver> drivers SOFTNDK_GUARDED_BY(mutex);
  IntrusiveList<MiniportAdapter> adapters SOFTNDK_GUARDED_BY(mutex);
  ChangeWaiters waiters{"an NDIS adapter's last user"};

  /// The live driver or adapter behind a handle that a miniport passed; null if there is none.
  MiniportDriver* find_driver(NDIS_HANDLE handle) noexcept SOFTNDK_REQUIRES(mutex);
  MiniportAdapter* find_adapter(NDIS_HANDLE handle) noexcept SOFTNDK_REQUIRES(mutex);
  MiniportAdapter* find_adapter(NET_IFINDEX index) noexcept SOFTNDK_REQUIRES(mutex);
};
extern NdisState g_ndis;

/// A miniport's call that breaks an NDIS rule: an error line.
void report_miniport_misuse(const char* call, const char* mistake, void* caller) noexcept;
/// Who keeps `adapter` from `what`: its open NDK instances and OID requests, to the log.
void log_adapter_users(const MiniportAdapter* adapter, const char* what) noexcept;

/// R-NDIS-07..11: NDIS_STATUS_SUCCESS, or NDIS_STATUS_BAD_CHARACTERISTICS with a line that names the field.
NDIS_STATUS check_ndk_characteristics(const NDIS_NDK_PROVIDER_CHARACTERISTICS& characteristics) noexcept;
NDIS_STATUS check_ndk_attributes(const NDIS_MINIPORT_ADAPTER_NDK_ATTRIBUTES& attributes) noexcept;
NDIS_STATUS check_driver_characteristics(const NDIS_MINIPORT_DRIVER_CHARACTERISTICS& characteristics) noexcept;

/// Refuses opens, waits for users, halts, frees. `adapter` is running, and the caller made it `removing`.
void finish_removal(MiniportAdapter& adapter) noexcept;
/// Removes the adapters of `driver` one after the other.
void remove_adapters_of(MiniportDriver& driver) noexcept;

}  // namespace softndk::ntrt
