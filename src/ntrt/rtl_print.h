#pragma once
// printf as the NT kernel reads it. The host's own printf would misread it: `l` is 32 bits, %S and %ws are UTF-16, %wZ
// takes a UNICODE_STRING, %p is sixteen digits.
//
//   flags        - + space 0 #
//   width, precision   a number or *
//   sizes        hh h l ll w L I32 I64 I (pointer sized) j z t; l and none are 32 bits
//   conversions  d i u o x X c C s S Z p e E f F g G a A n(ignored) %
//   %s %hs %hS char; %S %ls %ws UTF-16; %Z %hZ STRING*; %wZ %lZ UNICODE_STRING*; %C %lc %wc one UTF-16 unit
//
// UTF-16 comes out as UTF-8. For strings a precision counts units read (bytes or UTF-16 units). A NULL string is
// "(null)". An unknown conversion prints as it stands, without its percent sign.
#include <cstdarg>
#include <cstddef>
#include <cstdint>

#include "wdk/ntddk.h"

namespace softndk::ntrt {

/// Whose format it was: in a wide one %s and %c are wide, and %S and %C narrow.
enum class FormatKind : std::uint8_t { narrow, wide };

/// Formats into `to`, which is always terminated if `room` is not 0; returns the length that the whole text has, so the
/// text was cut if that is >= room. Any IRQL, allocates nothing.
std::size_t nt_format(char* to, std::size_t room, const char* format, std::va_list arguments,
                      FormatKind kind = FormatKind::narrow) noexcept;

/// DbgPrint's text is cut to this many bytes, as Windows cuts it.
inline constexpr std::size_t kDebugPrintBytesMax = 512;

/// Where DbgPrint's text goes instead of stderr; null restores stderr. Text is passed on as printed, newlines and all.
/// Called on the printing thread at its IRQL.
void set_debug_print_sink(void (*sink)(void* context, const char* text, std::size_t length), void* context) noexcept;

/// Which levels of DbgPrintEx show, a bit each (DPFLTR_ERROR_LEVEL is bit 0). Default: all. DbgPrint always shows.
void set_debug_print_levels(ULONG mask) noexcept;

}  // namespace softndk::ntrt
