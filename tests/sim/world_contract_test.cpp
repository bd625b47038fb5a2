// The contract of io, over simulated worlds: each test under several seeds.
#include "io/world_contract.h"

#include "sim/seed_loop.h"
#include "sim/world.h"

namespace {

struct SimWorld {
  static void run(const std::function<void(softndk::io::World&)>& body) {
    softndk::sim::for_each_seed(8, [&](std::uint64_t seed) {
      softndk::sim::World world(seed);
      softndk::io::World view = world.view();
      EXPECT_EQ(world.run([&] { body(view); }), softndk::sim::Result::completed);
    });
  }
  static softndk::Address host(softndk::Address::Family family) {
    return parse(family == softndk::Address::Family::v4 ? "10.0.0.1" : "fd00::1");
  }
  static softndk::Address foreign() { return parse("10.0.0.77"); }

 private:
  static softndk::Address parse(const char* text) {
    softndk::Address address;
    softndk::parse_address(text, address);
    return address;
  }
};

}  // namespace

SOFTNDK_WORLD_CONTRACT(Sim, SimWorld);
