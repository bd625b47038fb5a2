#include "ntrt/rtl_print.h"

#include <algorithm>
#include <atomic>
#include <cinttypes>
#include <cstdio>
#include <cstring>

#include "ntrt/utf.h"
#include "wdk/ntddk.h"

namespace softndk::ntrt {
namespace {

/// Keeps what fits, counts everything.
class Output {
 public:
  Output(char* to, std::size_t room) : to_(to), room_(room) {}
  void put(char c) {
    if (length_ + 1 < room_) to_[length_] = c;
    ++length_;
  }
  void put(const char* text, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i)
      put(text[i]);
  }
  void pad(char with, std::size_t count) {
    while (count-- > 0)
      put(with);
  }
  std::size_t finish() {
    if (room_ != 0) to_[std::min(length_, room_ - 1)] = '\0';
    return length_;
  }

 private:
  char* to_;
  std::size_t room_;
  std::size_t length_ = 0;
};

enum class Size : std::uint8_t { none, hh, h, l, ll, w, pointer, extended };

struct Conversion {
  bool left = false, plus = false, space = false, zero = false, alternate = false;
  std::size_t width = 0;
  bool has_precision = false;
  std::size_t precision = 0;
  Size size = Size::none;
  char type = 0;

  bool is_64_bit() const { return size == Size::ll || size == Size::pointer; }
};

/// The arguments in a struct, so that a function that takes some leaves the rest to its caller.
struct Arguments {
  std::va_list list;
  bool wide_format;  // %s and %c are wide, %S and %C narrow
};

constexpr std::size_t kWidthMax = 4096;  // a wrong argument for * must not print for hours
constexpr std::size_t kNumberMax = 1 << 20;

std::size_t read_number(const char*& at) {
  std::size_t number = 0;
  while (*at >= '0' && *at <= '9')
    number = std::min(kNumberMax, number * 10 + static_cast<std::size_t>(*at++ - '0'));
  return number;
}

Size read_size(const char*& at) {
  switch (*at) {
    case 'h':
      ++at;
      if (*at != 'h') return Size::h;
      ++at;
      return Size::hh;
    case 'l':
      ++at;
      if (*at != 'l') return Size::l;
      ++at;
      return Size::ll;
    case 'w':
      ++at;
      return Size::w;
    case 'L':
      ++at;
      return Size::extended;
    case 'j':
    case 'z':
    case 't':
      ++at;
      return Size::pointer;
    case 'I':
      ++at;
      if (std::strncmp(at, "64", 2) == 0) {
        at += 2;
        return Size::ll;
      }
      if (std::strncmp(at, "32", 2) == 0) {
        at += 2;
        return Size::l;
      }
      return Size::pointer;
    default:
      return Size::none;
  }
}

Conversion read_conversion(const char*& at, Arguments& arguments) {
  Conversion conversion;
  for (;; ++at) {
    if (*at == '-')
      conversion.left = true;
    else if (*at == '+')
      conversion.plus = true;
    else if (*at == ' ')
      conversion.space = true;
    else if (*at == '0')
      conversion.zero = true;
    else if (*at == '#')
      conversion.alternate = true;
    else
      break;
  }
  if (*at == '*') {
    ++at;
    const long long width = va_arg(arguments.list, int);
    if (width < 0) conversion.left = true;
    conversion.width = std::min<std::size_t>(kWidthMax, static_cast<std::size_t>(width < 0 ? -width : width));
  } else {
    conversion.width = std::min(kWidthMax, read_number(at));
  }
  if (*at == '.') {
    ++at;
    conversion.has_precision = true;
    if (*at == '*') {
      ++at;
      const int precision = va_arg(arguments.list, int);
      conversion.has_precision = precision >= 0;
      conversion.precision = precision < 0 ? 0 : static_cast<std::size_t>(precision);
    } else {
      conversion.precision = read_number(at);
    }
  }
  conversion.size = read_size(at);
  conversion.type = *at;
  if (*at != '\0') ++at;
  return conversion;
}

void print_integer(Output& out, const Conversion& c, std::uint64_t magnitude, unsigned base, bool upper,
                   const char* prefix) {
  char digits[24];
  std::size_t count = 0;
  const char* const alphabet = upper ? "0123456789ABCDEF" : "0123456789abcdef";
  for (std::uint64_t rest = magnitude; rest != 0; rest /= base)
    digits[count++] = alphabet[rest % base];
  const std::size_t digits_min = c.has_precision ? std::min(kWidthMax, c.precision) : 1;
  std::size_t zeros = count < digits_min ? digits_min - count : 0;
  if (c.alternate && base == 8 && zeros == 0) zeros = 1;
  const std::size_t prefix_length = std::strlen(prefix);
  std::size_t length = prefix_length + zeros + count;
  if (c.zero && !c.left && !c.has_precision && length < c.width) {
    zeros += c.width - length;
    length = c.width;
  }
  const std::size_t padding = length < c.width ? c.width - length : 0;
  if (!c.left) out.pad(' ', padding);
  out.put(prefix, prefix_length);
  out.pad('0', zeros);
  while (count > 0)
    out.put(digits[--count]);
  if (c.left) out.pad(' ', padding);
}

void print_signed(Output& out, const Conversion& c, Arguments& arguments) {
  std::int64_t value = c.is_64_bit() ? va_arg(arguments.list, long long) : va_arg(arguments.list, int);
  if (c.size == Size::h) value = static_cast<std::int16_t>(value);
  if (c.size == Size::hh) value = static_cast<std::int8_t>(value);
  const auto magnitude = value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  print_integer(out, c, magnitude, 10, false, value < 0 ? "-" : c.plus ? "+" : c.space ? " " : "");
}

void print_unsigned(Output& out, const Conversion& c, Arguments& arguments) {
  std::uint64_t value = c.is_64_bit() ? va_arg(arguments.list, unsigned long long) : va_arg(arguments.list, unsigned);
  if (c.size == Size::h) value = static_cast<std::uint16_t>(value);
  if (c.size == Size::hh) value = static_cast<std::uint8_t>(value);
  const unsigned base = c.type == 'o' ? 8 : c.type == 'u' ? 10 : 16;
  const char* prefix = "";
  if (c.alternate && base == 16 && value != 0) prefix = c.type == 'X' ? "0X" : "0x";
  print_integer(out, c, value, base, c.type == 'X', prefix);
}

void print_pointer(Output& out, Conversion c, Arguments& arguments) {
  c.has_precision = true;
  c.precision = 16;
  print_integer(out, c, reinterpret_cast<std::uintptr_t>(va_arg(arguments.list, void*)), 16, true,
                c.alternate ? "0X" : "");
}

/// Up to `units` bytes of `text`, or up to its zero if `terminated`.
void print_narrow(Output& out, const Conversion& c, const char* text, std::size_t units, bool terminated) {
  if (c.has_precision) units = std::min(units, c.precision);
  const std::size_t bytes = terminated ? strnlen(text, units) : units;
  const std::size_t padding = bytes < c.width ? c.width - bytes : 0;
  if (!c.left) out.pad(c.zero ? '0' : ' ', padding);
  out.put(text, bytes);
  if (c.left) out.pad(' ', padding);
}

/// UTF-16, as UTF-8; half a surrogate pair comes out as U+FFFD.
void print_wide(Output& out, const Conversion& c, const WCHAR* text, std::size_t units, bool terminated) {
  if (c.has_precision) units = std::min(units, c.precision);
  std::size_t count = 0;
  while (count < units && !(terminated && text[count] == 0))
    ++count;
  const std::size_t padding = count < c.width ? c.width - count : 0;
  if (!c.left) out.pad(c.zero ? '0' : ' ', padding);
  for (const WCHAR *at = text, *end = text + count; at != end;) {
    char bytes[4];
    const unsigned length = put_utf8(take_utf16(at, end), bytes);
    out.put(bytes, length);
  }
  if (c.left) out.pad(' ', padding);
}

void print_string(Output& out, const Conversion& c, Arguments& arguments) {
  const void* text = va_arg(arguments.list, const void*);
  const bool size_wide = c.size == Size::l || c.size == Size::w;
  const bool size_narrow = c.size == Size::h || c.size == Size::hh;
  const bool wide = size_wide || (!size_narrow && (c.type == 's') == arguments.wide_format);
  if (text == nullptr) {
    print_narrow(out, c, "(null)", 6, true);
  } else if (wide) {
    print_wide(out, c, static_cast<const WCHAR*>(text), SIZE_MAX, true);
  } else {
    print_narrow(out, c, static_cast<const char*>(text), SIZE_MAX, true);
  }
}

void print_counted_string(Output& out, const Conversion& c, Arguments& arguments) {
  const void* argument = va_arg(arguments.list, const void*);
  if (c.size == Size::l || c.size == Size::w) {
    const auto* string = static_cast<const UNICODE_STRING*>(argument);
    if (string != nullptr && string->Buffer != nullptr)
      return print_wide(out, c, string->Buffer, string->Length / sizeof(WCHAR), false);
  } else {
    const auto* string = static_cast<const STRING*>(argument);
    if (string != nullptr && string->Buffer != nullptr)
      return print_narrow(out, c, string->Buffer, string->Length, false);
  }
  print_narrow(out, c, "(null)", 6, true);
}

void print_character(Output& out, Conversion c, Arguments& arguments) {
  const int value = va_arg(arguments.list, int);
  c.has_precision = false;
  const bool size_wide = c.size == Size::l || c.size == Size::w;
  const bool wide = size_wide || (c.size != Size::h && (c.type == 'c') == arguments.wide_format);
  if (wide) {
    const WCHAR unit = static_cast<WCHAR>(value);
    print_wide(out, c, &unit, 1, false);
  } else {
    const char byte = static_cast<char>(value);
    print_narrow(out, c, &byte, 1, false);
  }
}

/// Floating point is the same everywhere (a double; MSVC's long double is one too): the host's printf does it.
void print_double(Output& out, const Conversion& c, Arguments& arguments) {
  char format[16] = "%";
  std::size_t at = 1;
  if (c.left) format[at++] = '-';
  if (c.plus) format[at++] = '+';
  if (c.space) format[at++] = ' ';
  if (c.zero) format[at++] = '0';
  if (c.alternate) format[at++] = '#';
  std::memcpy(format + at, "*.*", 3);
  format[at + 3] = c.type;
  char text[512];
  const int precision = c.has_precision ? static_cast<int>(std::min<std::size_t>(c.precision, 64)) : -1;
  const int length = std::snprintf(text, sizeof text, format, static_cast<int>(std::min<std::size_t>(c.width, 128)),
                                   precision, va_arg(arguments.list, double));
  if (length > 0) out.put(text, std::min<std::size_t>(static_cast<std::size_t>(length), sizeof text - 1));
}

void print(Output& out, const Conversion& c, Arguments& arguments) {
  switch (c.type) {
    case 'd':
    case 'i':
      return print_signed(out, c, arguments);
    case 'u':
    case 'o':
    case 'x':
    case 'X':
      return print_unsigned(out, c, arguments);
    case 'p':
      return print_pointer(out, c, arguments);
    case 's':
    case 'S':
      return print_string(out, c, arguments);
    case 'Z':
      return print_counted_string(out, c, arguments);
    case 'c':
    case 'C':
      return print_character(out, c, arguments);
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
    case 'a':
    case 'A':
      return print_double(out, c, arguments);
    case 'n':  // writing through an argument is switched off on Windows as well
      static_cast<void>(va_arg(arguments.list, void*));
      return;
    case '\0':
      return;
    default:
      out.put(c.type);
  }
}

std::atomic<void (*)(void*, const char*, std::size_t)> g_sink{nullptr};
std::atomic<void*> g_sink_context{nullptr};
std::atomic<ULONG> g_level_mask{0xFFFFFFFF};

/// Levels up to 31 name a bit, larger values are masks themselves.
bool debug_print_shows(ULONG level) {
  const ULONG wanted = level < 32 ? ULONG{1} << level : level;
  return (wanted & g_level_mask.load(std::memory_order_relaxed)) != 0;
}

ULONG debug_print(const char* format, std::va_list arguments) {
  char line[kDebugPrintBytesMax + 1];
  const std::size_t length = std::min(nt_format(line, sizeof line, format, arguments), kDebugPrintBytesMax);
  if (auto sink = g_sink.load(std::memory_order_acquire)) {  // partner: the release in set_debug_print_sink
    sink(g_sink_context.load(std::memory_order_relaxed), line, length);
  } else {
    std::fwrite(line, 1, length, stderr);
  }
  return static_cast<ULONG>(STATUS_SUCCESS);
}

}  // namespace

std::size_t nt_format(char* to, std::size_t room, const char* format, std::va_list arguments,
                      FormatKind kind) noexcept {
  Output out(to, room);
  Arguments copy;
  copy.wide_format = kind == FormatKind::wide;
  va_copy(copy.list, arguments);
  for (const char* at = format; *at != '\0';) {
    if (*at != '%') {
      out.put(*at++);
    } else {
      ++at;
      print(out, read_conversion(at, copy), copy);  // "%%" is the unknown conversion '%'
    }
  }
  va_end(copy.list);
  return out.finish();
}

void set_debug_print_sink(void (*sink)(void*, const char*, std::size_t), void* context) noexcept {
  g_sink_context.store(context, std::memory_order_relaxed);
  g_sink.store(sink, std::memory_order_release);
}

void set_debug_print_levels(ULONG mask) noexcept {
  g_level_mask.store(mask, std::memory_order_relaxed);
}

}  // namespace softndk::ntrt

using namespace softndk::ntrt;

extern "C" {

ULONG DbgPrint(PCSTR format, ...) noexcept {
  va_list arguments;
  va_start(arguments, format);
  const ULONG status = debug_print(format, arguments);
  va_end(arguments);
  return status;
}

ULONG DbgPrintEx(ULONG, ULONG level, PCSTR format, ...) noexcept {
  if (!debug_print_shows(level)) return static_cast<ULONG>(STATUS_SUCCESS);
  va_list arguments;
  va_start(arguments, format);
  const ULONG status = debug_print(format, arguments);
  va_end(arguments);
  return status;
}

}  // extern "C"
