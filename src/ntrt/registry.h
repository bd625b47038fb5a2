#pragma once
// The registry: a tree in memory, case-insensitive, filled from and written to text (registry_text.h). One for each
// kernel. A key that drivers know lives as long as the registry: a deleted one is only unlinked, so that handles of it
// stay harmless.
#include <cstdint>
#include <span>

#include "base/alloc.h"
#include "base/array.h"
#include "base/intrusive_list.h"
#include "base/thread_safety.h"
#include "ntrt/utf.h"

namespace softndk::ntrt {

struct RegistryValue : ListLink {
  Array<WCHAR> name;  ///< empty: the key's default value
  ULONG type = 0;
  Array<UCHAR> data;

  Text16 name_text() const { return {name.begin(), name.size()}; }
};

struct RegistryKey : ListLink {
  RegistryKey* parent = nullptr;
  Array<WCHAR> name;
  IntrusiveList<RegistryKey> keys;  // in order of creation, as are the values
  IntrusiveList<RegistryValue> values;
  std::uint64_t written_100ns = 0;
  bool deleted = false;

  Text16 name_text() const { return {name.begin(), name.size()}; }
};

class Registry {
 public:
  Registry() = default;
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;
  /// With "\Registry\Machine" and "\Registry\User" in it; null when memory is short.
  static Owned<Registry> create() noexcept;

  Mutex mutex;

  enum class Missing : std::uint8_t {
    fail,         ///< STATUS_OBJECT_NAME_NOT_FOUND
    create_last,  ///< the last part is made, as ZwCreateKey does
    create_all,   ///< each part is
  };
  /// `path` is absolute ("\Registry\...") where `from` is null, and relative without a leading backslash otherwise.
  NTSTATUS open(RegistryKey* from, Text16 path, Missing missing, RegistryKey*& key, bool* created = nullptr) noexcept
      SOFTNDK_REQUIRES(mutex);
  /// Null: no such value.
  RegistryValue* find_value(RegistryKey& key, Text16 name) noexcept SOFTNDK_REQUIRES(mutex);
  NTSTATUS set_value(RegistryKey& key, Text16 name, ULONG type, std::span<const UCHAR> data) noexcept
      SOFTNDK_REQUIRES(mutex);
  NTSTATUS delete_value(RegistryKey& key, Text16 name) noexcept SOFTNDK_REQUIRES(mutex);
  /// STATUS_CANNOT_DELETE while it has subkeys; a root cannot be deleted either.
  NTSTATUS delete_key(RegistryKey& key) noexcept SOFTNDK_REQUIRES(mutex);
  RegistryKey& root() noexcept SOFTNDK_REQUIRES(mutex) { return root_; }

 private:
  bool make_roots() noexcept SOFTNDK_EXCLUDES(mutex);
  RegistryKey* find_key(RegistryKey& parent, Text16 name) noexcept SOFTNDK_REQUIRES(mutex);
  RegistryKey* make_key(RegistryKey& parent, Text16 name) noexcept SOFTNDK_REQUIRES(mutex);

  RegistryKey root_ SOFTNDK_GUARDED_BY(mutex);
  IntrusiveList<RegistryKey> deleted_ SOFTNDK_GUARDED_BY(mutex);
};

}  // namespace softndk::ntrt
