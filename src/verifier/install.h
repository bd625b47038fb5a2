#pragma once
// Puts the verifier between every consumer and every provider of this process. It passes everything through: what a
// consumer sees is what the provider does, but for addresses (of objects and tables) and for extension interfaces,
// which are not passed on.
#include <cstddef>

#include "wdk/ndkpi.h"

namespace softndk::verifier {

/// From the next WskOpenNdkAdapter on. PASSIVE_LEVEL, while no NDK adapter is open: objects of an instance that was
/// opened before are none of ours, and consumers mix instances (R-OBJ-13).
void install() noexcept;
/// PASSIVE_LEVEL, while no open is under way. Instances that are open stay wrapped until they are closed.
void uninstall() noexcept;

/// What exists of ours, for leak reports: nothing when every adapter is closed.
struct Usage {
  std::size_t shadows = 0;   ///< objects that consumers hold, or whose create or close is on its way
  std::size_t requests = 0;  ///< requests that are on their way
};
Usage usage() noexcept;

/// The adapter to hand out for `real`, which a provider has just opened. Null when memory is short.
NDK_ADAPTER* wrap_adapter(NDK_ADAPTER* real) noexcept;
/// The provider's instance is closed: nothing calls back any more.
void unwrap_adapter(NDK_ADAPTER* shadow) noexcept;

}  // namespace softndk::verifier
