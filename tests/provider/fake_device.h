#pragma once
// An rdma::Device that does what the test says, when the test says it: every event on command, every answer chosen,
// any creation refused. The rules of lifetime speak of interleavings that a real device produces only by luck.
//
// Events come on a processor, as a device's do. The last event of an object (on_..._closed) comes as `close_style`
// says.
#include <algorithm>
#include <array>

#include "provider/fake_connection.h"
#include "provider/fake_memory.h"
#include "provider/fake_queues.h"

namespace softndk::provider {

class FakeDevice final : public rdma::Device {
 public:
  FakeDevice() {
    capabilities = {.registration_bytes_max = std::uint64_t{1} << 44,
                    .initiator_sge_max = 32,
                    .receive_sge_max = 32,
                    .read_sge_max = 32,
                    .message_bytes_max = 1u << 30,
                    .inline_bytes_max = 1024,
                    .inbound_read_limit_max = 128,
                    .outbound_read_limit_max = 128,
                    .receive_queue_depth_max = 16384,
                    .initiator_queue_depth_max = 16384,
                    .srq_depth_max = 16384,
                    .cq_depth_max = 4194303,
                    .private_data_max = 252,
                    .fast_register_pages_max = 65536,
                    .memory_windows = true,
                    .cq_resize = false,
                    .cq_moderation = false,
                    .read_local_invalidate = false,
                    .read_sinks_announced = false,
                    .loopback = true};
  }
  const rdma::DeviceCaps& caps() const noexcept override { return capabilities; }
  rdma::DeviceCounters& counters() noexcept override { return counts; }

  expected<OwnedInterface<rdma::ProtectionDomain>, rdma::CreateError> create_pd() noexcept override {
    return make<rdma::ProtectionDomain, FakePd>(*this);
  }
  expected<rdma::AddressMapping*, rdma::CreateError> map_pages(std::span<const rdma::MemoryExtent> pages,
                                                               std::uint32_t first_octet,
                                                               std::uint64_t length_bytes) noexcept override {
    interrupt();
    if (create_error) return unexpected(*create_error);
    auto* mapping = new FakeMapping(*this);
    mapping->pages.assign(pages.begin(), pages.end());
    mapping->first_octet = first_octet;
    mapping->length_bytes = length_bytes;
    return mapping;
  }
  expected<OwnedInterface<rdma::CompletionQueue>, rdma::CreateError> create_cq(const rdma::CqParameters& parameters,
                                                                               rdma::CqSink& sink) noexcept override {
    return make<rdma::CompletionQueue, FakeCq>(*this, parameters, sink);
  }
  expected<OwnedInterface<rdma::SharedReceiveQueue>, rdma::CreateError> create_srq(
      rdma::ProtectionDomain&, const rdma::SrqParameters& parameters, rdma::SrqSink& sink) noexcept override {
    return make<rdma::SharedReceiveQueue, FakeSrq>(*this, parameters, sink);
  }
  expected<OwnedInterface<rdma::QueuePair>, rdma::CreateError> create_qp(rdma::ProtectionDomain&,
                                                                         const rdma::QpParameters& parameters,
                                                                         rdma::QpSink& sink) noexcept override {
    return make<rdma::QueuePair, FakeQp>(*this, parameters, sink);
  }
  expected<OwnedInterface<rdma::Connection>, rdma::CreateError> create_connection(
      rdma::ConnectionSink& sink) noexcept override {
    return make<rdma::Connection, FakeConnection>(*this, sink);
  }
  expected<OwnedInterface<rdma::Listener>, rdma::CreateError> create_listener(
      rdma::ListenerSink& sink) noexcept override {
    return make<rdma::Listener, FakeListener>(*this, sink);
  }
  expected<OwnedInterface<rdma::SharedEndpoint>, rdma::CmStatus> create_shared_endpoint(
      const Address& local) noexcept override {
    if (endpoint_error) return unexpected(*endpoint_error);
    if (create_error) return unexpected(rdma::CmStatus::no_resources);
    auto made = make_interface<FakeSharedEndpoint>(*this, local.port == 0 ? local.with_port(50001) : local);
    if (made == nullptr) return unexpected(rdma::CmStatus::no_resources);
    return OwnedInterface<rdma::SharedEndpoint>(std::move(made));
  }
  template <class Interface, class Fake, class... Args>
  expected<OwnedInterface<Interface>, rdma::CreateError> make(Args&&... args) noexcept {
    interrupt();
    if (create_error) return unexpected(*create_error);
    OwnedInterface<Fake> made = make_interface<Fake>(std::forward<Args>(args)...);
    if (made == nullptr) return unexpected(rdma::CreateError::no_resources);
    return OwnedInterface<Interface>(std::move(made));
  }

  /// Runs what the test wants to happen while a call of the provider's is inside the device, once.
  void interrupt() {
    if (std::function<void()> once = std::exchange(during_call, nullptr)) once();
  }

  std::function<void()> during_call;
  rdma::DeviceCaps capabilities;
  rdma::DeviceCounters counts;
  std::optional<rdma::CreateError> create_error;  ///< what every creation answers from now on
  std::optional<rdma::CmStatus> endpoint_error;   ///< what every creation of a shared endpoint answers
  std::atomic<CloseStyle> close_style{CloseStyle::posted};
  Living<FakePd> pds;
  Living<FakeRegion> regions;
  Living<FakeFastRegion> fast_regions;
  Living<FakeMapping> mappings;
  Living<FakeWindow> windows;
  Living<FakeCq> cqs;
  Living<FakeSrq> srqs;
  Living<FakeQp> qps;
  Living<FakeConnection> connections;
  Living<FakeListener> listeners;
  Living<FakeSharedEndpoint> endpoints;
  std::size_t living() const {
    return pds.count() + regions.count() + fast_regions.count() + mappings.count() + windows.count() + cqs.count() +
           srqs.count() + qps.count() + connections.count() + listeners.count() + endpoints.count();
  }
};

inline FakeRegion::FakeRegion(FakeDevice& device) noexcept : device_(device) {
  device_.regions.add(this);
}
inline FakeRegion::~FakeRegion() {
  device_.regions.remove(this);
}
inline void FakeRegion::interrupt() {
  device_.interrupt();
}
inline void FakeConnection::interrupt() {
  device_.interrupt();
}
inline void FakeListener::interrupt() {
  device_.interrupt();
}
inline FakeWindow::FakeWindow(FakeDevice& device, rdma::WindowSink& the_sink) noexcept
    : sink(the_sink), device_(device) {
  device_.windows.add(this);
}
inline FakeWindow::~FakeWindow() {
  device_.windows.remove(this);
}
inline void FakeWindow::close() noexcept {
  last_event.close(device_.close_style);
}
inline FakeFastRegion::FakeFastRegion(FakeDevice& device, rdma::FastRegionSink& the_sink) noexcept
    : sink(the_sink), device_(device) {
  device_.fast_regions.add(this);
}
inline FakeFastRegion::~FakeFastRegion() {
  device_.fast_regions.remove(this);
}
inline void FakeFastRegion::close() noexcept {
  last_event.close(device_.close_style);
}
inline FakeMapping::FakeMapping(FakeDevice& device) noexcept : device_(device) {
  device_.mappings.add(this);
}
inline bool FakeMapping::release() noexcept {
  device_.mappings.remove(this);
  delete this;
  return true;
}
inline FakePd::FakePd(FakeDevice& device) noexcept : device_(device) {
  device_.pds.add(this);
}
inline FakePd::~FakePd() {
  device_.pds.remove(this);
}
inline expected<OwnedInterface<rdma::MemoryRegion>, rdma::CreateError> FakePd::create_region() noexcept {
  return device_.make<rdma::MemoryRegion, FakeRegion>(device_);
}
inline expected<OwnedInterface<rdma::FastRegion>, rdma::CreateError> FakePd::create_fast_region(
    rdma::FastRegionSink& sink) noexcept {
  return device_.make<rdma::FastRegion, FakeFastRegion>(device_, sink);
}
inline expected<OwnedInterface<rdma::MemoryWindow>, rdma::CreateError> FakePd::create_window(
    rdma::WindowSink& sink) noexcept {
  return device_.make<rdma::MemoryWindow, FakeWindow>(device_, sink);
}
inline FakeCq::FakeCq(FakeDevice& device, const rdma::CqParameters& given, rdma::CqSink& the_sink) noexcept
    : parameters(given), sink(the_sink), device_(device) {
  device_.cqs.add(this);
}
inline FakeCq::~FakeCq() {
  device_.cqs.remove(this);
}
inline void FakeCq::close() noexcept {
  last_event.close(device_.close_style);
}
inline FakeSrq::FakeSrq(FakeDevice& device, const rdma::SrqParameters& given, rdma::SrqSink& the_sink) noexcept
    : parameters(given), sink(the_sink), device_(device) {
  device_.srqs.add(this);
}
inline FakeSrq::~FakeSrq() {
  device_.srqs.remove(this);
}
inline void FakeSrq::close() noexcept {
  last_event.close(device_.close_style);
}
inline FakeQp::FakeQp(FakeDevice& device, const rdma::QpParameters& given, rdma::QpSink& the_sink) noexcept
    : parameters(given), sink(the_sink), device_(device) {
  device_.qps.add(this);
}
inline FakeQp::~FakeQp() {
  device_.qps.remove(this);
}
inline void FakeQp::close() noexcept {
  last_event.close(device_.close_style);
}
inline FakeConnection::FakeConnection(FakeDevice& device, rdma::ConnectionSink& the_sink) noexcept
    : sink(the_sink), device_(device) {
  device_.connections.add(this);
}
inline FakeConnection::~FakeConnection() {
  device_.connections.remove(this);
}
inline void FakeConnection::close() noexcept {
  last_event.close(device_.close_style);
}
inline FakeListener::FakeListener(FakeDevice& device, rdma::ListenerSink& the_sink) noexcept
    : sink(the_sink), device_(device) {
  device_.listeners.add(this);
}
inline FakeListener::~FakeListener() {
  device_.listeners.remove(this);
}
inline FakeSharedEndpoint::FakeSharedEndpoint(FakeDevice& device, const Address& local) noexcept
    : device_(device), local_(local) {
  device_.endpoints.add(this);
}
inline FakeSharedEndpoint::~FakeSharedEndpoint() {
  device_.endpoints.remove(this);
}
inline void FakeListener::close() noexcept {
  last_event.close(device_.close_style);
}

inline FakeConnection* FakeListener::request(unsigned processor_index) {
  struct Request final : rdma::ListenerSink::Incoming {
    explicit Request(FakeDevice& from) : device(from) {}
    OwnedInterface<rdma::Connection> take(rdma::ConnectionSink& connection_sink) noexcept override {
      OwnedInterface<FakeConnection> made = make_interface<FakeConnection>(device, connection_sink);
      if (made == nullptr) return {};
      made->local = Address::any(Address::Family::v4, 50000);
      made->peer = Address::any(Address::Family::v4, 60000);
      made->received.emplace(3, std::uint8_t{7});
      made->effective = rdma::ReadLimits{.inbound = 4, .outbound = 2};
      taken = made.get();
      return OwnedInterface<rdma::Connection>(std::move(made));
    }
    FakeDevice& device;
    FakeConnection* taken = nullptr;
  } incoming(device_);
  on_processor(
      [&] {
        if (!paused) sink.on_connect_request(incoming);
      },
      processor_index);
  return incoming.taken;
}

}  // namespace softndk::provider
