// The functions in a completion queue's dispatch table.
#include "provider/api.h"
#include "provider/cq.h"
#include "provider/dispatch.h"

namespace softndk::provider {
namespace {

Cq& ours(NDK_CQ* cq) noexcept {
  return *static_cast<Cq*>(cq);
}

NTSTATUS resize_cq(NDK_CQ* cq, ULONG depth, NDK_FN_REQUEST_COMPLETION completion, PVOID context) noexcept {
  enter("NdkResizeCq");
  if (completion == nullptr) return STATUS_INVALID_PARAMETER;
  return ours(cq).resize(depth, completion, context);
}

void arm_cq(NDK_CQ* cq, ULONG type) noexcept {
  enter("NdkArmCq");
  ours(cq).reader.assume();
  ours(cq).arm(type);
}

template <class Result>
ULONG take_results(NDK_CQ* cq, Result* results, ULONG count) noexcept {
  enter("NdkGetCqResults");
  if (results == nullptr) return 0;
  ours(cq).reader.assume();
  return ours(cq).results(std::span<Result>(results, count));
}

NTSTATUS control_moderation(NDK_CQ* cq, ULONG interval_us, ULONG count) noexcept {
  enter("NdkControlCqInterruptModeration");
  return ours(cq).moderate(interval_us, count);
}

}  // namespace

const NDK_CQ_DISPATCH kCqDispatch = {
    .NdkCloseCq = close_object<NDK_CQ, Cq>,
    .NdkQueryExtension = query_extension,
    .NdkResizeCq = resize_cq,
    .NdkArmCq = arm_cq,
    .NdkGetCqResults = take_results<NDK_RESULT>,
    .NdkControlCqInterruptModeration = control_moderation,
    .NdkGetCqResultsEx = take_results<NDK_RESULT_EX>,
};

}  // namespace softndk::provider
