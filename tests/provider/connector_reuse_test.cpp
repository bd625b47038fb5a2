// After which failures a connector may be used again (spec/ndkpi.md 2.4).
#include "provider/consumer.h"

namespace softndk::provider {
namespace {

/// A connector with a queue pair on the way to a peer.
struct Attempt {
  explicit Attempt(Rig& rig) : pd(rig.pd()), cq(rig.cq()), qp(rig.qp(pd, cq, cq)), connector(rig.connector()) {}
  NTSTATUS connect() {
    SOCKADDR_IN source = ipv4("127.0.0.1:0"), destination = ipv4("127.0.0.1:5000");
    seen.returned = false;
    return connector->Dispatch->NdkConnect(connector, qp, reinterpret_cast<SOCKADDR*>(&source), sizeof source,
                                           reinterpret_cast<SOCKADDR*>(&destination), sizeof destination, 1, 1, nullptr,
                                           0, Seen::completed, &seen);
  }
  ~Attempt() {
    close(connector);
    close(qp);
    close(cq);
    close(pd);
  }
  NDK_PD* pd;
  NDK_CQ* cq;
  NDK_QP* qp;
  NDK_CONNECTOR* connector;
  Seen seen;
};

TEST(R_CONN_23, ADisconnectedConnectorCannotBeUsedAgain) {
  simulate([] {
    Rig rig;
    Attempt attempt(rig);
    FakeConnection& connection = rig.device.connections.last();
    EXPECT_EQ(attempt.connect(), STATUS_PENDING);
    connection.connect_done(rdma::CmStatus::success);
    Seen completed, disconnected;
    const auto* dispatch = attempt.connector->Dispatch;
    EXPECT_EQ(dispatch->NdkCompleteConnect(attempt.connector, nullptr, nullptr, Seen::completed, &completed),
              STATUS_PENDING);
    connection.established(rdma::CmStatus::success);
    EXPECT_EQ(dispatch->NdkDisconnect(attempt.connector, Seen::completed, &disconnected), STATUS_PENDING);
    connection.disconnected(rdma::CmStatus::success);
    EXPECT_EQ(disconnected.status, STATUS_SUCCESS);
    EXPECT_EQ(attempt.connect(), STATUS_INVALID_DEVICE_STATE);
    NDK_CONNECTOR* fresh = rig.connector();  // nor can its queue pair (R-QP-08)
    std::swap(attempt.connector, fresh);
    EXPECT_EQ(attempt.connect(), STATUS_CONNECTION_ACTIVE);
    close(fresh);
  });
}

TEST(R_CONN_24, FourFailuresLeaveConnectorAndQueuePairAsNewTheOthersEndTheConnector) {
  using rdma::CmStatus;
  const std::pair<CmStatus, NTSTATUS> retryable[] = {{CmStatus::network_unreachable, STATUS_NETWORK_UNREACHABLE},
                                                     {CmStatus::host_unreachable, STATUS_HOST_UNREACHABLE},
                                                     {CmStatus::refused, STATUS_CONNECTION_REFUSED},
                                                     {CmStatus::timed_out, STATUS_IO_TIMEOUT}};
  const std::pair<CmStatus, NTSTATUS> final[] = {{CmStatus::address_in_use, STATUS_SHARING_VIOLATION},
                                                 {CmStatus::address_not_local, STATUS_INVALID_ADDRESS},
                                                 {CmStatus::no_free_port, STATUS_TOO_MANY_ADDRESSES},
                                                 {CmStatus::already_connected, STATUS_ADDRESS_ALREADY_EXISTS},
                                                 {CmStatus::no_resources, STATUS_INSUFFICIENT_RESOURCES}};
  for (const auto& [device_says, consumer_sees] : retryable) {
    simulate([device_says = device_says, consumer_sees = consumer_sees] {
      Rig rig;
      Attempt attempt(rig);
      for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(attempt.connect(), STATUS_PENDING);
        rig.device.connections.last().connect_done(device_says);
        EXPECT_EQ(attempt.seen.status, consumer_sees);
      }
      EXPECT_EQ(attempt.seen.calls, 3);
    });
  }
  for (const auto& [device_says, consumer_sees] : final) {
    for (CompletionMode mode : kAllModes) {
      simulate([mode, device_says = device_says, consumer_sees = consumer_sees] {
        Rig rig(policy(mode));
        Attempt attempt(rig);
        rig.device.connections.last().connect_answer = device_says;  // known at once: the policy decides
        const NTSTATUS status = attempt.connect();
        if (status == STATUS_PENDING) attempt.seen.wait();
        EXPECT_EQ(status == STATUS_PENDING ? attempt.seen.status.load() : status, consumer_sees);
        EXPECT_EQ(attempt.connect(), STATUS_INVALID_DEVICE_STATE) << "the connector is dead";
        NDK_CONNECTOR* fresh = rig.connector();
        std::swap(attempt.connector, fresh);
        EXPECT_EQ(attempt.connect(), STATUS_PENDING) << "the queue pair is as new (C-69)";
        rig.device.connections.last().connect_done(CmStatus::refused);
        close(fresh);
      });
    }
  }
}

}  // namespace
}  // namespace softndk::provider
