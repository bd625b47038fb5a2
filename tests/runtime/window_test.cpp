// Memory windows (spec/ndkpi.md 3.13): rights of their own to a part of a region. The passive end binds, the active end
// is the peer that has the token.
#include "memory_window.h"
#include "stage.h"

namespace softndk::stack {
namespace {

constexpr std::size_t kBytes = 8192;

/// A connection, and a region of the passive end that grants `flags`.
struct Shop {
  explicit Shop(Stage& stage, ULONG flags = kAllAccess)
      : pair(stage),
        passive(pair.passive),
        active(pair.active),
        goods(passive.pd.get(), kBytes, flags),
        basket(active.pd.get(), kBytes) {
    connected = pair.establish();
    EXPECT_TRUE(connected);
    goods.memory.fill(3);
  }
  /// Both consumers learn that the connection broke.
  void expect_broken() {
    EXPECT_TRUE(passive.left.wait());
    EXPECT_TRUE(active.left.wait());
  }
  NTSTATUS read(UINT32 token, std::size_t offset = 0, std::size_t bytes = 64) {
    const NTSTATUS posted = active.read(basket.sge(0, bytes), goods.address(offset), token);
    return posted == STATUS_SUCCESS ? active.next_status() : posted;
  }
  Pair pair;
  Side& passive;
  Side& active;
  Region goods, basket;
  bool connected = false;
};

TEST(R_MW_01, BindingNeedsAConnectedQueuePair) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    Region region(pair.passive.pd.get(), kBytes);
    MemoryWindow window(pair.passive.pd.get());
    EXPECT_EQ(window.bind_all(pair.passive, region, kReadAndWrite), STATUS_CONNECTION_INVALID);
    EXPECT_EQ(window.token(), 0u) << "R-MW-06: none before the first bind";
    EXPECT_EQ(region.deregister(), STATUS_SUCCESS) << "a post that was not taken binds nothing";
  });
}

TEST(R_MW_01, TheRangeLiesInsideTheRegions) {
  struct Case {
    std::size_t offset, bytes;
    bool fits;
  };
  for (const Case& one : {Case{0, kBytes, true}, Case{100, kBytes - 100, true}, Case{0, kBytes + 1, false},
                          Case{1, kBytes, false}, Case{kBytes, 1, false}}) {
    everywhere(
        [&](Stage& stage) {
          Shop shop(stage);
          ASSERT_TRUE(shop.connected);
          MemoryWindow window(shop.passive.pd.get());
          ASSERT_EQ(window.bind(shop.passive, shop.goods, one.offset, one.bytes, kReadAndWrite), STATUS_SUCCESS);
          const NDK_RESULT_EX result = shop.passive.next();
          EXPECT_EQ(result.Type, NdkOperationTypeBind);
          EXPECT_EQ(result.RequestContext, reinterpret_cast<PVOID>(5));
          EXPECT_EQ(result.BytesTransferred, 0u);
          if (one.fits) {
            EXPECT_EQ(result.Status, STATUS_SUCCESS);
            EXPECT_EQ(shop.read(window.token(), one.offset), STATUS_SUCCESS);
            EXPECT_EQ(std::memcmp(shop.basket.memory.data, shop.goods.memory.data + one.offset, 64), 0);
          } else {
            EXPECT_EQ(result.Status, STATUS_ACCESS_VIOLATION);
            shop.expect_broken();
          }
        },
        {}, 2);
  }
}

TEST(R_MW_01, AWindowOfAnotherDomainCannotBeBound) {
  everywhere([](Stage& stage) {
    Shop shop(stage);
    ASSERT_TRUE(shop.connected);
    MemoryWindow window(shop.active.pd.get());
    ASSERT_EQ(window.bind_all(shop.passive, shop.goods, kReadAndWrite), STATUS_SUCCESS);
    EXPECT_EQ(shop.passive.next_status(), STATUS_ACCESS_VIOLATION);
    shop.expect_broken();
  });
}

TEST(R_MW_02, RemoteWriteNeedsARegionWithLocalWrite) {
  struct Case {
    ULONG region, window;
    NTSTATUS posted;
  };
  for (const Case& one : {
           Case{0, NDK_OP_FLAG_ALLOW_REMOTE_WRITE, STATUS_ACCESS_VIOLATION},
           Case{NDK_MR_FLAG_ALLOW_REMOTE_READ, kReadAndWrite, STATUS_ACCESS_VIOLATION},
           Case{NDK_MR_FLAG_ALLOW_LOCAL_WRITE, NDK_OP_FLAG_ALLOW_REMOTE_WRITE, STATUS_SUCCESS},
           Case{0, NDK_OP_FLAG_ALLOW_REMOTE_READ, STATUS_SUCCESS},
       }) {
    everywhere(
        [&](Stage& stage) {
          Shop shop(stage, one.region);
          ASSERT_TRUE(shop.connected);
          MemoryWindow window(shop.passive.pd.get());
          ASSERT_EQ(window.bind_all(shop.passive, shop.goods, one.window), one.posted);
          if (one.posted == STATUS_SUCCESS) {
            EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
            return;
          }
          EXPECT_EQ(window.token(), 0u) << "nothing has changed";
          EXPECT_EQ(shop.goods.deregister(), STATUS_SUCCESS);
          EXPECT_EQ(shop.passive.disconnects.load(), 0);
        },
        {}, 2);
  }
}

TEST(R_MW_03, AnyRegistrationWillDoForRemoteReads) {
  everywhere([](Stage& stage) {
    Shop shop(stage, NDK_MR_FLAG_ALLOW_LOCAL_READ);
    ASSERT_TRUE(shop.connected);
    MemoryWindow window(shop.passive.pd.get());
    ASSERT_EQ(window.bind_all(shop.passive, shop.goods, NDK_OP_FLAG_ALLOW_REMOTE_READ), STATUS_SUCCESS);
    EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
    EXPECT_EQ(shop.read(window.token()), STATUS_SUCCESS);
    EXPECT_TRUE(shop.basket.memory.same(shop.goods.memory, 64));
    EXPECT_EQ(shop.read(shop.goods.token()), STATUS_ACCESS_VIOLATION) << "the region itself grants nothing";
  });
}

TEST(R_MW_04, ABindWithoutRightsOrLengthIsInvalid) {
  everywhere([](Stage& stage) {
    Shop shop(stage);
    ASSERT_TRUE(shop.connected);
    MemoryWindow window(shop.passive.pd.get());
    const SIZE_T most = stage.adapter->info.MaxWindowSize;
    EXPECT_EQ(most, SIZE_T{1} << 44) << "C-83";
    EXPECT_EQ(window.bind_all(shop.passive, shop.goods, 0), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(window.bind(shop.passive, shop.goods, 0, 0, kReadAndWrite), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(window.bind(shop.passive, shop.goods, 0, most + 1, kReadAndWrite), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(window.bind_all(shop.passive, shop.goods, kReadAndWrite | 0x400), STATUS_INVALID_PARAMETER) << "R-WR-17";
    EXPECT_EQ(window.token(), 0u);
    EXPECT_TRUE(shop.passive.queue.is_empty());
  });
}

TEST(R_MW_05, TheTokenIsThereWhenNdkBindReturnsAndGoodForTheNextMessage) {
  everywhere([](Stage& stage) {
    Shop shop(stage);
    ASSERT_TRUE(shop.connected);
    MemoryWindow window(shop.passive.pd.get());
    ASSERT_EQ(shop.active.receive(shop.basket.sge(0, 4)), STATUS_SUCCESS);
    Region note(shop.passive.pd.get(), 4);
    ASSERT_EQ(window.bind(shop.passive, shop.goods, 512, 1024, kReadAndWrite, 11), STATUS_SUCCESS);
    const UINT32 token = window.token();
    EXPECT_NE(token, 0u);
    std::memcpy(note.memory.data, &token, sizeof token);
    ASSERT_EQ(shop.passive.send(note.all(), 12), STATUS_SUCCESS);
    EXPECT_EQ(shop.active.next_status(), STATUS_SUCCESS);
    UINT32 got = 0;
    std::memcpy(&got, shop.basket.memory.data, sizeof got);
    EXPECT_EQ(shop.read(got, 512, 1024), STATUS_SUCCESS) << "R-FRMR-14's order holds for windows too";
    EXPECT_EQ(std::memcmp(shop.basket.memory.data, shop.goods.memory.data + 512, 1024), 0);
    EXPECT_EQ(shop.passive.next().RequestContext, reinterpret_cast<PVOID>(11)) << "in posting order";
    EXPECT_EQ(shop.passive.next().RequestContext, reinterpret_cast<PVOID>(12));
  });
}

TEST(R_MW_06, EachBindGivesANewTokenAndTheOldOneIsDead) {
  everywhere([](Stage& stage) {
    Shop shop(stage);
    ASSERT_TRUE(shop.connected);
    MemoryWindow window(shop.passive.pd.get());
    UINT32 old = 0;
    for (int i = 0; i < 20; ++i) {
      ASSERT_EQ(window.bind_all(shop.passive, shop.goods, kReadAndWrite), STATUS_SUCCESS);
      const UINT32 token = window.token();
      EXPECT_NE(token, 0u);
      EXPECT_NE(token, old);
      if (old != 0) {
        EXPECT_EQ(token >> 8, old >> 8) << "it changes in its low byte";
      }
      EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
      ASSERT_EQ(shop.read(token), STATUS_SUCCESS);
      ASSERT_EQ(window.invalidate(shop.passive), STATUS_SUCCESS);
      EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
      old = token;
    }
    ASSERT_EQ(window.bind_all(shop.passive, shop.goods, kReadAndWrite), STATUS_SUCCESS);
    EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
    EXPECT_EQ(shop.read(window.token()), STATUS_SUCCESS);
    EXPECT_EQ(shop.read(old), STATUS_ACCESS_VIOLATION);
  });
}

TEST(R_MW_07, ABoundWindowCannotBeBound) {
  everywhere([](Stage& stage) {
    Shop shop(stage);
    ASSERT_TRUE(shop.connected);
    MemoryWindow window(shop.passive.pd.get());
    ASSERT_EQ(window.bind_all(shop.passive, shop.goods, kReadAndWrite), STATUS_SUCCESS);
    ASSERT_EQ(window.bind_all(shop.passive, shop.goods, kReadAndWrite), STATUS_SUCCESS);
    EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
    EXPECT_EQ(shop.passive.next_status(), STATUS_INVALID_DEVICE_REQUEST);
    shop.expect_broken();
    EXPECT_EQ(shop.goods.deregister(), STATUS_INVALID_DEVICE_STATE) << "it is bound as it was";
  });
}

TEST(R_MW_07, ARegionThatIsNotRegisteredCannotBeBound) {
  everywhere([](Stage& stage) {
    Shop shop(stage);
    ASSERT_TRUE(shop.connected);
    ASSERT_EQ(shop.goods.deregister(), STATUS_SUCCESS);
    MemoryWindow window(shop.passive.pd.get());
    ASSERT_EQ(window.bind_all(shop.passive, shop.goods, kReadAndWrite), STATUS_SUCCESS);
    EXPECT_EQ(shop.passive.next_status(), STATUS_INVALID_DEVICE_REQUEST);
    shop.expect_broken();
  });
}

TEST(R_MW_08, WindowsOverlapWithDifferentRights) {
  for (const bool misuse_first : {true, false}) {
    everywhere(
        [&](Stage& stage) {
          Shop shop(stage);
          ASSERT_TRUE(shop.connected);
          MemoryWindow readable(shop.passive.pd.get()), writable(shop.passive.pd.get());
          ASSERT_EQ(readable.bind(shop.passive, shop.goods, 0, 4096, NDK_OP_FLAG_ALLOW_REMOTE_READ), STATUS_SUCCESS);
          ASSERT_EQ(writable.bind(shop.passive, shop.goods, 2048, 4096, NDK_OP_FLAG_ALLOW_REMOTE_WRITE),
                    STATUS_SUCCESS);
          EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
          EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
          Region news(shop.active.pd.get(), 1024);
          news.memory.fill(77);
          ASSERT_EQ(shop.active.write(news.all(), shop.goods.address(2048), writable.token()), STATUS_SUCCESS);
          EXPECT_EQ(shop.active.next_status(), STATUS_SUCCESS);
          EXPECT_EQ(shop.read(readable.token(), 2048, 1024), STATUS_SUCCESS);
          EXPECT_TRUE(shop.basket.memory.same(news.memory, 1024));
          if (misuse_first) {
            EXPECT_EQ(shop.read(writable.token(), 2048), STATUS_ACCESS_VIOLATION);
          } else {
            ASSERT_EQ(shop.active.write(news.all(), shop.goods.address(2048), readable.token()), STATUS_SUCCESS);
          }
          shop.expect_broken();
        },
        {}, 3);
  }
}

TEST(R_RDMA_03, AReadPastTheEndOfAWindowInsideItsRegionIsRefused) {
  everywhere([](Stage& stage) {
    Shop shop(stage);
    ASSERT_TRUE(shop.connected);
    MemoryWindow window(shop.passive.pd.get());
    ASSERT_EQ(window.bind(shop.passive, shop.goods, 1000, 1000, kReadAndWrite), STATUS_SUCCESS);
    EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
    EXPECT_EQ(shop.read(window.token(), 1000, 1000), STATUS_SUCCESS);
    EXPECT_EQ(shop.read(window.token(), 1000, 1001), STATUS_REMOTE_RESOURCES);
  });
}

TEST(R_WR_19, AWindowsTokenIsOfNoUseLocally) {
  everywhere([](Stage& stage) {
    Shop shop(stage);
    ASSERT_TRUE(shop.connected);
    MemoryWindow window(shop.passive.pd.get());
    ASSERT_EQ(window.bind_all(shop.passive, shop.goods, kReadAndWrite), STATUS_SUCCESS);
    EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
    NDK_SGE sge = shop.goods.sge(0, 16);
    sge.MemoryRegionToken = window.token();
    ASSERT_EQ(shop.passive.send(sge), STATUS_SUCCESS);
    EXPECT_EQ(shop.passive.next_status(), STATUS_ACCESS_VIOLATION);
  });
}

TEST(R_SIL_01, ASilentBindLeavesNoEntry) {
  everywhere([](Stage& stage) {
    Shop shop(stage);
    ASSERT_TRUE(shop.connected);
    MemoryWindow window(shop.passive.pd.get());
    ASSERT_EQ(window.bind_all(shop.passive, shop.goods, kReadAndWrite | NDK_OP_FLAG_SILENT_SUCCESS), STATUS_SUCCESS);
    ASSERT_EQ(window.invalidate(shop.passive, NDK_OP_FLAG_SILENT_SUCCESS), STATUS_SUCCESS);
    ASSERT_EQ(window.bind_all(shop.passive, shop.goods, kReadAndWrite), STATUS_SUCCESS);
    EXPECT_EQ(shop.passive.next().Type, NdkOperationTypeBind);
    EXPECT_TRUE(shop.passive.queue.is_empty());
  });
}

TEST(R_FEN_01, AFencedBindWaitsForTheReadsBeforeIt) {
  everywhere([](Stage& stage) {
    Shop shop(stage);
    ASSERT_TRUE(shop.connected);
    MemoryWindow window(shop.passive.pd.get());
    ASSERT_EQ(shop.passive.read(shop.goods.all(), shop.basket.address(), shop.basket.token(), 21), STATUS_SUCCESS);
    ASSERT_EQ(window.bind_all(shop.passive, shop.goods, kReadAndWrite | NDK_OP_FLAG_READ_FENCE), STATUS_SUCCESS);
    EXPECT_EQ(shop.passive.next().RequestContext, reinterpret_cast<PVOID>(21));
    EXPECT_TRUE(shop.goods.memory.same(shop.basket.memory, kBytes));
    EXPECT_EQ(shop.passive.next().Type, NdkOperationTypeBind);
    EXPECT_EQ(shop.read(window.token()), STATUS_SUCCESS);
  });
}

TEST(R_FLU_02, ABindThatWasFlushedBindsNothing) {
  everywhere([](Stage& stage) {
    Shop shop(stage);
    ASSERT_TRUE(shop.connected);
    MemoryWindow window(shop.passive.pd.get());
    ASSERT_EQ(window.bind_all(shop.passive, shop.goods, kReadAndWrite | NDK_OP_FLAG_DEFER), STATUS_SUCCESS);
    shop.passive.flush();
    ASSERT_EQ(window.invalidate(shop.passive), STATUS_SUCCESS) << "R-FLU-06";
    EXPECT_EQ(shop.passive.next_status(), STATUS_CANCELLED);
    EXPECT_EQ(shop.passive.next_status(), STATUS_CANCELLED);
    EXPECT_EQ(shop.goods.deregister(), STATUS_SUCCESS);
  });
}

TEST(R_MR_12, ARegionWithABoundWindowCannotBeDeregistered) {
  everywhere([](Stage& stage) {
    Shop shop(stage);
    ASSERT_TRUE(shop.connected);
    MemoryWindow window(shop.passive.pd.get());
    ASSERT_EQ(window.bind_all(shop.passive, shop.goods, kReadAndWrite), STATUS_SUCCESS);
    EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
    EXPECT_EQ(shop.goods.deregister(), STATUS_INVALID_DEVICE_STATE);
    EXPECT_EQ(shop.read(window.token()), STATUS_SUCCESS) << "nothing has changed";
    EXPECT_EQ(shop.read(shop.goods.token()), STATUS_SUCCESS);
    ASSERT_EQ(window.invalidate(shop.passive), STATUS_SUCCESS);
    EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
    EXPECT_EQ(shop.goods.deregister(), STATUS_SUCCESS);
  });
}

TEST(R_CLS_23, ClosingABoundWindowUnbindsIt) {
  // Many seeds: the region was taken for bound while the close's callback had yet to return.
  everywhere(
      [](Stage& stage) {
        Shop shop(stage);
        ASSERT_TRUE(shop.connected);
        MemoryWindow window(shop.passive.pd.get());
        ASSERT_EQ(window.bind_all(shop.passive, shop.goods, kReadAndWrite), STATUS_SUCCESS);
        EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
        const UINT32 token = window.token();
        EXPECT_EQ(shop.read(token), STATUS_SUCCESS);
        window.mw.close();
        EXPECT_EQ(shop.goods.deregister(), STATUS_SUCCESS) << "no window is bound to it any more";
        EXPECT_EQ(shop.read(token), STATUS_ACCESS_VIOLATION);
      },
      {}, 60);
}

TEST(R_CLS_24, ARegionsCloseWaitsForTheWindowsInvalidation) {
  everywhere([](Stage& stage) {
    Shop shop(stage);
    ASSERT_TRUE(shop.connected);
    MemoryWindow window(shop.passive.pd.get());
    ASSERT_EQ(window.bind_all(shop.passive, shop.goods, kReadAndWrite), STATUS_SUCCESS);
    EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
    Request closing;
    const NTSTATUS returned = shop.goods.mr.begin_close(closing);
    ASSERT_EQ(returned, STATUS_PENDING);
    EXPECT_EQ(shop.read(window.token()), STATUS_SUCCESS) << "R-CLS-08";
    EXPECT_FALSE(closing.is_done());
    ASSERT_EQ(window.invalidate(shop.passive), STATUS_SUCCESS);
    EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
    EXPECT_EQ(closing.finish(returned), STATUS_SUCCESS);
  });
}

TEST(R_CLS_24, ARegionsCloseWaitsForTheWindowsClose) {
  everywhere([](Stage& stage) {
    Shop shop(stage);
    ASSERT_TRUE(shop.connected);
    MemoryWindow one(shop.passive.pd.get()), other(shop.passive.pd.get());
    for (MemoryWindow* window : {&one, &other}) {
      ASSERT_EQ(window->bind_all(shop.passive, shop.goods, kReadAndWrite), STATUS_SUCCESS);
      EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
    }
    Request closing;
    const NTSTATUS returned = shop.goods.mr.begin_close(closing);
    ASSERT_EQ(returned, STATUS_PENDING);
    one.mw.close();
    EXPECT_EQ(shop.read(other.token()), STATUS_SUCCESS);
    EXPECT_FALSE(closing.is_done());
    other.mw.close();
    EXPECT_EQ(closing.finish(returned), STATUS_SUCCESS);
  });
}

TEST(R_INV_02, OnlyABoundWindowCanBeInvalidated) {
  everywhere([](Stage& stage) {
    Shop shop(stage);
    ASSERT_TRUE(shop.connected);
    NDK_QP* qp = shop.passive.qp.get();
    EXPECT_EQ(qp->Dispatch->NdkInvalidate(qp, nullptr, &shop.goods.mr.get()->Header, 0), STATUS_INVALID_DEVICE_REQUEST);
    EXPECT_EQ(qp->Dispatch->NdkInvalidate(qp, nullptr, &shop.passive.pd.get()->Header, 0),
              STATUS_INVALID_DEVICE_REQUEST);
    EXPECT_TRUE(shop.passive.queue.is_empty());
    EXPECT_EQ(shop.read(shop.goods.token()), STATUS_SUCCESS) << "nothing has changed";
  });
}

TEST(R_INV_03, InvalidatingWhatIsInvalidBreaksTheQueuePair) {
  for (const bool was_bound : {false, true}) {
    everywhere(
        [&](Stage& stage) {
          Shop shop(stage);
          ASSERT_TRUE(shop.connected);
          MemoryWindow window(shop.passive.pd.get());
          if (was_bound) {
            ASSERT_EQ(window.bind_all(shop.passive, shop.goods, kReadAndWrite), STATUS_SUCCESS);
            ASSERT_EQ(window.invalidate(shop.passive), STATUS_SUCCESS);
            EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
            EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
          }
          ASSERT_EQ(window.invalidate(shop.passive), STATUS_SUCCESS);
          const NDK_RESULT_EX result = shop.passive.next();
          EXPECT_EQ(result.Status, STATUS_INVALID_DEVICE_REQUEST);
          EXPECT_EQ(result.Type, NdkOperationTypeInvalidate);
          shop.expect_broken();
        },
        {}, 3);
  }
}

TEST(R_INV_04, NothingComesThroughTheTokenAfterTheInvalidatesCompletion) {
  everywhere([](Stage& stage) {
    Shop shop(stage);
    ASSERT_TRUE(shop.connected);
    MemoryWindow window(shop.passive.pd.get());
    ASSERT_EQ(window.bind_all(shop.passive, shop.goods, kReadAndWrite), STATUS_SUCCESS);
    EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
    const UINT32 token = window.token();
    for (UINT_PTR i = 0; i < 24; ++i) {
      if (i == 8) {
        ASSERT_EQ(window.invalidate(shop.passive), STATUS_SUCCESS);
      }
      const NTSTATUS posted = i % 3 == 2 ? shop.active.read(shop.basket.all(), shop.goods.address(), token, i)
                                         : shop.active.write(shop.basket.all(), shop.goods.address(), token, i);
      if (posted != STATUS_SUCCESS) break;
    }
    EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
    shop.goods.memory.fill(99);  // ours alone now
    Memory kept(kBytes);
    kept.fill(99);
    EXPECT_TRUE(shop.active.left.wait());
    EXPECT_TRUE(shop.goods.memory.same(kept, kBytes));
  });
}

TEST(R_INV_04, AnAnswerInProgressIsFinishedBeforeIt) {
  everywhere([](Stage& stage) {
    constexpr std::size_t kLarge = 4u << 20;
    Shop shop(stage);
    ASSERT_TRUE(shop.connected);
    Region stock(shop.passive.pd.get(), kLarge), sink(shop.active.pd.get(), kLarge);
    stock.memory.fill(5);
    MemoryWindow window(shop.passive.pd.get());
    ASSERT_EQ(window.bind_all(shop.passive, stock, NDK_OP_FLAG_ALLOW_REMOTE_READ), STATUS_SUCCESS);
    EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
    ASSERT_EQ(shop.passive.receive(shop.goods.sge(0, 8)), STATUS_SUCCESS);
    ASSERT_EQ(shop.active.read(sink.all(), stock.address(), window.token()), STATUS_SUCCESS);
    ASSERT_EQ(shop.active.send(shop.basket.sge(0, 8)), STATUS_SUCCESS);
    EXPECT_EQ(shop.passive.next().Type, NdkOperationTypeReceive) << "the Read Request came before it";
    ASSERT_EQ(window.invalidate(shop.passive), STATUS_SUCCESS);
    EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
    std::memset(stock.memory.data, 0xDD, kLarge);  // ours alone: nothing may send it now
    const NTSTATUS status = shop.active.next_status();
    if (status == STATUS_SUCCESS) {
      stock.memory.fill(5);
      EXPECT_TRUE(sink.memory.same(stock.memory, kLarge));
    } else {
      EXPECT_EQ(status, STATUS_ACCESS_VIOLATION);
    }
  });
}

TEST(R_FLU_02, AnInvalidateThatWaitsForAnAnswerIsFlushedWithoutIt) {
  everywhere([](Stage& stage) {
    constexpr std::size_t kLarge = 4u << 20;
    Shop shop(stage);
    ASSERT_TRUE(shop.connected);
    Region stock(shop.passive.pd.get(), kLarge), sink(shop.active.pd.get(), kLarge);
    MemoryWindow window(shop.passive.pd.get());
    ASSERT_EQ(window.bind_all(shop.passive, stock, NDK_OP_FLAG_ALLOW_REMOTE_READ), STATUS_SUCCESS);
    EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
    ASSERT_EQ(shop.passive.receive(shop.goods.sge(0, 8)), STATUS_SUCCESS);
    ASSERT_EQ(shop.active.read(sink.all(), stock.address(), window.token()), STATUS_SUCCESS);
    ASSERT_EQ(shop.active.send(shop.basket.sge(0, 8)), STATUS_SUCCESS);
    EXPECT_EQ(shop.passive.next().Type, NdkOperationTypeReceive);
    ASSERT_EQ(window.invalidate(shop.passive), STATUS_SUCCESS);
    shop.passive.flush();
    const NTSTATUS status = shop.passive.next_status();
    EXPECT_TRUE(status == STATUS_CANCELLED || status == STATUS_SUCCESS) << std::hex << status;
    // If its turn had come, the binding ends when the answer is out or the connection is gone; if not, it is still
    // there.
    Request closing;
    const NTSTATUS returned = stock.mr.begin_close(closing);
    shop.pair.active.close();
    shop.pair.passive.close();
    window.mw.close();
    EXPECT_EQ(closing.finish(returned), STATUS_SUCCESS);
  });
}

TEST(R_INV_05, AWindowMayBeBoundAgainWithoutWaitingForItsInvalidate) {
  everywhere([](Stage& stage) {
    Shop shop(stage);
    ASSERT_TRUE(shop.connected);
    Region other(shop.passive.pd.get(), kBytes);
    MemoryWindow window(shop.passive.pd.get());
    ASSERT_EQ(window.bind_all(shop.passive, shop.goods, kReadAndWrite), STATUS_SUCCESS);
    EXPECT_EQ(shop.passive.next_status(), STATUS_SUCCESS);
    // A Read of the peer's may still be answered through the old token when the invalidate's turn comes.
    ASSERT_EQ(shop.active.read(shop.basket.all(), shop.goods.address(), window.token()), STATUS_SUCCESS);
    EXPECT_EQ(shop.active.next_status(), STATUS_SUCCESS);
    ASSERT_EQ(window.invalidate(shop.passive, NDK_OP_FLAG_DEFER), STATUS_SUCCESS);
    ASSERT_EQ(window.bind_all(shop.passive, other, kReadAndWrite), STATUS_SUCCESS);
    EXPECT_EQ(shop.passive.next().Type, NdkOperationTypeInvalidate);
    const NDK_RESULT_EX bound = shop.passive.next();
    EXPECT_EQ(bound.Type, NdkOperationTypeBind);
    EXPECT_EQ(bound.Status, STATUS_SUCCESS);
    EXPECT_EQ(shop.goods.deregister(), STATUS_SUCCESS);
    EXPECT_EQ(other.deregister(), STATUS_INVALID_DEVICE_STATE);
  });
}

// A bind that has taken effect waits in the queue until what was posted before it is with TCP. Cancelled then, it would
// leave a window bound that its consumer believes free.
TEST(R_FLU_08, ABindThatTookEffectIsReportedSoWhenTheQueueIsFlushed) {
  constexpr std::size_t kWindows = 14, kSendBytes = 64 * 1024;
  unsigned bound = 0, cancelled = 0;
  in_simulation(24, [&](Stage& stage) {
    QpShape shape;
    shape.initiator_depth = 64;
    shape.cq_depth = 256;
    Pair pair(stage, "127.0.0.1", shape);
    ASSERT_TRUE(pair.establish());
    Region words(pair.passive.pd.get(), kSendBytes);
    std::deque<Region> regions;
    std::deque<MemoryWindow> windows;
    // The other side posts no receive: it parks some, then reads no more, and TCP is full.
    for (std::size_t i = 0; i < kWindows; ++i) {
      regions.emplace_back(pair.passive.pd.get(), std::size_t{64});
      windows.emplace_back(pair.passive.pd.get());
      ASSERT_EQ(pair.passive.send(words.all()), STATUS_SUCCESS);
      ASSERT_EQ(windows[i].bind(pair.passive, regions[i], 0, 64, kReadAndWrite, 100 + i), STATUS_SUCCESS);
    }
    LARGE_INTEGER pause;
    pause.QuadPart = -10 * 10'000;
    KeDelayExecutionThread(KernelMode, FALSE, &pause);
    pair.passive.flush();
    for (std::size_t done = 0; done < 2 * kWindows; ++done) {
      const NDK_RESULT_EX result = pair.passive.next();
      if (result.Type != NdkOperationTypeBind) continue;
      const std::size_t i = reinterpret_cast<std::uintptr_t>(result.RequestContext) - 100;
      ASSERT_LT(i, kWindows);
      const bool took_effect = result.Status == STATUS_SUCCESS;
      if (!took_effect) {
        EXPECT_EQ(result.Status, STATUS_CANCELLED);
      }
      ++(took_effect ? bound : cancelled);
      EXPECT_EQ(regions[i].deregister(), took_effect ? STATUS_INVALID_DEVICE_STATE : STATUS_SUCCESS) << i;
    }
    pair.active.close();
    pair.passive.close();
    windows.clear();
  });
  EXPECT_GT(bound, 0u);
  EXPECT_GT(cancelled, 0u);
}

}  // namespace
}  // namespace softndk::stack
