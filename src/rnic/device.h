#pragma once
#include "base/array.h"
#include "io/network.h"
#include "rdma/device.h"
#include "rnic/connection.h"
#include "rnic/cq.h"
#include "rnic/endpoint_table.h"
#include "rnic/settings.h"
#include "rnic/tpt/token_table.h"

namespace softndk::rnic {

struct DeviceOptions {
  std::span<const Address> addresses;  ///< of the IP interface this device is
  unsigned first_processor = 0;        ///< of the executor's, `processors` of them in a row, wrapping
  unsigned processors = 1;
  Settings settings;
};

/// The software RNIC of one IP interface.
class Device final : public rdma::Device {
 public:
  /// Null when memory is short. `world` outlives the device.
  static OwnedInterface<Device> create(io::World& world, const DeviceOptions& options) noexcept;
  Device(io::World& world, const DeviceOptions& options);
  ~Device() override;

  // rdma::Device
  const rdma::DeviceCaps& caps() const noexcept override { return caps_; }
  rdma::DeviceCounters& counters() noexcept override { return counters_; }
  expected<OwnedInterface<rdma::ProtectionDomain>, rdma::CreateError> create_pd() noexcept override;
  expected<OwnedInterface<rdma::CompletionQueue>, rdma::CreateError> create_cq(const rdma::CqParameters& parameters,
                                                                               rdma::CqSink& sink) noexcept override;
  expected<OwnedInterface<rdma::SharedReceiveQueue>, rdma::CreateError> create_srq(
      rdma::ProtectionDomain& pd, const rdma::SrqParameters& parameters, rdma::SrqSink& sink) noexcept override;
  expected<OwnedInterface<rdma::QueuePair>, rdma::CreateError> create_qp(rdma::ProtectionDomain& pd,
                                                                         const rdma::QpParameters& parameters,
                                                                         rdma::QpSink& sink) noexcept override;
  expected<OwnedInterface<rdma::Connection>, rdma::CreateError> create_connection(
      rdma::ConnectionSink& sink) noexcept override;
  expected<OwnedInterface<rdma::Listener>, rdma::CreateError> create_listener(
      rdma::ListenerSink& sink) noexcept override;
  expected<rdma::AddressMapping*, rdma::CreateError> map_pages(std::span<const rdma::MemoryExtent> pages,
                                                               std::uint32_t first_octet,
                                                               std::uint64_t length_bytes) noexcept override;
  expected<OwnedInterface<rdma::SharedEndpoint>, rdma::CmStatus> create_shared_endpoint(
      const Address& local) noexcept override;

 private:
  /// What the reads of one processor thread share, and the sends of its connections.
  struct ProcessorBuffers {
    std::uint8_t staging[128 * 1024];
    std::uint8_t scratch[64 * 1024];
    BatchBufferPool batch_buffers;
  };
  unsigned choose_processor(std::uint64_t affinity_mask) noexcept;
  io::Processor& processor(unsigned slot) noexcept;

  io::World& world_;
  const unsigned first_processor_;
  const Settings settings_;
  const rdma::DeviceCaps caps_;
  rdma::DeviceCounters counters_;
  TokenTable tokens_;
  EndpointTable endpoints_;
  ConnectionContext connection_context_;
  const CqContext cq_context_;
  Array<Owned<ProcessorBuffers>> buffers_;  // one for each of our processors
  std::atomic<unsigned> next_processor_{0};
};

}  // namespace softndk::rnic
