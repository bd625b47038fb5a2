// Shared receive queues (spec/ndkpi.md 3.12): two passive ends take their receives from one.
#include "stage.h"

namespace softndk::stack {
namespace {

/// A shared receive queue and its verbs.
struct Shared {
  Shared(NDK_PD* pd, ULONG depth = 16, ULONG threshold = 0, bool tells = true) {
    EXPECT_EQ(create(srq,
                     [&](auto... rest) {
                       return pd->Dispatch->NdkCreateSrq(pd, depth, 4, threshold, tells ? &Shared::notified : nullptr,
                                                         this, nullptr, rest...);
                     }),
              STATUS_SUCCESS);
  }
  NTSTATUS receive(const NDK_SGE& sge, UINT_PTR context) const {
    return srq.table()->NdkSrqReceive(srq.get(), reinterpret_cast<PVOID>(context), &sge, 1);
  }
  /// Receives of no octets, with contexts from `first` on.
  NTSTATUS post(unsigned count, UINT_PTR first = 1) const {
    NTSTATUS status = STATUS_SUCCESS;
    for (unsigned i = 0; i < count && status == STATUS_SUCCESS; ++i)
      status = srq.table()->NdkSrqReceive(srq.get(), reinterpret_cast<PVOID>(first + i), nullptr, 0);
    return status;
  }
  NTSTATUS modify(ULONG depth, ULONG threshold) const {
    return ask([&](auto... rest) { return srq.table()->NdkModifySrq(srq.get(), depth, threshold, rest...); });
  }
  static VOID notified(PVOID context, NTSTATUS status) {
    auto* self = static_cast<Shared*>(context);
    EXPECT_EQ(self->inside_.fetch_add(1), 0) << "R-SRQ-08: two notifications at once";
    EXPECT_EQ(status, STATUS_SUCCESS);
    if (self->in_callback) self->in_callback();
    ++self->notifications;
    self->inside_.fetch_sub(1);
    self->told.set();
  }

  Event told;
  std::atomic<int> notifications{0};
  std::function<void()> in_callback;

 private:
  std::atomic<int> inside_{0};

 public:
  Object<NDK_SRQ> srq;  // the last member: closed before what its callback uses goes
};

void share(Side& side, const Shared& shared) {
  side.qp.close();
  EXPECT_EQ(create(side.qp,
                   [&](auto... rest) {
                     return side.pd.table()->NdkCreateQpWithSrq(side.pd.get(), side.queue.cq.get(), side.queue.cq.get(),
                                                                shared.srq.get(), &side, 32, 8, 256, rest...);
                   }),
            STATUS_SUCCESS);
}

/// One connection whose passive end takes its receives from a shared queue.
struct Counter {
  explicit Counter(Stage& stage, ULONG depth = 16, ULONG threshold = 0, bool tells = true)
      : pair(stage),
        shared(pair.passive.pd.get(), depth, threshold, tells),
        passive(pair.passive),
        active(pair.active),
        till(passive.pd.get(), 4096),
        coins(active.pd.get(), 4096) {
    share(passive, shared);
    connected = pair.establish();
    EXPECT_TRUE(connected);
  }
  ~Counter() { pair.passive.close(); }
  /// A message without octets.
  void send() {
    ASSERT_EQ(active.qp.table()->NdkSend(active.qp.get(), nullptr, nullptr, 0, 0), STATUS_SUCCESS);
    EXPECT_EQ(active.next_status(), STATUS_SUCCESS);
  }
  /// Sends one and waits until it was received.
  NDK_RESULT_EX consume() {
    send();
    return passive.next();
  }
  Pair pair;
  Shared shared;
  Side& passive;
  Side& active;
  Region till, coins;
  bool connected = false;
};

UINT_PTR context_of(const NDK_RESULT_EX& result) {
  return reinterpret_cast<UINT_PTR>(result.RequestContext);
}

TEST(R_SRQ_01, TheAdaptersLimits) {
  everywhere([](Stage& stage) {
    Object<NDK_PD> pd = stage.adapter->pd();
    const NDK_ADAPTER_INFO& info = stage.adapter->info;
    Object<NDK_SRQ> srq;
    const auto create_srq = [&](ULONG depth, ULONG sges) {
      return create(srq, [&](auto... rest) {
        return pd.table()->NdkCreateSrq(pd.get(), depth, sges, 0, nullptr, nullptr, nullptr, rest...);
      });
    };
    EXPECT_EQ(create_srq(info.MaxSrqDepth + 1, 1), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(create_srq(1, info.MaxReceiveRequestSge + 1), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(create_srq(info.MaxSrqDepth, info.MaxReceiveRequestSge), STATUS_SUCCESS);
    EXPECT_EQ(ask([&](auto... rest) { return srq.table()->NdkModifySrq(srq.get(), info.MaxSrqDepth + 1, 0, rest...); }),
              STATUS_INVALID_PARAMETER);
  });
}

TEST(R_SRQ_02, ADepthOfZeroIsInvalidAtCreation) {
  everywhere([](Stage& stage) {
    Object<NDK_PD> pd = stage.adapter->pd();
    Object<NDK_SRQ> srq;
    EXPECT_EQ(create(srq,
                     [&](auto... rest) {
                       return pd.table()->NdkCreateSrq(pd.get(), 0, 1, 0, nullptr, nullptr, nullptr, rest...);
                     }),
              STATUS_INVALID_PARAMETER);
  });
}

TEST(R_SRQ_03, ZerosKeepDepthThresholdAndArming) {
  everywhere([](Stage& stage) {
    Counter it(stage, 4);
    ASSERT_TRUE(it.connected);
    ASSERT_EQ(it.shared.post(3), STATUS_SUCCESS);
    EXPECT_EQ(it.shared.modify(0, 2), STATUS_SUCCESS);
    EXPECT_EQ(it.shared.post(1), STATUS_SUCCESS);
    EXPECT_EQ(it.shared.post(1), STATUS_INSUFFICIENT_RESOURCES) << "the depth is 4 still";
    EXPECT_EQ(it.shared.modify(6, 0), STATUS_SUCCESS);
    EXPECT_EQ(it.shared.post(2), STATUS_SUCCESS);
    EXPECT_EQ(it.shared.post(1), STATUS_INSUFFICIENT_RESOURCES);
    EXPECT_EQ(it.shared.modify(0, 0), STATUS_SUCCESS);
    for (int left = 5; left >= 2; --left)
      EXPECT_EQ(it.consume().Status, STATUS_SUCCESS);
    EXPECT_EQ(it.shared.notifications, 0);
    EXPECT_EQ(it.consume().Status, STATUS_SUCCESS);
    EXPECT_TRUE(it.shared.told.wait()) << "armed, and the threshold is 2 still";
  });
}

TEST(R_SRQ_04, AThresholdAboveWhatIsQueuedNotifiesAtOnce) {
  everywhere([](Stage& stage) {
    Counter it(stage);
    ASSERT_TRUE(it.connected);
    ASSERT_EQ(it.shared.post(3), STATUS_SUCCESS);
    EXPECT_EQ(it.shared.modify(0, 4), STATUS_SUCCESS);
    EXPECT_TRUE(it.shared.told.wait());
    EXPECT_EQ(it.shared.modify(0, 3), STATUS_SUCCESS);
    EXPECT_EQ(it.consume().Status, STATUS_SUCCESS);
    for (;;) {
      it.shared.told.clear();
      if (it.shared.notifications == 2) break;
      ASSERT_TRUE(it.shared.told.wait());
    }
  });
}

TEST(R_SRQ_05, AfterOneNotificationItIsDisarmed) {
  everywhere([](Stage& stage) {
    Counter it(stage, 16, 2);
    ASSERT_TRUE(it.connected);
    ASSERT_EQ(it.shared.post(2), STATUS_SUCCESS);
    EXPECT_EQ(it.consume().Status, STATUS_SUCCESS);
    EXPECT_TRUE(it.shared.told.wait());
    for (int i = 0; i < 3; ++i) {  // from 2 to 1, again and again
      ASSERT_EQ(it.shared.post(1), STATUS_SUCCESS);
      EXPECT_EQ(it.consume().Status, STATUS_SUCCESS);
    }
    ASSERT_EQ(it.shared.modify(0, 5), STATUS_SUCCESS);
    for (;;) {
      it.shared.told.clear();
      if (it.shared.notifications >= 2) break;
      ASSERT_TRUE(it.shared.told.wait());
    }
    EXPECT_EQ(it.shared.notifications, 2) << "one for each arm";
  });
}

TEST(R_SRQ_06, ItFiresWhenTheCountFallsBelowTheThreshold) {
  everywhere([](Stage& stage) {
    Counter it(stage, 16, 4);
    ASSERT_TRUE(it.connected);
    ASSERT_EQ(it.shared.post(5), STATUS_SUCCESS);
    EXPECT_EQ(it.consume().Status, STATUS_SUCCESS);
    EXPECT_EQ(it.shared.notifications, 0) << "4 remain";
    EXPECT_EQ(it.consume().Status, STATUS_SUCCESS);
    EXPECT_TRUE(it.shared.told.wait()) << "3 remain";
  });
}

TEST(R_SRQ_07, AtCreationItIsArmedForAFallOnly) {
  everywhere([](Stage& stage) {
    Counter it(stage, 16, 2);
    ASSERT_TRUE(it.connected);
    ASSERT_EQ(it.shared.post(1), STATUS_SUCCESS);
    EXPECT_EQ(it.consume().Status, STATUS_SUCCESS);
    EXPECT_EQ(it.shared.notifications, 0) << "it has never been at the threshold";
    ASSERT_EQ(it.shared.post(3), STATUS_SUCCESS);
    EXPECT_EQ(it.consume().Status, STATUS_SUCCESS);
    EXPECT_EQ(it.shared.notifications, 0);
    EXPECT_EQ(it.consume().Status, STATUS_SUCCESS);
    EXPECT_TRUE(it.shared.told.wait());
  });
}

TEST(R_SRQ_08, ANotificationThatIsDueWaitsForTheOneThatRuns) {
  everywhere([](Stage& stage) {
    Counter it(stage);
    ASSERT_TRUE(it.connected);
    Request again;
    NTSTATUS again_returned = STATUS_PENDING;
    it.shared.in_callback = [&] {
      if (it.shared.notifications != 0) return;
      NDK_SRQ* srq = it.shared.srq.get();
      again_returned = srq->Dispatch->NdkModifySrq(srq, 0, 9, &Request::completed, &again);
    };
    EXPECT_EQ(it.shared.modify(0, 9), STATUS_SUCCESS);
    for (;;) {
      it.shared.told.clear();
      if (it.shared.notifications == 2) break;
      ASSERT_TRUE(it.shared.told.wait());
    }
    EXPECT_EQ(again.finish(again_returned), STATUS_SUCCESS);
  });
}

TEST(R_SRQ_09, WithoutACallbackNothingFires) {
  everywhere([](Stage& stage) {
    Counter it(stage, 16, 2, false);
    ASSERT_TRUE(it.connected);
    ASSERT_EQ(it.shared.post(2), STATUS_SUCCESS);
    EXPECT_EQ(it.consume().Status, STATUS_SUCCESS);
    EXPECT_EQ(it.shared.modify(0, 9), STATUS_SUCCESS);
    EXPECT_EQ(it.consume().Status, STATUS_SUCCESS);
    EXPECT_EQ(it.shared.notifications, 0);
  });
}

TEST(R_SRQ_12, ADepthBelowWhatIsQueuedChangesNothing) {
  everywhere([](Stage& stage) {
    Counter it(stage, 8, 2);
    ASSERT_TRUE(it.connected);
    ASSERT_EQ(it.shared.post(5), STATUS_SUCCESS);
    EXPECT_EQ(it.shared.modify(4, 100), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(it.shared.notifications, 0) << "nor the threshold";
    EXPECT_EQ(it.shared.post(3), STATUS_SUCCESS) << "8 are allowed still";
    EXPECT_EQ(it.shared.modify(8, 0), STATUS_SUCCESS);
    EXPECT_EQ(it.shared.post(1), STATUS_INSUFFICIENT_RESOURCES);
  });
}

TEST(R_SRQ_13, BeyondTheDepthAndTooManyEntries) {
  everywhere([](Stage& stage) {
    Object<NDK_PD> pd = stage.adapter->pd();
    Shared shared(pd.get(), 3);
    NDK_SGE sges[5] = {};
    EXPECT_EQ(shared.srq.table()->NdkSrqReceive(shared.srq.get(), nullptr, sges, 5), STATUS_DATA_OVERRUN);
    EXPECT_EQ(shared.post(3), STATUS_SUCCESS);
    EXPECT_EQ(shared.post(1), STATUS_INSUFFICIENT_RESOURCES);
  });
}

TEST(R_SRQ_14, AReceiveCompletesWhereItWasConsumed) {
  everywhere([](Stage& stage) {
    Counter it(stage);
    ASSERT_TRUE(it.connected);
    it.coins.memory.fill(9);
    ASSERT_EQ(it.shared.receive(it.till.sge(0, 100), 41), STATUS_SUCCESS);
    ASSERT_EQ(it.shared.receive(it.till.sge(100, 100), 42), STATUS_SUCCESS);
    ASSERT_EQ(it.active.send(it.coins.sge(0, 60)), STATUS_SUCCESS);
    const NDK_RESULT_EX result = it.passive.next();
    EXPECT_EQ(result.Status, STATUS_SUCCESS);
    EXPECT_EQ(result.Type, NdkOperationTypeReceive);
    EXPECT_EQ(result.BytesTransferred, 60u);
    EXPECT_EQ(result.QPContext, &it.passive);
    EXPECT_EQ(context_of(result), 41u);
    EXPECT_TRUE(it.till.memory.same(it.coins.memory, 60));
    EXPECT_TRUE(it.passive.queue.is_empty());
  });
}

/// A second connection to the same door, its passive end over `shared`, in the first one's domain.
struct Second {
  Second(Stage& stage, Counter& first) : active(*stage.adapter), queue(*stage.adapter) {
    NDK_PD* pd = first.passive.pd.get();
    EXPECT_EQ(create(qp,
                     [&](auto... rest) {
                       return pd->Dispatch->NdkCreateQpWithSrq(pd, queue.cq.get(), queue.cq.get(),
                                                               first.shared.srq.get(), this, 8, 4, 0, rest...);
                     }),
              STATUS_SUCCESS);
    Request connecting, accepting;
    const NTSTATUS returned = active.begin_connect(connecting, first.pair.from, first.pair.at);
    connector = first.pair.door.next();
    const NTSTATUS accept_returned = connector.table()->NdkAccept(connector.get(), qp.get(), 4, 4, nullptr, 0, nullptr,
                                                                  nullptr, &Request::completed, &accepting);
    EXPECT_EQ(connecting.finish(returned), STATUS_SUCCESS);
    EXPECT_EQ(active.complete(), STATUS_SUCCESS);
    EXPECT_EQ(accepting.finish(accept_returned), STATUS_SUCCESS);
  }
  ~Second() { close(); }
  void close() {
    active.close();
    connector.close();
    qp.close();
  }
  void send() {
    ASSERT_EQ(active.qp.table()->NdkSend(active.qp.get(), nullptr, nullptr, 0, 0), STATUS_SUCCESS);
    EXPECT_EQ(active.next_status(), STATUS_SUCCESS);
  }
  Side active;
  Queue queue;
  Object<NDK_QP> qp;
  Object<NDK_CONNECTOR> connector;
};

TEST(R_SRQ_15, ReceivesAreHandedOutInPostingOrderToTwoQueuePairs) {
  everywhere([](Stage& stage) {
    Counter one(stage);
    ASSERT_TRUE(one.connected);
    Second two(stage, one);
    ASSERT_EQ(one.shared.post(6, 1), STATUS_SUCCESS);
    for (UINT_PTR i = 1; i <= 6; i += 2) {
      one.send();
      const NDK_RESULT_EX first = one.passive.next();
      EXPECT_EQ(context_of(first), i);
      EXPECT_EQ(first.QPContext, &one.passive) << "R-SRQ-14";
      two.send();
      const NDK_RESULT_EX second = two.queue.next();
      EXPECT_EQ(context_of(second), i + 1);
      EXPECT_EQ(second.QPContext, &two);
    }
  });
}

TEST(R_SRQ_15, TwoQueuePairsAtOnceGetEachReceiveOnce) {
  everywhere([](Stage& stage) {
    constexpr unsigned kEach = 40;
    Counter one(stage, 2 * kEach);
    ASSERT_TRUE(one.connected);
    Second two(stage, one);
    std::vector<int> seen(2 * kEach);
    DriverThread other([&] {
      for (unsigned i = 0; i < kEach; ++i)
        two.send();
    });
    DriverThread poster([&] { EXPECT_EQ(one.shared.post(2 * kEach, 0), STATUS_SUCCESS); });
    for (unsigned i = 0; i < kEach; ++i)
      one.send();
    for (Queue* queue : {&one.passive.queue, &two.queue}) {
      for (unsigned i = 0; i < kEach; ++i) {
        const NDK_RESULT_EX result = queue->next();
        ASSERT_EQ(result.Status, STATUS_SUCCESS);
        ASSERT_LT(context_of(result), seen.size());
        ++seen[context_of(result)];
      }
    }
    for (const int count : seen)
      EXPECT_EQ(count, 1);
  });
}

TEST(R_CNCT_20, EarlySendsWaitForThePostToTheSharedQueue) {
  everywhere([](Stage& stage) {
    Counter one(stage);
    ASSERT_TRUE(one.connected);
    Second two(stage, one);
    for (int i = 0; i < 3; ++i) {
      one.send();
      two.send();
    }
    EXPECT_TRUE(one.passive.queue.is_empty());
    EXPECT_TRUE(two.queue.is_empty());
    ASSERT_EQ(one.shared.post(6, 1), STATUS_SUCCESS);  // wakes whoever waits
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(one.passive.next_status(), STATUS_SUCCESS);
      EXPECT_EQ(two.queue.next_status(), STATUS_SUCCESS);
    }
  });
}

TEST(R_CNCT_20, WhoWaitedAndLeftPassesTheReceiveOn) {
  everywhere([](Stage& stage) {
    Counter one(stage);
    ASSERT_TRUE(one.connected);
    Second two(stage, one);
    two.send();
    one.send();
    ASSERT_EQ(one.shared.post(1, 7), STATUS_SUCCESS);
    two.close();
    // Had the second taken it, its close has ended it; else it is the first one's.
    NDK_RESULT_EX result;
    if (two.queue.poll(result)) {
      EXPECT_EQ(context_of(result), 7u);
      ASSERT_EQ(one.shared.post(1, 8), STATUS_SUCCESS);
      EXPECT_EQ(context_of(one.passive.next()), 8u);
    } else {
      EXPECT_EQ(context_of(one.passive.next()), 7u);
    }
  });
}

TEST(R_SRQ_16, PostsOfSeveralThreadsInTurnRunBesideEverythingElse) {
  everywhere([](Stage& stage) {
    constexpr unsigned kEach = 30;
    Counter it(stage, 3 * kEach);
    ASSERT_TRUE(it.connected);
    Memory lock_room(sizeof(KSPIN_LOCK));
    KSPIN_LOCK& posts = *reinterpret_cast<KSPIN_LOCK*>(lock_room.data);
    const auto post_some = [&] {
      for (unsigned i = 0; i < kEach; ++i) {
        KLOCK_QUEUE_HANDLE lock;
        KeAcquireInStackQueuedSpinLock(&posts, &lock);
        EXPECT_EQ(it.shared.post(1), STATUS_SUCCESS);
        KeReleaseInStackQueuedSpinLock(&lock);
      }
    };
    DriverThread one(post_some), other(post_some);
    for (unsigned i = 0; i < 2 * kEach; ++i)
      EXPECT_EQ(it.consume().Status, STATUS_SUCCESS);
  });
}

TEST(R_SRQ_17, WhatAMessageHasTakenIsNotQueued) {
  everywhere([](Stage& stage) {
    Counter it(stage, 2);
    ASSERT_TRUE(it.connected);
    ASSERT_EQ(it.shared.post(2), STATUS_SUCCESS);
    EXPECT_EQ(it.shared.modify(1, 0), STATUS_INVALID_PARAMETER) << "two are queued";
    EXPECT_EQ(it.consume().Status, STATUS_SUCCESS);
    EXPECT_EQ(it.shared.modify(1, 0), STATUS_SUCCESS) << "one is";
    EXPECT_EQ(it.shared.post(1), STATUS_INSUFFICIENT_RESOURCES);
    EXPECT_EQ(it.consume().Status, STATUS_SUCCESS);
    EXPECT_EQ(it.shared.post(1), STATUS_SUCCESS);
  });
}

TEST(R_QP_06, AQueuePairWithAnSrqRefusesReceivesOfItsOwn) {
  everywhere([](Stage& stage) {
    Counter it(stage);
    ASSERT_TRUE(it.connected);
    EXPECT_EQ(it.passive.receive(it.till.all()), STATUS_INVALID_DEVICE_REQUEST);
    ASSERT_EQ(it.shared.post(1, 5), STATUS_SUCCESS);
    EXPECT_EQ(context_of(it.consume()), 5u);
  });
}

TEST(R_FLU_05, AFlushLeavesWhatIsQueuedInTheSrq) {
  everywhere([](Stage& stage) {
    Counter one(stage);
    ASSERT_TRUE(one.connected);
    Second two(stage, one);
    ASSERT_EQ(one.shared.post(3, 1), STATUS_SUCCESS);
    EXPECT_EQ(context_of(one.consume()), 1u);
    one.passive.flush();
    one.passive.qp.table()->NdkSend(one.passive.qp.get(), reinterpret_cast<PVOID>(9), nullptr, 0, 0);
    EXPECT_EQ(context_of(one.passive.next()), 9u) << "the only one that was cancelled";
    one.send();  // dropped: it is flushed
    two.send();
    EXPECT_EQ(context_of(two.queue.next()), 2u);
    two.send();
    EXPECT_EQ(context_of(two.queue.next()), 3u);
    EXPECT_TRUE(one.passive.queue.is_empty());
  });
}

TEST(R_CLS_25, ClosingAnSrqDropsItsReceivesWithoutCompletions) {
  everywhere([](Stage& stage) {
    Counter it(stage);
    ASSERT_TRUE(it.connected);
    ASSERT_EQ(it.shared.post(5, 1), STATUS_SUCCESS);
    EXPECT_EQ(context_of(it.consume()), 1u);
    Request closing;
    const NTSTATUS returned = it.shared.srq.begin_close(closing);
    ASSERT_EQ(returned, STATUS_PENDING) << "R-CLS-06";
    EXPECT_EQ(context_of(it.consume()), 2u) << "R-CLS-08";
    it.passive.close();
    EXPECT_EQ(closing.finish(returned), STATUS_SUCCESS);
    EXPECT_TRUE(it.passive.queue.is_empty());
  });
}

TEST(R_SEND_02, AMessageThatIsTooLongBreaksOnlyTheQueuePairThatTookIt) {
  everywhere([](Stage& stage) {
    Counter one(stage);
    ASSERT_TRUE(one.connected);
    Second two(stage, one);
    ASSERT_EQ(one.shared.receive(one.till.sge(0, 10), 1), STATUS_SUCCESS);
    ASSERT_EQ(one.shared.receive(one.till.sge(0, 10), 2), STATUS_SUCCESS);
    ASSERT_EQ(one.active.send(one.coins.sge(0, 11)), STATUS_SUCCESS);
    const NDK_RESULT_EX result = one.passive.next();
    EXPECT_EQ(result.Status, STATUS_BUFFER_OVERFLOW);
    EXPECT_EQ(context_of(result), 1u);
    EXPECT_TRUE(one.passive.left.wait());
    two.send();
    EXPECT_EQ(context_of(two.queue.next()), 2u);
  });
}

}  // namespace
}  // namespace softndk::stack
