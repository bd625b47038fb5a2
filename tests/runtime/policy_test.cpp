// The completion policy's order and latency (R-CONN-25), through the whole stack. In simulation, where time is virtual.
#include "ntrt/deferred.h"
#include "stage.h"

namespace softndk::stack {
namespace {

/// Runs `body(Stage&)` once for each seed of the order, in one and the same world.
template <class Body>
void permuted(std::uint64_t seeds, const char* policy, Body body) {
  sim::Options options;
  options.processors = 1;  // there only the policy can change an order
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    sim::World world(1, options);
    const std::string order = "permuted(" + std::to_string(seed) + ")";
    const sim::Result result = world.run([&] {
      Stage stage(world.view(), setting_values(policy, {{"order", order.c_str()}, {"latency_us", "0"}}));
      body(stage);
      stage.adapter.reset();
      stage.runtime.reset();
    });
    ASSERT_EQ(result, sim::Result::completed) << world.report();
  }
}

/// Counts the callbacks of two requests that were made one after the other.
struct Turns {
  struct One {
    explicit One(Turns& turns) : all(turns) {}
    Turns& all;
    int turn = 0;
    Event done;
    NDK_OBJECT_HEADER* object = nullptr;
    void enter() {
      turn = ++all.last;
      done.set();
    }
    static VOID created(PVOID context, NTSTATUS status, NDK_OBJECT_HEADER* object) {
      EXPECT_EQ(status, STATUS_SUCCESS);
      static_cast<One*>(context)->object = object;
      static_cast<One*>(context)->enter();
    }
    static VOID completed(PVOID context, NTSTATUS) { static_cast<One*>(context)->enter(); }
  };
  /// True: the first came first.
  bool wait() {
    EXPECT_TRUE(first.done.wait());
    EXPECT_TRUE(second.done.wait());
    return first.turn < second.turn;
  }
  std::atomic<int> last{0};
  One first{*this};
  One second{*this};
};

TEST(R_REQ_08, PermutedCreatesCompleteInBothOrders) {
  if (std::getenv("SOFTNDK_POLICY") != nullptr) GTEST_SKIP() << "wants a policy of its own";
  int in_turn = 0;
  permuted(100, "later", [&](Stage& stage) {
    NDK_ADAPTER* adapter = stage.adapter->adapter;
    Turns turns;
    NDK_PD* out = nullptr;
    EXPECT_EQ(adapter->Dispatch->NdkCreatePd(adapter, &Turns::One::created, &turns.first, &out), STATUS_PENDING);
    EXPECT_EQ(adapter->Dispatch->NdkCreatePd(adapter, &Turns::One::created, &turns.second, &out), STATUS_PENDING);
    in_turn += turns.wait();
    for (const Turns::One* one : {&turns.first, &turns.second})
      Object<NDK_PD>(reinterpret_cast<NDK_PD*>(one->object)).close();
  });
  EXPECT_GT(in_turn, 20);
  EXPECT_LT(in_turn, 80);
}

TEST(R_REQ_08, WhatTheNetworkEndsIsPermutedToo) {
  // Whether a connect ends early or late is the network's; the two of one connection end within microseconds.
  int accept_first = 0;
  constexpr int kRuns = 60;
  permuted(kRuns, "default", [&](Stage& stage) {
    Pair pair(stage);
    ASSERT_EQ(pair.meet(), STATUS_SUCCESS);
    NDK_CONNECTOR* connector = pair.active.connector.get();
    Turns turns;
    const NTSTATUS returned = connector->Dispatch->NdkCompleteConnect(connector, &Side::disconnected, &pair.active,
                                                                      &Turns::One::completed, &turns.first);
    if (returned == STATUS_PENDING) {
      EXPECT_TRUE(turns.first.done.wait());
    }
    accept_first += pair.accepting.is_done();
    EXPECT_EQ(pair.accepting.finish(pair.accept_returned), STATUS_SUCCESS);
  });
  EXPECT_GT(accept_first, 0);
  EXPECT_LT(accept_first, kRuns);
}

TEST(Latency, NoPendedCallOfAWholeLifeIsQuickerThanTheSetting) {
  constexpr io::TimeNs kLatencyNs = 500 * io::kMicrosecond;
  int runs = 0, pended = 0;
  in_simulation(60,
                [&](Stage& stage) {
                  ++runs;
                  const auto slow = [&](NTSTATUS returned, Request& request, io::TimeNs called_ns) {
                    const NTSTATUS status = request.finish(returned);
                    if (returned != STATUS_PENDING) return status;
                    ++pended;
                    EXPECT_GE(ntrt::now_ns() - called_ns, kLatencyNs);
                    return status;
                  };
                  {
                    Request request;
                    NDK_PD* pd = nullptr;
                    const io::TimeNs called_ns = ntrt::now_ns();
                    NDK_ADAPTER* adapter = stage.adapter->adapter;
                    const NTSTATUS returned = adapter->Dispatch->NdkCreatePd(adapter, &Request::created, &request, &pd);
                    EXPECT_EQ(slow(returned, request, called_ns), STATUS_SUCCESS);
                    Object<NDK_PD> made(returned == STATUS_PENDING ? reinterpret_cast<NDK_PD*>(request.object()) : pd);
                    Request closing;
                    const io::TimeNs closed_ns = ntrt::now_ns();
                    slow(made.begin_close(closing), closing, closed_ns);
                  }
                  Pair pair(stage);
                  Request connecting, completing, leaving, answering;
                  const io::TimeNs connect_ns = ntrt::now_ns();
                  const NTSTATUS connect_returned = pair.active.begin_connect(connecting, pair.from, pair.at);
                  pair.passive.connector = pair.door.next();
                  const io::TimeNs accept_ns = ntrt::now_ns();
                  const NTSTATUS accept_returned = pair.passive.begin_accept(pair.accepting);
                  ASSERT_EQ(slow(connect_returned, connecting, connect_ns), STATUS_SUCCESS);
                  NDK_CONNECTOR* active = pair.active.connector.get();
                  const io::TimeNs complete_ns = ntrt::now_ns();
                  const NTSTATUS complete_returned = active->Dispatch->NdkCompleteConnect(
                      active, &Side::disconnected, &pair.active, &Request::completed, &completing);
                  ASSERT_EQ(slow(complete_returned, completing, complete_ns), STATUS_SUCCESS);
                  ASSERT_EQ(slow(accept_returned, pair.accepting, accept_ns), STATUS_SUCCESS);
                  const io::TimeNs leave_ns = ntrt::now_ns();
                  const NTSTATUS leave_returned = pair.active.begin_disconnect(leaving);
                  ASSERT_TRUE(pair.passive.left.wait());
                  const io::TimeNs answer_ns = ntrt::now_ns();
                  const NTSTATUS answer_returned = pair.passive.begin_disconnect(answering);
                  EXPECT_EQ(slow(answer_returned, answering, answer_ns), STATUS_SUCCESS);
                  EXPECT_EQ(slow(leave_returned, leaving, leave_ns), STATUS_SUCCESS);
                },
                {{"latency_us", "500"}});
  EXPECT_GE(pended, 3 * runs) << "four of the calls wait for the peer";
}

TEST(R_REQ_08, CompletingAConnectionMayTakeLongerThanAnyOtherRequest) {
  constexpr io::TimeNs kConnectNs = 5000 * io::kMicrosecond;
  in_simulation(20,
                [&](Stage& stage) {
                  Pair pair(stage);
                  Request connecting, completing;
                  const io::TimeNs connect_ns = ntrt::now_ns();
                  const NTSTATUS connect_returned = pair.active.begin_connect(connecting, pair.from, pair.at);
                  pair.passive.connector = pair.door.next();
                  const NTSTATUS accept_returned = pair.passive.begin_accept(pair.accepting);
                  ASSERT_EQ(connecting.finish(connect_returned), STATUS_SUCCESS);
                  EXPECT_LT(ntrt::now_ns() - connect_ns, kConnectNs);
                  NDK_CONNECTOR* active = pair.active.connector.get();
                  const io::TimeNs complete_ns = ntrt::now_ns();
                  const NTSTATUS complete_returned = active->Dispatch->NdkCompleteConnect(
                      active, &Side::disconnected, &pair.active, &Request::completed, &completing);
                  ASSERT_EQ(pair.accepting.finish(accept_returned), STATUS_SUCCESS);
                  EXPECT_LT(ntrt::now_ns() - complete_ns, kConnectNs) << "the accepting side need not wait for it";
                  ASSERT_EQ(completing.finish(complete_returned), STATUS_SUCCESS);
                  EXPECT_GE(ntrt::now_ns() - complete_ns, kConnectNs);
                },
                {{"latency_us", "30"}, {"connect_latency_us", "5000"}});
}

}  // namespace
}  // namespace softndk::stack
