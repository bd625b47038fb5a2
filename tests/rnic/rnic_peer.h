#pragma once
// One end of an RDMA connection with blocking verbs, over the real software RNIC, in any world.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "io/world_fixture.h"
#include "rnic/device.h"

namespace softndk::rnic::test {

using io::contract::Bell;
using rdma::CmStatus;
using rdma::Completion;
using rdma::WorkStatus;

inline Address loopback(std::uint16_t port = 0) {
  Address address;
  parse_address("127.0.0.1", address);
  return address.with_port(port);
}

inline OwnedInterface<Device> make_device(io::World& world, const Settings& settings = {}, unsigned first = 0,
                                          unsigned processors = 1) {
  DeviceOptions options;
  Address own[2] = {loopback()};
  parse_address("::1", own[1]);
  options.addresses = own;
  options.settings = settings;
  options.first_processor = first;
  options.processors = processors;
  return Device::create(world, options);
}

/// Memory registered as one region, in `extents` pieces that are not neighbours.
class Buffer {
 public:
  Buffer(rdma::ProtectionDomain& pd, std::size_t bytes, rdma::AccessRights rights, std::uint64_t base = 0x10000,
         unsigned extents = 3)
      : base_(base), storage_(bytes + extents * 64) {
    region = std::move(*pd.create_region());
    std::size_t at = 0;
    std::size_t from = 0;
    for (unsigned i = 0; i < extents; ++i) {
      const std::size_t piece = i + 1 == extents ? bytes - from : bytes / extents;
      extents_.push_back({storage_.data() + at, piece});
      at += piece + 64;
      from += piece;
    }
    EXPECT_TRUE(region->enable(base_, extents_, rights));
  }
  ~Buffer() {
    if (region->is_enabled()) {
      struct Nothing final : rdma::DeregisterSink {
        void on_deregistered() noexcept override {}
      } nothing;
      EXPECT_TRUE(region->disable(nothing)) << "accesses are still in progress";
    }
  }
  rdma::Sge sge(std::uint64_t offset, std::uint32_t bytes) const {
    return {base_ + offset, bytes, region->local_token()};
  }
  std::uint64_t address(std::uint64_t offset = 0) const { return base_ + offset; }
  /// Octet `at`, which a peer may be writing: what is announced by nothing can only be looked at so.
  __attribute__((noinline, no_sanitize("thread"))) std::uint8_t glimpse(std::size_t at) const {
    for (const auto& extent : extents_) {
      if (at < extent.bytes) return *static_cast<const volatile std::uint8_t*>(extent.data + at);
      at -= extent.bytes;
    }
    return 0;
  }
  std::vector<std::uint8_t> content() const {
    std::vector<std::uint8_t> all;
    for (const auto& extent : extents_)
      all.insert(all.end(), extent.data, extent.data + extent.bytes);
    return all;
  }
  void fill(std::uint8_t seed) {
    for (const auto& extent : extents_)
      for (std::size_t i = 0; i < extent.bytes; ++i)
        extent.data[i] = seed++ * 7;
  }
  OwnedInterface<rdma::MemoryRegion> region;

 private:
  std::uint64_t base_;
  std::vector<std::uint8_t> storage_;
  std::vector<rdma::MemoryExtent> extents_;
};

/// Counts the events that are inside an object, which must not go before they have left it: the flag that one sets may
/// be seen before its bell has rung.
class Visits {
 public:
  class Visit {
   public:
    explicit Visit(Visits& visits) : visits_(visits) { visits_.inside_.fetch_add(1); }
    ~Visit() { visits_.inside_.fetch_sub(1); }

   private:
    Visits& visits_;
  };
  void wait(io::Executor& executor) const {
    for (unsigned spins = 0; inside_.load() != 0; ++spins)
      executor.relax(spins);
  }

 private:
  std::atomic<int> inside_{0};
};

struct PeerOptions {
  std::uint32_t depth = 64;
  std::uint32_t cq_depth = 256;
  std::uint32_t sge_max = 16;
  std::uint64_t affinity_mask = 0;
  rdma::ProtectionDomain* domain = nullptr;  ///< another peer's, to share
  rdma::CompletionQueue* cq = nullptr;       ///< likewise
};

class Peer final : public rdma::ConnectionSink, public rdma::QpSink, public rdma::CqSink {
 public:
  Peer(io::World& world, Device& device, const PeerOptions& options = {})
      : bell(world), executor_(world.executor), device_(device) {
    if (options.domain == nullptr) pd = std::move(*device.create_pd());
    rdma::ProtectionDomain& domain = options.domain != nullptr ? *options.domain : *pd;
    if (options.cq == nullptr) cq = std::move(*device.create_cq({options.cq_depth, options.affinity_mask}, *this));
    rdma::QpParameters parameters;
    parameters.receive_cq = parameters.initiator_cq = options.cq != nullptr ? options.cq : cq.get();
    parameters.context = this;
    parameters.receive_depth = parameters.initiator_depth = options.depth;
    parameters.receive_sge_max = parameters.initiator_sge_max = options.sge_max;
    parameters.inline_bytes_max = 256;
    qp = std::move(*device.create_qp(domain, parameters, *this));
  }
  ~Peer() {
    close_all();
    visits_.wait(executor_);
  }

  void new_connection() { connection = std::move(*device_.create_connection(*this)); }
  CmStatus connect(const Address& to, rdma::ReadLimits limits = {16, 16}, Bytes data = {}) {
    if (connection == nullptr) new_connection();
    connect_done.reset();
    rdma::ConnectParameters parameters;
    parameters.local = to.with_port(0);
    parameters.remote = to;
    parameters.limits = limits;
    parameters.private_data = data;
    const CmStatus status = connection->connect(*qp, parameters);
    return status == CmStatus::pending ? wait(connect_done) : status;
  }
  CmStatus complete() {
    established.reset();
    const CmStatus status = connection->complete_connect();
    return status == CmStatus::pending ? wait(established) : status;
  }
  CmStatus start_accept(rdma::ReadLimits limits = {16, 16}, Bytes data = {}) {
    return connection->accept(*qp, {limits, data});
  }
  CmStatus wait_established() { return wait(established); }
  CmStatus disconnect() {
    const CmStatus status = connection->disconnect();
    return status == CmStatus::pending ? wait(disconnected) : status;
  }
  void close_connection() {
    if (connection == nullptr) return;
    connection->close();
    EXPECT_TRUE(bell.wait([this] { return closed.load(); }));
    connection = nullptr;
    closed = false;
  }
  void close_all() {
    close_connection();
    if (qp != nullptr) {
      qp->close();
      EXPECT_TRUE(bell.wait([this] { return qp_closed.load(); }));
      qp = nullptr;
    }
    if (cq != nullptr) {
      cq->close();
      EXPECT_TRUE(bell.wait([this] { return cq_closed.load(); }));
      cq = nullptr;
    }
  }

  bool receive(const Buffer& buffer, std::uint64_t offset, std::uint32_t bytes, std::uintptr_t context = 1) {
    const rdma::Sge sge = buffer.sge(offset, bytes);
    return qp->post_receive({reinterpret_cast<void*>(context), std::span(&sge, 1)}).has_value();
  }
  expected<void, rdma::PostError> post(rdma::Operation operation, const Buffer& buffer, std::uint64_t offset,
                                       std::uint32_t bytes, std::uintptr_t context = 1, std::uint64_t remote = 0,
                                       rdma::Token token = 0, rdma::WorkFlags flags = {}) {
    const rdma::Sge sge = buffer.sge(offset, bytes);
    rdma::SendWork work;
    work.operation = operation;
    work.flags = flags;
    work.context = reinterpret_cast<void*>(context);
    work.sges = std::span(&sge, bytes != 0 ? 1 : 0);
    work.remote_address = remote;
    work.remote_token = token;
    return qp->post_send(work);
  }
  /// Waits by notification, as a consumer would, and polls.
  std::optional<Completion> wait_completion() {
    std::optional<Completion> found;
    bell.wait([&] {
      Completion one;
      if (cq->poll(std::span(&one, 1)) == 1) {
        found = one;
        return true;
      }
      cq->arm(rdma::CqNotify::any);
      if (cq->poll(std::span(&one, 1)) == 1) found = one;
      return found.has_value();
    });
    return found;
  }
  WorkStatus wait_status() {
    const auto completion = wait_completion();
    return completion ? completion->status : WorkStatus::internal;
  }

  // rdma::ConnectionSink
  void on_connect_done(CmStatus status) noexcept override {
    const Visits::Visit visit(visits_);
    set(connect_done, status);
  }
  void on_established(CmStatus status) noexcept override {
    const Visits::Visit visit(visits_);
    set(established, status);
  }
  void on_peer_disconnect(bool graceful, std::uint32_t) noexcept override {
    const Visits::Visit visit(visits_);
    ++peer_disconnects;
    was_graceful = graceful;
    bell.ring();
  }
  void on_disconnected(CmStatus status) noexcept override {
    const Visits::Visit visit(visits_);
    set(disconnected, status);
  }
  void on_abandoned() noexcept override {
    const Visits::Visit visit(visits_);
    abandoned = true;
    bell.ring();
  }
  void on_closed() noexcept override {
    const Visits::Visit visit(visits_);
    closed = true;
    bell.ring();
  }
  void on_qp_closed() noexcept override {
    const Visits::Visit visit(visits_);
    qp_closed = true;
    bell.ring();
  }
  void on_notify(rdma::CqHealth health) noexcept override {
    const Visits::Visit visit(visits_);
    ++notifications;
    cq_health = health;
    bell.ring();
  }
  void on_cq_closed() noexcept override {
    const Visits::Visit visit(visits_);
    cq_closed = true;
    bell.ring();
  }

  struct Once {
    std::atomic<int> value{-1};
    void reset() { value = -1; }
  };
  CmStatus wait(Once& once) {
    EXPECT_TRUE(bell.wait([&] { return once.value.load() >= 0; }));
    return static_cast<CmStatus>(once.value.load());
  }
  bool wait_peer_disconnect() {
    return bell.wait([this] { return peer_disconnects.load() != 0; });
  }

  Bell bell;
  OwnedInterface<rdma::ProtectionDomain> pd;
  OwnedInterface<rdma::CompletionQueue> cq;
  OwnedInterface<rdma::QueuePair> qp;
  OwnedInterface<rdma::Connection> connection;
  Once connect_done, established, disconnected;
  std::atomic<int> peer_disconnects{0}, notifications{0};
  std::atomic<bool> was_graceful{false}, abandoned{false}, closed{false}, qp_closed{false}, cq_closed{false};
  std::atomic<rdma::CqHealth> cq_health{rdma::CqHealth::good};

 private:
  void set(Once& once, CmStatus status) {
    EXPECT_EQ(once.value.load(), -1) << "told twice";
    once.value = static_cast<int>(status);
    bell.ring();
  }
  io::Executor& executor_;
  Visits visits_;
  Device& device_;
};

/// A listener that hands its requests to `peers` in turn, inside the event or when asked.
class Host final : public rdma::ListenerSink {
 public:
  Host(io::World& world, Device& device) : bell(world), executor_(world.executor) {
    listener = std::move(*device.create_listener(*this));
  }
  ~Host() {
    close();
    visits_.wait(executor_);
  }
  Address listen(const Address& at = loopback()) {
    auto address = listener->listen(at);
    EXPECT_TRUE(address);
    return address ? *address : Address{};
  }
  void close() {
    if (listener == nullptr) return;
    listener->close();
    EXPECT_TRUE(bell.wait([this] { return closed.load(); }));
    listener = nullptr;
  }
  void expect(Peer& peer) { next_ = &peer; }
  bool wait_request() {
    return bell.wait([this] { return requests.load() != 0; });
  }
  void on_connect_request(Incoming& incoming) noexcept override {
    const Visits::Visit visit(visits_);
    if (next_ != nullptr) next_->connection = incoming.take(*next_);
    ++requests;
    bell.ring();
  }
  void on_listener_closed() noexcept override {
    const Visits::Visit visit(visits_);
    closed = true;
    bell.ring();
  }
  Bell bell;
  OwnedInterface<rdma::Listener> listener;
  std::atomic<int> requests{0};
  std::atomic<bool> closed{false};

 private:
  io::Executor& executor_;
  Visits visits_;
  Peer* next_ = nullptr;
};

/// Connects `active` to `passive` through `host`, which listens at `at`.
inline void establish(Host& host, Peer& active, Peer& passive, const Address& at) {
  host.expect(passive);
  host.requests = 0;
  active.new_connection();
  rdma::ConnectParameters parameters;
  parameters.local = at.with_port(0);
  parameters.remote = at;
  parameters.limits = {16, 16};
  ASSERT_EQ(active.connection->connect(*active.qp, parameters), CmStatus::pending);
  ASSERT_TRUE(host.wait_request());
  ASSERT_EQ(passive.start_accept(), CmStatus::pending);
  ASSERT_EQ(active.wait(active.connect_done), CmStatus::success);
  ASSERT_EQ(active.complete(), CmStatus::success);
  ASSERT_EQ(passive.wait_established(), CmStatus::success);
}

}  // namespace softndk::rnic::test
