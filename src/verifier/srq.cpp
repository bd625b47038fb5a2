// The functions in a shared receive queue's dispatch table, and its notifications.
#include "verifier/forward.h"
#include "verifier/notifications.h"

namespace softndk::verifier {

void srq_notified(PVOID context, NTSTATUS status) noexcept {
  const auto notification = static_cast<SrqShadow*>(context)->notification;
  const Span span(Timeline::Kind::callback, "SrqNotification", &static_cast<SrqShadow*>(context)->Header);
  notification(status);
}

namespace {

constexpr NDK_SRQ_DISPATCH kTable = {
    .NdkCloseSrq = forward_close<NDK_SRQ, &NDK_SRQ_DISPATCH::NdkCloseSrq>,
    .NdkQueryExtension = query_extension<NDK_SRQ>,
    .NdkModifySrq = forward_request<&NDK_SRQ_DISPATCH::NdkModifySrq>,
    .NdkSrqReceive = forward_post<&NDK_SRQ_DISPATCH::NdkSrqReceive>,
};

}  // namespace

template <>
const NDK_SRQ_DISPATCH& table_for<NDK_SRQ>(NDK_VERSION) noexcept {
  return kTable;
}

}  // namespace softndk::verifier
