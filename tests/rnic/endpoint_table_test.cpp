#include "rnic/endpoint_table.h"

#include <gtest/gtest.h>

#include <set>

#include "sim/seed_loop.h"
#include "sim/world.h"

namespace softndk::rnic {
namespace {

const Address kHost = [] {
  Address address;
  parse_address("127.0.0.1", address);
  return address;
}();

/// A table with four ports to choose from.
template <class Body>
void with_table(Body body) {
  sim::for_each_seed(10, [&](std::uint64_t seed) {
    sim::World world(seed);
    EXPECT_EQ(world.run([&] {
      EndpointTable table(world.view().rng, {50000, 50003});
      ASSERT_TRUE(table.add_addresses(std::span(&kHost, 1)));
      body(table);
    }),
              sim::Result::completed);
  });
}

// TCP may know of a connection from a port to the peer that we have forgotten; then the port is free, and yet of no
// use.
TEST(R_CNCT_06, PortsThatAreTakenOrCannotReachThePeerArePassedOver) {
  for (const io::IoError error : {io::IoError::address_in_use, io::IoError::already_connected}) {
    with_table([error](EndpointTable& table) {
      std::set<std::uint16_t> tried;
      const auto use = [&](std::size_t in_vain) {
        return [&tried, in_vain, error](Endpoint& endpoint) -> expected<void, io::IoError> {
          tried.insert(endpoint.address().port);
          if (tried.size() <= in_vain) return unexpected(error);
          return {};
        };
      };
      auto none = table.take(kHost, use(4));
      ASSERT_FALSE(none);
      EXPECT_EQ(none.error(), rdma::CmStatus::no_free_port);
      EXPECT_EQ(tried, (std::set<std::uint16_t>{50000, 50001, 50002, 50003}));
      tried.clear();
      auto last = table.take(kHost, use(3));
      ASSERT_TRUE(last);
      EXPECT_EQ(tried.size(), 4u);
      // A port that was asked for is not replaced by another.
      tried.clear();
      auto asked = table.take(kHost.with_port(50010), use(1));
      ASSERT_FALSE(asked);
      EXPECT_EQ(asked.error(), to_cm_status(error));
    });
  }
}

TEST(R_CNCT_06, OtherFailuresEndTheSearch) {
  with_table([](EndpointTable& table) {
    int calls = 0;
    auto failed = table.take(kHost, [&](Endpoint&) -> expected<void, io::IoError> {
      ++calls;
      return unexpected(io::IoError::no_resources);
    });
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error(), rdma::CmStatus::no_resources);
    EXPECT_EQ(calls, 1);
  });
}

TEST(R_CNCT_05, StreamsAreKnownByBothAddressesWhileTheyExist) {
  with_table([](EndpointTable& table) {
    const auto make = [](std::uint16_t from, std::uint16_t to) {
      AddressPair pair;
      pair.local = kHost.with_port(from);
      pair.remote = kHost.with_port(to);
      return pair;
    };
    AddressPair one = make(50000, 7), two = make(50000, 8), other = make(50512, 7);  // one bucket
    table.add(one);
    table.add(two);
    EXPECT_TRUE(table.has_stream(one.local, one.remote));
    EXPECT_FALSE(table.has_stream(one.remote, one.local));
    EXPECT_FALSE(table.has_stream(other.local, other.remote));
    table.remove(one);
    table.remove(one);  // again is harmless
    EXPECT_FALSE(table.has_stream(one.local, one.remote));
    EXPECT_TRUE(table.has_stream(two.local, two.remote));
    table.remove(two);
  });
}

}  // namespace
}  // namespace softndk::rnic
