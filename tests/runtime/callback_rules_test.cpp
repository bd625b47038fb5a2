// Callbacks of every kind (spec/ndkpi.md 2.1): where they run, and that nothing of the provider's is locked meanwhile
// (R-IRQL-03).
#include <optional>

#include "ntrt/deferred.h"
#include "stage.h"

namespace softndk::stack {
namespace {

constexpr GUID kSomeInterface = {0x12345678, 0x9abc, 0xdef0, {1, 2, 3, 4, 5, 6, 7, 8}};

/// One of each object, and a thread that calls a function of each while a callback waits for it: whoever held a lock of
/// its own around that callback would never see the end of it.
class House {
 public:
  explicit House(Stage& stage) : adapter(*stage.adapter), pair(stage), region(pair.passive.pd.get(), 4096) {
    const auto made = [](NTSTATUS status) { EXPECT_EQ(status, STATUS_SUCCESS); };
    KeInitializeSpinLock(&lock_);
    made(
        create(mw, [&](auto... rest) { return pair.passive.pd.table()->NdkCreateMw(pair.passive.pd.get(), rest...); }));
    made(create(srq, [&](auto... rest) {
      return pair.passive.pd.table()->NdkCreateSrq(pair.passive.pd.get(), 8, 1, 2, &House::srq_notified, this, nullptr,
                                                   rest...);
    }));
    pair.passive.qp.close();
    made(create(pair.passive.qp, [&](auto... rest) {
      NDK_CQ* cq = pair.passive.queue.cq.get();
      return pair.passive.pd.table()->NdkCreateQpWithSrq(pair.passive.pd.get(), cq, cq, srq.get(), nullptr, 8, 4, 0,
                                                         rest...);
    }));
    pair.passive.queue.in_callback = [this] { visited(cq_notifications); };
    neighbour_.emplace([this] { serve(); });
  }
  ~House() {
    over_ = true;
    asked_.set();
    neighbour_->join();
    pair.active.close();
    pair.passive.close();  // its queue pair is over the shared queue
  }

  /// In each callback.
  void visited(std::atomic<int>& callbacks) {
    EXPECT_LE(KeGetCurrentIrql(), DISPATCH_LEVEL);
    KLOCK_QUEUE_HANDLE one_at_a_time;  // the consumer's part: callbacks of two objects may run at once
    KeAcquireInStackQueuedSpinLock(&lock_, &one_at_a_time);
    call_everything();  // ourselves
    served_ = false;
    asked_.set();
    ntrt::relax_until([this] { return served_.load() || over_.load(); });  // and somebody else
    KeReleaseInStackQueuedSpinLock(&one_at_a_time);
    ++callbacks;
  }

  static VOID created(PVOID context, NTSTATUS status, NDK_OBJECT_HEADER* object) {
    auto& call = *static_cast<Pending*>(context);
    call.house.visited(call.house.creates);
    Request::created(&call.request, status, object);
  }
  static VOID completed(PVOID context, NTSTATUS status) {
    auto& call = *static_cast<Pending*>(context);
    call.house.visited(call.house.requests);
    Request::completed(&call.request, status);
  }
  static VOID closed(PVOID context) {
    auto& call = *static_cast<Pending*>(context);
    call.house.visited(call.house.closes);
    Request::closed(&call.request);
  }
  static VOID srq_notified(PVOID context, NTSTATUS) {
    auto& house = *static_cast<House*>(context);
    house.visited(house.srq_notifications);
    house.srq_told.set();
  }
  static VOID disconnected(PVOID context) {
    auto& house = *static_cast<House*>(context);
    house.visited(house.disconnects);
    house.left.set();
  }
  static VOID disconnected_because(PVOID context, ULONG) {
    auto& house = *static_cast<House*>(context);
    house.visited(house.disconnects_ex);
    house.left_ex.set();
  }
  static VOID connect_event(PVOID context, NDK_CONNECTOR* connector) {
    auto& house = *static_cast<House*>(context);
    ULONG bytes = 0;
    EXPECT_EQ(connector->Dispatch->NdkGetConnectionData(connector, nullptr, nullptr, nullptr, &bytes), STATUS_SUCCESS);
    house.visited(house.connect_events);
    house.raised = connector;
    house.arrived.set();
  }
  struct Pending {
    House& house;
    Request request;
  };

  OpenAdapter& adapter;
  Pair pair;
  Region region;
  Object<NDK_MW> mw;
  Object<NDK_SRQ> srq;
  Object<NDK_LISTENER> listener;  ///< one whose events come here
  std::atomic<NDK_CONNECTOR*> raised{nullptr};
  Event arrived, left, left_ex, srq_told;
  std::atomic<int> creates{0}, requests{0}, closes{0}, cq_notifications{0}, srq_notifications{0}, connect_events{0},
      disconnects{0}, disconnects_ex{0};

 private:
  /// One function of each object; none that has to be heard of again, but for a domain that is closed at once.
  void call_everything() {
    NDK_ADAPTER* ndk = adapter.adapter;
    NDK_EXTENSION_INTERFACE interface {};
    EXPECT_EQ(ndk->Dispatch->NdkQueryExtension(&ndk->Header, &kSomeInterface, {1, 0}, &interface),
              STATUS_NOT_SUPPORTED);
    const auto* cq = pair.passive.queue.cq.table();
    cq->NdkArmCq(pair.passive.queue.cq.get(), NDK_CQ_NOTIFY_ERRORS);
    EXPECT_EQ(cq->NdkControlCqInterruptModeration(pair.passive.queue.cq.get(), 0, 1), STATUS_SUCCESS);
    UINT32 token = 0;
    pair.passive.pd.table()->NdkGetPrivilegedMemoryRegionToken(pair.passive.pd.get(), &token);
    EXPECT_NE(token, 0u);
    EXPECT_NE(region.token(), 0u);
    mw.table()->NdkGetRemoteTokenFromMw(mw.get());
    EXPECT_NE(srq.table()->NdkSrqReceive(srq.get(), nullptr, nullptr, 2), STATUS_PENDING);  // refused: two SGEs
    Sockaddr at;
    at.bytes = sizeof(at.value);
    EXPECT_EQ(pair.door.listener.table()->NdkGetLocalAddress(pair.door.listener.get(), at.room(), &at.bytes),
              STATUS_SUCCESS);
    if (listener) listener.table()->NdkControlConnectEvents(listener.get(), FALSE);
    if (pair.passive.connector) {
      ULONG bytes = 0;
      pair.passive.connector.table()->NdkGetConnectionData(pair.passive.connector.get(), nullptr, nullptr, nullptr,
                                                           &bytes);
    }
  }
  void serve() {
    for (;;) {
      if (!asked_.wait()) return;
      asked_.clear();
      if (over_.load()) return;
      call_everything();
      served_ = true;
    }
  }
  KSPIN_LOCK lock_;
  Event asked_;
  std::atomic<bool> served_{false}, over_{false};
  std::optional<DriverThread> neighbour_;
};

TEST(R_IRQL_03, AnyFunctionMayBeCalledInsideEveryCompletion) {
  everywhere(
      [](Stage& stage) {
        House house(stage);
        NDK_ADAPTER* adapter = stage.adapter->adapter;
        House::Pending creating{house, {}}, resizing{house, {}}, closing{house, {}};
        NDK_CQ* cq = nullptr;
        ASSERT_EQ(
            adapter->Dispatch->NdkCreateCq(adapter, 8, nullptr, nullptr, nullptr, &House::created, &creating, &cq),
            STATUS_PENDING);
        ASSERT_EQ(creating.request.finish(STATUS_PENDING), STATUS_SUCCESS);
        cq = reinterpret_cast<NDK_CQ*>(creating.request.object());
        ASSERT_EQ(cq->Dispatch->NdkResizeCq(cq, 16, &House::completed, &resizing), STATUS_PENDING);
        EXPECT_EQ(resizing.request.finish(STATUS_PENDING), STATUS_SUCCESS);
        ASSERT_EQ(cq->Dispatch->NdkCloseCq(&cq->Header, &House::closed, &closing), STATUS_PENDING);
        EXPECT_EQ(closing.request.finish(STATUS_PENDING), STATUS_SUCCESS);
        EXPECT_EQ(house.creates.load(), 1);
        EXPECT_EQ(house.requests.load(), 1);
        EXPECT_EQ(house.closes.load(), 1);
      },
      {{"policy", "later"}}, 4);
}

TEST(R_IRQL_03, AndInsideEveryEvent) {
  everywhere([](Stage& stage) {
    House house(stage);
    // A connect event.
    house.listener = stage.adapter->listener(&House::connect_event, &house);
    ASSERT_EQ(ask([&](auto... rest) {
                const Sockaddr any("127.0.0.1");
                return house.listener.table()->NdkListen(house.listener.get(), any.get(), any.bytes, rest...);
              }),
              STATUS_SUCCESS);
    {
      Side caller(*stage.adapter);
      Request connecting;
      const NTSTATUS returned =
          caller.begin_connect(connecting, Sockaddr("127.0.0.1"), local_address_of(house.listener));
      ASSERT_TRUE(house.arrived.wait());
      Object<NDK_CONNECTOR> refused(house.raised.exchange(nullptr));
      refused.close();
      EXPECT_EQ(connecting.finish(returned), STATUS_CONNECTION_REFUSED);
    }
    EXPECT_EQ(house.connect_events.load(), 1);
    // A connection whose both ends are told of its end here, each in its form.
    Side &active = house.pair.active, &passive = house.pair.passive;
    ASSERT_EQ(house.pair.active.begin_connect(house.pair.accepting, house.pair.from, house.pair.at), STATUS_PENDING);
    passive.connector = house.pair.door.next();
    Request accepting, completing;
    const NTSTATUS accepted =
        passive.connector.table()->NdkAcceptEx(passive.connector.get(), passive.qp.get(), 4, 4, nullptr, 0,
                                               &House::disconnected_because, &house, &Request::completed, &accepting);
    ASSERT_EQ(house.pair.accepting.finish(STATUS_PENDING), STATUS_SUCCESS);
    ASSERT_EQ(completing.finish(active.connector.table()->NdkCompleteConnect(
                  active.connector.get(), &House::disconnected, &house, &Request::completed, &completing)),
              STATUS_SUCCESS);
    ASSERT_EQ(accepting.finish(accepted), STATUS_SUCCESS);
    // Notifications: the shared queue falls below its threshold of two, the receives come into the armed queue.
    for (int i = 0; i < 2; ++i)
      ASSERT_EQ(house.srq.table()->NdkSrqReceive(house.srq.get(), nullptr, nullptr, 0), STATUS_SUCCESS);
    passive.queue.arm();
    ASSERT_EQ(active.qp.table()->NdkSend(active.qp.get(), nullptr, nullptr, 0, 0), STATUS_SUCCESS);
    EXPECT_EQ(active.next_status(), STATUS_SUCCESS);
    ASSERT_TRUE(house.srq_told.wait());
    ASSERT_TRUE(passive.queue.told.wait());
    EXPECT_EQ(house.srq_notifications.load(), 1);
    EXPECT_GE(house.cq_notifications.load(), 1);
    // Each end hears of the other's.
    Request leaving;
    const NTSTATUS left =
        active.connector.table()->NdkDisconnect(active.connector.get(), &Request::completed, &leaving);
    ASSERT_TRUE(house.left_ex.wait());
    EXPECT_EQ(house.disconnects_ex.load(), 1);
    EXPECT_EQ(
        ask([&](auto... rest) { return passive.connector.table()->NdkDisconnect(passive.connector.get(), rest...); }),
        STATUS_SUCCESS);
    EXPECT_EQ(leaving.finish(left), STATUS_SUCCESS);
    passive.close();
    active.close();
    house.listener.close();
  });
}

TEST(R_IRQL_03, ThePlainDisconnectEventToo) {
  everywhere([](Stage& stage) {
    House house(stage);
    Side &active = house.pair.active, &passive = house.pair.passive;
    ASSERT_EQ(house.pair.meet(), STATUS_SUCCESS);
    Request completing;
    ASSERT_EQ(completing.finish(active.connector.table()->NdkCompleteConnect(
                  active.connector.get(), &House::disconnected, &house, &Request::completed, &completing)),
              STATUS_SUCCESS);
    ASSERT_EQ(house.pair.accepting.finish(house.pair.accept_returned), STATUS_SUCCESS);
    passive.connector.close();
    ASSERT_TRUE(house.left.wait());
    EXPECT_EQ(house.disconnects.load(), 1);
  });
}

}  // namespace
}  // namespace softndk::stack
