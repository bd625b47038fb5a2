#pragma once
// What all entry points have in common. Each finds our object from its first argument alone (R-OBJ-10), checks what it
// was given, translates, calls the object and returns.
#include <cstdint>

#include "base/bytes.h"
#include "ntrt/bug_check.h"
#include "ntrt/irql.h"
#include "provider/object.h"
#include "wdk/ndkpi.h"

namespace softndk::provider {

/// First line of every entry point but NdkQueryAdapterInfo: <= DISPATCH_LEVEL, or a bug check (R-IRQL-01).
inline void enter(const char* call) noexcept {
  if (ntrt::current_irql() > ntrt::kDispatchLevel) [[unlikely]] {
    ntrt::bug_check(ntrt::BugCode::irql_not_less_or_equal, "%s called at IRQL %u, above DISPATCH_LEVEL", call,
                    ntrt::current_irql());
  }
}

/// R-IRQL-02.
inline void enter_passive(const char* call) noexcept {
  if (ntrt::current_irql() != ntrt::kPassiveLevel) [[unlikely]] {
    ntrt::bug_check(ntrt::BugCode::irql_not_less_or_equal, "%s called at IRQL %u: it may block", call,
                    ntrt::current_irql());
  }
}

/// NdkCloseObject of one type.
template <class Ndk, class Ours>
NTSTATUS close_object(NDK_OBJECT_HEADER* header, NDK_FN_CLOSE_COMPLETION completion, PVOID context) noexcept {
  enter("NdkCloseObject");
  if (completion == nullptr) {
    // Close cannot fail (R-CLS-01), so a missing completion is found at once instead of when it is due.
    ntrt::bug_check(ntrt::BugCode::driver_violation, "NdkCloseObject without a CloseCompletion");
  }
  return static_cast<Ours*>(reinterpret_cast<Ndk*>(header))->close(completion, context);
}

/// No extension interface exists (R-QEX-01); *interface stays as it is (R-QEX-02).
inline NTSTATUS query_extension(NDK_OBJECT_HEADER*, const GUID*, NDK_VERSION, NDK_EXTENSION_INTERFACE*) noexcept {
  enter("NdkQueryExtension");
  return STATUS_NOT_SUPPORTED;
}

/// Private data of connect, accept and reject (R-CNCT-16, R-CNCT-17). STATUS_SUCCESS: `to` is what to send.
inline NTSTATUS read_private_data(const VOID* data, ULONG length_bytes, ULONG max_bytes, Bytes& to) noexcept {
  if (length_bytes > max_bytes) return STATUS_INVALID_BUFFER_SIZE;
  if (data == nullptr && length_bytes != 0) return STATUS_INVALID_PARAMETER;
  to = {static_cast<const std::uint8_t*>(data), length_bytes};
  return STATUS_SUCCESS;
}

}  // namespace softndk::provider
