// The provider as NDIS sees it: registration, open and close, state, OIDs.
#include "provider/miniport.h"

#include "ntrt/driver.h"
#include "ntrt/ndis.h"
#include "provider/consumer.h"
#include "wdk/ndisndk.h"

namespace softndk::provider {
namespace {

constexpr NET_IFINDEX kIndex = 7;

/// The driver, loaded, with one adapter over a fake device.
class Host final : DeviceSource {
 public:
  explicit Host(const Settings& settings = {}) {
    set_device_source(this);
    set_settings(settings);
    const auto loaded = ntrt::load_driver(provider_driver_entry, "softndk");
    EXPECT_TRUE(loaded);
    driver = *loaded;
    added = ntrt::ndis_add_adapter(driver, {.index = kIndex, .luid = 0, .alias = "sim0", .description = "test"});
  }
  ~Host() {
    if (added == NDIS_STATUS_SUCCESS) ntrt::ndis_remove_adapter(kIndex);
    ntrt::unload_driver(driver);
    set_device_source(nullptr);
    set_settings({});
    EXPECT_EQ(device.living(), 0u);
  }
  rdma::Device* device_for(NET_IFINDEX index) noexcept override { return index == kIndex ? &device : nullptr; }

  NTSTATUS open(NDK_VERSION version, NDK_ADAPTER** adapter) {
    return ntrt::ndis_open_ndk_adapter(kIndex, version, adapter);
  }
  NDIS_STATUS set_state(bool enable) {
    BOOLEAN state = enable ? TRUE : FALSE;
    return ntrt::ndis_oid_set(kIndex, OID_NDK_SET_STATE, &state, sizeof state).status;
  }
  ntrt::NdkState state() {
    ntrt::AdapterSummary summary;
    EXPECT_TRUE(ntrt::ndis_find_adapter(kIndex, summary));
    return summary.ndk;
  }

  FakeDevice device;
  ntrt::DriverHandle driver;
  NDIS_STATUS added;
};

TEST(R_NDIS_07, TheDriverRegistersAndItsAdapterStarts) {
  simulate([] {
    Host host;
    EXPECT_EQ(host.added, NDIS_STATUS_SUCCESS);
    EXPECT_EQ(host.state(), ntrt::NdkState::enabled);
  });
}

TEST(R_NDIS_08, CapabilitiesAreReportedAlsoWhileDisabled) {
  for (bool enabled : {true, false}) {
    simulate([enabled] {
      Settings settings;
      settings.network_direct = enabled;
      Host host(settings);
      ntrt::AdapterSummary summary;
      ASSERT_TRUE(ntrt::ndis_find_adapter(kIndex, summary));
      EXPECT_EQ(summary.ndk, enabled ? ntrt::NdkState::enabled : ntrt::NdkState::disabled);
      EXPECT_EQ(summary.capabilities.MaxQpCount, 65536u);
      EXPECT_EQ(summary.info.MaxCallerData, 252u);
    });
  }
}

TEST(Miniport, AnInterfaceWithoutADeviceDoesNotStart) {
  simulate([] {
    Host host;
    EXPECT_NE(ntrt::ndis_add_adapter(host.driver, {.index = 8, .luid = 0, .alias = "x", .description = "x"}),
              NDIS_STATUS_SUCCESS);
  });
}

TEST(Miniport, StartsAndStopsManyTimesInOneProcess) {
  simulate(
      [] {
        for (int i = 0; i < 10; ++i) {
          Host host(policy(CompletionMode::mixed));
          NDK_ADAPTER* adapter = nullptr;
          ASSERT_EQ(host.open({1, 0}, &adapter), STATUS_SUCCESS);
          ntrt::ndis_close_ndk_adapter(adapter);
        }
      },
      3);
}

TEST(R_NDIS_01, AnAdapterIsOpenedAndClosedThroughNdisAndHasNoCloseSlot) {
  simulate([] {
    Host host;
    NDK_ADAPTER* adapter = nullptr;
    ASSERT_EQ(host.open({2, 0}, &adapter), STATUS_SUCCESS);
    EXPECT_EQ(adapter->Header.ObjectType, NdkObjectTypeAdapter);
    EXPECT_EQ(sizeof(NDK_ADAPTER_DISPATCH), 72u);
    ntrt::ndis_close_ndk_adapter(adapter);
  });
}

TEST(R_VER_01, OpeningNegotiatesAndRefusesWhatIsNotSupported) {
  simulate([] {
    Host host;
    struct Case {
      NDK_VERSION asked;
      NTSTATUS status;
      USHORT minor;
    };
    for (const Case& one : {Case{{1, 0}, STATUS_SUCCESS, 2}, Case{{1, 2}, STATUS_SUCCESS, 2},
                            Case{{2, 0}, STATUS_SUCCESS, 1}, Case{{1, 3}, NDIS_STATUS_BAD_VERSION, 0},
                            Case{{3, 0}, NDIS_STATUS_BAD_VERSION, 0}, Case{{0, 0}, NDIS_STATUS_BAD_VERSION, 0}}) {
      NDK_ADAPTER* const untouched = reinterpret_cast<NDK_ADAPTER*>(0x10);
      NDK_ADAPTER* adapter = untouched;
      EXPECT_EQ(host.open(one.asked, &adapter), one.status) << one.asked.Major << "." << one.asked.Minor;
      if (one.status != STATUS_SUCCESS) {
        EXPECT_EQ(adapter, untouched);  // R-NDIS-04
        continue;
      }
      EXPECT_EQ(adapter->Header.Version.Major, one.asked.Major);
      EXPECT_EQ(adapter->Header.Version.Minor, one.minor);
      ntrt::ndis_close_ndk_adapter(adapter);
    }
  });
}

TEST(R_NDIS_02, OpeningWhileDisabledIsNotReady) {
  simulate([] {
    Settings settings;
    settings.network_direct = false;
    Host host(settings);
    NDK_ADAPTER* adapter = nullptr;
    EXPECT_EQ(host.open({1, 0}, &adapter), NDIS_STATUS_ADAPTER_NOT_READY);
    EXPECT_EQ(host.open({9, 9}, &adapter), NDIS_STATUS_ADAPTER_NOT_READY);  // R-NDIS-03: enabled comes first
  });
}

TEST(R_NDIS_06, CloseThroughNdisWaitsForDescendants) {
  simulate([] {
    Host host(policy(CompletionMode::later));
    NDK_ADAPTER* adapter = nullptr;
    ASSERT_EQ(host.open({1, 0}, &adapter), STATUS_SUCCESS);
    Seen created, closed;
    NDK_CONNECTOR* output = nullptr;
    created.inside = [&](Seen& seen) {
      auto* connector = reinterpret_cast<NDK_CONNECTOR*>(seen.object.load());
      begin_close(connector, connector->Dispatch->NdkCloseConnector, closed);
    };
    EXPECT_EQ(adapter->Dispatch->NdkCreateConnector(adapter, Seen::created, &created, &output), STATUS_PENDING);
    ntrt::ndis_close_ndk_adapter(adapter);
    EXPECT_TRUE(created.returned);
    EXPECT_TRUE(closed.returned);
  });
}

TEST(R_OID_02, SetStateDisablesAndEnables) {
  simulate([] {
    Host host;
    EXPECT_EQ(host.set_state(false), NDIS_STATUS_SUCCESS);
    await([&] { return host.state() == ntrt::NdkState::disabled; });
    NDK_ADAPTER* adapter = nullptr;
    EXPECT_EQ(host.open({1, 0}, &adapter), NDIS_STATUS_ADAPTER_NOT_READY);
    EXPECT_EQ(host.set_state(true), NDIS_STATUS_SUCCESS);
    await([&] { return host.state() == ntrt::NdkState::enabled; });
    EXPECT_EQ(host.open({1, 0}, &adapter), STATUS_SUCCESS);
    ntrt::ndis_close_ndk_adapter(adapter);
  });
}

TEST(R_OID_03, EnablingAgainstTheKeywordSucceedsWithoutEnabling) {
  simulate([] {
    Settings settings;
    settings.network_direct = false;
    Host host(settings);
    EXPECT_EQ(host.set_state(true), NDIS_STATUS_SUCCESS);
    ntrt::flush_processors();
    EXPECT_EQ(host.state(), ntrt::NdkState::disabled);
  });
}

TEST(R_OID_05, AWrongLengthNamesTheRightOne) {
  simulate([] {
    Host host;
    ULONG value = 1;
    const ntrt::OidResult result = ntrt::ndis_oid_set(kIndex, OID_NDK_SET_STATE, &value, sizeof value);
    EXPECT_EQ(result.status, NDIS_STATUS_INVALID_LENGTH);
    EXPECT_EQ(result.bytes, 1u);
  });
}

TEST(R_PNP_06, OpensFailFromTheStartOfADisableAndOpenInstancesWork) {
  simulate([] {
    Host host;
    NDK_ADAPTER* adapter = nullptr;
    ASSERT_EQ(host.open({1, 0}, &adapter), STATUS_SUCCESS);
    Seen seen;
    NDK_PD* pd = nullptr;
    EXPECT_EQ(adapter->Dispatch->NdkCreatePd(adapter, Seen::created, &seen, &pd), STATUS_SUCCESS);
    EXPECT_EQ(host.set_state(false), NDIS_STATUS_SUCCESS);  // R-PNP-05: does not wait for the instance
    NDK_ADAPTER* second = nullptr;
    EXPECT_EQ(host.open({1, 0}, &second), NDIS_STATUS_ADAPTER_NOT_READY);
    NDK_PD* late = nullptr;
    EXPECT_EQ(adapter->Dispatch->NdkCreatePd(adapter, Seen::created, &seen, &late), STATUS_DEVICE_NOT_READY);  // C-09
    close(pd);
    ntrt::ndis_close_ndk_adapter(adapter);  // R-PNP-04: ends the disable
    await([&] { return host.state() == ntrt::NdkState::disabled; });
  });
}

TEST(R_PNP_08, NoChangeSendsNoEvent) {
  simulate([] {
    Host host;
    EXPECT_EQ(host.set_state(true), NDIS_STATUS_SUCCESS);
    EXPECT_EQ(host.state(), ntrt::NdkState::enabled);
    EXPECT_EQ(host.set_state(false), NDIS_STATUS_SUCCESS);
    EXPECT_EQ(host.set_state(false), NDIS_STATUS_SUCCESS);
    await([&] { return host.state() == ntrt::NdkState::disabled; });
    EXPECT_EQ(host.set_state(false), NDIS_STATUS_SUCCESS);
  });
}

TEST(R_OID_06, StatisticsAreTheDevicesCounts) {
  simulate([] {
    Host host;
    host.device.counts.connects = 1;
    host.device.counts.accepts = 2;
    host.device.counts.connect_failures = 3;
    host.device.counts.connection_errors = 4;
    host.device.counts.active_connections = 5;
    host.device.counts.cq_errors = 6;
    host.device.counts.in_octets = 7;
    host.device.counts.out_octets = 8;
    host.device.counts.in_frames = 9;
    host.device.counts.out_frames = 10;
    NDIS_NDK_STATISTICS_INFO info;
    std::memset(&info, 0xee, sizeof info);
    const ntrt::OidResult result = ntrt::ndis_oid_query(kIndex, OID_NDK_STATISTICS, &info, sizeof info);
    EXPECT_EQ(result.status, NDIS_STATUS_SUCCESS);
    EXPECT_EQ(result.bytes, 248u);
    EXPECT_EQ(info.Header.Type, 0x80);  // R-OID-07
    EXPECT_EQ(info.Header.Revision, 1);
    EXPECT_EQ(info.Header.Size, 248);
    EXPECT_EQ(info.Flags, 0u);
    const auto* counters = reinterpret_cast<const ULONG64*>(&info.CounterSet);
    const ULONG64 expected_counters[30] = {1, 2, 3, 4, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                           0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 7, 8, 9, 10};  // R-CTR-01
    for (int i = 0; i < 30; ++i)
      EXPECT_EQ(counters[i], expected_counters[i]) << i;
    EXPECT_EQ(ntrt::ndis_oid_query(kIndex, OID_NDK_STATISTICS, &info, 247).status, NDIS_STATUS_BUFFER_TOO_SHORT);
  });
}

/// A connected connector and a listening listener on the adapter.
struct Traffic {
  explicit Traffic(Host& the_host) : host(the_host) {
    EXPECT_EQ(host.open({2, 0}, &adapter), STATUS_SUCCESS);
    adapter->Dispatch->NdkCreatePd(adapter, Seen::created, &seen, &pd);
    adapter->Dispatch->NdkCreateCq(adapter, 4, nullptr, nullptr, nullptr, Seen::created, &seen, &cq);
    pd->Dispatch->NdkCreateQp(pd, cq, cq, nullptr, 1, 1, 1, 1, 0, Seen::created, &seen, &qp);
    adapter->Dispatch->NdkCreateListener(adapter, Seen::connect_event, &event, Seen::created, &seen, &listener);
    SOCKADDR_IN address = ipv4("127.0.0.1:5000");
    listener->Dispatch->NdkListen(listener, reinterpret_cast<SOCKADDR*>(&address), sizeof address, Seen::completed,
                                  &listening);
    listening.wait();
    connection = host.device.listeners.last().request();
    connector = reinterpret_cast<NDK_CONNECTOR*>(event.object.load());
    connector->Dispatch->NdkAccept(connector, qp, 1, 1, nullptr, 0, nullptr, nullptr, Seen::completed, &accepted);
  }
  ~Traffic() {
    close(connector);
    close(listener);
    close(qp);
    close(cq);
    close(pd);
    ntrt::ndis_close_ndk_adapter(adapter);
  }
  Host& host;
  Seen seen, event, listening, accepted;
  NDK_ADAPTER* adapter = nullptr;
  NDK_PD* pd = nullptr;
  NDK_CQ* cq = nullptr;
  NDK_QP* qp = nullptr;
  NDK_LISTENER* listener = nullptr;
  NDK_CONNECTOR* connector = nullptr;
  FakeConnection* connection = nullptr;
};

TEST(R_OID_09, ConnectionsComeInPairsOfNdAndTcpEntries) {
  simulate([] {
    Host host;
    Traffic traffic(host);
    alignas(8) std::uint8_t buffer[16 + 64 * 4];
    std::memset(buffer, 0xee, sizeof buffer);
    auto* list = reinterpret_cast<NDIS_NDK_CONNECTIONS*>(buffer);
    ntrt::OidResult result = ntrt::ndis_oid_query(kIndex, OID_NDK_CONNECTIONS, buffer, sizeof buffer);
    EXPECT_EQ(result.status, NDIS_STATUS_SUCCESS);
    EXPECT_EQ(list->Count, 0u) << "accepting is not active";
    EXPECT_EQ(result.bytes, 16u);
    traffic.connection->established(rdma::CmStatus::success);

    std::memset(buffer, 0xee, sizeof buffer);
    result = ntrt::ndis_oid_query(kIndex, OID_NDK_CONNECTIONS, buffer, sizeof buffer);
    EXPECT_EQ(result.status, NDIS_STATUS_SUCCESS);
    EXPECT_EQ(result.bytes, 16u + 2 * 64);
    EXPECT_EQ(list->Count, 2u);
    EXPECT_EQ(list->Header.Type, 0x80);
    EXPECT_EQ(list->Header.Size, 16 + 2 * 64);  // R-OID-13
    EXPECT_EQ(list->NDConnectionsMappedtoTCPConnections, TRUE);
    for (int i = 0; i < 2; ++i) {
      EXPECT_EQ(list->Connections[i].Local.si_family, 2);  // R-OID-16
      EXPECT_EQ(list->Connections[i].Local.Ipv4.sin_port, __builtin_bswap16(50000));
      EXPECT_EQ(list->Connections[i].Remote.Ipv4.sin_port, __builtin_bswap16(60000));
    }
    EXPECT_EQ(list->Connections[0].UserModeOwner, FALSE);  // R-OID-12
    EXPECT_EQ(list->Connections[0].OwnerPid, 0u);
    EXPECT_EQ(list->Connections[1].UserModeOwner, 0xee) << "the TCP entry's other members stay";
  });
}

TEST(R_OID_10, ListenersAreListedWhileTheyListen) {
  simulate([] {
    Host host;
    Traffic traffic(host);
    alignas(8) std::uint8_t buffer[16 + 36 * 4];
    auto* list = reinterpret_cast<NDIS_NDK_LOCAL_ENDPOINTS*>(buffer);
    ntrt::OidResult result = ntrt::ndis_oid_query(kIndex, OID_NDK_LOCAL_ENDPOINTS, buffer, sizeof buffer);
    EXPECT_EQ(result.status, NDIS_STATUS_SUCCESS);
    EXPECT_EQ(list->Count, 2u) << "the connector's own endpoint is not one (R-OID-11)";
    EXPECT_EQ(list->LocalEndpoints[0].Listener, TRUE);
    EXPECT_EQ(list->LocalEndpoints[0].Local.Ipv4.sin_port, __builtin_bswap16(5000));
    EXPECT_EQ(list->LocalEndpoints[1].Local.Ipv4.sin_port, __builtin_bswap16(5000));
  });
}

TEST(R_OID_14, ATooSmallBufferIsNotWritten) {
  simulate([] {
    Host host;
    Traffic traffic(host);
    traffic.connection->established(rdma::CmStatus::success);
    for (ULONG room : {0u, 15u, 16u, 16u + 127}) {
      alignas(8) std::uint8_t buffer[160];
      std::memset(buffer, 0xee, sizeof buffer);
      const ntrt::OidResult result = ntrt::ndis_oid_query(kIndex, OID_NDK_CONNECTIONS, buffer, room);
      EXPECT_EQ(result.status, NDIS_STATUS_BUFFER_TOO_SHORT);
      EXPECT_EQ(result.bytes, 16u + 128);
      for (std::uint8_t octet : buffer)
        EXPECT_EQ(octet, 0xee);
    }
  });
}

TEST(R_OID_01, OtherOidsAreNotSupported) {
  simulate([] {
    Host host;
    ULONG value = 0;
    EXPECT_EQ(ntrt::ndis_oid_query(kIndex, 0x00999999, &value, sizeof value).status, NDIS_STATUS_NOT_SUPPORTED);
    NDIS_OID supported[64];
    const ntrt::OidResult result = ntrt::ndis_oid_query(kIndex, OID_GEN_SUPPORTED_LIST, supported, sizeof supported);
    EXPECT_EQ(result.status, NDIS_STATUS_SUCCESS);
    for (NDIS_OID oid : {OID_NDK_SET_STATE, OID_NDK_STATISTICS, OID_NDK_CONNECTIONS, OID_NDK_LOCAL_ENDPOINTS})
      EXPECT_NE(std::find(supported, supported + result.bytes / sizeof(NDIS_OID), oid),
                supported + result.bytes / sizeof(NDIS_OID));
  });
}

}  // namespace
}  // namespace softndk::provider
