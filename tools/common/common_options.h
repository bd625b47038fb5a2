#pragma once
// What ndkping and ndkperf have in common on their command lines, and how they begin.
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "tools/common/address.h"
#include "tools/common/failure.h"
#include "tools/common/ndk_adapter.h"
#include "tools/common/option_words.h"
#include "tools/common/printer.h"

namespace softndk::tools {

enum class Side : std::uint8_t { server, client };

struct CommonOptions {
  bool server = false;
  bool client = false;
  std::string server_address;
  std::string server_interface;
  std::string client_address;
  std::string client_interface;
  std::string test_type = "rping";
  double timeout_s = 0;  ///< 0: none
  std::string log;
  bool append = false;
  bool verbose = false;
  bool json = false;
  bool csv = false;

  Side side() const { return server ? Side::server : Side::client; }
  Format format() const { return json ? Format::json : csv ? Format::csv : Format::text; }
};

/// Adds the options to `app`; --version prints softndk_version().
void add_common_options(CLI::App& app, CommonOptions& options);

/// Rewrites the Windows words, parses, checks what concerns both tools. A value is the exit code to leave with: after
/// --help and --version ExitCode::passed, after bad usage (reported on stderr) ExitCode::usage.
std::optional<ExitCode> parse_command_line(CLI::App& app, const CommonOptions& options, int argc, char** argv,
                                           std::span<const OptionWord> words);

/// Where a run happens: the addresses understood and the interface found.
struct Place {
  Side side;
  Address server;
  Address client;  ///< the client's own address, port 0; unused on the server
  NET_IFINDEX interface_index = 0;
  std::string interface_name;
};

/// Starts the runtime and finds the interface: by index or name if given, else by the address, else (client) by the
/// host's route to the server. Failures are usage or no_adapter.
Result<Place> find_place(const CommonOptions& options);

/// The same for a client that has no server.
Result<Place> find_local_place(const CommonOptions& options);

/// What every JSON document begins with.
nlohmann::ordered_json json_head(const char* tool, const Place& place, const std::string& test);
/// Name, limits and technology of the adapter, for JSON.
nlohmann::ordered_json json_adapter(const Adapter& adapter, const Place& place);

/// "NDKPing Server completes test (rping) on interface 3."
std::string completes_line(const char* program, const Place& place, const std::string& test);
/// The line a failed run ends with; it lacks the word that scripts look for.
std::string failed_line(const char* program, Side side, const std::string& test, const Failure& failure);

}  // namespace softndk::tools
