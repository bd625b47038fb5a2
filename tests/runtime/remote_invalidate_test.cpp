// Remote invalidation (spec/ndkpi.md 3.14): the peer's Send takes a token of ours away, and the receive that it
// completes says which. The passive end lends a window, the active end gives it back.
#include "lease.h"
#include "raw_visit.h"

namespace softndk::stack {
namespace {

TEST(R_SINV_01, TheTokenIsDeadWhenTheReceiveIsReported) {
  everywhere([](Stage& stage) {
    Lease lease(stage);
    ASSERT_TRUE(lease.connected);
    for (const std::size_t bytes : {std::size_t{40}, std::size_t{0}, kLeaseBytes}) {
      ASSERT_EQ(lease.owner.receive(lease.inbox.all(), 31), STATUS_SUCCESS);
      const UINT32 token = lease.lend();
      EXPECT_EQ(lease.read(token), STATUS_SUCCESS);
      EXPECT_EQ(lease.land.deregister(), STATUS_INVALID_DEVICE_STATE) << "R-MR-12";
      ASSERT_EQ(lease.give_back(token, bytes), STATUS_SUCCESS);
      const NDK_RESULT_EX got = lease.owner.next();
      EXPECT_EQ(got.Status, STATUS_SUCCESS);
      EXPECT_EQ(got.BytesTransferred, bytes) << "R-SEND-03";
      EXPECT_EQ(got.RequestContext, reinterpret_cast<PVOID>(31));
      EXPECT_EQ(got.QPContext, &lease.owner);
      EXPECT_TRUE(lease.inbox.memory.same(lease.desk.memory, bytes));
      EXPECT_EQ(lease.land.deregister(), STATUS_SUCCESS) << "no window is bound to it any more";
      EXPECT_EQ(lease.land.register_with(kAllAccess), STATUS_SUCCESS);
      EXPECT_EQ(lease.peer.next_status(), STATUS_SUCCESS);
    }
    const UINT32 token = lease.lend();
    ASSERT_EQ(lease.owner.receive(lease.inbox.all()), STATUS_SUCCESS);
    ASSERT_EQ(lease.give_back(token), STATUS_SUCCESS);
    EXPECT_EQ(lease.owner.next_status(), STATUS_SUCCESS);
    EXPECT_EQ(lease.peer.next_status(), STATUS_SUCCESS);
    EXPECT_EQ(lease.read(token), STATUS_ACCESS_VIOLATION) << "R-INV-04";
    lease.expect_broken();
  });
}

TEST(R_SINV_01, NothingGoesThroughTheTokenAfterTheReceivesCompletion) {
  everywhere([](Stage& stage) {
    constexpr std::size_t kLarge = 4u << 20;
    Lease lease(stage, kLarge);
    ASSERT_TRUE(lease.connected);
    ASSERT_EQ(lease.owner.receive(lease.inbox.all()), STATUS_SUCCESS);
    const UINT32 token = lease.lend();
    // Without a fence: the answer may be half out when the Send comes.
    ASSERT_EQ(lease.peer.read(lease.desk.all(), lease.land.address(), token), STATUS_SUCCESS);
    ASSERT_EQ(send_and_invalidate(lease.peer, lease.inbox.sge(0, 0), token), STATUS_SUCCESS);
    const NDK_RESULT_EX got = lease.owner.next();
    Memory kept(kLarge);
    kept.fill(3);
    std::memset(lease.land.memory.data, 0xDD, kLarge);  // ours alone: nothing may send it now
    if (got.Status != STATUS_SUCCESS) {
      // The answer had not begun: it is refused, and that breaks the connection before the receive is reported.
      EXPECT_EQ(got.Status, STATUS_CANCELLED);
    }
    const NTSTATUS status = lease.peer.next_status();
    if (status == STATUS_SUCCESS) {
      EXPECT_TRUE(lease.desk.memory.same(kept, kLarge));
    } else {
      EXPECT_EQ(status, STATUS_ACCESS_VIOLATION);
    }
  });
}

TEST(R_SINV_01, TheWindowMayBeBoundAgainFromThenOn) {
  everywhere([](Stage& stage) {
    Lease lease(stage);
    ASSERT_TRUE(lease.connected);
    UINT32 old = 0;
    for (int round = 0; round < 50; ++round) {
      ASSERT_EQ(lease.owner.receive(lease.inbox.all()), STATUS_SUCCESS);
      const UINT32 token = lease.lend();
      ASSERT_NE(token, old) << "R-MW-06";
      ASSERT_EQ(lease.peer.write(lease.desk.sge(0, 128), lease.land.address(), token, 1, NDK_OP_FLAG_SILENT_SUCCESS),
                STATUS_SUCCESS);
      ASSERT_EQ(lease.give_back(token, 8), STATUS_SUCCESS);
      ASSERT_EQ(lease.owner.next().TypeSpecificCompletionOutput, token);
      ASSERT_TRUE(lease.land.memory.same(lease.desk.memory, 128)) << "R-RDMA-06";
      ASSERT_EQ(lease.peer.next_status(), STATUS_SUCCESS);
      old = token;
    }
  });
}

/// What a peer may name, and is not allowed to invalidate.
enum class Bad { unknown, zero, key, region, local_region, privileged, logical, foreign, twice, unbound, next_bind };

TEST(R_SINV_02, ATokenThatCannotBeInvalidatedBreaksTheConnection) {
  for (const Bad bad : {Bad::unknown, Bad::zero, Bad::key, Bad::region, Bad::local_region, Bad::privileged,
                        Bad::logical, Bad::foreign, Bad::twice, Bad::unbound, Bad::next_bind}) {
    SCOPED_TRACE(static_cast<int>(bad));
    everywhere(
        [bad](Stage& stage) {
          Lease lease(stage);
          ASSERT_TRUE(lease.connected);
          Pair strangers(stage);
          ASSERT_TRUE(strangers.establish());
          Region elsewhere(strangers.passive.pd.get(), kLeaseBytes);
          MemoryWindow foreign(strangers.passive.pd.get());
          ASSERT_EQ(foreign.bind_all(strangers.passive, elsewhere, kReadAndWrite), STATUS_SUCCESS);
          ASSERT_EQ(strangers.passive.next_status(), STATUS_SUCCESS);
          Region private_land(lease.owner.pd.get(), kLeaseBytes, NDK_MR_FLAG_ALLOW_LOCAL_WRITE);
          Lam lam(*stage.adapter, lease.inbox.memory);
          UINT32 token = lease.lend();
          switch (bad) {
            case Bad::unknown:
              token ^= 0x123400;
              break;
            case Bad::zero:
              token = 0;
              break;
            case Bad::key:
              token ^= 0x80;
              break;
            case Bad::region:
              token = lease.land.token();
              break;
            case Bad::local_region:
              token = private_land.token();
              break;
            case Bad::privileged:
              token = privileged_token(lease.owner.pd.get());
              break;
            case Bad::logical:
              token = static_cast<UINT32>(lam.address() >> 32);
              break;
            case Bad::foreign:
              token = foreign.token();
              break;
            case Bad::twice:
              ASSERT_EQ(lease.owner.receive(lease.inbox.all()), STATUS_SUCCESS);
              ASSERT_EQ(lease.give_back(token), STATUS_SUCCESS);
              EXPECT_EQ(lease.peer.next_status(), STATUS_SUCCESS);
              EXPECT_EQ(lease.owner.next_status(), STATUS_SUCCESS);
              break;
            case Bad::unbound:
              ASSERT_EQ(lease.window.invalidate(lease.owner), STATUS_SUCCESS);
              EXPECT_EQ(lease.owner.next_status(), STATUS_SUCCESS);
              break;
            case Bad::next_bind:
              token = (token & ~0xFFu) | ((token + 1) & 0xFF);
              break;
          }
          ASSERT_EQ(lease.owner.receive(lease.inbox.all(), 41), STATUS_SUCCESS);
          ASSERT_EQ(lease.owner.receive(lease.inbox.all(), 42), STATUS_SUCCESS);
          ASSERT_EQ(lease.give_back(token), STATUS_SUCCESS);
          for (const std::uintptr_t context : {41, 42}) {
            const NDK_RESULT_EX got = lease.owner.next();
            EXPECT_EQ(got.Status, STATUS_CANCELLED) << "R-SINV-04";
            EXPECT_EQ(got.RequestContext, reinterpret_cast<PVOID>(context));
            EXPECT_EQ(got.Type, NdkOperationTypeReceive);
            EXPECT_EQ(got.TypeSpecificCompletionOutput, 0u);
          }
          EXPECT_TRUE(is_done_or_cancelled(lease.peer.next_status()));
          lease.expect_broken();
          // The others go on as if nothing had been.
          Region sink(strangers.active.pd.get(), 64);
          ASSERT_EQ(strangers.active.read(sink.all(), elsewhere.address(), foreign.token()), STATUS_SUCCESS);
          EXPECT_EQ(strangers.active.next_status(), STATUS_SUCCESS);
          EXPECT_EQ(private_land.deregister(), STATUS_SUCCESS);
        },
        {}, 3);
  }
}

TEST(R_SINV_03, ABoundWindowOfTheQueuePairsDomainIsAValidTargetOnEveryConnection) {
  everywhere([](Stage& stage) {
    Lease lease(stage);
    ASSERT_TRUE(lease.connected);
    // Another connection whose passive end has the same domain.
    Door door(*stage.adapter);
    ASSERT_EQ(door.listen(Sockaddr("127.0.0.1")), STATUS_SUCCESS);
    Side other(*stage.adapter);
    Object<NDK_QP> second;
    Queue queue(*stage.adapter);
    ASSERT_EQ(create(second,
                     [&](auto... rest) {
                       return lease.owner.pd.table()->NdkCreateQp(lease.owner.pd.get(), queue.cq.get(), queue.cq.get(),
                                                                  nullptr, 4, 4, 4, 4, 0, rest...);
                     }),
              STATUS_SUCCESS);
    Request connecting, accepting;
    const NTSTATUS connected = other.begin_connect(connecting, Sockaddr("127.0.0.1"), door.address());
    ASSERT_EQ(connected, STATUS_PENDING);
    Object<NDK_CONNECTOR> taken = door.next();
    const NTSTATUS accepted = taken.table()->NdkAccept(taken.get(), second.get(), 4, 4, nullptr, 0, nullptr, nullptr,
                                                       &Request::completed, &accepting);
    ASSERT_EQ(connecting.finish(connected), STATUS_SUCCESS);
    ASSERT_EQ(other.complete(), STATUS_SUCCESS);
    ASSERT_EQ(accepting.finish(accepted), STATUS_SUCCESS);

    const UINT32 token = lease.lend();
    const NDK_SGE sge = lease.inbox.all();
    ASSERT_EQ(second.table()->NdkReceive(second.get(), nullptr, &sge, 1), STATUS_SUCCESS);
    Region letter(other.pd.get(), 16);
    ASSERT_EQ(send_and_invalidate(other, letter.all(), token), STATUS_SUCCESS);
    const NDK_RESULT_EX got = queue.next();
    EXPECT_EQ(got.Status, STATUS_SUCCESS);
    EXPECT_EQ(got.TypeSpecificCompletionOutput, token);
    EXPECT_EQ(lease.read(token), STATUS_ACCESS_VIOLATION) << "dead for all peers";
    other.close();
    taken.close();
    second.close();
  });
}

TEST(R_SINV_03, AValidFastRegisterRegionWithRemoteRightsIsAValidTarget) {
  everywhere([](Stage& stage) {
    Lease lease(stage);
    ASSERT_TRUE(lease.connected);
    Lam lam(*stage.adapter, lease.land.memory);
    FastRegion fast(lease.owner.pd.get(), lam.page_count());
    for (UINT64 base = 0x10'0000'0000; base < 0x18'0000'0000; base += 0x1'0000'0000) {
      ASSERT_EQ(lease.owner.receive(lease.inbox.all()), STATUS_SUCCESS);
      ASSERT_EQ(fast.enlist(lease.owner, lam, kLeaseBytes, base, kFastAll), STATUS_SUCCESS);
      EXPECT_EQ(lease.owner.next_status(), STATUS_SUCCESS);
      ASSERT_EQ(lease.peer.read(lease.desk.sge(0, 64), base + 100, fast.token()), STATUS_SUCCESS);
      EXPECT_EQ(lease.peer.next_status(), STATUS_SUCCESS);
      ASSERT_EQ(lease.give_back(fast.token()), STATUS_SUCCESS);
      EXPECT_EQ(lease.peer.next_status(), STATUS_SUCCESS);
      const NDK_RESULT_EX got = lease.owner.next();
      EXPECT_EQ(got.Type, ULONG{NdkOperationTypeReceiveAndInvalidate});
      EXPECT_EQ(got.TypeSpecificCompletionOutput, fast.token());
    }
    // Invalid now, for its own consumer and for its peer.
    ASSERT_EQ(lease.peer.read(lease.desk.sge(0, 64), 0x17'0000'0000, fast.token()), STATUS_SUCCESS);
    EXPECT_EQ(lease.peer.next_status(), STATUS_ACCESS_VIOLATION);
    lease.expect_broken();
  });
}

TEST(R_SINV_03, AFastRegisterRegionThatIsInvalidOrForOurselvesIsNone) {
  for (const bool valid : {false, true}) {
    everywhere(
        [valid](Stage& stage) {
          Lease lease(stage);
          ASSERT_TRUE(lease.connected);
          Lam lam(*stage.adapter, lease.land.memory);
          FastRegion fast(lease.owner.pd.get(), lam.page_count());
          if (valid) {
            ASSERT_EQ(fast.enlist(lease.owner, lam, kLeaseBytes, 0x10'0000'0000, NDK_OP_FLAG_ALLOW_LOCAL_WRITE),
                      STATUS_SUCCESS);
            EXPECT_EQ(lease.owner.next_status(), STATUS_SUCCESS);
          }
          ASSERT_EQ(lease.owner.receive(lease.inbox.all()), STATUS_SUCCESS);
          ASSERT_EQ(lease.give_back(fast.token()), STATUS_SUCCESS);
          EXPECT_EQ(lease.owner.next_status(), STATUS_CANCELLED);
          lease.expect_broken();
        },
        {}, 3);
  }
}

TEST(R_SINV_04, TheSendersRequestSucceedsOrIsCancelledAndNothingElse) {
  everywhere([](Stage& stage) {
    Lease lease(stage);
    ASSERT_TRUE(lease.connected);
    ASSERT_EQ(lease.owner.receive(lease.inbox.all()), STATUS_SUCCESS);
    for (UINT_PTR i = 0; i < 8; ++i) {
      const NTSTATUS posted = send_and_invalidate(lease.peer, lease.desk.sge(0, 16), 0x7700 + UINT32(i), i);
      if (posted == STATUS_CONNECTION_INVALID) break;
      ASSERT_EQ(posted, STATUS_SUCCESS);
      const NDK_RESULT_EX sent = lease.peer.next();
      EXPECT_TRUE(is_done_or_cancelled(sent.Status)) << std::hex << static_cast<unsigned>(sent.Status);
      EXPECT_EQ(sent.RequestContext, reinterpret_cast<PVOID>(i));
    }
    EXPECT_EQ(lease.owner.next_status(), STATUS_CANCELLED);
    lease.expect_broken();
  });
}

TEST(R_SINV_05, TheFlagsWorkAsForASend) {
  everywhere([](Stage& stage) {
    Lease lease(stage, kLeaseBytes, {.sges = 2, .inline_bytes = 100});
    ASSERT_TRUE(lease.connected);
    NDK_QP* qp = lease.peer.qp.get();
    for (int i = 0; i < 4; ++i)
      ASSERT_EQ(lease.owner.receive(lease.inbox.all()), STATUS_SUCCESS);
    // Silent, and inline from more pieces than the queue pair has sges for, out of memory of nobody's.
    UINT32 token = lease.lend();
    std::uint8_t stack[90];
    NDK_SGE pieces[9];
    for (int i = 0; i < 9; ++i) {
      pieces[i].VirtualAddress = stack + i * 10;
      pieces[i].Length = 10;
      pieces[i].MemoryRegionToken = 0xBADBAD;
    }
    std::memset(stack, 0x42, sizeof stack);
    ASSERT_EQ(qp->Dispatch->NdkSendAndInvalidate(qp, nullptr, pieces, 9,
                                                 NDK_OP_FLAG_INLINE | NDK_OP_FLAG_SILENT_SUCCESS, token),
              STATUS_SUCCESS);
    std::memset(stack, 0xFF, sizeof stack);
    EXPECT_EQ(lease.owner.next().TypeSpecificCompletionOutput, token);
    for (int i = 0; i < 90; ++i)
      ASSERT_EQ(lease.inbox.memory.data[i], 0x42);
    pieces[8].Length = 21;
    EXPECT_EQ(qp->Dispatch->NdkSendAndInvalidate(qp, nullptr, pieces, 9, NDK_OP_FLAG_INLINE, token),
              STATUS_DATA_OVERRUN);
    EXPECT_EQ(qp->Dispatch->NdkSendAndInvalidate(qp, nullptr, pieces, 9, 0, token), STATUS_DATA_OVERRUN);
    EXPECT_EQ(qp->Dispatch->NdkSendAndInvalidate(qp, nullptr, pieces, 1, 0x400, token), STATUS_INVALID_PARAMETER);
    // Fenced: the Read through the token is over before the token goes.
    token = lease.lend();
    ASSERT_EQ(lease.peer.read(lease.desk.all(), lease.land.address(), token, 21), STATUS_SUCCESS);
    ASSERT_EQ(lease.give_back(token, 8, NDK_OP_FLAG_READ_FENCE), STATUS_SUCCESS);
    EXPECT_EQ(lease.peer.next().RequestContext, reinterpret_cast<PVOID>(21));
    EXPECT_EQ(lease.peer.next_status(), STATUS_SUCCESS);
    EXPECT_TRUE(lease.desk.memory.same(lease.land.memory, kLeaseBytes));
    EXPECT_EQ(lease.owner.next().TypeSpecificCompletionOutput, token);
    // Deferred: success, and begun with what follows.
    token = lease.lend();
    ASSERT_EQ(lease.give_back(token, 8, NDK_OP_FLAG_DEFER), STATUS_SUCCESS);
    ASSERT_EQ(lease.peer.send(lease.desk.sge(0, 9)), STATUS_SUCCESS);
    EXPECT_EQ(lease.owner.next().TypeSpecificCompletionOutput, token);
    EXPECT_EQ(lease.owner.next().BytesTransferred, 9u);
  });
}

TEST(R_SINV_06, APeerWithoutItEndsTheConnectionAndThatIsAll) {
  // As a provider without remote invalidation answers.
  everywhere([](Stage& stage) {
    Visit visit(stage);
    ASSERT_TRUE(visit.connected);
    Target target(visit.owner, Kind::window, kLeaseBytes);
    Region letter(visit.owner.pd.get(), 16);
    ASSERT_EQ(send_and_invalidate(visit.owner, letter.all(), target.token), STATUS_SUCCESS) << "named to the peer";
    EXPECT_EQ(visit.owner.next_status(), STATUS_SUCCESS);
    const iwarp::test::Octets ulpdu = visit.raw.read_ulpdu();
    ASSERT_EQ(ulpdu.size(), 18u + 16);
    EXPECT_EQ(ulpdu[1] & 0x0F, 4) << "Send with Invalidate";
    EXPECT_EQ(load_be32(ulpdu.data() + 2), target.token);
    ASSERT_TRUE(visit.raw.send(rnic::test::terminate_octets(iwarp::terminate_code::kUnexpectedOpcode)));
    EXPECT_TRUE(visit.owner.left.wait());
    for (int i = 0; i < 2; ++i)
      EXPECT_EQ(visit.owner.next_status(), STATUS_CANCELLED);
    EXPECT_EQ(target.mr.table()->NdkDeregisterMr(target.mr.get(), &Request::completed, nullptr),
              STATUS_INVALID_DEVICE_STATE)
        << "its own tokens are as they were";
  });
}

TEST(R_SINV_07, TheFunctionIsThereFromOneTwoOn) {
  everywhere([](Stage& stage) {
    for (const NDK_VERSION asked : {NDK_VERSION{1, 0}, NDK_VERSION{1, 2}, NDK_VERSION{2, 0}}) {
      OpenAdapter adapter(stage.loopback_index(), asked);
      ASSERT_EQ(adapter.status, STATUS_SUCCESS);
      ASSERT_TRUE(adapter.info.Version.Major > 1 || adapter.info.Version.Minor >= 2);
      Side side(adapter);
      Region region(side.pd.get(), 64);
      EXPECT_EQ(send_and_invalidate(side, region.all(), 1), STATUS_CONNECTION_INVALID);
    }
  });
}

}  // namespace
}  // namespace softndk::stack
