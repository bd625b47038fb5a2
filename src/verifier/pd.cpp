// The functions in a protection domain's dispatch table.
#include "verifier/forward.h"
#include "verifier/notifications.h"

namespace softndk::verifier {
namespace {

NTSTATUS create_srq(NDK_PD* pd, ULONG depth, ULONG sge_max, ULONG threshold,
                    NDK_FN_SRQ_NOTIFICATION_CALLBACK notification, PVOID notification_context, GROUP_AFFINITY* affinity,
                    NDK_FN_CREATE_COMPLETION completion, PVOID context, NDK_SRQ** srq) noexcept {
  auto& self = shadow_of(pd);
  return create("NdkCreateSrq", self, self.Header, {completion, context}, srq,
                [&](SrqShadow& shadow, const CreateArguments<NDK_SRQ>& ours) {
                  shadow.notification = {notification, notification_context};
                  return self.provider().NdkCreateSrq(self.real(), depth, sge_max, threshold,
                                                      notification == nullptr ? nullptr : srq_notified, &shadow,
                                                      affinity, ours.completion, ours.context, ours.output);
                });
}

constexpr NDK_PD_DISPATCH kTable = {
    .NdkClosePd = forward_close<NDK_PD, &NDK_PD_DISPATCH::NdkClosePd>,
    .NdkQueryExtension = query_extension<NDK_PD>,
    .NdkCreateMr = forward_create<&NDK_PD_DISPATCH::NdkCreateMr>,
    .NdkCreateMw = forward_create<&NDK_PD_DISPATCH::NdkCreateMw>,
    .NdkCreateSrq = create_srq,
    .NdkCreateQp = forward_create<&NDK_PD_DISPATCH::NdkCreateQp>,
    .NdkCreateQpWithSrq = forward_create<&NDK_PD_DISPATCH::NdkCreateQpWithSrq>,
    .NdkGetPrivilegedMemoryRegionToken = forward<&NDK_PD_DISPATCH::NdkGetPrivilegedMemoryRegionToken>,
};

}  // namespace

template <>
const NDK_PD_DISPATCH& table_for<NDK_PD>(NDK_VERSION) noexcept {
  return kTable;
}

}  // namespace softndk::verifier
