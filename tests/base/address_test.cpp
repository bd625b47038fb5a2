#include "base/address.h"

#include <gtest/gtest.h>

#include <string>

namespace softndk {
namespace {

TEST(Address, TextsRoundTrip) {
  for (const char* text : {"10.0.0.1:5445", "255.255.255.255:65535", "0.0.0.0:0", "[::]:1",
                           "[fe80::1%4294967295]:65535", "[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535"}) {
    Address address;
    ASSERT_TRUE(parse_address(text, address)) << text;
    Address again;
    ASSERT_TRUE(parse_address(AddressText(address).text, again)) << AddressText(address).text;
    EXPECT_EQ(address, again) << text;
  }
}

TEST(Address, HostTextHasNeitherPortNorBrackets) {
  Address address;
  ASSERT_TRUE(parse_address("[fe80::1%3]:5445", address));
  EXPECT_STREQ(AddressText(address).text, "[fe80::1%3]:5445");
  EXPECT_STREQ(HostText(address).text, "fe80::1%3");
  ASSERT_TRUE(parse_address("10.0.0.1:5445", address));
  EXPECT_STREQ(HostText(address).text, "10.0.0.1");
}

TEST(Address, WhatIsNoneLeavesTheOldOne) {
  Address address;
  ASSERT_TRUE(parse_address("10.0.0.1", address));
  const Address before = address;
  for (const std::string text : {"", "10.0.0", "10.0.0.1:", "10.0.0.1:65536", "[::1", "[::1]5", "[::1]:", "::1%x"})
    EXPECT_FALSE(parse_address(text.c_str(), address)) << text;
  EXPECT_FALSE(parse_address(std::string(100, '1').c_str(), address));
  EXPECT_EQ(address, before);
}

}  // namespace
}  // namespace softndk
