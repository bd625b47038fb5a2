#pragma once
// An rdma::Device that does what the test says, when the test says it: every event on command, every answer chosen,
// any creation refused. The rules of lifetime speak of interleavings that a real device produces only by luck.
//
// Events come on a processor, as a device's do. The last event of an object (on_..._closed) comes as `close_style`
// says.
#include <algorithm>
#include <array>
#include <atomic>
#include <deque>
#include <functional>
#include <optional>
#include <vector>

#include "base/thread_safety.h"
#include "io/executor.h"
#include "ntrt/deferred.h"
#include "rdma/device.h"

namespace softndk::provider {

/// Runs `body` on a processor, as a device would call a sink, and returns when it has.
template <class Body>
void on_processor(Body&& body, unsigned index = 0) {
  struct Job : io::Task {
    explicit Job(Body& it) noexcept : Task(run), the_body(it) {}
    static void run(io::Task& task) noexcept {
      auto& job = static_cast<Job&>(task);
      job.the_body();
      job.done.open();
    }
    Body& the_body;
    ntrt::WaitGate done{"a job of the test"};
  } job(body);
  ntrt::processor(index).post(job);
  job.done.wait();
}

enum class CloseStyle : std::uint8_t {
  posted,  ///< soon, on a processor
  inside,  ///< inside close() already
  held,    ///< when the test calls end()
};

/// Sends one last event as the style wants it. Lives in its object, which the event may destroy.
class LastEvent : public io::Task {
 public:
  using Send = void (*)(void* object) noexcept;
  LastEvent(void* object, Send send) noexcept : Task(run), object_(object), send_(send) {}
  void close(CloseStyle style) {
    closed = true;
    if (style == CloseStyle::posted) ntrt::processor(0).post(*this);
    if (style == CloseStyle::inside) send_(object_);
  }
  void send() { send_(object_); }
  std::atomic<bool> closed{false};

 private:
  static void run(io::Task& task) noexcept { static_cast<LastEvent&>(task).send(); }
  void* object_;
  Send send_;
};

class FakeDevice;

/// Objects of one kind that live, oldest first.
template <class T>
class Living {
 public:
  void add(T* one) {
    MutexLock lock(mutex_);
    all_.push_back(one);
    ++made_;
  }
  void remove(T* one) {
    MutexLock lock(mutex_);
    std::erase(all_, one);
  }
  std::size_t count() const {
    MutexLock lock(mutex_);
    return all_.size();
  }
  std::size_t made() const {
    MutexLock lock(mutex_);
    return made_;
  }
  std::vector<T*> all() const {
    MutexLock lock(mutex_);
    return all_;
  }
  T& last() const {
    MutexLock lock(mutex_);
    return *all_.back();
  }

 private:
  mutable Mutex mutex_;
  std::vector<T*> all_;
  std::size_t made_ = 0;
};

class FakeRegion final : public rdma::MemoryRegion {
 public:
  explicit FakeRegion(FakeDevice& device) noexcept;
  ~FakeRegion() override;
  expected<void, rdma::MemoryError> enable(std::uint64_t base_address, std::span<const rdma::MemoryExtent> given,
                                           rdma::AccessRights given_rights) noexcept override {
    interrupt();
    if (enable_error) return unexpected(*enable_error);
    base = base_address;
    extents.assign(given.begin(), given.end());
    rights = given_rights;
    enabled = true;
    return {};
  }
  bool disable(rdma::DeregisterSink& sink) noexcept override {
    interrupt();
    enabled = false;
    if (!busy) return true;
    waiting = &sink;
    return false;
  }
  /// The last access ended.
  void end_access() {
    rdma::DeregisterSink* sink = std::exchange(waiting, nullptr);
    on_processor([sink] { sink->on_deregistered(); });
  }
  bool is_enabled() const noexcept override { return enabled; }
  rdma::Token local_token() const noexcept override { return enabled ? 0x1001 : 0; }
  rdma::Token remote_token() const noexcept override { return enabled ? 0x2002 : 0; }

  std::optional<rdma::MemoryError> enable_error;
  std::atomic<bool> busy{false};
  std::atomic<bool> enabled{false};
  std::uint64_t base = 0;
  std::vector<rdma::MemoryExtent> extents;
  rdma::AccessRights rights;
  rdma::DeregisterSink* waiting = nullptr;

 private:
  void interrupt();
  FakeDevice& device_;
};

class FakeWindow final : public rdma::MemoryWindow {
 public:
  FakeWindow(FakeDevice& device, rdma::WindowSink& sink) noexcept;
  ~FakeWindow() override;
  rdma::Token remote_token() const noexcept override { return token; }
  void close() noexcept override;

  /// A posted bind's or invalidate's turn has come.
  void execute(const rdma::WindowWork& work) {
    if (work.region != nullptr) {
      region_owner = work.region_owner;
      token = token + 1;
      sink.on_window_work_done(work.region_owner, true);
    } else {
      unbind();
      sink.on_window_work_done(nullptr, false);
    }
  }
  void cancel(const rdma::WindowWork& work) { sink.on_window_work_done(work.region_owner, false); }
  void unbind() {
    if (void* owner = std::exchange(region_owner, nullptr)) sink.on_unbound(owner);
  }
  void end() {
    on_processor([&] { last_event.send(); });
  }

  rdma::WindowSink& sink;
  std::atomic<rdma::Token> token{0};
  void* region_owner = nullptr;
  LastEvent last_event{this, [](void* it) noexcept {
                         auto& self = *static_cast<FakeWindow*>(it);
                         self.unbind();
                         self.sink.on_window_closed();
                       }};

 private:
  FakeDevice& device_;
};

class FakeFastRegion final : public rdma::FastRegion {
 public:
  FakeFastRegion(FakeDevice& device, rdma::FastRegionSink& sink) noexcept;
  ~FakeFastRegion() override;
  expected<void, rdma::MemoryError> initialize(std::uint32_t pages) noexcept override {
    if (initialize_error) return unexpected(*initialize_error);
    pages_max = pages;
    return {};
  }
  rdma::Token token() const noexcept override { return pages_max != 0 ? 0x4004 : 0; }
  void close() noexcept override;
  /// The turn of work that names it has come, or it was cancelled.
  void work_done() { sink.on_region_work_done(); }
  void end() {
    on_processor([&] { last_event.send(); });
  }

  rdma::FastRegionSink& sink;
  std::optional<rdma::MemoryError> initialize_error;
  std::atomic<std::uint32_t> pages_max{0};
  LastEvent last_event{this, [](void* it) noexcept { static_cast<FakeFastRegion*>(it)->sink.on_region_closed(); }};

 private:
  FakeDevice& device_;
};

class FakeMapping final : public rdma::AddressMapping {
 public:
  explicit FakeMapping(FakeDevice& device) noexcept;
  std::uint64_t address() const noexcept override { return 0x7700'0000'0000'0000; }
  bool release() noexcept override;
  std::vector<rdma::MemoryExtent> pages;
  std::uint32_t first_octet = 0;
  std::uint64_t length_bytes = 0;

 private:
  FakeDevice& device_;
};

class FakePd final : public rdma::ProtectionDomain {
 public:
  explicit FakePd(FakeDevice& device) noexcept;
  ~FakePd() override;
  expected<OwnedInterface<rdma::MemoryRegion>, rdma::CreateError> create_region() noexcept override;
  expected<OwnedInterface<rdma::FastRegion>, rdma::CreateError> create_fast_region(
      rdma::FastRegionSink& sink) noexcept override;
  expected<OwnedInterface<rdma::MemoryWindow>, rdma::CreateError> create_window(
      rdma::WindowSink& sink) noexcept override;
  rdma::Token privileged_token() const noexcept override { return 0x3003; }

 private:
  FakeDevice& device_;
};

class FakeCq final : public rdma::CompletionQueue {
 public:
  FakeCq(FakeDevice& device, const rdma::CqParameters& parameters, rdma::CqSink& sink) noexcept;
  ~FakeCq() override;
  std::size_t poll(std::span<rdma::Completion> results) noexcept override {
    MutexLock lock(mutex_);
    std::size_t count = 0;
    for (; count < results.size() && !entries_.empty(); ++count) {
      results[count] = entries_.front();
      entries_.pop_front();
    }
    return count;
  }
  void arm(rdma::CqNotify kind) noexcept override { armed = kind; }
  void close() noexcept override;
  expected<void, rdma::CqError> resize(std::uint32_t to) noexcept override {
    if (resize_error) return unexpected(*resize_error);
    current_depth = to;
    return {};
  }
  void moderate(const rdma::CqModeration& wanted) noexcept override {
    moderation = wanted;
    ++moderations;
  }
  std::uint32_t depth() const noexcept override { return current_depth; }

  void place(const rdma::Completion& completion) {
    MutexLock lock(mutex_);
    entries_.push_back(completion);
  }
  void notify(rdma::CqHealth health = rdma::CqHealth::good) {
    on_processor([&] { sink.on_notify(health); });
  }
  void end() {
    on_processor([&] { last_event.send(); });
  }

  const rdma::CqParameters parameters;
  rdma::CqSink& sink;
  std::atomic<std::uint32_t> current_depth{parameters.depth};
  std::optional<rdma::CqError> resize_error;
  rdma::CqModeration moderation;
  int moderations = 0;
  std::atomic<rdma::CqNotify> armed{rdma::CqNotify::none};
  LastEvent last_event{this, [](void* self) noexcept { static_cast<FakeCq*>(self)->sink.on_cq_closed(); }};

 private:
  FakeDevice& device_;
  Mutex mutex_;
  std::deque<rdma::Completion> entries_;
};

class FakeSrq final : public rdma::SharedReceiveQueue {
 public:
  FakeSrq(FakeDevice& device, const rdma::SrqParameters& parameters, rdma::SrqSink& sink) noexcept;
  ~FakeSrq() override;
  expected<void, rdma::PostError> post_receive(const rdma::ReceiveWork& work) noexcept override {
    if (receive_error) return unexpected(*receive_error);
    receives.push_back(work.context);
    return {};
  }
  expected<void, rdma::SrqError> modify(std::uint32_t depth, std::uint32_t threshold) noexcept override {
    if (modify_error) return unexpected(*modify_error);
    modified.push_back({depth, threshold});
    return {};
  }
  void close() noexcept override;
  void notify(bool failed = false) {
    on_processor([&] { sink.on_srq_notify(failed); });
  }

  const rdma::SrqParameters parameters;
  rdma::SrqSink& sink;
  std::optional<rdma::PostError> receive_error;
  std::optional<rdma::SrqError> modify_error;
  std::vector<void*> receives;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> modified;
  LastEvent last_event{this, [](void* self) noexcept { static_cast<FakeSrq*>(self)->sink.on_srq_closed(); }};

 private:
  FakeDevice& device_;
};

class FakeQp final : public rdma::QueuePair {
 public:
  /// A post as the device saw it, its list copied.
  struct Posted {
    rdma::SendWork work;
    std::vector<rdma::Sge> sges;
    std::vector<std::uint8_t> inline_octets;
    rdma::WindowWork window;
    rdma::FastRegionWork fast_region;
    std::vector<std::uint64_t> pages;
    /// That of a bind or an invalidate.
    FakeWindow& its_window() const { return static_cast<FakeWindow&>(*window.window); }
  };
  FakeQp(FakeDevice& device, const rdma::QpParameters& parameters, rdma::QpSink& sink) noexcept;
  ~FakeQp() override;
  expected<void, rdma::PostError> post_send(const rdma::SendWork& work) noexcept override {
    if (send_error) return unexpected(*send_error);
    Posted& posted = sends.emplace_back();
    posted.work = work;
    posted.work.sges = {};
    if (work.window != nullptr) posted.window = *work.window;
    posted.work.window = nullptr;  // of the call only
    if (work.fast_region != nullptr) {
      posted.fast_region = *work.fast_region;
      for (std::size_t i = 0; i < work.fast_region->pages.size(); ++i)
        posted.pages.push_back(work.fast_region->pages[i]);
      posted.fast_region.pages = {};
    }
    posted.work.fast_region = nullptr;  // likewise
    posted.sges.assign(work.sges.begin(), work.sges.end());
    if (work.flags.inline_data) {
      for (const rdma::Sge& sge : work.sges) {
        const auto* from = reinterpret_cast<const std::uint8_t*>(sge.address);
        posted.inline_octets.insert(posted.inline_octets.end(), from, from + sge.length_bytes);
      }
    }
    return {};
  }
  expected<void, rdma::PostError> post_receive(const rdma::ReceiveWork& work) noexcept override {
    if (receive_error) return unexpected(*receive_error);
    receives.push_back(work.context);
    return {};
  }
  void start_deferred() noexcept override { ++deferred_starts; }
  void flush() noexcept override { ++flushes; }
  void close() noexcept override;
  void end() {
    on_processor([&] { last_event.send(); });
  }

  const rdma::QpParameters parameters;
  rdma::QpSink& sink;
  std::optional<rdma::PostError> send_error;
  std::optional<rdma::PostError> receive_error;
  std::deque<Posted> sends;
  std::vector<void*> receives;
  std::atomic<int> flushes{0};
  std::atomic<int> deferred_starts{0};
  LastEvent last_event{this, [](void* self) noexcept { static_cast<FakeQp*>(self)->sink.on_qp_closed(); }};

 private:
  FakeDevice& device_;
};

class FakeConnection final : public rdma::Connection {
 public:
  FakeConnection(FakeDevice& device, rdma::ConnectionSink& sink) noexcept;
  ~FakeConnection() override;

  rdma::CmStatus connect(rdma::QueuePair& qp, const rdma::ConnectParameters& parameters) noexcept override {
    bound = &qp;
    asked = parameters;
    asked.private_data = {};
    asked.endpoint = nullptr;  // of the call only
    if (parameters.endpoint != nullptr) asked.local = parameters.endpoint->local_address();
    sent_data.assign(parameters.private_data.begin(), parameters.private_data.end());
    return start(connect_answer, Pending::connect);
  }
  rdma::CmStatus complete_connect() noexcept override { return start(complete_answer, Pending::establish); }
  rdma::CmStatus accept(rdma::QueuePair& qp, const rdma::AcceptParameters& parameters) noexcept override {
    bound = &qp;
    asked.limits = parameters.limits;
    sent_data.assign(parameters.private_data.begin(), parameters.private_data.end());
    return start(accept_answer, Pending::establish);
  }
  rdma::CmStatus reject(Bytes private_data) noexcept override {
    sent_data.assign(private_data.begin(), private_data.end());
    rejected = true;
    return reject_answer;
  }
  rdma::CmStatus disconnect() noexcept override { return start(disconnect_answer, Pending::disconnect); }
  void close() noexcept override;
  std::optional<Address> local_address() const noexcept override { return local; }
  std::optional<Address> peer_address() const noexcept override { return peer; }
  std::optional<rdma::ReadLimits> limits() const noexcept override { return effective; }
  std::optional<std::size_t> private_data(MutableBytes into) const noexcept override {
    if (!received) return std::nullopt;
    std::copy_n(received->begin(), std::min(into.size(), received->size()), into.begin());
    return received->size();
  }

  // The device's events, each on a processor.
  void connect_done(rdma::CmStatus status) {
    pending_ = Pending::nothing;
    on_processor([&] { sink.on_connect_done(status); });
  }
  void established(rdma::CmStatus status) {
    pending_ = Pending::nothing;
    on_processor([&] { sink.on_established(status); });
  }
  void peer_disconnect(bool graceful, std::uint32_t reason = 0) {
    on_processor([&] { sink.on_peer_disconnect(graceful, reason); });
  }
  void disconnected(rdma::CmStatus status) {
    pending_ = Pending::nothing;
    on_processor([&] { sink.on_disconnected(status); });
  }
  void abandoned() {
    on_processor([&] { sink.on_abandoned(); });
  }
  void end() {
    on_processor([&] { last_event.send(); });
  }

  rdma::ConnectionSink& sink;
  rdma::CmStatus connect_answer = rdma::CmStatus::pending;
  rdma::CmStatus complete_answer = rdma::CmStatus::pending;
  rdma::CmStatus accept_answer = rdma::CmStatus::pending;
  rdma::CmStatus reject_answer = rdma::CmStatus::success;
  rdma::CmStatus disconnect_answer = rdma::CmStatus::pending;
  rdma::QueuePair* bound = nullptr;
  rdma::ConnectParameters asked;
  std::vector<std::uint8_t> sent_data;
  bool rejected = false;
  std::optional<Address> local, peer;
  std::optional<rdma::ReadLimits> effective;
  std::optional<std::vector<std::uint8_t>> received;
  LastEvent last_event{this, [](void* self) noexcept { static_cast<FakeConnection*>(self)->send_last(); }};

 private:
  enum class Pending : std::uint8_t { nothing, connect, establish, disconnect };
  void interrupt();
  rdma::CmStatus start(rdma::CmStatus answer, Pending what) {
    interrupt();
    if (answer == rdma::CmStatus::pending) pending_ = what;
    return answer;
  }
  /// A request that pends at close() ends first, cancelled.
  void send_last() noexcept {
    switch (pending_.exchange(Pending::nothing)) {
      case Pending::nothing:
        break;
      case Pending::connect:
        sink.on_connect_done(rdma::CmStatus::cancelled);
        break;
      case Pending::establish:
        sink.on_established(rdma::CmStatus::cancelled);
        break;
      case Pending::disconnect:
        sink.on_disconnected(rdma::CmStatus::cancelled);
        break;
    }
    sink.on_closed();
  }
  std::atomic<Pending> pending_{Pending::nothing};
  FakeDevice& device_;
};

class FakeListener final : public rdma::Listener {
 public:
  FakeListener(FakeDevice& device, rdma::ListenerSink& sink) noexcept;
  ~FakeListener() override;
  expected<Address, rdma::CmStatus> listen(const Address& local) noexcept override {
    interrupt();
    if (listen_error) return unexpected(*listen_error);
    Address chosen = local.port == 0 ? local.with_port(50000) : local;
    listening = chosen;
    return chosen;
  }
  void pause(bool is) noexcept override { paused = is; }
  void close() noexcept override;
  std::optional<Address> local_address() const noexcept override { return listening; }
  /// A connect request arrives; what became of it: the connection that was taken, or null if it was refused.
  FakeConnection* request(unsigned processor_index = 0);
  void end() {
    on_processor([&] { last_event.send(); });
  }

  rdma::ListenerSink& sink;
  std::optional<rdma::CmStatus> listen_error;
  std::optional<Address> listening;
  std::atomic<bool> paused{false};
  LastEvent last_event{this, [](void* self) noexcept { static_cast<FakeListener*>(self)->sink.on_listener_closed(); }};

 private:
  void interrupt();
  FakeDevice& device_;
};

class FakeSharedEndpoint final : public rdma::SharedEndpoint {
 public:
  FakeSharedEndpoint(FakeDevice& device, const Address& local) noexcept;
  ~FakeSharedEndpoint() override;
  const Address& local_address() const noexcept override { return local_; }

 private:
  FakeDevice& device_;
  const Address local_;
};

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
