#pragma once
#include <atomic>

#include "base/thread_safety.h"
#include "provider/cq.h"
#include "provider/instance_count.h"
#include "provider/pd.h"
#include "provider/srq.h"
#include "provider/work_translation.h"
#include "rdma/queue.h"

namespace softndk::provider {

/// What NdkCreateQp asks for; checked against the adapter's limits (R-QP-01).
struct QpLimits {
  std::uint32_t receive_depth = 0;
  std::uint32_t initiator_depth = 0;
  std::uint32_t receive_sge_max = 0;
  std::uint32_t initiator_sge_max = 0;
  std::uint32_t inline_bytes_max = 0;
};

class AnyMr;
class FastMr;
class Mw;

/// A queue pair: successor of its PD, CQs and SRQ if it has one, antecedent of the connector it is bound to
/// (R-CONN-18).
class Qp final : public NDK_QP, public Object {
 public:
  /// `srq` null: receives of its own.
  static expected<NDK_QP*, NTSTATUS> create(Pd& pd, Cq& receive_cq, Cq& initiator_cq, Srq* srq, PVOID context,
                                            const QpLimits& limits) noexcept;
  rdma::QueuePair& device() const noexcept { return *device_; }

  /// One connector at a time (R-QP-07), and none after a connection was or is about to be (R-QP-08, R-CONN-23).
  [[nodiscard]] bool bind() noexcept { return !bound_.exchange(true); }
  /// After a connect that failed, or was rejected by its own side, the pair is as new (R-CONN-24, R-REJ-03).
  void unbind() noexcept { bound_.store(false); }

  // The consumer serialises posts on each of the two queues (R-WR-03), so these take no lock (R-WR-04).
  CallerRole initiator;
  CallerRole receiver;

  /// Initiator posts: STATUS_SUCCESS means one CQ entry, a failure none (R-WR-01); never STATUS_PENDING (R-WR-02). A
  /// failure starts what was deferred before (R-DEF-03).
  NTSTATUS post(rdma::Operation operation, PVOID context, const NDK_SGE* sges, ULONG count, UINT64 remote_address,
                UINT32 remote_token, ULONG flags) noexcept SOFTNDK_REQUIRES(initiator);
  /// NdkBind. What the region grants is looked at here (R-MW-02); where the window lies, and what state both are in,
  /// when its turn has come (R-MW-01, R-MW-07).
  NTSTATUS post_bind(PVOID context, AnyMr& region, Mw& window, PVOID address, SIZE_T length_bytes, ULONG flags) noexcept
      SOFTNDK_REQUIRES(initiator);
  /// NdkFastRegister. Arguments and rights are looked at here (R-FRMR-05..R-FRMR-08), the region's state when the turn
  /// has come (R-FRMR-13).
  NTSTATUS post_fast_register(PVOID context, FastMr& region, const rdma::PageAddresses& pages, ULONG first_byte_offset,
                              SIZE_T length_bytes, PVOID address, ULONG flags) noexcept SOFTNDK_REQUIRES(initiator);
  /// NdkInvalidate of a window, or of a fast-register region.
  NTSTATUS post_invalidate(PVOID context, Mw& window, ULONG flags) noexcept SOFTNDK_REQUIRES(initiator);
  NTSTATUS post_invalidate(PVOID context, FastMr& region, ULONG flags) noexcept SOFTNDK_REQUIRES(initiator);
  /// An initiator post that this provider does not offer, or that it refuses.
  NTSTATUS refuse_post(NTSTATUS status) noexcept SOFTNDK_REQUIRES(initiator);
  /// Any time after creation (R-WR-09); not on a pair that takes its receives from an SRQ (R-QP-06).
  NTSTATUS post_receive(PVOID context, const NDK_SGE* sges, ULONG count) noexcept SOFTNDK_REQUIRES(receiver);
  /// May run beside posts (R-WR-05).
  void flush() noexcept { device_->flush(); }

  Qp(Pd& pd, Cq& receive_cq, Cq& initiator_cq, Srq* srq, InstanceCount::Ticket ticket) noexcept;  // for create()

 private:
  struct Sink final : rdma::QpSink {
    explicit Sink(Qp& qp) noexcept : self(qp) {}
    void on_qp_closed() noexcept override { self.retired(); }
    Qp& self;
  };
  NTSTATUS post_window_work(rdma::Operation operation, PVOID context, ULONG flags, AnyMr* region, Mw& window,
                            const rdma::WindowWork& work) noexcept SOFTNDK_REQUIRES(initiator);
  NTSTATUS post_region_work(rdma::Operation operation, PVOID context, ULONG flags, FastMr& region,
                            const rdma::FastRegionWork& work) noexcept SOFTNDK_REQUIRES(initiator);
  static const ObjectType kType;

  Sink sink_{*this};
  InstanceCount::Ticket ticket_;
  const bool has_srq_;
  std::atomic<bool> bound_{false};
  OwnedInterface<rdma::QueuePair> device_;
};

}  // namespace softndk::provider
