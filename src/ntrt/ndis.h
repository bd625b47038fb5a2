#pragma once
// The mini-NDIS: hosts miniport drivers that are NDK providers, ours or anybody's. Drivers reach it through the
// exported Ndis* functions (wdk/ndis.h); this is the side of the operating system: adapters appear and go, consumers
// open NDK, OIDs are sent.
//
//   adapter:  absent --ndis_add_adapter--> initialised, NDK enabled or disabled as its attributes say
//             enabled  --NetEventNDKDisable--> disabling (opens fail, R-PNP-06) --last instance closed--> disabled
//             disabled --NetEventNDKEnable--> enabled
//             any      --ndis_remove_adapter--> removing (opens fail) --last instance closed--> halted, absent
//
// All functions: PASSIVE_LEVEL, any thread that may block; no lock is held while a miniport is called.
#include <cstddef>
#include <cstdint>

#include "base/expected.h"
#include "ntrt/driver.h"
#include "wdk/ndis.h"
#include "wdk/ndkpi.h"

namespace softndk::ntrt {

/// How the adapter is known. Strings are UTF-8, copied; at most 255 characters count.
struct AdapterIdentity {
  NET_IFINDEX index = 0;   ///< not 0, unique in the process
  std::uint64_t luid = 0;  ///< NET_LUID.Value; 0: made from the index
  const char* alias = "";
  const char* description = "";
};

/// Makes an adapter for the miniport that `driver` registered and calls its MiniportInitializeEx, where the miniport
/// finds IfIndex and NetLuid in the NDIS_MINIPORT_INIT_PARAMETERS.
/// Errors     NDIS_STATUS_INVALID_PARAMETER  index 0 or taken, or the driver registered no miniport
///            NDIS_STATUS_RESOURCES          memory
///            what MiniportInitializeEx returned
[[nodiscard]] NDIS_STATUS ndis_add_adapter(DriverHandle driver, const AdapterIdentity& identity) noexcept;

/// From now on opens fail; waits until the last NDK instance is closed, then calls MiniportHaltEx. A wait of more than
/// a few seconds prints what is open. NDIS_STATUS_INVALID_PARAMETER: no such adapter, or it is being removed already.
NDIS_STATUS ndis_remove_adapter(NET_IFINDEX index) noexcept;

/// Opens one NDK instance (R-NDIS-02..05). *adapter is written on success only. Errors: STATUS_NOT_FOUND for an unknown
/// index or an adapter without NDK (R-WSK-04), NDIS_STATUS_ADAPTER_NOT_READY while NDK is not enabled, STATUS_
/// INSUFFICIENT_RESOURCES, what the provider answered (NDIS_STATUS_BAD_VERSION, ...).
[[nodiscard]] NTSTATUS ndis_open_ndk_adapter(NET_IFINDEX index, NDK_VERSION version, NDK_ADAPTER** adapter) noexcept;

/// Calls CloseNDKAdapterHandler and returns after it (R-WSK-05). An instance that is not open is reported and ignored.
void ndis_close_ndk_adapter(NDK_ADAPTER* adapter) noexcept;

/// `bytes`: written by a query, read by a set; with NDIS_STATUS_BUFFER_TOO_SHORT and NDIS_STATUS_INVALID_LENGTH what
/// would be needed.
struct OidResult {
  NDIS_STATUS status = NDIS_STATUS_SUCCESS;
  ULONG bytes = 0;
};
/// Sends the request to MiniportOidRequest; one at a time for each adapter, others wait. Asynchronous ends are not
/// supported: NDIS_STATUS_PENDING is reported and becomes NDIS_STATUS_FAILURE. NDIS_STATUS_INVALID_PARAMETER: no such
/// adapter. A request pins the adapter: removal waits for it.
OidResult ndis_oid_query(NET_IFINDEX index, NDIS_OID oid, void* buffer, ULONG buffer_bytes) noexcept;
OidResult ndis_oid_set(NET_IFINDEX index, NDIS_OID oid, void* buffer, ULONG buffer_bytes) noexcept;
/// To MiniportDirectOidRequest, beside whatever other requests there are: IRQL <= DISPATCH_LEVEL, never waits.
/// NDIS_STATUS_NOT_SUPPORTED: the miniport takes none.
OidResult ndis_direct_oid_query(NET_IFINDEX index, NDIS_OID oid, void* buffer, ULONG buffer_bytes) noexcept;

enum class NdkState : std::uint8_t {
  absent,  ///< the miniport set no NDK attributes, or its driver has no NDK handlers
  disabled,
  enabled,
  disabling,  ///< NetEventNDKDisable waits for the last instance
};

/// What is known of an adapter; a copy.
struct AdapterSummary {
  NET_IFINDEX index = 0;
  std::uint64_t luid = 0;
  char alias[256] = "";
  char description[256] = "";
  char driver[64] = "";
  NdkState ndk = NdkState::absent;
  std::uint32_t open_instances = 0;
  std::uint32_t enable_events = 0;          ///< NetEventNDKEnable so far
  std::uint32_t disable_events = 0;         ///< NetEventNDKDisable so far
  NDIS_NDK_CAPABILITIES capabilities = {};  ///< NdkInfo points to nothing: see `info`
  NDK_ADAPTER_INFO info = {};               ///< as reported at initialisation (R-NDIS-08)
};
/// False: no such adapter.
bool ndis_find_adapter(NET_IFINDEX index, AdapterSummary& to) noexcept;
bool ndis_find_adapter_by_luid(std::uint64_t luid, AdapterSummary& to) noexcept;
/// Fills up to `room` indexes, in the order in which the adapters came; returns how many adapters there are.
std::size_t ndis_list_adapters(NET_IFINDEX* indexes, std::size_t room) noexcept;

/// For unload_driver(): warns of what the driver left registered, removes its adapters and forgets its registration.
void ndis_driver_unloaded(DRIVER_OBJECT* driver) noexcept;

}  // namespace softndk::ntrt
