// What an NDK provider and NDIS say to each other: registration, open, close (spec/ndkpi.md 4.2, 4.3).
#ifndef SOFTNDK_WDK_NDISNDK_H
#define SOFTNDK_WDK_NDISNDK_H

#include "ndkpi.h"
#include "ntddndis.h"

#define NETWORK_DIRECT_GLOBAL_FLAGS_ALLOW_REMOTE_IP_SUBNET 0x00000001

typedef struct _NDIS_OPEN_NDK_ADAPTER_PARAMETERS {
  NDK_VERSION Version;
  NDIS_NIC_SWITCH_ID SwitchId;       // since NDIS 6.50
  NDIS_NIC_SWITCH_VPORT_ID VPortId;  // since NDIS 6.50
} NDIS_OPEN_NDK_ADAPTER_PARAMETERS, *PNDIS_OPEN_NDK_ADAPTER_PARAMETERS;

/// NDIS_STATUS_SUCCESS, _BAD_VERSION, _ADAPTER_NOT_READY (NDK is disabled) or _RESOURCES. IRQL PASSIVE_LEVEL.
typedef NDIS_STATUS (*OPEN_NDK_ADAPTER_HANDLER)(_In_ NDIS_HANDLE MiniportAdapterContext,
                                                _In_ PNDIS_OPEN_NDK_ADAPTER_PARAMETERS Parameters,
                                                _Outptr_ NDK_ADAPTER** ppNdkAdapter);
/// Blocks until every descendant is closed and no callback can come any more. IRQL PASSIVE_LEVEL.
typedef VOID (*CLOSE_NDK_ADAPTER_HANDLER)(_In_ NDIS_HANDLE MiniportAdapterContext, _In_ NDK_ADAPTER* pNdkAdapter);

#define NDIS_NDK_PROVIDER_CHARACTERISTICS_REVISION_1 1

/// The driver fills the header (C-87).
typedef struct _NDIS_NDK_PROVIDER_CHARACTERISTICS {
  NDIS_OBJECT_HEADER Header;
  ULONG Flags;  // 0
  OPEN_NDK_ADAPTER_HANDLER OpenNDKAdapterHandler;
  CLOSE_NDK_ADAPTER_HANDLER CloseNDKAdapterHandler;
} NDIS_NDK_PROVIDER_CHARACTERISTICS, *PNDIS_NDK_PROVIDER_CHARACTERISTICS;
#define NDIS_SIZEOF_NDK_PROVIDER_CHARACTERISTICS_REVISION_1 \
  RTL_SIZEOF_THROUGH_FIELD(NDIS_NDK_PROVIDER_CHARACTERISTICS, CloseNDKAdapterHandler)

#include "detail/old_sal.h"

#endif
