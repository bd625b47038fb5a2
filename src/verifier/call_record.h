#pragma once
// Requests that are on their way: who is to be told. A record exists from the call to its inline result or its
// completion, whichever the provider chooses, and is given back exactly once.
#include <cstddef>

#include "base/thread_safety.h"
#include "verifier/shadow_types.h"
#include "verifier/timeline.h"

namespace softndk::verifier {

/// Keeps some of the records that were given back: a consumer that registers memory or builds a LAM for each transfer
/// asks for one each time. Any thread, any IRQL up to DISPATCH_LEVEL.
class RecordPool {
 public:
  /// `own` if it is there and free, else one from the pool: null when memory is short.
  [[nodiscard]] RequestRecord* take(OwnRecord* own) noexcept SOFTNDK_EXCLUDES(mutex_);
  void give_back(RequestRecord& record) noexcept SOFTNDK_EXCLUDES(mutex_);
  /// Frees what is kept.
  void trim() noexcept SOFTNDK_EXCLUDES(mutex_);
  /// Records taken and not given back.
  std::size_t live() const noexcept { return live_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::size_t> live_{0};
  Mutex mutex_;
  RequestRecord* free_ SOFTNDK_GUARDED_BY(mutex_) = nullptr;
  std::size_t free_count_ SOFTNDK_GUARDED_BY(mutex_) = 0;
};
RecordPool& request_records() noexcept;

/// What the provider calls instead of the consumer's completion; `context` is the record.
void request_completed(PVOID context, NTSTATUS status) noexcept;

/// The contract of all requests (R-REQ-01). `name` is its
/// function's. `call(routine, context)` calls the provider with our routine and returns
/// what it returned. Memory may be short: STATUS_INSUFFICIENT_RESOURCES inline, and the provider was not called; but
/// not where the object keeps a record of its `own`. A null `completion` stays null, which says "inline or not at all"
/// (C-03).
template <class Call>
NTSTATUS request(const char* name, const NDK_OBJECT_HEADER& object, NDK_FN_REQUEST_COMPLETION completion, PVOID context,
                 Call&& call, OwnRecord* own = nullptr) noexcept {
  Span span(Timeline::Kind::call, name, &object);
  if (completion == nullptr) return span.result(call(nullptr, context));
  RequestRecord* record = request_records().take(own);
  if (record == nullptr) return span.result(STATUS_INSUFFICIENT_RESOURCES);
  RequestTrace trace(name, &object);
  record->completion = {completion, context};
  record->name = name;
  record->stack_context.begin(context, name);
  record->traced_id = trace.id();
  const NTSTATUS status = span.result(call(request_completed, record));
  // Pending: the record is the completion's, which may have run before the provider returned (R-REQ-02), and the object
  // may be closed already (R-REQ-03): neither may be looked at.
  if (status != STATUS_PENDING) {
    record->stack_context.end();
    request_records().give_back(*record);
  } else {
    trace.pended();
  }
  return status;
}

}  // namespace softndk::verifier
