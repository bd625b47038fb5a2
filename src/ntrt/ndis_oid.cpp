// OID requests, one at a time for each adapter, as NDIS serialises them.
#include "base/log.h"
#include "ntrt/irql.h"
#include "ntrt/ndis_adapter.h"

namespace softndk::ntrt {
namespace {

/// Pins the adapter; null if there is no running one.
MiniportAdapter* pin(NET_IFINDEX index) {
  MutexLock lock(g_ndis.mutex);
  MiniportAdapter* adapter = g_ndis.find_adapter(index);
  if (adapter == nullptr || adapter->life != MiniportAdapter::Life::running) return nullptr;
  ++adapter->oid_requests;
  return adapter;
}

/// Pins the adapter and waits for its turn.
MiniportAdapter* begin_request(NET_IFINDEX index) {
  MiniportAdapter* adapter = pin(index);
  if (adapter == nullptr) return nullptr;
  const auto take_turn = [adapter] {
    if (adapter->oid_thread != nullptr) return false;
    adapter->oid_thread = &io::this_thread();
    return true;
  };
  g_ndis.waiters.wait(g_ndis.mutex, take_turn, [adapter] { log_adapter_users(adapter, "an OID request"); });
  return adapter;
}

void unpin(MiniportAdapter& adapter, bool had_turn) {
  MutexLock lock(g_ndis.mutex);
  --adapter.oid_requests;
  if (had_turn) adapter.oid_thread = nullptr;
  g_ndis.waiters.notify();
}

/// `handler` has its own name and IRQL; the rest is alike for both kinds.
template <class Handler>
OidResult send(MiniportAdapter& adapter, Handler handler, Irql irql, const char* name, NDIS_REQUEST_TYPE type,
               NDIS_OID oid, void* buffer, ULONG buffer_bytes) {
  NDIS_OID_REQUEST call = {};
  call.Header = {NDIS_OBJECT_TYPE_OID_REQUEST, NDIS_OID_REQUEST_REVISION_1, NDIS_SIZEOF_OID_REQUEST_REVISION_1};
  call.RequestType = type;
  call.PortNumber = NDIS_DEFAULT_PORT_NUMBER;
  call.RequestHandle = &adapter;
  // Query and set have the same members in the same places but for the name of the count of bytes moved.
  call.DATA.QUERY_INFORMATION.Oid = oid;
  call.DATA.QUERY_INFORMATION.InformationBuffer = buffer;
  call.DATA.QUERY_INFORMATION.InformationBufferLength = buffer_bytes;
  OidResult result;
  {
    IrqlScope scope(irql, name, reinterpret_cast<const void*>(handler));
    result.status = handler(adapter.context, &call);
  }
  if (result.status == NDIS_STATUS_PENDING) {
    // Nothing could complete it: NdisMOidRequestComplete is not there, and OID_NDK_SET_STATE may not pend (R-OID-04).
    log(LogLevel::error, "NDIS: %s of adapter %u pends OID 0x%08x; asynchronous OIDs are not supported", name,
        adapter.summary.index, oid);
    result.status = NDIS_STATUS_FAILURE;
  }
  const bool too_short = result.status == NDIS_STATUS_BUFFER_TOO_SHORT || result.status == NDIS_STATUS_INVALID_LENGTH;
  if (too_short)
    result.bytes = call.DATA.QUERY_INFORMATION.BytesNeeded;
  else if (result.status == NDIS_STATUS_SUCCESS)
    result.bytes = call.DATA.QUERY_INFORMATION.BytesWritten;
  return result;
}

OidResult request(NET_IFINDEX index, NDIS_REQUEST_TYPE type, NDIS_OID oid, void* buffer, ULONG buffer_bytes) {
  MiniportAdapter* adapter = begin_request(index);
  if (adapter == nullptr) return {NDIS_STATUS_INVALID_PARAMETER, 0};
  const OidResult result = send(*adapter, adapter->driver->characteristics.OidRequestHandler, kPassiveLevel,
                                "MiniportOidRequest", type, oid, buffer, buffer_bytes);
  unpin(*adapter, true);
  return result;
}

static_assert(offsetof(NDIS_OID_REQUEST, DATA.QUERY_INFORMATION.BytesWritten) ==
                  offsetof(NDIS_OID_REQUEST, DATA.SET_INFORMATION.BytesRead) &&
              offsetof(NDIS_OID_REQUEST, DATA.QUERY_INFORMATION.BytesNeeded) ==
                  offsetof(NDIS_OID_REQUEST, DATA.SET_INFORMATION.BytesNeeded));

}  // namespace

OidResult ndis_oid_query(NET_IFINDEX index, NDIS_OID oid, void* buffer, ULONG buffer_bytes) noexcept {
  check_irql(EntryPoint::NdisMNetPnPEvent);
  return request(index, NdisRequestQueryInformation, oid, buffer, buffer_bytes);
}

OidResult ndis_oid_set(NET_IFINDEX index, NDIS_OID oid, void* buffer, ULONG buffer_bytes) noexcept {
  check_irql(EntryPoint::NdisMNetPnPEvent);
  return request(index, NdisRequestSetInformation, oid, buffer, buffer_bytes);
}

OidResult ndis_direct_oid_query(NET_IFINDEX index, NDIS_OID oid, void* buffer, ULONG buffer_bytes) noexcept {
  check_irql(EntryPoint::NdisDirectOidRequest);
  MiniportAdapter* adapter = pin(index);
  if (adapter == nullptr) return {NDIS_STATUS_INVALID_PARAMETER, 0};
  OidResult result{NDIS_STATUS_NOT_SUPPORTED, 0};
  if (auto handler = adapter->driver->characteristics.DirectOidRequestHandler; handler != nullptr) {
    result = send(*adapter, handler, current_irql(), "MiniportDirectOidRequest", NdisRequestQueryInformation, oid,
                  buffer, buffer_bytes);
  }
  unpin(*adapter, false);
  return result;
}

}  // namespace softndk::ntrt
