#include "provider/consumer.h"

namespace softndk::provider {
namespace {

rdma::Completion completion(rdma::Operation operation, std::uintptr_t number,
                            rdma::WorkStatus status = rdma::WorkStatus::success) {
  return {.request_context = reinterpret_cast<void*>(number),
          .qp_context = reinterpret_cast<void*>(number + 1000),
          .bytes = static_cast<std::uint32_t>(number),
          .status = status,
          .operation = operation,
          .solicited = false,
          .invalidated_token = 0x77,
          .device_code = 0x1202};
}

TEST(R_ARM_01, EachKindReachesTheDeviceUnderItsOwnName) {
  simulate([] {
    Rig rig;
    Seen seen;
    NDK_CQ* cq = rig.cq(Seen::notified, &seen);
    FakeCq& device = rig.device.cqs.last();
    for (const auto& [type, kind] : {std::pair{ULONG{NDK_CQ_NOTIFY_ERRORS}, rdma::CqNotify::errors},
                                     std::pair{ULONG{NDK_CQ_NOTIFY_ANY}, rdma::CqNotify::any},
                                     std::pair{ULONG{NDK_CQ_NOTIFY_SOLICITED}, rdma::CqNotify::solicited}}) {
      cq->Dispatch->NdkArmCq(cq, type);
      EXPECT_EQ(device.armed, kind) << type;
    }
    close(cq);
  });
}

TEST(R_ARM_05, RearmingInsideTheCallbackIsLegal) {
  simulate([] {
    Rig rig;
    Seen seen;
    NDK_CQ* cq = rig.cq(Seen::notified, &seen);
    seen.inside = [&](Seen&) { cq->Dispatch->NdkArmCq(cq, NDK_CQ_NOTIFY_ANY); };
    for (int i = 0; i < 3; ++i)
      rig.device.cqs.last().notify();
    EXPECT_EQ(seen.calls, 3);
    EXPECT_EQ(seen.irql, ntrt::kDispatchLevel);
    close(cq);
  });
}

TEST(R_ARM_15, TheStatusTellsTheQueuesHealth) {
  for (const auto& [health, status] : {std::pair{rdma::CqHealth::good, STATUS_SUCCESS},
                                       std::pair{rdma::CqHealth::overflow, STATUS_BUFFER_OVERFLOW},  // R-ARM-16
                                       std::pair{rdma::CqHealth::failed, STATUS_INTERNAL_ERROR}}) {  // R-ARM-17
    simulate([health = health, status = status] {
      Rig rig;
      Seen seen;
      NDK_CQ* cq = rig.cq(Seen::notified, &seen);
      rig.device.cqs.last().notify(health);
      EXPECT_EQ(seen.status, status);
      close(cq);
    });
  }
}

TEST(R_ARM_20, AnUnknownTypeChangesNothing) {
  simulate([] {
    Rig rig;
    Seen seen;
    NDK_CQ* cq = rig.cq(Seen::notified, &seen);
    for (ULONG type : {3u, 4u, 0xffffffffu})
      cq->Dispatch->NdkArmCq(cq, type);
    EXPECT_EQ(rig.device.cqs.last().armed, rdma::CqNotify::none);
    close(cq);
  });
}

TEST(R_ARM_21, NoCallbackBeginsAfterCloseWasCalled) {
  simulate([] {
    Rig rig;
    Seen seen, closed;
    NDK_CQ* cq = rig.cq(Seen::notified, &seen);
    NDK_PD* pd = rig.pd();
    NDK_QP* qp = rig.qp(pd, cq, cq);
    EXPECT_EQ(begin_close(cq, cq->Dispatch->NdkCloseCq, closed), STATUS_PENDING);
    rig.device.cqs.last().notify();  // the queue pair over it still makes completions
    EXPECT_EQ(seen.calls, 0);
    close(qp);
    closed.wait();
    close(pd);
  });
}

TEST(R_ARM_22, ACqWithoutNotificationIgnoresArms) {
  simulate([] {
    Rig rig;
    NDK_CQ* cq = rig.cq(nullptr);
    cq->Dispatch->NdkArmCq(cq, NDK_CQ_NOTIFY_ANY);
    EXPECT_EQ(rig.device.cqs.last().armed, rdma::CqNotify::none);
    rig.device.cqs.last().notify();
    close(cq);
  });
}

TEST(R_CQ_03, DepthReachesTheDeviceExactly) {
  simulate([] {
    Rig rig;
    NDK_CQ* cq = rig.cq(nullptr, nullptr, 37);
    EXPECT_EQ(rig.device.cqs.last().parameters.depth, 37u);
    close(cq);
  });
}

TEST(R_CQ_04, AffinityIsAHint) {
  simulate([] {
    Rig rig;
    Seen seen;
    NDK_CQ* cq = nullptr;
    GROUP_AFFINITY affinity{};
    affinity.Mask = 0x4;
    const auto create_it = [&] {
      EXPECT_EQ(rig.ndk()->Dispatch->NdkCreateCq(rig.ndk(), 4, nullptr, nullptr, &affinity, Seen::created, &seen, &cq),
                STATUS_SUCCESS);
    };
    create_it();
    EXPECT_EQ(rig.device.cqs.last().parameters.affinity_mask, 0x4u);
    close(cq);
    affinity.Group = 9;
    create_it();
    EXPECT_EQ(rig.device.cqs.last().parameters.affinity_mask, 0u);
    close(cq);
  });
}

TEST(R_CQ_11, ResultsAreRemovedOldestFirstUpToTheNumberAsked) {
  for (bool extended : {false, true}) {
    simulate([extended] {
      Rig rig;
      NDK_CQ* cq = rig.cq();
      for (std::uintptr_t i = 0; i < 100; ++i)
        rig.device.cqs.last().place(completion(rdma::Operation::send, i));
      std::uintptr_t next = 0;
      for (ULONG room : {0u, 1u, 31u, 32u, 33u, 64u}) {  // around the size of our batches
        std::vector<NDK_RESULT> results(room + 1);
        std::vector<NDK_RESULT_EX> results_ex(room + 1);
        const ULONG got = extended ? cq->Dispatch->NdkGetCqResultsEx(cq, results_ex.data(), room)
                                   : cq->Dispatch->NdkGetCqResults(cq, results.data(), room);
        EXPECT_EQ(got, std::min<std::uintptr_t>(room, 100 - next));  // R-CQ-12: 0 asks for none
        for (ULONG i = 0; i < got; ++i) {
          const PVOID context = extended ? results_ex[i].RequestContext : results[i].RequestContext;
          const PVOID qp_context = extended ? results_ex[i].QPContext : results[i].QPContext;
          EXPECT_EQ(context, reinterpret_cast<PVOID>(next));  // R-CQ-14
          EXPECT_EQ(qp_context, reinterpret_cast<PVOID>(next + 1000));
          ++next;
        }
      }
      EXPECT_EQ(next, 100u);
      close(cq);
    });
  }
}

TEST(R_CQ_13, ElementsBeyondTheCountAreNotWritten) {
  simulate([] {
    Rig rig;
    NDK_CQ* cq = rig.cq();
    rig.device.cqs.last().place(completion(rdma::Operation::send, 1));
    NDK_RESULT_EX results[3];
    std::memset(results, 0xee, sizeof results);
    EXPECT_EQ(cq->Dispatch->NdkGetCqResultsEx(cq, results, 3), 1u);
    const auto* octets = reinterpret_cast<const std::uint8_t*>(&results[1]);
    for (std::size_t i = 0; i < 2 * sizeof results[0]; ++i)
      EXPECT_EQ(octets[i], 0xee);
    close(cq);
  });
}

TEST(R_CQ_15, BytesTransferredIsZeroButForReceives) {
  simulate([] {
    Rig rig;
    NDK_CQ* cq = rig.cq();
    rig.device.cqs.last().place(completion(rdma::Operation::read, 5));
    rig.device.cqs.last().place(completion(rdma::Operation::receive, 6));
    rig.device.cqs.last().place(completion(rdma::Operation::receive_invalidate, 7));
    NDK_RESULT results[3];
    EXPECT_EQ(cq->Dispatch->NdkGetCqResults(cq, results, 3), 3u);
    EXPECT_EQ(results[0].BytesTransferred, 0u);
    EXPECT_EQ(results[1].BytesTransferred, 6u);
    EXPECT_EQ(results[2].BytesTransferred, 7u);
    close(cq);
  });
}

TEST(R_CQ_16, TheTypeNamesTheOperation) {
  const std::pair<rdma::Operation, int> types[] = {
      {rdma::Operation::receive, 1},       {rdma::Operation::receive_invalidate, 0x8001},
      {rdma::Operation::send, 2},          {rdma::Operation::send_invalidate, 2} /* R-CQ-19 */,
      {rdma::Operation::fast_register, 4}, {rdma::Operation::bind, 8},
      {rdma::Operation::invalidate, 16},   {rdma::Operation::read, 32},
      {rdma::Operation::write, 64}};
  simulate([&] {
    Rig rig;
    NDK_CQ* cq = rig.cq();
    for (const auto& [operation, type] : types) {
      rig.device.cqs.last().place(completion(operation, 9));
      NDK_RESULT_EX result{};
      EXPECT_EQ(cq->Dispatch->NdkGetCqResultsEx(cq, &result, 1), 1u);
      EXPECT_EQ(result.Type, type);
      const bool receive = operation == rdma::Operation::receive || operation == rdma::Operation::receive_invalidate;
      EXPECT_EQ((result.Type & NdkOperationTypeReceive) != 0, receive);             // R-CQ-17
      EXPECT_EQ(result.TypeSpecificCompletionOutput, type == 0x8001 ? 0x77u : 0u);  // R-CQ-18
      EXPECT_EQ(result.ProviderErrorCode, 0u);                                      // R-CQ-21
    }
    close(cq);
  });
}

TEST(R_CQ_22, TheProvidersErrorCodeExistsFromTwoOneOn) {
  for (const auto& [version, code] :
       {std::pair{NDK_VERSION{2, 1}, 0x1202u}, std::pair{NDK_VERSION{2, 0}, 0u}, std::pair{NDK_VERSION{1, 2}, 0u}}) {
    simulate([version = version, code = code] {
      Rig rig({}, version);
      NDK_CQ* cq = rig.cq();
      rig.device.cqs.last().place(completion(rdma::Operation::read, 1, rdma::WorkStatus::remote_resources));
      NDK_RESULT_EX result;
      std::memset(&result, 0xee, sizeof result);
      EXPECT_EQ(cq->Dispatch->NdkGetCqResultsEx(cq, &result, 1), 1u);
      EXPECT_EQ(result.ProviderErrorCode, code);
      EXPECT_EQ(result.Status, STATUS_REMOTE_RESOURCES);
      close(cq);
    });
  }
}

TEST(R_CQ_23, BothFormsReadTheSameQueue) {
  simulate([] {
    Rig rig;
    NDK_CQ* cq = rig.cq();
    for (std::uintptr_t i = 1; i <= 2; ++i)
      rig.device.cqs.last().place(completion(rdma::Operation::send, i));
    NDK_RESULT plain;
    NDK_RESULT_EX extended;
    EXPECT_EQ(cq->Dispatch->NdkGetCqResults(cq, &plain, 1), 1u);
    EXPECT_EQ(cq->Dispatch->NdkGetCqResultsEx(cq, &extended, 1), 1u);
    EXPECT_EQ(plain.RequestContext, reinterpret_cast<PVOID>(1));
    EXPECT_EQ(extended.RequestContext, reinterpret_cast<PVOID>(2));
    close(cq);
  });
}

TEST(R_CQ_07, WithoutTheCapabilityAResizeIsNotSupported) {
  for (const bool can : {false, true}) {
    simulate([can] {
      Rig rig;
      rig.device.capabilities.cq_resize = can;
      NDK_CQ* cq = rig.cq();
      Seen seen;
      const NTSTATUS status = cq->Dispatch->NdkResizeCq(cq, 32, Seen::completed, &seen);
      EXPECT_EQ(status, can ? STATUS_SUCCESS : STATUS_NOT_SUPPORTED);
      EXPECT_EQ(rig.device.cqs.last().depth(), can ? 32u : 16u);
      EXPECT_EQ(seen.calls, 0);
      EXPECT_EQ(cq->Dispatch->NdkResizeCq(cq, 32, nullptr, nullptr), STATUS_INVALID_PARAMETER);
      close(cq);
    });
  }
}

TEST(R_CQ_09, WhatTheDeviceRefusesIsTheRequestsStatusInEveryMode) {
  for (CompletionMode mode : kAllModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      rig.device.capabilities.cq_resize = true;
      NDK_CQ* cq = rig.cq();
      for (const auto& [error, expected_status] :
           {std::pair{rdma::CqError::too_shallow, STATUS_INVALID_PARAMETER},
            std::pair{rdma::CqError::no_resources, STATUS_INSUFFICIENT_RESOURCES}}) {
        rig.device.cqs.last().resize_error = error;
        Seen seen;
        const NTSTATUS status = cq->Dispatch->NdkResizeCq(cq, 4, Seen::completed, &seen);
        if (status == STATUS_PENDING) seen.wait();
        EXPECT_EQ(status == STATUS_PENDING ? seen.status.load() : status, expected_status);
      }
      close(cq);
    });
  }
}

TEST(R_CQ_10, APendingResizeKeepsTheCloseWaiting) {
  simulate([] {
    Rig rig(policy(CompletionMode::later));
    rig.device.capabilities.cq_resize = true;
    NDK_CQ* cq = rig.cq();
    Seen resized, closed;
    closed.inside = [&](Seen&) { EXPECT_TRUE(resized.returned); };
    EXPECT_EQ(cq->Dispatch->NdkResizeCq(cq, 64, Seen::completed, &resized), STATUS_PENDING);
    EXPECT_EQ(begin_close(cq, cq->Dispatch->NdkCloseCq, closed), STATUS_PENDING);
    closed.wait();
    EXPECT_EQ(resized.status, STATUS_SUCCESS);
  });
}

TEST(R_MOD_10, WithoutTheCapabilityModerationIsNotSupported) {
  simulate([] {
    Rig rig;
    rig.device.capabilities.cq_moderation = false;
    NDK_CQ* cq = rig.cq();
    for (const ULONG interval : {ULONG{0}, ULONG{20}, MAXULONG})
      EXPECT_EQ(cq->Dispatch->NdkControlCqInterruptModeration(cq, interval, MAXULONG), STATUS_NOT_SUPPORTED);
    EXPECT_EQ(rig.device.cqs.last().moderations, 0);
    close(cq);
  });
}

TEST(R_MOD_07, TheLimitsReachTheDeviceUnlessNothingWouldBoundTheWait) {
  simulate([] {
    Rig rig;
    rig.device.capabilities.cq_moderation = rig.device.capabilities.cq_resize = true;
    NDK_CQ* cq = rig.cq();  // sixteen deep
    FakeCq& device = rig.device.cqs.last();
    const auto control = [&](ULONG interval, ULONG count) {
      return cq->Dispatch->NdkControlCqInterruptModeration(cq, interval, count);
    };
    EXPECT_EQ(control(20, 0xFFFFFFFF), STATUS_SUCCESS);
    EXPECT_EQ(device.moderation.interval_us, 20u);
    EXPECT_EQ(control(MAXULONG, 16), STATUS_SUCCESS);
    EXPECT_EQ(control(MAXULONG, 17), STATUS_INVALID_PARAMETER_MIX);
    EXPECT_EQ(control(MAXULONG, MAXULONG), STATUS_INVALID_PARAMETER_MIX);
    EXPECT_EQ(device.moderation.count, 16u) << "as before";
    Seen seen;
    EXPECT_EQ(cq->Dispatch->NdkResizeCq(cq, 32, Seen::completed, &seen), STATUS_SUCCESS);
    EXPECT_EQ(control(MAXULONG, 17), STATUS_SUCCESS) << "the depth of now";
    close(cq);
  });
}

TEST(R_CQ_17, OnlyTheTwoReceiveTypesHaveTheReceiveBit) {
  simulate([] {
    Rig rig;
    NDK_CQ* cq = rig.cq();
    for (const auto operation : {rdma::Operation::send, rdma::Operation::send_invalidate, rdma::Operation::write,
                                 rdma::Operation::read, rdma::Operation::receive, rdma::Operation::receive_invalidate,
                                 rdma::Operation::fast_register, rdma::Operation::bind, rdma::Operation::invalidate}) {
      rig.device.cqs.last().place(completion(operation, 1));
      NDK_RESULT_EX result{};
      EXPECT_EQ(cq->Dispatch->NdkGetCqResultsEx(cq, &result, 1), 1u);
      const bool receive = operation == rdma::Operation::receive || operation == rdma::Operation::receive_invalidate;
      EXPECT_EQ((result.Type & NdkOperationTypeReceive) != 0, receive);
    }
    close(cq);
  });
}

TEST(R_CQ_18, OnlyAReceiveThatInvalidatedNamesAToken) {
  simulate([] {
    Rig rig;
    NDK_CQ* cq = rig.cq();
    for (const auto operation : {rdma::Operation::receive_invalidate, rdma::Operation::receive, rdma::Operation::send,
                                 rdma::Operation::invalidate}) {
      rig.device.cqs.last().place(completion(operation, 1));
      NDK_RESULT_EX result;
      std::memset(&result, 0xee, sizeof result);
      EXPECT_EQ(cq->Dispatch->NdkGetCqResultsEx(cq, &result, 1), 1u);
      // The whole of the field: its upper half is zero.
      EXPECT_EQ(result.TypeSpecificCompletionOutput,
                operation == rdma::Operation::receive_invalidate ? std::uint64_t{0x77} : 0);
    }
    close(cq);
  });
}

TEST(R_CQ_19, ASendAndInvalidateCompletesAsASend) {
  simulate([] {
    Rig rig;
    NDK_CQ* cq = rig.cq();
    rig.device.cqs.last().place(completion(rdma::Operation::send_invalidate, 1));
    NDK_RESULT_EX result{};
    EXPECT_EQ(cq->Dispatch->NdkGetCqResultsEx(cq, &result, 1), 1u);
    EXPECT_EQ(result.Type, NdkOperationTypeSend);
    close(cq);
  });
}

TEST(R_CQ_20, AReceiveThatInvalidatedCanBeTakenPlainly) {
  simulate([] {
    Rig rig;
    NDK_CQ* cq = rig.cq();
    rig.device.cqs.last().place(completion(rdma::Operation::receive_invalidate, 7));
    NDK_RESULT result{};
    EXPECT_EQ(cq->Dispatch->NdkGetCqResults(cq, &result, 1), 1u);
    EXPECT_EQ(result.Status, STATUS_SUCCESS);
    EXPECT_EQ(result.BytesTransferred, 7u);
    EXPECT_EQ(result.RequestContext, reinterpret_cast<PVOID>(7));
    close(cq);
  });
}

TEST(R_CQ_21, ASuccessHasNoProviderErrorCode) {
  simulate([] {
    Rig rig({}, NDK_VERSION{2, 1});
    NDK_CQ* cq = rig.cq();
    for (const bool succeeds : {true, false}) {
      rig.device.cqs.last().place(completion(
          rdma::Operation::read, 1, succeeds ? rdma::WorkStatus::success : rdma::WorkStatus::remote_resources));
      NDK_RESULT_EX result;
      std::memset(&result, 0xee, sizeof result);
      EXPECT_EQ(cq->Dispatch->NdkGetCqResultsEx(cq, &result, 1), 1u);
      EXPECT_EQ(result.ProviderErrorCode, succeeds ? 0u : 0x1202u) << "our own code, of a Terminate";
    }
    close(cq);
  });
}

TEST(R_ARM_17, AFatalErrorIsAnInternalError) {
  simulate([] {
    Rig rig;
    Seen seen;
    NDK_CQ* cq = rig.cq(Seen::notified, &seen);
    rig.device.cqs.last().notify(rdma::CqHealth::failed);
    EXPECT_EQ(seen.calls, 1);
    EXPECT_EQ(seen.status, STATUS_INTERNAL_ERROR);
    close(cq);
  });
}

}  // namespace
}  // namespace softndk::provider
