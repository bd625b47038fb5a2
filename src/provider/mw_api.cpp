// The functions in a memory window's dispatch table.
#include "provider/api.h"
#include "provider/dispatch.h"
#include "provider/mw.h"

namespace softndk::provider {
namespace {

UINT32 get_remote_token(NDK_MW* mw) noexcept {
  enter("NdkGetRemoteTokenFromMw");
  return static_cast<Mw*>(mw)->remote_token();
}

}  // namespace

const NDK_MW_DISPATCH kMwDispatch = {
    .NdkCloseMw = close_object<NDK_MW, Mw>,
    .NdkQueryExtension = query_extension,
    .NdkGetRemoteTokenFromMw = get_remote_token,
};

}  // namespace softndk::provider
