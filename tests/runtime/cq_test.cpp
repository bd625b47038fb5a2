// Completion queues: depth, resize, and what their entries say (spec/ndkpi.md 2.3, 2.5).
#include "channel.h"

namespace softndk::stack {
namespace {

TEST(R_CQ_02, ADepthOfZeroIsRefused) {
  everywhere([](Stage& stage) {
    NDK_ADAPTER* adapter = stage.adapter->adapter;
    Object<NDK_CQ> cq;
    EXPECT_EQ(create(cq,
                     [&](auto... rest) {
                       return adapter->Dispatch->NdkCreateCq(adapter, 0, nullptr, nullptr, nullptr, rest...);
                     }),
              STATUS_INVALID_PARAMETER);
    EXPECT_FALSE(cq);
  });
}

TEST(R_CQ_05, NoNotificationWithoutAnArm) {
  everywhere([](Stage& stage) {
    Channel link(stage);
    ASSERT_TRUE(link.established);
    link.arrive(5, NDK_OP_FLAG_SEND_AND_SOLICIT_EVENT);
    link.passive.flush();
    EXPECT_FALSE(link.passive.queue.told.wait(kMoment));
    EXPECT_EQ(link.passive.queue.notifications.load(), 0);
  });
}

TEST(R_CQ_06, ADepthBeyondTheAdaptersIsRefusedAndChangesNothing) {
  everywhere([](Stage& stage) {
    Channel link(stage, {.receive_depth = 16, .cq_depth = 8});
    ASSERT_TRUE(link.established);
    EXPECT_TRUE(stage.adapter->info.AdapterFlags & NDK_ADAPTER_FLAG_CQ_RESIZE_SUPPORTED);
    Queue& queue = link.passive.queue;
    EXPECT_EQ(queue.resize(stage.adapter->info.MaxCqDepth + 1), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(queue.resize(MAXULONG), STATUS_INVALID_PARAMETER);
    queue.arm(NDK_CQ_NOTIFY_ERRORS);
    link.arrive(8);
    EXPECT_FALSE(queue.told.wait(kMoment));
    link.deliver(1);
    EXPECT_TRUE(queue.told.wait()) << "still eight deep";
    EXPECT_EQ(queue.status.load(), STATUS_BUFFER_OVERFLOW);
    Queue other(*stage.adapter, 1);
    EXPECT_EQ(other.resize(stage.adapter->info.MaxCqDepth), STATUS_SUCCESS);
  });
}

TEST(R_CQ_08, NothingIsLostOrReorderedByResizesUnderLoad) {
  everywhere(
      [](Stage& stage) {
        constexpr int kMessages = 400;
        constexpr ULONG kInFlight = 16;
        Channel link(stage, {.receive_depth = kInFlight, .initiator_depth = kInFlight, .cq_depth = kInFlight});
        ASSERT_TRUE(link.established);
        Queue& queue = link.passive.queue;
        std::atomic<bool> done{false};
        std::atomic<int> resizes{0};
        // Up and down, never below what may be there, beside a consumer who polls and two ends that place.
        DriverThread resizer([&] {
          constexpr ULONG kDepths[] = {17, 40, 16, 100, 33, 500, 16, 2'000, 129, 5'000, 16, 64};
          for (int i = 0; i == 0 || !done; ++i) {  // once at least, however late this thread gets a processor
            EXPECT_EQ(queue.resize(kDepths[static_cast<unsigned>(i) % std::size(kDepths)]), STATUS_SUCCESS);
            ++resizes;
            pass_ms(0);
          }
        });
        UINT_PTR posted = 0;
        for (; posted < kInFlight; ++posted)
          ASSERT_EQ(link.passive.receive(link.there.sge(0, 8), posted), STATUS_SUCCESS);
        DriverThread sender([&] {
          for (int i = 0; i < kMessages; ++i) {
            EXPECT_EQ(link.active.send(link.here.sge(0, 8)), STATUS_SUCCESS);
            EXPECT_EQ(link.active.next_status(), STATUS_SUCCESS);
          }
        });
        for (UINT_PTR i = 0; i < kMessages; ++i) {
          const NDK_RESULT_EX result = queue.next();
          ASSERT_EQ(result.Status, STATUS_SUCCESS) << i;
          ASSERT_EQ(result.RequestContext, reinterpret_cast<PVOID>(i));
          if (posted < kMessages) {
            ASSERT_EQ(link.passive.receive(link.there.sge(0, 8), posted++), STATUS_SUCCESS);
          }
        }
        sender.join();
        done = true;
        resizer.join();
        EXPECT_GT(resizes.load(), 0);
        EXPECT_TRUE(queue.is_empty());
      },
      {}, 24);
}

TEST(R_CQ_08, EntriesThatWereThereComeFirstAndTheNewDepthIsExact) {
  everywhere([](Stage& stage) {
    Channel link(stage, {.receive_depth = 32, .cq_depth = 4});
    ASSERT_TRUE(link.established);
    Queue& queue = link.passive.queue;
    link.arrive(4, 0, 0);
    ASSERT_EQ(queue.resize(20), STATUS_SUCCESS);  // a larger one, with four in the smaller
    link.arrive(6, 0, 4);
    ASSERT_EQ(queue.resize(12), STATUS_SUCCESS);
    link.arrive(2, 0, 10);
    queue.arm(NDK_CQ_NOTIFY_ERRORS);
    link.deliver(1, 0, 12);
    ASSERT_TRUE(queue.told.wait()) << "twelve, and one too many";
    EXPECT_EQ(queue.status.load(), STATUS_BUFFER_OVERFLOW);
    EXPECT_EQ(queue.resize(100), STATUS_SUCCESS);  // of a dead queue: it stays dead, and its entries are there
    for (UINT_PTR i = 0; i < 12; ++i) {
      NDK_RESULT_EX result;
      ASSERT_TRUE(queue.poll(result)) << i;
      EXPECT_EQ(result.RequestContext, reinterpret_cast<PVOID>(i));
    }
    EXPECT_TRUE(queue.is_empty());
  });
}

TEST(R_CQ_08, AnArmOutlivesAResize) {
  everywhere([](Stage& stage) {
    Channel link(stage);
    ASSERT_TRUE(link.established);
    Queue& queue = link.passive.queue;
    queue.arm();
    ASSERT_EQ(queue.resize(2'000), STATUS_SUCCESS);
    EXPECT_EQ(queue.notifications.load(), 0);
    link.deliver(1);
    EXPECT_TRUE(queue.told.wait());
    // And what was there is satisfied by what is old and new alike.
    ASSERT_EQ(queue.resize(10'000), STATUS_SUCCESS);
    link.arrive(1);
    queue.arm();
    EXPECT_TRUE(queue.told.wait());
  });
}

TEST(R_CQ_09, ADepthBelowWhatIsPresentIsRefusedAndChangesNothing) {
  everywhere([](Stage& stage) {
    Channel link(stage, {.receive_depth = 32, .cq_depth = 16});
    ASSERT_TRUE(link.established);
    Queue& queue = link.passive.queue;
    link.arrive(10, 0, 0);
    EXPECT_EQ(queue.resize(0), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(queue.resize(5), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(queue.resize(9), STATUS_INVALID_PARAMETER);
    link.arrive(6, 0, 10);  // sixteen deep, as before
    EXPECT_EQ(queue.resize(16), STATUS_SUCCESS);
    for (UINT_PTR i = 0; i < 16; ++i) {
      NDK_RESULT_EX result;
      ASSERT_TRUE(queue.poll(result));
      EXPECT_EQ(result.RequestContext, reinterpret_cast<PVOID>(i));
    }
    EXPECT_EQ(queue.resize(1), STATUS_SUCCESS);
    link.arrive(1, 0, 16);
    EXPECT_EQ(queue.resize(1), STATUS_SUCCESS) << "exactly what is present";
  });
}

TEST(R_CQ_10, AResizeThatPendsKeepsTheCloseWaiting) {
  everywhere([](Stage& stage) {
    Queue queue(*stage.adapter, 8);
    Request resizing, closing;
    const NTSTATUS resize_returned = queue.begin_resize(resizing, 16);
    const NTSTATUS close_returned = queue.cq.begin_close(closing);
    EXPECT_EQ(closing.finish(close_returned), STATUS_SUCCESS);
    if (resize_returned == STATUS_PENDING) {
      EXPECT_TRUE(resizing.is_done()) << "before the close was";
    }
    EXPECT_EQ(resizing.finish(resize_returned), STATUS_SUCCESS);
  });
}

TEST(R_CQ_12, ANumberOfZeroTakesNothing) {
  everywhere([](Stage& stage) {
    Channel link(stage);
    ASSERT_TRUE(link.established);
    link.arrive(1);
    NDK_CQ* cq = link.passive.queue.cq.get();
    EXPECT_EQ(cq->Dispatch->NdkGetCqResults(cq, nullptr, 0), 0u);
    EXPECT_EQ(cq->Dispatch->NdkGetCqResultsEx(cq, nullptr, 0), 0u);
    EXPECT_FALSE(link.passive.queue.is_empty());
  });
}

TEST(R_CQ_14, ContextsAreThoseOfTheQueuePairAndOfThePost) {
  everywhere([](Stage& stage) {
    Channel link(stage);
    ASSERT_TRUE(link.established);
    link.arrive(5, 0, 0x7fff'0000'0001);
    for (UINT_PTR i = 0; i < 5; ++i) {
      NDK_CQ* cq = link.passive.queue.cq.get();
      NDK_RESULT result{};
      ASSERT_EQ(cq->Dispatch->NdkGetCqResults(cq, &result, 1), 1u);
      EXPECT_EQ(result.QPContext, &link.passive);
      EXPECT_EQ(result.RequestContext, reinterpret_cast<PVOID>(0x7fff'0000'0001 + i));
    }
  });
}

TEST(R_CQ_17, TheReceiveBitIsSetInReceivesAndInNothingElse) {
  everywhere([](Stage& stage) {
    Channel link(stage);
    ASSERT_TRUE(link.established);
    link.arrive(1);
    EXPECT_TRUE(link.passive.next().Type & NdkOperationTypeReceive);
    ASSERT_EQ(link.active.write(link.here.sge(0, 8), link.there.address(), link.there.token()), STATUS_SUCCESS);
    EXPECT_FALSE(link.active.next().Type & NdkOperationTypeReceive);
    ASSERT_EQ(link.active.read(link.here.sge(0, 8), link.there.address(), link.there.token()), STATUS_SUCCESS);
    EXPECT_FALSE(link.active.next().Type & NdkOperationTypeReceive);
    ASSERT_EQ(link.active.send(link.here.sge(0, 8)), STATUS_SUCCESS);
    EXPECT_FALSE(link.active.next().Type & NdkOperationTypeReceive);
    // A failure is of its type too.
    ASSERT_EQ(link.active.receive(link.here.all()), STATUS_SUCCESS);
    link.active.flush();
    EXPECT_TRUE(link.active.next().Type & NdkOperationTypeReceive);
  });
}

TEST(R_CQ_24, EachQueuesCompletionsComeInPostingOrder) {
  everywhere([](Stage& stage) {
    constexpr UINT_PTR kCount = 60;
    // Sources and sinks lie apart: all are in use at once.
    Channel link(stage, {.receive_depth = 64, .initiator_depth = 64, .cq_depth = 256}, 3 * 4096);
    ASSERT_TRUE(link.established);
    // Long and short, of all kinds, so that what is quick could overtake.
    for (UINT_PTR i = 0; i < kCount; ++i)
      ASSERT_EQ(link.passive.receive(link.there.sge(0, 4096), i), STATUS_SUCCESS);
    UINT_PTR sends = 0;
    for (UINT_PTR i = 0; i < kCount; ++i) {
      const ULONG bytes = i % 5 == 0 ? 4096 : 8;
      const NDK_SGE source = link.here.sge(0, bytes);
      const ULONG flags = i % 7 == 2 ? NDK_OP_FLAG_DEFER : 0;  // not the last: a chain must end
      NTSTATUS status = STATUS_SUCCESS;
      switch (i % 3) {
        case 0:
          status = link.active.send(source, i, flags);
          ++sends;
          break;
        case 1:
          status =
              link.active.read(link.here.sge(4096, bytes), link.there.address() + 4096, link.there.token(), i, flags);
          break;
        default:
          status = link.active.write(source, link.there.address() + 8192, link.there.token(), i, flags);
          break;
      }
      ASSERT_EQ(status, STATUS_SUCCESS);
    }
    for (UINT_PTR i = 0; i < kCount; ++i)
      ASSERT_EQ(link.active.next().RequestContext, reinterpret_cast<PVOID>(i));
    for (UINT_PTR i = 0; i < sends; ++i)
      ASSERT_EQ(link.passive.next().RequestContext, reinterpret_cast<PVOID>(i));
  });
}

TEST(R_CQ_25, EntriesOutliveTheirQueuePair) {
  everywhere([](Stage& stage) {
    Channel link(stage);
    ASSERT_TRUE(link.established);
    link.arrive(3, 0, 0);
    ASSERT_EQ(link.passive.receive(link.there.all(), 3), STATUS_SUCCESS);
    link.pair.passive.close();
    for (UINT_PTR i = 0; i < 4; ++i) {
      NDK_RESULT_EX result;
      ASSERT_TRUE(link.passive.queue.poll(result)) << i;
      EXPECT_EQ(result.RequestContext, reinterpret_cast<PVOID>(i));
      EXPECT_EQ(result.Status, i < 3 ? STATUS_SUCCESS : STATUS_CANCELLED);
      EXPECT_EQ(result.QPContext, &link.passive);
    }
    EXPECT_TRUE(link.passive.queue.is_empty());
  });
}

TEST(R_CQ_26, PlacingAndCallbacksGoOnBesidePollsAndArms) {
  everywhere([](Stage& stage) {
    constexpr int kMessages = 300;
    Channel link(stage, {.receive_depth = 64, .initiator_depth = 64, .cq_depth = 64});
    ASSERT_TRUE(link.established);
    for (int i = 0; i < 32; ++i)
      ASSERT_EQ(link.passive.receive(link.there.sge(0, 8)), STATUS_SUCCESS);
    DriverThread sender([&] {
      for (int i = 0; i < kMessages; ++i) {
        EXPECT_EQ(link.active.send(link.here.sge(0, 8)), STATUS_SUCCESS);
        EXPECT_EQ(link.active.next_status(), STATUS_SUCCESS);
      }
    });
    // One thread that polls in both ways and arms, with callbacks between.
    NDK_CQ* cq = link.passive.queue.cq.get();
    int posted = 32;
    for (int taken = 0; taken < kMessages;) {
      NDK_RESULT plain[3];
      NDK_RESULT_EX full[2];
      ULONG count = cq->Dispatch->NdkGetCqResults(cq, plain, 3);
      link.passive.queue.arm(taken % 2 == 0 ? NDK_CQ_NOTIFY_ANY : NDK_CQ_NOTIFY_ERRORS);
      count += cq->Dispatch->NdkGetCqResultsEx(cq, full, 2);
      taken += static_cast<int>(count);
      for (; count != 0 && posted < kMessages; --count, ++posted)
        ASSERT_EQ(link.passive.receive(link.there.sge(0, 8)), STATUS_SUCCESS);
      if (count == 0) pass_ms(0);
    }
    sender.join();
    EXPECT_TRUE(link.passive.queue.is_empty());
  });
}

}  // namespace
}  // namespace softndk::stack
