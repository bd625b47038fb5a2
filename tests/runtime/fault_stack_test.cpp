// Each fallible call of each scenario fails once for each distinct stack of calls that leads to it, in simulation and
// with each completion policy. Whatever fails: a status of the function's table, everything given back, nobody waits
// for ever, and the library works afterwards.
#include "fault_balance.h"
#include "fault_scenarios.h"
#include "stage.h"

namespace softndk::stack {
namespace {

/// Each stack fails in each of these worlds.
struct Weather {
  const char* name;
  bool connections_last = true;
  sim::Options options = {};
};
std::vector<Weather> weathers() {
  std::vector<Weather> all = {{"fair"}, {"narrow"}, {"crowded"}, {"stormy", false}};
  sim::Options& narrow = all[1].options;  // FPDUs get stuck halfway
  narrow.send_buffer_bytes = narrow.receive_buffer_bytes = 2'000;
  narrow.short_read = narrow.short_write = sim::Chance::always();
  all[2].options.stall = sim::Chance::one_in(30);
  all[3].options.reset = sim::Chance::always();
  all[3].options.reset_at_bytes = {0, 80'000};
  for (Weather& each : all)
    each.options.time_max_ns = 600 * io::kSecond;
  return all;
}

void run_in_simulation(const Weather& weather, const char* policy, const Setting& setting,
                       const std::function<void(const io::World&, runtime::Configuration&)>& body) {
  sim::World world(1, weather.options);
  const sim::Result result = world.run([&] {
    runtime::Configuration configuration;
    std::vector<Setting> settings(std::begin(kBoundedWaits), std::end(kBoundedWaits));
    if (setting.second != nullptr) settings.push_back(setting);
    setting_values(policy, settings).configure(configuration);
    configuration.log = static_cast<LogLevel>(-1);  // shortages are its daily bread
    body(world.view(), configuration);
  });
  ASSERT_EQ(result, sim::Result::completed) << world.report();
}

/// A plain life in the runtime that is there.
void require_it_works(const Weather& weather) {
  OpenAdapter adapter(1);
  ASSERT_EQ(adapter.status, STATUS_SUCCESS);
  const bool well = converse({1, adapter.adapter});
  EXPECT_TRUE(well || !weather.connections_last) << "it does not work any more";
}

using Shortage = test::FaultStacks::Shortage;
using Case = std::tuple<FaultScenario, const char*, Shortage>;
class EachStackFails : public testing::TestWithParam<Case> {};

TEST_P(EachStackFails, Once) {
  const FaultScenario& scenario = std::get<0>(GetParam());  // clang 14 captures no structured binding
  const char* policy = std::get<1>(GetParam());
  const Shortage shortage = std::get<2>(GetParam());
  unsigned failed = 0;
  for (const Weather& weather : weathers()) {
    SCOPED_TRACE(weather.name);
    test::FaultStacks stacks(shortage);
    stacks.one_of = test::FaultStacks::kOneOfManyWhenSlow;
    while (stacks.next_run()) {
      const Balance before;
      bool went_through = false;
      run_in_simulation(weather, policy, scenario.setting,
                        [&](const io::World& world, runtime::Configuration& configuration) {
                          auto runtime = runtime::Runtime::start(world, configuration);
                          ASSERT_TRUE(runtime);
                          {
                            OpenAdapter adapter(1);
                            ASSERT_EQ(adapter.status, STATUS_SUCCESS);
                            const test::FaultStacks::Injection injection(stacks);
                            went_through = scenario.run({1, adapter.adapter});
                          }
                          require_it_works(weather);
                        });
      EXPECT_EQ(Balance::after(before), before) << "something leaks";
      if (!stacks.failed_now() && weather.connections_last) {
        EXPECT_TRUE(went_through) << "it does not go well although nothing fails";
      }
    }
    EXPECT_GT(stacks.failed(), 0u);
    failed += stacks.failed();
    if (HasFailure()) return;
  }
  FailedStacks::record(failed);
}

/// "mixed" for "mixed(7)".
std::string word_of(const char* policy) {
  const std::string whole = policy;
  return whole.substr(0, whole.find('('));
}

std::string name_of(const testing::TestParamInfo<Case>& each) {
  const auto& [scenario, policy, shortage] = each.param;
  return std::string(scenario.name) + "_" + word_of(policy) + (shortage == Shortage::stays ? "_stays" : "");
}

INSTANTIATE_TEST_SUITE_P(InSimulation, EachStackFails,
                         testing::Combine(testing::ValuesIn(fault_scenarios().begin(), fault_scenarios().end()),
                                          testing::ValuesIn(kPolicies),
                                          testing::Values(Shortage::once, Shortage::stays)),
                         name_of);

using StartCase = std::tuple<const char*, Shortage>;
class EachStackOfAStartFails : public testing::TestWithParam<StartCase> {};

TEST_P(EachStackOfAStartFails, Once) {
  const auto& [policy, shortage] = GetParam();
  const Weather weather = weathers().front();
  test::FaultStacks stacks(shortage);
  while (stacks.next_run()) {
    const Balance before;
    bool went_through = false;
    run_in_simulation(weather, policy, {}, [&](const io::World& world, runtime::Configuration& configuration) {
      {
        const test::FaultStacks::Injection injection(stacks);
        auto runtime = runtime::Runtime::start(world, configuration);
        if (went_well("the runtime's start", runtime ? STATUS_SUCCESS : runtime.error())) {
          OpenAdapter adapter(1);
          went_through = went_well("WskOpenNdkAdapter", adapter.status);
          adapter.close();
        }
      }
      EXPECT_EQ(Balance::after(before), before) << "something leaks";
      auto runtime = runtime::Runtime::start(world, configuration);
      ASSERT_TRUE(runtime) << "it cannot start again";
      require_it_works(weather);
    });
    EXPECT_EQ(Balance::after(before), before) << "something leaks";
    if (!stacks.failed_now()) {
      EXPECT_TRUE(went_through) << "it does not go well although nothing fails";
    }
  }
  EXPECT_GT(stacks.failed(), 20u);
  FailedStacks::record(stacks.failed());
}

std::string name_of_start(const testing::TestParamInfo<StartCase>& each) {
  const auto& [policy, shortage] = each.param;
  return word_of(policy) + (shortage == Shortage::stays ? "_stays" : "");
}

INSTANTIATE_TEST_SUITE_P(InSimulation, EachStackOfAStartFails,
                         testing::Combine(testing::ValuesIn(kPolicies),
                                          testing::Values(Shortage::once, Shortage::stays)),
                         name_of_start);

/// OID_NDK_SET_STATE for an adapter that nobody has open, and what follows from it. True: it was done.
bool switch_ndk(NET_IFINDEX index, bool on) {
  BOOLEAN state = on ? TRUE : FALSE;
  const NDIS_STATUS status = ntrt::ndis_oid_set(index, OID_NDK_SET_STATE, &state, 1).status;
  if (!went_well("an OID", static_cast<NTSTATUS>(status))) return false;
  const auto wanted = on ? ntrt::NdkState::enabled : ntrt::NdkState::disabled;
  ntrt::AdapterSummary summary;
  for (int i = 0; i < 10'000; ++i) {  // NDIS is told on another thread (R-PNP-05)
    EXPECT_TRUE(ntrt::ndis_find_adapter(index, summary));
    if (summary.ndk == wanted) return true;
    pause_ms(1);
  }
  ADD_FAILURE() << "the state was never reached";
  return false;
}

TEST(R_OID_04, ASwitchThatFailsChangesNothing) {
  constexpr NET_IFINDEX kIndex = 2;
  const Weather weather = weathers().front();
  test::FaultStacks stacks;
  while (stacks.next_run()) {
    run_in_simulation(weather, "default", {}, [&](const io::World& world, runtime::Configuration& configuration) {
      auto runtime = runtime::Runtime::start(world, configuration);
      ASSERT_TRUE(runtime);
      bool is_off = false;
      bool is_on = false;
      {
        const test::FaultStacks::Injection injection(stacks);
        is_off = switch_ndk(kIndex, false);
        if (is_off) is_on = switch_ndk(kIndex, true);
      }
      EXPECT_TRUE(stacks.failed_now() || (is_off && is_on));
      OpenAdapter adapter(kIndex);
      EXPECT_EQ(adapter.status == STATUS_SUCCESS, !is_off || is_on) << std::hex << adapter.status;
      adapter.close();
      EXPECT_TRUE(is_on || (switch_ndk(kIndex, false) && switch_ndk(kIndex, true)));
      require_it_works(weather);
    });
  }
  EXPECT_GT(stacks.failed(), 3u) << "for each switch a thread and its parts";
  FailedStacks::record(stacks.failed());
}

}  // namespace
}  // namespace softndk::stack
