// softndk_workload: random legal consumers over the real provider, RNIC and protocol, in the simulated world.
#include <getopt.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "sim/sanitizer.h"
#include "workload/stage.h"
#include "workload/verdict.h"
#include "workload/workers.h"

namespace softndk::workload {
namespace {

constexpr char kUsageText[] =
    "usage: softndk_workload [--seeds N] [--first N] [--jobs N] [--failures N] [--no-shrink]\n"
    "       softndk_workload --seed N [--cut=CUTS] [--trace FILE] [--describe]\n"
    "Without a seed: searches N seeds (SOFTNDK_WORKLOAD_SEEDS, 20000; a million with SOFTNDK_TEST_LONG). With one:\n"
    "runs it in this process, prints its trace's hash; SOFTNDK_WORKLOAD_ABORT=1 stops at the finding, for gdb.\n";

int run_one(std::uint64_t seed, const std::string& cuts, const char* trace_path, bool describes) {
  Plan plan = draw_plan(seed);
  if (!cut_plan(plan, cuts)) {
    std::fprintf(stderr, "softndk_workload: --cut: not a list of cuts: %s\n", cuts.c_str());
    return kUsage;
  }
  normalize_plan(plan);
  if (describes) {
    std::fputs(describe(plan).c_str(), stdout);
    return kPassed;
  }
  std::FILE* trace = nullptr;
  if (trace_path != nullptr && (trace = std::fopen(trace_path, "w")) == nullptr) {
    std::perror(trace_path);
    return kUsage;
  }
  const Outcome outcome = run_plan(plan, trace);
  if (trace != nullptr) std::fclose(trace);
  std::printf("seed %llu passed: %llu steps, trace %016llx\n", static_cast<unsigned long long>(seed),
              static_cast<unsigned long long>(outcome.tally.steps),
              static_cast<unsigned long long>(outcome.trace_hash));
  return kPassed;
}

std::uint64_t default_seeds() {
  if (const char* asked = std::getenv("SOFTNDK_WORKLOAD_SEEDS")) return std::strtoull(asked, nullptr, 0);
  if (std::getenv("SOFTNDK_TEST_LONG") != nullptr) return 1'000'000;
  return SOFTNDK_ASAN || SOFTNDK_TSAN ? 1'000 : 20'000;
}

int run(int argc, char** argv) {
  Search options;
  options.program = argv[0];
  options.count = default_seeds();
  options.jobs = std::max(1u, std::thread::hardware_concurrency());
  std::uint64_t seed = 0;
  bool one = false, describes = false;
  std::string cuts;
  const char* trace = nullptr;
  const option kOptions[] = {{"seeds", 1, nullptr, 'n'},     {"first", 1, nullptr, 'f'},
                             {"jobs", 1, nullptr, 'j'},      {"failures", 1, nullptr, 'k'},
                             {"seed", 1, nullptr, 's'},      {"cut", 1, nullptr, 'c'},
                             {"trace", 1, nullptr, 't'},     {"describe", 0, nullptr, 'd'},
                             {"no-shrink", 0, nullptr, 'x'}, {nullptr, 0, nullptr, 0}};
  for (int letter; (letter = getopt_long(argc, argv, "", kOptions, nullptr)) != -1;) {
    const std::uint64_t number = optarg == nullptr ? 0 : std::strtoull(optarg, nullptr, 0);
    switch (letter) {
      case 'n':
        options.count = number;
        break;
      case 'f':
        options.first = number;
        break;
      case 'j':
        options.jobs = static_cast<unsigned>(number);
        break;
      case 'k':
        options.failures_max = static_cast<unsigned>(number);
        break;
      case 's':
        seed = number;
        one = true;
        break;
      case 'c':
        cuts = optarg;
        break;
      case 't':
        trace = optarg;
        break;
      case 'd':
        describes = true;
        break;
      case 'x':
        options.shrinks = false;
        break;
      default:
        std::fputs(kUsageText, stderr);
        return kUsage;
    }
  }
  if (one) return run_one(seed, cuts, trace, describes);
  return search(options) ? kPassed : kFailed;
}

}  // namespace
}  // namespace softndk::workload

int main(int argc, char** argv) {
  return softndk::workload::run(argc, argv);
}
