// Files as a probe uses them: its log goes to \??\C:\..., and somebody reads it on the host.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "ntrt/kernel_fixture.h"
#include "ntrt/log_lines.h"
#include "ntrt/nt_names.h"
#include "ntrt/path_map.h"

namespace softndk::ntrt {
namespace {

class KernelSurface_Files : public ::testing::Test {
 protected:
  KernelSurface_Files() {
    char name[] = "/tmp/softndk_files_XXXXXX";
    folder = mkdtemp(name);
  }
  ~KernelSurface_Files() override { std::filesystem::remove_all(folder); }

  template <class Body>
  void run(Body body) {
    run_on_linux([&] {
      ASSERT_EQ(kernel().path_map().set("C:=" + folder), STATUS_SUCCESS);
      body();
    });
  }
  NTSTATUS create(const char16_t* path, ACCESS_MASK access, ULONG disposition,
                  ULONG options = FILE_SYNCHRONOUS_IO_NONALERT | FILE_NON_DIRECTORY_FILE) {
    handle = nullptr;
    status_block = {};
    return ZwCreateFile(&handle, access | SYNCHRONIZE, Attributes(path), &status_block, nullptr, FILE_ATTRIBUTE_NORMAL,
                        FILE_SHARE_READ | FILE_SHARE_WRITE, disposition, options, nullptr, 0);
  }
  NTSTATUS write(const char* text, LARGE_INTEGER* offset = nullptr) {
    return ZwWriteFile(handle, nullptr, nullptr, nullptr, &status_block, const_cast<char*>(text),
                       static_cast<ULONG>(std::strlen(text)), offset, nullptr);
  }
  std::string read(ULONG bytes, LARGE_INTEGER* offset = nullptr) {
    std::string text(bytes, '?');
    const NTSTATUS status =
        ZwReadFile(handle, nullptr, nullptr, nullptr, &status_block, text.data(), bytes, offset, nullptr);
    return NT_SUCCESS(status) ? text.substr(0, status_block.Information) : status == STATUS_END_OF_FILE ? "end" : "?";
  }
  void close() { EXPECT_EQ(ZwClose(handle), STATUS_SUCCESS); }
  std::string on_host(const char* name) {
    std::ifstream file(folder + "/" + name);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::string folder;
  HANDLE handle = nullptr;
  IO_STATUS_BLOCK status_block = {};
};

TEST_F(KernelSurface_Files, ALogIsAppendedToAcrossOpens) {
  run([&] {
    EXPECT_EQ(create(u"\\??\\C:\\probe.log", FILE_APPEND_DATA, FILE_OPEN_IF), STATUS_SUCCESS);
    EXPECT_EQ(status_block.Information, ULONG_PTR{FILE_CREATED});
    EXPECT_EQ(write("one "), STATUS_SUCCESS);
    EXPECT_EQ(status_block.Information, 4u);
    close();
    EXPECT_EQ(create(u"\\DosDevices\\c:\\PROBE.LOG", FILE_APPEND_DATA, FILE_OPEN_IF), STATUS_SUCCESS);
    EXPECT_EQ(status_block.Information, ULONG_PTR{FILE_OPENED});
    EXPECT_EQ(write("two"), STATUS_SUCCESS);
    close();
    EXPECT_EQ(on_host("probe.log"), "one two");
  });
}

TEST_F(KernelSurface_Files, PositionAndOffsets) {
  run([&] {
    ASSERT_EQ(create(u"\\??\\C:\\f", FILE_GENERIC_READ | FILE_GENERIC_WRITE, FILE_CREATE), STATUS_SUCCESS);
    EXPECT_EQ(write("abcdef"), STATUS_SUCCESS);
    EXPECT_EQ(read(4), "end");
    LARGE_INTEGER at;
    at.QuadPart = 2;
    EXPECT_EQ(read(3, &at), "cde");
    EXPECT_EQ(read(3), "f") << "the position follows the transfer";
    at.QuadPart = -1;  // FILE_WRITE_TO_END_OF_FILE
    EXPECT_EQ(write("!", &at), STATUS_SUCCESS);
    FILE_POSITION_INFORMATION position = {};
    EXPECT_EQ(ZwSetInformationFile(handle, &status_block, &position, sizeof position, FilePositionInformation),
              STATUS_SUCCESS);
    EXPECT_EQ(read(7), "abcdef!");
    FILE_STANDARD_INFORMATION standard = {};
    EXPECT_EQ(ZwQueryInformationFile(handle, &status_block, &standard, sizeof standard, FileStandardInformation),
              STATUS_SUCCESS);
    EXPECT_EQ(standard.EndOfFile.QuadPart, 7);
    EXPECT_FALSE(standard.Directory);
    FILE_END_OF_FILE_INFORMATION end = {};
    end.EndOfFile.QuadPart = 3;
    EXPECT_EQ(ZwSetInformationFile(handle, &status_block, &end, sizeof end, FileEndOfFileInformation), STATUS_SUCCESS);
    EXPECT_EQ(ZwFlushBuffersFile(handle, &status_block), STATUS_SUCCESS);
    close();
    EXPECT_EQ(on_host("f"), "abc");
    ASSERT_EQ(create(u"\\??\\C:\\f", FILE_READ_DATA, FILE_OPEN, 0), STATUS_SUCCESS);
    EXPECT_EQ(read(1), "?") << "opened without FILE_SYNCHRONOUS_IO: a file without a position needs an offset";
    EXPECT_EQ(write("x"), STATUS_ACCESS_DENIED);
    close();
  });
}

TEST_F(KernelSurface_Files, DispositionsAreToldApart) {
  run([&] {
    EXPECT_EQ(create(u"\\??\\C:\\f", FILE_WRITE_DATA, FILE_OPEN), STATUS_OBJECT_NAME_NOT_FOUND);
    EXPECT_EQ(create(u"\\??\\C:\\no\\f", FILE_WRITE_DATA, FILE_CREATE), STATUS_OBJECT_PATH_NOT_FOUND);
    EXPECT_EQ(create(u"\\??\\C:\\f", FILE_WRITE_DATA, FILE_CREATE), STATUS_SUCCESS);
    EXPECT_EQ(write("text"), STATUS_SUCCESS);
    close();
    EXPECT_EQ(create(u"\\??\\C:\\F", FILE_WRITE_DATA, FILE_CREATE), STATUS_OBJECT_NAME_COLLISION);
    EXPECT_EQ(create(u"\\??\\C:\\f", FILE_WRITE_DATA, FILE_OVERWRITE_IF), STATUS_SUCCESS);
    EXPECT_EQ(status_block.Information, ULONG_PTR{FILE_OVERWRITTEN});
    close();
    EXPECT_EQ(on_host("f"), "");
    EXPECT_EQ(create(u"\\??\\C:\\d", FILE_LIST_DIRECTORY, FILE_CREATE, FILE_DIRECTORY_FILE), STATUS_SUCCESS);
    close();
    EXPECT_EQ(create(u"\\??\\C:\\D", FILE_WRITE_DATA, FILE_OPEN_IF), STATUS_FILE_IS_A_DIRECTORY);
    EXPECT_EQ(create(u"\\??\\C:\\D\\in", FILE_WRITE_DATA, FILE_OPEN_IF), STATUS_SUCCESS);
    close();
    EXPECT_TRUE(std::filesystem::exists(folder + "/d/in"));
    EXPECT_EQ(ZwDeleteFile(Attributes(u"\\??\\C:\\d\\IN")), STATUS_SUCCESS);
    EXPECT_FALSE(std::filesystem::exists(folder + "/d/in"));
  });
}

TEST_F(KernelSurface_Files, NothingOutsideTheMapIsReached) {
  run([&] {
    LogLines lines;
    EXPECT_EQ(create(u"\\??\\D:\\x", FILE_WRITE_DATA, FILE_OPEN_IF), STATUS_OBJECT_PATH_NOT_FOUND);
    EXPECT_TRUE(lines.has("D:\\x: no folder stands for it; the setting path_map names one"));
    EXPECT_EQ(create(u"\\??\\C:\\..\\x", FILE_WRITE_DATA, FILE_OPEN_IF), STATUS_OBJECT_NAME_INVALID);
    EXPECT_EQ(create(u"\\??\\C:\\a/b", FILE_WRITE_DATA, FILE_OPEN_IF), STATUS_OBJECT_NAME_INVALID);
    EXPECT_EQ(create(u"\\??\\C:x", FILE_WRITE_DATA, FILE_OPEN_IF), STATUS_OBJECT_PATH_NOT_FOUND);
  });
}

TEST(PathMap, TheLongestPrefixWinsAndWrongTextChangesNothing) {
  PathMap map;
  ASSERT_EQ(map.set("C:=/c;C:\\logs=/l"), STATUS_INVALID_PARAMETER) << "a drive, or a whole NT path";
  ASSERT_EQ(map.set("C:=/c/;\\??\\C:\\logs\\=/l;\\Device\\Results=/r"), STATUS_SUCCESS);
  char path[64];
  const auto translated = [&](Text16 nt) {
    return NT_SUCCESS(map.translate(nt, path)) ? std::string(path) : std::string("none");
  };
  EXPECT_EQ(translated(u"\\??\\C:\\x\\y"), "/c/x/y");
  EXPECT_EQ(translated(u"\\??\\C:\\LOGS\\y"), "/l/y");
  EXPECT_EQ(translated(u"\\??\\C:\\logs2"), "/c/logs2");
  EXPECT_EQ(translated(u"\\GLOBAL??\\c:\\x"), "/c/x");
  EXPECT_EQ(translated(u"\\Device\\Results\\a"), "/r/a");
  EXPECT_EQ(translated(u"\\Device\\Other"), "none");
  for (const char* wrong : {"C:", "C=/c", "C:=relative", "x;C:=/c"})
    EXPECT_EQ(map.set(wrong), STATUS_INVALID_PARAMETER) << wrong;
  EXPECT_EQ(translated(u"\\??\\C:\\"
                       u"0123456789012345678901234567890123456789012345678901234567890123"),
            "none");
}

}  // namespace
}  // namespace softndk::ntrt
