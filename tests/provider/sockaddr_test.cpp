#include "provider/sockaddr.h"

#include <gtest/gtest.h>

#include <cstring>

namespace softndk::provider {
namespace {

Address parsed(const char* text) {
  Address address;
  EXPECT_TRUE(parse_address(text, address));
  return address;
}

TEST(R_ABI_02, FamiliesAreWindowsOwn) {
  SOCKADDR_INET to;
  write_sockaddr_inet(parsed("10.1.2.3:5445"), to);
  EXPECT_EQ(to.si_family, 2);
  write_sockaddr_inet(parsed("[fe80::1%3]:5445"), to);
  EXPECT_EQ(to.si_family, 23);
}

TEST(R_ABI_03, PortAndAddressAreInNetworkOrder) {
  std::uint8_t octets[28] = {};
  ULONG length = sizeof octets;
  ASSERT_EQ(write_sockaddr(parsed("10.1.2.3:5445"), reinterpret_cast<SOCKADDR*>(octets), &length), STATUS_SUCCESS);
  const std::uint8_t expected_octets[16] = {2, 0, 0x15, 0x45, 10, 1, 2, 3};
  EXPECT_EQ(std::memcmp(octets, expected_octets, 16), 0);
  length = sizeof octets;
  ASSERT_EQ(write_sockaddr(parsed("[fe80::1%3]:5445"), reinterpret_cast<SOCKADDR*>(octets), &length), STATUS_SUCCESS);
  const std::uint8_t expected_v6[28] = {23, 0, 0x15, 0x45, 0, 0, 0, 0, 0xfe, 0x80, 0, 0, 0, 0,
                                        0,  0, 0,    0,    0, 0, 0, 0, 0,    1,    3, 0, 0, 0};
  EXPECT_EQ(std::memcmp(octets, expected_v6, 28), 0);
}

TEST(R_CNCT_08, ShortOrForeignAddressesAreInvalid) {
  SOCKADDR_STORAGE storage{};
  auto* address = reinterpret_cast<SOCKADDR*>(&storage);
  for (ULONG length = 0; length < 16; ++length) {
    address->sa_family = SOFTNDK_AF_INET;
    EXPECT_EQ(read_sockaddr(address, length).error(), STATUS_INVALID_ADDRESS) << length;
  }
  for (ULONG length = 0; length < 28; ++length) {
    address->sa_family = SOFTNDK_AF_INET6;
    EXPECT_EQ(read_sockaddr(address, length).error(), STATUS_INVALID_ADDRESS) << length;
  }
  for (USHORT family : {0, 1, 10, 24}) {  // 10: Linux's own number for IPv6
    address->sa_family = family;
    EXPECT_EQ(read_sockaddr(address, sizeof storage).error(), STATUS_INVALID_ADDRESS) << family;
  }
  EXPECT_EQ(read_sockaddr(nullptr, 16).error(), STATUS_INVALID_PARAMETER);
}

TEST(R_ADR_01, WhatIsWrittenReadsBack) {
  for (const char* text : {"0.0.0.0:0", "10.1.2.3:65535", "[::]:1", "[fd00::12:1]:443", "[fe80::1%7]:9"}) {
    SOCKADDR_STORAGE storage{};
    ULONG length = sizeof storage;
    ASSERT_EQ(write_sockaddr(parsed(text), reinterpret_cast<SOCKADDR*>(&storage), &length), STATUS_SUCCESS);
    const auto back = read_sockaddr(reinterpret_cast<SOCKADDR*>(&storage), length);
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, parsed(text)) << text;
  }
}

TEST(R_ADR_02, TooSmallABufferIsLeftAloneAndToldTheSize) {
  for (const auto& [text, size] : {std::pair{"10.0.0.1:1", 16u}, std::pair{"[fd00::1]:1", 28u}}) {
    for (ULONG room = 0; room < size; ++room) {
      std::uint8_t octets[28];
      std::memset(octets, 0xee, sizeof octets);
      ULONG length = room;
      EXPECT_EQ(write_sockaddr(parsed(text), reinterpret_cast<SOCKADDR*>(octets), &length), STATUS_BUFFER_TOO_SMALL);
      EXPECT_EQ(length, size);
      for (std::uint8_t octet : octets)
        EXPECT_EQ(octet, 0xee);
    }
    ULONG length = 0;
    EXPECT_EQ(write_sockaddr(parsed(text), nullptr, &length), STATUS_BUFFER_TOO_SMALL);
    EXPECT_EQ(length, size);
  }
  EXPECT_EQ(write_sockaddr(parsed("10.0.0.1:1"), nullptr, nullptr), STATUS_INVALID_PARAMETER);
}

TEST(R_ADR_03, ACapacityOfExactlyTheSizeSuffices) {
  SOCKADDR_IN in;
  ULONG length = sizeof in;
  EXPECT_EQ(write_sockaddr(parsed("10.0.0.1:1"), reinterpret_cast<SOCKADDR*>(&in), &length), STATUS_SUCCESS);
  EXPECT_EQ(length, 16u);
  SOCKADDR_IN6 in6;
  length = sizeof in6;
  EXPECT_EQ(write_sockaddr(parsed("[::1]:1"), reinterpret_cast<SOCKADDR*>(&in6), &length), STATUS_SUCCESS);
  EXPECT_EQ(length, 28u);
}

}  // namespace
}  // namespace softndk::provider
