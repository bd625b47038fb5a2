// Work requests (spec/ndkpi.md 3.5, 3.7, 3.15, 3.16).
#include "stage.h"

namespace softndk::stack {
namespace {

/// A pair with a region on each side.
struct Link {
  explicit Link(Stage& stage, std::size_t bytes = 4096, const QpShape& shape = {}, Limits limits = {})
      : pair(stage, "127.0.0.1", shape),
        established(pair.establish(limits, limits)),
        here(pair.active.pd.get(), bytes),
        there(pair.passive.pd.get(), bytes) {}
  Pair pair;
  bool established;
  Region here, there;
  Side& active = pair.active;
  Side& passive = pair.passive;
};

TEST(R_SEND_01, ASendTakesOneReceiveAndFillsItsSgesInOrder) {
  everywhere([](Stage& stage) {
    Link link(stage);
    ASSERT_TRUE(link.established);
    link.here.memory.fill(3);
    NDK_SGE gather[3] = {link.here.sge(0, 10), link.here.sge(10, 0), link.here.sge(10, 90)};
    NDK_SGE scatter[3] = {link.there.sge(1000, 7), link.there.sge(2000, 33), link.there.sge(3000, 200)};
    ASSERT_EQ(link.passive.qp.table()->NdkReceive(link.passive.qp.get(), nullptr, scatter, 3), STATUS_SUCCESS);
    ASSERT_EQ(link.active.qp.table()->NdkSend(link.active.qp.get(), nullptr, gather, 3, 0), STATUS_SUCCESS);
    const NDK_RESULT_EX got = link.passive.next();
    EXPECT_EQ(got.Status, STATUS_SUCCESS);
    EXPECT_EQ(got.BytesTransferred, 100u) << "R-SEND-03";
    EXPECT_EQ(got.Type, NdkOperationTypeReceive);
    EXPECT_EQ(std::memcmp(link.there.memory.data + 1000, link.here.memory.data, 7), 0);
    EXPECT_EQ(std::memcmp(link.there.memory.data + 2000, link.here.memory.data + 7, 33), 0);
    EXPECT_EQ(std::memcmp(link.there.memory.data + 3000, link.here.memory.data + 40, 60), 0);
    EXPECT_EQ(link.there.memory.data[3060], 0);
    EXPECT_EQ(link.active.next().Type, NdkOperationTypeSend);
  });
}

TEST(R_SEND_02, ASendTooLongBreaksTheReceiverWithAnOverflow) {
  everywhere([](Stage& stage) {
    Link link(stage);
    ASSERT_TRUE(link.established);
    ASSERT_EQ(link.passive.receive(link.there.sge(0, 50)), STATUS_SUCCESS);
    ASSERT_EQ(link.passive.receive(link.there.sge(0, 50)), STATUS_SUCCESS);
    ASSERT_EQ(link.active.send(link.here.sge(0, 51)), STATUS_SUCCESS);
    EXPECT_EQ(link.passive.next_status(), STATUS_BUFFER_OVERFLOW);
    EXPECT_EQ(link.passive.next_status(), STATUS_CANCELLED) << "R-WR-21";
    EXPECT_TRUE(link.active.left.wait());
    EXPECT_TRUE(link.passive.left.wait());
    const NTSTATUS sent = link.active.next_status();
    EXPECT_TRUE(sent == STATUS_SUCCESS || sent == STATUS_CANCELLED);
  });
}

TEST(R_RDMA_01, WritesAndReadsOfManySizesAtManyOffsets) {
  everywhere(
      [](Stage& stage) {
        Link link(stage, 300'000);
        ASSERT_TRUE(link.established);
        for (const std::size_t bytes : {1u, 13u, 255u, 256u, 257u, 1447u, 4095u, 4097u, 65'535u, 66'000u, 262'144u}) {
          for (const std::size_t offset : {0u, 1u, 4090u}) {
            SCOPED_TRACE(std::to_string(bytes) + " at " + std::to_string(offset));
            link.here.memory.fill(static_cast<std::uint8_t>(bytes));
            std::memset(link.there.memory.data, 0xEE, link.there.memory.bytes);
            ASSERT_EQ(link.active.write(link.here.sge(offset, bytes), link.there.address(offset), link.there.token()),
                      STATUS_SUCCESS);
            NDK_RESULT_EX result = link.active.next();
            EXPECT_EQ(result.Status, STATUS_SUCCESS);
            EXPECT_EQ(result.Type, NdkOperationTypeWrite);
            EXPECT_EQ(result.BytesTransferred, 0u) << "R-CQ-15";
            Region back(link.active.pd.get(), bytes);
            ASSERT_EQ(link.active.read(back.all(), link.there.address(offset), link.there.token()), STATUS_SUCCESS);
            result = link.active.next();
            EXPECT_EQ(result.Status, STATUS_SUCCESS);
            EXPECT_EQ(result.Type, NdkOperationTypeRead);
            EXPECT_EQ(std::memcmp(back.memory.data, link.here.memory.data + offset, bytes), 0);
            EXPECT_EQ(link.there.memory.data[offset + bytes], 0xEE);
            if (offset != 0) {
              EXPECT_EQ(link.there.memory.data[offset - 1], 0xEE);
            }
          }
        }
      },
      {}, 3);
}

TEST(R_RDMA_03, AReadThatThePeerRefuses) {
  struct Case {
    const char* name;
    ULONG rights;
    bool unknown, foreign;
    std::int64_t offset;
    std::size_t bytes;
    NTSTATUS expected;
  };
  constexpr ULONG kRemote = kAllAccess;
  const Case cases[] = {
      {"unknown token", kRemote, true, false, 0, 64, STATUS_ACCESS_VIOLATION},
      {"no remote read", NDK_MR_FLAG_ALLOW_REMOTE_WRITE, false, false, 0, 64, STATUS_ACCESS_VIOLATION},
      {"another domain", kRemote, false, true, 0, 64, STATUS_ACCESS_VIOLATION},
      {"beyond the end", kRemote, false, false, 4096 - 63, 64, STATUS_REMOTE_RESOURCES},
      {"before the begin", kRemote, false, false, -1, 64, STATUS_REMOTE_RESOURCES},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.name);
    everywhere(
        [&one](Stage& stage) {
          Link link(stage);
          ASSERT_TRUE(link.established);
          Side stranger(*stage.adapter);
          Region target(one.foreign ? stranger.pd.get() : link.passive.pd.get(), 4096, one.rights);
          ASSERT_EQ(link.passive.receive(link.there.all()), STATUS_SUCCESS);
          ASSERT_EQ(link.active.read(link.here.sge(0, one.bytes), target.address() + static_cast<UINT64>(one.offset),
                                     target.token() ^ (one.unknown ? 0x77700 : 0), 9),
                    STATUS_SUCCESS);
          const NDK_RESULT_EX result = link.active.next();
          EXPECT_EQ(result.Status, one.expected) << std::hex << static_cast<unsigned>(result.Status);
          EXPECT_EQ(result.RequestContext, reinterpret_cast<PVOID>(9));
          EXPECT_TRUE(link.active.left.wait()) << "R-RDMA-02";
          EXPECT_TRUE(link.passive.left.wait());
          EXPECT_EQ(link.passive.next_status(), STATUS_CANCELLED);
        },
        {}, 3);
  }
}

TEST(R_RDMA_02, AWriteThatThePeerRefusesBreaksBothSides) {
  everywhere([](Stage& stage) {
    Link link(stage);
    ASSERT_TRUE(link.established);
    Region read_only(link.passive.pd.get(), 4096, NDK_MR_FLAG_ALLOW_REMOTE_READ);
    link.here.memory.fill(1);
    ASSERT_EQ(link.active.write(link.here.sge(0, 64), read_only.address(), read_only.token()), STATUS_SUCCESS);
    const NTSTATUS written = link.active.next_status();
    EXPECT_TRUE(written == STATUS_SUCCESS || written == STATUS_CANCELLED);
    EXPECT_TRUE(link.active.left.wait());
    EXPECT_TRUE(link.passive.left.wait());
    EXPECT_EQ(read_only.memory.data[0], 0) << "R-MR-16";
  });
}

TEST(R_RDMA_04, ZeroLengthNeedsNoToken) {
  everywhere([](Stage& stage) {
    Link link(stage);
    ASSERT_TRUE(link.established);
    NDK_QP* qp = link.active.qp.get();
    EXPECT_EQ(qp->Dispatch->NdkRead(qp, nullptr, nullptr, 0, 0, 0, 0), STATUS_SUCCESS);
    EXPECT_EQ(qp->Dispatch->NdkWrite(qp, nullptr, nullptr, 0, 0, 0, 0), STATUS_SUCCESS);
    EXPECT_EQ(qp->Dispatch->NdkSend(qp, nullptr, nullptr, 0, 0), STATUS_SUCCESS) << "R-WR-16";
    for (int i = 0; i < 3; ++i)
      EXPECT_EQ(link.active.next_status(), STATUS_SUCCESS);
    NDK_QP* peer = link.passive.qp.get();
    EXPECT_EQ(peer->Dispatch->NdkReceive(peer, nullptr, nullptr, 0), STATUS_SUCCESS);
    EXPECT_EQ(link.passive.next_status(), STATUS_SUCCESS);
  });
}

TEST(R_RDMA_06, WhatASendAnnouncesIsThere) {
  everywhere([](Stage& stage) {
    Link link(stage, 100'000);
    ASSERT_TRUE(link.established);
    Region bell(link.passive.pd.get(), 64);
    for (int round = 0; round < 20; ++round) {
      link.here.memory.fill(static_cast<std::uint8_t>(round));
      ASSERT_EQ(link.passive.receive(bell.all()), STATUS_SUCCESS);
      ASSERT_EQ(
          link.active.write(link.here.all(), link.there.address(), link.there.token(), 1, NDK_OP_FLAG_SILENT_SUCCESS),
          STATUS_SUCCESS);
      ASSERT_EQ(link.active.send(link.here.sge(0, 8)), STATUS_SUCCESS);
      EXPECT_EQ(link.passive.next_status(), STATUS_SUCCESS);
      EXPECT_TRUE(link.there.memory.same(link.here.memory, 100'000));
      EXPECT_EQ(link.active.next().RequestContext, reinterpret_cast<PVOID>(2)) << "R-SIL-01";
    }
  });
}

TEST(R_SIL_01, AFailureIsNeverSilent) {
  everywhere([](Stage& stage) {
    Link link(stage);
    ASSERT_TRUE(link.established);
    NDK_SGE wrong = link.here.sge(0, 64);
    wrong.MemoryRegionToken ^= 0x300;
    ASSERT_EQ(link.active.send(wrong, 7, NDK_OP_FLAG_SILENT_SUCCESS), STATUS_SUCCESS);
    const NDK_RESULT_EX result = link.active.next();
    EXPECT_EQ(result.Status, STATUS_ACCESS_VIOLATION) << "R-WR-19, R-WR-23";
    EXPECT_EQ(result.RequestContext, reinterpret_cast<PVOID>(7));
    EXPECT_TRUE(link.passive.left.wait()) << "R-WR-21";
  });
}

TEST(R_WR_01, OneCompletionForEachPostInOrder) {
  everywhere([](Stage& stage) {
    Link link(stage, 4096, {.receive_depth = 64, .initiator_depth = 64});
    ASSERT_TRUE(link.established);
    for (UINT_PTR i = 0; i < 60; ++i)
      ASSERT_EQ(link.passive.receive(link.there.all(), 100 + i), STATUS_SUCCESS);
    for (UINT_PTR i = 0; i < 60; ++i)
      ASSERT_EQ(link.active.send(link.here.sge(0, i + 1), 200 + i, i % 3 == 0 ? NDK_OP_FLAG_DEFER : 0), STATUS_SUCCESS);
    for (UINT_PTR i = 0; i < 60; ++i) {
      const NDK_RESULT_EX sent = link.active.next();
      EXPECT_EQ(sent.RequestContext, reinterpret_cast<PVOID>(200 + i)) << "R-CQ-24";
      EXPECT_EQ(sent.QPContext, &link.active) << "R-CQ-14";
      const NDK_RESULT_EX got = link.passive.next();
      EXPECT_EQ(got.RequestContext, reinterpret_cast<PVOID>(100 + i));
      EXPECT_EQ(got.BytesTransferred, i + 1);
    }
    EXPECT_TRUE(link.active.queue.is_empty());
    EXPECT_TRUE(link.passive.queue.is_empty());
  });
}

TEST(R_WR_08, InitiatorPostsNeedAConnectionAndReceivesDoNot) {
  everywhere([](Stage& stage) {
    Side side(*stage.adapter);
    Region region(side.pd.get(), 64);
    EXPECT_EQ(side.send(region.all()), STATUS_CONNECTION_INVALID);
    EXPECT_EQ(side.write(region.all(), 0, 1), STATUS_CONNECTION_INVALID);
    EXPECT_EQ(side.read(region.all(), 0, 1), STATUS_CONNECTION_INVALID);
    EXPECT_EQ(side.receive(region.all()), STATUS_SUCCESS) << "R-WR-09";
    side.flush();
    EXPECT_EQ(side.next_status(), STATUS_CANCELLED) << "R-FLU-07";
    EXPECT_EQ(side.receive(region.all()), STATUS_SUCCESS) << "R-FLU-06";
    EXPECT_EQ(side.next_status(), STATUS_CANCELLED);
  });
}

TEST(R_WR_12, AFullQueueRefusesAndChangesNothing) {
  everywhere([](Stage& stage) {
    Side side(*stage.adapter, {.receive_depth = 3});
    Region region(side.pd.get(), 64);
    for (UINT_PTR i = 0; i < 3; ++i)
      ASSERT_EQ(side.receive(region.all(), i), STATUS_SUCCESS);
    EXPECT_EQ(side.receive(region.all(), 9), STATUS_INSUFFICIENT_RESOURCES);
    side.flush();
    for (UINT_PTR i = 0; i < 3; ++i)
      EXPECT_EQ(side.next().RequestContext, reinterpret_cast<PVOID>(i));
    EXPECT_TRUE(side.queue.is_empty());
  });
}

TEST(R_WR_13, APlaceIsFreeWhenItsCompletionIsSeen) {
  everywhere([](Stage& stage) {
    Link link(stage, 4096, {.receive_depth = 1, .initiator_depth = 1});
    ASSERT_TRUE(link.established);
    for (int i = 0; i < 200; ++i) {
      ASSERT_EQ(link.active.read(link.here.sge(0, 64), link.there.address(), link.there.token()), STATUS_SUCCESS) << i;
      ASSERT_EQ(link.active.next_status(), STATUS_SUCCESS);
      ASSERT_EQ(link.passive.receive(link.there.all()), STATUS_SUCCESS) << i;
      ASSERT_EQ(link.active.send(link.here.sge(0, 64)), STATUS_SUCCESS) << i;
      ASSERT_EQ(link.active.next_status(), STATUS_SUCCESS);
      ASSERT_EQ(link.passive.next_status(), STATUS_SUCCESS);
    }
  });
}

TEST(R_WR_14, TooManySgesTooManyOctetsAndUnknownFlags) {
  everywhere([](Stage& stage) {
    Link link(stage);
    ASSERT_TRUE(link.established);
    std::vector<NDK_SGE> many(stage.adapter->info.MaxInitiatorRequestSge + 1, link.here.sge(0, 1));
    NDK_QP* qp = link.active.qp.get();
    const auto count = static_cast<ULONG>(many.size());
    EXPECT_EQ(qp->Dispatch->NdkSend(qp, nullptr, many.data(), 9, 0), STATUS_DATA_OVERRUN) << "the queue pair's own 8";
    EXPECT_EQ(qp->Dispatch->NdkSend(qp, nullptr, many.data(), count, 0), STATUS_DATA_OVERRUN);
    EXPECT_EQ(qp->Dispatch->NdkReceive(qp, nullptr, many.data(), 9), STATUS_DATA_OVERRUN);
    NDK_SGE huge[2] = {link.here.sge(0, 1), link.here.sge(0, 1)};
    huge[0].Length = huge[1].Length = stage.adapter->info.MaxTransferLength;
    EXPECT_EQ(qp->Dispatch->NdkSend(qp, nullptr, huge, 2, 0), STATUS_DATA_OVERRUN) << "R-WR-15";
    EXPECT_EQ(link.active.send(link.here.sge(0, 1), 1, 0x400), STATUS_INVALID_PARAMETER) << "R-WR-17";
    EXPECT_EQ(qp->Dispatch->NdkSend(qp, nullptr, nullptr, 1, 0), STATUS_INVALID_PARAMETER);
    EXPECT_TRUE(link.active.queue.is_empty()) << "R-WR-01: no completion for a refused post";
  });
}

TEST(R_WR_19, LocalMemoryThatIsNotWhatItShouldBe) {
  enum class Wrong { token, range, domain, right };
  for (const auto wrong : {Wrong::token, Wrong::range, Wrong::domain, Wrong::right}) {
    SCOPED_TRACE(static_cast<int>(wrong));
    everywhere(
        [wrong](Stage& stage) {
          Link link(stage);
          ASSERT_TRUE(link.established);
          Side stranger(*stage.adapter);
          Region foreign(stranger.pd.get(), 4096);
          Region read_only(link.passive.pd.get(), 4096, NDK_MR_FLAG_ALLOW_LOCAL_READ);
          NDK_SGE sge = link.there.sge(0, 64);
          if (wrong == Wrong::token) sge.MemoryRegionToken ^= 0x100;
          if (wrong == Wrong::range) sge = link.there.sge(4096 - 63, 64);
          if (wrong == Wrong::domain) sge = foreign.sge(0, 64);
          if (wrong == Wrong::right) sge = read_only.sge(0, 64);
          ASSERT_EQ(link.passive.receive(sge, 11), STATUS_SUCCESS);
          ASSERT_EQ(link.passive.receive(link.there.all(), 12), STATUS_SUCCESS);
          ASSERT_EQ(link.active.send(link.here.sge(0, 64)), STATUS_SUCCESS);
          NDK_RESULT_EX result = link.passive.next();
          EXPECT_EQ(result.Status, STATUS_ACCESS_VIOLATION);
          EXPECT_EQ(result.RequestContext, reinterpret_cast<PVOID>(11));
          EXPECT_EQ(link.passive.next_status(), STATUS_CANCELLED) << "R-WR-22";
          EXPECT_TRUE(link.active.left.wait());
        },
        {}, 3);
  }
}

TEST(R_WR_20, AReadNeedsASinkItMayWrite) {
  everywhere([](Stage& stage) {
    Link link(stage);
    ASSERT_TRUE(link.established);
    Region read_only(link.active.pd.get(), 64, NDK_MR_FLAG_ALLOW_LOCAL_READ);
    ASSERT_EQ(link.active.read(read_only.all(), link.there.address(), link.there.token()), STATUS_SUCCESS);
    EXPECT_EQ(link.active.next_status(), STATUS_ACCESS_VIOLATION);
  });
}

TEST(R_FLU_01, FlushReturnsEverythingWithoutDisconnecting) {
  everywhere([](Stage& stage) {
    Link link(stage);
    ASSERT_TRUE(link.established);
    for (UINT_PTR i = 0; i < 10; ++i)
      ASSERT_EQ(link.passive.receive(link.there.all(), i), STATUS_SUCCESS);
    // The way the sample driver waits: armed, through notifications only (kernel-surface 8, item 3; R-FLU-10).
    link.passive.queue.arm(NDK_CQ_NOTIFY_SOLICITED);
    link.passive.flush();
    ASSERT_TRUE(link.passive.queue.told.wait());
    for (UINT_PTR i = 0; i < 10; ++i) {
      const NDK_RESULT_EX result = link.passive.next();
      EXPECT_EQ(result.Status, STATUS_CANCELLED) << "R-FLU-02";
      EXPECT_EQ(result.RequestContext, reinterpret_cast<PVOID>(i));
    }
    EXPECT_EQ(link.passive.send(link.there.sge(0, 8)), STATUS_SUCCESS) << "R-FLU-06";
    EXPECT_EQ(link.passive.next_status(), STATUS_CANCELLED);
    EXPECT_EQ(link.active.disconnects.load(), 0) << "R-FLU-09";
    Request leaving;
    const NTSTATUS returned = link.passive.begin_disconnect(leaving);
    EXPECT_TRUE(link.active.left.wait());
    EXPECT_EQ(link.active.disconnect(), STATUS_SUCCESS);
    EXPECT_EQ(leaving.finish(returned), STATUS_SUCCESS);
  });
}

TEST(R_FLU_04, OnlyTheQueuePairsOwnRequests) {
  everywhere([](Stage& stage) {
    Side side(*stage.adapter);
    Object<NDK_QP> second;
    ASSERT_EQ(create(second,
                     [&](auto... rest) {
                       return side.pd.table()->NdkCreateQp(side.pd.get(), side.queue.cq.get(), side.queue.cq.get(),
                                                           nullptr, 4, 4, 4, 4, 0, rest...);
                     }),
              STATUS_SUCCESS);
    Region region(side.pd.get(), 64);
    const NDK_SGE sge = region.all();
    ASSERT_EQ(second.table()->NdkReceive(second.get(), nullptr, &sge, 1), STATUS_SUCCESS);
    ASSERT_EQ(side.receive(sge), STATUS_SUCCESS);
    side.flush();
    EXPECT_EQ(side.next().QPContext, &side);
    EXPECT_TRUE(side.queue.is_empty());
    second.close();
    EXPECT_EQ(side.next_status(), STATUS_CANCELLED);
  });
}

TEST(R_WR_05, FlushBesidePosts) {
  everywhere([](Stage& stage) {
    Link link(stage, 4096, {.receive_depth = 256, .initiator_depth = 256, .cq_depth = 600});
    ASSERT_TRUE(link.established);
    Event begin;
    DriverThread flusher([&] {
      EXPECT_TRUE(begin.wait());
      link.active.flush();
    });
    int posted = 0;
    for (int i = 0; i < 200; ++i) {
      if (i == 50) begin.set();
      ASSERT_EQ(link.active.read(link.here.sge(0, 8), link.there.address(), link.there.token()), STATUS_SUCCESS);
      ASSERT_EQ(link.active.receive(link.here.all()), STATUS_SUCCESS);
      posted += 2;
    }
    bool flushed = false;
    for (int i = 0; i < posted; ++i) {
      const NDK_RESULT_EX result = link.active.next();
      ASSERT_TRUE(result.Status == STATUS_SUCCESS || result.Status == STATUS_CANCELLED);
      flushed = flushed || result.Status == STATUS_CANCELLED;
    }
    EXPECT_TRUE(flushed);
    EXPECT_TRUE(link.active.queue.is_empty());
    flusher.join();
  });
}

TEST(R_FEN_01, AFencedRequestWaitsForEarlierReads) {
  everywhere([](Stage& stage) {
    Link link(stage, 200'000);
    ASSERT_TRUE(link.established);
    for (int round = 0; round < 5; ++round) {
      link.there.memory.fill(static_cast<std::uint8_t>(round));
      std::memset(link.here.memory.data, 0, 200'000);
      // Reads what is there, then sends that back: right only if the Read was complete when the Write began.
      Region echo(link.passive.pd.get(), 200'000);
      ASSERT_EQ(link.active.read(link.here.all(), link.there.address(), link.there.token()), STATUS_SUCCESS);
      ASSERT_EQ(link.active.write(link.here.all(), echo.address(), echo.token(), 1, NDK_OP_FLAG_READ_FENCE),
                STATUS_SUCCESS);
      ASSERT_EQ(link.passive.receive(link.there.sge(0, 1)), STATUS_SUCCESS);
      ASSERT_EQ(link.active.send(link.here.sge(0, 1)), STATUS_SUCCESS);
      EXPECT_EQ(link.passive.next_status(), STATUS_SUCCESS);
      EXPECT_EQ(std::memcmp(echo.memory.data + 1, link.there.memory.data + 1, 200'000 - 1), 0);
      for (int i = 0; i < 3; ++i)
        EXPECT_EQ(link.active.next_status(), STATUS_SUCCESS);
    }
  });
}

TEST(R_INL_01, InlineDataIsCapturedBeforeThePostReturns) {
  everywhere([](Stage& stage) {
    Link link(stage, 4096, {.sges = 2, .inline_bytes = 100});
    ASSERT_TRUE(link.established);
    NDK_QP* qp = link.active.qp.get();
    std::uint8_t stack[100];
    NDK_SGE sges[10];
    for (int i = 0; i < 10; ++i) {
      sges[i].VirtualAddress = stack + i * 10;
      sges[i].Length = 10;
      sges[i].MemoryRegionToken = 0xBADBAD;  // R-INL-02
    }
    for (int round = 0; round < 10; ++round) {
      std::memset(stack, 10 + round, sizeof(stack));
      ASSERT_EQ(qp->Dispatch->NdkSend(qp, nullptr, sges, 10, NDK_OP_FLAG_INLINE), STATUS_SUCCESS) << "R-INL-03";
      std::memset(stack, 0xFF, sizeof(stack));
      ASSERT_EQ(link.active.next_status(), STATUS_SUCCESS);
    }
    ASSERT_EQ(
        qp->Dispatch->NdkWrite(qp, nullptr, sges, 10, link.there.address(2000), link.there.token(), NDK_OP_FLAG_INLINE),
        STATUS_SUCCESS)
        << "R-INL-05";
    sges[9].Length = 11;
    EXPECT_EQ(qp->Dispatch->NdkSend(qp, nullptr, sges, 10, NDK_OP_FLAG_INLINE), STATUS_DATA_OVERRUN) << "R-INL-04";
    for (int round = 0; round < 10; ++round) {
      ASSERT_EQ(link.passive.receive(link.there.sge(0, 1000)), STATUS_SUCCESS);
      EXPECT_EQ(link.passive.next().BytesTransferred, 100u);
      for (int i = 0; i < 100; ++i)
        ASSERT_EQ(link.there.memory.data[i], 10 + round);
    }
    EXPECT_EQ(link.active.next_status(), STATUS_SUCCESS);
  });
}

TEST(R_CLS_05, ClosingTheConnectorBesidePosts) {
  in_simulation(40, [](Stage& stage) {
    Link link(stage, 4096, {.receive_depth = 256, .initiator_depth = 256, .cq_depth = 600});
    ASSERT_TRUE(link.established);
    DriverThread closer([&] { link.active.connector.close(); });
    int posted = 0;
    for (int i = 0; i < 100; ++i) {
      const NTSTATUS status = link.active.write(link.here.all(), link.there.address(), link.there.token());
      if (status == STATUS_CONNECTION_INVALID) break;  // R-WR-06
      ASSERT_EQ(status, STATUS_SUCCESS);
      ++posted;
    }
    for (int i = 0; i < posted; ++i) {
      const NTSTATUS status = link.active.next_status();
      ASSERT_TRUE(status == STATUS_SUCCESS || status == STATUS_CANCELLED);
    }
    closer.join();
  });
}

}  // namespace
}  // namespace softndk::stack
