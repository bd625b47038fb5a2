// Drivers and IRPs (spec/kernel-surface.md 4.7).
#include "ntrt/driver.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "base/alloc.h"
#include "ntrt/irql.h"
#include "ntrt/log_lines.h"

namespace softndk::ntrt {
namespace {

struct Seen {
  PDRIVER_OBJECT object = nullptr;
  std::u16string name, path;
  int entries = 0, unloads = 0;
  NTSTATUS answer = STATUS_SUCCESS;
};
Seen g_seen;

void unload(PDRIVER_OBJECT object) {
  EXPECT_EQ(object, g_seen.object);
  ++g_seen.unloads;
}
NTSTATUS entry(PDRIVER_OBJECT object, PUNICODE_STRING path) {
  ++g_seen.entries;
  g_seen.object = object;
  g_seen.name.assign(object->DriverName.Buffer, object->DriverName.Length / 2);
  g_seen.path.assign(path->Buffer, path->Length / 2);
  object->DriverUnload = unload;
  return g_seen.answer;
}

TEST(Driver, EntryGetsItsObjectAndPathAndUnloadItsTurn) {
  g_seen = {};
  const auto driver = load_driver(entry, "sample");
  ASSERT_TRUE(driver);
  EXPECT_STREQ(driver->name(), "sample");
  EXPECT_EQ(driver->object(), g_seen.object);
  EXPECT_EQ(g_seen.name, u"\\Driver\\sample");
  EXPECT_EQ(g_seen.path, u"\\Registry\\Machine\\System\\CurrentControlSet\\Services\\sample");
  EXPECT_EQ(g_seen.unloads, 0);
  unload_driver(*driver);
  EXPECT_EQ(g_seen.unloads, 1);
}

TEST(Driver, AFailingEntryHasUndoneItselfAndIsNotUnloaded) {
  g_seen = {};
  g_seen.answer = STATUS_NOT_SUPPORTED;
  const auto driver = load_driver(entry, "sample");
  ASSERT_FALSE(driver);
  EXPECT_EQ(driver.error(), STATUS_NOT_SUPPORTED);
  EXPECT_EQ(g_seen.unloads, 0);
}

TEST(Driver, LoadsAgainInTheSameProcess) {
  g_seen = {};
  for (int i = 0; i < 3; ++i)
    unload_driver(*load_driver(entry, "sample"));
  EXPECT_EQ(g_seen.entries, 3);
  EXPECT_EQ(g_seen.unloads, 3);
}

TEST(Driver, BadArgumentsAndShortMemory) {
  g_seen = {};
  EXPECT_EQ(load_driver(nullptr, "sample").error(), STATUS_INVALID_PARAMETER);
  EXPECT_EQ(load_driver(entry, "").error(), STATUS_INVALID_PARAMETER);
  EXPECT_EQ(load_driver(entry, nullptr).error(), STATUS_INVALID_PARAMETER);
  set_fault_hook([](void*, const char*) noexcept { return true; }, nullptr);
  EXPECT_EQ(load_driver(entry, "sample").error(), STATUS_INSUFFICIENT_RESOURCES);
  set_fault_hook(nullptr, nullptr);
  EXPECT_EQ(g_seen.entries, 0);
}

TEST(Driver, LongAndForeignNamesAreTamed) {
  g_seen = {};
  const auto driver = load_driver(entry, ("\xC3\xA4" + std::string(200, 'x')).c_str());
  ASSERT_TRUE(driver);
  EXPECT_EQ(std::strlen(driver->name()), 63u);
  EXPECT_EQ(g_seen.name.substr(0, 11), u"\\Driver\\??x");
  unload_driver(*driver);
}

TEST(Driver, ADriverWithoutUnloadIsMentioned) {
  LogLines lines;
  unload_driver(*load_driver([](PDRIVER_OBJECT, PUNICODE_STRING) -> NTSTATUS { return STATUS_SUCCESS; }, "stuck"));
  EXPECT_TRUE(lines.has("driver stuck has no DriverUnload")) << lines.text();
}

TEST(Driver, RequestsWithoutARoutineAreRefused) {
  g_seen = {};
  const auto driver = load_driver(entry, "sample");
  IRP irp = {};
  irp.StackCount = irp.CurrentLocation = 1;
  EXPECT_EQ(driver->object()->MajorFunction[IRP_MJ_DEVICE_CONTROL](nullptr, &irp), STATUS_INVALID_DEVICE_REQUEST);
  EXPECT_EQ(irp.IoStatus.Status, STATUS_INVALID_DEVICE_REQUEST);
  unload_driver(*driver);
}

TEST(DriverDeathTest, AnEntryThatLeavesTheIrqlRaisedStops) {
  EXPECT_DEATH(static_cast<void>(load_driver(
                   [](PDRIVER_OBJECT, PUNICODE_STRING) -> NTSTATUS {
                     raise_irql(kDispatchLevel, nullptr);
                     return STATUS_SUCCESS;
                   },
                   "raised")),
               "DriverEntry");
}

TEST(DriverDeathTest, AnIrpCompletedTwiceStops) {
  EXPECT_DEATH(
      {
        IRP irp = {};
        irp.StackCount = irp.CurrentLocation = 1;
        IoCompleteRequest(&irp, IO_NO_INCREMENT);
        IoCompleteRequest(&irp, IO_NO_INCREMENT);
      },
      "completed twice");
}

TEST(ListDeathTest, ACorruptedListStops) {
  EXPECT_DEATH(
      {
        LIST_ENTRY head;
        LIST_ENTRY one;
        InitializeListHead(&head);
        InsertTailList(&head, &one);
        RemoveEntryList(&one);
        RemoveEntryList(&one);
        InsertTailList(&head, &one);
        head.Flink = &head;
        RemoveEntryList(&one);
      },
      "links around entry");
}

}  // namespace
}  // namespace softndk::ntrt
