#pragma once
// Connections, listeners and endpoints of a FakeDevice.
#include <functional>
#include <optional>

#include "provider/fake_object.h"
#include "provider/fake_queues.h"

namespace softndk::provider {

class FakeConnection final : public rdma::Connection {
 public:
  FakeConnection(FakeDevice& device, rdma::ConnectionSink& sink) noexcept;
  ~FakeConnection() override;

  rdma::CmStatus connect(rdma::QueuePair& qp, const rdma::ConnectParameters& parameters) noexcept override {
    bound = &qp;
    asked = parameters;
    asked.private_data = {};
    asked.endpoint = nullptr;  // of the call only
    if (parameters.endpoint != nullptr) asked.local = parameters.endpoint->local_address();
    sent_data.assign(parameters.private_data.begin(), parameters.private_data.end());
    return start(connect_answer, Pending::connect);
  }
  rdma::CmStatus complete_connect() noexcept override { return start(complete_answer, Pending::establish); }
  rdma::CmStatus accept(rdma::QueuePair& qp, const rdma::AcceptParameters& parameters) noexcept override {
    bound = &qp;
    asked.limits = parameters.limits;
    sent_data.assign(parameters.private_data.begin(), parameters.private_data.end());
    return start(accept_answer, Pending::establish);
  }
  rdma::CmStatus reject(Bytes private_data) noexcept override {
    sent_data.assign(private_data.begin(), private_data.end());
    rejected = true;
    return reject_answer;
  }
  rdma::CmStatus disconnect() noexcept override { return start(disconnect_answer, Pending::disconnect); }
  void close() noexcept override;
  std::optional<Address> local_address() const noexcept override { return local; }
  std::optional<Address> peer_address() const noexcept override { return peer; }
  std::optional<rdma::ReadLimits> limits() const noexcept override { return effective; }
  std::optional<std::size_t> private_data(MutableBytes into) const noexcept override {
    if (!received) return std::nullopt;
    std::copy_n(received->begin(), std::min(into.size(), received->size()), into.begin());
    return received->size();
  }

  // The device's events, each on a processor.
  void connect_done(rdma::CmStatus status) {
    pending_ = Pending::nothing;
    on_processor([&] { sink.on_connect_done(status); });
  }
  void established(rdma::CmStatus status) {
    pending_ = Pending::nothing;
    on_processor([&] { sink.on_established(status); });
  }
  void peer_disconnect(bool graceful, std::uint32_t reason = 0) {
    on_processor([&] { sink.on_peer_disconnect(graceful, reason); });
  }
  void disconnected(rdma::CmStatus status) {
    pending_ = Pending::nothing;
    on_processor([&] { sink.on_disconnected(status); });
  }
  void abandoned() {
    on_processor([&] { sink.on_abandoned(); });
  }
  void end() {
    on_processor([&] { last_event.send(); });
  }

  rdma::ConnectionSink& sink;
  rdma::CmStatus connect_answer = rdma::CmStatus::pending;
  rdma::CmStatus complete_answer = rdma::CmStatus::pending;
  rdma::CmStatus accept_answer = rdma::CmStatus::pending;
  rdma::CmStatus reject_answer = rdma::CmStatus::success;
  rdma::CmStatus disconnect_answer = rdma::CmStatus::pending;
  rdma::QueuePair* bound = nullptr;
  rdma::ConnectParameters asked;
  std::vector<std::uint8_t> sent_data;
  bool rejected = false;
  std::optional<Address> local, peer;
  std::optional<rdma::ReadLimits> effective;
  std::optional<std::vector<std::uint8_t>> received;
  LastEvent last_event{this, [](void* self) noexcept { static_cast<FakeConnection*>(self)->send_last(); }};

 private:
  enum class Pending : std::uint8_t { nothing, connect, establish, disconnect };
  void interrupt();
  rdma::CmStatus start(rdma::CmStatus answer, Pending what) {
    interrupt();
    if (answer == rdma::CmStatus::pending) pending_ = what;
    return answer;
  }
  /// A request that pends at close() ends first, cancelled.
  void send_last() noexcept {
    switch (pending_.exchange(Pending::nothing)) {
      case Pending::nothing:
        break;
      case Pending::connect:
        sink.on_connect_done(rdma::CmStatus::cancelled);
        break;
      case Pending::establish:
        sink.on_established(rdma::CmStatus::cancelled);
        break;
      case Pending::disconnect:
        sink.on_disconnected(rdma::CmStatus::cancelled);
        break;
    }
    sink.on_closed();
  }
  std::atomic<Pending> pending_{Pending::nothing};
  FakeDevice& device_;
};

class FakeListener final : public rdma::Listener {
 public:
  FakeListener(FakeDevice& device, rdma::ListenerSink& sink) noexcept;
  ~FakeListener() override;
  expected<Address, rdma::CmStatus> listen(const Address& local) noexcept override {
    interrupt();
    if (listen_error) return unexpected(*listen_error);
    Address chosen = local.port == 0 ? local.with_port(50000) : local;
    listening = chosen;
    return chosen;
  }
  void pause(bool is) noexcept override { paused = is; }
  void close() noexcept override;
  std::optional<Address> local_address() const noexcept override { return listening; }
  /// A connect request arrives; what became of it: the connection that was taken, or null if it was refused.
  FakeConnection* request(unsigned processor_index = 0);
  void end() {
    on_processor([&] { last_event.send(); });
  }

  rdma::ListenerSink& sink;
  std::optional<rdma::CmStatus> listen_error;
  std::optional<Address> listening;
  std::atomic<bool> paused{false};
  LastEvent last_event{this, [](void* self) noexcept { static_cast<FakeListener*>(self)->sink.on_listener_closed(); }};

 private:
  void interrupt();
  FakeDevice& device_;
};

class FakeSharedEndpoint final : public rdma::SharedEndpoint {
 public:
  FakeSharedEndpoint(FakeDevice& device, const Address& local) noexcept;
  ~FakeSharedEndpoint() override;
  const Address& local_address() const noexcept override { return local_; }

 private:
  FakeDevice& device_;
  const Address local_;
};

}  // namespace softndk::provider
