#pragma once
#include <cstdint>

#include "base/intrusive_list.h"
#include "base/thread_safety.h"
#include "rdma/connection.h"
#include "rnic/connection.h"
#include "rnic/endpoint_table.h"

namespace softndk::rnic {

/// Takes TCP connections on one endpoint, waits for their MPA Request (bounded in number and time), and hands complete
/// requests to its consumer.
class Listener final : public rdma::Listener, public AcceptTarget {
 public:
  Listener(const ConnectionContext& context, io::Processor& processor, rdma::ListenerSink& sink);
  ~Listener() override;

  // rdma::Listener
  expected<Address, rdma::CmStatus> listen(const Address& local) noexcept override;
  void pause(bool paused) noexcept override;
  void close() noexcept override;
  std::optional<Address> local_address() const noexcept override;

  // AcceptTarget; on the acceptor's processor thread
  Choice choose_sink(Endpoint& endpoint, const Address& peer) noexcept override;

  // For its half-open connections, on their processor thread.

  /// Shows `connection`, whose request is complete, to the consumer. False: nobody took it.
  [[nodiscard]] bool deliver(Connection& connection) noexcept;
  /// It is not half-open any more, in one way or another.
  void forget(Connection& connection) noexcept SOFTNDK_EXCLUDES(mutex_);

 private:
  struct ClosedTask : io::Task {
    using Task::Task;
    Listener* listener = nullptr;
  };
  void on_address_free() noexcept SOFTNDK_EXCLUDES(mutex_);
  /// The end of close(); `this` may be gone when it returns.
  void give_up(EndpointRef endpoint) noexcept SOFTNDK_EXCLUDES(mutex_);
  const ConnectionContext& context_;
  io::Processor& processor_;
  rdma::ListenerSink& sink_;
  ClosedTask free_task_;    // our reference to the endpoint is given up, and with it the address if it was the last
  ClosedTask closed_task_;  // nothing of ours is left
  mutable Mutex mutex_;
  EndpointRef endpoint_ SOFTNDK_GUARDED_BY(mutex_);
  bool listened_ SOFTNDK_GUARDED_BY(mutex_) = false;
  bool paused_ SOFTNDK_GUARDED_BY(mutex_) = false;
  bool taking_ SOFTNDK_GUARDED_BY(mutex_) = false;   // listen() has neither its endpoint yet nor failed
  bool closing_ SOFTNDK_GUARDED_BY(mutex_) = false;  // takes nothing new
  bool closed_ SOFTNDK_GUARDED_BY(mutex_) = false;   // and waits for its half-open connections only
  IntrusiveList<Connection> half_open_ SOFTNDK_GUARDED_BY(mutex_);
  std::uint32_t half_open_count_ SOFTNDK_GUARDED_BY(mutex_) = 0;
};

}  // namespace softndk::rnic
