#pragma once
// What a provider needs of an RDMA device. One device is one miniport adapter: tokens, endpoints and protection
// domains belong to it.
#include <atomic>
#include <cstdint>

#include "base/alloc.h"
#include "base/expected.h"
#include "rdma/connection.h"
#include "rdma/memory.h"
#include "rdma/queue.h"

namespace softndk::rdma {

/// Limits, and what a device can do at all: a device without an ability says so here, and the provider answers for it.
struct DeviceCaps {
  std::uint64_t registration_bytes_max;
  std::uint32_t initiator_sge_max;
  std::uint32_t receive_sge_max;
  std::uint32_t read_sge_max;
  std::uint32_t message_bytes_max;
  std::uint32_t inline_bytes_max;
  std::uint32_t inbound_read_limit_max;
  std::uint32_t outbound_read_limit_max;
  std::uint32_t receive_queue_depth_max;
  std::uint32_t initiator_queue_depth_max;
  std::uint32_t srq_depth_max;  ///< 0: no shared receive queues
  std::uint32_t cq_depth_max;
  std::uint32_t private_data_max;
  std::uint32_t fast_register_pages_max;  ///< 0: none
  bool memory_windows;
  bool cq_resize;
  bool cq_moderation;
  bool read_local_invalidate;
  bool read_sinks_announced;  ///< reads are placed only into memory with AccessRights::read_sink
  bool loopback;
};

/// Real counts, for OID_NDK_STATISTICS (R-CTR-01..05). Octets are those of FPDUs with their headers.
struct DeviceCounters {
  std::atomic<std::uint64_t> connects{0};
  std::atomic<std::uint64_t> accepts{0};
  std::atomic<std::uint64_t> connect_failures{0};
  std::atomic<std::uint64_t> connection_errors{0};
  std::atomic<std::uint64_t> active_connections{0};
  std::atomic<std::uint64_t> cq_errors{0};
  std::atomic<std::uint64_t> in_octets{0};
  std::atomic<std::uint64_t> out_octets{0};
  std::atomic<std::uint64_t> in_frames{0};
  std::atomic<std::uint64_t> out_frames{0};
};

enum class CreateError : std::uint8_t { no_resources, invalid };

class ProtectionDomain {
 public:
  virtual ~ProtectionDomain() = default;
  virtual expected<OwnedInterface<MemoryRegion>, CreateError> create_region() noexcept = 0;
  virtual expected<OwnedInterface<FastRegion>, CreateError> create_fast_region(FastRegionSink& sink) noexcept = 0;
  virtual expected<OwnedInterface<MemoryWindow>, CreateError> create_window(WindowSink& sink) noexcept = 0;
  /// Good for logical addresses in requests of the domain's own queue pairs, never for a peer (R-PTK-01). Constant, not
  /// 0, and no region's or window's (R-PTK-02).
  virtual Token privileged_token() const noexcept = 0;
};

struct CqParameters {
  std::uint32_t depth = 0;          ///< exact (R-CQ-03)
  std::uint64_t affinity_mask = 0;  ///< a hint; 0: none
};
struct QpParameters {
  CompletionQueue* receive_cq = nullptr;
  CompletionQueue* initiator_cq = nullptr;
  SharedReceiveQueue* srq = nullptr;  ///< where its receives come from; null: a queue of its own
  void* context = nullptr;
  std::uint32_t receive_depth = 0;
  std::uint32_t initiator_depth = 0;
  std::uint32_t receive_sge_max = 0;
  std::uint32_t initiator_sge_max = 0;
  std::uint32_t inline_bytes_max = 0;
};

class Device {
 public:
  virtual ~Device() = default;
  virtual const DeviceCaps& caps() const noexcept = 0;
  virtual DeviceCounters& counters() noexcept = 0;

  virtual expected<OwnedInterface<ProtectionDomain>, CreateError> create_pd() noexcept = 0;
  /// Gives whole pages logical addresses. `pages`: extents of whole pages. Of their octets [first_octet, first_octet +
  /// length_bytes) may be named in requests; a fast-register takes the pages. Ends with release().
  virtual expected<AddressMapping*, CreateError> map_pages(std::span<const MemoryExtent> pages,
                                                           std::uint32_t first_octet,
                                                           std::uint64_t length_bytes) noexcept = 0;
  virtual expected<OwnedInterface<CompletionQueue>, CreateError> create_cq(const CqParameters& parameters,
                                                                           CqSink& sink) noexcept = 0;
  virtual expected<OwnedInterface<SharedReceiveQueue>, CreateError> create_srq(ProtectionDomain& pd,
                                                                               const SrqParameters& parameters,
                                                                               SrqSink& sink) noexcept = 0;
  virtual expected<OwnedInterface<QueuePair>, CreateError> create_qp(ProtectionDomain& pd,
                                                                     const QpParameters& parameters,
                                                                     QpSink& sink) noexcept = 0;
  virtual expected<OwnedInterface<Connection>, CreateError> create_connection(ConnectionSink& sink) noexcept = 0;
  virtual expected<OwnedInterface<Listener>, CreateError> create_listener(ListenerSink& sink) noexcept = 0;
  /// Port 0: the device chooses. Errors: address_in_use, address_not_local, no_free_port, no_resources.
  virtual expected<OwnedInterface<SharedEndpoint>, CmStatus> create_shared_endpoint(const Address& local) noexcept = 0;
};

}  // namespace softndk::rdma
