#include "inline_behaviour.h"

#include <ndis.h>
#include <wskndk.h>

#define CHECK(e)               \
  do {                         \
    if (!(e)) return __LINE__; \
  } while (0)

FORCEINLINE int plain_forceinline(int x) {
  return x + 1;
}
static FORCEINLINE int static_forceinline(int x) {
  return plain_forceinline(x) + 1;
}

int finally_runs_after_the_body_and_after_leave(void) {
  int trace = 0;
  __try {
    trace = trace * 10 + 1;
  } __finally {
    trace = trace * 10 + 2;
  }
  CHECK(trace == 12);
  __try {
    trace = 1;
    if (trace == 1) __leave;
    trace = 9;
  } __finally {
    trace = trace * 10 + 2;
  }
  CHECK(trace == 12);
  return 0;
}

int except_handler_is_never_entered(void) {
  NTSTATUS status = STATUS_SUCCESS;
  int filtered = 0;
  __try {
    status = STATUS_PENDING;
  } __except (filtered = 1, EXCEPTION_EXECUTE_HANDLER) {
    status = GetExceptionCode();
    return __LINE__;
  }
  CHECK(status == STATUS_PENDING);
  CHECK(filtered == 0);
  return 0;
}

int leave_ends_the_innermost_try_only(void) {
  int inner = 0;
  int outer = 0;
  __try {
    __try {
      for (int i = 0; i < 3; ++i) {
        if (i == 1) __leave;
        inner = inner * 10 + i + 1;
      }
      inner = 99;
    } __finally {
      inner = inner * 10 + 7;
    }
    outer = 1;
    switch (outer) {
      case 1:
        __leave;
      default:
        outer = 2;
    }
    outer = 3;
  } __except (EXCEPTION_EXECUTE_HANDLER) {
    outer = 4;
  }
  CHECK(inner == 17);
  CHECK(outer == 1);
  return 0;
}

int break_inside_try_leaves_the_outer_loop(void) {
  int rounds = 0;
  for (;;) {
    ++rounds;
    __try {
      if (rounds < 3) continue;
      break;
    } __except (EXCEPTION_EXECUTE_HANDLER) {
      return __LINE__;
    }
    return __LINE__;
  }
  CHECK(rounds == 3);
  return 0;
}

int exception_label_does_not_leak_between_functions(void) {
  int done = 0;
  __try {
    __leave;
  } __finally {
    done = 1;
  }
  __try {
    __leave;
  } __finally {
    ++done;
  }
  CHECK(done == 2);
  CHECK(static_forceinline(1) == 3);
  return 0;
}

typedef struct _ITEM {
  ULONG Number;
  LIST_ENTRY Link;
  SINGLE_LIST_ENTRY Single;
} ITEM, *PITEM;

int lists_keep_their_order(void) {
  LIST_ENTRY head;
  SINGLE_LIST_ENTRY stack = {NULL};
  ITEM items[4];
  InitializeListHead(&head);
  CHECK(IsListEmpty(&head));
  CHECK(RemoveHeadList(&head) == &head);
  for (ULONG i = 0; i < 4; ++i)
    items[i].Number = i;
  InsertTailList(&head, &items[1].Link);
  InsertTailList(&head, &items[2].Link);
  InsertHeadList(&head, &items[0].Link);
  InsertTailList(&head, &items[3].Link);
  CHECK(!RemoveEntryList(&items[2].Link));
  CHECK(CONTAINING_RECORD(RemoveHeadList(&head), ITEM, Link)->Number == 0);
  CHECK(CONTAINING_RECORD(RemoveTailList(&head), ITEM, Link)->Number == 3);
  CHECK(RemoveEntryList(&items[1].Link));
  CHECK(IsListEmpty(&head));
  PushEntryList(&stack, &items[0].Single);
  PushEntryList(&stack, &items[1].Single);
  CHECK(CONTAINING_RECORD(PopEntryList(&stack), ITEM, Single)->Number == 1);
  CHECK(CONTAINING_RECORD(PopEntryList(&stack), ITEM, Single)->Number == 0);
  CHECK(PopEntryList(&stack) == NULL);
  return 0;
}

int list_heads_can_be_copied_by_value(void) {
  LIST_ENTRY head;
  LIST_ENTRY copy;
  ITEM items[2];
  InitializeListHead(&head);
  InsertTailList(&head, &items[0].Link);
  InsertTailList(&head, &items[1].Link);
  copy = head;
  copy.Flink->Blink = &copy;
  copy.Blink->Flink = &copy;
  InitializeListHead(&head);
  CHECK(RemoveHeadList(&copy) == &items[0].Link);
  CHECK(RemoveHeadList(&copy) == &items[1].Link);
  CHECK(IsListEmpty(&copy) && IsListEmpty(&head));
  return 0;
}

int interlocked_gives_new_or_old_value_as_documented(void) {
  LONG volatile l = 5;
  LONG64 volatile q = 1ll << 40;
  SHORT volatile s = 7;
  CHECK(InterlockedIncrement(&l) == 6);
  CHECK(InterlockedDecrement(&l) == 5);
  CHECK(InterlockedAdd(&l, 3) == 8);
  CHECK(InterlockedExchangeAdd(&l, 2) == 8 && l == 10);
  CHECK(InterlockedExchange(&l, 1) == 10 && l == 1);
  CHECK(InterlockedCompareExchange(&l, 4, 2) == 1 && l == 1);
  CHECK(InterlockedCompareExchange(&l, 4, 1) == 1 && l == 4);
  CHECK(InterlockedOr(&l, 3) == 4 && l == 7);
  CHECK(InterlockedAnd(&l, 6) == 7 && l == 6);
  CHECK(InterlockedXor(&l, 2) == 6 && l == 4);
  CHECK(_InterlockedIncrement(&l) == 5 && _InterlockedDecrement(&l) == 4);
  CHECK(_InterlockedIncrement16(&s) == 8);
  CHECK(_InterlockedIncrement64(&q) == (1ll << 40) + 1);
  CHECK(_InterlockedExchangeAdd64(&q, 1) == (1ll << 40) + 1);
  CHECK(_InlineInterlockedAdd64(&q, -2) == 1ll << 40);
  l = 0;
  CHECK(_interlockedbittestandset(&l, 3) == 0 && l == 8);
  CHECK(_interlockedbittestandset(&l, 3) == 1);
  CHECK(_interlockedbittestandreset(&l, 3) == 1 && l == 0);
  return 0;
}

typedef enum _STATE { StateIdle, StateBusy } STATE;

int interlocked_accepts_enums_and_typed_pointers(void) {
  volatile STATE state = StateIdle;
  ULONG flags = 0;
  ITEM item;
  PITEM slot = NULL;
  CHECK(InterlockedCompareExchange((LONG*)&state, StateBusy, StateIdle) == StateIdle);
  CHECK(state == StateBusy);
  CHECK(InterlockedOr(&flags, 0x80000000u) == 0 && flags == 0x80000000u);
  CHECK(InterlockedCompareExchangePointer(&slot, &item, NULL) == NULL);
  CHECK(slot == &item);
  CHECK(InterlockedExchangePointer(&slot, NULL) == &item);
  return 0;
}

int mdl_macros_count_pages_of_4096_bytes(void) {
  CHECK(PAGE_SIZE == 4096 && PAGE_SHIFT == 12);
  CHECK(ADDRESS_AND_SIZE_TO_SPAN_PAGES((PVOID)0x1000, 4096) == 1);
  CHECK(ADDRESS_AND_SIZE_TO_SPAN_PAGES((PVOID)0x1001, 4096) == 2);
  CHECK(ADDRESS_AND_SIZE_TO_SPAN_PAGES((PVOID)0x1fff, 2) == 2);
  CHECK(ADDRESS_AND_SIZE_TO_SPAN_PAGES((PVOID)0x1000, 0) == 0);
  CHECK(ADDRESS_AND_SIZE_TO_SPAN_PAGES((PVOID)0x1800, 0xfffff000u) == 0x100000);
  CHECK(BYTES_TO_PAGES(4097) == 2);
  CHECK(ROUND_TO_PAGES(1) == 4096);
  return 0;
}

int initialised_mdl_describes_its_range(void) {
  union {
    MDL mdl;
    UCHAR bytes[sizeof(MDL) + 4 * sizeof(PFN_NUMBER)];
  } storage;
  PVOID va = (PVOID)0x12345678;
  memset(&storage, 0xcc, sizeof(storage));
  CHECK(MmSizeOfMdl(va, 8192) == sizeof(MDL) + 3 * 8);
  MmInitializeMdl(&storage.mdl, va, 8192);
  CHECK(MmGetMdlVirtualAddress(&storage.mdl) == va);
  CHECK(MmGetMdlByteCount(&storage.mdl) == 8192);
  CHECK(MmGetMdlByteOffset(&storage.mdl) == 0x678);
  CHECK(storage.mdl.Next == NULL && storage.mdl.MdlFlags == 0 && storage.mdl.Size == 72);
  CHECK((PUCHAR)MmGetMdlPfnArray(&storage.mdl) == storage.bytes + 48);
  return 0;
}

int verify_is_an_expression_and_evaluates_once(void) {
  int count = 0;
  if (!NT_VERIFY(++count == 1)) return __LINE__;
  NT_VERIFY(++count);
  NT_ASSERT(count == 2);
  ASSERT(count == 2);
  CHECK(count == 2);
  return 0;
}

int severity_macros_tell_warnings_from_errors(void) {
  CHECK(NT_SUCCESS(STATUS_PENDING) && NT_SUCCESS(STATUS_TIMEOUT));
  CHECK(!NT_SUCCESS(STATUS_BUFFER_OVERFLOW) && !NT_ERROR(STATUS_BUFFER_OVERFLOW));
  CHECK(NT_WARNING(STATUS_BUFFER_OVERFLOW));
  CHECK(NT_ERROR(STATUS_CANCELLED) && !NT_SUCCESS(STATUS_CANCELLED));
  CHECK(NT_INFORMATION(STATUS_OBJECT_NAME_EXISTS));
  CHECK(NDIS_STATUS_RESOURCES == STATUS_INSUFFICIENT_RESOURCES);
  return 0;
}

int multi_character_tags_have_msvc_values(void) {
  CHECK('NDKD' == 0x4E444B44);
  CHECK(WSKNDK_GET_WSK_PROVIDER_NDK_DISPATCH == (ULONG)'NDKD');
  return 0;
}

int wide_literals_are_utf16(void) {
  PCWSTR text = L"\x00e9\x4e2d";
  DECLARE_CONST_UNICODE_STRING(name, L"abc");
  CHECK(sizeof(L"ab") == 6);
  CHECK(text[0] == 0xe9 && text[1] == 0x4e2d && text[2] == UNICODE_NULL);
  CHECK(name.Length == 6 && name.MaximumLength == 8 && name.Buffer[2] == L'c');
  return 0;
}

int wsk_versions_are_constants(void) {
  static const WSK_CLIENT_DISPATCH dispatch = {MAKE_WSK_VERSION(1, 2), 0, NULL};
  CHECK(dispatch.Version == 0x0102);
  CHECK(WSK_MAJOR_VERSION(dispatch.Version) == 1 && WSK_MINOR_VERSION(dispatch.Version) == 2);
  return 0;
}

int guids_compare_by_value(void) {
  GUID a = {1, 2, 3, {4}};
  GUID b = a;
  CHECK(IsEqualGUID(&a, &b));
  b.Data4[7] = 1;
  CHECK(!IsEqualGUID(&a, &b));
  return 0;
}

#include <initguid.h>
DEFINE_GUID(softndk_test_guid, 0x01234567, 0x89ab, 0xcdef, 1, 2, 3, 4, 5, 6, 7, 8);

int initguid_makes_this_file_the_owner(void) {
  const GUID expected = {0x01234567, 0x89ab, 0xcdef, {1, 2, 3, 4, 5, 6, 7, 8}};
  CHECK(IsEqualGUID(&softndk_test_guid, &expected));
  return 0;
}

int products_of_32_bits_have_64(void) {
  CHECK(Int32x32To64(-2, 0x7fffffff) == -0xfffffffell);
  CHECK(UInt32x32To64(0xffffffff, 0xffffffff) == 0xfffffffe00000001ull);
  return 0;
}

int remove_from_a_corrupted_list(void) {
  LIST_ENTRY head;
  LIST_ENTRY entry;
  InitializeListHead(&head);
  InsertTailList(&head, &entry);
  head.Flink = &head;  // as a second removal on another thread would leave it
  return RemoveEntryList(&entry);
}

int fail_an_assertion(void) {
  int expected = 4;
  NT_ASSERT(expected == 5);
  return 0;
}

int run_paged_code(void) {
  PAGED_CODE();
  return 0;
}
