// NdkCreateConnector to the letter: the 26 rules of spec/ndkpi.md 2.4.
#include "provider/consumer.h"

namespace softndk::provider {
namespace {

NDK_CONNECTOR* const kUntouched = reinterpret_cast<NDK_CONNECTOR*>(0x5a5a5a5a5a5a5a50);

/// One NdkCreateConnector call, with all that can be seen of it.
struct Creation {
  explicit Creation(Rig& rig) {
    status = calling(seen,
                     [&] { return rig.ndk()->Dispatch->NdkCreateConnector(rig.ndk(), Seen::created, &seen, &output); });
  }
  Creation(Rig& rig, std::function<void(Seen&)> inside) {
    seen.inside = std::move(inside);
    status = calling(seen,
                     [&] { return rig.ndk()->Dispatch->NdkCreateConnector(rig.ndk(), Seen::created, &seen, &output); });
  }
  /// The connector, wherever it came.
  NDK_CONNECTOR* wait() {
    if (status == STATUS_PENDING) seen.wait();
    return status == STATUS_PENDING ? reinterpret_cast<NDK_CONNECTOR*>(seen.object.load())
           : NT_SUCCESS(status)     ? output
                                    : nullptr;
  }
  Seen seen;
  NDK_CONNECTOR* output = kUntouched;
  NTSTATUS status = STATUS_UNSUCCESSFUL;
};

TEST(R_CONN_01, InlineSuccessGivesACompleteConnectorAndNeverCallsBack) {
  simulate([] {
    Rig rig;
    Creation creation(rig);
    EXPECT_EQ(creation.status, STATUS_SUCCESS);
    ASSERT_NE(creation.output, kUntouched);
    EXPECT_EQ(creation.output->Header.ObjectType, NdkObjectTypeConnector);
    close(creation.output);
    rig.close_adapter();
    ntrt::flush_processors();
    EXPECT_EQ(creation.seen.calls, 0);
  });
}

TEST(R_CONN_02, PendingCallsBackExactlyOnceWithTheContextGiven) {
  for (CompletionMode mode : kPendingModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      Creation creation(rig);
      EXPECT_EQ(creation.status, STATUS_PENDING) << to_string(mode);
      close(creation.wait());  // the context led the callback to `seen`
      rig.close_adapter();
      ntrt::flush_processors();
      EXPECT_EQ(creation.seen.calls, 1) << to_string(mode);
    });
  }
}

TEST(R_CONN_03, PendingLeavesTheOutputPointerAloneAndHandsTheConnectorToTheCallback) {
  for (CompletionMode mode : kPendingModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      // An address that faults would show a write after the return; a local shows one at any time.
      Creation creation(rig);
      NDK_CONNECTOR* connector = creation.wait();
      ASSERT_NE(connector, nullptr);
      close(connector);
      rig.close_adapter();
      EXPECT_EQ(creation.output, kUntouched) << to_string(mode);
      EXPECT_EQ(creation.seen.status, STATUS_SUCCESS);
    });
  }
}

TEST(R_CONN_04, AnyOtherStatusIsAFailureWithoutCallbackOrObject) {
  for (CompletionMode mode : kAllModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      Seen seen;
      NDK_CONNECTOR* output = kUntouched;
      const auto* dispatch = rig.ndk()->Dispatch;
      EXPECT_EQ(dispatch->NdkCreateConnector(rig.ndk(), nullptr, &seen, &output), STATUS_INVALID_PARAMETER);
      EXPECT_EQ(dispatch->NdkCreateConnector(rig.ndk(), Seen::created, &seen, nullptr), STATUS_INVALID_PARAMETER);
      rig.close_adapter();  // would block if there were an object
      EXPECT_EQ(seen.calls, 0);
      EXPECT_EQ(rig.device.connections.made(), 0u);
    });
  }
}

TEST(R_CONN_05, MemoryMayBeShortInlineAndAsynchronously) {
  simulate([] {  // inline: the connector itself
    Rig rig;
    Shortage shortage(1);
    Creation creation(rig);
    EXPECT_EQ(creation.status, STATUS_INSUFFICIENT_RESOURCES);
  });
  for (CompletionMode mode : kPendingModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      {  // inline: not even a record of the request
        Shortage shortage(1);
        Creation creation(rig);
        EXPECT_EQ(creation.status, STATUS_INSUFFICIENT_RESOURCES) << to_string(mode);
        EXPECT_EQ(creation.seen.calls, 0);
      }
      {  // asynchronously: a record, but no connector
        Shortage shortage(2);
        Creation creation(rig);
        EXPECT_EQ(creation.status, STATUS_PENDING);
        creation.wait();
        EXPECT_EQ(creation.seen.status, STATUS_INSUFFICIENT_RESOURCES) << to_string(mode);
      }
      {  // asynchronously: the device has no room
        rig.device.create_error = rdma::CreateError::no_resources;
        Creation creation(rig);
        creation.wait();
        EXPECT_EQ(creation.seen.status, STATUS_INSUFFICIENT_RESOURCES) << to_string(mode);
      }
    });
  }
}

TEST(R_CONN_06, AsynchronousFailurePassesNullAsTheObject) {
  for (CompletionMode mode : kPendingModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      rig.device.create_error = rdma::CreateError::no_resources;
      Creation creation(rig);
      EXPECT_EQ(creation.status, STATUS_PENDING);
      creation.wait();
      EXPECT_EQ(creation.seen.object, nullptr) << to_string(mode);
      EXPECT_EQ(creation.seen.calls, 1);
    });
  }
}

TEST(R_CONN_07, InlineFailureLeavesTheOutputPointerAlone) {
  for (unsigned nth = 1; nth <= 2; ++nth) {
    simulate([nth] {
      Rig rig;
      Shortage shortage(nth);
      Creation creation(rig);
      EXPECT_EQ(creation.status, STATUS_INSUFFICIENT_RESOURCES);
      EXPECT_EQ(creation.output, kUntouched);
    });
  }
}

TEST(R_CONN_08, CompletionMayRunBeforeTheCallReturnsOnTheCallersThreadOrAnother) {
  simulate([] {
    Rig rig(policy(CompletionMode::nested));
    Creation creation(rig);
    EXPECT_TRUE(creation.seen.ran_in_call);
    EXPECT_TRUE(creation.seen.on_callers_thread());
    EXPECT_EQ(creation.seen.irql, ntrt::kDispatchLevel);
    EXPECT_EQ(ntrt::current_irql(), ntrt::kPassiveLevel);
    close(creation.wait());
  });
  simulate([] {
    Rig rig(policy(CompletionMode::early));
    Creation creation(rig);
    EXPECT_TRUE(creation.seen.ran_in_call);
    EXPECT_TRUE(creation.seen.returned);
    EXPECT_FALSE(creation.seen.on_callers_thread());
    EXPECT_EQ(creation.seen.irql, ntrt::kDispatchLevel);
    close(creation.wait());
  });
  simulate([] {
    Rig rig(policy(CompletionMode::later));
    Creation creation(rig);
    NDK_CONNECTOR* connector = creation.wait();
    EXPECT_FALSE(creation.seen.on_callers_thread());
    EXPECT_EQ(creation.seen.irql, ntrt::kDispatchLevel);
    close(connector);
  });
}

TEST(R_CONN_09, ANestedOrEarlyCompletionStillReturnsPending) {
  for (CompletionMode mode : {CompletionMode::nested, CompletionMode::early}) {
    simulate([mode] {
      Rig rig(policy(mode));
      Creation creation(rig);
      EXPECT_TRUE(creation.seen.returned);
      EXPECT_EQ(creation.status, STATUS_PENDING) << to_string(mode);
      close(creation.wait());
      rig.device.create_error = rdma::CreateError::no_resources;
      Creation failure(rig);
      EXPECT_EQ(failure.status, STATUS_PENDING) << to_string(mode);
      EXPECT_EQ(failure.seen.status, STATUS_INSUFFICIENT_RESOURCES);
    });
  }
}

TEST(R_CONN_10, TheConnectorIsFullyUsableInsideTheCompletion) {
  for (CompletionMode mode : kPendingModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      NDK_PD* pd = rig.pd();
      NDK_CQ* cq = rig.cq();
      NDK_QP* qp = rig.qp(pd, cq, cq);
      Seen connected, closed;
      std::atomic<NTSTATUS> queried{STATUS_SUCCESS}, connect_status{STATUS_UNSUCCESSFUL};
      SOCKADDR_IN source = ipv4("127.0.0.1:0"), destination = ipv4("127.0.0.1:5000");
      Creation creation(rig, [&](Seen& seen) {
        auto* connector = reinterpret_cast<NDK_CONNECTOR*>(seen.object.load());
        NDK_EXTENSION_INTERFACE none{};
        GUID id{};
        queried = connector->Dispatch->NdkQueryExtension(&connector->Header, &id, {1, 0}, &none);
        connect_status =
            connector->Dispatch->NdkConnect(connector, qp, reinterpret_cast<SOCKADDR*>(&source), sizeof source,
                                            reinterpret_cast<SOCKADDR*>(&destination), sizeof destination, 1, 1,
                                            nullptr, 0, Seen::completed, &connected);
        connector->Dispatch->NdkCloseConnector(&connector->Header, Seen::closed, &closed);
      });
      creation.wait();
      closed.wait();
      EXPECT_EQ(queried, STATUS_NOT_SUPPORTED) << to_string(mode);
      EXPECT_EQ(connect_status, STATUS_PENDING);
      EXPECT_EQ(connected.calls, 1);
      EXPECT_EQ(connected.status, STATUS_CANCELLED);
      close(qp);
      close(cq);
      close(pd);
    });
  }
}

TEST(R_CONN_11, TheProviderDoesNotTouchAConnectorThatItsCompletionClosed) {
  // A touch would be one of freed memory: the sanitizer builds see it. Without them the device sees that the connector
  // is gone by the time the call returns where nothing holds it.
  for (CompletionMode mode : kPendingModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      rig.device.close_style = CloseStyle::inside;
      Seen closed;
      Creation creation(rig, [&closed](Seen& seen) {
        auto* connector = reinterpret_cast<NDK_CONNECTOR*>(seen.object.load());
        connector->Dispatch->NdkCloseConnector(&connector->Header, Seen::closed, &closed);
      });
      creation.wait();
      closed.wait();
      EXPECT_EQ(closed.calls, 1);
      await([&] { return rig.device.connections.count() == 0; });
    });
  }
}

TEST(R_CONN_12, TheObjectHandedOverHasItsVersionTypeZeroedReserveAndTable) {
  for (NDK_VERSION version : {NDK_VERSION{1, 2}, NDK_VERSION{2, 1}}) {
    for (CompletionMode mode : kAllModes) {
      simulate([mode, version] {
        Rig rig(policy(mode), version);
        auto check = [version](const NDK_CONNECTOR* connector) {
          EXPECT_EQ(connector->Header.Version.Major, version.Major);
          EXPECT_EQ(connector->Header.Version.Minor, version.Minor);
          EXPECT_EQ(connector->Header.ObjectType, 8);
          for (PVOID word : connector->Header.NdkReserved.rf)
            EXPECT_EQ(word, nullptr);
          EXPECT_NE(connector->Dispatch, nullptr);
        };
        Creation creation(rig, [&](Seen& seen) { check(reinterpret_cast<NDK_CONNECTOR*>(seen.object.load())); });
        NDK_CONNECTOR* connector = creation.wait();
        check(connector);
        close(connector);
      });
    }
  }
}

TEST(R_CONN_13, AllThirteenSlotsAreFilled) {
  simulate([] {
    Rig rig;
    NDK_CONNECTOR* connector = rig.connector();
    static_assert(sizeof(NDK_CONNECTOR_DISPATCH) == 13 * sizeof(void*));
    const auto* slots = reinterpret_cast<void* const*>(connector->Dispatch);
    for (int i = 0; i < 13; ++i)
      EXPECT_NE(slots[i], nullptr) << i;
    close(connector);
  });
}

TEST(R_CONN_14, TheProviderNeverReadsDispatchAfterHandingTheConnectorOver) {
  for (CompletionMode mode : kAllModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      NDK_CONNECTOR* connector = Creation(rig).wait();
      const NDK_CONNECTOR_DISPATCH* table = connector->Dispatch;
      connector->Dispatch = reinterpret_cast<const NDK_CONNECTOR_DISPATCH*>(0x8);  // a read through it would fault
      connector->Header.NdkReserved.rf[0] = reinterpret_cast<PVOID>(0x8);          // the consumer's own now
      ULONG length = 0;
      EXPECT_EQ(table->NdkGetConnectionData(connector, nullptr, nullptr, nullptr, &length), STATUS_CONNECTION_INVALID);
      close(connector, table->NdkCloseConnector);
    });
  }
}

TEST(R_CONN_15, AdapterCloseWaitsForTheConnector) {
  for (CompletionMode mode : kAllModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      NDK_CONNECTOR* connector = Creation(rig).wait();
      std::atomic<bool> adapter_closed{false};
      auto close_it = [&] {
        rig.close_adapter();
        adapter_closed = true;
      };
      ntrt::SystemThread closer;
      ASSERT_TRUE(closer.start(
          "closer", [](void* context) noexcept { (*static_cast<decltype(close_it)*>(context))(); }, &close_it));
      ntrt::flush_processors();
      EXPECT_FALSE(adapter_closed);
      close(connector);
      closer.join();
      EXPECT_TRUE(adapter_closed);
    });
  }
}

TEST(R_CONN_16, APendingCreateHoldsTheAdapterOpenUntilItsCallbackReturned) {
  for (CompletionMode mode : {CompletionMode::early, CompletionMode::later}) {
    simulate([mode] {
      Rig rig(policy(mode));
      std::atomic<bool> adapter_closed{false};
      std::atomic<bool> closed_too_early{false};
      rig.device.create_error = rdma::CreateError::no_resources;  // so that only the create itself holds the adapter
      Creation creation(rig, [&](Seen&) {
        for (unsigned spins = 0; spins < 50; ++spins)
          ntrt::kernel().executor().relax(spins);  // long enough for the close to run into it
        closed_too_early = adapter_closed.load();
      });
      rig.close_adapter();
      adapter_closed = true;
      EXPECT_TRUE(creation.seen.returned) << to_string(mode);
      EXPECT_FALSE(closed_too_early);
    });
  }
}

TEST(R_CONN_17, CreationAllocatesNoAddress) {
  simulate([] {
    Rig rig;
    NDK_CONNECTOR* connector = rig.connector();
    SOCKADDR_STORAGE address{};
    ULONG length = sizeof address;
    EXPECT_EQ(connector->Dispatch->NdkGetLocalAddress(connector, reinterpret_cast<SOCKADDR*>(&address), &length),
              STATUS_CONNECTION_INVALID);
    EXPECT_EQ(rig.device.listeners.made(), 0u);
    close(connector);
  });
}

TEST(R_CONN_18, CreationBindsNoQueuePair) {
  simulate([] {
    Rig rig;
    NDK_PD* pd = rig.pd();
    NDK_CQ* cq = rig.cq();
    NDK_QP* qp = rig.qp(pd, cq, cq);
    NDK_CONNECTOR* connector = rig.connector();
    EXPECT_EQ(rig.device.connections.last().bound, nullptr);
    close(qp);  // completes although the connector lives
    close(connector);
    close(cq);
    close(pd);
  });
}

TEST(R_CONN_19, CreationNeedsNoNetworkAndNoPeer) {
  sim::Options no_network;
  no_network.interfaces.clear();
  simulate(
      [] {
        Rig rig;
        close(rig.connector());
      },
      5, no_network);
}

TEST(R_CONN_20, AnyNumberOfCreatesMayBeOutstandingFromAnyThreads) {
  for (CompletionMode mode : kAllModes) {
    simulate(
        [mode] {
          Rig rig(policy(mode));
          struct Maker {
            Rig* rig;
            ntrt::SystemThread thread;
          } makers[4];
          for (Maker& maker : makers) {
            maker.rig = &rig;
            ASSERT_TRUE(maker.thread.start(
                "maker",
                [](void* context) noexcept {
                  Rig& on = *static_cast<Maker*>(context)->rig;
                  std::deque<Creation> creations;
                  for (int i = 0; i < 8; ++i)
                    creations.emplace_back(on);
                  for (Creation& creation : creations)
                    close(creation.wait());
                },
                &maker));
          }
          for (Maker& maker : makers)
            maker.thread.join();
          EXPECT_EQ(rig.device.connections.made(), 32u);
        },
        5);
  }
}

TEST(R_CONN_21, AnIdleConnectorRefusesWhatNeedsAConnection) {
  simulate([] {
    Rig rig;
    NDK_PD* pd = rig.pd();
    NDK_CQ* cq = rig.cq();
    NDK_QP* qp = rig.qp(pd, cq, cq);
    NDK_CONNECTOR* connector = rig.connector();
    const auto* dispatch = connector->Dispatch;
    Seen seen;
    SOCKADDR_STORAGE address{};
    ULONG length = sizeof address;
    std::uint8_t data[256];
    ULONG data_length = sizeof data;
    EXPECT_EQ(dispatch->NdkGetConnectionData(connector, nullptr, nullptr, data, &data_length),
              STATUS_CONNECTION_INVALID);
    EXPECT_EQ(dispatch->NdkGetPeerAddress(connector, reinterpret_cast<SOCKADDR*>(&address), &length),
              STATUS_CONNECTION_INVALID);
    EXPECT_EQ(dispatch->NdkGetLocalAddress(connector, reinterpret_cast<SOCKADDR*>(&address), &length),
              STATUS_CONNECTION_INVALID);
    EXPECT_EQ(dispatch->NdkCompleteConnect(connector, nullptr, nullptr, Seen::completed, &seen),
              STATUS_CONNECTION_INVALID);
    EXPECT_EQ(dispatch->NdkCompleteConnectEx(connector, nullptr, nullptr, Seen::completed, &seen),
              STATUS_CONNECTION_INVALID);
    EXPECT_EQ(dispatch->NdkDisconnect(connector, Seen::completed, &seen), STATUS_CONNECTION_INVALID);
    EXPECT_EQ(dispatch->NdkReject(connector, nullptr, 0), STATUS_CONNECTION_INVALID);
    EXPECT_EQ(dispatch->NdkAccept(connector, qp, 1, 1, nullptr, 0, nullptr, nullptr, Seen::completed, &seen),
              STATUS_INVALID_DEVICE_STATE);
    EXPECT_EQ(dispatch->NdkAcceptEx(connector, qp, 1, 1, nullptr, 0, nullptr, nullptr, Seen::completed, &seen),
              STATUS_INVALID_DEVICE_STATE);
    ntrt::flush_processors();
    EXPECT_EQ(seen.calls, 0);
    close(connector);
    close(qp);
    close(cq);
    close(pd);
  });
}

TEST(R_CONN_22, AnUnusedConnectorClosesWithoutEventOrCqEntry) {
  for (CompletionMode mode : kAllModes) {
    for (CloseStyle style : {CloseStyle::posted, CloseStyle::inside}) {
      simulate([mode, style] {
        Rig rig(policy(mode));
        rig.device.close_style = style;
        NDK_CQ* cq = rig.cq();
        close(Creation(rig).wait());
        cq->Dispatch->NdkArmCq(cq, NDK_CQ_NOTIFY_ANY);
        NDK_RESULT result;
        EXPECT_EQ(cq->Dispatch->NdkGetCqResults(cq, &result, 1), 0u);
        close(cq);
      });
    }
  }
}

TEST(R_CONN_25, ThePolicySaysHowCreatesCompleteAndItsDefaultIsInline) {
  simulate([] {
    Rig rig;
    Creation creation(rig);
    EXPECT_EQ(creation.status, STATUS_SUCCESS);
    close(creation.wait());
  });
  simulate([] {
    Rig rig(policy(CompletionMode::later));
    ntrt::Irql before = ntrt::raise_irql(ntrt::kDispatchLevel, nullptr);
    Creation creation(rig);
    EXPECT_FALSE(creation.seen.ran_in_call);
    ntrt::lower_irql(before);
    EXPECT_EQ(creation.status, STATUS_PENDING);
    close(creation.wait());
  });
}

TEST(R_CONN_25, MixedDrawsAllFourFromItsSeedAndTheSameSeedDrawsTheSame) {
  std::vector<int> first;
  for (int round = 0; round < 2; ++round) {
    std::vector<int> kinds;
    simulate(
        [&kinds] {
          Settings settings = policy(CompletionMode::mixed);
          settings.seed = 7;
          Rig rig(settings);
          for (int i = 0; i < 40; ++i) {
            Creation creation(rig);
            kinds.push_back(creation.status == STATUS_SUCCESS   ? 0
                            : !creation.seen.ran_in_call        ? 3
                            : creation.seen.on_callers_thread() ? 1
                                                                : 2);
            close(creation.wait());
          }
        },
        1);
    for (int kind = 0; kind < 4; ++kind)
      EXPECT_NE(std::count(kinds.begin(), kinds.end(), kind), 0) << "mode " << kind;
    if (round == 0) {
      first = kinds;
    } else {
      EXPECT_EQ(kinds, first);
    }
  }
}

TEST(R_CONN_26, TheAsynchronousStatusIsOneOfTheTable) {
  for (CompletionMode mode : kPendingModes) {
    for (unsigned nth = 2; nth <= 4; ++nth) {
      simulate([mode, nth] {
        Rig rig(policy(mode));
        Shortage shortage(nth);
        Creation creation(rig);
        EXPECT_EQ(creation.status, STATUS_PENDING);
        NDK_CONNECTOR* connector = creation.wait();
        const NTSTATUS status = creation.seen.status;
        EXPECT_TRUE(status == STATUS_SUCCESS || status == STATUS_INSUFFICIENT_RESOURCES) << status;
        EXPECT_EQ(connector != nullptr, status == STATUS_SUCCESS);
        if (connector != nullptr) close(connector);
      });
    }
  }
}

TEST(R_CONN_26, DisabledNdkIsReportedInline) {
  for (CompletionMode mode : kAllModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      rig.miniport.set_enabled(false);
      Creation creation(rig);
      EXPECT_EQ(creation.status, STATUS_DEVICE_NOT_READY);  // C-09
      EXPECT_EQ(creation.seen.calls, 0);
    });
  }
}

}  // namespace
}  // namespace softndk::provider
