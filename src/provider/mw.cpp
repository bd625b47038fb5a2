#include "provider/mw.h"

#include "provider/dispatch.h"
#include "provider/status.h"

namespace softndk::provider {

const ObjectType Mw::kType = {
    .name = "mw",
    .ndk_type = NdkObjectTypeMw,
    .begin_close = [](Object&) noexcept {},
    .retire = Mw::retire,
    .destroy = [](Object& object) noexcept { Owned<Mw> gone(static_cast<Mw*>(&object)); },
    .describe =
        [](const Object& object, ntrt::NodeText& to) noexcept {
          const UINT32 token = static_cast<const Mw&>(object).remote_token();
          token == 0 ? to.add(", never bound") : to.add(", token 0x%x", token);
        },
};

Mw::Mw(Pd& pd, InstanceCount::Ticket ticket) noexcept
    : NDK_MW{}, Object(kType, pd.adapter()), ticket_(std::move(ticket)) {
  init_header(Header, NdkObjectTypeMw, pd.adapter().version());
  Dispatch = &kMwDispatch;
  hold_antecedent(pd);
}

expected<NDK_MW*, NTSTATUS> Mw::create(Pd& pd) noexcept {
  InstanceCount::Ticket ticket = pd.adapter().miniport().mws.take();
  if (!ticket) return unexpected(STATUS_INSUFFICIENT_RESOURCES);
  Owned<Mw> mw = try_make<Mw>(pd, std::move(ticket));
  if (mw == nullptr) return unexpected(STATUS_INSUFFICIENT_RESOURCES);
  auto device = pd.device().create_window(mw->sink_);
  if (!device) return unexpected(to_ntstatus(device.error()));
  mw->device_ = std::move(*device);
  return mw.release();
}

void Mw::begin_work(AnyMr* region) noexcept {
  add_ref(RefReason::request);
  if (region != nullptr) region->add_ref(RefReason::binding);
}

void Mw::end_work(AnyMr* region, bool bound) noexcept {
  if (region != nullptr && !bound) region->release(RefReason::binding);
  release(RefReason::request);
}

void Mw::unbound(AnyMr& region) noexcept {
  // Ended by the window's close, the binding makes the window a successor until its close callback has returned
  // (R-CLS-07); ended by an invalidate it is over.
  if (retiring_.load()) hold_antecedent(region);
  region.release(RefReason::binding);
}

void Mw::retire(Object& object) noexcept {
  // R-CLS-23. No work on it is posted any more: each held a reference.
  Mw& self = static_cast<Mw&>(object);
  self.retiring_ = true;
  self.device_->close();
}

}  // namespace softndk::provider
