/*
 * A message socket over NDK with RDMA transfers, in the manner of SMB Direct, and both ends of it in one driver.
 *
 *   driver.c     DriverEntry, DriverUnload, and what the two ends do
 *   listener.c   listening; every accept is a work item
 *   socket.c     a socket's life: its NDK objects from create to close
 *   io.c         posting, completions, credits
 *   memory.c     buffers with a logical address mapping, and the pool of fast-register memory regions
 *   transfer.c   reads and writes of the peer's memory, asked for by message
 *
 * A socket is used by whoever holds its rundown protection. Each posted request holds one reference, each function that
 * uses a socket whose end may come at any time holds one; disconnecting forbids new ones and waits for the last.
 */
#ifndef SOCKET_DRIVER_H
#define SOCKET_DRIVER_H

#include <ntddk.h>

#include <ip2string.h>
#include <ndis.h>
#include <ndkpi.h>
#include <netioapi.h>
#include <wsk.h>
#include <wskndk.h>

/* Where the driver plays. A product would read them from its registry key, as examples/probe_driver does. */
#ifndef SOCKET_INTERFACE_INDEX
#define SOCKET_INTERFACE_INDEX 1
#endif
#ifndef SOCKET_LOCAL_ADDRESS
#define SOCKET_LOCAL_ADDRESS L"127.0.0.1"
#endif

#define SOCKET_TAG 'kcoS'
#define BUFFER_TAG 'fubS'
#define WORK_TAG 'krwS'

#define RECEIVE_COUNT 32          /* posted by each end; as many credits as the peer begins with */
#define CREDIT_GRANT_THRESHOLD 16 /* that many not yet granted: worth a message of its own */
#define MESSAGE_BYTES (64 * 1024) /* header and payload */
#define SEGMENT_BYTES (64 * 1024) /* one memory region's part of a transfer */
#define SEGMENT_COUNT_MAX 8
#define TRANSFER_COUNT_MAX 4 /* in flight at once, of one socket */
#define REGION_COUNT 512     /* memory regions of a socket */
#define SGE_COUNT_MAX 18     /* 64 KiB behind a header touch 17 pages */
#define READ_LIMIT 16

/* ---- what goes over the wire; a real protocol would fix the byte order */

typedef enum _MESSAGE_TYPE {
  MessageData = 1,    /* payload: a pattern that Cookie seeds */
  MessageCredits,     /* nothing but its CreditsGranted */
  MessageReadMine,    /* payload: segments; the peer reads them, checks the pattern, answers */
  MessageWriteMine,   /* payload: segments; the peer fills them with the pattern and answers */
  MessageTransferDone /* the answer, with Status */
} MESSAGE_TYPE;

#define MESSAGE_FLAG_LAST 0x0001 /* MessageData: the end of a stream */

typedef struct _MESSAGE {
  USHORT Type;
  USHORT CreditsGranted;
  ULONG Flags;
  ULONG PayloadBytes;
  NTSTATUS Status;
  ULONG64 Cookie;
} MESSAGE, *PMESSAGE;

#define MESSAGE_PAYLOAD_MAX (MESSAGE_BYTES - sizeof(MESSAGE))
#define MessagePayload(Message) ((PUCHAR)((Message) + 1))

typedef struct _SEGMENT {
  UINT64 Address;
  UINT32 Token;
  ULONG Bytes;
} SEGMENT, *PSEGMENT;

/* ---- memory */

typedef struct _ADAPTER {
  WSK_PROVIDER_NPI Npi;
  WSK_PROVIDER_NDK_DISPATCH Ndk;
  NDK_ADAPTER* Ndka;
  NDK_ADAPTER_INFO Info;
  BOOLEAN RemoteInvalidate;
  BOOLEAN ReadLocalInvalidate;
} ADAPTER, *PADAPTER;

/* Nonpaged bytes with the mapping under which the adapter knows them. */
typedef struct _BUFFER {
  PUCHAR Bytes;
  ULONG Length;
  ULONG FirstByteOffset;
  NDK_LOGICAL_ADDRESS_MAPPING* Lam;
} BUFFER, *PBUFFER;

struct _RDMA_SOCKET;
struct _WORK;

/* Called at <= DISPATCH_LEVEL when the request has ended. The work is the callee's: it frees it or uses it again. */
typedef VOID WORK_COMPLETE(struct _WORK* Work, const NDK_RESULT_EX* Result);

typedef enum _WORK_TYPE { WorkReceive, WorkSend, WorkFastRegister, WorkInvalidate, WorkRead, WorkWrite } WORK_TYPE;

/* One posted request; its address is the request context. */
typedef struct _WORK {
  LIST_ENTRY Link; /* while it waits to be posted */
  struct _RDMA_SOCKET* Socket;
  WORK_TYPE Type;
  WORK_COMPLETE* Complete;
  PVOID Context;
  LIST_ENTRY Before; /* WorkSend: posted right before it and deferred, so that the adapter sees all of it at once */
  struct _REGION* Region;
  UINT64 RemoteAddress;
  UINT32 RemoteToken; /* of WorkSend: to be invalidated at the peer, 0 if nothing is */
  ULONG Flags;
  ULONG SgeCount;
  NDK_SGE Sgl[SGE_COUNT_MAX];
  BUFFER Buffer; /* of receives and sends: their message */
  PMESSAGE Message;
} WORK, *PWORK;

/* A fast-register memory region: initialised once, then registered and invalidated as often as one likes. */
typedef struct _REGION {
  SINGLE_LIST_ENTRY Free;
  struct _RDMA_SOCKET* Socket;
  NDK_MR* Mr;
  UINT32 LocalToken; /* fixed from initialisation to close */
  UINT32 RemoteToken;
  PBUFFER Buffer; /* while it is registered, or is about to be */
  ULONG_PTR Base;
  ULONG Flags;
  BOOLEAN Valid;
  WORK RegisterWork;
  WORK InvalidateWork;
} REGION, *PREGION;

/* ---- requests that may pend; one at a time for each owner */

typedef struct _CALL {
  KEVENT Done;
  NTSTATUS Status;
  NDK_OBJECT_HEADER* Object;
} CALL, *PCALL;

VOID CallBegin(PCALL Call);
NTSTATUS CallFinish(PCALL Call, NTSTATUS Returned);
VOID CallCompleted(PVOID Context, NTSTATUS Status);
VOID CallCreated(PVOID Context, NTSTATUS Status, NDK_OBJECT_HEADER* Object);
VOID CallClosed(PVOID Context);
VOID CallClose(PCALL Call, NDK_OBJECT_HEADER* Object, NDK_FN_CLOSE_OBJECT Close);

/* ---- transfers */

/* What one end has asked for or serves, until the last of its requests has ended. */
typedef struct _TRANSFER {
  struct _RDMA_SOCKET* Socket;
  MESSAGE_TYPE Type; /* of the message that asked for it */
  ULONG64 Cookie;
  volatile LONG Outstanding;
  volatile LONG Status;
  KEVENT Done;
  BOOLEAN Answered;
  PIO_WORKITEM Item;
  ULONG SegmentCount;
  SEGMENT Segments[SEGMENT_COUNT_MAX];
  BUFFER Buffers[SEGMENT_COUNT_MAX];
  PREGION Regions[SEGMENT_COUNT_MAX];
  WORK Works[SEGMENT_COUNT_MAX];
} TRANSFER, *PTRANSFER;

/* ---- sockets */

typedef struct _RDMA_SOCKET {
  PDRIVER_OBJECT DriverObject;
  ADAPTER Adapter; /* opened by this socket alone */
  NDK_PD* Pd;
  UINT32 PrivilegedToken;
  NDK_CQ* ReceiveCq;
  NDK_CQ* InitiatorCq;
  ULONG ReceiveArm; /* NDK_CQ_NOTIFY_ANY or _SOLICITED; constant once connected */
  NDK_QP* Qp;
  NDK_CONNECTOR* Connector;
  CALL Call;
  KEVENT Disconnected; /* the peer is gone */
  BOOLEAN Connected;

  EX_RUNDOWN_REF Rundown;
  volatile LONG Stopping;

  KSPIN_LOCK InitiatorLock; /* NDK wants posts on one queue one after another */
  USHORT SendCredits;       /* receives of the peer that nobody has claimed; under InitiatorLock */
  USHORT CreditsToGrant;    /* receives of ours that the peer has not heard of; under InitiatorLock */
  LIST_ENTRY PendingSends;  /* waiting for credits; under InitiatorLock */

  ULONG64 StreamNext; /* MessageData: the cookie that comes next; written by the receive callback only */
  ULONG64 StreamBytes;
  volatile LONG StreamStatus;
  KEVENT StreamDone;

  KSPIN_LOCK TransferLock;
  PTRANSFER Transfers[TRANSFER_COUNT_MAX];

  KSPIN_LOCK RegionLock;
  SINGLE_LIST_ENTRY FreeRegions;
  PREGION Regions; /* REGION_COUNT of them */
  volatile LONG RegionsPending;
  volatile LONG RegionStatus;
  KEVENT RegionsReady;
  ULONG RegionMicroseconds; /* what creating them took */
} RDMA_SOCKET, *PRDMA_SOCKET;

/* socket.c. PASSIVE_LEVEL. */
NTSTATUS SocketCreate(PDRIVER_OBJECT DriverObject, ULONG ReceiveArm, PRDMA_SOCKET* Socket);
NTSTATUS SocketConnect(PRDMA_SOCKET Socket, const SOCKADDR_IN* Address);
NTSTATUS SocketAccept(PRDMA_SOCKET Socket, NDK_CONNECTOR* Connector);
VOID SocketDisconnect(PRDMA_SOCKET Socket);
VOID SocketGiveUp(PRDMA_SOCKET Socket); /* <= DISPATCH_LEVEL */
VOID SocketLost(PRDMA_SOCKET Socket);   /* <= DISPATCH_LEVEL */
VOID SocketClose(PRDMA_SOCKET Socket);
NTSTATUS AdapterOpen(PADAPTER Adapter);
VOID AdapterClose(PADAPTER Adapter);
ULONG AdapterDepth(ULONG Advertised);
extern WSK_REGISTRATION WskRegistration;

/* listener.c. PASSIVE_LEVEL. */
typedef struct _LISTENER {
  PDRIVER_OBJECT DriverObject;
  ADAPTER Adapter;
  NDK_LISTENER* Ndkl;
  CALL Call;
  EX_RUNDOWN_REF Accepts;
  SOCKADDR_IN Address; /* with the port that the provider chose */
  PRDMA_SOCKET Accepted;
  NTSTATUS AcceptStatus;
  KEVENT AcceptDone;
} LISTENER, *PLISTENER;
NTSTATUS ListenerCreate(PDRIVER_OBJECT DriverObject, PLISTENER* Listener);
VOID ListenerClose(PLISTENER Listener);

/* io.c */
VOID ReceiveNotified(PVOID Context, NTSTATUS CqStatus);
VOID InitiatorNotified(PVOID Context, NTSTATUS CqStatus);
NTSTATUS PostReceives(PRDMA_SOCKET Socket);
VOID StopSending(PRDMA_SOCKET Socket);
VOID StreamEnd(PRDMA_SOCKET Socket, NTSTATUS Status);
/* Posts the works of the list, all but the last deferred. What cannot be posted is completed with the reason. */
VOID PostChain(PRDMA_SOCKET Socket, PLIST_ENTRY Works);
VOID InitializeWork(PWORK Work, PRDMA_SOCKET Socket, WORK_TYPE Type, WORK_COMPLETE* Complete, PVOID Context);
/* A message of its own buffer; MessageSend gives it to the socket, which sends it when there is a credit. */
PWORK MessageAllocate(PRDMA_SOCKET Socket, MESSAGE_TYPE Type, ULONG PayloadBytes);
VOID MessageSend(PWORK Send);
VOID MessageFree(PWORK Send);

/* memory.c. <= DISPATCH_LEVEL but for RegionsCreate and RegionsClose. */
NTSTATUS BufferAllocate(PADAPTER Adapter, ULONG Bytes, PBUFFER Buffer);
NTSTATUS BufferMap(PADAPTER Adapter, PVOID Bytes, ULONG Length, PBUFFER Buffer);
VOID BufferUnmap(PADAPTER Adapter, PBUFFER Buffer);
VOID BufferFree(PADAPTER Adapter, PBUFFER Buffer);
ULONG BufferSgl(PBUFFER Buffer, ULONG Length, UINT32 PrivilegedToken, NDK_SGE* Sgl);
VOID FillPattern(PUCHAR Bytes, ULONG Length, ULONG64 Seed);
BOOLEAN IsPattern(const UCHAR* Bytes, ULONG Length, ULONG64 Seed);
NTSTATUS RegionsCreate(PRDMA_SOCKET Socket);
VOID RegionsClose(PRDMA_SOCKET Socket);
PREGION RegionTake(PRDMA_SOCKET Socket);
VOID RegionReturn(PREGION Region);
PWORK RegionRegister(PREGION Region, PBUFFER Buffer, ULONG Flags, WORK_COMPLETE* Complete, PVOID Context);
PWORK RegionInvalidate(PREGION Region, WORK_COMPLETE* Complete, PVOID Context);

/* transfer.c */

/*
 * Lets the peer read (MessageReadMine) or write (MessageWriteMine) so many bytes here. The cookie is that of no other
 * transfer in flight, and seeds the pattern. PASSIVE_LEVEL, blocks.
 */
NTSTATUS TransferRun(PRDMA_SOCKET Socket, MESSAGE_TYPE Type, ULONG Bytes, ULONG64 Cookie);
VOID TransferAnswered(PRDMA_SOCKET Socket, const MESSAGE* Message, const NDK_RESULT_EX* Result);
VOID TransferServe(PRDMA_SOCKET Socket, const MESSAGE* Message);
/* No answers will come any more. */
VOID TransfersFail(PRDMA_SOCKET Socket);

#endif
