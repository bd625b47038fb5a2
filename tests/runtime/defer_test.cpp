// Deferred posting (spec/ndkpi.md 3.6).
#include "channel.h"
#include "ntrt/log_lines.h"

namespace softndk::stack {
namespace {

constexpr ULONG kDefer = NDK_OP_FLAG_DEFER;

/// In both modes (R-DEF-08).
template <class Body>
void in_both_modes(Body body) {
  for (const char* mode : {"at_once", "forced"}) {
    SCOPED_TRACE(mode);
    everywhere(body, {{"defer", mode}});
  }
}

/// A window over all of the passive side's region, and binds of it.
struct Windowed {
  explicit Windowed(Channel& link) : side(link.passive), region(link.there) {
    EXPECT_EQ(create(window, [&](auto... rest) { return side.pd.table()->NdkCreateMw(side.pd.get(), rest...); }),
              STATUS_SUCCESS);
  }
  NTSTATUS bind(UINT_PTR context, ULONG flags) {
    return side.qp.table()->NdkBind(side.qp.get(), reinterpret_cast<PVOID>(context), region.mr.get(), window.get(),
                                    region.memory.data, region.memory.bytes, flags | NDK_OP_FLAG_ALLOW_REMOTE_READ);
  }
  NTSTATUS invalidate(UINT_PTR context, ULONG flags) {
    return side.qp.table()->NdkInvalidate(side.qp.get(), reinterpret_cast<PVOID>(context), &window.get()->Header,
                                          flags);
  }
  Side& side;
  Region& region;
  Object<NDK_MW> window;
};

TEST(R_DEF_01, EachKindOfRequestMayBeDeferredAndIsDoneInTheEnd) {
  in_both_modes([](Stage& stage) {
    Channel link(stage);
    ASSERT_TRUE(link.established);
    {
      Windowed windowed(link);
      Side& side = link.passive;
      ASSERT_EQ(link.active.receive(link.here.all()), STATUS_SUCCESS);
      ASSERT_EQ(link.active.receive(link.here.all()), STATUS_SUCCESS);
      ASSERT_EQ(windowed.bind(1, kDefer), STATUS_SUCCESS);
      ASSERT_EQ(side.read(link.there.sge(0, 64), link.here.address(), link.here.token(), 2, kDefer), STATUS_SUCCESS);
      ASSERT_EQ(side.write(link.there.sge(0, 64), link.here.address(), link.here.token(), 3, kDefer), STATUS_SUCCESS);
      ASSERT_EQ(side.send(link.there.sge(0, 8), 4, kDefer), STATUS_SUCCESS);
      ASSERT_EQ(windowed.invalidate(5, kDefer), STATUS_SUCCESS);
      ASSERT_EQ(side.send(link.there.sge(0, 8), 6), STATUS_SUCCESS);
      for (UINT_PTR i = 1; i <= 6; ++i) {
        const NDK_RESULT_EX result = side.next();
        EXPECT_EQ(result.Status, STATUS_SUCCESS) << i;
        EXPECT_EQ(result.RequestContext, reinterpret_cast<PVOID>(i)) << "R-DEF-06: in posting order";
      }
    }
    EXPECT_EQ(link.active.next_status(), STATUS_SUCCESS);
    EXPECT_EQ(link.active.next_status(), STATUS_SUCCESS);
  });
}

TEST(R_DEF_02, AnEntryForEachPostThatSucceededAndNoneForOneThatFailed) {
  in_both_modes([](Stage& stage) {
    Channel link(stage);
    ASSERT_TRUE(link.established);
    Region echo(link.passive.pd.get(), 64);
    for (UINT_PTR i = 0; i < 10; ++i) {
      const bool fails = i % 3 == 1;
      const ULONG flags = fails ? 0x400u : i == 9 ? 0 : kDefer;
      EXPECT_EQ(link.active.write(link.here.sge(0, 8), echo.address(), echo.token(), i, flags),
                fails ? STATUS_INVALID_PARAMETER : STATUS_SUCCESS);
    }
    for (UINT_PTR i = 0; i < 10; ++i) {
      if (i % 3 == 1) continue;
      const NDK_RESULT_EX result = link.active.next();
      EXPECT_EQ(result.Status, STATUS_SUCCESS);
      EXPECT_EQ(result.RequestContext, reinterpret_cast<PVOID>(i));
    }
    EXPECT_TRUE(link.active.queue.is_empty());
  });
}

TEST(R_DEF_03, AFailedPostStartsWhatWasDeferredBefore) {
  // Failures that the provider sees, and those that only the device sees.
  enum class Failure { flags, sges, octets, full };
  for (const auto failure : {Failure::flags, Failure::sges, Failure::octets, Failure::full}) {
    everywhere(
        [failure](Stage& stage) {
          const ULONG depth = failure == Failure::full ? 2 : 8;
          Channel link(stage, {.initiator_depth = depth});
          ASSERT_TRUE(link.established);
          for (UINT_PTR i = 1; i <= 2; ++i) {
            ASSERT_EQ(link.passive.receive(link.there.all(), i), STATUS_SUCCESS);
            ASSERT_EQ(link.active.send(link.here.sge(0, 8), i, kDefer), STATUS_SUCCESS);
          }
          NDK_SGE sge = link.here.sge(0, 8);
          if (failure == Failure::octets) sge.Length = stage.adapter->info.MaxTransferLength + 1;
          const std::vector<NDK_SGE> sges(failure == Failure::sges ? 9 : 1, sge);
          const ULONG flags = failure == Failure::flags ? 0x400 : 0;
          NDK_QP* qp = link.active.qp.get();
          EXPECT_FALSE(NT_SUCCESS(
              qp->Dispatch->NdkSend(qp, nullptr, sges.data(), static_cast<ULONG>(sges.size()), flags | kDefer)));
          for (UINT_PTR i = 1; i <= 2; ++i) {
            EXPECT_EQ(link.passive.next().RequestContext, reinterpret_cast<PVOID>(i));
            EXPECT_EQ(link.active.next().RequestContext, reinterpret_cast<PVOID>(i));
          }
        },
        {}, 3);
  }
}

TEST(R_DEF_04, APostWithoutTheFlagStartsAllThatWereDeferredBefore) {
  in_both_modes([](Stage& stage) {
    Channel link(stage);
    ASSERT_TRUE(link.established);
    for (UINT_PTR i = 1; i <= 12; ++i)
      ASSERT_EQ(link.passive.receive(link.there.all(), i), STATUS_SUCCESS);
    for (UINT_PTR i = 1; i <= 12; ++i)
      ASSERT_EQ(link.active.send(link.here.sge(0, i), i, i < 12 ? kDefer : 0), STATUS_SUCCESS);
    for (UINT_PTR i = 1; i <= 12; ++i) {
      const NDK_RESULT_EX got = link.passive.next();
      EXPECT_EQ(got.RequestContext, reinterpret_cast<PVOID>(i));
      EXPECT_EQ(got.BytesTransferred, i) << "R-DEF-06";
      EXPECT_EQ(link.active.next().RequestContext, reinterpret_cast<PVOID>(i));
    }
  });
}

TEST(R_DEF_05, AChainThatIsNeverEndedIsReportedWhenItsQueuePairCloses) {
  in_simulation(6, [](Stage& stage) {
    ntrt::LogLines lines;
    for (const bool ends : {true, false}) {
      Channel link(stage);
      ASSERT_TRUE(link.established);
      ASSERT_EQ(link.active.send(link.here.sge(0, 8), 1, kDefer), STATUS_SUCCESS);
      if (ends) {
        ASSERT_EQ(link.active.send(link.here.sge(0, 8), 2), STATUS_SUCCESS);
      }
      link.pair.active.close();
      EXPECT_EQ(lines.has("deferred requests were never started"), !ends);
    }
  });
}

TEST(R_DEF_06, DeferredAndOthersKeepTheirOrder) {
  in_both_modes([](Stage& stage) {
    Channel link(stage, {.receive_depth = 64, .initiator_depth = 64});
    ASSERT_TRUE(link.established);
    Windowed windowed(link);
    // The window's token is valid for what is posted behind its bind, although both are deferred.
    ASSERT_EQ(windowed.bind(1, kDefer), STATUS_SUCCESS);
    const UINT32 token = windowed.window.table()->NdkGetRemoteTokenFromMw(windowed.window.get());
    ASSERT_EQ(link.active.receive(link.here.sge(0, 8)), STATUS_SUCCESS);
    ASSERT_EQ(link.passive.send(link.there.sge(0, 8), 2), STATUS_SUCCESS);
    ASSERT_EQ(link.active.next_status(), STATUS_SUCCESS);
    ASSERT_EQ(link.active.read(link.here.sge(0, 64), link.there.address(), token), STATUS_SUCCESS);
    EXPECT_EQ(link.active.next_status(), STATUS_SUCCESS);
    for (UINT_PTR i = 1; i <= 2; ++i)
      EXPECT_EQ(link.passive.next().RequestContext, reinterpret_cast<PVOID>(i));
  });
}

TEST(R_DEF_07, WhatHasNotStartedIsFlushedLikeAnyOther) {
  enum class End { flush, disconnect, error, close };
  for (const auto end : {End::flush, End::disconnect, End::error, End::close}) {
    in_both_modes([end](Stage& stage) {
      Channel link(stage);
      ASSERT_TRUE(link.established);
      ASSERT_EQ(link.passive.receive(link.there.all()), STATUS_SUCCESS);
      ASSERT_EQ(link.active.send(link.here.sge(0, 8), 1, kDefer), STATUS_SUCCESS);
      ASSERT_EQ(link.active.write(link.here.sge(0, 8), link.there.address(), link.there.token(), 2, kDefer),
                STATUS_SUCCESS);
      Request leaving;
      NTSTATUS returned = STATUS_SUCCESS;
      switch (end) {
        case End::flush:
          link.active.flush();
          break;
        case End::disconnect:
          returned = link.active.begin_disconnect(leaving);
          ASSERT_TRUE(link.passive.left.wait());
          EXPECT_EQ(link.passive.disconnect(), STATUS_SUCCESS);
          break;
        case End::error:
          link.passive.connector.close();  // the peer is gone, abortively
          break;
        case End::close:
          link.pair.active.close();
          break;
      }
      EXPECT_EQ(leaving.finish(returned), STATUS_SUCCESS) << "nobody waits for the end of the chain (R-DISC-10)";
      for (UINT_PTR i = 1; i <= 2; ++i) {
        const NDK_RESULT_EX result = link.active.next();
        EXPECT_EQ(result.RequestContext, reinterpret_cast<PVOID>(i));
        EXPECT_TRUE(result.Status == STATUS_CANCELLED || result.Status == STATUS_SUCCESS);
        if (end == End::disconnect) {
          EXPECT_EQ(result.Status, STATUS_SUCCESS);
        }
      }
      EXPECT_TRUE(link.active.queue.is_empty());
    });
  }
}

TEST(R_DEF_08, StartedAtOnceOrOnlyWhenForced) {
  for (const bool forced : {false, true}) {
    in_simulation(12,
                  [forced](Stage& stage) {
                    Channel link(stage);
                    ASSERT_TRUE(link.established);
                    for (UINT_PTR i = 1; i <= 3; ++i)
                      ASSERT_EQ(link.passive.receive(link.there.all(), i), STATUS_SUCCESS);
                    ASSERT_EQ(link.active.send(link.here.sge(0, 8), 1, kDefer), STATUS_SUCCESS);
                    ASSERT_EQ(link.active.send(link.here.sge(0, 8), 2, kDefer), STATUS_SUCCESS);
                    // The peer's Read keeps our transmit side busy: it is no reason to start.
                    ASSERT_EQ(link.passive.read(link.there.all(), link.here.address(), link.here.token(), 9),
                              STATUS_SUCCESS);
                    if (!forced) {
                      EXPECT_EQ(link.active.next_status(), STATUS_SUCCESS);
                      EXPECT_EQ(link.active.next_status(), STATUS_SUCCESS);
                      return;
                    }
                    EXPECT_EQ(link.passive.next().RequestContext, reinterpret_cast<PVOID>(9));
                    pass_ms(1'000);
                    EXPECT_TRUE(link.active.queue.is_empty());
                    EXPECT_TRUE(link.passive.queue.is_empty());
                    ASSERT_EQ(link.active.send(link.here.sge(0, 8), 3), STATUS_SUCCESS);
                    for (UINT_PTR i = 1; i <= 3; ++i)
                      EXPECT_EQ(link.passive.next().RequestContext, reinterpret_cast<PVOID>(i));
                  },
                  {{"defer", forced ? "forced" : "at_once"}});
  }
}

}  // namespace
}  // namespace softndk::stack
