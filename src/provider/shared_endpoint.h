#pragma once
#include "base/intrusive_list.h"
#include "provider/adapter.h"
#include "provider/object.h"
#include "rdma/connection.h"

namespace softndk::provider {

/// A shared endpoint: successor of the adapter, antecedent of the connectors that connect over it. So its close waits
/// for them (R-EP-05), and the device, which counts too, lets the address go with it (R-EP-04).
class SharedEndpoint final : public NDK_SHARED_ENDPOINT, public Object, public ListLink {
 public:
  /// STATUS_SHARING_VIOLATION, STATUS_INVALID_ADDRESS, STATUS_TOO_MANY_ADDRESSES: R-SEP-02, R-SEP-03.
  static expected<NDK_SHARED_ENDPOINT*, NTSTATUS> create(Adapter& adapter, const Address& local) noexcept;

  const Address& local_address() const noexcept { return local_; }
  rdma::SharedEndpoint& device() const noexcept { return *device_; }

  SharedEndpoint(Adapter& adapter, OwnedInterface<rdma::SharedEndpoint> device) noexcept;  // for create()
  ~SharedEndpoint();

 private:
  static void retire(Object& object) noexcept;
  static const ObjectType kType;
  OwnedInterface<rdma::SharedEndpoint> device_;
  const Address local_;
};

}  // namespace softndk::provider
