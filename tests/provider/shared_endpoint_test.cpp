// Shared endpoints over the fake device: what the provider adds to it (spec/ndkpi.md 2.3, 2.10, 3.8).
#include "provider/connection_rig.h"

namespace softndk::provider {
namespace {

using rdma::CmStatus;

/// The status of a create, whatever the mode; what it made is closed again.
NTSTATUS try_to_create(Rig& rig, const char* at = "127.0.0.1:0") {
  const SOCKADDR_IN address = ipv4(at);
  Seen seen;
  NDK_SHARED_ENDPOINT* endpoint = nullptr;
  NTSTATUS status = rig.ndk()->Dispatch->NdkCreateSharedEndpoint(rig.ndk(), reinterpret_cast<const SOCKADDR*>(&address),
                                                                 sizeof address, Seen::created, &seen, &endpoint);
  if (status == STATUS_PENDING) {
    seen.wait();
    status = seen.status;
    endpoint = reinterpret_cast<NDK_SHARED_ENDPOINT*>(seen.object.load());
  }
  EXPECT_EQ(status == STATUS_SUCCESS, endpoint != nullptr);
  if (endpoint != nullptr) close(endpoint);
  return status;
}

TEST(R_SEP_03, WhatTheDeviceFindsWrongWithTheAddressHasItsStatus) {
  for (const auto& [device_says, consumer_sees] : {std::pair{CmStatus::address_in_use, STATUS_SHARING_VIOLATION},
                                                   std::pair{CmStatus::address_not_local, STATUS_INVALID_ADDRESS},
                                                   std::pair{CmStatus::no_free_port, STATUS_TOO_MANY_ADDRESSES},
                                                   std::pair{CmStatus::no_resources, STATUS_INSUFFICIENT_RESOURCES}}) {
    for (CompletionMode mode : kAllModes) {
      simulate([mode, device_says = device_says, consumer_sees = consumer_sees] {
        Rig rig(policy(mode));
        rig.device.endpoint_error = device_says;
        EXPECT_EQ(try_to_create(rig), consumer_sees);
        rig.device.endpoint_error.reset();
        EXPECT_EQ(try_to_create(rig), STATUS_SUCCESS);
      });
    }
  }
}

TEST(R_SEP_02, TheAddressHasThePortThatTheDeviceChose) {
  simulate([] {
    Rig rig;
    NDK_SHARED_ENDPOINT* endpoint = rig.shared_endpoint("127.0.0.1:0");
    SOCKADDR_IN address{};
    ULONG length = sizeof address;
    EXPECT_EQ(endpoint->Dispatch->NdkGetLocalAddress(endpoint, reinterpret_cast<SOCKADDR*>(&address), &length),
              STATUS_SUCCESS);
    EXPECT_EQ(address.sin_port, __builtin_bswap16(50001));
    close(endpoint);
  });
}

TEST(R_CRT_06, MemoryMayBeShortForASharedEndpoint) {
  for (unsigned nth = 1; nth <= 2; ++nth) {  // the device's part and ours
    simulate([nth] {
      Rig rig;
      {
        Shortage shortage(nth);
        EXPECT_EQ(try_to_create(rig), STATUS_INSUFFICIENT_RESOURCES);
      }
      EXPECT_EQ(rig.device.endpoints.count(), 0u) << "nothing is left";
      EXPECT_EQ(try_to_create(rig), STATUS_SUCCESS);
    });
  }
}

TEST(R_CONN_26, ASharedEndpointNeedsNdkToBeEnabled) {
  simulate([] {
    Rig rig;
    rig.miniport.set_enabled(false);
    EXPECT_EQ(try_to_create(rig), STATUS_DEVICE_NOT_READY);
    EXPECT_EQ(rig.device.endpoints.made(), 0u);
  });
}

TEST(R_EP_04, TheDevicesEndpointLivesAsLongAsAConnectorOverIt) {
  for (CompletionMode mode : kAllModes) {
    for (CloseStyle style : {CloseStyle::posted, CloseStyle::inside}) {
      simulate([mode, style] {
        Rig rig(policy(mode));
        rig.device.close_style = style;
        Active one(rig), two(rig);
        NDK_SHARED_ENDPOINT* endpoint = rig.shared_endpoint();
        for (Active* active : {&one, &two}) {
          EXPECT_EQ(active->connect_over(endpoint), STATUS_PENDING);
          rig.device.connections.all()[active == &one ? 0 : 1]->connect_done(CmStatus::success);
        }
        std::atomic<std::size_t> left{1};
        Seen closed;
        closed.inside = [&](Seen&) { left = rig.device.endpoints.count(); };
        EXPECT_EQ(begin_close(endpoint, endpoint->Dispatch->NdkCloseSharedEndpoint, closed), STATUS_PENDING);
        close(std::exchange(two.connector, nullptr));
        ntrt::flush_processors();
        EXPECT_EQ(closed.calls, 0) << "R-EP-05";
        EXPECT_EQ(rig.device.endpoints.count(), 1u);
        close(std::exchange(one.connector, nullptr));
        closed.wait();
        EXPECT_EQ(closed.calls, 1);
        EXPECT_EQ(left, 0u) << "the address is free when the consumer hears of it";
      });
    }
  }
}

TEST(R_EP_05, ItsCloseWaitsForTheReturnOfTheConnectorsCloseCompletion) {
  for (CompletionMode mode : kPendingModes) {
    simulate(
        [mode] {
          Rig rig(policy(mode));
          Active active(rig);
          NDK_SHARED_ENDPOINT* endpoint = rig.shared_endpoint();
          EXPECT_EQ(active.connect_over(endpoint), STATUS_PENDING);
          Seen endpoint_closed, connector_closed;
          std::atomic<bool> too_early{false};
          connector_closed.inside = [&](Seen&) {
            for (unsigned spins = 0; spins < 100; ++spins)
              ntrt::kernel().executor().relax(spins);
            too_early = endpoint_closed.calls != 0;
          };
          EXPECT_EQ(begin_close(endpoint, endpoint->Dispatch->NdkCloseSharedEndpoint, endpoint_closed), STATUS_PENDING);
          NDK_CONNECTOR* connector = std::exchange(active.connector, nullptr);
          EXPECT_EQ(begin_close(connector, connector->Dispatch->NdkCloseConnector, connector_closed), STATUS_PENDING);
          endpoint_closed.wait();
          EXPECT_EQ(active.connected.status, STATUS_CANCELLED);
          EXPECT_TRUE(connector_closed.returned);
          EXPECT_FALSE(too_early);
        },
        20);
  }
}

TEST(R_EP_06, AFailedConnectLetsGoBeforeItsCompletion) {
  for (const bool retryable : {true, false}) {
    simulate([retryable] {
      Rig rig;
      Active active(rig);
      NDK_SHARED_ENDPOINT* endpoint = rig.shared_endpoint();
      EXPECT_EQ(active.connect_over(endpoint), STATUS_PENDING);
      EXPECT_EQ(active.connection().asked.local.port, 50001) << "the device was told where from";
      // Closed first: inside the completion nothing holds it any more, though the connector lives.
      Seen closed;
      EXPECT_EQ(begin_close(endpoint, endpoint->Dispatch->NdkCloseSharedEndpoint, closed), STATUS_PENDING);
      std::atomic<std::size_t> left{1};
      active.connected.inside = [&](Seen&) { left = rig.device.endpoints.count(); };
      active.connection().connect_done(retryable ? CmStatus::refused : CmStatus::already_connected);
      EXPECT_EQ(active.connected.status, retryable ? STATUS_CONNECTION_REFUSED : STATUS_ADDRESS_ALREADY_EXISTS);
      EXPECT_EQ(left, 0u);
      closed.wait();
    });
  }
}

TEST(R_EP_06, ItsCompletionMayConnectAgainOverTheSameEndpoint) {
  simulate([] {
    Rig rig;
    Active active(rig);
    NDK_SHARED_ENDPOINT* endpoint = rig.shared_endpoint();
    std::atomic<NTSTATUS> again{STATUS_UNSUCCESSFUL};
    active.connected.inside = [&](Seen& seen) {
      if (seen.calls == 1) again = active.connect_over(endpoint);
    };
    EXPECT_EQ(active.connect_over(endpoint), STATUS_PENDING);
    active.connection().connect_done(CmStatus::timed_out);
    EXPECT_EQ(again, STATUS_PENDING);
    Seen closed;
    EXPECT_EQ(begin_close(endpoint, endpoint->Dispatch->NdkCloseSharedEndpoint, closed), STATUS_PENDING);
    ntrt::flush_processors();
    EXPECT_EQ(closed.calls, 0) << "the second attempt holds it";
    active.connection().connect_done(CmStatus::refused);
    closed.wait();
  });
}

TEST(R_OBJ_13, ASharedEndpointOfAnotherMiniportAdapterIsNoneOfOurs) {
  simulate([] {
    Rig rig, other;
    Active active(rig);
    NDK_SHARED_ENDPOINT* foreign = other.shared_endpoint();
    EXPECT_EQ(active.connect_over(foreign), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(active.connect_over(nullptr), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(close(foreign), STATUS_SUCCESS) << "it was not held";
    EXPECT_EQ(active.connect(), STATUS_PENDING) << "nothing has happened";
    active.connection().connect_done(CmStatus::refused);
  });
}

}  // namespace
}  // namespace softndk::provider
