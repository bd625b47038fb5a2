#pragma once
// Winsock Kernel's NDK extension: how a consumer gets from WskRegister to an NDK_ADAPTER. The exported names are those
// of wdk/wsk.h and wdk/wskndk.h; here is what the layers beside need.
#include <cstddef>
#include <cstdio>

#include "wdk/wskndk.h"

namespace softndk::ntrt {

/// Stands between every consumer and every provider from the next open on, as the operating system's own layer does on
/// Windows (R-WSK-03). Each call: PASSIVE_LEVEL, on the consumer's thread, no lock held.
struct NdkInterposer {
  void* context = nullptr;
  /// What the consumer gets instead of `inner`, which a provider has just opened. NULL: the open fails with
  /// STATUS_INSUFFICIENT_RESOURCES and the provider's instance is closed again. May return `inner` itself.
  NDK_ADAPTER* (*wrap_open)(void* context, NDK_ADAPTER* inner, NET_IFINDEX index) noexcept = nullptr;
  /// The consumer closes `outer`; the provider's instance is still open. May be NULL.
  void (*before_close)(void* context, NDK_ADAPTER* outer, NDK_ADAPTER* inner) noexcept = nullptr;
  /// The provider's instance is closed and gone: nothing calls back any more, `outer` can be freed.
  void (*wrap_close)(void* context, NDK_ADAPTER* outer) noexcept = nullptr;
};
/// Null: none. Instances that are open keep the one they were opened with, so `context` outlives them. `interposer` is
/// copied; call it while no open is under way.
void wsk_set_ndk_interposer(const NdkInterposer* interposer) noexcept;

/// NDK instances opened through WSK and not closed yet.
std::size_t wsk_open_ndk_adapters() noexcept;
/// One line for each client and each open instance: what a WskDeregister or WskReleaseProviderNPI waits for.
void wsk_report(std::FILE* to) noexcept;

}  // namespace softndk::ntrt
