#include "ntrt/mdl.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/alloc.h"
#include "base/log.h"
#include "ntrt/bug_check.h"
#include "ntrt/irql.h"
#include "ntrt/pool.h"

namespace softndk::ntrt {
namespace {

constexpr std::size_t kPage = 4096;

/// Frames of adjacent pages, beginning with the one where the range begins.
void fill_frames(MDL* mdl) {
  const auto first = reinterpret_cast<std::uintptr_t>(mdl->StartVa) / kPage;
  PFN_NUMBER* frames = mdl_frames(mdl);
  for (std::size_t i = 0, count = mdl_frame_count(mdl); i < count; ++i)
    frames[i] = first + i;
}

enum class Access { present, absent, unknown };

/// Whether all pages of the range can be read (written). The kernel is asked, so that an address that is wrong comes
/// back as an error here and not as a signal in the middle of a transfer.
Access probe_pages(std::uintptr_t begin, std::size_t bytes, bool write) {
#if defined(MADV_POPULATE_READ) && defined(MADV_POPULATE_WRITE)
  const auto host_page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  const std::uintptr_t from = begin / host_page * host_page;
  const std::size_t length = begin + bytes - from;
  const int advice = write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ;
  for (;;) {
    if (madvise(reinterpret_cast<void*>(from), length, advice) == 0) return Access::present;
    if (errno == EINTR || errno == EAGAIN) continue;
    if (errno == ENOMEM || errno == EFAULT) return Access::absent;
    // EINVAL: a mapping without the right, or a kernel (before 5.14) that does not know the question.
    if (errno == EINVAL) {
      alignas(kPage) static char own_page[kPage];
      const bool known = madvise(own_page, sizeof own_page, MADV_POPULATE_READ) == 0;
      return known ? Access::absent : Access::unknown;
    }
    return Access::unknown;
  }
#else
  static_cast<void>(begin), static_cast<void>(bytes), static_cast<void>(write);
  return Access::unknown;
#endif
}

[[noreturn]] void report_mdl(const MDL* mdl, const char* mistake, void* caller) {
  char place[128];
  describe_code_address(caller, place, sizeof place);
  bug_check(BugCode::driver_violation, "MDL %p (%p, %u bytes, flags 0x%x): %s, by %s", static_cast<const void*>(mdl),
            reinterpret_cast<void*>(mdl_virtual_address(mdl)), mdl->ByteCount,
            static_cast<unsigned>(static_cast<USHORT>(mdl->MdlFlags)), mistake, place);
}

void warn_mdl(const MDL* mdl, const char* mistake, void* caller) {
  if (!log_enabled(LogLevel::warning)) return;
  char place[128];
  describe_code_address(caller, place, sizeof place);
  log(LogLevel::warning, "MDL %p (%p, %u bytes): %s, by %s", static_cast<const void*>(mdl),
      reinterpret_cast<void*>(mdl_virtual_address(mdl)), mdl->ByteCount, mistake, place);
}

/// The address at which the described bytes stand in a row, or null if the frames are not adjacent.
void* contiguous_address(const MDL* mdl) {
  const PFN_NUMBER* frames = mdl_frames(mdl);
  for (std::size_t i = 1, count = mdl_frame_count(mdl); i < count; ++i) {
    if (frames[i] != frames[0] + i) return nullptr;
  }
  return reinterpret_cast<void*>(static_cast<std::uintptr_t>(frames[0]) * kPage + mdl->ByteOffset);
}

}  // namespace
}  // namespace softndk::ntrt

using namespace softndk::ntrt;  // this file is the boundary: the interface's names below, ours above

extern "C" {

PMDL IoAllocateMdl(PVOID address, ULONG length, BOOLEAN secondary, BOOLEAN, PIRP irp) noexcept {
  check_irql(EntryPoint::IoAllocateMdl);
  const std::size_t offset = BYTE_OFFSET(address);
  const std::size_t frames = (offset + length + kPage - 1) / kPage;
  const std::size_t bytes = sizeof(MDL) + frames * sizeof(PFN_NUMBER);
  auto* mdl =
      static_cast<MDL*>(pool_allocate({.bytes = bytes, .tag = kMdlTag, .zeroed = true}, __builtin_return_address(0)));
  if (mdl == nullptr) return nullptr;
  mdl->Size = static_cast<CSHORT>(bytes);  // wraps for ranges of more than 16 MiB, as on Windows: nobody reads it
  mdl->StartVa = PAGE_ALIGN(address);
  mdl->ByteOffset = static_cast<ULONG>(offset);
  mdl->ByteCount = length;
  if (irp != nullptr) {
    PMDL* at = &irp->MdlAddress;
    while (secondary && *at != nullptr)
      at = &(*at)->Next;
    *at = mdl;
  }
  return mdl;
}

VOID IoFreeMdl(PMDL mdl) noexcept {
  check_irql(EntryPoint::IoFreeMdl);
  if ((mdl->MdlFlags & MDL_PAGES_LOCKED) != 0 && (mdl->MdlFlags & MDL_PARTIAL) == 0)
    report_mdl(mdl, "freed with its pages locked; MmUnlockPages first", __builtin_return_address(0));
  pool_free(mdl, kMdlTag, __builtin_return_address(0));
}

VOID MmBuildMdlForNonPagedPool(PMDL mdl) noexcept {
  check_irql(EntryPoint::MmBuildMdlForNonPagedPool);
  void* address = reinterpret_cast<void*>(mdl_virtual_address(mdl));
  if ((mdl->MdlFlags & MDL_PAGES_LOCKED) != 0)
    report_mdl(mdl, "built for nonpaged pool with its pages locked", __builtin_return_address(0));
  if ((mdl->MdlFlags & MDL_SOURCE_IS_NONPAGED_POOL) != 0) {
    warn_mdl(mdl, "built for nonpaged pool twice", __builtin_return_address(0));
  } else if (!pool_contains(address, std::max<ULONG>(mdl->ByteCount, 1))) {
    warn_mdl(mdl, "built for nonpaged pool, but its range is no (single, live) block of it",
             __builtin_return_address(0));
  }
  fill_frames(mdl);
  mdl->MappedSystemVa = address;
  mdl->MdlFlags = static_cast<CSHORT>(mdl->MdlFlags | MDL_SOURCE_IS_NONPAGED_POOL);
}

VOID MmProbeAndLockPages(PMDL mdl, CCHAR, LOCK_OPERATION operation) noexcept {
  check_irql(EntryPoint::MmProbeAndLockPages);
  if ((mdl->MdlFlags & MDL_PAGES_LOCKED) != 0)
    report_mdl(mdl, "locked, but its pages are locked already", __builtin_return_address(0));
  if ((mdl->MdlFlags & MDL_SOURCE_IS_NONPAGED_POOL) != 0)
    report_mdl(mdl, "locked, but it describes nonpaged pool, which needs no lock", __builtin_return_address(0));
  const bool write = operation != IoReadAccess;
  if (mdl->ByteCount != 0 && probe_pages(mdl_virtual_address(mdl), mdl->ByteCount, write) == Access::absent) {
    report_mdl(mdl,
               write ? "locked for writing, but not all of it is mapped and writable"
                     : "locked for reading, but not all of it is mapped and readable",
               __builtin_return_address(0));
  }
  fill_frames(mdl);
  mdl->MdlFlags = static_cast<CSHORT>(mdl->MdlFlags | MDL_PAGES_LOCKED | (write ? MDL_WRITE_OPERATION : 0));
}

VOID MmUnlockPages(PMDL mdl) noexcept {
  check_irql(EntryPoint::MmUnlockPages);
  if ((mdl->MdlFlags & MDL_PAGES_LOCKED) == 0)
    report_mdl(mdl, "unlocked, but its pages are not locked", __builtin_return_address(0));
  constexpr int kGone = MDL_PAGES_LOCKED | MDL_WRITE_OPERATION | MDL_MAPPED_TO_SYSTEM_VA;
  mdl->MdlFlags = static_cast<CSHORT>(mdl->MdlFlags & ~kGone);
  mdl->MappedSystemVa = nullptr;
  std::fill_n(mdl_frames(mdl), mdl_frame_count(mdl), 0);  // nobody may work from frames that are not held
}

PVOID MmGetSystemAddressForMdlSafe(PMDL mdl, ULONG) noexcept {
  check_irql(EntryPoint::MmMapLockedPagesSpecifyCache);
  if ((mdl->MdlFlags & (MDL_MAPPED_TO_SYSTEM_VA | MDL_SOURCE_IS_NONPAGED_POOL)) != 0) return mdl->MappedSystemVa;
  if ((mdl->MdlFlags & (MDL_PAGES_LOCKED | MDL_PARTIAL)) == 0)
    report_mdl(mdl, "mapped, but its pages are not locked", __builtin_return_address(0));
  if (softndk::fault_injected("map")) return nullptr;
  void* address = contiguous_address(mdl);
  if (address == nullptr) {
    warn_mdl(mdl, "mapped, but its page frames are not adjacent: a mapping of its own is not made",
             __builtin_return_address(0));
    return nullptr;
  }
  mdl->MappedSystemVa = address;
  mdl->MdlFlags = static_cast<CSHORT>(mdl->MdlFlags | MDL_MAPPED_TO_SYSTEM_VA);
  return address;
}

PVOID MmMapLockedPagesSpecifyCache(PMDL mdl, CCHAR, ULONG, PVOID, ULONG, ULONG priority) noexcept {
  return MmGetSystemAddressForMdlSafe(mdl, priority);
}

VOID MmUnmapLockedPages(PVOID, PMDL mdl) noexcept {
  check_irql(EntryPoint::MmUnmapLockedPages);
  if ((mdl->MdlFlags & MDL_MAPPED_TO_SYSTEM_VA) == 0)
    report_mdl(mdl, "unmapped, but it is not mapped", __builtin_return_address(0));
  mdl->MdlFlags = static_cast<CSHORT>(mdl->MdlFlags & ~MDL_MAPPED_TO_SYSTEM_VA);
  mdl->MappedSystemVa = nullptr;
}

PHYSICAL_ADDRESS MmGetPhysicalAddress(PVOID address) noexcept {
  PHYSICAL_ADDRESS physical;
  physical.QuadPart = static_cast<LONGLONG>(reinterpret_cast<std::uintptr_t>(address));  // as fill_frames has it
  return physical;
}

VOID IoBuildPartialMdl(PMDL source, PMDL target, PVOID address, ULONG length) noexcept {
  check_irql(EntryPoint::IoBuildPartialMdl);
  constexpr int kResident = MDL_PAGES_LOCKED | MDL_SOURCE_IS_NONPAGED_POOL | MDL_PARTIAL;
  const auto begin = reinterpret_cast<std::uintptr_t>(address);
  const std::uintptr_t source_begin = mdl_virtual_address(source), source_end = source_begin + source->ByteCount;
  if (length == 0 && begin < source_end) length = static_cast<ULONG>(source_end - begin);
  if (begin < source_begin || begin + length > source_end)
    report_mdl(source, "a part is built of it that does not lie in it", __builtin_return_address(0));
  if ((source->MdlFlags & kResident) == 0)
    report_mdl(source, "a part is built of it, but it is neither built nor locked", __builtin_return_address(0));
  const std::size_t pages = ADDRESS_AND_SIZE_TO_SPAN_PAGES(address, length);
  if (pages > mdl_frame_count(target))
    report_mdl(target, "it has too few pages for its part of another MDL", __builtin_return_address(0));
  target->StartVa = PAGE_ALIGN(address);
  target->ByteOffset = BYTE_OFFSET(address);
  target->ByteCount = length;
  target->Process = source->Process;
  const std::size_t skipped =
      (reinterpret_cast<std::uintptr_t>(target->StartVa) - reinterpret_cast<std::uintptr_t>(source->StartVa)) / kPage;
  std::copy_n(mdl_frames(source) + skipped, pages, mdl_frames(target));
  int flags = (target->MdlFlags & MDL_ALLOCATED_FIXED_SIZE) | MDL_PARTIAL;
  if ((source->MdlFlags & MDL_SOURCE_IS_NONPAGED_POOL) != 0) flags |= MDL_SOURCE_IS_NONPAGED_POOL;
  if ((source->MdlFlags & (MDL_SOURCE_IS_NONPAGED_POOL | MDL_MAPPED_TO_SYSTEM_VA)) != 0) {
    flags |= MDL_PARENT_MAPPED_SYSTEM_VA;
    target->MappedSystemVa = static_cast<char*>(source->MappedSystemVa) + (begin - source_begin);
    if ((flags & MDL_SOURCE_IS_NONPAGED_POOL) == 0) flags |= MDL_MAPPED_TO_SYSTEM_VA;
  }
  target->MdlFlags = static_cast<CSHORT>(flags);
}

VOID KeFlushIoBuffers(PMDL mdl, BOOLEAN, BOOLEAN) noexcept {
  check_irql(EntryPoint::KeFlushIoBuffers);  // caches are coherent: nothing to do for an MDL that describes memory
  if ((mdl->MdlFlags & (MDL_PAGES_LOCKED | MDL_SOURCE_IS_NONPAGED_POOL | MDL_PARTIAL)) == 0)
    warn_mdl(mdl, "flushed, but its pages are neither locked nor nonpaged pool", __builtin_return_address(0));
}

}  // extern "C"
