// Posting, as far as the provider decides it; the rest is the device's.
#include "provider/consumer.h"

namespace softndk::provider {
namespace {

struct Posting {
  explicit Posting(Rig& rig)
      : pd(rig.pd()), cq(rig.cq()), qp(rig.qp(pd, cq, cq, this)), device(rig.device.qps.last()), api(*qp->Dispatch) {}
  ~Posting() {
    close(qp);
    close(cq);
    close(pd);
  }
  NTSTATUS send(ULONG flags, const NDK_SGE* sges = nullptr, ULONG count = 0) {
    return api.NdkSend(qp, this, sges, count, flags);
  }
  NDK_PD* pd;
  NDK_CQ* cq;
  NDK_QP* qp;
  FakeQp& device;
  const NDK_QP_DISPATCH& api;
};

NDK_SGE sge(void* address, ULONG length, UINT32 token) {
  NDK_SGE it{};
  it.VirtualAddress = address;
  it.Length = length;
  it.MemoryRegionToken = token;
  return it;
}

TEST(R_QP_01, EachLimitAboveTheAdaptersIsInvalidAndAllAtTheirMaximumAreNot) {
  simulate([] {
    Rig rig;
    NDK_PD* pd = rig.pd();
    NDK_CQ* cq = rig.cq();
    const NDK_ADAPTER_INFO& info = rig.adapter->info();
    Seen seen;
    const ULONG most[5] = {info.MaxReceiveQueueDepth, info.MaxInitiatorQueueDepth, info.MaxReceiveRequestSge,
                           info.MaxInitiatorRequestSge, info.MaxInlineDataSize};
    const auto create_qp = [&](const ULONG* limits) {
      NDK_QP* qp = nullptr;
      const NTSTATUS status = pd->Dispatch->NdkCreateQp(pd, cq, cq, nullptr, limits[0], limits[1], limits[2], limits[3],
                                                        limits[4], Seen::created, &seen, &qp);
      if (NT_SUCCESS(status)) close(qp);
      return status;
    };
    for (int i = 0; i < 5; ++i) {
      ULONG limits[5];
      std::copy_n(most, 5, limits);
      ++limits[i];
      EXPECT_EQ(create_qp(limits), STATUS_INVALID_PARAMETER) << i;
    }
    EXPECT_EQ(create_qp(most), STATUS_SUCCESS);  // R-QP-02
    const ULONG none[5] = {};
    EXPECT_EQ(create_qp(none), STATUS_SUCCESS);  // R-QP-03
    close(cq);
    close(pd);
  });
}

TEST(R_QP_04, EachQueueHasItsOwnCqAndContext) {
  simulate([] {
    Rig rig;
    NDK_PD* pd = rig.pd();
    NDK_CQ* receives = rig.cq();
    rdma::CompletionQueue* device_receives = &rig.device.cqs.last();
    NDK_CQ* initiators = rig.cq();
    rdma::CompletionQueue* device_initiators = &rig.device.cqs.last();
    NDK_QP* qp = rig.qp(pd, receives, initiators, &rig);
    EXPECT_EQ(rig.device.qps.last().parameters.receive_cq, device_receives);
    EXPECT_EQ(rig.device.qps.last().parameters.initiator_cq, device_initiators);
    EXPECT_EQ(rig.device.qps.last().parameters.context, &rig);  // R-QP-05
    close(qp);
    close(receives);
    close(initiators);
    close(pd);
  });
}

TEST(R_WR_17, UndefinedFlagBitsFailInlineAndDefinedOnesWithoutMeaningAreIgnored) {
  simulate([] {
    Rig rig;
    Posting post(rig);
    for (ULONG bit = 0x400; bit != 0; bit <<= 1) {
      EXPECT_EQ(post.send(bit), STATUS_INVALID_PARAMETER);
      EXPECT_EQ(post.api.NdkWrite(post.qp, nullptr, nullptr, 0, 0, 0, bit), STATUS_INVALID_PARAMETER);
      EXPECT_EQ(post.api.NdkRead(post.qp, nullptr, nullptr, 0, 0, 0, bit), STATUS_INVALID_PARAMETER);
    }
    EXPECT_TRUE(post.device.sends.empty());
    EXPECT_EQ(post.api.NdkRead(post.qp, nullptr, nullptr, 0, 0, 0, 0x3ff), STATUS_SUCCESS);
    const rdma::WorkFlags read = post.device.sends.back().work.flags;
    EXPECT_TRUE(read.silent && read.read_fence && read.defer);
    EXPECT_FALSE(read.solicited || read.inline_data);
    EXPECT_FALSE(read.local_invalidate) << "not announced, so ignored (R-RLI-02)";
    EXPECT_EQ(post.send(0x3ff), STATUS_SUCCESS);
    const rdma::WorkFlags send = post.device.sends.back().work.flags;
    EXPECT_TRUE(send.solicited && send.inline_data);
    EXPECT_EQ(post.api.NdkWrite(post.qp, nullptr, nullptr, 0, 0, 0, 0x3ff), STATUS_SUCCESS);
    const rdma::WorkFlags write = post.device.sends.back().work.flags;
    EXPECT_TRUE(write.inline_data);  // R-INL-05
    EXPECT_FALSE(write.solicited);
  });
}

TEST(R_DEF_09, DeferIsIgnoredBelowOneTwo) {
  simulate([] {
    Rig rig({}, {1, 1});
    Posting post(rig);
    EXPECT_EQ(post.send(NDK_OP_FLAG_DEFER), STATUS_SUCCESS);
    EXPECT_FALSE(post.device.sends.back().work.flags.defer);
  });
}

TEST(R_DEF_03, APostThatTheProviderRefusesStartsWhatWasDeferred) {
  simulate([] {
    Rig rig;
    Posting post(rig);
    EXPECT_EQ(post.send(NDK_OP_FLAG_DEFER), STATUS_SUCCESS);
    EXPECT_EQ(post.device.deferred_starts, 0);
    EXPECT_EQ(post.send(0x400), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(post.device.deferred_starts, 1);
    EXPECT_EQ(post.api.NdkSendAndInvalidate(post.qp, nullptr, nullptr, 1, 0, 1), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(post.device.deferred_starts, 2);
  });
}

TEST(R_WR_14, TooManySgesAreADataOverrun) {
  simulate([] {
    Rig rig;
    Posting post(rig);
    std::vector<NDK_SGE> sges(1000, sge(nullptr, 0, 1));
    EXPECT_EQ(post.send(0, sges.data(), 1000), STATUS_DATA_OVERRUN);
    EXPECT_EQ(post.api.NdkReceive(post.qp, nullptr, sges.data(), 1000), STATUS_DATA_OVERRUN);
    post.device.send_error = rdma::PostError::too_many_sges;  // the queue pair's own limit is the device's to check
    EXPECT_EQ(post.send(0, sges.data(), 5), STATUS_DATA_OVERRUN);
  });
}

TEST(R_WR_16, NoSgesNeedNoList) {
  simulate([] {
    Rig rig;
    Posting post(rig);
    EXPECT_EQ(post.send(0), STATUS_SUCCESS);
    EXPECT_EQ(post.api.NdkReceive(post.qp, nullptr, nullptr, 0), STATUS_SUCCESS);
    EXPECT_EQ(post.send(0, nullptr, 1), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(post.api.NdkReceive(post.qp, nullptr, nullptr, 1), STATUS_INVALID_PARAMETER);
  });
}

TEST(R_WR_18, SgesRemoteAddressTokenAndContextReachTheDevice) {
  simulate([] {
    Rig rig;
    Posting post(rig);
    std::uint8_t memory[8];
    const NDK_SGE sges[] = {sge(memory, 3, 0x11), sge(memory + 4, 4, 0x22)};
    EXPECT_EQ(post.api.NdkWrite(post.qp, memory, sges, 2, 0x123456789abc, 0x33, NDK_OP_FLAG_SILENT_SUCCESS),
              STATUS_SUCCESS);
    const FakeQp::Posted& posted = post.device.sends.back();
    EXPECT_EQ(posted.work.operation, rdma::Operation::write);
    EXPECT_EQ(posted.work.context, memory);
    EXPECT_EQ(posted.work.remote_address, 0x123456789abcu);
    EXPECT_EQ(posted.work.remote_token, 0x33u);
    ASSERT_EQ(posted.sges.size(), 2u);
    EXPECT_EQ(posted.sges[1].address, reinterpret_cast<std::uint64_t>(memory + 4));
    EXPECT_EQ(posted.sges[1].length_bytes, 4u);
    EXPECT_EQ(posted.sges[1].token, 0x22u);
  });
}

TEST(R_INL_03, InlineDataMayComeInAnyNumberOfPieces) {
  simulate([] {
    Rig rig;
    Posting post(rig);
    std::vector<std::uint8_t> octets(1024);
    for (std::size_t i = 0; i < octets.size(); ++i)
      octets[i] = static_cast<std::uint8_t>(i * 7);
    for (ULONG pieces : {1u, 64u, 65u, 512u}) {
      std::vector<NDK_SGE> sges;
      for (ULONG i = 0; i < pieces; ++i)
        sges.push_back(sge(octets.data() + i * (1024 / pieces), 1024 / pieces, 0xdead));  // R-INL-02: tokens ignored
      EXPECT_EQ(post.send(NDK_OP_FLAG_INLINE, sges.data(), pieces), STATUS_SUCCESS) << pieces;
      const std::vector<std::uint8_t> sent(octets.begin(), octets.begin() + pieces * (1024 / pieces));
      EXPECT_EQ(post.device.sends.back().inline_octets, sent) << pieces;
    }
  });
}

TEST(R_INL_04, InlineDataBeyondEveryBoundIsADataOverrun) {
  simulate([] {
    Rig rig;
    Posting post(rig);
    std::vector<std::uint8_t> octets(5000);
    std::vector<NDK_SGE> sges(100, sge(octets.data(), 50, 0));
    EXPECT_EQ(post.send(NDK_OP_FLAG_INLINE, sges.data(), 100), STATUS_DATA_OVERRUN);
    const NDK_SGE huge[] = {sge(octets.data(), 0xffffffff, 0), sge(octets.data(), 2, 0)};
    std::vector<NDK_SGE> wrapping(70, huge[0]);
    wrapping.push_back(huge[1]);
    EXPECT_EQ(post.send(NDK_OP_FLAG_INLINE, wrapping.data(), 71), STATUS_DATA_OVERRUN);
    post.device.send_error = rdma::PostError::too_long;
    EXPECT_EQ(post.send(NDK_OP_FLAG_INLINE, sges.data(), 2), STATUS_DATA_OVERRUN);
  });
}

TEST(R_FLU_01, FlushReachesTheDevice) {
  simulate([] {
    Rig rig;
    Posting post(rig);
    post.api.NdkFlush(post.qp);
    EXPECT_EQ(post.device.flushes, 1);
  });
}

TEST(R_WR_12, AFullQueueIsInsufficientResources) {
  simulate([] {
    Rig rig;
    Posting post(rig);
    post.device.send_error = rdma::PostError::queue_full;
    post.device.receive_error = rdma::PostError::queue_full;
    EXPECT_EQ(post.send(0), STATUS_INSUFFICIENT_RESOURCES);
    EXPECT_EQ(post.api.NdkReceive(post.qp, nullptr, nullptr, 0), STATUS_INSUFFICIENT_RESOURCES);
  });
}

}  // namespace
}  // namespace softndk::provider
