#include "provider/fast_mr.h"

#include "provider/adapter_info.h"
#include "provider/consumer.h"
#include "provider/work_translation.h"

namespace softndk::provider {
namespace {

/// A fast-register region, and a queue pair whose device notes what is posted.
struct Fast {
  explicit Fast(Rig& it)
      : rig(it),
        pd(it.pd()),
        cq(it.cq()),
        qp(it.qp(pd, cq, cq)),
        mr(it.make<NDK_MR>([this](auto... args) { return pd->Dispatch->NdkCreateMr(pd, TRUE, args...); })),
        device(it.device.fast_regions.last()) {}
  ~Fast() {
    if (mr != nullptr) close(mr);
    close(qp);
    close(cq);
    close(pd);
  }
  NTSTATUS initialize(ULONG pages, BOOLEAN remote = TRUE) {
    seen.returned = false;
    const NTSTATUS status = calling(
        seen, [&] { return mr->Dispatch->NdkInitializeFastRegisterMr(mr, pages, remote, Seen::completed, &seen); });
    if (status != STATUS_PENDING) return status;
    seen.wait();
    return seen.status;
  }
  NTSTATUS enlist(ULONG flags = 0) {
    const NDK_LOGICAL_ADDRESS page{};
    return qp->Dispatch->NdkFastRegister(qp, nullptr, mr, 1, &page, 0, 64, reinterpret_cast<PVOID>(UINT64{0x5000}),
                                         flags);
  }
  FakeQp& device_qp() { return rig.device.qps.last(); }
  UINT32 token() { return mr->Dispatch->NdkGetRemoteTokenFromMr(mr); }

  Rig& rig;
  NDK_PD* pd;
  NDK_CQ* cq;
  NDK_QP* qp;
  NDK_MR* mr;
  FakeFastRegion& device;
  Seen seen;
};

TEST(R_MR_14, AFastRegionsTokenIsThereWhenItsInitializationWasReported) {
  for (CompletionMode mode : kAllModes) {
    simulate([mode] {
      Settings settings;
      settings.local_request = mode;
      Rig rig(settings);
      Fast fast(rig);
      EXPECT_EQ(fast.token(), 0u) << "R-MR-15";
      fast.seen.inside = [&](Seen&) { EXPECT_NE(fast.token(), 0u); };
      EXPECT_EQ(fast.initialize(16), STATUS_SUCCESS);
      EXPECT_NE(fast.token(), 0u);
      fast.seen.inside = nullptr;
      EXPECT_EQ(fast.device.pages_max, 16u);
    });
  }
}

TEST(R_FRMR_12, TheTokenStaysWhileAnotherInitializationPends) {
  simulate([] {
    Rig rig(policy(CompletionMode::later));
    Fast fast(rig);
    ASSERT_EQ(fast.initialize(4), STATUS_SUCCESS);
    const UINT32 token = fast.token();
    ASSERT_NE(token, 0u);
    for (const bool fails : {false, true}) {
      if (fails) fast.device.initialize_error = rdma::MemoryError::no_resources;
      Seen again;
      ASSERT_EQ(fast.mr->Dispatch->NdkInitializeFastRegisterMr(fast.mr, 8, TRUE, Seen::completed, &again),
                STATUS_PENDING);
      EXPECT_EQ(again.calls, 0) << "this test is about what pends";
      EXPECT_EQ(fast.token(), token);
      again.wait();
      EXPECT_EQ(again.status, fails ? STATUS_INSUFFICIENT_RESOURCES : STATUS_SUCCESS);
      EXPECT_EQ(fast.token(), token);
    }
  });
}

TEST(R_FRMR_01, TooManyPagesAreAnImplementationLimitInline) {
  simulate([] {
    Rig rig(policy(CompletionMode::later));
    Fast fast(rig);
    Seen& seen = fast.seen;
    EXPECT_EQ(fast.mr->Dispatch->NdkInitializeFastRegisterMr(fast.mr, 65537, TRUE, Seen::completed, &seen),
              STATUS_IMPLEMENTATION_LIMIT);
    EXPECT_EQ(fast.mr->Dispatch->NdkInitializeFastRegisterMr(fast.mr, 0, TRUE, Seen::completed, &seen),
              STATUS_INVALID_PARAMETER);
    EXPECT_EQ(seen.calls, 0);
  });
}

TEST(R_FRMR_03, OneInitializationOfARegionAtATime) {
  simulate([] {
    Settings settings;
    settings.local_request = CompletionMode::later;
    Rig rig(settings);
    Fast fast(rig);
    Seen second;
    EXPECT_EQ(fast.mr->Dispatch->NdkInitializeFastRegisterMr(fast.mr, 4, TRUE, Seen::completed, &fast.seen),
              STATUS_PENDING);
    const NTSTATUS status = fast.mr->Dispatch->NdkInitializeFastRegisterMr(fast.mr, 4, TRUE, Seen::completed, &second);
    fast.seen.wait();
    if (status == STATUS_PENDING) {
      second.wait();  // the first was over already
    } else {
      EXPECT_EQ(status, STATUS_INVALID_DEVICE_REQUEST);
    }
    EXPECT_EQ(fast.initialize(8), STATUS_SUCCESS);
    fast.device.initialize_error = rdma::MemoryError::no_resources;
    EXPECT_EQ(fast.initialize(9), STATUS_INSUFFICIENT_RESOURCES);
    EXPECT_NE(fast.token(), 0u) << "it is as it was";
    fast.device.initialize_error = rdma::MemoryError::wrong_state;
    EXPECT_EQ(fast.initialize(9), STATUS_INVALID_DEVICE_REQUEST);
  });
}

TEST(R_CLS_03, PostedWorkKeepsAFastRegion) {
  for (CompletionMode mode : kAllModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      Fast fast(rig);
      ASSERT_EQ(fast.initialize(4), STATUS_SUCCESS);
      ASSERT_EQ(fast.enlist(), STATUS_SUCCESS);
      ASSERT_EQ(fast.qp->Dispatch->NdkInvalidate(fast.qp, nullptr, &fast.mr->Header, 0), STATUS_SUCCESS);
      const auto& sends = fast.device_qp().sends;
      ASSERT_EQ(sends.size(), 2u);
      EXPECT_EQ(sends[0].work.operation, rdma::Operation::fast_register);
      EXPECT_EQ(sends[0].fast_region.address, 0x5000u);
      EXPECT_EQ(sends[1].work.operation, rdma::Operation::invalidate);
      EXPECT_EQ(sends[1].fast_region.region, &fast.device);
      Seen closed;
      NDK_MR* mr = std::exchange(fast.mr, nullptr);
      EXPECT_EQ(begin_close(mr, mr->Dispatch->NdkCloseMr, closed), STATUS_PENDING);
      on_processor([&] { fast.device.work_done(); });
      ntrt::flush_processors();
      EXPECT_EQ(closed.calls, 0);
      on_processor([&] { fast.device.work_done(); });
      closed.wait();
    });
  }
}

TEST(R_WR_01, AFastRegisterThatTheDeviceRefusesHoldsNothing) {
  simulate([] {
    Rig rig;
    Fast fast(rig);
    ASSERT_EQ(fast.initialize(4), STATUS_SUCCESS);
    for (const auto& [error, status] : {std::pair{rdma::PostError::no_resources, STATUS_INSUFFICIENT_RESOURCES},
                                        std::pair{rdma::PostError::bad_page, STATUS_INVALID_PARAMETER},
                                        std::pair{rdma::PostError::queue_full, STATUS_INSUFFICIENT_RESOURCES}}) {
      fast.device_qp().send_error = error;
      EXPECT_EQ(fast.enlist(), status);
    }
    rig.device.close_style = CloseStyle::inside;
    EXPECT_EQ(close(std::exchange(fast.mr, nullptr)), STATUS_SUCCESS) << "nothing of the posts is left";
    rig.device.close_style = CloseStyle::posted;
  });
}

TEST(R_RLI_02, ADeviceOrAVersionWithoutLocalInvalidationIgnoresTheFlag) {
  constexpr ULONG kFlag = NDK_OP_FLAG_RDMA_READ_LOCAL_INVALIDATE;
  FakeDevice device;
  const auto reads_it = [&](NDK_VERSION version, rdma::Operation operation) {
    const auto flags = translate_flags(kFlag, operation, version, device.capabilities);
    return flags && flags->local_invalidate;
  };
  device.capabilities.read_local_invalidate = true;
  EXPECT_TRUE(reads_it({2, 1}, rdma::Operation::read));
  EXPECT_TRUE(reads_it({1, 2}, rdma::Operation::read));
  EXPECT_FALSE(reads_it({1, 1}, rdma::Operation::read));
  EXPECT_FALSE(reads_it({2, 1}, rdma::Operation::write)) << "R-WR-17";
  const auto announced = [&] {
    return (make_adapter_info(device.capabilities, {}, {2, 1}).AdapterFlags &
            NDK_ADAPTER_FLAG_RDMA_READ_LOCAL_INVALIDATE_SUPPORTED) != 0;
  };
  EXPECT_TRUE(announced());
  device.capabilities.read_local_invalidate = false;
  EXPECT_FALSE(reads_it({2, 1}, rdma::Operation::read));
  EXPECT_FALSE(announced());
}

}  // namespace
}  // namespace softndk::provider
