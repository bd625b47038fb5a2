// The real completion queue: results, arming, overflow (spec/ndkpi.md 2.5, 3.4).
#include "stage.h"

namespace softndk::stack {
namespace {

struct Link {
  explicit Link(Stage& stage, const QpShape& shape = {})
      : pair(stage, "127.0.0.1", shape),
        established(pair.establish()),
        here(pair.active.pd.get(), 256),
        there(pair.passive.pd.get(), 256) {}
  /// `count` Sends that have arrived.
  void deliver(int count, ULONG flags = 0) {
    for (int i = 0; i < count; ++i) {
      ASSERT_EQ(passive.receive(there.all()), STATUS_SUCCESS);
      ASSERT_EQ(active.send(here.sge(0, 8), 1, flags), STATUS_SUCCESS);
      ASSERT_EQ(active.next_status(), STATUS_SUCCESS);
    }
  }
  Pair pair;
  bool established;
  Region here, there;
  Side& active = pair.active;
  Side& passive = pair.passive;
};

TEST(R_CQ_01, DepthsThatCannotBe) {
  everywhere([](Stage& stage) {
    NDK_ADAPTER* adapter = stage.adapter->adapter;
    for (const ULONG depth : {ULONG{0}, stage.adapter->info.MaxCqDepth + 1}) {
      Object<NDK_CQ> cq;
      EXPECT_EQ(create(cq,
                       [&](auto... rest) {
                         return adapter->Dispatch->NdkCreateCq(adapter, depth, nullptr, nullptr, nullptr, rest...);
                       }),
                STATUS_INVALID_PARAMETER)
          << depth << " R-CQ-02";
    }
    Object<NDK_CQ> largest;
    EXPECT_EQ(create(largest,
                     [&](auto... rest) {
                       return adapter->Dispatch->NdkCreateCq(adapter, stage.adapter->info.MaxCqDepth, nullptr, nullptr,
                                                             nullptr, rest...);
                     }),
              STATUS_SUCCESS);
  });
}

TEST(R_CQ_11, ResultsAreTakenInTheNumberAskedFor) {
  everywhere([](Stage& stage) {
    Side side(*stage.adapter);
    Region region(side.pd.get(), 64);
    for (UINT_PTR i = 0; i < 10; ++i)
      ASSERT_EQ(side.receive(region.all(), i), STATUS_SUCCESS);
    side.qp.close();
    NDK_CQ* cq = side.queue.cq.get();
    NDK_RESULT plain[4];
    NDK_RESULT_EX full[20];
    std::memset(plain, 0x5A, sizeof(plain));
    std::memset(full, 0x5A, sizeof(full));
    EXPECT_EQ(cq->Dispatch->NdkGetCqResults(cq, plain, 0), 0u) << "R-CQ-12";
    EXPECT_EQ(cq->Dispatch->NdkGetCqResults(cq, plain, 3), 3u);
    EXPECT_EQ(plain[2].RequestContext, reinterpret_cast<PVOID>(2));
    EXPECT_EQ(plain[3].Status, 0x5A5A5A5A) << "R-CQ-13";
    EXPECT_EQ(cq->Dispatch->NdkGetCqResultsEx(cq, full, 20), 7u) << "R-CQ-23";
    EXPECT_EQ(full[0].RequestContext, reinterpret_cast<PVOID>(3));
    EXPECT_EQ(full[6].RequestContext, reinterpret_cast<PVOID>(9));
    EXPECT_EQ(full[6].Type, NdkOperationTypeReceive) << "R-CQ-16";
    EXPECT_EQ(full[6].TypeSpecificCompletionOutput, 0u) << "R-CQ-18";
    EXPECT_EQ(full[7].Status, 0x5A5A5A5A);
    EXPECT_EQ(cq->Dispatch->NdkGetCqResults(cq, plain, 4), 0u);
  });
}

TEST(R_CQ_03, ExactlyAsManyAsAskedForAndOneMoreIsAnOverflow) {
  everywhere([](Stage& stage) {
    Link link(stage, {.receive_depth = 8, .initiator_depth = 8, .cq_depth = 4});
    ASSERT_TRUE(link.established);
    link.passive.queue.arm(NDK_CQ_NOTIFY_ERRORS);
    for (int i = 0; i < 4; ++i)
      link.deliver(1);
    EXPECT_FALSE(link.passive.queue.told.wait(-1)) << "R-ARM-13";
    link.deliver(1);
    ASSERT_TRUE(link.passive.queue.told.wait()) << "R-ARM-16";
    EXPECT_EQ(link.passive.queue.status.load(), STATUS_BUFFER_OVERFLOW);
    EXPECT_TRUE(link.active.left.wait()) << "its queue pairs are unusable";
    EXPECT_EQ(link.passive.send(link.there.sge(0, 8)), STATUS_CONNECTION_INVALID);
    for (int i = 0; i < 4; ++i) {
      NDK_RESULT_EX result;
      EXPECT_TRUE(link.passive.queue.poll(result)) << "R-ARM-19";
    }
    EXPECT_TRUE(link.passive.queue.is_empty());
    link.passive.queue.arm(NDK_CQ_NOTIFY_ANY);
    EXPECT_FALSE(link.passive.queue.told.wait(-10'000)) << "R-ARM-18: once";
    EXPECT_EQ(link.passive.queue.notifications.load(), 1);
  });
}

TEST(R_ARM_03, WithoutAnArmNobodyIsTold) {
  everywhere([](Stage& stage) {
    Link link(stage);
    ASSERT_TRUE(link.established);
    link.deliver(3);
    EXPECT_EQ(link.passive.queue.notifications.load(), 0) << "R-CQ-05";
    for (int i = 0; i < 3; ++i)
      EXPECT_EQ(link.passive.next_status(), STATUS_SUCCESS);
  });
}

TEST(R_ARM_06, AnArmWithResultsAlreadyThereIsSatisfiedAtOnceAndOnlyOnce) {
  everywhere([](Stage& stage) {
    Link link(stage);
    ASSERT_TRUE(link.established);
    link.deliver(2);
    // Arrived for certain: a Read's answer comes behind them.
    ASSERT_EQ(link.active.read(link.here.all(), link.there.address(), link.there.token()), STATUS_SUCCESS);
    ASSERT_EQ(link.active.next_status(), STATUS_SUCCESS);
    link.passive.queue.arm();
    ASSERT_TRUE(link.passive.queue.told.wait());
    EXPECT_EQ(link.passive.queue.status.load(), STATUS_SUCCESS) << "R-ARM-15";
    link.passive.queue.arm();
    EXPECT_FALSE(link.passive.queue.told.wait(-10'000)) << "R-ARM-08: old results do not count";
    link.deliver(1);
    ASSERT_TRUE(link.passive.queue.told.wait()) << "the arm stood";
    EXPECT_EQ(link.passive.queue.notifications.load(), 2) << "R-ARM-02";
  });
}

TEST(R_ARM_11, SolicitedOnlyByAFlaggedSendOrAnError) {
  everywhere([](Stage& stage) {
    Link link(stage);
    ASSERT_TRUE(link.established);
    link.passive.queue.arm(NDK_CQ_NOTIFY_SOLICITED);
    link.active.queue.arm(NDK_CQ_NOTIFY_SOLICITED);
    for (int i = 0; i < 3; ++i) {
      ASSERT_EQ(link.passive.receive(link.there.all()), STATUS_SUCCESS);
      ASSERT_EQ(link.active.send(link.here.sge(0, 8)), STATUS_SUCCESS);
    }
    ASSERT_EQ(link.active.read(link.here.all(), link.there.address(), link.there.token()), STATUS_SUCCESS);
    NDK_RESULT_EX result{};
    for (int i = 0; i < 4;)
      if (link.active.queue.poll(result)) {
        ++i;
      } else {
        LARGE_INTEGER step;
        step.QuadPart = -1'000;
        KeDelayExecutionThread(KernelMode, FALSE, &step);
      }
    EXPECT_EQ(link.active.queue.notifications.load(), 0) << "R-ARM-12: not by our own successes";
    EXPECT_EQ(link.passive.queue.notifications.load(), 0) << "R-ARM-12: not by unsolicited receives";
    ASSERT_EQ(link.passive.receive(link.there.all()), STATUS_SUCCESS);
    ASSERT_EQ(link.active.send(link.here.sge(0, 8), 1, NDK_OP_FLAG_SEND_AND_SOLICIT_EVENT), STATUS_SUCCESS);
    ASSERT_TRUE(link.passive.queue.told.wait()) << "R-SOL-01";
    for (int i = 0; i < 4; ++i)
      EXPECT_EQ(link.passive.next_status(), STATUS_SUCCESS) << "the result is there (R-ARM-23)";
    ASSERT_EQ(link.passive.receive(link.there.all()), STATUS_SUCCESS);
    link.passive.queue.arm(NDK_CQ_NOTIFY_SOLICITED);
    link.passive.flush();
    ASSERT_TRUE(link.passive.queue.told.wait()) << "R-FLU-10";
  });
}

TEST(R_ARM_01, TheStrongerArmWins) {
  everywhere([](Stage& stage) {
    for (const ULONG first : {NDK_CQ_NOTIFY_ERRORS, NDK_CQ_NOTIFY_ANY, NDK_CQ_NOTIFY_SOLICITED}) {
      for (const ULONG second : {NDK_CQ_NOTIFY_ERRORS, NDK_CQ_NOTIFY_ANY, NDK_CQ_NOTIFY_SOLICITED}) {
        Link link(stage);
        ASSERT_TRUE(link.established);
        Queue& queue = link.passive.queue;
        queue.arm(first);
        queue.arm(second);
        queue.cq.table()->NdkArmCq(queue.cq.get(), 77);  // R-ARM-20
        const bool any = first == NDK_CQ_NOTIFY_ANY || second == NDK_CQ_NOTIFY_ANY;
        const bool solicited = first == NDK_CQ_NOTIFY_SOLICITED || second == NDK_CQ_NOTIFY_SOLICITED;
        link.deliver(1);
        if (any) {
          EXPECT_TRUE(queue.told.wait());
          continue;
        }
        link.deliver(1, NDK_OP_FLAG_SEND_AND_SOLICIT_EVENT);
        if (solicited) {
          EXPECT_TRUE(queue.told.wait());
        } else {
          EXPECT_FALSE(queue.told.wait(-10'000));
        }
      }
    }
  });
}

TEST(R_ARM_22, AQueueWithoutACallbackIgnoresArms) {
  everywhere([](Stage& stage) {
    Object<NDK_CQ> cq;
    NDK_ADAPTER* adapter = stage.adapter->adapter;
    ASSERT_EQ(create(cq,
                     [&](auto... rest) {
                       return adapter->Dispatch->NdkCreateCq(adapter, 8, nullptr, nullptr, nullptr, rest...);
                     }),
              STATUS_SUCCESS);
    cq.table()->NdkArmCq(cq.get(), NDK_CQ_NOTIFY_ANY);
    Object<NDK_PD> pd = stage.adapter->pd();
    Object<NDK_QP> qp;
    ASSERT_EQ(create(qp,
                     [&](auto... rest) {
                       return pd.table()->NdkCreateQp(pd.get(), cq.get(), cq.get(), nullptr, 4, 4, 4, 4, 0, rest...);
                     }),
              STATUS_SUCCESS);
    ASSERT_EQ(qp.table()->NdkReceive(qp.get(), nullptr, nullptr, 0), STATUS_SUCCESS);
    qp.close();
    NDK_RESULT result;
    EXPECT_EQ(cq.table()->NdkGetCqResults(cq.get(), &result, 1), 1u);
  });
}

TEST(R_ARM_09, NoWakeIsLostBetweenTwoThreadsWhoSend) {
  // Two queue pairs on one queue, fed by two threads; the consumer never looks again after an arm (see Queue).
  everywhere(
      [](Stage& stage) {
        constexpr int kEach = 300;
        Side first(*stage.adapter, {.cq_depth = 64});
        Pair one(stage);
        Pair two(stage);
        // One completion queue for the receives of both passive sides.
        Queue shared(*stage.adapter, 4 * kEach);
        for (Pair* pair : {&one, &two}) {
          pair->passive.qp.close();
          ASSERT_EQ(create(pair->passive.qp,
                           [&](auto... rest) {
                             return pair->passive.pd.table()->NdkCreateQp(pair->passive.pd.get(), shared.cq.get(),
                                                                          shared.cq.get(), nullptr, kEach, 8, 4, 4, 0,
                                                                          rest...);
                           }),
                    STATUS_SUCCESS);
          ASSERT_TRUE(pair->establish());
        }
        {
          Region one_here(one.active.pd.get(), 64), one_there(one.passive.pd.get(), 64);
          Region two_here(two.active.pd.get(), 64), two_there(two.passive.pd.get(), 64);
          for (int i = 0; i < kEach; ++i) {
            ASSERT_EQ(one.passive.receive(one_there.all()), STATUS_SUCCESS);
            ASSERT_EQ(two.passive.receive(two_there.all()), STATUS_SUCCESS);
          }
          const auto feed = [](Side& side, Region& region) {
            for (int i = 0; i < kEach; ++i) {
              ASSERT_EQ(side.send(region.sge(0, 8)), STATUS_SUCCESS);
              ASSERT_EQ(side.next_status(), STATUS_SUCCESS);
            }
          };
          DriverThread feeder([&] { feed(one.active, one_here); });
          DriverThread other([&] { feed(two.active, two_here); });
          for (int i = 0; i < 2 * kEach; ++i)
            ASSERT_EQ(shared.next_status(), STATUS_SUCCESS) << i;
        }
        one.passive.close();
        two.passive.close();
      },
      {}, 4);
}

}  // namespace
}  // namespace softndk::stack
