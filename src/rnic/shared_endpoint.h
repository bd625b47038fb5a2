#pragma once
#include "io/network.h"
#include "rdma/connection.h"
#include "rnic/endpoint_table.h"

namespace softndk::rnic {

/// The first reference to an endpoint whose port is reserved; connections over it take their own (R-EP-04).
class SharedEndpoint final : public rdma::SharedEndpoint {
 public:
  static expected<OwnedInterface<rdma::SharedEndpoint>, rdma::CmStatus> create(io::Network& network,
                                                                               EndpointTable& endpoints,
                                                                               const Address& local) noexcept;
  explicit SharedEndpoint(EndpointRef endpoint) : endpoint_(std::move(endpoint)) {}

  const Address& local_address() const noexcept override { return endpoint_->address(); }
  EndpointRef reference() const noexcept { return endpoint_.share(); }

 private:
  const EndpointRef endpoint_;
};

}  // namespace softndk::rnic
