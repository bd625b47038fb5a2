#include "provider/shared_endpoint.h"

#include "provider/dispatch.h"
#include "provider/status.h"

namespace softndk::provider {

const ObjectType SharedEndpoint::kType = {
    .name = "shared endpoint",
    .ndk_type = NdkObjectTypeSharedEndpoint,
    .begin_close = [](Object&) noexcept {},
    .retire = SharedEndpoint::retire,
    .destroy = [](Object& object) noexcept { Owned<SharedEndpoint> gone(static_cast<SharedEndpoint*>(&object)); },
    .describe = [](const Object& object,
                   ntrt::NodeText& to) noexcept { to.local = static_cast<const SharedEndpoint&>(object).local_; },
};

SharedEndpoint::SharedEndpoint(Adapter& adapter, OwnedInterface<rdma::SharedEndpoint> device) noexcept
    : NDK_SHARED_ENDPOINT{}, Object(kType, adapter), device_(std::move(device)), local_(device_->local_address()) {
  init_header(Header, NdkObjectTypeSharedEndpoint, adapter.version());
  Dispatch = &kSharedEndpointDispatch;
  hold_antecedent(adapter);
  adapter.miniport().add(*this);
}

SharedEndpoint::~SharedEndpoint() {
  adapter().miniport().remove(*this);
}

expected<NDK_SHARED_ENDPOINT*, NTSTATUS> SharedEndpoint::create(Adapter& adapter, const Address& local) noexcept {
  auto device = adapter.device().create_shared_endpoint(local);
  if (!device) return unexpected(to_ntstatus(device.error()));
  Owned<SharedEndpoint> endpoint = try_make<SharedEndpoint>(adapter, std::move(*device));
  if (endpoint == nullptr) return unexpected(STATUS_INSUFFICIENT_RESOURCES);
  return endpoint.release();
}

void SharedEndpoint::retire(Object& object) noexcept {
  // Here and not with the memory: who has seen the close complete may take the address again.
  static_cast<SharedEndpoint&>(object).device_ = nullptr;
  object.retired();
}

}  // namespace softndk::provider
