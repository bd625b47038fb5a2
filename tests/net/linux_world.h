#pragma once
#include <gtest/gtest.h>

#include <functional>

#include "net/world.h"

namespace softndk::net {

/// The factory of the contract suites (tests/io/world_fixture.h): a fresh world on this machine's loopback.
template <unsigned processors, io::TimeNs spin_ns>
struct LinuxWorld {
  static void run(const std::function<void(io::World&)>& body) {
    auto world = World::create({.processors = processors, .spin_ns = spin_ns});
    ASSERT_TRUE(world.has_value()) << to_string(world.error());
    io::World view = (*world)->view();  // before the threads end, after the body: events may still look at it
    body(view);
    world->reset();
  }
  static Address host(Address::Family family) {
    Address address;
    EXPECT_TRUE(parse_address(family == Address::Family::v4 ? "127.0.0.1" : "::1", address));
    return address;
  }
  static Address foreign() {
    Address address;
    EXPECT_TRUE(parse_address("203.0.113.7", address));  // TEST-NET-3 of RFC 5737
    return address;
  }
};

using SpinningWorld = LinuxWorld<2, 20 * io::kMicrosecond>;
using SleepingWorld = LinuxWorld<1, 0>;  // every wait is a real one, and one thread serves all

}  // namespace softndk::net
