// The end of a fast registration: invalidate, fences, reads that take their sink away (spec/ndkpi.md 3.14).
#include "shop.h"

namespace softndk::stack {
namespace {

TEST(R_INV_01, AFastRegisteredRegionIsInvalidated) {
  everywhere([](Stage& stage) {
    FastShop shop(stage);
    ASSERT_TRUE(shop.connected);
    shop.expect_enlisted();
    shop.expect_invalidated();
    EXPECT_EQ(shop.read(kShopBase, 1), STATUS_ACCESS_VIOLATION);
  });
}

TEST(R_INV_03, InvalidatingAnInvalidRegionBreaksTheQueuePair) {
  for (const bool was_valid : {false, true}) {
    everywhere(
        [&](Stage& stage) {
          FastShop shop(stage);
          ASSERT_TRUE(shop.connected);
          if (was_valid) {
            shop.expect_enlisted();
            shop.expect_invalidated();
          }
          ASSERT_EQ(shop.region.invalidate(shop.passive), STATUS_SUCCESS);
          EXPECT_EQ(shop.passive.next_status(), STATUS_INVALID_DEVICE_REQUEST);
          shop.expect_broken();
        },
        {}, 3);
  }
}

// The peer goes on writing while the region is taken from it.
TEST(R_INV_04, NothingComesThroughAFastRegionAfterTheInvalidatesCompletion) {
  everywhere([](Stage& stage) {
    FastShop shop(stage);
    ASSERT_TRUE(shop.connected);
    shop.expect_enlisted();
    for (UINT_PTR i = 0; i < 24; ++i) {
      if (i == 8) {
        ASSERT_EQ(shop.region.invalidate(shop.passive), STATUS_SUCCESS);
      }
      const NTSTATUS posted = i % 3 == 2 ? shop.active.read(shop.basket.all(), kShopBase, shop.region.token(), i)
                                         : shop.active.write(shop.basket.all(), kShopBase, shop.region.token(), i);
      if (posted != STATUS_SUCCESS) break;
    }
    EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
    shop.goods.fill(99);  // ours alone now
    Memory kept(kShopBytes);
    kept.fill(99);
    EXPECT_TRUE(shop.active.left.wait());
    EXPECT_TRUE(shop.goods.same(kept, kShopBytes));
  });
}

TEST(R_INV_05, OurOwnSendsBeforeItAreOutBeforeItTakesEffect) {
  everywhere([](Stage& stage) {
    constexpr std::size_t kLarge = 3u << 20;
    FastShop shop(stage, kLarge, 0, 1000);
    ASSERT_TRUE(shop.connected);
    shop.expect_enlisted();
    ASSERT_EQ(shop.active.receive(shop.basket.all()), STATUS_SUCCESS);
    ASSERT_EQ(shop.passive.send(shop.region.sge(kShopBase, kLarge), 31), STATUS_SUCCESS);
    ASSERT_EQ(shop.region.invalidate(shop.passive, 0, 32), STATUS_SUCCESS);
    ASSERT_EQ(shop.enlist(kFastAll, kShopBase + 1), STATUS_SUCCESS);
    EXPECT_EQ(shop.passive.next().RequestContext, reinterpret_cast<PVOID>(31));
    EXPECT_EQ(shop.passive.next().RequestContext, reinterpret_cast<PVOID>(32));
    EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
    EXPECT_EQ(shop.active.next_status(), STATUS_SUCCESS);
    EXPECT_TRUE(shop.basket.memory.same(shop.goods, kLarge));
  });
}

TEST(R_FEN_01, AFencedInvalidateWaitsForTheReadsIntoTheRegion) {
  everywhere([](Stage& stage) {
    FastShop shop(stage);
    ASSERT_TRUE(shop.connected);
    shop.expect_enlisted(NDK_OP_FLAG_ALLOW_LOCAL_WRITE);
    shop.basket.memory.fill(42);
    ASSERT_EQ(shop.passive.read(shop.region.sge(kShopBase, kShopBytes), shop.basket.address(), shop.basket.token(), 21),
              STATUS_SUCCESS);
    ASSERT_EQ(shop.region.invalidate(shop.passive, NDK_OP_FLAG_READ_FENCE), STATUS_SUCCESS);
    ASSERT_EQ(shop.enlist(NDK_OP_FLAG_ALLOW_LOCAL_WRITE), STATUS_SUCCESS);
    EXPECT_EQ(shop.passive.next().RequestContext, reinterpret_cast<PVOID>(21));
    EXPECT_TRUE(shop.goods.same(shop.basket.memory, kShopBytes));
    EXPECT_EQ(shop.passive.next().Type, NdkOperationTypeInvalidate);
    EXPECT_EQ(shop.passive.next().Type, NdkOperationTypeFastRegister);
  });
}

TEST(R_RLI_01, AReadInvalidatesItsFirstSink) {
  everywhere([](Stage& stage) {
    FastShop shop(stage);
    ASSERT_TRUE(shop.connected);
    EXPECT_NE(stage.adapter->info.AdapterFlags & NDK_ADAPTER_FLAG_RDMA_READ_LOCAL_INVALIDATE_SUPPORTED, 0u);
    for (int i = 0; i < 8; ++i) {
      shop.basket.memory.fill(static_cast<std::uint8_t>(60 + i));
      shop.expect_enlisted(NDK_OP_FLAG_ALLOW_LOCAL_WRITE);
      ASSERT_EQ(shop.passive.read(shop.region.sge(kShopBase, kShopBytes), shop.basket.address(), shop.basket.token(),
                                  40, NDK_OP_FLAG_RDMA_READ_LOCAL_INVALIDATE),
                STATUS_SUCCESS);
      const NDK_RESULT_EX result = shop.passive.next();
      EXPECT_EQ(result.Status, STATUS_SUCCESS);
      EXPECT_EQ(result.Type, NdkOperationTypeRead);
      EXPECT_TRUE(shop.goods.same(shop.basket.memory, kShopBytes));
    }
    ASSERT_EQ(shop.passive.send(shop.region.sge(kShopBase, 16)), STATUS_SUCCESS);
    EXPECT_EQ(shop.passive.next_status(), STATUS_ACCESS_VIOLATION) << "it is invalid";
  });
}

TEST(R_RLI_01, WorkBehindAFenceFindsTheSinkInvalid) {
  everywhere([](Stage& stage) {
    FastShop shop(stage);
    ASSERT_TRUE(shop.connected);
    shop.expect_enlisted(NDK_OP_FLAG_ALLOW_LOCAL_WRITE);
    ASSERT_EQ(shop.passive.read(shop.region.sge(kShopBase, kShopBytes), shop.basket.address(), shop.basket.token(), 40,
                                NDK_OP_FLAG_RDMA_READ_LOCAL_INVALIDATE),
              STATUS_SUCCESS);
    ASSERT_EQ(shop.enlist(NDK_OP_FLAG_ALLOW_LOCAL_WRITE | NDK_OP_FLAG_READ_FENCE), STATUS_SUCCESS);
    EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
    EXPECT_TRUE(shop.goods.same(shop.basket.memory, kShopBytes));
    EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS) << "R-FRMR-13 would refuse a valid one";
    shop.expect_invalidated();
  });
}

TEST(R_RLI_03, TheFirstSinkIsAFastRegisteredRegion) {
  enum class Sink { registered, mapping, none, unknown, invalid, second };
  for (const Sink sink : {Sink::registered, Sink::mapping, Sink::none, Sink::unknown, Sink::invalid, Sink::second}) {
    everywhere(
        [&](Stage& stage) {
          FastShop shop(stage);
          ASSERT_TRUE(shop.connected);
          Region registered(shop.passive.pd.get(), 64);
          if (sink == Sink::second) shop.expect_enlisted(NDK_OP_FLAG_ALLOW_LOCAL_WRITE);
          NDK_SGE sges[2] = {registered.all(), shop.region.sge(kShopBase, 64)};
          ULONG count = 1;
          if (sink == Sink::mapping)
            sges[0] = logical_sge(privileged_token(shop.passive.pd.get()), shop.lam.address(), 64);
          if (sink == Sink::none) count = 0;
          if (sink == Sink::unknown) sges[0].MemoryRegionToken ^= 0x5500;
          if (sink == Sink::invalid) sges[0] = sges[1];
          if (sink == Sink::second) count = 2;
          ASSERT_EQ(shop.passive.qp.table()->NdkRead(shop.passive.qp.get(), nullptr, sges, count, shop.basket.address(),
                                                     shop.basket.token(), NDK_OP_FLAG_RDMA_READ_LOCAL_INVALIDATE),
                    STATUS_SUCCESS);
          EXPECT_EQ(shop.passive.next_status(), STATUS_INVALID_DEVICE_REQUEST);
          shop.expect_broken();
        },
        {}, 2);
  }
}

}  // namespace
}  // namespace softndk::stack
