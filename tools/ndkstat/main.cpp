// ndkstat: NDK adapters, their limits, counters, connections and objects, of this host's running processes.
// ndkinfo is the same program under another name: ndkstat --info.
#include <softndk/softndk.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <thread>

#include <CLI/CLI.hpp>

#include "tools/common/exit_code.h"
#include "tools/common/option_words.h"
#include "tools/ndkstat/views.h"

using namespace softndk::tools;

namespace {

enum class View : std::uint8_t { adapters, info, counters, connections, objects, config };

struct Options {
  View view = View::adapters;
  HostOptions host;
  bool json = false;
  bool prometheus = false;
  double watch_s = 0;
  unsigned count = 0;  ///< of reports; 0: until somebody ends us
};

constexpr OptionWord kWords[] = {
    {"-Adapters", "--adapters", false},
    {"-Info", "--info", false},
    {"-Counters", "--counters", false},
    {"-Objects", "--objects", false},
    {"-Config", "--config", false},
    {"-Json", "--json", false},
    {"-Watch", "--watch", true},
    {"-Count", "--count", true},
    {"-Pid", "--pid", true},
    {"-Name", "--name", true},
    {"-Help", "--help", false},
    {"/?", "--help", false},
    {"-?", "--help", false},
    {"-Version", "--version", false},
    {"-Prometheus", "--prometheus", false},
    {"-From", "--from", true},
};

int complain(const std::string& program, const std::string& reason) {
  std::fprintf(stderr, "%s: %s\nTry '%s --help'.\n", program.c_str(), reason.c_str(), program.c_str());
  return static_cast<int>(ExitCode::usage);
}

/// netstat's letters, in any order and case: x says which view, a, n and o change nothing here.
bool is_netstat_word(std::string_view word) {
  return word.size() > 1 && word[0] == '-' && word.find_first_of("xX") != std::string_view::npos &&
         word.find_first_not_of("xXaAnNoO", 1) == std::string_view::npos;
}

void print(const Json& document) {
  std::printf("%s\n", document.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
}

void show(const Options& options, const HostView& host) {
  const bool json = options.json;
  std::string text;
  switch (options.view) {
    case View::adapters:
      json ? print(adapters_json(host)) : void(text = adapters_text(host));
      break;
    case View::info:
      json ? print(info_json(host)) : void(text = info_text(host));
      break;
    case View::counters:
      if (options.prometheus) {
        text = prometheus_text(sum_counters(host));
      } else {
        json ? print(counters_json(host)) : void(text = counters_text(sum_counters(host)));
      }
      break;
    case View::connections:
      json ? print(connections_json(host)) : void(text = connections_text(host));
      break;
    case View::objects:
      json ? print(objects_json(host)) : void(text = objects_text(host));
      break;
    case View::config:
      json ? print(config_json(options.host.pid != 0 ? &host : nullptr))
           : void(text = config_text(options.host.pid != 0 ? &host : nullptr));
      break;
  }
  std::fputs(text.c_str(), stdout);
}

int fail(const std::string& program, const Options& options, const Failure& failure) {
  std::fprintf(stderr, "%s: %s\n", program.c_str(), failure.text().c_str());
  if (options.json) {
    Json document = json_head("failure");
    document["failure"] = failure.json();
    print(document);
  }
  return static_cast<int>(failure.exit_code);
}

/// What was asked for was shown; whether it was all.
ExitCode report_silent(const std::string& program, const HostView& host) {
  for (const std::string& process : host.processes.silent)
    std::fprintf(stderr, "%s: %s did not answer and is not shown\n", program.c_str(), process.c_str());
  return host.processes.silent.empty() ? ExitCode::passed : ExitCode::timed_out;
}

int watch(const std::string& program, const Options& options) {
  auto before = look_at_host(options.host);
  if (!before) return fail(program, options, before.error());
  for (unsigned i = 0; options.count == 0 || i < options.count; ++i) {
    std::this_thread::sleep_for(std::chrono::duration<double>(options.watch_s));
    auto now = look_at_host(options.host);
    if (!now) return fail(program, options, now.error());
    const auto rates = counter_rates(*before, *now);
    if (options.json) {
      print(rates_json(rates, options.watch_s));
    } else {
      std::fputs(rates_text(rates).c_str(), stdout);
    }
    std::fflush(stdout);
    if (std::ferror(stdout) != 0) return static_cast<int>(ExitCode::failed);
    before = std::move(now);
  }
  return static_cast<int>(report_silent(program, *before));
}

/// The others show what processes say, and nothing of this host's own.
bool adapters_matter(View view) {
  return view == View::adapters || view == View::info || view == View::counters;
}

int run(const std::string& program, const Options& options) {
  if (options.view == View::config && options.host.pid == 0) {
    show(options, {});
    return static_cast<int>(ExitCode::passed);
  }
  if (options.watch_s > 0) return watch(program, options);
  const auto host = look_at_host(options.host);
  if (!host) return fail(program, options, host.error());
  show(options, *host);
  return static_cast<int>(report_silent(program, *host));
}

}  // namespace

int main(int argc, char** argv) {
  const std::string called = argc > 0 ? argv[0] : "";
  const std::string program = called.substr(called.rfind('/') + 1) == "ndkinfo" ? "ndkinfo" : "ndkstat";
  CLI::App app{"Shows NDK adapters, and what this host's running processes do with them.", program};
  Options options;
  bool adapters = false, info = program == "ndkinfo", counters = false, connections = false, objects = false,
       config = false;
  auto* views = app.add_option_group("View");
  views->add_flag("--adapters", adapters, "the adapters and their capabilities; the default");
  views->add_flag("--info", info, "the limits of the adapters (NDK_ADAPTER_INFO)");
  views->add_flag("--counters", counters, "performance counters, summed over the running processes");
  views->add_flag("--connections", connections, "connections, listeners, shared endpoints, as netstat -xan (-xan)");
  views->add_flag("--objects", objects, "the live NDK objects of each process, as a tree");
  views->add_flag("--config", config, "the settings: value, environment variable, default, range, meaning");
  auto* json = app.add_flag("--json", options.json, "one JSON document on stdout");
  app.add_flag("--prometheus", options.prometheus, "counters in the text format of Prometheus")->excludes(json);
  app.add_option("--watch", options.watch_s, "counters as rates, every so many seconds")->check(CLI::PositiveNumber);
  app.add_option("--count", options.count, "with --watch: how many times")->check(CLI::Range(1u, 2'000'000'000u));
  app.add_option("--pid", options.host.pid, "this process only")->check(CLI::PositiveNumber);
  app.add_option("--name", options.host.interface, "this adapter only: interface name or index");
  app.add_option("--from", options.host.directory, "also look for sockets here (setting publish=/DIRECTORY)");
  app.set_version_flag("--version", program + " " + softndk_version());

  std::vector<const char*> words;
  for (int i = 1; i < argc; ++i)
    words.push_back(is_netstat_word(argv[i]) ? "--connections" : argv[i]);
  auto arguments = rewrite_option_words(words, kWords);
  if (!arguments) return complain(program, "unknown option " + arguments.error());
  std::reverse(arguments->begin(), arguments->end());  // as the option library wants a vector
  try {
    app.parse(*arguments);
  } catch (const CLI::Success& success) {  // --help, --version
    app.exit(success);
    return static_cast<int>(ExitCode::passed);
  } catch (const CLI::Error& error) {
    return complain(program, error.what());
  }
  const bool rates = options.watch_s > 0;
  if (options.prometheus || rates) counters = true;
  if (program == "ndkinfo" && (adapters || counters || connections || objects || config)) info = false;
  if (adapters + info + counters + connections + objects + config > 1)
    return complain(program, "one view at a time: --adapters, --info, --counters, -xan, --objects or --config");
  if (options.count != 0 && !rates) return complain(program, "--count needs --watch");
  if (rates && options.prometheus) return complain(program, "--watch shows rates, --prometheus counters");
  options.view = info          ? View::info
                 : counters    ? View::counters
                 : connections ? View::connections
                 : objects     ? View::objects
                 : config      ? View::config
                               : View::adapters;
  options.host.needs_adapters = adapters_matter(options.view);
  return run(program, options);
}
