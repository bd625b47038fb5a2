// The functions in an adapter's dispatch table.
#include "verifier/forward.h"
#include "verifier/notifications.h"

namespace softndk::verifier {
namespace {

NTSTATUS create_cq(NDK_ADAPTER* adapter, ULONG depth, NDK_FN_CQ_NOTIFICATION_CALLBACK notification,
                   PVOID notification_context, GROUP_AFFINITY* affinity, NDK_FN_CREATE_COMPLETION completion,
                   PVOID context, NDK_CQ** cq) noexcept {
  auto& self = shadow_of(adapter);
  return create("NdkCreateCq", self, self.Header, {completion, context}, cq,
                [&](CqShadow& shadow, const CreateArguments<NDK_CQ>& ours) {
                  shadow.notification = {notification, notification_context};
                  return self.provider().NdkCreateCq(self.real(), depth,
                                                     notification == nullptr ? nullptr : cq_notified, &shadow, affinity,
                                                     ours.completion, ours.context, ours.output);
                });
}

NTSTATUS create_listener(NDK_ADAPTER* adapter, NDK_FN_CONNECT_EVENT_CALLBACK connect_event, PVOID event_context,
                         NDK_FN_CREATE_COMPLETION completion, PVOID context, NDK_LISTENER** listener) noexcept {
  auto& self = shadow_of(adapter);
  return create("NdkCreateListener", self, self.Header, {completion, context}, listener,
                [&](ListenerShadow& shadow, const CreateArguments<NDK_LISTENER>& ours) {
                  shadow.connect_event = {connect_event, event_context};
                  return self.provider().NdkCreateListener(self.real(),
                                                           connect_event == nullptr ? nullptr : connection_arrived,
                                                           &shadow, ours.completion, ours.context, ours.output);
                });
}

/// The LAM itself is the consumer's memory and passes through: it names no object.
NTSTATUS build_lam(NDK_ADAPTER* adapter, MDL* mdl, SIZE_T length, NDK_FN_REQUEST_COMPLETION completion, PVOID context,
                   NDK_LOGICAL_ADDRESS_MAPPING* lam, ULONG* lam_bytes, ULONG* first_byte_offset) noexcept {
  auto& self = shadow_of(adapter);
  const ntrt::CallOrigin origin = {__builtin_return_address(0), nullptr};
  return request("NdkBuildLAM", self.Header, completion, context, [&](NDK_FN_REQUEST_COMPLETION routine, PVOID record) {
    const ntrt::AnnouncedOrigin announced(origin);
    return self.provider().NdkBuildLAM(self.real(), mdl, length, routine, record, lam, lam_bytes, first_byte_offset);
  });
}

constexpr NDK_ADAPTER_DISPATCH kTable = {
    .NdkQueryExtension = query_extension<NDK_ADAPTER>,
    .NdkQueryAdapterInfo = forward<&NDK_ADAPTER_DISPATCH::NdkQueryAdapterInfo>,
    .NdkCreateCq = create_cq,
    .NdkCreatePd = forward_create<&NDK_ADAPTER_DISPATCH::NdkCreatePd>,
    .NdkCreateSharedEndpoint = forward_create<&NDK_ADAPTER_DISPATCH::NdkCreateSharedEndpoint>,
    .NdkCreateConnector = forward_create<&NDK_ADAPTER_DISPATCH::NdkCreateConnector>,
    .NdkCreateListener = create_listener,
    .NdkBuildLAM = build_lam,
    .NdkReleaseLAM = forward<&NDK_ADAPTER_DISPATCH::NdkReleaseLAM>,
};

}  // namespace

template <>
const NDK_ADAPTER_DISPATCH& table_for<NDK_ADAPTER>(NDK_VERSION) noexcept {
  return kTable;
}

}  // namespace softndk::verifier
