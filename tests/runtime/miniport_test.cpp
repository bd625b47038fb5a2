// What the operating system's side sees of connections: counters, OIDs, disable and enable (spec/ndkpi.md 4.4-4.6),
// and two adapters of one host.
#include "stage.h"

namespace softndk::stack {
namespace {

NDIS_NDK_PERFORMANCE_COUNTERS counters(const Stage& stage) {
  NDIS_NDK_STATISTICS_INFO info{};
  const auto result = ntrt::ndis_oid_query(stage.loopback_index(), OID_NDK_STATISTICS, &info, sizeof(info));
  EXPECT_EQ(result.status, NDIS_STATUS_SUCCESS);
  EXPECT_EQ(info.Header.Type, 0x80) << "R-OID-07";
  EXPECT_EQ(info.Header.Revision, 1);
  EXPECT_EQ(info.Header.Size, 248);
  return info.CounterSet;
}

/// Until a counter, which nobody announces, has come to `expected`.
template <class Read>
void expect_in_the_end(Read read, ULONG64 expected) {
  for (int i = 0; i < 20'000 && read() != expected; ++i) {
    LARGE_INTEGER step;
    step.QuadPart = -10'000;
    KeDelayExecutionThread(KernelMode, FALSE, &step);
  }
  EXPECT_EQ(read(), expected);
}

// Found by seed 34 of the workload: FPDUs that are sent before a queue pair takes the stream over were not counted.
TEST(R_CTR_02, WhatComesInOnOneSideHasGoneOutOnTheOther) {
  for (const char* abandon : {"abort", "polite"}) {
    everywhere(
        [](Stage& stage) {
          Pair pair(stage);
          ASSERT_EQ(pair.meet(), STATUS_SUCCESS);
          EXPECT_EQ(pair.active.reject(), STATUS_SUCCESS);
          static_cast<void>(pair.accepting.finish(pair.accept_returned));
          pair.active.close();
          pair.passive.close();
          const auto now = counters(stage);
          EXPECT_GT(now.RDMAInOctets, 0u);
          EXPECT_EQ(now.RDMAInOctets, now.RDMAOutOctets);
          EXPECT_EQ(now.RDMAInFrames, 1u);
          EXPECT_EQ(now.RDMAOutFrames, 1u);
        },
        {{"abandon", abandon}});
  }
}

TEST(R_CTR_03, ConnectsAcceptsFailuresAndErrors) {
  everywhere([](Stage& stage) {
    {
      Pair pair(stage);
      EXPECT_EQ(pair.active.connect(pair.from, Sockaddr("127.0.0.1", 1)), STATUS_CONNECTION_REFUSED);
      EXPECT_EQ(counters(stage).ConnectFailure, 1u);
      ASSERT_TRUE(pair.establish());
      NDIS_NDK_PERFORMANCE_COUNTERS now = counters(stage);
      EXPECT_EQ(now.Connect, 1u);
      EXPECT_EQ(now.Accept, 1u);
      EXPECT_EQ(now.ActiveConnection, 2u) << "both ends are ours";
      Region here(pair.active.pd.get(), 50'000);
      Region there(pair.passive.pd.get(), 50'000);
      ASSERT_EQ(pair.active.write(here.all(), there.address(), there.token()), STATUS_SUCCESS);
      ASSERT_EQ(pair.active.next_status(), STATUS_SUCCESS);
      Request leaving;
      const NTSTATUS returned = pair.active.begin_disconnect(leaving);
      ASSERT_TRUE(pair.passive.left.wait());
      EXPECT_EQ(pair.passive.disconnect(), STATUS_SUCCESS);
      EXPECT_EQ(leaving.finish(returned), STATUS_SUCCESS);
      now = counters(stage);
      EXPECT_EQ(now.ConnectionError, 0u) << "R-CTR-04";
      EXPECT_GE(now.RDMAOutOctets, 50'000u) << "R-CTR-05";
      EXPECT_EQ(now.RDMAOutOctets, now.RDMAInOctets) << "what one end sent the other got";
      EXPECT_EQ(now.RDMAOutFrames, now.RDMAInFrames);
      EXPECT_EQ(now.Reserved01, 0u) << "R-CTR-01";
      EXPECT_EQ(now.CQError, 0u);
    }
    EXPECT_EQ(counters(stage).ActiveConnection, 0u);
    {
      Pair pair(stage);
      ASSERT_TRUE(pair.establish());
      pair.active.connector.close();
      ASSERT_TRUE(pair.passive.left.wait());
      EXPECT_EQ(counters(stage).ConnectionError, 1u);
    }
    {
      const ULONG64 before = counters(stage).ConnectFailure;
      Pair pair(stage);
      Request connecting;
      const NTSTATUS returned = pair.active.begin_connect(connecting, pair.from, pair.at);
      pair.passive.connector = pair.door.next();
      ASSERT_EQ(pair.passive.reject(), STATUS_SUCCESS);
      EXPECT_EQ(connecting.finish(returned), STATUS_CONNECTION_REFUSED);
      expect_in_the_end([&] { return counters(stage).ConnectFailure; }, before + 2);  // on both sides
    }
  });
}

template <class Table>
std::vector<std::uint8_t> oid_table(const Stage& stage, NDIS_OID oid) {
  Table small{};
  auto result = ntrt::ndis_oid_query(stage.loopback_index(), oid, &small, 15);
  EXPECT_EQ(result.status, NDIS_STATUS_BUFFER_TOO_SHORT) << "R-OID-14";
  std::vector<std::uint8_t> room(result.bytes);
  result = ntrt::ndis_oid_query(stage.loopback_index(), oid, room.data(), static_cast<ULONG>(room.size()));
  EXPECT_EQ(result.status, NDIS_STATUS_SUCCESS);
  return room;
}

TEST(R_OID_08, ConnectionsComeInPairs) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    ASSERT_EQ(pair.meet(), STATUS_SUCCESS);
    {
      const auto room = oid_table<NDIS_NDK_CONNECTIONS>(stage, OID_NDK_CONNECTIONS);
      EXPECT_EQ(reinterpret_cast<const NDIS_NDK_CONNECTIONS*>(room.data())->Count, 0u) << "R-OID-15";
    }
    ASSERT_EQ(pair.active.complete(), STATUS_SUCCESS);
    ASSERT_EQ(pair.accepting.finish(pair.accept_returned), STATUS_SUCCESS);
    const auto room = oid_table<NDIS_NDK_CONNECTIONS>(stage, OID_NDK_CONNECTIONS);
    const auto* table = reinterpret_cast<const NDIS_NDK_CONNECTIONS*>(room.data());
    ASSERT_EQ(table->Count, 4u) << "R-OID-09: two connections, two views";
    EXPECT_TRUE(table->NDConnectionsMappedtoTCPConnections);
    EXPECT_EQ(table->Header.Size, room.size()) << "R-OID-13";
    const USHORT port = pair.active.local_address().port();
    int seen = 0;
    for (ULONG i = 0; i < table->Count; i += 2) {
      const auto& entry = table->Connections[i];
      EXPECT_EQ(std::memcmp(&entry.Local, &table->Connections[i + 1].Local, sizeof(SOCKADDR_IN)), 0);
      EXPECT_EQ(entry.Local.si_family, SOFTNDK_AF_INET) << "R-OID-16";
      EXPECT_FALSE(entry.UserModeOwner) << "R-OID-12";
      EXPECT_EQ(entry.OwnerPid, 0u);
      Sockaddr local;
      local.value = entry.Local;
      seen += local.port() == port || local.port() == pair.at.port();
    }
    EXPECT_EQ(seen, 2);
  });
}

TEST(R_OID_10, ListenersAreListedWhileTheyListen) {
  everywhere([](Stage& stage) {
    const auto count = [&stage] {
      const auto room = oid_table<NDIS_NDK_LOCAL_ENDPOINTS>(stage, OID_NDK_LOCAL_ENDPOINTS);
      return reinterpret_cast<const NDIS_NDK_LOCAL_ENDPOINTS*>(room.data())->Count;
    };
    EXPECT_EQ(count(), 0u);
    Pair pair(stage);
    ASSERT_TRUE(pair.establish());
    const auto room = oid_table<NDIS_NDK_LOCAL_ENDPOINTS>(stage, OID_NDK_LOCAL_ENDPOINTS);
    const auto* table = reinterpret_cast<const NDIS_NDK_LOCAL_ENDPOINTS*>(room.data());
    ASSERT_EQ(table->Count, 2u) << "R-OID-11: not the connector's own";
    EXPECT_TRUE(table->LocalEndpoints[0].Listener);
    Sockaddr local;
    local.value = table->LocalEndpoints[0].Local;
    EXPECT_EQ(local.port(), pair.at.port());
  });
}

TEST(R_OID_10, SharedEndpointsAreListedUntilTheyAreClosed) {
  everywhere([](Stage& stage) {
    Object<NDK_SHARED_ENDPOINT> endpoint;
    ASSERT_EQ(stage.adapter->shared_endpoint(endpoint, Sockaddr("::1")), STATUS_SUCCESS);
    const USHORT port = local_address_of(endpoint).port();
    const auto room = oid_table<NDIS_NDK_LOCAL_ENDPOINTS>(stage, OID_NDK_LOCAL_ENDPOINTS);
    const auto* table = reinterpret_cast<const NDIS_NDK_LOCAL_ENDPOINTS*>(room.data());
    ASSERT_EQ(table->Count, 2u);
    EXPECT_FALSE(table->LocalEndpoints[0].Listener);
    for (const auto& entry : {table->LocalEndpoints[0], table->LocalEndpoints[1]}) {
      Sockaddr local;
      local.value = entry.Local;
      EXPECT_EQ(entry.Local.si_family, SOFTNDK_AF_INET6);
      EXPECT_EQ(local.port(), port);
    }
    endpoint.close();
    const auto empty = oid_table<NDIS_NDK_LOCAL_ENDPOINTS>(stage, OID_NDK_LOCAL_ENDPOINTS);
    EXPECT_EQ(reinterpret_cast<const NDIS_NDK_LOCAL_ENDPOINTS*>(empty.data())->Count, 0u);
  });
}

TEST(R_PNP_04, DisableWaitsForOpenInstancesAndLetsThemWork) {
  everywhere([](Stage& stage) {
    const NET_IFINDEX index = stage.loopback_index();
    BOOLEAN off = FALSE;
    {
      Pair pair(stage);
      ASSERT_TRUE(pair.establish());
      Region here(pair.active.pd.get(), 64);
      Region there(pair.passive.pd.get(), 64);
      EXPECT_EQ(ntrt::ndis_oid_set(index, OID_NDK_SET_STATE, &off, 1).status, NDIS_STATUS_SUCCESS);
      // The event goes out on another thread (R-PNP-05); from then on opens fail.
      const auto state = [index] {
        ntrt::AdapterSummary summary;
        EXPECT_TRUE(ntrt::ndis_find_adapter(index, summary));
        return static_cast<ULONG64>(summary.ndk);
      };
      expect_in_the_end(state, static_cast<ULONG64>(ntrt::NdkState::disabling));
      OpenAdapter refused(index);
      EXPECT_EQ(refused.status, NDIS_STATUS_ADAPTER_NOT_READY) << "R-PNP-06";
      ASSERT_EQ(pair.active.read(here.all(), there.address(), there.token()), STATUS_SUCCESS);
      EXPECT_EQ(pair.active.next_status(), STATUS_SUCCESS) << "R-PNP-07";
    }
    stage.adapter->close();
    const auto state = [index] {
      ntrt::AdapterSummary summary;
      EXPECT_TRUE(ntrt::ndis_find_adapter(index, summary));
      return static_cast<ULONG64>(summary.ndk);
    };
    expect_in_the_end(state, static_cast<ULONG64>(ntrt::NdkState::disabled));
    BOOLEAN on = TRUE;
    EXPECT_EQ(ntrt::ndis_oid_set(index, OID_NDK_SET_STATE, &on, 1).status, NDIS_STATUS_SUCCESS);
    expect_in_the_end(state, static_cast<ULONG64>(ntrt::NdkState::enabled));
    EXPECT_EQ(ntrt::ndis_oid_set(index, OID_NDK_SET_STATE, &on, 1).status, NDIS_STATUS_SUCCESS);
    ntrt::AdapterSummary summary;
    ASSERT_TRUE(ntrt::ndis_find_adapter(index, summary));
    EXPECT_EQ(summary.disable_events, 1u);
    stage.adapter->open(index, {2, 1});
    Pair pair(stage);
    EXPECT_TRUE(pair.establish());
  });
}

TEST(R_OID_05, SetStateWantsOneOctet) {
  everywhere([](Stage& stage) {
    ULONG wide = 0;
    const auto result = ntrt::ndis_oid_set(stage.loopback_index(), OID_NDK_SET_STATE, &wide, sizeof(wide));
    EXPECT_EQ(result.status, NDIS_STATUS_INVALID_LENGTH);
    EXPECT_EQ(result.bytes, 1u);
  });
}

TEST(R_CNCT_15, TwoAdaptersOfOneHost) {
  in_simulation(12, [](Stage&) {
    OpenAdapter near(2), far(3);
    ASSERT_EQ(near.status, STATUS_SUCCESS);
    ASSERT_EQ(far.status, STATUS_SUCCESS);
    for (const auto& [from, to] : {std::pair("10.0.0.1", "10.0.0.2"), std::pair("fd00::1", "fd00::2")}) {
      Door door(far);
      ASSERT_EQ(door.listen(Sockaddr(to)), STATUS_SUCCESS);
      {
        Door wrong(near);
        EXPECT_EQ(wrong.listen(Sockaddr(to)), STATUS_INVALID_ADDRESS) << "not an address of this adapter (R-LSN-02)";
      }
      Side active(near), passive(far);
      Request connecting, accepting;
      const NTSTATUS returned = active.begin_connect(connecting, Sockaddr(from), door.address());
      ASSERT_EQ(returned, STATUS_PENDING);
      passive.connector = door.next();
      const NTSTATUS accept_returned = passive.begin_accept(accepting);
      ASSERT_EQ(connecting.finish(returned), STATUS_SUCCESS);
      ASSERT_EQ(active.complete(), STATUS_SUCCESS);
      ASSERT_EQ(accepting.finish(accept_returned), STATUS_SUCCESS);
      {
        Region here(active.pd.get(), 40'000), there(passive.pd.get(), 40'000);
        here.memory.fill(8);
        ASSERT_EQ(active.write(here.all(), there.address(), there.token()), STATUS_SUCCESS);
        ASSERT_EQ(active.next_status(), STATUS_SUCCESS);
        Region back(active.pd.get(), 40'000);
        ASSERT_EQ(active.read(back.all(), there.address(), there.token()), STATUS_SUCCESS);
        EXPECT_EQ(active.next_status(), STATUS_SUCCESS);
        EXPECT_TRUE(back.memory.same(here.memory, 40'000));
      }
      active.close();
      passive.close();
    }
  });
}

TEST(R_VER_01, OlderVersionsOpenAndNewerDoNot) {
  everywhere([](Stage& stage) {
    for (const NDK_VERSION version : {NDK_VERSION{1, 1}, NDK_VERSION{1, 2}, NDK_VERSION{2, 0}, NDK_VERSION{2, 1}}) {
      OpenAdapter opened(stage.loopback_index(), version);
      EXPECT_EQ(opened.status, STATUS_SUCCESS);
    }
    OpenAdapter future(stage.loopback_index(), {3, 0});
    EXPECT_FALSE(NT_SUCCESS(future.status));
    OpenAdapter nowhere(4711);
    EXPECT_EQ(nowhere.status, STATUS_NOT_FOUND);
  });
}

TEST(Runtime, StartsAndStopsManyTimesInOneProcess) {
  for (int i = 0; i < 10; ++i) {
    auto world = net::World::create();
    ASSERT_TRUE(world);
    Stage stage((*world)->view(), setting_values("default", {}));
    Pair pair(stage);
    ASSERT_TRUE(pair.establish());
  }
}

}  // namespace
}  // namespace softndk::stack
