// What describes an NDK adapter: version, limits, flags, technology (spec/ndkpi.md 4.3, 5.2, 5.3).
#ifndef SOFTNDK_WDK_NDKINFO_H
#define SOFTNDK_WDK_NDKINFO_H

#include "ntdef.h"

typedef struct _NDK_VERSION {
  USHORT Major;
  USHORT Minor;
} NDK_VERSION, *PNDK_VERSION;

#define NDK_ADAPTER_FLAG_IN_ORDER_DMA_SUPPORTED 0x00000001
#define NDK_ADAPTER_FLAG_RDMA_READ_SINK_NOT_REQUIRED 0x00000002
#define NDK_ADAPTER_FLAG_CQ_INTERRUPT_MODERATION_SUPPORTED 0x00000004
#define NDK_ADAPTER_FLAG_MULTI_ENGINE_SUPPORTED 0x00000008
#define NDK_ADAPTER_FLAG_RDMA_READ_LOCAL_INVALIDATE_SUPPORTED 0x00000010
#define NDK_ADAPTER_FLAG_CQ_RESIZE_SUPPORTED 0x00000100
#define NDK_ADAPTER_FLAG_LOOPBACK_CONNECTIONS_SUPPORTED 0x00010000

typedef enum _NDK_RDMA_TECHNOLOGY {
  NdkUndefined = 0,
  NdkiWarp = 1,
  NdkInfiniBand = 2,
  NdkRoCE = 3,
  NdkRoCEv2 = 4,
  NdkMaxTechnology = 5
} NDK_RDMA_TECHNOLOGY;

typedef struct _NDK_ADAPTER_INFO {
  NDK_VERSION Version;
  UINT32 VendorId;
  UINT32 DeviceId;
  SIZE_T MaxRegistrationSize;  // bytes
  SIZE_T MaxWindowSize;        // bytes
  ULONG FRMRPageCount;
  ULONG MaxInitiatorRequestSge;
  ULONG MaxReceiveRequestSge;
  ULONG MaxReadRequestSge;
  ULONG MaxTransferLength;  // bytes over all SGEs of one request
  ULONG MaxInlineDataSize;  // bytes
  ULONG MaxInboundReadLimit;
  ULONG MaxOutboundReadLimit;
  ULONG MaxReceiveQueueDepth;
  ULONG MaxInitiatorQueueDepth;
  ULONG MaxSrqDepth;
  ULONG MaxCqDepth;
  ULONG LargeRequestThreshold;  // bytes; from here on read and write beat send and receive
  ULONG MaxCallerData;          // bytes of private data with a connect
  ULONG MaxCalleeData;          // bytes of private data with an accept or reject
  ULONG AdapterFlags;
  NDK_RDMA_TECHNOLOGY RdmaTechnology;  // since 2.0
} NDK_ADAPTER_INFO, *PNDK_ADAPTER_INFO;

/// NDK_ADAPTER_INFO as WMI hands it to user mode: the same fields, all of a fixed width.
typedef struct _NDK_WMI_ADAPTER_INFO {
  NDK_VERSION Version;
  UINT32 VendorId;
  UINT32 DeviceId;
  UINT64 MaxRegistrationSize;
  UINT64 MaxWindowSize;
  UINT32 FRMRPageCount;
  UINT32 MaxInitiatorRequestSge;
  UINT32 MaxReceiveRequestSge;
  UINT32 MaxReadRequestSge;
  UINT32 MaxTransferLength;
  UINT32 MaxInlineDataSize;
  UINT32 MaxInboundReadLimit;
  UINT32 MaxOutboundReadLimit;
  UINT32 MaxReceiveQueueDepth;
  UINT32 MaxInitiatorQueueDepth;
  UINT32 MaxSrqDepth;
  UINT32 MaxCqDepth;
  UINT32 LargeRequestThreshold;
  UINT32 MaxCallerData;
  UINT32 MaxCalleeData;
  UINT32 AdapterFlags;
  NDK_RDMA_TECHNOLOGY RdmaTechnology;  // since revision 2
} NDK_WMI_ADAPTER_INFO, *PNDK_WMI_ADAPTER_INFO;

#define NDK_SIZEOF_ADAPTER_INFO_1 offsetof(NDK_ADAPTER_INFO, RdmaTechnology)
#define NDK_SIZEOF_WMI_ADAPTER_INFO_REVISION_1 offsetof(NDK_WMI_ADAPTER_INFO, RdmaTechnology)
#define NDK_SIZEOF_WMI_ADAPTER_INFO_REVISION_2 sizeof(NDK_WMI_ADAPTER_INFO)

#endif
