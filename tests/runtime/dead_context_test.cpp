// A completion context in a stack frame that has returned (spec/kernel-surface.md section 8, item 16): what cost a
// driver's author a bug check in a worker thread is a report here, which names the call. And what the item takes for
// granted: contexts come back untouched, at most once, and are never looked into.
#include <sys/mman.h>

#include "stage.h"

namespace softndk::stack {
namespace {

/// What a driver keeps in a local variable, and its completion writes into.
struct Answer {
  static VOID completed(PVOID context, NTSTATUS status) { static_cast<Answer*>(context)->arrived(status); }
  static VOID closed(PVOID context) { static_cast<Answer*>(context)->arrived(STATUS_SUCCESS); }
  static VOID created(PVOID context, NTSTATUS status, NDK_OBJECT_HEADER* object) {
    static_cast<Answer*>(context)->object = object;
    static_cast<Answer*>(context)->arrived(status);
  }
  void arrived(NTSTATUS result) {
    status = result;
    event.set();
  }
  NTSTATUS status = STATUS_PENDING;
  NDK_OBJECT_HEADER* object = nullptr;
  Event event;
};

/// A listener that answers nobody, so that a connect pends, and what a connect needs.
struct Scene {
  explicit Scene(Stage& stage) : adapter(*stage.adapter), door(adapter), side(adapter), from("127.0.0.1") {
    EXPECT_EQ(door.listen(from), STATUS_SUCCESS);
    at = door.address();
    side.connector = adapter.connector();
  }
  NTSTATUS connect(NDK_FN_REQUEST_COMPLETION completion, PVOID context) const {
    return side.connector.table()->NdkConnect(side.connector.get(), side.qp.get(), from.get(), from.bytes, at.get(),
                                              at.bytes, 1, 1, nullptr, 0, completion, context);
  }
  OpenAdapter& adapter;
  Door door;
  Side side;
  Sockaddr from, at;
};

// The mistakes. Each has a frame of its own, which is gone when it returns.

[[gnu::noinline]] void forgetful_connect(const Scene& scene) {
  Answer answer;
  if (scene.connect(&Answer::completed, &answer) == STATUS_PENDING) return;  // "it will be there some day"
  EXPECT_TRUE(answer.event.wait());
}

[[gnu::noinline]] void forgetful_create(const Scene& scene) {
  Answer answer;
  NDK_PD* pd = nullptr;
  if (scene.adapter.adapter->Dispatch->NdkCreatePd(scene.adapter.adapter, &Answer::created, &answer, &pd) ==
      STATUS_PENDING)
    return;
  EXPECT_TRUE(answer.event.wait());
}

[[gnu::noinline]] void forgetful_close(Scene& scene) {
  Answer answer;
  NDK_CQ* cq = scene.side.queue.cq.release();  // its queue pair is still there, so the close pends
  if (cq->Dispatch->NdkCloseCq(&cq->Header, &Answer::closed, &answer) == STATUS_PENDING) return;
  EXPECT_TRUE(answer.event.wait());
}

VOID forgetful_dpc(PKDPC, PVOID scene, PVOID, PVOID) {
  forgetful_connect(*static_cast<Scene*>(scene));
}

/// A driver that waits before it leaves.
[[gnu::noinline]] NTSTATUS careful_connect(Scene& scene) {
  Answer answer;
  NTSTATUS status = scene.connect(&Answer::completed, &answer);
  if (status != STATUS_PENDING) return status;
  for (int i = 0; i < 3; ++i)
    pass_ms(1);  // other waits of the same frame, and of deeper ones
  scene.door.next().close();
  EXPECT_TRUE(answer.event.wait());
  return answer.status;
}

/// `body(scene)` on a thread of the driver, in the simulation.
template <class Body>
void on_a_thread(Body body, const std::vector<Setting>& settings = {{"policy", "later"}, {"latency_us", "50"}}) {
  sim::World world(1);
  const sim::Result result = world.run([&] {
    Stage stage(world.view(), setting_values("later", settings));
    DriverThread([&] {
      Scene scene(stage);
      body(scene);
    }).join();
    stage.adapter.reset();
    stage.runtime.reset();
  });
  EXPECT_EQ(result, sim::Result::completed) << world.report();
}

TEST(SURFACE_8_16, AFrameThatReturnedIsReportedWhenItsThreadWaits) {
  const auto mistake = [] {
    on_a_thread([](Scene& scene) {
      forgetful_connect(scene);
      pass_ms(1);
    });
  };
  EXPECT_DEATH(mistake(),
               "NdkConnect pends, and its completion context 0x[0-9a-f]+ lay in a frame of thread "
               "'system thread' that has returned.* called at .*forgetful_connect.* when a delay began");
  const auto waits = [] {
    on_a_thread([](Scene& scene) {
      forgetful_connect(scene);
      Event nobody_sets;
      static_cast<void>(nobody_sets.wait(-10'000));
    });
  };
  EXPECT_DEATH(waits(), "NdkConnect pends, .*forgetful_connect.* when a wait began");
}

TEST(SURFACE_8_16, OrWhenTheDriversCodeReturnsToTheRuntime) {
  const auto dpc = [] {
    on_a_thread([](Scene& scene) {
      KDPC call;
      KeInitializeDpc(&call, &forgetful_dpc, &scene);
      KeInsertQueueDpc(&call, nullptr, nullptr);
      scene.door.next().close();
    });
  };
  EXPECT_DEATH(dpc(), "NdkConnect pends, .*forgetful_connect.* when DPC returned .*forgetful_dpc");
  const auto thread = [] { on_a_thread([](Scene& scene) { DriverThread([&] { forgetful_connect(scene); }).join(); }); };
  EXPECT_DEATH(thread(), "NdkConnect pends, .*forgetful_connect.* when system thread returned");
}

TEST(SURFACE_8_16, CreatesAndClosesToo) {
  const auto create = [] {
    on_a_thread([](Scene& scene) {
      forgetful_create(scene);
      pass_ms(1);
    });
  };
  EXPECT_DEATH(create(), "(a create|NdkCreatePd) pends, .*forgetful_create");
  const auto close = [] {
    on_a_thread([](Scene& scene) {
      forgetful_close(scene);
      pass_ms(1);
    });
  };
  EXPECT_DEATH(close(), "(a close|NdkCloseCq) pends, .*forgetful_close");
}

TEST(SURFACE_8_16, AFrameThatWaitsIsNoMistakeNorIsMemoryOfThePool) {
  everywhere([](Stage& stage) {
    Scene scene(stage);
    NTSTATUS status = STATUS_PENDING;
    DriverThread([&] { status = careful_connect(scene); }).join();
    EXPECT_EQ(status, STATUS_CONNECTION_REFUSED);
  });
  on_a_thread([](Scene& scene) {
    auto* answer = static_cast<Answer*>(ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof(Answer), 'tsnA'));
    ::new (answer) Answer;
    const auto begin = [&] { return scene.connect(&Answer::completed, answer); };
    ASSERT_EQ(begin(), STATUS_PENDING);
    pass_ms(1);
    scene.door.next().close();
    EXPECT_TRUE(answer->event.wait());
    EXPECT_EQ(answer->status, STATUS_CONNECTION_REFUSED);
    ExFreePoolWithTag(answer, 'tsnA');
  });
}

TEST(SURFACE_8_16, TheSettingTurnsItOff) {
  // What the completion writes into is then the caller's affair: here nothing is.
  struct Untouched {
    static VOID completed(PVOID, NTSTATUS) {}
  };
  const auto connect = [](Scene & scene) __attribute__((noinline)) {
    volatile char local = 0;
    EXPECT_EQ(scene.connect(&Untouched::completed, const_cast<char*>(&local)), STATUS_PENDING);
  };
  on_a_thread(
      [&](Scene& scene) {
        connect(scene);
        pass_ms(1);
        scene.door.next().close();
        scene.side.connector.close();
      },
      {{"dead_contexts", "off"}});
}

/// Completions that keep the context they got.
struct Recorder {
  static inline std::atomic<PVOID> seen{nullptr};
  static inline std::atomic<int> calls{0};
  static inline std::atomic<NDK_OBJECT_HEADER*> made{nullptr};
  static inline Event* told = nullptr;

  static VOID created(PVOID context, NTSTATUS, NDK_OBJECT_HEADER* object) {
    made = object;
    closed(context);
  }
  static VOID completed(PVOID context, NTSTATUS) { closed(context); }
  static VOID closed(PVOID context) {
    seen = context;
    ++calls;
    told->set();
  }
  /// What a call that returned `returned` has to lead to.
  static void expect_back(NTSTATUS returned, PVOID context) {
    if (returned == STATUS_PENDING) {
      EXPECT_TRUE(told->wait());
      EXPECT_EQ(seen.load(), context);
    }
    EXPECT_EQ(calls.load(), returned == STATUS_PENDING ? 1 : 0);
    calls = 0;
    told->clear();
  }
};

/// Contexts that nobody could look into: odd numbers, addresses that do not exist, a page without rights.
TEST(SURFACE_8_16, ContextsComeBackUntouchedOnceAndUnread) {
  void* page = mmap(nullptr, PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(page, MAP_FAILED);
  for (PVOID context : {PVOID{nullptr}, reinterpret_cast<PVOID>(1), reinterpret_cast<PVOID>(0x7fff'ffff'ffff'ffff),
                        reinterpret_cast<PVOID>(~UINT64{0}), page, PVOID(static_cast<char*>(page) + 4095)}) {
    everywhere([&](Stage& stage) {
      Event told;
      Recorder::told = &told;
      NDK_ADAPTER* adapter = stage.adapter->adapter;
      NDK_CQ* cq = nullptr;
      NTSTATUS status =
          adapter->Dispatch->NdkCreateCq(adapter, 4, nullptr, nullptr, nullptr, &Recorder::created, context, &cq);
      if (status == STATUS_PENDING) {
        ASSERT_TRUE(told.wait());
        cq = reinterpret_cast<NDK_CQ*>(Recorder::made.load());
      }
      Recorder::expect_back(status, context);
      Recorder::expect_back(cq->Dispatch->NdkResizeCq(cq, 8, &Recorder::completed, context), context);
      Scene scene(stage);
      status = scene.connect(&Recorder::completed, context);
      ASSERT_EQ(status, STATUS_PENDING);
      scene.door.next().close();
      Recorder::expect_back(status, context);
      Recorder::expect_back(cq->Dispatch->NdkCloseCq(&cq->Header, &Recorder::closed, context), context);
    });
  }
  munmap(page, PAGE_SIZE);
}

}  // namespace
}  // namespace softndk::stack
