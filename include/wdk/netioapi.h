// Interfaces by index, LUID and alias. All three succeed for every index on which WskOpenNdkAdapter does.
// STATUS_SUCCESS, STATUS_INVALID_PARAMETER, or STATUS_NOT_FOUND for an interface that is not there. IRQL PASSIVE_LEVEL.
#ifndef SOFTNDK_WDK_NETIOAPI_H
#define SOFTNDK_WDK_NETIOAPI_H

#include "ifdef.h"
#include "ip2string.h"
#include "ntdef.h"
#include "ntstatus.h"
#include "ws2ipdef.h"

typedef NTSTATUS NETIO_STATUS;
#define NETIOAPI_API SOFTNDK_API NETIO_STATUS NETIOAPI_API_

typedef struct _IP_ADDRESS_PREFIX {
  SOCKADDR_INET Prefix;
  UINT8 PrefixLength;
} IP_ADDRESS_PREFIX, *PIP_ADDRESS_PREFIX;

typedef struct _MIB_IPFORWARD_ROW2 {
  NET_LUID InterfaceLuid;
  NET_IFINDEX InterfaceIndex;
  IP_ADDRESS_PREFIX DestinationPrefix;
  SOCKADDR_INET NextHop;
  UCHAR SitePrefixLength;
  ULONG ValidLifetime;
  ULONG PreferredLifetime;
  ULONG Metric;
  ULONG Protocol;
  BOOLEAN Loopback;
  BOOLEAN AutoconfigureAddress;
  BOOLEAN Publish;
  BOOLEAN Immortal;
  ULONG Age;
  ULONG Origin;
} MIB_IPFORWARD_ROW2, *PMIB_IPFORWARD_ROW2;
SOFTNDK_STATIC_ASSERT(sizeof(MIB_IPFORWARD_ROW2) == 104, "Windows x64 layout");

EXTERN_C_START

/// Where traffic to a destination leaves: its interface and the source address on it. Of the row only InterfaceLuid,
/// InterfaceIndex, DestinationPrefix (the destination itself) and Loopback are told. The arguments that narrow the
/// choice (interface, source) are NULL or agree with the outcome. STATUS_NETWORK_UNREACHABLE.
NETIOAPI_API GetBestRoute2(_In_opt_ NET_LUID* InterfaceLuid, _In_ NET_IFINDEX InterfaceIndex,
                           _In_opt_ const SOCKADDR_INET* SourceAddress, _In_ const SOCKADDR_INET* DestinationAddress,
                           _In_ ULONG AddressSortOptions, _Out_ PMIB_IPFORWARD_ROW2 BestRoute,
                           _Out_ SOCKADDR_INET* BestSourceAddress) SOFTNDK_NOEXCEPT;

NETIOAPI_API ConvertInterfaceIndexToLuid(_In_ NET_IFINDEX InterfaceIndex,
                                         _Out_ PNET_LUID InterfaceLuid) SOFTNDK_NOEXCEPT;
NETIOAPI_API ConvertInterfaceLuidToIndex(_In_ const NET_LUID* InterfaceLuid,
                                         _Out_ PNET_IFINDEX InterfaceIndex) SOFTNDK_NOEXCEPT;
/// `Length` counts characters, terminator included; STATUS_INVALID_PARAMETER or, when too small,
/// STATUS_BUFFER_TOO_SMALL. 257 always suffice.
NETIOAPI_API ConvertInterfaceLuidToAlias(_In_ const NET_LUID* InterfaceLuid, _Out_writes_(Length) PWSTR InterfaceAlias,
                                         _In_ SIZE_T Length) SOFTNDK_NOEXCEPT;

EXTERN_C_END

#include "detail/old_sal.h"

#endif
