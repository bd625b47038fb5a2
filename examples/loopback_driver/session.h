/*
 * One session: both ends of one connection in this driver, from the first create to the last close.
 *
 * Everything that a callback may touch lives in the SESSION, which is nonpaged pool and outlives every callback. A
 * provider may complete a call inside the call, on another thread before the call returns, or much later; a context on
 * the stack of the function that made the call is written to after that function has returned, sooner or later.
 */
#ifndef LOOPBACK_SESSION_H
#define LOOPBACK_SESSION_H

#include <ntddk.h>

#include <ndkpi.h>

#define LOOPBACK_TAG 'pooL'
#define BUFFER_BYTES (64 * 1024)
#define MESSAGE_BYTES 64 /* each end's buffer: 4 message slots, then the payload */
#define PAYLOAD_OFFSET (4 * MESSAGE_BYTES)
#define PAYLOAD_BYTES (BUFFER_BYTES - PAYLOAD_OFFSET)
#define MAX_OBJECTS 16

/* One asynchronous call at a time. */
typedef struct _CALL {
  KEVENT Done;
  NTSTATUS Status;
  NDK_OBJECT_HEADER* Object;
} CALL, *PCALL;

typedef struct _QUEUE {
  NDK_CQ* Cq;
  KEVENT Notified;
  NTSTATUS CqStatus;
} QUEUE, *PQUEUE;

typedef struct _END {
  QUEUE Receives;
  QUEUE Initiated;
  NDK_QP* Qp;
  NDK_CONNECTOR* Connector;
  CALL Call;
  KEVENT Disconnected;
  PUCHAR Buffer;
  PMDL Mdl;
  NDK_MR* Mr;
  UINT32 LocalToken;
} END, *PEND;

typedef struct _SESSION {
  PDRIVER_OBJECT DriverObject;
  NDK_ADAPTER* Adapter;
  BOOLEAN AcceptInEvent; /* or from a work item */
  NDK_PD* Pd;
  NDK_LISTENER* Listener;
  CALL Call;
  END Client;
  END Server;

  KSPIN_LOCK Lock;
  BOOLEAN Stopping; /* under Lock: a connection that arrives now is refused */

  /* Every object, in the order of creation, with the slot that closes it. */
  struct {
    NDK_OBJECT_HEADER* Header;
    NDK_FN_CLOSE_OBJECT Close;
  } Objects[MAX_OBJECTS];
  ULONG ObjectCount;
  volatile LONG ClosesPending;
  KEVENT AllClosed;
} SESSION, *PSESSION;

typedef enum _CLOSE_ORDER { CloseNewestFirst, CloseOldestFirst, CloseEveryOther, CloseOrderCount } CLOSE_ORDER;

/* session.c: objects. All run at PASSIVE_LEVEL and block. */
NTSTATUS SessionCreate(PDRIVER_OBJECT DriverObject, NDK_ADAPTER* Adapter, BOOLEAN AcceptInEvent, PSESSION* Session);
NTSTATUS SessionConnect(PSESSION Session);
NTSTATUS SessionDisconnect(PSESSION Session);
/* Closes every object in the given order and frees the session. */
VOID SessionClose(PSESSION Session, CLOSE_ORDER Order);
/* Waits for one result; its status, or STATUS_IO_TIMEOUT when none came for half a minute. */
NTSTATUS QueueWait(PQUEUE Queue, NDK_RESULT* Result);

/* transfer.c: what the two ends say to each other. */
NTSTATUS SessionTransfer(PSESSION Session);
NTSTATUS EndPostReceive(PEND End, ULONG Slot);

#endif
