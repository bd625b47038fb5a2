#include "provider/adapter_info.h"

#include <cstring>

#include "provider/consumer.h"

namespace softndk::provider {
namespace {

NDK_ADAPTER_INFO info_of(NDK_VERSION version) {
  FakeDevice device;
  return make_adapter_info(device.caps(), {}, version);
}

TEST(R_QAI_01, SuccessFillsTheStructureAndTellsItsSize) {
  simulate([] {
    Rig rig;
    NDK_ADAPTER_INFO info;
    ULONG size = sizeof info;
    EXPECT_EQ(rig.ndk()->Dispatch->NdkQueryAdapterInfo(rig.ndk(), &info, &size), STATUS_SUCCESS);
    EXPECT_EQ(size, 104u);  // R-QAI-04
    EXPECT_EQ(info.Version.Major, 2);
    EXPECT_EQ(info.Version.Minor, 1);  // R-QAI-05
    EXPECT_EQ(info.RdmaTechnology, NdkiWarp);
    EXPECT_EQ(info.MaxCallerData, 252u);
  });
}

TEST(R_QAI_02, NullWithNoRoomAsksForTheSize) {
  simulate([] {
    Rig rig;
    ULONG size = 0;
    EXPECT_EQ(rig.ndk()->Dispatch->NdkQueryAdapterInfo(rig.ndk(), nullptr, &size), STATUS_BUFFER_TOO_SMALL);
    EXPECT_EQ(size, 104u);
    EXPECT_EQ(rig.ndk()->Dispatch->NdkQueryAdapterInfo(rig.ndk(), nullptr, nullptr), STATUS_INVALID_PARAMETER);
  });
}

TEST(R_QAI_03, MajorOneNeedsNoRoomForTheTechnologyAndGetsItIfThereIsSome) {
  for (const auto& [version, required] :
       {std::pair{NDK_VERSION{1, 2}, 96u}, std::pair{NDK_VERSION{2, 0}, 104u}, std::pair{NDK_VERSION{2, 1}, 104u}}) {
    const NDK_ADAPTER_INFO info = info_of(version);
    for (ULONG room = 0; room <= 120; ++room) {
      std::uint8_t octets[120];
      std::memset(octets, 0xee, sizeof octets);
      ULONG size = room;
      const NTSTATUS status = copy_adapter_info(info, reinterpret_cast<NDK_ADAPTER_INFO*>(octets), &size);
      if (room < required) {
        EXPECT_EQ(status, STATUS_BUFFER_TOO_SMALL);
        EXPECT_EQ(size, required);
        EXPECT_EQ(octets[0], 0xee) << "untouched";
      } else {
        EXPECT_EQ(status, STATUS_SUCCESS);
        EXPECT_EQ(size, room >= 104 ? 104u : 96u);
        EXPECT_EQ(std::memcmp(octets, &info, size), 0);
        EXPECT_EQ(octets[size], 0xee);
      }
    }
  }
}

TEST(R_QAI_06, TheAnswerNeverChanges) {
  simulate([] {
    Rig rig;
    NDK_ADAPTER_INFO first, second;
    ULONG size = sizeof first;
    rig.ndk()->Dispatch->NdkQueryAdapterInfo(rig.ndk(), &first, &size);
    rig.device.capabilities.cq_depth_max = 1;
    rig.ndk()->Dispatch->NdkQueryAdapterInfo(rig.ndk(), &second, &size);
    EXPECT_EQ(std::memcmp(&first, &second, sizeof first), 0);
  });
}

TEST(R_QAI_07, FrmrPageCountIsAtLeastSixteen) {
  EXPECT_GE(info_of({2, 1}).FRMRPageCount, 16u);
}

TEST(R_QAI_09, ReadSinksNeedNoFlag) {
  EXPECT_NE(info_of({2, 1}).AdapterFlags & NDK_ADAPTER_FLAG_RDMA_READ_SINK_NOT_REQUIRED, 0u);
  EXPECT_NE(info_of({2, 1}).AdapterFlags & NDK_ADAPTER_FLAG_LOOPBACK_CONNECTIONS_SUPPORTED, 0u);  // R-CNCT-15
}

TEST(R_QAI_10, WhatAnswersNotSupportedIsNotAnnounced) {
  const NDK_ADAPTER_INFO info = info_of({2, 1});
  EXPECT_EQ(info.MaxSrqDepth, 16384u);
  EXPECT_EQ(info.AdapterFlags &
                (NDK_ADAPTER_FLAG_CQ_RESIZE_SUPPORTED | NDK_ADAPTER_FLAG_CQ_INTERRUPT_MODERATION_SUPPORTED |
                 NDK_ADAPTER_FLAG_RDMA_READ_LOCAL_INVALIDATE_SUPPORTED | NDK_ADAPTER_FLAG_IN_ORDER_DMA_SUPPORTED),
            0u);
}

TEST(R_VER_01, TheTableOfVersions) {
  struct Case {
    NDK_VERSION asked, granted;
  };
  const Settings settings;
  for (const Case& one :
       {Case{{1, 0}, {1, 2}}, Case{{1, 1}, {1, 2}}, Case{{1, 2}, {1, 2}}, Case{{1, 3}, {0, 0}}, Case{{2, 0}, {2, 1}},
        Case{{2, 1}, {2, 1}}, Case{{2, 2}, {0, 0}}, Case{{0, 0}, {0, 0}}, Case{{3, 0}, {0, 0}}, Case{{0, 1}, {0, 0}}}) {
    const NDK_VERSION granted = negotiate(settings, one.asked);
    EXPECT_EQ(granted.Major, one.granted.Major) << one.asked.Major << "." << one.asked.Minor;
    EXPECT_EQ(granted.Minor, one.granted.Minor) << one.asked.Major << "." << one.asked.Minor;
  }
}

TEST(R_VER_02, AProfileCanLowerEitherMinor) {
  Settings settings;
  settings.minor_max_of_1 = 1;
  settings.minor_max_of_2 = 0;
  EXPECT_EQ(negotiate(settings, {1, 0}).Minor, 1);
  EXPECT_EQ(negotiate(settings, {1, 2}).Major, 0);
  EXPECT_EQ(negotiate(settings, {2, 0}).Minor, 0);
  EXPECT_EQ(negotiate(settings, {2, 1}).Major, 0);
}

TEST(R_VER_03, EveryObjectCarriesTheReportedVersion) {
  simulate([] {
    Rig rig({}, {1, 2});
    NDK_PD* pd = rig.pd();
    NDK_CQ* cq = rig.cq();
    NDK_QP* qp = rig.qp(pd, cq, cq);
    NDK_MR* mr = rig.mr(pd);
    for (NDK_OBJECT_HEADER* header : {&rig.ndk()->Header, &pd->Header, &cq->Header, &qp->Header, &mr->Header}) {
      EXPECT_EQ(header->Version.Major, 1);
      EXPECT_EQ(header->Version.Minor, 2);
    }
    close(mr);
    close(qp);
    close(cq);
    close(pd);
  });
}

TEST(R_NDIS_10, CapabilitiesHaveTheirHeaderAndMissNoCounter) {
  NDK_ADAPTER_INFO info = info_of({2, 1});
  const NDIS_NDK_CAPABILITIES capabilities = make_capabilities({}, info);
  EXPECT_EQ(capabilities.Header.Type, 0x80);
  EXPECT_EQ(capabilities.Header.Revision, 1);
  EXPECT_EQ(capabilities.Header.Size, 56);
  EXPECT_EQ(capabilities.Flags, 0u);
  EXPECT_EQ(capabilities.MissingCounterMask, 0u);   // R-NDIS-15
  EXPECT_EQ(capabilities.MaxInboundReadLimit, 0u);  // R-NDIS-13
  EXPECT_EQ(capabilities.MaxSrqCount, 65536u);
  EXPECT_EQ(capabilities.MaxMwCount, 1u << 20);
  info.MaxSrqDepth = 0;
  info.MaxWindowSize = 0;
  const NDIS_NDK_CAPABILITIES without = make_capabilities({}, info);
  EXPECT_EQ(without.MaxSrqCount, 0u);
  EXPECT_EQ(without.MaxMwCount, 0u);
  EXPECT_EQ(capabilities.NdkInfo, &info);
}

}  // namespace
}  // namespace softndk::provider
