// Doubly and singly linked lists. Heads and entries are plain data: drivers copy heads and mend the neighbours.
#ifndef SOFTNDK_WDK_DETAIL_LIST_H
#define SOFTNDK_WDK_DETAIL_LIST_H

#include "../ntdef.h"

EXTERN_C_START

/// A list's links disagree with each other: reports `operation` and the entry, then aborts. Windows stops here as well.
SOFTNDK_API void SoftNdkListCorrupted(const void* entry, const char* operation) SOFTNDK_NOEXCEPT DECLSPEC_NORETURN;

EXTERN_C_END

SOFTNDK_INLINE VOID InitializeListHead(PLIST_ENTRY ListHead) {
  ListHead->Flink = ListHead->Blink = ListHead;
}

SOFTNDK_INLINE BOOLEAN IsListEmpty(const LIST_ENTRY* ListHead) {
  return (BOOLEAN)(ListHead->Flink == ListHead);
}

/// TRUE when the list is empty afterwards.
SOFTNDK_INLINE BOOLEAN RemoveEntryList(PLIST_ENTRY Entry) {
  PLIST_ENTRY next = Entry->Flink;
  PLIST_ENTRY previous = Entry->Blink;
  if (next->Blink != Entry || previous->Flink != Entry) SoftNdkListCorrupted(Entry, "RemoveEntryList");
  previous->Flink = next;
  next->Blink = previous;
  return (BOOLEAN)(next == previous);
}

/// Gives the head itself when the list is empty.
SOFTNDK_INLINE PLIST_ENTRY RemoveHeadList(PLIST_ENTRY ListHead) {
  PLIST_ENTRY entry = ListHead->Flink;
  PLIST_ENTRY next = entry->Flink;
  if (entry->Blink != ListHead || next->Blink != entry) SoftNdkListCorrupted(ListHead, "RemoveHeadList");
  ListHead->Flink = next;
  next->Blink = ListHead;
  return entry;
}

/// Gives the head itself when the list is empty.
SOFTNDK_INLINE PLIST_ENTRY RemoveTailList(PLIST_ENTRY ListHead) {
  PLIST_ENTRY entry = ListHead->Blink;
  PLIST_ENTRY previous = entry->Blink;
  if (entry->Flink != ListHead || previous->Flink != entry) SoftNdkListCorrupted(ListHead, "RemoveTailList");
  ListHead->Blink = previous;
  previous->Flink = ListHead;
  return entry;
}

SOFTNDK_INLINE VOID InsertTailList(PLIST_ENTRY ListHead, PLIST_ENTRY Entry) {
  PLIST_ENTRY last = ListHead->Blink;
  if (last->Flink != ListHead) SoftNdkListCorrupted(ListHead, "InsertTailList");
  Entry->Flink = ListHead;
  Entry->Blink = last;
  last->Flink = Entry;
  ListHead->Blink = Entry;
}

SOFTNDK_INLINE VOID InsertHeadList(PLIST_ENTRY ListHead, PLIST_ENTRY Entry) {
  PLIST_ENTRY first = ListHead->Flink;
  if (first->Blink != ListHead) SoftNdkListCorrupted(ListHead, "InsertHeadList");
  Entry->Flink = first;
  Entry->Blink = ListHead;
  first->Blink = Entry;
  ListHead->Flink = Entry;
}

/// Appends the ring that ListToAppend belongs to, without regard for which of its entries is a head.
SOFTNDK_INLINE VOID AppendTailList(PLIST_ENTRY ListHead, PLIST_ENTRY ListToAppend) {
  PLIST_ENTRY last = ListHead->Blink;
  if (last->Flink != ListHead) SoftNdkListCorrupted(ListHead, "AppendTailList");
  ListHead->Blink->Flink = ListToAppend;
  ListHead->Blink = ListToAppend->Blink;
  ListToAppend->Blink->Flink = ListHead;
  ListToAppend->Blink = last;
}

SOFTNDK_INLINE VOID PushEntryList(PSINGLE_LIST_ENTRY ListHead, PSINGLE_LIST_ENTRY Entry) {
  Entry->Next = ListHead->Next;
  ListHead->Next = Entry;
}

/// NULL when the list is empty.
SOFTNDK_INLINE PSINGLE_LIST_ENTRY PopEntryList(PSINGLE_LIST_ENTRY ListHead) {
  PSINGLE_LIST_ENTRY first = ListHead->Next;
  if (first != NULL) ListHead->Next = first->Next;
  return first;
}

#endif
