#pragma once
// Every request of the provider that is ended by a callback, each on an object that is ready for it and over a device
// that answers at once: what remains is the provider's own order of things.
#include "provider/connection_rig.h"

namespace softndk::provider {

/// A request that can be made, with all it needs. `object` is closed by the test, or at the end.
struct ReadyRequest {
  virtual ~ReadyRequest() = default;
  virtual NTSTATUS call(Seen& seen) = 0;
  virtual NDK_OBJECT_HEADER* object() = 0;
  virtual NDK_FN_CLOSE_OBJECT closer() = 0;
  /// The test has closed it.
  virtual void forget() = 0;
  NTSTATUS begin_close(Seen& seen) {
    NDK_OBJECT_HEADER* header = object();
    const NDK_FN_CLOSE_OBJECT close_function = closer();
    forget();
    return close_function(header, Seen::closed, &seen);
  }
};

struct RequestOfActive : ReadyRequest {
  explicit RequestOfActive(Rig& rig) : active(rig) {}
  NDK_OBJECT_HEADER* object() override { return &active.connector->Header; }
  NDK_FN_CLOSE_OBJECT closer() override { return active.connector->Dispatch->NdkCloseConnector; }
  void forget() override { active.connector = nullptr; }
  Active active;
};

struct ReadyConnect final : RequestOfActive {
  explicit ReadyConnect(Rig& rig) : RequestOfActive(rig) {
    active.connection().connect_answer = rdma::CmStatus::refused;
  }
  NTSTATUS call(Seen& seen) override {
    SOCKADDR_IN source = ipv4("127.0.0.1:0"), destination = ipv4("127.0.0.1:5000");
    return active.connector->Dispatch->NdkConnect(active.connector, active.qp, reinterpret_cast<SOCKADDR*>(&source),
                                                  sizeof source, reinterpret_cast<SOCKADDR*>(&destination),
                                                  sizeof destination, 1, 1, nullptr, 0, Seen::completed, &seen);
  }
};

struct ReadyComplete final : RequestOfActive {
  explicit ReadyComplete(Rig& rig) : RequestOfActive(rig) {
    EXPECT_EQ(active.connect(), STATUS_PENDING);
    active.connection().connect_done(rdma::CmStatus::success);
    active.connection().complete_answer = rdma::CmStatus::success;
  }
  NTSTATUS call(Seen& seen) override {
    return active.connector->Dispatch->NdkCompleteConnect(active.connector, nullptr, nullptr, Seen::completed, &seen);
  }
};

struct ReadyDisconnect final : RequestOfActive {
  explicit ReadyDisconnect(Rig& rig) : RequestOfActive(rig) {
    active.establish();
    active.connection().disconnect_answer = rdma::CmStatus::success;
  }
  NTSTATUS call(Seen& seen) override {
    return active.connector->Dispatch->NdkDisconnect(active.connector, Seen::completed, &seen);
  }
};

struct ReadyAccept final : ReadyRequest {
  explicit ReadyAccept(Rig& rig) : passive(rig) { passive.connection->accept_answer = rdma::CmStatus::success; }
  NTSTATUS call(Seen& seen) override {
    return passive.connector->Dispatch->NdkAccept(passive.connector, passive.qp, 1, 1, nullptr, 0, nullptr, nullptr,
                                                  Seen::completed, &seen);
  }
  NDK_OBJECT_HEADER* object() override { return &passive.connector->Header; }
  NDK_FN_CLOSE_OBJECT closer() override { return passive.connector->Dispatch->NdkCloseConnector; }
  void forget() override { passive.connector = nullptr; }
  Passive passive;
};

struct ReadyListen final : ReadyRequest {
  explicit ReadyListen(Rig& rig) : listener(rig.listener(nullptr, nullptr)) {}
  ~ReadyListen() override {
    if (listener != nullptr) close(listener);
  }
  NTSTATUS call(Seen& seen) override {
    SOCKADDR_IN address = ipv4("127.0.0.1:5000");
    return listener->Dispatch->NdkListen(listener, reinterpret_cast<SOCKADDR*>(&address), sizeof address,
                                         Seen::completed, &seen);
  }
  NDK_OBJECT_HEADER* object() override { return &listener->Header; }
  NDK_FN_CLOSE_OBJECT closer() override { return listener->Dispatch->NdkCloseListener; }
  void forget() override { listener = nullptr; }
  NDK_LISTENER* listener;
};

struct RequestOfMr : ReadyRequest {
  explicit RequestOfMr(Rig& rig) : pd(rig.pd()), mr(rig.mr(pd)) {
    mdl = IoAllocateMdl(memory, sizeof memory, FALSE, FALSE, nullptr);
    MmBuildMdlForNonPagedPool(mdl);
  }
  ~RequestOfMr() override {
    if (mr != nullptr) close(mr);
    close(pd);
    IoFreeMdl(mdl);
  }
  NTSTATUS enroll(Seen& seen) { return mr->Dispatch->NdkRegisterMr(mr, mdl, sizeof memory, 0, Seen::completed, &seen); }
  NDK_OBJECT_HEADER* object() override { return &mr->Header; }
  NDK_FN_CLOSE_OBJECT closer() override { return mr->Dispatch->NdkCloseMr; }
  void forget() override { mr = nullptr; }
  NDK_PD* pd;
  NDK_MR* mr;
  std::uint8_t memory[64] = {};
  MDL* mdl = nullptr;
};

struct ReadyRegister final : RequestOfMr {
  using RequestOfMr::RequestOfMr;
  NTSTATUS call(Seen& seen) override { return enroll(seen); }
};

struct ReadyDeregister final : RequestOfMr {
  explicit ReadyDeregister(Rig& rig) : RequestOfMr(rig) {
    Seen seen;
    if (enroll(seen) == STATUS_PENDING) seen.wait();
  }
  NTSTATUS call(Seen& seen) override { return mr->Dispatch->NdkDeregisterMr(mr, Seen::completed, &seen); }
};

struct RequestKind {
  const char* name;
  NTSTATUS result;
  std::unique_ptr<ReadyRequest> (*ready)(Rig& rig);
};

template <class Ready>
std::unique_ptr<ReadyRequest> make_ready(Rig& rig) {
  return std::make_unique<Ready>(rig);
}

inline constexpr RequestKind kRequestKinds[] = {
    {"connect", STATUS_CONNECTION_REFUSED, make_ready<ReadyConnect>},
    {"complete-connect", STATUS_SUCCESS, make_ready<ReadyComplete>},
    {"disconnect", STATUS_SUCCESS, make_ready<ReadyDisconnect>},
    {"accept", STATUS_SUCCESS, make_ready<ReadyAccept>},
    {"listen", STATUS_SUCCESS, make_ready<ReadyListen>},
    {"register", STATUS_SUCCESS, make_ready<ReadyRegister>},
    {"deregister", STATUS_SUCCESS, make_ready<ReadyDeregister>},
};

/// Runs `body(rig, kind, mode)` for every request and mode, in simulation.
template <class Body>
void for_each_request(std::span<const CompletionMode> modes, Body&& body, std::uint64_t seeds = 8) {
  for (CompletionMode mode : modes) {
    for (const RequestKind& kind : kRequestKinds) {
      SCOPED_TRACE(std::string(kind.name) + ", " + to_string(mode));
      simulate(
          [&] {
            Rig rig(policy(mode));
            body(rig, kind, mode);
          },
          seeds);
    }
  }
}

}  // namespace softndk::provider
