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
    // TCP may keep the port of a connection for a while; our own table must not.
    const NTSTATUS status = door.listen(local);
    EXPECT_TRUE(status == STATUS_SUCCESS || status == STATUS_SHARING_VIOLATION);
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
