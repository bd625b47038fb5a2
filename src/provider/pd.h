#pragma once
#include "provider/adapter.h"
#include "provider/instance_count.h"
#include "provider/object.h"
#include "rdma/device.h"

namespace softndk::provider {

/// A protection domain: successor of the adapter, antecedent of regions and queue pairs.
class Pd final : public NDK_PD, public Object {
 public:
  static expected<NDK_PD*, NTSTATUS> create(Adapter& adapter) noexcept;
  rdma::ProtectionDomain& device() const noexcept { return *device_; }

  Pd(Adapter& adapter, InstanceCount::Ticket ticket) noexcept;  // for create()

 private:
  static const ObjectType kType;
  InstanceCount::Ticket ticket_;
  OwnedInterface<rdma::ProtectionDomain> device_;
};

}  // namespace softndk::provider
