// Memory regions over real MDLs (spec/ndkpi.md 3.13).
#include "stage.h"

namespace softndk::stack {
namespace {

Object<NDK_MR> bare_mr(NDK_PD* pd) {
  Object<NDK_MR> mr;
  EXPECT_EQ(create(mr, [&](auto... rest) { return pd->Dispatch->NdkCreateMr(pd, FALSE, rest...); }), STATUS_SUCCESS);
  return mr;
}
NTSTATUS register_mr(Object<NDK_MR>& mr, MDL* mdl, SIZE_T bytes, ULONG flags) {
  return ask([&](auto... rest) { return mr.table()->NdkRegisterMr(mr.get(), mdl, bytes, flags, rest...); });
}

TEST(R_MR_02, LengthsAndFlagsThatCannotBe) {
  everywhere([](Stage& stage) {
    Object<NDK_PD> pd = stage.adapter->pd();
    Object<NDK_MR> mr = bare_mr(pd.get());
    Memory memory(5000, 100);
    EXPECT_EQ(register_mr(mr, memory.mdl, 0, 0), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(register_mr(mr, memory.mdl, 5001, 0), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(register_mr(mr, memory.mdl, 5000, 0x10), STATUS_INVALID_PARAMETER) << "R-MR-10";
    EXPECT_EQ(mr.table()->NdkGetRemoteTokenFromMr(mr.get()), 0u) << "R-MR-15";
    EXPECT_EQ(mr.table()->NdkGetLocalTokenFromMr(mr.get()), 0u);
    EXPECT_EQ(register_mr(mr, memory.mdl, 4999, NDK_MR_FLAG_RDMA_READ_SINK), STATUS_SUCCESS) << "R-MR-08";
    EXPECT_NE(mr.table()->NdkGetRemoteTokenFromMr(mr.get()), 0u) << "R-MR-14";
    EXPECT_EQ(register_mr(mr, memory.mdl, 5000, 0), STATUS_INVALID_DEVICE_REQUEST) << "R-MR-11";
  });
}

TEST(R_MR_11, DeregisteringWhatIsNotRegistered) {
  everywhere([](Stage& stage) {
    Object<NDK_PD> pd = stage.adapter->pd();
    Object<NDK_MR> mr = bare_mr(pd.get());
    EXPECT_EQ(ask([&](auto... rest) { return mr.table()->NdkDeregisterMr(mr.get(), rest...); }),
              STATUS_INVALID_DEVICE_REQUEST);
  });
}

TEST(R_MR_01, AChainIsOneRegionIfItIsContiguous) {
  everywhere([](Stage& stage) {
    Object<NDK_PD> pd = stage.adapter->pd();
    Memory memory(3 * PAGE_SIZE);
    MDL* parts[2] = {
        IoAllocateMdl(memory.data + 100, PAGE_SIZE - 100, FALSE, FALSE, nullptr),
        IoAllocateMdl(memory.data + PAGE_SIZE, PAGE_SIZE + 50, FALSE, FALSE, nullptr),
    };
    for (MDL* part : parts)
      MmBuildMdlForNonPagedPool(part);
    parts[0]->Next = parts[1];
    Object<NDK_MR> mr = bare_mr(pd.get());
    EXPECT_EQ(register_mr(mr, parts[0], 2 * PAGE_SIZE - 50, kAllAccess), STATUS_SUCCESS);
    mr.close();
    mr = bare_mr(pd.get());
    parts[1]->Next = parts[0];
    parts[0]->Next = nullptr;
    EXPECT_EQ(register_mr(mr, parts[1], 2 * PAGE_SIZE - 50, kAllAccess), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(register_mr(mr, parts[1], PAGE_SIZE, kAllAccess), STATUS_SUCCESS) << "contiguous over Length";
    mr.close();
    IoFreeMdl(parts[0]);
    IoFreeMdl(parts[1]);
  });
}

TEST(R_MR_03, TheRegionBeginsAtTheFirstMdlsAddressAndOutlivesTheMdl) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    ASSERT_TRUE(pair.establish());
    Region here(pair.active.pd.get(), 9000);
    here.memory.fill(2);
    Memory memory(9000, 1234);
    Object<NDK_MR> mr = bare_mr(pair.passive.pd.get());
    MDL* mdl = IoAllocateMdl(memory.data, 9000, FALSE, FALSE, nullptr);
    MmBuildMdlForNonPagedPool(mdl);
    ASSERT_EQ(register_mr(mr, mdl, 9000, kAllAccess), STATUS_SUCCESS);
    IoFreeMdl(mdl);  // R-MR-05
    ASSERT_EQ(pair.active.write(here.all(), reinterpret_cast<UINT64>(memory.data),
                                mr.table()->NdkGetRemoteTokenFromMr(mr.get())),
              STATUS_SUCCESS);
    EXPECT_EQ(pair.active.next_status(), STATUS_SUCCESS);
    ASSERT_EQ(pair.active.read(here.all(), reinterpret_cast<UINT64>(memory.data),
                               mr.table()->NdkGetRemoteTokenFromMr(mr.get())),
              STATUS_SUCCESS);
    EXPECT_EQ(pair.active.next_status(), STATUS_SUCCESS);
    EXPECT_TRUE(here.memory.same(memory, 9000));
  });
}

TEST(R_MR_04, ARegionIsNotAddressedFromZero) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    ASSERT_TRUE(pair.establish());
    Region here(pair.active.pd.get(), 64), there(pair.passive.pd.get(), 64);
    ASSERT_EQ(pair.active.read(here.all(), there.address(), there.token()), STATUS_SUCCESS);
    EXPECT_EQ(pair.active.next_status(), STATUS_SUCCESS);
    ASSERT_EQ(pair.active.read(here.all(), 0, there.token()), STATUS_SUCCESS);
    EXPECT_EQ(pair.active.next_status(), STATUS_REMOTE_RESOURCES);
  });
}

TEST(R_MR_05, ThePageListIsCopied) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    ASSERT_TRUE(pair.establish());
    Region here(pair.active.pd.get(), 3 * PAGE_SIZE), there(pair.passive.pd.get(), 3 * PAGE_SIZE);
    there.memory.fill(21);
    // The MDL is the consumer's again when the registration has completed.
    std::memset(MmGetMdlPfnArray(there.memory.mdl), 0, 3 * sizeof(PFN_NUMBER));
    there.memory.mdl->Next = reinterpret_cast<MDL*>(UINT64{8});
    ASSERT_EQ(pair.active.read(here.all(), there.address(), there.token()), STATUS_SUCCESS);
    EXPECT_EQ(pair.active.next_status(), STATUS_SUCCESS);
    EXPECT_TRUE(here.memory.same(there.memory, 3 * PAGE_SIZE));
    there.memory.mdl->Next = nullptr;
  });
}

TEST(R_MR_08, SinksNeedNoFlagAndTheFlagHasNoEffect) {
  for (const ULONG flags :
       {ULONG{NDK_MR_FLAG_ALLOW_LOCAL_WRITE}, ULONG{NDK_MR_FLAG_ALLOW_LOCAL_WRITE | NDK_MR_FLAG_RDMA_READ_SINK},
        ULONG{NDK_MR_FLAG_RDMA_READ_SINK}}) {
    everywhere(
        [&](Stage& stage) {
          Pair pair(stage);
          ASSERT_TRUE(pair.establish());
          Region sink(pair.active.pd.get(), 5000, flags), there(pair.passive.pd.get(), 5000);
          there.memory.fill(9);
          ASSERT_EQ(pair.active.read(sink.all(), there.address(), there.token()), STATUS_SUCCESS);
          EXPECT_EQ(pair.active.next_status(), STATUS_SUCCESS);
          EXPECT_TRUE(sink.memory.same(there.memory, 5000));
        },
        {}, 2);
  }
}

TEST(R_MR_09, WhereSinksAreAnnouncedOthersAreRefused) {
  struct Case {
    ULONG flags;
    bool is_sink;
  };
  for (const Case& one :
       {Case{NDK_MR_FLAG_ALLOW_LOCAL_WRITE, false}, Case{kAllAccess, false}, Case{NDK_MR_FLAG_RDMA_READ_SINK, true},
        Case{kAllAccess | NDK_MR_FLAG_RDMA_READ_SINK, true}}) {
    everywhere(
        [&](Stage& stage) {
          EXPECT_EQ(stage.adapter->info.AdapterFlags & NDK_ADAPTER_FLAG_RDMA_READ_SINK_NOT_REQUIRED, 0u);
          Pair pair(stage);
          ASSERT_TRUE(pair.establish());
          Region sink(pair.active.pd.get(), 64, one.flags), there(pair.passive.pd.get(), 64);
          there.memory.fill(9);
          ASSERT_EQ(pair.active.read(sink.all(), there.address(), there.token()), STATUS_SUCCESS);
          EXPECT_EQ(pair.active.next_status(), one.is_sink ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION);
          EXPECT_EQ(sink.memory.same(there.memory, 64), one.is_sink);
        },
        {{"read_sinks", "announced"}}, 2);
  }
}

TEST(R_MR_07, RemoteRights) {
  struct Case {
    ULONG flags;
    bool write, read;
  };
  const Case cases[] = {
      {NDK_MR_FLAG_ALLOW_LOCAL_READ, false, false},
      {NDK_MR_FLAG_ALLOW_LOCAL_WRITE, false, false},
      {NDK_MR_FLAG_ALLOW_REMOTE_READ, false, true},
      {NDK_MR_FLAG_ALLOW_REMOTE_WRITE, true, false},
      {kAllAccess, true, true},
  };
  for (const Case& one : cases) {
    for (const bool write : {true, false}) {
      everywhere(
          [&](Stage& stage) {
            Pair pair(stage);
            ASSERT_TRUE(pair.establish());
            Region here(pair.active.pd.get(), 64);
            Region there(pair.passive.pd.get(), 64, one.flags);
            EXPECT_NE(there.token(), 0u) << "R-MR-16";
            const NTSTATUS posted = write ? pair.active.write(here.all(), there.address(), there.token())
                                          : pair.active.read(here.all(), there.address(), there.token());
            ASSERT_EQ(posted, STATUS_SUCCESS);
            if (write ? one.write : one.read) {
              EXPECT_EQ(pair.active.next_status(), STATUS_SUCCESS);
              EXPECT_EQ(pair.active.disconnects.load(), 0);
            } else {
              EXPECT_TRUE(pair.active.left.wait());
              EXPECT_TRUE(pair.passive.left.wait());
            }
          },
          {}, 2);
    }
  }
}

TEST(R_MR_13, AfterDeregistrationTheTokenIsDeadAndDoesNotComeBack) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    ASSERT_TRUE(pair.establish());
    Region here(pair.active.pd.get(), 64);
    Region there(pair.passive.pd.get(), 64);
    const UINT32 old = there.token();
    const UINT64 address = there.address();
    EXPECT_EQ(there.deregister(), STATUS_SUCCESS);
    EXPECT_EQ(there.token(), 0u);
    std::vector<UINT32> seen{old};
    for (int i = 0; i < 100; ++i) {
      ASSERT_EQ(there.register_with(kAllAccess), STATUS_SUCCESS);
      EXPECT_EQ(std::count(seen.begin(), seen.end(), there.token()), 0);
      seen.push_back(there.token());
      ASSERT_EQ(there.deregister(), STATUS_SUCCESS);
    }
    ASSERT_EQ(pair.active.read(here.all(), address, old), STATUS_SUCCESS);
    EXPECT_EQ(pair.active.next_status(), STATUS_ACCESS_VIOLATION);
  });
}

TEST(R_MR_13, DeregistrationWaitsForWhatIsBeingSent) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    ASSERT_TRUE(pair.establish());
    constexpr std::size_t kBytes = 4u << 20;
    Region there(pair.passive.pd.get(), kBytes);
    Region here(pair.active.pd.get(), kBytes);
    here.memory.fill(1);
    ASSERT_EQ(pair.active.write(here.all(), there.address(), there.token()), STATUS_SUCCESS);
    EXPECT_EQ(here.deregister(), STATUS_SUCCESS);
    std::memset(here.memory.data, 0xDD, kBytes);  // ours again: nothing may send it now
    const NTSTATUS status = pair.active.next_status();
    if (status == STATUS_SUCCESS) {
      ASSERT_EQ(pair.passive.receive(there.sge(0, 0)), STATUS_SUCCESS);
      ASSERT_EQ(pair.active.send(here.sge(0, 0)), STATUS_SUCCESS);
      EXPECT_EQ(pair.passive.next_status(), STATUS_SUCCESS);
      here.memory.fill(1);
      EXPECT_TRUE(here.memory.same(there.memory, kBytes));
    } else {
      EXPECT_EQ(status, STATUS_ACCESS_VIOLATION);
    }
  });
}

TEST(R_MR_16, ARegionWithoutRemoteRightsHasATokenThatAlwaysFails) {
  for (const ULONG flags : {ULONG{NDK_MR_FLAG_ALLOW_LOCAL_READ}, ULONG{NDK_MR_FLAG_ALLOW_LOCAL_WRITE}}) {
    for (const bool write : {true, false}) {
      everywhere(
          [&](Stage& stage) {
            Pair pair(stage);
            ASSERT_TRUE(pair.establish());
            Region here(pair.active.pd.get(), 64), there(pair.passive.pd.get(), 64, flags);
            Memory kept(64);
            here.memory.fill(5);
            EXPECT_NE(there.token(), 0u);
            if (write) {
              ASSERT_EQ(pair.active.write(here.all(), there.address(), there.token()), STATUS_SUCCESS);
            } else {
              ASSERT_EQ(pair.active.read(here.all(), there.address(), there.token()), STATUS_SUCCESS);
              EXPECT_EQ(pair.active.next_status(), STATUS_ACCESS_VIOLATION);
            }
            EXPECT_TRUE(pair.active.left.wait());
            EXPECT_TRUE(pair.passive.left.wait());
            EXPECT_TRUE(there.memory.same(kept, 64)) << "not an octet of it was touched";
          },
          {}, 2);
    }
  }
}

TEST(R_MR_17, ATokenServesEveryQueuePairOfItsDomain) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    ASSERT_TRUE(pair.establish());
    Region shared(pair.passive.pd.get(), 64);
    // A second connection whose passive queue pair is in the same domain.
    Side second(*stage.adapter);
    Queue queue(*stage.adapter);
    Object<NDK_QP> qp;
    NDK_PD* pd = pair.passive.pd.get();
    ASSERT_EQ(create(qp,
                     [&](auto... rest) {
                       return pd->Dispatch->NdkCreateQp(pd, queue.cq.get(), queue.cq.get(), nullptr, 4, 4, 4, 4, 0,
                                                        rest...);
                     }),
              STATUS_SUCCESS);
    Request connecting, accepting;
    const NTSTATUS returned = second.begin_connect(connecting, pair.from, pair.at);
    Object<NDK_CONNECTOR> incoming = pair.door.next();
    const NTSTATUS accept_returned = incoming.table()->NdkAccept(incoming.get(), qp.get(), 4, 4, nullptr, 0, nullptr,
                                                                 nullptr, &Request::completed, &accepting);
    ASSERT_EQ(connecting.finish(returned), STATUS_SUCCESS);
    ASSERT_EQ(second.complete(), STATUS_SUCCESS);
    ASSERT_EQ(accepting.finish(accept_returned), STATUS_SUCCESS);
    for (Side* side : {&pair.active, &second}) {
      Region here(side->pd.get(), 64);
      ASSERT_EQ(side->read(here.all(), shared.address(), shared.token()), STATUS_SUCCESS);
      EXPECT_EQ(side->next_status(), STATUS_SUCCESS);
    }
    second.close();
    incoming.close();
  });
}

}  // namespace
}  // namespace softndk::stack
