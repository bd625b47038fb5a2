#pragma once
// UTF-8 and UTF-16, one code point at a time, and letter case as the registry and RtlUpcaseUnicodeChar see it. What is
// not well formed comes out as U+FFFD; nothing here fails.
#include <cstddef>
#include <string_view>

#include "wdk/ntdef.h"

namespace softndk::ntrt {

using Text16 = std::u16string_view;

/// Takes one code point off the front of [at, end), which is not empty.
char32_t take_utf8(const char*& at, const char* end) noexcept;
char32_t take_utf16(const WCHAR*& at, const WCHAR* end) noexcept;
/// Returns how many units it took: 1 or 2, 1 to 4.
unsigned put_utf16(char32_t point, WCHAR (&to)[2]) noexcept;
unsigned put_utf8(char32_t point, char (&to)[4]) noexcept;

/// The capital of a letter with a capital of one unit (Latin, Greek, Cyrillic); anything else is itself.
WCHAR upcase(WCHAR unit) noexcept;
WCHAR downcase(WCHAR unit) noexcept;
/// Negative, zero, positive, as Windows compares names.
int compare_text(Text16 a, Text16 b, bool ignore_case) noexcept;
inline bool same_name(Text16 a, Text16 b) noexcept {
  return compare_text(a, b, true) == 0;
}

inline Text16 text_of(const UNICODE_STRING& string) noexcept {
  return {string.Buffer, string.Length / sizeof(WCHAR)};
}

}  // namespace softndk::ntrt
