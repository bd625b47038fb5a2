#pragma once
// SOCKADDRs of the interface and our addresses (spec/ndkpi.md 2.11). The only place that knows Windows' family values
// and byte order (R-ABI-02, R-ABI-03).
#include "base/address.h"
#include "base/expected.h"
#include "wdk/ndkpi.h"
#include "wdk/ws2ipdef.h"

namespace softndk::provider {

/// Copies what the consumer passed (R-REQ-05). STATUS_INVALID_PARAMETER for NULL (R-IRQL-04), STATUS_INVALID_ADDRESS
/// for a length below that of the family, or another family than IPv4 and IPv6 (R-CNCT-08).
expected<Address, NTSTATUS> read_sockaddr(const SOCKADDR* from, ULONG length_bytes) noexcept;

/// The answer of the four address queries (R-ADR-01, R-ADR-02, R-ADR-03): *length_bytes is the room, then the size.
/// STATUS_BUFFER_TOO_SMALL leaves `to` as it was; a NULL `to` with too little room asks for the size.
NTSTATUS write_sockaddr(const Address& address, SOCKADDR* to, ULONG* length_bytes) noexcept;

/// For the OIDs (R-OID-16); all 28 octets are written.
void write_sockaddr_inet(const Address& address, SOCKADDR_INET& to) noexcept;

}  // namespace softndk::provider
