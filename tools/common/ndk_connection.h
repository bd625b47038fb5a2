#pragma once
// Connecting, listening, accepting, disconnecting.
#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "tools/common/address.h"
#include "tools/common/ndk_queues.h"

namespace softndk::tools {

struct ReadLimits {
  ULONG inbound = 1;
  ULONG outbound = 1;
};
/// As many as is useful here and the adapter has.
ReadLimits read_limits(const Adapter& adapter);

/// One connection, either side. Closing it without disconnect() tells the peer that something went wrong (R-CLS-19).
/// The queue it is given is woken by the disconnect event and outlives this.
class Connector {
 public:
  static Result<std::unique_ptr<Connector>> create(const Adapter& adapter);
  /// Takes over what a connect event delivered.
  explicit Connector(NDK_CONNECTOR* incoming);
  ~Connector() { connector_.finish_close(); }
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;

  /// NdkConnect and NdkCompleteConnect. On a passed deadline the attempt is abandoned by closing the connector.
  Result<void> connect(const Qp& qp, Cq& cq, const Address& source, const Address& destination,
                       const ReadLimits& limits, std::span<const std::byte> private_bytes, const Deadline& deadline);
  Result<void> accept(const Qp& qp, Cq& cq, const ReadLimits& limits, std::span<const std::byte> private_bytes,
                      const Deadline& deadline);
  void reject();
  /// Graceful; waits for the peer's part of it.
  Result<void> disconnect(const Deadline& deadline);
  /// The peer has disconnected or the connection is lost.
  bool ended() const { return ended_.load(std::memory_order_acquire); }

  /// What the peer sent along; zeros behind its end, for the length is not told (R-GCD-02).
  Result<void> peer_private_bytes(std::span<std::byte> bytes) const;
  std::string local_text() const;
  std::string peer_text() const;
  std::string name() const;

 private:
  Connector() = default;
  static VOID disconnected(PVOID context);
  Result<void> settle(const char* call, NTSTATUS returned, const Deadline& deadline);

  Cq* cq_ = nullptr;  // before the request that may lead to a disconnect event
  std::string name_;
  std::atomic<bool> ended_{false};
  Request request_;
  Object<NDK_CONNECTOR> connector_;
};

/// Connect events land in a small queue, in the order of their arrival.
class Listener {
 public:
  static Result<std::unique_ptr<Listener>> create(const Adapter& adapter, const Address& address);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  /// The next request for a connection.
  Result<std::unique_ptr<Connector>> next(const Deadline& deadline);
  /// From here on connect events go to `event` instead of the queue. Whoever that is outlives stop() and the connectors
  /// it was given.
  void hand_to(NDK_FN_CONNECT_EVENT_CALLBACK event, PVOID context);
  /// Requests are refused from here on, those not yet taken as well. The close itself ends when the connectors are
  /// closed (R-EP-05).
  void stop();
  std::string name() const { return "listener " + name_; }

 private:
  static constexpr std::size_t kWaitingMax = 256;

  Listener() { KeInitializeSpinLock(&lock_); }
  static VOID connect_event(PVOID context, NDK_CONNECTOR* connector);
  NDK_CONNECTOR* take();

  std::string name_;
  KSPIN_LOCK lock_;
  std::array<NDK_CONNECTOR*, kWaitingMax> waiting_{};  // a ring under lock_
  std::size_t first_ = 0;
  std::size_t count_ = 0;
  bool stopped_ = false;
  NDK_FN_CONNECT_EVENT_CALLBACK event_ = nullptr;  // under lock_
  PVOID event_context_ = nullptr;                  // under lock_
  Event arrived_;
  Request request_;
  Object<NDK_LISTENER> listener_;
};

}  // namespace softndk::tools
