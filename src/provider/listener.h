#pragma once
#include "base/intrusive_list.h"
#include "base/thread_safety.h"
#include "provider/adapter.h"
#include "provider/object.h"
#include "rdma/connection.h"

namespace softndk::provider {

/// A listener: successor of the adapter, antecedent of the connectors that it raised (R-EVT-03).
class Listener final : public NDK_LISTENER, public Object, public ListLink {
 public:
  /// `event` may be null: then every request is refused (C-93).
  static expected<NDK_LISTENER*, NTSTATUS> create(Adapter& adapter, NDK_FN_CONNECT_EVENT_CALLBACK event,
                                                  PVOID context) noexcept;

  /// NdkListen. STATUS_INVALID_DEVICE_STATE inline on a listener that listens or once did; after a failure it may be
  /// tried again (R-LSN-03). Errors: R-LSN-02.
  NTSTATUS listen(const Address& local, NDK_FN_REQUEST_COMPLETION completion, PVOID context) noexcept
      SOFTNDK_EXCLUDES(mutex_);
  /// NdkControlConnectEvents; before NdkListen it is remembered (R-LSN-08..R-LSN-11).
  void pause(bool paused) noexcept SOFTNDK_EXCLUDES(mutex_);
  /// Empty while it is not listening (R-ADR-06).
  std::optional<Address> local_address() const noexcept SOFTNDK_EXCLUDES(mutex_);

  Listener(Adapter& adapter, NDK_FN_CONNECT_EVENT_CALLBACK event, PVOID context) noexcept;  // for create()
  ~Listener();

 private:
  enum class State : std::uint8_t { idle, starting, listening };
  struct Sink final : rdma::ListenerSink {
    explicit Sink(Listener& listener) noexcept : self(listener) {}
    void on_connect_request(Incoming& incoming) noexcept override { self.raise(incoming); }
    void on_listener_closed() noexcept override { self.release(RefReason::request); }
    Listener& self;
  };
  /// One event for each request; several may run at once (R-EVT-01, R-LSN-06).
  void raise(rdma::ListenerSink::Incoming& incoming) noexcept;
  static NTSTATUS conclude(Object& object, NTSTATUS status) noexcept;
  static void begin_close(Object& object) noexcept;
  static void describe(const Object& object, ntrt::NodeText& to) noexcept;
  static const ObjectType kType;

  Sink sink_{*this};
  NDK_FN_CONNECT_EVENT_CALLBACK const event_;
  const PVOID context_;
  OwnedInterface<rdma::Listener> device_;
  PendingRequest request_{*this, conclude, nullptr, "completion of NdkListen"};

  mutable Mutex mutex_;
  State state_ SOFTNDK_GUARDED_BY(mutex_) = State::idle;
  bool paused_ SOFTNDK_GUARDED_BY(mutex_) = false;  ///< what the consumer asked for
  std::optional<Address> local_ SOFTNDK_GUARDED_BY(mutex_);
};

}  // namespace softndk::provider
