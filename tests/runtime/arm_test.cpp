// Arming and notification (spec/ndkpi.md 3.4).
#include "channel.h"

namespace softndk::stack {
namespace {

/// A request of the passive side's that fails, which breaks its queue pair.
void fail_one(Channel& link) {
  NDK_SGE wrong = link.there.sge(0, 8);
  wrong.MemoryRegionToken ^= 0x100;
  ASSERT_EQ(link.passive.send(wrong, 13), STATUS_SUCCESS);
}

TEST(R_ARM_02, OneArmIsOneCallbackHoweverManyCompletions) {
  everywhere([](Stage& stage) {
    Channel link(stage, {.receive_depth = 64, .initiator_depth = 64});
    ASSERT_TRUE(link.established);
    link.passive.queue.arm();
    link.arrive(50);
    ASSERT_TRUE(link.passive.queue.told.wait());
    link.passive.queue.told.clear();
    link.arrive(10);
    EXPECT_FALSE(link.passive.queue.told.wait(kMoment));
    EXPECT_EQ(link.passive.queue.notifications.load(), 1);
  });
}

TEST(R_ARM_04, ACallbackThatIsDueWhileOneRunsWaitsForItsReturn) {
  everywhere([](Stage& stage) {
    Channel link(stage);
    ASSERT_TRUE(link.established);
    Queue& queue = link.passive.queue;
    int rounds = 0;
    // The callback satisfies the arm that it has just made: a flush places a completion on this very thread or another.
    queue.in_callback = [&] {
      if (++rounds > 2) return;
      queue.cq.table()->NdkArmCq(queue.cq.get(), NDK_CQ_NOTIFY_ANY);
      EXPECT_EQ(link.passive.receive(link.there.all()), STATUS_SUCCESS);
      if (rounds == 1) link.passive.flush();
      EXPECT_EQ(queue.notifications.load(), rounds - 1) << "none began before this one has returned";
    };
    ASSERT_EQ(link.passive.receive(link.there.all()), STATUS_SUCCESS);
    queue.arm();
    ASSERT_EQ(link.active.send(link.here.sge(0, 8)), STATUS_SUCCESS);
    // Nobody takes anything meanwhile: what has been taken need not be told of.
    for (;;) {
      queue.told.clear();
      if (queue.notifications.load() == 3) break;
      ASSERT_TRUE(queue.told.wait()) << "R-ARM-05: armed inside, told after";
    }
    for (int i = 0; i < 3; ++i)
      EXPECT_EQ(link.passive.next_status(), i == 0 ? STATUS_SUCCESS : STATUS_CANCELLED);
  });
}

TEST(R_ARM_05, RearmedInsideTheCallbackEachNewCompletionIsTold) {
  everywhere([](Stage& stage) {
    for (const bool first_thing : {true, false}) {
      Channel link(stage);
      ASSERT_TRUE(link.established);
      Queue& queue = link.passive.queue;
      std::atomic<int> taken{0};
      Event all;
      queue.in_callback = [&] {
        if (first_thing) queue.cq.table()->NdkArmCq(queue.cq.get(), NDK_CQ_NOTIFY_ANY);
        NDK_RESULT_EX result;
        while (queue.poll(result))
          if (++taken == 20) all.set();
        if (!first_thing) queue.cq.table()->NdkArmCq(queue.cq.get(), NDK_CQ_NOTIFY_ANY);
      };
      queue.arm();
      link.deliver(20);
      EXPECT_TRUE(all.wait()) << taken.load();
      link.pair.passive.close();
      queue.cq.close();
    }
  });
}

/// One notification of two completions that nobody takes, then another arm. True: it was satisfied by them.
bool old_ones_satisfy(Channel& link, ULONG kind) {
  link.arrive(2, NDK_OP_FLAG_SEND_AND_SOLICIT_EVENT);
  link.passive.queue.arm(kind);
  EXPECT_TRUE(link.passive.queue.told.wait());
  link.passive.queue.arm(kind);
  const bool satisfied = link.passive.queue.told.wait(kMoment);
  EXPECT_EQ(link.passive.queue.notifications.load(), satisfied ? 2 : 1);
  return satisfied;
}

TEST(R_ARM_07, WhateverOldCompletionsDoANewOneSatisfiesTheArm) {
  for (const char* which : {"new", "any"}) {
    everywhere(
        [](Stage& stage) {
          Channel link(stage);
          ASSERT_TRUE(link.established);
          if (old_ones_satisfy(link, NDK_CQ_NOTIFY_ANY)) link.passive.queue.arm();
          link.deliver(1);
          EXPECT_TRUE(link.passive.queue.told.wait());
        },
        {{"arm", which}}, 3);
  }
}

TEST(R_ARM_08, OldCompletionsSatisfyAnArmOnlyWhereTheSettingSaysSo) {
  for (const bool any : {false, true}) {
    for (const ULONG kind : {NDK_CQ_NOTIFY_ANY, NDK_CQ_NOTIFY_SOLICITED}) {
      everywhere(
          [&](Stage& stage) {
            Channel link(stage);
            ASSERT_TRUE(link.established);
            EXPECT_EQ(old_ones_satisfy(link, kind), any);
          },
          {{"arm", any ? "any" : "new"}}, 3);
    }
  }
}

TEST(R_ARM_09, WhatIsPlacedWhileTheCallbackRunsIsNew) {
  in_simulation(20, [](Stage& stage) {
    Channel link(stage);
    ASSERT_TRUE(link.established);
    Queue& queue = link.passive.queue;
    ASSERT_EQ(link.passive.receive(link.there.all()), STATUS_SUCCESS);
    queue.in_callback = [&] { link.passive.flush(); };  // nobody drains; the flushed receive is placed from here on
    queue.arm();
    link.deliver(1);
    ASSERT_TRUE(queue.told.wait());
    queue.in_callback = nullptr;
    queue.arm();
    EXPECT_TRUE(queue.told.wait()) << "the flushed receive";
    EXPECT_EQ(queue.notifications.load(), 2);
  });
}

TEST(R_ARM_10, ARequestThatFailsSatisfiesAny) {
  everywhere([](Stage& stage) {
    Channel link(stage);
    ASSERT_TRUE(link.established);
    link.passive.queue.arm(NDK_CQ_NOTIFY_ANY);
    fail_one(link);
    ASSERT_TRUE(link.passive.queue.told.wait());
    EXPECT_EQ(link.passive.queue.status.load(), STATUS_SUCCESS) << "R-ARM-15";
    EXPECT_EQ(link.passive.next_status(), STATUS_ACCESS_VIOLATION);
  });
}

TEST(R_ARM_12, TrafficWithoutTheFlagLeavesSolicitedArmed) {
  everywhere([](Stage& stage) {
    Channel link(stage);
    ASSERT_TRUE(link.established);
    link.passive.queue.arm(NDK_CQ_NOTIFY_SOLICITED);
    link.arrive(5);
    ASSERT_EQ(link.passive.write(link.there.sge(0, 8), link.here.address(), link.here.token()), STATUS_SUCCESS);
    ASSERT_EQ(link.passive.read(link.there.all(), link.here.address(), link.here.token()), STATUS_SUCCESS);
    NDK_RESULT_EX result{};
    for (int seen = 0; seen < 7;) {
      if (link.passive.queue.poll(result)) {
        EXPECT_EQ(result.Status, STATUS_SUCCESS);
        ++seen;
      } else {
        static_cast<void>(link.passive.queue.told.wait(kMoment));
      }
    }
    EXPECT_EQ(link.passive.queue.notifications.load(), 0);
    link.deliver(1, NDK_OP_FLAG_SEND_AND_SOLICIT_EVENT);
    EXPECT_TRUE(link.passive.queue.told.wait()) << "the arm stood";
  });
}

TEST(R_ARM_13, ARequestThatFailsDoesNotSatisfyErrors) {
  everywhere([](Stage& stage) {
    Channel link(stage);
    ASSERT_TRUE(link.established);
    link.passive.queue.arm(NDK_CQ_NOTIFY_ERRORS);
    ASSERT_EQ(link.passive.receive(link.there.all()), STATUS_SUCCESS);
    fail_one(link);
    ASSERT_TRUE(link.active.left.wait());
    EXPECT_FALSE(link.passive.queue.told.wait(kMoment));
    // The failed one, and the receive that was cancelled.
    for (int seen = 0; seen < 2;) {
      NDK_RESULT_EX result;
      if (link.passive.queue.poll(result)) {
        ++seen;
      } else {
        static_cast<void>(link.passive.queue.told.wait(kMoment));
      }
    }
    EXPECT_EQ(link.passive.queue.notifications.load(), 0);
  });
}

TEST(R_ARM_14, TheSolicitFlagWakesNobodyWhoHasNotArmed) {
  everywhere([](Stage& stage) {
    Channel link(stage);
    ASSERT_TRUE(link.established);
    link.arrive(3, NDK_OP_FLAG_SEND_AND_SOLICIT_EVENT);
    EXPECT_FALSE(link.passive.queue.told.wait(kMoment));
    link.passive.queue.arm(NDK_CQ_NOTIFY_ERRORS);
    link.arrive(1, NDK_OP_FLAG_SEND_AND_SOLICIT_EVENT);
    EXPECT_FALSE(link.passive.queue.told.wait(kMoment));
    for (int i = 0; i < 4; ++i) {
      NDK_RESULT_EX result;
      ASSERT_TRUE(link.passive.queue.poll(result));
      EXPECT_EQ(result.Status, STATUS_SUCCESS);
    }
  });
}

/// A queue of depth 4 on the passive side, and five completions for it.
struct Overflow {
  explicit Overflow(Stage& stage) : link(stage, {.receive_depth = 16, .initiator_depth = 8, .cq_depth = 4}) {}
  void happen() { link.deliver(5); }
  Channel link;
  Queue& queue = link.passive.queue;
};

TEST(R_ARM_16, OneCompletionTooManyKillsTheQueueAndItsQueuePairs) {
  everywhere([](Stage& stage) {
    Overflow overflow(stage);
    ASSERT_TRUE(overflow.link.established);
    // A second queue pair over the queue, which has nothing to do with it.
    Side& passive = overflow.link.passive;
    Object<NDK_QP> bystander;
    ASSERT_EQ(create(bystander,
                     [&](auto... rest) {
                       return passive.pd.table()->NdkCreateQp(passive.pd.get(), overflow.queue.cq.get(),
                                                              overflow.queue.cq.get(), nullptr, 8, 8, 4, 4, 0, rest...);
                     }),
              STATUS_SUCCESS);
    overflow.queue.arm(NDK_CQ_NOTIFY_ANY);
    overflow.happen();
    // The arm was satisfied by the first completion; the error is told now or by the next arm.
    for (int i = 0; i < 2 && overflow.queue.status.load() != STATUS_BUFFER_OVERFLOW; ++i) {
      ASSERT_TRUE(overflow.queue.told.wait());
      overflow.queue.arm(NDK_CQ_NOTIFY_ERRORS);
    }
    ASSERT_TRUE(overflow.link.active.left.wait()) << "its connection is lost";
    EXPECT_EQ(passive.send(overflow.link.there.sge(0, 8)), STATUS_CONNECTION_INVALID);
    // Receives are taken, and leave no entry: no further completions.
    EXPECT_EQ(bystander.table()->NdkReceive(bystander.get(), nullptr, nullptr, 0), STATUS_SUCCESS);
    bystander.close();
    NDK_RESULT_EX results[8];
    NDK_CQ* cq = overflow.queue.cq.get();
    EXPECT_EQ(cq->Dispatch->NdkGetCqResultsEx(cq, results, 8), 4u);
    EXPECT_EQ(cq->Dispatch->NdkGetCqResultsEx(cq, results, 8), 0u);
  });
}

TEST(R_ARM_18, AnErrorThatNobodyHadArmedForIsToldByTheNextArmOfAnyKindAndOnce) {
  for (const ULONG kind : {NDK_CQ_NOTIFY_ERRORS, NDK_CQ_NOTIFY_ANY, NDK_CQ_NOTIFY_SOLICITED}) {
    everywhere(
        [kind](Stage& stage) {
          Overflow overflow(stage);
          ASSERT_TRUE(overflow.link.established);
          overflow.happen();
          ASSERT_TRUE(overflow.link.active.left.wait());
          EXPECT_EQ(overflow.queue.notifications.load(), 0);
          overflow.queue.arm(kind);
          ASSERT_TRUE(overflow.queue.told.wait());
          EXPECT_EQ(overflow.queue.status.load(), STATUS_BUFFER_OVERFLOW);
          for (const ULONG again : {NDK_CQ_NOTIFY_ERRORS, NDK_CQ_NOTIFY_ANY, NDK_CQ_NOTIFY_SOLICITED}) {
            overflow.queue.arm(again);
            EXPECT_FALSE(overflow.queue.told.wait(kMoment)) << "once";
          }
          EXPECT_EQ(overflow.queue.notifications.load(), 1);
        },
        {}, 3);
  }
}

TEST(R_ARM_19, WhatWasThereBeforeTheErrorCanBeTaken) {
  everywhere([](Stage& stage) {
    Overflow overflow(stage);
    ASSERT_TRUE(overflow.link.established);
    overflow.happen();
    ASSERT_TRUE(overflow.link.active.left.wait());
    for (UINT_PTR i = 1; i <= 4; ++i) {
      NDK_RESULT_EX result;
      ASSERT_TRUE(overflow.queue.poll(result));
      EXPECT_EQ(result.RequestContext, reinterpret_cast<PVOID>(i)) << "the first four, in order";
      EXPECT_EQ(result.Status, STATUS_SUCCESS);
    }
    EXPECT_TRUE(overflow.queue.is_empty());
  });
}

TEST(R_ARM_23, ACompletionCanBeTakenInsideItsNotification) {
  for (const char* latency : {"0", "30"}) {
    everywhere(
        [](Stage& stage) {
          Channel link(stage);
          ASSERT_TRUE(link.established);
          Queue& queue = link.passive.queue;
          std::atomic<int> taken{0};
          queue.in_callback = [&] {
            NDK_RESULT_EX results[8];
            const ULONG count = queue.cq.table()->NdkGetCqResultsEx(queue.cq.get(), results, 8);
            EXPECT_GE(count, 1u);
            taken += static_cast<int>(count);
          };
          for (int round = 1; round <= 10; ++round) {
            queue.arm();
            link.deliver(1);
            ASSERT_TRUE(queue.told.wait());
          }
          EXPECT_EQ(taken.load(), 10);
          queue.in_callback = nullptr;
        },
        {{"latency_us", latency}});
  }
}

TEST(R_ARM_23, TheMinimumLatencyHidesEntriesAndTheirNotificationAlike) {
  static constexpr io::TimeNs kLatencyNs = 500 * io::kMicrosecond;
  in_simulation(24,
                [](Stage& stage) {
                  Channel link(stage);
                  ASSERT_TRUE(link.established);
                  for (const bool by_callback : {true, false}) {
                    // Our own Read of no octets completes at once, so its time is known.
                    Queue& queue = link.active.queue;
                    if (by_callback) queue.arm();
                    const io::TimeNs before_ns = stage.world.clock.now_ns();
                    NDK_QP* qp = link.active.qp.get();
                    ASSERT_EQ(qp->Dispatch->NdkRead(qp, nullptr, nullptr, 0, 0, 0, 0), STATUS_SUCCESS);
                    if (by_callback) {
                      ASSERT_TRUE(queue.told.wait());
                      EXPECT_FALSE(queue.is_empty());
                    } else {
                      while (queue.is_empty())
                        pass_ms(0);
                    }
                    EXPECT_GE(stage.world.clock.now_ns() - before_ns, kLatencyNs);
                  }
                },
                {{"latency_us", "500"}});
}

TEST(R_ARM_23, WithALatencyToEveryEndIsToldAfterItsCompletionsCanBeSeen) {
  everywhere(
      [](Stage& stage) {
        for (const bool disconnects : {true, false}) {
          Channel link(stage);
          ASSERT_TRUE(link.established);
          for (int i = 0; i < 3; ++i)
            ASSERT_EQ(link.passive.receive(link.there.all()), STATUS_SUCCESS);
          if (disconnects) {
            Request leaving;
            const NTSTATUS returned = link.passive.begin_disconnect(leaving);
            ASSERT_TRUE(link.active.left.wait());
            EXPECT_EQ(link.active.disconnect(), STATUS_SUCCESS);
            EXPECT_EQ(leaving.finish(returned), STATUS_SUCCESS);
          } else {
            link.passive.close();
          }
          NDK_RESULT_EX results[4];
          NDK_CQ* cq = link.passive.queue.cq.get();
          EXPECT_EQ(cq->Dispatch->NdkGetCqResultsEx(cq, results, 4), 3u) << "R-DISC-05, R-CLS-21";
        }
      },
      {{"latency_us", "700"}}, 12);
}

}  // namespace
}  // namespace softndk::stack
