// Rules that are about a whole group of things: each member of the group is looked at (spec/ndkpi.md R-QAI-08,
// R-QEX-03, R-NDIS-12, R-INF-01, R-ARM-17).
#include <algorithm>
#include <cstdlib>
#include <random>

#include "fast_region.h"
#include "provider/cq.h"
#include "provider/oid.h"
#include "remote_invalidate.h"
#include "rnic/cq.h"
#include "stage.h"

namespace softndk::stack {
namespace {

// ---- reads have a limit of their own

std::vector<NDK_SGE> slices(const Region& region, std::size_t count) {
  std::vector<NDK_SGE> sges;
  for (std::size_t i = 0; i < count; ++i)
    sges.push_back(region.sge(8 * i, 8));
  return sges;
}

/// `count` slices each, of a Read and of a Write: what the posts return; accepted ones are finished.
struct Posted {
  NTSTATUS read, write;
};
Posted post_both(Pair& pair, const Region& here, const Region& there, std::size_t count) {
  const auto sges = slices(here, count);
  const auto number = static_cast<ULONG>(count);
  NDK_QP* qp = pair.active.qp.get();
  Posted posted{};
  posted.read = qp->Dispatch->NdkRead(qp, nullptr, sges.data(), number, there.address(), there.token(), 0);
  if (posted.read == STATUS_SUCCESS) {
    EXPECT_EQ(pair.active.next_status(), STATUS_SUCCESS);
    EXPECT_TRUE(here.memory.same(there.memory, 8 * count));
  }
  posted.write = qp->Dispatch->NdkWrite(qp, nullptr, sges.data(), number, there.address(), there.token(), 0);
  if (posted.write == STATUS_SUCCESS) {
    EXPECT_EQ(pair.active.next_status(), STATUS_SUCCESS);
  }
  return posted;
}

TEST(R_QAI_08, AReadMayHaveAsManyAsTheAdapterSaysWhateverTheQueuePairsLimit) {
  everywhere([](Stage& stage) {
    const ULONG read_max = stage.adapter->info.MaxReadRequestSge;
    ASSERT_GT(read_max, 2u);
    Pair pair(stage, "127.0.0.1", {.sges = 2});
    ASSERT_TRUE(pair.establish());
    Region here(pair.active.pd.get(), 4096), there(pair.passive.pd.get(), 4096);
    there.memory.fill(7);
    for (const ULONG count : {1u, 2u, 3u, read_max, read_max + 1}) {
      SCOPED_TRACE(count);
      const Posted posted = post_both(pair, here, there, count);
      EXPECT_EQ(posted.read, count <= read_max ? STATUS_SUCCESS : STATUS_DATA_OVERRUN);
      EXPECT_EQ(posted.write, count <= 2 ? STATUS_SUCCESS : STATUS_DATA_OVERRUN);
    }
  });
}

TEST(R_QAI_08, AndNoMoreThanThatWhereTheQueuePairHasMore) {
  everywhere(
      [](Stage& stage) {
        ASSERT_EQ(stage.adapter->info.MaxReadRequestSge, 1u);
        ASSERT_EQ(stage.adapter->info.MaxInitiatorRequestSge, 2u);
        const QpShape shape{.receive_depth = 8, .initiator_depth = 8, .sges = 2, .inline_bytes = 0, .cq_depth = 32};
        Pair pair(stage, "127.0.0.1", shape);
        ASSERT_TRUE(pair.establish({1, 1}, {1, 1}));
        Region here(pair.active.pd.get(), 100), there(pair.passive.pd.get(), 100);
        there.memory.fill(7);
        for (const ULONG count : {1u, 2u}) {
          const Posted posted = post_both(pair, here, there, count);
          EXPECT_EQ(posted.read, count == 1 ? STATUS_SUCCESS : STATUS_DATA_OVERRUN);
          EXPECT_EQ(posted.write, STATUS_SUCCESS);
        }
      },
      {{"limits", "minimal"}});
}

// ---- extensions

/// Nothing that is asked of `object` by an id exists, and nothing is written.
template <class T>
void expect_no_extension(const char* what, const T* object) {
  SCOPED_TRACE(what);
  std::mt19937 random(1);
  std::vector<GUID> ids = {GUID{}};
  for (int i = 0; i < 16; ++i) {
    GUID id;
    auto* octets = reinterpret_cast<std::uint8_t*>(&id);
    for (std::size_t octet = 0; octet < sizeof id; ++octet)
      octets[octet] = static_cast<std::uint8_t>(random());
    ids.push_back(id);
  }
  void* const untouched = reinterpret_cast<void*>(0x5AD);
  for (const GUID& id : ids) {
    for (const NDK_VERSION version :
         {NDK_VERSION{0, 0}, NDK_VERSION{1, 0}, NDK_VERSION{2, 1}, NDK_VERSION{0xFFFF, 0}}) {
      NDK_EXTENSION_INTERFACE interface {};
      std::memcpy(&interface, &untouched, sizeof untouched);
      auto* header = const_cast<NDK_OBJECT_HEADER*>(&object->Header);
      EXPECT_EQ(object->Dispatch->NdkQueryExtension(header, &id, version, &interface), STATUS_NOT_SUPPORTED);
      EXPECT_EQ(std::memcmp(&interface, &untouched, sizeof untouched), 0);
    }
  }
}

TEST(R_QEX_03, NoObjectHasAPrivateExtensionAndNothingDocumentedNeedsOne) {
  everywhere(
      [](Stage& stage) {
        Pair pair(stage);
        NDK_PD* pd = pair.passive.pd.get();
        Object<NDK_MW> mw;
        Object<NDK_SRQ> srq;
        Object<NDK_SHARED_ENDPOINT> endpoint;
        ASSERT_EQ(create(mw, [&](auto... rest) { return pd->Dispatch->NdkCreateMw(pd, rest...); }), STATUS_SUCCESS);
        ASSERT_EQ(create(srq,
                         [&](auto... rest) {
                           return pd->Dispatch->NdkCreateSrq(pd, 4, 1, 0, nullptr, nullptr, nullptr, rest...);
                         }),
                  STATUS_SUCCESS);
        ASSERT_EQ(stage.adapter->shared_endpoint(endpoint, Sockaddr("127.0.0.1")), STATUS_SUCCESS);
        ASSERT_TRUE(pair.establish());
        Region here(pair.active.pd.get(), 3 * PAGE_SIZE), there(pd, 3 * PAGE_SIZE);
        const auto ask_all = [&] {
          expect_no_extension("adapter", stage.adapter->adapter);
          expect_no_extension("PD", pd);
          expect_no_extension("CQ", pair.passive.queue.cq.get());
          expect_no_extension("QP", pair.passive.qp.get());
          expect_no_extension("MR", there.mr.get());
          expect_no_extension("MW", mw.get());
          expect_no_extension("SRQ", srq.get());
          expect_no_extension("connector", pair.passive.connector.get());
          expect_no_extension("listener", pair.door.listener.get());
          expect_no_extension("shared endpoint", endpoint.get());
        };
        ask_all();
        // What 1.2 documents and a consumer could suspect behind an extension: all in the tables.
        Lam lam(*stage.adapter, there.memory);
        FastRegion fast(pd, 3);
        ASSERT_EQ(fast.enlist(pair.passive, lam, there.memory.bytes, 0x1000, kFastAll), STATUS_SUCCESS);
        EXPECT_EQ(pair.passive.next_status(), STATUS_SUCCESS);
        ASSERT_EQ(pair.active.read(here.all(), 0x1000, fast.token()), STATUS_SUCCESS);
        EXPECT_EQ(pair.active.next_status(), STATUS_SUCCESS);
        ASSERT_EQ(pair.passive.receive(there.all()), STATUS_SUCCESS);
        ASSERT_EQ(send_and_invalidate(pair.active, here.all(), fast.token()), STATUS_SUCCESS);
        EXPECT_EQ(pair.active.next_status(), STATUS_SUCCESS);
        const NDK_RESULT_EX result = pair.passive.next();
        EXPECT_EQ(result.Status, STATUS_SUCCESS);
        EXPECT_EQ(result.Type, NdkOperationTypeReceiveAndInvalidate);
        ask_all();
      },
      {}, 3);
}

// ---- OIDs

/// Microsoft's list of what every miniport answers ("Mandatory OIDs for miniport drivers"), and the four of NDK. This
/// is on purpose not taken from the provider's own list.
struct Mandatory {
  NDIS_OID oid;
  std::size_t bytes;  ///< of a query's answer; 0: of a set only
  std::size_t set_bytes = 0;
  NDIS_STATUS set_status = NDIS_STATUS_SUCCESS;
};
constexpr Mandatory kMandatory[] = {
    {OID_GEN_CURRENT_LOOKAHEAD, 0, 4},
    {OID_GEN_CURRENT_PACKET_FILTER, 0, 4},
    {OID_GEN_INTERRUPT_MODERATION, 12, 12, NDIS_STATUS_INVALID_DATA},
    {OID_GEN_LINK_PARAMETERS, 0, 32},
    {OID_GEN_MAXIMUM_FRAME_SIZE, 4},
    {OID_GEN_MAXIMUM_TOTAL_SIZE, 4},
    {OID_GEN_RCV_OK, 8},
    {OID_GEN_RECEIVE_BLOCK_SIZE, 4},
    {OID_GEN_RECEIVE_BUFFER_SPACE, 4},
    {OID_GEN_STATISTICS, 152},
    {OID_GEN_TRANSMIT_BLOCK_SIZE, 4},
    {OID_GEN_TRANSMIT_BUFFER_SPACE, 4},
    {OID_GEN_VENDOR_DESCRIPTION, 30},
    {OID_GEN_VENDOR_DRIVER_VERSION, 4},
    {OID_GEN_VENDOR_ID, 4},
    {OID_GEN_XMIT_OK, 8},
    {OID_NDK_SET_STATE, 0, 1},
    {OID_NDK_STATISTICS, 248},
    {OID_NDK_CONNECTIONS, 16},
    {OID_NDK_LOCAL_ENDPOINTS, 16},
};

TEST(R_NDIS_12, EveryMandatoryOidIsAnsweredAndListed) {
  everywhere([](Stage& stage) {
    const NET_IFINDEX index = stage.loopback_index();
    NDIS_OID list[64];
    const auto supported = ntrt::ndis_oid_query(index, OID_GEN_SUPPORTED_LIST, list, sizeof list);
    ASSERT_EQ(supported.status, NDIS_STATUS_SUCCESS);
    NDIS_OID* const end = list + supported.bytes / sizeof list[0];
    for (const Mandatory& one : kMandatory) {
      SCOPED_TRACE(testing::Message() << std::hex << one.oid);
      EXPECT_NE(std::find(list, end, one.oid), end);
      alignas(8) std::uint8_t room[512];
      std::memset(room, 0xEE, sizeof room);
      const auto got = ntrt::ndis_oid_query(index, one.oid, room, one.bytes);
      if (one.bytes == 0) {
        EXPECT_EQ(got.status, NDIS_STATUS_NOT_SUPPORTED) << "it is only set";
      } else {
        EXPECT_EQ(got.status, NDIS_STATUS_SUCCESS);
        EXPECT_EQ(got.bytes, one.bytes);
        EXPECT_EQ(room[one.bytes], 0xEE);
        const std::size_t too_few = one.bytes == 8 ? 3 : one.bytes - 1;  // counters may be had with half the width
        const auto refused = ntrt::ndis_oid_query(index, one.oid, room, too_few);
        EXPECT_EQ(refused.status, NDIS_STATUS_BUFFER_TOO_SHORT);
        EXPECT_EQ(refused.bytes, one.bytes) << "what is needed";
      }
      if (one.set_bytes == 0) continue;
      std::memset(room, one.oid == OID_NDK_SET_STATE ? 1 : 0, sizeof room);
      EXPECT_EQ(ntrt::ndis_oid_set(index, one.oid, room, one.set_bytes).status, one.set_status);
      const auto refused = ntrt::ndis_oid_set(index, one.oid, room, one.set_bytes - 1);
      EXPECT_EQ(refused.status, NDIS_STATUS_INVALID_LENGTH);
      EXPECT_EQ(refused.bytes, one.set_bytes) << "what is needed";
    }
    EXPECT_EQ(ntrt::ndis_oid_query(index, OID_802_3_PERMANENT_ADDRESS, list, sizeof list).status,
              NDIS_STATUS_NOT_SUPPORTED)
        << "not one of these";
  });
}

TEST(R_NDIS_12, WhatIsListedIsAnswered) {
  everywhere([](Stage& stage) {
    const NET_IFINDEX index = stage.loopback_index();
    NDIS_OID list[64];
    const auto supported = ntrt::ndis_oid_query(index, OID_GEN_SUPPORTED_LIST, list, sizeof list);
    ASSERT_EQ(supported.status, NDIS_STATUS_SUCCESS);
    for (std::size_t i = 0; i < supported.bytes / sizeof list[0]; ++i) {
      alignas(8) std::uint8_t room[4096] = {1};
      const auto queried = ntrt::ndis_oid_query(index, list[i], room, sizeof room);
      std::memset(room, 0, sizeof room);
      room[0] = 1;
      const bool is_state = list[i] == OID_NDK_SET_STATE || list[i] == provider::kOidDeviceWorks;
      const auto set = ntrt::ndis_oid_set(index, list[i], room, is_state ? 1 : 32);
      EXPECT_TRUE(queried.status == NDIS_STATUS_SUCCESS || set.status == NDIS_STATUS_SUCCESS) << std::hex << list[i];
    }
  });
}

TEST(R_NDIS_12, TheGeneralCountersAreThoseOfRdma) {
  everywhere([](Stage& stage) {
    const NET_IFINDEX index = stage.loopback_index();
    Pair pair(stage);
    ASSERT_TRUE(pair.establish());
    Region here(pair.active.pd.get(), 64), there(pair.passive.pd.get(), 64);
    ASSERT_EQ(pair.active.read(here.all(), there.address(), there.token()), STATUS_SUCCESS);
    EXPECT_EQ(pair.active.next_status(), STATUS_SUCCESS);
    NDIS_NDK_STATISTICS_INFO ndk{};
    NDIS_STATISTICS_INFO general{};
    ULONG64 wide = 0;
    ULONG narrow = 0;
    ASSERT_EQ(ntrt::ndis_oid_query(index, OID_NDK_STATISTICS, &ndk, sizeof ndk).status, NDIS_STATUS_SUCCESS);
    ASSERT_EQ(ntrt::ndis_oid_query(index, OID_GEN_STATISTICS, &general, sizeof general).status, NDIS_STATUS_SUCCESS);
    ASSERT_EQ(ntrt::ndis_oid_query(index, OID_GEN_XMIT_OK, &wide, sizeof wide).status, NDIS_STATUS_SUCCESS);
    const auto half = ntrt::ndis_oid_query(index, OID_GEN_XMIT_OK, &narrow, sizeof narrow);
    ASSERT_EQ(half.status, NDIS_STATUS_SUCCESS);
    EXPECT_EQ(half.bytes, sizeof narrow);
    EXPECT_GT(ndk.CounterSet.RDMAOutFrames, 0u);
    EXPECT_EQ(wide, ndk.CounterSet.RDMAOutFrames);
    EXPECT_EQ(narrow, ndk.CounterSet.RDMAOutFrames);
    EXPECT_EQ(general.Header.Size, 152);
    EXPECT_EQ(general.ifHCOutUcastPkts, ndk.CounterSet.RDMAOutFrames);
    EXPECT_EQ(general.ifHCInUcastPkts, ndk.CounterSet.RDMAInFrames);
    EXPECT_EQ(general.ifHCOutOctets, ndk.CounterSet.RDMAOutOctets);
    EXPECT_EQ(general.ifHCInOctets, ndk.CounterSet.RDMAInOctets);
    EXPECT_EQ(general.ifHCInMulticastPkts, 0u);
  });
}

// ---- keywords

struct Keyword {
  const char* setting;
  const char* by_default;
  std::vector<const char*> taken, refused;
};

TEST(R_INF_01, EveryKeywordHasItsValuesAndItsDefault) {
  const Keyword keywords[] = {
      {"upper_range", "ndis5", {"ndis5"}, {"", "ndis6", "NDIS5 "}},
      {"network_direct", "1", {"0", "1"}, {"2", "-1", ""}},
      {"network_direct_technology", "1", {"1", "2", "3", "4"}, {"0", "5", "iWARP"}},
      {"network_direct_roce_frame_size", "1024", {"256", "512", "1024", "2048", "4096"}, {"0", "128", "1500", "8192"}},
      {"network_direct_global_flags", "0", {"0", "1"}, {"2", "3"}},
  };
  runtime::SettingValues values;
  for (const Keyword& keyword : keywords) {
    SCOPED_TRACE(keyword.setting);
    EXPECT_STREQ(values.get(keyword.setting), keyword.by_default);
    for (const char* value : keyword.taken) {
      EXPECT_TRUE(values.set(keyword.setting, value)) << value;
      EXPECT_STREQ(values.get(keyword.setting), value);
    }
    for (const char* value : keyword.refused)
      EXPECT_FALSE(values.set(keyword.setting, value)) << value;
  }
}

std::string g_lines;

TEST(R_INF_01, AFrameSizeThatDoesNotOperateIsLogged) {
  in_simulation(2,
                [](Stage& stage) {
                  stage.adapter->close();
                  set_log_level(LogLevel::warning);
                  g_lines.clear();
                  set_log_sink([](void*, LogLevel, const char* line) { g_lines += line; }, nullptr);
                  EXPECT_EQ(stage.runtime->set_network_direct(stage.loopback_index(), true), STATUS_SUCCESS);
                  set_log_sink(nullptr, nullptr);
                  set_log_level(LogLevel::error);
                  EXPECT_NE(g_lines.find("*NetworkDirectRoCEFrameSize 2048 is not used"), std::string::npos) << g_lines;
                },
                {{"network_direct_roce_frame_size", "2048"}});
}

// ---- a queue that fails

TEST(R_ARM_17, AFatalErrorReachesTheConsumerLikeAnOverflow) {
  if (std::getenv("SOFTNDK_VERIFIER") != nullptr) GTEST_SKIP() << "reaches for the provider's own object";
  for (const ULONG type : {ULONG{NDK_CQ_NOTIFY_ERRORS}, ULONG{NDK_CQ_NOTIFY_SOLICITED}, ULONG{NDK_CQ_NOTIFY_ANY}}) {
    everywhere(
        [&](Stage& stage) {
          Pair pair(stage);
          Region here(pair.active.pd.get(), 64), there(pair.passive.pd.get(), 64);
          ASSERT_TRUE(pair.establish());
          Queue& queue = pair.passive.queue;
          ASSERT_EQ(pair.passive.receive(there.all()), STATUS_SUCCESS);
          ASSERT_EQ(pair.passive.write(there.all(), here.address(), here.token()), STATUS_SUCCESS);
          ASSERT_EQ(pair.passive.read(there.all(), here.address(), here.token()), STATUS_SUCCESS);
          EXPECT_EQ(pair.passive.next_status(), STATUS_SUCCESS);
          EXPECT_EQ(pair.passive.next_status(), STATUS_SUCCESS);
          ASSERT_EQ(pair.active.send(here.all()), STATUS_SUCCESS);  // an entry from before (R-ARM-19)
          EXPECT_EQ(pair.active.next_status(), STATUS_SUCCESS);
          ASSERT_EQ(pair.active.read(here.all(), there.address(), there.token()), STATUS_SUCCESS);
          EXPECT_EQ(pair.active.next_status(), STATUS_SUCCESS) << "behind the Send, which has arrived therefore";
          const int before = queue.notifications;
          // No software fails here by itself: what a broken device would report.
          auto& device = static_cast<provider::Cq*>(queue.cq.get())->device();
          static_cast<rnic::Cq&>(device).fail(rdma::CqHealth::failed);
          queue.arm(type);
          ASSERT_TRUE(queue.told.wait());
          EXPECT_EQ(queue.status.load(), STATUS_INTERNAL_ERROR);
          EXPECT_EQ(queue.notifications, before + 1);
          // Its queue pair is of no use any more, and the peer hears of that.
          EXPECT_TRUE(pair.active.left.wait());
          EXPECT_TRUE(pair.passive.left.wait());
          EXPECT_EQ(pair.passive.send(there.all()), STATUS_CONNECTION_INVALID);
          NDK_RESULT_EX result{};
          ASSERT_TRUE(queue.poll(result)) << "R-ARM-19";
          EXPECT_EQ(result.Status, STATUS_SUCCESS);
          EXPECT_TRUE(queue.is_empty()) << "no further completions";
          NDIS_NDK_STATISTICS_INFO info{};
          EXPECT_EQ(ntrt::ndis_oid_query(stage.loopback_index(), OID_NDK_STATISTICS, &info, sizeof info).status,
                    NDIS_STATUS_SUCCESS);
          EXPECT_EQ(info.CounterSet.CQError, 1u);
        },
        {}, 3);
  }
}

}  // namespace
}  // namespace softndk::stack
