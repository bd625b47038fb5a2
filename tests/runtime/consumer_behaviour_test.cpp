// What public consumers depend on beyond the rules: spec/kernel-surface.md section 8, one suite an item. Each of these
// breaks a real driver when it is missed.
#include <algorithm>

#include "stage.h"

namespace softndk::stack {
namespace {

constexpr ULONG kSocketBytes = 65536;  // of the socket-like sample's receives

void a_moment() {
  LARGE_INTEGER due;
  due.QuadPart = -10'000;
  KeDelayExecutionThread(KernelMode, FALSE, &due);
}

TEST(SURFACE_8_01, ASendBeforeAReceiveIsPostedWaitsForIt) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    Region from(pair.active.pd.get(), 4096), to(pair.passive.pd.get(), 4096);
    from.memory.fill(1);
    ASSERT_TRUE(pair.establish());
    // As soon as its CompleteConnect completed; the server posts receives only after its accept did.
    ASSERT_EQ(pair.active.send(from.all()), STATUS_SUCCESS);
    ASSERT_EQ(pair.active.next_status(), STATUS_SUCCESS);
    ASSERT_EQ(pair.passive.receive(to.all()), STATUS_SUCCESS);
    const NDK_RESULT_EX result = pair.passive.next();
    EXPECT_EQ(result.Status, STATUS_SUCCESS);
    EXPECT_EQ(result.BytesTransferred, 4096u);
    EXPECT_TRUE(from.memory.same(to.memory, 4096));
  });
}

TEST(SURFACE_8_02, AnArmWithResultsInTheQueueTellsAtOnceAndNeverWithoutAny) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    Region from(pair.active.pd.get(), 64), to(pair.passive.pd.get(), 64);
    ASSERT_TRUE(pair.establish());
    Queue& queue = pair.passive.queue;
    for (int round = 0; round < 8; ++round) {
      const int notifications = queue.notifications;
      ASSERT_EQ(pair.passive.receive(to.all()), STATUS_SUCCESS);
      ASSERT_EQ(pair.active.send(from.all()), STATUS_SUCCESS);
      // Arrived for certain: a Read's answer comes behind it.
      ASSERT_EQ(pair.active.read(from.all(), to.address(), to.token()), STATUS_SUCCESS);
      EXPECT_EQ(pair.active.next_status(), STATUS_SUCCESS);
      EXPECT_EQ(pair.active.next_status(), STATUS_SUCCESS);
      queue.arm();
      ASSERT_TRUE(queue.told.wait());
      EXPECT_EQ(queue.notifications, notifications + 1);
      NDK_RESULT_EX result;
      EXPECT_TRUE(queue.poll(result)) << "a notification and no receive";
      EXPECT_EQ(result.Status, STATUS_SUCCESS);
      EXPECT_FALSE(queue.poll(result));
    }
    // With nothing in the queue an arm is silent until something comes, here behind a Read that is not for it.
    const int notifications = queue.notifications;
    queue.arm();
    ASSERT_EQ(pair.active.read(from.all(), to.address(), to.token()), STATUS_SUCCESS);
    EXPECT_EQ(pair.active.next_status(), STATUS_SUCCESS);
    EXPECT_EQ(queue.notifications, notifications);
    ASSERT_EQ(pair.passive.receive(to.all()), STATUS_SUCCESS);
    ASSERT_EQ(pair.active.send(from.all()), STATUS_SUCCESS);
    ASSERT_TRUE(queue.told.wait());
    EXPECT_EQ(queue.notifications, notifications + 1);
    EXPECT_EQ(queue.next_status(), STATUS_SUCCESS);
  });
}

TEST(SURFACE_8_03, EveryPostedReceiveComesBackCancelledThroughTheArmedQueue) {
  static constexpr int kReceives = 32;
  everywhere([](Stage& stage) {
    Pair pair(stage);
    Region to(pair.passive.pd.get(), 4096);
    ASSERT_TRUE(pair.establish());
    for (int i = 0; i < kReceives; ++i)
      ASSERT_EQ(pair.passive.receive(to.all(), static_cast<UINT_PTR>(i + 1)), STATUS_SUCCESS);
    Queue& queue = pair.passive.queue;
    queue.arm();
    // The consumer that closes its connection: disconnect, flush, then wait without a time-out until all came back.
    Request leaving;
    const NTSTATUS returned = pair.passive.begin_disconnect(leaving);
    ASSERT_TRUE(pair.active.left.wait());
    ASSERT_EQ(pair.active.disconnect(), STATUS_SUCCESS);
    ASSERT_EQ(leaving.finish(returned), STATUS_SUCCESS);
    pair.passive.flush();
    for (int came = 0; came < kReceives;) {
      ASSERT_TRUE(queue.told.wait()) << "after " << came << " of " << kReceives;
      NDK_RESULT_EX result;
      while (queue.poll(result)) {
        ++came;
        EXPECT_EQ(result.Status, STATUS_CANCELLED);
        EXPECT_EQ(result.RequestContext, reinterpret_cast<PVOID>(static_cast<UINT_PTR>(came)));
      }
      if (came < kReceives) queue.arm();
    }
    EXPECT_TRUE(queue.is_empty());
  });
}

TEST(SURFACE_8_06, AReceiveOf64KiBBehindAHeaderFitsOneList) {
  everywhere([](Stage& stage) {
    constexpr ULONG kHeader = 128, kPieces = kSocketBytes / PAGE_SIZE + 1;
    ASSERT_GE(stage.adapter->info.MaxReceiveRequestSge, kPieces);
    QpShape shape;
    shape.sges = kPieces;
    Pair pair(stage, "127.0.0.1", shape);
    Region from(pair.active.pd.get(), kSocketBytes);
    Region to(pair.passive.pd.get(), kHeader + kSocketBytes);  // a header at the page's start, the buffer right behind
    from.memory.fill(3);
    ASSERT_TRUE(pair.establish());
    NDK_SGE pieces[kPieces];
    std::size_t at = kHeader;
    for (NDK_SGE& piece : pieces) {  // cut at each page, as a list of adapter pages is
      const std::size_t bytes = std::min<std::size_t>(PAGE_SIZE - at % PAGE_SIZE, kHeader + kSocketBytes - at);
      piece = to.sge(at, bytes);
      at += bytes;
    }
    ASSERT_EQ(at, kHeader + kSocketBytes);
    NDK_QP* qp = pair.passive.qp.get();
    ASSERT_EQ(qp->Dispatch->NdkReceive(qp, nullptr, pieces, kPieces), STATUS_SUCCESS);
    ASSERT_EQ(pair.active.send(from.all()), STATUS_SUCCESS);
    const NDK_RESULT_EX result = pair.passive.next();
    EXPECT_EQ(result.Status, STATUS_SUCCESS);
    EXPECT_EQ(result.BytesTransferred, kSocketBytes);
    EXPECT_EQ(std::memcmp(from.memory.data, to.memory.data + kHeader, kSocketBytes), 0);
    EXPECT_EQ(pair.active.next_status(), STATUS_SUCCESS);
  });
}

TEST(SURFACE_8_07, QueuesAsDeepAsAdvertisedCanBeHad) {
  everywhere([](Stage& stage) {
    OpenAdapter& adapter = *stage.adapter;
    const NDK_ADAPTER_INFO& info = adapter.info;
    const auto capped = [](ULONG advertised) { return std::min<ULONG>(advertised, MAXUSHORT); };
    EXPECT_GE(info.FRMRPageCount, 17u) << "64 KiB that begin anywhere";
    Queue receives(adapter, capped(info.MaxCqDepth)), sends(adapter, capped(info.MaxCqDepth));
    const Object<NDK_PD> pd = adapter.pd();
    Object<NDK_QP> qp;
    EXPECT_EQ(create(qp,
                     [&](auto... rest) {
                       return pd.table()->NdkCreateQp(pd.get(), receives.cq.get(), sends.cq.get(), nullptr,
                                                      capped(info.MaxReceiveQueueDepth),
                                                      capped(info.MaxInitiatorQueueDepth), info.MaxReceiveRequestSge,
                                                      info.MaxInitiatorRequestSge, info.MaxInlineDataSize, rest...);
                     }),
              STATUS_SUCCESS);
  });
}

TEST(SURFACE_8_08, TheFlagsThatConsumersInsistOnAndTheModerationTheySet) {
  everywhere([](Stage& stage) {
    OpenAdapter& adapter = *stage.adapter;
    EXPECT_NE(adapter.info.AdapterFlags & NDK_ADAPTER_FLAG_RDMA_READ_SINK_NOT_REQUIRED, 0u);
    if ((adapter.info.AdapterFlags & NDK_ADAPTER_FLAG_CQ_INTERRUPT_MODERATION_SUPPORTED) == 0) return;
    Queue queue(adapter);
    EXPECT_EQ(queue.cq.table()->NdkControlCqInterruptModeration(queue.cq.get(), 20, MAXULONG), STATUS_SUCCESS);
  });
}

TEST(SURFACE_8_10, ConnectionDataIsMeasuredWithNullAndCutWithTooLittleRoom) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    ASSERT_EQ(pair.meet({}, {}, "may I", "you may"), STATUS_SUCCESS);
    NDK_CONNECTOR* connector = pair.active.connector.get();
    ULONG inbound = 0, outbound = 0, bytes = 0;
    const auto query = [&](PVOID to) {
      return connector->Dispatch->NdkGetConnectionData(connector, &inbound, &outbound, to, &bytes);
    };
    EXPECT_EQ(query(nullptr), STATUS_SUCCESS);
    EXPECT_GE(bytes, 7u) << "may be more than the peer sent";
    const ULONG required = bytes;
    char room[8] = "-------";
    bytes = 3;
    EXPECT_EQ(query(room), STATUS_BUFFER_TOO_SMALL);
    EXPECT_STREQ(room, "you----") << "what fits is copied";
    EXPECT_EQ(bytes, required);
  });
}

TEST(SURFACE_8_11, AParentClosedAtOnceAfterItsChildrenPendsUntilTheyAreGone) {
  everywhere([](Stage& stage) {
    constexpr int kRegions = 512;
    struct Closing {
      static VOID nothing(PVOID) {}
    };
    Object<NDK_PD> pd = stage.adapter->pd();
    std::vector<NDK_MR*> regions;
    for (int i = 0; i < kRegions; ++i) {
      Object<NDK_MR> mr;
      ASSERT_EQ(create(mr, [&](auto... rest) { return pd.table()->NdkCreateMr(pd.get(), FALSE, rest...); }),
                STATUS_SUCCESS);
      regions.push_back(mr.release());
    }
    for (NDK_MR* mr : regions) {
      const NTSTATUS status = mr->Dispatch->NdkCloseMr(&mr->Header, Closing::nothing, nullptr);
      EXPECT_TRUE(status == STATUS_SUCCESS || status == STATUS_PENDING);
    }
    pd.close();  // fails the test if it does not end well
  });
}

TEST(SURFACE_8_12, ClosingAConnectorThatWasNeverAcceptedRejectsIt) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    Request connecting;
    const NTSTATUS returned = pair.active.begin_connect(connecting, pair.from, pair.at);
    Object<NDK_CONNECTOR> unwanted = pair.door.next();
    unwanted.close();
    EXPECT_EQ(connecting.finish(returned), STATUS_CONNECTION_REFUSED);
  });
}

/// A server that accepts inside its connect event, as probes do.
struct Inside {
  explicit Inside(OpenAdapter& adapter) : side(adapter) {}
  static VOID raised(PVOID context, NDK_CONNECTOR* connector) {
    auto* self = static_cast<Inside*>(context);
    self->level = KeGetCurrentIrql();
    self->side.connector = Object<NDK_CONNECTOR>(connector);
    self->returned = self->side.begin_accept(self->accepting);
    self->arrived.set();
  }
  Side side;
  Request accepting;
  std::atomic<KIRQL> level{0};
  std::atomic<NTSTATUS> returned{STATUS_UNSUCCESSFUL};
  Event arrived;
};

TEST(SURFACE_8_13, AcceptIsCalledInsideTheConnectEvent) {
  everywhere([](Stage& stage) {
    OpenAdapter& adapter = *stage.adapter;
    Inside server(adapter);
    Side client(adapter);
    Object<NDK_LISTENER> listener = adapter.listener(&Inside::raised, &server);
    const Sockaddr any("127.0.0.1");
    ASSERT_EQ(
        ask([&](auto... rest) { return listener.table()->NdkListen(listener.get(), any.get(), any.bytes, rest...); }),
        STATUS_SUCCESS);
    ASSERT_EQ(client.connect(any, local_address_of(listener)), STATUS_SUCCESS);
    ASSERT_TRUE(server.arrived.wait());
    EXPECT_LE(server.level.load(), DISPATCH_LEVEL);
    EXPECT_EQ(client.complete(), STATUS_SUCCESS);
    EXPECT_EQ(server.accepting.finish(server.returned), STATUS_SUCCESS);
    client.close();
    server.side.close();
  });
}

TEST(SURFACE_8_14, AQueueWithoutACallbackIsNeverToldArmedOrNot) {
  everywhere([](Stage& stage) {
    OpenAdapter& adapter = *stage.adapter;
    Object<NDK_CQ> cq;
    ASSERT_EQ(create(cq,
                     [&](auto... rest) {
                       return adapter.adapter->Dispatch->NdkCreateCq(adapter.adapter, 16, nullptr, nullptr, nullptr,
                                                                     rest...);
                     }),
              STATUS_SUCCESS);
    Pair pair(stage);
    Object<NDK_QP> both;  // one queue for both directions
    ASSERT_EQ(create(both,
                     [&](auto... rest) {
                       return pair.active.pd.table()->NdkCreateQp(pair.active.pd.get(), cq.get(), cq.get(), nullptr, 8,
                                                                  8, 4, 4, 0, rest...);
                     }),
              STATUS_SUCCESS);
    std::swap(pair.active.qp, both);
    ASSERT_TRUE(pair.establish());
    Region from(pair.active.pd.get(), 64), to(pair.passive.pd.get(), 64);
    ASSERT_EQ(pair.passive.receive(to.all()), STATUS_SUCCESS);
    cq.table()->NdkArmCq(cq.get(), NDK_CQ_NOTIFY_ANY);
    ASSERT_EQ(pair.active.send(from.all()), STATUS_SUCCESS);
    ASSERT_EQ(pair.passive.next_status(), STATUS_SUCCESS);
    NDK_RESULT result;
    while (cq.table()->NdkGetCqResults(cq.get(), &result, 1) == 0)
      a_moment();
    EXPECT_EQ(result.Status, STATUS_SUCCESS);
    pair.active.close();
    both.close();
  });
}

TEST(SURFACE_8_14, AListenerWithoutACallbackRefusesEveryRequest) {
  everywhere([](Stage& stage) {
    OpenAdapter& adapter = *stage.adapter;
    Side client(adapter);
    Object<NDK_LISTENER> listener = adapter.listener(nullptr, nullptr);
    const Sockaddr any("127.0.0.1");
    ASSERT_EQ(
        ask([&](auto... rest) { return listener.table()->NdkListen(listener.get(), any.get(), any.bytes, rest...); }),
        STATUS_SUCCESS);
    const Sockaddr at = local_address_of(listener);
    for (int i = 0; i < 3; ++i)
      EXPECT_EQ(client.connect(any, at), STATUS_CONNECTION_REFUSED);
    client.close();
  });
}

TEST(SURFACE_8_14, ADisconnectCallbackMayBeNull) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    ASSERT_EQ(pair.meet(), STATUS_SUCCESS);
    NDK_CONNECTOR* connector = pair.active.connector.get();
    ASSERT_EQ(ask([&](auto... rest) {
                return connector->Dispatch->NdkCompleteConnect(connector, nullptr, nullptr, rest...);
              }),
              STATUS_SUCCESS);
    ASSERT_EQ(pair.accepting.finish(pair.accept_returned), STATUS_SUCCESS);
    Request leaving;
    const NTSTATUS returned = pair.passive.begin_disconnect(leaving);
    EXPECT_EQ(pair.active.disconnect(), STATUS_SUCCESS);
    EXPECT_EQ(leaving.finish(returned), STATUS_SUCCESS);
  });
}

TEST(SURFACE_8_15, PortZeroBecomesARealOneAndBothEndsMayHaveOneAddress) {
  everywhere([](Stage& stage) {
    Pair pair(stage);
    EXPECT_NE(pair.at.port(), 0);
    ASSERT_TRUE(pair.establish());
    const Sockaddr ours = pair.active.local_address(), theirs = pair.passive.peer_address();
    EXPECT_NE(ours.port(), 0);
    EXPECT_NE(ours.port(), pair.at.port());
    EXPECT_EQ(theirs.port(), ours.port());
    EXPECT_EQ(std::memcmp(&ours.value.Ipv4.sin_addr, &theirs.value.Ipv4.sin_addr, 4), 0);
    EXPECT_EQ(pair.passive.local_address().port(), pair.at.port());
  });
}

TEST(SURFACE_8_17, LatencyIsAKnobThatIsZeroUntilSomebodyTurnsIt) {
  const auto connect_ns = [](const char* latency_us) {
    io::TimeNs took = 0;
    sim::World world(1);
    const sim::Result result = world.run([&] {
      Stage stage(world.view(), setting_values("later", {{"latency_us", latency_us}}));
      Object<NDK_PD> pd;
      const io::TimeNs before = world.view().clock.now_ns();
      pd = stage.adapter->pd();
      took = world.view().clock.now_ns() - before;
      pd.close();
      stage.adapter.reset();
      stage.runtime.reset();
    });
    EXPECT_EQ(result, sim::Result::completed) << world.report();
    return took;
  };
  if (std::getenv("SOFTNDK_POLICY") != nullptr) GTEST_SKIP() << "wants a policy of its own";
  EXPECT_EQ(std::string(runtime::SettingValues().get("latency_us")), "0");
  EXPECT_LT(connect_ns("0"), 30 * io::kMicrosecond);
  EXPECT_GE(connect_ns("30"), 30 * io::kMicrosecond);
}

}  // namespace
}  // namespace softndk::stack
