#include "tools/common/address.h"

#include <gtest/gtest.h>

namespace softndk::tools {
namespace {

TEST(Address, IPv4WithPortReadsBackAsWritten) {
  const auto address = parse_address("10.0.0.1:9000", PortPart::required);
  ASSERT_TRUE(address);
  EXPECT_FALSE(address->is_ipv6());
  EXPECT_EQ(address->port(), 9000);
  EXPECT_EQ(address->sockaddr_bytes(), 16u);
  EXPECT_EQ(to_string(*address), "10.0.0.1:9000");
}

TEST(Address, IPv6HasWindowsFamilyNumber) {
  const auto address = parse_address("[2001:db8::1]:9000", PortPart::required);
  ASSERT_TRUE(address);
  EXPECT_EQ(address->value.si_family, 23);
  EXPECT_EQ(address->sockaddr_bytes(), 28u);
  EXPECT_EQ(to_string(*address), "[2001:db8::1]:9000");
}

TEST(Address, ScopeIsAnIndexOrAName) {
  const auto by_index = parse_address("[fe80::1%7]:1", PortPart::required);
  ASSERT_TRUE(by_index);
  EXPECT_EQ(by_index->value.Ipv6.sin6_scope_id, 7u);
  EXPECT_EQ(to_string(*by_index), "[fe80::1%7]:1");
  const auto by_name = parse_address("[fe80::1%lo]:1", PortPart::required);
  ASSERT_TRUE(by_name);
  EXPECT_NE(by_name->value.Ipv6.sin6_scope_id, 0u);
  EXPECT_FALSE(parse_address("[fe80::1%no-such-if]:1", PortPart::required));
}

TEST(Address, WithoutPortBracketsAreOptional) {
  EXPECT_EQ(host_text(parse_address("::1", PortPart::none).value()), "::1");
  EXPECT_EQ(host_text(parse_address("[::1]", PortPart::none).value()), "::1");
  EXPECT_EQ(host_text(parse_address("127.0.0.1", PortPart::none).value()), "127.0.0.1");
}

TEST(Address, WhatIsNoEndpointIsRefused) {
  for (const char* const text : {"", "10.0.0.1", "10.0.0.1:", "10.0.0.1:0", "10.0.0.1:65536", "10.0.0.1:9x", "::1:9000",
                                 "[::1]", "[::1:9000", "10.0.0:9000", "host:9000", "[10.0.0.1]:9000"})
    EXPECT_FALSE(parse_address(text, PortPart::required)) << text;
}

TEST(Address, WildcardIsKnown) {
  EXPECT_TRUE(parse_address("0.0.0.0:1", PortPart::required)->is_wildcard());
  EXPECT_TRUE(parse_address("[::]:1", PortPart::required)->is_wildcard());
  EXPECT_FALSE(parse_address("127.0.0.1:1", PortPart::required)->is_wildcard());
  EXPECT_TRUE(Address::any(*parse_address("[::1]:1", PortPart::required)).is_ipv6());
}

TEST(Address, SourceTowardsLoopbackIsLoopback) {
  const auto source = source_towards(*parse_address("127.0.0.1:9", PortPart::required));
  ASSERT_TRUE(source);
  EXPECT_EQ(host_text(*source), "127.0.0.1");
  EXPECT_EQ(source->port(), 0);
}

}  // namespace
}  // namespace softndk::tools
