#pragma once
// The registry as text: the syntax of Registry Editor's files, as far as people write it by hand
// (docs/guide/registry-and-files.md). UTF-8, or UTF-16 with a byte order mark, which is what Registry Editor writes.
#include <span>

#include "ntrt/registry.h"

namespace softndk::ntrt {

/// Merges a file into the registry, keys made as needed. Each line that is wrong is logged with its number and left
/// out; STATUS_DATA_ERROR then. STATUS_OBJECT_NAME_NOT_FOUND and others when the file cannot be read.
NTSTATUS registry_load(Registry& registry, const char* path) noexcept SOFTNDK_EXCLUDES(registry.mutex);
/// The same from memory; `name` is what log lines call it.
NTSTATUS registry_parse(Registry& registry, std::span<const char> bytes, const char* name) noexcept
    SOFTNDK_EXCLUDES(registry.mutex);
/// Writes everything that holds a value, or is empty, so that registry_load makes the same registry of it.
NTSTATUS registry_save(Registry& registry, const char* path) noexcept SOFTNDK_EXCLUDES(registry.mutex);

}  // namespace softndk::ntrt
