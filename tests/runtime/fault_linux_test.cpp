// The same on Linux: the system calls of sockets, threads and interfaces, and the C interface, each failing once for
// each distinct stack of calls. One process, real loopback sockets, real time: so the settings bound every wait, and
// what is met differs a little from run to run.
#include "fault_balance.h"
#include "fault_scenarios.h"
#include "softndk/softndk.h"
#include "stage.h"

namespace softndk::stack {
namespace {

constexpr Setting kBrief[] = {{"connect_timeout_ms", "400"},
                              {"rtr_timeout_ms", "400"},
                              {"request_timeout_ms", "200"},
                              {"disconnect_timeout_ms", "200"},
                              {"no_receive_timeout_ms", "200"},
                              {"processors", "2"},
                              {"spin_us", "0"}};

runtime::SettingValues brief_values(const char* policy) {
  return setting_values(policy, std::vector<Setting>(std::begin(kBrief), std::end(kBrief)));
}

/// A world and a runtime in it; null where either did not start.
struct Host {
  explicit Host(const char* policy) {
    brief_values(policy).configure(configuration);
    configuration.log = static_cast<LogLevel>(-1);
    if (auto created = net::World::create(configuration.net)) world = std::move(*created);
    if (world == nullptr) return;
    auto started = runtime::Runtime::start(world->view(), configuration);
    if (went_well("the runtime's start", started ? STATUS_SUCCESS : started.error())) runtime = std::move(*started);
  }
  NET_IFINDEX loopback() const {
    for (const auto& each : runtime->adapters()) {
      if (each.interface.loopback) return each.interface.index;
    }
    return 0;
  }
  runtime::Configuration configuration;
  Owned<net::World> world;
  Owned<runtime::Runtime> runtime;
};

void require_it_works(const Host& host) {
  OpenAdapter adapter(host.loopback());
  ASSERT_EQ(adapter.status, STATUS_SUCCESS);
  EXPECT_TRUE(converse({host.loopback(), adapter.adapter})) << "it does not work any more";
}

class EachStackFailsOnLinux : public testing::TestWithParam<FaultScenario> {};

TEST_P(EachStackFailsOnLinux, Once) {
  for (const char* policy : {"default", "early"}) {
    SCOPED_TRACE(policy);
    {
      Host warm(policy);  // contexts of threads are kept for ever, and the unwinder is loaded
      require_it_works(warm);
    }
    test::FaultStacks stacks;
    stacks.quiet_runs = 3;
    while (stacks.next_run()) {
      const Balance before;
      bool went_through = false;
      {
        Host host(policy);
        ASSERT_NE(host.runtime, nullptr);
        {
          OpenAdapter adapter(host.loopback());
          ASSERT_EQ(adapter.status, STATUS_SUCCESS);
          const test::FaultStacks::Injection injection(stacks);
          went_through = GetParam().run({host.loopback(), adapter.adapter});
        }
        require_it_works(host);
      }
      EXPECT_EQ(Balance::after(before), before) << "something leaks";
      if (!stacks.failed_now()) {
        EXPECT_TRUE(went_through) << "it does not go well although nothing fails";
      }
    }
    EXPECT_GT(stacks.failed(), 0u);
    FailedStacks::record(stacks.failed());
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Sockets, EachStackFailsOnLinux,
                         testing::ValuesIn(fault_scenarios().begin(), fault_scenarios().end()),
                         [](const auto& each) { return std::string(each.param.name); });

TEST(EachStackOfAStartFailsOnLinux, Once) {
  { Host warm("default"); }
  test::FaultStacks stacks;
  stacks.quiet_runs = 3;
  while (stacks.next_run()) {
    const Balance before;
    bool went_through = false;
    {
      const test::FaultStacks::Injection injection(stacks);
      Host host("default");
      if (host.runtime != nullptr) {
        OpenAdapter adapter(host.loopback());
        went_through = went_well("WskOpenNdkAdapter", adapter.status);
      }
    }
    EXPECT_EQ(Balance::after(before), before) << "something leaks";
    Host again("default");
    ASSERT_NE(again.runtime, nullptr) << "it cannot start again";
    require_it_works(again);
    if (!stacks.failed_now()) {
      EXPECT_TRUE(went_through) << "it does not go well although nothing fails";
    }
  }
  EXPECT_GT(stacks.failed(), 30u);
  FailedStacks::record(stacks.failed());
}

// ---- include/softndk/softndk.h, which a program has in place of all this

NTSTATUS driver_entry(PDRIVER_OBJECT driver, PUNICODE_STRING) {
  driver->DriverUnload = [](PDRIVER_OBJECT) {};
  return STATUS_SUCCESS;
}

/// True: every step went well.
bool live_by_the_c_interface() {
  bool well = softndk_set("policy", "later") == STATUS_SUCCESS;
  EXPECT_TRUE(well);
  const std::uint32_t before = softndk_find_interface("127.0.0.1");  // 0: the host could not be asked
  if (!went_well("the runtime's start", softndk_start())) return false;
  softndk_interface all[16];
  const std::size_t count = softndk_interfaces(all, 16);
  const std::uint32_t index = softndk_find_interface("127.0.0.1");
  EXPECT_GT(count, 0u) << "a running runtime knows its adapters by heart";
  EXPECT_NE(index, 0u);
  EXPECT_TRUE(before == index || before == 0);
  softndk_driver* driver = nullptr;
  const int32_t loaded = softndk_load_driver(reinterpret_cast<softndk_driver_entry>(&driver_entry), "c", &driver);
  well = went_well("DriverEntry", loaded) && before != 0;
  EXPECT_EQ(driver != nullptr, loaded == STATUS_SUCCESS);
  std::uint8_t statistics[1024];
  std::uint32_t bytes = 0;
  const int32_t asked = softndk_oid_query(index, OID_NDK_STATISTICS, statistics, sizeof statistics, &bytes);
  // Without memory its miniport did not initialize, and there is no adapter to be asked.
  EXPECT_TRUE(asked == STATUS_SUCCESS || !well || asked == NDIS_STATUS_INVALID_PARAMETER) << std::hex << asked;
  well = well && asked == STATUS_SUCCESS;
  {
    OpenAdapter adapter(index);
    if (went_well("WskOpenNdkAdapter", adapter.status)) {
      well = converse({index, adapter.adapter}) && well;
    } else {
      well = false;
    }
  }
  softndk_unload_driver(driver);
  EXPECT_EQ(softndk_stop(), STATUS_SUCCESS);
  return well;
}

TEST(EachStackFailsUnderTheCInterface, Once) {
  for (const auto& [name, value] : kBrief)
    ASSERT_EQ(softndk_set(name, value), STATUS_SUCCESS);
  ASSERT_TRUE(live_by_the_c_interface());
  set_log_level(static_cast<LogLevel>(-1));
  test::FaultStacks stacks;
  stacks.quiet_runs = 3;
  while (stacks.next_run()) {
    const Balance before;
    bool went_through = false;
    {
      const test::FaultStacks::Injection injection(stacks);
      went_through = live_by_the_c_interface();
    }
    EXPECT_EQ(softndk_is_running(), 0);
    EXPECT_EQ(Balance::after(before), before) << "something leaks";
    if (stacks.failed_now()) went_through = live_by_the_c_interface();
    EXPECT_TRUE(went_through) << "it does not go well although nothing fails";
  }
  EXPECT_GT(stacks.failed(), 50u);
  FailedStacks::record(stacks.failed());
}

}  // namespace
}  // namespace softndk::stack
