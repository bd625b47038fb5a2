#pragma once
// What `ndkrun run` is asked for, and what of it is settings of the library.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/common/failure.h"

namespace CLI {
class App;
}

namespace softndk::tools {

struct RunOptions {
  std::vector<std::string> drivers;
  std::vector<std::string> interfaces;  ///< "N=ADDRESS"
  std::string registry;
  std::string policy;
  std::string order;
  std::string latency = "hardware";
  std::string verifier;
  std::vector<std::string> settings;  ///< "name=value"
  std::optional<std::uint64_t> seed;
  std::string seeds;  ///< "A..B"
  bool simulated = false;
  unsigned runs = 1;
  double for_s = -1;  ///< < 0: not given
  std::string until;
  bool until_idle = false;
  double timeout_s = 0;  ///< 0: none
  std::string trace;
  bool json = false;
  bool gdb = false;
};

void add_run_options(CLI::App& app, RunOptions& options);

struct SeedRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
};
/// "7..12"; nullopt: not of that form, or empty.
std::optional<SeedRange> parse_seeds(const std::string& text);
/// "hardware", "0", "50", "50us": the value of the setting latency_us. nullopt: none of these.
std::optional<std::string> parse_latency(const std::string& text);

/// The words of the settings table for one run, in order: a name and a value. Failures are usage.
Result<std::vector<std::pair<std::string, std::string>>> settings_for(const RunOptions& options,
                                                                      std::optional<std::uint64_t> seed);

/// The command line that repeats the run of `seed` alone.
std::string replay_command(const RunOptions& options, const std::vector<std::string>& arguments, std::uint64_t seed);

}  // namespace softndk::tools
