#pragma once
// From NT paths to the host's: "\??\C:\logs\probe.txt" is a file in the folder that stands for "\??\C:".
#include <span>
#include <string_view>

#include "base/array.h"
#include "base/thread_safety.h"
#include "ntrt/utf.h"
#include "wdk/ntstatus.h"

namespace softndk::ntrt {

class PathMap {
 public:
  /// "C:=/tmp/c;\Device\Results=/tmp/results": beginnings of NT paths (a drive means "\??\C:"), and the folders behind
  /// them. Replaces what was there. STATUS_INVALID_PARAMETER (nothing changed) or STATUS_INSUFFICIENT_RESOURCES.
  NTSTATUS set(std::string_view text) noexcept SOFTNDK_EXCLUDES(mutex_);
  /// Whether set() would take it.
  static bool is_valid(std::string_view text) noexcept;

  /// The host's path, terminated. An existing file is found whatever the case of the letters of its path.
  /// STATUS_OBJECT_PATH_NOT_FOUND: no entry covers it; STATUS_OBJECT_NAME_INVALID: "..", or too long.
  NTSTATUS translate(Text16 nt_path, std::span<char> to) noexcept SOFTNDK_EXCLUDES(mutex_);

 private:
  struct Entry {
    Array<WCHAR> prefix;  // without a backslash at its end
    Array<char> folder;   // without a slash at its end, terminated
  };

  const Entry* find(Text16 nt_path) noexcept SOFTNDK_REQUIRES(mutex_);

  Mutex mutex_;
  Array<Entry> entries_ SOFTNDK_GUARDED_BY(mutex_);
};

}  // namespace softndk::ntrt
