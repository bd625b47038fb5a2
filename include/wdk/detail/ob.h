// Objects, handles and system threads.
#ifndef SOFTNDK_WDK_DETAIL_OB_H
#define SOFTNDK_WDK_DETAIL_OB_H

#include "ke.h"

typedef ULONG ACCESS_MASK, *PACCESS_MASK;
#define READ_CONTROL 0x00020000
#define WRITE_DAC 0x00040000
#define WRITE_OWNER 0x00080000
#define DELETE 0x00010000
#define SYNCHRONIZE 0x00100000
#define STANDARD_RIGHTS_READ READ_CONTROL
#define STANDARD_RIGHTS_WRITE READ_CONTROL
#define STANDARD_RIGHTS_REQUIRED 0x000f0000
#define STANDARD_RIGHTS_ALL 0x001f0000
#define GENERIC_ALL 0x10000000
#define GENERIC_EXECUTE 0x20000000
#define GENERIC_WRITE 0x40000000
#define GENERIC_READ 0x80000000u
#define THREAD_ALL_ACCESS (STANDARD_RIGHTS_REQUIRED | SYNCHRONIZE | 0xffff)
#define EVENT_ALL_ACCESS (STANDARD_RIGHTS_REQUIRED | SYNCHRONIZE | 0x3)

typedef PVOID PSECURITY_DESCRIPTOR;
typedef struct _OBJECT_TYPE* POBJECT_TYPE;

typedef struct _OBJECT_HANDLE_INFORMATION {
  ULONG HandleAttributes;
  ACCESS_MASK GrantedAccess;
} OBJECT_HANDLE_INFORMATION, *POBJECT_HANDLE_INFORMATION;

typedef struct _CLIENT_ID {
  HANDLE UniqueProcess;
  HANDLE UniqueThread;
} CLIENT_ID, *PCLIENT_ID;

/// Entered at PASSIVE_LEVEL. Returning ends the thread with STATUS_SUCCESS.
typedef VOID(NTAPI KSTART_ROUTINE)(_In_ PVOID StartContext);
typedef KSTART_ROUTINE* PKSTART_ROUTINE;

EXTERN_C_START

/// What ObReferenceObjectByHandle compares a thread's handle with.
NTKERNELAPI extern POBJECT_TYPE* PsThreadType;

/// ThreadHandle is closed by the caller; closing it leaves the thread running. IRQL PASSIVE_LEVEL.
NTKERNELAPI NTSTATUS NTAPI PsCreateSystemThread(_Out_ PHANDLE ThreadHandle, _In_ ULONG DesiredAccess,
                                                _In_opt_ POBJECT_ATTRIBUTES ObjectAttributes,
                                                _In_opt_ HANDLE ProcessHandle, _Out_opt_ PCLIENT_ID ClientId,
                                                _In_ PKSTART_ROUTINE StartRoutine,
                                                _In_opt_ PVOID StartContext) SOFTNDK_NOEXCEPT;
/// Ends the calling system thread; does not return. (Not noexcept: the host may unwind the thread's stack.)
NTKERNELAPI NTSTATUS NTAPI PsTerminateSystemThread(_In_ NTSTATUS ExitStatus);

/// ObjectType NULL accepts any type in KernelMode. The reference is dropped with ObDereferenceObject.
NTKERNELAPI NTSTATUS NTAPI
ObReferenceObjectByHandle(_In_ HANDLE Handle, _In_ ACCESS_MASK DesiredAccess, _In_opt_ POBJECT_TYPE ObjectType,
                          _In_ KPROCESSOR_MODE AccessMode, _Out_ PVOID* Object,
                          _Out_opt_ POBJECT_HANDLE_INFORMATION HandleInformation) SOFTNDK_NOEXCEPT;
/// IRQL  <= DISPATCH_LEVEL
NTKERNELAPI VOID NTAPI ObDereferenceObject(_In_ PVOID Object) SOFTNDK_NOEXCEPT;

/// IRQL  PASSIVE_LEVEL
NTSYSAPI NTSTATUS NTAPI ZwClose(_In_ HANDLE Handle) SOFTNDK_NOEXCEPT;

EXTERN_C_END

/// One more, dropped with ObDereferenceObject. IRQL <= DISPATCH_LEVEL.
EXTERN_C_START
NTKERNELAPI VOID NTAPI SoftNdkReferenceObject(_In_ PVOID Object) SOFTNDK_NOEXCEPT;
NTKERNELAPI HANDLE NTAPI PsGetCurrentThreadId(VOID) SOFTNDK_NOEXCEPT;
EXTERN_C_END
#define ObReferenceObject(Object) SoftNdkReferenceObject(Object)
#define ObfReferenceObject(Object) SoftNdkReferenceObject(Object)
#define PsGetCurrentProcessId() ((HANDLE)(ULONG_PTR)4)  // the system process
#define PsGetCurrentThread() ((PETHREAD)KeGetCurrentThread())

#endif
