// The mini-NDIS against a provider that is not ours (spec/ndkpi.md 4.2 to 4.5).
#include "ntrt/ndis.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/alloc.h"
#include "ntrt/fake_provider.h"
#include "ntrt/kernel_fixture.h"
#include "ntrt/log_lines.h"
#include "ntrt/pool.h"

namespace softndk::ntrt {
namespace {

constexpr NET_IFINDEX kIndex = 7;
constexpr NDK_VERSION kVersion = {1, 0};

NdkState state_of(NET_IFINDEX index) {
  AdapterSummary summary;
  EXPECT_TRUE(ndis_find_adapter(index, summary));
  return summary.ndk;
}
std::uint32_t open_instances(NET_IFINDEX index) {
  AdapterSummary summary;
  EXPECT_TRUE(ndis_find_adapter(index, summary));
  return summary.open_instances;
}
NDK_ADAPTER* open(NET_IFINDEX index = kIndex) {
  NDK_ADAPTER* adapter = nullptr;
  EXPECT_EQ(ndis_open_ndk_adapter(index, kVersion, &adapter), STATUS_SUCCESS);
  return adapter;
}
NTSTATUS open_fails(NET_IFINDEX index = kIndex, NDK_VERSION version = kVersion) {
  auto* const sentinel = reinterpret_cast<NDK_ADAPTER*>(0x5AD);
  NDK_ADAPTER* adapter = sentinel;
  const NTSTATUS status = ndis_open_ndk_adapter(index, version, &adapter);
  EXPECT_EQ(adapter, sentinel) << "unmodified on failure (R-NDIS-04)";
  return status;
}

TEST(MiniNdis, ADriverRegistersAddsAnAdapterAndServesIt) {
  FakeProvider provider;
  ASSERT_TRUE(provider.load());
  ASSERT_EQ(provider.add(kIndex, "eth5"), NDIS_STATUS_SUCCESS);
  AdapterSummary summary;
  ASSERT_TRUE(ndis_find_adapter(kIndex, summary));
  EXPECT_STREQ(summary.alias, "eth5");
  EXPECT_STREQ(summary.description, "not ours");
  EXPECT_STREQ(summary.driver, "fake");
  EXPECT_EQ(summary.ndk, NdkState::enabled);
  EXPECT_EQ(summary.capabilities.MaxQpCount, 17u);
  EXPECT_EQ(summary.info.FRMRPageCount, 511u);
  EXPECT_NE(summary.luid, 0u);
  NET_IFINDEX indexes[2];
  EXPECT_EQ(ndis_list_adapters(indexes, 2), 1u);
  EXPECT_EQ(indexes[0], kIndex);

  NDK_ADAPTER* adapter = open();
  EXPECT_EQ(open_instances(kIndex), 1u);
  ndis_close_ndk_adapter(adapter);
  EXPECT_EQ(provider.closes, 1);
  EXPECT_EQ(ndis_remove_adapter(kIndex), NDIS_STATUS_SUCCESS);
  EXPECT_EQ(provider.halts, 1);
  EXPECT_FALSE(ndis_find_adapter(kIndex, summary));
}

TEST(MiniNdis, UnloadHaltsAdaptersAndCallsTheMiniportsUnloadHandler) {
  FakeProvider provider;
  ASSERT_TRUE(provider.load());
  ASSERT_EQ(provider.add(1), NDIS_STATUS_SUCCESS);
  ASSERT_EQ(provider.add(2), NDIS_STATUS_SUCCESS);
  provider.unload();
  EXPECT_EQ(provider.halts, 2);
  EXPECT_EQ(provider.unloads, 1);
  EXPECT_EQ(ndis_list_adapters(nullptr, 0), 0u);
}

TEST(MiniNdis, AnAdapterNeedsAFreeIndexAndARegisteredMiniport) {
  FakeProvider provider;
  EXPECT_EQ(provider.add(kIndex), NDIS_STATUS_INVALID_PARAMETER) << "not loaded";
  ASSERT_TRUE(provider.load());
  EXPECT_EQ(provider.add(0), NDIS_STATUS_INVALID_PARAMETER);
  ASSERT_EQ(provider.add(kIndex), NDIS_STATUS_SUCCESS);
  EXPECT_EQ(provider.add(kIndex), NDIS_STATUS_INVALID_PARAMETER);
  EXPECT_EQ(ndis_remove_adapter(kIndex + 1), NDIS_STATUS_INVALID_PARAMETER);
  EXPECT_EQ(ndis_remove_adapter(kIndex), NDIS_STATUS_SUCCESS);
  EXPECT_EQ(provider.add(kIndex), NDIS_STATUS_SUCCESS) << "free again";
}

TEST(MiniNdis, AFailingInitializeLeavesNothing) {
  LogLines lines;
  FakeProvider provider;
  ASSERT_TRUE(provider.load());
  provider.initialize_status = NDIS_STATUS_RESOURCES;
  EXPECT_EQ(provider.add(kIndex), NDIS_STATUS_RESOURCES);
  AdapterSummary summary;
  EXPECT_FALSE(ndis_find_adapter(kIndex, summary));
  EXPECT_EQ(provider.halts, 0);
}

TEST(MiniNdis, ShortMemoryFailsCleanly) {
  FakeProvider provider;
  ASSERT_TRUE(provider.load());
  set_fault_hook([](void*, const char*) noexcept { return true; }, nullptr);
  EXPECT_EQ(provider.add(kIndex), NDIS_STATUS_RESOURCES);
  set_fault_hook(nullptr, nullptr);
  ASSERT_EQ(provider.add(kIndex), NDIS_STATUS_SUCCESS);
  set_fault_hook([](void*, const char*) noexcept { return true; }, nullptr);
  EXPECT_EQ(open_fails(), STATUS_INSUFFICIENT_RESOURCES);
  set_fault_hook(nullptr, nullptr);
  EXPECT_EQ(provider.opens, 0) << "found out before the provider was asked";
  EXPECT_EQ(open_instances(kIndex), 0u);
}

TEST(MiniNdis, ADriverThatForgetsToDeregisterIsReported) {
  LogLines lines;
  FakeProvider provider;
  ASSERT_TRUE(provider.load());
  ASSERT_EQ(provider.add(kIndex), NDIS_STATUS_SUCCESS);
  provider.driver.object()->DriverUnload = [](PDRIVER_OBJECT) {};
  provider.unload();
  EXPECT_TRUE(lines.has("without NdisMDeregisterMiniportDriver")) << lines.text();
  EXPECT_EQ(provider.halts, 1);
  EXPECT_EQ(ndis_list_adapters(nullptr, 0), 0u);
}

TEST(MiniNdis, MiniportsAreWatched) {
  LogLines lines;
  FakeProvider provider;
  ASSERT_TRUE(provider.load());
  ASSERT_EQ(provider.add(kIndex), NDIS_STATUS_SUCCESS);
  EXPECT_EQ(NdisSetOptionalHandlers(provider.driver_handle,
                                    reinterpret_cast<PNDIS_DRIVER_OPTIONAL_HANDLERS>(&provider.tables.ndk)),
            NDIS_STATUS_FAILURE);
  EXPECT_TRUE(lines.has("only allowed inside SetOptionsHandler")) << lines.text();
  NDIS_MINIPORT_ADAPTER_ATTRIBUTES attributes = {};
  attributes.NDKAttributes = provider.tables.attributes;
  EXPECT_EQ(NdisMSetMiniportAttributes(provider.adapter_handles[kIndex], &attributes), NDIS_STATUS_FAILURE);
  EXPECT_TRUE(lines.has("only allowed inside MiniportInitializeEx")) << lines.text();
  EXPECT_EQ(NdisMSetMiniportAttributes(&lines, &attributes), NDIS_STATUS_FAILURE);
  EXPECT_TRUE(lines.has("no adapter has this handle")) << lines.text();
  NdisMDeregisterMiniportDriver(&lines);
  EXPECT_TRUE(lines.has("no miniport driver has this handle")) << lines.text();
  NDK_ADAPTER stranger = {};
  ndis_close_ndk_adapter(&stranger);
  EXPECT_TRUE(lines.has("it is not open")) << lines.text();
}

TEST(MiniNdis, DriverTablesAreChecked) {
  LogLines lines;
  const auto load_with = [](auto&& spoil) {
    FakeProvider provider;
    spoil(provider.tables.driver);
    EXPECT_FALSE(provider.load());
    return provider.entry_status;
  };
  EXPECT_EQ(load_with([](auto& t) { t.MajorNdisVersion = 5; }), NDIS_STATUS_BAD_VERSION);
  EXPECT_EQ(load_with([](auto& t) { t.Header.Type = 0x80; }), NDIS_STATUS_BAD_CHARACTERISTICS);
  EXPECT_EQ(load_with([](auto& t) { t.Header.Revision = 0; }), NDIS_STATUS_BAD_CHARACTERISTICS);
  EXPECT_EQ(load_with([](auto& t) { t.Header.Size -= 8; }), NDIS_STATUS_BAD_CHARACTERISTICS);
  EXPECT_EQ(load_with([](auto& t) { t.InitializeHandlerEx = nullptr; }), NDIS_STATUS_BAD_CHARACTERISTICS);
  EXPECT_EQ(load_with([](auto& t) { t.OidRequestHandler = nullptr; }), NDIS_STATUS_BAD_CHARACTERISTICS);
  EXPECT_TRUE(lines.has("OidRequestHandler is NULL")) << lines.text();
}

TEST(MiniNdis, MemoryComesFromThePoolUnderItsTag) {
  const std::size_t before = pool_usage('mdnN').blocks;
  void* block = NdisAllocateMemoryWithTagPriority(nullptr, 100, 'mdnN', NormalPoolPriority);
  ASSERT_NE(block, nullptr);
  EXPECT_EQ(pool_usage('mdnN').blocks, before + 1);
  NdisFreeMemory(block, 0, 0);
  EXPECT_EQ(pool_usage('mdnN').blocks, before);
}

TEST(R_NDIS_02, OpenWhileDisabledIsNotReady) {
  FakeProvider provider;
  provider.tables.attributes.Enabled = FALSE;
  ASSERT_TRUE(provider.load());
  ASSERT_EQ(provider.add(kIndex), NDIS_STATUS_SUCCESS);
  EXPECT_EQ(open_fails(), NDIS_STATUS_ADAPTER_NOT_READY);
  EXPECT_EQ(provider.opens, 0);
}

TEST(R_NDIS_03, EnabledIsCheckedBeforeTheVersion) {
  FakeProvider provider;
  provider.tables.attributes.Enabled = FALSE;
  ASSERT_TRUE(provider.load());
  ASSERT_EQ(provider.add(kIndex), NDIS_STATUS_SUCCESS);
  EXPECT_EQ(open_fails(kIndex, {9, 9}), NDIS_STATUS_ADAPTER_NOT_READY);
}

TEST(R_NDIS_04, AFailedOpenWritesNothing) {
  LogLines lines;
  FakeProvider provider;
  ASSERT_TRUE(provider.load());
  ASSERT_EQ(provider.add(kIndex), NDIS_STATUS_SUCCESS);
  EXPECT_EQ(open_fails(kIndex, {9, 9}), NDIS_STATUS_BAD_VERSION);
  provider.open_status = NDIS_STATUS_RESOURCES;
  EXPECT_EQ(open_fails(), STATUS_INSUFFICIENT_RESOURCES);
  provider.open_status = NDIS_STATUS_PENDING;
  EXPECT_EQ(open_fails(), NDIS_STATUS_FAILURE) << "the handler is synchronous";
  provider.open_status = NDIS_STATUS_SUCCESS;
  provider.open_without_adapter = true;
  EXPECT_EQ(open_fails(), NDIS_STATUS_FAILURE);
  EXPECT_EQ(open_instances(kIndex), 0u);
}

TEST(R_NDIS_05, OpenPassesTheVersionAndTheDefaultSwitchAndVPort) {
  FakeProvider provider;
  ASSERT_TRUE(provider.load());
  ASSERT_EQ(provider.add(kIndex), NDIS_STATUS_SUCCESS);
  NDK_ADAPTER* adapter = nullptr;
  ASSERT_EQ(ndis_open_ndk_adapter(kIndex, {2, 1}, &adapter), STATUS_SUCCESS);
  EXPECT_EQ(provider.last_open.Version.Major, 2);
  EXPECT_EQ(provider.last_open.Version.Minor, 1);
  EXPECT_EQ(provider.last_open.SwitchId, NDIS_DEFAULT_SWITCH_ID);
  EXPECT_EQ(provider.last_open.VPortId, NDIS_DEFAULT_VPORT_ID);
  ndis_close_ndk_adapter(adapter);
}

TEST(R_NDIS_08, CapabilitiesAreKnownWhileNdkIsDisabled) {
  FakeProvider provider;
  provider.tables.attributes.Enabled = FALSE;
  ASSERT_TRUE(provider.load());
  ASSERT_EQ(provider.add(kIndex), NDIS_STATUS_SUCCESS);
  AdapterSummary summary;
  ASSERT_TRUE(ndis_find_adapter(kIndex, summary));
  EXPECT_EQ(summary.ndk, NdkState::disabled);
  EXPECT_EQ(summary.capabilities.MaxQpCount, 17u);
  EXPECT_EQ(summary.info.FRMRPageCount, 511u);
}

TEST(R_NDIS_08, AnAdapterWithoutAttributesHasNoNdk) {
  FakeProvider provider;
  provider.with_attributes = false;
  ASSERT_TRUE(provider.load());
  ASSERT_EQ(provider.add(kIndex), NDIS_STATUS_SUCCESS);
  EXPECT_EQ(state_of(kIndex), NdkState::absent);
  EXPECT_EQ(open_fails(), STATUS_NOT_FOUND);
}

/// What adding an adapter answers, and what NdisMSetMiniportAttributes did, with one thing spoilt.
template <class Spoil>
void expect_attributes_refused(Spoil&& spoil) {
  FakeProvider provider;
  spoil(provider);
  ASSERT_TRUE(provider.load());
  EXPECT_EQ(provider.add(kIndex), NDIS_STATUS_BAD_CHARACTERISTICS);
  EXPECT_EQ(provider.attributes_status, NDIS_STATUS_BAD_CHARACTERISTICS);
}

TEST(R_NDIS_09, AttributesWithAWrongFieldAreRefused) {
  LogLines lines;
  expect_attributes_refused([](auto& p) { p.tables.attributes.Header.Revision = 2; });
  expect_attributes_refused([](auto& p) { p.tables.attributes.Header.Size = 8; });
  expect_attributes_refused([](auto& p) { p.tables.attributes.NdkCapabilities = nullptr; });
  EXPECT_TRUE(lines.has("NDIS_MINIPORT_ADAPTER_NDK_ATTRIBUTES: Header.Size is 0x8, expected 0x10")) << lines.text();
}

TEST(R_NDIS_10, CapabilitiesWithAWrongFieldAreRefused) {
  LogLines lines;
  expect_attributes_refused([](auto& p) { p.tables.capabilities.Header.Type = 0xB3; });
  expect_attributes_refused([](auto& p) { p.tables.capabilities.Header.Revision = 0; });
  expect_attributes_refused([](auto& p) { p.tables.capabilities.Header.Size = 48; });
  expect_attributes_refused([](auto& p) { p.tables.capabilities.Flags = 1; });
  expect_attributes_refused([](auto& p) { p.tables.capabilities.NdkInfo = nullptr; });
}

TEST(R_NDIS_09, AttributesWithoutHandlersAreRefused) {
  LogLines lines;
  FakeProvider provider;
  provider.with_ndk = false;
  ASSERT_TRUE(provider.load());
  EXPECT_EQ(provider.add(kIndex), NDIS_STATUS_FAILURE);
  EXPECT_TRUE(lines.has("no NDIS_NDK_PROVIDER_CHARACTERISTICS")) << lines.text();
}

TEST(R_NDIS_11, CharacteristicsWithAWrongFieldAreRefusedAndSoIsTheDriver) {
  LogLines lines;
  const auto refused = [](auto&& spoil) {
    FakeProvider provider;
    spoil(provider.tables.ndk);
    EXPECT_FALSE(provider.load());
    EXPECT_EQ(provider.set_options_status, NDIS_STATUS_BAD_CHARACTERISTICS);
    EXPECT_EQ(provider.entry_status, NDIS_STATUS_BAD_CHARACTERISTICS);
    EXPECT_EQ(provider.driver_handle, nullptr);
  };
  refused([](auto& t) { t.Header.Type = 0xB3; });
  refused([](auto& t) { t.Header.Revision = 2; });
  refused([](auto& t) { t.Header.Size = 16; });
  refused([](auto& t) { t.Header.Size = 32; });
  refused([](auto& t) { t.Flags = 1; });
  refused([](auto& t) { t.OpenNDKAdapterHandler = nullptr; });
  refused([](auto& t) { t.CloseNDKAdapterHandler = nullptr; });
  EXPECT_TRUE(lines.has("CloseNDKAdapterHandler is NULL")) << lines.text();
}

TEST(R_OBJ_12, SeveralInstancesOfOneAdapterCloseIndependently) {
  FakeProvider provider;
  ASSERT_TRUE(provider.load());
  ASSERT_EQ(provider.add(kIndex), NDIS_STATUS_SUCCESS);
  NDK_ADAPTER* a = open();
  NDK_ADAPTER* b = open();
  EXPECT_NE(a, b);
  EXPECT_EQ(open_instances(kIndex), 2u);
  ndis_close_ndk_adapter(a);
  EXPECT_EQ(open_instances(kIndex), 1u);
  ndis_close_ndk_adapter(b);
  EXPECT_EQ(provider.closes, 2);
}

TEST(R_PNP_03, EnableAndDisableEventsChangeTheState) {
  FakeProvider provider;
  provider.tables.attributes.Enabled = FALSE;
  ASSERT_TRUE(provider.load());
  ASSERT_EQ(provider.add(kIndex), NDIS_STATUS_SUCCESS);
  EXPECT_EQ(provider.event(kIndex, NetEventNDKEnable), NDIS_STATUS_SUCCESS);
  EXPECT_EQ(state_of(kIndex), NdkState::enabled);
  ndis_close_ndk_adapter(open());
  EXPECT_EQ(provider.event(kIndex, NetEventNDKDisable), NDIS_STATUS_SUCCESS);
  EXPECT_EQ(state_of(kIndex), NdkState::disabled);
  EXPECT_EQ(open_fails(), NDIS_STATUS_ADAPTER_NOT_READY);
  EXPECT_EQ(provider.event(kIndex, NetEventSetPower), NDIS_STATUS_NOT_SUPPORTED);
  AdapterSummary summary;
  ASSERT_TRUE(ndis_find_adapter(kIndex, summary));
  EXPECT_EQ(summary.enable_events, 1u);
  EXPECT_EQ(summary.disable_events, 1u);
}

class R_PNP_04 : public KernelTest {};
SOFTNDK_IN_BOTH_WORLDS(R_PNP_04);
TEST_P(R_PNP_04, DisableReturnsAfterTheLastInstanceIsClosed) {
  run([] {
    FakeProvider provider;
    ASSERT_TRUE(provider.load());
    ASSERT_EQ(provider.add(kIndex), NDIS_STATUS_SUCCESS);
    NDK_ADAPTER* a = open();
    NDK_ADAPTER* b = open();
    TestThreads threads;
    threads.spawn([&] {
      EXPECT_EQ(provider.event(kIndex, NetEventNDKDisable), NDIS_STATUS_SUCCESS);
      EXPECT_EQ(provider.closes, 2);
    });
    threads.spawn([a] { ndis_close_ndk_adapter(a); });
    threads.spawn([b] { ndis_close_ndk_adapter(b); });
    threads.join();
    EXPECT_EQ(state_of(kIndex), NdkState::disabled);
  });
}

class R_PNP_06 : public KernelTest {};
SOFTNDK_IN_BOTH_WORLDS(R_PNP_06);
TEST_P(R_PNP_06, OpensFailFromTheMomentDisableStarts) {
  run([] {
    LogLines lines;
    FakeProvider provider;
    ASSERT_TRUE(provider.load());
    ASSERT_EQ(provider.add(kIndex), NDIS_STATUS_SUCCESS);
    NDK_ADAPTER* adapter = open();
    TestThreads threads;
    threads.spawn([&] { EXPECT_EQ(provider.event(kIndex, NetEventNDKDisable), NDIS_STATUS_SUCCESS); });
    relax_until([] { return state_of(kIndex) == NdkState::disabling; });
    EXPECT_EQ(open_fails(), NDIS_STATUS_ADAPTER_NOT_READY);
    EXPECT_EQ(provider.event(kIndex, NetEventNDKEnable), NDIS_STATUS_FAILURE) << "not while disabling";
    ndis_close_ndk_adapter(adapter);
    threads.join();
    EXPECT_EQ(state_of(kIndex), NdkState::disabled);
    EXPECT_EQ(provider.event(kIndex, NetEventNDKEnable), NDIS_STATUS_SUCCESS);
    ndis_close_ndk_adapter(open());
  });
}

TEST(R_PNP_05, AnEventFromTheContextOfAnOidRequestIsRefused) {
  LogLines lines;
  FakeProvider provider;
  ASSERT_TRUE(provider.load());
  ASSERT_EQ(provider.add(kIndex), NDIS_STATUS_SUCCESS);
  provider.in_oid = [](FakeProvider& self, NDIS_HANDLE) {
    EXPECT_EQ(self.event(kIndex, NetEventNDKDisable), NDIS_STATUS_FAILURE);
  };
  BOOLEAN off = FALSE;
  EXPECT_EQ(ndis_oid_set(kIndex, OID_NDK_SET_STATE, &off, sizeof off).status, NDIS_STATUS_SUCCESS);
  EXPECT_TRUE(lines.has("R-PNP-05")) << lines.text();
  EXPECT_EQ(state_of(kIndex), NdkState::enabled);
}

class MiniNdisWaits : public KernelTest {};
SOFTNDK_IN_BOTH_WORLDS(MiniNdisWaits);

TEST_P(MiniNdisWaits, RemovalWaitsForOpenInstancesAndRefusesNewOnes) {
  run([] {
    FakeProvider provider;
    ASSERT_TRUE(provider.load());
    ASSERT_EQ(provider.add(kIndex), NDIS_STATUS_SUCCESS);
    NDK_ADAPTER* adapter = open();
    TestThreads threads;
    threads.spawn([&] {
      EXPECT_EQ(ndis_remove_adapter(kIndex), NDIS_STATUS_SUCCESS);
      EXPECT_EQ(provider.closes, 1) << "halted before the last instance was closed";
    });
    relax_until([] {
      NDK_ADAPTER* one = nullptr;
      const NTSTATUS status = ndis_open_ndk_adapter(kIndex, kVersion, &one);
      if (status == STATUS_SUCCESS) return ndis_close_ndk_adapter(one), false;
      EXPECT_EQ(status, NDIS_STATUS_ADAPTER_NOT_READY);
      return true;
    });
    provider.closes = 0;
    EXPECT_EQ(ndis_remove_adapter(kIndex), NDIS_STATUS_INVALID_PARAMETER) << "already on its way";
    ndis_close_ndk_adapter(adapter);
    threads.join();
    EXPECT_EQ(provider.halts, 1);
  });
}

TEST_P(MiniNdisWaits, OidRequestsOfOneAdapterComeOneAtATime) {
  run([] {
    FakeProvider provider;
    ASSERT_TRUE(provider.load());
    ASSERT_EQ(provider.add(kIndex), NDIS_STATUS_SUCCESS);
    provider.in_oid = [](FakeProvider&, NDIS_HANDLE) { kernel().executor().yield(); };
    TestThreads threads;
    for (int i = 0; i < 4; ++i) {
      threads.spawn([] {
        for (int n = 0; n < 5; ++n) {
          NDIS_NDK_STATISTICS_INFO info;
          EXPECT_EQ(ndis_oid_query(kIndex, OID_NDK_STATISTICS, &info, sizeof info).status, NDIS_STATUS_SUCCESS);
        }
      });
    }
    threads.join();
    EXPECT_EQ(provider.oids, 20);
    EXPECT_EQ(provider.oids_at_once_max, 1);
  });
}

TEST(R_OID_06, QueriesReachTheMiniportAndReturnItsBytes) {
  FakeProvider provider;
  ASSERT_TRUE(provider.load());
  ASSERT_EQ(provider.add(kIndex), NDIS_STATUS_SUCCESS);
  NDIS_NDK_STATISTICS_INFO info = {};
  const OidResult result = ndis_oid_query(kIndex, OID_NDK_STATISTICS, &info, sizeof info);
  EXPECT_EQ(result.status, NDIS_STATUS_SUCCESS);
  EXPECT_EQ(result.bytes, sizeof info);
  EXPECT_EQ(info.CounterSet.Connect, 42u);
  EXPECT_EQ(ndis_oid_query(kIndex, OID_NDK_CONNECTIONS, &info, sizeof info).status, NDIS_STATUS_INVALID_OID);
  EXPECT_EQ(ndis_oid_query(kIndex + 1, OID_NDK_STATISTICS, &info, sizeof info).status, NDIS_STATUS_INVALID_PARAMETER);
}

TEST(R_OID_05, AWrongLengthComesBackWithWhatIsNeeded) {
  FakeProvider provider;
  ASSERT_TRUE(provider.load());
  ASSERT_EQ(provider.add(kIndex), NDIS_STATUS_SUCCESS);
  ULONG state = 1;
  OidResult result = ndis_oid_set(kIndex, OID_NDK_SET_STATE, &state, sizeof state);
  EXPECT_EQ(result.status, NDIS_STATUS_INVALID_LENGTH);
  EXPECT_EQ(result.bytes, 1u);
  result = ndis_oid_set(kIndex, OID_NDK_SET_STATE, &state, 1);
  EXPECT_EQ(result.status, NDIS_STATUS_SUCCESS);
  EXPECT_EQ(result.bytes, 1u);
}

TEST(R_OID_14, AShortBufferComesBackWithWhatIsNeeded) {
  FakeProvider provider;
  ASSERT_TRUE(provider.load());
  ASSERT_EQ(provider.add(kIndex), NDIS_STATUS_SUCCESS);
  const OidResult result = ndis_oid_query(kIndex, OID_NDK_STATISTICS, nullptr, 0);
  EXPECT_EQ(result.status, NDIS_STATUS_BUFFER_TOO_SHORT);
  EXPECT_EQ(result.bytes, 248u);
}

TEST(R_OID_04, APendingOidIsReported) {
  LogLines lines;
  FakeProvider provider;
  ASSERT_TRUE(provider.load());
  ASSERT_EQ(provider.add(kIndex), NDIS_STATUS_SUCCESS);
  provider.oid_status = NDIS_STATUS_PENDING;
  BOOLEAN on = TRUE;
  EXPECT_EQ(ndis_oid_set(kIndex, OID_NDK_SET_STATE, &on, 1).status, NDIS_STATUS_FAILURE);
  EXPECT_TRUE(lines.has("asynchronous OIDs are not supported")) << lines.text();
}

}  // namespace
}  // namespace softndk::ntrt
