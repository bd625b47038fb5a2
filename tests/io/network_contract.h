#pragma once
// io/network.h, sentence by sentence: connecting, listening, reserving, addresses.
//
// What an attempt to connect ends in is told inline if it is about the local end (address_in_use, address_not_local,
// already_connected, no_resources, not_permitted) and by on_connect_failed if it is about the peer.
#include <algorithm>

#include "io/executor_contract.h"

namespace softndk::io::contract {

template <class Factory>
class NetworkContract : public WorldTest<Factory> {};
TYPED_TEST_SUITE_P(NetworkContract);

TYPED_TEST_P(NetworkContract, ConnectsOverBothFamilies) {
  this->in_world([this](World& world) {
    for (const Address& host : {this->v4(), this->v6()}) {
      Pair pair = connect_pair(world, host);
      ASSERT_TRUE(pair.ok());
      EXPECT_EQ(pair.client->connected_count(), 1);
      EXPECT_EQ(pair.server->connected_count(), 0) << "an accepted stream is connected from the start";
      EXPECT_EQ(pair.client->stream->peer_address(), pair.door->address());
      EXPECT_EQ(pair.server->stream->local_address(), pair.door->address());
      EXPECT_EQ(pair.client->stream->local_address(), pair.server->stream->peer_address());
      EXPECT_EQ(pair.door->chosen_local, pair.door->address());
      EXPECT_EQ(pair.door->chosen_peer, pair.client->stream->local_address());
      EXPECT_TRUE(pair.client->stream->is_same_host());
      EXPECT_TRUE(pair.server->stream->is_same_host());
      ASSERT_TRUE(pair.client->write_all(octets(10, 1)));
      EXPECT_EQ(pair.server->read_exactly(10), octets(10, 1));
      pair.close();
    }
  });
}

TYPED_TEST_P(NetworkContract, ConnectIsRefusedWhereNobodyListens) {
  this->in_world([this](World& world) {
    Processor& processor = world.executor.processor(0);
    for (const Address& host : {this->v4(), this->v6()}) {
      auto door = open_door(world, host, processor);
      ASSERT_NE(door, nullptr);
      const Address remote = door->address();
      EXPECT_TRUE(door->close());
      EXPECT_EQ(outcome_of_connect(world, remote, processor), IoError::refused);
    }
  });
}

TYPED_TEST_P(NetworkContract, ConnectToItselfIsRefused) {
  this->in_world([this](World& world) {
    Processor& processor = world.executor.processor(0);
    std::optional<IoError> outcome = IoError::address_in_use;
    for (int i = 0; i < kPortTries && outcome == IoError::address_in_use; ++i) {
      const Address self = this->v4().with_port(port_to_try(world));
      outcome = outcome_of_connect(world, self, self, processor);
    }
    EXPECT_EQ(outcome, IoError::refused);  // TCP's simultaneous open with itself is no connection
  });
}

TYPED_TEST_P(NetworkContract, AFailedConnectMayBeRepeatedFromTheSamePort) {
  this->in_world([this](World& world) {
    Processor& processor = world.executor.processor(0);
    auto door = open_door(world, this->v4(), processor);
    ASSERT_NE(door, nullptr);
    const Address remote = door->address();
    EXPECT_TRUE(door->close());
    auto first = start_connect_from_any(world, remote, processor);
    ASSERT_NE(first, nullptr);
    const Address local = first->stream->local_address();
    EXPECT_FALSE(first->wait_connected());
    EXPECT_TRUE(first->close());
    for (int i = 0; i < 5; ++i)
      EXPECT_EQ(outcome_of_connect(world, local, remote, processor), IoError::refused);
  });
}

TYPED_TEST_P(NetworkContract, AForeignLocalAddressIsNotLocal) {
  this->in_world([this](World& world) {
    Processor& processor = world.executor.processor(0);
    const Address foreign = TypeParam::foreign().with_port(port_to_try(world));
    auto door = std::make_shared<Door>(world, processor);
    auto acceptor = world.network.listen(foreign, 8, *door, processor);
    ASSERT_FALSE(acceptor.has_value());
    EXPECT_EQ(acceptor.error(), IoError::address_not_local);
    auto end = start_connect(world, foreign, this->v4().with_port(port_to_try(world)), processor);
    ASSERT_FALSE(end.has_value());
    EXPECT_EQ(end.error(), IoError::address_not_local);
    auto reservation = world.network.reserve(foreign);
    ASSERT_FALSE(reservation.has_value());
    EXPECT_EQ(reservation.error(), IoError::address_not_local);
  });
}

TYPED_TEST_P(NetworkContract, ASecondListenerOnThePortFails) {
  this->in_world([this](World& world) {
    Processor& processor = world.executor.processor(0);
    for (const Address& host : {this->v4(), this->v6()}) {
      auto door = open_door(world, host, processor);
      ASSERT_NE(door, nullptr);
      auto second = std::make_shared<Door>(world, processor);
      for (const Address& address : {door->address(), Address::any(host.family, door->address().port)}) {
        auto acceptor = world.network.listen(address, 8, *second, processor);
        ASSERT_FALSE(acceptor.has_value()) << AddressText(address).text;
        EXPECT_EQ(acceptor.error(), IoError::address_in_use);
      }
      EXPECT_TRUE(door->close());
    }
  });
}

TYPED_TEST_P(NetworkContract, AWildcardListenerTakesThePortOfEveryAddress) {
  this->in_world([this](World& world) {
    Processor& processor = world.executor.processor(0);
    for (const Address& host : {this->v4(), this->v6()}) {
      auto door = open_door(world, Address::any(host.family), processor);
      ASSERT_NE(door, nullptr);
      EXPECT_TRUE(door->address().is_wildcard());
      const Address specific = host.with_port(door->address().port);
      auto second = std::make_shared<Door>(world, processor);
      auto acceptor = world.network.listen(specific, 8, *second, processor);
      ASSERT_FALSE(acceptor.has_value());
      EXPECT_EQ(acceptor.error(), IoError::address_in_use);
      auto client = start_connect_from_any(world, specific, processor);
      ASSERT_NE(client, nullptr);
      ASSERT_TRUE(client->wait_connected());
      auto server = door->next();
      ASSERT_NE(server, nullptr);
      EXPECT_EQ(server->stream->local_address(), specific) << "the real address, not the wildcard";
      EXPECT_EQ(door->chosen_local, specific);
      EXPECT_TRUE(client->close());
      EXPECT_TRUE(server->close());
      EXPECT_TRUE(door->close());
    }
  });
}

TYPED_TEST_P(NetworkContract, WildcardsOfTheTwoFamiliesAreIndependent) {
  this->in_world([](World& world) {
    Processor& processor = world.executor.processor(0);
    for (int i = 0; i < kPortTries; ++i) {
      auto six = open_door(world, Address::any(Address::Family::v6), processor);
      ASSERT_NE(six, nullptr);
      auto four = std::make_shared<Door>(world, processor);
      auto acceptor = world.network.listen(Address::any(Address::Family::v4, six->address().port), 8, *four, processor);
      const bool both = acceptor.has_value();
      if (both) {
        four->acceptor = std::move(*acceptor);
        EXPECT_TRUE(four->close());
      }
      EXPECT_TRUE(six->close());
      if (both) return;  // else the IPv4 port belonged to another program: try again
    }
    FAIL() << "an IPv6 listener seems to take the IPv4 port too";
  });
}

TYPED_TEST_P(NetworkContract, ThePortIsFreeOnceTheAcceptorIsClosed) {
  this->in_world([this](World& world) {
    Processor& processor = world.executor.processor(0);
    auto door = open_door(world, this->v4(), processor);
    ASSERT_NE(door, nullptr);
    const Address address = door->address();
    EXPECT_TRUE(door->close());
    door->acceptor.reset();
    auto again = std::make_shared<Door>(world, processor);
    auto acceptor = world.network.listen(address, 8, *again, processor);
    ASSERT_TRUE(acceptor.has_value()) << to_string(acceptor.error());
    again->acceptor = std::move(*acceptor);
    EXPECT_TRUE(again->close());
  });
}

TYPED_TEST_P(NetworkContract, ListeningAgainSucceedsAfterConnectionsThatWeClosedFirst) {
  this->in_world([this](World& world) {
    // The side that closes first keeps the 4-tuple in TIME_WAIT: it must not block the port.
    Pair pair = connect_pair(world, this->v4());
    ASSERT_TRUE(pair.ok());
    const Address address = pair.door->address();
    pair.server->stream->finish_writing();
    std::uint8_t octet;
    EXPECT_EQ(pair.client->read_some({&octet, 1}).status, IoResult::Status::end);
    EXPECT_TRUE(pair.server->close());
    EXPECT_TRUE(pair.client->close());
    pair.close();
    auto again = std::make_shared<Door>(world, pair.door->processor);
    auto acceptor = world.network.listen(address, 8, *again, pair.door->processor);
    ASSERT_TRUE(acceptor.has_value()) << to_string(acceptor.error());
    again->acceptor = std::move(*acceptor);
    EXPECT_TRUE(again->close());
  });
}

TYPED_TEST_P(NetworkContract, ConnectingFromAPortAgainSucceedsAfterItsStreamClosed) {
  this->in_world([this](World& world) {
    // R-EP-03: the source port is free once the connector over it is closed, though TCP is in TIME_WAIT.
    Processor& processor = world.executor.processor(0);
    for (bool half_closed_before : {false, true}) {
      Pair pair = connect_pair(world, this->v4());
      ASSERT_TRUE(pair.ok());
      const Address local = pair.client->stream->local_address();
      if (half_closed_before) {
        pair.client->stream->finish_writing();
        std::uint8_t octet;
        EXPECT_EQ(pair.server->read_some({&octet, 1}).status, IoResult::Status::end);
        pair.server->stream->finish_writing();
        EXPECT_EQ(pair.client->read_some({&octet, 1}).status, IoResult::Status::end);
      }
      EXPECT_TRUE(pair.client->close());
      EXPECT_TRUE(pair.server->close());
      auto door = open_door(world, this->v4(), processor);
      ASSERT_NE(door, nullptr);
      EXPECT_EQ(outcome_of_connect(world, local, door->address(), processor), std::nullopt);
      auto server = door->next();
      ASSERT_NE(server, nullptr);
      EXPECT_TRUE(server->close());
      EXPECT_TRUE(door->close());
      pair.close();
    }
  });
}

TYPED_TEST_P(NetworkContract, ALocalPortBelongsToOneStreamUnlessShared) {
  this->in_world([this](World& world) {
    Processor& processor = world.executor.processor(0);
    Pair pair = connect_pair(world, this->v4());
    ASSERT_TRUE(pair.ok());
    auto other = open_door(world, this->v4(), processor);
    ASSERT_NE(other, nullptr);
    const Address local = pair.client->stream->local_address();
    EXPECT_EQ(outcome_of_connect(world, local, other->address(), processor), IoError::address_in_use);
    EXPECT_EQ(outcome_of_connect(world, local, other->address(), processor, {.share_local = true}),
              IoError::address_in_use)
        << "sharing takes the consent of both";
    EXPECT_EQ(outcome_of_connect(world, pair.door->address(), other->address(), processor), IoError::address_in_use)
        << "a listener's port";
    EXPECT_TRUE(other->close());
    pair.close();
  });
}

TYPED_TEST_P(NetworkContract, SharedPortsReachManyPeersButEachOnce) {
  this->in_world([this](World& world) {
    Processor& processor = world.executor.processor(0);
    auto one = open_door(world, this->v4(), processor);
    auto two = open_door(world, this->v4(), processor);
    ASSERT_TRUE(one != nullptr && two != nullptr);
    // A reservation first, as a shared endpoint does it.
    OwnedInterface<Network::Reservation> reservation;
    Address local;
    for (int i = 0; i < kPortTries && reservation == nullptr; ++i) {
      local = this->v4().with_port(port_to_try(world));
      if (auto reserved = world.network.reserve(local)) reservation = std::move(*reserved);
    }
    ASSERT_NE(reservation, nullptr);
    const ConnectOptions shared{.share_local = true};
    auto first = start_connect(world, local, one->address(), processor, shared);
    ASSERT_TRUE(first.has_value()) << to_string(first.error());
    ASSERT_TRUE((*first)->wait_connected());
    auto second = start_connect(world, local, two->address(), processor, shared);
    ASSERT_TRUE(second.has_value()) << to_string(second.error());
    ASSERT_TRUE((*second)->wait_connected());
    EXPECT_EQ((*first)->stream->local_address(), (*second)->stream->local_address());
    EXPECT_EQ(outcome_of_connect(world, local, one->address(), processor, shared), IoError::already_connected);
    for (auto& door : {one, two}) {
      auto server = door->next();
      ASSERT_NE(server, nullptr);
      EXPECT_EQ(server->stream->peer_address(), local);
      EXPECT_TRUE(server->close());
      EXPECT_TRUE(door->close());
    }
    EXPECT_TRUE((*first)->close());
    EXPECT_TRUE((*second)->close());
  });
}

TYPED_TEST_P(NetworkContract, AReservedPortIsNobodyElses) {
  this->in_world([this](World& world) {
    Processor& processor = world.executor.processor(0);
    auto peer = open_door(world, this->v4(), processor);
    ASSERT_NE(peer, nullptr);
    OwnedInterface<Network::Reservation> reservation;
    Address local;
    for (int i = 0; i < kPortTries && reservation == nullptr; ++i) {
      local = this->v4().with_port(port_to_try(world));
      if (auto reserved = world.network.reserve(local)) reservation = std::move(*reserved);
    }
    ASSERT_NE(reservation, nullptr);
    auto twice = world.network.reserve(local);
    ASSERT_FALSE(twice.has_value());
    EXPECT_EQ(twice.error(), IoError::address_in_use);
    auto door = std::make_shared<Door>(world, processor);
    for (const Address& address : {local, Address::any(local.family, local.port)}) {
      auto acceptor = world.network.listen(address, 8, *door, processor);
      ASSERT_FALSE(acceptor.has_value());
      EXPECT_EQ(acceptor.error(), IoError::address_in_use);
    }
    EXPECT_EQ(outcome_of_connect(world, local, peer->address(), processor), IoError::address_in_use)
        << "not shared, so not for the reservation's own";
    EXPECT_EQ(outcome_of_connect(world, local, processor), IoError::refused) << "reserved is not listening";
    reservation.reset();
    auto acceptor = world.network.listen(local, 8, *door, processor);
    ASSERT_TRUE(acceptor.has_value()) << to_string(acceptor.error());
    door->acceptor = std::move(*acceptor);
    EXPECT_TRUE(door->close());
    EXPECT_TRUE(peer->close());
  });
}

TYPED_TEST_P(NetworkContract, RefusedByTheSinkIsAReset) {
  this->in_world([this](World& world) {
    Processor& processor = world.executor.processor(0);
    auto door = open_door(world, this->v4(), processor);
    ASSERT_NE(door, nullptr);
    door->refuse.store(true);
    auto client = start_connect_from_any(world, door->address(), processor);
    ASSERT_NE(client, nullptr);
    // TCP's handshake may be complete before the sink is asked: then the RST follows.
    if (client->wait_connected()) {
      std::uint8_t octet;
      const IoResult result = client->read_some({&octet, 1});
      EXPECT_EQ(result.status, IoResult::Status::failed);
      EXPECT_EQ(result.error, IoError::reset);
    }
    EXPECT_EQ(door->chosen_count(), 1);
    EXPECT_TRUE(client->close());
    door->refuse.store(false);
    EXPECT_EQ(outcome_of_connect(world, door->address(), processor), std::nullopt);
    auto server = door->next();
    ASSERT_NE(server, nullptr);
    EXPECT_TRUE(server->close());
    EXPECT_TRUE(door->close());
  });
}

TYPED_TEST_P(NetworkContract, APausedAcceptorRefusesAndKeepsItsPort) {
  this->in_world([this](World& world) {
    Processor& processor = world.executor.processor(0);
    Pair pair = connect_pair(world, this->v4());
    ASSERT_TRUE(pair.ok());
    auto& door = *pair.door;
    for (int round = 0; round < 3; ++round) {
      door.acceptor->pause();
      door.acceptor->pause();  // again is harmless
      const int chosen = door.chosen_count();
      EXPECT_EQ(outcome_of_connect(world, door.address(), processor), IoError::refused);
      EXPECT_EQ(door.chosen_count(), chosen);
      auto second = std::make_shared<Door>(world, processor);
      auto taken = world.network.listen(door.address(), 8, *second, processor);
      ASSERT_FALSE(taken.has_value());
      EXPECT_EQ(taken.error(), IoError::address_in_use);
      // The stream that it accepted lives on.
      ASSERT_TRUE(pair.client->write_all(octets(100, round)));
      EXPECT_EQ(pair.server->read_exactly(100), octets(100, round));
      auto resumed = door.acceptor->resume();
      ASSERT_TRUE(resumed.has_value()) << to_string(resumed.error());
      EXPECT_TRUE(door.acceptor->resume().has_value());
      EXPECT_EQ(outcome_of_connect(world, door.address(), processor), std::nullopt);
      auto server = door.next();
      ASSERT_NE(server, nullptr);
      EXPECT_TRUE(server->close());
    }
    pair.close();
  });
}

TYPED_TEST_P(NetworkContract, AcceptedStreamsOutliveTheirAcceptor) {
  this->in_world([this](World& world) {
    Pair pair = connect_pair(world, this->v6());
    ASSERT_TRUE(pair.ok());
    pair.door->acceptor->close();
    pair.door->acceptor->close();  // again is harmless
    EXPECT_EQ(outcome_of_connect(world, pair.server->stream->local_address(), pair.door->processor), IoError::refused);
    EXPECT_TRUE(pair.door->wait_closed());
    pair.door->acceptor.reset();
    ASSERT_TRUE(pair.server->write_all(octets(1000, 7)));
    EXPECT_EQ(pair.client->read_exactly(1000), octets(1000, 7));
    pair.close();
    EXPECT_EQ(pair.door->closed_count(), 1);
  });
}

TYPED_TEST_P(NetworkContract, AnAcceptorMayBeDestroyedInsideItsLastEvent) {
  this->in_world([this](World& world) {
    auto door = open_door(world, this->v4(), world.executor.processor(0));
    ASSERT_NE(door, nullptr);
    door->when_closed = [&door_ref = *door] { door_ref.acceptor.reset(); };
    EXPECT_TRUE(door->close());
    EXPECT_EQ(door->acceptor, nullptr);
  });
}

TYPED_TEST_P(NetworkContract, AnAcceptorMayBePausedOrClosedInsideAnEvent) {
  this->in_world([this](World& world) {
    Processor& processor = world.executor.processor(0);
    auto door = open_door(world, this->v4(), processor);
    ASSERT_NE(door, nullptr);
    door->when_accepted = [&door_ref = *door](End&) { door_ref.acceptor->pause(); };
    auto first = start_connect_from_any(world, door->address(), processor);
    ASSERT_NE(first, nullptr);
    ASSERT_TRUE(first->wait_connected());
    auto server = door->next();
    ASSERT_NE(server, nullptr);
    EXPECT_EQ(outcome_of_connect(world, door->address(), processor), IoError::refused);
    door->when_accepted = [&door_ref = *door](End&) { door_ref.acceptor->close(); };
    ASSERT_TRUE(door->acceptor->resume().has_value());
    auto second = start_connect_from_any(world, door->address(), processor);
    ASSERT_NE(second, nullptr);
    ASSERT_TRUE(second->wait_connected());
    auto server2 = door->next();
    ASSERT_NE(server2, nullptr);
    EXPECT_TRUE(door->wait_closed());
    for (auto& end : {first, server, second, server2})
      EXPECT_TRUE(end->close());
  });
}

TYPED_TEST_P(NetworkContract, NoEventOfAnAcceptedStreamComesBeforeOnAcceptReturned) {
  this->in_world([this](World& world) {
    // Armed, and even closed, inside on_accept: the events wait until it has returned, on another processor too.
    Processor& first = world.executor.processor(0);
    Processor& last = world.executor.processor(world.executor.processor_count() - 1);
    auto door = open_door(world, this->v4(), first);
    ASSERT_NE(door, nullptr);
    door->stream_processor = &last;
    std::atomic<bool> inside{false};
    std::atomic<int> too_early{0};
    bool close_it = false;
    door->when_accepted = [&](End& end) {
      inside.store(true);
      end.when_ready = [&](Interest) { too_early.fetch_add(inside.load() ? 1 : 0); };
      end.when_closed = [&] { too_early.fetch_add(inside.load() ? 1 : 0); };
      end.stream->arm(Interest::both);
      if (close_it) end.stream->close(ByteStream::CloseKind::orderly);
      for (unsigned i = 0; i < 200; ++i)
        world.executor.relax(i);
      inside.store(false);
    };
    for (bool closing : {false, true, false, true}) {
      close_it = closing;
      auto client = start_connect_from_any(world, door->address(), first);
      ASSERT_NE(client, nullptr);
      EXPECT_TRUE(client->wait_connected());
      auto server = door->next();
      ASSERT_NE(server, nullptr);
      if (closing) {
        EXPECT_TRUE(server->wait_closed());
      } else {
        EXPECT_TRUE(server->wait_ready(Interest::write));
        EXPECT_TRUE(server->close());
      }
      EXPECT_TRUE(client->close());
    }
    EXPECT_EQ(too_early.load(), 0);
    EXPECT_TRUE(door->close());
  });
}

TYPED_TEST_P(NetworkContract, ManyConnectionsAtOnce) {
  this->in_world([this](World& world) {
    constexpr int kConnections = 100;
    Processor& processor = world.executor.processor(0);
    auto door = open_door(world, this->v4(), processor, 256);
    ASSERT_NE(door, nullptr);
    std::vector<std::shared_ptr<End>> clients, servers;
    for (int i = 0; i < kConnections; ++i) {
      clients.push_back(start_connect_from_any(world, door->address(),
                                               world.executor.processor(i % world.executor.processor_count())));
      ASSERT_NE(clients.back(), nullptr);
    }
    for (auto& client : clients)
      EXPECT_TRUE(client->wait_connected());
    for (int i = 0; i < kConnections; ++i) {
      servers.push_back(door->next());
      ASSERT_NE(servers.back(), nullptr);
    }
    for (auto& client : clients)
      client->stream->close(ByteStream::CloseKind::orderly);
    for (auto& client : clients)
      EXPECT_TRUE(client->wait_closed());
    for (auto& server : servers) {
      std::uint8_t octet;
      EXPECT_EQ(server->read_some({&octet, 1}).status, IoResult::Status::end);
      EXPECT_TRUE(server->close());
    }
    EXPECT_TRUE(door->close());
  });
}

TYPED_TEST_P(NetworkContract, CloseWhileConnectingEndsWithOnClosedAlone) {
  this->in_world([this](World& world) {
    Processor& processor = world.executor.processor(0);
    auto door = open_door(world, this->v4(), processor);
    ASSERT_NE(door, nullptr);
    for (int i = 0; i < 20; ++i) {
      auto client = start_connect_from_any(world, door->address(), processor);
      ASSERT_NE(client, nullptr);
      client->stream->arm(Interest::both);
      EXPECT_TRUE(client->close(i % 2 == 0 ? ByteStream::CloseKind::abort : ByteStream::CloseKind::orderly));
      EXPECT_EQ(client->closed_count(), 1);
      EXPECT_LE(client->connected_count() + client->failed_count(), 1);
    }
    // Those that the peer saw come in all the same.
    door->acceptor->pause();
    drain(world, processor);
    EXPECT_TRUE(door->close());
    for (int left = door->chosen_count(); left > 0; --left) {
      auto server = door->next();
      ASSERT_NE(server, nullptr);
      EXPECT_TRUE(server->close());
    }
  });
}

TYPED_TEST_P(NetworkContract, SourceForAHostAddressIsThatAddress) {
  this->in_world([this](World& world) {
    for (const Address& host : {this->v4(), this->v6()}) {
      auto source = world.network.source_for(host.with_port(445));
      ASSERT_TRUE(source.has_value());
      EXPECT_EQ(source->family, host.family);
      EXPECT_EQ(source->port, 0);
      EXPECT_TRUE(source->same_host(host)) << AddressText(*source).text;
    }
  });
}

TYPED_TEST_P(NetworkContract, InterfacesNameTheHostsAddresses) {
  this->in_world([this](World& world) {
    auto asked = world.network.interfaces();
    ASSERT_TRUE(asked.has_value());
    Array<Interface> interfaces = std::move(*asked);
    for (const Address& host : {this->v4(), this->v6()}) {
      bool found = false;
      for (const Interface& one : interfaces) {
        EXPECT_NE(one.index, 0u);
        EXPECT_NE(one.name[0], '\0');
        for (const Address& address : one.addresses) {
          EXPECT_EQ(address.port, 0);
          EXPECT_FALSE(address.is_wildcard());
          if (address.is_loopback()) {
            EXPECT_TRUE(one.loopback);
          }
          found = found || (address.same_host(host) && one.up);
        }
      }
      EXPECT_TRUE(found) << AddressText(host).text;
    }
    std::sort(interfaces.begin(), interfaces.end(), [](auto& a, auto& b) { return a.index < b.index; });
    EXPECT_EQ(
        std::adjacent_find(interfaces.begin(), interfaces.end(), [](auto& a, auto& b) { return a.index == b.index; }),
        interfaces.end())
        << "each once";
  });
}

REGISTER_TYPED_TEST_SUITE_P(
    NetworkContract, ConnectsOverBothFamilies, ConnectIsRefusedWhereNobodyListens, ConnectToItselfIsRefused,
    AFailedConnectMayBeRepeatedFromTheSamePort, AForeignLocalAddressIsNotLocal, ASecondListenerOnThePortFails,
    AWildcardListenerTakesThePortOfEveryAddress, WildcardsOfTheTwoFamiliesAreIndependent,
    ThePortIsFreeOnceTheAcceptorIsClosed, ListeningAgainSucceedsAfterConnectionsThatWeClosedFirst,
    ConnectingFromAPortAgainSucceedsAfterItsStreamClosed, ALocalPortBelongsToOneStreamUnlessShared,
    SharedPortsReachManyPeersButEachOnce, AReservedPortIsNobodyElses, RefusedByTheSinkIsAReset,
    APausedAcceptorRefusesAndKeepsItsPort, AcceptedStreamsOutliveTheirAcceptor,
    AnAcceptorMayBeDestroyedInsideItsLastEvent, AnAcceptorMayBePausedOrClosedInsideAnEvent,
    NoEventOfAnAcceptedStreamComesBeforeOnAcceptReturned, ManyConnectionsAtOnce,
    CloseWhileConnectingEndsWithOnClosedAlone, SourceForAHostAddressIsThatAddress, InterfacesNameTheHostsAddresses);

}  // namespace softndk::io::contract
