// Winsock Kernel as far as it leads to NDK: registration, the provider's dispatch table, control codes. The socket
// functions have their slots; they answer STATUS_NOT_SUPPORTED.
#ifndef SOFTNDK_WDK_WSK_H
#define SOFTNDK_WDK_WSK_H

#include "wdm.h"
#include "ws2def.h"
#include "ws2ipdef.h"

#include "netioapi.h"

#define MAKE_WSK_VERSION(major, minor) ((USHORT)((major) << 8) | (USHORT)((minor)&0xff))
#define WSK_MAJOR_VERSION(version) ((UCHAR)((version) >> 8))
#define WSK_MINOR_VERSION(version) ((UCHAR)(version))

#define WSK_NO_WAIT 0
#define WSK_INFINITE_WAIT 0xffffffffu

typedef PVOID PWSK_CLIENT;

typedef struct _WSK_SOCKET {
  const VOID* Dispatch;
} WSK_SOCKET, *PWSK_SOCKET;

typedef struct _WSK_BUF {
  PMDL Mdl;
  ULONG Offset;
  SIZE_T Length;
} WSK_BUF, *PWSK_BUF;

typedef NTSTATUS(WSKAPI* PFN_WSK_CLIENT_EVENT)(_In_opt_ PVOID ClientContext, _In_ ULONG EventType,
                                               _In_opt_ PVOID Information, _In_ SIZE_T InformationLength);

typedef struct _WSK_CLIENT_DISPATCH {
  USHORT Version;
  USHORT Reserved;
  PFN_WSK_CLIENT_EVENT WskClientEvent;
} WSK_CLIENT_DISPATCH, *PWSK_CLIENT_DISPATCH;

typedef struct _WSK_CLIENT_NPI {
  PVOID ClientContext;
  const WSK_CLIENT_DISPATCH* Dispatch;
} WSK_CLIENT_NPI, *PWSK_CLIENT_NPI;

struct _ADDRINFOEXW;

typedef NTSTATUS(WSKAPI* PFN_WSK_SOCKET)(_In_ PWSK_CLIENT Client, _In_ ADDRESS_FAMILY AddressFamily,
                                         _In_ USHORT SocketType, _In_ ULONG Protocol, _In_ ULONG Flags,
                                         _In_opt_ PVOID SocketContext, _In_opt_ const VOID* Dispatch,
                                         _In_opt_ PEPROCESS OwningProcess, _In_opt_ PETHREAD OwningThread,
                                         _In_opt_ PSECURITY_DESCRIPTOR SecurityDescriptor, _Inout_ PIRP Irp);
typedef NTSTATUS(WSKAPI* PFN_WSK_SOCKET_CONNECT)(_In_ PWSK_CLIENT Client, _In_ USHORT SocketType, _In_ ULONG Protocol,
                                                 _In_ PSOCKADDR LocalAddress, _In_ PSOCKADDR RemoteAddress,
                                                 _Reserved_ ULONG Flags, _In_opt_ PVOID SocketContext,
                                                 _In_opt_ const VOID* Dispatch, _In_opt_ PEPROCESS OwningProcess,
                                                 _In_opt_ PETHREAD OwningThread,
                                                 _In_opt_ PSECURITY_DESCRIPTOR SecurityDescriptor, _Inout_ PIRP Irp);
/// OutputSizeReturned and Irp may be NULL for codes that complete inline, as all of ours do.
typedef NTSTATUS(WSKAPI* PFN_WSK_CONTROL_CLIENT)(_In_ PWSK_CLIENT Client, _In_ ULONG ControlCode, _In_ SIZE_T InputSize,
                                                 _In_opt_ PVOID InputBuffer, _In_ SIZE_T OutputSize,
                                                 _Out_opt_ PVOID OutputBuffer, _Out_opt_ SIZE_T* OutputSizeReturned,
                                                 _Inout_opt_ PIRP Irp);
typedef NTSTATUS(WSKAPI* PFN_WSK_GET_ADDRESS_INFO)(_In_ PWSK_CLIENT Client, _In_opt_ PUNICODE_STRING NodeName,
                                                   _In_opt_ PUNICODE_STRING ServiceName, _In_opt_ ULONG NameSpace,
                                                   _In_opt_ GUID* Provider, _In_opt_ struct _ADDRINFOEXW* Hints,
                                                   _Outptr_ struct _ADDRINFOEXW** Result,
                                                   _In_opt_ PEPROCESS OwningProcess, _In_opt_ PETHREAD OwningThread,
                                                   _Inout_ PIRP Irp);
typedef VOID(WSKAPI* PFN_WSK_FREE_ADDRESS_INFO)(_In_ PWSK_CLIENT Client, _In_ struct _ADDRINFOEXW* AddrInfo);
typedef NTSTATUS(WSKAPI* PFN_WSK_GET_NAME_INFO)(_In_ PWSK_CLIENT Client, _In_ PSOCKADDR SockAddr,
                                                _In_ ULONG SockAddrLength, _Out_opt_ PUNICODE_STRING NodeName,
                                                _Out_opt_ PUNICODE_STRING ServiceName, _In_ ULONG Flags,
                                                _In_opt_ PEPROCESS OwningProcess, _In_opt_ PETHREAD OwningThread,
                                                _Inout_ PIRP Irp);

typedef struct _WSK_PROVIDER_DISPATCH {
  USHORT Version;
  USHORT Reserved;
  PFN_WSK_SOCKET WskSocket;
  PFN_WSK_SOCKET_CONNECT WskSocketConnect;
  PFN_WSK_CONTROL_CLIENT WskControlClient;
  PFN_WSK_GET_ADDRESS_INFO WskGetAddressInfo;
  PFN_WSK_FREE_ADDRESS_INFO WskFreeAddressInfo;
  PFN_WSK_GET_NAME_INFO WskGetNameInfo;
} WSK_PROVIDER_DISPATCH, *PWSK_PROVIDER_DISPATCH;

typedef struct _WSK_PROVIDER_NPI {
  PWSK_CLIENT Client;  // goes back to the provider with every call
  const WSK_PROVIDER_DISPATCH* Dispatch;
} WSK_PROVIDER_NPI, *PWSK_PROVIDER_NPI;

/// The runtime's; need not be initialised.
typedef struct _WSK_REGISTRATION {
  ULONGLONG ReservedRegistrationState;
  PVOID ReservedRegistrationContext;
  KSPIN_LOCK ReservedRegistrationLock;
} WSK_REGISTRATION, *PWSK_REGISTRATION;
SOFTNDK_STATIC_ASSERT(sizeof(WSK_REGISTRATION) == 24, "Windows x64 layout");

EXTERN_C_START

// All four: IRQL PASSIVE_LEVEL.

/// `WskClientNpi` is copied; its Dispatch stays the caller's until WskDeregister.
SOFTNDK_API NTSTATUS WSKAPI WskRegister(_In_ PWSK_CLIENT_NPI WskClientNpi,
                                        _Out_ PWSK_REGISTRATION WskRegistration) SOFTNDK_NOEXCEPT;
/// Waits until every captured NPI is released. A zeroed registration is reported and otherwise harmless.
SOFTNDK_API VOID WSKAPI WskDeregister(_In_ PWSK_REGISTRATION WskRegistration) SOFTNDK_NOEXCEPT;
/// `WaitTimeout` in milliseconds, WSK_NO_WAIT or WSK_INFINITE_WAIT.
SOFTNDK_API NTSTATUS WSKAPI WskCaptureProviderNPI(_In_ PWSK_REGISTRATION WskRegistration, _In_ ULONG WaitTimeout,
                                                  _Out_ PWSK_PROVIDER_NPI WskProviderNpi) SOFTNDK_NOEXCEPT;
/// Blocks while NDK objects opened through the NPI live, and names them.
SOFTNDK_API VOID WSKAPI WskReleaseProviderNPI(_In_ PWSK_REGISTRATION WskRegistration) SOFTNDK_NOEXCEPT;

EXTERN_C_END

#include "detail/old_sal.h"

#endif
