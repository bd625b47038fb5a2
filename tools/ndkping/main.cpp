// ndkping: connectivity over NDK between two hosts, in the words of the tool Windows has.
#include <softndk/softndk.h>

#include "tools/ndkping/ping_run.h"

using namespace softndk::tools;

int main(int argc, char** argv) {
  CLI::App app{"Sends, reads and writes over an NDK adapter and compares every byte.", "ndkping"};
  CommonOptions common;
  PingOptions options;
  add_common_options(app, common);
  app.add_option("--test-type", common.test_type,
                 "rping (default; its peer may be Linux rping), rread, rwrite, rbind, rinv, all (-TestType)");
  app.add_option("--size", options.size_bytes,
                 "bytes of each transfer, and the server's buffer; without it 1 B to 1 MiB")
      ->check(CLI::Range(1u, 1u << 30));
  app.add_option("--count", options.count, "client: transfers of each test; 13 by default")
      ->check(CLI::Range(1u, 1'000'000'000u));
  if (const auto leave = parse_command_line(app, common, argc, argv, common_option_words()))
    return static_cast<int>(*leave);

  const ExitCode code = run_ping("NDKPing", "ndkping", common, options);
  if (softndk_is_running()) softndk_stop();
  return static_cast<int>(code);
}
