// Interface indexes of the user's choice: the setting `interfaces`, ndkrun's --if.
#include "runtime/interface_map.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <initializer_list>
#include <string>

#include "base/log.h"
#include "wdk/ntstatus.h"

namespace softndk::runtime {
namespace {

/// What a host has: `addresses` as users write them.
io::Interface interface(std::uint32_t index, const char* name, std::initializer_list<const char*> addresses) {
  io::Interface made;
  made.index = index;
  std::snprintf(made.name, sizeof made.name, "%s", name);
  made.loopback = std::string(name) == "lo";
  made.up = true;
  for (const char* const text : addresses) {
    Address address;
    EXPECT_TRUE(parse_address(text, address)) << text;
    EXPECT_TRUE(made.addresses.push_back(address));
  }
  return made;
}

Array<io::Interface> host() {
  Array<io::Interface> all;
  EXPECT_TRUE(all.push_back(interface(1, "lo", {"127.0.0.1", "::1"})));
  EXPECT_TRUE(all.push_back(interface(2, "eth0", {"10.0.0.1", "10.0.0.2", "fe80::1%2"})));
  EXPECT_TRUE(all.push_back(interface(3, "eth1", {"10.1.0.1", "fe80::1%3"})));
  io::Interface down = interface(4, "eth2", {"10.2.0.1"});
  down.up = false;
  EXPECT_TRUE(all.push_back(std::move(down)));
  EXPECT_TRUE(all.push_back(interface(5, "eth3", {})));
  return all;
}

/// "index=name" of each, in order; or what went wrong.
std::string applied(std::string_view text) {
  InterfaceMap map;
  if (!map.parse(text)) return "not parsed";
  const auto result = map.apply(host());
  if (!result) return result.error() == STATUS_NOT_FOUND ? "not found" : "failed";
  std::string all;
  for (const io::Interface& each : *result)
    all += (all.empty() ? "" : " ") + std::to_string(each.index) + "=" + each.name;
  return all;
}

class Quiet {
 public:
  Quiet() {
    set_log_sink([](void* to, LogLevel, const char* line) { *static_cast<std::string*>(to) += line; }, &lines);
  }
  ~Quiet() { set_log_sink(nullptr, nullptr); }
  std::string lines;
};

TEST(InterfaceMap, WithoutAnyTheHostsInterfacesThatAreUsableKeepTheirIndexes) {
  EXPECT_EQ(applied(""), "1=lo 2=eth0 3=eth1");
  EXPECT_EQ(applied("none"), "1=lo 2=eth0 3=eth1");
}

TEST(InterfaceMap, AMappedInterfaceHasTheNewIndexOnly) {
  EXPECT_EQ(applied("7=10.0.0.1"), "7=eth0 1=lo 3=eth1");
  EXPECT_EQ(applied("7=10.0.0.1,7=10.0.0.2"), "7=eth0 1=lo 3=eth1") << "an index may have two addresses";
}

TEST(InterfaceMap, TwoIndexesMayBeOneInterface) {
  EXPECT_EQ(applied("12=10.0.0.1,15=10.0.0.2"), "12=eth0 15=eth0 1=lo 3=eth1");
}

TEST(InterfaceMap, WhoseOwnIndexIsTakenHasNone) {
  EXPECT_EQ(applied("3=10.0.0.1"), "3=eth0 1=lo");
}

TEST(InterfaceMap, EveryLoopbackAddressIsTheLoopbackInterfaces) {
  InterfaceMap map;
  ASSERT_TRUE(map.parse("9=127.0.0.7"));
  const auto result = map.apply(host());
  ASSERT_TRUE(result);
  const io::Interface& first = *result->begin();
  EXPECT_EQ(first.index, 9u);
  EXPECT_STREQ(first.name, "lo");
  Address wanted;
  ASSERT_TRUE(parse_address("127.0.0.7", wanted));
  EXPECT_EQ(std::count(first.addresses.begin(), first.addresses.end(), wanted), 1);
}

TEST(InterfaceMap, ALinkLocalAddressIsThatOfItsZone) {
  EXPECT_EQ(applied("7=fe80::1%2"), "7=eth0 1=lo 3=eth1");
  EXPECT_EQ(applied("7=fe80::1%3"), "7=eth1 1=lo 2=eth0");
  EXPECT_EQ(applied("7=fe80::1%eth1"), "7=eth1 1=lo 2=eth0");
  EXPECT_EQ(applied("7=fe80::1%eth0,8=fe80::1%eth1"), "7=eth0 8=eth1 1=lo");
}

TEST(InterfaceMap, AnAddressThatNobodyHasIsToldWithItsIndex) {
  Quiet quiet;
  for (const char* const text : {"7=10.9.9.9", "7=10.2.0.1", "7=fe80::1%4", "7=fe80::1%eth2"})
    EXPECT_EQ(applied(text), "not found") << text;
  EXPECT_NE(quiet.lines.find("interface 7: no interface of this host has the address 10.9.9.9"), std::string::npos);
  EXPECT_NE(quiet.lines.find("fe80::1%eth2"), std::string::npos);
}

TEST(InterfaceMap, WhatIsNoMapChangesNothing) {
  InterfaceMap map;
  ASSERT_TRUE(map.parse("7=10.0.0.1"));
  std::string many = "1=10.0.0.1";
  for (std::size_t i = 0; i < InterfaceMap::kEntriesMax; ++i)
    many += ",1=10.0.0.1";
  const std::string long_zone = "7=fe80::1%" + std::string(64, 'e');
  for (const std::string& text :
       {std::string("7"), std::string("=10.0.0.1"), std::string("0=10.0.0.1"), std::string("7=10.0.0"),
        std::string("7=10.0.0.1:80"), std::string("x=10.0.0.1"), std::string("7=fe80::1%"), std::string("-1=10.0.0.1"),
        std::string("7=10.0.0.1 "), std::string("4294967296=10.0.0.1"), many, long_zone})
    EXPECT_FALSE(map.parse(text)) << text;
  EXPECT_EQ(map.size(), 1u);
  EXPECT_EQ(map.begin()->index, 7u);
}

}  // namespace
}  // namespace softndk::runtime
