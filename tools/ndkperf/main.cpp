// ndkperf: latency and bandwidth of Send, Write and Read over NDK.
#include <softndk/softndk.h>

#include <algorithm>
#include <cctype>

#include "tools/ndkperf/perf_run.h"
#include "tools/ndkperf/perf_usage.h"
#include "tools/ndkping/ping_run.h"

using namespace softndk::tools;

namespace {

struct PerfOptions {
  std::string op = "send";
  std::string mode = "bw";
  std::string sizes = "64K";
  bool notified = false;
  bool polled = false;
  bool perftest = false;
};

constexpr OptionWord kOwnWords[] = {
    {"-ts", "--size", true},
    {"-b", "--notified", false},
    {"-p", "--polled", false},
};

int complain(const std::string& reason) {
  std::fprintf(stderr, "ndkperf: %s\nTry 'ndkperf --help'.\n", reason.c_str());
  return static_cast<int>(ExitCode::usage);
}

int stop_and(ExitCode code) {
  if (softndk_is_running()) softndk_stop();
  return static_cast<int>(code);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Measures Send, Write and Read over an NDK adapter.", "ndkperf"};
  CommonOptions common;
  common.test_type.clear();
  PerfOptions options;
  PerfPlan plan;
  add_common_options(app, common);
  app.add_option("--test-type", common.test_type,
                 "rperf: Send bandwidth for 10 s; rping: what ndkping does; instead of --op and --mode (-TestType)");
  app.add_option("--op", options.op, "client: send, write or read; send by default");
  app.add_option("--mode", options.mode,
                 "client: bw, lat, conn for connections that carry nothing, or obj for what objects cost, without a "
                 "server; bw by default");
  auto* server_address = app.get_option("--server-addr")->required(false);  // what objects cost needs none
  auto* sizes = app.add_option("--size", options.sizes,
                               "client: bytes, a list as 64,4K,1M, or all for 1 B to 4 MiB; 64K by default (-ts)");
  app.add_option("--iterations", plan.iterations, "client: of each size and connection")
      ->check(CLI::Range(1u, 2'000'000'000u));
  app.add_option("--duration", plan.duration_s, "client: seconds for each size")->check(CLI::PositiveNumber);
  auto* depth = app.add_option("--depth", plan.depth,
                               "client: requests in flight on each connection, 128 by default; conn: connections on "
                               "their way, 1 by default")
                    ->check(CLI::Range(1u, kPerfDepthMax));
  app.add_option("--connections", plan.connections,
                 "client: connections that share the bandwidth test, or are there at once; 1 by default")
      ->check(CLI::Range(1u, kPerfConnectionsMax));
  app.add_option("--offset", plan.offset_bytes, "client: of both sides' buffers within their pages; 0 by default")
      ->check(CLI::Range(0u, kPerfOffsetBytesMax));
  app.add_flag("--defer", plan.defer, "client: requests of the bandwidth test that others follow say so");
  auto* notified = app.add_flag("--notified", options.notified, "wait for notifications (-b)");
  app.add_flag("--polled", options.polled, "poll for completions, as is the default (-p)")->excludes(notified);
  app.add_flag("--perftest", options.perftest, "tables in the style of Linux perftest");

  raise_descriptor_limit();
  std::vector<OptionWord> words(std::begin(kOwnWords), std::end(kOwnWords));
  words.insert(words.end(), common_option_words().begin(), common_option_words().end());
  if (const auto leave = parse_command_line(app, common, argc, argv, words)) return static_cast<int>(*leave);

  std::string type = common.test_type;
  std::transform(type.begin(), type.end(), type.begin(), [](unsigned char c) { return std::tolower(c); });
  if (server_address->count() == 0 && !(common.client && options.mode == to_string(PerfMode::objects)))
    return complain("--server-addr is required");
  const auto parsed_sizes = parse_sizes(options.sizes);
  if (!parsed_sizes) return complain("--size " + options.sizes + " is no list of sizes from 1 to 64M");
  if (type == "rping") {
    PingOptions ping;
    if (sizes->count() > 0) ping.size_bytes = parsed_sizes->front();
    if (plan.iterations > 0) ping.count = plan.iterations;
    return stop_and(run_ping("NDKPerf", "ndkperf", common, ping));
  }
  if (!type.empty() && type != "rperf") return complain("-TestType is rping or rperf, not " + common.test_type);

  const auto op = parse_op(options.op);
  const auto mode = parse_mode(options.mode);
  if (!op) return complain("--op is send, write or read, not " + options.op);
  if (!mode) return complain("--mode is bw, lat, conn or obj, not " + options.mode);
  plan.op = *op;
  plan.mode = *mode;
  plan.sizes_bytes = *parsed_sizes;
  plan.wait = options.notified ? WaitMode::notified : WaitMode::polled;
  if (type == "rperf") {
    plan.op = PerfOp::send;
    plan.mode = PerfMode::bandwidth;
    plan.test_name = type;
    // Long enough for whoever samples counters once a second meanwhile.
    if (plan.iterations == 0 && plan.duration_s == 0) plan.duration_s = 10;
  } else if (common.side() == Side::client) {
    plan.test_name = test_name(plan.op, plan.mode);  // a server learns it from its client
  }
  if (plan.mode == PerfMode::connect) {
    if (depth->count() == 0) plan.depth = 1;
    plan.wait = WaitMode::notified;  // nothing is taken from the queue but what the server says
  }
  if (plan.mode == PerfMode::latency && plan.connections > 1) return complain("--mode lat has one connection");
  return stop_and(run_perf(common, plan, options.perftest ? TableStyle::perftest : TableStyle::windows));
}
