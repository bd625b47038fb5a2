// Who may call what beside a post, and when posts are taken (spec/ndkpi.md 3.5, 3.7).
#include "channel.h"

namespace softndk::stack {
namespace {

constexpr QpShape kDeep{.receive_depth = 256, .initiator_depth = 256, .cq_depth = 1'200};

/// Each of the initiator functions once, on a side that has a region and a token of the peer's.
struct AllInitiators {
  AllInitiators(Side& on, Region& from, UINT64 address, UINT32 token)
      : side(on), region(from), to(address), key(token) {
    EXPECT_EQ(create(window, [&](auto... rest) { return side.pd.table()->NdkCreateMw(side.pd.get(), rest...); }),
              STATUS_SUCCESS);
  }
  std::vector<NTSTATUS> post() {
    const NDK_SGE sge = region.sge(0, 8);
    NDK_QP* qp = side.qp.get();
    return {side.send(sge), side.write(sge, to, key), side.read(sge, to, key),
            qp->Dispatch->NdkBind(qp, nullptr, region.mr.get(), window.get(), region.memory.data, 8,
                                  NDK_OP_FLAG_ALLOW_REMOTE_READ),
            qp->Dispatch->NdkInvalidate(qp, nullptr, &window.get()->Header, 0)};
  }
  Side& side;
  Region& region;
  UINT64 to;
  UINT32 key;
  Object<NDK_MW> window;
};

/// How many requests ended, and that each ended as it may.
void drain(Side& side, int posted) {
  for (int i = 0; i < posted; ++i) {
    const NTSTATUS status = side.next_status();
    ASSERT_TRUE(status == STATUS_SUCCESS || status == STATUS_CANCELLED) << i;
  }
  EXPECT_TRUE(side.queue.is_empty());
}

TEST(R_WR_02, NoPostPends) {
  everywhere([](Stage& stage) {
    Channel link(stage);
    ASSERT_TRUE(link.established);
    {
      AllInitiators all(link.active, link.here, link.there.address(), link.there.token());
      ASSERT_EQ(link.passive.receive(link.there.all()), STATUS_SUCCESS);
      int posted = 0;
      for (const NTSTATUS status : all.post()) {
        EXPECT_EQ(status, STATUS_SUCCESS);
        ++posted;
      }
      EXPECT_EQ(link.active.receive(link.here.all()), STATUS_SUCCESS);
      for (int i = 0; i < posted; ++i)
        EXPECT_EQ(link.active.next_status(), STATUS_SUCCESS);
      link.active.flush();
      for (const NTSTATUS status : all.post())
        EXPECT_NE(status, STATUS_PENDING);
      EXPECT_NE(link.active.receive(link.here.all()), STATUS_PENDING);
    }
  });
}

TEST(R_WR_03, OneThreadForEachQueueOfAQueuePair) {
  everywhere([](Stage& stage) {
    constexpr int kEach = 200;
    Channel link(stage, {.receive_depth = 256, .initiator_depth = 256, .cq_depth = 1'200});
    ASSERT_TRUE(link.established);
    // Four posters for two queue pairs: nobody waits for anybody.
    DriverThread receives_here([&] {
      for (int i = 0; i < kEach; ++i)
        EXPECT_EQ(link.active.receive(link.here.sge(0, 8)), STATUS_SUCCESS);
    });
    DriverThread receives_there([&] {
      for (int i = 0; i < kEach; ++i)
        EXPECT_EQ(link.passive.receive(link.there.sge(0, 8)), STATUS_SUCCESS);
    });
    DriverThread sends_there([&] {
      for (int i = 0; i < kEach; ++i)
        EXPECT_EQ(link.passive.send(link.there.sge(8, 8)), STATUS_SUCCESS);
    });
    for (int i = 0; i < kEach; ++i)
      ASSERT_EQ(link.active.send(link.here.sge(8, 8)), STATUS_SUCCESS);
    for (int i = 0; i < 2 * kEach; ++i) {
      ASSERT_EQ(link.active.next_status(), STATUS_SUCCESS);
      ASSERT_EQ(link.passive.next_status(), STATUS_SUCCESS);
    }
  });
}

/// Runs `end` on another thread in the midst of posts to both queues of the active side, until posts are refused or
/// enough have been made; each that was taken has its completion.
template <class End>
void beside_posts(Stage& stage, End end) {
  Channel link(stage, kDeep);
  ASSERT_TRUE(link.established);
  Event begin;
  DriverThread other([&] {
    EXPECT_TRUE(begin.wait());
    end(link);
  });
  int posted = 0;
  for (int i = 0; i < 200; ++i) {
    if (i == 40) begin.set();
    const NTSTATUS status = link.active.write(link.here.sge(0, 8), link.there.address(), link.there.token());
    if (status != STATUS_CONNECTION_INVALID) {  // R-WR-08
      ASSERT_EQ(status, STATUS_SUCCESS);
      ++posted;
    }
    ASSERT_EQ(link.active.receive(link.here.all()), STATUS_SUCCESS) << "R-WR-09";
    ++posted;
  }
  other.join();
  link.active.flush();  // receives that only the peer's going away has not cancelled
  drain(link.active, posted);
}

TEST(R_WR_05, FlushesBesidePostsOnBothQueues) {
  everywhere([](Stage& stage) {
    beside_posts(stage, [](Channel& link) {
      for (int i = 0; i < 5; ++i)
        link.active.flush();
    });
  });
}

TEST(R_WR_06, TheConnectorMayBeClosedBesidePosts) {
  everywhere([](Stage& stage) { beside_posts(stage, [](Channel& link) { link.active.connector.close(); }); });
}

TEST(R_WR_07, ADisconnectOfEitherSideBesidePosts) {
  everywhere([](Stage& stage) {
    beside_posts(stage, [](Channel& link) {
      Request leaving;
      const NTSTATUS returned = link.active.begin_disconnect(leaving);
      EXPECT_TRUE(link.passive.left.wait());
      EXPECT_EQ(link.passive.disconnect(), STATUS_SUCCESS);
      EXPECT_EQ(leaving.finish(returned), STATUS_SUCCESS);
    });
  });
  everywhere([](Stage& stage) {
    beside_posts(stage, [](Channel& link) {
      Request leaving;
      const NTSTATUS returned = link.passive.begin_disconnect(leaving);
      EXPECT_TRUE(link.active.left.wait());
      EXPECT_EQ(link.active.disconnect(), STATUS_SUCCESS);
      EXPECT_EQ(leaving.finish(returned), STATUS_SUCCESS);
    });
  });
}

TEST(R_WR_07, ATransportErrorBesidePosts) {
  everywhere([](Stage& stage) {
    beside_posts(stage, [](Channel& link) {
      link.passive.connector.close();  // abortive for the other side
      EXPECT_TRUE(link.active.left.wait());
    });
  });
}

TEST(R_WR_08, EveryInitiatorFunctionNeedsAConnection) {
  everywhere([](Stage& stage) {
    Side alone(*stage.adapter);
    Region region(alone.pd.get(), 64);
    {
      AllInitiators all(alone, region, 0, 1);
      for (const NTSTATUS status : all.post())
        EXPECT_EQ(status, STATUS_CONNECTION_INVALID) << "before";
    }
    Channel link(stage);
    ASSERT_TRUE(link.established);
    {
      AllInitiators all(link.active, link.here, link.there.address(), link.there.token());
      link.passive.connector.close();
      ASSERT_TRUE(link.active.left.wait());
      for (const NTSTATUS status : all.post())
        EXPECT_EQ(status, STATUS_CONNECTION_INVALID) << "broken";
    }
    EXPECT_TRUE(alone.queue.is_empty());
  });
}

TEST(R_WR_09, ReceivesArePostedBeforeDuringAndAfterTheConnection) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    Region here(pair.active.pd.get(), 64), there(pair.passive.pd.get(), 64);
    EXPECT_EQ(pair.passive.receive(there.all(), 1), STATUS_SUCCESS) << "before";
    ASSERT_EQ(pair.meet(), STATUS_SUCCESS);
    EXPECT_EQ(pair.passive.receive(there.all(), 2), STATUS_SUCCESS) << "during establishment";
    ASSERT_EQ(pair.active.complete(), STATUS_SUCCESS);
    ASSERT_EQ(pair.accepting.finish(pair.accept_returned), STATUS_SUCCESS);
    EXPECT_EQ(pair.passive.receive(there.all(), 3), STATUS_SUCCESS);
    for (UINT_PTR i = 1; i <= 3; ++i) {
      ASSERT_EQ(pair.active.send(here.all()), STATUS_SUCCESS);
      const NDK_RESULT_EX result = pair.passive.next();
      EXPECT_EQ(result.Status, STATUS_SUCCESS);
      EXPECT_EQ(result.RequestContext, reinterpret_cast<PVOID>(i));
    }
    pair.active.connector.close();
    ASSERT_TRUE(pair.passive.left.wait());
    EXPECT_EQ(pair.passive.receive(there.all(), 4), STATUS_SUCCESS) << "on a broken one";
    EXPECT_EQ(pair.passive.next_status(), STATUS_CANCELLED);
  });
}

/// Posts a Send inside the callback that ends an establishing request.
struct SendInside {
  explicit SendInside(Side& on, Region& from) : side(on), region(from) {}
  static VOID completed(PVOID context, NTSTATUS status) {
    auto* self = static_cast<SendInside*>(context);
    if (status == STATUS_SUCCESS) self->posted = self->side.send(self->region.sge(0, 8));
    self->status = status;
    self->done.set();
  }
  Side& side;
  Region& region;
  NTSTATUS posted = STATUS_UNSUCCESSFUL;
  NTSTATUS status = STATUS_PENDING;
  Event done;
};

TEST(R_WR_10, ASendInsideTheCallbackThatEstablishes) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    Region here(pair.active.pd.get(), 64), there(pair.passive.pd.get(), 64);
    ASSERT_EQ(pair.active.receive(here.all()), STATUS_SUCCESS);
    ASSERT_EQ(pair.passive.receive(there.all()), STATUS_SUCCESS);
    Request connecting;
    const NTSTATUS connect_returned = pair.active.begin_connect(connecting, pair.from, pair.at);
    ASSERT_EQ(connect_returned, STATUS_PENDING);
    pair.passive.connector = pair.door.next();
    SendInside accepted(pair.passive, there), completed(pair.active, here);
    NDK_CONNECTOR* passive = pair.passive.connector.get();
    const NTSTATUS accept_returned =
        passive->Dispatch->NdkAccept(passive, pair.passive.qp.get(), 1, 1, nullptr, 0, &Side::disconnected,
                                     &pair.passive, &SendInside::completed, &accepted);
    ASSERT_EQ(connecting.finish(connect_returned), STATUS_SUCCESS);
    NDK_CONNECTOR* active = pair.active.connector.get();
    const NTSTATUS complete_returned = active->Dispatch->NdkCompleteConnect(active, &Side::disconnected, &pair.active,
                                                                            &SendInside::completed, &completed);
    // A result inline establishes as well: then the Send is posted after it.
    if (complete_returned != STATUS_PENDING) SendInside::completed(&completed, complete_returned);
    if (accept_returned != STATUS_PENDING) SendInside::completed(&accepted, accept_returned);
    ASSERT_TRUE(completed.done.wait());
    ASSERT_TRUE(accepted.done.wait());
    EXPECT_EQ(completed.posted, STATUS_SUCCESS);
    EXPECT_EQ(accepted.posted, STATUS_SUCCESS);
    for (Side* side : {&pair.active, &pair.passive}) {
      EXPECT_EQ(side->next_status(), STATUS_SUCCESS);
      EXPECT_EQ(side->next_status(), STATUS_SUCCESS);
    }
  });
}

TEST(R_WR_11, AfterThePeersDisconnectInitiatorPostsFailAndReceivesDoNot) {
  everywhere([](Stage& stage) {
    Channel link(stage);
    ASSERT_TRUE(link.established);
    AllInitiators all(link.active, link.here, link.there.address(), link.there.token());
    Request leaving;
    const NTSTATUS returned = link.passive.begin_disconnect(leaving);
    ASSERT_TRUE(link.active.left.wait());
    for (const NTSTATUS status : all.post())
      EXPECT_EQ(status, STATUS_CONNECTION_INVALID);
    EXPECT_EQ(link.active.receive(link.here.all()), STATUS_SUCCESS);
    EXPECT_TRUE(link.active.queue.is_empty()) << "it stays posted (R-DISC-06)";
    EXPECT_EQ(link.active.disconnect(), STATUS_SUCCESS);
    EXPECT_EQ(link.active.next_status(), STATUS_CANCELLED);
    EXPECT_EQ(leaving.finish(returned), STATUS_SUCCESS);
  });
}

TEST(R_WR_13, SilentOnesFreeTheirPlacesWithALaterOne) {
  everywhere([](Stage& stage) {
    Channel link(stage, {.initiator_depth = 8});
    ASSERT_TRUE(link.established);
    for (int round = 0; round < 30; ++round) {
      for (int i = 0; i < 7; ++i)
        ASSERT_EQ(link.active.write(link.here.sge(0, 8), link.there.address(), link.there.token(), 1,
                                    NDK_OP_FLAG_SILENT_SUCCESS),
                  STATUS_SUCCESS)
            << round << ", " << i;
      ASSERT_EQ(link.active.write(link.here.sge(0, 8), link.there.address(), link.there.token(), 2), STATUS_SUCCESS);
      EXPECT_EQ(link.active.next().RequestContext, reinterpret_cast<PVOID>(2));
    }
  });
}

TEST(R_WR_15, MoreOctetsThanTheTransferLengthAreADataOverrun) {
  everywhere([](Stage& stage) {
    Channel link(stage);
    ASSERT_TRUE(link.established);
    const ULONG most = stage.adapter->info.MaxTransferLength;
    NDK_SGE sges[2] = {link.here.sge(0, 1), link.here.sge(0, 1)};
    sges[0].Length = most;
    NDK_QP* qp = link.active.qp.get();
    EXPECT_EQ(qp->Dispatch->NdkSend(qp, nullptr, sges, 2, 0), STATUS_DATA_OVERRUN);
    EXPECT_EQ(qp->Dispatch->NdkWrite(qp, nullptr, sges, 2, link.there.address(), link.there.token(), 0),
              STATUS_DATA_OVERRUN);
    EXPECT_EQ(qp->Dispatch->NdkRead(qp, nullptr, sges, 2, link.there.address(), link.there.token(), 0),
              STATUS_DATA_OVERRUN);
    EXPECT_EQ(qp->Dispatch->NdkReceive(qp, nullptr, sges, 2), STATUS_DATA_OVERRUN);
    EXPECT_EQ(qp->Dispatch->NdkReceive(qp, nullptr, sges, 1), STATUS_SUCCESS) << "the limit itself is none";
    EXPECT_TRUE(link.active.queue.is_empty());
  });
}

TEST(R_WR_21, TheFirstFailureBreaksTheQueuePairAndCancelsAllOthers) {
  everywhere([](Stage& stage) {
    Channel link(stage);
    ASSERT_TRUE(link.established);
    for (UINT_PTR i = 0; i < 5; ++i)
      ASSERT_EQ(link.active.receive(link.here.all(), 100 + i), STATUS_SUCCESS);
    NDK_SGE wrong = link.here.sge(0, 8);
    wrong.MemoryRegionToken ^= 0x100;
    // Deferred, so that all are queued before the first begins.
    ASSERT_EQ(link.active.send(wrong, 0, NDK_OP_FLAG_DEFER), STATUS_SUCCESS);
    for (UINT_PTR i = 1; i <= 10; ++i)
      ASSERT_EQ(link.active.write(link.here.sge(0, 8), link.there.address(), link.there.token(), i,
                                  i < 10 ? NDK_OP_FLAG_DEFER : 0),
                STATUS_SUCCESS);
    UINT_PTR initiator = 0, receive = 100;
    for (int i = 0; i < 16; ++i) {
      const NDK_RESULT_EX result = link.active.next();
      const bool is_receive = (result.Type & NdkOperationTypeReceive) != 0;
      UINT_PTR& number = is_receive ? receive : initiator;
      EXPECT_EQ(result.RequestContext, reinterpret_cast<PVOID>(number++));
      const bool failed = !is_receive && result.RequestContext == nullptr;
      EXPECT_EQ(result.Status, failed ? STATUS_ACCESS_VIOLATION : STATUS_CANCELLED) << "R-WR-22";
    }
    EXPECT_TRUE(link.passive.left.wait()) << "the peer hears of it";
    EXPECT_TRUE(link.active.left.wait());
    EXPECT_EQ(link.active.send(link.here.sge(0, 8)), STATUS_CONNECTION_INVALID);
    EXPECT_EQ(link.active.receive(link.here.all()), STATUS_SUCCESS);
    EXPECT_EQ(link.active.next_status(), STATUS_CANCELLED);
  });
}

TEST(R_WR_23, ASilentRequestThatIsFlushedHasItsEntry) {
  in_simulation(12, [](Stage& stage) {
    Channel link(stage);
    ASSERT_TRUE(link.established);
    // Deferred, so that it is there for certain when the flush comes.
    for (UINT_PTR i = 1; i <= 3; ++i)
      ASSERT_EQ(link.active.write(link.here.sge(0, 8), link.there.address(), link.there.token(), i,
                                  NDK_OP_FLAG_SILENT_SUCCESS | NDK_OP_FLAG_DEFER),
                STATUS_SUCCESS);
    link.active.flush();
    for (UINT_PTR i = 1; i <= 3; ++i) {
      const NDK_RESULT_EX result = link.active.next();
      EXPECT_EQ(result.Status, STATUS_CANCELLED) << "R-FLU-03";
      EXPECT_EQ(result.RequestContext, reinterpret_cast<PVOID>(i));
    }
  });
}

TEST(R_FLU_03, AfterAFlushEachRequestIsSeenAndThenNoMore) {
  everywhere([](Stage& stage) {
    Channel link(stage, kDeep);
    ASSERT_TRUE(link.established);
    for (UINT_PTR i = 0; i < 100; ++i)
      ASSERT_EQ(link.active.receive(link.here.all(), i), STATUS_SUCCESS);
    for (UINT_PTR i = 0; i < 100; ++i)
      ASSERT_EQ(link.active.read(link.here.all(), link.there.address(), link.there.token(), 100 + i), STATUS_SUCCESS);
    link.active.flush();
    std::vector<int> seen(200, 0);
    for (int i = 0; i < 200; ++i)
      ++seen[reinterpret_cast<UINT_PTR>(link.active.next().RequestContext)];
    for (const int times : seen)
      EXPECT_EQ(times, 1) << "R-FLU-08";
    EXPECT_TRUE(link.active.queue.is_empty());
  });
}

TEST(R_FLU_06, AFlushedQueuePairTakesPostsAndCancelsThemUntilTheConnectionBreaks) {
  everywhere([](Stage& stage) {
    Channel link(stage);
    ASSERT_TRUE(link.established);
    link.active.flush();
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(link.active.receive(link.here.all()), STATUS_SUCCESS);
      EXPECT_EQ(link.active.next_status(), STATUS_CANCELLED);
      EXPECT_EQ(link.active.send(link.here.sge(0, 8)), STATUS_SUCCESS);
      EXPECT_EQ(link.active.next_status(), STATUS_CANCELLED);
    }
    link.passive.connector.close();
    ASSERT_TRUE(link.active.left.wait());
    EXPECT_EQ(link.active.send(link.here.sge(0, 8)), STATUS_CONNECTION_INVALID) << "R-WR-08";
    EXPECT_EQ(link.active.receive(link.here.all()), STATUS_SUCCESS) << "R-WR-09";
    EXPECT_EQ(link.active.next_status(), STATUS_CANCELLED);
  });
}

TEST(R_FLU_07, AFlushCancelsReceivesOfAQueuePairThatWasNeverConnected) {
  everywhere([](Stage& stage) {
    Side side(*stage.adapter);
    Region region(side.pd.get(), 64);
    for (UINT_PTR i = 0; i < 10; ++i)
      ASSERT_EQ(side.receive(region.all(), i), STATUS_SUCCESS);
    side.flush();
    for (UINT_PTR i = 0; i < 10; ++i) {
      const NDK_RESULT_EX result = side.next();
      EXPECT_EQ(result.Status, STATUS_CANCELLED);
      EXPECT_EQ(result.RequestContext, reinterpret_cast<PVOID>(i));
    }
    EXPECT_TRUE(side.queue.is_empty());
  });
}

TEST(R_FLU_10, AFlushNotifiesAnArmedQueue) {
  for (const ULONG kind : {NDK_CQ_NOTIFY_SOLICITED, NDK_CQ_NOTIFY_ANY}) {
    everywhere(
        [kind](Stage& stage) {
          Channel link(stage);
          ASSERT_TRUE(link.established);
          for (int i = 0; i < 5; ++i)
            ASSERT_EQ(link.passive.receive(link.there.all()), STATUS_SUCCESS);
          link.passive.queue.arm(kind);
          link.passive.flush();
          ASSERT_TRUE(link.passive.queue.told.wait());
          EXPECT_EQ(link.passive.queue.status.load(), STATUS_SUCCESS);
          for (int i = 0; i < 5; ++i)
            EXPECT_EQ(link.passive.next_status(), STATUS_CANCELLED);
        },
        {}, 3);
  }
}

}  // namespace
}  // namespace softndk::stack
