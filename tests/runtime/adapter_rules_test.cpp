// Versions, limits and extensions (spec/ndkpi.md section 4), and what every object has in common.
#include <cstddef>

#include "fast_region.h"
#include "provider/adapter_info.h"
#include "provider/oid.h"
#include "provider/work_translation.h"
#include "remote_invalidate.h"
#include "stage.h"

namespace softndk::stack {
namespace {

using provider::Settings;

// ---- versions

/// Two connected ends on `adapter`, for as long as `body(active, passive)` runs.
template <class Body>
void connected(OpenAdapter& adapter, Body body) {
  Door door(adapter);
  ASSERT_EQ(door.listen(Sockaddr("127.0.0.1")), STATUS_SUCCESS);
  Side active(adapter), passive(adapter);
  Request connecting, accepting;
  const NTSTATUS returned = active.begin_connect(connecting, Sockaddr("127.0.0.1"), door.address());
  passive.connector = door.next();
  const NTSTATUS accept_returned = passive.begin_accept(accepting);
  ASSERT_EQ(connecting.finish(returned), STATUS_SUCCESS);
  ASSERT_EQ(active.complete(), STATUS_SUCCESS);
  ASSERT_EQ(accepting.finish(accept_returned), STATUS_SUCCESS);
  body(active, passive);
  active.close();
  passive.close();
}

/// One of each transfer that 1.1 knows.
void converse_at(OpenAdapter& adapter) {
  connected(adapter, [](Side& active, Side& passive) {
    Region here(active.pd.get(), 3000), there(passive.pd.get(), 3000);
    ASSERT_EQ(passive.receive(there.all()), STATUS_SUCCESS);
    for (const NTSTATUS posted : {active.write(here.all(), there.address(), there.token()),
                                  active.read(here.all(), there.address(), there.token()), active.send(here.all())}) {
      ASSERT_EQ(posted, STATUS_SUCCESS);
      EXPECT_EQ(active.next_status(), STATUS_SUCCESS);
    }
    EXPECT_EQ(passive.next_status(), STATUS_SUCCESS);
  });
}

TEST(R_VER_04, WhatAnOlderMinorKnowsWorksAlikeUnderEveryNewerOne) {
  everywhere([](Stage& stage) {
    for (const NDK_VERSION asked : {NDK_VERSION{1, 0}, NDK_VERSION{1, 1}, NDK_VERSION{1, 2}, NDK_VERSION{2, 0}}) {
      OpenAdapter adapter(stage.loopback_index(), asked);
      ASSERT_EQ(adapter.status, STATUS_SUCCESS);
      EXPECT_GE(adapter.info.Version.Minor, asked.Minor);
      converse_at(adapter);
    }
  });
}

TEST(R_VER_05, TheErrorCodeOf21LiesInWhatWasPaddingOn64Bits) {
  static_assert(sizeof(void*) == 8, "64-bit only");
  EXPECT_EQ(offsetof(NDK_RESULT_EX, ProviderErrorCode), 0x1Cu);
  EXPECT_EQ(offsetof(NDK_RESULT_EX, TypeSpecificCompletionOutput), 0x20u) << "where 1.2 has it, aligned to 8";
}

TEST(R_VER_06, From12OnPostsAreDeferredAndTokensInvalidatedByThePeer) {
  everywhere([](Stage& stage) {
    OpenAdapter adapter(stage.loopback_index(), {1, 0});  // as public consumers ask
    ASSERT_EQ(adapter.status, STATUS_SUCCESS);
    ASSERT_GE(adapter.info.Version.Minor, 2);
    connected(adapter, [&](Side& active, Side& passive) {
      Region here(active.pd.get(), 100), there(passive.pd.get(), 100);
      Memory lent(PAGE_SIZE);
      Lam lam(adapter, lent);
      const FastRegion fast(passive.pd.get(), 4);
      ASSERT_EQ(fast.enlist(passive, lam, PAGE_SIZE, 0x10000, kFastAll), STATUS_SUCCESS);
      ASSERT_EQ(passive.next_status(), STATUS_SUCCESS);
      ASSERT_EQ(passive.receive(there.all()), STATUS_SUCCESS);
      ASSERT_EQ(active.write(here.all(), 0x10000, fast.token(), 3, NDK_OP_FLAG_DEFER), STATUS_SUCCESS);
      ASSERT_EQ(send_and_invalidate(active, here.all(), fast.token()), STATUS_SUCCESS);
      EXPECT_EQ(active.next_status(), STATUS_SUCCESS);
      EXPECT_EQ(active.next_status(), STATUS_SUCCESS);
      const NDK_RESULT_EX received = passive.next();
      EXPECT_EQ(received.Status, STATUS_SUCCESS);
      EXPECT_EQ(received.Type, NdkOperationTypeReceiveAndInvalidate);
    });
  });
}

TEST(R_VER_07, Under11TheFlagsOf12AreIgnoredAndItsSlotsLieBehindTheTables) {
  Settings settings;
  ASSERT_TRUE(provider::parse_version_max("1.1", settings));
  EXPECT_EQ(provider::negotiate(settings, {1, 0}).Minor, 1);
  EXPECT_EQ(provider::negotiate(settings, {1, 2}).Major, 0);
  EXPECT_EQ(provider::negotiate(settings, {2, 0}).Major, 0);
  rdma::DeviceCaps caps{};
  caps.read_local_invalidate = true;
  const ULONG flags = NDK_OP_FLAG_DEFER | NDK_OP_FLAG_RDMA_READ_LOCAL_INVALIDATE;
  const auto old = provider::translate_flags(flags, rdma::Operation::read, {1, 1}, caps);
  ASSERT_TRUE(old);
  EXPECT_FALSE(old->defer);
  EXPECT_FALSE(old->local_invalidate);
  const auto now = provider::translate_flags(flags, rdma::Operation::read, {1, 2}, caps);
  ASSERT_TRUE(now);
  EXPECT_TRUE(now->defer);
  EXPECT_TRUE(now->local_invalidate);
  EXPECT_EQ(offsetof(NDK_CQ_DISPATCH, NdkGetCqResultsEx), 48u) << "R-TBL-01: the table of 1.1 ends here";
  EXPECT_EQ(offsetof(NDK_QP_DISPATCH, NdkSendAndInvalidate), 80u);
}

TEST(R_VER_02, TheSettingLowersWhatCanBeOpened) {
  struct Case {
    const char* version_max;
    NDK_VERSION asked;
    USHORT major, minor;  ///< of what is granted; 0: refused
  };
  for (const Case& one : {Case{"1.2", {1, 0}, 1, 2}, Case{"1.2", {2, 0}, 0, 0}, Case{"2.0", {2, 0}, 2, 0},
                          Case{"2.0", {2, 1}, 0, 0}, Case{"2.1", {2, 0}, 2, 1}}) {
    Settings settings;
    ASSERT_TRUE(provider::parse_version_max(one.version_max, settings));
    const NDK_VERSION granted = provider::negotiate(settings, one.asked);
    EXPECT_EQ(granted.Major, one.major) << one.version_max;
    EXPECT_EQ(granted.Minor, one.minor) << one.version_max;
  }
  Settings settings;
  EXPECT_FALSE(provider::parse_version_max("3.0", settings));
  EXPECT_EQ(provider::version_max(settings).Major, 2);
}

// ---- what an adapter says of itself

TEST(R_QAI_04, A104ByteBufferAtVersion2IsFilledWhole) {
  everywhere([](Stage& stage) {
    NDK_ADAPTER_INFO info{};
    ULONG bytes = 104;
    EXPECT_EQ(stage.adapter->adapter->Dispatch->NdkQueryAdapterInfo(stage.adapter->adapter, &info, &bytes),
              STATUS_SUCCESS);
    EXPECT_EQ(bytes, 104u);
    EXPECT_EQ(info.RdmaTechnology, NdkiWarp);
  });
}

TEST(R_QAI_05, TheVersionInTheInfoIsTheOneInEveryHeader) {
  everywhere([](Stage& stage) {
    for (const NDK_VERSION asked : {NDK_VERSION{1, 0}, NDK_VERSION{2, 0}}) {
      OpenAdapter adapter(stage.loopback_index(), asked);
      ASSERT_EQ(adapter.status, STATUS_SUCCESS);
      const auto pd = adapter.pd();
      for (const NDK_OBJECT_HEADER* header : {&adapter.adapter->Header, &pd.get()->Header}) {
        EXPECT_EQ(header->Version.Major, adapter.info.Version.Major);
        EXPECT_EQ(header->Version.Minor, adapter.info.Version.Minor);
      }
    }
  });
}

TEST(LimitsProfile, OnlyLowersWhatTheDeviceHas) {
  rdma::DeviceCaps device{};
  device.initiator_sge_max = 1;
  device.receive_sge_max = 64;
  device.initiator_queue_depth_max = 1 << 20;
  device.private_data_max = 252;
  device.memory_windows = true;
  const auto max = provider::lower_caps(device, provider::LimitsProfile::max);
  EXPECT_EQ(max.initiator_queue_depth_max, 1u << 20);
  EXPECT_TRUE(max.memory_windows);
  const auto real = provider::lower_caps(device, provider::LimitsProfile::connectx3);
  EXPECT_EQ(real.initiator_sge_max, 1u);
  EXPECT_EQ(real.receive_sge_max, 32u);
  EXPECT_EQ(real.initiator_queue_depth_max, 16351u);
  EXPECT_EQ(real.private_data_max, 56u);
  EXPECT_FALSE(real.memory_windows);
  const auto least = provider::lower_caps(device, provider::LimitsProfile::minimal);
  EXPECT_EQ(least.initiator_sge_max, 1u);
  EXPECT_EQ(least.receive_sge_max, 2u);
}

TEST(LimitsProfile, AConsumerWithinTheSmallestLimitsWorks) {
  everywhere(
      [](Stage& stage) {
        EXPECT_EQ(stage.adapter->info.MaxSrqDepth, 0u);
        EXPECT_EQ(stage.adapter->info.MaxWindowSize, 0u);
        EXPECT_EQ(stage.adapter->info.FRMRPageCount, 16u);
        const QpShape shape{.receive_depth = 8, .initiator_depth = 8, .sges = 2, .inline_bytes = 0, .cq_depth = 32};
        Pair pair(stage, "127.0.0.1", shape);
        ASSERT_TRUE(pair.establish({1, 1}, {1, 1}));
        Region here(pair.active.pd.get(), 100), there(pair.passive.pd.get(), 100);
        ASSERT_EQ(pair.active.read(here.all(), there.address(), there.token()), STATUS_SUCCESS);
        EXPECT_EQ(pair.active.next_status(), STATUS_SUCCESS);
      },
      {{"limits", "minimal"}});
}

// ---- extensions, callbacks

constexpr GUID kSomeInterface = {0x12345678, 0x9abc, 0xdef0, {1, 2, 3, 4, 5, 6, 7, 8}};

TEST(R_QEX_02, AFailedQueryWritesNothing) {
  everywhere([](Stage& stage) {
    NDK_ADAPTER* adapter = stage.adapter->adapter;
    void* const untouched = reinterpret_cast<void*>(0x5AD);
    NDK_EXTENSION_INTERFACE interface {};
    std::memcpy(&interface, &untouched, sizeof untouched);
    EXPECT_EQ(adapter->Dispatch->NdkQueryExtension(&adapter->Header, &kSomeInterface, {1, 0}, &interface),
              STATUS_NOT_SUPPORTED);
    EXPECT_EQ(std::memcmp(&interface, &untouched, sizeof untouched), 0);
  });
}

TEST(R_OBJ_11, ALamIsTheConsumersMemoryAndNoObject) {
  everywhere([](Stage& stage) {
    NDK_ADAPTER* adapter = stage.adapter->adapter;
    Memory memory(3 * PAGE_SIZE);
    ULONG bytes = 0, offset = 0;
    EXPECT_EQ(
        adapter->Dispatch->NdkBuildLAM(adapter, memory.mdl, memory.bytes, nullptr, nullptr, nullptr, &bytes, &offset),
        STATUS_BUFFER_TOO_SMALL);
    std::vector<std::uint8_t> room(bytes + 8, 0xEE);
    auto* lam = reinterpret_cast<NDK_LOGICAL_ADDRESS_MAPPING*>(room.data());
    Request building;
    ASSERT_EQ(building.finish(adapter->Dispatch->NdkBuildLAM(adapter, memory.mdl, memory.bytes, &Request::completed,
                                                             &building, lam, &bytes, &offset)),
              STATUS_SUCCESS);
    EXPECT_EQ(lam->AdapterPageCount, 3u) << "its first words are a context and a count: no header, no table";
    EXPECT_EQ(offsetof(NDK_LOGICAL_ADDRESS_MAPPING, AdapterPageCount), sizeof(PVOID));
    for (std::size_t i = bytes; i < room.size(); ++i)
      EXPECT_EQ(room[i], 0xEE);
    adapter->Dispatch->NdkReleaseLAM(adapter, lam);
    room.clear();
    room.shrink_to_fit();  // ours again at once; and the adapter closes without waiting for it
    stage.adapter->close();
  });
}

}  // namespace
}  // namespace softndk::stack
