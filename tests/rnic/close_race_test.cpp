// Calls of the software RNIC beside a close of the same object on another thread: what a consumer should not do, and
// what must end all the same.
#include "raw_peer.h"

namespace softndk::rnic::test {
namespace {

TEST(R_CLS_12, AListenerThatIsClosedDuringItsListenFreesTheAddressBeforeItsLastEvent) {
  // Found by reading: the endpoint that listen() came back with was kept, with a target that was about to be freed.
  in_every_world(
      [](io::World& world) {
        auto device = make_device(world);
        Address at;
        {
          Host first(world, *device);
          at = first.listen();
        }
        Host host(world, *device);
        std::atomic<bool> listening{false};
        expected<Address, CmStatus> listened = unexpected(CmStatus::cancelled);
        io::contract::Worker listener(world, [&] {
          listening = true;
          listened = host.listener->listen(at);
        });
        for (unsigned spins = 0; !listening; ++spins)
          world.executor.relax(spins);
        host.listener->close();
        listener.join();
        EXPECT_TRUE(host.bell.wait([&] { return host.closed.load(); }));
        if (!listened) {
          EXPECT_EQ(listened.error(), CmStatus::wrong_state);
        }
        Host second(world, *device);  // the first is closed, though not destroyed yet
        EXPECT_EQ(second.listen(at), at);
        host.listener = nullptr;
      },
      200);
}

// A connection that nobody took, or that was half open, held the listener's address beyond the listener's close; and
// nothing counted it, so that the device could go before it did (seeds 5011072 and 10226 of the workload).
TEST(R_EP_01, AListenersAddressIsFreeOnceItsCloseHasCompleted) {
  for (const bool sends_request : {true, false}) {
    SCOPED_TRACE(sends_request ? "a request that was refused" : "half open");
    in_every_world(
        [sends_request](io::World& world) {
          auto device = make_device(world, patient());
          RawPeer raw(world);
          Host host(world, *device);
          const Address at = host.listen();
          ASSERT_TRUE(raw.connect(at));
          if (sends_request) {
            ASSERT_TRUE(raw.send(request_octets()));
            ASSERT_TRUE(host.wait_request());  // whom nobody expects
          }
          host.close();
          Host second(world, *device);
          EXPECT_EQ(second.listen(at), at);
          second.close();
        },
        100);
  }
}

/// Lets `call()` run beside a close of the peer's connection and returns its status. The last event has come.
template <class Call>
CmStatus call_beside_close(io::World& world, Peer& peer, Call call) {
  std::atomic<bool> calling{false};
  CmStatus status = CmStatus::success;
  io::contract::Worker caller(world, [&] {
    calling = true;
    status = call();
  });
  for (unsigned spins = 0; !calling; ++spins)
    world.executor.relax(spins);
  peer.connection->close();
  caller.join();
  EXPECT_TRUE(peer.bell.wait([&] { return peer.closed.load(); }));
  return status;
}

TEST(R_CLS_12, AConnectThatPendsBesideACloseEndsBeforeTheLastEvent) {
  // Found by reading: a connect that came behind the close pended for ever.
  in_every_world(
      [](io::World& world) {
        auto device = make_device(world);
        Host host(world, *device);
        const Address at = host.listen();
        Peer peer(world, *device);
        peer.new_connection();
        const CmStatus status = call_beside_close(world, peer, [&] {
          rdma::ConnectParameters parameters;
          parameters.local = at.with_port(0);
          parameters.remote = at;
          return peer.connection->connect(*peer.qp, parameters);
        });
        EXPECT_EQ(peer.connect_done.value >= 0, status == CmStatus::pending);
        if (status != CmStatus::pending) {
          EXPECT_EQ(status, CmStatus::cancelled);
        }
        peer.connection = nullptr;
        peer.closed = false;
      },
      200);
}

TEST(R_CLS_12, ADisconnectThatPendsBesideACloseEndsBeforeTheLastEvent) {
  in_every_world(
      [](io::World& world) {
        auto device = make_device(world);
        Host host(world, *device);
        const Address at = host.listen();
        Peer active(world, *device), passive(world, *device);
        establish(host, active, passive, at);
        const CmStatus status = call_beside_close(world, active, [&] { return active.connection->disconnect(); });
        EXPECT_EQ(active.disconnected.value >= 0, status == CmStatus::pending);
        if (status != CmStatus::pending) {
          EXPECT_EQ(status, CmStatus::cancelled);
        }
        active.connection = nullptr;
        active.closed = false;
        passive.close_all();
      },
      200);
}

}  // namespace
}  // namespace softndk::rnic::test
