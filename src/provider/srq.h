#pragma once
#include "base/thread_safety.h"
#include "provider/instance_count.h"
#include "provider/pd.h"
#include "rdma/queue.h"

namespace softndk::provider {

/// A shared receive queue: successor of its PD, antecedent of queue pairs.
class Srq final : public NDK_SRQ, public Object {
 public:
  /// `notification` may be null: thresholds are kept, and nothing is ever called (R-SRQ-09). The parameters were
  /// checked (R-SRQ-01, R-SRQ-02).
  static expected<NDK_SRQ*, NTSTATUS> create(Pd& pd, const rdma::SrqParameters& parameters,
                                             NDK_FN_SRQ_NOTIFICATION_CALLBACK notification, PVOID context) noexcept;
  rdma::SharedReceiveQueue& device() const noexcept { return *device_; }
  Pd& pd() const noexcept { return pd_; }

  /// The consumer serialises its posts (R-SRQ-16).
  CallerRole poster;

  NTSTATUS post_receive(PVOID context, const NDK_SGE* sges, ULONG count) noexcept SOFTNDK_REQUIRES(poster);
  /// NdkModifySrq; zeros keep what is (R-SRQ-03). Takes effect in the call, and several may be pending: a notification
  /// arms again although the request that armed for it has not been reported yet.
  /// Errors     STATUS_INVALID_PARAMETER        the adapter's limit, inline; fewer than are queued (R-SRQ-12)
  ///            STATUS_INSUFFICIENT_RESOURCES   memory
  NTSTATUS modify(ULONG depth, ULONG threshold, NDK_FN_REQUEST_COMPLETION completion, PVOID context) noexcept;

  Srq(Pd& pd, InstanceCount::Ticket ticket, NDK_FN_SRQ_NOTIFICATION_CALLBACK notification,
      PVOID context) noexcept;  // for create()

 private:
  struct Sink final : rdma::SrqSink {
    explicit Sink(Srq& srq) noexcept : self(srq) {}
    void on_srq_notify(bool failed) noexcept override { self.notify(failed); }
    void on_srq_closed() noexcept override { self.retired(); }
    Srq& self;
  };
  void notify(bool failed) noexcept;
  static const ObjectType kType;

  Pd& pd_;
  Sink sink_{*this};
  InstanceCount::Ticket ticket_;
  NDK_FN_SRQ_NOTIFICATION_CALLBACK const notification_;
  const PVOID context_;
  OwnedInterface<rdma::SharedReceiveQueue> device_;
  std::atomic<bool> failure_told_{false};
};

}  // namespace softndk::provider
