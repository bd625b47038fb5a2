#pragma once
// The OIDs of an NDK miniport (spec/ndkpi.md 4.5).
#include "provider/miniport_adapter.h"
#include "wdk/ndis.h"

namespace softndk::provider {

/// What to do about OID_NDK_SET_STATE; the caller does it outside the request (R-PNP-05).
using SetState = NDIS_STATUS (*)(void* context, bool enable) noexcept;

/// MiniportOidRequest, and direct requests. Never NDIS_STATUS_PENDING (R-OID-04). A wrong length is answered with what
/// would be needed, and nothing is written (R-OID-05, R-OID-14). NDIS_STATUS_NOT_SUPPORTED: not an OID of ours.
NDIS_STATUS answer_oid(MiniportAdapter& adapter, NDIS_OID_REQUEST& request, SetState set_state, void* context) noexcept;

}  // namespace softndk::provider
