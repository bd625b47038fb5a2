// Memory manager: pages of 4096 bytes whatever the host's are, and MDLs.
#ifndef SOFTNDK_WDK_DETAIL_MM_H
#define SOFTNDK_WDK_DETAIL_MM_H

#include "../ntdef.h"

#undef PAGE_SIZE
#undef PAGE_SHIFT
#define PAGE_SIZE 0x1000
#define PAGE_SHIFT 12

#define PAGE_ALIGN(va) ((PVOID)((ULONG_PTR)(va) & ~(ULONG_PTR)(PAGE_SIZE - 1)))
#define BYTE_OFFSET(va) ((ULONG)((ULONG_PTR)(va) & (PAGE_SIZE - 1)))
#define BYTES_TO_PAGES(size) ((ULONG)(((ULONG_PTR)(size) >> PAGE_SHIFT) + (((size) & (PAGE_SIZE - 1)) != 0)))
#define ROUND_TO_PAGES(size) (((ULONG_PTR)(size) + PAGE_SIZE - 1) & ~(ULONG_PTR)(PAGE_SIZE - 1))
#define ADDRESS_AND_SIZE_TO_SPAN_PAGES(va, size) \
  ((ULONG)(((ULONG_PTR)BYTE_OFFSET(va) + (ULONG_PTR)(size) + (PAGE_SIZE - 1)) >> PAGE_SHIFT))
#define COMPUTE_PAGES_SPANNED(va, size) ADDRESS_AND_SIZE_TO_SPAN_PAGES(va, size)

typedef ULONG_PTR PFN_NUMBER, *PPFN_NUMBER;

/// Followed in memory by one PFN_NUMBER for each page that the range touches.
typedef struct _MDL {
  struct _MDL* Next;
  CSHORT Size;  // of this structure with its page array, in bytes
  CSHORT MdlFlags;
  USHORT AllocationProcessorNumber;
  USHORT Reserved;
  struct _EPROCESS* Process;
  PVOID MappedSystemVa;
  PVOID StartVa;  // page aligned
  ULONG ByteCount;
  ULONG ByteOffset;
} MDL, *PMDL;
typedef const MDL* PCMDL;
SOFTNDK_STATIC_ASSERT(sizeof(MDL) == 48, "Windows x64 layout");

#define MDL_MAPPED_TO_SYSTEM_VA 0x0001
#define MDL_PAGES_LOCKED 0x0002
#define MDL_SOURCE_IS_NONPAGED_POOL 0x0004
#define MDL_ALLOCATED_FIXED_SIZE 0x0008
#define MDL_PARTIAL 0x0010
#define MDL_PARTIAL_HAS_BEEN_MAPPED 0x0020
#define MDL_IO_PAGE_READ 0x0040
#define MDL_WRITE_OPERATION 0x0080
#define MDL_LOCKED_PAGE_TABLES 0x0100
#define MDL_PARENT_MAPPED_SYSTEM_VA MDL_LOCKED_PAGE_TABLES
#define MDL_FREE_EXTRA_PTES 0x0200
#define MDL_DESCRIBES_AWE 0x0400
#define MDL_IO_SPACE 0x0800
#define MDL_NETWORK_HEADER 0x1000
#define MDL_MAPPING_CAN_FAIL 0x2000
#define MDL_PAGE_CONTENTS_INVARIANT 0x4000
#define MDL_ALLOCATED_MUST_SUCCEED MDL_PAGE_CONTENTS_INVARIANT
#define MDL_INTERNAL 0x8000

#define MmGetMdlVirtualAddress(mdl) ((PVOID)((PCHAR)((mdl)->StartVa) + (mdl)->ByteOffset))
#define MmGetMdlByteCount(mdl) ((mdl)->ByteCount)
#define MmGetMdlByteOffset(mdl) ((mdl)->ByteOffset)
#define MmGetMdlBaseVa(mdl) ((mdl)->StartVa)
#define MmGetMdlPfnArray(mdl) ((PPFN_NUMBER)((mdl) + 1))

SOFTNDK_INLINE SIZE_T MmSizeOfMdl(PVOID Base, SIZE_T Length) {
  return sizeof(MDL) + sizeof(PFN_NUMBER) * (SIZE_T)ADDRESS_AND_SIZE_TO_SPAN_PAGES(Base, Length);
}

SOFTNDK_INLINE VOID MmInitializeMdl(PMDL MemoryDescriptorList, PVOID BaseVa, SIZE_T Length) {
  MemoryDescriptorList->Next = NULL;
  MemoryDescriptorList->Size = (CSHORT)MmSizeOfMdl(BaseVa, Length);
  MemoryDescriptorList->MdlFlags = 0;
  MemoryDescriptorList->StartVa = PAGE_ALIGN(BaseVa);
  MemoryDescriptorList->ByteOffset = BYTE_OFFSET(BaseVa);
  MemoryDescriptorList->ByteCount = (ULONG)Length;
}

typedef enum _LOCK_OPERATION { IoReadAccess, IoWriteAccess, IoModifyAccess } LOCK_OPERATION;

typedef enum _MM_PAGE_PRIORITY { LowPagePriority = 0, NormalPagePriority = 16, HighPagePriority = 32 } MM_PAGE_PRIORITY;
#define MdlMappingNoWrite 0x80000000u
#define MdlMappingNoExecute 0x40000000u
#define MdlMappingWithGuardPtes 0x20000000u

typedef enum _MEMORY_CACHING_TYPE { MmNonCached, MmCached, MmWriteCombined } MEMORY_CACHING_TYPE;
#define MmPrepareMdlForReuse(mdl) ((void)(mdl))

EXTERN_C_START

/// Fills the page array and MappedSystemVa of an MDL over nonpaged pool. Once only. IRQL <= DISPATCH_LEVEL.
NTKERNELAPI VOID NTAPI MmBuildMdlForNonPagedPool(_Inout_ PMDL MemoryDescriptorList) SOFTNDK_NOEXCEPT;
/// A range that is not mapped, or not writable where `Operation` writes, is reported and the process stops: the
/// exception it raises on Windows has no counterpart here. Each lock takes one MmUnlockPages.
/// IRQL  <= DISPATCH_LEVEL
NTKERNELAPI VOID NTAPI MmProbeAndLockPages(_Inout_ PMDL MemoryDescriptorList, _In_ CCHAR AccessMode,
                                           _In_ LOCK_OPERATION Operation) SOFTNDK_NOEXCEPT;
NTKERNELAPI VOID NTAPI MmUnlockPages(_Inout_ PMDL MemoryDescriptorList) SOFTNDK_NOEXCEPT;
/// As MmGetSystemAddressForMdlSafe; the address stays with the MDL until MmUnmapLockedPages or MmUnlockPages.
NTKERNELAPI PVOID NTAPI MmMapLockedPagesSpecifyCache(_Inout_ PMDL MemoryDescriptorList, _In_ CCHAR AccessMode,
                                                     _In_ ULONG CacheType, _In_opt_ PVOID RequestedAddress,
                                                     _In_ ULONG BugCheckOnFailure,
                                                     _In_ ULONG Priority) SOFTNDK_NOEXCEPT;
NTKERNELAPI VOID NTAPI MmUnmapLockedPages(_In_ PVOID BaseAddress, _Inout_ PMDL MemoryDescriptorList) SOFTNDK_NOEXCEPT;
/// A page's frame and the offset in it: what NdkBuildLAM calls a logical address. IRQL any.
NTKERNELAPI PHYSICAL_ADDRESS NTAPI MmGetPhysicalAddress(_In_ PVOID BaseAddress) SOFTNDK_NOEXCEPT;
/// The mapped address, or NULL on (injected) failure. `Priority` may carry MdlMapping flags.
NTKERNELAPI PVOID NTAPI MmGetSystemAddressForMdlSafe(_Inout_ PMDL MemoryDescriptorList,
                                                     _In_ ULONG Priority) SOFTNDK_NOEXCEPT;

EXTERN_C_END

#endif
