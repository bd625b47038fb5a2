// Interfaces by index, LUID and alias (spec/kernel-surface.md 6).
#include <gtest/gtest.h>

#include <string>

#include "ntrt/fake_provider.h"
#include "ntrt/kernel_fixture.h"
#include "wdk/netioapi.h"

namespace softndk::ntrt {
namespace {

constexpr NET_IFINDEX kIndex = 7;

std::u16string alias_of(NET_IFINDEX index) {
  NET_LUID luid = {};
  EXPECT_EQ(ConvertInterfaceIndexToLuid(index, &luid), STATUS_SUCCESS);
  WCHAR alias[NDIS_IF_MAX_STRING_SIZE + 1];
  EXPECT_EQ(ConvertInterfaceLuidToAlias(&luid, alias, NDIS_IF_MAX_STRING_SIZE + 1), STATUS_SUCCESS);
  return alias;
}

TEST(NetIo, IndexLuidAndAliasOfAnAdapter) {
  FakeProvider provider;
  ASSERT_TRUE(provider.load());
  ASSERT_EQ(provider.add(kIndex, "eth0"), NDIS_STATUS_SUCCESS);
  ASSERT_EQ(ndis_add_adapter(provider.driver,
                             {.index = 8, .luid = 0x1234, .alias = "\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\xFF!"}),
            NDIS_STATUS_SUCCESS);
  EXPECT_EQ(alias_of(kIndex), u"eth0");
  EXPECT_EQ(alias_of(8), u"\u00e4\u20ac\U0001F600\uFFFD!");

  NET_LUID luid = {};
  ASSERT_EQ(ConvertInterfaceIndexToLuid(8, &luid), STATUS_SUCCESS);
  EXPECT_EQ(luid.Value, 0x1234u);
  ASSERT_EQ(ConvertInterfaceIndexToLuid(kIndex, &luid), STATUS_SUCCESS);
  EXPECT_EQ(luid.Info.IfType, static_cast<ULONG64>(IF_TYPE_ETHERNET_CSMACD));
  NET_IFINDEX index = 0;
  EXPECT_EQ(ConvertInterfaceLuidToIndex(&luid, &index), STATUS_SUCCESS);
  EXPECT_EQ(index, kIndex);
}

TEST(NetIo, WhatIsNotThereIsNotFound) {
  NET_LUID luid = {.Value = 77};
  NET_IFINDEX index = 0;
  WCHAR alias[257];
  EXPECT_EQ(ConvertInterfaceIndexToLuid(kIndex, &luid), STATUS_NOT_FOUND);
  EXPECT_EQ(luid.Value, 77u);
  EXPECT_EQ(ConvertInterfaceLuidToIndex(&luid, &index), STATUS_NOT_FOUND);
  EXPECT_EQ(ConvertInterfaceLuidToAlias(&luid, alias, 257), STATUS_NOT_FOUND);
}

TEST(NetIo, BadArguments) {
  FakeProvider provider;
  ASSERT_TRUE(provider.load());
  ASSERT_EQ(provider.add(kIndex, "eth0"), NDIS_STATUS_SUCCESS);
  NET_LUID luid = {};
  ASSERT_EQ(ConvertInterfaceIndexToLuid(kIndex, &luid), STATUS_SUCCESS);
  WCHAR alias[5] = {u'?'};
  EXPECT_EQ(ConvertInterfaceLuidToAlias(&luid, alias, 4), STATUS_BUFFER_TOO_SMALL);
  EXPECT_EQ(alias[0], u'?');
  EXPECT_EQ(ConvertInterfaceLuidToAlias(&luid, alias, 5), STATUS_SUCCESS);
  EXPECT_EQ(ConvertInterfaceIndexToLuid(kIndex, nullptr), STATUS_INVALID_PARAMETER);
  EXPECT_EQ(ConvertInterfaceLuidToAlias(nullptr, alias, 5), STATUS_INVALID_PARAMETER);
  EXPECT_EQ(ConvertInterfaceLuidToIndex(nullptr, nullptr), STATUS_INVALID_PARAMETER);
}

TEST(NetIo, TheLongestAliasFitsTheDocumentedBuffer) {
  FakeProvider provider;
  ASSERT_TRUE(provider.load());
  ASSERT_EQ(provider.add(kIndex, std::string(1000, 'x').c_str()), NDIS_STATUS_SUCCESS);
  EXPECT_EQ(alias_of(kIndex), std::u16string(255, u'x'));
}

TEST(NetIo, TheBestRouteNamesSourceAndInterface) {
  run_on_linux([] {
    SOCKADDR_INET to = {}, from = {};
    to.Ipv4.sin_family = SOFTNDK_AF_INET;
    to.Ipv4.sin_addr.S_un.S_addr = RtlUlongByteSwap(0x7f000001);
    MIB_IPFORWARD_ROW2 row = {};
    ASSERT_EQ(GetBestRoute2(nullptr, 0, nullptr, &to, 0, &row, &from), STATUS_SUCCESS);
    EXPECT_TRUE(row.Loopback);
    EXPECT_NE(row.InterfaceIndex, 0u);
    EXPECT_EQ(from.Ipv4.sin_family, SOFTNDK_AF_INET);
    EXPECT_EQ(from.Ipv4.sin_addr.S_un.S_addr, to.Ipv4.sin_addr.S_un.S_addr);
    EXPECT_EQ(GetBestRoute2(nullptr, row.InterfaceIndex, &from, &to, 0, &row, &from), STATUS_SUCCESS);
    EXPECT_EQ(GetBestRoute2(nullptr, 9999, nullptr, &to, 0, &row, &from), STATUS_NETWORK_UNREACHABLE);
    NET_LUID luid = {};
    luid.Value = 77;
    EXPECT_EQ(GetBestRoute2(&luid, 0, nullptr, &to, 0, &row, &from), STATUS_NOT_FOUND);
    to.si_family = 99;
    EXPECT_EQ(GetBestRoute2(nullptr, 0, nullptr, &to, 0, &row, &from), STATUS_INVALID_PARAMETER);
  });
}

}  // namespace
}  // namespace softndk::ntrt
