#pragma once
// One miniport adapter: the device behind an interface index, and what its NDK_ADAPTER instances share. Tokens,
// endpoints, limits and connections belong here; an instance is only a scope of lifetime and version (R-OBJ-12,
// R-OBJ-13).
#include <atomic>
#include <cstddef>
#include <span>

#include "base/intrusive_list.h"
#include "base/thread_safety.h"
#include "provider/adapter_info.h"
#include "provider/completion.h"
#include "provider/instance_count.h"
#include "provider/settings.h"
#include "rdma/device.h"
#include "wdk/ndis.h"

namespace softndk::provider {

class Connector;
class Listener;
class SharedEndpoint;

class MiniportAdapter {
 public:
  MiniportAdapter(rdma::Device& device, const Settings& settings, NET_IFINDEX interface_index = 0) noexcept;

  rdma::Device& device() noexcept { return device_; }
  /// The device's, as far as the profile leaves them.
  const rdma::DeviceCaps& caps() const noexcept {
    return settings_.limits == LimitsProfile::max ? device_.caps() : lowered_caps_;
  }
  const Settings& settings() const noexcept { return settings_; }
  Completions& completions() noexcept { return completions_; }
  NET_IFINDEX interface_index() const noexcept { return interface_index_; }

  InstanceCount qps, cqs, mrs, mws, pds, srqs;

  /// Opening an instance, and creating objects on an open one, need NDK functionality to be enabled (R-NDIS-02, C-09);
  /// all else goes on until the instances are closed (R-PNP-06).
  bool is_enabled() const noexcept { return enabled_.load(); }
  /// Returns what it was before.
  bool set_enabled(bool enabled) noexcept { return enabled_.exchange(enabled); }

  // For the OIDs. An object is in the list from before the consumer sees it until its memory goes.
  void add(Connector& connector) noexcept SOFTNDK_EXCLUDES(mutex_);
  void remove(Connector& connector) noexcept SOFTNDK_EXCLUDES(mutex_);
  void add(Listener& listener) noexcept SOFTNDK_EXCLUDES(mutex_);
  void remove(Listener& listener) noexcept SOFTNDK_EXCLUDES(mutex_);
  void add(SharedEndpoint& endpoint) noexcept SOFTNDK_EXCLUDES(mutex_);
  void remove(SharedEndpoint& endpoint) noexcept SOFTNDK_EXCLUDES(mutex_);

  /// OID_NDK_STATISTICS (R-OID-06, R-OID-07, R-CTR-01).
  NDIS_NDK_STATISTICS_INFO statistics() noexcept;
  /// OID_NDK_CONNECTIONS: pairs of an ND entry and its TCP entry (R-OID-08, R-OID-09). Fills as many as fit, returns
  /// how many there are; the members that a TCP entry does not have stay as they are.
  std::size_t connections(std::span<NDIS_NDK_CONNECTION_ENTRY> entries) noexcept SOFTNDK_EXCLUDES(mutex_);
  /// OID_NDK_LOCAL_ENDPOINTS (R-OID-10, R-OID-11).
  std::size_t local_endpoints(std::span<NDIS_NDK_LOCAL_ENDPOINT_ENTRY> entries) noexcept SOFTNDK_EXCLUDES(mutex_);

 private:
  rdma::Device& device_;
  const rdma::DeviceCaps lowered_caps_;
  const Settings settings_;
  const NET_IFINDEX interface_index_;
  Completions completions_;
  std::atomic<bool> enabled_;

  Mutex mutex_;  // taken before a connector's or listener's own
  IntrusiveList<Connector> connectors_ SOFTNDK_GUARDED_BY(mutex_);
  IntrusiveList<Listener> listeners_ SOFTNDK_GUARDED_BY(mutex_);
  IntrusiveList<SharedEndpoint> shared_endpoints_ SOFTNDK_GUARDED_BY(mutex_);
};

}  // namespace softndk::provider
