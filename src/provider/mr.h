#pragma once
#include "base/thread_safety.h"
#include "ntrt/mdl_extents.h"
#include "provider/instance_count.h"
#include "provider/pd.h"
#include "rdma/memory.h"

namespace softndk::provider {

/// What the two kinds of memory region have in common: where the NDK structure lies, and how to tell them apart.
class AnyMr : public NDK_MR, public Object {
 public:
  bool is_fast() const noexcept { return is_fast_; }

 protected:
  AnyMr(const ObjectType& type, Pd& pd, bool is_fast) noexcept;
  ~AnyMr() = default;

 private:
  const bool is_fast_;
};

/// A memory region registered by MDL chain: successor of its PD.
class Mr final : public AnyMr {
 public:
  static expected<NDK_MR*, NTSTATUS> create(Pd& pd) noexcept;

  /// NdkRegisterMr. The region begins at the first MDL's virtual address, which is only a number (R-MR-03); the page
  /// frames are copied before this returns (R-MR-05).
  /// Errors     STATUS_INVALID_DEVICE_REQUEST  it is registered, or a request of it is pending (R-MR-11); inline
  ///            STATUS_INVALID_PARAMETER       flags (R-MR-10), the chain or the length (R-MR-01, R-MR-02); inline
  ///            STATUS_INSUFFICIENT_RESOURCES  memory
  NTSTATUS register_chain(const MDL* mdl, SIZE_T length_bytes, ULONG flags, NDK_FN_REQUEST_COMPLETION completion,
                          PVOID context) noexcept;
  /// NdkDeregisterMr. Pending until no access is in progress (R-MR-13).
  /// Errors     STATUS_INVALID_DEVICE_REQUEST  it is not registered (R-MR-11); inline
  ///            STATUS_INVALID_DEVICE_STATE    a window is bound to it, or about to be (R-MR-12); inline
  NTSTATUS deregister(NDK_FN_REQUEST_COMPLETION completion, PVOID context) noexcept;

  /// Whether a window over it may be written to from outside (R-MW-02). What is not registered refuses nothing yet: a
  /// bind meets it when its turn has come (R-MW-07).
  bool grants_remote_write() const noexcept { return state_.load() != State::registered || local_write_.load(); }
  rdma::MemoryRegion& device() const noexcept { return *device_; }

  /// 0 until the registration was reported (R-MR-14, R-MR-15).
  UINT32 local_token() const noexcept;
  UINT32 remote_token() const noexcept;

  Mr(Pd& pd, InstanceCount::Ticket ticket) noexcept;  // for create()

 private:
  enum class State : std::uint8_t { idle, registering, registered, deregistering };
  struct Sink final : rdma::DeregisterSink {
    explicit Sink(Mr& mr) noexcept : self(mr) {}
    void on_deregistered() noexcept override { self.deregistered(); }
    Mr& self;
  };
  bool claim(State from, State to) noexcept;
  expected<void, NTSTATUS> enable(const MDL* mdl, SIZE_T length_bytes, ULONG flags) noexcept;
  void deregistered() noexcept;
  static NTSTATUS conclude(Object& object, NTSTATUS status) noexcept;
  static void retire(Object& object) noexcept;
  static void describe(const Object& object, ntrt::NodeText& to) noexcept;
  static const ObjectType kType;

  Sink sink_{*this};
  InstanceCount::Ticket ticket_;
  OwnedInterface<rdma::MemoryRegion> device_;
  PendingRequest request_{*this, conclude, nullptr, "completion of a memory registration request"};
  std::atomic<State> state_{State::idle};
  std::atomic<bool> local_write_{false};
};

}  // namespace softndk::provider
