// spec/kernel-surface.md 4.5: MDLs.
#include "ntrt/mdl.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>
#include <string>
#include <vector>

#include "base/alloc.h"
#include "ntrt/log_lines.h"
#include "ntrt/pool.h"

namespace softndk::ntrt {
namespace {

constexpr ULONG kTag = 'ldMT';

struct PoolBuffer {
  explicit PoolBuffer(std::size_t bytes)
      : data(static_cast<char*>(ExAllocatePoolWithTag(NonPagedPoolNx, bytes, kTag))) {}
  ~PoolBuffer() { ExFreePoolWithTag(data, kTag); }
  char* data;
};

TEST(Mdl, AllocateDescribesTheRangeAndBuildFillsTheFrames) {
  PoolBuffer buffer(20000);
  MDL* mdl = IoAllocateMdl(buffer.data + 100, 10000, FALSE, FALSE, nullptr);
  ASSERT_NE(mdl, nullptr);
  EXPECT_EQ(mdl->Next, nullptr);
  EXPECT_EQ(mdl->MdlFlags, 0);
  EXPECT_EQ(mdl->Size, 48 + 3 * 8);
  EXPECT_EQ(MmGetMdlVirtualAddress(mdl), buffer.data + 100);
  EXPECT_EQ(MmGetMdlByteCount(mdl), 10000u);
  EXPECT_EQ(MmGetMdlByteOffset(mdl), 100u);

  MmBuildMdlForNonPagedPool(mdl);
  EXPECT_EQ(mdl->MdlFlags, MDL_SOURCE_IS_NONPAGED_POOL);
  EXPECT_EQ(mdl->MappedSystemVa, buffer.data + 100);
  ASSERT_EQ(mdl_frame_count(mdl), 3u);
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_EQ(MmGetMdlPfnArray(mdl)[i], (reinterpret_cast<std::uintptr_t>(buffer.data) >> 12) + i);
  EXPECT_EQ(MmGetSystemAddressForMdlSafe(mdl, LowPagePriority | MdlMappingNoExecute), buffer.data + 100);
  IoFreeMdl(mdl);
}

TEST(Mdl, FreeDoesNotTouchTheBuffer) {
  // The sample frees a buffer before its MDL.
  MDL* mdl = nullptr;
  {
    PoolBuffer buffer(5000);
    mdl = IoAllocateMdl(buffer.data, 5000, FALSE, FALSE, nullptr);
    MmBuildMdlForNonPagedPool(mdl);
  }
  IoFreeMdl(mdl);
}

TEST(Mdl, NullAddressAndZeroLengthAreDescribable) {
  MDL* mdl = IoAllocateMdl(nullptr, 0, FALSE, FALSE, nullptr);
  ASSERT_NE(mdl, nullptr);
  EXPECT_EQ(mdl->ByteCount, 0u);
  EXPECT_EQ(mdl_frame_count(mdl), 0u);
  IoFreeMdl(mdl);
}

TEST(Mdl, AnIrpGetsTheMdlFirstOrBehindItsChain) {
  IRP irp = {};
  MDL* first = IoAllocateMdl(nullptr, 1, FALSE, FALSE, &irp);
  MDL* second = IoAllocateMdl(nullptr, 1, TRUE, FALSE, &irp);
  EXPECT_EQ(irp.MdlAddress, first);
  EXPECT_EQ(first->Next, second);
  IoFreeMdl(first);
  IoFreeMdl(second);
}

TEST(Mdl, LockAndUnlockSetAndClearTheFlags) {
  static char page[3 * 4096];
  MDL* mdl = IoAllocateMdl(page + 10, 5000, FALSE, FALSE, nullptr);
  MmProbeAndLockPages(mdl, KernelMode, IoModifyAccess);
  EXPECT_EQ(mdl->MdlFlags, MDL_PAGES_LOCKED | MDL_WRITE_OPERATION);
  EXPECT_EQ(MmGetMdlPfnArray(mdl)[0], reinterpret_cast<std::uintptr_t>(page + 10) >> 12);
  EXPECT_EQ(MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority), page + 10);
  EXPECT_NE(mdl->MdlFlags & MDL_MAPPED_TO_SYSTEM_VA, 0);
  MmUnlockPages(mdl);
  EXPECT_EQ(mdl->MdlFlags, 0);
  MmProbeAndLockPages(mdl, KernelMode, IoReadAccess);
  EXPECT_EQ(mdl->MdlFlags, MDL_PAGES_LOCKED);
  MmUnlockPages(mdl);
  IoFreeMdl(mdl);
}

TEST(Mdl, LockForReadingNeedsNoRightToWrite) {
  void* page = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  MDL* mdl = IoAllocateMdl(page, 4096, FALSE, FALSE, nullptr);
  MmProbeAndLockPages(mdl, KernelMode, IoReadAccess);
  MmUnlockPages(mdl);
  IoFreeMdl(mdl);
  munmap(page, 4096);
}

TEST(Mdl, BuildOverMemoryThatIsNoPoolBlockWarns) {
  static char outside[100];
  PoolBuffer buffer(100);
  LogLines lines;
  MDL* mdl = IoAllocateMdl(buffer.data, 100, FALSE, FALSE, nullptr);
  MmBuildMdlForNonPagedPool(mdl);
  EXPECT_EQ(lines.text(), "");
  MmBuildMdlForNonPagedPool(mdl);
  EXPECT_TRUE(lines.has("twice")) << lines.text();
  IoFreeMdl(mdl);
  mdl = IoAllocateMdl(outside, 100, FALSE, FALSE, nullptr);
  MmBuildMdlForNonPagedPool(mdl);
  EXPECT_TRUE(lines.has("no (single, live) block")) << lines.text();
  EXPECT_EQ(mdl->MdlFlags, MDL_SOURCE_IS_NONPAGED_POOL) << "and still describes it";
  IoFreeMdl(mdl);
}

TEST(Mdl, MappingFailsWhenInjectedOrWhenFramesAreNotAdjacent) {
  static char pages[3 * 4096];
  MDL* mdl = IoAllocateMdl(pages, sizeof pages, FALSE, FALSE, nullptr);
  MmProbeAndLockPages(mdl, KernelMode, IoModifyAccess);
  set_fault_hook([](void*, const char* what) noexcept { return std::strcmp(what, "map") == 0; }, nullptr);
  EXPECT_EQ(MmGetSystemAddressForMdlSafe(mdl, LowPagePriority), nullptr);
  set_fault_hook(nullptr, nullptr);
  std::swap(MmGetMdlPfnArray(mdl)[0], MmGetMdlPfnArray(mdl)[1]);
  EXPECT_EQ(MmGetSystemAddressForMdlSafe(mdl, LowPagePriority), nullptr);
  MmUnlockPages(mdl);
  IoFreeMdl(mdl);
}

TEST(Mdl, MdlsAreOnTheLeakListUnderTheirOwnTag) {
  const std::size_t before = pool_usage(' ldM').blocks;
  MDL* mdl = IoAllocateMdl(nullptr, 1, FALSE, FALSE, nullptr);
  EXPECT_EQ(pool_usage(' ldM').blocks, before + 1);
  IoFreeMdl(mdl);
  EXPECT_EQ(pool_usage(' ldM').blocks, before);
}

MDL* locked(char* at, ULONG bytes) {
  MDL* mdl = IoAllocateMdl(at, bytes, FALSE, FALSE, nullptr);
  MmProbeAndLockPages(mdl, KernelMode, IoModifyAccess);
  return mdl;
}

TEST(MdlDeathTest, UnbalancedLocksStop) {
  static char page[4096];
  EXPECT_DEATH(MmProbeAndLockPages(locked(page, 10), KernelMode, IoModifyAccess), "locked already");
  EXPECT_DEATH(MmUnlockPages(IoAllocateMdl(page, 10, FALSE, FALSE, nullptr)), "not locked");
  EXPECT_DEATH(IoFreeMdl(locked(page, 10)), "freed with its pages locked");
}
TEST(MdlDeathTest, LockingWhatIsNotMappedOrNotWritableStops) {
  auto* page = static_cast<char*>(mmap(nullptr, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  EXPECT_DEATH(locked(page, 10), "not all of it is mapped and writable");
  mprotect(page, 4096, PROT_READ | PROT_WRITE);
  munmap(page + 4096, 4096);
  EXPECT_DEATH(locked(page + 4000, 200), "not all of it is mapped and writable");
  munmap(page, 4096);
}
TEST(MdlDeathTest, FreeingWhatIsNoMdlOrTwiceStops) {
  EXPECT_DEATH(
      {
        MDL on_stack = {};
        IoFreeMdl(&on_stack);
      },
      "no pool block begins there");
  // Under AddressSanitizer the read of the flags is the first that notices.
  EXPECT_DEATH(
      {
        MDL* mdl = IoAllocateMdl(nullptr, 1, FALSE, FALSE, nullptr);
        IoFreeMdl(mdl);
        IoFreeMdl(mdl);
      },
      "double free|freed with its pages locked|heap-use-after-free");
}

}  // namespace
}  // namespace softndk::ntrt
