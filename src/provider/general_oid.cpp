#include "provider/general_oid.h"

#include <cstring>

namespace softndk::provider {
namespace {

constexpr ULONG kFrameBytesMax = 1500;
constexpr ULONG kHeaderBytes = 14;
constexpr ULONG kBufferBytes = 64 * 1024;
constexpr ULONG kNoVendor = 0x00FFFFFF;  // three octets of the IEEE, which has given us none
constexpr char kDescription[] = "SoftNDK software RDMA adapter";
constexpr ULONG kDriverVersion = 0x00010000;  // major, minor

GeneralAnswer answer_of(const void* from, std::size_t bytes) noexcept {
  GeneralAnswer answer;
  answer.bytes = bytes;
  std::memcpy(answer.data, from, bytes);
  return answer;
}

GeneralAnswer number(ULONG value) noexcept {
  return answer_of(&value, sizeof value);
}

GeneralAnswer counter(ULONG64 value, std::size_t room_bytes) noexcept {
  const bool is_narrow = room_bytes >= sizeof(ULONG) && room_bytes < sizeof value;
  return is_narrow ? number(static_cast<ULONG>(value)) : answer_of(&value, sizeof value);
}

NDIS_STATISTICS_INFO statistics_of(MiniportAdapter& adapter) noexcept {
  const NDIS_NDK_PERFORMANCE_COUNTERS counters = adapter.statistics().CounterSet;
  NDIS_STATISTICS_INFO info{};
  info.Header = {NDIS_OBJECT_TYPE_DEFAULT, NDIS_STATISTICS_INFO_REVISION_1, NDIS_SIZEOF_STATISTICS_INFO_REVISION_1};
  info.SupportedStatistics = NDIS_STATISTICS_FLAGS_VALID_DIRECTED_FRAMES_RCV | NDIS_STATISTICS_FLAGS_VALID_BYTES_RCV |
                             NDIS_STATISTICS_FLAGS_VALID_DIRECTED_FRAMES_XMIT | NDIS_STATISTICS_FLAGS_VALID_BYTES_XMIT;
  info.ifHCInOctets = counters.RDMAInOctets;
  info.ifHCInUcastPkts = counters.RDMAInFrames;
  info.ifHCOutOctets = counters.RDMAOutOctets;
  info.ifHCOutUcastPkts = counters.RDMAOutFrames;
  return info;
}

}  // namespace

GeneralAnswer general_answer(MiniportAdapter& adapter, NDIS_OID oid, std::size_t room_bytes) noexcept {
  switch (oid) {
    case OID_GEN_MAXIMUM_FRAME_SIZE:
      return number(kFrameBytesMax);
    case OID_GEN_MAXIMUM_TOTAL_SIZE:
    case OID_GEN_TRANSMIT_BLOCK_SIZE:
    case OID_GEN_RECEIVE_BLOCK_SIZE:
      return number(kFrameBytesMax + kHeaderBytes);
    case OID_GEN_TRANSMIT_BUFFER_SPACE:
    case OID_GEN_RECEIVE_BUFFER_SPACE:
      return number(kBufferBytes);
    case OID_GEN_VENDOR_ID:
      return number(kNoVendor);
    case OID_GEN_VENDOR_DESCRIPTION:
      return answer_of(kDescription, sizeof kDescription);
    case OID_GEN_VENDOR_DRIVER_VERSION:
      return number(kDriverVersion);
    case OID_GEN_XMIT_OK:
      return counter(adapter.statistics().CounterSet.RDMAOutFrames, room_bytes);
    case OID_GEN_RCV_OK:
      return counter(adapter.statistics().CounterSet.RDMAInFrames, room_bytes);
    case OID_GEN_STATISTICS: {
      const NDIS_STATISTICS_INFO info = statistics_of(adapter);
      return answer_of(&info, sizeof info);
    }
    case OID_GEN_INTERRUPT_MODERATION: {
      NDIS_INTERRUPT_MODERATION_PARAMETERS parameters{};
      parameters.Header = {NDIS_OBJECT_TYPE_DEFAULT, NDIS_INTERRUPT_MODERATION_PARAMETERS_REVISION_1,
                           NDIS_SIZEOF_INTERRUPT_MODERATION_PARAMETERS_REVISION_1};
      parameters.InterruptModeration = NdisInterruptModerationNotSupported;  // of completion queues only (3.11)
      return answer_of(&parameters, sizeof parameters);
    }
    default:
      return {};
  }
}

NDIS_STATUS general_set(decltype(NDIS_OID_REQUEST::DATA)::_SET& set) noexcept {
  UINT needed = 0;
  NDIS_STATUS status = NDIS_STATUS_SUCCESS;
  switch (set.Oid) {
    case OID_GEN_CURRENT_PACKET_FILTER:
    case OID_GEN_CURRENT_LOOKAHEAD:
      needed = sizeof(ULONG);
      break;
    case OID_GEN_LINK_PARAMETERS:
      needed = NDIS_SIZEOF_LINK_PARAMETERS_REVISION_1;
      break;
    case OID_GEN_INTERRUPT_MODERATION:
      needed = NDIS_SIZEOF_INTERRUPT_MODERATION_PARAMETERS_REVISION_1;
      status = NDIS_STATUS_INVALID_DATA;
      break;
    default:
      return NDIS_STATUS_NOT_SUPPORTED;
  }
  if (set.InformationBufferLength < needed) {
    set.BytesNeeded = needed;
    return NDIS_STATUS_INVALID_LENGTH;
  }
  if (set.Oid == OID_GEN_CURRENT_LOOKAHEAD) {
    ULONG lookahead = 0;
    std::memcpy(&lookahead, set.InformationBuffer, sizeof lookahead);
    if (lookahead > kFrameBytesMax) return NDIS_STATUS_INVALID_DATA;
  }
  set.BytesRead = needed;
  return status;
}

}  // namespace softndk::provider
