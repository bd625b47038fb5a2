#pragma once
// A connection with memory on both ends: the passive end has the goods, mapped, and the active end is the peer that
// comes for them.
#include "fast_region.h"
#include "stage.h"

namespace softndk::stack {

struct Shop {
  explicit Shop(Stage& stage, std::size_t bytes = 20'000, std::size_t offset = 100)
      : pair(stage),
        passive(pair.passive),
        active(pair.active),
        goods(bytes, offset),
        basket(active.pd.get(), bytes),
        lam(*stage.adapter, goods),
        token(privileged_token(passive.pd.get())) {
    connected = pair.establish();
    EXPECT_TRUE(connected);
    goods.fill(3);
  }
  /// Of the goods, by the privileged token.
  NDK_SGE sge(std::size_t offset, std::size_t bytes) { return logical_sge(token, lam.address(offset), bytes); }
  void expect_broken() {
    EXPECT_TRUE(passive.left.wait());
    EXPECT_TRUE(active.left.wait());
  }
  Pair pair;
  Side& passive;
  Side& active;
  Memory goods;
  Region basket;
  Lam lam;
  UINT32 token;
  bool connected = false;
};

constexpr std::size_t kShopBytes = 20'000;
constexpr UINT64 kShopBase = 0x1234'5678'9ABC'D000;  // nobody's memory

/// Whose goods are behind a fast-register region.
struct FastShop : Shop {
  explicit FastShop(Stage& stage, std::size_t bytes = kShopBytes, std::size_t offset = 0, ULONG pages = 600)
      : Shop(stage, bytes, offset), region(passive.pd.get(), pages) {}
  NTSTATUS enlist(ULONG flags = kFastAll, UINT64 base = kShopBase) {
    return region.enlist(passive, lam, goods.bytes, base, flags);
  }
  /// And waits.
  void expect_enlisted(ULONG flags = kFastAll, UINT64 base = kShopBase) {
    ASSERT_EQ(enlist(flags, base), STATUS_SUCCESS);
    const NDK_RESULT_EX result = passive.next();
    EXPECT_EQ(result.Status, STATUS_SUCCESS);
    EXPECT_EQ(result.Type, NdkOperationTypeFastRegister);
    EXPECT_EQ(result.BytesTransferred, 0u);
    EXPECT_EQ(result.RequestContext, reinterpret_cast<PVOID>(7));
  }
  void expect_invalidated(ULONG flags = 0) {
    ASSERT_EQ(region.invalidate(passive, flags), STATUS_SUCCESS);
    const NDK_RESULT_EX result = passive.next();
    EXPECT_EQ(result.Status, STATUS_SUCCESS);
    EXPECT_EQ(result.Type, NdkOperationTypeInvalidate);
  }
  /// By the peer.
  NTSTATUS read(UINT64 address, std::size_t bytes, UINT32 token) {
    const NTSTATUS posted = active.read(basket.sge(0, bytes), address, token);
    return posted == STATUS_SUCCESS ? active.next_status() : posted;
  }
  NTSTATUS read(UINT64 address, std::size_t bytes) { return read(address, bytes, region.token()); }
  /// By the peer, and returns when it has arrived. From the basket's front.
  NTSTATUS write(UINT64 address, std::size_t bytes) {
    const NTSTATUS posted = active.write(basket.sge(0, bytes), address, region.token());
    if (posted != STATUS_SUCCESS) return posted;
    EXPECT_EQ(passive.receive(logical_sge(privileged_token(passive.pd.get()), 0, 0), 70), STATUS_SUCCESS);
    EXPECT_EQ(active.send(basket.sge(0, 0), 71), STATUS_SUCCESS);
    const NTSTATUS written = active.next_status();
    EXPECT_EQ(active.next_status(), STATUS_SUCCESS);
    EXPECT_EQ(passive.next_status(), STATUS_SUCCESS);
    return written;
  }
  FastRegion region;
};

}  // namespace softndk::stack
