#include "verifier/call_record.h"

#include <utility>

namespace softndk::verifier {
namespace {

#if defined(__SANITIZE_ADDRESS__)
#define SOFTNDK_VERIFIER_UNDER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SOFTNDK_VERIFIER_UNDER_ASAN 1
#endif
#endif
#ifdef SOFTNDK_VERIFIER_UNDER_ASAN
constexpr std::size_t kKeptMax = 0;  // so that the sanitizer sees a record that is used after it was given back
#else
constexpr std::size_t kKeptMax = 256;
#endif

constinit RecordPool g_records;

}  // namespace

RecordPool& request_records() noexcept {
  return g_records;
}

RequestRecord* RecordPool::take(OwnRecord* own) noexcept {
  if (own != nullptr && !own->taken.exchange(true)) {
    live_.fetch_add(1, std::memory_order_relaxed);
    return own;
  }
  RequestRecord* record = nullptr;
  if (fault_injected("verifier record")) return nullptr;
  {
    MutexLock lock(mutex_);
    record = free_;
    if (record != nullptr) {
      free_ = record->next_free;
      --free_count_;
    }
  }
  if (record == nullptr) record = try_make<RequestRecord>().release();
  if (record != nullptr) live_.fetch_add(1, std::memory_order_relaxed);
  return record;
}

void RecordPool::give_back(RequestRecord& record) noexcept {
  live_.fetch_sub(1, std::memory_order_relaxed);
  if (record.is_own) return static_cast<OwnRecord&>(record).taken.store(false);
  {
    MutexLock lock(mutex_);
    if (free_count_ < kKeptMax) {
      record.next_free = std::exchange(free_, &record);
      ++free_count_;
      return;
    }
  }
  const Owned<RequestRecord> gone(&record);
}

void RecordPool::trim() noexcept {
  RequestRecord* record = nullptr;
  {
    MutexLock lock(mutex_);
    record = std::exchange(free_, nullptr);
    free_count_ = 0;
  }
  while (record != nullptr) {
    const Owned<RequestRecord> gone(record);
    record = gone->next_free;
  }
}

void request_completed(PVOID context, NTSTATUS status) noexcept {
  RequestRecord& record = *static_cast<RequestRecord*>(context);
  const auto completion = record.completion;
  const char* const name = record.name;
  record.stack_context.end();
  RequestTrace::completed(name, record.traced_id, status);
  request_records().give_back(record);  // before the callback: the consumer may start the next request inside it
  const Span span(Timeline::Kind::callback, name, nullptr);
  completion(status);
}

}  // namespace softndk::verifier
