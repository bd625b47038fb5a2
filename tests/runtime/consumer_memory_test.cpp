// What public consumers depend on when they register memory: spec/kernel-surface.md section 8, one suite an item.
#include "fast_region.h"
#include "stage.h"

namespace softndk::stack {
namespace {

constexpr std::size_t kSocketBytes = 65536;

TEST(SURFACE_8_04, BuildLamCompletesInlineForWhoPassesNoContext) {
  everywhere([](Stage& stage) {
    if (stage.configuration.provider.policy) return;  // pending is what somebody asked for
    struct Never {
      static VOID called(PVOID, NTSTATUS) { ADD_FAILURE() << "the consumer's NULL context would be followed"; }
    };
    const Memory memory(kSocketBytes);
    NDK_ADAPTER* adapter = stage.adapter->adapter;
    ULONG size = 0, fbo = 0;
    const auto build = [&](NDK_LOGICAL_ADDRESS_MAPPING* lam) {
      return adapter->Dispatch->NdkBuildLAM(adapter, memory.mdl, memory.bytes, &Never::called, nullptr, lam, &size,
                                            &fbo);
    };
    ASSERT_EQ(build(nullptr), STATUS_BUFFER_TOO_SMALL);
    std::vector<std::uint64_t> room((size + 7) / 8);
    auto* lam = reinterpret_cast<NDK_LOGICAL_ADDRESS_MAPPING*>(room.data());
    ASSERT_EQ(build(lam), STATUS_SUCCESS);
    EXPECT_EQ(lam->AdapterPageCount, ADDRESS_AND_SIZE_TO_SPAN_PAGES(MmGetMdlVirtualAddress(memory.mdl), memory.bytes));
    EXPECT_EQ(fbo, 0u) << "the buffer begins a page";
    adapter->Dispatch->NdkReleaseLAM(adapter, lam);
  });
}

TEST(SURFACE_8_05, TheMappingOutlivesItsMdlAndIsReleasedAtDispatch) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    Region to(pair.passive.pd.get(), 4096);
    ASSERT_TRUE(pair.establish());
    auto* buffer = static_cast<UCHAR*>(ExAllocatePoolWithTagPriority(NonPagedPoolNx, 4096, 'amdR', NormalPoolPriority));
    ASSERT_NE(buffer, nullptr);
    std::memset(buffer, 0x5A, 4096);
    PMDL mdl = IoAllocateMdl(buffer, 4096, FALSE, FALSE, nullptr);
    MmBuildMdlForNonPagedPool(mdl);
    Lam lam(*stage.adapter, mdl, 4096);
    IoFreeMdl(mdl);  // right after the build, as the sample does
    ASSERT_EQ(pair.passive.receive(to.all()), STATUS_SUCCESS);
    ASSERT_EQ(pair.active.send(logical_sge(privileged_token(pair.active.pd.get()), lam.address(), 4096)),
              STATUS_SUCCESS);
    EXPECT_EQ(pair.active.next_status(), STATUS_SUCCESS);
    EXPECT_EQ(pair.passive.next_status(), STATUS_SUCCESS);
    EXPECT_EQ(std::memcmp(buffer, to.memory.data, 4096), 0);
    KIRQL before;
    KeRaiseIrql(DISPATCH_LEVEL, &before);  // where completions release it
    lam.release();
    ExFreePoolWithTag(buffer, 'amdR');
    KeLowerIrql(before);
  });
}

/// The sample's server: registers all its buffers inside the work item that accepts, while its client waits.
struct Server {
  explicit Server(OpenAdapter& adapter) : side(adapter) {}
  static VOID raised(PVOID context, NDK_CONNECTOR* connector) {
    auto* self = static_cast<Server*>(context);
    self->side.connector = Object<NDK_CONNECTOR>(connector);
    ExInitializeWorkItem(&self->item, &Server::work, context);
    ExQueueWorkItem(&self->item, DelayedWorkQueue);
  }
  static VOID work(PVOID context) {
    auto* self = static_cast<Server*>(context);
    for (int i = 0; i < kRegions; ++i)
      self->regions.push_back(std::make_unique<FastRegion>(self->side.pd.get(), self->pages));
    self->returned = self->side.begin_accept(self->accepting);
    self->accepted.set();
  }
  static constexpr int kRegions = 512;
  Side side;
  WORK_QUEUE_ITEM item;
  ULONG pages = 0;
  std::vector<std::unique_ptr<FastRegion>> regions;
  Request accepting;
  std::atomic<NTSTATUS> returned{STATUS_UNSUCCESSFUL};
  Event accepted;
};

TEST(SURFACE_8_07, FiveHundredAndTwelveRegionsAreMadeWhileTheClientWaits) {
  everywhere(
      [](Stage& stage) {
        OpenAdapter& adapter = *stage.adapter;
        ASSERT_GE(adapter.info.FRMRPageCount, 17u) << "64 KiB that begin anywhere";
        Server server(adapter);
        server.pages = adapter.info.FRMRPageCount;
        Side client(adapter);
        Object<NDK_LISTENER> listener = adapter.listener(&Server::raised, &server);
        const Sockaddr any("127.0.0.1");
        ASSERT_EQ(ask([&](auto... rest) {
                    return listener.table()->NdkListen(listener.get(), any.get(), any.bytes, rest...);
                  }),
                  STATUS_SUCCESS);
        ASSERT_EQ(client.connect(any, local_address_of(listener)), STATUS_SUCCESS);
        ASSERT_TRUE(server.accepted.wait());
        EXPECT_EQ(client.complete(), STATUS_SUCCESS);
        EXPECT_EQ(server.accepting.finish(server.returned), STATUS_SUCCESS);
        EXPECT_EQ(server.regions.size(), static_cast<std::size_t>(Server::kRegions));
        client.close();
        server.side.close();
      },
      {}, 2);
}

TEST(SURFACE_8_09, TheBaseOfAFastRegistrationIsAnyNumber) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    Region from(pair.active.pd.get(), kSocketBytes), back(pair.active.pd.get(), kSocketBytes);
    from.memory.fill(9);
    Memory memory(kSocketBytes);
    Lam lam(*stage.adapter, memory);
    ASSERT_EQ(lam.fbo, 0u);
    const FastRegion region(pair.passive.pd.get(), lam.page_count());
    ASSERT_TRUE(pair.establish());
    std::vector<UINT64> bases = {reinterpret_cast<UINT64>(memory.data), 0, 0x1234'5678'9ABC'D000ull,
                                 ~reinterpret_cast<UINT64>(memory.data), 7};
    for (const UINT64 base : bases) {
      SCOPED_TRACE(base);
      std::memset(memory.data, 0, kSocketBytes);
      std::memset(back.memory.data, 0, kSocketBytes);
      ASSERT_EQ(region.enlist(pair.passive, lam, kSocketBytes, base, kFastAll), STATUS_SUCCESS);
      ASSERT_EQ(pair.passive.next_status(), STATUS_SUCCESS);
      EXPECT_NE(region.token(), 0u) << "0 is taken for invalid";
      ASSERT_EQ(pair.active.write(from.all(), base, region.token()), STATUS_SUCCESS);
      ASSERT_EQ(pair.active.next_status(), STATUS_SUCCESS);
      ASSERT_EQ(pair.active.read(back.all(), base, region.token()), STATUS_SUCCESS);
      ASSERT_EQ(pair.active.next_status(), STATUS_SUCCESS);
      // Every octet: the sample's own comparison would not notice a wrong one.
      EXPECT_TRUE(from.memory.same(memory, kSocketBytes));
      EXPECT_TRUE(from.memory.same(back.memory, kSocketBytes));
      // Not at an offset of the base either: one octet from the middle.
      ASSERT_EQ(pair.active.read(back.sge(0, 1), base + 4097, region.token()), STATUS_SUCCESS);
      ASSERT_EQ(pair.active.next_status(), STATUS_SUCCESS);
      EXPECT_EQ(back.memory.data[0], memory.data[4097]);
      ASSERT_EQ(region.invalidate(pair.passive), STATUS_SUCCESS);
      ASSERT_EQ(pair.passive.next_status(), STATUS_SUCCESS);
    }
  });
}

}  // namespace
}  // namespace softndk::stack
