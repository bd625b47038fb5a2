#include "verifier/install.h"

#include "base/log.h"
#include "ntrt/wsk.h"
#include "verifier/call_record.h"
#include "verifier/shadow_types.h"

namespace softndk::verifier {

NDK_ADAPTER* wrap_adapter(NDK_ADAPTER* real) noexcept {
  ShadowFor<NDK_ADAPTER>* shadow = make_shadow<NDK_ADAPTER>(nullptr);
  if (shadow == nullptr) return nullptr;
  shadow->adopt(*real);
  return shadow;
}

void unwrap_adapter(NDK_ADAPTER* shadow) noexcept {
  shadow_of(shadow).release();
}

void install() noexcept {
  SOFTNDK_CHECK(ntrt::wsk_open_ndk_adapters() == 0);
  const ntrt::NdkInterposer interposer = {
      .context = nullptr,
      .wrap_open = [](void*, NDK_ADAPTER* inner, NET_IFINDEX) noexcept { return wrap_adapter(inner); },
      .before_close = nullptr,
      .wrap_close = [](void*, NDK_ADAPTER* outer) noexcept { unwrap_adapter(outer); },
  };
  ntrt::wsk_set_ndk_interposer(&interposer);
}

void uninstall() noexcept {
  ntrt::wsk_set_ndk_interposer(nullptr);
  request_records().trim();
}

Usage usage() noexcept {
  return {live_shadows(), request_records().live()};
}

}  // namespace softndk::verifier
