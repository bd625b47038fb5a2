#include "provider/consumer.h"

namespace softndk::provider {
namespace {

struct Listening {
  explicit Listening(Rig& rig, NDK_FN_CONNECT_EVENT_CALLBACK callback = Seen::connect_event)
      : listener(rig.listener(callback, &event)), device(rig.device.listeners.last()) {}
  ~Listening() { close(listener); }
  NTSTATUS listen(const char* at = "127.0.0.1:5000") {
    SOCKADDR_IN address = ipv4(at);
    listening.returned = false;
    return listener->Dispatch->NdkListen(listener, reinterpret_cast<SOCKADDR*>(&address), sizeof address,
                                         Seen::completed, &listening);
  }
  NTSTATUS listen_and_wait() {
    const NTSTATUS status = listen();
    if (status != STATUS_PENDING) return status;
    listening.wait();
    return listening.status;
  }
  void pause(bool is) { listener->Dispatch->NdkControlConnectEvents(listener, is ? TRUE : FALSE); }
  bool takes_requests() {
    if (device.request() == nullptr) return false;
    close(reinterpret_cast<NDK_CONNECTOR*>(event.object.load()));
    return true;
  }
  Seen event, listening;
  NDK_LISTENER* listener;
  FakeListener& device;
};

TEST(R_LSN_01, AListenerWithoutConnectEventRefusesEveryRequest) {
  simulate([] {
    Rig rig;
    Listening listening(rig, nullptr);  // C-93
    EXPECT_EQ(listening.listen_and_wait(), STATUS_SUCCESS);
    EXPECT_EQ(listening.device.request(), nullptr);
  });
}

TEST(R_LSN_02, ListenSaysWhatIsWrongWithTheAddress) {
  using rdma::CmStatus;
  for (const auto& [device_says, consumer_sees] : {std::pair{CmStatus::address_in_use, STATUS_SHARING_VIOLATION},
                                                   std::pair{CmStatus::address_not_local, STATUS_INVALID_ADDRESS},
                                                   std::pair{CmStatus::no_free_port, STATUS_TOO_MANY_ADDRESSES},
                                                   std::pair{CmStatus::no_resources, STATUS_INSUFFICIENT_RESOURCES}}) {
    for (CompletionMode mode : kAllModes) {
      simulate([mode, device_says = device_says, consumer_sees = consumer_sees] {
        Rig rig(policy(mode));
        Listening listening(rig);
        listening.device.listen_error = device_says;
        EXPECT_EQ(listening.listen_and_wait(), consumer_sees);
        listening.device.listen_error.reset();  // R-LSN-03: after a failure it may be tried again
        EXPECT_EQ(listening.listen_and_wait(), STATUS_SUCCESS);
      });
    }
  }
}

TEST(R_LSN_03, ASecondListenFailsInline) {
  for (CompletionMode mode : kAllModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      Listening listening(rig);
      EXPECT_EQ(listening.listen_and_wait(), STATUS_SUCCESS);
      EXPECT_EQ(listening.listen(), STATUS_INVALID_DEVICE_STATE);
    });
  }
}

TEST(R_LSN_05, RequestsAreRefusedUntilListenWasReported) {
  simulate([] {
    Rig rig;
    Listening listening(rig);
    const ntrt::Irql before = ntrt::raise_irql(ntrt::kDispatchLevel, nullptr);
    EXPECT_EQ(listening.listen(), STATUS_PENDING);
    EXPECT_TRUE(listening.device.paused || listening.listening.calls == 1);
    ntrt::lower_irql(before);
    listening.listening.wait();
    EXPECT_FALSE(listening.device.paused);
    EXPECT_TRUE(listening.takes_requests());
  });
}

TEST(R_LSN_05, AConsumerMayBeConnectedToFromInsideTheListenCompletion) {
  simulate([] {
    Rig rig;
    Listening listening(rig);
    listening.listening.inside = [&](Seen&) { EXPECT_FALSE(listening.device.paused); };
    EXPECT_EQ(listening.listen_and_wait(), STATUS_SUCCESS);
  });
}

TEST(R_LSN_06, EventsOfOneListenerMayOverlap) {
  simulate([] {
    Rig rig;
    Listening listening(rig);
    EXPECT_EQ(listening.listen_and_wait(), STATUS_SUCCESS);
    std::atomic<int> inside{0}, most{0};
    std::atomic<NDK_OBJECT_HEADER*> connectors[2] = {};
    std::atomic<int> count{0};
    listening.event.inside = [&](Seen& seen) {
      connectors[count++] = seen.object.load();
      most = std::max(most.load(), ++inside);
      for (unsigned spins = 0; spins < 200 && inside < 2; ++spins)
        ntrt::kernel().executor().relax(spins);
      most = std::max(most.load(), inside.load());
      --inside;
    };
    auto second = [&] { listening.device.request(1); };
    ntrt::SystemThread other;
    ASSERT_TRUE(other.start(
        "other", [](void* it) noexcept { (*static_cast<decltype(second)*>(it))(); }, &second));
    listening.device.request(0);
    other.join();
    EXPECT_EQ(listening.event.calls, 2);
    for (auto& connector : connectors)
      close(reinterpret_cast<NDK_CONNECTOR*>(connector.load()));
  });
}

TEST(R_LSN_08, WhilePausedRequestsAreRefusedAndResumingTakesThemAgain) {
  simulate([] {
    Rig rig;
    Listening listening(rig);
    EXPECT_EQ(listening.listen_and_wait(), STATUS_SUCCESS);
    listening.pause(true);
    EXPECT_FALSE(listening.takes_requests());
    EXPECT_EQ(listening.event.calls, 0);
    listening.pause(false);  // R-LSN-09
    EXPECT_TRUE(listening.takes_requests());
    EXPECT_EQ(listening.event.calls, 1);
  });
}

TEST(R_LSN_10, PauseDoesNotWaitForACallbackThatRuns) {
  simulate([] {
    Rig rig;
    Listening listening(rig);
    EXPECT_EQ(listening.listen_and_wait(), STATUS_SUCCESS);
    std::atomic<bool> inside{false}, paused{false};
    listening.event.inside = [&](Seen&) {
      inside = true;
      await([&] { return paused.load(); });
    };
    auto request = [&] { listening.device.request(1); };
    ntrt::SystemThread other;
    ASSERT_TRUE(other.start(
        "peer", [](void* it) noexcept { (*static_cast<decltype(request)*>(it))(); }, &request));
    await([&] { return inside.load(); });
    listening.pause(true);
    EXPECT_FALSE(listening.event.returned);
    paused = true;
    other.join();
    close(reinterpret_cast<NDK_CONNECTOR*>(listening.event.object.load()));
    EXPECT_FALSE(listening.takes_requests());
  });
}

TEST(R_LSN_11, AFreshListenerIsNotPausedAndPausingBeforeListeningIsRemembered) {
  for (CompletionMode mode : kAllModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      Listening fresh(rig);
      EXPECT_EQ(fresh.listen_and_wait(), STATUS_SUCCESS);
      EXPECT_TRUE(fresh.takes_requests());
      Listening paused(rig);
      paused.pause(true);
      EXPECT_EQ(paused.listen_and_wait(), STATUS_SUCCESS);
      EXPECT_FALSE(paused.takes_requests());
      paused.pause(false);
      EXPECT_TRUE(paused.takes_requests());
    });
  }
}

TEST(R_ADR_04, APortThatTheDeviceChoseIsInTheAddress) {
  simulate([] {
    Rig rig;
    Listening listening(rig);
    EXPECT_EQ(listening.listen("127.0.0.1:0"), STATUS_PENDING);
    listening.listening.wait();
    SOCKADDR_IN address{};
    ULONG length = sizeof address;
    EXPECT_EQ(listening.listener->Dispatch->NdkGetLocalAddress(listening.listener,
                                                               reinterpret_cast<SOCKADDR*>(&address), &length),
              STATUS_SUCCESS);
    EXPECT_EQ(address.sin_port, __builtin_bswap16(50000));
  });
}

TEST(R_ADR_06, AListenerThatDoesNotListenHasNoAddress) {
  simulate([] {
    Rig rig;
    Listening listening(rig);
    SOCKADDR_IN address{};
    ULONG length = sizeof address;
    const auto query = [&] {
      return listening.listener->Dispatch->NdkGetLocalAddress(listening.listener, reinterpret_cast<SOCKADDR*>(&address),
                                                              &length);
    };
    EXPECT_EQ(query(), STATUS_INVALID_DEVICE_STATE);
    listening.device.listen_error = rdma::CmStatus::address_in_use;
    EXPECT_EQ(listening.listen_and_wait(), STATUS_SHARING_VIOLATION);
    EXPECT_EQ(query(), STATUS_INVALID_DEVICE_STATE);
  });
}

TEST(ConnectRequests, AreRefusedWhenThereIsNoMemoryForAConnector) {
  simulate([] {
    Rig rig;
    Listening listening(rig);
    EXPECT_EQ(listening.listen_and_wait(), STATUS_SUCCESS);
    for (unsigned nth = 1; nth <= 2; ++nth) {
      Shortage shortage(nth);
      EXPECT_EQ(listening.device.request(), nullptr);
    }
    EXPECT_EQ(listening.event.calls, 0);
    EXPECT_TRUE(listening.takes_requests());
  });
}

}  // namespace
}  // namespace softndk::provider
