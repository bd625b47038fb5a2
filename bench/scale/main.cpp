// Many connections on one adapter between two processes, each carrying messages: what they cost.
//
//   softndk_scale [--connections N] [--operations M] [--rounds R] [--raw] [--json FILE] [--memory-max OCTETS]
//
// N is 10000. Each end keeps one completion queue. An operation is a 64-octet Send and the Send that answers it, both
// ends asleep while nothing comes. In each round M operations go over few connections and M over all in turn, with one
// and with 16 outstanding; the ratio of a round's CPU seconds, both ends together, is what counts, and the median of
// the rounds is printed. --raw does the same over plain sockets: what the kernel alone charges.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "end.h"
#include "peer_process.h"

namespace softndk::scale {
namespace {

struct Options {
  std::size_t connections = 10000;
  std::size_t operations = 20000;
  unsigned rounds = 7;
  bool raw = false;
  int serve = -1;
  long long memory_max_bytes = 0;
  std::string json;
};

double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// One way of spreading the messages: over how many connections (0: all), how many outstanding.
struct Pattern {
  const char* name;
  std::size_t connections;
  unsigned window;
};
constexpr Pattern kPatterns[] = {
    {"one connection, 1 outstanding", 1, 1},   {"all in turn, 1 outstanding", 0, 1},
    {"one connection, 16 outstanding", 1, 16}, {"16 connections, 16 outstanding", 16, 16},
    {"all in turn, 16 outstanding", 0, 16},
};
/// What many connections cost, against few with as much under way. One connection's 16 messages go out and come in
/// together, which those of 16 connections cannot: so the last pair tells of numbers alone.
struct Comparison {
  std::size_t many, few;
};
constexpr Comparison kComparisons[] = {{1, 0}, {4, 2}, {4, 3}};

class Run {
 public:
  explicit Run(const Options& options) : options_(options), peer_(options.raw, options.connections) {
    client_ = options.raw ? make_raw_client(peer_.port()) : make_ndk_client(peer_.port(), options.connections);
  }
  bool measure(nlohmann::ordered_json& to) {
    if (client_ == nullptr) return false;
    to["transport"] = options_.raw ? "plain sockets" : "NDK";
    to["connections"] = options_.connections;
    return connect(to) && exchange(to);
  }

 private:
  bool connect(nlohmann::ordered_json& to) {
    if (!client_->connect(1) || !client_->exchange(1, 1, 1000)) return false;  // what is paid only once
    const Usage ours = Usage::now(), theirs = peer_.usage();
    const double began = now_s();
    if (!client_->connect(options_.connections)) return false;
    const auto made = static_cast<double>(options_.connections - 1);
    to["connects_per_s"] = made / (now_s() - began);
    note_memory(to["idle_bytes_each"], ours, theirs, made);
    if (!client_->exchange(options_.connections, 1, options_.connections * 2)) return false;
    note_memory(to["used_bytes_each"], ours, theirs, made);
    bool fits = true;
    for (const char* when : {"idle_bytes_each", "used_bytes_each"})
      for (const char* end : {"client", "server"})
        fits = fits && (options_.memory_max_bytes == 0 || to[when][end] <= options_.memory_max_bytes);
    std::printf("%zu connections, %.0f/s; resident octets each beyond the kernel's: %s idle, %s after traffic\n",
                options_.connections, to["connects_per_s"].get<double>(), to["idle_bytes_each"].dump().c_str(),
                to["used_bytes_each"].dump().c_str());
    if (!fits) std::fprintf(stderr, "scale: more than the %lld octets allowed\n", options_.memory_max_bytes);
    return fits;
  }
  void note_memory(nlohmann::ordered_json& to, const Usage& ours, const Usage& theirs, double count) {
    const auto each = [count](const Usage& now, const Usage& before) {
      return std::llround((static_cast<double>(now.resident_bytes) - static_cast<double>(before.resident_bytes)) /
                          count);
    };
    to = {{"client", each(Usage::now(), ours)}, {"server", each(peer_.usage(), theirs)}};
  }
  bool exchange(nlohmann::ordered_json& to) {
    std::vector<double> cpu_us[std::size(kPatterns)], rate[std::size(kPatterns)];
    for (unsigned round = 0; round < options_.rounds; ++round) {
      for (std::size_t k = 0; k < std::size(kPatterns); ++k) {
        const std::size_t at = (k + round) % std::size(kPatterns);
        const Pattern& pattern = kPatterns[at];
        const std::size_t count = pattern.connections != 0 ? pattern.connections : options_.connections;
        const Usage ours = Usage::now(), theirs = peer_.usage();
        const double began = now_s();
        if (!client_->exchange(count, pattern.window, options_.operations)) return false;
        const double took = now_s() - began;
        const double cpu = Usage::now().cpu_s - ours.cpu_s + peer_.usage().cpu_s - theirs.cpu_s;
        const auto operations = static_cast<double>(options_.operations);
        cpu_us[at].push_back(cpu * 1e6 / operations);
        rate[at].push_back(operations / took);
      }
    }
    for (std::size_t at = 0; at < std::size(kPatterns); ++at) {
      auto& row = to["patterns"][kPatterns[at].name];
      row["cpu_us_an_operation"] = cpu_us[at];
      row["operations_per_s"] = rate[at];
      std::printf("%-32s %8.2f us CPU an operation, both ends; %9.0f operations/s\n", kPatterns[at].name,
                  median(cpu_us[at]), median(rate[at]));
    }
    for (const auto& [many, few] : kComparisons) {
      std::vector<double> ratios;
      for (unsigned round = 0; round < options_.rounds; ++round)
        ratios.push_back(cpu_us[many][round] / cpu_us[few][round]);
      const std::string name = std::string(kPatterns[many].name) + " against " + kPatterns[few].name;
      to["cost_ratio"][name] = ratios;
      std::printf("%s: %.2f times the CPU (rounds: %.2f to %.2f)\n", name.c_str(), median(ratios),
                  *std::min_element(ratios.begin(), ratios.end()), *std::max_element(ratios.begin(), ratios.end()));
    }
    return true;
  }
  const Options& options_;
  PeerProcess peer_;
  std::unique_ptr<Client> client_;
};

int run(const Options& options) {
  if (!raise_descriptor_limit(options.connections)) return 2;
  if (options.serve >= 0) return serve(options.serve, options.raw, options.connections);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  nlohmann::ordered_json results;
  if (!Run(options).measure(results)) return 1;
  if (!options.json.empty()) std::ofstream(options.json) << results.dump(1) << '\n';
  return 0;
}

}  // namespace
}  // namespace softndk::scale

int main(int argc, char** argv) {
  softndk::scale::Options options;
  CLI::App app("What many connections cost");
  app.add_option("--connections", options.connections)->check(CLI::Range(16, 16000));
  app.add_option("--operations", options.operations, "of each pattern, in each round")->check(CLI::PositiveNumber);
  app.add_option("--rounds", options.rounds)->check(CLI::PositiveNumber);
  app.add_flag("--raw", options.raw, "plain sockets");
  app.add_option("--json", options.json);
  app.add_option("--memory-max", options.memory_max_bytes, "octets a connection and end; more is a failure");
  app.add_option("--serve", options.serve, "for this program only")->group("");
  CLI11_PARSE(app, argc, argv);
  return softndk::scale::run(options);
}
