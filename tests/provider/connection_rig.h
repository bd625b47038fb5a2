#pragma once
// Connectors with all that a connection needs, over the fake device.
#include "provider/connector.h"
#include "provider/consumer.h"

namespace softndk::provider {

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
  NTSTATUS connect_over(NDK_SHARED_ENDPOINT* endpoint, const char* to = "127.0.0.1:5000") {
    const SOCKADDR_IN destination = ipv4(to);
    return connector->Dispatch->NdkConnectWithSharedEndpoint(
        connector, qp, endpoint, reinterpret_cast<const SOCKADDR*>(&destination), sizeof destination, 16, 32, nullptr,
        0, Seen::completed, &connected);
  }
  NTSTATUS complete() {
    return connector->Dispatch->NdkCompleteConnect(connector, Seen::disconnected, &gone, Seen::completed, &completed);
  }
  NTSTATUS disconnect() { return connector->Dispatch->NdkDisconnect(connector, Seen::completed, &disconnected); }
  void establish() {
    EXPECT_EQ(connect(), STATUS_PENDING);
    connection().connect_done(rdma::CmStatus::success);
    EXPECT_EQ(complete(), STATUS_PENDING);
    connection().established(rdma::CmStatus::success);
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

struct DataQuery {
  DataQuery(NDK_CONNECTOR* connector, void* buffer, ULONG room) : length(room) {
    status = connector->Dispatch->NdkGetConnectionData(connector, &inbound, &outbound, buffer, &length);
  }
  ULONG inbound = 77, outbound = 77, length;
  NTSTATUS status;
};

}  // namespace softndk::provider
