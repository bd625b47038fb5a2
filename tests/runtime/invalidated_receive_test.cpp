// What the ends see of a remote invalidation: entries, events, the owner's own calls meeting it (spec/ndkpi.md 3.14).
#include "lease.h"

namespace softndk::stack {
namespace {

TEST(R_CQ_18, TheReceiveNamesTheTokenThatItsSendTookAway) {
  everywhere([](Stage& stage) {
    Lease lease(stage);
    ASSERT_TRUE(lease.connected);
    for (int i = 0; i < 3; ++i)
      ASSERT_EQ(lease.owner.receive(lease.inbox.all()), STATUS_SUCCESS);
    const UINT32 token = lease.lend();
    ASSERT_EQ(lease.peer.send(lease.desk.sge(0, 5)), STATUS_SUCCESS);
    ASSERT_EQ(lease.give_back(token, 6), STATUS_SUCCESS);
    ASSERT_EQ(lease.peer.send(lease.desk.sge(0, 7)), STATUS_SUCCESS);
    const ULONG types[] = {NdkOperationTypeReceive, NdkOperationTypeReceiveAndInvalidate, NdkOperationTypeReceive};
    for (unsigned i = 0; i < 3; ++i) {
      const NDK_RESULT_EX got = lease.owner.next();
      EXPECT_EQ(got.Status, STATUS_SUCCESS);
      EXPECT_EQ(got.BytesTransferred, 5 + i);
      EXPECT_EQ(got.Type, types[i]);
      EXPECT_EQ(got.TypeSpecificCompletionOutput, i == 1 ? token : 0u);
      EXPECT_EQ(got.ProviderErrorCode, 0u) << "R-CQ-21";
    }
  });
}

TEST(R_CQ_17, TheReceiveBitIsInTheTwoReceiveTypesOnly) {
  everywhere(
      [](Stage& stage) {
        Lease lease(stage);
        ASSERT_TRUE(lease.connected);
        ASSERT_EQ(lease.owner.receive(lease.inbox.all()), STATUS_SUCCESS);
        ASSERT_EQ(lease.owner.receive(lease.inbox.all()), STATUS_SUCCESS);
        EXPECT_EQ(lease.window.bind_all(lease.owner, lease.land, kReadAndWrite), STATUS_SUCCESS);
        EXPECT_EQ(lease.owner.next().Type & NdkOperationTypeReceive, 0u);
        ASSERT_EQ(lease.give_back(lease.window.token()), STATUS_SUCCESS);
        ASSERT_EQ(lease.peer.send(lease.desk.sge(0, 5)), STATUS_SUCCESS);
        for (int i = 0; i < 2; ++i) {
          EXPECT_NE(lease.owner.next().Type & NdkOperationTypeReceive, 0u);
          EXPECT_EQ(lease.peer.next().Type & NdkOperationTypeReceive, 0u);
        }
      },
      {}, 2);
}

TEST(R_CQ_19, TheSendersEntryIsThatOfASend) {
  everywhere([](Stage& stage) {
    Lease lease(stage);
    ASSERT_TRUE(lease.connected);
    ASSERT_EQ(lease.owner.receive(lease.inbox.all()), STATUS_SUCCESS);
    ASSERT_EQ(lease.give_back(lease.lend()), STATUS_SUCCESS);
    const NDK_RESULT_EX sent = lease.peer.next();
    EXPECT_EQ(sent.Status, STATUS_SUCCESS);
    EXPECT_EQ(sent.Type, NdkOperationTypeSend);
    EXPECT_EQ(sent.RequestContext, reinterpret_cast<PVOID>(7));
    EXPECT_EQ(sent.BytesTransferred, 0u);
    EXPECT_EQ(sent.TypeSpecificCompletionOutput, 0u);
  });
}

TEST(R_CQ_20, ThePlainFormTakesItTooAndTheTokenIsInvalidAllTheSame) {
  everywhere([](Stage& stage) {
    Lease lease(stage);
    ASSERT_TRUE(lease.connected);
    ASSERT_EQ(lease.owner.receive(lease.inbox.all(), 77), STATUS_SUCCESS);
    const UINT32 token = lease.lend();
    lease.owner.queue.arm();
    ASSERT_EQ(lease.give_back(token), STATUS_SUCCESS);
    ASSERT_TRUE(lease.owner.queue.told.wait());
    NDK_CQ* cq = lease.owner.queue.cq.get();
    NDK_RESULT plain[2];
    std::memset(plain, 0x5A, sizeof plain);
    ASSERT_EQ(cq->Dispatch->NdkGetCqResults(cq, plain, 2), 1u);
    EXPECT_EQ(plain[0].Status, STATUS_SUCCESS);
    EXPECT_EQ(plain[0].BytesTransferred, 40u);
    EXPECT_EQ(plain[0].RequestContext, reinterpret_cast<PVOID>(77));
    EXPECT_EQ(plain[1].Status, 0x5A5A5A5A) << "R-CQ-13";
    EXPECT_EQ(lease.land.deregister(), STATUS_SUCCESS);
  });
}

TEST(R_INV_03, WhatThePeerHasInvalidatedCannotBeInvalidatedAgain) {
  everywhere([](Stage& stage) {
    Lease lease(stage);
    ASSERT_TRUE(lease.connected);
    ASSERT_EQ(lease.owner.receive(lease.inbox.all()), STATUS_SUCCESS);
    ASSERT_EQ(lease.give_back(lease.lend()), STATUS_SUCCESS);
    EXPECT_EQ(lease.owner.next().Type, ULONG{NdkOperationTypeReceiveAndInvalidate});
    ASSERT_EQ(lease.window.invalidate(lease.owner), STATUS_SUCCESS);
    EXPECT_EQ(lease.owner.next_status(), STATUS_INVALID_DEVICE_REQUEST);
    lease.expect_broken();
  });
}

// The two ends of a binding meet: one of them wins, the other one's connection breaks, and the region is free.
TEST(R_INV_03, TheOwnersInvalidateAndThePeersMeet) {
  unsigned peer_won = 0, owner_won = 0;
  in_simulation(60, [&](Stage& stage) {
    Lease lease(stage);
    ASSERT_TRUE(lease.connected);
    ASSERT_EQ(lease.owner.receive(lease.inbox.all(), 1), STATUS_SUCCESS);
    const UINT32 token = lease.lend();
    NTSTATUS given = STATUS_SUCCESS;
    const LONGLONG later_us = (peer_won + owner_won) * 50ll;
    DriverThread giver([&] {
      LARGE_INTEGER due;
      due.QuadPart = -10 * later_us;
      KeDelayExecutionThread(KernelMode, FALSE, &due);
      given = lease.give_back(token);
    });
    // The owner's turn comes when a Read of its own is over.
    ASSERT_EQ(lease.owner.read(lease.inbox.sge(64, 64), lease.desk.address(), lease.desk.token(), 9,
                               NDK_OP_FLAG_SILENT_SUCCESS),
              STATUS_SUCCESS);
    ASSERT_EQ(lease.window.invalidate(lease.owner, NDK_OP_FLAG_READ_FENCE), STATUS_SUCCESS);
    giver.join();
    ASSERT_TRUE(given == STATUS_SUCCESS || given == STATUS_CONNECTION_INVALID);
    bool by_peer = false, by_owner = false;
    for (int i = 0; i < 2; ++i) {
      const NDK_RESULT_EX result = lease.owner.next();
      if (result.Type == NdkOperationTypeInvalidate) {
        by_owner = result.Status == STATUS_SUCCESS;
        EXPECT_TRUE(by_owner || result.Status == STATUS_INVALID_DEVICE_REQUEST || result.Status == STATUS_CANCELLED);
      } else if (result.Type == NdkOperationTypeRead) {
        --i;  // cancelled with all else: not silent
      } else {
        by_peer = result.Status == STATUS_SUCCESS;
        EXPECT_TRUE(by_peer || result.Status == STATUS_CANCELLED);
      }
    }
    EXPECT_FALSE(by_peer && by_owner);
    ++(by_peer ? peer_won : owner_won);
    lease.expect_broken();
    if (by_peer || by_owner) {
      EXPECT_EQ(lease.land.deregister(), STATUS_SUCCESS);
    }
  });
  EXPECT_GT(peer_won, 0u);
  EXPECT_GT(owner_won, 0u);
}

TEST(R_CLS_23, AWindowIsClosedWhileThePeerInvalidatesIt) {
  in_simulation(60, [&](Stage& stage) {
    Lease lease(stage);
    ASSERT_TRUE(lease.connected);
    ASSERT_EQ(lease.owner.receive(lease.inbox.all(), 1), STATUS_SUCCESS);
    const UINT32 token = lease.lend();
    ASSERT_EQ(lease.peer.read(lease.desk.all(), lease.land.address(), token), STATUS_SUCCESS);
    ASSERT_EQ(lease.give_back(token), STATUS_SUCCESS);
    lease.window.mw.close();
    EXPECT_EQ(lease.land.deregister(), STATUS_SUCCESS);
    EXPECT_TRUE(is_done_or_cancelled(lease.owner.next_status()));
  });
}

TEST(R_SOL_01, TheFlagWakesWhoWaitsForItAndNobodyIsWokenWithoutIt) {
  for (const bool invalidates : {false, true}) {
    SCOPED_TRACE(invalidates ? "NdkSendAndInvalidate" : "NdkSend");
    everywhere(
        [invalidates](Stage& stage) {
          Lease lease(stage);
          ASSERT_TRUE(lease.connected);
          const auto post = [&](std::size_t bytes, ULONG flags) {
            EXPECT_EQ(lease.owner.receive(lease.inbox.all()), STATUS_SUCCESS);
            const UINT32 token = invalidates ? lease.lend() : 0;
            EXPECT_EQ(invalidates ? lease.give_back(token, bytes, flags)
                                  : lease.peer.send(lease.desk.sge(0, bytes), 2, flags),
                      STATUS_SUCCESS);
            EXPECT_EQ(lease.peer.next_status(), STATUS_SUCCESS);
          };
          // The last of a group is the one that is flagged.
          post(1, 0);
          EXPECT_EQ(lease.owner.next_status(), STATUS_SUCCESS);
          lease.owner.queue.arm(NDK_CQ_NOTIFY_SOLICITED);
          EXPECT_EQ(lease.owner.receive(lease.inbox.all()), STATUS_SUCCESS);
          EXPECT_EQ(lease.owner.receive(lease.inbox.all()), STATUS_SUCCESS);
          EXPECT_EQ(lease.peer.send(lease.desk.sge(0, 2)), STATUS_SUCCESS);
          EXPECT_EQ(lease.peer.send(lease.desk.sge(0, 3)), STATUS_SUCCESS);
          // Behind them, so they have arrived when it is over.
          EXPECT_EQ(lease.peer.read(lease.desk.sge(0, 8), lease.land.address(), lease.land.token()), STATUS_SUCCESS);
          for (int i = 0; i < 3; ++i)
            EXPECT_EQ(lease.peer.next_status(), STATUS_SUCCESS);
          EXPECT_FALSE(lease.owner.queue.told.wait(-10'000)) << "R-ARM-12";
          const int before = lease.owner.queue.notifications.load();
          EXPECT_EQ(lease.owner.next().BytesTransferred, 2u);
          EXPECT_EQ(lease.owner.next().BytesTransferred, 3u);
          EXPECT_EQ(lease.owner.queue.notifications.load(), before);
          lease.owner.queue.told.clear();
          post(4, NDK_OP_FLAG_SEND_AND_SOLICIT_EVENT);
          ASSERT_TRUE(lease.owner.queue.told.wait()) << "R-ARM-11, after its entry is there";
          NDK_RESULT_EX got{};
          ASSERT_TRUE(lease.owner.queue.poll(got)) << "R-ARM-23";
          if (invalidates && got.Type == NdkOperationTypeBind) {
            ASSERT_TRUE(lease.owner.queue.poll(got));
          }
          EXPECT_EQ(got.BytesTransferred, 4u);
          EXPECT_EQ(lease.owner.queue.notifications.load(), before + 1) << "one arm, one callback";
          // To who has not armed it makes no difference (R-ARM-14).
          post(5, NDK_OP_FLAG_SEND_AND_SOLICIT_EVENT);
          EXPECT_EQ(lease.owner.next().BytesTransferred, 5u);
        },
        {}, 4);
  }
}

TEST(R_TOK_01, RemoteTokensAreOpaqueAndAddressesMayBeOffset) {
  everywhere([](Stage& stage) {
    Lease lease(stage);
    ASSERT_TRUE(lease.connected);
    const UINT32 token = lease.lend();
    EXPECT_NE(token, lease.land.token());
    // Through the window and through the region: one memory, two tokens, the same addresses in host order.
    for (const UINT32 by : {token, lease.land.token()}) {
      for (const std::size_t offset : {0, 1, 100, 4032}) {
        ASSERT_EQ(lease.peer.read(lease.desk.sge(0, 64), lease.land.address() + offset, by), STATUS_SUCCESS);
        EXPECT_EQ(lease.peer.next_status(), STATUS_SUCCESS);
        EXPECT_EQ(std::memcmp(lease.desk.memory.data, lease.land.memory.data + offset, 64), 0);
      }
    }
  });
}

}  // namespace
}  // namespace softndk::stack
