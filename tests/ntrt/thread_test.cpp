#include "ntrt/thread.h"

#include <atomic>

#include "base/alloc.h"
#include "ntrt/kernel_fixture.h"
#include "ntrt/object.h"

namespace softndk::ntrt {
namespace {

class KernelSurface_4_6_Thread : public KernelTest {};
SOFTNDK_IN_BOTH_WORLDS(KernelSurface_4_6_Thread);

HANDLE create(PKSTART_ROUTINE routine, PVOID context) {
  HANDLE handle = nullptr;
  EXPECT_EQ(PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, nullptr, nullptr, nullptr, routine, context),
            STATUS_SUCCESS);
  return handle;
}

PVOID reference(HANDLE handle) {
  PVOID object = nullptr;
  EXPECT_EQ(ObReferenceObjectByHandle(handle, SYNCHRONIZE, *PsThreadType, KernelMode, &object, nullptr),
            STATUS_SUCCESS);
  return object;
}

TEST_P(KernelSurface_4_6_Thread, ThreadObjectIsSignalledWhenItsRoutineHasReturned) {
  run([] {
    std::atomic<bool> ran{false};
    HANDLE handle = create([](PVOID context) { *static_cast<std::atomic<bool>*>(context) = true; }, &ran);
    PVOID thread = reference(handle);
    EXPECT_EQ(ZwClose(handle), STATUS_SUCCESS);
    EXPECT_EQ(wait(thread), STATUS_SUCCESS);
    EXPECT_TRUE(ran);
    EXPECT_TRUE(poll(thread)) << "it stays signalled";
    ObDereferenceObject(thread);
  });
}

__attribute__((noinline)) void terminate_deep_inside(int depth) {
  if (depth == 0) {
    PsTerminateSystemThread(STATUS_CANCELLED);
  } else {
    terminate_deep_inside(depth - 1);
  }
  ADD_FAILURE() << "PsTerminateSystemThread returned";
}

TEST_P(KernelSurface_4_6_Thread, TerminateEndsTheThreadFromAnyDepth) {
  run([] {
    HANDLE handle = create([](PVOID) { terminate_deep_inside(5); }, nullptr);
    PVOID thread = reference(handle);
    EXPECT_EQ(wait(thread), STATUS_SUCCESS);
    EXPECT_EQ(static_cast<ThreadObject*>(thread)->exit_status, STATUS_CANCELLED);
    ObDereferenceObject(thread);
    EXPECT_EQ(ZwClose(handle), STATUS_SUCCESS);
  });
}

TEST_P(KernelSurface_4_6_Thread, TerminateOutsideASystemThreadIsRefused) {
  run([] { EXPECT_EQ(PsTerminateSystemThread(STATUS_SUCCESS), STATUS_INVALID_PARAMETER); });
}

TEST_P(KernelSurface_4_6_Thread, CurrentThreadIsTheObjectOfItsHandle) {
  struct Seen {
    KEVENT done;
    PVOID current = nullptr;
  };
  run([] {
    Seen seen;
    KeInitializeEvent(&seen.done, NotificationEvent, FALSE);
    HANDLE handle = create(
        [](PVOID context) {
          auto& to = *static_cast<Seen*>(context);
          to.current = PsGetCurrentThread();
          KeSetEvent(&to.done, IO_NO_INCREMENT, FALSE);
        },
        &seen);
    EXPECT_EQ(wait(&seen.done), STATUS_SUCCESS);
    PVOID thread = reference(handle);
    EXPECT_EQ(seen.current, thread);
    EXPECT_NE(thread, PsGetCurrentThread());
    EXPECT_EQ(PsGetCurrentThread(), PsGetCurrentThread());
    EXPECT_FALSE(poll(PsGetCurrentThread())) << "our own thread has not ended";
    ObDereferenceObject(thread);
    ZwClose(handle);
  });
}

TEST_P(KernelSurface_4_6_Thread, ThreadsThatNobodyWaitsForAreJoinedAtStop) {
  static std::atomic<int> ended;
  ended = 0;
  int expected = 0;
  run([&] {
    for (int i = 0; i < 10; ++i) {
      ZwClose(create(
          [](PVOID) {
            LARGE_INTEGER pause = relative_ms(1);
            KeDelayExecutionThread(KernelMode, FALSE, &pause);
            ++ended;
          },
          nullptr));
    }
    expected += 10;
  });
  EXPECT_EQ(ended, expected);
}

TEST_P(KernelSurface_4_6_Thread, HandlesAreCheckedForValidityAndType) {
  static const _OBJECT_TYPE other_type{"other", nullptr};
  run([] {
    PVOID object = nullptr;
    EXPECT_EQ(ZwClose(nullptr), STATUS_INVALID_HANDLE);
    EXPECT_EQ(ZwClose(reinterpret_cast<HANDLE>(0x7777)), STATUS_INVALID_HANDLE);
    HANDLE handle = create([](PVOID) {}, nullptr);
    EXPECT_EQ(ObReferenceObjectByHandle(handle, 0, const_cast<POBJECT_TYPE>(&other_type), KernelMode, &object, nullptr),
              STATUS_OBJECT_TYPE_MISMATCH);
    EXPECT_EQ(ObReferenceObjectByHandle(handle, 0, nullptr, KernelMode, &object, nullptr), STATUS_SUCCESS);
    ObDereferenceObject(object);
    EXPECT_EQ(ZwClose(handle), STATUS_SUCCESS);
    EXPECT_EQ(ZwClose(handle), STATUS_INVALID_HANDLE);
  });
}

TEST_P(KernelSurface_4_6_Thread, ManyHandlesAtOnceKeepTheirObjects) {
  run([] {
    HANDLE handles[40];
    for (HANDLE& handle : handles)
      handle = create([](PVOID) {}, nullptr);
    for (HANDLE handle : handles) {
      PVOID thread = reference(handle);
      EXPECT_EQ(wait(thread), STATUS_SUCCESS);
      ObDereferenceObject(thread);
      EXPECT_EQ(ZwClose(handle), STATUS_SUCCESS);
    }
  });
}

TEST(KernelSurface_4_6_Thread, WithoutMemoryForItsHandleNoThreadBegins) {
  // The handle table grows at the 17th handle. That used to be found out when the thread ran already: a bug check.
  for (std::uint64_t nth = 1; nth <= 4; ++nth) {
    run_simulated(nth, [nth] {
      static std::atomic<int> began;
      began = 0;
      const auto count = [](PVOID) { ++began; };
      HANDLE handles[17] = {};
      for (int i = 0; i < 16; ++i)
        handles[i] = create(count, nullptr);
      std::uint64_t left = nth;
      set_fault_hook([](void* calls, const char*) noexcept { return --*static_cast<std::uint64_t*>(calls) == 0; },
                     &left);
      const NTSTATUS status =
          PsCreateSystemThread(&handles[16], THREAD_ALL_ACCESS, nullptr, nullptr, nullptr, count, nullptr);
      set_fault_hook(nullptr, nullptr);
      EXPECT_EQ(status, nth <= 3 ? STATUS_INSUFFICIENT_RESOURCES : STATUS_SUCCESS) << "object, handles, thread";
      for (HANDLE handle : handles) {
        if (handle == nullptr) continue;
        PVOID thread = reference(handle);
        EXPECT_EQ(wait(thread), STATUS_SUCCESS);
        ObDereferenceObject(thread);
        ZwClose(handle);
      }
      EXPECT_EQ(began, nth <= 3 ? 16 : 17);
    });
  }
}

TEST(KernelSurface_4_6_Thread_DeathTest, DereferencingOnceTooOftenIsABugCheck) {
  static const _OBJECT_TYPE type{"test object", nullptr};
  void* body = allocate_object(type, 64);
  ASSERT_NE(body, nullptr);
  int no_object[64] = {};
  EXPECT_DEATH(dereference_object(&no_object[32]), "no object of the runtime");
  dereference_object(body);
}

TEST(KernelSurface_4_6_Thread_DeathTest, ThreadThatEndsWithRaisedIrqlIsABugCheck) {
  const auto body = [] {
    PVOID thread = reference(create(
        [](PVOID) {
          KIRQL before;
          KeRaiseIrql(DISPATCH_LEVEL, &before);
        },
        nullptr));
    wait(thread);
  };
  EXPECT_DEATH(run_on_linux(body), "system thread .*ended at IRQL 2");
}

}  // namespace
}  // namespace softndk::ntrt
