#pragma once
// Local addresses and ports in use on one adapter, who holds them, and the listening socket that may lie behind.
#include <atomic>
#include <cstdint>
#include <span>
#include <utility>

#include "base/address.h"
#include "base/alloc.h"
#include "base/array.h"
#include "base/expected.h"
#include "base/intrusive_list.h"
#include "base/thread_safety.h"
#include "io/network.h"
#include "rdma/connection.h"
#include "rnic/settings.h"

namespace softndk::rnic {

class EndpointTable;

/// The sink of an accepted stream; it gets the stream before its first event and looks after itself from then on.
class AcceptedSink : public io::StreamSink {
 public:
  virtual void adopt(OwnedInterface<io::ByteStream> stream) noexcept = 0;

 protected:
  ~AcceptedSink() = default;
};

/// Whoever listens on an endpoint. Called on the acceptor's processor thread, under a lock of the endpoint: short, and
/// not back into it.
class AcceptTarget {
 public:
  struct Choice {
    AcceptedSink* sink = nullptr;  ///< null: refuse
    io::Processor* processor = nullptr;
  };
  virtual Choice choose_sink(class Endpoint& endpoint, const Address& peer) noexcept = 0;

 protected:
  ~AcceptTarget() = default;
};

/// The two addresses of a stream, in the table while the stream exists.
struct AddressPair : ListLink {
  Address local, remote;
};

/// One local address and port (R-EP-01..08). It lives while somebody holds a reference: the listener, each connection
/// raised by it; the shared endpoint, each connection that started from it; or the one connection that started here.
/// A listening socket stays open, though deaf, and so does a shared endpoint's reservation, until the last of them is
/// gone, because that is what keeps the port ours.
class Endpoint final : public ListLink, public io::AcceptSink {
 public:
  Endpoint(EndpointTable& table, const Address& address);
  const Address& address() const { return address_; }

  /// From now on `target` is asked; null refuses everything. When it returns no call of the old target is running.
  void set_target(AcceptTarget* target) noexcept SOFTNDK_EXCLUDES(target_mutex_);
  void pause(bool paused) noexcept;
  expected<void, io::IoError> listen(io::Network& network, unsigned backlog, io::Processor& processor) noexcept;
  /// Keeps the port for streams that share it (R-SEP-01).
  expected<void, io::IoError> reserve(io::Network& network) noexcept;

  /// Connect requests that the consumer was told of and has not answered (R-LSN-07).
  std::atomic<std::uint32_t> waiting_for_accept{0};

  // io::AcceptSink
  Choice choose_sink(const Address& local, const Address& peer) noexcept override;
  void on_accept(OwnedInterface<io::ByteStream> stream, io::StreamSink& sink) noexcept override;
  void on_acceptor_closed() noexcept override;

 private:
  friend class EndpointTable;
  friend class EndpointRef;
  EndpointTable& table_;
  const Address address_;
  std::uint32_t references_ = 1;  // guarded by the table's mutex
  io::Task* freed_task_ = nullptr;
  io::Processor* freed_processor_ = nullptr;
  OwnedInterface<io::Acceptor> acceptor_;
  OwnedInterface<io::Network::Reservation> reservation_;
  Mutex target_mutex_;
  AcceptTarget* target_ SOFTNDK_GUARDED_BY(target_mutex_) = nullptr;
};

/// One reference to an endpoint.
class EndpointRef {
 public:
  EndpointRef() = default;
  explicit EndpointRef(Endpoint* endpoint) : endpoint_(endpoint) {}
  EndpointRef(EndpointRef&& other) noexcept : endpoint_(std::exchange(other.endpoint_, nullptr)) {}
  EndpointRef& operator=(EndpointRef&& other) noexcept {
    std::swap(endpoint_, other.endpoint_);
    return *this;
  }
  ~EndpointRef() { release(); }
  EndpointRef share() const noexcept;
  void release() noexcept { release_then(nullptr, nullptr); }
  /// Gives it up and posts `done` once the address is free again, if this was the last reference, else at once.
  void release_then(io::Task* done, io::Processor* processor) noexcept;
  Endpoint* get() const { return endpoint_; }
  Endpoint* operator->() const { return endpoint_; }
  explicit operator bool() const { return endpoint_ != nullptr; }

 private:
  Endpoint* endpoint_ = nullptr;
};

class EndpointTable {
 public:
  /// `ports`: to choose from.
  EndpointTable(io::Rng& rng, const PortRange& ports) noexcept : rng_(rng), ports_(ports) {}
  /// Before use: the adapter's own (R-CNCT-06: another one is address_not_local). False when memory is short.
  [[nodiscard]] bool add_addresses(std::span<const Address> addresses) noexcept;

  /// Is this an address of the adapter (any port; the wildcard counts)?
  bool is_ours(const Address& address) const noexcept;

  /// Takes `wanted` for a new endpoint and calls `use(Endpoint&) -> expected<void, io::IoError>`, which binds a socket
  /// to it. Port 0: those of the range are tried from a random one on until `use` does not find it taken (R-ADR-04,
  /// R-SEP-02, R-CNCT-06, C-98). On failure nothing is taken.
  template <class Use>
  expected<EndpointRef, rdma::CmStatus> take(const Address& wanted, Use use) noexcept {
    if (!is_ours(wanted)) return unexpected(rdma::CmStatus::address_not_local);
    if (wanted.port != 0) return take_port(wanted, use);
    const std::uint32_t ports = ports_.last - ports_.first + 1u;
    const std::uint32_t start = static_cast<std::uint32_t>(rng_.below(ports));
    for (std::uint32_t i = 0; i < ports; ++i) {
      const auto port = static_cast<std::uint16_t>(ports_.first + (start + i) % ports);
      auto taken = take_port(wanted.with_port(port), use);
      if (taken) return taken;
      // The latter: TCP has not forgotten the last connection from there to this peer.
      if (taken.error() != rdma::CmStatus::address_in_use && taken.error() != rdma::CmStatus::already_connected)
        return taken;
    }
    return unexpected(rdma::CmStatus::no_free_port);
  }

  // Which streams exist, whoever made them: a local address may be in use because it has this peer already, or for
  // another reason, and the consumer is told which (R-CNCT-05, R-CNCT-06).
  void add(AddressPair& pair) noexcept SOFTNDK_EXCLUDES(mutex_);
  /// If it is there.
  void remove(AddressPair& pair) noexcept SOFTNDK_EXCLUDES(mutex_);
  bool has_stream(const Address& local, const Address& remote) noexcept SOFTNDK_EXCLUDES(mutex_);

 private:
  friend class Endpoint;
  friend class EndpointRef;
  static constexpr std::uint32_t kBuckets = 512;

  template <class Use>
  expected<EndpointRef, rdma::CmStatus> take_port(const Address& address, Use use) noexcept {
    auto inserted = insert(address);
    if (!inserted) return unexpected(inserted.error());
    EndpointRef reference(*inserted);
    if (expected<void, io::IoError> used = use(**inserted); !used) return unexpected(to_cm_status(used.error()));
    return reference;
  }
  expected<Endpoint*, rdma::CmStatus> insert(const Address& address) noexcept SOFTNDK_EXCLUDES(mutex_);
  void erase(Endpoint& endpoint) noexcept SOFTNDK_EXCLUDES(mutex_);
  static rdma::CmStatus to_cm_status(io::IoError error) noexcept;

  io::Rng& rng_;
  Array<Address> addresses_;
  const PortRange ports_;
  Mutex mutex_;
  IntrusiveList<Endpoint> buckets_[kBuckets] SOFTNDK_GUARDED_BY(mutex_);     // by port
  IntrusiveList<AddressPair> streams_[kBuckets] SOFTNDK_GUARDED_BY(mutex_);  // by local port
};

/// The one place where an error of the network becomes the outcome of a connection request.
rdma::CmStatus to_cm_status(io::IoError error) noexcept;

}  // namespace softndk::rnic
