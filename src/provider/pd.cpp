#include "provider/pd.h"

#include "provider/dispatch.h"
#include "provider/status.h"

namespace softndk::provider {

const ObjectType Pd::kType = {
    .name = "pd",
    .ndk_type = NdkObjectTypePd,
    .begin_close = [](Object&) noexcept {},
    .retire = [](Object& object) noexcept { object.retired(); },
    .destroy = [](Object& object) noexcept { Owned<Pd> gone(static_cast<Pd*>(&object)); },
};

Pd::Pd(Adapter& adapter, InstanceCount::Ticket ticket) noexcept
    : NDK_PD{}, Object(kType, adapter), ticket_(std::move(ticket)) {
  init_header(Header, NdkObjectTypePd, adapter.version());
  Dispatch = &kPdDispatch;
  hold_antecedent(adapter);
}

expected<NDK_PD*, NTSTATUS> Pd::create(Adapter& adapter) noexcept {
  InstanceCount::Ticket ticket = adapter.miniport().pds.take();
  if (!ticket) return unexpected(STATUS_INSUFFICIENT_RESOURCES);
  Owned<Pd> pd = try_make<Pd>(adapter, std::move(ticket));
  if (pd == nullptr) return unexpected(STATUS_INSUFFICIENT_RESOURCES);
  auto device = adapter.device().create_pd();
  if (!device) return unexpected(to_ntstatus(device.error()));
  pd->device_ = std::move(*device);
  return pd.release();
}

}  // namespace softndk::provider
