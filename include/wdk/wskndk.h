// WSK's extension for NDK: how a kernel consumer opens an adapter (spec/ndkpi.md 4.8).
#ifndef SOFTNDK_WDK_WSKNDK_H
#define SOFTNDK_WDK_WSKNDK_H

#include "ndkpi.h"
#include "wsk.h"

/// STATUS_NOT_FOUND: no such interface; otherwise the status of the miniport's open handler. IRQL PASSIVE_LEVEL.
typedef NTSTATUS(WSKAPI* PFN_WSK_NDK_OPEN_ADAPTER)(_In_ PWSK_CLIENT Client, _In_ NDK_VERSION NdkVersion,
                                                   _In_ NET_IFINDEX IfIndex, _Out_ NDK_ADAPTER** ppNdkAdapter);
/// Returns when nothing that descends from the adapter can call back any more. IRQL PASSIVE_LEVEL.
typedef VOID(WSKAPI* PFN_WSK_NDK_CLOSE_ADAPTER)(_In_ PWSK_CLIENT Client, _In_ NDK_ADAPTER* pNdkAdapter);

typedef struct _WSK_PROVIDER_NDK_DISPATCH {
  PFN_WSK_NDK_OPEN_ADAPTER WskOpenNdkAdapter;
  PFN_WSK_NDK_CLOSE_ADAPTER WskCloseNdkAdapter;
} WSK_PROVIDER_NDK_DISPATCH, *PWSK_PROVIDER_NDK_DISPATCH;

/// Control code of WskControlClient whose output is the structure above: the characters N D K D.
#define WSKNDK_GET_WSK_PROVIDER_NDK_DISPATCH ((ULONG)0x4E444B44)

#include "detail/old_sal.h"

#endif
