#pragma once
// An NDK provider that is not ours: a miniport of a few dozen lines, as some other vendor would write it, so that the
// mini-NDIS and WSK are shown to serve any. A test sets what it should do and reads what was asked of it.
#include <atomic>
#include <cstring>
#include <map>
#include <mutex>
#include <vector>

#include "ntrt/deferred.h"
#include "ntrt/driver.h"
#include "ntrt/ndis.h"
#include "wdk/ndis.h"
#include "wdk/ndisndk.h"

namespace softndk::ntrt {

/// What SetOptions and MiniportInitializeEx hand to NDIS; the test spoils fields.
struct FakeTables {
  NDIS_MINIPORT_DRIVER_CHARACTERISTICS driver = {};
  NDIS_NDK_PROVIDER_CHARACTERISTICS ndk = {};
  NDIS_MINIPORT_ADAPTER_NDK_ATTRIBUTES attributes = {};
  NDIS_NDK_CAPABILITIES capabilities = {};
  NDK_ADAPTER_INFO info = {};
};

class FakeProvider {
 public:
  FakeProvider();
  ~FakeProvider();
  FakeProvider(const FakeProvider&) = delete;
  FakeProvider& operator=(const FakeProvider&) = delete;

  /// DriverEntry; what it returned is in entry_status as well.
  bool load();
  void unload();
  NDIS_STATUS add(NET_IFINDEX index, const char* alias = "fake0");
  /// NetEventNDKEnable or NetEventNDKDisable for an adapter, as its miniport would send it.
  NDIS_STATUS event(NET_IFINDEX index, NET_PNP_EVENT_CODE code);

  // What to do.
  FakeTables tables;
  bool with_ndk = true;         // SetOptions registers NDK handlers
  bool with_attributes = true;  // MiniportInitializeEx reports NDK attributes
  NDIS_STATUS initialize_status = NDIS_STATUS_SUCCESS;
  NDIS_STATUS open_status = NDIS_STATUS_SUCCESS;
  bool open_without_adapter = false;
  NDIS_STATUS oid_status = NDIS_STATUS_SUCCESS;
  void (*in_oid)(FakeProvider& self, NDIS_HANDLE adapter) = nullptr;
  WaitGate* close_waits_for = nullptr;  // CloseNDKAdapterHandler blocks on it, as for a descendant

  // What was asked.
  DriverHandle driver;
  NTSTATUS entry_status = STATUS_SUCCESS;
  NDIS_STATUS set_options_status = NDIS_STATUS_SUCCESS;
  NDIS_STATUS attributes_status = NDIS_STATUS_SUCCESS;
  NDIS_HANDLE driver_handle = nullptr;
  NDIS_OPEN_NDK_ADAPTER_PARAMETERS last_open = {};
  std::atomic<int> opens{0}, closes{0}, halts{0}, oids{0}, oids_at_once{0}, oids_at_once_max{0}, unloads{0};
  std::map<NET_IFINDEX, NDIS_HANDLE> adapter_handles;  // changed by MiniportInitializeEx only

 private:
  struct Adapter;
  static FakeProvider& self();
  static NTSTATUS entry(PDRIVER_OBJECT object, PUNICODE_STRING path);
  static NDIS_STATUS set_options(NDIS_HANDLE driver, NDIS_HANDLE context);
  static NDIS_STATUS initialize(NDIS_HANDLE handle, NDIS_HANDLE driver, PNDIS_MINIPORT_INIT_PARAMETERS parameters);
  static VOID halt(NDIS_HANDLE context, NDIS_HALT_ACTION action);
  static VOID unload_handler(PDRIVER_OBJECT object);
  static NDIS_STATUS oid(NDIS_HANDLE context, PNDIS_OID_REQUEST request);
  static NDIS_STATUS open(NDIS_HANDLE context, PNDIS_OPEN_NDK_ADAPTER_PARAMETERS parameters, NDK_ADAPTER** to);
  static VOID close(NDIS_HANDLE context, NDK_ADAPTER* adapter);
};

}  // namespace softndk::ntrt
