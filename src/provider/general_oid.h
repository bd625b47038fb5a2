#pragma once
// The OIDs that every miniport answers, whatever it is for (R-NDIS-12): Microsoft's list of mandatory OIDs. This
// miniport carries RDMA and no packets of a protocol driver's, so sizes are those of plain Ethernet, and what is
// counted is what its connections send and receive.
#include <cstdint>

#include "provider/miniport_adapter.h"
#include "wdk/ndis.h"

namespace softndk::provider {

/// But for the supported list, which names these too.
inline constexpr NDIS_OID kGeneralOids[] = {OID_GEN_CURRENT_PACKET_FILTER,
                                            OID_GEN_CURRENT_LOOKAHEAD,
                                            OID_GEN_LINK_PARAMETERS,
                                            OID_GEN_INTERRUPT_MODERATION,
                                            OID_GEN_MAXIMUM_FRAME_SIZE,
                                            OID_GEN_MAXIMUM_TOTAL_SIZE,
                                            OID_GEN_TRANSMIT_BUFFER_SPACE,
                                            OID_GEN_RECEIVE_BUFFER_SPACE,
                                            OID_GEN_TRANSMIT_BLOCK_SIZE,
                                            OID_GEN_RECEIVE_BLOCK_SIZE,
                                            OID_GEN_VENDOR_ID,
                                            OID_GEN_VENDOR_DESCRIPTION,
                                            OID_GEN_VENDOR_DRIVER_VERSION,
                                            OID_GEN_STATISTICS,
                                            OID_GEN_XMIT_OK,
                                            OID_GEN_RCV_OK};

struct GeneralAnswer {
  std::size_t bytes = 0;  ///< 0: none of those, or one that is only set
  alignas(8) std::uint8_t data[sizeof(NDIS_STATISTICS_INFO)] = {};
};
/// A counter is of 64 bits, or of 32 where there is room for no more.
GeneralAnswer general_answer(MiniportAdapter& adapter, NDIS_OID oid, std::size_t room_bytes) noexcept;

/// Filters and lookahead are taken and change nothing, as no packets come; NDIS_STATUS_INVALID_LENGTH, with what is
/// needed; NDIS_STATUS_INVALID_DATA for what this miniport cannot do; NDIS_STATUS_NOT_SUPPORTED: none of those.
NDIS_STATUS general_set(decltype(NDIS_OID_REQUEST::DATA)::_SET& set) noexcept;

}  // namespace softndk::provider
