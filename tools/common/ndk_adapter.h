#pragma once
// From an interface index to an open NDK adapter, the way a kernel consumer gets there: through WSK.
#include <memory>
#include <string>

#include <wskndk.h>

#include "tools/common/failure.h"
#include "tools/common/ndk_request.h"

namespace softndk::tools {

class Adapter {
 public:
  /// Opens with NDK version 2.0. Fails with ExitCode::no_adapter where the interface has none.
  static Result<std::unique_ptr<Adapter>> open(NET_IFINDEX interface_index);
  /// Waits until nothing that descends from the adapter can call back (R-CLS-13): everything else is closed first.
  ~Adapter();
  Adapter(const Adapter&) = delete;
  Adapter& operator=(const Adapter&) = delete;

  NDK_ADAPTER* get() const { return adapter_; }
  const NDK_ADAPTER_INFO& limits() const { return limits_; }
  NET_IFINDEX interface_index() const { return interface_index_; }
  std::string name() const;  ///< "adapter of interface 3"

 private:
  explicit Adapter(NET_IFINDEX interface_index) : interface_index_(interface_index) {}
  Result<void> open_here();

  const NET_IFINDEX interface_index_;
  WSK_REGISTRATION registration_{};
  bool registered_ = false;
  WSK_PROVIDER_NPI npi_{};
  bool captured_ = false;
  WSK_PROVIDER_NDK_DISPATCH wsk_ndk_{};
  NDK_ADAPTER* adapter_ = nullptr;
  NDK_ADAPTER_INFO limits_{};
};

/// A protection domain.
class Pd : public Object<NDK_PD> {
 public:
  static Result<std::unique_ptr<Pd>> create(const Adapter& adapter);
};

}  // namespace softndk::tools
