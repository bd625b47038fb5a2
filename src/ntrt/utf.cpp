#include "ntrt/utf.h"

#include <algorithm>

namespace softndk::ntrt {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

struct Lead {
  unsigned trail;     // bytes that follow
  unsigned bits;      // of the lead byte that count
  char32_t smallest;  // what needs this many bytes
};

Lead lead_of(unsigned char byte) {
  if (byte >= 0xC2 && byte < 0xE0) return {1, byte & 0x1Fu, 0x80};
  if (byte >= 0xE0 && byte < 0xF0) return {2, byte & 0x0Fu, 0x800};
  if (byte >= 0xF0 && byte < 0xF5) return {3, byte & 0x07u, 0x10000};
  return {0, 0, 0};
}

bool is_surrogate(char32_t point) {
  return point >= 0xD800 && point < 0xE000;
}

}  // namespace

char32_t take_utf8(const char*& at, const char* end) noexcept {
  const auto first = static_cast<unsigned char>(*at++);
  if (first < 0x80) return first;
  const Lead lead = lead_of(first);
  if (lead.trail == 0 || static_cast<std::size_t>(end - at) < lead.trail) return kReplacement;
  char32_t point = lead.bits;
  for (unsigned i = 0; i < lead.trail; ++i) {
    const auto byte = static_cast<unsigned char>(at[i]);
    if ((byte & 0xC0) != 0x80) return kReplacement;
    point = point << 6 | (byte & 0x3Fu);
  }
  at += lead.trail;
  return point < lead.smallest || point > 0x10FFFF || is_surrogate(point) ? kReplacement : point;
}

char32_t take_utf16(const WCHAR*& at, const WCHAR* end) noexcept {
  const char32_t unit = *at++;
  if (!is_surrogate(unit)) return unit;
  if (unit >= 0xDC00 || at == end || *at < 0xDC00 || *at >= 0xE000) return kReplacement;
  return 0x10000 + ((unit - 0xD800) << 10) + (char32_t{*at++} - 0xDC00);
}

unsigned put_utf16(char32_t point, WCHAR (&to)[2]) noexcept {
  if (point < 0x10000) {
    to[0] = static_cast<WCHAR>(point);
    return 1;
  }
  to[0] = static_cast<WCHAR>(0xD800 + ((point - 0x10000) >> 10));
  to[1] = static_cast<WCHAR>(0xDC00 + ((point - 0x10000) & 0x3FF));
  return 2;
}

unsigned put_utf8(char32_t point, char (&to)[4]) noexcept {
  const auto trail = [point](unsigned shift) { return static_cast<char>(0x80 | (point >> shift & 0x3F)); };
  if (point < 0x80) {
    to[0] = static_cast<char>(point);
    return 1;
  }
  if (point < 0x800) {
    to[0] = static_cast<char>(0xC0 | point >> 6);
    to[1] = trail(0);
    return 2;
  }
  if (point < 0x10000) {
    to[0] = static_cast<char>(0xE0 | point >> 12);
    to[1] = trail(6);
    to[2] = trail(0);
    return 3;
  }
  to[0] = static_cast<char>(0xF0 | point >> 18);
  to[1] = trail(12);
  to[2] = trail(6);
  to[3] = trail(0);
  return 4;
}

WCHAR upcase(WCHAR unit) noexcept {
  const auto minus = [unit](int by) { return static_cast<WCHAR>(unit - by); };
  if (unit >= u'a' && unit <= u'z') return minus(32);
  if (unit < 0xE0) return unit;
  if (unit <= 0xFE) return unit == 0xF7 ? unit : minus(32);  // Latin-1
  if (unit == 0xFF) return 0x178;
  if (unit >= 0x100 && unit <= 0x137) return unit == 0x131 ? unit : static_cast<WCHAR>(unit & ~1);  // Latin Extended-A,
  if (unit >= 0x139 && unit <= 0x148) return (unit & 1) != 0 ? unit : minus(1);                     // in pairs
  if (unit >= 0x14A && unit <= 0x177) return static_cast<WCHAR>(unit & ~1);
  if (unit >= 0x3B1 && unit <= 0x3CB) return unit == 0x3C2 ? unit : minus(32);  // Greek
  if (unit >= 0x430 && unit <= 0x44F) return minus(32);                         // Cyrillic
  if (unit >= 0x450 && unit <= 0x45F) return minus(80);
  return unit;
}

WCHAR downcase(WCHAR unit) noexcept {
  // The inverse of upcase, by its own table: at most one letter of each block maps to `unit`.
  constexpr int kDistances[] = {32, 1, 80};
  for (const int distance : kDistances) {
    const auto lower = static_cast<WCHAR>(unit + distance);
    if (lower > unit && upcase(unit) == unit && upcase(lower) == unit && lower != unit) return lower;
  }
  return unit;
}

int compare_text(Text16 a, Text16 b, bool ignore_case) noexcept {
  const std::size_t common = std::min(a.size(), b.size());
  for (std::size_t i = 0; i < common; ++i) {
    const int left = ignore_case ? upcase(a[i]) : a[i];
    const int right = ignore_case ? upcase(b[i]) : b[i];
    if (left != right) return left - right;
  }
  return a.size() == b.size() ? 0 : a.size() < b.size() ? -1 : 1;
}

}  // namespace softndk::ntrt
