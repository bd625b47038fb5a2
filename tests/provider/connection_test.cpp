// Connectors between creation and close (spec/ndkpi.md 2.10, 3.8 to 3.10), as far as the provider decides.
#include <numeric>

#include "provider/connector.h"
#include "provider/consumer.h"

namespace softndk::provider {
namespace {

using rdma::CmStatus;

/// An active connector with all it needs, and the verbs of a consumer.
struct Active {
  explicit Active(Rig& rig)
      : pd(rig.pd()), cq(rig.cq()), qp(rig.qp(pd, cq, cq)), connector(rig.connector()), device(rig.device) {}
  ~Active() {
    if (connector != nullptr) close(connector);
    close(qp);
    close(cq);
    close(pd);
  }
  FakeConnection& connection() { return device.connections.last(); }
  NTSTATUS connect(const char* from = "127.0.0.1:0", const char* to = "127.0.0.1:5000", const void* data = nullptr,
                   ULONG data_bytes = 0) {
    SOCKADDR_IN source = ipv4(from), destination = ipv4(to);
    return connector->Dispatch->NdkConnect(connector, qp, reinterpret_cast<SOCKADDR*>(&source), sizeof source,
                                           reinterpret_cast<SOCKADDR*>(&destination), sizeof destination, 16, 32, data,
                                           data_bytes, Seen::completed, &connected);
  }
  NTSTATUS complete() {
    return connector->Dispatch->NdkCompleteConnect(connector, Seen::disconnected, &gone, Seen::completed, &completed);
  }
  NTSTATUS disconnect() { return connector->Dispatch->NdkDisconnect(connector, Seen::completed, &disconnected); }
  void establish() {
    EXPECT_EQ(connect(), STATUS_PENDING);
    connection().connect_done(CmStatus::success);
    EXPECT_EQ(complete(), STATUS_PENDING);
    connection().established(CmStatus::success);
    EXPECT_EQ(completed.status, STATUS_SUCCESS);
  }
  ConnectorState state() { return static_cast<Connector*>(connector)->state(); }

  NDK_PD* pd;
  NDK_CQ* cq;
  NDK_QP* qp;
  NDK_CONNECTOR* connector;
  FakeDevice& device;
  Seen connected, completed, disconnected, gone;
};

/// An incoming connector, handed over by a listener.
struct Passive {
  explicit Passive(Rig& rig)
      : pd(rig.pd()), cq(rig.cq()), qp(rig.qp(pd, cq, cq)), listener(rig.listener(Seen::connect_event, &event)) {
    SOCKADDR_IN address = ipv4("127.0.0.1:5000");
    const NTSTATUS status = listener->Dispatch->NdkListen(listener, reinterpret_cast<SOCKADDR*>(&address),
                                                          sizeof address, Seen::completed, &listening);
    if (status == STATUS_PENDING) listening.wait();
    connection = rig.device.listeners.last().request();
    EXPECT_NE(connection, nullptr);
    connector = reinterpret_cast<NDK_CONNECTOR*>(event.object.load());
  }
  ~Passive() {
    if (connector != nullptr) close(connector);
    close(listener);
    close(qp);
    close(cq);
    close(pd);
  }
  NTSTATUS accept() {
    return connector->Dispatch->NdkAccept(connector, qp, 1, 2, nullptr, 0, Seen::disconnected, &gone, Seen::completed,
                                          &accepted);
  }
  Seen event, listening, accepted, gone;
  NDK_PD* pd;
  NDK_CQ* cq;
  NDK_QP* qp;
  NDK_LISTENER* listener;
  FakeConnection* connection = nullptr;
  NDK_CONNECTOR* connector = nullptr;
};

TEST(R_CNCT_01, ConnectCompletesWhenThePeerAcceptedAndNotOnlyAfterCompleteConnect) {
  for (CompletionMode mode : kAllModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      Active active(rig);
      EXPECT_EQ(active.connect(), STATUS_PENDING) << "only the network knows";
      ntrt::flush_processors();
      EXPECT_EQ(active.connected.calls, 0);
      active.connection().connect_done(CmStatus::success);
      EXPECT_EQ(active.connected.calls, 1);
      EXPECT_EQ(active.connected.status, STATUS_SUCCESS);
      EXPECT_EQ(active.connected.irql, ntrt::kDispatchLevel);
      EXPECT_EQ(active.state(), ConnectorState::await_complete);
    });
  }
}

TEST(R_CNCT_03, CompleteConnectFinishesTheConnectionAndNeedsASuccessfulConnect) {
  for (CompletionMode mode : kAllModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      Active active(rig);
      EXPECT_EQ(active.complete(), STATUS_CONNECTION_INVALID);
      EXPECT_EQ(active.connect(), STATUS_PENDING);
      EXPECT_EQ(active.complete(), STATUS_CONNECTION_INVALID);
      active.connection().connect_done(CmStatus::success);
      EXPECT_EQ(active.complete(), STATUS_PENDING);
      EXPECT_EQ(active.complete(), STATUS_CONNECTION_INVALID);
      active.connection().established(CmStatus::success);
      EXPECT_EQ(active.completed.calls, 1);
      EXPECT_EQ(active.completed.status, STATUS_SUCCESS);
      EXPECT_EQ(active.state(), ConnectorState::connected);
    });
  }
}

TEST(R_CNCT_03, ACompleteConnectThatTheDeviceEndsAtOnceFollowsThePolicy) {
  for (CompletionMode mode : kAllModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      Active active(rig);
      EXPECT_EQ(active.connect(), STATUS_PENDING);
      active.connection().connect_done(CmStatus::success);
      active.connection().complete_answer = CmStatus::success;  // no RTR was agreed
      const NTSTATUS status = active.complete();
      if (status == STATUS_PENDING) active.completed.wait();
      EXPECT_EQ(status == STATUS_PENDING ? active.completed.status.load() : status, STATUS_SUCCESS);
      EXPECT_EQ(active.state(), ConnectorState::connected);
    });
  }
}

TEST(R_CNCT_07, SourceAndDestinationAreOfOneFamily) {
  simulate([] {
    Rig rig;
    Active active(rig);
    SOCKADDR_IN v4 = ipv4("127.0.0.1:0");
    SOCKADDR_IN6 v6{};
    v6.sin6_family = SOFTNDK_AF_INET6;
    EXPECT_EQ(active.connector->Dispatch->NdkConnect(active.connector, active.qp, reinterpret_cast<SOCKADDR*>(&v4),
                                                     sizeof v4, reinterpret_cast<SOCKADDR*>(&v6), sizeof v6, 1, 1,
                                                     nullptr, 0, Seen::completed, &active.connected),
              STATUS_INVALID_ADDRESS);
    EXPECT_EQ(active.state(), ConnectorState::idle);
  });
}

TEST(R_CNCT_16, PrivateDataIsBoundedByTheAdaptersLimits) {
  simulate([] {
    Rig rig;
    Active active(rig);
    std::uint8_t data[253] = {9};
    EXPECT_EQ(active.connect("127.0.0.1:0", "127.0.0.1:1", data, 253), STATUS_INVALID_BUFFER_SIZE);
    EXPECT_EQ(active.connect("127.0.0.1:0", "127.0.0.1:1", data, 252), STATUS_PENDING);
    EXPECT_EQ(active.connection().sent_data.size(), 252u);
    active.connection().connect_done(CmStatus::success);
    EXPECT_EQ(active.connector->Dispatch->NdkReject(active.connector, data, 253), STATUS_INVALID_BUFFER_SIZE);
    EXPECT_EQ(active.state(), ConnectorState::await_complete);
    Passive passive(rig);
    EXPECT_EQ(passive.connector->Dispatch->NdkAccept(passive.connector, passive.qp, 1, 1, data, 253, nullptr, nullptr,
                                                     Seen::completed, &passive.accepted),
              STATUS_INVALID_BUFFER_SIZE);
  });
}

TEST(R_CNCT_17, NullWithALengthIsInvalidAndDataWithoutALengthIsNone) {
  simulate([] {
    Rig rig;
    Active active(rig);
    EXPECT_EQ(active.connect("127.0.0.1:0", "127.0.0.1:1", nullptr, 1), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(active.connect("127.0.0.1:0", "127.0.0.1:1", "x", 0), STATUS_PENDING);
    EXPECT_TRUE(active.connection().sent_data.empty());
    active.connection().connect_done(CmStatus::refused);
  });
}

TEST(R_CNCT_18, CloseWinsOverAPendingConnectAcceptOrDisconnect) {
  simulate([] {
    Rig rig;
    {
      Passive passive(rig);
      EXPECT_EQ(passive.accept(), STATUS_PENDING);
      close(std::exchange(passive.connector, nullptr));
      EXPECT_EQ(passive.accepted.calls, 1);
      EXPECT_EQ(passive.accepted.status, STATUS_CANCELLED);
    }
    Active active(rig);
    active.establish();
    EXPECT_EQ(active.disconnect(), STATUS_PENDING);
    close(std::exchange(active.connector, nullptr));
    EXPECT_EQ(active.disconnected.status, STATUS_CANCELLED);
  });
}

TEST(R_CNCT_18, CloseWinsOverAResultThatIsStillOnItsWay) {
  simulate([] {
    Rig rig;  // network results come later
    Active active(rig);
    active.connection().connect_answer = CmStatus::refused;
    const ntrt::Irql before = ntrt::raise_irql(ntrt::kDispatchLevel, nullptr);
    EXPECT_EQ(active.connect(), STATUS_PENDING);
    Seen closed;
    EXPECT_EQ(begin_close(active.connector, active.connector->Dispatch->NdkCloseConnector, closed), STATUS_PENDING);
    active.connector = nullptr;
    ntrt::lower_irql(before);
    closed.wait();
    EXPECT_EQ(active.connected.calls, 1);
    EXPECT_EQ(active.connected.status, STATUS_CANCELLED);
  });
}

TEST(R_QP_07, AQueuePairServesOneConnectorAtATime) {
  simulate([] {
    Rig rig;
    Active active(rig);
    EXPECT_EQ(active.connect(), STATUS_PENDING);
    NDK_CONNECTOR* first = active.connector;
    active.connector = rig.connector();
    Seen other;
    EXPECT_EQ(active.connect(), STATUS_CONNECTION_ACTIVE);
    EXPECT_EQ(active.state(), ConnectorState::idle);
    Passive passive(rig);
    std::swap(passive.qp, active.qp);
    EXPECT_EQ(passive.accept(), STATUS_CONNECTION_ACTIVE);
    std::swap(passive.qp, active.qp);
    close(first);
  });
}

TEST(R_QP_08, AQueuePairThatWasConnectedIsSpent) {
  simulate([] {
    Rig rig;
    Active active(rig);
    active.establish();
    close(std::exchange(active.connector, rig.connector()));
    EXPECT_EQ(active.connect(), STATUS_CONNECTION_ACTIVE);
  });
}

TEST(R_OBJ_13, InstancesOfOneMiniportAdapterMixAndThoseOfAnotherDoNot) {
  simulate([] {
    Rig rig;
    Active active(rig);
    Adapter* second = *Adapter::open(rig.miniport, {2, 1});
    Seen seen;
    NDK_CONNECTOR* connector = nullptr;
    EXPECT_EQ(second->Dispatch->NdkCreateConnector(second, Seen::created, &seen, &connector), STATUS_SUCCESS);
    std::swap(active.connector, connector);
    EXPECT_EQ(active.connect(), STATUS_PENDING);
    active.connection().connect_done(CmStatus::refused);
    std::swap(active.connector, connector);
    close(connector);
    second->close_and_wait();

    Rig other;
    NDK_CONNECTOR* foreign = other.connector();
    std::swap(active.connector, foreign);
    EXPECT_EQ(active.connect(), STATUS_INVALID_PARAMETER);
    std::swap(active.connector, foreign);
    close(foreign);
  });
}

TEST(R_OBJ_14, AQueuePairsCqsBelongToItsOwnInstance) {
  simulate([] {
    Rig rig;
    Active active(rig);
    Adapter* second = *Adapter::open(rig.miniport, {2, 1});
    Seen seen;
    NDK_CQ* cq = nullptr;
    EXPECT_EQ(second->Dispatch->NdkCreateCq(second, 4, nullptr, nullptr, nullptr, Seen::created, &seen, &cq),
              STATUS_SUCCESS);
    NDK_QP* qp = nullptr;
    const auto create_qp = [&](NDK_CQ* receives, NDK_CQ* initiators) {
      return active.pd->Dispatch->NdkCreateQp(active.pd, receives, initiators, nullptr, 1, 1, 1, 1, 0, Seen::created,
                                              &seen, &qp);
    };
    EXPECT_EQ(create_qp(cq, active.cq), STATUS_INVALID_PARAMETER);
    EXPECT_EQ(create_qp(active.cq, cq), STATUS_INVALID_PARAMETER);
    close(cq);
    second->close_and_wait();
  });
}

TEST(R_REJ_01, RejectIsSynchronousAndSaysWhenThePeerHadGivenUp) {
  simulate([] {
    Rig rig;
    Passive passive(rig);
    passive.connection->abandoned();
    passive.connection->reject_answer = CmStatus::aborted;
    EXPECT_EQ(passive.connector->Dispatch->NdkReject(passive.connector, nullptr, 0), STATUS_CONNECTION_ABORTED);
    EXPECT_EQ(passive.accept(), STATUS_INVALID_DEVICE_STATE);
  });
}

TEST(R_REJ_02, BothSidesMayReject) {
  simulate([] {
    Rig rig;
    Passive passive(rig);
    EXPECT_EQ(passive.connector->Dispatch->NdkReject(passive.connector, "no", 2), STATUS_SUCCESS);
    EXPECT_EQ(passive.connection->sent_data.size(), 2u);
    Active active(rig);
    EXPECT_EQ(active.connect(), STATUS_PENDING);
    active.connection().connect_done(CmStatus::success);
    EXPECT_EQ(active.connector->Dispatch->NdkReject(active.connector, nullptr, 0), STATUS_SUCCESS);
  });
}

TEST(R_REJ_03, AfterARejectTheConnectorIsDeadAndItsQueuePairFree) {
  simulate([] {
    Rig rig;
    Active active(rig);
    EXPECT_EQ(active.connect(), STATUS_PENDING);
    active.connection().connect_done(CmStatus::success);
    EXPECT_EQ(active.connector->Dispatch->NdkReject(active.connector, nullptr, 0), STATUS_SUCCESS);
    EXPECT_EQ(active.state(), ConnectorState::dead);
    EXPECT_EQ(active.connect(), STATUS_INVALID_DEVICE_STATE);
    EXPECT_EQ(active.connector->Dispatch->NdkReject(active.connector, nullptr, 0), STATUS_CONNECTION_INVALID);
    NDK_CONNECTOR* dead = std::exchange(active.connector, rig.connector());
    EXPECT_EQ(active.connect(), STATUS_PENDING);
    active.connection().connect_done(CmStatus::refused);
    Seen closed;  // the pair's own close waits: the device may still be ending the rejected connection
    EXPECT_EQ(begin_close(active.qp, active.qp->Dispatch->NdkCloseQp, closed), STATUS_PENDING);
    ntrt::flush_processors();
    EXPECT_FALSE(rig.device.qps.last().last_event.closed);
    close(dead);
    closed.wait();
    active.qp = rig.qp(active.pd, active.cq, active.cq);  // for the end
  });
}

struct DataQuery {
  DataQuery(NDK_CONNECTOR* connector, void* buffer, ULONG room) : length(room) {
    status = connector->Dispatch->NdkGetConnectionData(connector, &inbound, &outbound, buffer, &length);
  }
  ULONG inbound = 77, outbound = 77, length;
  NTSTATUS status;
};

TEST(R_GCD_01, TheFourRowsOfTheTable) {
  simulate([] {
    Rig rig;
    Passive passive(rig);
    std::vector<std::uint8_t> sent(100);
    std::iota(sent.begin(), sent.end(), std::uint8_t{1});
    passive.connection->received = sent;
    std::vector<std::uint8_t> padded = sent;
    padded.resize(252);

    DataQuery size(passive.connector, nullptr, 0);
    EXPECT_EQ(size.status, STATUS_SUCCESS);
    EXPECT_EQ(size.length, 252u);

    DataQuery wrong(passive.connector, nullptr, 10);
    EXPECT_EQ(wrong.status, STATUS_INVALID_PARAMETER);
    EXPECT_EQ(wrong.length, 10u);
    EXPECT_EQ(wrong.inbound, 77u);

    for (ULONG room = 0; room < 252; ++room) {
      std::vector<std::uint8_t> buffer(256, 0xee);
      DataQuery small(passive.connector, buffer.data(), room);
      EXPECT_EQ(small.status, STATUS_BUFFER_TOO_SMALL);
      EXPECT_EQ(small.length, 252u);
      EXPECT_TRUE(std::equal(buffer.begin(), buffer.begin() + room, padded.begin())) << room;
      EXPECT_EQ(buffer[room], 0xee);
    }
    for (ULONG room : {252u, 253u, 1000u}) {
      std::vector<std::uint8_t> buffer(1000, 0xee);
      DataQuery enough(passive.connector, buffer.data(), room);
      EXPECT_EQ(enough.status, STATUS_SUCCESS);
      EXPECT_EQ(enough.length, 252u);  // R-GCD-02, R-GCD-09
      EXPECT_TRUE(std::equal(padded.begin(), padded.end(), buffer.begin()));
      EXPECT_EQ(buffer[252], 0xee);
    }
    ULONG none = 0;
    EXPECT_EQ(passive.connector->Dispatch->NdkGetConnectionData(passive.connector, nullptr, nullptr, nullptr, &none),
              STATUS_SUCCESS);
    EXPECT_EQ(passive.connector->Dispatch->NdkGetConnectionData(passive.connector, nullptr, nullptr, nullptr, nullptr),
              STATUS_INVALID_PARAMETER);
  });
}

TEST(R_GCD_03, MoreThanWeWouldSendIsTaken) {
  simulate([] {
    Rig rig;
    Passive passive(rig);
    for (std::size_t received :
         {std::size_t{0}, std::size_t{252}, std::size_t{253}, std::size_t{508}, std::size_t{512}}) {
      passive.connection->received = std::vector<std::uint8_t>(received, 5);
      std::vector<std::uint8_t> buffer(600, 0xee);
      DataQuery query(passive.connector, buffer.data(), 600);
      EXPECT_EQ(query.status, STATUS_SUCCESS);
      EXPECT_EQ(query.length, std::max<std::size_t>(252, received));
      EXPECT_EQ(std::count(buffer.begin(), buffer.end(), 5), static_cast<std::ptrdiff_t>(received));
    }
  });
}

TEST(R_GCD_04, LimitsComeWhateverBecomesOfTheData) {
  simulate([] {
    Rig rig;
    Passive passive(rig);
    std::uint8_t buffer[10];
    for (const DataQuery& query :
         {DataQuery(passive.connector, nullptr, 0), DataQuery(passive.connector, buffer, sizeof buffer)}) {
      EXPECT_EQ(query.inbound, 4u);
      EXPECT_EQ(query.outbound, 2u);
    }
  });
}

TEST(R_GCD_06, DataAndLimitsStayAfterTheConnectionIsUp) {
  simulate([] {
    Rig rig;
    Active active(rig);
    active.establish();
    active.connection().received = std::vector<std::uint8_t>{1, 2};
    active.connection().effective = rdma::ReadLimits{.inbound = 3, .outbound = 6};
    DataQuery query(active.connector, nullptr, 0);
    EXPECT_EQ(query.status, STATUS_SUCCESS);
    EXPECT_EQ(query.inbound, 3u);
    EXPECT_EQ(query.outbound, 6u);
  });
}

TEST(R_GCD_07, ARejectsDataCanBeFetchedFromTheIdleConnector) {
  simulate([] {
    Rig rig;
    Active active(rig);
    EXPECT_EQ(active.connect(), STATUS_PENDING);
    active.connection().received = std::vector<std::uint8_t>{'n', 'o'};
    active.connection().connect_done(CmStatus::refused);
    std::uint8_t buffer[252] = {};
    DataQuery query(active.connector, buffer, sizeof buffer);
    EXPECT_EQ(query.status, STATUS_SUCCESS);
    EXPECT_EQ(buffer[0], 'n');
  });
}

TEST(R_RL_02, LimitsAboveTheMaximumReachTheDeviceUnrefused) {
  simulate([] {
    Rig rig;
    Active active(rig);
    SOCKADDR_IN source = ipv4("127.0.0.1:0"), destination = ipv4("127.0.0.1:1");
    EXPECT_EQ(active.connector->Dispatch->NdkConnect(active.connector, active.qp, reinterpret_cast<SOCKADDR*>(&source),
                                                     sizeof source, reinterpret_cast<SOCKADDR*>(&destination),
                                                     sizeof destination, MAXULONG, MAXULONG, nullptr, 0,
                                                     Seen::completed, &active.connected),
              STATUS_PENDING);
    active.connection().connect_done(CmStatus::refused);
  });
}

TEST(R_ADR_05, ConnectorAddressesAreKnownOnceThereAreSome) {
  simulate([] {
    Rig rig;
    Active active(rig);
    SOCKADDR_IN address{};
    ULONG length = sizeof address;
    auto* to = reinterpret_cast<SOCKADDR*>(&address);
    const auto* dispatch = active.connector->Dispatch;
    EXPECT_EQ(dispatch->NdkGetLocalAddress(active.connector, to, &length), STATUS_CONNECTION_INVALID);
    Address local;
    ASSERT_TRUE(parse_address("127.0.0.1:49999", local));
    active.connection().local = local;
    EXPECT_EQ(dispatch->NdkGetLocalAddress(active.connector, to, &length), STATUS_SUCCESS);
    EXPECT_EQ(address.sin_port, __builtin_bswap16(49999));
    EXPECT_EQ(dispatch->NdkGetPeerAddress(active.connector, to, &length), STATUS_CONNECTION_INVALID);
    active.connection().peer = local;
    EXPECT_EQ(dispatch->NdkGetPeerAddress(active.connector, to, &length), STATUS_SUCCESS);
  });
}

TEST(R_EVT_01, TheEventHandsOverAConnectorReadyForQueriesAcceptRejectAndClose) {
  simulate([] {
    Rig rig;
    Passive passive(rig);
    EXPECT_EQ(passive.event.calls, 1);
    EXPECT_EQ(passive.event.irql, ntrt::kDispatchLevel);
    EXPECT_EQ(passive.connector->Header.ObjectType, NdkObjectTypeConnector);
    SOCKADDR_IN address;
    ULONG length = sizeof address;
    EXPECT_EQ(passive.connector->Dispatch->NdkGetPeerAddress(passive.connector, reinterpret_cast<SOCKADDR*>(&address),
                                                             &length),
              STATUS_SUCCESS);
    EXPECT_EQ(DataQuery(passive.connector, nullptr, 0).status, STATUS_SUCCESS);
    EXPECT_EQ(passive.accept(), STATUS_PENDING);
    passive.connection->established(CmStatus::success);
    EXPECT_EQ(passive.accepted.status, STATUS_SUCCESS);
  });
}

TEST(R_EVT_02, AcceptRejectAndCloseAreLegalInsideTheConnectEvent) {
  for (int what = 0; what < 3; ++what) {
    simulate([what] {
      Rig rig;
      NDK_PD* pd = rig.pd();
      NDK_CQ* cq = rig.cq();
      NDK_QP* qp = rig.qp(pd, cq, cq);
      Seen event, listening, accepted, closed;
      std::atomic<NTSTATUS> status{STATUS_UNSUCCESSFUL};
      event.inside = [&](Seen& seen) {
        auto* connector = reinterpret_cast<NDK_CONNECTOR*>(seen.object.load());
        const auto* dispatch = connector->Dispatch;
        if (what == 0) {
          status = dispatch->NdkAccept(connector, qp, 1, 1, nullptr, 0, nullptr, nullptr, Seen::completed, &accepted);
        } else if (what == 1) {
          status = dispatch->NdkReject(connector, nullptr, 0);
        } else {
          status = dispatch->NdkCloseConnector(&connector->Header, Seen::closed, &closed);
        }
      };
      NDK_LISTENER* listener = rig.listener(Seen::connect_event, &event);
      SOCKADDR_IN address = ipv4("127.0.0.1:5000");
      listener->Dispatch->NdkListen(listener, reinterpret_cast<SOCKADDR*>(&address), sizeof address, Seen::completed,
                                    &listening);
      listening.wait();
      rig.device.listeners.last().request();
      EXPECT_EQ(status, what == 1 ? STATUS_SUCCESS : STATUS_PENDING);
      auto* connector = reinterpret_cast<NDK_CONNECTOR*>(event.object.load());
      if (what == 0) {
        rig.device.connections.last().established(CmStatus::success);
        EXPECT_EQ(accepted.status, STATUS_SUCCESS);
      }
      if (what == 2) {
        closed.wait();
      } else {
        close(connector);
      }
      close(listener);
      close(qp);
      close(cq);
      close(pd);
    });
  }
}

TEST(R_EVT_03, AnIncomingConnectorHoldsItsListenerFromTheEventOn) {
  simulate([] {
    Rig rig;
    Passive passive(rig);
    Seen closed;
    EXPECT_EQ(begin_close(passive.listener, passive.listener->Dispatch->NdkCloseListener, closed), STATUS_PENDING);
    ntrt::flush_processors();
    EXPECT_EQ(closed.calls, 0);
    close(std::exchange(passive.connector, nullptr));
    closed.wait();
    passive.listener = rig.listener(Seen::connect_event, &passive.event);  // for the end
  });
}

TEST(R_EVT_04, TheDisconnectEventComesOnceForOneConnection) {
  simulate([] {
    Rig rig;
    Active active(rig);
    active.establish();
    active.connection().peer_disconnect(true);
    active.connection().peer_disconnect(false);  // the stream that was half open is lost
    EXPECT_EQ(active.gone.calls, 1);
    EXPECT_EQ(active.gone.irql, ntrt::kDispatchLevel);
    EXPECT_EQ(active.state(), ConnectorState::broken);
  });
}

TEST(R_EVT_07, NoDisconnectEventBeforeTheSuccessWasReported) {
  for (CompletionMode mode : kAllModes) {
    simulate(
        [mode] {
          Rig rig(policy(mode));
          Active active(rig);
          EXPECT_EQ(active.connect(), STATUS_PENDING);
          active.connection().connect_done(CmStatus::success);
          active.connection().complete_answer = CmStatus::success;
          std::atomic<bool> too_early{false};
          active.completed.inside = [&](Seen&) { too_early = active.gone.calls != 0; };
          FakeConnection& connection = active.connection();
          auto leave = [&connection] { connection.sink.on_peer_disconnect(true, 0); };
          struct Job : io::Task {  // the peer's end comes as soon as it can, on another thread
            explicit Job(decltype(leave)& it)
                : Task([](Task& self) noexcept { static_cast<Job&>(self).leave_it(); }), leave_it(it) {}
            decltype(leave)& leave_it;
          } job(leave);
          active.completed.returned = false;
          const NTSTATUS status = active.complete();
          ntrt::processor(1).post(job);
          if (status == STATUS_PENDING) active.completed.wait();
          active.gone.wait();
          EXPECT_FALSE(too_early);
          EXPECT_EQ(active.gone.calls, 1);
          EXPECT_EQ(active.state(), ConnectorState::peer_gone);
        },
        30);
  }
}

TEST(R_EVT_07, AnEndThatComesWhileTheSuccessIsBeingReportedWaitsForTheCallbacksReturn) {
  simulate([] {
    Rig rig;
    Active active(rig);
    EXPECT_EQ(active.connect(), STATUS_PENDING);
    active.connection().connect_done(CmStatus::success);
    active.connection().complete_answer = CmStatus::success;
    FakeConnection& connection = active.connection();
    struct Job : io::Task {
      explicit Job(FakeConnection& it)
          : Task([](Task& self) noexcept {
              static_cast<Job&>(self).connection.sink.on_peer_disconnect(true, 0);
              static_cast<Job&>(self).done = true;
            }),
            connection(it) {}
      FakeConnection& connection;
      std::atomic<bool> done{false};
    } job(connection);
    std::atomic<int> events_inside{-1};
    active.completed.inside = [&](Seen&) {
      // The completion came on one of the two processors: the other one is free.
      ntrt::processor(ntrt::current_processor()->index() + 1).post(job);
      await([&] { return job.done.load(); });
      events_inside = active.gone.calls.load();
    };
    EXPECT_EQ(active.complete(), STATUS_PENDING);
    active.gone.wait();
    EXPECT_EQ(events_inside, 0);
    EXPECT_EQ(active.gone.calls, 1);
  });
}

TEST(R_EVT_07, AFailedAcceptRaisesNoEvent) {
  simulate([] {
    Rig rig;
    Passive passive(rig);
    EXPECT_EQ(passive.accept(), STATUS_PENDING);
    passive.connection->established(CmStatus::aborted);
    EXPECT_EQ(passive.accepted.status, STATUS_CONNECTION_ABORTED);
    passive.connection->peer_disconnect(false);
    EXPECT_EQ(passive.gone.calls, 0);
  });
}

TEST(R_EVT_08, WithoutADisconnectEventNothingElseChanges) {
  simulate([] {
    Rig rig;
    Active active(rig);
    EXPECT_EQ(active.connect(), STATUS_PENDING);
    active.connection().connect_done(CmStatus::success);
    EXPECT_EQ(active.connector->Dispatch->NdkCompleteConnect(active.connector, nullptr, nullptr, Seen::completed,
                                                             &active.completed),
              STATUS_PENDING);
    active.connection().established(CmStatus::success);
    active.connection().peer_disconnect(true);
    EXPECT_EQ(active.state(), ConnectorState::peer_gone);
  });
}

TEST(R_EVT_09, TheExFormCarriesTheDevicesReason) {
  simulate([] {
    Rig rig;
    Active active(rig);
    EXPECT_EQ(active.connect(), STATUS_PENDING);
    active.connection().connect_done(CmStatus::success);
    EXPECT_EQ(active.connector->Dispatch->NdkCompleteConnectEx(active.connector, Seen::disconnected_ex, &active.gone,
                                                               Seen::completed, &active.completed),
              STATUS_PENDING);
    active.connection().established(CmStatus::success);
    active.connection().peer_disconnect(false, 0x1202);
    EXPECT_EQ(active.gone.status, 0x1202);
    Passive passive(rig);
    EXPECT_EQ(
        passive.connector->Dispatch->NdkAcceptEx(passive.connector, passive.qp, 1, 1, nullptr, 0, Seen::disconnected_ex,
                                                 &passive.gone, Seen::completed, &passive.accepted),
        STATUS_PENDING);
    passive.connection->established(CmStatus::success);
    passive.connection->peer_disconnect(true, 0);
    EXPECT_EQ(passive.gone.status, 0);
    EXPECT_EQ(passive.gone.calls, 1);
  });
}

TEST(R_DISC_01, DisconnectEndsWhenTheDeviceSaysSoAndTheConnectorIsDead) {
  simulate([] {
    Rig rig;
    Active active(rig);
    active.establish();
    EXPECT_EQ(active.disconnect(), STATUS_PENDING);
    ntrt::flush_processors();
    EXPECT_EQ(active.disconnected.calls, 0);
    active.connection().disconnected(CmStatus::success);
    EXPECT_EQ(active.disconnected.status, STATUS_SUCCESS);
    EXPECT_EQ(active.state(), ConnectorState::dead);  // R-DISC-03
  });
}

TEST(R_DISC_02, TimeoutAndAbortHaveTheirStatusAndCloseTheConnectionAllTheSame) {
  for (const auto& [device_says, consumer_sees] :
       {std::pair{CmStatus::timed_out, STATUS_IO_TIMEOUT}, std::pair{CmStatus::aborted, STATUS_CONNECTION_ABORTED}}) {
    simulate([device_says = device_says, consumer_sees = consumer_sees] {
      Rig rig;
      Active active(rig);
      active.establish();
      EXPECT_EQ(active.disconnect(), STATUS_PENDING);
      active.connection().disconnected(device_says);
      EXPECT_EQ(active.disconnected.status, consumer_sees);
      EXPECT_EQ(active.state(), ConnectorState::dead);
    });
  }
}

TEST(R_DISC_07, AnEventThatRacesWithOurDisconnectIsNotRaised) {
  simulate([] {
    Rig rig;
    Active active(rig);
    active.establish();
    EXPECT_EQ(active.disconnect(), STATUS_PENDING);
    active.connection().peer_disconnect(true);
    EXPECT_EQ(active.gone.calls, 0);
    active.connection().disconnected(CmStatus::success);
    EXPECT_EQ(active.disconnected.status, STATUS_SUCCESS);
  });
}

TEST(R_DISC_12, DisconnectNeedsAConnectionAndWorksOnce) {
  simulate([] {
    Rig rig;
    Active active(rig);
    EXPECT_EQ(active.disconnect(), STATUS_CONNECTION_INVALID);
    EXPECT_EQ(active.connect(), STATUS_PENDING);
    EXPECT_EQ(active.disconnect(), STATUS_CONNECTION_INVALID);
    active.connection().connect_done(CmStatus::success);
    EXPECT_EQ(active.disconnect(), STATUS_CONNECTION_INVALID);
    EXPECT_EQ(active.complete(), STATUS_PENDING);
    active.connection().established(CmStatus::success);
    EXPECT_EQ(active.disconnect(), STATUS_PENDING);
    EXPECT_EQ(active.disconnect(), STATUS_CONNECTION_INVALID);
    active.connection().disconnected(CmStatus::success);
    EXPECT_EQ(active.disconnect(), STATUS_CONNECTION_INVALID);
    EXPECT_EQ(active.disconnected.calls, 1);
  });
}

TEST(R_DISC_13, APeerGoneConnectorCanBeDisconnected) {
  simulate([] {
    Rig rig;
    Active active(rig);
    active.establish();
    active.connection().peer_disconnect(true);
    EXPECT_EQ(active.disconnect(), STATUS_PENDING);
    active.connection().disconnected(CmStatus::success);
    EXPECT_EQ(active.disconnected.status, STATUS_SUCCESS);
  });
}

TEST(R_DISC_14, ABrokenConnectorsDisconnectIsAborted) {
  for (CompletionMode mode : kAllModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      Active active(rig);
      active.establish();
      active.connection().peer_disconnect(false);
      EXPECT_EQ(active.state(), ConnectorState::broken);
      active.connection().disconnect_answer = CmStatus::not_connected;
      const NTSTATUS status = active.disconnect();
      if (status == STATUS_PENDING) active.disconnected.wait();
      EXPECT_EQ(status == STATUS_PENDING ? active.disconnected.status.load() : status, STATUS_CONNECTION_ABORTED);
      EXPECT_EQ(active.state(), ConnectorState::dead);
    });
  }
}

TEST(R_DISC_17, ClosingInsteadOfDisconnectingIsAllowedInsideTheEventToo) {
  simulate([] {
    Rig rig;
    Active active(rig);
    Seen closed;
    active.gone.inside = [&](Seen&) {
      begin_close(active.connector, active.connector->Dispatch->NdkCloseConnector, closed);
    };
    active.establish();
    active.connection().peer_disconnect(true);
    closed.wait();
    active.connector = nullptr;
  });
}

TEST(R_REQ_08, NetworkRequestsThatEndAtOnceComeLaterByDefault) {
  simulate([] {
    Rig rig;
    Active active(rig);
    active.connection().connect_answer = CmStatus::no_free_port;
    const ntrt::Irql before = ntrt::raise_irql(ntrt::kDispatchLevel, nullptr);
    const NTSTATUS status = calling(active.connected, [&] { return active.connect(); });
    ntrt::lower_irql(before);
    EXPECT_EQ(status, STATUS_PENDING);
    active.connected.wait();
    EXPECT_FALSE(active.connected.on_callers_thread());
    EXPECT_EQ(active.connected.status, STATUS_TOO_MANY_ADDRESSES);
  });
}

TEST(R_REQ_03, ARequestsCompletionMayStartTheNextRequestOnTheSameConnector) {
  for (CompletionMode mode : kPendingModes) {
    simulate([mode] {
      Rig rig(policy(mode));
      Active active(rig);
      active.connection().connect_answer = CmStatus::refused;
      std::atomic<int> rounds{0};
      active.connected.inside = [&](Seen&) {
        if (++rounds < 5) {
          EXPECT_EQ(active.connect(), STATUS_PENDING);
        }
      };
      EXPECT_EQ(active.connect(), STATUS_PENDING);
      await([&] { return rounds == 5; });
      ntrt::flush_processors();
      EXPECT_EQ(active.connected.calls, 5);
    });
  }
}

}  // namespace
}  // namespace softndk::provider
