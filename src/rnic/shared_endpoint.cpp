#include "rnic/shared_endpoint.h"

namespace softndk::rnic {

using rdma::CmStatus;

expected<OwnedInterface<rdma::SharedEndpoint>, CmStatus> SharedEndpoint::create(io::Network& network,
                                                                                EndpointTable& endpoints,
                                                                                const Address& local) noexcept {
  auto taken = endpoints.take(local, [&](Endpoint& endpoint) { return endpoint.reserve(network); });
  if (!taken) return unexpected(taken.error());
  auto shared = make_interface<SharedEndpoint>(std::move(*taken));
  if (shared == nullptr) return unexpected(CmStatus::no_resources);
  return OwnedInterface<rdma::SharedEndpoint>(std::move(shared));
}

}  // namespace softndk::rnic
