#include "provider/miniport_adapter.h"

#include "provider/connector.h"
#include "provider/listener.h"
#include "provider/shared_endpoint.h"
#include "provider/sockaddr.h"

namespace softndk::provider {

MiniportAdapter::MiniportAdapter(rdma::Device& device, const Settings& settings, NET_IFINDEX interface_index) noexcept
    : qps(settings.qp_count_max),
      cqs(settings.cq_count_max),
      mrs(settings.mr_count_max),
      mws(settings.mw_count_max),
      pds(settings.pd_count_max),
      srqs(settings.srq_count_max),
      device_(device),
      lowered_caps_(lower_caps(device.caps(), settings.limits)),
      settings_(settings),
      interface_index_(interface_index),
      completions_(settings),
      enabled_(settings.network_direct) {}

void MiniportAdapter::add(Connector& connector) noexcept {
  MutexLock lock(mutex_);
  connectors_.push_back(connector);
}
void MiniportAdapter::remove(Connector& connector) noexcept {
  MutexLock lock(mutex_);
  IntrusiveList<Connector>::remove(connector);
}
void MiniportAdapter::add(Listener& listener) noexcept {
  MutexLock lock(mutex_);
  listeners_.push_back(listener);
}
void MiniportAdapter::remove(Listener& listener) noexcept {
  MutexLock lock(mutex_);
  IntrusiveList<Listener>::remove(listener);
}
void MiniportAdapter::add(SharedEndpoint& endpoint) noexcept {
  MutexLock lock(mutex_);
  shared_endpoints_.push_back(endpoint);
}
void MiniportAdapter::remove(SharedEndpoint& endpoint) noexcept {
  MutexLock lock(mutex_);
  IntrusiveList<SharedEndpoint>::remove(endpoint);
}

NDIS_NDK_STATISTICS_INFO MiniportAdapter::statistics() noexcept {
  const rdma::DeviceCounters& counters = device_.counters();
  NDIS_NDK_STATISTICS_INFO to{};  // reserved counters are zero
  to.Header.Type = NDIS_OBJECT_TYPE_DEFAULT;
  to.Header.Revision = NDIS_NDK_STATISTICS_INFO_REVISION_1;
  to.Header.Size = NDIS_SIZEOF_NDK_STATISTICS_INFO_REVISION_1;
  to.CounterSet.Connect = counters.connects.load();
  to.CounterSet.Accept = counters.accepts.load();
  to.CounterSet.ConnectFailure = counters.connect_failures.load();
  to.CounterSet.ConnectionError = counters.connection_errors.load();
  to.CounterSet.ActiveConnection = counters.active_connections.load();
  to.CounterSet.CQError = counters.cq_errors.load();
  to.CounterSet.RDMAInOctets = counters.in_octets.load();
  to.CounterSet.RDMAOutOctets = counters.out_octets.load();
  to.CounterSet.RDMAInFrames = counters.in_frames.load();
  to.CounterSet.RDMAOutFrames = counters.out_frames.load();
  return to;
}

std::size_t MiniportAdapter::connections(std::span<NDIS_NDK_CONNECTION_ENTRY> entries) noexcept {
  MutexLock lock(mutex_);
  std::size_t count = 0;
  for (Connector* connector = connectors_.front(); connector != nullptr; connector = connectors_.after(*connector)) {
    if (!is_active(connector->state())) continue;
    const auto local = connector->local_address();
    const auto peer = connector->peer_address();
    if (!local || !peer) continue;
    if (count + 2 <= entries.size()) {
      for (NDIS_NDK_CONNECTION_ENTRY* entry : {&entries[count], &entries[count + 1]}) {
        write_sockaddr_inet(*local, entry->Local);
        write_sockaddr_inet(*peer, entry->Remote);
      }
      entries[count].UserModeOwner = FALSE;  // R-OID-12
      entries[count].OwnerPid = 0;
    }
    count += 2;
  }
  return count;
}

std::size_t MiniportAdapter::local_endpoints(std::span<NDIS_NDK_LOCAL_ENDPOINT_ENTRY> entries) noexcept {
  std::size_t count = 0;
  const auto add_pair = [&](const Address& local, bool listener) {
    if (count + 2 <= entries.size()) {
      write_sockaddr_inet(local, entries[count].Local);
      write_sockaddr_inet(local, entries[count + 1].Local);
      entries[count].UserModeOwner = FALSE;
      entries[count].Listener = listener ? TRUE : FALSE;
      entries[count].OwnerPid = 0;
    }
    count += 2;
  };
  MutexLock lock(mutex_);
  for (Listener* listener = listeners_.front(); listener != nullptr; listener = listeners_.after(*listener)) {
    const auto local = listener->local_address();
    if (local && !listener->is_closing()) add_pair(*local, true);
  }
  for (SharedEndpoint* endpoint = shared_endpoints_.front(); endpoint != nullptr;
       endpoint = shared_endpoints_.after(*endpoint)) {
    if (!endpoint->is_closing()) add_pair(endpoint->local_address(), false);
  }
  return count;
}

}  // namespace softndk::provider
