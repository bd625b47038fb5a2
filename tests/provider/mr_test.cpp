#include "provider/consumer.h"

namespace softndk::provider {
namespace {

/// Resident memory and its MDL.
struct Locked {
  explicit Locked(std::size_t bytes) : memory(bytes + 8192) {
    mdl = IoAllocateMdl(memory.data() + 100, static_cast<ULONG>(bytes), FALSE, FALSE, nullptr);
    MmProbeAndLockPages(mdl, KernelMode, IoModifyAccess);
  }
  ~Locked() {
    MmUnlockPages(mdl);
    IoFreeMdl(mdl);
  }
  std::uint8_t* begin() { return memory.data() + 100; }
  std::vector<std::uint8_t> memory;
  MDL* mdl;
};

struct Region {
  explicit Region(Rig& rig) : pd(rig.pd()), mr(rig.mr(pd)), device(rig.device.regions.last()) {}
  ~Region() {
    close(mr);
    close(pd);
  }
  NTSTATUS begin_register(MDL* mdl, SIZE_T length, ULONG flags = 0) {
    seen.returned = false;
    return mr->Dispatch->NdkRegisterMr(mr, mdl, length, flags, Seen::completed, &seen);
  }
  NTSTATUS settle(NTSTATUS status) {
    if (status != STATUS_PENDING) return status;
    seen.wait();
    return seen.status;
  }
  NTSTATUS enroll(MDL* mdl, SIZE_T length, ULONG flags = 0) { return settle(begin_register(mdl, length, flags)); }
  NTSTATUS begin_deregister() {
    seen.returned = false;
    return mr->Dispatch->NdkDeregisterMr(mr, Seen::completed, &seen);
  }
  NTSTATUS deregister() { return settle(begin_deregister()); }
  UINT32 remote() { return mr->Dispatch->NdkGetRemoteTokenFromMr(mr); }
  UINT32 local() { return mr->Dispatch->NdkGetLocalTokenFromMr(mr); }
  NDK_PD* pd;
  NDK_MR* mr;
  FakeRegion& device;
  Seen seen;
};

TEST(R_MR_01, TheRegionIsTheChainsMemoryFromTheFirstMdlsAddressOn) {
  for (CompletionMode mode : kAllModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      Region region(rig);
      Locked locked(10000);
      EXPECT_EQ(region.enroll(locked.mdl, 9000), STATUS_SUCCESS);
      EXPECT_EQ(region.device.base, reinterpret_cast<std::uint64_t>(locked.begin()));  // R-MR-03
      ASSERT_EQ(region.device.extents.size(), 1u) << "adjacent frames are one extent";
      EXPECT_EQ(region.device.extents[0].data, locked.begin());
      EXPECT_EQ(region.device.extents[0].bytes, 9000u);
    });
  }
}

TEST(R_MR_02, AWrongLengthIsInvalidInline) {
  for (CompletionMode mode : kAllModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      Region region(rig);
      Locked locked(4000);
      EXPECT_EQ(region.begin_register(locked.mdl, 0), STATUS_INVALID_PARAMETER);
      EXPECT_EQ(region.begin_register(locked.mdl, 4001), STATUS_INVALID_PARAMETER);
      EXPECT_EQ(region.begin_register(nullptr, 1), STATUS_INVALID_PARAMETER);
      EXPECT_EQ(region.begin_register(locked.mdl, (SIZE_T{1} << 44) + 1), STATUS_INVALID_PARAMETER);
      EXPECT_EQ(region.seen.calls, 0);
      EXPECT_EQ(region.enroll(locked.mdl, 4000), STATUS_SUCCESS) << "nothing has changed";
    });
  }
}

TEST(R_MR_06, FlagsGrantWhatTheyContain) {
  struct Case {
    ULONG flags;
    bool local_write, remote_read, remote_write;
  };
  for (const Case& one : {Case{0, false, false, false}, Case{NDK_MR_FLAG_ALLOW_LOCAL_WRITE, true, false, false},
                          Case{NDK_MR_FLAG_ALLOW_REMOTE_READ, false, true, false},
                          Case{NDK_MR_FLAG_ALLOW_REMOTE_WRITE, true, false, true},
                          Case{NDK_MR_FLAG_RDMA_READ_SINK, true, false, false},  // R-MR-09
                          Case{0xf, true, true, true}}) {
    simulate([&one] {
      Rig rig;
      Region region(rig);
      Locked locked(100);
      EXPECT_EQ(region.enroll(locked.mdl, 100, one.flags), STATUS_SUCCESS);
      EXPECT_EQ(region.device.rights.local_write, one.local_write) << one.flags;
      EXPECT_EQ(region.device.rights.remote_read, one.remote_read) << one.flags;
      EXPECT_EQ(region.device.rights.remote_write, one.remote_write) << one.flags;
    });
  }
}

TEST(R_MR_10, UndefinedFlagsAreInvalid) {
  simulate([] {
    Rig rig;
    Region region(rig);
    Locked locked(100);
    for (ULONG bit = 0x10; bit != 0; bit <<= 1)
      EXPECT_EQ(region.begin_register(locked.mdl, 100, bit), STATUS_INVALID_PARAMETER);
  });
}

TEST(R_MR_11, WrongStatesAreRefusedInline) {
  for (CompletionMode mode : kAllModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      Region region(rig);
      Locked locked(100);
      EXPECT_EQ(region.begin_deregister(), STATUS_INVALID_DEVICE_REQUEST);
      EXPECT_EQ(region.enroll(locked.mdl, 100), STATUS_SUCCESS);
      EXPECT_EQ(region.begin_register(locked.mdl, 100), STATUS_INVALID_DEVICE_REQUEST);
      EXPECT_EQ(region.deregister(), STATUS_SUCCESS);
      EXPECT_EQ(region.begin_deregister(), STATUS_INVALID_DEVICE_REQUEST);
      EXPECT_EQ(region.enroll(locked.mdl, 50), STATUS_SUCCESS) << "a region may be used again";
    });
  }
}

TEST(R_MR_13, DeregistrationIsReportedWhenNoAccessIsInProgress) {
  for (CompletionMode mode : kAllModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      Region region(rig);
      Locked locked(100);
      EXPECT_EQ(region.enroll(locked.mdl, 100), STATUS_SUCCESS);
      region.device.busy = true;
      const int before = region.seen.calls;
      EXPECT_EQ(region.begin_deregister(), STATUS_PENDING);
      EXPECT_EQ(region.remote(), 0u) << "dead at once";
      ntrt::flush_processors();
      EXPECT_EQ(region.seen.calls, before);
      region.device.end_access();
      region.seen.wait();
      EXPECT_EQ(region.seen.status, STATUS_SUCCESS);
      EXPECT_EQ(region.seen.irql, ntrt::kDispatchLevel);
      region.device.busy = false;
    });
  }
}

TEST(R_MR_13, DeregistrationIsNotReportedInsideTheCallThatEndsTheLastAccess) {
  // That may be a poll or a post, under a lock of the consumer's that its callback takes too.
  for (CompletionMode mode : kAllModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      Region region(rig);
      Locked locked(100);
      EXPECT_EQ(region.enroll(locked.mdl, 100), STATUS_SUCCESS);
      region.device.busy = true;
      EXPECT_EQ(region.begin_deregister(), STATUS_PENDING);
      const io::ThreadContext* reported = nullptr;
      region.seen.inside = [&](Seen&) { reported = &io::this_thread(); };
      region.device.end_access();
      region.seen.wait();
      EXPECT_NE(reported, nullptr);
      EXPECT_NE(reported, &io::this_thread());
      region.seen.inside = nullptr;
      region.device.busy = false;
    });
  }
}

TEST(R_MR_15, TokensAreZeroUntilTheRegistrationWasReported) {
  simulate([] {
    Settings settings;
    settings.local_request = CompletionMode::later;
    Rig rig(settings);
    Region region(rig);
    Locked locked(100);
    EXPECT_EQ(region.remote(), 0u);
    EXPECT_EQ(region.local(), 0u);
    region.seen.inside = [&](Seen&) {
      EXPECT_NE(region.remote(), 0u);  // R-MR-14
      EXPECT_NE(region.local(), 0u);
    };
    EXPECT_EQ(region.enroll(locked.mdl, 100), STATUS_SUCCESS);
    region.seen.inside = nullptr;
    EXPECT_EQ(region.deregister(), STATUS_SUCCESS);
    EXPECT_EQ(region.remote(), 0u);
    EXPECT_EQ(region.local(), 0u);
  });
}

TEST(R_REQ_01, MemoryMayBeShortInlineAndAsynchronouslyForRegistrationsToo) {
  for (CompletionMode mode : kAllModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      Region region(rig);
      Locked locked(100);
      {
        Shortage shortage(1);
        EXPECT_EQ(region.enroll(locked.mdl, 100), STATUS_INSUFFICIENT_RESOURCES);
      }
      region.device.enable_error = rdma::MemoryError::no_resources;
      EXPECT_EQ(region.enroll(locked.mdl, 100), STATUS_INSUFFICIENT_RESOURCES);
      region.device.enable_error.reset();
      EXPECT_EQ(region.enroll(locked.mdl, 100), STATUS_SUCCESS);
    });
  }
}

TEST(R_REQ_08, LocalRequestsAreInlineByDefaultAndFollowTheirPolicy) {
  simulate([] {
    Rig rig;
    Region region(rig);
    Locked locked(100);
    EXPECT_EQ(region.begin_register(locked.mdl, 100), STATUS_SUCCESS);
    EXPECT_EQ(region.seen.calls, 0);
  });
  for (CompletionMode mode : kPendingModes) {
    simulate([mode] {
      Settings settings;
      settings.local_request = mode;
      Rig rig(settings);
      Region region(rig);
      Locked locked(100);
      const NTSTATUS status = calling(region.seen, [&] { return region.begin_register(locked.mdl, 100); });
      EXPECT_EQ(status, STATUS_PENDING);
      EXPECT_EQ(region.settle(status), STATUS_SUCCESS);
      if (mode != CompletionMode::later) {
        EXPECT_TRUE(region.seen.ran_in_call);
      }
      EXPECT_EQ(region.seen.on_callers_thread(), mode == CompletionMode::nested);
    });
  }
}

}  // namespace
}  // namespace softndk::provider
