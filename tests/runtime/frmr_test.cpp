// Fast registration (spec/ndkpi.md 3.13). The passive end registers, the active end is the peer that has the token.
#include "memory_window.h"
#include "shop.h"

namespace softndk::stack {
namespace {

TEST(R_FRMR_01, OnlyARegionMadeForItCanBeInitialized) {
  everywhere([](Stage& stage) {
    Object<NDK_PD> pd = stage.adapter->pd();
    Region registered(pd.get(), 64);
    EXPECT_EQ(ask([&](auto... rest) {
                return registered.mr.table()->NdkInitializeFastRegisterMr(registered.mr.get(), 4, TRUE, rest...);
              }),
              STATUS_INVALID_DEVICE_REQUEST);
    FastRegion region(pd.get());
    EXPECT_EQ(region.initialize(0), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(region.initialize(65537), STATUS_IMPLEMENTATION_LIMIT);
    EXPECT_EQ(region.initialize(~0u), STATUS_IMPLEMENTATION_LIMIT);
    EXPECT_EQ(region.token(), 0u) << "R-MR-15";
    EXPECT_EQ(region.initialize(65536), STATUS_SUCCESS) << "R-FRMR-02";
    EXPECT_NE(region.token(), 0u) << "R-MR-14";
    EXPECT_EQ(region.token(), region.local_token());
  });
}

TEST(R_MR_11, ARegionForFastRegistrationTakesNoChain) {
  everywhere([](Stage& stage) {
    Object<NDK_PD> pd = stage.adapter->pd();
    Memory memory(64);
    FastRegion region(pd.get(), 4);
    EXPECT_EQ(ask([&](auto... rest) {
                return region.mr.table()->NdkRegisterMr(region.mr.get(), memory.mdl, 64, kAllAccess, rest...);
              }),
              STATUS_INVALID_DEVICE_REQUEST);
    EXPECT_EQ(ask([&](auto... rest) { return region.mr.table()->NdkDeregisterMr(region.mr.get(), rest...); }),
              STATUS_INVALID_DEVICE_REQUEST);
  });
}

TEST(R_FRMR_02, ListsUpToTheLimitOfPagesThatAreNowhereNeighbours) {
  everywhere(
      [](Stage& stage) {
        EXPECT_EQ(stage.adapter->info.FRMRPageCount, 512u);
        constexpr ULONG kPages = 2048;  // each page of the list is one frame, shuffled
        FastShop shop(stage, std::size_t{kPages} * PAGE_SIZE, 0, 65536);
        ASSERT_TRUE(shop.connected);
        std::vector<NDK_LOGICAL_ADDRESS> pages;
        for (ULONG i = 0; i < 65536; ++i)
          pages.push_back(shop.lam.pages()[(i * 617u + 3) % kPages]);
        const SIZE_T bytes = SIZE_T{65536} * PAGE_SIZE;
        ASSERT_EQ(shop.region.enlist(shop.passive, pages.data(), 65536, 0, bytes, kShopBase, kFastAll), STATUS_SUCCESS);
        EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
        const std::size_t asked = 1u << 20;
        for (const ULONG first : {0u, 511u, 30'000u, 65536u - 256u}) {
          ASSERT_EQ(shop.read(kShopBase + UINT64{first} * PAGE_SIZE, asked), STATUS_SUCCESS);
          for (ULONG i = 0; i < asked / PAGE_SIZE; ++i)
            ASSERT_TRUE(same_octets(shop.basket.memory, i * PAGE_SIZE, shop.goods,
                                    ((first + i) * 617u + 3) % kPages * PAGE_SIZE, PAGE_SIZE));
        }
        EXPECT_EQ(shop.read(kShopBase + bytes - 1, 2), STATUS_REMOTE_RESOURCES);
      },
      {}, 1);
}

TEST(R_FRMR_03, InitializedAgainAfterwardsAndInParallelWithOthers) {
  everywhere([](Stage& stage) {
    FastShop shop(stage, kShopBytes, 0, 2);
    ASSERT_TRUE(shop.connected);
    const UINT32 token = shop.region.token();
    EXPECT_EQ(shop.enlist(), STATUS_INVALID_PARAMETER) << "five pages";
    EXPECT_EQ(shop.region.initialize(5), STATUS_SUCCESS);
    EXPECT_EQ(shop.region.token(), token) << "R-FRMR-12";
    shop.expect_enlisted();
    EXPECT_EQ(shop.region.initialize(6), STATUS_INVALID_DEVICE_REQUEST) << "it is valid";
    EXPECT_EQ(shop.read(kShopBase, 64), STATUS_SUCCESS);
    std::deque<FastRegion> regions;
    std::deque<Request> requests;
    std::vector<NTSTATUS> returned;
    for (int i = 0; i < 20; ++i) {
      NDK_MR* mr = regions.emplace_back(shop.passive.pd.get()).mr.get();
      requests.emplace_back();
      returned.push_back(
          mr->Dispatch->NdkInitializeFastRegisterMr(mr, 16, TRUE, &Request::completed, &requests.back()));
    }
    for (std::size_t i = 0; i < returned.size(); ++i)
      EXPECT_EQ(requests[i].finish(returned[i]), STATUS_SUCCESS);
  });
}

TEST(R_FRMR_04, NotBeforeTheInitialization) {
  everywhere([](Stage& stage) {
    FastShop shop(stage);
    ASSERT_TRUE(shop.connected);
    FastRegion raw(shop.passive.pd.get());
    EXPECT_EQ(raw.enlist(shop.passive, shop.lam, kShopBytes, kShopBase, kFastAll), STATUS_INVALID_DEVICE_REQUEST);
    Region registered(shop.passive.pd.get(), 64);
    EXPECT_EQ(shop.passive.qp.table()->NdkFastRegister(shop.passive.qp.get(), nullptr, registered.mr.get(), 1,
                                                       shop.lam.pages(), 0, 64, nullptr, 0),
              STATUS_INVALID_DEVICE_REQUEST);
    EXPECT_EQ(raw.initialize(5), STATUS_SUCCESS);
    EXPECT_EQ(raw.enlist(shop.passive, shop.lam, kShopBytes, kShopBase, kFastAll), STATUS_SUCCESS);
    EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
  });
}

TEST(R_WR_08, FastRegisterAndInvalidateNeedAConnection) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    Memory memory(64);
    Lam lam(*stage.adapter, memory);
    FastRegion region(pair.passive.pd.get(), 1);
    EXPECT_EQ(region.enlist(pair.passive, lam, 64, kShopBase, kFastAll), STATUS_CONNECTION_INVALID);
    EXPECT_EQ(region.invalidate(pair.passive), STATUS_CONNECTION_INVALID);
    EXPECT_TRUE(pair.passive.queue.is_empty());
  });
}

TEST(R_FRMR_05, RemoteRightsNeedAnInitializationForThem) {
  everywhere([](Stage& stage) {
    FastShop shop(stage);
    ASSERT_TRUE(shop.connected);
    FastRegion local(shop.passive.pd.get(), 8, false);
    for (const ULONG flags : {ULONG{NDK_OP_FLAG_ALLOW_REMOTE_READ}, ULONG{NDK_OP_FLAG_ALLOW_REMOTE_WRITE}, kFastAll})
      EXPECT_EQ(local.enlist(shop.passive, shop.lam, kShopBytes, kShopBase, flags), STATUS_ACCESS_VIOLATION);
    EXPECT_TRUE(shop.passive.queue.is_empty());
    ASSERT_EQ(local.enlist(shop.passive, shop.lam, kShopBytes, kShopBase, NDK_OP_FLAG_ALLOW_LOCAL_WRITE),
              STATUS_SUCCESS);
    EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
    EXPECT_EQ(shop.read(kShopBase, 16, local.token()), STATUS_ACCESS_VIOLATION);
  });
}

TEST(R_FRMR_06, TheLengthFitsThePages) {
  everywhere([](Stage& stage) {
    FastShop shop(stage, 5 * PAGE_SIZE);
    ASSERT_TRUE(shop.connected);
    const auto enlist = [&](ULONG fbo, SIZE_T bytes) {
      return shop.region.enlist(shop.passive, shop.lam.pages(), 5, fbo, bytes, kShopBase, kFastAll);
    };
    EXPECT_EQ(enlist(0, 5 * PAGE_SIZE + 1), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(enlist(1, 5 * PAGE_SIZE), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(enlist(4095, 4 * PAGE_SIZE + 2), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(enlist(0, ~SIZE_T{0}), STATUS_INVALID_PARAMETER);
    EXPECT_TRUE(shop.passive.queue.is_empty());
    EXPECT_EQ(enlist(4095, 4 * PAGE_SIZE + 1), STATUS_SUCCESS);
    EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
    EXPECT_EQ(shop.read(kShopBase, 4 * PAGE_SIZE + 1), STATUS_SUCCESS);
    EXPECT_TRUE(same_octets(shop.basket.memory, 0, shop.goods, 4095, 4 * PAGE_SIZE + 1));
  });
}

TEST(R_FRMR_07, CountsOffsetsAndPagesThatCannotBe) {
  everywhere([](Stage& stage) {
    FastShop shop(stage, 5 * PAGE_SIZE, 0, 4);
    ASSERT_TRUE(shop.connected);
    const auto enlist = [&](const NDK_LOGICAL_ADDRESS* pages, ULONG count, ULONG fbo, SIZE_T bytes) {
      return shop.region.enlist(shop.passive, pages, count, fbo, bytes, kShopBase, kFastAll);
    };
    const NDK_LOGICAL_ADDRESS* pages = shop.lam.pages();
    EXPECT_EQ(enlist(pages, 5, 0, 64), STATUS_INVALID_PARAMETER) << "more than it was initialized for";
    EXPECT_EQ(enlist(pages, 4, PAGE_SIZE, 64), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(enlist(pages, 4, 0, 0), STATUS_INVALID_PARAMETER);
    for (const ULONG fbo : {0u, 1u, 4095u})  // with an offset the bound on the length once wrapped around
      EXPECT_EQ(enlist(pages, 0, fbo, 1), STATUS_INVALID_PARAMETER) << fbo;
    EXPECT_EQ(enlist(nullptr, 1, 0, 1), STATUS_INVALID_PARAMETER);
    NDK_LOGICAL_ADDRESS odd[2] = {pages[0], pages[1]};
    odd[1].QuadPart += 8;
    EXPECT_EQ(enlist(odd, 2, 0, 64), STATUS_INVALID_PARAMETER) << "not aligned";
    odd[1].QuadPart = reinterpret_cast<LONGLONG>(shop.goods.data);
    EXPECT_EQ(enlist(odd, 2, 0, 64), STATUS_INVALID_PARAMETER) << "R-LAM-12: a virtual address";
    odd[1].QuadPart = shop.lam.pages()[4].QuadPart + PAGE_SIZE;
    EXPECT_EQ(enlist(odd, 2, 0, 64), STATUS_INVALID_PARAMETER) << "behind the mapping";
    odd[1].QuadPart = static_cast<LONGLONG>(UINT64{shop.basket.token()} << 32);
    EXPECT_EQ(enlist(odd, 2, 0, 64), STATUS_INVALID_PARAMETER) << "a region, not a mapping";
    EXPECT_EQ(shop.region.enlist(shop.passive, pages, 2, 0, 65, ~UINT64{63}, kFastAll), STATUS_INVALID_PARAMETER)
        << "the addresses would wrap around";
    EXPECT_EQ(shop.region.enlist(shop.passive, pages, 2, 0, 64, kShopBase, 0x400), STATUS_INVALID_PARAMETER)
        << "R-WR-17";
    EXPECT_TRUE(shop.passive.queue.is_empty());
    EXPECT_EQ(shop.region.enlist(shop.passive, pages, 2, 0, 64, ~UINT64{63}, kFastAll), STATUS_SUCCESS);
    EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
    EXPECT_EQ(shop.read(~UINT64{63}, 64), STATUS_SUCCESS);
    EXPECT_TRUE(same_octets(shop.basket.memory, 0, shop.goods, 0, 64));
  });
}

TEST(R_FRMR_08, AnyBaseGoesWithAnyOffset) {
  for (const UINT64 base :
       {UINT64{0}, UINT64{1}, UINT64{0xFFF}, kShopBase, kShopBase + 0x123, UINT64{0x8000'0000'0000'0001}}) {
    everywhere(
        [&](Stage& stage) {
          FastShop shop(stage, 5 * PAGE_SIZE);
          ASSERT_TRUE(shop.connected);
          for (const ULONG fbo : {0u, 1u, 0x123u, 4095u}) {
            const SIZE_T bytes = 4 * PAGE_SIZE - 5;
            ASSERT_EQ(shop.region.enlist(shop.passive, shop.lam.pages(), 5, fbo, bytes, base, kFastAll),
                      STATUS_SUCCESS);
            EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
            ASSERT_EQ(shop.read(base, bytes), STATUS_SUCCESS);
            EXPECT_TRUE(same_octets(shop.basket.memory, 0, shop.goods, fbo, bytes));
            shop.expect_invalidated();
          }
        },
        {}, 2);
  }
}

TEST(R_FRMR_09, FlagsGrantWhatTheyContain) {
  struct Case {
    ULONG flags;
    bool receive, remote_read, remote_write;
  };
  for (const Case& one : {
           Case{0, false, false, false},
           Case{NDK_OP_FLAG_ALLOW_LOCAL_WRITE, true, false, false},
           Case{NDK_OP_FLAG_RDMA_READ_SINK, true, false, false},  // R-MR-09
           Case{NDK_OP_FLAG_ALLOW_REMOTE_READ, false, true, false},
           Case{NDK_OP_FLAG_ALLOW_REMOTE_WRITE, true, false, true},
           Case{kFastAll, true, true, true},
       }) {
    for (const int what : {0, 1, 2}) {
      everywhere(
          [&](Stage& stage) {
            FastShop shop(stage);
            ASSERT_TRUE(shop.connected);
            shop.expect_enlisted(one.flags);
            // To send from it, any registration will do (R-WR-20).
            ASSERT_EQ(shop.active.receive(shop.basket.sge(0, 64)), STATUS_SUCCESS);
            ASSERT_EQ(shop.passive.send(shop.region.sge(kShopBase + 10, 64)), STATUS_SUCCESS);
            EXPECT_EQ(shop.active.next_status(), STATUS_SUCCESS);
            EXPECT_TRUE(same_octets(shop.basket.memory, 0, shop.goods, 10, 64));
            EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
            bool allowed = false;
            if (what == 0) {
              allowed = one.receive;
              ASSERT_EQ(shop.passive.receive(shop.region.sge(kShopBase, 64)), STATUS_SUCCESS);
              ASSERT_EQ(shop.active.send(shop.basket.sge(0, 64)), STATUS_SUCCESS);
              EXPECT_EQ(shop.passive.next_status(), allowed ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION);
            } else if (what == 1) {
              allowed = one.remote_read;
              EXPECT_EQ(shop.read(kShopBase, 64), allowed ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION);
            } else {
              allowed = one.remote_write;
              ASSERT_EQ(shop.active.write(shop.basket.sge(0, 64), kShopBase, shop.region.token()), STATUS_SUCCESS);
              if (allowed) {
                EXPECT_EQ(shop.active.next_status(), STATUS_SUCCESS);
              }
            }
            if (!allowed) shop.expect_broken();
          },
          {}, 1);
    }
  }
}

TEST(R_FRMR_10, PeersAddressItFromTheBase) {
  everywhere([](Stage& stage) {
    FastShop shop(stage, kShopBytes, 333);
    ASSERT_TRUE(shop.connected);
    shop.expect_enlisted();
    shop.basket.memory.fill(90);
    EXPECT_EQ(shop.write(kShopBase + 4000, 9000), STATUS_SUCCESS);
    EXPECT_TRUE(same_octets(shop.basket.memory, 0, shop.goods, 4000, 9000));
    Memory before(kShopBytes);
    before.fill(3);
    EXPECT_TRUE(same_octets(shop.goods, 0, before, 0, 4000));
    EXPECT_TRUE(same_octets(shop.goods, 13'000, before, 13'000, kShopBytes - 13'000));
    EXPECT_EQ(shop.read(reinterpret_cast<UINT64>(shop.goods.data), 16), STATUS_REMOTE_RESOURCES)
        << "the memory's own address is none of its";
  });
}

// The bounds, to the octet.
TEST(R_FRMR_10, OneOctetInsideAndOutside) {
  struct Case {
    UINT64 address;
    std::size_t bytes;
    bool fits;
  };
  for (const Case& one :
       {Case{kShopBase, kShopBytes, true}, Case{kShopBase + kShopBytes - 1, 1, true}, Case{kShopBase - 1, 2, false},
        Case{kShopBase, kShopBytes + 1, false}, Case{kShopBase + kShopBytes, 1, false},
        Case{kShopBase + 1, kShopBytes, false}, Case{~UINT64{0} - 3, 8, false}}) {
    everywhere(
        [&](Stage& stage) {
          FastShop shop(stage, kShopBytes + 100, 5);  // the region is not all of it
          ASSERT_TRUE(shop.connected);
          ASSERT_EQ(shop.region.enlist(shop.passive, shop.lam, kShopBytes, kShopBase, kFastAll), STATUS_SUCCESS);
          EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
          EXPECT_EQ(shop.read(one.address, one.bytes), one.fits ? STATUS_SUCCESS : STATUS_REMOTE_RESOURCES);
          if (one.fits) {
            EXPECT_TRUE(same_octets(shop.basket.memory, 0, shop.goods, one.address - kShopBase, one.bytes));
          }
        },
        {}, 1);
  }
}

TEST(R_FRMR_11, TheTokenIsThereWhenNdkFastRegisterReturns) {
  everywhere([](Stage& stage) {
    FastShop shop(stage);
    ASSERT_TRUE(shop.connected);
    Region note(shop.passive.pd.get(), 4);
    ASSERT_EQ(shop.active.receive(shop.basket.sge(0, 4)), STATUS_SUCCESS);
    ASSERT_EQ(shop.enlist(), STATUS_SUCCESS);
    const UINT32 token = shop.region.token();
    EXPECT_NE(token, 0u);
    std::memcpy(note.memory.data, &token, sizeof token);
    ASSERT_EQ(shop.passive.send(note.all()), STATUS_SUCCESS);
    EXPECT_EQ(shop.active.next_status(), STATUS_SUCCESS);
    UINT32 got = 0;
    std::memcpy(&got, shop.basket.memory.data, sizeof got);
    EXPECT_EQ(shop.read(kShopBase, 1000, got), STATUS_SUCCESS);
    EXPECT_TRUE(same_octets(shop.basket.memory, 0, shop.goods, 0, 1000));
  });
}

TEST(R_FRMR_12, TheTokenNeverChanges) {
  everywhere([](Stage& stage) {
    FastShop shop(stage);
    ASSERT_TRUE(shop.connected);
    const UINT32 token = shop.region.token();
    for (UINT64 i = 0; i < 20; ++i) {
      shop.expect_enlisted(kFastAll, kShopBase + i * 77);
      EXPECT_EQ(shop.region.token(), token);
      EXPECT_EQ(shop.region.local_token(), token);
      ASSERT_EQ(shop.read(kShopBase + i * 77, 500, token), STATUS_SUCCESS);
      EXPECT_TRUE(same_octets(shop.basket.memory, 0, shop.goods, 0, 500));
      shop.expect_invalidated();
      EXPECT_EQ(shop.region.token(), token);
    }
    EXPECT_EQ(shop.read(kShopBase, 1, token), STATUS_ACCESS_VIOLATION) << "it is invalid";
  });
}

TEST(R_FRMR_13, AValidRegionCannotBeRegistered) {
  everywhere([](Stage& stage) {
    FastShop shop(stage);
    ASSERT_TRUE(shop.connected);
    EXPECT_EQ(shop.read(kShopBase, 0), STATUS_SUCCESS) << "C-40";
    shop.expect_enlisted();
    ASSERT_EQ(shop.enlist(), STATUS_SUCCESS);
    const NDK_RESULT_EX result = shop.passive.next();
    EXPECT_EQ(result.Status, STATUS_INVALID_DEVICE_REQUEST);
    EXPECT_EQ(result.Type, NdkOperationTypeFastRegister);
    shop.expect_broken();
    EXPECT_EQ(shop.enlist(), STATUS_CONNECTION_INVALID);
  });
}

TEST(R_FRMR_13, AnInvalidRegionIsOfNoUseToAPeer) {
  for (const bool write : {true, false}) {
    everywhere(
        [&](Stage& stage) {
          FastShop shop(stage);
          ASSERT_TRUE(shop.connected);
          if (write) {
            ASSERT_EQ(shop.active.write(shop.basket.sge(0, 64), kShopBase, shop.region.token()), STATUS_SUCCESS);
          } else {
            EXPECT_EQ(shop.read(kShopBase, 64), STATUS_ACCESS_VIOLATION);
          }
          shop.expect_broken();
        },
        {}, 2);
  }
}

TEST(R_FRMR_14, ItTakesEffectBeforeWhatIsPostedBehindIt) {
  everywhere([](Stage& stage) {
    FastShop shop(stage);
    ASSERT_TRUE(shop.connected);
    // A chain as a consumer builds it: several registrations, then the Send that names them; nobody waits for entries.
    constexpr ULONG kRegions = 6;
    std::deque<FastRegion> regions;
    for (ULONG i = 0; i < kRegions; ++i)
      regions.emplace_back(shop.passive.pd.get(), 8u);
    Region note(shop.passive.pd.get(), 8);
    for (int round = 0; round < 10; ++round) {
      const UINT64 base = kShopBase + static_cast<UINT64>(round) * 0x10000;
      ASSERT_EQ(shop.active.receive(shop.basket.sge(0, 8)), STATUS_SUCCESS);
      for (const FastRegion& region : regions)
        ASSERT_EQ(region.enlist(shop.passive, shop.lam, kShopBytes, base,
                                kFastAll | NDK_OP_FLAG_DEFER | NDK_OP_FLAG_SILENT_SUCCESS),
                  STATUS_SUCCESS);
      ASSERT_EQ(shop.passive.send(note.all()), STATUS_SUCCESS);
      EXPECT_EQ(shop.active.next_status(), STATUS_SUCCESS);
      for (const FastRegion& region : regions)
        ASSERT_EQ(shop.read(base, 4000, region.token()), STATUS_SUCCESS);
      EXPECT_TRUE(same_octets(shop.basket.memory, 0, shop.goods, 0, 4000));
      for (const FastRegion& region : regions)
        ASSERT_EQ(region.invalidate(shop.passive, NDK_OP_FLAG_SILENT_SUCCESS), STATUS_SUCCESS);
      EXPECT_EQ(shop.passive.next().Type, NdkOperationTypeSend);
    }
    EXPECT_TRUE(shop.passive.queue.is_empty());
  });
}

TEST(R_FRMR_14, ManyCyclesInOneChain) {
  everywhere([](Stage& stage) {
    FastShop shop(stage);
    ASSERT_TRUE(shop.connected);
    Memory other(kShopBytes);
    other.fill(77);
    Lam second(*stage.adapter, other);
    for (int i = 0; i < 7; ++i) {
      ASSERT_EQ(shop.region.enlist(shop.passive, i % 2 == 0 ? shop.lam : second, kShopBytes, kShopBase,
                                   kFastAll | NDK_OP_FLAG_DEFER | NDK_OP_FLAG_SILENT_SUCCESS),
                STATUS_SUCCESS);
      ASSERT_EQ(shop.region.invalidate(shop.passive, NDK_OP_FLAG_DEFER | NDK_OP_FLAG_SILENT_SUCCESS), STATUS_SUCCESS);
    }
    ASSERT_EQ(shop.region.enlist(shop.passive, second, kShopBytes, kShopBase, kFastAll), STATUS_SUCCESS);
    EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
    ASSERT_EQ(shop.read(kShopBase, kShopBytes), STATUS_SUCCESS);
    EXPECT_TRUE(shop.basket.memory.same(other, kShopBytes));
  });
}

TEST(R_FRMR_15, ThePageArrayIsCopiedDuringTheCall) {
  everywhere([](Stage& stage) {
    FastShop shop(stage, 5 * PAGE_SIZE);
    ASSERT_TRUE(shop.connected);
    NDK_LOGICAL_ADDRESS pages[5];
    std::copy_n(shop.lam.pages(), 5, pages);
    ASSERT_EQ(shop.region.enlist(shop.passive, pages, 5, 0, 5 * PAGE_SIZE, kShopBase, kFastAll | NDK_OP_FLAG_DEFER),
              STATUS_SUCCESS);
    std::memset(pages, 0, sizeof pages);
    ASSERT_EQ(shop.passive.write(shop.region.sge(kShopBase, 0), 0, 0), STATUS_SUCCESS);  // starts the chain
    EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
    ASSERT_EQ(shop.read(kShopBase, 5 * PAGE_SIZE), STATUS_SUCCESS);
    EXPECT_TRUE(shop.basket.memory.same(shop.goods, 5 * PAGE_SIZE));
  });
}

TEST(R_FRMR_16, OnAnyQueuePairOfItsDomain) {
  everywhere([](Stage& stage) {
    FastShop shop(stage);
    ASSERT_TRUE(shop.connected);
    NDK_PD* pd = shop.passive.pd.get();
    Queue queue(*stage.adapter);
    Object<NDK_QP> qp;
    ASSERT_EQ(create(qp,
                     [&](auto... rest) {
                       return pd->Dispatch->NdkCreateQp(pd, queue.cq.get(), queue.cq.get(), nullptr, 4, 4, 4, 4, 0,
                                                        rest...);
                     }),
              STATUS_SUCCESS);
    Side second(*stage.adapter);
    Request connecting, accepting;
    const NTSTATUS returned = second.begin_connect(connecting, shop.pair.from, shop.pair.at);
    Object<NDK_CONNECTOR> incoming = shop.pair.door.next();
    const NTSTATUS accept_returned = incoming.table()->NdkAccept(incoming.get(), qp.get(), 4, 4, nullptr, 0, nullptr,
                                                                 nullptr, &Request::completed, &accepting);
    ASSERT_EQ(connecting.finish(returned), STATUS_SUCCESS);
    ASSERT_EQ(second.complete(), STATUS_SUCCESS);
    ASSERT_EQ(accepting.finish(accept_returned), STATUS_SUCCESS);
    Region sink(second.pd.get(), kShopBytes);
    shop.expect_enlisted();
    for (int i = 0; i < 4; ++i) {
      ASSERT_EQ(second.read(sink.all(), kShopBase, shop.region.token()), STATUS_SUCCESS);
      EXPECT_EQ(second.next_status(), STATUS_SUCCESS);
      EXPECT_TRUE(sink.memory.same(shop.goods, kShopBytes));
      // Ended on one, begun on the other.
      Queue& ends = i % 2 == 0 ? queue : shop.passive.queue;
      NDK_QP* on = i % 2 == 0 ? qp.get() : shop.passive.qp.get();
      ASSERT_EQ(on->Dispatch->NdkInvalidate(on, nullptr, &shop.region.mr.get()->Header, 0), STATUS_SUCCESS);
      EXPECT_EQ(ends.next_status(), STATUS_SUCCESS);
      ASSERT_EQ(
          on->Dispatch->NdkFastRegister(on, nullptr, shop.region.mr.get(), shop.lam.page_count(), shop.lam.pages(),
                                        shop.lam.fbo, kShopBytes, reinterpret_cast<PVOID>(kShopBase), kFastAll),
          STATUS_SUCCESS);
      EXPECT_EQ(ends.next_status(), STATUS_SUCCESS);
    }
    // Not on one of another domain.
    ASSERT_EQ(shop.region.invalidate(second), STATUS_SUCCESS);
    EXPECT_EQ(second.next_status(), STATUS_INVALID_DEVICE_REQUEST);
    second.close();
    incoming.close();
  });
}

TEST(R_LAM_13, AFastRegisteredRegionHoldsItsPagesByValue) {
  everywhere([](Stage& stage) {
    FastShop shop(stage);
    ASSERT_TRUE(shop.connected);
    shop.expect_enlisted();
    shop.lam.release();
    ASSERT_EQ(shop.read(kShopBase, kShopBytes), STATUS_SUCCESS);
    EXPECT_TRUE(shop.basket.memory.same(shop.goods, kShopBytes));
  });
}

TEST(R_MW_07, NoWindowGoesOnAFastRegisterRegion) {
  everywhere([](Stage& stage) {
    FastShop shop(stage);
    ASSERT_TRUE(shop.connected);
    shop.expect_enlisted();
    MemoryWindow window(shop.passive.pd.get());
    ASSERT_EQ(shop.passive.qp.table()->NdkBind(shop.passive.qp.get(), nullptr, shop.region.mr.get(), window.mw.get(),
                                               reinterpret_cast<PVOID>(kShopBase), 64, kReadAndWrite),
              STATUS_SUCCESS);
    EXPECT_EQ(shop.passive.next_status(), STATUS_INVALID_DEVICE_REQUEST);
    shop.expect_broken();
  });
}

TEST(R_CLS_23, ClosingAValidFastRegionInvalidatesIt) {
  everywhere([](Stage& stage) {
    FastShop shop(stage);
    ASSERT_TRUE(shop.connected);
    shop.expect_enlisted();
    const UINT32 token = shop.region.token();
    EXPECT_EQ(shop.read(kShopBase, 64, token), STATUS_SUCCESS);
    shop.region.mr.close();
    EXPECT_EQ(shop.read(kShopBase, 64, token), STATUS_ACCESS_VIOLATION);
  });
}

TEST(R_CLS_03, AFastRegionsCloseWaitsForTheWorkThatNamesIt) {
  everywhere([](Stage& stage) {
    FastShop shop(stage);
    ASSERT_TRUE(shop.connected);
    ASSERT_EQ(shop.enlist(kFastAll | NDK_OP_FLAG_DEFER), STATUS_SUCCESS);
    Request closing;
    const NTSTATUS returned = shop.region.mr.begin_close(closing);
    shop.passive.flush();
    const NTSTATUS status = shop.passive.next_status();
    EXPECT_TRUE(status == STATUS_SUCCESS || status == STATUS_CANCELLED);
    EXPECT_EQ(closing.finish(returned), STATUS_SUCCESS);
  });
}

TEST(R_FLU_02, AFlushedFastRegisterRegistersNothing) {
  everywhere([](Stage& stage) {
    FastShop shop(stage);
    ASSERT_TRUE(shop.connected);
    // Behind a Read that the other side never answers, the queue stands still.
    shop.passive.flush();
    for (int i = 0; i < 5; ++i) {
      ASSERT_EQ(shop.enlist(), STATUS_SUCCESS) << "R-FLU-06";
      EXPECT_EQ(shop.passive.next_status(), STATUS_CANCELLED);
    }
    EXPECT_EQ(shop.region.initialize(3), STATUS_SUCCESS) << "it is as it was: invalid, and nothing is under way";
  });
}

// A peer that does not read: requests pile up before it, and all of it ends with a close at whatever stage it is.
TEST(R_CLS_21, ClosedInTheMiddleOfRegistrationsAndInvalidates) {
  in_simulation(40, [](Stage& stage) {
    constexpr std::size_t kLarge = 512u << 10;
    FastShop shop(stage, kLarge, 0, 200);
    ASSERT_TRUE(shop.connected);
    int posted = 0;
    const auto count = [&](NTSTATUS status) { posted += status == STATUS_SUCCESS; };
    for (int i = 0; i < 6; ++i) {
      count(shop.enlist());
      count(shop.passive.send(shop.region.sge(kShopBase, kLarge)));
      count(shop.region.invalidate(shop.passive));
    }
    for (int i = 0; i < 3; ++i)
      static_cast<void>(shop.active.read(shop.basket.all(), kShopBase, shop.region.token()));
    pass_ms(static_cast<LONGLONG>(stage.configuration.provider.seed % 5));
    Request closing;
    const NTSTATUS returned = shop.region.mr.begin_close(closing);
    shop.passive.close();
    EXPECT_EQ(closing.finish(returned), STATUS_SUCCESS);
    for (int i = 0; i < posted; ++i) {
      const NTSTATUS status = shop.passive.next_status();
      EXPECT_TRUE(status == STATUS_SUCCESS || status == STATUS_CANCELLED) << std::hex << status;
    }
    EXPECT_TRUE(shop.passive.queue.is_empty());
  });
}

}  // namespace
}  // namespace softndk::stack
