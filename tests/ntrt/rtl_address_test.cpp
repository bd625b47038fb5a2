// RtlIp*StringToAddressEx* (spec/kernel-surface.md 5).
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <string>

#include "wdk/ip2string.h"
#include "wdk/ntddk.h"

namespace softndk::ntrt {
namespace {

/// The wide form of ASCII text.
std::u16string wide(const char* text) {
  return std::u16string(text, text + std::strlen(text));
}

struct V4 {
  NTSTATUS status;
  std::array<UCHAR, 4> octets;
  USHORT port;
  bool operator==(const V4&) const = default;
};
constexpr V4 kRefused = {STATUS_INVALID_PARAMETER, {9, 9, 9, 9}, 9999};  // nothing is written on failure

/// By the narrow function; the wide one has to agree.
V4 parse4(const char* text, bool strict) {
  V4 a = kRefused, w = kRefused;
  a.status = RtlIpv4StringToAddressExA(text, strict, reinterpret_cast<IN_ADDR*>(a.octets.data()), &a.port);
  w.status =
      RtlIpv4StringToAddressExW(wide(text).c_str(), strict, reinterpret_cast<IN_ADDR*>(w.octets.data()), &w.port);
  EXPECT_EQ(a, w) << text;
  return a;
}
constexpr USHORT net(USHORT port) {
  return RtlUshortByteSwap(port);
}

TEST(RtlIpv4, StrictTakesFourDecimalParts) {
  EXPECT_EQ(parse4("10.0.0.1", true), (V4{STATUS_SUCCESS, {10, 0, 0, 1}, 0}));
  EXPECT_EQ(parse4("255.255.255.255", true), (V4{STATUS_SUCCESS, {255, 255, 255, 255}, 0}));
  for (const char* text :
       {"", "10", "10.0.1", "10.0.0.256", "10.0.0.1.2", "10.0.0.", ".10.0.0.1", "10..0.1", "0x0a.0.0.1", "010.0.0.1",
        "10.0.0.1 ", " 10.0.0.1", "10.0.0.-1", "10.0.0.a", "4294967296.0.0.1"})
    EXPECT_EQ(parse4(text, true), kRefused) << text;
}

TEST(RtlIpv4, LooseTakesFewerPartsAndOtherBases) {
  EXPECT_EQ(parse4("10.1", false), (V4{STATUS_SUCCESS, {10, 0, 0, 1}, 0}));
  EXPECT_EQ(parse4("10.1.258", false), (V4{STATUS_SUCCESS, {10, 1, 1, 2}, 0}));
  EXPECT_EQ(parse4("2130706433", false), (V4{STATUS_SUCCESS, {127, 0, 0, 1}, 0}));
  EXPECT_EQ(parse4("0x7f.0.0.010", false), (V4{STATUS_SUCCESS, {127, 0, 0, 8}, 0}));
  EXPECT_EQ(parse4("0", false), (V4{STATUS_SUCCESS, {0, 0, 0, 0}, 0}));
  for (const char* text : {"", "256.1", "10.16777216", "10.0.65536", "4294967296", "0x", "08", "1.2.3.4.5", "1."})
    EXPECT_EQ(parse4(text, false), kRefused) << text;
}

TEST(RtlIpv4, PortIsInNetworkOrderAndZeroWhenAbsent) {
  EXPECT_EQ(parse4("10.0.0.1:5445", true), (V4{STATUS_SUCCESS, {10, 0, 0, 1}, net(5445)}));
  EXPECT_EQ(parse4("10.0.0.1:65535", true), (V4{STATUS_SUCCESS, {10, 0, 0, 1}, net(65535)}));
  EXPECT_EQ(parse4("10.0.0.1:0x50", true), (V4{STATUS_SUCCESS, {10, 0, 0, 1}, net(80)}));
  for (const char* text : {"10.0.0.1:", "10.0.0.1:65536", "10.0.0.1:1x", "10.0.0.1:-1", "10.0.0.1::1", ":80"})
    EXPECT_EQ(parse4(text, true), kRefused) << text;
}

TEST(RtlIpv4, NullPointersAreRefused) {
  IN_ADDR address;
  USHORT port;
  EXPECT_EQ(RtlIpv4StringToAddressExW(nullptr, TRUE, &address, &port), STATUS_INVALID_PARAMETER);
  EXPECT_EQ(RtlIpv4StringToAddressExW(u"10.0.0.1", TRUE, nullptr, &port), STATUS_INVALID_PARAMETER);
  EXPECT_EQ(RtlIpv4StringToAddressExW(u"10.0.0.1", TRUE, &address, nullptr), STATUS_INVALID_PARAMETER);
}

TEST(RtlIpv4, AnAddressMayBeTheBeginningOfAText) {
  IN_ADDR address;
  const char* end = nullptr;
  const char* const text = "10.0.0.1/24";
  EXPECT_EQ(RtlIpv4StringToAddressA(text, TRUE, &end, &address), STATUS_SUCCESS);
  EXPECT_EQ(end, text + 8);
  EXPECT_EQ(std::memcmp(&address, "\x0a\x00\x00\x01", 4), 0);
  const char16_t* wide_end = nullptr;
  const char16_t* const wide_text = u"192.168.7.255";
  EXPECT_EQ(RtlIpv4StringToAddressW(wide_text, TRUE, &wide_end, &address), STATUS_SUCCESS);
  EXPECT_EQ(wide_end, wide_text + 13);
  EXPECT_EQ(std::memcmp(&address, "\xc0\xa8\x07\xff", 4), 0);
}

TEST(RtlIpv4, WhereNoAddressBeginsNothingIsWrittenButTheTerminator) {
  IN_ADDR address;
  std::memset(&address, 9, sizeof address);
  const char* end = nullptr;
  const char* const text = "10.0.0";
  EXPECT_EQ(RtlIpv4StringToAddressA(text, TRUE, &end, &address), STATUS_INVALID_PARAMETER);
  EXPECT_EQ(end, text);
  EXPECT_EQ(std::memcmp(&address, "\x09\x09\x09\x09", 4), 0);
  EXPECT_EQ(RtlIpv4StringToAddressA(nullptr, TRUE, &end, &address), STATUS_INVALID_PARAMETER);
  EXPECT_EQ(RtlIpv4StringToAddressA(text, TRUE, nullptr, &address), STATUS_INVALID_PARAMETER);
  EXPECT_EQ(RtlIpv4StringToAddressA(text, TRUE, &end, nullptr), STATUS_INVALID_PARAMETER);
}

struct V6 {
  NTSTATUS status = STATUS_UNSUCCESSFUL;
  std::array<UCHAR, 16> octets = {};
  ULONG scope = 0;
  USHORT port = 0;
  bool operator==(const V6&) const = default;
};

V6 parse6(const char* text) {
  V6 a, w;
  a.status = RtlIpv6StringToAddressExA(text, reinterpret_cast<IN6_ADDR*>(a.octets.data()), &a.scope, &a.port);
  w.status =
      RtlIpv6StringToAddressExW(wide(text).c_str(), reinterpret_cast<IN6_ADDR*>(w.octets.data()), &w.scope, &w.port);
  EXPECT_EQ(a, w) << text;
  return a;
}
V6 ok(std::array<UCHAR, 16> octets, ULONG scope = 0, USHORT port = 0) {
  return {STATUS_SUCCESS, octets, scope, port};
}

TEST(RtlIpv6, Groups) {
  EXPECT_EQ(parse6("1:2:3:4:5:6:7:8"), ok({0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8}));
  EXPECT_EQ(parse6("::"), ok({}));
  EXPECT_EQ(parse6("::1"), ok({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}));
  EXPECT_EQ(parse6("fe80::"), ok({0xfe, 0x80}));
  EXPECT_EQ(parse6("2001:DB8::a:b"), ok({0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xa, 0, 0xb}));
  EXPECT_EQ(parse6("1:2:3:4:5:6:7::"), ok({0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 0}));
  EXPECT_EQ(parse6("::2:3:4:5:6:7:8"), ok({0, 0, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8}));
  EXPECT_EQ(parse6("::ffff:10.0.0.1"), ok({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1}));
  EXPECT_EQ(parse6("1:2:3:4:5:6:10.0.0.1"), ok({0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 10, 0, 0, 1}));
}

TEST(RtlIpv6, ScopeAndPort) {
  EXPECT_EQ(parse6("fe80::1%3"), ok({0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 3));
  EXPECT_EQ(parse6("[::]:80"), ok({}, 0, net(80)));
  EXPECT_EQ(parse6("[::]"), ok({}));
  EXPECT_EQ(parse6("[fe80::%4294967295]:5445"), ok({0xfe, 0x80}, 0xFFFFFFFF, net(5445)));
}

TEST(RtlIpv6, WhatIsRefused) {
  for (const char* text : {"",
                           ":",
                           ":::",
                           "1",
                           "1:2:3:4:5:6:7",
                           "1:2:3:4:5:6:7:8:9",
                           "1::2::3",
                           "1:",
                           ":1",
                           "12345::",
                           "g::",
                           "::1%",
                           "::1%x",
                           "[::1",
                           "::1]",
                           "[::1]80",
                           "[::1]:",
                           "[::1]:65536",
                           "::1:80.0.0.1x",
                           "1:2:3:4:5:6:7:1.2.3.4",
                           "::1.2.3",
                           "1:2:3:4:5:6:7:8::",
                           "::256.1.1.1",
                           "::1 "})
    EXPECT_EQ(parse6(text), (V6{.status = STATUS_INVALID_PARAMETER})) << text;
}

}  // namespace
}  // namespace softndk::ntrt
