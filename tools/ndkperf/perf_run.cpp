#include "tools/ndkperf/perf_run.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "tools/ndkperf/object_costs.h"
#include "tools/ndkperf/perf_client.h"
#include "tools/ndkperf/perf_server.h"

namespace softndk::tools {
namespace {

constexpr const char* kProgram = "NDKPerf";
constexpr const char* kTool = "ndkperf";

std::string served_line(const ServedRound& round) {
  if (round.size_bytes == 0)
    return fmt::format("{} connections: {}", round.received,
                       round.is_right ? "all closed in good order" : "SOME FAILED");
  return fmt::format("{} bytes: {}{}", round.size_bytes,
                     round.received > 0 ? fmt::format("{} messages, ", round.received) : "",
                     round.is_right ? "last buffer verified" : "WRONG BYTES");
}

class PerfRun {
 public:
  PerfRun(const CommonOptions& common, const PerfPlan& plan, TableStyle style)
      : common_(common),
        plan_(plan),
        printer_(common.format()),
        report_(plan, style, printer_),
        test_(plan.test_name) {}

  ExitCode run() {
    Result<void> result = prepare();
    if (result) result = place_.side == Side::server ? serve() : measure();
    adapter_.reset();
    return finish(result);
  }

 private:
  Result<void> prepare() {
    if (auto opened = open_log(); !opened) return opened;
    auto place = plan_.mode == PerfMode::objects ? find_local_place(common_) : find_place(common_);
    if (!place) return tl::unexpected(place.error());
    place_ = *place;
    document_ = json_head(kTool, place_, test_);
    auto adapter = Adapter::open(place_.interface_index);
    if (!adapter) return tl::unexpected(adapter.error());
    adapter_ = std::move(*adapter);
    document_["adapter"] = json_adapter(*adapter_, place_);
    return {};
  }

  Result<void> open_log() {
    if (!common_.log.empty() && !printer_.open_log(common_.log, common_.append)) {
      Failure failure = test_failure(fmt::format("cannot write {}: {}", common_.log, std::strerror(errno)));
      failure.exit_code = ExitCode::usage;
      return tl::unexpected(failure);
    }
    return {};
  }

  Result<void> measure() {
    if (plan_.mode == PerfMode::objects) {
      constexpr std::uint64_t kDefault = 1000;
      const auto costs = measure_objects(*adapter_, plan_.iterations > 0 ? plan_.iterations : kDefault, plan_.depth);
      if (!costs) return tl::unexpected(costs.error());
      report_.objects(*costs);
      return {};
    }
    PerfClient client(*adapter_, place_, plan_, common_.timeout_s);
    if (auto connected = client.connect(); !connected) return connected;
    document_["local_address"] = client.local_text();
    document_["peer_address"] = client.peer_text();
    report_.begin(place_.interface_name, client.peer_text());
    if (plan_.mode == PerfMode::connect) {
      const auto round = client.run_connects();
      if (!round) return tl::unexpected(round.error());
      report_.row(*round);
      return client.disconnect();
    }
    for (const std::size_t size_bytes : plan_.sizes_bytes) {
      const auto round = client.run(size_bytes);
      if (!round) return tl::unexpected(round.error());
      report_.row(*round);
    }
    return client.disconnect();
  }

  Result<void> serve() {
    nlohmann::ordered_json rounds = nlohmann::ordered_json::array();
    PerfServer server(*adapter_, plan_.wait, common_.timeout_s, [&](const ServedRound& round) {
      printer_.line(served_line(round));
      rounds.push_back({{"size_bytes", round.size_bytes},
                        {"received", round.received},
                        {"verified", round.is_right},
                        {"cpu_s", round.cpu_s}});
    });
    auto listener = Listener::create(*adapter_, place_.server);
    if (!listener) return tl::unexpected(listener.error());
    printer_.line(fmt::format("{} Server listens on {}, interface {}.", kProgram, to_string(place_.server),
                              place_.interface_index));
    const auto served = serve_client(server, **listener);
    document_["rounds"] = rounds;
    server.let_go();
    return served;
  }

  Result<void> serve_client(PerfServer& server, Listener& listener) {
    if (auto accepted = server.accept_client(listener); !accepted) return accepted;
    if (test_.empty()) test_ = test_name(server.hello().op, server.hello().mode);
    document_["test"] = test_;
    document_["peer_address"] = server.peer_text();
    return server.serve();
  }

  ExitCode finish(const Result<void>& result) {
    if (!result && result.error().exit_code == ExitCode::usage) {
      std::fprintf(stderr, "%s: %s\n", kTool, result.error().text().c_str());
      return ExitCode::usage;
    }
    const std::string test = test_.empty() ? "any" : test_;
    const std::string last =
        result ? completes_line(kProgram, place_, test) : failed_line(kProgram, common_.side(), test, result.error());
    if (document_.empty()) document_ = {{"schema", 1}, {"tool", kTool}, {"test", test}};
    if (common_.side() == Side::client) report_.add_to(document_);
    document_["result"] = result ? "pass" : "fail";
    if (!result) document_["failure"] = result.error().json();
    document_["line"] = last;
    printer_.line(last);
    printer_.json(document_);
    return result ? ExitCode::passed : result.error().exit_code;
  }

  const CommonOptions& common_;
  const PerfPlan& plan_;
  Printer printer_;
  PerfReport report_;
  std::string test_;
  Place place_;
  std::unique_ptr<Adapter> adapter_;
  nlohmann::ordered_json document_;
};

}  // namespace

ExitCode run_perf(const CommonOptions& common, const PerfPlan& plan, TableStyle style) {
  return PerfRun(common, plan, style).run();
}

}  // namespace softndk::tools
