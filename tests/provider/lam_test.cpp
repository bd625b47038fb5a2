#include "provider/lam.h"

#include "base/alloc.h"
#include "provider/consumer.h"

namespace softndk::provider {
namespace {

/// Memory whose pages are nowhere neighbours, as an MDL says it.
struct Scattered {
  explicit Scattered(std::size_t pages) : memory((2 * pages + 1) * PAGE_SIZE) {
    auto* first = reinterpret_cast<std::uint8_t*>((reinterpret_cast<std::uintptr_t>(memory.data()) + PAGE_SIZE - 1) &
                                                  ~std::uintptr_t{PAGE_SIZE - 1});
    mdl = IoAllocateMdl(first, static_cast<ULONG>(pages * PAGE_SIZE), FALSE, FALSE, nullptr);
    MmBuildMdlForNonPagedPool(mdl);
    for (std::size_t i = 0; i < pages; ++i)
      MmGetMdlPfnArray(mdl)[i] = reinterpret_cast<std::uintptr_t>(first) / PAGE_SIZE + 2 * (pages - 1 - i);
    bytes = pages * PAGE_SIZE;
  }
  ~Scattered() { IoFreeMdl(mdl); }
  std::vector<std::uint8_t> memory;
  MDL* mdl;
  std::size_t bytes = 0;
};

NTSTATUS build(Rig& rig, MDL* mdl, SIZE_T bytes, std::vector<std::uint64_t>& room, ULONG& fbo) {
  Seen seen;
  auto size = static_cast<ULONG>(room.size() * 8);
  const NTSTATUS status =
      rig.ndk()->Dispatch->NdkBuildLAM(rig.ndk(), mdl, bytes, Seen::completed, &seen,
                                       reinterpret_cast<NDK_LOGICAL_ADDRESS_MAPPING*>(room.data()), &size, &fbo);
  if (status != STATUS_PENDING) return status;
  seen.wait();
  return seen.status;
}

TEST(R_LAM_07, ABuildThatFailsLeavesNothingBehind) {
  for (CompletionMode mode : kAllModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      Scattered memory(40);  // more than fit a caller's frame
      std::vector<std::uint64_t> room(2 + 40);
      ULONG fbo = 0;
      const std::int64_t before = allocations_alive();
      unsigned failed = 0;
      for (unsigned nth = 1; nth <= 6; ++nth) {  // more than it asks for
        NTSTATUS status;
        {
          Shortage shortage(nth);
          status = build(rig, memory.mdl, memory.bytes, room, fbo);
        }
        if (status == STATUS_SUCCESS) {
          rig.ndk()->Dispatch->NdkReleaseLAM(rig.ndk(), reinterpret_cast<NDK_LOGICAL_ADDRESS_MAPPING*>(room.data()));
        } else {
          EXPECT_EQ(status, STATUS_INSUFFICIENT_RESOURCES);
          ++failed;
        }
        EXPECT_EQ(allocations_alive(), before);
        EXPECT_EQ(rig.device.mappings.count(), 0u);
      }
      EXPECT_GE(failed, 2u);
      rig.device.create_error = rdma::CreateError::no_resources;
      EXPECT_EQ(build(rig, memory.mdl, memory.bytes, room, fbo), STATUS_INSUFFICIENT_RESOURCES);
      rig.device.create_error.reset();
      EXPECT_EQ(allocations_alive(), before);
    });
  }
}

TEST(R_LAM_06, TheDeviceGetsTheFramesMergedAsFarAsTheyAreNeighbours) {
  simulate([] {
    Rig rig;
    Scattered memory(40);
    std::vector<std::uint64_t> room(2 + 40);
    ULONG fbo = 7;
    ASSERT_EQ(build(rig, memory.mdl, memory.bytes, room, fbo), STATUS_SUCCESS);
    EXPECT_EQ(fbo, 0u);
    const FakeMapping& mapping = rig.device.mappings.last();
    ASSERT_EQ(mapping.pages.size(), 40u);
    for (std::size_t i = 0; i < 40; ++i) {
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(mapping.pages[i].data) / PAGE_SIZE, MmGetMdlPfnArray(memory.mdl)[i]);
      EXPECT_EQ(mapping.pages[i].bytes, std::size_t{PAGE_SIZE});
    }
    rig.ndk()->Dispatch->NdkReleaseLAM(rig.ndk(), reinterpret_cast<NDK_LOGICAL_ADDRESS_MAPPING*>(room.data()));
    EXPECT_EQ(rig.device.mappings.count(), 0u);
  });
}

TEST(R_LAM_08, APendingBuildIsReportedWithItsOutputs) {
  for (CompletionMode mode : kPendingModes) {
    simulate([mode] {
      Settings settings;
      settings.local_request = mode;
      Rig rig(settings);
      Scattered memory(1);
      std::vector<std::uint64_t> room(3);
      auto* lam = reinterpret_cast<NDK_LOGICAL_ADDRESS_MAPPING*>(room.data());
      ULONG size = 24, fbo = 0;
      Seen seen;
      seen.inside = [&](Seen&) {
        EXPECT_EQ(lam->AdapterPageCount, 1u);
        EXPECT_EQ(size, 24u);
        EXPECT_EQ(lam->AdapterPageArray[0].QuadPart, 0x7700'0000'0000'0000);
      };
      EXPECT_EQ(calling(seen,
                        [&] {
                          return rig.ndk()->Dispatch->NdkBuildLAM(rig.ndk(), memory.mdl, 100, Seen::completed, &seen,
                                                                  lam, &size, &fbo);
                        }),
                STATUS_PENDING);
      seen.wait();
      EXPECT_EQ(seen.status, STATUS_SUCCESS);
      EXPECT_EQ(seen.irql, ntrt::kDispatchLevel);
      rig.ndk()->Dispatch->NdkReleaseLAM(rig.ndk(), lam);
    });
  }
}

TEST(R_LAM_14, AnAdaptersCloseFreesWhatItsConsumerLeft) {
  simulate([] {
    Rig rig;
    Scattered memory(1);
    std::vector<std::uint64_t> room(3);
    ULONG fbo = 0;
    ASSERT_EQ(build(rig, memory.mdl, 100, room, fbo), STATUS_SUCCESS);
    EXPECT_EQ(rig.device.mappings.count(), 1u);
    rig.close_adapter();
    EXPECT_EQ(rig.device.mappings.count(), 0u);
  });
}

}  // namespace
}  // namespace softndk::provider
