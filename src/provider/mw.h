#pragma once
#include "provider/instance_count.h"
#include "provider/mr.h"
#include "provider/pd.h"
#include "rdma/memory.h"

namespace softndk::provider {

/// A memory window: successor of its PD, and of the region that it is bound to, from NdkBind on.
///
/// A posted bind or invalidate holds it until its turn has come or it was cancelled. The region is held from the post
/// of the bind to the end of the binding, however that comes (R-CLS-24).
class Mw final : public NDK_MW, public Object {
 public:
  static expected<NDK_MW*, NTSTATUS> create(Pd& pd) noexcept;
  rdma::MemoryWindow& device() const noexcept { return *device_; }

  /// 0 before the first bind was posted (R-MW-05, R-MW-06).
  UINT32 remote_token() const noexcept { return device_->remote_token(); }

  /// Work of a queue pair that names it is about to be posted; a bind is over `region`, else null.
  void begin_work(AnyMr* region) noexcept;
  /// That work was not taken, or it is over; `bound`: the binding keeps the region. The window, or the region, may be
  /// gone after this.
  void end_work(AnyMr* region, bool bound) noexcept;

  Mw(Pd& pd, InstanceCount::Ticket ticket) noexcept;  // for create()

 private:
  struct Sink final : rdma::WindowSink {
    explicit Sink(Mw& mw) noexcept : self(mw) {}
    void on_window_work_done(void* region, bool bound) noexcept override {
      self.end_work(static_cast<AnyMr*>(region), bound);
    }
    void on_unbound(void* region) noexcept override { self.unbound(*static_cast<AnyMr*>(region)); }
    void on_window_closed() noexcept override { self.retired(); }
    Mw& self;
  };
  void unbound(AnyMr& region) noexcept;
  static void retire(Object& object) noexcept;
  static const ObjectType kType;

  Sink sink_{*this};
  InstanceCount::Ticket ticket_;
  OwnedInterface<rdma::MemoryWindow> device_;
  std::atomic<bool> retiring_{false};
};

}  // namespace softndk::provider
