// The functions in a completion queue's dispatch table, its notifications and its results.
#include <span>

#include "verifier/forward.h"
#include "verifier/notifications.h"

namespace softndk::verifier {

void cq_notified(PVOID context, NTSTATUS status) noexcept {
  const auto notification = static_cast<CqShadow*>(context)->notification;
  const Span span(Timeline::Kind::callback, "CqNotification", &static_cast<CqShadow*>(context)->Header);
  notification(status);
}

namespace {

/// Every result of either kind passes here on its way to the consumer. QPContext and RequestContext went in as the
/// consumer gave them, so they come out that way; they are not replaced by pointers to records of ours because results
/// outlive their queue pair in the CQ (R-CLS-21).
template <class Result>
void translate_results(CqShadow& cq, std::span<Result> results) noexcept {
  cq.results_taken.store(cq.results_taken.load(std::memory_order_relaxed) + results.size(), std::memory_order_relaxed);
  for (const Result& result : results)
    trace_result(&cq.Header, result.RequestContext, result.Status, result.BytesTransferred);
}

ULONG get_results(NDK_CQ* cq, NDK_RESULT* results, ULONG room) noexcept {
  CqShadow& self = shadow_of(cq);
  Span span(Timeline::Kind::call, "NdkGetCqResults", &cq->Header);
  const ULONG count = self.provider().NdkGetCqResults(self.real(), results, room);
  if (count == 0) span.drop();  // a consumer that polls would fill the recording
  translate_results(self, std::span(results, count));
  return count;
}

ULONG get_results_ex(NDK_CQ* cq, NDK_RESULT_EX* results, ULONG room) noexcept {
  CqShadow& self = shadow_of(cq);
  Span span(Timeline::Kind::call, "NdkGetCqResultsEx", &cq->Header);
  const ULONG count = self.provider().NdkGetCqResultsEx(self.real(), results, room);
  if (count == 0) span.drop();  // a consumer that polls would fill the recording
  translate_results(self, std::span(results, count));
  return count;
}

constexpr NDK_CQ_DISPATCH kTable = {
    .NdkCloseCq = forward_close<NDK_CQ, &NDK_CQ_DISPATCH::NdkCloseCq>,
    .NdkQueryExtension = query_extension<NDK_CQ>,
    .NdkResizeCq = forward_request<&NDK_CQ_DISPATCH::NdkResizeCq>,
    .NdkArmCq = forward<&NDK_CQ_DISPATCH::NdkArmCq>,
    .NdkGetCqResults = get_results,
    .NdkControlCqInterruptModeration = forward<&NDK_CQ_DISPATCH::NdkControlCqInterruptModeration>,
    .NdkGetCqResultsEx = get_results_ex,
};
constexpr NDK_CQ_DISPATCH kTableBefore1_2 = [] {
  NDK_CQ_DISPATCH table = kTable;
  table.NdkGetCqResultsEx = absent<&NDK_CQ_DISPATCH::NdkGetCqResultsEx>;
  return table;
}();

}  // namespace

template <>
const NDK_CQ_DISPATCH& table_for<NDK_CQ>(NDK_VERSION version) noexcept {
  return at_least(version, 1, 2) ? kTable : kTableBefore1_2;
}

}  // namespace softndk::verifier
