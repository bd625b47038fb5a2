// ZwOpenKey and its kin over the kernel's registry. As in the kernel, an access right is not looked at again when a
// handle is used.
#include <algorithm>
#include <cstring>

#include "ntrt/irql.h"
#include "ntrt/kernel.h"
#include "ntrt/object.h"
#include "ntrt/registry.h"
#include "wdk/ntddk.h"

namespace softndk::ntrt {
namespace {

struct KeyObject {
  RegistryKey* key;
};
const _OBJECT_TYPE kKeyType{"registry key", nullptr};

/// A handle's key for the length of a call.
class KeyOf {
 public:
  explicit KeyOf(HANDLE handle) noexcept {
    void* body = nullptr;
    status_ = kernel().handles().reference(handle, &kKeyType, &body);
    if (NT_SUCCESS(status_)) object_ = static_cast<KeyObject*>(body);
  }
  ~KeyOf() noexcept {
    if (object_ != nullptr) dereference_object(object_);
  }
  KeyOf(const KeyOf&) = delete;
  KeyOf& operator=(const KeyOf&) = delete;
  NTSTATUS status() const { return status_; }
  RegistryKey& key() const { return *object_->key; }
  RegistryKey* key_or_null() const { return object_ == nullptr ? nullptr : object_->key; }

 private:
  NTSTATUS status_;
  KeyObject* object_ = nullptr;
};

NTSTATUS open_key(PHANDLE handle, const OBJECT_ATTRIBUTES* attributes, Registry::Missing missing, ULONG* disposition) {
  if (handle == nullptr || attributes == nullptr || attributes->ObjectName == nullptr) return STATUS_INVALID_PARAMETER;
  HANDLE parent = attributes->RootDirectory;
  KeyOf root(parent);
  if (parent != nullptr && !NT_SUCCESS(root.status())) return root.status();
  // The handle's object first: a key that was made is there, whoever failed to open it.
  auto* object = static_cast<KeyObject*>(allocate_object(kKeyType, sizeof(KeyObject)));
  if (object == nullptr) return STATUS_INSUFFICIENT_RESOURCES;
  Registry& registry = kernel().registry();
  bool created = false;
  NTSTATUS status;
  {
    MutexLock lock(registry.mutex);
    status = registry.open(root.key_or_null(), text_of(*attributes->ObjectName), missing, object->key, &created);
  }
  if (NT_SUCCESS(status)) {
    const HANDLE opened = kernel().handles().open(object);
    if (opened != nullptr) {
      *handle = opened;
      if (disposition != nullptr) *disposition = created ? REG_CREATED_NEW_KEY : REG_OPENED_EXISTING_KEY;
    } else {
      status = STATUS_INSUFFICIENT_RESOURCES;
    }
  }
  dereference_object(object);
  return status;
}

/// A consumer's buffer that takes what fits, in the two ways in which it can be too small.
class Answer {
 public:
  Answer(void* to, ULONG room, ULONG* needed) : to_(static_cast<UCHAR*>(to)), room_(room), needed_(needed) {}
  void put(std::size_t offset, const void* from, std::size_t bytes) {
    end_ = std::max(end_, offset + bytes);
    if (to_ == nullptr || offset >= room_ || bytes == 0) return;
    std::memcpy(to_ + offset, from, std::min(bytes, room_ - offset));
  }
  template <class Number>
  void put(std::size_t offset, Number value) {
    put(offset, &value, sizeof value);
  }
  NTSTATUS finish(std::size_t fixed_bytes) {
    if (needed_ != nullptr) *needed_ = static_cast<ULONG>(end_);
    if (to_ == nullptr || room_ < fixed_bytes) return STATUS_BUFFER_TOO_SMALL;
    return room_ < end_ ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;
  }

 private:
  UCHAR* to_;
  std::size_t room_;
  ULONG* needed_;
  std::size_t end_ = 0;
};

#define SOFTNDK_PUT(answer, structure, field, value) \
  (answer).put(offsetof(structure, field), static_cast<decltype(structure::field)>(value))

NTSTATUS describe_value(const RegistryValue& value, KEY_VALUE_INFORMATION_CLASS kind, Answer answer) {
  const std::size_t name_bytes = value.name.size() * sizeof(WCHAR);
  const std::size_t data_bytes = value.data.size();
  switch (kind) {
    case KeyValueBasicInformation: {
      using Basic = KEY_VALUE_BASIC_INFORMATION;
      SOFTNDK_PUT(answer, Basic, TitleIndex, 0);
      SOFTNDK_PUT(answer, Basic, Type, value.type);
      SOFTNDK_PUT(answer, Basic, NameLength, name_bytes);
      answer.put(offsetof(Basic, Name), value.name.begin(), name_bytes);
      return answer.finish(offsetof(Basic, Name));
    }
    case KeyValueFullInformation:
    case KeyValueFullInformationAlign64: {
      using Full = KEY_VALUE_FULL_INFORMATION;
      const std::size_t alignment = kind == KeyValueFullInformation ? sizeof(ULONG) : sizeof(ULONG64);
      const std::size_t data_at = (offsetof(Full, Name) + name_bytes + alignment - 1) & ~(alignment - 1);
      SOFTNDK_PUT(answer, Full, TitleIndex, 0);
      SOFTNDK_PUT(answer, Full, Type, value.type);
      SOFTNDK_PUT(answer, Full, DataOffset, data_at);
      SOFTNDK_PUT(answer, Full, DataLength, data_bytes);
      SOFTNDK_PUT(answer, Full, NameLength, name_bytes);
      answer.put(offsetof(Full, Name), value.name.begin(), name_bytes);
      answer.put(data_at, value.data.begin(), data_bytes);
      return answer.finish(offsetof(Full, Name));
    }
    case KeyValuePartialInformation: {
      using Partial = KEY_VALUE_PARTIAL_INFORMATION;
      SOFTNDK_PUT(answer, Partial, TitleIndex, 0);
      SOFTNDK_PUT(answer, Partial, Type, value.type);
      SOFTNDK_PUT(answer, Partial, DataLength, data_bytes);
      answer.put(offsetof(Partial, Data), value.data.begin(), data_bytes);
      return answer.finish(offsetof(Partial, Data));
    }
    case KeyValuePartialInformationAlign64: {
      using Partial = KEY_VALUE_PARTIAL_INFORMATION_ALIGN64;
      SOFTNDK_PUT(answer, Partial, Type, value.type);
      SOFTNDK_PUT(answer, Partial, DataLength, data_bytes);
      answer.put(offsetof(Partial, Data), value.data.begin(), data_bytes);
      return answer.finish(offsetof(Partial, Data));
    }
    default:
      return STATUS_INVALID_PARAMETER;
  }
}

NTSTATUS describe_key(RegistryKey& key, KEY_INFORMATION_CLASS kind, Answer answer) {
  const std::size_t name_bytes = key.name.size() * sizeof(WCHAR);
  LARGE_INTEGER written;
  written.QuadPart = static_cast<LONGLONG>(key.written_100ns);
  if (kind == KeyBasicInformation) {
    using Basic = KEY_BASIC_INFORMATION;
    answer.put(offsetof(Basic, LastWriteTime), written);
    SOFTNDK_PUT(answer, Basic, TitleIndex, 0);
    SOFTNDK_PUT(answer, Basic, NameLength, name_bytes);
    answer.put(offsetof(Basic, Name), key.name.begin(), name_bytes);
    return answer.finish(offsetof(Basic, Name));
  }
  if (kind != KeyFullInformation) return STATUS_INVALID_PARAMETER;
  KEY_FULL_INFORMATION full = {};
  full.LastWriteTime = written;
  full.ClassOffset = ~ULONG{0};  // no class
  for (RegistryKey* child = key.keys.front(); child != nullptr; child = key.keys.after(*child)) {
    ++full.SubKeys;
    full.MaxNameLen = std::max<ULONG>(full.MaxNameLen, static_cast<ULONG>(child->name.size() * sizeof(WCHAR)));
  }
  for (RegistryValue* value = key.values.front(); value != nullptr; value = key.values.after(*value)) {
    ++full.Values;
    full.MaxValueNameLen =
        std::max<ULONG>(full.MaxValueNameLen, static_cast<ULONG>(value->name.size() * sizeof(WCHAR)));
    full.MaxValueDataLen = std::max<ULONG>(full.MaxValueDataLen, static_cast<ULONG>(value->data.size()));
  }
  answer.put(0, &full, offsetof(KEY_FULL_INFORMATION, Class));
  return answer.finish(offsetof(KEY_FULL_INFORMATION, Class));
}

template <class T>
T* nth(IntrusiveList<T>& list, ULONG index) {
  T* at = list.front();
  while (at != nullptr && index-- > 0)
    at = list.after(*at);
  return at;
}

/// Runs `work(key)` under the registry's lock on a handle's key, which is not deleted.
template <class Work>
NTSTATUS with_key(HANDLE handle, Work work) {
  KeyOf found(handle);
  if (!NT_SUCCESS(found.status())) return found.status();
  MutexLock lock(kernel().registry().mutex);
  return found.key().deleted ? NTSTATUS{STATUS_KEY_DELETED} : work(found.key());
}

Text16 name_or_default(const UNICODE_STRING* name) {
  return name == nullptr ? Text16() : text_of(*name);
}

}  // namespace
}  // namespace softndk::ntrt

using namespace softndk;
using namespace softndk::ntrt;

extern "C" {

NTSTATUS ZwOpenKey(PHANDLE handle, ACCESS_MASK, POBJECT_ATTRIBUTES attributes) noexcept {
  check_irql(EntryPoint::ZwOpenKey);
  return open_key(handle, attributes, Registry::Missing::fail, nullptr);
}

NTSTATUS ZwCreateKey(PHANDLE handle, ACCESS_MASK, POBJECT_ATTRIBUTES attributes, ULONG, PUNICODE_STRING, ULONG,
                     PULONG disposition) noexcept {
  check_irql(EntryPoint::ZwCreateKey);
  return open_key(handle, attributes, Registry::Missing::create_last, disposition);
}

NTSTATUS ZwQueryValueKey(HANDLE handle, PUNICODE_STRING name, KEY_VALUE_INFORMATION_CLASS kind, PVOID to, ULONG room,
                         PULONG needed) noexcept {
  check_irql(EntryPoint::ZwQueryValueKey);
  return with_key(handle, [&](RegistryKey& key) SOFTNDK_NO_ANALYSIS -> NTSTATUS {
    const RegistryValue* value = kernel().registry().find_value(key, name_or_default(name));
    if (value == nullptr) return STATUS_OBJECT_NAME_NOT_FOUND;
    return describe_value(*value, kind, Answer(to, room, needed));
  });
}

NTSTATUS ZwSetValueKey(HANDLE handle, PUNICODE_STRING name, ULONG, ULONG type, PVOID data, ULONG bytes) noexcept {
  check_irql(EntryPoint::ZwSetValueKey);
  if (data == nullptr && bytes != 0) return STATUS_ACCESS_VIOLATION;
  return with_key(handle, [&](RegistryKey& key) SOFTNDK_NO_ANALYSIS {
    return kernel().registry().set_value(key, name_or_default(name), type, {static_cast<const UCHAR*>(data), bytes});
  });
}

NTSTATUS ZwDeleteValueKey(HANDLE handle, PUNICODE_STRING name) noexcept {
  check_irql(EntryPoint::ZwSetValueKey);
  return with_key(handle, [&](RegistryKey& key) SOFTNDK_NO_ANALYSIS {
    return kernel().registry().delete_value(key, name_or_default(name));
  });
}

NTSTATUS ZwDeleteKey(HANDLE handle) noexcept {
  check_irql(EntryPoint::ZwCreateKey);
  return with_key(handle, [](RegistryKey& key) SOFTNDK_NO_ANALYSIS { return kernel().registry().delete_key(key); });
}

NTSTATUS ZwEnumerateValueKey(HANDLE handle, ULONG index, KEY_VALUE_INFORMATION_CLASS kind, PVOID to, ULONG room,
                             PULONG needed) noexcept {
  check_irql(EntryPoint::ZwQueryValueKey);
  return with_key(handle, [&](RegistryKey& key) -> NTSTATUS {
    const RegistryValue* value = nth(key.values, index);
    return value == nullptr ? NTSTATUS{STATUS_NO_MORE_ENTRIES} : describe_value(*value, kind, Answer(to, room, needed));
  });
}

NTSTATUS ZwEnumerateKey(HANDLE handle, ULONG index, KEY_INFORMATION_CLASS kind, PVOID to, ULONG room,
                        PULONG needed) noexcept {
  check_irql(EntryPoint::ZwOpenKey);
  return with_key(handle, [&](RegistryKey& key) -> NTSTATUS {
    RegistryKey* child = nth(key.keys, index);
    return child == nullptr ? NTSTATUS{STATUS_NO_MORE_ENTRIES} : describe_key(*child, kind, Answer(to, room, needed));
  });
}

NTSTATUS ZwQueryKey(HANDLE handle, KEY_INFORMATION_CLASS kind, PVOID to, ULONG room, PULONG needed) noexcept {
  check_irql(EntryPoint::ZwOpenKey);
  return with_key(handle, [&](RegistryKey& key) { return describe_key(key, kind, Answer(to, room, needed)); });
}

NTSTATUS ZwFlushKey(HANDLE handle) noexcept {
  check_irql(EntryPoint::ZwSetValueKey);
  return with_key(handle, [](RegistryKey&) -> NTSTATUS { return STATUS_SUCCESS; });
}

}  // extern "C"
