#include "provider/oid.h"

#include <algorithm>
#include <cstring>

#include "provider/general_oid.h"

namespace softndk::provider {
namespace {

using Query = decltype(NDIS_OID_REQUEST::DATA)::_QUERY;
using Set = decltype(NDIS_OID_REQUEST::DATA)::_SET;

constexpr NDIS_OID kOurs[] = {OID_GEN_SUPPORTED_LIST, OID_NDK_SET_STATE,       OID_NDK_STATISTICS,
                              OID_NDK_CONNECTIONS,    OID_NDK_LOCAL_ENDPOINTS, kOidDeviceWorks};

NDIS_STATUS too_short(Query& query, std::size_t needed_bytes) noexcept {
  query.BytesNeeded = static_cast<UINT>(needed_bytes);
  return NDIS_STATUS_BUFFER_TOO_SHORT;
}

NDIS_STATUS copy_out(Query& query, const void* from, std::size_t bytes) noexcept {
  if (query.InformationBufferLength < bytes) return too_short(query, bytes);
  std::memcpy(query.InformationBuffer, from, bytes);
  query.BytesWritten = static_cast<UINT>(bytes);
  return NDIS_STATUS_SUCCESS;
}

/// Both lists: a header of 16 bytes, then entries (R-OID-13).
template <class List, class Entry, class Fill>
NDIS_STATUS list_out(Query& query, std::size_t header_bytes, UCHAR revision, BOOLEAN List::*mapped,
                     Fill&& fill) noexcept {
  const std::size_t needed = header_bytes + fill(std::span<Entry>()) * sizeof(Entry);
  if (query.InformationBufferLength < needed) return too_short(query, needed);
  auto* bytes = static_cast<std::uint8_t*>(query.InformationBuffer);
  const std::size_t room = (query.InformationBufferLength - header_bytes) / sizeof(Entry);
  // The list may have grown since it was counted: entries come in pairs, and a pair that does not fit is left out.
  const std::size_t count =
      std::min(fill(std::span<Entry>(reinterpret_cast<Entry*>(bytes + header_bytes), room)), room & ~std::size_t{1});
  const std::size_t written = header_bytes + count * sizeof(Entry);
  auto* list = reinterpret_cast<List*>(bytes);
  list->Header.Type = NDIS_OBJECT_TYPE_DEFAULT;
  list->Header.Revision = revision;
  list->Header.Size = static_cast<USHORT>(std::min<std::size_t>(written, MAXUSHORT));
  list->Flags = 0;
  list->Count = static_cast<ULONG>(count);
  list->*mapped = TRUE;  // R-OID-09: an ND port is the TCP port of that number
  query.BytesWritten = static_cast<UINT>(written);
  return NDIS_STATUS_SUCCESS;
}

NDIS_STATUS answer_query(MiniportAdapter& adapter, Query& query) noexcept {
  switch (query.Oid) {
    case OID_GEN_SUPPORTED_LIST: {
      NDIS_OID supported[std::size(kOurs) + std::size(kGeneralOids)];
      std::copy(std::begin(kGeneralOids), std::end(kGeneralOids),
                std::copy(std::begin(kOurs), std::end(kOurs), supported));
      return copy_out(query, supported, sizeof supported);
    }
    case OID_NDK_STATISTICS: {
      const NDIS_NDK_STATISTICS_INFO statistics = adapter.statistics();
      return copy_out(query, &statistics, sizeof statistics);
    }
    case OID_NDK_CONNECTIONS:
      return list_out<NDIS_NDK_CONNECTIONS, NDIS_NDK_CONNECTION_ENTRY>(
          query, NDIS_SIZEOF_NDK_CONNECTIONS_REVISION_1(0), NDIS_NDK_CONNECTIONS_REVISION_1,
          &NDIS_NDK_CONNECTIONS::NDConnectionsMappedtoTCPConnections,
          [&](auto entries) { return adapter.connections(entries); });
    case OID_NDK_LOCAL_ENDPOINTS:
      return list_out<NDIS_NDK_LOCAL_ENDPOINTS, NDIS_NDK_LOCAL_ENDPOINT_ENTRY>(
          query, NDIS_SIZEOF_NDK_LOCAL_ENDPOINTS_REVISION_1(0), NDIS_NDK_LOCAL_ENDPOINTS_REVISION_1,
          &NDIS_NDK_LOCAL_ENDPOINTS::NDLocalEndpointsMappedtoTCPLocalEndpoints,
          [&](auto entries) { return adapter.local_endpoints(entries); });
    default: {
      const GeneralAnswer answer = general_answer(adapter, query.Oid, query.InformationBufferLength);
      if (answer.bytes == 0) return NDIS_STATUS_NOT_SUPPORTED;
      return copy_out(query, answer.data, answer.bytes);
    }
  }
}

NDIS_STATUS answer_set(MiniportAdapter& adapter, Set& set, const StateChanges& changes) noexcept {
  if (set.Oid != OID_NDK_SET_STATE && set.Oid != kOidDeviceWorks) return general_set(set);
  if (set.InformationBufferLength != sizeof(BOOLEAN)) {
    set.BytesNeeded = sizeof(BOOLEAN);
    return NDIS_STATUS_INVALID_LENGTH;
  }
  const bool value = *static_cast<const BOOLEAN*>(set.InformationBuffer) != FALSE;
  set.BytesRead = sizeof(BOOLEAN);
  if (set.Oid == kOidDeviceWorks) return changes.device_works(changes.context, value);
  if (value && !adapter.settings().network_direct) return NDIS_STATUS_SUCCESS;  // R-OID-03
  return changes.set_state(changes.context, value);
}

}  // namespace

NDIS_STATUS answer_oid(MiniportAdapter& adapter, NDIS_OID_REQUEST& request, const StateChanges& changes) noexcept {
  switch (request.RequestType) {
    case NdisRequestQueryInformation:
    case NdisRequestQueryStatistics:
      return answer_query(adapter, request.DATA.QUERY_INFORMATION);
    case NdisRequestSetInformation:
      return answer_set(adapter, request.DATA.SET_INFORMATION, changes);
    default:
      return NDIS_STATUS_NOT_SUPPORTED;
  }
}

}  // namespace softndk::provider
