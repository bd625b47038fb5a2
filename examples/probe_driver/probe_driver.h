/* What the files of the probe know of each other. */
#ifndef PROBE_DRIVER_H
#define PROBE_DRIVER_H

#define NTSTRSAFE_LIB
#include <ntddk.h>

#include <ntstrsafe.h>

#include <ip2string.h>
#include <ndkpi.h>
#include <netioapi.h>
#include <wsk.h>
#include <wskndk.h>

#define PROBE_TAG 'borP'
#define BUFFER_BYTES 16384
#define HALF (BUFFER_BYTES / 2) /* the first half is sent from and read from, the second one receives */
#define VALUE_BYTES_MAX 512
#define SECONDS_10 10000

/* Everything there is, in one place; a probe runs once. */

typedef struct _END {
  NDK_CQ* Cq; /* of both directions */
  NDK_QP* Qp;
  NDK_CONNECTOR* Connector;
  NDK_MR* Mr;
  PUCHAR Buffer;
  PMDL Mdl;
  BOOLEAN Locked;
  UINT32 Token;
} END, *PEND;

typedef struct _PROBE {
  ULONG Interface;
  SOCKADDR_IN Address;
  WCHAR LogPath[VALUE_BYTES_MAX / sizeof(WCHAR)];
  HANDLE Key;
  HANDLE Log;
  ULONG Steps;
  CHAR Line[256];

  WSK_REGISTRATION Registration;
  BOOLEAN Registered;
  WSK_PROVIDER_NPI Npi;
  WSK_PROVIDER_NDK_DISPATCH Ndk;
  NDK_ADAPTER* Adapter;
  NDK_ADAPTER_INFO* Info;
  NDK_PD* Pd;
  NDK_LISTENER* Listener;
  NDK_LISTENER* MuteListener;
  END Client;
  END Server;

  KEVENT Done; /* of one request at a time */
  NTSTATUS Status;
  NDK_OBJECT_HEADER* Object;

  volatile LONG Accepting; /* one connection is enough: a second request is refused */
  KEVENT Accepted;
  NTSTATUS AcceptStatus;
} PROBE;

extern PROBE Probe;

/* report.c: the file, the registry, the debugger. PASSIVE_LEVEL. */
VOID logf(const char* format, ...);
VOID openLog(VOID);
NTSTATUS readParameters(PUNICODE_STRING servicePath);
VOID writeResult(NTSTATUS status);

/* steps.c: calls that pend, and what has become of them. */
NTSTATUS wait(PKEVENT event, LONG milliseconds);
VOID complete(PVOID context, NTSTATUS status);
VOID created(PVOID context, NTSTATUS status, NDK_OBJECT_HEADER* object);
NTSTATUS finish(const char* what, NTSTATUS returned);
PVOID made(NTSTATUS returned, PVOID inlineObject);
VOID closeObject(const char* what, NDK_OBJECT_HEADER* object, NDK_FN_CLOSE_OBJECT close);
NTSTATUS reap(PEND end, const char* what, PVOID request, NDK_RESULT* result);

/* adapter.c: the adapter, and an end's objects. */
NTSTATUS openAdapter(VOID);
NTSTATUS createEnd(PEND end);
VOID closeEnd(PEND end);

/* connect.c */
VOID connectRequested(PVOID context, NDK_CONNECTOR* connector);
NTSTATUS startListening(NDK_LISTENER** listener, NDK_FN_CONNECT_EVENT_CALLBACK event, SOCKADDR_IN* address);
NTSTATUS connectEnds(const SOCKADDR_IN* server, const SOCKADDR_IN* mute);

/* transfer.c */
NTSTATUS sendAndReceive(PEND from, PEND to, ULONG bytes);
NTSTATUS readAndWrite(VOID);

#endif
