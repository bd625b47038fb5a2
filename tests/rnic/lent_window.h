#pragma once
#include <functional>

#include "raw_peer.h"

namespace softndk::rnic::test {

using rdma::Operation;

/// A window of the victim's and its verbs; bound by work of the victim's queue pair.
class Lent final : public rdma::WindowSink {
 public:
  Lent(io::World& world, Peer& victim) : Lent(world, victim, *victim.pd) {}
  Lent(io::World& world, Peer& victim, rdma::ProtectionDomain& pd) : bell(world), executor_(world.executor) {
    victim_ = &victim;
    window = std::move(*pd.create_window(*this));
  }
  ~Lent() {
    close();
    visits_.wait(executor_);
  }
  void close() {
    if (window == nullptr) return;
    window->close();
    EXPECT_TRUE(bell.wait([this] { return closed.load(); }));
    window = nullptr;
  }
  void post(Operation operation, const Buffer* buffer, std::size_t bytes, rdma::WorkFlags flags = {}) {
    rdma::WindowWork about;
    about.window = window.get();
    if (buffer != nullptr) {
      about.region = buffer->region.get();
      about.address = buffer->address();
      about.length_bytes = bytes;
      about.rights = kAllRights;
    }
    rdma::SendWork work;
    work.operation = operation;
    work.flags = flags;
    work.window = &about;
    ASSERT_TRUE(victim_->qp->post_send(work));
  }
  rdma::Token bind(const Buffer& buffer, std::size_t bytes) {
    post(Operation::bind, &buffer, bytes);
    EXPECT_EQ(victim_->wait_status(), WorkStatus::success);
    return window->remote_token();
  }
  bool is_bound() const { return bindings.load() != 0; }

  void on_window_work_done(void*, bool bound) noexcept override {
    const Visits::Visit visit(visits_);
    if (bound) ++bindings;
    if (in_work_done) in_work_done();
    ++done;
    bell.ring();
  }
  void on_unbound(void*) noexcept override {
    const Visits::Visit visit(visits_);
    --bindings;
    bell.ring();
  }
  void on_window_closed() noexcept override {
    const Visits::Visit visit(visits_);
    closed = true;
    bell.ring();
  }

  Bell bell;
  OwnedInterface<rdma::MemoryWindow> window;
  std::function<void()> in_work_done;
  std::atomic<int> bindings{0}, done{0};
  std::atomic<bool> closed{false};

 private:
  io::Executor& executor_;
  Visits visits_;
  Peer* victim_ = nullptr;
};

}  // namespace softndk::rnic::test
