// Events: CQ and SRQ notifications, connect events with their connectors, disconnect events.
#include "base/alloc.h"
#include "verifier/consumer.h"

namespace softndk::verifier {
namespace {

class R_ARM_15 : public VerifierTest {};

TEST_F(R_ARM_15, NotificationsReachTheConsumerWithTheirStatus) {
  Family family(provider);
  provider.notify(family.real<NDK_CQ>(), STATUS_BUFFER_OVERFLOW);
  EXPECT_EQ(family.cq_events.calls, 1);
  EXPECT_EQ(family.cq_events.status, STATUS_BUFFER_OVERFLOW);
  provider.notify(family.real<NDK_SRQ>(), STATUS_INTERNAL_ERROR);
  EXPECT_EQ(family.srq_events.calls, 1);
  EXPECT_EQ(family.srq_events.status, STATUS_INTERNAL_ERROR);
  EXPECT_EQ(family.cq_events.calls, 1);
}

TEST_F(R_ARM_15, TheQueueMayBeArmedAndClosedInsideItsNotification) {
  Family family(provider);
  Seen closing;
  family.cq_events.inside = [&](Seen&) {
    NDK_CQ* cq = family.take<NDK_CQ>();
    cq->Dispatch->NdkArmCq(cq, NDK_CQ_NOTIFY_ANY);
    provider.completion = Completion::later;  // R-ARM-21
    EXPECT_EQ(close(&cq->Header, closing), STATUS_PENDING);
    provider.completion = Completion::inlined;
  };
  provider.notify(family.real<NDK_CQ>(), STATUS_SUCCESS);
  EXPECT_EQ(closing.calls, 0);
  provider.run_later();
  EXPECT_EQ(closing.calls, 1);
}

class C_02 : public VerifierTest {};

TEST_F(C_02, AbsentNotificationsStayAbsent) {
  Family family(provider);
  NDK_ADAPTER* adapter = family.get<NDK_ADAPTER>();
  NDK_CQ* cq = nullptr;
  EXPECT_EQ(adapter->Dispatch->NdkCreateCq(adapter, 1, nullptr, nullptr, nullptr, Seen::created, nullptr, &cq),
            STATUS_SUCCESS);
  EXPECT_EQ(provider.calls.back().words[2], 0u);
  close_now(&cq->Header);
  NDK_PD* pd = family.get<NDK_PD>();
  NDK_SRQ* srq = nullptr;
  EXPECT_EQ(pd->Dispatch->NdkCreateSrq(pd, 1, 1, 1, nullptr, nullptr, nullptr, Seen::created, nullptr, &srq),
            STATUS_SUCCESS);
  EXPECT_EQ(provider.calls.back().words[4], 0u);
  close_now(&srq->Header);
}

class C_93 : public VerifierTest {};

TEST_F(C_93, AnAbsentConnectEventStaysAbsent) {
  Family family(provider);
  NDK_ADAPTER* adapter = family.get<NDK_ADAPTER>();
  NDK_LISTENER* listener = nullptr;
  EXPECT_EQ(adapter->Dispatch->NdkCreateListener(adapter, nullptr, nullptr, Seen::created, nullptr, &listener),
            STATUS_SUCCESS);
  EXPECT_EQ(provider.calls.back().words[1], 0u);
  close_now(&listener->Header);
}

class R_EVT_01 : public VerifierTest {};

TEST_F(R_EVT_01, AnIncomingConnectorIsAsUsableAsACreatedOne) {
  Family family(provider);
  NDK_CONNECTOR* real = provider.connect(family.real<NDK_LISTENER>());
  ASSERT_EQ(family.connect_events.calls, 1);
  auto* connector = reinterpret_cast<NDK_CONNECTOR*>(family.connect_events.object);
  EXPECT_NE(connector, real);
  EXPECT_EQ(connector->Header.ObjectType, NdkObjectTypeConnector);
  EXPECT_EQ(usage().shadows, 11u);
  provider.calls.clear();
  Seen accepted;
  EXPECT_EQ(connector->Dispatch->NdkAccept(connector, family.get<NDK_QP>(), 1, 2, nullptr, 0, nullptr, nullptr,
                                           Seen::completed, &accepted),
            STATUS_SUCCESS);
  EXPECT_EQ(provider.calls.back().words[0], word(real));
  EXPECT_EQ(provider.calls.back().words[1], word(family.real<NDK_QP>()));
  close_now(&connector->Header);
}

class R_EVT_02 : public VerifierTest {};

TEST_F(R_EVT_02, AnIncomingConnectorMayBeRejectedAndClosedInsideTheEvent) {
  for (const Completion completion : kAllCompletions) {
    Family family(provider);
    Seen closing;
    family.connect_events.inside = [&](Seen& seen) {
      auto* connector = reinterpret_cast<NDK_CONNECTOR*>(seen.object);
      EXPECT_EQ(connector->Dispatch->NdkReject(connector, nullptr, 0), STATUS_SUCCESS);
      provider.completion = completion;
      close(&connector->Header, closing);
    };
    provider.connect(family.real<NDK_LISTENER>());
    provider.run_later();
    provider.completion = Completion::inlined;
    EXPECT_EQ(closing.calls, completion == Completion::inlined ? 0 : 1);
    EXPECT_EQ(usage().shadows, 10u);
  }
}

class R_EVT_03 : public VerifierTest {};

TEST_F(R_EVT_03, AnIncomingConnectorOutlivesItsListenersShadow) {
  // Its parent is the adapter: the listener's shadow goes when the listener is closed.
  Family family(provider);
  provider.connect(family.real<NDK_LISTENER>());
  auto* connector = reinterpret_cast<NDK_CONNECTOR*>(family.connect_events.object);
  close_now(family.take(NdkObjectTypeListener));
  EXPECT_EQ(usage().shadows, 10u);
  connector->Dispatch->NdkReject(connector, nullptr, 0);
  close_now(&connector->Header);
}

class R_CLS_18 : public VerifierTest {};

TEST_F(R_CLS_18, WithoutMemoryAnIncomingConnectionIsRefusedByClosingIt) {
  for (const Completion completion : kAllCompletions) {
    Family family(provider);
    provider.completion = completion;
    set_fault_hook([](void*, const char*) noexcept { return true; }, nullptr);
    provider.connect(family.real<NDK_LISTENER>());
    set_fault_hook(nullptr, nullptr);
    provider.run_later();
    provider.completion = Completion::inlined;
    EXPECT_EQ(family.connect_events.calls, 0);
    EXPECT_EQ(provider.calls_of({NdkObjectTypeConnector, 0}), 1u);
    EXPECT_EQ(provider.live_objects, 10u);
    provider.calls.clear();
  }
}

class R_EVT_04 : public VerifierTest {
 protected:
  /// Each of the four functions that ask for a disconnect event.
  template <class Routine>
  NTSTATUS complete(Family& family, Routine event, Seen* events) {
    NDK_CONNECTOR* connector = family.get<NDK_CONNECTOR>();
    if constexpr (std::is_same_v<Routine, NDK_FN_DISCONNECT_EVENT_CALLBACK>) {
      return connector->Dispatch->NdkCompleteConnect(connector, event, events, Seen::completed, &completion_);
    } else {
      return connector->Dispatch->NdkCompleteConnectEx(connector, event, events, Seen::completed, &completion_);
    }
  }
  template <class Routine>
  NTSTATUS accept(Family& family, Routine event, Seen* events) {
    NDK_CONNECTOR* connector = family.get<NDK_CONNECTOR>();
    NDK_QP* qp = family.get<NDK_QP>();
    if constexpr (std::is_same_v<Routine, NDK_FN_DISCONNECT_EVENT_CALLBACK>) {
      return connector->Dispatch->NdkAccept(connector, qp, 1, 1, nullptr, 0, event, events, Seen::completed,
                                            &completion_);
    } else {
      return connector->Dispatch->NdkAcceptEx(connector, qp, 1, 1, nullptr, 0, event, events, Seen::completed,
                                              &completion_);
    }
  }
  static constexpr NDK_FN_DISCONNECT_EVENT_CALLBACK kPlain = Seen::disconnected;
  static constexpr NDK_FN_DISCONNECT_EVENT_CALLBACK_EX kWithReason = Seen::disconnected_ex;
  Seen completion_;
};

TEST_F(R_EVT_04, DisconnectEventsOfBothKindsReachTheConsumer) {
  const auto check = [&](auto&& establish, ULONG reason) {
    Family family(provider);
    Seen events;
    EXPECT_EQ(establish(family, events), STATUS_SUCCESS);
    provider.disconnect(family.real<NDK_CONNECTOR>(), 42);
    EXPECT_EQ(events.calls, 1);
    EXPECT_EQ(events.reason, reason);
  };
  check([&](Family& family, Seen& events) { return complete(family, kPlain, &events); }, 0);
  check([&](Family& family, Seen& events) { return accept(family, kPlain, &events); }, 0);
  check([&](Family& family, Seen& events) { return complete(family, kWithReason, &events); }, 42);
  check([&](Family& family, Seen& events) { return accept(family, kWithReason, &events); }, 42);
}

TEST_F(R_EVT_04, TheConnectorMayBeClosedInsideItsDisconnectEvent) {
  Family family(provider);
  Seen events, closing;
  EXPECT_EQ(complete(family, kPlain, &events), STATUS_SUCCESS);
  NDK_CONNECTOR* real = family.real<NDK_CONNECTOR>();
  events.inside = [&](Seen&) {
    provider.completion = Completion::later;
    EXPECT_EQ(close(family.take(NdkObjectTypeConnector), closing), STATUS_PENDING);
    provider.completion = Completion::inlined;
  };
  provider.disconnect(real);
  provider.run_later();
  EXPECT_EQ(events.calls, 1);
  EXPECT_EQ(closing.calls, 1);
}

TEST_F(R_EVT_04, ASecondCallThatFailsLeavesTheFirstOnesEvent) {
  Family family(provider);
  Seen first, second;
  EXPECT_EQ(complete(family, kPlain, &first), STATUS_SUCCESS);
  provider.status = STATUS_INVALID_DEVICE_STATE;
  EXPECT_EQ(complete(family, kWithReason, &second), STATUS_INVALID_DEVICE_STATE);
  provider.status = STATUS_SUCCESS;
  provider.disconnect(family.real<NDK_CONNECTOR>());
  EXPECT_EQ(first.calls, 1);
  EXPECT_EQ(second.calls, 0);
}

class R_EVT_08 : public VerifierTest {};

TEST_F(R_EVT_08, AnAbsentDisconnectEventStaysAbsent) {
  Family family(provider);
  NDK_CONNECTOR* connector = family.get<NDK_CONNECTOR>();
  Seen seen;
  EXPECT_EQ(connector->Dispatch->NdkCompleteConnect(connector, nullptr, &seen, Seen::completed, &seen), STATUS_SUCCESS);
  EXPECT_EQ(provider.calls.back().words[1], 0u);
  EXPECT_EQ(connector->Dispatch->NdkCompleteConnectEx(connector, nullptr, &seen, Seen::completed, &seen),
            STATUS_SUCCESS);
  EXPECT_EQ(provider.calls.back().words[1], 0u);
}

}  // namespace
}  // namespace softndk::verifier
