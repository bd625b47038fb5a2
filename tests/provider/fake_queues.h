#pragma once
// Queues of a FakeDevice.
#include <deque>

#include "provider/fake_memory.h"
#include "provider/fake_object.h"

namespace softndk::provider {

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

}  // namespace softndk::provider
