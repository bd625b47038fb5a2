// Keywords, state, OIDs and counters of the NDIS side (spec/ndkpi.md section 4).
#include "provider/adapter_info.h"
#include "provider/oid.h"
#include "stage.h"

namespace softndk::stack {
namespace {

using provider::Settings;

TEST(R_INF_02, TheInfosTechnologyIsTheActiveOne) {
  Settings settings;
  EXPECT_EQ(provider::make_adapter_info({}, settings, {2, 1}).RdmaTechnology, provider::active_technology(settings));
  EXPECT_EQ(static_cast<std::uint32_t>(provider::active_technology(settings)), settings.technology)
      << "the keyword's default, by the same numbers";
}

std::string g_lines;

TEST(R_INF_03, AnUnsupportedTechnologyFallsBackToIWarpAndIsLogged) {
  in_simulation(2,
                [](Stage& stage) {
                  set_log_level(LogLevel::warning);
                  g_lines.clear();
                  set_log_sink([](void*, LogLevel, const char* line) { g_lines += line; }, nullptr);
                  stage.adapter->close();
                  EXPECT_EQ(stage.runtime->set_network_direct(stage.loopback_index(), true), STATUS_SUCCESS);
                  set_log_sink(nullptr, nullptr);
                  set_log_level(LogLevel::error);
                  EXPECT_NE(g_lines.find("*NetworkDirectTechnology 3 is not supported"), std::string::npos) << g_lines;
                  OpenAdapter adapter(stage.loopback_index());
                  ASSERT_EQ(adapter.status, STATUS_SUCCESS);
                  EXPECT_EQ(adapter.info.RdmaTechnology, NdkiWarp);
                },
                {{"network_direct_technology", "3"}});
}

// ---- state

ntrt::NdkState state_of(NET_IFINDEX index) {
  ntrt::AdapterSummary summary;
  EXPECT_TRUE(ntrt::ndis_find_adapter(index, summary));
  return summary.ndk;
}
void expect_state(NET_IFINDEX index, ntrt::NdkState wanted) {
  for (int i = 0; i < 20'000 && state_of(index) != wanted; ++i)
    pass_ms(1);
  EXPECT_EQ(state_of(index), wanted);
}
NDIS_STATUS set_oid(NET_IFINDEX index, NDIS_OID oid, BOOLEAN value) {
  return ntrt::ndis_oid_set(index, oid, &value, sizeof value).status;
}
NTSTATUS open_status(NET_IFINDEX index) {
  return OpenAdapter(index).status;
}

TEST(R_PNP_01, TheKeywordDecidesWhetherNdkCanBeEnabled) {
  everywhere([](Stage& stage) {
    const NET_IFINDEX index = stage.loopback_index();
    EXPECT_EQ(state_of(index), ntrt::NdkState::enabled) << "1 by default";
    stage.adapter->close();
    ASSERT_EQ(stage.runtime->set_network_direct(index, false), STATUS_SUCCESS);
    EXPECT_EQ(set_oid(index, OID_NDK_SET_STATE, TRUE), NDIS_STATUS_SUCCESS) << "R-OID-03";
    EXPECT_EQ(state_of(index), ntrt::NdkState::disabled);
    EXPECT_EQ(open_status(index), NDIS_STATUS_ADAPTER_NOT_READY);
    ASSERT_EQ(stage.runtime->set_network_direct(index, true), STATUS_SUCCESS);
    EXPECT_EQ(open_status(index), STATUS_SUCCESS);
  });
}

TEST(R_PNP_09, ChangingAKeywordRestartsThatAdapterAlone) {
  in_simulation(6, [](Stage& stage) {
    OpenAdapter other(2);
    ASSERT_EQ(other.status, STATUS_SUCCESS);
    const NET_IFINDEX index = stage.loopback_index();
    BOOLEAN off = FALSE;
    stage.adapter->close();
    EXPECT_EQ(ntrt::ndis_oid_set(index, OID_NDK_SET_STATE, &off, 1).status, NDIS_STATUS_SUCCESS);
    expect_state(index, ntrt::NdkState::disabled);
    ASSERT_EQ(stage.runtime->set_network_direct(index, true), STATUS_SUCCESS);
    ntrt::AdapterSummary summary;
    ASSERT_TRUE(ntrt::ndis_find_adapter(index, summary));
    EXPECT_EQ(summary.ndk, ntrt::NdkState::enabled) << "it came anew, and knows nothing of the state before";
    EXPECT_EQ(summary.disable_events, 0u);
    ASSERT_TRUE(ntrt::ndis_find_adapter(2, summary));
    EXPECT_EQ(summary.open_instances, 1u);
    EXPECT_EQ(stage.runtime->set_network_direct(4711, true), STATUS_NOT_FOUND);
  });
}

TEST(R_PNP_02, TheOidAndTheAdapterItselfChangeTheState) {
  everywhere([](Stage& stage) {
    const NET_IFINDEX index = stage.loopback_index();
    stage.adapter->close();
    EXPECT_EQ(set_oid(index, provider::kOidDeviceWorks, FALSE), NDIS_STATUS_SUCCESS);
    EXPECT_EQ(open_status(index), NDIS_STATUS_ADAPTER_NOT_READY);
    expect_state(index, ntrt::NdkState::disabled);
    EXPECT_EQ(set_oid(index, OID_NDK_SET_STATE, TRUE), NDIS_STATUS_SUCCESS);
    EXPECT_EQ(open_status(index), NDIS_STATUS_ADAPTER_NOT_READY) << "nobody's wish mends a device";
    EXPECT_EQ(set_oid(index, provider::kOidDeviceWorks, TRUE), NDIS_STATUS_SUCCESS);
    expect_state(index, ntrt::NdkState::enabled);
    EXPECT_EQ(open_status(index), STATUS_SUCCESS);
    EXPECT_EQ(set_oid(index, OID_NDK_SET_STATE, FALSE), NDIS_STATUS_SUCCESS);
    expect_state(index, ntrt::NdkState::disabled);
    EXPECT_EQ(set_oid(index, provider::kOidDeviceWorks, TRUE), NDIS_STATUS_SUCCESS);
    EXPECT_EQ(state_of(index), ntrt::NdkState::disabled) << "an administrator's wish stays";
    EXPECT_EQ(set_oid(index, OID_NDK_SET_STATE, TRUE), NDIS_STATUS_SUCCESS);
    expect_state(index, ntrt::NdkState::enabled);
  });
}

TEST(R_PNP_07, AnAdministrativeDisableBreaksNoConnection) {
  everywhere([](Stage& stage) {
    {
      Pair pair(stage);
      ASSERT_TRUE(pair.establish());
      Region here(pair.active.pd.get(), 5000), there(pair.passive.pd.get(), 5000);
      EXPECT_EQ(set_oid(stage.loopback_index(), OID_NDK_SET_STATE, FALSE), NDIS_STATUS_SUCCESS);
      expect_state(stage.loopback_index(), ntrt::NdkState::disabling);
      for (int i = 0; i < 10; ++i) {
        ASSERT_EQ(pair.active.write(here.all(), there.address(), there.token()), STATUS_SUCCESS);
        EXPECT_EQ(pair.active.next_status(), STATUS_SUCCESS);
        ASSERT_EQ(pair.passive.read(there.all(), here.address(), here.token()), STATUS_SUCCESS);
        EXPECT_EQ(pair.passive.next_status(), STATUS_SUCCESS);
      }
      EXPECT_EQ(pair.active.disconnects + pair.passive.disconnects, 0);
    }
    stage.adapter->close();
    expect_state(stage.loopback_index(), ntrt::NdkState::disabled);
  });
}

// ---- OIDs

TEST(R_OID_06, StatisticsAreAnsweredDirectlyToo) {
  everywhere([](Stage& stage) {
    NDIS_NDK_STATISTICS_INFO direct{}, queued{};
    KIRQL before;
    KeRaiseIrql(DISPATCH_LEVEL, &before);
    const auto result = ntrt::ndis_direct_oid_query(stage.loopback_index(), OID_NDK_STATISTICS, &direct, sizeof direct);
    const auto other = ntrt::ndis_direct_oid_query(stage.loopback_index(), OID_NDK_CONNECTIONS, &direct, 0);
    KeLowerIrql(before);
    EXPECT_EQ(result.status, NDIS_STATUS_SUCCESS);
    EXPECT_EQ(result.bytes, 248u);
    EXPECT_EQ(other.status, NDIS_STATUS_NOT_SUPPORTED);
    EXPECT_EQ(ntrt::ndis_oid_query(stage.loopback_index(), OID_NDK_STATISTICS, &queued, sizeof queued).status,
              NDIS_STATUS_SUCCESS);
    EXPECT_EQ(std::memcmp(&direct, &queued, sizeof direct), 0);
    EXPECT_EQ(ntrt::ndis_direct_oid_query(4711, OID_NDK_STATISTICS, &direct, sizeof direct).status,
              NDIS_STATUS_INVALID_PARAMETER);
  });
}

struct Tables {
  explicit Tables(const Stage& stage) {
    EXPECT_EQ(
        ntrt::ndis_oid_query(stage.loopback_index(), OID_NDK_CONNECTIONS, connections_room, sizeof connections_room)
            .status,
        NDIS_STATUS_SUCCESS);
    EXPECT_EQ(
        ntrt::ndis_oid_query(stage.loopback_index(), OID_NDK_LOCAL_ENDPOINTS, endpoints_room, sizeof endpoints_room)
            .status,
        NDIS_STATUS_SUCCESS);
  }
  alignas(8) std::uint8_t connections_room[16 + 64 * 16] = {};
  alignas(8) std::uint8_t endpoints_room[16 + 36 * 16] = {};
  const NDIS_NDK_CONNECTIONS& connections = *reinterpret_cast<NDIS_NDK_CONNECTIONS*>(connections_room);
  const NDIS_NDK_LOCAL_ENDPOINTS& endpoints = *reinterpret_cast<NDIS_NDK_LOCAL_ENDPOINTS*>(endpoints_room);
};

TEST(R_OID_11, ImplicitEndpointsAndSilentListenersAreNotListed) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    Door silent(*stage.adapter);
    ASSERT_TRUE(pair.establish());
    const Tables tables(stage);
    ASSERT_EQ(tables.endpoints.Count, 2u) << "the one listener that listens, in its two views";
    Sockaddr local;
    local.value = tables.endpoints.LocalEndpoints[0].Local;
    EXPECT_EQ(local.port(), pair.at.port());
  });
}

TEST(R_OID_12, KernelConnectionsHaveNoUserModeOwnerAndNoPid) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    ASSERT_TRUE(pair.establish());
    const Tables tables(stage);
    ASSERT_EQ(tables.connections.Count, 4u);
    for (ULONG i = 0; i < 4; i += 2) {
      EXPECT_EQ(tables.connections.Connections[i].UserModeOwner, FALSE);
      EXPECT_EQ(tables.connections.Connections[i].OwnerPid, 0u);
    }
    EXPECT_EQ(tables.endpoints.LocalEndpoints[0].UserModeOwner, FALSE);
    EXPECT_EQ(tables.endpoints.LocalEndpoints[0].OwnerPid, 0u);
  });
}

TEST(R_OID_16, AddressesHaveTheFamiliesOfWindows) {
  everywhere([](Stage& stage) {
    for (const auto& [host, family] : {std::pair("127.0.0.1", 2), std::pair("::1", 23)}) {
      Pair pair(stage, host);
      ASSERT_TRUE(pair.establish());
      const Tables tables(stage);
      ASSERT_EQ(tables.connections.Count, 4u);
      for (ULONG i = 0; i < 4; ++i) {
        EXPECT_EQ(tables.connections.Connections[i].Local.si_family, family);
        EXPECT_EQ(tables.connections.Connections[i].Remote.si_family, family);
      }
    }
  });
}

// ---- counters

NDIS_NDK_PERFORMANCE_COUNTERS counters(const Stage& stage) {
  NDIS_NDK_STATISTICS_INFO info{};
  EXPECT_EQ(ntrt::ndis_oid_query(stage.loopback_index(), OID_NDK_STATISTICS, &info, sizeof info).status,
            NDIS_STATUS_SUCCESS);
  return info.CounterSet;
}

TEST(R_CTR_01, FieldsCountWhatTheTableSaysAndReservedOnesAreZero) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    ASSERT_TRUE(pair.establish());
    const auto now = counters(stage);
    EXPECT_EQ(now.Connect, 1u);
    EXPECT_EQ(now.Accept, 1u);
    EXPECT_EQ(now.ConnectFailure, 0u);
    EXPECT_EQ(now.ConnectionError, 0u);
    EXPECT_EQ(now.ActiveConnection, 2u);
    EXPECT_EQ(now.CQError, 0u);
    const auto* all = reinterpret_cast<const ULONG64*>(&now);
    for (int reserved = 5; reserved <= 24; ++reserved)
      EXPECT_EQ(all[reserved], 0u) << reserved;
  });
}

TEST(R_CTR_04, AGracefulEndIsNoErrorAndALossIs) {
  everywhere([](Stage& stage) {
    {
      Pair pair(stage);
      ASSERT_TRUE(pair.establish());
      Request leaving;
      const NTSTATUS returned = pair.active.begin_disconnect(leaving);
      ASSERT_TRUE(pair.passive.left.wait());
      EXPECT_EQ(pair.passive.disconnect(), STATUS_SUCCESS);
      EXPECT_EQ(leaving.finish(returned), STATUS_SUCCESS);
      EXPECT_EQ(counters(stage).ConnectionError, 0u);
    }
    Pair pair(stage);
    ASSERT_TRUE(pair.establish());
    pair.active.connector.close();
    ASSERT_TRUE(pair.passive.left.wait());
    EXPECT_EQ(counters(stage).ConnectionError, 1u) << "of the side that lost it; the other had left by itself";
  });
}

TEST(R_CTR_05, OctetsAreThoseOfFpdusAndFramesAreFpdus) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    ASSERT_TRUE(pair.establish());
    const auto before = counters(stage);
    Region here(pair.active.pd.get(), 1000), there(pair.passive.pd.get(), 1000);
    ASSERT_EQ(pair.passive.receive(there.all()), STATUS_SUCCESS);
    ASSERT_EQ(pair.active.send(here.all()), STATUS_SUCCESS);
    ASSERT_EQ(pair.active.next_status(), STATUS_SUCCESS);
    ASSERT_EQ(pair.passive.next_status(), STATUS_SUCCESS);
    const auto now = counters(stage);
    // MPA's length, the untagged DDP and RDMAP headers, the payload, the CRC: one FPDU, no padding needed.
    EXPECT_EQ(now.RDMAOutOctets - before.RDMAOutOctets, 2u + 18 + 1000 + 4);
    EXPECT_EQ(now.RDMAInOctets - before.RDMAInOctets, 2u + 18 + 1000 + 4);
    EXPECT_EQ(now.RDMAOutFrames - before.RDMAOutFrames, 1u);
    EXPECT_EQ(now.RDMAInFrames - before.RDMAInFrames, 1u);
  });
}

// ---- capabilities

TEST(R_NDIS_13, WithoutALimitForTheAdapterEachQueuePairHasItsOwn) {
  everywhere([](Stage& stage) {
    ntrt::AdapterSummary summary;
    ASSERT_TRUE(ntrt::ndis_find_adapter(stage.loopback_index(), summary));
    EXPECT_EQ(summary.capabilities.MaxInboundReadLimit, 0u);
    EXPECT_EQ(summary.capabilities.MaxOutboundReadLimit, 0u);
    const Limits most{summary.info.MaxInboundReadLimit, summary.info.MaxOutboundReadLimit};
    Pair first(stage), second(stage);
    for (Pair* pair : {&first, &second}) {
      ASSERT_TRUE(pair->establish(most, most));
      Limits got;
      std::string data;
      EXPECT_EQ(pair->active.connection_data(got, data), STATUS_SUCCESS);
      EXPECT_EQ(got.inbound, most.inbound);
      EXPECT_EQ(got.outbound, most.outbound);
    }
  });
}

TEST(R_NDIS_15, NoCounterIsMissing) {
  everywhere([](Stage& stage) {
    ntrt::AdapterSummary summary;
    ASSERT_TRUE(ntrt::ndis_find_adapter(stage.loopback_index(), summary));
    EXPECT_EQ(summary.capabilities.MissingCounterMask, 0u);
    Pair pair(stage);
    ASSERT_TRUE(pair.establish());
    const auto now = counters(stage);
    for (const ULONG64 counter : {now.RDMAInOctets, now.RDMAOutOctets, now.RDMAInFrames, now.RDMAOutFrames})
      EXPECT_GT(counter, 0u) << "the RTR went over the wire";
  });
}

}  // namespace
}  // namespace softndk::stack
