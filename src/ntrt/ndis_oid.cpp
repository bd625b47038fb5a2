// OID requests, one at a time for each adapter, as NDIS serialises them.
#include "base/log.h"
#include "ntrt/irql.h"
#include "ntrt/ndis_adapter.h"

namespace softndk::ntrt {
namespace {

/// Pins the adapter and waits for its turn; null if there is no running one.
MiniportAdapter* begin_request(NET_IFINDEX index) {
  MiniportAdapter* adapter = nullptr;
  {
    MutexLock lock(g_ndis.mutex);
    adapter = g_ndis.find_adapter(index);
    if (adapter == nullptr || adapter->life != MiniportAdapter::Life::running) return nullptr;
    ++adapter->oid_requests;
  }
  const auto take_turn = [adapter] {
    if (adapter->oid_thread != nullptr) return false;
    adapter->oid_thread = &io::this_thread();
    return true;
  };
  g_ndis.waiters.wait(g_ndis.mutex, take_turn, [adapter] { log_adapter_users(adapter, "an OID request"); });
  return adapter;
}

void end_request(MiniportAdapter& adapter) {
  MutexLock lock(g_ndis.mutex);
  --adapter.oid_requests;
  adapter.oid_thread = nullptr;
  g_ndis.waiters.notify();
}

OidResult request(NET_IFINDEX index, NDIS_REQUEST_TYPE type, NDIS_OID oid, void* buffer, ULONG buffer_bytes) {
  MiniportAdapter* adapter = begin_request(index);
  if (adapter == nullptr) return {NDIS_STATUS_INVALID_PARAMETER, 0};
  NDIS_OID_REQUEST call = {};
  call.Header = {NDIS_OBJECT_TYPE_OID_REQUEST, NDIS_OID_REQUEST_REVISION_1, NDIS_SIZEOF_OID_REQUEST_REVISION_1};
  call.RequestType = type;
  call.PortNumber = NDIS_DEFAULT_PORT_NUMBER;
  call.RequestHandle = adapter;
  // Query and set have the same members in the same places but for the name of the count of bytes moved.
  call.DATA.QUERY_INFORMATION.Oid = oid;
  call.DATA.QUERY_INFORMATION.InformationBuffer = buffer;
  call.DATA.QUERY_INFORMATION.InformationBufferLength = buffer_bytes;
  MINIPORT_OID_REQUEST_HANDLER handler = adapter->driver->characteristics.OidRequestHandler;
  OidResult result;
  {
    IrqlScope scope(kPassiveLevel, "MiniportOidRequest", reinterpret_cast<const void*>(handler));
    result.status = handler(adapter->context, &call);
  }
  if (result.status == NDIS_STATUS_PENDING) {
    // Nothing could complete it: NdisMOidRequestComplete is not there, and OID_NDK_SET_STATE may not pend (R-OID-04).
    log(LogLevel::error, "NDIS: MiniportOidRequest of adapter %u pends OID 0x%08x; asynchronous OIDs are not supported",
        index, oid);
    result.status = NDIS_STATUS_FAILURE;
  }
  const bool too_short = result.status == NDIS_STATUS_BUFFER_TOO_SHORT || result.status == NDIS_STATUS_INVALID_LENGTH;
  if (too_short)
    result.bytes = call.DATA.QUERY_INFORMATION.BytesNeeded;
  else if (result.status == NDIS_STATUS_SUCCESS)
    result.bytes = call.DATA.QUERY_INFORMATION.BytesWritten;
  end_request(*adapter);
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

}  // namespace softndk::ntrt
