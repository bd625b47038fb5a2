#include <CLI/CLI.hpp>  // before the kernel's names

#include "tools/ndkrun/run_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace softndk::tools {
namespace {

/// What `--latency hardware` stands for: a request on a NIC and its completion take about so long.
constexpr const char* kHardwareLatencyUs = "30";
/// And for a connection to be completed, which takes commands to the NIC's firmware: tens of milliseconds.
constexpr const char* kHardwareConnectLatencyUs = "20000";

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

Failure usage(std::string reason) {
  Failure failure = test_failure(std::move(reason));
  failure.exit_code = ExitCode::usage;
  return failure;
}

std::string quoted(const std::string& word) {
  const bool plain = !word.empty() && word.find_first_not_of(
                                          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                          "0123456789_-+=./,:@%") == std::string::npos;
  if (plain) return word;
  std::string text = "'";
  for (const char letter : word)
    text += letter == '\'' ? std::string("'\\''") : std::string(1, letter);
  return text + "'";
}

}  // namespace

void add_run_options(CLI::App& app, RunOptions& options) {
  app.add_option("driver", options.drivers, "the drivers, shared objects of `ndkrun build`, in the order of loading")
      ->required();
  app.add_option("--if", options.interfaces,
                 "N=ADDRESS: interface index N is the adapter that has ADDRESS; may be repeated");
  app.add_option("--registry", options.registry, "the registry that the drivers see, a text file");
  app.add_option("--policy", options.policy, "how requests complete: inline, nested, early, later, mixed, mixed(SEED)");
  app.add_option("--order", options.order, "order of pending results: fifo, permuted, permuted(SEED)");
  app.add_option("--latency", options.latency,
                 "minimum completion latency: hardware (30 us, the default), 0, or a number of microseconds");
  app.add_option("--set", options.settings, "NAME=VALUE of the settings table (ndkstat --config); may be repeated");
  app.add_flag("--verifier{passthrough}", options.verifier, "put the interposer between; or --verifier=VALUE");
  app.add_flag("--sim", options.simulated, "run in a simulation: one thread, virtual time, an order that --seed draws");
  app.add_option("--seed", options.seed, "the seed of the simulation, and of mixed and permuted without one");
  app.add_option("--seeds", options.seeds, "A..B: one simulated run for each seed; the first that fails is told");
  app.add_option("--runs", options.runs, "how many runs, each in a process of its own")
      ->check(CLI::Range(1u, 1'000'000'000u));
  app.add_option("--for", options.for_s, "end the run after so many seconds (virtual ones in a simulation)")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--until", options.until, "end the run when a line of DbgPrint has this text");
  app.add_flag("--until-idle", options.until_idle, "end the run when no driver has anything under way");
  app.add_option("--timeout", options.timeout_s,
                 "the run must be over after so many seconds, or what it waits for is told and the exit code is 3")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--trace", options.trace, "write a timeline of calls and completions (Chrome trace JSON)");
  app.add_flag("--json", options.json, "one JSON document on stdout, all else on stderr");
  app.add_flag("--gdb", options.gdb, "run under gdb");
}

std::optional<SeedRange> parse_seeds(const std::string& text) {
  const std::size_t dots = text.find("..");
  if (dots == std::string::npos) return std::nullopt;
  const auto first = parse_number(std::string_view(text).substr(0, dots));
  const auto last = parse_number(std::string_view(text).substr(dots + 2));
  if (!first || !last || *last < *first) return std::nullopt;
  return SeedRange{*first, *last};
}

std::optional<std::string> parse_latency(const std::string& text) {
  if (text == "hardware") return kHardwareLatencyUs;
  std::string_view number = text;
  if (number.ends_with("us")) number.remove_suffix(2);
  while (number.ends_with(' '))
    number.remove_suffix(1);
  if (!parse_number(number)) return std::nullopt;
  return std::string(number);
}

Result<std::vector<std::pair<std::string, std::string>>> settings_for(const RunOptions& options,
                                                                      std::optional<std::uint64_t> seed) {
  std::vector<std::pair<std::string, std::string>> settings;
  const auto with_seed = [&](std::string value, std::string_view word) {
    return value == word ? fmt::format("{}({})", word, seed.value_or(1)) : value;
  };
  const auto latency = parse_latency(options.latency);
  if (!latency) return tl::unexpected(usage("--latency " + options.latency + ": hardware, 0 or microseconds"));
  settings.emplace_back("latency_us", *latency);
  if (options.latency == "hardware") settings.emplace_back("connect_latency_us", kHardwareConnectLatencyUs);
  settings.emplace_back("object_stacks", "on");  // a leak is told with its creator
  if (!options.policy.empty()) settings.emplace_back("policy", with_seed(options.policy, "mixed"));
  if (!options.order.empty()) settings.emplace_back("order", with_seed(options.order, "permuted"));
  if (!options.verifier.empty()) settings.emplace_back("verifier", options.verifier);
  if (!options.registry.empty()) settings.emplace_back("registry", options.registry);
  if (!options.interfaces.empty())
    settings.emplace_back("interfaces", fmt::format("{}", fmt::join(options.interfaces, ",")));
  if (!options.trace.empty()) settings.emplace_back("trace", options.trace);
  if (options.simulated) settings.emplace_back("world", fmt::format("sim({})", seed.value_or(1)));
  for (const std::string& text : options.settings) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos) return tl::unexpected(usage("--set " + text + " is not NAME=VALUE"));
    settings.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return settings;
}

std::string replay_command(const RunOptions& options, const std::vector<std::string>& arguments, std::uint64_t seed) {
  std::string text = "ndkrun run";
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    const bool has_value = word == "--seeds" || word == "--seed" || word == "--runs";
    if (has_value) ++i;
    if (has_value || word.starts_with("--seeds=") || word.starts_with("--seed=") || word.starts_with("--runs=") ||
        word == "--sim" || word == "--json")
      continue;
    text += " " + quoted(word);
  }
  return text + fmt::format("{} --seed {}", options.simulated ? " --sim" : "", seed);
}

}  // namespace softndk::tools
