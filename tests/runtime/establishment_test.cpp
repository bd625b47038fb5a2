// How establishment goes on, or ends, when somebody is slow, gives up or fails (spec/ndkpi.md 3.8). Time is virtual.
#include "stage.h"

namespace softndk::stack {
namespace {

constexpr LONGLONG kLongMs = 119'000;     // within T2 and T3
constexpr LONGLONG kTooLongMs = 121'000;  // beyond
constexpr LONGLONG kArrivesMs = 1'000;    // whatever is on the wire

void expect_to_carry(Side& from, Side& to) {
  Region here(from.pd.get(), 500);
  Region there(to.pd.get(), 500);
  here.memory.fill(3);
  ASSERT_EQ(to.receive(there.all()), STATUS_SUCCESS);
  ASSERT_EQ(from.send(here.all()), STATUS_SUCCESS);
  EXPECT_EQ(to.next_status(), STATUS_SUCCESS);
  EXPECT_EQ(from.next_status(), STATUS_SUCCESS);
  EXPECT_TRUE(here.memory.same(there.memory, 500));
}

TEST(R_CNCT_10, ASlowConsumerIsWaitedFor) {
  in_simulation(6, [](Stage& stage) {
    Pair pair(stage);
    Request connecting;
    const NTSTATUS returned = pair.active.begin_connect(connecting, pair.from, pair.at);
    pair.passive.connector = pair.door.next();
    pass_ms(kLongMs);
    pair.accept_returned = pair.passive.begin_accept(pair.accepting);
    ASSERT_EQ(connecting.finish(returned), STATUS_SUCCESS) << "T2";
    pass_ms(kLongMs);
    ASSERT_EQ(pair.active.complete(), STATUS_SUCCESS) << "R-CNCT-14: and it ends at once";
    ASSERT_EQ(pair.accepting.finish(pair.accept_returned), STATUS_SUCCESS) << "T3";
    expect_to_carry(pair.active, pair.passive);
  });
}

TEST(R_CNCT_10, AndNoLonger) {
  in_simulation(6, [](Stage& stage) {
    Pair pair(stage);
    Request connecting, accepting;
    const NTSTATUS returned = pair.active.begin_connect(connecting, pair.from, pair.at);
    pair.passive.connector = pair.door.next();
    pass_ms(kTooLongMs);
    EXPECT_EQ(connecting.finish(returned), STATUS_IO_TIMEOUT) << "T2";
    EXPECT_EQ(accepting.finish(pair.passive.begin_accept(accepting)), STATUS_CONNECTION_ABORTED) << "R-CNCT-11";
    EXPECT_EQ(pair.passive.disconnects.load(), 0) << "R-EVT-07";
    EXPECT_EQ(pair.active.connect(pair.from, pair.at.with_port(1)), STATUS_CONNECTION_REFUSED) << "as new (R-CNCT-09)";
  });
}

TEST(R_CNCT_11, AcceptAfterThePeerGaveUpIsAborted) {
  in_simulation(12, [](Stage& stage) {
    Pair pair(stage);
    Request connecting, accepting;
    const NTSTATUS returned = pair.active.begin_connect(connecting, pair.from, pair.at);
    pair.passive.connector = pair.door.next();
    pair.active.connector.close();
    EXPECT_EQ(connecting.finish(returned), STATUS_CANCELLED);
    pass_ms(kArrivesMs);
    EXPECT_EQ(accepting.finish(pair.passive.begin_accept(accepting)), STATUS_CONNECTION_ABORTED);
    EXPECT_EQ(pair.passive.reject(), STATUS_CONNECTION_INVALID) << "dead (R-CONN-21)";
  });
}

TEST(R_REJ_01, RejectAfterThePeersGoingHasArrivedSaysSo) {
  in_simulation(12, [](Stage& stage) {
    Pair pair(stage);
    Request connecting;
    const NTSTATUS returned = pair.active.begin_connect(connecting, pair.from, pair.at);
    pair.passive.connector = pair.door.next();
    pair.active.connector.close();
    EXPECT_EQ(connecting.finish(returned), STATUS_CANCELLED);
    pass_ms(kArrivesMs);
    EXPECT_EQ(pair.passive.reject(), STATUS_CONNECTION_ABORTED);
  });
}

TEST(R_CNCT_13, CompleteAfterThePeerGaveUpIsAborted) {
  in_simulation(12, [](Stage& stage) {
    Pair pair(stage);
    ASSERT_EQ(pair.meet(), STATUS_SUCCESS);
    pair.passive.connector.close();
    EXPECT_EQ(pair.accepting.finish(pair.accept_returned), STATUS_CANCELLED);
    pass_ms(kArrivesMs);
    EXPECT_EQ(pair.active.complete(), STATUS_CONNECTION_ABORTED);
    EXPECT_EQ(pair.active.disconnects.load(), 0) << "R-EVT-07";
  });
}

// iWARP does not answer what completes a connection (3.17), so no time-out can be told here: a peer that stopped
// waiting shows as an end that has arrived. tests/provider has the device that could tell.
TEST(R_CNCT_14, CompletedTooLateItIsAbortedAndNothingIsLeftToTry) {
  in_simulation(12, [](Stage& stage) {
    Pair pair(stage);
    ASSERT_EQ(pair.meet(), STATUS_SUCCESS);
    pass_ms(kTooLongMs);
    EXPECT_EQ(pair.accepting.finish(pair.accept_returned), STATUS_IO_TIMEOUT) << "T3";
    EXPECT_EQ(pair.active.complete(), STATUS_CONNECTION_ABORTED);
    EXPECT_EQ(pair.active.complete(), STATUS_CONNECTION_INVALID);
    EXPECT_EQ(pair.active.reject(), STATUS_CONNECTION_INVALID);
    EXPECT_EQ(pair.active.disconnect(), STATUS_CONNECTION_INVALID);
    EXPECT_EQ(pair.active.connect(pair.from, pair.at), STATUS_INVALID_DEVICE_STATE);
    EXPECT_EQ(pair.active.disconnects.load(), 0);
  });
}

TEST(R_CONN_24, OneConnectorAndQueuePairThroughAllFourFailuresToAConnection) {
  in_simulation(8,
                [](Stage&) {
                  OpenAdapter adapter(2);  // sim0: 10.0.0.1/24, with neighbours and no way out
                  ASSERT_EQ(adapter.status, STATUS_SUCCESS);
                  const Sockaddr from("10.0.0.1");
                  for (const bool shared : {false, true}) {
                    Object<NDK_SHARED_ENDPOINT> endpoint;
                    if (shared) {
                      ASSERT_EQ(adapter.shared_endpoint(endpoint, from), STATUS_SUCCESS);
                    }
                    Door door(adapter);
                    ASSERT_EQ(door.listen(from), STATUS_SUCCESS);
                    Side active(adapter), passive(adapter);
                    Request unanswered, connecting, accepting;
                    const auto begin_connect = [&](Request& request, const Sockaddr& to) {
                      return shared ? active.begin_connect(request, endpoint, to)
                                    : active.begin_connect(request, from, to);
                    };
                    const auto connect = [&](const Sockaddr& to) {
                      Request request;
                      return request.finish(begin_connect(request, to));
                    };
                    EXPECT_EQ(connect(Sockaddr("192.0.2.9", 5000)), STATUS_NETWORK_UNREACHABLE);
                    EXPECT_EQ(connect(Sockaddr("10.0.0.77", 5000)), STATUS_HOST_UNREACHABLE);
                    EXPECT_EQ(connect(from.with_port(1)), STATUS_CONNECTION_REFUSED);
                    const NTSTATUS timing_out = begin_connect(unanswered, door.address());
                    passive.connector = door.next();
                    EXPECT_EQ(unanswered.finish(timing_out), STATUS_IO_TIMEOUT);
                    passive.connector.close();
                    const NTSTATUS connect_returned = begin_connect(connecting, door.address());
                    passive.connector = door.next();
                    const NTSTATUS accept_returned = passive.begin_accept(accepting);
                    ASSERT_EQ(connecting.finish(connect_returned), STATUS_SUCCESS);
                    ASSERT_EQ(active.complete(), STATUS_SUCCESS);
                    ASSERT_EQ(accepting.finish(accept_returned), STATUS_SUCCESS);
                    expect_to_carry(active, passive);
                  }
                },
                {{"connect_timeout_ms", "10000"}});
}

TEST(R_ADR_07, BothFamiliesConnectCarryAndPart) {
  everywhere([](Stage& stage) {
    for (const char* host : {"127.0.0.1", "::1"}) {
      Object<NDK_SHARED_ENDPOINT> endpoint;
      ASSERT_EQ(stage.adapter->shared_endpoint(endpoint, Sockaddr(host)), STATUS_SUCCESS);
      for (const auto* over : {static_cast<Object<NDK_SHARED_ENDPOINT>*>(nullptr), &endpoint}) {
        Pair pair(stage, host);
        pair.over = over;
        ASSERT_TRUE(pair.establish());
        EXPECT_EQ(pair.active.local_address().value.si_family, pair.from.value.si_family);
        EXPECT_EQ(pair.passive.peer_address().value.si_family, pair.from.value.si_family);
        expect_to_carry(pair.active, pair.passive);
        expect_to_carry(pair.passive, pair.active);
        Request leaving;
        const NTSTATUS returned = pair.active.begin_disconnect(leaving);
        EXPECT_EQ(pair.passive.disconnect(), STATUS_SUCCESS);
        EXPECT_EQ(leaving.finish(returned), STATUS_SUCCESS);
        EXPECT_EQ(Side(*stage.adapter).connect(pair.from, pair.at.with_port(1)), STATUS_CONNECTION_REFUSED);
      }
    }
  });
}

}  // namespace
}  // namespace softndk::stack
