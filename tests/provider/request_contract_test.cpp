// The contract of requests and their completions (spec/ndkpi.md 3.3), for every request the provider has.
#include "provider/requests.h"

namespace softndk::provider {
namespace {

using rdma::CmStatus;

TEST(R_REQ_02, TheCompletionMayRunBeforeTheCallReturnsWhichThenReturnsPending) {
  const CompletionMode before_return[] = {CompletionMode::nested, CompletionMode::early};
  for_each_request(before_return, [](Rig& rig, const RequestKind& kind, CompletionMode mode) {
    const auto request = kind.ready(rig);
    Seen seen;
    EXPECT_EQ(calling(seen, [&] { return request->call(seen); }), STATUS_PENDING);
    EXPECT_TRUE(seen.ran_in_call);
    EXPECT_EQ(seen.on_callers_thread(), mode == CompletionMode::nested);
    seen.wait();
    EXPECT_EQ(seen.status, kind.result);
    EXPECT_EQ(seen.irql, ntrt::kDispatchLevel);
    ntrt::flush_processors();
    EXPECT_EQ(seen.calls, 1);
  });
}

TEST(R_CLS_10, CloseInsideTheCompletionOfARequestWhoseCallHasNotReturned) {
  const CompletionMode before_return[] = {CompletionMode::nested, CompletionMode::early};
  for_each_request(before_return, [](Rig& rig, const RequestKind& kind, CompletionMode) {
    const auto request = kind.ready(rig);
    Seen seen, closed;
    seen.inside = [&](Seen&) { EXPECT_EQ(request->begin_close(closed), STATUS_PENDING); };
    EXPECT_EQ(calling(seen, [&] { return request->call(seen); }), STATUS_PENDING);
    EXPECT_TRUE(seen.ran_in_call);
    closed.wait();
    EXPECT_EQ(closed.calls, 1);
  });
}

TEST(R_CLS_11, ClosedInsideTheCompletionBeforeTheCallReturnsNothingTouchesItAfterwards) {
  // A sanitizer sees it if something does. The object's close waits for the callback, and for nothing else.
  for_each_request(
      kPendingModes,
      [](Rig& rig, const RequestKind& kind, CompletionMode) {
        rig.device.close_style = CloseStyle::inside;
        const auto request = kind.ready(rig);
        Seen seen, closed;
        std::atomic<int> closed_inside{0};
        seen.inside = [&](Seen&) {
          EXPECT_EQ(request->begin_close(closed), STATUS_PENDING);
          closed_inside = closed.calls.load();
        };
        EXPECT_EQ(request->call(seen), STATUS_PENDING);
        closed.wait();
        EXPECT_TRUE(seen.returned);
        EXPECT_EQ(closed_inside, 0);
        EXPECT_EQ(seen.status, kind.result);
        ntrt::flush_processors();
        EXPECT_EQ(seen.calls, 1);
        EXPECT_EQ(closed.calls, 1);
      },
      20);
}

TEST(R_REQ_04, OtherFunctionsOfTheObjectMayBeCalledInsideTheCompletion) {
  // A whole life inside one callback of each other: connect, complete, disconnect, close.
  for (CompletionMode mode : kAllModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      Active active(rig);
      FakeConnection& connection = active.connection();
      connection.complete_answer = connection.disconnect_answer = CmStatus::success;
      connection.received = std::vector<std::uint8_t>{1, 2, 3};
      Seen closed;
      std::atomic<int> steps{0};
      const auto close_it = [&] {
        ++steps;
        NDK_CONNECTOR* connector = std::exchange(active.connector, nullptr);
        EXPECT_EQ(begin_close(connector, connector->Dispatch->NdkCloseConnector, closed), STATUS_PENDING);
      };
      const auto leave = [&] {
        ++steps;
        if (active.disconnect() == STATUS_SUCCESS) close_it();
      };
      active.disconnected.inside = [&](Seen&) { close_it(); };
      active.completed.inside = [&](Seen&) { leave(); };
      active.connected.inside = [&](Seen&) {
        ++steps;
        std::uint8_t data[252];
        EXPECT_EQ(DataQuery(active.connector, data, sizeof data).status, STATUS_SUCCESS);
        if (active.complete() == STATUS_SUCCESS) leave();
      };
      EXPECT_EQ(active.connect(), STATUS_PENDING);
      connection.connect_done(CmStatus::success);
      closed.wait();
      EXPECT_EQ(steps, 3);
    });
  }
}

TEST(R_REQ_04, ARegionMayBeDeregisteredAndRegisteredInsideItsCompletions) {
  for (CompletionMode mode : kPendingModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      ReadyRegister request(rig);
      Seen seen;
      std::atomic<int> rounds{0};
      seen.inside = [&](Seen&) {
        EXPECT_EQ(seen.status, STATUS_SUCCESS);
        const int round = ++rounds;
        if (round == 8) return;
        const bool registered = round % 2 == 1;
        EXPECT_EQ(request.mr->Dispatch->NdkGetLocalTokenFromMr(request.mr) != 0, registered);
        EXPECT_EQ(registered ? request.mr->Dispatch->NdkDeregisterMr(request.mr, Seen::completed, &seen)
                             : request.enroll(seen),
                  STATUS_PENDING);
      };
      EXPECT_EQ(request.call(seen), STATUS_PENDING);
      await([&] { return rounds == 8; });
      ntrt::flush_processors();
    });
  }
}

void close_pd(NDK_PD* pd) {
  pd->Dispatch->NdkClosePd(
      &pd->Header, [](PVOID) {}, nullptr);
}

/// What takes every lock the provider has: the miniport adapter's, those of its connectors and listeners, the thread's
/// that completes early. Called inside a callback it would never return if the callback ran under one of them.
void take_every_lock(Rig& rig) {
  NDIS_NDK_CONNECTION_ENTRY connections[4];
  rig.miniport.connections(connections);
  NDIS_NDK_LOCAL_ENDPOINT_ENTRY endpoints[4];
  rig.miniport.local_endpoints(endpoints);
  constexpr NDK_FN_CREATE_COMPLETION kCreated = [](PVOID, NTSTATUS, NDK_OBJECT_HEADER* object) {
    if (object != nullptr) close_pd(reinterpret_cast<NDK_PD*>(object));
  };
  NDK_PD* pd = nullptr;  // a callback may come when this frame has gone: it needs nothing of it
  if (rig.ndk()->Dispatch->NdkCreatePd(rig.ndk(), kCreated, nullptr, &pd) == STATUS_SUCCESS) close_pd(pd);
}

/// The same on another thread, for which the callback waits.
void others_take_every_lock(Rig& rig) {
  struct Other {
    Rig& rig;
    std::atomic<bool> done{false};
  } other{rig};
  ntrt::SystemThread thread;
  ASSERT_TRUE(thread.start(
      "other",
      [](void* it) noexcept {
        auto& self = *static_cast<Other*>(it);
        take_every_lock(self.rig);
        self.done = true;
      },
      &other));
  await([&] { return other.done.load(); });
  thread.join();
}

TEST(R_REQ_07, NoCompletionRunsUnderALockAndNoneBesideAnotherOfItsRequest) {
  for_each_request(
      kPendingModes,
      [](Rig& rig, const RequestKind& kind, CompletionMode) {
        const auto request = kind.ready(rig);
        Seen seen, closed;
        std::atomic<int> running{0}, most{0};
        seen.inside = closed.inside = [&](Seen&) {
          most = std::max(most.load(), ++running);
          take_every_lock(rig);
          others_take_every_lock(rig);
          --running;
        };
        EXPECT_EQ(request->call(seen), STATUS_PENDING);
        seen.wait();
        EXPECT_EQ(request->begin_close(closed), STATUS_PENDING);
        closed.wait();
        ntrt::flush_processors();
        EXPECT_EQ(most, 1);
        EXPECT_EQ(seen.calls, 1);
      },
      3);
}

TEST(R_REQ_07, NorDoesWhatTheDeviceEnds) {
  simulate([] {
    Rig rig;
    Passive passive(rig);
    Active active(rig);
    std::atomic<int> calls{0};
    const auto inside = [&](Seen&) {
      ++calls;
      take_every_lock(rig);
      others_take_every_lock(rig);
    };
    for (Seen* seen :
         {&active.connected, &active.completed, &active.gone, &active.disconnected, &passive.accepted, &passive.gone})
      seen->inside = inside;
    active.establish();
    active.connection().peer_disconnect(true);
    EXPECT_EQ(active.disconnect(), STATUS_PENDING);
    active.connection().disconnected(CmStatus::success);
    EXPECT_EQ(passive.accept(), STATUS_PENDING);
    passive.connection->established(CmStatus::success);
    passive.connection->peer_disconnect(false);
    EXPECT_EQ(calls, 6);
  });
}

TEST(R_REQ_06, TheMdlIsTheCallersAgainWhenTheRegistrationHasCompleted) {
  for_each_request(
      std::array{CompletionMode::inlined, CompletionMode::nested, CompletionMode::early, CompletionMode::later},
      [](Rig& rig, const RequestKind& kind, CompletionMode) {
        if (kind.ready != make_ready<ReadyRegister>) return;
        ReadyRegister request(rig);
        FakeRegion& region = rig.device.regions.last();
        Seen seen;
        // The consumer keeps the chain until then, and not longer: inside the completion it is scribbled over.
        const auto bytes = static_cast<std::size_t>(request.mdl->Size);  // with its page list
        std::vector<std::uint8_t> saved(bytes);
        std::memcpy(saved.data(), request.mdl, bytes);
        const auto scribble = [&] { std::memset(static_cast<void*>(request.mdl), 0xcc, bytes); };
        seen.inside = [&](Seen&) { scribble(); };
        if (request.call(seen) == STATUS_PENDING) {
          seen.wait();
          EXPECT_EQ(seen.status, STATUS_SUCCESS);
        } else {
          scribble();
        }
        EXPECT_NE(request.mr->Dispatch->NdkGetRemoteTokenFromMr(request.mr), 0u);
        ASSERT_EQ(region.extents.size(), 1u);
        EXPECT_EQ(region.extents[0].data, request.memory);
        close(std::exchange(request.mr, nullptr));
        std::memcpy(static_cast<void*>(request.mdl), saved.data(), bytes);
      });
}

}  // namespace
}  // namespace softndk::provider
