#ifndef HALF_CONNECTED_H
#define HALF_CONNECTED_H

typedef struct _HALF_CONNECTED {
  WSK_REGISTRATION Registration;
  WSK_PROVIDER_NPI Npi;
  WSK_PROVIDER_NDK_DISPATCH Ndk;
  NDK_ADAPTER* Adapter;
  NDK_PD* Pd;
  NDK_CQ* Cq;
  NDK_QP* Qp;
  NDK_MR* Mr;
  NDK_CONNECTOR* Connector;
  NDK_LISTENER* Listener;
  NDK_CONNECTOR* Incoming;
  PVOID Buffer;
  PMDL Mdl;
  SOCKADDR_INET Address;
  SOCKADDR_INET From;
  KEVENT Done;
  KEVENT Arrived;
  KEVENT ConnectEvent;
  NTSTATUS Status;
  NTSTATUS ConnectStatus;
  NDK_OBJECT_HEADER* Made;
  LIST_ENTRY Sessions;
  LIST_ENTRY Session;
  UNICODE_STRING Name;
} HALF_CONNECTED;

extern HALF_CONNECTED Half;

/* In this order. */
NTSTATUS HalfConnectedOpen(HALF_CONNECTED* half, ULONG interfaceIndex);
NTSTATUS HalfConnectedCreate(HALF_CONNECTED* half);
NTSTATUS HalfConnectedConnect(HALF_CONNECTED* half);
/* FALSE: forgets the region and the protection domain, the MDL and the buffer. */
VOID HalfConnectedClose(HALF_CONNECTED* half, BOOLEAN everything);
VOID HalfConnectedLeave(HALF_CONNECTED* half);

#endif
