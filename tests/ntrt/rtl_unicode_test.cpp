#include <gtest/gtest.h>

#include <cstring>
#include <tuple>

#include "ntrt/nt_names.h"
#include "ntrt/pool.h"
#include "ntrt/utf.h"
#include "wdk/ntddk.h"

namespace softndk::ntrt {
namespace {

TEST(KernelSurface_Unicode, ComparesWithAndWithoutCase) {
  Name a(u"\u00c4bc"), b(u"\u00e4BC"), longer(u"\u00c4bcd");
  EXPECT_TRUE(RtlEqualUnicodeString(a, b, TRUE));
  EXPECT_FALSE(RtlEqualUnicodeString(a, b, FALSE));
  EXPECT_LT(RtlCompareUnicodeString(a, longer, TRUE), 0);
  EXPECT_EQ(RtlUpcaseUnicodeChar(u'\u00ff'), u'\u0178');
  EXPECT_EQ(RtlUpcaseUnicodeChar(u'\u00d7'), u'\u00d7');
}

TEST(KernelSurface_Unicode, AppendsAllOrNothingAndCopiesWhatFits) {
  WCHAR room[4] = {};
  UNICODE_STRING to = {0, sizeof room, room};
  EXPECT_EQ(RtlAppendUnicodeToString(&to, u"abc"), STATUS_SUCCESS);
  EXPECT_EQ(RtlAppendUnicodeToString(&to, u"de"), STATUS_BUFFER_TOO_SMALL);
  EXPECT_EQ(text_of(to), Text16(u"abc"));
  Name longer(u"vwxyz");
  RtlCopyUnicodeString(&to, longer);
  EXPECT_EQ(text_of(to), Text16(u"vwxy"));
}

TEST(KernelSurface_Unicode, ConvertsToUtf8AndBack) {
  Name from(u"a\u20ac\U0001F600");
  ANSI_STRING narrow = {};
  ASSERT_EQ(RtlUnicodeStringToAnsiString(&narrow, from, TRUE), STATUS_SUCCESS);
  EXPECT_STREQ(narrow.Buffer, "a\xE2\x82\xAC\xF0\x9F\x98\x80");
  UNICODE_STRING wide = {};
  ASSERT_EQ(RtlAnsiStringToUnicodeString(&wide, &narrow, TRUE), STATUS_SUCCESS);
  EXPECT_TRUE(RtlEqualUnicodeString(&wide, from, FALSE));
  RtlFreeUnicodeString(&wide);
  RtlFreeAnsiString(&narrow);
  EXPECT_EQ(narrow.Buffer, nullptr);
  EXPECT_EQ(pool_usage('grtS').blocks, 0u);
  char small[2];
  ANSI_STRING fixed = {0, sizeof small, small};
  EXPECT_EQ(RtlUnicodeStringToAnsiString(&fixed, from, FALSE), STATUS_BUFFER_OVERFLOW);
}

TEST(KernelSurface_Unicode, NumbersAndGuidsAsText) {
  WCHAR room[16];
  UNICODE_STRING to = {0, sizeof room, room};
  EXPECT_EQ(RtlIntegerToUnicodeString(0xBEEF, 16, &to), STATUS_SUCCESS);
  EXPECT_EQ(text_of(to), Text16(u"BEEF"));
  EXPECT_EQ(RtlIntegerToUnicodeString(1, 3, &to), STATUS_INVALID_PARAMETER);
  EXPECT_EQ(RtlInt64ToUnicodeString(~0ull, 10, &to), STATUS_BUFFER_OVERFLOW);
  ULONG value = 0;
  for (const auto& [text, base, expected] :
       {std::tuple{u" -12x", 0u, 0u - 12u}, {u"0x1F", 0u, 31u}, {u"777", 8u, 511u}, {u"", 10u, 0u}}) {
    Name name(text);
    EXPECT_EQ(RtlUnicodeStringToInteger(name, base, &value), STATUS_SUCCESS);
    EXPECT_EQ(value, expected);
  }
  const GUID guid = {0x01234567, 0x89AB, 0xCDEF, {0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF}};
  UNICODE_STRING text = {};
  ASSERT_EQ(RtlStringFromGUID(guid, &text), STATUS_SUCCESS);
  EXPECT_EQ(text_of(text), Text16(u"{01234567-89ab-cdef-0123-456789abcdef}"));
  GUID back = {};
  EXPECT_EQ(RtlGUIDFromString(&text, &back), STATUS_SUCCESS);
  EXPECT_TRUE(IsEqualGUID(back, guid));
  text.Buffer[0] = u'(';
  EXPECT_EQ(RtlGUIDFromString(&text, &back), STATUS_INVALID_PARAMETER);
  RtlFreeUnicodeString(&text);
}

TEST(KernelSurface_Unicode, CalendarTimeBothWays) {
  LARGE_INTEGER time;
  time.QuadPart = 116'444'736'000'000'000;  // 1970-01-01, a Thursday
  TIME_FIELDS fields;
  RtlTimeToTimeFields(&time, &fields);
  EXPECT_EQ(fields.Year, 1970);
  EXPECT_EQ(fields.Month, 1);
  EXPECT_EQ(fields.Day, 1);
  EXPECT_EQ(fields.Weekday, 4);
  for (const TIME_FIELDS& day : {TIME_FIELDS{2000, 2, 29, 23, 59, 59, 999, 2},
                                 {1900, 12, 31, 0, 0, 0, 0, 1},
                                 {2024, 12, 31, 12, 0, 0, 1, 2},
                                 {1601, 1, 1, 0, 0, 0, 0, 1}}) {
    TIME_FIELDS copy = day;
    ASSERT_TRUE(RtlTimeFieldsToTime(&copy, &time));
    RtlTimeToTimeFields(&time, &fields);
    EXPECT_EQ(std::memcmp(&fields, &day, sizeof day), 0) << day.Year << "-" << day.Month << "-" << day.Day;
  }
  TIME_FIELDS wrong{1900, 2, 29, 0, 0, 0, 0, 0};
  EXPECT_FALSE(RtlTimeFieldsToTime(&wrong, &time));
}

}  // namespace
}  // namespace softndk::ntrt
