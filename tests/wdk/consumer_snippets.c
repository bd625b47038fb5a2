/* What real drivers write, gathered into one file: it has to compile as they would compile, in C and (with
 * SOFTNDK_KERNEL_CXX) as kernel C++, and nothing in it is called. Annotations stand in odd places on purpose, and
 * no formatter may tidy them. */
// clang-format off
#include <ndis.h>
#include <wsk.h>
#include <ndkpi.h>
#include <wskndk.h>
#include <Wdmsec.h>
#include <ntddk.h>
#include <netioapi.h>
#include <ip2string.h>
#include <ntstrsafe.h>
#include <ws2def.h>
#include <ndisNDK.h>

#ifdef __cplusplus
extern "C" {
#endif

DRIVER_INITIALIZE DriverEntry;
DRIVER_UNLOAD SnippetUnload;
DRIVER_DISPATCH SnippetDispatch;
static IO_WORKITEM_ROUTINE_EX SnippetWorkItem;
static WORKER_THREAD_ROUTINE SnippetWorker;
static KSTART_ROUTINE SnippetThread;
static KDEFERRED_ROUTINE SnippetDpc;

#ifdef ALLOC_PRAGMA
#pragma alloc_text(INIT, DriverEntry)
#pragma alloc_text(PAGE, SnippetUnload)
#endif
#pragma warning(push)
#pragma warning(disable : 4201)

/* Names that a driver may choose for itself, because no header of ours brings the C library's. */
static int wait(int milliseconds) { return milliseconds; }
static void logf(const char *format, ...) { (void)format; }
static void complete(void *context) { (void)context; }
static void probe(void) {}
static long long send(int a, const char *b) { return a + (b != NULL); }
static void cleanup(void) {}
static int reap(int x) { return x; }
static int bind(int x) { return x; }
static int accept(int x) { return x; }
static int read(int x) { return x; }

#define SNIPPET_TAG 'amdR'
#define min3(a, b, c) min(min((a), (b)), (c))
#define min4(a, b, c, d) min(min((a), (b)), min((c), (d)))
#define SNIPPET_RETURN_IF(e) __pragma(warning(push)) if (!NT_SUCCESS(e)) return (e) __pragma(warning(pop))

typedef struct DECLSPEC_CACHEALIGN _SNIPPET_SOCKET {
  _Guarded_by_(Lock) LIST_ENTRY Requests;
  KSPIN_LOCK Lock;
  _Write_guarded_by_(Lock)
  ULONG Count;
  volatile DECLSPEC_CACHEALIGN LONG References;
  EX_RUNDOWN_REF Rundown;
  KEVENT Done;
  PIO_WORKITEM WorkItem;
  WORK_QUEUE_ITEM StaticItem;
  SINGLE_LIST_ENTRY Free;
  _Field_size_bytes_(Length) PUCHAR Buffer;
  ULONG Length;
  BOOLEAN Connected : 1;
  BOOLEAN Listening : 1;
  union {
    SOCKADDR_IN In;
    SOCKADDR_INET Inet;
  };
  NDK_VERSION Version;
} SNIPPET_SOCKET, *PSNIPPET_SOCKET;
C_ASSERT(sizeof(WCHAR) == 2);
C_ASSERT(sizeof(KEVENT) == 24);

typedef _Struct_size_bytes_(Size) struct _SNIPPET_MESSAGE {
  ULONG Size;
  UINT64 Address;
} SNIPPET_MESSAGE;

/* Positional initialisers */
static CONST WSK_CLIENT_DISPATCH SnippetClientDispatch = {MAKE_WSK_VERSION(1, 0), 0, NULL};
static WSK_REGISTRATION SnippetRegistration;
static WSK_PROVIDER_NPI SnippetProvider;
static WSK_PROVIDER_NDK_DISPATCH SnippetNdk;
static CONST NDK_VERSION SnippetVersion = {1, 0};
static UCHAR SnippetInterfaceAlias[(NDIS_IF_MAX_STRING_SIZE + 1) * sizeof(WCHAR)];

_Use_decl_annotations_ VOID static SnippetNotify(PVOID Context, NTSTATUS Status) {
  PSNIPPET_SOCKET Socket = (PSNIPPET_SOCKET)Context;
  UNREFERENCED_PARAMETER(Status);
  NT_ASSERT(Status == STATUS_SUCCESS || Socket != NULL);
  KeSetEvent(&Socket->Done, IO_NO_INCREMENT, FALSE);
}

_Success_(return != FALSE) _When_(Length > 0, _At_(Buffer, _Out_writes_bytes_to_(Length, return )))
static FORCEINLINE _Ret_range_(>, 0) ULONG SnippetAnnotated(
    _In_range_(>, 0) ULONG Length, _Out_writes_bytes_to_opt_(*Size, *Size) PVOID Buffer, _Inout_ PULONG Size,
    _Outptr_result_maybenull_ PVOID *Result, _Deref_out_ PVOID *Other, _Frees_ptr_ PVOID Freed) {
  UNREFERENCED_PARAMETER(Freed);
  _Analysis_assume_(Length > 0);
  *Size = Length;
  *Result = *Other = Buffer;
  return Length;
}

_IRQL_requires_max_(DISPATCH_LEVEL) _IRQL_raises_(DISPATCH_LEVEL) _Acquires_lock_(_Curr_)
_Post_same_lock_(Socket->Lock, Handle->LockQueue.Lock) _IRQL_saves_global_(QueuedSpinLock, Handle)
static VOID SnippetLock(_Inout_ PSNIPPET_SOCKET Socket, _Out_ PKLOCK_QUEUE_HANDLE Handle) {
  _No_competing_thread_begin_
  Socket->Count = 0;
  _No_competing_thread_end_
  KeAcquireInStackQueuedSpinLock(&Socket->Lock, Handle);
}

static _Requires_lock_not_held_(Socket->Lock) _Must_inspect_result_ NTSTATUS
SnippetEvents(_In_ PSNIPPET_SOCKET Socket) {
  LARGE_INTEGER Timeout;
  KLOCK_QUEUE_HANDLE Handle;
  NTSTATUS Status;
  KEVENT OnStack;

  PAGED_CODE();

  KeInitializeEvent(&OnStack, NotificationEvent, FALSE);
  SnippetLock(Socket, &Handle);
  KeSetEvent(&OnStack, IO_NO_INCREMENT, FALSE);
  KeReleaseInStackQueuedSpinLock(&Handle);
  Timeout.QuadPart = -10000LL * 30;
  Status = KeWaitForSingleObject(&OnStack, Executive, KernelMode, FALSE, 0);
  if (Status == STATUS_TIMEOUT) return STATUS_IO_TIMEOUT;
  Status = KeWaitForSingleObject(&OnStack, Executive, KernelMode, FALSE, &Timeout);
  NT_VERIFY(ExAcquireRundownProtectionEx(&Socket->Rundown, 1));
  if (!NT_VERIFY(NT_SUCCESS(Status))) return STATUS_UNSUCCESSFUL;
  ExReleaseRundownProtectionEx(&Socket->Rundown, 1);
  PAGED_CODE() ULONG AfterPagedCode = 0;
  return NT_ERROR(Status) ? Status : (NTSTATUS)AfterPagedCode;
}

static VOID SnippetPool(PSNIPPET_SOCKET Socket) {
  POOL_EXTENDED_PARAMETER Parameters[1] = {};
  PVOID Buffer = ExAllocatePoolWithTagPriority(NonPagedPoolNx, 65536, SNIPPET_TAG, NormalPoolPriority);
  PMDL Mdl = IoAllocateMdl(Buffer, 65536, FALSE, FALSE, FALSE);
  if (Mdl != NULL) {
    MmBuildMdlForNonPagedPool(Mdl);
    Socket->Length = MmGetMdlByteCount(Mdl) + ADDRESS_AND_SIZE_TO_SPAN_PAGES(MmGetMdlVirtualAddress(Mdl), 65536);
    Mdl->Next = NULL;
    IoFreeMdl(Mdl);
  }
  ExFreePoolWithTag(Buffer, SNIPPET_TAG);
  Parameters[0].Type = PoolExtendedParameterPriority;
  Parameters[0].Optional = TRUE;
  Parameters[0].Priority = NormalPoolPriority;
  Buffer = ExAllocatePool3(POOL_FLAG_NON_PAGED, 100, 'tkdN', Parameters, ARRAYSIZE(Parameters));
  ExFreePool2(Buffer, 'tkdN', Parameters, 1);
}

typedef enum _SNIPPET_STATE { SnippetIdle, SnippetBusy } SNIPPET_STATE;

static VOID SnippetInterlocked(PSNIPPET_SOCKET *Slot, PSNIPPET_SOCKET Socket) {
  static volatile SNIPPET_STATE State;
  static USHORT Depth;
  static ULONG Unsigned;
  PSNIPPET_SOCKET Old = (PSNIPPET_SOCKET)InterlockedCompareExchangePointer(Slot, Socket, NULL);
  if (Old == NULL && InterlockedCompareExchange((LONG *)&State, SnippetBusy, SnippetIdle) == SnippetIdle)
    _InterlockedIncrement16((SHORT *)&Depth);
  InterlockedIncrement(&Socket->References);
  InterlockedIncrement(&Unsigned);
  _InterlockedExchange((LONG volatile *)&State, SnippetIdle);
}

_Function_class_(IO_WORKITEM_ROUTINE_EX) static VOID
SnippetWorkItem(PVOID IoObject, PVOID Context, PIO_WORKITEM Item) {
  UNREFERENCED_PARAMETER(IoObject);
  UNREFERENCED_PARAMETER(Context);
  IoFreeWorkItem(Item);
}

static VOID SnippetQueue(PDRIVER_OBJECT Driver, PSNIPPET_SOCKET Socket, IO_WORKITEM_ROUTINE_EX Routine) {
  Socket->WorkItem = IoAllocateWorkItem((PDEVICE_OBJECT)Driver);
  if (Socket->WorkItem) IoQueueWorkItemEx(Socket->WorkItem, Routine, DelayedWorkQueue, Socket);
  ExInitializeWorkItem(&Socket->StaticItem, SnippetWorker, Socket);
  ExQueueWorkItem(&Socket->StaticItem, DelayedWorkQueue);
}

static VOID SnippetWorker(PVOID Parameter) { SnippetInterlocked((PSNIPPET_SOCKET *)Parameter, NULL); }
static VOID SnippetThread(PVOID Context) {
  UNREFERENCED_PARAMETER(Context);
  (void)PsTerminateSystemThread(STATUS_SUCCESS);
}
static VOID SnippetDpc(PKDPC Dpc, PVOID Context, PVOID A1, PVOID A2) {
  UNREFERENCED_PARAMETER(Dpc);
  UNREFERENCED_PARAMETER(A1);
  UNREFERENCED_PARAMETER(A2);
  KeSetEvent((PRKEVENT)Context, 0, FALSE);
}

static NTSTATUS SnippetStart(PSNIPPET_SOCKET Socket) {
  static KDPC Dpc;
  static KTIMER Timer;
  HANDLE Thread;
  PVOID Object;
  OBJECT_ATTRIBUTES Attributes;
  LARGE_INTEGER Due;
  NTSTATUS Status;
  InitializeObjectAttributes(&Attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
  Status = PsCreateSystemThread(&Thread, THREAD_ALL_ACCESS, &Attributes, NULL, NULL, SnippetThread, Socket);
  SNIPPET_RETURN_IF(Status);
  Status = ObReferenceObjectByHandle(Thread, THREAD_ALL_ACCESS, *PsThreadType, KernelMode, &Object, NULL);
  ZwClose(Thread);
  Due.QuadPart = -1;
  KeInitializeDpc(&Dpc, SnippetDpc, &Socket->Done);
  KeInitializeTimer(&Timer);
  KeSetTimer(&Timer, Due, &Dpc);
  KeWaitForSingleObject(Object, Executive, KernelMode, FALSE, NULL);
  ObDereferenceObject(Object);
  return Status;
}

/* SEH as two programs use it */
static NTSTATUS SnippetSeh(PMDL Mdl) {
  NTSTATUS Status = STATUS_SUCCESS;
  for (;;) {
    __try {
      MmProbeAndLockPages(Mdl, KernelMode, IoModifyAccess);
      if (Mdl->ByteCount == 0) __leave;
      __try {
        if (Mdl->ByteCount == 1) __leave;
      } __finally {
        MmUnlockPages(Mdl);
      }
    } __except (EXCEPTION_EXECUTE_HANDLER) {
      Status = GetExceptionCode();
    }
    break;
  }
  return Status;
}

static NTSTATUS SnippetAddress(_In_ CONST PSOCKADDR Address, PSNIPPET_SOCKET Socket) {
  SOCKADDR_STORAGE Storage;
  USHORT Port = 0;
  NET_LUID Luid;
  NTSTATUS Status;
#if __SIZEOF_WCHAR_T__ == 2
  Status = RtlIpv4StringToAddressExW(L"10.0.0.1", FALSE, &Socket->In.sin_addr, &Port);
  SNIPPET_RETURN_IF(Status);
#endif
  Socket->In.sin_family = AF_INET;
  Socket->In.sin_port = RtlUshortByteSwap(445);
  Socket->In.sin_addr.S_un.S_addr = RtlUlongByteSwap(0x7f000001);
  Socket->In.sin_addr.s_addr |= 0;
  Socket->Inet.si_family = AF_INET6;
  RtlZeroMemory(&Storage, sizeof(Storage));
  RtlCopyMemory(&Storage, Address, min(sizeof(Storage), sizeof(*Address)));
  Status = ConvertInterfaceIndexToLuid((NET_IFINDEX)Port, &Luid);
  if (NT_SUCCESS(Status))
    Status = ConvertInterfaceLuidToAlias(&Luid, (PWSTR)SnippetInterfaceAlias, NDIS_IF_MAX_STRING_SIZE + 1);
  return Luid.Info.IfType == 6 ? Status : STATUS_INVALID_PARAMETER;
}

static VOID SnippetCreated(PVOID Context, NTSTATUS Status, NDK_OBJECT_HEADER *Object) {
  UNREFERENCED_PARAMETER(Object);
  SnippetNotify(Context, Status);
}
static VOID SnippetClosed(PVOID Context) { UNREFERENCED_PARAMETER(Context); }

_IRQL_requires_(PASSIVE_LEVEL) static NTSTATUS SnippetOpen(PSNIPPET_SOCKET Socket, NET_IFINDEX Index) {
  WSK_CLIENT_NPI Npi = {NULL, &SnippetClientDispatch};
  NDK_ADAPTER *Adapter = NULL;
  NDK_ADAPTER_INFO Info;
  NDK_CONNECTOR *Connector = NULL;
  GROUP_AFFINITY Affinity;
  ULONG Size = sizeof(Info);
  NTSTATUS Status = WskRegister(&Npi, &SnippetRegistration);
  if (!NT_SUCCESS(Status)) return Status;
  Status = WskCaptureProviderNPI(&SnippetRegistration, WSK_INFINITE_WAIT, &SnippetProvider);
  if (!NT_SUCCESS(Status)) goto Deregister;
  Status = SnippetProvider.Dispatch->WskControlClient(SnippetProvider.Client, WSKNDK_GET_WSK_PROVIDER_NDK_DISPATCH, 0,
                                                      NULL, sizeof(SnippetNdk), &SnippetNdk, NULL, NULL);
  if (!NT_SUCCESS(Status)) goto Release;
  Status = SnippetNdk.WskOpenNdkAdapter(SnippetProvider.Client, SnippetVersion, Index, &Adapter);
  if (!NT_SUCCESS(Status)) goto Release;
  Status = Adapter->Dispatch->NdkQueryAdapterInfo(Adapter, &Info, &Size);
  KeQueryNodeActiveAffinity(KeGetCurrentNodeNumber(), &Affinity, NULL);
  Info.MaxCqDepth = min3(MAXUSHORT, Info.MaxCqDepth, (ULONG)PAGE_SIZE);
  Info.MaxSrqDepth = min4(Info.MaxCqDepth, 1u, Socket->Length, MAXULONG);
  Status = Adapter->Dispatch->NdkCreateConnector(Adapter, SnippetCreated, Socket, &Connector);
  if (Status == STATUS_PENDING) KeWaitForSingleObject(&Socket->Done, Executive, KernelMode, FALSE, NULL);
  if (Connector != NULL)
    (void)Connector->Dispatch->NdkCloseConnector(&Connector->Header, SnippetClosed, NULL);
  DbgPrint("open %lu: 0x%08x %wZ\n", Index, Status, (PUNICODE_STRING)NULL);
  KdPrint(("flags %lx\n", Info.AdapterFlags));
  SnippetNdk.WskCloseNdkAdapter(SnippetProvider.Client, Adapter);
Release:
  WskReleaseProviderNPI(&SnippetRegistration);
Deregister:
  WskDeregister(&SnippetRegistration);
  return Status;
}

/* A probe's way with the registry and its result file */
#if __SIZEOF_WCHAR_T__ == 2
_Strict_type_match_ static NTSTATUS NTAPI SnippetConfigure(_In_opt_ PUNICODE_STRING Path, _Out_opt_ PULONG Index,
                                                           _Outptr_ _Outptr_result_nullonfailure_ HANDLE *File) {
  UCHAR Room[sizeof(KEY_VALUE_PARTIAL_INFORMATION) + 64];
  KEY_VALUE_PARTIAL_INFORMATION *Value = (KEY_VALUE_PARTIAL_INFORMATION *)Room;
  UNICODE_STRING Name;
  OBJECT_ATTRIBUTES Attributes;
  IO_STATUS_BLOCK Block;
  HANDLE Key = NULL, Results = NULL;
  ULONG Length, Disposition, One = 1;
  static LONG Started;
  NTSTATUS Status;
  ASSERT(Index != NULL);
  if (_InterlockedCompareExchange(&Started, 1, 0) == 0) _InterlockedIncrement(&Started);
  _InterlockedDecrement(&Started);
  InterlockedExchange(&Started, 0);
  InitializeObjectAttributes(&Attributes, Path, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL, NULL);
  Status = ZwOpenKey(&Key, KEY_READ, &Attributes);
  SNIPPET_RETURN_IF(Status);
  RtlInitUnicodeString(&Name, L"IfIndex");
  Status = ZwQueryValueKey(Key, &Name, KeyValuePartialInformation, Room, sizeof(Room), &Length);
  if (NT_SUCCESS(Status) && Value->Type == REG_DWORD && Value->DataLength == sizeof(ULONG)) *Index = *(PULONG)Value->Data;
  RtlInitUnicodeString(&Name, L"Results");
  InitializeObjectAttributes(&Attributes, &Name, OBJ_CASE_INSENSITIVE, Key, NULL);
  Status = ZwCreateKey(&Results, KEY_SET_VALUE, &Attributes, 0, NULL, REG_OPTION_NON_VOLATILE, &Disposition);
  if (NT_SUCCESS(Status)) ZwSetValueKey(Results, &Name, 0, REG_DWORD, &One, sizeof(One));
  ZwClose(Results);
  ZwClose(Key);
  RtlInitUnicodeString(&Name, L"\\??\\C:\\probe.txt");
  InitializeObjectAttributes(&Attributes, &Name, OBJ_KERNEL_HANDLE, NULL, NULL);
  Status = ZwCreateFile(File, FILE_APPEND_DATA | SYNCHRONIZE, &Attributes, &Block, NULL, FILE_ATTRIBUTE_NORMAL,
                        FILE_SHARE_READ | FILE_SHARE_WRITE, FILE_OPEN_IF, FILE_SYNCHRONOUS_IO_NONALERT, NULL, 0);
  if (NT_SUCCESS(Status)) Status = ZwWriteFile(*File, NULL, NULL, NULL, &Block, (PVOID) "ok", 2, NULL, NULL);
  return Status;
}
#endif

static VOID SnippetLists(_In_reads_bytes_(Length) const VOID *Bytes, SIZE_T Length,
                         _Outref_result_nullonfailure_ PSNIPPET_SOCKET Socket) {
  SINGLE_LIST_ENTRY Entry;
  _Requires_exclusive_lock_held_(Socket->Lock)
  KeInitializeSpinLock(&Socket->Lock);
  ExInitializeRundownProtection(&Socket->Rundown);
  KeClearEvent(&Socket->Done);
  Socket->Free.Next = NULL;
  PushEntryList(&Socket->Free, &Entry);
  (void)PopEntryList(&Socket->Free);
  InitializeListHead(&Socket->Requests);
  InsertTailList(&Socket->Requests, (PLIST_ENTRY)ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(LIST_ENTRY), SNIPPET_TAG));
  (void)RemoveEntryList(Socket->Requests.Flink);
  if (RtlCompareMemory(Bytes, Socket, Length) == Length) ExWaitForRundownProtectionRelease(&Socket->Rundown);
}

static NTSTATUS SnippetPrint(PSTR Buffer, SIZE_T Size, PCSTR Format, ...) {
  va_list Arguments;
  NTSTATUS Status;
  va_start(Arguments, Format);
  Status = RtlStringCbVPrintfA(Buffer, Size, Format, Arguments);
  va_end(Arguments);
  return strlen(Buffer) == 0 ? STATUS_UNSUCCESSFUL : Status;
}

static VOID SnippetListsByValue(PLIST_ENTRY Head) {
  LIST_ENTRY Copy = *Head;
  if (!IsListEmpty(Head)) {
    Copy.Flink->Blink = &Copy;
    Copy.Blink->Flink = &Copy;
    InitializeListHead(Head);
  }
  while (!IsListEmpty(&Copy)) {
    PSNIPPET_SOCKET Socket = CONTAINING_RECORD(RemoveHeadList(&Copy), SNIPPET_SOCKET, Requests);
    if (ARGUMENT_PRESENT(Socket)) SnippetPool(Socket);
  }
}

/* Old annotations, as parameter lists carry them */
static int SnippetOldSal(__in int a, __in_opt int *b, __out int *c, __out_opt int *d, __inout int *e, __notnull int *f,
                         __in_ecount(a) const char *g, __nullterminated const char *h) {
  *c = a + *e + *f + *g + *h;
  return b == d;
}

NTSTATUS SnippetDispatch(PDEVICE_OBJECT DeviceObject, PIRP Irp) {
  UNREFERENCED_PARAMETER(DeviceObject);
  Irp->IoStatus.Status = STATUS_NOT_SUPPORTED;
  Irp->IoStatus.Information = 0;
  IoCompleteRequest(Irp, IO_NO_INCREMENT);
  return STATUS_NOT_SUPPORTED;
}

VOID SnippetUnload(PDRIVER_OBJECT DriverObject) {
  UNREFERENCED_PARAMETER(DriverObject);
  PAGED_CODE();
}

NTSTATUS DriverEntry(_In_ PDRIVER_OBJECT DriverObject, _In_ PUNICODE_STRING RegistryPath) {
  static SNIPPET_SOCKET Socket;
  PVOID Result = NULL;
  ULONG Size = 0;
  int numbers[4] = {0};
  char text[8];
  LARGE_INTEGER Frequency;
  UNREFERENCED_PARAMETER(RegistryPath);
  RtlZeroMemory(DriverObject->MajorFunction, sizeof(DriverObject->MajorFunction));
  for (ULONG i = 0; i <= IRP_MJ_MAXIMUM_FUNCTION; ++i) DriverObject->MajorFunction[i] = SnippetDispatch;
  DriverObject->DriverUnload = SnippetUnload;
  SnippetQueue(DriverObject, &Socket, SnippetWorkItem);
  SnippetListsByValue(&Socket.Requests);
  (void)SnippetAnnotated(1, text, &Size, &Result, &Result, NULL);
  (void)SnippetOldSal(1, NULL, &numbers[0], &numbers[1], &numbers[2], &numbers[3], "g", "h");
  (void)SnippetPrint(text, sizeof(text), "%lu", Size);
  (void)SnippetAddress((PSOCKADDR)&Socket.In, &Socket);
  (void)SnippetSeh(NULL);
#if __SIZEOF_WCHAR_T__ == 2
  {
    HANDLE File = NULL;
    (void)SnippetConfigure(RegistryPath, &Size, &File);
  }
#endif
  SnippetLists(text, sizeof(text), &Socket);
  (void)SnippetStart(&Socket);
  (void)SnippetEvents(&Socket);
  (void)KeQueryPerformanceCounter(&Frequency);
  logf("%d", wait(1) + reap(2) + bind(3) + accept(4) + read(5) + (int)send(6, text));
  complete(NULL);
  probe();
  cleanup();
  return SnippetOpen(&Socket, 1);
}

#pragma warning(pop)

#ifdef __cplusplus
}
#endif
