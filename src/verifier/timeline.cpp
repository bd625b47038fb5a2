#include "verifier/timeline.h"

#include "base/alloc.h"
#include "ntrt/kernel.h"

namespace softndk::verifier {

constinit std::atomic<Timeline*> Timeline::recording_{nullptr};

bool Timeline::start() noexcept {
  auto timeline = try_make<Timeline>();
  if (timeline == nullptr || !timeline->memory_.reserve(kEventsMax * sizeof(Event))) return false;
  Timeline* none = nullptr;
  if (!recording_.compare_exchange_strong(none, timeline.get())) return false;
  (void)timeline.release();
  return true;
}

void Timeline::stop() noexcept {
  const Owned<Timeline> gone(recording_.exchange(nullptr));
}

std::uint64_t Timeline::now_ns() noexcept {
  ntrt::Kernel* kernel = ntrt::kernel_if_running();
  return kernel == nullptr ? 0 : kernel->clock().peek_ns();
}

void Timeline::add(const Event& event) noexcept {
  const std::size_t index = count_.fetch_add(1, std::memory_order_relaxed);
  if (index >= kEventsMax) return;
  Event& to = reinterpret_cast<Event*>(memory_.data())[index];
  to = event;
  const ntrt::ThreadLabel label = ntrt::this_thread_label();
  to.thread = label.thread;
  to.thread_name = label.name;
  std::atomic_ref(to.complete).store(true, std::memory_order_release);  // partner: write()
}

void trace_work(const char* name, const NDK_OBJECT_HEADER* queue, PVOID request) noexcept {
  Timeline* timeline = Timeline::recording();
  if (timeline == nullptr) return;
  timeline->add({.name = name,
                 .object = queue,
                 .request = request,
                 .begin_ns = Timeline::now_ns(),
                 .kind = Timeline::Kind::work,
                 .object_type = static_cast<std::uint8_t>(queue->ObjectType)});
}

void trace_result(const NDK_OBJECT_HEADER* cq, PVOID request, NTSTATUS status, std::uint32_t octets) noexcept {
  Timeline* timeline = Timeline::recording();
  if (timeline == nullptr) return;
  timeline->add({.name = "result",
                 .object = cq,
                 .request = request,
                 .begin_ns = Timeline::now_ns(),
                 .status = status,
                 .octets = octets,
                 .kind = Timeline::Kind::result,
                 .object_type = static_cast<std::uint8_t>(cq->ObjectType)});
}

}  // namespace softndk::verifier
