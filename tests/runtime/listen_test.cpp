// Listeners and who holds an address (spec/ndkpi.md 3.8).
#include "stage.h"

namespace softndk::stack {
namespace {

const char* const kHosts[] = {"127.0.0.1", "::1"};

TEST(R_LSN_01, NothingIsHeardBeforeListen) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    Door silent(*stage.adapter);
    Sockaddr address;
    address.bytes = sizeof(address.value);
    EXPECT_EQ(silent.listener.table()->NdkGetLocalAddress(silent.listener.get(), address.room(), &address.bytes),
              STATUS_INVALID_DEVICE_STATE);
    EXPECT_EQ(silent.events.load(), 0);
  });
}

TEST(R_LSN_02, AddressesThatCannotBeListenedAt) {
  everywhere([](Stage& stage) {
    for (const char* host : kHosts) {
      Pair pair(stage, host);
      Door second(*stage.adapter);
      EXPECT_EQ(second.listen(pair.at), STATUS_SHARING_VIOLATION);
      EXPECT_EQ(second.listen(Sockaddr("192.0.2.1")), STATUS_INVALID_ADDRESS);
      Sockaddr shorter = pair.at;
      shorter.bytes = 8;
      EXPECT_EQ(second.listen(shorter), STATUS_INVALID_ADDRESS);
      EXPECT_EQ(second.listen(Sockaddr(host)), STATUS_SUCCESS) << "after a failed one it may be retried (R-LSN-03)";
      EXPECT_EQ(second.listen(Sockaddr(host)), STATUS_INVALID_DEVICE_STATE);
      EXPECT_NE(second.address().port(), pair.at.port());
    }
  });
}

TEST(R_LSN_04, AWildcardHoldsThePortOfEveryAddress) {
  everywhere([](Stage& stage) {
    Door door(*stage.adapter);
    ASSERT_EQ(door.listen(Sockaddr("0.0.0.0")), STATUS_SUCCESS);
    const Sockaddr at = door.address();
    EXPECT_EQ(at.value.Ipv4.sin_addr.S_un.S_addr, 0u);
    EXPECT_NE(at.port(), 0);
    Door second(*stage.adapter);
    EXPECT_EQ(second.listen(Sockaddr("127.0.0.1", at.port())), STATUS_SHARING_VIOLATION);
    Side side(*stage.adapter);
    Request connecting;
    const NTSTATUS returned = side.begin_connect(connecting, Sockaddr("127.0.0.1"), Sockaddr("127.0.0.1", at.port()));
    ASSERT_EQ(returned, STATUS_PENDING);
    Object<NDK_CONNECTOR> incoming = door.next();
    incoming.close();
    EXPECT_EQ(connecting.finish(returned), STATUS_CONNECTION_REFUSED);
  });
}

TEST(R_LSN_08, APausedListenerRefusesAndAResumedOneHears) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    pair.door.pause(true);
    EXPECT_EQ(pair.active.connect(pair.from, pair.at), STATUS_CONNECTION_REFUSED);
    EXPECT_EQ(pair.door.events.load(), 0);
    Door second(*stage.adapter);
    EXPECT_EQ(second.listen(pair.at), STATUS_SHARING_VIOLATION) << "the port stays taken (R-LSN-10)";
    pair.door.pause(false);
    EXPECT_TRUE(pair.establish()) << "R-LSN-09";
    pair.door.pause(true);
    Region here(pair.active.pd.get(), 64);
    Region there(pair.passive.pd.get(), 64);
    ASSERT_EQ(pair.passive.receive(there.all()), STATUS_SUCCESS);
    ASSERT_EQ(pair.active.send(here.all()), STATUS_SUCCESS);
    EXPECT_EQ(pair.passive.next_status(), STATUS_SUCCESS) << "what was handed over lives on";
  });
}

TEST(R_LSN_11, PausingBeforeListeningIsRemembered) {
  everywhere([](Stage& stage) {
    Door door(*stage.adapter);
    door.pause(true);
    ASSERT_EQ(door.listen(Sockaddr("127.0.0.1")), STATUS_SUCCESS);
    Side side(*stage.adapter);
    EXPECT_EQ(side.connect(Sockaddr("127.0.0.1"), door.address()), STATUS_CONNECTION_REFUSED);
    EXPECT_EQ(door.events.load(), 0);
  });
}

TEST(R_LSN_13, AClosingListenerRefusesAtOnce) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    ASSERT_TRUE(pair.establish());
    Request closing;
    const NTSTATUS returned = pair.door.listener.begin_close(closing);
    EXPECT_EQ(returned, STATUS_PENDING) << "R-EP-05: its connector lives";
    Side second(*stage.adapter);
    EXPECT_EQ(second.connect(pair.from, pair.at), STATUS_CONNECTION_REFUSED);
    Region here(pair.active.pd.get(), 64);
    Region there(pair.passive.pd.get(), 64);
    ASSERT_EQ(pair.passive.receive(there.all()), STATUS_SUCCESS);
    ASSERT_EQ(pair.active.send(here.all()), STATUS_SUCCESS);
    EXPECT_EQ(pair.passive.next_status(), STATUS_SUCCESS) << "R-CLS-08";
    Door third(*stage.adapter);
    EXPECT_EQ(third.listen(pair.at), STATUS_SHARING_VIOLATION) << "R-EP-02";
    EXPECT_FALSE(closing.is_done());
    pair.passive.close();
    EXPECT_EQ(closing.finish(returned), STATUS_SUCCESS);
    EXPECT_EQ(third.listen(pair.at), STATUS_SUCCESS) << "R-EP-01";
  });
}

TEST(R_EP_01, AnAddressIsFreeWhenItsListenersCloseHasCompleted) {
  everywhere([](Stage& stage) {
    Sockaddr at("127.0.0.1");
    for (int i = 0; i < 12; ++i) {
      Door door(*stage.adapter);
      ASSERT_EQ(door.listen(at), STATUS_SUCCESS) << i;
      at = door.address();
    }
  });
}

TEST(R_EP_03, AConnectorHoldsItsAddressUntilItIsClosed) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    ASSERT_TRUE(pair.establish());
    const Sockaddr local = pair.active.local_address();
    Request leaving;
    const NTSTATUS returned = pair.active.begin_disconnect(leaving);
    EXPECT_EQ(pair.passive.disconnect(), STATUS_SUCCESS);
    EXPECT_EQ(leaving.finish(returned), STATUS_SUCCESS);
    Door door(*stage.adapter);
    EXPECT_EQ(door.listen(local), STATUS_SHARING_VIOLATION) << "not at disconnect";
    pair.active.connector.close();
    EXPECT_EQ(door.listen(local), STATUS_SUCCESS) << "TCP's TIME_WAIT is no obstacle";
  });
}

TEST(R_EP_06, AFailedConnectGivesItsAddressBack) {
  everywhere([](Stage& stage) {
    Side side(*stage.adapter);
    Sockaddr from("127.0.0.1");
    {
      Door probe(*stage.adapter);  // a port that is free
      ASSERT_EQ(probe.listen(from), STATUS_SUCCESS);
      from = probe.address();
    }
    for (int i = 0; i < 3; ++i)
      EXPECT_EQ(side.connect(from, Sockaddr("127.0.0.1", 1)), STATUS_CONNECTION_REFUSED) << i;
    Door door(*stage.adapter);
    EXPECT_EQ(door.listen(from), STATUS_SUCCESS);
  });
}

TEST(R_EP_07, InstancesOfOneAdapterShareItsAddresses) {
  everywhere([](Stage& stage) {
    OpenAdapter second(stage.loopback_index());
    ASSERT_EQ(second.status, STATUS_SUCCESS);
    Pair pair(stage);
    {
      Door door(second);
      EXPECT_EQ(door.listen(pair.at), STATUS_SHARING_VIOLATION);
    }
    // R-OBJ-13: the queue pair of one under the connector of the other.
    Side side(second);
    side.connector = stage.adapter->connector();
    Request connecting;
    const NTSTATUS returned = side.begin_connect(connecting, pair.from, pair.at);
    ASSERT_EQ(returned, STATUS_PENDING);
    pair.passive.connector = pair.door.next();
    EXPECT_EQ(pair.passive.reject(), STATUS_SUCCESS);
    EXPECT_EQ(connecting.finish(returned), STATUS_CONNECTION_REFUSED);
    side.close();
  });
}

TEST(R_EP_08, ARaisedConnectorHoldsItsAddressThoughItIsRejected) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    Request connecting;
    const NTSTATUS returned = pair.active.begin_connect(connecting, pair.from, pair.at);
    pair.passive.connector = pair.door.next();
    EXPECT_EQ(pair.passive.reject(), STATUS_SUCCESS);
    EXPECT_EQ(connecting.finish(returned), STATUS_CONNECTION_REFUSED);
    Request closing;
    const NTSTATUS closing_returned = pair.door.listener.begin_close(closing);
    EXPECT_EQ(closing_returned, STATUS_PENDING);
    Door door(*stage.adapter);
    EXPECT_EQ(door.listen(pair.at), STATUS_SHARING_VIOLATION);
    pair.passive.connector.close();
    EXPECT_EQ(closing.finish(closing_returned), STATUS_SUCCESS);
    EXPECT_EQ(door.listen(pair.at), STATUS_SUCCESS);
  });
}

/// A connect that somebody has to answer.
struct Caller {
  explicit Caller(Stage& stage) : side(*stage.adapter) {}
  void call(const Sockaddr& at) {
    returned = side.begin_connect(connecting, Sockaddr("127.0.0.1"), at);
    EXPECT_EQ(returned, STATUS_PENDING);
  }
  NTSTATUS end() { return connecting.finish(returned); }
  Request connecting;
  NTSTATUS returned = STATUS_PENDING;
  Side side;
};

TEST(R_LSN_07, TheBacklogBoundsThoseWhoWaitForAccept) {
  runtime::SettingValues defaults;
  EXPECT_STREQ(defaults.get("backlog"), "1024");
  everywhere(
      [](Stage& stage) {
        Door door(*stage.adapter);
        ASSERT_EQ(door.listen(Sockaddr("127.0.0.1")), STATUS_SUCCESS);
        Caller one(stage), two(stage), three(stage), four(stage);
        one.call(door.address());
        Object<NDK_CONNECTOR> first = door.next();
        two.call(door.address());
        Side answering(*stage.adapter);
        answering.connector = door.next();
        three.call(door.address());
        EXPECT_EQ(three.end(), STATUS_CONNECTION_REFUSED);
        EXPECT_EQ(door.events.load(), 2);
        // An answer of either kind makes room.
        first.close();
        EXPECT_EQ(one.end(), STATUS_CONNECTION_REFUSED);
        four.call(door.address());
        first = door.next();
        Request accepting;
        const NTSTATUS accept_returned = answering.begin_accept(accepting);
        EXPECT_EQ(two.end(), STATUS_SUCCESS);
        EXPECT_EQ(two.side.complete(), STATUS_SUCCESS);
        EXPECT_EQ(accepting.finish(accept_returned), STATUS_SUCCESS);
        Caller five(stage);
        five.call(door.address());
        Object<NDK_CONNECTOR> last = door.next();
        first.close();
        last.close();
        EXPECT_EQ(four.end(), STATUS_CONNECTION_REFUSED);
        EXPECT_EQ(five.end(), STATUS_CONNECTION_REFUSED);
        answering.close();
      },
      {{"backlog", "2"}});
}

// All those whose TCP connections were accepted before the first request was complete found room, and were raised.
TEST(R_LSN_07, ThoseWhoComeAtOnceAreBoundedToo) {
  everywhere(
      [](Stage& stage) {
        Door door(*stage.adapter);
        ASSERT_EQ(door.listen(Sockaddr("127.0.0.1")), STATUS_SUCCESS);
        std::vector<std::unique_ptr<Caller>> callers;
        for (int i = 0; i < 8; ++i) {
          callers.push_back(std::make_unique<Caller>(stage));
          callers.back()->call(door.address());
        }
        Object<NDK_CONNECTOR> raised[2] = {door.next(), door.next()};
        const auto is_raised = [&](Side& side) {
          Sockaddr local;
          local.bytes = sizeof(local.value);
          if (side.connector.table()->NdkGetLocalAddress(side.connector.get(), local.room(), &local.bytes) !=
              STATUS_SUCCESS)
            return false;
          for (auto& connector : raised) {
            Sockaddr peer;
            peer.bytes = sizeof(peer.value);
            EXPECT_EQ(connector.table()->NdkGetPeerAddress(connector.get(), peer.room(), &peer.bytes), STATUS_SUCCESS);
            if (peer.port() == local.port()) return true;
          }
          return false;
        };
        std::erase_if(callers, [&](const auto& caller) {
          if (is_raised(caller->side)) return false;
          EXPECT_EQ(caller->end(), STATUS_CONNECTION_REFUSED);
          return true;
        });
        EXPECT_EQ(callers.size(), 2u);
        EXPECT_EQ(door.events.load(), 2);
        for (auto& connector : raised)
          connector.close();
        for (auto& caller : callers)
          EXPECT_EQ(caller->end(), STATUS_CONNECTION_REFUSED);
      },
      {{"backlog", "2"}}, 30);
}

TEST(R_LSN_09, WhatWasRefusedMeanwhileIsNotReplayed) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    pair.door.pause(true);
    for (int i = 0; i < 3; ++i)
      EXPECT_EQ(pair.active.connect(pair.from, pair.at), STATUS_CONNECTION_REFUSED);
    pair.door.pause(false);
    ASSERT_TRUE(pair.establish());
    EXPECT_EQ(pair.door.events.load(), 1);
  });
}

TEST(R_LSN_10, PausedInsideItsEventItsConnectorIsAcceptedAllTheSame) {
  struct OneAtATime {
    static VOID raised(PVOID context, NDK_CONNECTOR* connector) {
      auto* self = static_cast<OneAtATime*>(context);
      self->listener->Dispatch->NdkControlConnectEvents(self->listener, TRUE);
      self->connector = connector;
      self->arrived.set();
    }
    NDK_LISTENER* listener = nullptr;
    std::atomic<NDK_CONNECTOR*> connector{nullptr};
    Event arrived;
  };
  everywhere([](Stage& stage) {
    OneAtATime gate;
    Object<NDK_LISTENER> listener = stage.adapter->listener(&OneAtATime::raised, &gate);
    gate.listener = listener.get();
    const Sockaddr any("127.0.0.1");
    ASSERT_EQ(
        ask([&](auto... rest) { return listener.table()->NdkListen(listener.get(), any.get(), any.bytes, rest...); }),
        STATUS_SUCCESS);
    const Sockaddr at = local_address_of(listener);
    for (int round = 0; round < 2; ++round) {
      Caller caller(stage);
      Side answering(*stage.adapter);
      gate.arrived.clear();
      caller.call(at);
      ASSERT_TRUE(gate.arrived.wait());
      answering.connector = Object<NDK_CONNECTOR>(gate.connector.load());
      EXPECT_EQ(Side(*stage.adapter).connect(any, at), STATUS_CONNECTION_REFUSED);
      EXPECT_EQ(Door(*stage.adapter).listen(at), STATUS_SHARING_VIOLATION) << "the port stays taken";
      Request accepting;
      const NTSTATUS returned = answering.begin_accept(accepting);
      EXPECT_EQ(caller.end(), STATUS_SUCCESS);
      EXPECT_EQ(caller.side.complete(), STATUS_SUCCESS);
      EXPECT_EQ(accepting.finish(returned), STATUS_SUCCESS);
      Region here(caller.side.pd.get(), 64);
      Region there(answering.pd.get(), 64);
      ASSERT_EQ(answering.receive(there.all()), STATUS_SUCCESS);
      ASSERT_EQ(caller.side.send(here.all()), STATUS_SUCCESS);
      EXPECT_EQ(answering.next_status(), STATUS_SUCCESS);
      listener.table()->NdkControlConnectEvents(listener.get(), FALSE);  // and no NdkListen
    }
  });
}

TEST(R_LSN_12, PausedOrNotAListenerCloses) {
  everywhere([](Stage& stage) {
    for (const bool paused : {true, false}) {
      Pair pair(stage);
      ASSERT_TRUE(pair.establish());
      Caller unanswered(stage);
      unanswered.call(pair.at);
      Object<NDK_CONNECTOR> waiting = pair.door.next();
      if (paused) pair.door.pause(true);
      Request closing;
      const NTSTATUS returned = pair.door.listener.begin_close(closing);
      EXPECT_EQ(returned, STATUS_PENDING);
      waiting.close();
      EXPECT_EQ(unanswered.end(), STATUS_CONNECTION_REFUSED) << "R-CLS-18";
      EXPECT_FALSE(closing.is_done());
      pair.passive.connector.close();
      EXPECT_EQ(closing.finish(returned), STATUS_SUCCESS);
      EXPECT_TRUE(pair.active.left.wait());
      EXPECT_EQ(Door(*stage.adapter).listen(pair.at), STATUS_SUCCESS);
    }
  });
}

TEST(R_LSN_06, ManyConnectAtOnce) {
  everywhere([](Stage& stage) {
    Door door(*stage.adapter);
    ASSERT_EQ(door.listen(Sockaddr("127.0.0.1")), STATUS_SUCCESS);
    const Sockaddr at = door.address();
    struct One {
      explicit One(OpenAdapter& adapter) : active(adapter), passive(adapter) {}
      Request connecting, accepting;
      NTSTATUS connect_returned = 0, accept_returned = 0;
      Side active, passive;
    };
    std::vector<std::unique_ptr<One>> all;
    for (int i = 0; i < 12; ++i) {
      all.push_back(std::make_unique<One>(*stage.adapter));
      One& one = *all.back();
      one.connect_returned = one.active.begin_connect(one.connecting, Sockaddr("127.0.0.1"), at);
      ASSERT_EQ(one.connect_returned, STATUS_PENDING);
    }
    for (auto& one : all) {
      one->passive.connector = door.next();
      one->accept_returned = one->passive.begin_accept(one->accepting);
    }
    for (auto& one : all) {
      EXPECT_EQ(one->connecting.finish(one->connect_returned), STATUS_SUCCESS);
      EXPECT_EQ(one->active.complete(), STATUS_SUCCESS);
    }
    for (auto& one : all)
      EXPECT_EQ(one->accepting.finish(one->accept_returned), STATUS_SUCCESS);
    EXPECT_EQ(door.events.load(), 12);
    all.clear();
  });
}

}  // namespace
}  // namespace softndk::stack
