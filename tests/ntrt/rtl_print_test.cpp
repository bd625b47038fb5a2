// DbgPrint and the RtlString functions: printf with MSVC's lengths (spec/kernel-surface.md 4.7).
#include "ntrt/rtl_print.h"

#include <gtest/gtest.h>

#include <climits>
#include <cstring>
#include <string>

#include "wdk/ntddk.h"
#include "wdk/ntstrsafe.h"

namespace softndk::ntrt {
namespace {

std::string format(const char* text, ...) {
  char to[4096];
  va_list arguments;
  va_start(arguments, text);
  const std::size_t length = nt_format(to, sizeof to, text, arguments);
  va_end(arguments);
  EXPECT_EQ(length, std::strlen(to));
  return to;
}

TEST(NtFormat, LengthLIs32BitsAndDoubleLIs64) {
  const ULONG u = 0xFFFFFFFF;
  EXPECT_EQ(format("%lu %lx %ld", u, u, static_cast<LONG>(-1)), "4294967295 ffffffff -1");
  EXPECT_EQ(format("%llu %llx %lld", ULLONG_MAX, ULLONG_MAX, -1ll), "18446744073709551615 ffffffffffffffff -1");
  EXPECT_EQ(format("%I64u %I64X %I64d", ULLONG_MAX, ULLONG_MAX, LLONG_MIN),
            "18446744073709551615 FFFFFFFFFFFFFFFF -9223372036854775808");
  EXPECT_EQ(format("%I32u|%I32x|%Iu|%Ix", u, u, SIZE_T{5}, ~SIZE_T{0}), "4294967295|ffffffff|5|ffffffffffffffff");
  EXPECT_EQ(format("%zu %td %ju", std::size_t{7}, std::ptrdiff_t{-7}, std::uintmax_t{8}), "7 -7 8");
}

TEST(NtFormat, ArgumentsAfterA32BitOneAreStillInPlace) {
  EXPECT_EQ(format("%lu %s %lu %llu %lu", 1u, "two", 3u, 4ull, 5u), "1 two 3 4 5");
}

TEST(NtFormat, ShortAndCharLengthsCut) {
  EXPECT_EQ(format("%hu %hd %hx", 65537, 32768, 0x12345), "1 -32768 2345");
  EXPECT_EQ(format("%hhu %hhd", 257, 255), "1 -1");
}

TEST(NtFormat, Integers) {
  EXPECT_EQ(format("%d %i %u %o %x %X", -5, 5, 5u, 8u, 255u, 255u), "-5 5 5 10 ff FF");
  EXPECT_EQ(format("[%5d][%-5d][%05d][%+d][% d]", 42, 42, 42, 42, 42), "[   42][42   ][00042][+42][ 42]");
  EXPECT_EQ(format("[%05d][%+05d]", -42, 42), "[-0042][+0042]");
  EXPECT_EQ(format("[%.3d][%6.3d][%-6.3d][%06.3d]", 7, 7, 7, 7), "[007][   007][007   ][   007]");
  EXPECT_EQ(format("[%#x][%#X][%#o][%#x][%#010x]", 255u, 255u, 8u, 0u, 255u), "[0xff][0XFF][010][0][0x000000ff]");
  EXPECT_EQ(format("[%.0d][%.0x][%.d]", 0, 0u, 0), "[][][]");
  EXPECT_EQ(format("[%*d][%-*d][%*d]", 4, 1, 4, 1, -4, 1), "[   1][1   ][1   ]");
  EXPECT_EQ(format("[%.*d][%.*d]", 3, 1, -3, 1), "[001][1]");
  EXPECT_EQ(format("%d", INT_MIN), "-2147483648");
}

TEST(NtFormat, PointersAreSixteenDigits) {
  EXPECT_EQ(format("%p", reinterpret_cast<void*>(0xABCDEF)), "0000000000ABCDEF");
  EXPECT_EQ(format("%p", nullptr), "0000000000000000");
  EXPECT_EQ(format("[%20p][%-20p]", reinterpret_cast<void*>(1), reinterpret_cast<void*>(1)),
            "[    0000000000000001][0000000000000001    ]");
}

TEST(NtFormat, NarrowStrings) {
  EXPECT_EQ(format("[%s][%5s][%-5s][%.2s][%5.1s]", "abc", "abc", "abc", "abc", "abc"),
            "[abc][  abc][abc  ][ab][    a]");
  EXPECT_EQ(format("%s %hs %hS", static_cast<char*>(nullptr), "h", "hS"), "(null) h hS");
  const char not_terminated[3] = {'x', 'y', 'z'};
  EXPECT_EQ(format("%.3s|%.*s", not_terminated, 2, not_terminated), "xyz|xy");
}

TEST(NtFormat, WideStringsComeOutAsUtf8) {
  EXPECT_EQ(format("%ws|%ls|%S", u"ab", u"cd", u"ef"), "ab|cd|ef");
  EXPECT_EQ(format("[%6ws][%-6S][%.2ls]", u"abc", u"abc", u"abc"), "[   abc][abc   ][ab]");
  EXPECT_EQ(format("%ws", u"\u00e4\u20ac\U0001F600"), "\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80");
  const char16_t half[] = {0xD800, u'x', 0xDC00, 0};
  EXPECT_EQ(format("%ws", half), "\xEF\xBF\xBDx\xEF\xBF\xBD");
  EXPECT_EQ(format("%ws", static_cast<char16_t*>(nullptr)), "(null)");
}

TEST(NtFormat, CountedStrings) {
  WCHAR wide[] = {u'w', u'i', u'd', u'e', u'!'};
  UNICODE_STRING unicode = {8, 10, wide};
  char narrow[] = {'a', 'n', 's', 'i', '!'};
  ANSI_STRING ansi = {4, 5, narrow};
  EXPECT_EQ(format("%wZ|%lZ|%Z|%hZ", &unicode, &unicode, &ansi, &ansi), "wide|wide|ansi|ansi");
  EXPECT_EQ(format("[%6wZ][%-6Z][%.2wZ]", &unicode, &ansi, &unicode), "[  wide][ansi  ][wi]");
  UNICODE_STRING empty = {};
  EXPECT_EQ(format("%wZ|%Z|%wZ", static_cast<void*>(nullptr), static_cast<void*>(nullptr), &empty),
            "(null)|(null)|(null)");
}

TEST(NtFormat, Characters) {
  EXPECT_EQ(format("%c%c|%C|%lc|%wc|%hc", 'a', 'b', u'c', u'\u20ac', u'd', 'e'), "ab|c|\xE2\x82\xAC|d|e");
  EXPECT_EQ(format("[%3c][%-3c]", 'x', 'y'), "[  x][y  ]");
}

TEST(NtFormat, Doubles) {
  EXPECT_EQ(format("%f %.2f %8.1f|%-8.1f|%e %g", 1.5, 2.346, 3.14, 3.14, 1000.0, 0.25),
            "1.500000 2.35      3.1|3.1     |1.000000e+03 0.25");
}

TEST(NtFormat, PercentUnknownAndUnfinishedConversions) {
  EXPECT_EQ(format("100%% %y %"), "100% y ");
  int untouched = 7;
  EXPECT_EQ(format("a%nb%d", &untouched, 1), "ab1");
  EXPECT_EQ(untouched, 7);
}

TEST(NtFormat, CutsAtTheRoomAndReturnsTheWholeLength) {
  char to[8];
  const auto cut = [&](std::size_t room, const char* text, ...) {
    va_list arguments;
    va_start(arguments, text);
    const std::size_t length = nt_format(to, room, text, arguments);
    va_end(arguments);
    return length;
  };
  EXPECT_EQ(cut(4, "%s", "abcdef"), 6u);
  EXPECT_STREQ(to, "abc");
  EXPECT_EQ(cut(1, "%s", "abcdef"), 6u);
  EXPECT_STREQ(to, "");
  to[0] = 'x';
  EXPECT_EQ(cut(0, "%s", "abcdef"), 6u);
  EXPECT_EQ(to[0], 'x');
}

TEST(NtFormat, WrongStarArgumentsAreBounded) {
  char to[16];
  const auto print = [&](const char* text, ...) {
    va_list arguments;
    va_start(arguments, text);
    const std::size_t length = nt_format(to, sizeof to, text, arguments);
    va_end(arguments);
    return length;
  };
  EXPECT_LE(print("%*d", INT_MAX, 1), 4096u);
  EXPECT_LE(print("%*d", INT_MIN, 1), 4096u);
  EXPECT_LE(print("%.*d", INT_MAX, 1), 4096u);
}

struct DebugSink {
  DebugSink() {
    set_debug_print_sink([](void* self, const char* text,
                            std::size_t length) { static_cast<DebugSink*>(self)->text.append(text, length); },
                         this);
  }
  ~DebugSink() {
    set_debug_print_sink(nullptr, nullptr);
    set_debug_print_levels(0xFFFFFFFF);
  }
  std::string text;
};

TEST(DbgPrint, GoesToTheSinkAsItStands) {
  DebugSink sink;
  EXPECT_EQ(DbgPrint("status 0x%08lx after %llu bytes\n", STATUS_IO_TIMEOUT, 1ull << 40), ULONG{STATUS_SUCCESS});
  KdPrint(("%wZ", nullptr));
  EXPECT_EQ(sink.text, "status 0xc00000b5 after 1099511627776 bytes\n(null)");
}

TEST(DbgPrint, IsCutAt512Bytes) {
  DebugSink sink;
  DbgPrint("%s", std::string(2000, 'x').c_str());
  EXPECT_EQ(sink.text, std::string(512, 'x'));
}

TEST(DbgPrint, ExShowsTheLevelsThatAreOn) {
  DebugSink sink;
  set_debug_print_levels(1u << DPFLTR_ERROR_LEVEL | 0x100);
  DbgPrintEx(DPFLTR_IHVDRIVER_ID, DPFLTR_ERROR_LEVEL, "error ");
  DbgPrintEx(DPFLTR_IHVDRIVER_ID, DPFLTR_INFO_LEVEL, "info ");
  DbgPrintEx(DPFLTR_IHVDRIVER_ID, DPFLTR_MASK | 0x100, "mask ");
  DbgPrint("always");
  EXPECT_EQ(sink.text, "error mask always");
}

NTSTATUS print_cb(char* to, SIZE_T room, const char* text, ...) {
  va_list arguments;
  va_start(arguments, text);
  const NTSTATUS status = RtlStringCbVPrintfA(to, room, text, arguments);
  va_end(arguments);
  return status;
}

TEST(RtlString, PrintfIsBoundedAndAlwaysTerminated) {
  char to[8];
  EXPECT_EQ(RtlStringCbPrintfA(to, sizeof to, "%lu", 1234567u), STATUS_SUCCESS);
  EXPECT_STREQ(to, "1234567");
  EXPECT_EQ(RtlStringCbPrintfA(to, sizeof to, "%lu", 12345678u), STATUS_BUFFER_OVERFLOW);
  EXPECT_STREQ(to, "1234567");
  EXPECT_EQ(RtlStringCchPrintfA(to, 3, "%s", "xyz"), STATUS_BUFFER_OVERFLOW);
  EXPECT_STREQ(to, "xy");
  EXPECT_EQ(print_cb(to, sizeof to, "%hu", 65536 + 3), STATUS_SUCCESS);
  EXPECT_STREQ(to, "3");
}

TEST(RtlString, NoRoomOrTooMuchIsAnInvalidParameter) {
  char to[4] = "abc";
  EXPECT_EQ(RtlStringCbPrintfA(to, 0, "x"), STATUS_INVALID_PARAMETER);
  EXPECT_EQ(RtlStringCbPrintfA(to, SIZE_T{NTSTRSAFE_MAX_CCH} + 1, "x"), STATUS_INVALID_PARAMETER);
  EXPECT_EQ(RtlStringCchCopyA(to, 0, "x"), STATUS_INVALID_PARAMETER);
  EXPECT_STREQ(to, "abc");
}

TEST(RtlString, CopyCuts) {
  char to[4];
  EXPECT_EQ(RtlStringCchCopyA(to, sizeof to, "abc"), STATUS_SUCCESS);
  EXPECT_STREQ(to, "abc");
  EXPECT_EQ(RtlStringCbCopyA(to, sizeof to, "defg"), STATUS_BUFFER_OVERFLOW);
  EXPECT_STREQ(to, "def");
}

TEST(RtlString, InitUnicodeString) {
  UNICODE_STRING string;
  RtlInitUnicodeString(&string, u"ab");
  EXPECT_EQ(string.Length, 4);
  EXPECT_EQ(string.MaximumLength, 6);
  EXPECT_EQ(string.Buffer[1], u'b');
  RtlInitUnicodeString(&string, nullptr);
  EXPECT_EQ(string.Length, 0);
  EXPECT_EQ(string.Buffer, nullptr);
  const std::u16string huge(100000, u'x');
  RtlInitUnicodeString(&string, huge.c_str());
  EXPECT_EQ(string.Length, 0xFFFC);
  EXPECT_EQ(string.MaximumLength, 0xFFFE);
}

TEST(RtlMemory, CompareReturnsTheCountOfEqualLeadingBytes) {
  EXPECT_EQ(RtlCompareMemory("abcd", "abXd", 4), 2u);
  EXPECT_EQ(RtlCompareMemory("abcd", "abcd", 4), 4u);
  EXPECT_EQ(RtlCompareMemory("abcd", "Xbcd", 4), 0u);
  EXPECT_EQ(RtlCompareMemory("", "", 0), 0u);
}

TEST(RtlMemory, ByteSwaps) {
  EXPECT_EQ(RtlUshortByteSwap(0x1234), 0x3412);
  EXPECT_EQ(RtlUlongByteSwap(0x12345678u), 0x78563412u);
}

}  // namespace
}  // namespace softndk::ntrt
