#include <gtest/gtest.h>

#include "ntrt/log_lines.h"
#include "ntrt/pool.h"
#include "wdk/ntddk.h"

namespace softndk::ntrt {
namespace {

constexpr ULONG kTag = 'kaoL';

TEST(KernelSurface_Lookaside, EntriesArePoolBlocksOfTheListsSizeAndTag) {
  NPAGED_LOOKASIDE_LIST list;
  ExInitializeNPagedLookasideList(&list, nullptr, nullptr, POOL_NX_ALLOCATION, 96, kTag, 0);
  PVOID entry = ExAllocateFromNPagedLookasideList(&list);
  ASSERT_NE(entry, nullptr);
  EXPECT_EQ(pool_usage(kTag).bytes, 96u);
  ExFreeToNPagedLookasideList(&list, entry);
  EXPECT_EQ(pool_usage(kTag).blocks, 0u);
  ExDeleteNPagedLookasideList(&list);
}

TEST(KernelSurface_Lookaside, ADeleteWithEntriesOutIsReported) {
  LogLines lines;
  LOOKASIDE_LIST_EX list;
  ASSERT_EQ(ExInitializeLookasideListEx(&list, nullptr, nullptr, NonPagedPoolNx, 0, 32, kTag, 0), STATUS_SUCCESS);
  PVOID entry = ExAllocateFromLookasideListEx(&list);
  ExDeleteLookasideListEx(&list);
  EXPECT_TRUE(lines.has("while 1 of its entries are out")) << lines.text();
  ExFreePoolWithTag(entry, kTag);
  EXPECT_EQ(ExInitializeLookasideListEx(&list, nullptr, nullptr, NonPagedPoolNx, 3, 32, kTag, 0),
            STATUS_INVALID_PARAMETER_5);
  EXPECT_DEATH(ExAllocateFromLookasideListEx(&list), "was deleted");
}

TEST(KernelSurface_Lookaside, TheDriversOwnFunctionsGetTheList) {
  struct Owner {
    LOOKASIDE_LIST_EX list;
    int alive = 0;
  };
  static int room;
  Owner owner;
  const auto allocate = [](POOL_TYPE, SIZE_T bytes, ULONG tag, PLOOKASIDE_LIST_EX list) -> PVOID {
    EXPECT_EQ(bytes, 8u);
    EXPECT_EQ(tag, kTag);
    ++CONTAINING_RECORD(list, Owner, list)->alive;
    return &room;
  };
  const auto free = [](PVOID entry, PLOOKASIDE_LIST_EX list) {
    EXPECT_EQ(entry, &room);
    --CONTAINING_RECORD(list, Owner, list)->alive;
  };
  ASSERT_EQ(ExInitializeLookasideListEx(&owner.list, allocate, free, NonPagedPoolNx, 0, 8, kTag, 0), STATUS_SUCCESS);
  PVOID entry = ExAllocateFromLookasideListEx(&owner.list);
  EXPECT_EQ(owner.alive, 1);
  ExFreeToLookasideListEx(&owner.list, entry);
  EXPECT_EQ(owner.alive, 0);
  ExFlushLookasideListEx(&owner.list);
  ExDeleteLookasideListEx(&owner.list);
}

TEST(KernelSurface_Lookaside, InterlockedListsKeepTheirOrder) {
  SLIST_HEADER head;
  InitializeSListHead(&head);
  SLIST_ENTRY entries[3];
  EXPECT_EQ(InterlockedPushEntrySList(&head, &entries[0]), nullptr);
  EXPECT_EQ(InterlockedPushEntrySList(&head, &entries[1]), &entries[0]);
  EXPECT_EQ(QueryDepthSList(&head), 2);
  EXPECT_EQ(InterlockedPopEntrySList(&head), &entries[1]);
  EXPECT_EQ(InterlockedFlushSList(&head), &entries[0]);
  EXPECT_EQ(InterlockedPopEntrySList(&head), nullptr);
  EXPECT_EQ(ExQueryDepthSList(&head), 0);
}

}  // namespace
}  // namespace softndk::ntrt
