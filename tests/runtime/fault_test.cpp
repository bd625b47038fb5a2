// Calls that fail and connections that are lost or silenced, by seed: no run knows beforehand what will befall it.
// Whatever happens: a documented status, everything given back, nobody waits for ever.
#include "fault_scenarios.h"
#include "stage.h"

namespace softndk::stack {
namespace {

const std::vector<Setting> kSettings(std::begin(kBoundedWaits), std::end(kBoundedWaits));

/// The scenarios and the policies in turn.
void in_weather(std::uint64_t seeds, const sim::Options& options, bool network_answers = true) {
  sim::for_each_seed(seeds, [&](std::uint64_t seed) {
    const std::size_t scenarios = fault_scenarios().size();
    const FaultScenario& scenario = fault_scenarios()[seed % scenarios];
    const char* policy = kPolicies[(seed + seed / scenarios) % std::size(kPolicies)];  // each with each, in the end
    SCOPED_TRACE(std::string(scenario.name) + ", policy " + policy);
    sim::World world(seed, options);
    const sim::Result result = world.run([&] {
      runtime::Configuration configuration;
      setting_values(policy, kSettings).configure(configuration);
      configuration.log = static_cast<LogLevel>(-1);  // shortages are its daily bread
      auto runtime = runtime::Runtime::start(world.view(), configuration);
      if (!went_well("the runtime's start", runtime ? STATUS_SUCCESS : runtime.error())) return;
      OpenAdapter adapter(1);
      if (went_well("WskOpenNdkAdapter", adapter.status)) scenario.run({1, adapter.adapter, network_answers});
    });
    ASSERT_EQ(result, sim::Result::completed) << world.report();
  });
}

TEST(R_DISC_15, ResetAtAnyOctet) {
  sim::Options options;
  options.reset = sim::Chance::always();
  options.reset_at_bytes = {0, 60'000};
  in_weather(400, options);
}

TEST(R_DISC_15, SilenceFromAnyOctetOn) {
  sim::Options options;
  options.silence = sim::Chance::always();
  options.silence_at_bytes = {0, 60'000};
  in_weather(400, options, false);
}

TEST(R_CNCT_09, ConnectsThatNobodyAnswers) {
  sim::Options options;
  options.unanswered_connect = sim::Chance::one_in(2);
  in_weather(100, options);
}

TEST(R_CRT_06, ManyFaultsAtOnce) {
  sim::Options options;
  options.fail_call = sim::Chance::one_in(60);
  options.reset = sim::Chance::one_in(4);
  options.short_read = options.short_write = sim::Chance::one_in(2);
  options.stall = sim::Chance::one_in(200);
  in_weather(600, options);
}

}  // namespace
}  // namespace softndk::stack
