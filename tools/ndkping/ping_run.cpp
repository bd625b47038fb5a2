#include "tools/ndkping/ping_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <vector>

#include "tools/common/histogram.h"
#include "tools/ndkping/ping_test.h"

namespace softndk::tools {
namespace {

constexpr std::size_t kBufferBytesMax = 1u << 20;
/// One run of the tool people know makes 13 transfers. Odd sizes are among them, as they need padding on the wire.
constexpr std::size_t kSweepBytes[] = {1,     7,     64,    256,    1000,   4096,           9000,
                                       16384, 32768, 65536, 262144, 524288, kBufferBytesMax};

struct TestPlan {
  std::string name;
  std::vector<PingTest> tests;
};

Result<TestPlan> plan_tests(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  if (name == "all") return TestPlan{name, {std::begin(kPingTests), std::end(kPingTests)}};
  for (PingTest test : kPingTests)
    if (name == to_string(test)) return TestPlan{name, {test}};
  Failure failure = test_failure("-TestType is one of rping, rread, rwrite, rbind, rinv, all; not " + name);
  failure.exit_code = ExitCode::usage;
  return tl::unexpected(failure);
}

class PingRun {
 public:
  PingRun(const char* program, const char* tool, const CommonOptions& common, const PingOptions& options)
      : program_(program), tool_(tool), common_(common), options_(options), printer_(common.format()) {}

  ExitCode run() {
    Result<void> result = prepare();
    if (result) result = run_tests();
    adapter_.reset();
    return finish(result);
  }

 private:
  Result<void> prepare() {
    auto plan = plan_tests(common_.test_type);
    if (!plan) return tl::unexpected(plan.error());
    plan_ = std::move(*plan);
    if (!common_.log.empty() && !printer_.open_log(common_.log, common_.append)) {
      Failure failure = test_failure(fmt::format("cannot write {}: {}", common_.log, std::strerror(errno)));
      failure.exit_code = ExitCode::usage;
      return tl::unexpected(failure);
    }
    auto place = find_place(common_);
    if (!place) return tl::unexpected(place.error());
    place_ = *place;
    document_ = json_head(tool_, place_, plan_.name);
    auto adapter = Adapter::open(place_.interface_index);
    if (!adapter) return tl::unexpected(adapter.error());
    adapter_ = std::move(*adapter);
    document_["adapter"] = json_adapter(*adapter_, place_);
    return {};
  }

  Result<void> run_tests() {
    std::unique_ptr<Listener> listener;
    if (place_.side == Side::server) {
      auto created = Listener::create(*adapter_, place_.server);
      if (!created) return tl::unexpected(created.error());
      listener = std::move(*created);
      printer_.line(fmt::format("{} Server listens on {}, interface {}.", program_, to_string(place_.server),
                                place_.interface_index));
    }
    printer_.csv("test,transfer,bytes,time_us");
    for (std::size_t i = 0; i < plan_.tests.size(); ++i) {
      const bool is_last = i + 1 == plan_.tests.size();
      const auto done = listener ? serve(plan_.tests[i], *listener, is_last) : connect_and_run(plan_.tests[i]);
      if (!done) return done;
    }
    return {};
  }

  Result<void> serve(PingTest test, Listener& listener, bool is_last) {
    auto link = PingLink::create(*adapter_, options_.size_bytes.value_or(kBufferBytesMax), common_.timeout_s);
    if (!link) return tl::unexpected(link.error());
    std::array<std::byte, 256> private_bytes;
    if (auto taken = (*link)->take(listener, private_bytes); !taken) return taken;
    // From here on the port is closed to others. The listener's own close ends with its last connection.
    if (is_last) listener.stop();
    const PingTest wanted = decode_hello(private_bytes).value_or(PingTest::rping);
    if (wanted != test) {
      (*link)->reject();
      return tl::unexpected(
          test_failure(fmt::format("the client runs test {} and this side {}", to_string(wanted), to_string(test)),
                       (*link)->name()));
    }
    if (auto accepted = (*link)->accept(); !accepted) return accepted;
    note_connection(**link);
    return run_ping_server(test, **link, [this](const PingTransfer& transfer) { note_transfer(transfer); });
  }

  Result<void> connect_and_run(PingTest test) {
    const std::span<const std::size_t> sizes =
        options_.size_bytes ? std::span<const std::size_t>(&*options_.size_bytes, 1) : std::span(kSweepBytes);
    const PingSchedule schedule = {options_.count.value_or(std::size(kSweepBytes)), sizes};
    auto link = PingLink::create(*adapter_, *std::ranges::max_element(sizes), common_.timeout_s);
    if (!link) return tl::unexpected(link.error());
    const PingHello hello = encode_hello(test);
    const std::span<const std::byte> private_bytes =
        test == PingTest::rping ? std::span<const std::byte>() : std::span<const std::byte>(hello);
    if (auto connected = (*link)->connect(place_.client, place_.server, private_bytes); !connected) return connected;
    note_connection(**link);
    return run_ping_client(test, **link, schedule, [this](const PingTransfer& transfer) { note_transfer(transfer); });
  }

  void note_connection(const PingLink& link) {
    document_["connections"].push_back(link.name());
    if (common_.verbose) printer_.line(link.name() + " is connected");
  }

  void note_transfer(const PingTransfer& transfer) {
    ++transfers_;
    bytes_ += transfer.bytes;
    times_ns_.record(static_cast<std::uint64_t>(transfer.time_us * 1000));
    printer_.line(fmt::format("{} bytes of data successfully transferred", transfer.bytes));
    if (common_.verbose) {
      constexpr std::size_t kShown = 72;
      const std::string_view text(reinterpret_cast<const char*>(transfer.text.data()),
                                  std::min(transfer.text.size() - 1, kShown));
      printer_.line(fmt::format("  {} {}: {:.1f} us, data: {}", to_string(transfer.test), transfer.number,
                                transfer.time_us, text));
    }
    printer_.csv(
        fmt::format("{},{},{},{:.3f}", to_string(transfer.test), transfer.number, transfer.bytes, transfer.time_us));
    if (document_["transfers"].size() < kTransfersListed)
      document_["transfers"].push_back({{"test", to_string(transfer.test)},
                                        {"transfer", transfer.number},
                                        {"size_bytes", transfer.bytes},
                                        {"time_us", transfer.time_us}});
  }

  ExitCode finish(const Result<void>& result) {
    const std::string name = plan_.name.empty() ? common_.test_type : plan_.name;
    if (!result && result.error().exit_code == ExitCode::usage) {
      std::fprintf(stderr, "%s: %s\n", tool_, result.error().text().c_str());
      return ExitCode::usage;
    }
    const std::string last =
        result ? completes_line(program_, place_, name) : failed_line(program_, common_.side(), name, result.error());
    if (document_.empty()) document_ = {{"schema", 1}, {"tool", tool_}, {"test", name}};
    document_["transfer_count"] = transfers_;
    document_["total_bytes"] = bytes_;
    document_["time_min_us"] = static_cast<double>(times_ns_.min()) / 1000;
    document_["time_p50_us"] = static_cast<double>(times_ns_.quantile(0.5)) / 1000;
    document_["time_p99_us"] = static_cast<double>(times_ns_.quantile(0.99)) / 1000;
    document_["time_max_us"] = static_cast<double>(times_ns_.max()) / 1000;
    document_["result"] = result ? "pass" : "fail";
    if (!result) document_["failure"] = result.error().json();
    document_["line"] = last;
    printer_.line(last);
    printer_.json(document_);
    return result ? ExitCode::passed : result.error().exit_code;
  }

  static constexpr std::size_t kTransfersListed = 10000;  // a run of days must not grow without bound

  const char* const program_;
  const char* const tool_;
  const CommonOptions& common_;
  const PingOptions& options_;
  Printer printer_;
  TestPlan plan_;
  Place place_;
  std::unique_ptr<Adapter> adapter_;
  nlohmann::ordered_json document_;
  std::uint64_t transfers_ = 0;
  std::uint64_t bytes_ = 0;
  Histogram times_ns_;
};

}  // namespace

ExitCode run_ping(const char* program, const char* tool, const CommonOptions& common, const PingOptions& options) {
  return PingRun(program, tool, common, options).run();
}

}  // namespace softndk::tools
