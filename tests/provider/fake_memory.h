#pragma once
// Regions, windows and mappings of a FakeDevice.
#include "provider/fake_object.h"

namespace softndk::provider {

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

}  // namespace softndk::provider
