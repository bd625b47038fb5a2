#pragma once
// Objects with references and handles. The body is what drivers see; a header stands before it, as on Windows.
#include <atomic>
#include <cstddef>

#include "base/thread_safety.h"
#include "wdk/wdm.h"

/// What POBJECT_TYPE points to.
struct _OBJECT_TYPE {
  const char* name;
  void (*destroy)(void* body) noexcept;  ///< after the last reference; may be null
};

namespace softndk::ntrt {

/// A zeroed body of `size_bytes` with one reference, aligned to 16 bytes; null when memory is short.
[[nodiscard]] void* allocate_object(const _OBJECT_TYPE& type, std::size_t size_bytes) noexcept;
/// The same in memory of the caller's, zeroed and aligned to 16 bytes. Its last reference is never dropped.
inline constexpr std::size_t kObjectHeaderBytes = 32;
[[nodiscard]] void* construct_object(const _OBJECT_TYPE& type, void* memory) noexcept;
/// IRQL <= DISPATCH_LEVEL for both. `body` is one that these two gave; anything else is a bug check where it can
/// be told. The last reference calls destroy() in the thread that drops it.
void reference_object(void* body) noexcept;
void dereference_object(void* body) noexcept;
const _OBJECT_TYPE& object_type(void* body) noexcept;

/// The handles of this process. A handle holds one reference.
class HandleTable {
 public:
  HandleTable() = default;
  ~HandleTable() noexcept;
  HandleTable(const HandleTable&) = delete;
  HandleTable& operator=(const HandleTable&) = delete;

  /// Takes a reference of its own. Null when memory is short.
  [[nodiscard]] HANDLE open(void* body) noexcept SOFTNDK_EXCLUDES(mutex_);
  /// The object with a reference for the caller. STATUS_INVALID_HANDLE, STATUS_OBJECT_TYPE_MISMATCH (`type` null: any).
  NTSTATUS reference(HANDLE handle, const _OBJECT_TYPE* type, void** body) noexcept SOFTNDK_EXCLUDES(mutex_);
  NTSTATUS close(HANDLE handle) noexcept SOFTNDK_EXCLUDES(mutex_);
  /// Drops what drivers left open and returns how many that were.
  unsigned close_all() noexcept SOFTNDK_EXCLUDES(mutex_);

 private:
  void** slot(HANDLE handle) noexcept SOFTNDK_REQUIRES(mutex_);

  Mutex mutex_;
  void** bodies_ SOFTNDK_GUARDED_BY(mutex_) = nullptr;  // null: free; handle = 4 * (index + 1)
  std::size_t room_ SOFTNDK_GUARDED_BY(mutex_) = 0;
};

}  // namespace softndk::ntrt
