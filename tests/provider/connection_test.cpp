// Connectors between creation and an established connection (spec/ndkpi.md 2.10, 3.8, 3.9), as far as the provider
// decides.
#include <numeric>

#include "provider/connection_rig.h"

namespace softndk::provider {
namespace {

using rdma::CmStatus;

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

TEST(R_CNCT_14, ATimeoutOfCompleteConnectEndsTheConnectorForGood) {
  simulate([] {
    Rig rig;
    Active active(rig);
    EXPECT_EQ(active.connect(), STATUS_PENDING);
    active.connection().connect_done(CmStatus::success);
    EXPECT_EQ(active.complete(), STATUS_PENDING);
    active.connection().established(CmStatus::timed_out);  // by a device that, unlike iWARP's, can tell
    EXPECT_EQ(active.completed.status, STATUS_IO_TIMEOUT);
    EXPECT_EQ(active.state(), ConnectorState::dead);
    EXPECT_EQ(active.complete(), STATUS_CONNECTION_INVALID);
    EXPECT_EQ(active.disconnect(), STATUS_CONNECTION_INVALID);
    EXPECT_EQ(active.connect(), STATUS_INVALID_DEVICE_STATE);
    EXPECT_EQ(active.gone.calls, 0);
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
  const auto close_first = [] {
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
  };
  simulate(close_first, 10, undivided());  // or another processor might deliver it before the close
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

}  // namespace
}  // namespace softndk::provider
