// The disconnect event (spec/ndkpi.md 2.1, 3.10): for what, how often, of which form, and where it runs.
#include "io/executor.h"
#include "stage.h"

namespace softndk::stack {
namespace {

/// One side's event in either form; calls of the other form would show.
struct Told {
  explicit Told(bool ex) : with_reason(ex) {}
  static VOID plain(PVOID context) {
    auto* self = static_cast<Told*>(context);
    EXPECT_FALSE(self->with_reason);
    ++self->calls;
    self->left.set();
  }
  static VOID ex(PVOID context, ULONG) {
    auto* self = static_cast<Told*>(context);
    EXPECT_TRUE(self->with_reason);
    ++self->calls;
    self->left.set();
  }
  NTSTATUS complete(Side& side) {
    NDK_CONNECTOR* connector = side.connector.get();
    return ask([&](auto... rest) {
      return with_reason ? connector->Dispatch->NdkCompleteConnectEx(connector, &Told::ex, this, rest...)
                         : connector->Dispatch->NdkCompleteConnect(connector, &Told::plain, this, rest...);
    });
  }
  NTSTATUS begin_accept(Side& side, Request& request) {
    NDK_CONNECTOR* connector = side.connector.get();
    NDK_QP* qp = side.qp.get();
    return with_reason ? connector->Dispatch->NdkAcceptEx(connector, qp, 1, 1, nullptr, 0, &Told::ex, this,
                                                          &Request::completed, &request)
                       : connector->Dispatch->NdkAccept(connector, qp, 1, 1, nullptr, 0, &Told::plain, this,
                                                        &Request::completed, &request);
  }
  bool with_reason;
  std::atomic<int> calls{0};
  Event left;
};

/// Both ends up, each with its own form of the event.
bool establish(Pair& pair, Told& active, Told& passive) {
  Request connecting, accepting;
  const NTSTATUS connect_returned = pair.active.begin_connect(connecting, pair.from, pair.at);
  pair.passive.connector = pair.door.next();
  if (!pair.passive.connector) return false;
  const NTSTATUS accept_returned = passive.begin_accept(pair.passive, accepting);
  const bool connected = connecting.finish(connect_returned) == STATUS_SUCCESS;
  const bool completed = connected && active.complete(pair.active) == STATUS_SUCCESS;
  if (!completed) pair.active.connector.close();
  const bool accepted = accepting.finish(accept_returned) == STATUS_SUCCESS;
  EXPECT_TRUE(completed && accepted);
  return completed && accepted;
}

TEST(R_EVT_10, EachSideGetsItsOwnFormWhicheverTheOtherHas) {
  everywhere([](Stage& stage) {
    for (const bool active_ex : {false, true}) {
      for (const bool passive_ex : {false, true}) {
        for (const bool active_leaves : {false, true}) {
          for (const bool closes : {false, true}) {
            Told active(active_ex), passive(passive_ex);
            Pair pair(stage);
            ASSERT_TRUE(establish(pair, active, passive));
            Side& leaver = active_leaves ? pair.active : pair.passive;
            Side& other = active_leaves ? pair.passive : pair.active;
            Told& told = active_leaves ? passive : active;
            Told& untold = active_leaves ? active : passive;
            Request leaving;
            if (closes) {
              leaver.connector.close();
              ASSERT_TRUE(told.left.wait());
            } else {
              const NTSTATUS returned = leaver.begin_disconnect(leaving);
              ASSERT_TRUE(told.left.wait());
              EXPECT_EQ(other.disconnect(), STATUS_SUCCESS);
              EXPECT_EQ(leaving.finish(returned), STATUS_SUCCESS);
            }
            pair.active.close();
            pair.passive.close();  // nothing is called after a close completion
            EXPECT_EQ(told.calls, 1);
            EXPECT_EQ(untold.calls, 0);
          }
        }
      }
    }
  });
}

/// A way in which a connection can end, and which side is told of it.
struct Cause {
  const char* name;
  void (*happen)(Pair& pair);
  int active_events;
};

/// Posts a Send from memory that was never registered: a fatal error of the poster's own.
void break_by_own_error(Side& side) {
  Region memory(side.pd.get(), 64);
  NDK_SGE wrong = memory.all();
  wrong.MemoryRegionToken ^= 0x500;
  EXPECT_EQ(side.send(wrong), STATUS_SUCCESS);
  EXPECT_EQ(side.next_status(), STATUS_ACCESS_VIOLATION);
}
/// A Write to a token that the peer does not have: the peer ends the connection.
void break_by_remote_error(Side& side) {
  Region memory(side.pd.get(), 64);
  EXPECT_EQ(side.write(memory.all(), 4096, 0xbad), STATUS_SUCCESS);
}

const Cause kCauses[] = {
    {"the peer disconnects",
     [](Pair& pair) {
       Request leaving;
       const NTSTATUS returned = pair.passive.begin_disconnect(leaving);
       EXPECT_TRUE(pair.active.left.wait());
       EXPECT_EQ(pair.active.disconnect(), STATUS_SUCCESS);
       EXPECT_EQ(leaving.finish(returned), STATUS_SUCCESS);
     },
     1},
    {"the peer closes", [](Pair& pair) { pair.passive.connector.close(); }, 1},
    {"a fatal error of our own request", [](Pair& pair) { break_by_own_error(pair.active); }, 1},
    {"a fatal error of the peer's own request", [](Pair& pair) { break_by_own_error(pair.passive); }, 1},
    {"our access to what the peer does not offer", [](Pair& pair) { break_by_remote_error(pair.active); }, 1},
    {"the peer's access to what we do not offer", [](Pair& pair) { break_by_remote_error(pair.passive); }, 1},
    {"our own disconnect",
     [](Pair& pair) {
       Request leaving;
       const NTSTATUS returned = pair.active.begin_disconnect(leaving);
       EXPECT_TRUE(pair.passive.left.wait());
       EXPECT_EQ(pair.passive.disconnect(), STATUS_SUCCESS);
       EXPECT_EQ(leaving.finish(returned), STATUS_SUCCESS);
     },
     0},
    {"our own close",
     [](Pair& pair) {
       pair.active.connector.close();
       EXPECT_TRUE(pair.passive.left.wait());
     },
     0},
};

TEST(R_EVT_05, OneEventForEveryEndButOurOwnDisconnectOrClose) {
  everywhere([](Stage& stage) {
    for (const Cause& cause : kCauses) {
      SCOPED_TRACE(cause.name);
      Pair pair(stage);
      ASSERT_TRUE(pair.establish());
      cause.happen(pair);
      if (cause.active_events != 0) {
        ASSERT_TRUE(pair.active.left.wait());
      }
      pair.active.close();
      EXPECT_EQ(pair.active.disconnects, cause.active_events);
    }
  });
}

TEST(R_EVT_05, AResetByTheNetworkIsOneEventOnEachSide) {
  sim::Options options;
  options.reset = sim::Chance::always();
  options.reset_at_bytes = {20'000, 60'000};
  in_simulation(
      30,
      [](Stage& stage) {
        Pair pair(stage);
        ASSERT_TRUE(pair.establish());
        Region here(pair.active.pd.get(), 50'000), there(pair.passive.pd.get(), 50'000);
        // Until it happens: either direction has its octets counted.
        for (int i = 0; i < 4; ++i) {
          if (pair.active.write(here.all(), there.address(), there.token()) != STATUS_SUCCESS) break;
          if (pair.passive.write(there.all(), here.address(), here.token()) != STATUS_SUCCESS) break;
          pair.active.next();
          pair.passive.next();
        }
        EXPECT_TRUE(pair.active.left.wait());
        EXPECT_TRUE(pair.passive.left.wait());
        pair.active.close();
        pair.passive.close();
        EXPECT_EQ(pair.active.disconnects, 1);
        EXPECT_EQ(pair.passive.disconnects, 1);
      },
      {}, options);
}

TEST(R_DISC_16, AtALossFlushAndEventComeInEitherOrderAndBothComeOnce) {
  everywhere(
      [](Stage& stage) {
        for (const bool event_awaited_first : {false, true}) {
          Pair pair(stage);
          ASSERT_TRUE(pair.establish());
          Region here(pair.active.pd.get(), 64);
          constexpr int kReceives = 16;
          for (int i = 0; i < kReceives; ++i)
            ASSERT_EQ(pair.active.receive(here.all()), STATUS_SUCCESS);
          pair.passive.connector.close();
          // Whichever we wait for, the other comes without our doing anything.
          if (event_awaited_first) {
            EXPECT_TRUE(pair.active.left.wait());
          }
          for (int i = 0; i < kReceives; ++i)
            EXPECT_EQ(pair.active.next_status(), STATUS_CANCELLED);
          EXPECT_TRUE(pair.active.left.wait());
          pair.active.connector.close();
          EXPECT_EQ(pair.active.disconnects, 1);
          EXPECT_TRUE(pair.active.queue.is_empty());
        }
      },
      {}, 60);
}

/// A consumer's thread that notes when it is inside a call.
struct Caller {
  template <class Call>
  auto call(Call&& body) {
    inside = &io::this_thread();
    const auto result = body();
    inside = nullptr;
    return result;
  }
  static VOID left(PVOID context) {
    auto* self = static_cast<Caller*>(context);
    EXPECT_NE(self->inside.load(), &io::this_thread());
    ++self->calls;
    self->told.set();
  }
  std::atomic<const io::ThreadContext*> inside{nullptr};
  std::atomic<int> calls{0};
  Event told;
};

TEST(R_DISC_18, TheEventNeverRunsInsideACallOfTheThreadThatMakesIt) {
  everywhere(
      [](Stage& stage) {
        Caller caller;
        Pair pair(stage);
        ASSERT_EQ(pair.meet(), STATUS_SUCCESS);
        NDK_CONNECTOR* connector = pair.active.connector.get();
        Request completing;
        const NTSTATUS returned = caller.call([&] {
          return connector->Dispatch->NdkCompleteConnect(connector, &Caller::left, &caller, &Request::completed,
                                                         &completing);
        });
        // The peer leaves while calls are made, from before ours has reported on.
        DriverThread peer([&] {
          EXPECT_EQ(pair.accepting.finish(pair.accept_returned), STATUS_SUCCESS);
          pair.passive.connector.close();
        });
        ASSERT_EQ(completing.finish(returned), STATUS_SUCCESS);
        Region here(pair.active.pd.get(), 64);
        while (caller.calls == 0) {
          caller.call([&] { return pair.active.receive(here.all()); });
          caller.call([&] {
            pair.active.queue.arm();
            return 0;
          });
          caller.call([&] { return pair.active.send(here.all()); });
          while (!caller.call([&] { return pair.active.queue.is_empty(); })) {
          }
          static_cast<void>(caller.told.wait(-100));  // lets others go on
        }
        peer.join();
        pair.active.connector.close();
        EXPECT_EQ(caller.calls, 1);
      },
      {}, 30);
}

}  // namespace
}  // namespace softndk::stack
