// Shared endpoints, and everything that holds a local address (spec/ndkpi.md 2.3, 2.10, 3.8).
#include <set>

#include "stage.h"

namespace softndk::stack {
namespace {

const char* const kHosts[] = {"127.0.0.1", "::1"};
using Endpoint = Object<NDK_SHARED_ENDPOINT>;

bool same(const Sockaddr& one, const Sockaddr& other) {
  return one.bytes == other.bytes && std::memcmp(&one.value, &other.value, one.bytes) == 0;
}

/// Sends one message from the active to the passive side.
void expect_to_carry(Pair& pair) {
  Region here(pair.active.pd.get(), 500);
  Region there(pair.passive.pd.get(), 500);
  here.memory.fill(3);
  ASSERT_EQ(pair.passive.receive(there.all()), STATUS_SUCCESS);
  ASSERT_EQ(pair.active.send(here.all()), STATUS_SUCCESS);
  EXPECT_EQ(pair.passive.next_status(), STATUS_SUCCESS);
  EXPECT_TRUE(here.memory.same(there.memory, 500));
}

/// Of R-EP-02's four the three that name an address; the fourth, NdkConnectWithSharedEndpoint, names an endpoint, of
/// which no second can be made for the address.
void expect_taken(Stage& stage, const Sockaddr& at) {
  EXPECT_EQ(Door(*stage.adapter).listen(at), STATUS_SHARING_VIOLATION);
  EXPECT_EQ(Side(*stage.adapter).connect(at, at.with_port(1)), STATUS_SHARING_VIOLATION);
  Endpoint second;
  EXPECT_EQ(stage.adapter->shared_endpoint(second, at), STATUS_SHARING_VIOLATION);
}

void expect_free(Stage& stage, const Sockaddr& at) {
  Endpoint endpoint;
  EXPECT_EQ(stage.adapter->shared_endpoint(endpoint, at), STATUS_SUCCESS);
  endpoint.close();
  EXPECT_EQ(Door(*stage.adapter).listen(at), STATUS_SUCCESS);
}

TEST(R_SEP_01, OneAddressReachesManyPeers) {
  everywhere([](Stage& stage) {
    for (const char* host : kHosts) {
      Endpoint endpoint;
      ASSERT_EQ(stage.adapter->shared_endpoint(endpoint, Sockaddr(host)), STATUS_SUCCESS);
      const Sockaddr local = local_address_of(endpoint);
      std::vector<std::unique_ptr<Pair>> pairs;
      for (int i = 0; i < 16; ++i) {
        pairs.push_back(std::make_unique<Pair>(stage, host));
        pairs.back()->over = &endpoint;
        ASSERT_TRUE(pairs.back()->establish()) << i;
        EXPECT_TRUE(same(pairs.back()->active.local_address(), local));
        EXPECT_TRUE(same(pairs.back()->passive.peer_address(), local));
      }
      for (auto& pair : pairs)
        expect_to_carry(*pair);
    }
  });
}

TEST(R_SEP_01, AWildcardEndpointChoosesTheAddressOfEachConnection) {
  everywhere([](Stage& stage) {
    for (const char* any : {"0.0.0.0", "::"}) {
      Endpoint endpoint;
      ASSERT_EQ(stage.adapter->shared_endpoint(endpoint, Sockaddr(any)), STATUS_SUCCESS);
      const Sockaddr local = local_address_of(endpoint);
      Pair one(stage, any[0] == '0' ? "127.0.0.1" : "::1");
      Pair two(stage, any[0] == '0' ? "127.0.0.1" : "::1");
      for (Pair* pair : {&one, &two}) {
        pair->over = &endpoint;
        ASSERT_TRUE(pair->establish());
        EXPECT_TRUE(same(pair->active.local_address(), pair->from.with_port(local.port()))) << "R-CNCT-07";
        expect_to_carry(*pair);
      }
      EXPECT_EQ(Side(*stage.adapter).connect(endpoint, one.at), STATUS_ADDRESS_ALREADY_EXISTS);
    }
  });
}

TEST(R_SEP_02, TheProviderChoosesAPortAndHasSoManyOnly) {
  in_simulation(6,
                [](Stage& stage) {
                  Endpoint endpoints[4];
                  std::set<USHORT> ports;
                  for (Endpoint& endpoint : endpoints) {
                    ASSERT_EQ(stage.adapter->shared_endpoint(endpoint, Sockaddr("127.0.0.1")), STATUS_SUCCESS);
                    ports.insert(local_address_of(endpoint).port());
                  }
                  EXPECT_EQ(ports, (std::set<USHORT>{50000, 50001, 50002, 50003})) << "R-ADR-04";
                  Endpoint fifth;
                  EXPECT_EQ(stage.adapter->shared_endpoint(fifth, Sockaddr("127.0.0.1")), STATUS_TOO_MANY_ADDRESSES);
                  EXPECT_EQ(stage.adapter->shared_endpoint(fifth, Sockaddr("0.0.0.0")), STATUS_TOO_MANY_ADDRESSES);
                  Door door(*stage.adapter);
                  EXPECT_EQ(door.listen(Sockaddr("127.0.0.1")), STATUS_TOO_MANY_ADDRESSES) << "R-LSN-02";
                  EXPECT_EQ(Side(*stage.adapter).connect(Sockaddr("127.0.0.1"), Sockaddr("127.0.0.1", 1)),
                            STATUS_TOO_MANY_ADDRESSES)
                      << "R-CNCT-06";
                  EXPECT_EQ(stage.adapter->shared_endpoint(fifth, Sockaddr("::1")), STATUS_SUCCESS)
                      << "each address has ports of its own";
                  endpoints[2].close();
                  EXPECT_EQ(door.listen(Sockaddr("127.0.0.1")), STATUS_SUCCESS);
                },
                {{"ports", "50000-50003"}});
}

TEST(R_SEP_02, TheRangeIsWithinTheInterfaces) {
  runtime::SettingValues values;
  EXPECT_STREQ(values.get("ports"), "49152-65535");
  runtime::Configuration configuration;
  for (const char* good : {"49152-65535", "50000-50000", "65535"}) {
    ASSERT_TRUE(values.set("ports", good)) << good;
    values.configure(configuration);
  }
  EXPECT_EQ(configuration.rnic.ports.first, 65535);
  EXPECT_EQ(configuration.rnic.ports.last, 65535);
  for (const char* bad : {"", "-", "50000-", "-50000", "50001-50000", "1024-65535", "49151", "50000-65536", "50000-x"})
    EXPECT_FALSE(values.set("ports", bad)) << bad;
}

TEST(R_SEP_02, ExhaustionOnLinux) {
  auto world = net::World::create();
  ASSERT_TRUE(world);
  Stage stage((*world)->view(), setting_values("default", {{"ports", "50000-50003"}}));
  Endpoint endpoints[5];  // other programs may have some of the four
  NTSTATUS status = STATUS_SUCCESS;
  for (Endpoint& endpoint : endpoints) {
    status = stage.adapter->shared_endpoint(endpoint, Sockaddr("127.0.0.1"));
    if (status != STATUS_SUCCESS) break;
    EXPECT_GE(local_address_of(endpoint).port(), 50000);
    EXPECT_LE(local_address_of(endpoint).port(), 50003);
  }
  EXPECT_EQ(status, STATUS_TOO_MANY_ADDRESSES);
}

TEST(R_SEP_03, AddressesThatCannotBeTaken) {
  everywhere([](Stage& stage) {
    for (const char* host : kHosts) {
      Pair pair(stage, host);
      ASSERT_TRUE(pair.establish());
      Endpoint endpoint;
      Endpoint second;
      ASSERT_EQ(stage.adapter->shared_endpoint(endpoint, Sockaddr(host)), STATUS_SUCCESS);
      for (const Sockaddr& taken : {pair.at, pair.active.local_address(), local_address_of(endpoint),
                                    Sockaddr(host[0] == ':' ? "::" : "0.0.0.0", local_address_of(endpoint).port())})
        EXPECT_EQ(stage.adapter->shared_endpoint(second, taken), STATUS_SHARING_VIOLATION);
      EXPECT_EQ(stage.adapter->shared_endpoint(second, Sockaddr("192.0.2.1")), STATUS_INVALID_ADDRESS);
      EXPECT_EQ(stage.adapter->shared_endpoint(second, Sockaddr("2001:db8::1", 50000)), STATUS_INVALID_ADDRESS);
      Sockaddr shorter = pair.from;
      shorter.bytes -= 1;
      EXPECT_EQ(stage.adapter->shared_endpoint(second, shorter), STATUS_INVALID_ADDRESS);
    }
  });
}

TEST(R_SEP_04, TheAddressMayBeOverwrittenWhenTheCallHasReturned) {
  everywhere([](Stage& stage) {
    Door door(*stage.adapter);
    ASSERT_EQ(door.listen(Sockaddr("127.0.0.1")), STATUS_SUCCESS);
    NDK_ADAPTER* adapter = stage.adapter->adapter;
    Sockaddr at("127.0.0.1");
    Request creating;
    NDK_SHARED_ENDPOINT* made = nullptr;
    const NTSTATUS returned =
        adapter->Dispatch->NdkCreateSharedEndpoint(adapter, at.get(), at.bytes, &Request::created, &creating, &made);
    std::memset(&at.value, 0xee, sizeof(at.value));
    ASSERT_EQ(creating.finish(returned), STATUS_SUCCESS);
    if (returned == STATUS_PENDING) made = reinterpret_cast<NDK_SHARED_ENDPOINT*>(creating.object());
    Endpoint endpoint(made);
    EXPECT_TRUE(same(local_address_of(endpoint), Sockaddr("127.0.0.1", local_address_of(endpoint).port())));
    // And the destination of a connect (R-REQ-05).
    Side side(*stage.adapter);
    Sockaddr to = door.address();
    Request connecting;
    const NTSTATUS connect_returned = side.begin_connect(connecting, endpoint, to);
    std::memset(&to.value, 0xee, sizeof(to.value));
    door.next().close();
    EXPECT_EQ(connecting.finish(connect_returned), STATUS_CONNECTION_REFUSED);
  });
}

TEST(R_CNCT_05, OverASharedEndpointEachPeerOnce) {
  everywhere([](Stage& stage) {
    Endpoint endpoint;
    ASSERT_EQ(stage.adapter->shared_endpoint(endpoint, Sockaddr("127.0.0.1")), STATUS_SUCCESS);
    Pair pair(stage);
    pair.over = &endpoint;
    Side second(*stage.adapter);
    ASSERT_EQ(pair.meet(), STATUS_SUCCESS);
    EXPECT_EQ(second.connect(endpoint, pair.at), STATUS_ADDRESS_ALREADY_EXISTS) << "not established yet";
    ASSERT_EQ(pair.active.complete(), STATUS_SUCCESS);
    EXPECT_EQ(pair.accepting.finish(pair.accept_returned), STATUS_SUCCESS);
    // Not one of the four failures after which a connector is as new (R-CONN-24); its queue pair is.
    EXPECT_EQ(second.connect(endpoint, pair.at), STATUS_INVALID_DEVICE_STATE);
    second.connector.close();
    EXPECT_EQ(second.connect(endpoint, pair.at), STATUS_ADDRESS_ALREADY_EXISTS);
    EXPECT_EQ(Side(*stage.adapter).connect(local_address_of(endpoint), pair.at), STATUS_ADDRESS_ALREADY_EXISTS);
    EXPECT_EQ(pair.door.events.load(), 1);
    second.connector.close();
    EXPECT_EQ(second.connect(endpoint, pair.at.with_port(1)), STATUS_CONNECTION_REFUSED) << "another peer";
    expect_to_carry(pair);
  });
}

TEST(R_CNCT_08, OverASharedEndpointToo) {
  everywhere([](Stage& stage) {
    Endpoint endpoint;
    ASSERT_EQ(stage.adapter->shared_endpoint(endpoint, Sockaddr("127.0.0.1")), STATUS_SUCCESS);
    Side side(*stage.adapter);
    Sockaddr shorter("127.0.0.1", 5000);
    shorter.bytes -= 1;
    EXPECT_EQ(side.connect(endpoint, shorter), STATUS_INVALID_ADDRESS);
    EXPECT_EQ(side.connect(endpoint, Sockaddr("::1", 5000)), STATUS_INVALID_ADDRESS) << "R-CNCT-07";
    EXPECT_EQ(side.connect(Endpoint(), Sockaddr("127.0.0.1", 5000)), STATUS_INVALID_PARAMETER) << "R-IRQL-04";
    EXPECT_EQ(side.connect(endpoint, Sockaddr("127.0.0.1", 1)), STATUS_CONNECTION_REFUSED) << "nothing has happened";
  });
}

TEST(R_CONN_24, OverASharedEndpointAfterAFailureTheConnectorMayConnectAgain) {
  everywhere([](Stage& stage) {
    Endpoint endpoint;
    ASSERT_EQ(stage.adapter->shared_endpoint(endpoint, Sockaddr("127.0.0.1")), STATUS_SUCCESS);
    Pair pair(stage);
    EXPECT_EQ(pair.active.connect(endpoint, pair.at.with_port(1)), STATUS_CONNECTION_REFUSED);
    EXPECT_EQ(pair.active.connect(pair.from, pair.at.with_port(1)), STATUS_CONNECTION_REFUSED) << "or not over it";
    pair.over = &endpoint;
    ASSERT_TRUE(pair.establish());
    expect_to_carry(pair);
  });
}

TEST(R_CNCT_05, AfterItsEndThePairMayBeConnectedAgain) {
  everywhere([](Stage& stage) {  // TCP's TIME_WAIT is no obstacle between ends that send time stamps, as Linux does
    Endpoint endpoint;
    ASSERT_EQ(stage.adapter->shared_endpoint(endpoint, Sockaddr("127.0.0.1")), STATUS_SUCCESS);
    Door door(*stage.adapter);
    ASSERT_EQ(door.listen(Sockaddr("127.0.0.1")), STATUS_SUCCESS);
    for (int i = 0; i < 3; ++i) {
      Side active(*stage.adapter), passive(*stage.adapter);
      Request connecting, accepting, leaving;
      const NTSTATUS connect_returned = active.begin_connect(connecting, endpoint, door.address());
      passive.connector = door.next();
      const NTSTATUS accept_returned = passive.begin_accept(accepting);
      ASSERT_EQ(connecting.finish(connect_returned), STATUS_SUCCESS) << i;
      ASSERT_EQ(active.complete(), STATUS_SUCCESS);
      ASSERT_EQ(accepting.finish(accept_returned), STATUS_SUCCESS);
      const NTSTATUS leave_returned = active.begin_disconnect(leaving);
      EXPECT_EQ(passive.disconnect(), STATUS_SUCCESS);
      EXPECT_EQ(leaving.finish(leave_returned), STATUS_SUCCESS);
    }
  });
}

TEST(R_EP_01, AListenersAddressIsTakenWhileAnAcceptedConnectorLives) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    Pair other(stage);
    ASSERT_TRUE(pair.establish());
    other.at = pair.at;  // two connectors of one listener
    Request connecting;
    const NTSTATUS returned = other.active.begin_connect(connecting, other.from, pair.at);
    other.passive.connector = pair.door.next();
    const NTSTATUS accept_returned = other.passive.begin_accept(other.accepting);
    ASSERT_EQ(connecting.finish(returned), STATUS_SUCCESS);
    ASSERT_EQ(other.active.complete(), STATUS_SUCCESS);
    ASSERT_EQ(other.accepting.finish(accept_returned), STATUS_SUCCESS);
    Request closing;
    const NTSTATUS closing_returned = pair.door.listener.begin_close(closing);
    expect_taken(stage, pair.at);
    pair.passive.connector.close();
    expect_taken(stage, pair.at);
    other.passive.connector.close();
    EXPECT_EQ(closing.finish(closing_returned), STATUS_SUCCESS);
    expect_free(stage, pair.at);
  });
}

TEST(R_EP_02, AnAddressIsTakenWhoeverHoldsIt) {
  everywhere([](Stage& stage) {
    Endpoint endpoint;
    ASSERT_EQ(stage.adapter->shared_endpoint(endpoint, Sockaddr("127.0.0.1")), STATUS_SUCCESS);
    expect_taken(stage, local_address_of(endpoint));
    Pair pair(stage);
    expect_taken(stage, pair.at);
    ASSERT_TRUE(pair.establish());
    expect_taken(stage, pair.active.local_address());
    // What is left holds it as well: an accepted connector, one that is disconnected, one over a shared endpoint.
    Pair over(stage);
    over.over = &endpoint;
    ASSERT_TRUE(over.establish());
    const Sockaddr shared = local_address_of(endpoint);
    Request closing_endpoint, closing_door, leaving;
    const NTSTATUS endpoint_returned = endpoint.begin_close(closing_endpoint);
    const NTSTATUS door_returned = pair.door.listener.begin_close(closing_door);
    const NTSTATUS leave_returned = pair.active.begin_disconnect(leaving);
    EXPECT_EQ(pair.passive.disconnect(), STATUS_SUCCESS);
    EXPECT_EQ(leaving.finish(leave_returned), STATUS_SUCCESS);
    expect_taken(stage, shared);
    expect_taken(stage, pair.at);
    expect_taken(stage, pair.active.local_address());
    pair.passive.close();
    over.active.close();
    EXPECT_EQ(closing_door.finish(door_returned), STATUS_SUCCESS);
    EXPECT_EQ(closing_endpoint.finish(endpoint_returned), STATUS_SUCCESS);
    expect_free(stage, pair.at);
    expect_free(stage, shared);
  });
}

TEST(R_EP_04, ASharedEndpointIsHeldByItselfAndByEachConnector) {
  everywhere([](Stage& stage) {
    Sockaddr at("127.0.0.1");
    for (const bool endpoint_first : {true, false}) {
      Endpoint endpoint;
      ASSERT_EQ(stage.adapter->shared_endpoint(endpoint, at), STATUS_SUCCESS);
      at = local_address_of(endpoint);
      Pair one(stage);
      Pair two(stage);
      for (Pair* pair : {&one, &two}) {
        pair->over = &endpoint;
        ASSERT_TRUE(pair->establish());
      }
      Request closing;
      NTSTATUS returned = STATUS_SUCCESS;
      if (endpoint_first) returned = endpoint.begin_close(closing);
      one.active.close();
      expect_taken(stage, at);
      expect_to_carry(two);
      two.active.close();
      if (!endpoint_first) {
        expect_taken(stage, at);
        endpoint.close();
      }
      EXPECT_EQ(closing.finish(returned), STATUS_SUCCESS);
      expect_free(stage, at);
    }
  });
}

TEST(R_EP_05, ListenersAndSharedEndpointsCloseAfterTheirConnectors) {
  everywhere([](Stage& stage) {
    Endpoint endpoint;
    ASSERT_EQ(stage.adapter->shared_endpoint(endpoint, Sockaddr("127.0.0.1")), STATUS_SUCCESS);
    Pair pair(stage);
    pair.over = &endpoint;
    ASSERT_TRUE(pair.establish());
    Request closing_endpoint, closing_door;
    const NTSTATUS endpoint_returned = endpoint.begin_close(closing_endpoint);
    const NTSTATUS door_returned = pair.door.listener.begin_close(closing_door);
    EXPECT_EQ(endpoint_returned, STATUS_PENDING);
    EXPECT_EQ(door_returned, STATUS_PENDING);
    expect_to_carry(pair);  // R-CLS-08
    EXPECT_FALSE(closing_endpoint.is_done());
    EXPECT_FALSE(closing_door.is_done());
    pair.passive.connector.close();
    EXPECT_EQ(closing_door.finish(door_returned), STATUS_SUCCESS);
    EXPECT_TRUE(pair.active.left.wait());
    EXPECT_FALSE(closing_endpoint.is_done()) << "a connection that is lost is a connector that is not closed";
    pair.active.connector.close();
    EXPECT_EQ(closing_endpoint.finish(endpoint_returned), STATUS_SUCCESS);
  });
}

TEST(R_EP_06, AFailedConnectLetsGoOfTheSharedEndpoint) {
  everywhere([](Stage& stage) {
    Endpoint endpoint;
    ASSERT_EQ(stage.adapter->shared_endpoint(endpoint, Sockaddr("127.0.0.1")), STATUS_SUCCESS);
    const Sockaddr at = local_address_of(endpoint);
    Side side(*stage.adapter);
    EXPECT_EQ(side.connect(endpoint, Sockaddr("127.0.0.1", 1)), STATUS_CONNECTION_REFUSED);
    ASSERT_TRUE(side.connector) << "and yet";
    endpoint.close();
    expect_free(stage, at);
  });
}

TEST(R_EP_07, InstancesShareTheirSharedEndpoints) {
  everywhere([](Stage& stage) {
    OpenAdapter second(stage.loopback_index());
    ASSERT_EQ(second.status, STATUS_SUCCESS);
    Endpoint endpoint;
    Endpoint other;
    ASSERT_EQ(second.shared_endpoint(endpoint, Sockaddr("127.0.0.1")), STATUS_SUCCESS);
    EXPECT_EQ(stage.adapter->shared_endpoint(other, local_address_of(endpoint)), STATUS_SHARING_VIOLATION);
    Pair pair(stage);
    pair.over = &endpoint;  // R-OBJ-13: of one instance, under a connector of another
    ASSERT_TRUE(pair.establish());
    expect_to_carry(pair);
    pair.active.close();
    endpoint.close();
  });
}

TEST(R_CNCT_18, CloseWinsOverAConnectFromASharedEndpoint) {
  everywhere([](Stage& stage) {
    Endpoint endpoint;
    ASSERT_EQ(stage.adapter->shared_endpoint(endpoint, Sockaddr("127.0.0.1")), STATUS_SUCCESS);
    const Sockaddr at = local_address_of(endpoint);
    Pair pair(stage);
    Request connecting, closing;
    const NTSTATUS returned = pair.active.begin_connect(connecting, endpoint, pair.at);
    ASSERT_EQ(returned, STATUS_PENDING);
    // The antecedent first: nothing happens to the request.
    const NTSTATUS closing_returned = endpoint.begin_close(closing);
    EXPECT_EQ(closing_returned, STATUS_PENDING);
    pair.passive.connector = pair.door.next();
    pair.active.connector.close();
    EXPECT_EQ(connecting.finish(returned), STATUS_CANCELLED);
    EXPECT_EQ(closing.finish(closing_returned), STATUS_SUCCESS);
    expect_free(stage, at);
  });
}

}  // namespace
}  // namespace softndk::stack
