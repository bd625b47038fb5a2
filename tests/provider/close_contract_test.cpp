// The contract of close (spec/ndkpi.md 3.2): antecedents, callbacks, the adapter.
#include "provider/consumer.h"

namespace softndk::provider {
namespace {

/// A queue pair and all it stands on.
struct Stack {
  explicit Stack(Rig& rig) : pd(rig.pd()), cq(rig.cq()), qp(rig.qp(pd, cq, cq)) {}
  NDK_PD* pd;
  NDK_CQ* cq;
  NDK_QP* qp;
};

NTSTATUS connect(NDK_CONNECTOR* connector, NDK_QP* qp, Seen& seen) {
  SOCKADDR_IN source = ipv4("127.0.0.1:0"), destination = ipv4("127.0.0.1:5000");
  return connector->Dispatch->NdkConnect(connector, qp, reinterpret_cast<SOCKADDR*>(&source), sizeof source,
                                         reinterpret_cast<SOCKADDR*>(&destination), sizeof destination, 1, 1, nullptr,
                                         0, Seen::completed, &seen);
}

void give_others_time() {
  for (unsigned spins = 0; spins < 100; ++spins)
    ntrt::kernel().executor().relax(spins);
}

TEST(R_CLS_01, CloseSucceedsInlineOrPendsWithOneCompletion) {
  for (CompletionMode mode : kAllModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      NDK_PD* pd = rig.pd();
      Seen seen;
      const NTSTATUS status = begin_close(pd, pd->Dispatch->NdkClosePd, seen);
      if (mode == CompletionMode::inlined) {
        EXPECT_EQ(status, STATUS_SUCCESS);
      } else if (mode != CompletionMode::mixed) {
        EXPECT_EQ(status, STATUS_PENDING);
      }
      if (status == STATUS_PENDING) seen.wait();
      rig.close_adapter();
      ntrt::flush_processors();
      EXPECT_EQ(seen.calls, status == STATUS_PENDING ? 1 : 0);
    });
  }
}

TEST(R_CLS_02, NothingIsCalledBackAfterTheCloseCompletion) {
  for (CompletionMode mode : kAllModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      Seen notified;
      NDK_CQ* cq = rig.cq(Seen::notified, &notified);
      FakeCq& device_cq = rig.device.cqs.last();
      rig.device.close_style = CloseStyle::held;
      cq->Dispatch->NdkArmCq(cq, NDK_CQ_NOTIFY_ANY);
      Seen closed;
      EXPECT_EQ(begin_close(cq, cq->Dispatch->NdkCloseCq, closed), STATUS_PENDING);
      device_cq.notify();  // the device was already on its way
      EXPECT_EQ(notified.calls, 0);
      device_cq.end();
      closed.wait();
      EXPECT_EQ(notified.calls, 0);
    });
  }
}

TEST(R_CLS_03, CloseWaitsForPendingRequestsAndTheirCallbacks) {
  for (CompletionMode mode : kAllModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      Stack stack(rig);
      NDK_CONNECTOR* connector = rig.connector();
      Seen connected, closed;
      std::atomic<bool> too_early{false};
      connected.inside = [&](Seen&) {
        give_others_time();
        too_early = closed.calls != 0;
      };
      EXPECT_EQ(connect(connector, stack.qp, connected), STATUS_PENDING);
      EXPECT_EQ(begin_close(connector, connector->Dispatch->NdkCloseConnector, closed), STATUS_PENDING);
      closed.wait();
      EXPECT_TRUE(connected.returned);
      EXPECT_EQ(connected.status, STATUS_CANCELLED);  // R-CNCT-18
      EXPECT_FALSE(too_early);
      close(stack.qp);
      close(stack.cq);
      close(stack.pd);
    });
  }
}

TEST(R_CLS_03, CloseInsideTheRequestsOwnCompletionWaitsForItsReturn) {
  for (CompletionMode mode : kPendingModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      Stack stack(rig);
      NDK_CONNECTOR* connector = rig.connector();
      rig.device.connections.last().connect_answer = rdma::CmStatus::refused;
      Seen connected, closed;
      std::atomic<bool> too_early{false};
      connected.inside = [&](Seen&) {
        EXPECT_EQ(begin_close(connector, connector->Dispatch->NdkCloseConnector, closed), STATUS_PENDING);
        give_others_time();
        too_early = closed.calls != 0;
      };
      EXPECT_EQ(connect(connector, stack.qp, connected), STATUS_PENDING);  // R-CLS-10: it may not have returned yet
      closed.wait();
      EXPECT_FALSE(too_early);
      close(stack.qp);
      close(stack.cq);
      close(stack.pd);
    });
  }
}

TEST(R_CLS_04, CloseWaitsForARunningEventCallback) {
  for (CompletionMode mode : kAllModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      rig.device.close_style = CloseStyle::inside;
      Seen notified, closed;
      std::atomic<bool> too_early{false}, running{false};
      NDK_CQ* cq = rig.cq(Seen::notified, &notified);
      notified.inside = [&](Seen&) {
        running = true;
        give_others_time();
        too_early = closed.calls != 0;
      };
      FakeCq& device_cq = rig.device.cqs.last();
      auto notify = [&] { device_cq.notify(); };
      ntrt::SystemThread device_thread;
      ASSERT_TRUE(device_thread.start(
          "device", [](void* it) noexcept { (*static_cast<decltype(notify)*>(it))(); }, &notify));
      await([&] { return running.load(); });
      const NTSTATUS status = begin_close(cq, cq->Dispatch->NdkCloseCq, closed);
      if (status == STATUS_PENDING) closed.wait();
      EXPECT_TRUE(notified.returned || status == STATUS_SUCCESS);
      EXPECT_FALSE(too_early);
      device_thread.join();
    });
  }
}

TEST(R_CLS_05, CloseOfAQueuePairStartsItsFlushAlthoughItsConnectorLives) {
  simulate([] {
    Rig rig;
    Stack stack(rig);
    NDK_CONNECTOR* connector = rig.connector();
    FakeConnection& connection = rig.device.connections.last();
    Seen connected, qp_closed;
    EXPECT_EQ(connect(connector, stack.qp, connected), STATUS_PENDING);
    connection.connect_done(rdma::CmStatus::success);
    EXPECT_EQ(begin_close(stack.qp, stack.qp->Dispatch->NdkCloseQp, qp_closed), STATUS_PENDING);
    EXPECT_EQ(rig.device.qps.last().flushes, 1);
    ntrt::flush_processors();
    EXPECT_EQ(qp_closed.calls, 0);
    EXPECT_FALSE(rig.device.qps.last().last_event.closed) << "a connection is bound to it";
    close(connector);
    qp_closed.wait();
    close(stack.cq);
    close(stack.pd);
  });
}

TEST(R_CLS_06, AntecedentClosePendsUntilLastSuccessorCloses) {
  for (CompletionMode mode : kAllModes) {
    for (CloseStyle style : {CloseStyle::posted, CloseStyle::inside}) {
      simulate([mode, style] {
        Rig rig(policy(mode));
        rig.device.close_style = style;
        Stack stack(rig);
        NDK_QP* second = rig.qp(stack.pd, stack.cq, stack.cq);
        NDK_MR* mr = rig.mr(stack.pd);
        Seen pd_closed, cq_closed;
        EXPECT_EQ(begin_close(stack.pd, stack.pd->Dispatch->NdkClosePd, pd_closed), STATUS_PENDING);
        EXPECT_EQ(begin_close(stack.cq, stack.cq->Dispatch->NdkCloseCq, cq_closed), STATUS_PENDING);
        close(stack.qp);
        ntrt::flush_processors();
        EXPECT_EQ(cq_closed.calls, 0);
        close(second);
        cq_closed.wait();
        EXPECT_EQ(pd_closed.calls, 0);
        close(mr);
        pd_closed.wait();
        EXPECT_EQ(cq_closed.calls, 1);
        EXPECT_EQ(pd_closed.calls, 1);
      });
    }
  }
}

TEST(R_CLS_07, AntecedentCloseWaitsForTheReturnOfItsSuccessorsCloseCompletion) {
  for (CompletionMode mode : kPendingModes) {
    simulate(
        [mode] {
          Rig rig(policy(mode));
          NDK_PD* pd = rig.pd();
          NDK_MR* mr = rig.mr(pd);
          Seen pd_closed, mr_closed;
          std::atomic<bool> too_early{false};
          mr_closed.inside = [&](Seen&) {
            give_others_time();
            too_early = pd_closed.calls != 0;
          };
          EXPECT_EQ(begin_close(pd, pd->Dispatch->NdkClosePd, pd_closed), STATUS_PENDING);
          EXPECT_EQ(begin_close(mr, mr->Dispatch->NdkCloseMr, mr_closed), STATUS_PENDING);
          pd_closed.wait();
          EXPECT_TRUE(mr_closed.returned);
          EXPECT_FALSE(too_early);
        },
        30);
  }
}

TEST(R_CLS_07, PermutedClosesStillComeAfterWhatIsBeforeThem) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    simulate(
        [seed] {
          Settings settings = policy(seed % 2 == 0 ? CompletionMode::later : CompletionMode::mixed);
          settings.seed = seed;
          settings.order_seed = seed;
          settings.latency_ns = seed % 3 == 0 ? 50'000 : 0;
          Rig rig(settings);
          Stack stack(rig);
          NDK_MR* mr = rig.mr(stack.pd);
          NDK_CONNECTOR* connector = rig.connector();
          Seen connected, connector_closed, qp_closed, cq_closed, mr_closed, pd_closed;
          const auto after = [](Seen& later, std::vector<Seen*> before) {
            later.inside = [before = std::move(before)](Seen&) {
              for (Seen* each : before)
                EXPECT_TRUE(each->returned);
            };
          };
          after(connector_closed, {&connected});
          after(qp_closed, {&connector_closed});
          after(cq_closed, {&qp_closed});
          after(pd_closed, {&qp_closed, &mr_closed});
          EXPECT_EQ(connect(connector, stack.qp, connected), STATUS_PENDING);
          EXPECT_EQ(begin_close(stack.pd, stack.pd->Dispatch->NdkClosePd, pd_closed), STATUS_PENDING);
          EXPECT_EQ(begin_close(stack.cq, stack.cq->Dispatch->NdkCloseCq, cq_closed), STATUS_PENDING);
          EXPECT_EQ(begin_close(stack.qp, stack.qp->Dispatch->NdkCloseQp, qp_closed), STATUS_PENDING);
          const bool mr_inline = begin_close(mr, mr->Dispatch->NdkCloseMr, mr_closed) == STATUS_SUCCESS;
          if (mr_inline) mr_closed.returned = true;
          EXPECT_EQ(begin_close(connector, connector->Dispatch->NdkCloseConnector, connector_closed), STATUS_PENDING);
          rig.close_adapter();
          for (Seen* each : {&connected, &connector_closed, &qp_closed, &cq_closed, &pd_closed})
            EXPECT_EQ(each->calls, 1);
          EXPECT_EQ(mr_closed.calls, mr_inline ? 0 : 1);
        },
        2);
  }
}

TEST(R_CLS_08, AClosedListenerRefusesAtOnceAlthoughItsConnectorsLive) {
  simulate([] {
    Rig rig;
    Seen event, closed, listening;
    NDK_LISTENER* listener = rig.listener(Seen::connect_event, &event);
    FakeListener& device_listener = rig.device.listeners.last();
    SOCKADDR_IN address = ipv4("127.0.0.1:5000");
    EXPECT_EQ(listener->Dispatch->NdkListen(listener, reinterpret_cast<SOCKADDR*>(&address), sizeof address,
                                            Seen::completed, &listening),
              STATUS_PENDING);
    listening.wait();
    EXPECT_NE(device_listener.request(), nullptr);
    rig.device.close_style = CloseStyle::held;
    EXPECT_EQ(begin_close(listener, listener->Dispatch->NdkCloseListener, closed), STATUS_PENDING);
    EXPECT_TRUE(device_listener.last_event.closed);
    EXPECT_EQ(device_listener.request(), nullptr);
    EXPECT_EQ(event.calls, 1);
    rig.device.close_style = CloseStyle::posted;
    device_listener.end();
    ntrt::flush_processors();
    EXPECT_EQ(closed.calls, 0) << "its connector lives (R-EP-05)";
    close(reinterpret_cast<NDK_CONNECTOR*>(event.object.load()));
    closed.wait();
  });
}

TEST(R_CLS_13, AdapterCloseReturnsWhenEveryCallbackOfEveryDescendantHasReturned) {
  for (CompletionMode mode : kPendingModes) {
    simulate(
        [mode] {
          Rig rig(policy(mode));
          Stack stack(rig);
          Seen closed[3];
          for (Seen& seen : closed)
            seen.inside = [](Seen&) { give_others_time(); };
          begin_close(stack.pd, stack.pd->Dispatch->NdkClosePd, closed[0]);
          begin_close(stack.cq, stack.cq->Dispatch->NdkCloseCq, closed[1]);
          begin_close(stack.qp, stack.qp->Dispatch->NdkCloseQp, closed[2]);
          rig.close_adapter();
          for (Seen& seen : closed)
            EXPECT_TRUE(seen.returned) << to_string(mode);
        },
        30);
  }
}

TEST(R_CLS_15, AdapterCloseWaitsForARunningCloseCompletion) {
  for (CompletionMode mode : {CompletionMode::early, CompletionMode::later}) {
    simulate(
        [mode] {
          Rig rig(policy(mode));
          NDK_CONNECTOR* connector = rig.connector();
          Seen closed;
          std::atomic<bool> adapter_closed{false}, too_early{false};
          closed.inside = [&](Seen&) {
            give_others_time();
            too_early = adapter_closed.load();
          };
          begin_close(connector, connector->Dispatch->NdkCloseConnector, closed);
          rig.close_adapter();
          adapter_closed = true;
          EXPECT_TRUE(closed.returned);
          EXPECT_FALSE(too_early);
        },
        30);
  }
}

TEST(R_CLS_16, CloseCompletionMayRunBeforeCloseReturns) {
  for (CompletionMode mode : {CompletionMode::nested, CompletionMode::early}) {
    simulate([mode] {
      Settings settings;
      settings.close = mode;
      Rig rig(settings);
      NDK_PD* pd = rig.pd();
      Seen closed;
      EXPECT_EQ(begin_close(pd, pd->Dispatch->NdkClosePd, closed), STATUS_PENDING);
      EXPECT_TRUE(closed.ran_in_call);
      EXPECT_TRUE(closed.returned);
      EXPECT_EQ(closed.on_callers_thread(), mode == CompletionMode::nested);
    });
  }
}

TEST(R_CLS_17, ClosesFollowTheirOwnPolicyAndItsDefaultIsInline) {
  simulate([] {
    Rig rig;  // default
    EXPECT_EQ(close(rig.pd()), STATUS_SUCCESS);
  });
  simulate([] {
    Settings settings;
    settings.close = CompletionMode::later;  // creates stay inline
    Rig rig(settings);
    NDK_PD* pd = rig.pd();
    Seen closed;
    const ntrt::Irql before = ntrt::raise_irql(ntrt::kDispatchLevel, nullptr);
    EXPECT_EQ(begin_close(pd, pd->Dispatch->NdkClosePd, closed), STATUS_PENDING);
    EXPECT_FALSE(closed.ran_in_call);
    ntrt::lower_irql(before);
    closed.wait();
    EXPECT_EQ(closed.irql, ntrt::kDispatchLevel);
  });
}

TEST(R_CLS_21, AQueuePairsCloseCompletesOnlyWhenTheDeviceHasFlushed) {
  for (CompletionMode mode : kAllModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      Stack stack(rig);
      FakeQp& device_qp = rig.device.qps.last();
      rig.device.close_style = CloseStyle::held;
      Seen closed;
      EXPECT_EQ(begin_close(stack.qp, stack.qp->Dispatch->NdkCloseQp, closed), STATUS_PENDING);
      ntrt::flush_processors();
      EXPECT_EQ(closed.calls, 0);
      rig.device.cqs.last().place({.request_context = nullptr,
                                   .qp_context = nullptr,
                                   .bytes = 0,
                                   .status = rdma::WorkStatus::cancelled,
                                   .operation = rdma::Operation::receive,
                                   .solicited = false,
                                   .invalidated_token = 0,
                                   .device_code = 0});
      device_qp.end();
      closed.wait();
      NDK_RESULT result{};
      EXPECT_EQ(stack.cq->Dispatch->NdkGetCqResults(stack.cq, &result, 1), 1u);  // R-CQ-25
      EXPECT_EQ(result.Status, STATUS_CANCELLED);
      rig.device.close_style = CloseStyle::posted;
      close(stack.cq);
      close(stack.pd);
    });
  }
}

TEST(R_CLS_23, ClosingARegisteredRegionDeregistersItAndWaitsForTheLastAccess) {
  for (CompletionMode mode : kAllModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      NDK_PD* pd = rig.pd();
      NDK_MR* mr = rig.mr(pd);
      FakeRegion& region = rig.device.regions.last();
      std::uint8_t memory[64];
      MDL* mdl = IoAllocateMdl(memory, sizeof memory, FALSE, FALSE, nullptr);
      MmProbeAndLockPages(mdl, KernelMode, IoModifyAccess);
      Seen registered, closed;
      if (mr->Dispatch->NdkRegisterMr(mr, mdl, sizeof memory, 0, Seen::completed, &registered) == STATUS_PENDING) {
        registered.wait();
      }
      EXPECT_TRUE(region.enabled);
      region.busy = true;
      EXPECT_EQ(begin_close(mr, mr->Dispatch->NdkCloseMr, closed), STATUS_PENDING);
      await([&] { return !region.enabled; });  // at once, or when the register's completion has returned
      ntrt::flush_processors();
      EXPECT_EQ(closed.calls, 0);
      region.end_access();
      closed.wait();
      MmUnlockPages(mdl);
      IoFreeMdl(mdl);
      close(pd);
    });
  }
}

TEST(R_OBJ_12, InstancesOfOneMiniportAdapterDoNotDisturbEachOther) {
  simulate([] {
    Rig rig;
    Adapter* second = *Adapter::open(rig.miniport, {1, 2});
    Seen seen;
    NDK_PD* pd = nullptr;
    EXPECT_EQ(second->Dispatch->NdkCreatePd(second, Seen::created, &seen, &pd), STATUS_SUCCESS);
    NDK_PD* first_pd = rig.pd();
    EXPECT_EQ(pd->Header.Version.Major, 1);
    EXPECT_EQ(first_pd->Header.Version.Major, 2);
    close(pd);
    second->close_and_wait();
    close(rig.mr(first_pd));  // the first is as before
    close(first_pd);
  });
}

TEST(References, AreCountedByReason) {
  const auto count = [] {
    Rig rig;
    Stack stack(rig);
    Object& pd = static_cast<Object&>(*static_cast<Adapter*>(rig.adapter));
    EXPECT_EQ(pd.references(RefReason::consumer), 1u);
    EXPECT_EQ(pd.references(RefReason::successor), 2u);  // the domain and the completion queue; the pair holds those
    EXPECT_EQ(pd.references(RefReason::request), 0u);
    EXPECT_EQ(pd.references(RefReason::callback), 0u);
    close(stack.qp);
    close(stack.cq);
    close(stack.pd);
    EXPECT_EQ(pd.references(RefReason::successor), 0u);
  };
  simulate(count, 10, undivided());  // the last reference goes a moment after the close callback has returned
}

}  // namespace
}  // namespace softndk::provider
