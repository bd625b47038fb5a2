// Shared receive queues, as far as the provider decides.
#include "provider/consumer.h"

namespace softndk::provider {
namespace {

struct Shared {
  explicit Shared(Rig& rig, Seen* notified = nullptr)
      : pd(rig.pd()),
        srq(rig.srq(pd, notified != nullptr ? Seen::notified : nullptr, notified)),
        device(rig.device.srqs.last()),
        api(*srq->Dispatch) {}
  ~Shared() {
    if (srq != nullptr) close(srq);
    close(pd);
  }
  NTSTATUS begin_modify(Seen& seen, ULONG depth, ULONG threshold) {
    return api.NdkModifySrq(srq, depth, threshold, Seen::completed, &seen);
  }
  NTSTATUS modify(ULONG depth, ULONG threshold) {
    Seen seen;
    const NTSTATUS status = begin_modify(seen, depth, threshold);
    if (status != STATUS_PENDING) return status;
    seen.wait();
    return seen.status;
  }
  NDK_PD* pd;
  NDK_SRQ* srq;
  FakeSrq& device;
  const NDK_SRQ_DISPATCH& api;
};

TEST(R_SRQ_01, EachLimitAboveTheAdaptersIsInvalid) {
  simulate([] {
    Rig rig;
    NDK_PD* pd = rig.pd();
    const NDK_ADAPTER_INFO& info = rig.adapter->info();
    const auto create_srq = [&](ULONG depth, ULONG sges) {
      Seen seen;
      NDK_SRQ* srq = nullptr;
      const NTSTATUS status =
          pd->Dispatch->NdkCreateSrq(pd, depth, sges, 0, nullptr, nullptr, nullptr, Seen::created, &seen, &srq);
      if (NT_SUCCESS(status)) close(srq);
      return status;
    };
    EXPECT_EQ(create_srq(info.MaxSrqDepth, info.MaxReceiveRequestSge), STATUS_SUCCESS);
    EXPECT_EQ(create_srq(info.MaxSrqDepth + 1, 1), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(create_srq(1, info.MaxReceiveRequestSge + 1), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(create_srq(0, 1), STATUS_INVALID_PARAMETER) << "R-SRQ-02";
    close(pd);
  });
}

TEST(R_SRQ_09, WithoutACallbackNothingIsCalled) {
  simulate([] {
    Rig rig;
    Shared it(rig);
    it.device.notify();
    it.device.notify(true);
    EXPECT_EQ(it.modify(0, 3), STATUS_SUCCESS);
    EXPECT_EQ(it.device.modified.back().second, 3u) << "the threshold is kept";
  });
}

TEST(R_SRQ_10, AFatalErrorIsAnInternalErrorAndIsToldOnce) {
  for (CompletionMode mode : kAllModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      Seen notified;
      Shared it(rig, &notified);
      it.device.notify(true);
      notified.wait();
      EXPECT_EQ(notified.status, STATUS_INTERNAL_ERROR);
      EXPECT_EQ(notified.irql, ntrt::kDispatchLevel);
      it.device.notify(true);
      EXPECT_EQ(notified.calls, 1) << "R-SRQ-11";
    });
  }
}

TEST(R_SRQ_11, TheErrorComesWhateverIsArmed) {
  simulate([] {
    Rig rig;
    Seen notified;
    Shared it(rig, &notified);
    it.device.notify();
    EXPECT_EQ(notified.status, STATUS_SUCCESS);
    it.device.notify(true);  // disarmed since (R-SRQ-05)
    EXPECT_EQ(notified.calls, 2);
    EXPECT_EQ(notified.status, STATUS_INTERNAL_ERROR);
  });
}

TEST(R_SRQ_12, WhatTheDeviceRefusesFailsTheRequest) {
  for (CompletionMode mode : kAllModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      Shared it(rig);
      it.device.modify_error = rdma::SrqError::too_shallow;
      EXPECT_EQ(it.modify(1, 1), STATUS_INVALID_PARAMETER);
      it.device.modify_error = rdma::SrqError::no_resources;
      EXPECT_EQ(it.modify(1, 1), STATUS_INSUFFICIENT_RESOURCES);
      it.device.modify_error.reset();
      EXPECT_EQ(it.modify(1, 1), STATUS_SUCCESS);
    });
  }
}

TEST(R_SRQ_01, ADepthAboveTheAdaptersIsInvalidInlineForNdkModifySrqToo) {
  for (CompletionMode mode : kAllModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      Shared it(rig);
      Seen seen;
      EXPECT_EQ(it.begin_modify(seen, rig.adapter->info().MaxSrqDepth + 1, 0), STATUS_INVALID_PARAMETER);
      EXPECT_TRUE(it.device.modified.empty());
    });
  }
}

TEST(R_CLS_04, AnSrqsCloseWaitsForItsNotification) {
  simulate([] {
    Rig rig;
    Seen notified, closed;
    Shared it(rig, &notified);
    notified.inside = [&](Seen&) {
      NDK_SRQ* srq = std::exchange(it.srq, nullptr);
      EXPECT_EQ(begin_close(srq, srq->Dispatch->NdkCloseSrq, closed), STATUS_PENDING);
      EXPECT_EQ(closed.calls, 0);
    };
    it.device.notify();
    closed.wait();
    EXPECT_EQ(notified.calls, 1);
  });
}

TEST(R_CLS_06, AnSrqsCloseWaitsForItsQueuePairs) {
  for (CompletionMode mode : kAllModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      Shared it(rig);
      NDK_CQ* cq = rig.cq();
      NDK_QP* qp = rig.qp(it.pd, cq, it.srq);
      EXPECT_EQ(rig.device.qps.last().parameters.srq, &it.device);
      Seen closed;
      NDK_SRQ* srq = std::exchange(it.srq, nullptr);
      EXPECT_EQ(begin_close(srq, srq->Dispatch->NdkCloseSrq, closed), STATUS_PENDING);
      ntrt::flush_processors();
      EXPECT_EQ(closed.calls, 0);
      close(qp);
      closed.wait();
      close(cq);
    });
  }
}

TEST(R_QP_06, AReceiveOfItsOwnIsRefused) {
  simulate([] {
    Rig rig;
    Shared it(rig);
    NDK_CQ* cq = rig.cq();
    NDK_QP* qp = rig.qp(it.pd, cq, it.srq);
    EXPECT_EQ(qp->Dispatch->NdkReceive(qp, nullptr, nullptr, 0), STATUS_INVALID_DEVICE_REQUEST);
    EXPECT_TRUE(rig.device.qps.last().receives.empty());
    close(qp);
    close(cq);
  });
}

TEST(R_OBJ_14, TheSrqIsOfTheQueuePairsDomain) {
  simulate([] {
    Rig rig;
    Shared it(rig);
    NDK_CQ* cq = rig.cq();
    NDK_PD* other = rig.pd();
    Seen seen;
    NDK_QP* qp = nullptr;
    EXPECT_EQ(other->Dispatch->NdkCreateQpWithSrq(other, cq, cq, it.srq, nullptr, 1, 1, 0, Seen::created, &seen, &qp),
              STATUS_INVALID_PARAMETER);
    close(other);
    close(cq);
  });
}

TEST(R_QAI_10, ADeviceWithoutSharedQueuesHasNone) {
  simulate([] {
    FakeDevice device;
    device.capabilities.srq_depth_max = 0;
    MiniportAdapter miniport(device, {});
    Adapter* adapter = *Adapter::open(miniport, {2, 1});
    NDK_ADAPTER* ndk = adapter;
    NDK_PD* pd = nullptr;
    Seen seen;
    ASSERT_EQ(ndk->Dispatch->NdkCreatePd(ndk, Seen::created, &seen, &pd), STATUS_SUCCESS);
    NDK_SRQ* srq = nullptr;
    EXPECT_EQ(pd->Dispatch->NdkCreateSrq(pd, 1, 1, 0, nullptr, nullptr, nullptr, Seen::created, &seen, &srq),
              STATUS_NOT_SUPPORTED);
    NDK_QP* qp = nullptr;
    EXPECT_EQ(
        pd->Dispatch->NdkCreateQpWithSrq(pd, nullptr, nullptr, nullptr, nullptr, 1, 1, 0, Seen::created, &seen, &qp),
        STATUS_NOT_SUPPORTED);
    close(pd);
    adapter->close_and_wait();
  });
}

}  // namespace
}  // namespace softndk::provider
