#include "ntrt/registry.h"

#include "ntrt/kernel.h"
#include "wdk/ntstatus.h"

namespace softndk::ntrt {
namespace {

constexpr std::size_t kNameUnitsMax = 255;  // of one part, as on Windows

void free_values(RegistryKey& key) {
  while (RegistryValue* value = key.values.pop_front())
    Owned<RegistryValue> gone(value);
}

/// Depth first, without recursion: a text file may nest as deep as it likes.
void free_keys(IntrusiveList<RegistryKey>& keys) {
  while (RegistryKey* key = keys.front()) {
    if (RegistryKey* child = key->keys.pop_front()) {
      keys.insert_after(nullptr, *child);
      continue;
    }
    IntrusiveList<RegistryKey>::remove(*key);
    free_values(*key);
    Owned<RegistryKey> gone(key);
  }
}

void touch(RegistryKey& key) {
  if (Kernel* running = kernel_if_running()) key.written_100ns = running->clock().wall_100ns();
}

/// The part before the next backslash; `path` moves past both.
Text16 take_part(Text16& path) {
  const std::size_t end = path.find(u'\\');
  const Text16 part = path.substr(0, end);
  path = end == Text16::npos ? Text16() : path.substr(end + 1);
  return part;
}

}  // namespace

Owned<Registry> Registry::create() noexcept {
  auto registry = try_make<Registry>();
  if (registry == nullptr || !registry->make_roots()) return nullptr;
  return registry;
}

bool Registry::make_roots() noexcept {
  MutexLock lock(mutex);
  RegistryKey* key = nullptr;
  return NT_SUCCESS(open(nullptr, u"\\Registry\\Machine", Missing::create_all, key)) &&
         NT_SUCCESS(open(nullptr, u"\\Registry\\User", Missing::create_all, key));
}

Registry::~Registry() {
  MutexLock lock(mutex);
  free_keys(root_.keys);
  free_keys(deleted_);
}

NTSTATUS Registry::open(RegistryKey* from, Text16 path, Missing missing, RegistryKey*& key, bool* created) noexcept {
  if (created != nullptr) *created = false;
  if (from == nullptr ? !path.starts_with(u'\\') : path.starts_with(u'\\')) return STATUS_OBJECT_PATH_SYNTAX_BAD;
  if (from != nullptr && from->deleted) return STATUS_KEY_DELETED;
  if (from == nullptr) path.remove_prefix(1);
  if (path.ends_with(u'\\')) path.remove_suffix(1);
  RegistryKey* at = from == nullptr ? &root_ : from;
  while (!path.empty()) {
    const Text16 part = take_part(path);
    if (part.empty() || part.size() > kNameUnitsMax) return STATUS_OBJECT_NAME_INVALID;
    RegistryKey* next = find_key(*at, part);
    if (next == nullptr) {
      const bool may_create = missing == Missing::create_all || (missing == Missing::create_last && path.empty());
      if (!may_create) return STATUS_OBJECT_NAME_NOT_FOUND;
      // Beside the roots there is nothing: "\Registrar\x" is a mistake, not a new tree.
      if (at == &root_ && !same_name(part, u"Registry")) return STATUS_OBJECT_NAME_NOT_FOUND;
      next = make_key(*at, part);
      if (next == nullptr) return STATUS_INSUFFICIENT_RESOURCES;
      if (created != nullptr) *created = true;
    }
    at = next;
  }
  key = at;
  return STATUS_SUCCESS;
}

RegistryKey* Registry::find_key(RegistryKey& parent, Text16 name) noexcept {
  RegistryKey* key = parent.keys.front();
  while (key != nullptr && !same_name(key->name_text(), name))
    key = parent.keys.after(*key);
  return key;
}

RegistryKey* Registry::make_key(RegistryKey& parent, Text16 name) noexcept {
  auto key = try_make<RegistryKey>();
  if (key == nullptr || !key->name.append(name)) return nullptr;
  key->parent = &parent;
  touch(*key);
  touch(parent);
  parent.keys.push_back(*key);
  return key.release();
}

RegistryValue* Registry::find_value(RegistryKey& key, Text16 name) noexcept {
  RegistryValue* value = key.values.front();
  while (value != nullptr && !same_name(value->name_text(), name))
    value = key.values.after(*value);
  return value;
}

NTSTATUS Registry::set_value(RegistryKey& key, Text16 name, ULONG type, std::span<const UCHAR> data) noexcept {
  if (key.deleted) return STATUS_KEY_DELETED;
  Array<UCHAR> copy;
  if (!copy.append(data)) return STATUS_INSUFFICIENT_RESOURCES;
  RegistryValue* value = find_value(key, name);
  if (value == nullptr) {
    auto made = try_make<RegistryValue>();
    if (made == nullptr || !made->name.append(name)) return STATUS_INSUFFICIENT_RESOURCES;
    key.values.push_back(*made);
    value = made.release();
  }
  value->type = type;
  value->data = std::move(copy);
  touch(key);
  return STATUS_SUCCESS;
}

NTSTATUS Registry::delete_value(RegistryKey& key, Text16 name) noexcept {
  if (key.deleted) return STATUS_KEY_DELETED;
  RegistryValue* value = find_value(key, name);
  if (value == nullptr) return STATUS_OBJECT_NAME_NOT_FOUND;
  IntrusiveList<RegistryValue>::remove(*value);
  Owned<RegistryValue> gone(value);
  touch(key);
  return STATUS_SUCCESS;
}

NTSTATUS Registry::delete_key(RegistryKey& key) noexcept {
  if (key.deleted) return STATUS_KEY_DELETED;
  const bool is_root = key.parent == nullptr || key.parent->parent == nullptr || key.parent->parent->parent == nullptr;
  if (is_root || !key.keys.empty()) return STATUS_CANNOT_DELETE;
  touch(*key.parent);
  IntrusiveList<RegistryKey>::remove(key);
  free_values(key);
  key.deleted = true;
  deleted_.push_back(key);
  return STATUS_SUCCESS;
}

}  // namespace softndk::ntrt
