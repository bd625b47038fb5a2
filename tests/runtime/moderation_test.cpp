// Interrupt moderation (spec/ndkpi.md 3.11). In simulation, where time is virtual and a moment can be measured.
#include "channel.h"

namespace softndk::stack {
namespace {

constexpr ULONG kDepth = 64;
constexpr io::TimeNs kUs = io::kMicrosecond;

/// A connected pair whose passive queue is moderated, and the time of each notification.
struct Moderated {
  explicit Moderated(Stage& on) : stage(on), link(on, {.receive_depth = 64, .cq_depth = kDepth}) {
    queue.in_callback = [this] { told_at_ns = stage.world.clock.now_ns(); };
  }
  ~Moderated() { link.pair.passive.close(), queue.cq.close(); }
  /// `count` more completions are placed; when the first of them was, at the earliest.
  io::TimeNs place(int count, ULONG flags = 0) {
    const io::TimeNs before_ns = stage.world.clock.now_ns();
    link.arrive(count, flags);
    return before_ns;
  }
  /// What is due comes now or never.
  int notifications_after_ms(LONGLONG ms) {
    pass_ms(ms);
    return queue.notifications.load();
  }
  Stage& stage;
  Channel link;
  Queue& queue = link.passive.queue;
  std::atomic<io::TimeNs> told_at_ns{0};
};

template <class Body>
void moderated(Body body, std::uint64_t seeds = 12) {
  in_simulation(seeds, [&](Stage& stage) {
    Moderated it(stage);
    ASSERT_TRUE(it.link.established);
    body(it);
  });
}

/// Armed, one completion is told of before anything else could be due.
void expect_unmoderated(Moderated& it) {
  const int before = it.queue.notifications.load();
  it.queue.arm();
  it.place(1);
  ASSERT_TRUE(it.queue.told.wait(kMoment));
  EXPECT_EQ(it.queue.notifications.load(), before + 1);
}

TEST(R_MOD_01, AFreshQueueIsNotModerated) {
  moderated([](Moderated& it) { expect_unmoderated(it); });
}

TEST(R_MOD_02, TheIntervalOrTheCountWhicheverIsFirst) {
  moderated([](Moderated& it) {
    ASSERT_EQ(it.queue.moderate(10'000, 8), STATUS_SUCCESS);
    it.queue.arm();
    it.place(7);
    EXPECT_EQ(it.queue.notifications.load(), 0);
    it.place(1);
    ASSERT_TRUE(it.queue.told.wait(kMoment)) << "the eighth ends the wait";
    it.queue.arm();
    const io::TimeNs placed_ns = it.place(3);
    ASSERT_TRUE(it.queue.told.wait());
    EXPECT_GE(it.told_at_ns - placed_ns, 10'000 * kUs);
    EXPECT_LE(it.told_at_ns - placed_ns, 15'000 * kUs) << "and so does the interval";
    EXPECT_EQ(it.queue.notifications.load(), 2);
  });
}

TEST(R_MOD_03, AnIntervalOfZeroIsNoModeration) {
  moderated([](Moderated& it) {
    for (const ULONG count : {ULONG{100}, ULONG{8}, MAXULONG}) {
      ASSERT_EQ(it.queue.moderate(0, count), STATUS_SUCCESS) << count;
      expect_unmoderated(it);
    }
  });
}

TEST(R_MOD_04, ACountOfZeroOrOneIsNoModeration) {
  moderated([](Moderated& it) {
    for (const ULONG count : {0u, 1u}) {
      for (const ULONG interval : {ULONG{10'000}, MAXULONG}) {
        ASSERT_EQ(it.queue.moderate(interval, count), STATUS_SUCCESS) << interval << ", " << count;
        expect_unmoderated(it);
      }
    }
  });
}

TEST(R_MOD_05, WithoutAnIntervalOnlyTheCountMatters) {
  moderated([](Moderated& it) {
    ASSERT_EQ(it.queue.moderate(MAXULONG, 4), STATUS_SUCCESS);
    it.queue.arm();
    it.place(3);
    EXPECT_EQ(it.notifications_after_ms(5'000), 0);
    it.place(1);
    EXPECT_TRUE(it.queue.told.wait(kMoment));
  });
}

TEST(R_MOD_05, ACountThatAResizeHasPutOutOfReachIsTheNewDepth) {
  moderated([](Moderated& it) {
    ASSERT_EQ(it.queue.moderate(MAXULONG, kDepth), STATUS_SUCCESS);
    ASSERT_EQ(it.queue.resize(6), STATUS_SUCCESS);
    it.queue.arm();
    it.place(5);
    EXPECT_EQ(it.notifications_after_ms(100), 0);
    it.place(1);
    EXPECT_TRUE(it.queue.told.wait(kMoment)) << "more than six cannot come together";
  });
}

TEST(R_MOD_06, ACountBeyondTheDepthIsNone) {
  moderated([](Moderated& it) {
    // The first is what a public sample driver asks for.
    for (const auto& [interval, count] : {std::pair{ULONG{20}, ULONG{0xFFFFFFFF}}, std::pair{ULONG{1'000}, MAXULONG},
                                          std::pair{ULONG{1'000}, kDepth + 1}}) {
      ASSERT_EQ(it.queue.moderate(interval, count), STATUS_SUCCESS);
      it.queue.arm();
      const io::TimeNs placed_ns = it.place(10);
      ASSERT_TRUE(it.queue.told.wait());
      EXPECT_GE(it.told_at_ns - placed_ns, interval * kUs);
    }
  });
}

TEST(R_MOD_07, TwoUnboundedLimitsAreRefusedAndChangeNothing) {
  moderated([](Moderated& it) {
    ASSERT_EQ(it.queue.moderate(MAXULONG, 3), STATUS_SUCCESS);
    EXPECT_EQ(it.queue.moderate(MAXULONG, MAXULONG), STATUS_INVALID_PARAMETER_MIX);
    EXPECT_EQ(it.queue.moderate(MAXULONG, kDepth + 1), STATUS_INVALID_PARAMETER_MIX);
    it.queue.arm();
    it.place(2);
    EXPECT_EQ(it.notifications_after_ms(1'000), 0);
    it.place(1);
    EXPECT_TRUE(it.queue.told.wait(kMoment)) << "the third, as before";
    EXPECT_EQ(it.queue.moderate(MAXULONG, kDepth), STATUS_SUCCESS);
  });
}

TEST(R_MOD_08, AnIntervalOfAnHourIsRoundedDownToASecond) {
  moderated([](Moderated& it) {
    ASSERT_EQ(it.queue.moderate(3'600'000'000u, MAXULONG), STATUS_SUCCESS);
    it.queue.arm();
    const io::TimeNs placed_ns = it.place(1);
    ASSERT_TRUE(it.queue.told.wait());
    EXPECT_GE(it.told_at_ns - placed_ns, io::kSecond);
    EXPECT_LE(it.told_at_ns - placed_ns, io::kSecond + 10'000 * kUs);
  });
}

TEST(R_MOD_09, NoCallPendsOrIsUnsupported) {
  everywhere([](Stage& stage) {
    EXPECT_TRUE(stage.adapter->info.AdapterFlags & NDK_ADAPTER_FLAG_CQ_INTERRUPT_MODERATION_SUPPORTED);
    Queue queue(*stage.adapter, kDepth);
    const ULONG values[] = {0, 1, 2, kDepth - 1, kDepth, kDepth + 1, MAXULONG - 1, MAXULONG};
    for (const ULONG interval : values) {
      for (const ULONG count : values) {
        const bool unbounded = interval == MAXULONG && count > kDepth;
        EXPECT_EQ(queue.moderate(interval, count), unbounded ? STATUS_INVALID_PARAMETER_MIX : STATUS_SUCCESS)
            << interval << ", " << count;
      }
    }
  });
}

TEST(R_MOD_11, TheNewestSettingIsInForceForWhatWaitsAlready) {
  moderated([](Moderated& it) {
    // None at all.
    ASSERT_EQ(it.queue.moderate(MAXULONG, 50), STATUS_SUCCESS);
    it.queue.arm();
    it.place(2);
    EXPECT_EQ(it.notifications_after_ms(100), 0);
    ASSERT_EQ(it.queue.moderate(MAXULONG, 40), STATUS_SUCCESS);
    ASSERT_EQ(it.queue.moderate(0, 0), STATUS_SUCCESS);
    EXPECT_TRUE(it.queue.told.wait(kMoment));
    // A smaller count, reached already.
    ASSERT_EQ(it.queue.moderate(MAXULONG, 50), STATUS_SUCCESS);
    it.queue.arm();
    it.place(5);
    EXPECT_EQ(it.notifications_after_ms(100), 1);
    ASSERT_EQ(it.queue.moderate(MAXULONG, 5), STATUS_SUCCESS);
    EXPECT_TRUE(it.queue.told.wait(kMoment));
    // An interval, over already.
    ASSERT_EQ(it.queue.moderate(MAXULONG, 50), STATUS_SUCCESS);
    it.queue.arm();
    it.place(1);
    EXPECT_EQ(it.notifications_after_ms(100), 2);
    ASSERT_EQ(it.queue.moderate(20'000, MAXULONG), STATUS_SUCCESS);
    EXPECT_TRUE(it.queue.told.wait(kMoment));
  });
}

TEST(R_MOD_12, CallsOneAfterAnotherBesideTrafficLoseNoNotification) {
  everywhere([](Stage& stage) {
    constexpr int kMessages = 150;
    Channel link(stage, {.receive_depth = kMessages, .cq_depth = kMessages});
    ASSERT_TRUE(link.established);
    Queue& queue = link.passive.queue;
    DriverThread sender([&] {
      for (int i = 0; i < kMessages; ++i) {
        EXPECT_EQ(link.passive.receive(link.there.all()), STATUS_SUCCESS);
        EXPECT_EQ(link.active.send(link.here.sge(0, 8)), STATUS_SUCCESS);
        EXPECT_EQ(link.active.next_status(), STATUS_SUCCESS);
      }
    });
    // The consumer who looks, arms and sleeps is never stranded, whatever the rule of the moment.
    constexpr std::pair<ULONG, ULONG> kSettings[] = {{0, 0}, {50, MAXULONG}, {200, 3}, {20, 0xFFFFFFFF}, {1'000, 2}};
    for (int i = 0; i < kMessages; ++i) {
      const auto [interval, count] = kSettings[static_cast<unsigned>(i) % std::size(kSettings)];
      ASSERT_EQ(queue.moderate(interval, count), STATUS_SUCCESS);
      ASSERT_EQ(queue.next_status(), STATUS_SUCCESS) << i;
    }
    sender.join();
  });
}

TEST(R_MOD_13, AModeratedCompletionCanBeTakenAtOnce) {
  moderated([](Moderated& it) {
    ASSERT_EQ(it.queue.moderate(MAXULONG, 3), STATUS_SUCCESS);
    it.queue.arm();
    it.place(2);
    EXPECT_FALSE(it.queue.is_empty());
    EXPECT_FALSE(it.queue.is_empty());
    EXPECT_EQ(it.queue.notifications.load(), 0);
    it.place(1);
    EXPECT_TRUE(it.queue.told.wait(kMoment)) << "those that were taken have come too";
  });
}

TEST(R_MOD_14, ASolicitedEventWaitsLikeAnyOtherAndAnErrorDoesNot) {
  moderated([](Moderated& it) {
    ASSERT_EQ(it.queue.moderate(5'000, MAXULONG), STATUS_SUCCESS);
    it.queue.arm(NDK_CQ_NOTIFY_SOLICITED);
    const io::TimeNs placed_ns = it.place(1, NDK_OP_FLAG_SEND_AND_SOLICIT_EVENT);
    ASSERT_TRUE(it.queue.told.wait());
    EXPECT_GE(it.told_at_ns - placed_ns, 5'000 * kUs);
    // An overflow ends the wait of what waits.
    ASSERT_EQ(it.queue.moderate(MAXULONG, kDepth), STATUS_SUCCESS);
    ASSERT_EQ(it.queue.resize(4), STATUS_SUCCESS);
    ASSERT_EQ(it.queue.moderate(1'000'000, MAXULONG), STATUS_SUCCESS);
    it.queue.arm(NDK_CQ_NOTIFY_ANY);
    it.place(1);
    EXPECT_EQ(it.queue.notifications.load(), 1);
    it.link.deliver(3);  // with the one that was there before: five in four places
    ASSERT_TRUE(it.queue.told.wait(kMoment * 10));
    EXPECT_EQ(it.queue.status.load(), STATUS_BUFFER_OVERFLOW);
    EXPECT_EQ(it.queue.notifications.load(), 2);
    // And is not held up where nothing waited.
    EXPECT_TRUE(it.link.active.left.wait());
  });
}

TEST(R_MOD_14, AnErrorIsToldAtOnceAlsoToAnArmForErrors) {
  moderated([](Moderated& it) {
    ASSERT_EQ(it.queue.moderate(1'000'000, MAXULONG), STATUS_SUCCESS);
    ASSERT_EQ(it.queue.resize(4), STATUS_SUCCESS);
    it.queue.arm(NDK_CQ_NOTIFY_ERRORS);
    it.link.deliver(5);
    ASSERT_TRUE(it.queue.told.wait(kMoment * 10));
    EXPECT_EQ(it.queue.status.load(), STATUS_BUFFER_OVERFLOW);
  });
}

TEST(R_MOD_15, ACloseDropsWhatWaits) {
  for (const auto& moderation : {std::pair{ULONG{2'000}, MAXULONG}, std::pair{MAXULONG, ULONG{9}}}) {
    in_simulation(24, [&](Stage& stage) {
      Channel link(stage);
      ASSERT_TRUE(link.established);
      Queue& queue = link.passive.queue;
      ASSERT_EQ(queue.moderate(moderation.first, moderation.second), STATUS_SUCCESS);
      queue.arm();
      link.arrive(2);
      link.pair.passive.close();
      queue.cq.close();  // at no time waits for the interval, and nothing is called afterwards
      pass_ms(20);
      EXPECT_EQ(queue.notifications.load(), 0);
    });
  }
}

}  // namespace
}  // namespace softndk::stack
