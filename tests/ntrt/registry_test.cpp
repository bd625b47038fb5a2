// The registry as a probe uses it: its parameters from a text file, its result written back.
#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "ntrt/driver.h"
#include "ntrt/kernel_fixture.h"
#include "ntrt/nt_names.h"
#include "ntrt/registry.h"
#include "ntrt/registry_text.h"

namespace softndk::ntrt {
namespace {

const char16_t kParameters[] = u"\\Registry\\Machine\\SYSTEM\\CurrentControlSet\\Services\\probe\\Parameters";
const char kFile[] =
    "Windows Registry Editor Version 5.00\n\n"
    "[HKEY_LOCAL_MACHINE\\System\\CurrentControlSet\\Services\\Probe\\Parameters]\n"
    "\"IfIndex\"=dword:0000000a\n"
    "\"Address\"=\"10.0.0.1\"\n";

struct ValueRead {
  NTSTATUS status = STATUS_UNSUCCESSFUL;
  ULONG needed = 0;
  alignas(8) UCHAR room[256] = {};
  const KEY_VALUE_PARTIAL_INFORMATION& partial() const {
    return *reinterpret_cast<const KEY_VALUE_PARTIAL_INFORMATION*>(room);
  }
  ULONG dword() const {
    ULONG number = 0;
    std::memcpy(&number, partial().Data, sizeof number);
    return number;
  }
  std::u16string text() const {
    return std::u16string(reinterpret_cast<const char16_t*>(partial().Data), partial().DataLength / 2);
  }
};

ValueRead read_value(HANDLE key, const char16_t* name, ULONG room = 256) {
  ValueRead read;
  Name value(name);
  read.status = ZwQueryValueKey(key, value, KeyValuePartialInformation, read.room, room, &read.needed);
  return read;
}

HANDLE open_key(const char16_t* path, HANDLE root = nullptr) {
  HANDLE key = nullptr;
  EXPECT_EQ(ZwOpenKey(&key, KEY_READ, Attributes(path, root)), STATUS_SUCCESS);
  return key;
}

void fill(const char* text) {
  ASSERT_EQ(registry_parse(kernel().registry(), {text, std::strlen(text)}, "test.reg"), STATUS_SUCCESS);
}

TEST(KernelSurface_Registry, ParametersComeFromTextWhateverTheCaseOfLetters) {
  run_on_linux([] {
    fill(kFile);
    const HANDLE key = open_key(kParameters);
    const ValueRead index = read_value(key, u"IFINDEX");
    EXPECT_EQ(index.status, STATUS_SUCCESS);
    EXPECT_EQ(index.partial().Type, ULONG{REG_DWORD});
    EXPECT_EQ(index.partial().DataLength, 4u);
    EXPECT_EQ(index.dword(), 10u);
    EXPECT_EQ(index.needed, offsetof(KEY_VALUE_PARTIAL_INFORMATION, Data) + 4);
    const ValueRead address = read_value(key, u"Address");
    EXPECT_EQ(address.partial().Type, ULONG{REG_SZ});
    EXPECT_EQ(address.text(), std::u16string(u"10.0.0.1\0", 9));
    EXPECT_EQ(read_value(key, u"Other").status, STATUS_OBJECT_NAME_NOT_FOUND);
    EXPECT_EQ(ZwClose(key), STATUS_SUCCESS);
  });
}

TEST(KernelSurface_Registry, ASmallBufferGetsWhatFitsAndTheSizeThatWould) {
  run_on_linux([] {
    fill(kFile);
    const HANDLE key = open_key(kParameters);
    const ULONG fixed = offsetof(KEY_VALUE_PARTIAL_INFORMATION, Data);
    const ValueRead cut = read_value(key, u"Address", fixed + 4);
    EXPECT_EQ(cut.status, STATUS_BUFFER_OVERFLOW);
    EXPECT_EQ(cut.needed, fixed + 18);
    EXPECT_EQ(cut.partial().DataLength, 18u);
    EXPECT_EQ(std::memcmp(cut.partial().Data, u"10", 4), 0);
    EXPECT_EQ(cut.partial().Data[4], 0) << "nothing is written past the buffer's end";
    const ValueRead tiny = read_value(key, u"Address", fixed - 1);
    EXPECT_EQ(tiny.status, STATUS_BUFFER_TOO_SMALL);
    EXPECT_EQ(tiny.needed, fixed + 18);
    ULONG needed = 0;
    Name name(u"Address");
    EXPECT_EQ(ZwQueryValueKey(key, name, KeyValuePartialInformation, nullptr, 0, &needed), STATUS_BUFFER_TOO_SMALL);
    EXPECT_EQ(needed, fixed + 18);
    ZwClose(key);
  });
}

TEST(KernelSurface_Registry, TheOtherLayoutsOfAValue) {
  run_on_linux([] {
    fill(kFile);
    const HANDLE key = open_key(kParameters);
    alignas(8) UCHAR room[256] = {};
    ULONG needed = 0;
    Name name(u"IfIndex");
    ASSERT_EQ(ZwQueryValueKey(key, name, KeyValueFullInformation, room, sizeof room, &needed), STATUS_SUCCESS);
    const auto& full = *reinterpret_cast<const KEY_VALUE_FULL_INFORMATION*>(room);
    EXPECT_EQ(full.NameLength, 14u);
    EXPECT_EQ(std::memcmp(full.Name, u"IfIndex", 14), 0);
    EXPECT_EQ(full.DataOffset, 36u);  // 20 + 14 up to the next multiple of 4
    EXPECT_EQ(room[full.DataOffset], 10);
    EXPECT_EQ(needed, 40u);
    ASSERT_EQ(ZwQueryValueKey(key, name, KeyValueBasicInformation, room, sizeof room, &needed), STATUS_SUCCESS);
    EXPECT_EQ(needed, 26u);
    ASSERT_EQ(ZwEnumerateValueKey(key, 1, KeyValueBasicInformation, room, sizeof room, &needed), STATUS_SUCCESS);
    EXPECT_EQ(std::memcmp(reinterpret_cast<KEY_VALUE_BASIC_INFORMATION*>(room)->Name, u"Address", 14), 0);
    EXPECT_EQ(ZwEnumerateValueKey(key, 2, KeyValueBasicInformation, room, sizeof room, &needed),
              STATUS_NO_MORE_ENTRIES);
    ZwClose(key);
  });
}

TEST(KernelSurface_Registry, ResultsAreWrittenBackAndSeenByTheNextReader) {
  run_on_linux([] {
    fill(kFile);
    HANDLE results = nullptr;
    ULONG disposition = 0;
    const HANDLE parameters = open_key(kParameters);
    ASSERT_EQ(ZwCreateKey(&results, KEY_SET_VALUE, Attributes(u"Results", parameters), 0, nullptr,
                          REG_OPTION_NON_VOLATILE, &disposition),
              STATUS_SUCCESS);
    EXPECT_EQ(disposition, ULONG{REG_CREATED_NEW_KEY});
    ULONG passed = 7;
    Name name(u"Passed");
    EXPECT_EQ(ZwSetValueKey(results, name, 0, REG_DWORD, &passed, sizeof passed), STATUS_SUCCESS);
    EXPECT_EQ(ZwFlushKey(results), STATUS_SUCCESS);
    ZwClose(results);
    ASSERT_EQ(ZwCreateKey(&results, KEY_READ, Attributes(u"RESULTS", parameters), 0, nullptr, 0, &disposition),
              STATUS_SUCCESS);
    EXPECT_EQ(disposition, ULONG{REG_OPENED_EXISTING_KEY});
    EXPECT_EQ(read_value(results, u"passed").dword(), 7u);
    KEY_FULL_INFORMATION full = {};
    ULONG needed = 0;
    ASSERT_EQ(ZwQueryKey(parameters, KeyFullInformation, &full, sizeof full, &needed), STATUS_SUCCESS);
    EXPECT_EQ(full.SubKeys, 1u);
    EXPECT_EQ(full.Values, 2u);
    EXPECT_EQ(full.MaxValueDataLen, 18u);
    ZwClose(results);
    ZwClose(parameters);
  });
}

TEST(KernelSurface_Registry, NamesThatAreWrongSaySo) {
  run_on_linux([] {
    HANDLE key = nullptr;
    const auto open = [&](const char16_t* path) { return ZwOpenKey(&key, KEY_READ, Attributes(path)); };
    EXPECT_EQ(open(u"\\Registry\\Machine\\Nothing"), STATUS_OBJECT_NAME_NOT_FOUND);
    EXPECT_EQ(open(u"Registry\\Machine"), STATUS_OBJECT_PATH_SYNTAX_BAD);
    EXPECT_EQ(open(u"\\Registry\\\\Machine"), STATUS_OBJECT_NAME_INVALID);
    const auto create = [&](const char16_t* path) {
      return ZwCreateKey(&key, KEY_READ, Attributes(path), 0, nullptr, 0, nullptr);
    };
    EXPECT_EQ(create(u"\\Registry\\Machine\\A\\B"), STATUS_OBJECT_NAME_NOT_FOUND) << "only the last part is made";
    EXPECT_EQ(create(u"\\Registrar"), STATUS_OBJECT_NAME_NOT_FOUND);
    EXPECT_EQ(ZwOpenKey(&key, KEY_READ, Attributes(u"x", reinterpret_cast<HANDLE>(0x1000))), STATUS_INVALID_HANDLE);
    EXPECT_EQ(key, nullptr) << "a failure leaves the output as it was";
  });
}

TEST(KernelSurface_Registry, ADeletedKeyAnswersSoToItsOtherHandles) {
  run_on_linux([] {
    fill(kFile);
    const HANDLE parent = open_key(u"\\Registry\\Machine\\SYSTEM\\CurrentControlSet\\Services\\probe");
    const HANDLE key = open_key(kParameters);
    const HANDLE other = open_key(kParameters);
    EXPECT_EQ(ZwDeleteKey(parent), STATUS_CANNOT_DELETE);
    Name index(u"IfIndex");
    EXPECT_EQ(ZwDeleteValueKey(key, index), STATUS_SUCCESS);
    EXPECT_EQ(ZwDeleteValueKey(key, index), STATUS_OBJECT_NAME_NOT_FOUND);
    EXPECT_EQ(ZwDeleteKey(key), STATUS_SUCCESS);
    EXPECT_EQ(read_value(other, u"Address").status, STATUS_KEY_DELETED);
    EXPECT_EQ(ZwDeleteKey(parent), STATUS_SUCCESS);
    for (const HANDLE handle : {key, other, parent})
      EXPECT_EQ(ZwClose(handle), STATUS_SUCCESS);
  });
}

TEST(KernelSurface_Registry, ADriverFindsItsOwnKeyAtTheRegistryPath) {
  run_on_linux([] {
    static bool found = false;
    const auto entry = [](PDRIVER_OBJECT driver, PUNICODE_STRING path) -> NTSTATUS {
      driver->DriverUnload = [](PDRIVER_OBJECT) {};
      OBJECT_ATTRIBUTES attributes;
      HANDLE key = nullptr;
      InitializeObjectAttributes(&attributes, path, OBJ_CASE_INSENSITIVE, nullptr, nullptr);
      const NTSTATUS status = ZwOpenKey(&key, KEY_READ, &attributes);
      found = NT_SUCCESS(status);
      if (found) ZwClose(key);
      return status;
    };
    const auto driver = load_driver(entry, "probe");
    ASSERT_TRUE(driver);
    EXPECT_TRUE(found);
    unload_driver(*driver);
  });
}

}  // namespace
}  // namespace softndk::ntrt
