// The functions in a memory window's dispatch table.
#include "verifier/forward.h"

namespace softndk::verifier {
namespace {

constexpr NDK_MW_DISPATCH kTable = {
    .NdkCloseMw = forward_close<NDK_MW, &NDK_MW_DISPATCH::NdkCloseMw>,
    .NdkQueryExtension = query_extension<NDK_MW>,
    .NdkGetRemoteTokenFromMw = forward<&NDK_MW_DISPATCH::NdkGetRemoteTokenFromMw>,
};

}  // namespace

template <>
const NDK_MW_DISPATCH& table_for<NDK_MW>(NDK_VERSION) noexcept {
  return kTable;
}

}  // namespace softndk::verifier
