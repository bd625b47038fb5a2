#pragma once
// The one table of settings: name, default, range, meaning, and what each does to the configuration of a start.
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/expected.h"
#include "base/log.h"
#include "net/world.h"
#include "provider/settings.h"
#include "rnic/settings.h"
#include "runtime/interface_map.h"

namespace softndk::runtime {

/// Everything a start needs to know, in the words of the layers it is for.
struct Configuration {
  net::Options net;
  rnic::Settings rnic;
  provider::Settings provider;
  LogLevel log = LogLevel::error;
  bool verifier = false;
  char trace[256] = "";             ///< a file to write the timeline to; asks for the interposer
  char registry[256] = "";          ///< a file to fill the registry from
  char registry_save[256] = "";     ///< where to write it when the runtime stops
  char path_map[256] = "";          ///< ntrt::PathMap::set
  unsigned object_stacks = 0;       ///< frames
  bool dead_contexts = true;        ///< are a bug check
  bool publish = true;              ///< to ndkstat
  char publish_directory[64] = "";  ///< empty: under a name that goes with the process
  char congestion[16] = "cubic";    ///< what net.same_host_congestion points to
  io::TimeNs explain_wait_ns = 5 * io::kSecond;
  InterfaceMap interfaces;
  std::optional<std::uint64_t> simulation_seed;  ///< unset: Linux
  std::uint64_t simulation_steps_max = 0;
};

struct Setting {
  const char* name;
  const char* default_value;
  const char* range;
  const char* meaning;
  /// False: `value` is out of range, and nothing has changed.
  bool (*apply)(Configuration& to, std::string_view value);
};

std::span<const Setting> settings_table() noexcept;

enum class SettingError : std::uint8_t { unknown, out_of_range };

/// The values in force for the next start. Sources, the later wins: default, the file that SOFTNDK_CONFIG names, the
/// environment, set(). Not for use from several threads at once.
class SettingValues {
 public:
  static constexpr std::size_t kCountMax = 64;
  /// Reads file and environment; what is wrong there is logged with its name and its place, and skipped.
  SettingValues();
  expected<void, SettingError> set(std::string_view name, std::string_view value);
  /// Null: no such setting.
  const char* get(std::string_view name) const;
  /// All values applied to a fresh configuration.
  void configure(Configuration& to) const;

 private:
  void read_file(const char* path);
  void read_environment();
  static constexpr std::size_t kBytesMax = 511;  // a list of interfaces is the longest
  char values_[kCountMax][kBytesMax + 1] = {};
};

}  // namespace softndk::runtime
