// Logical address mappings and the privileged token (spec/ndkpi.md 2.3, 2.6).
#include "base/alloc.h"
#include "shop.h"

namespace softndk::stack {
namespace {

TEST(R_LAM_01, PagesAreAlignedAndFollowEachOtherAndAreNoVirtualAddresses) {
  everywhere([](Stage& stage) {
    Memory memory(9 * PAGE_SIZE, 17);
    Lam one(*stage.adapter, memory), other(*stage.adapter, memory);
    for (ULONG i = 0; i < one.page_count(); ++i) {
      EXPECT_EQ(one.page(i) % PAGE_SIZE, 0u);
      EXPECT_EQ(one.page(i), one.page(0) + i * PAGE_SIZE) << "a buffer of many pages is one SGE";
      EXPECT_GE(one.page(i), UINT64{1} << 56) << "beyond what a host has";
      EXPECT_NE(one.page(i), other.page(i));
    }
  });
}

TEST(R_LAM_02, OffsetAndPageCountAreThoseOfTheMemory) {
  everywhere(
      [](Stage& stage) {
        for (const std::size_t offset : {0u, 1u, 2000u, 4095u}) {
          for (const std::size_t bytes : {1u, 4095u, 4096u, 4097u, 65536u}) {
            Memory memory(bytes, offset);
            Lam lam(*stage.adapter, memory);
            EXPECT_EQ(lam.fbo, offset);
            EXPECT_EQ(lam.page_count(), (offset + bytes + PAGE_SIZE - 1) / PAGE_SIZE);
          }
        }
      },
      {}, 2);
}

TEST(R_LAM_03, TooSmallABufferIsToldTheSizeAndNothingIsMapped) {
  everywhere([](Stage& stage) {
    Memory memory(5 * PAGE_SIZE, 10);  // spans six
    Lam lam(*stage.adapter);
    alignas(8) std::uint8_t room[80];
    const std::int64_t alive = allocations_alive();
    for (ULONG given = 0; given < 16 + 8 * 6; ++given) {
      std::memset(room, 0xEE, sizeof room);
      ULONG size = given;
      EXPECT_EQ(lam.build_into(reinterpret_cast<NDK_LOGICAL_ADDRESS_MAPPING*>(room), size, memory.mdl, memory.bytes),
                STATUS_BUFFER_TOO_SMALL);
      EXPECT_EQ(size, 16u + 8 * 6);
      for (const std::uint8_t octet : room)
        EXPECT_EQ(octet, 0xEE);
    }
    if (std::getenv("SOFTNDK_VERIFIER") == nullptr) {
      EXPECT_EQ(allocations_alive(), alive);
    }
    ULONG size = sizeof room;
    auto* mapping = reinterpret_cast<NDK_LOGICAL_ADDRESS_MAPPING*>(room);
    ASSERT_EQ(lam.build_into(mapping, size, memory.mdl, memory.bytes), STATUS_SUCCESS);
    EXPECT_EQ(size, 16u + 8 * 6) << "what was written";
    EXPECT_EQ(room[64], 0xEE);
    stage.adapter->adapter->Dispatch->NdkReleaseLAM(stage.adapter->adapter, mapping);
  });
}

TEST(R_LAM_04, AChainIsMappedIfItIsContiguousOverLength) {
  everywhere([](Stage& stage) {
    Memory memory(3 * PAGE_SIZE);
    MDL* parts[2] = {
        IoAllocateMdl(memory.data + 100, PAGE_SIZE - 100, FALSE, FALSE, nullptr),
        IoAllocateMdl(memory.data + PAGE_SIZE, PAGE_SIZE + 50, FALSE, FALSE, nullptr),
    };
    for (MDL* part : parts)
      MmBuildMdlForNonPagedPool(part);
    parts[0]->Next = parts[1];
    {
      Lam lam(*stage.adapter, parts[0], 2 * PAGE_SIZE - 50);
      EXPECT_EQ(lam.fbo, 100u);
      EXPECT_EQ(lam.page_count(), 3u);
    }
    parts[0]->Next = nullptr;
    parts[1]->Next = parts[0];
    Lam lam(*stage.adapter);
    EXPECT_EQ(lam.build(parts[1], PAGE_SIZE + 51), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(lam.build(parts[1], PAGE_SIZE + 50), STATUS_SUCCESS) << "what is behind Length does not matter";
    lam.release();
    IoFreeMdl(parts[0]);
    IoFreeMdl(parts[1]);
  });
}

TEST(R_LAM_05, LengthsThatTheChainDoesNotHave) {
  everywhere([](Stage& stage) {
    Memory memory(5000, 100);
    Lam lam(*stage.adapter);
    EXPECT_EQ(lam.build(memory.mdl, 0), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(lam.build(memory.mdl, 5001), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(lam.build(nullptr, 1), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(lam.build(memory.mdl, 4999), STATUS_SUCCESS);
  });
}

TEST(R_LAM_06, TheMappingIsOfTheMdlsFramesWhateverItsVirtualAddress) {
  everywhere([](Stage& stage) {
    Shop shop(stage, 3 * PAGE_SIZE, 0);
    ASSERT_TRUE(shop.connected);
    // Frames in another order than the addresses, at an address where nothing is.
    MDL* mdl = IoAllocateMdl(shop.goods.data, 3 * PAGE_SIZE, FALSE, FALSE, nullptr);
    MmBuildMdlForNonPagedPool(mdl);
    std::swap(MmGetMdlPfnArray(mdl)[0], MmGetMdlPfnArray(mdl)[2]);
    mdl->StartVa = reinterpret_cast<PVOID>(UINT64{0x1000});
    Lam scattered(*stage.adapter, mdl, 3 * PAGE_SIZE);
    IoFreeMdl(mdl);
    ASSERT_EQ(shop.active.receive(shop.basket.sge(0, 3 * PAGE_SIZE)), STATUS_SUCCESS);
    ASSERT_EQ(shop.passive.send(logical_sge(shop.token, scattered.address(), 3 * PAGE_SIZE)), STATUS_SUCCESS);
    EXPECT_EQ(shop.active.next_status(), STATUS_SUCCESS);
    EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
    for (std::size_t i = 0; i < 3; ++i)
      EXPECT_TRUE(same_octets(shop.basket.memory, i * PAGE_SIZE, shop.goods, (2 - i) * PAGE_SIZE, PAGE_SIZE)) << i;
  });
}

TEST(R_LAM_08, AfterTheBuildTheMdlIsTheConsumers) {
  everywhere([](Stage& stage) {
    Shop shop(stage);
    ASSERT_TRUE(shop.connected);
    Memory memory(PAGE_SIZE * 4, 30);
    memory.fill(8);
    Lam lam(*stage.adapter, memory);
    IoFreeMdl(std::exchange(memory.mdl, nullptr));
    ASSERT_EQ(shop.active.receive(shop.basket.sge(0, memory.bytes)), STATUS_SUCCESS);
    ASSERT_EQ(shop.passive.send(logical_sge(shop.token, lam.address(), memory.bytes)), STATUS_SUCCESS);
    EXPECT_EQ(shop.active.next_status(), STATUS_SUCCESS);
    EXPECT_TRUE(shop.basket.memory.same(memory, memory.bytes));
  });
}

TEST(R_LAM_09, WhatIsWrongWithTheArgumentsIsSaidInline) {
  everywhere([](Stage& stage) {
    Memory memory(100);
    NDK_ADAPTER* adapter = stage.adapter->adapter;
    Request request;
    ULONG size = 23, fbo = 7;
    EXPECT_EQ(
        adapter->Dispatch->NdkBuildLAM(adapter, memory.mdl, 100, &Request::completed, &request, nullptr, &size, &fbo),
        STATUS_BUFFER_TOO_SMALL);
    EXPECT_EQ(
        adapter->Dispatch->NdkBuildLAM(adapter, memory.mdl, 101, &Request::completed, &request, nullptr, &size, &fbo),
        STATUS_INVALID_PARAMETER);
    EXPECT_EQ(fbo, 7u);
    EXPECT_FALSE(request.is_done());
  });
}

TEST(R_LAM_10, WithoutACompletionTheBuildIsInline) {
  everywhere([](Stage& stage) {
    Memory memory(100, 5);
    NDK_ADAPTER* adapter = stage.adapter->adapter;
    NDK_LOGICAL_ADDRESS_MAPPING lam{};
    ULONG size = sizeof lam, fbo = 0;
    ASSERT_EQ(adapter->Dispatch->NdkBuildLAM(adapter, memory.mdl, 100, nullptr, nullptr, &lam, &size, &fbo),
              STATUS_SUCCESS);
    EXPECT_EQ(fbo, 5u);
    EXPECT_EQ(lam.AdapterPageCount, 1u);
    adapter->Dispatch->NdkReleaseLAM(adapter, &lam);
  });
}

TEST(R_LAM_11, ReleaseFindsTheMappingByItsAdapterContext) {
  everywhere([](Stage& stage) {
    Shop shop(stage);
    ASSERT_TRUE(shop.connected);
    NDK_LOGICAL_ADDRESS_MAPPING head = *shop.lam.get();
    EXPECT_NE(head.AdapterContext, nullptr);
    head.AdapterPageCount = 0;
    head.AdapterPageArray[0].QuadPart = 0;
    shop.lam.forget();
    stage.adapter->adapter->Dispatch->NdkReleaseLAM(stage.adapter->adapter, &head);
    ASSERT_EQ(shop.passive.send(shop.sge(0, 16)), STATUS_SUCCESS);
    EXPECT_EQ(shop.passive.next_status(), STATUS_ACCESS_VIOLATION) << "that mapping is released";
  });
}

// What an SGE may name by the privileged token: octets of a mapping, and nothing else.
TEST(R_LAM_12, OnlyAMappingsAddressesGoWithThePrivilegedToken) {
  constexpr std::size_t kBytes = 20'000;
  struct Case {
    const char* what;
    NDK_SGE (*sge)(Shop&);
    bool fits;
  };
  const Case cases[] = {
      {"all of it", [](Shop& shop) { return shop.sge(0, kBytes); }, true},
      {"its last octet", [](Shop& shop) { return shop.sge(kBytes - 1, 1); }, true},
      {"one octet before", [](Shop& shop) { return logical_sge(shop.token, shop.lam.address() - 1, 16); }, false},
      {"one octet more", [](Shop& shop) { return shop.sge(0, kBytes + 1); }, false},
      {"the octet behind", [](Shop& shop) { return logical_sge(shop.token, shop.lam.address() + kBytes, 1); }, false},
      {"a virtual address",
       [](Shop& shop) { return logical_sge(shop.token, reinterpret_cast<UINT64>(shop.goods.data), 16); }, false},
      {"nothing", [](Shop& shop) { return logical_sge(shop.token, 0, 16); }, false},
      {"all ones", [](Shop& shop) { return logical_sge(shop.token, ~UINT64{0}, 1); }, false},
      {"another row", [](Shop& shop) { return logical_sge(shop.token, shop.lam.address() ^ UINT64{1} << 45, 16); },
       false},
      {"a region's token as its address",
       [](Shop& shop) { return logical_sge(shop.token, UINT64{shop.basket.token()} << 32, 16); }, false},
      {"a logical address by a region's token",
       [](Shop& shop) {
         return logical_sge(shop.basket.mr.table()->NdkGetLocalTokenFromMr(shop.basket.mr.get()), shop.lam.address(),
                            16);
       },
       false},
      {"the mapping's own half as a token",
       [](Shop& shop) { return logical_sge(static_cast<UINT32>(shop.lam.address() >> 32), shop.lam.address(), 16); },
       false},
      {"another domain's privileged token",
       [](Shop& shop) { return logical_sge(privileged_token(shop.active.pd.get()), shop.lam.address(), 16); }, false},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.what);
    everywhere(
        [&](Stage& stage) {
          Shop shop(stage, kBytes);
          ASSERT_TRUE(shop.connected);
          const NDK_SGE sge = one.sge(shop);
          ASSERT_EQ(shop.active.receive(shop.basket.sge(0, kBytes)), STATUS_SUCCESS);
          ASSERT_EQ(shop.passive.send(sge), STATUS_SUCCESS);
          if (one.fits) {
            EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
            EXPECT_EQ(shop.active.next_status(), STATUS_SUCCESS);
            const std::size_t at = one.fits && sge.Length == 1 ? kBytes - 1 : 0;
            EXPECT_TRUE(same_octets(shop.basket.memory, 0, shop.goods, at, sge.Length));
          } else {
            EXPECT_EQ(shop.passive.next_status(), STATUS_ACCESS_VIOLATION);
            shop.expect_broken();
          }
        },
        {}, 2);
  }
}

TEST(R_LAM_13, ReleaseIsSynchronousAtDispatchLevelAndLeavesTheMdl) {
  everywhere([](Stage& stage) {
    Shop shop(stage);
    ASSERT_TRUE(shop.connected);
    const MDL before = *shop.goods.mdl;
    ASSERT_EQ(shop.active.receive(shop.basket.sge(0, 100)), STATUS_SUCCESS);
    const NDK_SGE sge = shop.sge(0, 100);
    ASSERT_EQ(shop.passive.send(sge), STATUS_SUCCESS);
    EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
    KIRQL old = PASSIVE_LEVEL;
    KeRaiseIrql(DISPATCH_LEVEL, &old);
    shop.lam.release();
    KeLowerIrql(old);
    EXPECT_EQ(std::memcmp(&before, shop.goods.mdl, sizeof before), 0);
    EXPECT_EQ(shop.active.next_status(), STATUS_SUCCESS);
    // The address of a mapping that is gone is found out, also when others have been built since.
    std::deque<Lam> later;
    for (int i = 0; i < 300; ++i)
      later.emplace_back(*stage.adapter, shop.goods);
    ASSERT_EQ(shop.passive.send(sge), STATUS_SUCCESS);
    EXPECT_EQ(shop.passive.next_status(), STATUS_ACCESS_VIOLATION);
  });
}

// A consumer's mistake that must not take us down.
TEST(R_LAM_13, ReleasedWhileRequestsUseIt) {
  everywhere([](Stage& stage) {
    constexpr std::size_t kLarge = 2u << 20;
    Shop shop(stage, kLarge);
    ASSERT_TRUE(shop.connected);
    for (UINT_PTR i = 0; i < 4; ++i)
      ASSERT_EQ(shop.passive.send(shop.sge(0, kLarge), i), STATUS_SUCCESS);
    ASSERT_EQ(shop.passive.receive(shop.sge(0, kLarge)), STATUS_SUCCESS);
    for (UINT_PTR i = 0; i < 4; ++i)
      ASSERT_EQ(shop.active.receive(shop.basket.all()), STATUS_SUCCESS);
    shop.lam.release();
    ASSERT_EQ(shop.active.send(shop.basket.sge(0, 1000)), STATUS_SUCCESS);
    shop.expect_broken();
    for (int i = 0; i < 5; ++i) {
      const NTSTATUS status = shop.passive.next_status();
      EXPECT_TRUE(status == STATUS_SUCCESS || status == STATUS_ACCESS_VIOLATION || status == STATUS_CANCELLED);
    }
  });
}

TEST(R_LAM_14, MappingsThatNobodyReleasedKeepTheAdapterFromNothing) {
  everywhere([](Stage& stage) {
    Memory memory(3 * PAGE_SIZE);
    {
      Lam first(*stage.adapter, memory);  // the table has its first rows
    }
    const std::int64_t before = allocations_alive();
    OpenAdapter second(stage.loopback_index());
    ASSERT_EQ(second.status, STATUS_SUCCESS);
    {
      Lam left(second, memory), released(second, memory), other(second, memory);
      left.forget();
      other.forget();
    }
    second.close();
    EXPECT_EQ(allocations_alive(), before);
  });
}

TEST(R_PTK_01, LocalReadAndWriteWithoutRegistration) {
  everywhere([](Stage& stage) {
    constexpr std::size_t kBytes = 100'000;
    Shop shop(stage, kBytes, 777);
    ASSERT_TRUE(shop.connected);
    // A Send of one SGE over all pages, then of many small ones.
    ASSERT_EQ(shop.active.receive(shop.basket.all()), STATUS_SUCCESS);
    ASSERT_EQ(shop.passive.send(shop.sge(0, kBytes)), STATUS_SUCCESS);
    EXPECT_EQ(shop.active.next().BytesTransferred, kBytes);
    EXPECT_TRUE(shop.basket.memory.same(shop.goods, kBytes));
    EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
    // A receive, which is written to.
    shop.basket.memory.fill(99);
    ASSERT_EQ(shop.passive.receive(shop.sge(0, kBytes)), STATUS_SUCCESS);
    ASSERT_EQ(shop.active.send(shop.basket.all()), STATUS_SUCCESS);
    EXPECT_EQ(shop.passive.next().BytesTransferred, kBytes);
    EXPECT_TRUE(shop.basket.memory.same(shop.goods, kBytes));
    EXPECT_EQ(shop.active.next_status(), STATUS_SUCCESS);
    // A Write's source.
    shop.goods.fill(50);
    ASSERT_EQ(shop.passive.write(shop.sge(0, kBytes), shop.basket.address(), shop.basket.token()), STATUS_SUCCESS);
    ASSERT_EQ(shop.active.receive(shop.basket.sge(0, 0)), STATUS_SUCCESS);
    ASSERT_EQ(shop.passive.send(shop.sge(0, 0)), STATUS_SUCCESS);
    EXPECT_EQ(shop.active.next_status(), STATUS_SUCCESS);
    EXPECT_TRUE(shop.basket.memory.same(shop.goods, kBytes));
  });
}

TEST(R_PTK_01, APeerThatSendsTheTokenIsRefused) {
  enum class By { token, row };
  for (const By by : {By::token, By::row}) {
    for (const bool write : {true, false}) {
      everywhere(
          [&](Stage& stage) {
            Shop shop(stage);
            ASSERT_TRUE(shop.connected);
            Memory kept(shop.goods.bytes);
            kept.fill(3);
            const UINT64 address = shop.lam.address();
            const UINT32 token = by == By::token ? shop.token : static_cast<UINT32>(address >> 32);
            if (write) {
              ASSERT_EQ(shop.active.write(shop.basket.all(), address, token), STATUS_SUCCESS);
            } else {
              ASSERT_EQ(shop.active.read(shop.basket.all(), address, token), STATUS_SUCCESS);
              EXPECT_EQ(shop.active.next_status(), STATUS_ACCESS_VIOLATION);
            }
            shop.expect_broken();
            EXPECT_TRUE(shop.goods.same(kept, kept.bytes));
          },
          {}, 2);
    }
  }
}

TEST(R_PTK_02, TheTokenIsConstantAndNobodyElses) {
  everywhere([](Stage& stage) {
    Object<NDK_PD> one = stage.adapter->pd(), other = stage.adapter->pd();
    const UINT32 token = privileged_token(one.get());
    EXPECT_NE(token, 0u);
    EXPECT_NE(token, privileged_token(other.get()));
    std::deque<Region> regions;
    std::deque<FastRegion> fast;
    for (int i = 0; i < 300; ++i) {
      EXPECT_NE(regions.emplace_back(one.get(), std::size_t{64}).token(), token);
      EXPECT_NE(fast.emplace_back(one.get(), 1u).token(), token);
    }
    EXPECT_EQ(privileged_token(one.get()), token);
  });
}

TEST(R_PTK_03, LogicalAddressesAreReadSinks) {
  everywhere([](Stage& stage) {
    Shop shop(stage, 50'000);
    ASSERT_TRUE(shop.connected);
    EXPECT_NE(stage.adapter->info.AdapterFlags & NDK_ADAPTER_FLAG_RDMA_READ_SINK_NOT_REQUIRED, 0u);
    shop.basket.memory.fill(61);
    ASSERT_EQ(shop.passive.read(shop.sge(0, 50'000), shop.basket.address(), shop.basket.token()), STATUS_SUCCESS);
    EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
    EXPECT_TRUE(shop.goods.same(shop.basket.memory, 50'000));
  });
}

TEST(R_PTK_03, NotWhereSinksAreAnnounced) {
  everywhere(
      [](Stage& stage) {
        Shop shop(stage);
        ASSERT_TRUE(shop.connected);
        ASSERT_EQ(shop.passive.read(shop.sge(0, 64), shop.basket.address(), shop.basket.token()), STATUS_SUCCESS);
        EXPECT_EQ(shop.passive.next_status(), STATUS_ACCESS_VIOLATION);
      },
      {{"read_sinks", "announced"}}, 2);
}

}  // namespace
}  // namespace softndk::stack
