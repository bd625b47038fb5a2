#pragma once
// What a process says of itself to ndkstat: one JSON document. docs/notes/0007 has its shape.
#include "base/array.h"
#include "runtime/runtime.h"
#include "runtime/settings_table.h"

namespace softndk::runtime {

/// The number of the document's format: it changes when a key goes or changes its meaning, not when one is added.
inline constexpr unsigned kProcessDocumentSchema = 1;

/// Asks the adapters' OIDs like any other client of NDIS: PASSIVE_LEVEL, a thread that may block. Empty when memory is
/// short.
Array<char> describe_process(const Runtime& runtime, const SettingValues& settings, int pid) noexcept;

}  // namespace softndk::runtime
