#include "ntrt/registry_text.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "ntrt/log_lines.h"
#include "wdk/ntddk.h"

namespace softndk::ntrt {
namespace {

class RegistryText : public ::testing::Test {
 protected:
  RegistryText() : registry(Registry::create()) {}

  NTSTATUS parse(const std::string& text) { return registry_parse(*registry, text, "test.reg"); }
  /// The value's type and octets, "4: 0a 00 00 00"; "none" without one.
  std::string value(Text16 path, Text16 name) {
    MutexLock lock(registry->mutex);
    RegistryKey* key = nullptr;
    if (!NT_SUCCESS(registry->open(nullptr, path, Registry::Missing::fail, key))) return "no key";
    const RegistryValue* found = registry->find_value(*key, name);
    if (found == nullptr) return "none";
    std::string text = std::to_string(found->type) + ":";
    for (const UCHAR byte : found->data) {
      char octet[8];
      std::snprintf(octet, sizeof octet, " %02x", byte);
      text += octet;
    }
    return text;
  }
  std::string at_k(Text16 name) { return value(u"\\Registry\\Machine\\K", name); }

  Owned<Registry> registry;
};

TEST_F(RegistryText, ReadsEachKindOfValue) {
  EXPECT_EQ(parse("[HKLM\\K]\n"
                  "@=\"d\"\n"
                  "\"s\"=\"a\\\\b\\\"\" ; a comment\n"
                  "\"n\" = dword:ABCDEF01 ; another\n"
                  "\"b\"=hex:01,ff\n"
                  "\"e\"=hex:\n"
                  "\"m\"=hex(7):61,00,00,00,\\\n"
                  "   00,00\n"
                  "\"q\"=hex(b):01,00,00,00,00,00,00,00\n"),
            STATUS_SUCCESS);
  EXPECT_EQ(at_k(u""), "1: 64 00 00 00");
  EXPECT_EQ(at_k(u"s"), "1: 61 00 5c 00 62 00 22 00 00 00");
  EXPECT_EQ(at_k(u"N"), "4: 01 ef cd ab");
  EXPECT_EQ(at_k(u"b"), "3: 01 ff");
  EXPECT_EQ(at_k(u"e"), "3:");
  EXPECT_EQ(at_k(u"m"), "7: 61 00 00 00 00 00");
  EXPECT_EQ(at_k(u"q"), "11: 01 00 00 00 00 00 00 00");
}

TEST_F(RegistryText, ReadsWhatRegistryEditorWrites) {
  const std::u16string text =
      u"\uFEFFWindows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\K]\r\n\"\u00e4\"=\"\u00c4\"\r\n";
  EXPECT_EQ(parse(std::string(reinterpret_cast<const char*>(text.data()), text.size() * 2)), STATUS_SUCCESS);
  EXPECT_EQ(at_k(u"\u00c4"), "1: c4 00 00 00");
  EXPECT_EQ(parse("\xEF\xBB\xBFREGEDIT4\n[HKLM\\K]\n\"u\"=\"\xE2\x82\xAC\"\n"), STATUS_SUCCESS);
  EXPECT_EQ(at_k(u"u"), "1: ac 20 00 00");
}

TEST_F(RegistryText, TakesNtPathsAndTheOtherHives) {
  EXPECT_EQ(parse("[\\Registry\\Machine\\K]\n\"a\"=dword:1\n[HKEY_USERS\\U]\n\"b\"=dword:2\n[HKCR\\.x]\n@=\"x\"\n"),
            STATUS_SUCCESS);
  EXPECT_EQ(at_k(u"a"), "4: 01 00 00 00");
  EXPECT_EQ(value(u"\\Registry\\User\\U", u"b"), "4: 02 00 00 00");
  EXPECT_EQ(value(u"\\Registry\\Machine\\Software\\Classes\\.x", u""), "1: 78 00 00 00");
}

TEST_F(RegistryText, DeletesValuesAndTrees) {
  EXPECT_EQ(parse("[HKLM\\K]\n\"a\"=dword:1\n\"b\"=dword:2\n[HKLM\\K\\L\\M]\n[HKLM\\K]\n\"a\"=-\n"), STATUS_SUCCESS);
  EXPECT_EQ(at_k(u"a"), "none");
  EXPECT_EQ(at_k(u"b"), "4: 02 00 00 00");
  EXPECT_EQ(parse("[-HKLM\\K]\n[-HKLM\\NeverThere]\n"), STATUS_SUCCESS);
  EXPECT_EQ(at_k(u"b"), "no key");
}

TEST_F(RegistryText, EachWrongLineIsNamedAndTheRestCounts) {
  LogLines lines;
  EXPECT_EQ(parse("\"early\"=dword:1\n[HKLM\\K]\n\"x\"=dword:xyz\n\"y\"=hex:1,2,\\\n "
                  "333\n\"z\"=dword:3\n[HKEY_ODD\\K]\nwords\n"),
            STATUS_DATA_ERROR);
  EXPECT_EQ(at_k(u"z"), "4: 03 00 00 00");
  for (const char* part : {"test.reg:1: this line stands under no key", "test.reg:3: this line is not understood",
                           "test.reg:4:", "test.reg:7: this line begins with no hive", "test.reg:8:"})
    EXPECT_TRUE(lines.has(part)) << part << "\n" << lines.text();
  EXPECT_FALSE(lines.has("test.reg:6:"));
}

TEST_F(RegistryText, WhatIsSavedLoadsAsTheSame) {
  ASSERT_EQ(parse("[HKLM\\K\\Empty]\n[HKLM\\K]\n@=\"d\"\n\"s\\\"\\\\\"=\"a\\\\b\\\"\"\n\"n\"=dword:7\n\"b\"=hex:01\n"
                  "\"odd\"=hex(1):61\n\"none\"=hex(0):\n[HKU\\U]\n\"\xC3\xA4\"=\"\xE2\x82\xAC\"\n"),
            STATUS_SUCCESS);
  char path[] = "/tmp/softndk_registry_XXXXXX";
  const int descriptor = mkstemp(path);
  ASSERT_GE(descriptor, 0);
  std::fclose(fdopen(descriptor, "w"));
  ASSERT_EQ(registry_save(*registry, path), STATUS_SUCCESS);
  std::ifstream file(path);
  const std::string first((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  registry = Registry::create();
  ASSERT_EQ(registry_load(*registry, path), STATUS_SUCCESS);
  EXPECT_EQ(at_k(u"s\"\\"), "1: 61 00 5c 00 62 00 22 00 00 00");
  EXPECT_EQ(at_k(u"odd"), "1: 61");
  EXPECT_EQ(at_k(u"none"), "0:");
  EXPECT_EQ(value(u"\\Registry\\Machine\\K\\Empty", u"x"), "none");
  EXPECT_EQ(value(u"\\Registry\\User\\U", u"\u00e4"), "1: ac 20 00 00");
  ASSERT_EQ(registry_save(*registry, path), STATUS_SUCCESS);
  std::ifstream again(path);
  EXPECT_EQ(std::string((std::istreambuf_iterator<char>(again)), std::istreambuf_iterator<char>()), first);
  std::remove(path);
  LogLines lines;
  EXPECT_EQ(registry_load(*registry, path), STATUS_OBJECT_NAME_NOT_FOUND);
  EXPECT_TRUE(lines.has("cannot be read"));
}

}  // namespace
}  // namespace softndk::ntrt
