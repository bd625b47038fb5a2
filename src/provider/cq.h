#pragma once
#include <span>

#include "base/thread_safety.h"
#include "provider/adapter.h"
#include "provider/instance_count.h"
#include "provider/object.h"
#include "rdma/queue.h"

namespace softndk::provider {

/// A completion queue: successor of the adapter, antecedent of queue pairs.
class Cq final : public NDK_CQ, public Object {
 public:
  /// `notification` may be null: then nothing is ever called (C-02, R-ARM-22). `depth` was checked (R-CQ-01, R-CQ-02);
  /// `affinity_mask` is a hint (R-CQ-04).
  static expected<NDK_CQ*, NTSTATUS> create(Adapter& adapter, std::uint32_t depth, std::uint64_t affinity_mask,
                                            NDK_FN_CQ_NOTIFICATION_CALLBACK notification, PVOID context) noexcept;
  rdma::CompletionQueue& device() const noexcept { return *device_; }

  /// The consumer serialises the two kinds of poll and arming (R-CQ-26).
  CallerRole reader;

  /// NDK_CQ_NOTIFY_*; an unknown type is ignored (R-ARM-20). The device combines kinds (R-ARM-01).
  void arm(ULONG type) noexcept SOFTNDK_REQUIRES(reader);
  /// Removes up to results.size() completions, oldest first (R-CQ-11, R-CQ-12); what lies beyond the count returned is
  /// not written (R-CQ-13). Both forms read the same queue (R-CQ-20, R-CQ-23).
  ULONG results(std::span<NDK_RESULT> results) noexcept SOFTNDK_REQUIRES(reader);
  ULONG results(std::span<NDK_RESULT_EX> results) noexcept SOFTNDK_REQUIRES(reader);

  /// NdkResizeCq, beside everything else; takes effect in the call, and several may be pending.
  /// Errors     STATUS_NOT_SUPPORTED            the device cannot (R-CQ-07)
  ///            STATUS_INVALID_PARAMETER        0, the adapter's limit, inline; fewer than are present (R-CQ-06,
  ///            R-CQ-09) STATUS_INSUFFICIENT_RESOURCES   memory
  NTSTATUS resize(ULONG depth, NDK_FN_REQUEST_COMPLETION completion, PVOID context) noexcept;
  /// NdkControlCqInterruptModeration; never pends (R-MOD-09).
  /// Errors     STATUS_NOT_SUPPORTED            the device cannot (R-MOD-10)
  ///            STATUS_INVALID_PARAMETER_MIX    nothing would bound the wait (R-MOD-07)
  NTSTATUS moderate(ULONG interval_us, ULONG count) noexcept;

  Cq(Adapter& adapter, InstanceCount::Ticket ticket, NDK_FN_CQ_NOTIFICATION_CALLBACK notification,
     PVOID context) noexcept;  // for create()

 private:
  struct Sink final : rdma::CqSink {
    explicit Sink(Cq& cq) noexcept : self(cq) {}
    void on_notify(rdma::CqHealth health) noexcept override { self.notify(health); }
    void on_cq_closed() noexcept override { self.retired(); }
    Cq& self;
  };
  /// The device calls it once for each arm at most, one at a time (R-ARM-02, R-ARM-04).
  void notify(rdma::CqHealth health) noexcept;
  template <class Result, class Translate>
  ULONG take(std::span<Result> results, Translate&& translate_one) noexcept;
  static void retire(Object& object) noexcept;
  static const ObjectType kType;

  Sink sink_{*this};
  InstanceCount::Ticket ticket_;
  NDK_FN_CQ_NOTIFICATION_CALLBACK const notification_;
  const PVOID context_;
  OwnedInterface<rdma::CompletionQueue> device_;
};

}  // namespace softndk::provider
