#pragma once
// The OIDs of an NDK miniport (spec/ndkpi.md 4.5).
#include "provider/miniport_adapter.h"
#include "wdk/ndis.h"

namespace softndk::provider {

/// What to do about the two OIDs that change the state; the caller does it outside the request (R-PNP-05).
struct StateChanges {
  using Change = NDIS_STATUS (*)(void* context, bool to) noexcept;
  Change set_state;     ///< OID_NDK_SET_STATE
  Change device_works;  ///< kOidDeviceWorks
  void* context;
};

/// A private OID (BOOLEAN): the device has failed, or works again, whether it did or somebody wants to see what a
/// driver makes of it (R-PNP-02). SOFTNDK_OID_DEVICE_WORKS of softndk.h.
inline constexpr NDIS_OID kOidDeviceWorks = 0xFF4E4401;

/// MiniportOidRequest, and direct requests. Never NDIS_STATUS_PENDING (R-OID-04). A wrong length is answered with what
/// would be needed, and nothing is written (R-OID-05, R-OID-14). NDIS_STATUS_NOT_SUPPORTED: not an OID of ours.
NDIS_STATUS answer_oid(MiniportAdapter& adapter, NDIS_OID_REQUEST& request, const StateChanges& changes) noexcept;

}  // namespace softndk::provider
