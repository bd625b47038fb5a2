#include <gtest/gtest.h>

#include <string>

#include "ntrt/utf.h"
#include "wdk/ntddk.h"
#include "wdk/ntstrsafe.h"

extern "C" {
std::size_t SoftNdkWcslen(const WCHAR* text) noexcept;
WCHAR* SoftNdkWcsncpy(WCHAR* to, const WCHAR* from, std::size_t count) noexcept;
int SoftNdkWcsicmp(const WCHAR* a, const WCHAR* b) noexcept;
int SoftNdkWcsncmp(const WCHAR* a, const WCHAR* b, std::size_t count) noexcept;
std::size_t SoftNdkWcstombs(char* to, const WCHAR* from, std::size_t room) noexcept;
int SoftNdkSnprintf(char* to, std::size_t room, const char* format, ...) noexcept;
int SoftNdkStrcpyS(char* to, std::size_t room, const char* from) noexcept;
int SoftNdkStrcatS(char* to, std::size_t room, const char* from) noexcept;
int SoftNdkMemcpyS(void* to, std::size_t room, const void* from, std::size_t count) noexcept;
}

namespace softndk::ntrt {
namespace {

TEST(KernelSurface_StringSafe, CopiesAndAppendsNeverPassTheirRoom) {
  char text[6] = "?????";
  EXPECT_EQ(RtlStringCbCopyA(text, 4, "abcdef"), STATUS_BUFFER_OVERFLOW);
  EXPECT_STREQ(text, "abc");
  EXPECT_EQ(text[4], '?');
  EXPECT_EQ(RtlStringCchCopyNA(text, sizeof text, "abcdef", 2), STATUS_SUCCESS);
  EXPECT_STREQ(text, "ab");
  EXPECT_EQ(RtlStringCchCatA(text, sizeof text, "cde"), STATUS_SUCCESS);
  EXPECT_EQ(RtlStringCchCatA(text, sizeof text, "f"), STATUS_BUFFER_OVERFLOW);
  EXPECT_STREQ(text, "abcde");
  EXPECT_EQ(RtlStringCbCopyA(text, 0, "x"), STATUS_INVALID_PARAMETER);
  SIZE_T length = 99;
  EXPECT_EQ(RtlStringCchLengthA("abc", 4, &length), STATUS_SUCCESS);
  EXPECT_EQ(length, 3u);
  EXPECT_EQ(RtlStringCchLengthA("abc", 3, &length), STATUS_INVALID_PARAMETER);
}

TEST(KernelSurface_StringSafe, WideCountsAreOfBytesOrOfCharacters) {
  WCHAR text[6];
  EXPECT_EQ(RtlStringCbCopyW(text, 6, u"abcdef"), STATUS_BUFFER_OVERFLOW);
  EXPECT_EQ(std::u16string(text), u"ab");
  EXPECT_EQ(RtlStringCchCatNW(text, 6, u"xyz", 2), STATUS_SUCCESS);
  EXPECT_EQ(std::u16string(text), u"abxy");
  SIZE_T length = 0;
  EXPECT_EQ(RtlStringCbLengthW(text, sizeof text, &length), STATUS_SUCCESS);
  EXPECT_EQ(length, 8u);
}

TEST(KernelSurface_StringSafe, AWideFormatTakesWideStrings) {
  WCHAR text[32];
  EXPECT_EQ(RtlStringCchPrintfW(text, 32, u"%s|%S|%hs|%lu|%c", u"w\u00e4", "n", "h", 7u, 'x'), STATUS_SUCCESS);
  EXPECT_EQ(std::u16string(text), u"w\u00e4|n|h|7|x");
  EXPECT_EQ(RtlStringCbPrintfW(text, 8, u"%d", 123456), STATUS_BUFFER_OVERFLOW);
  EXPECT_EQ(std::u16string(text), u"123");
  char narrow[8], *end = nullptr;
  SIZE_T remaining = 0;
  EXPECT_EQ(RtlStringCbPrintfExA(narrow, sizeof narrow, &end, &remaining, 0, "%llu", 1234ull), STATUS_SUCCESS);
  EXPECT_EQ(end, narrow + 4);
  EXPECT_EQ(remaining, 4u);
}

TEST(KernelSurface_StringSafe, CountedStringsNeedNoTerminator) {
  WCHAR room[4];
  UNICODE_STRING to = {0, sizeof room, room}, from = {6, 6, const_cast<PWCH>(u"abc")};
  EXPECT_EQ(RtlUnicodeStringCopy(&to, &from), STATUS_SUCCESS);
  EXPECT_EQ(RtlUnicodeStringCatString(&to, u"de"), STATUS_BUFFER_OVERFLOW);
  EXPECT_EQ(text_of(to), Text16(u"abcd"));
  EXPECT_EQ(RtlUnicodeStringPrintf(&to, u"%u", 42u), STATUS_SUCCESS);
  EXPECT_EQ(text_of(to), Text16(u"42"));
  EXPECT_EQ(RtlUnicodeStringInit(&to, u"xyz"), STATUS_SUCCESS);
  EXPECT_EQ(to.MaximumLength, 8);
  WCHAR copy[3];
  EXPECT_EQ(RtlStringCchCopyUnicodeString(copy, 3, &from), STATUS_BUFFER_OVERFLOW);
  EXPECT_EQ(std::u16string(copy), u"ab");
}

TEST(KernelSurface_Crt, WideFunctionsKnowSixteenBits) {
  EXPECT_EQ(SoftNdkWcslen(u"a\u20ac"), 2u);
  WCHAR to[4];
  SoftNdkWcsncpy(to, u"ab", 4);
  EXPECT_EQ(to[3], 0);
  EXPECT_EQ(SoftNdkWcsicmp(u"\u00c4B", u"\u00e4b"), 0);
  EXPECT_GT(SoftNdkWcsncmp(u"b", u"a", 1), 0);
  EXPECT_EQ(SoftNdkWcsncmp(u"ab", u"ac", 1), 0);
  char text[8];
  EXPECT_EQ(SoftNdkWcstombs(text, u"a\u20ac", sizeof text), 4u);
  EXPECT_STREQ(text, "a\xE2\x82\xAC");
  EXPECT_EQ(SoftNdkWcstombs(nullptr, u"a\u20ac", 0), 4u);
}

TEST(KernelSurface_Crt, TheSafeOnesFailInsteadOfCutting) {
  char text[4] = "";
  EXPECT_EQ(SoftNdkStrcpyS(text, sizeof text, "abc"), 0);
  EXPECT_EQ(SoftNdkStrcatS(text, sizeof text, "d"), ERANGE);
  EXPECT_STREQ(text, "");
  EXPECT_EQ(SoftNdkMemcpyS(text, 2, "abcd", 4), ERANGE);
  EXPECT_EQ(SoftNdkSnprintf(text, sizeof text, "%lu", 12345u), -1);
  EXPECT_STREQ(text, "123");
  EXPECT_EQ(SoftNdkSnprintf(text, sizeof text, "%lu", 12u), 2);
}

}  // namespace
}  // namespace softndk::ntrt
