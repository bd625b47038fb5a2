// Close, reject and disconnect by either side at every stage of an establishment (spec/ndkpi.md 3.2, 3.8, 3.10): what
// has an effect ends both sides with documented statuses, what has none leaves the connection to come up, and
// afterwards nothing is left of either.
#include <algorithm>
#include <optional>

#include "stage.h"

namespace softndk::stack {
namespace {

/// What was done last, each without waiting for more than it needs.
enum class Reached : std::uint8_t {
  idle,            ///< a connector was created
  connecting,      ///< NdkConnect was called
  incoming,        ///< the passive side has its connector
  accepting,       ///< NdkAccept was called
  await_complete,  ///< NdkConnect has succeeded
  completing,      ///< NdkCompleteConnect was called
  connected,       ///< both have succeeded
  leaving,         ///< the active side has called NdkDisconnect and the passive side knows
};
constexpr const char* kReachedNames[] = {"idle",           "connecting", "incoming",  "accepting",
                                         "await_complete", "completing", "connected", "leaving"};
enum class Act : std::uint8_t { close, reject, disconnect };
constexpr const char* kActNames[] = {"close", "reject", "disconnect"};

bool is_one_of(NTSTATUS status, std::initializer_list<NTSTATUS> allowed) {
  return std::find(allowed.begin(), allowed.end(), status) != allowed.end();
}
#define EXPECT_ONE_OF(status, ...)                                                \
  EXPECT_PRED2(is_one_of, status, (std::initializer_list<NTSTATUS>{__VA_ARGS__})) \
      << std::hex << "0x" << unsigned(status)

/// A request that was called, or not.
struct Call {
  Request request;
  NTSTATUS returned = STATUS_UNSUCCESSFUL;
  bool called = false;
  NTSTATUS finish() { return request.finish(returned); }
};

class Establishment {
 public:
  explicit Establishment(Stage& stage) : stage_(stage), pair_(stage) {
    pair_.active.connector = stage.adapter->connector();
  }

  void reach(Reached to) {
    while (reached_ < to && !testing::Test::HasFailure()) {
      reached_ = static_cast<Reached>(static_cast<int>(reached_) + 1);
      step(reached_);
    }
  }

  /// What the call returned; a close is waited for, a disconnect that pends is not.
  NTSTATUS act(bool passive, Act what) {
    Side& side = passive ? pair_.passive : pair_.active;
    switch (what) {
      case Act::close:
        side.connector.close();
        return STATUS_SUCCESS;
      case Act::reject:
        return side.reject("no");
      case Act::disconnect:
        disconnect_.called = true;
        return disconnect_.returned = side.begin_disconnect(disconnect_.request);
    }
    return STATUS_UNSUCCESSFUL;
  }

  /// The rest of the establishment, and its use, as if nothing had been.
  void expect_unharmed() {
    reach(Reached::connected);
    if (testing::Test::HasFailure()) return;
    Region here(pair_.active.pd.get(), 64), there(pair_.passive.pd.get(), 64);
    ASSERT_EQ(pair_.passive.receive(there.all(), 7), STATUS_SUCCESS);
    ASSERT_EQ(pair_.active.send(here.all()), STATUS_SUCCESS);
    EXPECT_EQ(pair_.active.next_status(), STATUS_SUCCESS);
    EXPECT_EQ(pair_.passive.next_status(), STATUS_SUCCESS);
  }

  /// The actor has closed or rejected: each request ends once, and the other side learns that it is over by a failure
  /// or, if its end was up before, by its event.
  void expect_over(bool by_passive, Reached when, Act what) {
    Side& active = pair_.active;
    Side& passive = pair_.passive;
    const bool active_acted = !by_passive;
    bool other_learned = false;

    bool connect_succeeded = reached_ >= Reached::await_complete;
    if (connect_.called && when < Reached::await_complete) {
      const NTSTATUS status = connect_.finish();
      connect_succeeded = status == STATUS_SUCCESS;
      if (active_acted) {
        EXPECT_ONE_OF(status, STATUS_CANCELLED, STATUS_SUCCESS);  // R-CNCT-18
      } else if (when == Reached::incoming) {
        EXPECT_EQ(status, STATUS_CONNECTION_REFUSED);  // R-CNCT-04, R-CLS-18
        other_learned = true;
      } else {
        EXPECT_ONE_OF(status, STATUS_SUCCESS, STATUS_CONNECTION_REFUSED, STATUS_CONNECTION_ABORTED);
        other_learned = status != STATUS_SUCCESS;
      }
    }
    // The other side goes on as long as it knows of nothing.
    bool active_up = reached_ >= Reached::connected;
    if (by_passive && connect_succeeded && !complete_.called) complete();
    if (complete_.called && !active_up) {
      const NTSTATUS status = complete_.finish();
      active_up = status == STATUS_SUCCESS;
      if (active_acted) {
        EXPECT_ONE_OF(status, STATUS_CANCELLED, STATUS_SUCCESS);
      } else {
        EXPECT_ONE_OF(status, STATUS_CONNECTION_ABORTED, STATUS_SUCCESS);  // R-CNCT-13
        other_learned = other_learned || !active_up;
      }
    }
    if (active_acted && passive.connector && !accept_.called) accept();
    bool passive_up = reached_ >= Reached::connected;
    if (accept_.called && !passive_up) {
      const NTSTATUS status = accept_.finish();
      passive_up = status == STATUS_SUCCESS;
      if (by_passive) {
        EXPECT_ONE_OF(status, STATUS_CANCELLED, STATUS_SUCCESS);
      } else if (when < Reached::completing) {
        EXPECT_EQ(status, STATUS_CONNECTION_ABORTED);  // R-CNCT-11, R-CNCT-12
        other_learned = true;
      } else {
        EXPECT_ONE_OF(status, STATUS_CONNECTION_ABORTED, STATUS_SUCCESS);
        other_learned = other_learned || !passive_up;
      }
    }
    if (active_acted && passive_up) other_learned = passive.left.wait();
    if (by_passive && active_up && when != Reached::leaving) other_learned = active.left.wait();
    if (leave_.called) {
      const NTSTATUS status = leave_.finish();
      EXPECT_EQ(status, by_passive ? STATUS_SUCCESS : STATUS_CANCELLED);  // R-CLS-20, R-CNCT-18
      other_learned = true;
    }
    const bool there_was_another = by_passive ? connect_.called : static_cast<bool>(passive.connector);
    EXPECT_EQ(other_learned, there_was_another) << kActNames[static_cast<int>(what)];
  }

  /// The actor's disconnect pends: the other gets its event and answers.
  void expect_graceful(bool by_passive) {
    Side& other = by_passive ? pair_.active : pair_.passive;
    if (accept_.called) {
      EXPECT_EQ(accept_.finish(), STATUS_SUCCESS);
    }
    if (complete_.called) {
      EXPECT_EQ(complete_.finish(), STATUS_SUCCESS);
    }
    if (leave_.called) {  // the passive side's was the answer
      EXPECT_EQ(leave_.finish(), STATUS_SUCCESS);
    } else {
      EXPECT_TRUE(other.left.wait());
      EXPECT_EQ(other.disconnect(), STATUS_SUCCESS);
    }
    EXPECT_EQ(disconnect_.finish(), STATUS_SUCCESS);
  }

  /// Everything is closed; a queue pair that was not, or about to be, connected serves again (R-REJ-03, R-CNCT-18).
  void expect_nothing_left() {
    Side& active = pair_.active;
    Side& passive = pair_.passive;
    active.connector.close();
    passive.connector.close();
    EXPECT_LE(active.disconnects.load(), 1) << "R-EVT-04";
    EXPECT_LE(passive.disconnects.load(), 1);
    std::optional<Side> new_active, new_passive;
    Side& from = complete_.called ? new_active.emplace(*stage_.adapter) : active;
    Side& to = accept_.called ? new_passive.emplace(*stage_.adapter) : passive;
    Request connecting, accepting;
    const NTSTATUS connect_returned = from.begin_connect(connecting, pair_.from, pair_.at, {}, "again");
    ASSERT_EQ(connect_returned, STATUS_PENDING);
    std::string asked;
    while (!asked.starts_with("again")) {  // one that was given up may still raise its event
      to.connector = pair_.door.next();
      ASSERT_TRUE(to.connector);
      Limits limits;
      if (to.connection_data(limits, asked) != STATUS_SUCCESS) asked.clear();
    }
    const NTSTATUS accept_returned = to.begin_accept(accepting);
    ASSERT_EQ(connecting.finish(connect_returned), STATUS_SUCCESS);
    ASSERT_EQ(from.complete(), STATUS_SUCCESS);
    EXPECT_EQ(accepting.finish(accept_returned), STATUS_SUCCESS);
    from.close();
    to.close();
  }

 private:
  void step(Reached to) {
    switch (to) {
      case Reached::idle:
        break;
      case Reached::connecting:
        connect_.called = true;
        connect_.returned = pair_.active.begin_connect(connect_.request, pair_.from, pair_.at);
        EXPECT_EQ(connect_.returned, STATUS_PENDING);
        break;
      case Reached::incoming:
        if (!pair_.passive.connector) pair_.passive.connector = pair_.door.next();
        EXPECT_TRUE(pair_.passive.connector);
        break;
      case Reached::accepting:
        accept();
        break;
      case Reached::await_complete:
        EXPECT_EQ(connect_.finish(), STATUS_SUCCESS);
        break;
      case Reached::completing:
        complete();
        break;
      case Reached::connected:
        EXPECT_EQ(complete_.finish(), STATUS_SUCCESS);
        EXPECT_EQ(accept_.finish(), STATUS_SUCCESS);
        break;
      case Reached::leaving:
        leave_.called = true;
        leave_.returned = pair_.active.begin_disconnect(leave_.request);
        EXPECT_TRUE(pair_.passive.left.wait());
        break;
    }
  }
  void accept() {
    accept_.called = true;
    accept_.returned = pair_.passive.begin_accept(accept_.request);
  }
  void complete() {
    NDK_CONNECTOR* connector = pair_.active.connector.get();
    complete_.called = true;
    complete_.returned = connector->Dispatch->NdkCompleteConnect(connector, &Side::disconnected, &pair_.active,
                                                                 &Request::completed, &complete_.request);
  }

  Stage& stage_;
  Pair pair_;
  Reached reached_ = Reached::idle;
  Call connect_, accept_, complete_, leave_, disconnect_;
};

void one_case(Stage& stage, Reached when, bool by_passive, Act what) {
  SCOPED_TRACE(std::string(by_passive ? "passive " : "active ") + kActNames[static_cast<int>(what)] + " when " +
               kReachedNames[static_cast<int>(when)]);
  Establishment establishment(stage);
  establishment.reach(when);
  if (testing::Test::HasFailure()) return;
  const NTSTATUS acted = establishment.act(by_passive, what);
  if (what == Act::close) {
    establishment.expect_over(by_passive, when, what);
  } else if (what == Act::reject) {
    // R-REJ-02. While accepting, the connect may have succeeded or not.
    const bool may =
        by_passive ? when == Reached::incoming : when == Reached::accepting || when == Reached::await_complete;
    const bool must = may && when != Reached::accepting;
    EXPECT_ONE_OF(acted, may ? STATUS_SUCCESS : STATUS_CONNECTION_INVALID,
                  must ? STATUS_SUCCESS : STATUS_CONNECTION_INVALID);
    if (acted == STATUS_SUCCESS) {
      establishment.expect_over(by_passive, when, what);
    } else if (when != Reached::leaving) {
      establishment.expect_unharmed();
    }
  } else {
    // R-DISC-12. While completing, either end may be up or not.
    const bool may = when >= Reached::completing && (by_passive || when != Reached::leaving);
    const bool must = may && when != Reached::completing;
    if (!must) {
      EXPECT_ONE_OF(acted, STATUS_CONNECTION_INVALID, may ? STATUS_PENDING : STATUS_CONNECTION_INVALID);
    }
    if (acted != STATUS_CONNECTION_INVALID) {
      establishment.expect_graceful(by_passive);
    } else {
      EXPECT_FALSE(must);
      if (when != Reached::leaving) establishment.expect_unharmed();
    }
  }
  if (!testing::Test::HasFailure()) establishment.expect_nothing_left();
}

void every_case(Stage& stage) {
  for (Reached when : {Reached::idle, Reached::connecting, Reached::incoming, Reached::accepting,
                       Reached::await_complete, Reached::completing, Reached::connected, Reached::leaving}) {
    for (bool by_passive : {false, true}) {
      if (by_passive && when < Reached::incoming) continue;  // there is no connector yet
      for (Act what : {Act::close, Act::reject, Act::disconnect}) {
        one_case(stage, when, by_passive, what);
        if (testing::Test::HasFailure()) return;
      }
    }
  }
}

TEST(HalfConnected, EveryStageEitherSideCloseRejectOrDisconnect) {
  everywhere(every_case, {{"disconnect_timeout_ms", "60000"}}, 60);
}

TEST(R_CLS_18, ClosingAnIncomingConnectorRejectsItsRequest) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    for (int i = 0; i < 3; ++i) {  // the active side may try again (R-CONN-24)
      Request connecting;
      const NTSTATUS returned = pair.active.begin_connect(connecting, pair.from, pair.at);
      pair.door.next().close();
      EXPECT_EQ(connecting.finish(returned), STATUS_CONNECTION_REFUSED);
    }
  });
}

}  // namespace
}  // namespace softndk::stack
