// What a consumer must not do with the life of objects (spec/ndkpi.md 3.2), and what becomes of one that does.
#include "provider/requests.h"

namespace softndk::provider {
namespace {

/// Another thread of the consumer's: runs `body` and waits until it has.
template <class Body>
void on_another_thread(Body&& body) {
  struct Other {
    Body& the_body;
    std::atomic<bool> done{false};
  } other{body};
  ntrt::SystemThread thread;
  ASSERT_TRUE(thread.start(
      "another",
      [](void* it) noexcept {
        auto& self = *static_cast<Other*>(it);
        self.the_body();
        self.done = true;
      },
      &other));
  await([&] { return other.done.load(); });
  thread.join();
}

TEST(R_CLS_09, AnObjectThatIsUsedWhileItsClosePendsStaysMemoryAndClosesAllTheSame) {
  for (CompletionMode mode : kAllModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      Seen notified;
      NDK_PD* pd = rig.pd();
      NDK_CQ* cq = rig.cq(Seen::notified, &notified);
      FakeCq& device_cq = rig.device.cqs.last();
      NDK_QP* qp = rig.qp(pd, cq, cq);
      NDK_CONNECTOR* connector = rig.connector();
      FakeConnection& connection = rig.device.connections.last();
      NDK_LISTENER* listener = rig.listener(nullptr, nullptr);
      FakeListener& device_listener = rig.device.listeners.last();
      SOCKADDR_IN source = ipv4("127.0.0.1:0"), destination = ipv4("127.0.0.1:5000");
      const auto connect = [&](Seen& seen) {
        return connector->Dispatch->NdkConnect(connector, qp, reinterpret_cast<SOCKADDR*>(&source), sizeof source,
                                               reinterpret_cast<SOCKADDR*>(&destination), sizeof destination, 1, 1,
                                               nullptr, 0, Seen::completed, &seen);
      };
      Seen connected, closed[5];
      EXPECT_EQ(connect(connected), STATUS_PENDING);
      rig.device.close_style = CloseStyle::held;
      EXPECT_EQ(begin_close(pd, pd->Dispatch->NdkClosePd, closed[0]), STATUS_PENDING);
      EXPECT_EQ(begin_close(cq, cq->Dispatch->NdkCloseCq, closed[1]), STATUS_PENDING);
      EXPECT_EQ(begin_close(qp, qp->Dispatch->NdkCloseQp, closed[2]), STATUS_PENDING);
      EXPECT_EQ(begin_close(connector, connector->Dispatch->NdkCloseConnector, closed[3]), STATUS_PENDING);
      EXPECT_EQ(begin_close(listener, listener->Dispatch->NdkCloseListener, closed[4]), STATUS_PENDING);

      // Posts reach the device, which flushes; a queue is read and told nothing (R-CLS-02).
      EXPECT_EQ(qp->Dispatch->NdkSend(qp, nullptr, nullptr, 0, 0), STATUS_SUCCESS);
      EXPECT_EQ(qp->Dispatch->NdkReceive(qp, nullptr, nullptr, 0), STATUS_SUCCESS);
      qp->Dispatch->NdkFlush(qp);
      cq->Dispatch->NdkArmCq(cq, NDK_CQ_NOTIFY_ANY);
      device_cq.notify();
      NDK_RESULT result;
      EXPECT_EQ(cq->Dispatch->NdkGetCqResults(cq, &result, 1), 0u);
      // No state of a connector or listener has a way out of its close.
      Seen unused;
      EXPECT_EQ(connect(unused), STATUS_INVALID_DEVICE_STATE);
      const auto* connector_table = connector->Dispatch;
      EXPECT_EQ(connector_table->NdkCompleteConnect(connector, nullptr, nullptr, Seen::completed, &unused),
                STATUS_CONNECTION_INVALID);
      EXPECT_EQ(connector_table->NdkAccept(connector, qp, 1, 1, nullptr, 0, nullptr, nullptr, Seen::completed, &unused),
                STATUS_INVALID_DEVICE_STATE);
      EXPECT_EQ(connector_table->NdkReject(connector, nullptr, 0), STATUS_CONNECTION_INVALID);
      EXPECT_EQ(connector_table->NdkDisconnect(connector, Seen::completed, &unused), STATUS_CONNECTION_INVALID);
      Seen listening;
      const NTSTATUS listened = listener->Dispatch->NdkListen(listener, reinterpret_cast<SOCKADDR*>(&destination),
                                                              sizeof destination, Seen::completed, &listening);
      if (listened == STATUS_PENDING) listening.wait();
      EXPECT_EQ(listened == STATUS_PENDING ? listening.status.load() : listened, STATUS_CANCELLED);
      // A domain still makes successors, and waits for them too.
      NDK_MR* mr = rig.mr(pd);

      device_listener.end();
      connection.end();
      closed[4].wait();
      closed[3].wait();
      EXPECT_EQ(connected.status, STATUS_CANCELLED);
      ntrt::flush_processors();
      rig.device.qps.last().end();
      closed[2].wait();
      ntrt::flush_processors();
      device_cq.end();
      closed[1].wait();
      EXPECT_EQ(closed[0].calls, 0);
      close(mr);
      closed[0].wait();
      rig.device.close_style = CloseStyle::posted;
      rig.close_adapter();
      EXPECT_EQ(notified.calls, 0);
      EXPECT_EQ(unused.calls, 0);
      for (const Seen& each : closed)
        EXPECT_EQ(each.calls, 1);
    });
  }
}

TEST(R_CLS_09_DeathTest, WhatNothingHoldsOpenAnyMoreIsReportedWhenItIsUsed) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto deregister_after_close = [] {
    Rig rig;
    ReadyDeregister request(rig);
    FakeRegion& region = rig.device.regions.last();
    region.busy = true;
    NDK_MR* mr = request.mr;
    Seen closed, seen;
    request.begin_close(closed);
    mr->Dispatch->NdkDeregisterMr(mr, Seen::completed, &seen);
  };
  EXPECT_DEATH(simulate(deregister_after_close, 1), "mr .* is used in a call although its close has begun.*R-CLS-09");
}

TEST(R_CLS_12, ACloseOnAnotherThreadDuringARequestCancelsItAndWaitsForTheCall) {
  for_each_request(kAllModes, [](Rig& rig, const RequestKind& kind, CompletionMode) {
    const auto request = kind.ready(rig);
    Seen seen, closed;
    std::atomic<NTSTATUS> close_status{STATUS_UNSUCCESSFUL};
    std::atomic<int> closed_meanwhile{-1};
    rig.device.during_call = [&] {
      on_another_thread([&] { close_status = request->begin_close(closed); });
      ntrt::flush_processors();
      closed_meanwhile = closed.calls.load();
    };
    const NTSTATUS returned = request->call(seen);
    if (returned == STATUS_PENDING) seen.wait();
    EXPECT_EQ(close_status, STATUS_PENDING);
    EXPECT_EQ(closed_meanwhile, 0);
    closed.wait();
    const bool has_effect_all_the_same =
        kind.ready == make_ready<ReadyRegister> || kind.ready == make_ready<ReadyDeregister>;
    EXPECT_EQ(returned == STATUS_PENDING ? seen.status.load() : returned,
              has_effect_all_the_same ? STATUS_SUCCESS : STATUS_CANCELLED);
    EXPECT_EQ(seen.calls, returned == STATUS_PENDING ? 1 : 0);
    EXPECT_EQ(closed.calls, 1);
  });
}

TEST(R_CLS_12, ACloseOfTheParentDuringACreateWaitsForTheCall) {
  for (CompletionMode mode : kAllModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      NDK_PD* pd = rig.pd();
      NDK_CQ* cq = rig.cq();
      Seen pd_closed, cq_closed;
      rig.device.during_call = [&] {
        on_another_thread([&] {
          EXPECT_EQ(begin_close(pd, pd->Dispatch->NdkClosePd, pd_closed), STATUS_PENDING);
          EXPECT_EQ(begin_close(cq, cq->Dispatch->NdkCloseCq, cq_closed), STATUS_PENDING);
        });
        ntrt::flush_processors();
      };
      NDK_QP* qp = rig.qp(pd, cq, cq);
      EXPECT_EQ(pd_closed.calls, 0);
      EXPECT_EQ(cq_closed.calls, 0);
      close(qp);
      pd_closed.wait();
      cq_closed.wait();
    });
  }
}

TEST(R_CLS_14_DeathTest, TheAdaptersCloseInsideACallbackIsReported) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  for (CompletionMode mode : kPendingModes) {
    const auto close_inside = [mode] {
      Rig rig(policy(mode));
      Seen seen;
      seen.inside = [&](Seen&) { rig.close_adapter(); };
      NDK_PD* pd = nullptr;
      rig.ndk()->Dispatch->NdkCreatePd(rig.ndk(), Seen::created, &seen, &pd);
      seen.wait();
    };
    EXPECT_DEATH(simulate(close_inside, 1), "adapter is closed at IRQL 2, perhaps inside a callback.*R-CLS-14");
  }
}

/// Makes one object of a type, closes it twice while its close pends; and what it takes that it pends.
using Twice = void (*)(Rig& rig);
template <class Ndk>
void close_twice(Ndk* object, NDK_FN_CLOSE_OBJECT close_function) {
  Seen closed;
  begin_close(object, close_function, closed);
  begin_close(object, close_function, closed);
}
constexpr std::pair<const char*, Twice> kTwice[] = {
    {"pd",
     [](Rig& rig) {
       NDK_PD* pd = rig.pd();
       rig.mr(pd);
       close_twice(pd, pd->Dispatch->NdkClosePd);
     }},
    {"cq",
     [](Rig& rig) {
       NDK_CQ* cq = rig.cq();
       close_twice(cq, cq->Dispatch->NdkCloseCq);
     }},
    {"mr",
     [](Rig& rig) {
       ReadyDeregister request(rig);
       rig.device.regions.last().busy = true;
       close_twice(request.mr, request.mr->Dispatch->NdkCloseMr);
     }},
    {"qp",
     [](Rig& rig) {
       NDK_PD* pd = rig.pd();
       NDK_CQ* cq = rig.cq();
       NDK_QP* qp = rig.qp(pd, cq, cq);
       close_twice(qp, qp->Dispatch->NdkCloseQp);
     }},
    {"connector",
     [](Rig& rig) {
       NDK_CONNECTOR* connector = rig.connector();
       close_twice(connector, connector->Dispatch->NdkCloseConnector);
     }},
    {"listener",
     [](Rig& rig) {
       NDK_LISTENER* listener = rig.listener(nullptr, nullptr);
       close_twice(listener, listener->Dispatch->NdkCloseListener);
     }},
};

TEST(R_CLS_26_DeathTest, ASecondCloseOfAnyObjectIsReportedAndStopsTheProcess) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  for (const auto& [name, twice] : kTwice) {
    const auto body = [twice = twice] {
      Rig rig;
      rig.device.close_style = CloseStyle::held;
      twice(rig);
    };
    EXPECT_DEATH(simulate(body, 1), std::string(name) + " 0x[0-9a-f]+ is closed a second time(.|\n)*R-CLS-26");
  }
}

}  // namespace
}  // namespace softndk::provider
