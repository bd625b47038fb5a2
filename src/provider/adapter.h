#pragma once
#include "base/expected.h"
#include "ntrt/deferred.h"
#include "provider/adapter_info.h"
#include "provider/lam.h"
#include "provider/miniport_adapter.h"
#include "provider/object.h"

namespace softndk::provider {

/// An open NDK adapter: the ancestor of all its objects (R-CONN-15, R-CONN-16).
class Adapter final : public NDK_ADAPTER, public Object {
 public:
  /// OPEN_NDK_ADAPTER_HANDLER, after its checks: `version` is the negotiated one, which every object of the instance
  /// carries (R-VER-03, R-OBJ-02). STATUS_INSUFFICIENT_RESOURCES: memory.
  static expected<Adapter*, NTSTATUS> open(MiniportAdapter& miniport, NDK_VERSION version) noexcept;

  /// CLOSE_NDK_ADAPTER_HANDLER: returns when everything that descends from the instance is closed, every callback has
  /// returned and the instance is gone (R-CLS-13, R-CLS-15, R-NDIS-06). PASSIVE_LEVEL; never inside a callback
  /// (R-CLS-14).
  void close_and_wait() noexcept;

  MiniportAdapter& miniport() const noexcept { return miniport_; }
  rdma::Device& device() const noexcept { return miniport_.device(); }
  NDK_VERSION version() const noexcept { return Header.Version; }
  const NDK_ADAPTER_INFO& info() const noexcept { return info_; }
  Lams& lams() noexcept { return lams_; }

  /// STATUS_DEVICE_NOT_READY once NDK functionality was disabled (C-09).
  NTSTATUS check_creatable() const noexcept;

  Adapter(MiniportAdapter& miniport, NDK_VERSION version) noexcept;  // for open()

 private:
  static void retire(Object& object) noexcept;
  static const ObjectType kType;

  MiniportAdapter& miniport_;
  const NDK_ADAPTER_INFO info_;
  Lams lams_;
  ntrt::WaitGate unreferenced_{"close of an NDK adapter: objects of it are open, or callbacks run"};
};

/// What is in an object's header when the consumer first sees it (R-OBJ-02, R-OBJ-03, R-CRT-10). The structure was
/// zeroed before (R-OBJ-04).
inline void init_header(NDK_OBJECT_HEADER& header, NDK_OBJECT_TYPE type, NDK_VERSION version) noexcept {
  header.Version = version;
  header.ObjectType = type;
}

}  // namespace softndk::provider
