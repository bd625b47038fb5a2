#pragma once
// What a provider calls instead of a consumer's event callback. `context` is the shadow of the object that was created
// with the callback. Each calls the consumer as its last act: the object may be closed in there, or right after.
#include "wdk/ndkpi.h"

namespace softndk::verifier {

void cq_notified(PVOID context, NTSTATUS status) noexcept;                       // cq.cpp
void srq_notified(PVOID context, NTSTATUS status) noexcept;                      // srq.cpp
void connection_arrived(PVOID context, NDK_CONNECTOR* real_connector) noexcept;  // listener.cpp

}  // namespace softndk::verifier
