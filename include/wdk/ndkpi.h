// The Network Direct Kernel Provider Interface, versions 1.1 to 2.1.
//
// Order of members and of parameters is the ABI. Three functions break the pattern of their neighbours:
// NdkSendAndInvalidate takes its token after the flags (C-47), NdkReject takes the pointer before the length (C-60) and
// NdkFastRegister takes its page array fifth (C-80).
//
// Where no comment says otherwise a function may be called at IRQL <= DISPATCH_LEVEL and returns STATUS_PENDING when
// its completion callback will follow, exactly once. spec/ndkpi.md has a card for each.
#ifndef SOFTNDK_WDK_NDKPI_H
#define SOFTNDK_WDK_NDKPI_H

#include "ndkinfo.h"
#include "wdm.h"
#include "ws2def.h"
#include "ws2ipdef.h"

#define NDK_CQ_NOTIFY_ERRORS 0
#define NDK_CQ_NOTIFY_ANY 1
#define NDK_CQ_NOTIFY_SOLICITED 2

#define NDK_MR_FLAG_ALLOW_LOCAL_READ 0x00000000
#define NDK_MR_FLAG_ALLOW_LOCAL_WRITE 0x00000001
#define NDK_MR_FLAG_ALLOW_REMOTE_READ 0x00000002
#define NDK_MR_FLAG_ALLOW_REMOTE_WRITE (0x00000004 | NDK_MR_FLAG_ALLOW_LOCAL_WRITE)
#define NDK_MR_FLAG_RDMA_READ_SINK 0x00000008

#define NDK_OP_FLAG_SILENT_SUCCESS 0x00000001
#define NDK_OP_FLAG_READ_FENCE 0x00000002
#define NDK_OP_FLAG_SEND_AND_SOLICIT_EVENT 0x00000004
#define NDK_OP_FLAG_ALLOW_REMOTE_READ 0x00000008
#define NDK_OP_FLAG_ALLOW_LOCAL_WRITE 0x00000010
#define NDK_OP_FLAG_ALLOW_REMOTE_WRITE (0x00000020 | NDK_OP_FLAG_ALLOW_LOCAL_WRITE)
#define NDK_OP_FLAG_INLINE 0x00000040
#define NDK_OP_FLAG_RDMA_READ_SINK 0x00000080
#define NDK_OP_FLAG_RDMA_READ_LOCAL_INVALIDATE 0x00000100  // since 1.2
#define NDK_OP_FLAG_DEFER 0x00000200                       // since 1.2

typedef enum _NDK_OBJECT_TYPE {
  NdkObjectTypeUndefined = 0,
  NdkObjectTypeAdapter = 1,
  NdkObjectTypeQp = 2,
  NdkObjectTypeCq = 3,
  NdkObjectTypeMr = 4,
  NdkObjectTypeMw = 5,
  NdkObjectTypePd = 6,
  NdkObjectTypeSharedEndpoint = 7,
  NdkObjectTypeConnector = 8,
  NdkObjectTypeListener = 9,
  NdkObjectTypeSrq = 10,
  NdkObjectTypeMax = 11
} NDK_OBJECT_TYPE;

/// NDK_RESULT_EX.Type.
typedef enum _NDK_OPERATION_TYPE {
  NdkOperationTypeReceive = 1,
  NdkOperationTypeReceiveAndInvalidate = 0x8001,
  NdkOperationTypeSend = 2,
  NdkOperationTypeFastRegister = 4,
  NdkOperationTypeBind = 8,
  NdkOperationTypeInvalidate = 16,
  NdkOperationTypeRead = 32,
  NdkOperationTypeWrite = 64
} NDK_OPERATION_TYPE;

// Objects. Each begins with its header and its dispatch table; the provider's own data follows. The provider writes
// both once, before it hands the object over; afterwards they are the consumer side's (R-OBJ-04, R-OBJ-06).

typedef struct _NDK_OBJECT_HEADER_RESERVED_BLOCK {
  PVOID rf[4];
} NDK_OBJECT_HEADER_RESERVED_BLOCK;

typedef struct _NDK_OBJECT_HEADER {
  NDK_VERSION Version;
  NDK_OBJECT_TYPE ObjectType;
  NDK_OBJECT_HEADER_RESERVED_BLOCK NdkReserved;
} NDK_OBJECT_HEADER, *PNDK_OBJECT_HEADER;

typedef struct _NDK_EXTENSION_INTERFACE {
  const VOID* Dispatch;
} NDK_EXTENSION_INTERFACE, *PNDK_EXTENSION_INTERFACE;

#define SOFTNDK_NDK_OBJECT(name)                                                        \
  typedef struct _NDK_##name##_DISPATCH NDK_##name##_DISPATCH, *PNDK_##name##_DISPATCH; \
  typedef struct _NDK_##name {                                                          \
    NDK_OBJECT_HEADER Header;                                                           \
    const NDK_##name##_DISPATCH* Dispatch;                                              \
  } NDK_##name, *PNDK_##name

SOFTNDK_NDK_OBJECT(ADAPTER);
SOFTNDK_NDK_OBJECT(QP);
SOFTNDK_NDK_OBJECT(CQ);
SOFTNDK_NDK_OBJECT(MR);
SOFTNDK_NDK_OBJECT(MW);
SOFTNDK_NDK_OBJECT(PD);
SOFTNDK_NDK_OBJECT(SHARED_ENDPOINT);
SOFTNDK_NDK_OBJECT(CONNECTOR);
SOFTNDK_NDK_OBJECT(LISTENER);
SOFTNDK_NDK_OBJECT(SRQ);
#undef SOFTNDK_NDK_OBJECT

// Plain data

typedef PHYSICAL_ADDRESS NDK_LOGICAL_ADDRESS, *PNDK_LOGICAL_ADDRESS;

/// A LAM: memory of the consumer that NdkBuildLAM fills; AdapterPageArray has AdapterPageCount elements.
typedef struct _NDK_LOGICAL_ADDRESS_MAPPING {
  PVOID AdapterContext;
  ULONG AdapterPageCount;
  NDK_LOGICAL_ADDRESS AdapterPageArray[1];
} NDK_LOGICAL_ADDRESS_MAPPING, *PNDK_LOGICAL_ADDRESS_MAPPING;

/// VirtualAddress with an MR's token, LogicalAddress with the privileged memory region's.
typedef struct _NDK_SGE {
  __extension__ union {
    PVOID VirtualAddress;
    NDK_LOGICAL_ADDRESS LogicalAddress;
  };
  ULONG Length;
  UINT32 MemoryRegionToken;
} NDK_SGE, *PNDK_SGE;

typedef struct _NDK_RESULT {
  NTSTATUS Status;
  ULONG BytesTransferred;  // receives only
  PVOID QPContext;
  PVOID RequestContext;
} NDK_RESULT, *PNDK_RESULT;

typedef struct _NDK_RESULT_EX {
  NTSTATUS Status;
  ULONG BytesTransferred;
  PVOID QPContext;
  PVOID RequestContext;
  NDK_OPERATION_TYPE Type;
  ULONG ProviderErrorCode;               // since 2.1, padding before
  ULONG64 TypeSpecificCompletionOutput;  // ReceiveAndInvalidate: the token that was invalidated
} NDK_RESULT_EX, *PNDK_RESULT_EX;

// Callbacks of the consumer. They run at or below DISPATCH_LEVEL; any provider function may be called inside.

/// `pNdkObject` is NULL unless Status is STATUS_SUCCESS (C-04).
typedef VOID (*NDK_FN_CREATE_COMPLETION)(_In_opt_ PVOID Context, _In_ NTSTATUS Status,
                                         _In_ NDK_OBJECT_HEADER* pNdkObject);
typedef VOID (*NDK_FN_REQUEST_COMPLETION)(_In_opt_ PVOID Context, _In_ NTSTATUS Status);
typedef VOID (*NDK_FN_CLOSE_COMPLETION)(_In_opt_ PVOID Context);
typedef VOID (*NDK_FN_CQ_NOTIFICATION_CALLBACK)(_In_opt_ PVOID CqNotificationContext, _In_ NTSTATUS CqStatus);
typedef VOID (*NDK_FN_SRQ_NOTIFICATION_CALLBACK)(_In_opt_ PVOID SrqNotificationContext, _In_ NTSTATUS SrqStatus);
/// The connector is the consumer's to close from here on.
typedef VOID (*NDK_FN_CONNECT_EVENT_CALLBACK)(_In_opt_ PVOID ConnectEventContext, _In_ NDK_CONNECTOR* pNdkConnector);
typedef VOID (*NDK_FN_DISCONNECT_EVENT_CALLBACK)(_In_opt_ PVOID DisconnectEventContext);
/// Since 2.1. Reason 0: the provider offers none.
typedef VOID (*NDK_FN_DISCONNECT_EVENT_CALLBACK_EX)(_In_opt_ PVOID DisconnectEventContext,
                                                    _In_ ULONG ProviderDisconnectReason);

// Every object

/// STATUS_SUCCESS or STATUS_PENDING, nothing else (C-06).
typedef NTSTATUS (*NDK_FN_CLOSE_OBJECT)(_In_ NDK_OBJECT_HEADER* pNdkObject,
                                        _In_ NDK_FN_CLOSE_COMPLETION CloseCompletion, _In_opt_ PVOID RequestContext);
typedef NTSTATUS (*NDK_FN_QUERY_EXTENSION_INTERFACE)(_In_ NDK_OBJECT_HEADER* pNdkObject,
                                                     _In_ const GUID* ExtensionInterfaceID,
                                                     _In_ NDK_VERSION ExtensionInterfaceVersion,
                                                     _Out_ NDK_EXTENSION_INTERFACE* pExtensionInterface);

// Adapter

/// IRQL  PASSIVE_LEVEL
typedef NTSTATUS (*NDK_FN_QUERY_ADAPTER_INFO)(_In_ NDK_ADAPTER* pNdkAdapter,
                                              _Out_writes_bytes_opt_(*pBufferSize) NDK_ADAPTER_INFO* pInfo,
                                              _Inout_ ULONG* pBufferSize);
/// In no table (R-TBL-02).
typedef NTSTATUS (*NDK_FN_QUERY_ADAPTER_INFO_EX)(_In_ NDK_ADAPTER* pNdkAdapter, _In_ NDK_VERSION Version,
                                                 _Out_writes_bytes_opt_(*pBufferSize) PVOID pInfo,
                                                 _Inout_ ULONG* pBufferSize);
typedef NTSTATUS (*NDK_FN_CREATE_CQ)(_In_ NDK_ADAPTER* pNdkAdapter, _In_ ULONG CqDepth,
                                     _In_ NDK_FN_CQ_NOTIFICATION_CALLBACK CqNotification,
                                     _In_opt_ PVOID CqNotificationContext, _In_opt_ GROUP_AFFINITY* Affinity,
                                     _In_ NDK_FN_CREATE_COMPLETION CreateCompletion, _In_opt_ PVOID RequestContext,
                                     _Outptr_ NDK_CQ** ppNdkCq);
typedef NTSTATUS (*NDK_FN_CREATE_PD)(_In_ NDK_ADAPTER* pNdkAdapter, _In_ NDK_FN_CREATE_COMPLETION CreateCompletion,
                                     _In_opt_ PVOID RequestContext, _Outptr_ NDK_PD** ppNdkPd);
typedef NTSTATUS (*NDK_FN_CREATE_SHARED_ENDPOINT)(_In_ NDK_ADAPTER* pNdkAdapter,
                                                  _In_reads_bytes_(AddressLength) const SOCKADDR* pAddress,
                                                  _In_ ULONG AddressLength,
                                                  _In_ NDK_FN_CREATE_COMPLETION CreateCompletion,
                                                  _In_opt_ PVOID RequestContext,
                                                  _Outptr_ NDK_SHARED_ENDPOINT** ppNdkSharedEndpoint);
typedef NTSTATUS (*NDK_FN_CREATE_CONNECTOR)(_In_ NDK_ADAPTER* pNdkAdapter,
                                            _In_ NDK_FN_CREATE_COMPLETION CreateCompletion,
                                            _In_opt_ PVOID RequestContext, _Outptr_ NDK_CONNECTOR** ppNdkConnector);
typedef NTSTATUS (*NDK_FN_CREATE_LISTENER)(_In_ NDK_ADAPTER* pNdkAdapter,
                                           _In_ NDK_FN_CONNECT_EVENT_CALLBACK ConnectEvent,
                                           _In_opt_ PVOID ConnectEventContext,
                                           _In_ NDK_FN_CREATE_COMPLETION CreateCompletion,
                                           _In_opt_ PVOID RequestContext, _Outptr_ NDK_LISTENER** ppNdkListener);
/// `RequestCompletion` NULL forces an inline result (C-03).
typedef NTSTATUS (*NDK_FN_BUILD_LAM)(_In_ NDK_ADAPTER* pNdkAdapter, _In_ MDL* Mdl, _In_ SIZE_T Length,
                                     _In_opt_ NDK_FN_REQUEST_COMPLETION RequestCompletion,
                                     _In_opt_ PVOID RequestContext,
                                     _Out_writes_bytes_opt_(*pLAMSize) NDK_LOGICAL_ADDRESS_MAPPING* pNdkLAM,
                                     _Inout_ ULONG* pLAMSize, _Out_ ULONG* pFBO);
typedef VOID (*NDK_FN_RELEASE_LAM)(_In_ NDK_ADAPTER* pNdkAdapter, _In_ NDK_LOGICAL_ADDRESS_MAPPING* pNdkLAM);

// Completion queue. Arming and taking results are serialised by the consumer on each CQ.

typedef NTSTATUS (*NDK_FN_RESIZE_CQ)(_In_ NDK_CQ* pNdkCq, _In_ ULONG CqDepth,
                                     _In_ NDK_FN_REQUEST_COMPLETION RequestCompletion, _In_opt_ PVOID RequestContext);
typedef VOID (*NDK_FN_ARM_CQ)(_In_ NDK_CQ* pNdkCq, _In_ ULONG Type);
/// Returns how many of the elements were filled.
typedef ULONG (*NDK_FN_GET_CQ_RESULTS)(_In_ NDK_CQ* pNdkCq, _Out_writes_to_(nResults, return ) NDK_RESULT* Results,
                                       _In_ ULONG nResults);
typedef ULONG (*NDK_FN_GET_CQ_RESULTS_EX)(_In_ NDK_CQ* pNdkCq,
                                          _Out_writes_to_(nResults, return ) NDK_RESULT_EX* Results,
                                          _In_ ULONG nResults);
/// Interval in microseconds; MAXULONG in either place switches that limit off.
typedef NTSTATUS (*NDK_FN_CONTROL_CQ_INTERRUPT_MODERATION)(_In_ NDK_CQ* pNdkCq, _In_ ULONG ModerationInterval,
                                                           _In_ ULONG ModerationCount);

// Protection domain

typedef NTSTATUS (*NDK_FN_CREATE_MR)(_In_ NDK_PD* pNdkPd, _In_ BOOLEAN FastRegister,
                                     _In_ NDK_FN_CREATE_COMPLETION CreateCompletion, _In_opt_ PVOID RequestContext,
                                     _Outptr_ NDK_MR** ppNdkMr);
typedef NTSTATUS (*NDK_FN_CREATE_MW)(_In_ NDK_PD* pNdkPd, _In_ NDK_FN_CREATE_COMPLETION CreateCompletion,
                                     _In_opt_ PVOID RequestContext, _Outptr_ NDK_MW** ppNdkMw);
typedef NTSTATUS (*NDK_FN_CREATE_SRQ)(_In_ NDK_PD* pNdkPd, _In_ ULONG SrqDepth, _In_ ULONG MaxReceiveRequestSge,
                                      _In_ ULONG NotifyThreshold,
                                      _In_opt_ NDK_FN_SRQ_NOTIFICATION_CALLBACK SrqNotification,
                                      _In_opt_ PVOID SrqNotificationContext, _In_opt_ GROUP_AFFINITY* Affinity,
                                      _In_ NDK_FN_CREATE_COMPLETION CreateCompletion, _In_opt_ PVOID RequestContext,
                                      _Outptr_ NDK_SRQ** ppNdkSrq);
typedef NTSTATUS (*NDK_FN_CREATE_QP)(_In_ NDK_PD* pNdkPd, _In_ NDK_CQ* pReceiveCq, _In_ NDK_CQ* pInitiatorCq,
                                     _In_opt_ PVOID QPContext, _In_ ULONG ReceiveQueueDepth,
                                     _In_ ULONG InitiatorQueueDepth, _In_ ULONG MaxReceiveRequestSge,
                                     _In_ ULONG MaxInitiatorRequestSge, _In_ ULONG InlineDataSize,
                                     _In_ NDK_FN_CREATE_COMPLETION CreateCompletion, _In_opt_ PVOID RequestContext,
                                     _Outptr_ NDK_QP** ppNdkQp);
typedef NTSTATUS (*NDK_FN_CREATE_QP_WITH_SRQ)(_In_ NDK_PD* pNdkPd, _In_ NDK_CQ* pReceiveCq, _In_ NDK_CQ* pInitiatorCq,
                                              _In_ NDK_SRQ* pSrq, _In_opt_ PVOID QPContext,
                                              _In_ ULONG InitiatorQueueDepth, _In_ ULONG MaxInitiatorRequestSge,
                                              _In_ ULONG InlineDataSize, _In_ NDK_FN_CREATE_COMPLETION CreateCompletion,
                                              _In_opt_ PVOID RequestContext, _Outptr_ NDK_QP** ppNdkQp);
typedef VOID (*NDK_FN_GET_PRIVILEGED_MEMORY_REGION_TOKEN)(_In_ NDK_PD* pNdkPd, _Out_ UINT32* pToken);

// Memory region and memory window

typedef NTSTATUS (*NDK_FN_REGISTER_MR)(_In_ NDK_MR* pNdkMr, _In_ MDL* Mdl, _In_ SIZE_T Length, _In_ ULONG Flags,
                                       _In_ NDK_FN_REQUEST_COMPLETION RequestCompletion, _In_opt_ PVOID RequestContext);
typedef NTSTATUS (*NDK_FN_DEREGISTER_MR)(_In_ NDK_MR* pNdkMr, _In_ NDK_FN_REQUEST_COMPLETION RequestCompletion,
                                         _In_opt_ PVOID RequestContext);
typedef NTSTATUS (*NDK_FN_INITIALIZE_FAST_REGISTER_MR)(_In_ NDK_MR* pNdkMr, _In_ ULONG AdapterPageCount,
                                                       _In_ BOOLEAN RemoteAccess,
                                                       _In_ NDK_FN_REQUEST_COMPLETION RequestCompletion,
                                                       _In_opt_ PVOID RequestContext);
typedef UINT32 (*NDK_FN_GET_REMOTE_TOKEN_FROM_MR)(_In_ NDK_MR* pNdkMr);
typedef UINT32 (*NDK_FN_GET_LOCAL_TOKEN_FROM_MR)(_In_ NDK_MR* pNdkMr);
typedef UINT32 (*NDK_FN_GET_REMOTE_TOKEN_FROM_MW)(_In_ NDK_MW* pNdkMw);

// Shared receive queue

typedef NTSTATUS (*NDK_FN_MODIFY_SRQ)(_In_ NDK_SRQ* pNdkSrq, _In_ ULONG SrqDepth, _In_ ULONG NotifyThreshold,
                                      _In_ NDK_FN_REQUEST_COMPLETION RequestCompletion, _In_opt_ PVOID RequestContext);
typedef NTSTATUS (*NDK_FN_SRQ_RECEIVE)(_In_ NDK_SRQ* pNdkSrq, _In_opt_ PVOID RequestContext,
                                       _In_reads_(nSge) const NDK_SGE* pSgl, _In_ ULONG nSge);

// Queue pair. Posts never return STATUS_PENDING: success means that a CQ entry follows (or silent success hides it).

typedef VOID (*NDK_FN_FLUSH)(_In_ NDK_QP* pNdkQp);
typedef NTSTATUS (*NDK_FN_SEND)(_In_ NDK_QP* pNdkQp, _In_opt_ PVOID RequestContext,
                                _In_reads_(nSge) const NDK_SGE* pSgl, _In_ ULONG nSge, _In_ ULONG Flags);
typedef NTSTATUS (*NDK_FN_RECEIVE)(_In_ NDK_QP* pNdkQp, _In_opt_ PVOID RequestContext,
                                   _In_reads_(nSge) const NDK_SGE* pSgl, _In_ ULONG nSge);
typedef NTSTATUS (*NDK_FN_BIND)(_In_ NDK_QP* pNdkQp, _In_opt_ PVOID RequestContext, _In_ NDK_MR* pMr, _In_ NDK_MW* pMw,
                                _In_ PVOID VirtualAddress, _In_ SIZE_T Length, _In_ ULONG Flags);
typedef NTSTATUS (*NDK_FN_FAST_REGISTER)(_In_ NDK_QP* pNdkQp, _In_opt_ PVOID RequestContext, _In_ NDK_MR* pMr,
                                         _In_ ULONG AdapterPageCount,
                                         _In_reads_(AdapterPageCount) const NDK_LOGICAL_ADDRESS* AdapterPageArray,
                                         _In_ ULONG FBO, _In_ SIZE_T Length, _In_ PVOID BaseVirtualAddress,
                                         _In_ ULONG Flags);
typedef NTSTATUS (*NDK_FN_INVALIDATE)(_In_ NDK_QP* pNdkQp, _In_opt_ PVOID RequestContext,
                                      _In_ NDK_OBJECT_HEADER* pNdkMrOrMw, _In_ ULONG Flags);
/// RemoteAddress is a number in host byte order; the token is the peer's 32 bits as received.
typedef NTSTATUS (*NDK_FN_READ)(_In_ NDK_QP* pNdkQp, _In_opt_ PVOID RequestContext,
                                _In_reads_(nSge) const NDK_SGE* pSgl, _In_ ULONG nSge, _In_ UINT64 RemoteAddress,
                                _In_ UINT32 RemoteToken, _In_ ULONG Flags);
typedef NTSTATUS (*NDK_FN_WRITE)(_In_ NDK_QP* pNdkQp, _In_opt_ PVOID RequestContext,
                                 _In_reads_(nSge) const NDK_SGE* pSgl, _In_ ULONG nSge, _In_ UINT64 RemoteAddress,
                                 _In_ UINT32 RemoteToken, _In_ ULONG Flags);
/// Since 1.2. Flags before the token, unlike read and write.
typedef NTSTATUS (*NDK_FN_SEND_AND_INVALIDATE)(_In_ NDK_QP* pNdkQp, _In_opt_ PVOID RequestContext,
                                               _In_reads_(nSge) const NDK_SGE* pSgl, _In_ ULONG nSge, _In_ ULONG Flags,
                                               _In_ UINT32 RemoteToken);

// Connector

typedef NTSTATUS (*NDK_FN_CONNECT)(_In_ NDK_CONNECTOR* pNdkConnector, _In_ NDK_QP* pNdkQp,
                                   _In_reads_bytes_(SrcAddressLength) const SOCKADDR* pSrcAddress,
                                   _In_ ULONG SrcAddressLength,
                                   _In_reads_bytes_(DestAddressLength) const SOCKADDR* pDestAddress,
                                   _In_ ULONG DestAddressLength, _In_ ULONG InboundReadLimit,
                                   _In_ ULONG OutboundReadLimit,
                                   _In_reads_bytes_opt_(PrivateDataLength) const VOID* pPrivateData,
                                   _In_ ULONG PrivateDataLength, _In_ NDK_FN_REQUEST_COMPLETION RequestCompletion,
                                   _In_opt_ PVOID RequestContext);
typedef NTSTATUS (*NDK_FN_CONNECT_WITH_SHARED_ENDPOINT)(
    _In_ NDK_CONNECTOR* pNdkConnector, _In_ NDK_QP* pNdkQp, _In_ NDK_SHARED_ENDPOINT* pNdkSharedEndpoint,
    _In_reads_bytes_(DestAddressLength) const SOCKADDR* pDestAddress, _In_ ULONG DestAddressLength,
    _In_ ULONG InboundReadLimit, _In_ ULONG OutboundReadLimit,
    _In_reads_bytes_opt_(PrivateDataLength) const VOID* pPrivateData, _In_ ULONG PrivateDataLength,
    _In_ NDK_FN_REQUEST_COMPLETION RequestCompletion, _In_opt_ PVOID RequestContext);
typedef NTSTATUS (*NDK_FN_COMPLETE_CONNECT)(_In_ NDK_CONNECTOR* pNdkConnector,
                                            _In_opt_ NDK_FN_DISCONNECT_EVENT_CALLBACK DisconnectEvent,
                                            _In_opt_ PVOID DisconnectEventContext,
                                            _In_ NDK_FN_REQUEST_COMPLETION RequestCompletion,
                                            _In_opt_ PVOID RequestContext);
/// Since 2.1.
typedef NTSTATUS (*NDK_FN_COMPLETE_CONNECT_EX)(_In_ NDK_CONNECTOR* pNdkConnector,
                                               _In_opt_ NDK_FN_DISCONNECT_EVENT_CALLBACK_EX DisconnectEvent,
                                               _In_opt_ PVOID DisconnectEventContext,
                                               _In_ NDK_FN_REQUEST_COMPLETION RequestCompletion,
                                               _In_opt_ PVOID RequestContext);
typedef NTSTATUS (*NDK_FN_ACCEPT)(_In_ NDK_CONNECTOR* pNdkConnector, _In_ NDK_QP* pNdkQp, _In_ ULONG InboundReadLimit,
                                  _In_ ULONG OutboundReadLimit,
                                  _In_reads_bytes_opt_(PrivateDataLength) const VOID* pPrivateData,
                                  _In_ ULONG PrivateDataLength,
                                  _In_opt_ NDK_FN_DISCONNECT_EVENT_CALLBACK DisconnectEvent,
                                  _In_opt_ PVOID DisconnectEventContext,
                                  _In_ NDK_FN_REQUEST_COMPLETION RequestCompletion, _In_opt_ PVOID RequestContext);
/// Since 2.1.
typedef NTSTATUS (*NDK_FN_ACCEPT_EX)(_In_ NDK_CONNECTOR* pNdkConnector, _In_ NDK_QP* pNdkQp,
                                     _In_ ULONG InboundReadLimit, _In_ ULONG OutboundReadLimit,
                                     _In_reads_bytes_opt_(PrivateDataLength) const VOID* pPrivateData,
                                     _In_ ULONG PrivateDataLength,
                                     _In_opt_ NDK_FN_DISCONNECT_EVENT_CALLBACK_EX DisconnectEvent,
                                     _In_opt_ PVOID DisconnectEventContext,
                                     _In_ NDK_FN_REQUEST_COMPLETION RequestCompletion, _In_opt_ PVOID RequestContext);
/// Pointer before length, whatever the reference page lists.
typedef NTSTATUS (*NDK_FN_REJECT)(_In_ NDK_CONNECTOR* pNdkConnector,
                                  _In_reads_bytes_opt_(PrivateDataLength) const VOID* pPrivateData,
                                  _In_ ULONG PrivateDataLength);
typedef NTSTATUS (*NDK_FN_GET_CONNECTION_DATA)(_In_ NDK_CONNECTOR* pNdkConnector, _Out_opt_ ULONG* pInboundReadLimit,
                                               _Out_opt_ ULONG* pOutboundReadLimit,
                                               _Out_writes_bytes_opt_(*pPrivateDataLength) PVOID pPrivateData,
                                               _Inout_ ULONG* pPrivateDataLength);
typedef NTSTATUS (*NDK_FN_GET_LOCAL_ADDRESS)(_In_ NDK_CONNECTOR* pNdkConnector,
                                             _Out_writes_bytes_opt_(*pAddressLength) SOCKADDR* pAddress,
                                             _Inout_ ULONG* pAddressLength);
typedef NTSTATUS (*NDK_FN_GET_PEER_ADDRESS)(_In_ NDK_CONNECTOR* pNdkConnector,
                                            _Out_writes_bytes_opt_(*pAddressLength) SOCKADDR* pAddress,
                                            _Inout_ ULONG* pAddressLength);
typedef NTSTATUS (*NDK_FN_DISCONNECT)(_In_ NDK_CONNECTOR* pNdkConnector,
                                      _In_ NDK_FN_REQUEST_COMPLETION RequestCompletion, _In_opt_ PVOID RequestContext);
/// In no table (R-TBL-02).
typedef NTSTATUS (*NDK_FN_DISCONNECT_EX)(_In_ NDK_CONNECTOR* pNdkConnector, _In_ BOOLEAN Abortive,
                                         _In_ NDK_FN_REQUEST_COMPLETION RequestCompletion,
                                         _In_opt_ PVOID RequestContext);

// Listener and shared endpoint

typedef NTSTATUS (*NDK_FN_LISTEN)(_In_ NDK_LISTENER* pNdkListener,
                                  _In_reads_bytes_(AddressLength) const SOCKADDR* pAddress, _In_ ULONG AddressLength,
                                  _In_ NDK_FN_REQUEST_COMPLETION RequestCompletion, _In_opt_ PVOID RequestContext);
typedef NTSTATUS (*NDK_FN_GET_LISTENER_LOCAL_ADDRESS)(_In_ NDK_LISTENER* pNdkListener,
                                                      _Out_writes_bytes_opt_(*pAddressLength) SOCKADDR* pAddress,
                                                      _Inout_ ULONG* pAddressLength);
typedef VOID (*NDK_FN_CONTROL_CONNECT_EVENTS)(_In_ NDK_LISTENER* pNdkListener, _In_ BOOLEAN Pause);
typedef NTSTATUS (*NDK_FN_GET_SHARED_ENDPOINT_LOCAL_ADDRESS)(_In_ NDK_SHARED_ENDPOINT* pNdkSharedEndpoint,
                                                             _Out_writes_bytes_opt_(*pAddressLength) SOCKADDR* pAddress,
                                                             _Inout_ ULONG* pAddressLength);

// Dispatch tables. A table may be longer than the adapter's version says, never shorter (R-TBL-01); no slot is NULL.

struct _NDK_ADAPTER_DISPATCH {
  NDK_FN_QUERY_EXTENSION_INTERFACE NdkQueryExtension;
  NDK_FN_QUERY_ADAPTER_INFO NdkQueryAdapterInfo;
  NDK_FN_CREATE_CQ NdkCreateCq;
  NDK_FN_CREATE_PD NdkCreatePd;
  NDK_FN_CREATE_SHARED_ENDPOINT NdkCreateSharedEndpoint;
  NDK_FN_CREATE_CONNECTOR NdkCreateConnector;
  NDK_FN_CREATE_LISTENER NdkCreateListener;
  NDK_FN_BUILD_LAM NdkBuildLAM;
  NDK_FN_RELEASE_LAM NdkReleaseLAM;
};

struct _NDK_CQ_DISPATCH {
  NDK_FN_CLOSE_OBJECT NdkCloseCq;
  NDK_FN_QUERY_EXTENSION_INTERFACE NdkQueryExtension;
  NDK_FN_RESIZE_CQ NdkResizeCq;
  NDK_FN_ARM_CQ NdkArmCq;
  NDK_FN_GET_CQ_RESULTS NdkGetCqResults;
  NDK_FN_CONTROL_CQ_INTERRUPT_MODERATION NdkControlCqInterruptModeration;
  NDK_FN_GET_CQ_RESULTS_EX NdkGetCqResultsEx;  // since 1.2
};

struct _NDK_MR_DISPATCH {
  NDK_FN_CLOSE_OBJECT NdkCloseMr;
  NDK_FN_QUERY_EXTENSION_INTERFACE NdkQueryExtension;
  NDK_FN_REGISTER_MR NdkRegisterMr;
  NDK_FN_DEREGISTER_MR NdkDeregisterMr;
  NDK_FN_INITIALIZE_FAST_REGISTER_MR NdkInitializeFastRegisterMr;
  NDK_FN_GET_REMOTE_TOKEN_FROM_MR NdkGetRemoteTokenFromMr;
  NDK_FN_GET_LOCAL_TOKEN_FROM_MR NdkGetLocalTokenFromMr;
};

struct _NDK_MW_DISPATCH {
  NDK_FN_CLOSE_OBJECT NdkCloseMw;
  NDK_FN_QUERY_EXTENSION_INTERFACE NdkQueryExtension;
  NDK_FN_GET_REMOTE_TOKEN_FROM_MW NdkGetRemoteTokenFromMw;
};

struct _NDK_SRQ_DISPATCH {
  NDK_FN_CLOSE_OBJECT NdkCloseSrq;
  NDK_FN_QUERY_EXTENSION_INTERFACE NdkQueryExtension;
  NDK_FN_MODIFY_SRQ NdkModifySrq;
  NDK_FN_SRQ_RECEIVE NdkSrqReceive;
};

struct _NDK_QP_DISPATCH {
  NDK_FN_CLOSE_OBJECT NdkCloseQp;
  NDK_FN_QUERY_EXTENSION_INTERFACE NdkQueryExtension;
  NDK_FN_FLUSH NdkFlush;
  NDK_FN_SEND NdkSend;
  NDK_FN_RECEIVE NdkReceive;
  NDK_FN_BIND NdkBind;
  NDK_FN_FAST_REGISTER NdkFastRegister;
  NDK_FN_INVALIDATE NdkInvalidate;
  NDK_FN_READ NdkRead;
  NDK_FN_WRITE NdkWrite;
  NDK_FN_SEND_AND_INVALIDATE NdkSendAndInvalidate;  // since 1.2
};

struct _NDK_PD_DISPATCH {
  NDK_FN_CLOSE_OBJECT NdkClosePd;
  NDK_FN_QUERY_EXTENSION_INTERFACE NdkQueryExtension;
  NDK_FN_CREATE_MR NdkCreateMr;
  NDK_FN_CREATE_MW NdkCreateMw;
  NDK_FN_CREATE_SRQ NdkCreateSrq;
  NDK_FN_CREATE_QP NdkCreateQp;
  NDK_FN_CREATE_QP_WITH_SRQ NdkCreateQpWithSrq;
  NDK_FN_GET_PRIVILEGED_MEMORY_REGION_TOKEN NdkGetPrivilegedMemoryRegionToken;
};

struct _NDK_SHARED_ENDPOINT_DISPATCH {
  NDK_FN_CLOSE_OBJECT NdkCloseSharedEndpoint;
  NDK_FN_QUERY_EXTENSION_INTERFACE NdkQueryExtension;
  NDK_FN_GET_SHARED_ENDPOINT_LOCAL_ADDRESS NdkGetLocalAddress;
};

struct _NDK_CONNECTOR_DISPATCH {
  NDK_FN_CLOSE_OBJECT NdkCloseConnector;
  NDK_FN_QUERY_EXTENSION_INTERFACE NdkQueryExtension;
  NDK_FN_CONNECT NdkConnect;
  NDK_FN_CONNECT_WITH_SHARED_ENDPOINT NdkConnectWithSharedEndpoint;
  NDK_FN_COMPLETE_CONNECT NdkCompleteConnect;
  NDK_FN_ACCEPT NdkAccept;
  NDK_FN_REJECT NdkReject;
  NDK_FN_GET_CONNECTION_DATA NdkGetConnectionData;
  NDK_FN_GET_LOCAL_ADDRESS NdkGetLocalAddress;
  NDK_FN_GET_PEER_ADDRESS NdkGetPeerAddress;
  NDK_FN_DISCONNECT NdkDisconnect;
  NDK_FN_COMPLETE_CONNECT_EX NdkCompleteConnectEx;  // since 2.1
  NDK_FN_ACCEPT_EX NdkAcceptEx;                     // since 2.1
};

struct _NDK_LISTENER_DISPATCH {
  NDK_FN_CLOSE_OBJECT NdkCloseListener;
  NDK_FN_QUERY_EXTENSION_INTERFACE NdkQueryExtension;
  NDK_FN_LISTEN NdkListen;
  NDK_FN_GET_LISTENER_LOCAL_ADDRESS NdkGetLocalAddress;
  NDK_FN_CONTROL_CONNECT_EVENTS NdkControlConnectEvents;
};

// The WDK spells this member with a doubled q in one table (C-24); sources that copied it compile too.
#define NdkQqueryExtension NdkQueryExtension

#include "detail/old_sal.h"

#endif
