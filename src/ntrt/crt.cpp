// What wdk/detail/crt.h sends here.
#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstring>

#include "ntrt/rtl_print.h"
#include "ntrt/utf.h"

namespace softndk::ntrt {
namespace {

template <class Unit>
std::size_t length_of(const Unit* text) {
  std::size_t length = 0;
  while (text[length] != 0)
    ++length;
  return length;
}

WCHAR lower(WCHAR unit) {
  return downcase(unit);
}
unsigned char lower(char byte) {
  return static_cast<unsigned char>(byte >= 'A' && byte <= 'Z' ? byte + 32 : byte);
}
WCHAR same(WCHAR unit) {
  return unit;
}

template <class Unit, class Fold>
int compare(const Unit* a, const Unit* b, std::size_t count, Fold fold) {
  for (std::size_t i = 0; i < count; ++i) {
    const int left = fold(a[i]), right = fold(b[i]);
    if (left != right) return left < right ? -1 : 1;
    if (left == 0) return 0;
  }
  return 0;
}

/// Appends after `at` units; an error number, and an empty text, where it does not fit.
template <class Unit>
int put(Unit* to, std::size_t room, std::size_t at, const Unit* from) {
  if (to == nullptr || room == 0) return EINVAL;
  const std::size_t length = from == nullptr ? 0 : length_of(from);
  if (from != nullptr && at < room && length < room - at) {
    std::copy_n(from, length + 1, to + at);
    return 0;
  }
  to[0] = 0;
  return from == nullptr ? EINVAL : ERANGE;
}

template <class Unit>
int append(Unit* to, std::size_t room, const Unit* from) {
  if (to == nullptr || room == 0) return EINVAL;
  std::size_t length = 0;
  while (length < room && to[length] != 0)
    ++length;
  return put(to, room, length, from);
}

int print(char* to, std::size_t room, const char* format, std::va_list arguments) {
  const std::size_t length = nt_format(to, room, format, arguments);
  return length < room ? static_cast<int>(length) : -1;
}

}  // namespace
}  // namespace softndk::ntrt

using namespace softndk::ntrt;

#define SOFTNDK_CRT __attribute__((visibility("default")))

extern "C" {

SOFTNDK_CRT std::size_t SoftNdkWcslen(const WCHAR* text) noexcept {
  return length_of(text);
}

SOFTNDK_CRT WCHAR* SoftNdkWcscpy(WCHAR* to, const WCHAR* from) noexcept {
  std::copy_n(from, length_of(from) + 1, to);
  return to;
}

SOFTNDK_CRT WCHAR* SoftNdkWcscat(WCHAR* to, const WCHAR* from) noexcept {
  std::copy_n(from, length_of(from) + 1, to + length_of(to));
  return to;
}

SOFTNDK_CRT WCHAR* SoftNdkWcsncpy(WCHAR* to, const WCHAR* from, std::size_t count) noexcept {
  std::size_t i = 0;
  for (; i < count && from[i] != 0; ++i)
    to[i] = from[i];
  std::fill(to + i, to + count, WCHAR{0});
  return to;
}

SOFTNDK_CRT int SoftNdkWcscmp(const WCHAR* a, const WCHAR* b) noexcept {
  return compare(a, b, SIZE_MAX, same);
}

SOFTNDK_CRT int SoftNdkWcsncmp(const WCHAR* a, const WCHAR* b, std::size_t count) noexcept {
  return compare(a, b, count, same);
}

SOFTNDK_CRT int SoftNdkWcsicmp(const WCHAR* a, const WCHAR* b) noexcept {
  return compare(a, b, SIZE_MAX, [](WCHAR unit) { return lower(unit); });
}

SOFTNDK_CRT int SoftNdkWcsnicmp(const WCHAR* a, const WCHAR* b, std::size_t count) noexcept {
  return compare(a, b, count, [](WCHAR unit) { return lower(unit); });
}

SOFTNDK_CRT std::size_t SoftNdkWcstombs(char* to, const WCHAR* from, std::size_t room) noexcept {
  std::size_t length = 0;
  for (const WCHAR *at = from, *end = from + length_of(from); at != end;) {
    char bytes[4];
    const unsigned count = put_utf8(take_utf16(at, end), bytes);
    if (to != nullptr && length + count > room) return length;
    if (to != nullptr) std::copy_n(bytes, count, to + length);
    length += count;
  }
  if (to != nullptr && length < room) to[length] = '\0';
  return length;
}

SOFTNDK_CRT int SoftNdkVsnprintf(char* to, std::size_t room, const char* format, va_list arguments) noexcept {
  return print(to, room, format, arguments);
}

SOFTNDK_CRT int SoftNdkSnprintf(char* to, std::size_t room, const char* format, ...) noexcept {
  va_list arguments;
  va_start(arguments, format);
  const int length = print(to, room, format, arguments);
  va_end(arguments);
  return length;
}

SOFTNDK_CRT int SoftNdkSprintfS(char* to, std::size_t room, const char* format, ...) noexcept {
  va_list arguments;
  va_start(arguments, format);
  const int length = print(to, room, format, arguments);
  va_end(arguments);
  if (length < 0 && room != 0) to[0] = '\0';
  return length;
}

SOFTNDK_CRT int SoftNdkStricmp(const char* a, const char* b) noexcept {
  return compare(a, b, SIZE_MAX, [](char byte) { return lower(byte); });
}

SOFTNDK_CRT int SoftNdkStrnicmp(const char* a, const char* b, std::size_t count) noexcept {
  return compare(a, b, count, [](char byte) { return lower(byte); });
}

SOFTNDK_CRT int SoftNdkStrcpyS(char* to, std::size_t room, const char* from) noexcept {
  return put(to, room, 0, from);
}

SOFTNDK_CRT int SoftNdkStrcatS(char* to, std::size_t room, const char* from) noexcept {
  return append(to, room, from);
}

SOFTNDK_CRT int SoftNdkWcscpyS(WCHAR* to, std::size_t room, const WCHAR* from) noexcept {
  return put(to, room, 0, from);
}

SOFTNDK_CRT int SoftNdkWcscatS(WCHAR* to, std::size_t room, const WCHAR* from) noexcept {
  return append(to, room, from);
}

SOFTNDK_CRT int SoftNdkMemcpyS(void* to, std::size_t room, const void* from, std::size_t count) noexcept {
  if (count == 0) return 0;
  if (to == nullptr) return EINVAL;
  if (from != nullptr && count <= room) {
    std::memmove(to, from, count);
    return 0;
  }
  std::memset(to, 0, room);
  return from == nullptr ? EINVAL : ERANGE;
}

}  // extern "C"
