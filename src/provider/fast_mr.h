#pragma once
#include "provider/mr.h"

namespace softndk::provider {

/// A memory region for fast registration: successor of its PD. Its tokens are one and never change; work of queue pairs
/// makes it valid and invalid (R-FRMR-12, R-FRMR-13). Posted work holds it until its turn has come or it was cancelled.
class FastMr final : public AnyMr {
 public:
  static expected<NDK_MR*, NTSTATUS> create(Pd& pd) noexcept;

  /// NdkInitializeFastRegisterMr; again, with another count, while it is invalid (R-FRMR-03).
  /// Errors     STATUS_INVALID_PARAMETER        no pages; inline
  ///            STATUS_IMPLEMENTATION_LIMIT     too many (R-FRMR-01); inline
  ///            STATUS_INVALID_DEVICE_REQUEST   it is valid, or work or another request that names it is under way
  ///            STATUS_INSUFFICIENT_RESOURCES   memory
  NTSTATUS initialize(ULONG page_count, bool remote_access, NDK_FN_REQUEST_COMPLETION completion,
                      PVOID context) noexcept;
  /// 0 until the initialization was reported (R-MR-14, R-MR-15); the same ever after, so also right after a post
  /// (R-FRMR-11).
  UINT32 token() const noexcept { return is_initialized() ? device_->token() : 0; }

  bool is_initialized() const noexcept { return state_.load() >= State::initialized; }
  ULONG page_count() const noexcept { return page_count_.load(); }
  bool has_remote_access() const noexcept { return remote_access_.load(); }
  rdma::FastRegion& device() const noexcept { return *device_; }

  /// A fast-register or an invalidate of it is about to be posted.
  void begin_work() noexcept { add_ref(RefReason::request); }
  /// That work was not taken, or it is over. The region may be gone after this.
  void end_work() noexcept { release(RefReason::request); }

  FastMr(Pd& pd, InstanceCount::Ticket ticket) noexcept;  // for create()

 private:
  enum class State : std::uint8_t { idle, initializing, initialized, reinitializing };
  struct Sink final : rdma::FastRegionSink {
    explicit Sink(FastMr& mr) noexcept : self(mr) {}
    void on_region_work_done() noexcept override { self.end_work(); }
    void on_region_closed() noexcept override { self.retired(); }
    FastMr& self;
  };
  static NTSTATUS conclude(Object& object, NTSTATUS status) noexcept;
  static const ObjectType kType;

  Sink sink_{*this};
  InstanceCount::Ticket ticket_;
  OwnedInterface<rdma::FastRegion> device_;
  PendingRequest request_{*this, conclude, nullptr, "completion of a fast-register initialization"};
  std::atomic<State> state_{State::idle};
  std::atomic<ULONG> page_count_{0};
  std::atomic<bool> remote_access_{false};
};

}  // namespace softndk::provider
