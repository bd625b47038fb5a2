#pragma once
// Where the consumer plays: a running runtime on Linux and from seeds, with each completion policy.
#include <cstdlib>

#include "ndk_consumer.h"
#include "net/world.h"
#include "ntrt/ndis.h"
#include "runtime/runtime.h"
#include "sim/seed_loop.h"
#include "sim/world.h"

namespace softndk::stack {

/// A running runtime and its loopback adapter, opened.
class Stage {
 public:
  Stage(const io::World& in, const runtime::SettingValues& values) : world(in) {
    values.configure(configuration);
    auto started = runtime::Runtime::start(world, configuration);
    EXPECT_TRUE(started);
    if (!started) std::abort();
    runtime = std::move(*started);
    adapter = std::make_unique<OpenAdapter>(loopback_index());
    EXPECT_EQ(adapter->status, STATUS_SUCCESS);
  }
  NET_IFINDEX loopback_index() const {
    for (const auto& each : runtime->adapters())
      if (each.interface.loopback) return each.interface.index;
    return 0;
  }
  io::World world;
  runtime::Configuration configuration;
  Owned<runtime::Runtime> runtime;
  std::unique_ptr<OpenAdapter> adapter;
};

/// Two ends on the loopback adapter, and a listener.
struct Pair {
  explicit Pair(Stage& stage, const char* host = "127.0.0.1", const QpShape& shape = {})
      : door(*stage.adapter), active(*stage.adapter, shape), passive(*stage.adapter, shape), from(host) {
    EXPECT_EQ(door.listen(Sockaddr(host)), STATUS_SUCCESS);
    at = door.address();
  }
  /// Listener first: its close waits for its connectors.
  ~Pair() {
    active.close();
    passive.close();
  }
  /// As far as both requests are out and the active side's has succeeded.
  [[nodiscard]] NTSTATUS meet(Limits ours = {}, Limits theirs = {}, std::string_view asked = {},
                              std::string_view answered = {}) {
    Request connecting;
    const NTSTATUS returned = over != nullptr ? active.begin_connect(connecting, *over, at, ours, asked)
                                              : active.begin_connect(connecting, from, at, ours, asked);
    if (returned != STATUS_PENDING) return returned;
    passive.connector = door.next();
    if (!passive.connector) return STATUS_UNSUCCESSFUL;
    accept_returned = passive.begin_accept(accepting, theirs, answered);
    return connecting.finish(returned);
  }
  [[nodiscard]] bool establish(Limits ours = {}, Limits theirs = {}) {
    const NTSTATUS met = meet(ours, theirs);
    EXPECT_EQ(met, STATUS_SUCCESS);
    if (met != STATUS_SUCCESS) return false;
    const NTSTATUS completed = active.complete();
    const NTSTATUS accepted = accepting.finish(accept_returned);
    EXPECT_EQ(completed, STATUS_SUCCESS);
    EXPECT_EQ(accepted, STATUS_SUCCESS);
    return completed == STATUS_SUCCESS && accepted == STATUS_SUCCESS;
  }

  Request accepting;
  NTSTATUS accept_returned = STATUS_PENDING;
  Door door;
  Side active, passive;
  Sockaddr from, at;
  const Object<NDK_SHARED_ENDPOINT>* over = nullptr;  ///< where to connect from, in place of `from`
};

/// Lets time pass. For simulations, whose time is virtual.
inline void pass_ms(LONGLONG ms) {
  LARGE_INTEGER due;
  due.QuadPart = -ms * 10'000;
  KeDelayExecutionThread(KernelMode, FALSE, &due);
}

using Setting = std::pair<const char*, const char*>;
inline constexpr const char* kPolicies[] = {"default", "inline", "nested", "early", "later", "mixed(7)"};

/// From the environment too: SOFTNDK_VERIFIER puts the interposer between, and a SOFTNDK_POLICY that somebody has asked
/// for is the policy of every stage (scripts/suite-rounds.sh).
inline runtime::SettingValues setting_values(const char* policy, const std::vector<Setting>& settings) {
  runtime::SettingValues values;
  if (std::getenv("SOFTNDK_POLICY") == nullptr) {
    EXPECT_TRUE(values.set("policy", policy));
  }
  for (const auto& [name, value] : settings)
    EXPECT_TRUE(values.set(name, value)) << name;
  return values;
}

/// Runs `body(Stage&)` in simulation, the policies in turn.
template <class Body>
void in_simulation(std::uint64_t seeds, Body body, const std::vector<Setting>& settings = {},
                   const sim::Options& options = {}) {
  sim::for_each_seed(seeds, [&](std::uint64_t seed) {
    const char* policy = kPolicies[seed % std::size(kPolicies)];
    SCOPED_TRACE(std::string("simulation, policy ") + policy);
    sim::World world(seed, options);
    const sim::Result result = world.run([&] {
      Stage stage(world.view(), setting_values(policy, settings));
      body(stage);
      stage.adapter.reset();
      stage.runtime.reset();
    });
    ASSERT_EQ(result, sim::Result::completed) << world.report();
  });
}

/// The same on Linux, with the default policy and with the one that overtakes its callers, and in simulation with all.
template <class Body>
void everywhere(Body body, const std::vector<Setting>& settings = {}, std::uint64_t seeds = 6) {
  for (const char* policy : {"default", "early"}) {
    SCOPED_TRACE(std::string("Linux, policy ") + policy);
    auto world = net::World::create();
    ASSERT_TRUE(world);
    Stage stage((*world)->view(), setting_values(policy, settings));
    body(stage);
    stage.adapter.reset();
    stage.runtime.reset();
    if (testing::Test::HasFailure()) return;
  }
  in_simulation(seeds, body, settings);
}

}  // namespace softndk::stack
