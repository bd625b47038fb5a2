#pragma once
#include <optional>

#include "base/intrusive_list.h"
#include "base/thread_safety.h"
#include "provider/connector_state.h"
#include "provider/listener.h"
#include "provider/object.h"
#include "provider/qp.h"
#include "provider/shared_endpoint.h"
#include "rdma/connection.h"

namespace softndk::provider {

/// The consumer's disconnect event: the plain form, the form with a reason (2.1), or none (R-EVT-08..R-EVT-10).
struct DisconnectEvent {
  NDK_FN_DISCONNECT_EVENT_CALLBACK plain = nullptr;
  NDK_FN_DISCONNECT_EVENT_CALLBACK_EX with_reason = nullptr;
  PVOID context = nullptr;
  explicit operator bool() const noexcept { return plain != nullptr || with_reason != nullptr; }
};

/// The completion routine of a request and its context.
struct Completion {
  NDK_FN_REQUEST_COMPLETION routine = nullptr;
  PVOID context = nullptr;
};

/// A connector, of either side. Successor of the adapter; of the listener that raised it; from connect or accept on of
/// its queue pair, and of the shared endpoint that it connects over. States and events: connector_state.h. Arguments
/// have been checked and copied by the entry points.
class Connector final : public NDK_CONNECTOR, public Object, public ListLink {
 public:
  /// State idle: no address, queue pair or peer, and no network (R-CONN-17, R-CONN-18, R-CONN-19).
  static expected<NDK_CONNECTOR*, NTSTATUS> create(Adapter& adapter) noexcept;
  /// State incoming: takes a request off the device. Null: no memory, and the request is refused.
  static NDK_CONNECTOR* take(Listener& listener, rdma::ListenerSink::Incoming& incoming) noexcept;

  /// NdkConnect, or with `over` NdkConnectWithSharedEndpoint. Completes when the peer accepted (R-CNCT-01).
  /// STATUS_INVALID_DEVICE_STATE inline unless idle, STATUS_CONNECTION_ACTIVE inline for a queue pair in use (R-QP-07).
  NTSTATUS connect(Qp& qp, SharedEndpoint* over, rdma::ConnectParameters parameters,
                   const Completion& completion) noexcept SOFTNDK_EXCLUDES(mutex_);
  /// NdkCompleteConnect[Ex] (R-CNCT-03).
  NTSTATUS complete_connect(const DisconnectEvent& event, const Completion& completion) noexcept
      SOFTNDK_EXCLUDES(mutex_);
  /// NdkAccept[Ex] (R-CNCT-02). STATUS_INVALID_DEVICE_STATE inline unless incoming (R-CONN-21).
  NTSTATUS accept(Qp& qp, const rdma::AcceptParameters& parameters, const DisconnectEvent& event,
                  const Completion& completion) noexcept SOFTNDK_EXCLUDES(mutex_);
  /// NdkReject: incoming, or active after its connect succeeded (R-REJ-01, R-REJ-02, R-REJ-03).
  NTSTATUS reject(Bytes private_data) noexcept SOFTNDK_EXCLUDES(mutex_);
  /// NdkDisconnect (R-DISC-01). STATUS_CONNECTION_INVALID inline where nothing is connected, and the second time
  /// (R-DISC-12, R-CONN-21).
  NTSTATUS disconnect(const Completion& completion) noexcept SOFTNDK_EXCLUDES(mutex_);

  /// NdkGetConnectionData: the four rows of spec/ndkpi.md 3.9 (R-GCD-01). The first two pointers may be null
  /// (R-GCD-04).
  NTSTATUS connection_data(ULONG* inbound, ULONG* outbound, void* private_data, ULONG* length_bytes) const noexcept;
  std::optional<Address> local_address() const noexcept { return device_->local_address(); }
  std::optional<Address> peer_address() const noexcept { return device_->peer_address(); }
  ConnectorState state() const noexcept SOFTNDK_EXCLUDES(mutex_);

  Connector(Adapter& adapter, Listener* listener) noexcept;  // for create() and take()
  ~Connector();

 private:
  struct Sink final : rdma::ConnectionSink {
    explicit Sink(Connector& connector) noexcept : self(connector) {}
    void on_connect_done(rdma::CmStatus status) noexcept override { self.request_ended(status); }
    void on_established(rdma::CmStatus status) noexcept override { self.request_ended(status); }
    void on_peer_disconnect(bool graceful, std::uint32_t reason) noexcept override {
      self.peer_left({graceful, reason});
    }
    void on_disconnected(rdma::CmStatus status) noexcept override { self.request_ended(status); }
    void on_abandoned() noexcept override {}  // the device remembers, and says so when the consumer answers (R-REJ-01)
    void on_closed() noexcept override { self.device_closed(); }
    Connector& self;
  };
  struct PeerLeft {
    bool graceful;
    std::uint32_t reason;
  };

  /// Takes the step if the table has it.
  bool advance(ConnectorEvent event) noexcept SOFTNDK_REQUIRES(mutex_);
  NTSTATUS start(ConnectorEvent event, Qp* qp, NTSTATUS wrong_state) noexcept SOFTNDK_EXCLUDES(mutex_);
  void request_ended(rdma::CmStatus status) noexcept;
  void device_closed() noexcept SOFTNDK_EXCLUDES(mutex_);
  void peer_left(PeerLeft how) noexcept SOFTNDK_EXCLUDES(mutex_);
  void raise_disconnect(const DisconnectEvent& event, std::uint32_t reason) noexcept;
  static NTSTATUS conclude(Object& object, NTSTATUS status) noexcept;
  static void reported(Object& object) noexcept;
  ConnectorEvent end_of_request(NTSTATUS status) const noexcept SOFTNDK_REQUIRES(mutex_);
  Ref<Object> unbind_qp() noexcept SOFTNDK_REQUIRES(mutex_);
  Ref<Object> leave_endpoint() noexcept SOFTNDK_REQUIRES(mutex_);
  static void begin_close(Object& object) noexcept;
  static void describe(const Object& object, ntrt::NodeText& to) noexcept;
  static const ObjectType kType;

  Sink sink_{*this};
  OwnedInterface<rdma::Connection> device_;
  PendingRequest request_{*this, conclude, reported, "completion of a connector's request"};

  mutable Mutex mutex_;
  ConnectorState state_ SOFTNDK_GUARDED_BY(mutex_);
  Qp* qp_ SOFTNDK_GUARDED_BY(mutex_) = nullptr;
  SharedEndpoint* endpoint_ SOFTNDK_GUARDED_BY(mutex_) = nullptr;  ///< of a connect that has not failed
  bool qp_spent_ SOFTNDK_GUARDED_BY(mutex_) = false;               ///< it was, or was about to be, connected (R-QP-08)
  DisconnectEvent event_ SOFTNDK_GUARDED_BY(mutex_);               ///< taken when raised (R-EVT-04)
  bool reporting_ SOFTNDK_GUARDED_BY(mutex_) = false;  ///< the callback that says "connected" has not returned
  /// The peer left before the success of accept or complete-connect was reported (R-EVT-07).
  std::optional<PeerLeft> left_early_ SOFTNDK_GUARDED_BY(mutex_);
  struct LateEvent : Delivery {
    explicit LateEvent(Connector& connector) noexcept;
    Connector& owner;
  } late_event_{*this};
};

}  // namespace softndk::provider
