#include "rnic/device.h"

#include <algorithm>
#include <bit>

#include "rnic/listener.h"
#include "rnic/qp.h"
#include "rnic/shared_endpoint.h"
#include "rnic/srq.h"
#include "rnic/tpt/fast_region.h"
#include "rnic/tpt/mapping.h"
#include "rnic/tpt/region.h"
#include "rnic/tpt/window.h"

namespace softndk::rnic {

using rdma::CreateError;

namespace {

/// What we can do today; the numbers are those of the table in spec/ndkpi.md 4.3.
constexpr rdma::DeviceCaps kCaps{
    .registration_bytes_max = std::uint64_t{1} << 44,
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
    .fast_register_pages_max = FastRegion::kPagesMax,
    .memory_windows = true,
    .cq_resize = true,
    .cq_moderation = true,
    .read_local_invalidate = true,
    .read_sinks_announced = false,
    .loopback = true,
};

rdma::DeviceCaps caps_under(const Settings& settings) {
  rdma::DeviceCaps caps = kCaps;
  caps.read_sinks_announced = settings.read_sinks_announced;
  return caps;
}

/// As the interface's own type, or the one reason why not.
template <class Interface, class T>
expected<OwnedInterface<Interface>, CreateError> made(OwnedInterface<T> object) {
  if (object == nullptr) return unexpected(CreateError::no_resources);
  return OwnedInterface<Interface>(std::move(object));
}

/// Little but an identity: tokens belong to one, queue pairs belong to one, and the two must be the same.
class Domain final : public rdma::ProtectionDomain, public TokenDomain {
 public:
  Domain(TokenTable& tokens, TokenSlot& privileged) noexcept
      : TokenDomain{tokens.token_of(privileged)}, tokens_(tokens), privileged_(&privileged) {}
  ~Domain() override { tokens_.release_slot(privileged_); }
  /// Null when memory or the table is exhausted.
  static OwnedInterface<Domain> create(TokenTable& tokens) noexcept {
    TokenSlot* privileged = tokens.acquire_slot();
    if (privileged == nullptr) return nullptr;
    OwnedInterface<Domain> domain = make_interface<Domain>(tokens, *privileged);
    if (domain == nullptr) tokens.release_slot(privileged);
    return domain;
  }
  expected<OwnedInterface<rdma::MemoryRegion>, CreateError> create_region() noexcept override {
    return made<rdma::MemoryRegion>(Region::create(tokens_, *this, kCaps.registration_bytes_max));
  }
  expected<OwnedInterface<rdma::FastRegion>, CreateError> create_fast_region(
      rdma::FastRegionSink& sink) noexcept override {
    return made<rdma::FastRegion>(FastRegion::create(tokens_, *this, sink));
  }
  expected<OwnedInterface<rdma::MemoryWindow>, CreateError> create_window(rdma::WindowSink& sink) noexcept override {
    return made<rdma::MemoryWindow>(Window::create(tokens_, *this, sink));
  }
  Token privileged_token() const noexcept override { return TokenDomain::privileged_token; }

 private:
  TokenTable& tokens_;
  TokenSlot* const privileged_;
};

}  // namespace

OwnedInterface<Device> Device::create(io::World& world, const DeviceOptions& options) noexcept {
  OwnedInterface<Device> device = make_interface<Device>(world, options);
  if (device == nullptr || !device->endpoints_.add_addresses(options.addresses)) return nullptr;
  for (unsigned i = 0; i < std::max(options.processors, 1u); ++i) {
    void* memory = try_allocate(sizeof(ProcessorBuffers), 4096);  // never zeroed: pages come when they are used
    if (memory == nullptr) return nullptr;
    Owned<ProcessorBuffers> buffers(::new (memory) ProcessorBuffers);
    if (!device->buffers_.push_back(std::move(buffers))) return nullptr;
  }
  return device;
}

Device::Device(io::World& world, const DeviceOptions& options)
    : world_(world),
      first_processor_(options.first_processor),
      settings_(options.settings),
      caps_(caps_under(options.settings)),
      tokens_(world.rng),
      endpoints_(world.rng, options.settings.ports),
      connection_context_{world,
                          settings_,
                          endpoints_,
                          counters_,
                          {kCaps.inbound_read_limit_max, kCaps.outbound_read_limit_max},
                          kCaps.private_data_max},
      cq_context_{counters_, world.clock, settings_} {}

Device::~Device() = default;

/// A slot among our own processors: the hint's lowest processor that is ours, else the next in turn.
unsigned Device::choose_processor(std::uint64_t affinity_mask) noexcept {
  const auto count = static_cast<unsigned>(buffers_.size());
  if (affinity_mask != 0) return static_cast<unsigned>(std::countr_zero(affinity_mask)) % count;
  return next_processor_.fetch_add(1, std::memory_order_relaxed) % count;
}

io::Processor& Device::processor(unsigned slot) noexcept {
  return world_.executor.processor((first_processor_ + slot) % world_.executor.processor_count());
}

expected<OwnedInterface<rdma::ProtectionDomain>, CreateError> Device::create_pd() noexcept {
  return made<rdma::ProtectionDomain>(Domain::create(tokens_));
}

expected<rdma::AddressMapping*, CreateError> Device::map_pages(std::span<const rdma::MemoryExtent> pages,
                                                               std::uint32_t first_octet,
                                                               std::uint64_t length_bytes) noexcept {
  Mapping* mapping = Mapping::create(tokens_, pages, first_octet, length_bytes);
  if (mapping == nullptr) return unexpected(CreateError::no_resources);
  return mapping;
}

expected<OwnedInterface<rdma::CompletionQueue>, CreateError> Device::create_cq(const rdma::CqParameters& parameters,
                                                                               rdma::CqSink& sink) noexcept {
  if (parameters.depth == 0 || parameters.depth > caps_.cq_depth_max) return unexpected(CreateError::invalid);
  const unsigned slot = choose_processor(parameters.affinity_mask);
  return made<rdma::CompletionQueue>(Cq::create(parameters, sink, processor(slot), cq_context_));
}

expected<OwnedInterface<rdma::SharedReceiveQueue>, CreateError> Device::create_srq(
    rdma::ProtectionDomain&, const rdma::SrqParameters& parameters, rdma::SrqSink& sink) noexcept {
  if (parameters.depth == 0 || parameters.depth > caps_.srq_depth_max || parameters.sge_max > caps_.receive_sge_max)
    return unexpected(CreateError::invalid);
  return made<rdma::SharedReceiveQueue>(
      Srq::create(parameters, caps_, processor(choose_processor(parameters.affinity_mask)), sink));
}

expected<OwnedInterface<rdma::QueuePair>, CreateError> Device::create_qp(rdma::ProtectionDomain& pd,
                                                                         const rdma::QpParameters& parameters,
                                                                         rdma::QpSink& sink) noexcept {
  if (parameters.receive_depth > caps_.receive_queue_depth_max ||
      parameters.initiator_depth > caps_.initiator_queue_depth_max ||
      parameters.receive_sge_max > caps_.receive_sge_max || parameters.initiator_sge_max > caps_.initiator_sge_max ||
      parameters.inline_bytes_max > caps_.inline_bytes_max)
    return unexpected(CreateError::invalid);
  // The receive queue's processor reads the socket, so that a notification runs on the thread that caused it.
  io::Processor& home = static_cast<Cq&>(*parameters.receive_cq).processor();
  std::size_t slot = 0;
  for (std::size_t i = 0; i < buffers_.size(); ++i) {
    if (&processor(static_cast<unsigned>(i)) == &home) slot = i;
  }
  ProcessorBuffers& buffers = *buffers_[slot];
  const QpContext context{.tokens = tokens_,
                          .domain = static_cast<Domain&>(pd),
                          .consumer_context = parameters.context,
                          .read_access = caps_.read_sinks_announced ? Access::read_sink : Access::local_write,
                          .counters = counters_,
                          .clock = world_.clock,
                          .processor = home,
                          .staging = MutableBytes(buffers.staging),
                          .scratch = MutableBytes(buffers.scratch),
                          .defer = settings_.defer,
                          .batch_buffers = buffers.batch_buffers};
  return made<rdma::QueuePair>(Qp::create(context, parameters, caps_, sink));
}

expected<OwnedInterface<rdma::Connection>, CreateError> Device::create_connection(rdma::ConnectionSink& sink) noexcept {
  return made<rdma::Connection>(make_interface<Connection>(connection_context_, processor(choose_processor(0)), &sink));
}

expected<OwnedInterface<rdma::Listener>, CreateError> Device::create_listener(rdma::ListenerSink& sink) noexcept {
  return made<rdma::Listener>(make_interface<Listener>(connection_context_, processor(choose_processor(0)), sink));
}

expected<OwnedInterface<rdma::SharedEndpoint>, rdma::CmStatus> Device::create_shared_endpoint(
    const Address& local) noexcept {
  return SharedEndpoint::create(world_.network, endpoints_, local);
}

}  // namespace softndk::rnic
