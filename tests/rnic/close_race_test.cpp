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

}  // namespace
}  // namespace softndk::rnic::test
