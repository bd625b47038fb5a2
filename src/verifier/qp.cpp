// The functions in a queue pair's dispatch table. What posts name (regions, windows) is
// exchanged for the real objects, everything else passes as it is.
#include "verifier/forward.h"

namespace softndk::verifier {
namespace {

constexpr NDK_QP_DISPATCH kTable = {
    .NdkCloseQp = forward_close<NDK_QP, &NDK_QP_DISPATCH::NdkCloseQp>,
    .NdkQueryExtension = query_extension<NDK_QP>,
    .NdkFlush = forward<&NDK_QP_DISPATCH::NdkFlush>,
    .NdkSend = forward_post<&NDK_QP_DISPATCH::NdkSend>,
    .NdkReceive = forward_post<&NDK_QP_DISPATCH::NdkReceive>,
    .NdkBind = forward_post<&NDK_QP_DISPATCH::NdkBind>,
    .NdkFastRegister = forward_post<&NDK_QP_DISPATCH::NdkFastRegister>,
    .NdkInvalidate = forward_post<&NDK_QP_DISPATCH::NdkInvalidate>,
    .NdkRead = forward_post<&NDK_QP_DISPATCH::NdkRead>,
    .NdkWrite = forward_post<&NDK_QP_DISPATCH::NdkWrite>,
    .NdkSendAndInvalidate = forward_post<&NDK_QP_DISPATCH::NdkSendAndInvalidate>,
};
constexpr NDK_QP_DISPATCH kTableBefore1_2 = [] {
  NDK_QP_DISPATCH table = kTable;
  table.NdkSendAndInvalidate = absent<&NDK_QP_DISPATCH::NdkSendAndInvalidate>;
  return table;
}();

}  // namespace

template <>
const NDK_QP_DISPATCH& table_for<NDK_QP>(NDK_VERSION version) noexcept {
  return at_least(version, 1, 2) ? kTable : kTableBefore1_2;
}

}  // namespace softndk::verifier
