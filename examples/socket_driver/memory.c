#include "socket_driver.h"

/* ---- buffers */

static ULONG LamBytes(ULONG Pages) {
  return FIELD_OFFSET(NDK_LOGICAL_ADDRESS_MAPPING, AdapterPageArray) + Pages * sizeof(NDK_LOGICAL_ADDRESS);
}

NTSTATUS BufferMap(PADAPTER Adapter, PVOID Bytes, ULONG Length, PBUFFER Buffer) {
  const ULONG pages = ADDRESS_AND_SIZE_TO_SPAN_PAGES(Bytes, Length);
  ULONG lamBytes = LamBytes(pages);
  NTSTATUS status;
  PMDL mdl;

  RtlZeroMemory(Buffer, sizeof(*Buffer));
  mdl = IoAllocateMdl(Bytes, Length, FALSE, FALSE, NULL);
  if (mdl == NULL) {
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  MmBuildMdlForNonPagedPool(mdl);
  Buffer->Lam = (NDK_LOGICAL_ADDRESS_MAPPING*)ExAllocatePoolWithTagPriority(NonPagedPoolNx, lamBytes, BUFFER_TAG,
                                                                            NormalPoolPriority);
  if (Buffer->Lam == NULL) {
    IoFreeMdl(mdl);
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  /* No completion routine: the adapter has to answer at once. */
  status = Adapter->Ndka->Dispatch->NdkBuildLAM(Adapter->Ndka, mdl, Length, NULL, NULL, Buffer->Lam, &lamBytes,
                                                &Buffer->FirstByteOffset);
  NT_ASSERT(status != STATUS_PENDING);
  IoFreeMdl(mdl); /* the mapping outlives it */
  if (!NT_SUCCESS(status)) {
    ExFreePoolWithTag(Buffer->Lam, BUFFER_TAG);
    Buffer->Lam = NULL;
    return status;
  }
  NT_ASSERT(Buffer->Lam->AdapterPageCount == pages);
  Buffer->Bytes = (PUCHAR)Bytes;
  Buffer->Length = Length;
  return STATUS_SUCCESS;
}

VOID BufferUnmap(PADAPTER Adapter, PBUFFER Buffer) {
  if (Buffer->Lam != NULL) {
    Adapter->Ndka->Dispatch->NdkReleaseLAM(Adapter->Ndka, Buffer->Lam);
    ExFreePoolWithTag(Buffer->Lam, BUFFER_TAG);
    Buffer->Lam = NULL;
  }
}

/* A page or more of pool begins a page: what is allocated here has first-byte offset 0. */
NTSTATUS BufferAllocate(PADAPTER Adapter, ULONG Bytes, PBUFFER Buffer) {
  NTSTATUS status;
  PVOID bytes;
  RtlZeroMemory(Buffer, sizeof(*Buffer));
  bytes = ExAllocatePoolWithTagPriority(NonPagedPoolNx, max(Bytes, PAGE_SIZE), BUFFER_TAG, NormalPoolPriority);
  if (bytes == NULL) {
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  status = BufferMap(Adapter, bytes, Bytes, Buffer);
  if (!NT_SUCCESS(status)) {
    ExFreePoolWithTag(bytes, BUFFER_TAG);
  }
  return status;
}

VOID BufferFree(PADAPTER Adapter, PBUFFER Buffer) {
  BufferUnmap(Adapter, Buffer);
  if (Buffer->Bytes != NULL) {
    ExFreePoolWithTag(Buffer->Bytes, BUFFER_TAG);
    Buffer->Bytes = NULL;
  }
}

/* The first `Length` bytes of a buffer in as few elements as its pages allow. Returns how many. */
ULONG BufferSgl(PBUFFER Buffer, ULONG Length, UINT32 PrivilegedToken, NDK_SGE* Sgl) {
  ULONG count = 0;
  ULONG page;
  ULONG offset = Buffer->FirstByteOffset;
  for (page = 0; Length > 0; ++page) {
    const ULONG bytes = min(Length, PAGE_SIZE - offset);
    const LONGLONG address = Buffer->Lam->AdapterPageArray[page].QuadPart + offset;
    NT_ASSERT(page < Buffer->Lam->AdapterPageCount);
    if (count != 0 && Sgl[count - 1].LogicalAddress.QuadPart + Sgl[count - 1].Length == address) {
      Sgl[count - 1].Length += bytes;
    } else {
      NT_ASSERT(count < SGE_COUNT_MAX);
      Sgl[count].LogicalAddress.QuadPart = address;
      Sgl[count].Length = bytes;
      Sgl[count].MemoryRegionToken = PrivilegedToken;
      count++;
    }
    Length -= bytes;
    offset = 0;
  }
  return count;
}

static ULONG64 PatternWord(ULONG64 Seed, ULONG Index) {
  const ULONG64 word = (Seed * 0x10001 + Index + 1) * 0x9e3779b97f4a7c15ull;
  return word ^ (word >> 29);
}

VOID FillPattern(PUCHAR Bytes, ULONG Length, ULONG64 Seed) {
  ULONG index;
  for (index = 0; Length > 0; ++index) {
    const ULONG64 word = PatternWord(Seed, index);
    const ULONG bytes = min(Length, sizeof(word));
    RtlCopyMemory(Bytes, &word, bytes);
    Bytes += bytes;
    Length -= bytes;
  }
}

BOOLEAN IsPattern(const UCHAR* Bytes, ULONG Length, ULONG64 Seed) {
  ULONG index;
  for (index = 0; Length > 0; ++index) {
    const ULONG64 word = PatternWord(Seed, index);
    const ULONG bytes = min(Length, sizeof(word));
    if (RtlCompareMemory(Bytes, &word, bytes) != bytes) {
      return FALSE;
    }
    Bytes += bytes;
    Length -= bytes;
  }
  return TRUE;
}

/*
 * ---- regions
 *
 * All of them are created at once: the creates run side by side, and so does each one's initialisation, which its
 * create's completion starts. On an adapter that does everything inline this is a loop without a wait.
 */

static VOID RegionDone(PREGION Region, NTSTATUS Status) {
  PRDMA_SOCKET socket = Region->Socket;
  if (NT_SUCCESS(Status)) {
    Region->LocalToken = Region->Mr->Dispatch->NdkGetLocalTokenFromMr(Region->Mr);
    Region->RemoteToken = Region->Mr->Dispatch->NdkGetRemoteTokenFromMr(Region->Mr);
    NT_ASSERT(Region->RemoteToken != 0);
    RegionReturn(Region);
  } else {
    InterlockedCompareExchange(&socket->RegionStatus, Status, STATUS_SUCCESS);
  }
  if (InterlockedDecrement(&socket->RegionsPending) == 0) {
    KeSetEvent(&socket->RegionsReady, IO_NO_INCREMENT, FALSE);
  }
}

static VOID RegionInitialized(PVOID Context, NTSTATUS Status) {
  RegionDone((PREGION)Context, Status);
}

static VOID RegionCreated(PVOID Context, NTSTATUS Status, NDK_OBJECT_HEADER* Object) {
  PREGION region = (PREGION)Context;
  if (NT_SUCCESS(Status)) {
    region->Mr = (NDK_MR*)Object;
    Status = region->Mr->Dispatch->NdkInitializeFastRegisterMr(region->Mr, region->Socket->Adapter.Info.FRMRPageCount,
                                                               TRUE, RegionInitialized, region);
    if (Status == STATUS_PENDING) {
      return;
    }
  }
  RegionDone(region, Status);
}

NTSTATUS RegionsCreate(PRDMA_SOCKET Socket) {
  LARGE_INTEGER frequency;
  const LARGE_INTEGER start = KeQueryPerformanceCounter(&frequency);
  ULONG i;

  PAGED_CODE();
  Socket->Regions = (PREGION)ExAllocatePoolWithTagPriority(NonPagedPoolNx, REGION_COUNT * sizeof(REGION), SOCKET_TAG,
                                                           NormalPoolPriority);
  if (Socket->Regions == NULL) {
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  RtlZeroMemory(Socket->Regions, REGION_COUNT * sizeof(REGION));
  Socket->RegionsPending = REGION_COUNT;
  for (i = 0; i < REGION_COUNT; ++i) {
    PREGION region = &Socket->Regions[i];
    NDK_MR* mr = NULL;
    NTSTATUS status;
    region->Socket = Socket;
    status = Socket->Pd->Dispatch->NdkCreateMr(Socket->Pd, TRUE, RegionCreated, region, &mr);
    if (status != STATUS_PENDING) {
      RegionCreated(region, status, NT_SUCCESS(status) ? &mr->Header : NULL);
    }
  }
  KeWaitForSingleObject(&Socket->RegionsReady, Executive, KernelMode, FALSE, NULL);
  Socket->RegionMicroseconds =
      (ULONG)((KeQueryPerformanceCounter(NULL).QuadPart - start.QuadPart) * 1000000 / frequency.QuadPart);
  return Socket->RegionStatus;
}

static VOID RegionClosed(PVOID Context) {
  UNREFERENCED_PARAMETER(Context); /* nobody waits for a region: the protection domain's close waits for all of them */
}

/* The regions' memory goes when the protection domain is closed. */
VOID RegionsClose(PRDMA_SOCKET Socket) {
  ULONG i;
  for (i = 0; Socket->Regions != NULL && i < REGION_COUNT; ++i) {
    NDK_MR* mr = Socket->Regions[i].Mr;
    if (mr != NULL) {
      mr->Dispatch->NdkCloseMr(&mr->Header, RegionClosed, NULL);
    }
  }
}

PREGION RegionTake(PRDMA_SOCKET Socket) {
  KLOCK_QUEUE_HANDLE lock;
  PSINGLE_LIST_ENTRY entry;
  KeAcquireInStackQueuedSpinLock(&Socket->RegionLock, &lock);
  entry = PopEntryList(&Socket->FreeRegions);
  KeReleaseInStackQueuedSpinLock(&lock);
  return entry == NULL ? NULL : CONTAINING_RECORD(entry, REGION, Free);
}

/* One that may still be valid stays out of the pool: registering it again would be an error. Its close ends it. */
VOID RegionReturn(PREGION Region) {
  KLOCK_QUEUE_HANDLE lock;
  Region->Buffer = NULL;
  if (Region->Valid) {
    return;
  }
  KeAcquireInStackQueuedSpinLock(&Region->Socket->RegionLock, &lock);
  PushEntryList(&Region->Socket->FreeRegions, &Region->Free);
  KeReleaseInStackQueuedSpinLock(&lock);
}

/*
 * Peers and SGEs address a region by a base that we choose. Nothing says that it is a pointer, and ours never is: an
 * adapter, or a driver, that takes one for the other is found at once.
 */
static ULONG_PTR ScrambledBase(PVOID Bytes) {
  return ((ULONG_PTR)Bytes * 0x9e3779b97f4a7c15ull) & 0x7fffffffffff0000ull;
}

/* Works to be posted by PostChain. The region counts as valid from here on. */
PWORK RegionRegister(PREGION Region, PBUFFER Buffer, ULONG Flags, WORK_COMPLETE* Complete, PVOID Context) {
  NT_ASSERT(Buffer->FirstByteOffset == 0);
  Region->Buffer = Buffer;
  Region->Base = ScrambledBase(Buffer->Bytes);
  Region->Flags = Flags;
  Region->Valid = TRUE;
  InitializeWork(&Region->RegisterWork, Region->Socket, WorkFastRegister, Complete, Context);
  Region->RegisterWork.Region = Region;
  return &Region->RegisterWork;
}

PWORK RegionInvalidate(PREGION Region, WORK_COMPLETE* Complete, PVOID Context) {
  InitializeWork(&Region->InvalidateWork, Region->Socket, WorkInvalidate, Complete, Context);
  Region->InvalidateWork.Region = Region;
  return &Region->InvalidateWork;
}
