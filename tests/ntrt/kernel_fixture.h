#pragma once
// Runs a test's body inside a started runtime, on Linux threads or in the simulated world (there under many seeds):
//
//   class KernelSurface_4_1 : public ntrt::KernelTest {};
//   SOFTNDK_IN_BOTH_WORLDS(KernelSurface_4_1);
//   TEST_P(KernelSurface_4_1, SetWakesTheWaiter) { run([] { ... }); }
#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <string>

#include "net/world.h"
#include "ntrt/deferred.h"
#include "ntrt/kernel.h"
#include "sim/seed_loop.h"
#include "sim/world.h"
#include "wdk/wdm.h"

namespace softndk::ntrt {

enum class TestWorld { linux_threads, simulated };

inline KernelOptions quiet_options() {
  KernelOptions options;
  options.explain_wait_after_ns = 0;
  return options;
}

template <class Body>
void run_on_linux(Body&& body, const KernelOptions& options = quiet_options()) {
  net::Options world_options;
  world_options.processors = 2;
  auto world = net::World::create(world_options);
  ASSERT_TRUE(world);
  Kernel running;
  ASSERT_TRUE(running.start((*world)->view(), options));
  body();
  running.stop();
}

template <class Body>
void run_simulated(std::uint64_t seed, Body&& body, const KernelOptions& options = quiet_options(),
                   sim::Options world_options = {}) {
  sim::World world(seed, std::move(world_options));
  Kernel running;
  const sim::Result result = world.run([&] {
    ASSERT_TRUE(running.start(world.view(), options));
    body();
    running.stop();
  });
  ASSERT_EQ(result, sim::Result::completed) << world.report();
}

class KernelTest : public ::testing::TestWithParam<TestWorld> {
 protected:
  static constexpr std::uint64_t kSeeds = 40;

  template <class Body>
  void run(Body&& body, const KernelOptions& options = quiet_options()) {
    if (GetParam() == TestWorld::linux_threads) {
      run_on_linux(body, options);
    } else {
      sim::for_each_seed(kSeeds, [&](std::uint64_t seed) { run_simulated(seed, body, options); });
    }
  }
  /// How often a stress loop goes round: a seed is worth many rounds on threads.
  unsigned rounds(unsigned on_linux) const { return GetParam() == TestWorld::linux_threads ? on_linux : 5; }
};

#define SOFTNDK_IN_BOTH_WORLDS(suite)                                                                                 \
  INSTANTIATE_TEST_SUITE_P(                                                                                           \
      In, suite, ::testing::Values(::softndk::ntrt::TestWorld::linux_threads, ::softndk::ntrt::TestWorld::simulated), \
      [](const auto& instance) {                                                                                      \
        return instance.param == ::softndk::ntrt::TestWorld::linux_threads ? "Linux" : "Simulation";                  \
      })

/// Threads of a test; joined at the end of their scope.
class TestThreads {
 public:
  TestThreads() = default;
  TestThreads(const TestThreads&) = delete;
  TestThreads& operator=(const TestThreads&) = delete;
  ~TestThreads() { join(); }

  void spawn(std::function<void()> body) {
    One& one = threads_.emplace_back();
    one.body = std::move(body);
    const auto enter = [](void* context) noexcept { static_cast<One*>(context)->body(); };
    ASSERT_TRUE(one.thread.start("test thread", enter, &one));
  }
  void join() {
    for (One& one : threads_)
      one.thread.join();
    threads_.clear();
  }

 private:
  struct One {
    std::function<void()> body;
    SystemThread thread;
  };
  std::deque<One> threads_;
};

inline LARGE_INTEGER relative_ms(LONGLONG ms) {
  LARGE_INTEGER time;
  time.QuadPart = -ms * 10'000;
  return time;
}
inline NTSTATUS wait(PVOID object) {
  return KeWaitForSingleObject(object, Executive, KernelMode, FALSE, nullptr);
}
inline NTSTATUS wait_ms(PVOID object, LONGLONG ms) {
  LARGE_INTEGER time = relative_ms(ms);
  return KeWaitForSingleObject(object, Executive, KernelMode, FALSE, &time);
}
inline bool poll(PVOID object) {
  return wait_ms(object, 0) == STATUS_SUCCESS;
}

}  // namespace softndk::ntrt
