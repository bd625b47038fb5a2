// Rules of data operations and queue pairs (spec/ndkpi.md 2.6, 3.15) that take a peer's view, or a limit.
#include "raw_visit.h"
#include "target.h"

namespace softndk::stack {
namespace {

std::uint8_t opcode_of(const iwarp::test::Octets& ulpdu) {
  return ulpdu.size() < 2 ? 0xFF : ulpdu[1] & 0x0F;
}

TEST(R_SEND_04, ASendCompletesWithoutAWordOfThePeers) {
  everywhere([](Stage& stage) {
    Visit visit(stage);
    ASSERT_TRUE(visit.connected);
    Region letter(visit.owner.pd.get(), 64);
    ASSERT_EQ(visit.owner.send(letter.all()), STATUS_SUCCESS);
    ASSERT_EQ(send_and_invalidate(visit.owner, letter.all(), 0x1234), STATUS_SUCCESS);
    ASSERT_EQ(visit.owner.write(letter.all(), 0, 0x1234), STATUS_SUCCESS);
    for (int i = 0; i < 3; ++i)
      EXPECT_EQ(visit.owner.next_status(), STATUS_SUCCESS) << "the peer has read nothing yet";
    // But not before what was posted earlier.
    ASSERT_EQ(visit.owner.read(letter.sge(0, 8), 0x5000, 0x1234, 41), STATUS_SUCCESS);
    ASSERT_EQ(visit.owner.send(letter.all(), 42), STATUS_SUCCESS);
    EXPECT_EQ(opcode_of(visit.raw.read_ulpdu()), 3);
    EXPECT_EQ(opcode_of(visit.raw.read_ulpdu()), 4);
    EXPECT_EQ(opcode_of(visit.raw.read_ulpdu()), 0);
    const iwarp::test::Octets request = visit.raw.read_ulpdu();
    ASSERT_EQ(opcode_of(request), 1);
    EXPECT_EQ(opcode_of(visit.raw.read_ulpdu()), 3);
    EXPECT_TRUE(visit.owner.queue.is_empty());
    ASSERT_TRUE(visit.raw.send(iwarp::test::message_octets({.opcode = iwarp::Opcode::read_response,
                                                            .stag = load_be32(request.data() + 18),
                                                            .to_bytes = load_be64(request.data() + 22)},
                                                           iwarp::test::pattern(8))));
    EXPECT_EQ(visit.owner.next().RequestContext, reinterpret_cast<PVOID>(41));
    EXPECT_EQ(visit.owner.next().RequestContext, reinterpret_cast<PVOID>(42));
  });
}

TEST(R_FEN_02, WithoutTheFenceASendGoesOutBeforeAnEarlierReadIsOver) {
  for (const bool fenced : {false, true}) {
    everywhere(
        [fenced](Stage& stage) {
          Visit visit(stage);
          ASSERT_TRUE(visit.connected);
          Region letter(visit.owner.pd.get(), 64);
          ASSERT_EQ(visit.owner.read(letter.sge(0, 8), 0x5000, 0x1234, 41), STATUS_SUCCESS);
          ASSERT_EQ(visit.owner.send(letter.all(), 42, fenced ? NDK_OP_FLAG_READ_FENCE : 0), STATUS_SUCCESS);
          const iwarp::test::Octets request = visit.raw.read_ulpdu();
          ASSERT_EQ(opcode_of(request), 1);
          if (!fenced) {
            EXPECT_EQ(opcode_of(visit.raw.read_ulpdu()), 3) << "the peer has not answered";
          } else {
            EXPECT_EQ(visit.raw.end->stream->peek(), io::IoResult::Status::would_block);
          }
          ASSERT_TRUE(visit.raw.send(iwarp::test::message_octets({.opcode = iwarp::Opcode::read_response,
                                                                  .stag = load_be32(request.data() + 18),
                                                                  .to_bytes = load_be64(request.data() + 22)},
                                                                 iwarp::test::pattern(8))));
          if (fenced) {
            EXPECT_EQ(opcode_of(visit.raw.read_ulpdu()), 3);
          }
          EXPECT_EQ(visit.owner.next_status(), STATUS_SUCCESS);
          EXPECT_EQ(visit.owner.next_status(), STATUS_SUCCESS);
        },
        {}, 3);
  }
}

TEST(R_SIL_02, ASilentRequestsBufferIsFreeWhenALaterOneHasCompleted) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    ASSERT_TRUE(pair.establish());
    constexpr std::size_t kBytes = 50'000;
    Region out(pair.active.pd.get(), kBytes), in(pair.passive.pd.get(), 2 * kBytes),
        land(pair.passive.pd.get(), kBytes);
    Memory kept(kBytes);
    for (std::uint8_t round = 0; round < 10; ++round) {
      out.memory.fill(round);
      kept.fill(round);
      ASSERT_EQ(pair.passive.receive(in.sge(0, kBytes)), STATUS_SUCCESS);
      ASSERT_EQ(pair.passive.receive(in.sge(kBytes, kBytes)), STATUS_SUCCESS);
      ASSERT_EQ(pair.active.write(out.all(), land.address(), land.token(), 1, NDK_OP_FLAG_SILENT_SUCCESS),
                STATUS_SUCCESS);
      ASSERT_EQ(pair.active.send(out.all(), 2, NDK_OP_FLAG_SILENT_SUCCESS), STATUS_SUCCESS);
      ASSERT_EQ(pair.active.send(out.sge(0, 8), 3), STATUS_SUCCESS);
      EXPECT_EQ(pair.active.next().RequestContext, reinterpret_cast<PVOID>(3)) << "R-SIL-01";
      std::memset(out.memory.data, 0xEE, kBytes);
      EXPECT_EQ(pair.passive.next_status(), STATUS_SUCCESS);
      EXPECT_EQ(pair.passive.next_status(), STATUS_SUCCESS);
      EXPECT_TRUE(in.memory.same(kept, kBytes));
      EXPECT_TRUE(land.memory.same(kept, kBytes));
    }
  });
}

TEST(R_INL_02, InlineDataComesFromMemoryThatNobodyRegistered) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    ASSERT_TRUE(pair.establish());
    Region in(pair.passive.pd.get(), 256);
    MemoryWindow window(pair.passive.pd.get());
    for (const UINT32 token : {0u, 0xFFFFFFFFu, privileged_token(pair.active.pd.get())}) {
      ASSERT_EQ(window.bind_all(pair.passive, in, kReadAndWrite), STATUS_SUCCESS);
      EXPECT_EQ(pair.passive.next_status(), STATUS_SUCCESS);
      std::uint8_t stack[100];
      std::memset(stack, 0x77, sizeof stack);
      NDK_SGE sge{};
      sge.VirtualAddress = stack;
      sge.Length = sizeof stack;
      sge.MemoryRegionToken = token;
      ASSERT_EQ(pair.passive.receive(in.all()), STATUS_SUCCESS);
      ASSERT_EQ(pair.passive.receive(in.sge(100, 156)), STATUS_SUCCESS);
      ASSERT_EQ(pair.active.send(sge, 1, NDK_OP_FLAG_INLINE), STATUS_SUCCESS);
      ASSERT_EQ(send_and_invalidate(pair.active, sge, window.token(), 2, NDK_OP_FLAG_INLINE), STATUS_SUCCESS);
      std::memset(stack, 0xEE, sizeof stack);
      for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(pair.active.next_status(), STATUS_SUCCESS);
        EXPECT_EQ(pair.passive.next().BytesTransferred, 100u);
      }
      for (int i = 0; i < 200; ++i)
        ASSERT_EQ(in.memory.data[i], 0x77);
    }
  });
}

TEST(R_INL_05, TheFlagMeansNothingWhereThereIsNothingToSend) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    ASSERT_TRUE(pair.establish());
    Region sink(pair.active.pd.get(), 4096), source(pair.passive.pd.get(), 4096);
    source.memory.fill(5);
    // Longer than any inline data: its sges are what counts.
    ASSERT_EQ(pair.active.read(sink.all(), source.address(), source.token(), 4, NDK_OP_FLAG_INLINE), STATUS_SUCCESS);
    EXPECT_EQ(pair.active.next_status(), STATUS_SUCCESS);
    EXPECT_TRUE(sink.memory.same(source.memory, 4096));
    MemoryWindow window(pair.active.pd.get());
    ASSERT_EQ(window.bind_all(pair.active, sink, kReadAndWrite | NDK_OP_FLAG_INLINE), STATUS_SUCCESS);
    EXPECT_EQ(pair.active.next_status(), STATUS_SUCCESS);
    ASSERT_EQ(window.invalidate(pair.active, NDK_OP_FLAG_INLINE), STATUS_SUCCESS);
    EXPECT_EQ(pair.active.next_status(), STATUS_SUCCESS);
    // And something where there is.
    NDK_SGE unregistered = sink.sge(0, 10);
    unregistered.MemoryRegionToken = 0xBAD;
    ASSERT_EQ(pair.active.write(unregistered, source.address(), source.token(), 3, NDK_OP_FLAG_INLINE), STATUS_SUCCESS);
    EXPECT_EQ(pair.active.next_status(), STATUS_SUCCESS) << "C-37";
  });
}

TEST(R_RDMA_05, TheOrderOfOctetsIsNotPromised) {
  everywhere([](Stage& stage) {
    EXPECT_EQ(stage.adapter->info.AdapterFlags & NDK_ADAPTER_FLAG_IN_ORDER_DMA_SUPPORTED, 0u) << "C-99";
  });
}

TEST(R_QP_02, AllLimitsAtTheirMaximumAtOnce) {
  everywhere(
      [](Stage& stage) {
        const NDK_ADAPTER_INFO& info = stage.adapter->info;
        Side side(*stage.adapter);
        side.qp.close();
        Object<NDK_QP> qp;
        const NTSTATUS status = create(qp, [&](auto... rest) {
          return side.pd.table()->NdkCreateQp(side.pd.get(), side.queue.cq.get(), side.queue.cq.get(), nullptr,
                                              info.MaxReceiveQueueDepth, info.MaxInitiatorQueueDepth,
                                              info.MaxReceiveRequestSge, info.MaxInitiatorRequestSge,
                                              info.MaxInlineDataSize, rest...);
        });
        EXPECT_TRUE(status == STATUS_SUCCESS || status == STATUS_INSUFFICIENT_RESOURCES) << std::hex << status;
      },
      {}, 2);
}

TEST(R_QP_03, AQueueOfDepthZeroTakesNothingAndZeroSgesLeaveEmptyRequests) {
  everywhere([](Stage& stage) {
    {
      Pair pair(stage, "127.0.0.1", {.receive_depth = 0, .initiator_depth = 0});
      ASSERT_TRUE(pair.establish());
      Region region(pair.active.pd.get(), 64);
      EXPECT_EQ(pair.active.receive(region.all()), STATUS_INSUFFICIENT_RESOURCES) << "R-WR-12";
      EXPECT_EQ(pair.active.send(region.all()), STATUS_INSUFFICIENT_RESOURCES);
      EXPECT_EQ(send_and_invalidate(pair.active, region.all(), 1), STATUS_INSUFFICIENT_RESOURCES);
      EXPECT_TRUE(pair.active.queue.is_empty());
    }
    Pair pair(stage, "127.0.0.1", {.sges = 0, .inline_bytes = 16});
    ASSERT_TRUE(pair.establish());
    Region region(pair.active.pd.get(), 64), in(pair.passive.pd.get(), 64);
    EXPECT_EQ(pair.active.send(region.sge(0, 8)), STATUS_DATA_OVERRUN) << "R-WR-14";
    EXPECT_EQ(pair.active.receive(region.sge(0, 8)), STATUS_DATA_OVERRUN);
    NDK_QP* qp = pair.active.qp.get();
    NDK_QP* peer = pair.passive.qp.get();
    EXPECT_EQ(peer->Dispatch->NdkReceive(peer, nullptr, nullptr, 0), STATUS_SUCCESS);
    EXPECT_EQ(qp->Dispatch->NdkSend(qp, nullptr, nullptr, 0, 0), STATUS_SUCCESS);
    EXPECT_EQ(pair.active.next_status(), STATUS_SUCCESS);
    EXPECT_EQ(pair.passive.next().BytesTransferred, 0u);
  });
}

TEST(R_QP_05, EveryResultHasTheQueuePairsContext) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    ASSERT_TRUE(pair.establish());
    Side& side = pair.active;
    Region here(side.pd.get(), 4096), there(pair.passive.pd.get(), 4096);
    MemoryWindow window(side.pd.get());
    ASSERT_EQ(pair.passive.receive(there.all()), STATUS_SUCCESS);
    ASSERT_EQ(side.receive(here.all()), STATUS_SUCCESS);
    ASSERT_EQ(side.send(here.sge(0, 8)), STATUS_SUCCESS);
    ASSERT_EQ(side.write(here.sge(0, 8), there.address(), there.token()), STATUS_SUCCESS);
    ASSERT_EQ(side.read(here.sge(0, 8), there.address(), there.token()), STATUS_SUCCESS);
    ASSERT_EQ(window.bind_all(side, here, kReadAndWrite), STATUS_SUCCESS);
    ASSERT_EQ(window.invalidate(side), STATUS_SUCCESS);
    for (int i = 0; i < 5; ++i) {
      const NDK_RESULT_EX result = side.next();
      EXPECT_EQ(result.Status, STATUS_SUCCESS);
      EXPECT_EQ(result.QPContext, &side);
    }
    EXPECT_EQ(pair.passive.next().QPContext, &pair.passive);
    ASSERT_EQ(window.invalidate(side), STATUS_SUCCESS);  // nothing is bound: an error
    for (int i = 0; i < 2; ++i) {
      const NDK_RESULT_EX result = side.next();
      EXPECT_NE(result.Status, STATUS_SUCCESS);
      EXPECT_EQ(result.QPContext, &side);
    }
  });
}

}  // namespace
}  // namespace softndk::stack
