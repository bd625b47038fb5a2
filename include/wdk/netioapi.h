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

EXTERN_C_START

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
