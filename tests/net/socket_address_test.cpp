#include "net/socket_address.h"

#include <gtest/gtest.h>

#include <cstring>

namespace softndk::net {
namespace {

Address parsed(const char* text) {
  Address address;
  EXPECT_TRUE(parse_address(text, address)) << text;
  return address;
}

TEST(SocketAddress, RoundTrips) {
  for (const char* text : {"127.0.0.1:5445", "0.0.0.0:1", "255.255.255.255:65535", "[::1]:5445", "[::]:80",
                           "[2001:db8::1:2]:49152", "[fe80::1%3]:445"})
    EXPECT_EQ(SocketAddress(parsed(text)).address(), parsed(text)) << text;
}

TEST(SocketAddress, TheKernelsBytes) {
  const SocketAddress four(parsed("1.2.3.4:258"));
  ASSERT_EQ(four.size(), sizeof(sockaddr_in));
  sockaddr_in in;
  std::memcpy(&in, four.get(), sizeof in);
  EXPECT_EQ(in.sin_family, AF_INET);
  EXPECT_EQ(in.sin_port, 0x0201) << "network order";
  const SocketAddress six(parsed("[fe80::1%3]:258"));
  ASSERT_EQ(six.size(), sizeof(sockaddr_in6));
  sockaddr_in6 in6;
  std::memcpy(&in6, six.get(), sizeof in6);
  EXPECT_EQ(in6.sin6_family, AF_INET6);
  EXPECT_EQ(in6.sin6_scope_id, 3u);
  EXPECT_EQ(in6.sin6_addr.s6_addr[0], 0xfe);
}

TEST(SocketAddress, AScopeBelongsToLinkLocalAddressesOnly) {
  Address global = parsed("[2001:db8::1]:1");
  global.scope_id = 3;
  EXPECT_EQ(SocketAddress(global).address().scope_id, 0u);
}

TEST(SocketAddress, OtherFamiliesAreNone) {
  sockaddr_storage other{};
  other.ss_family = AF_UNIX;
  EXPECT_EQ(to_address(reinterpret_cast<sockaddr*>(&other)), std::nullopt);
  EXPECT_EQ(to_address(nullptr), std::nullopt);
}

}  // namespace
}  // namespace softndk::net
