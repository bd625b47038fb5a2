// ndkrun: compiles a Windows NDK driver's sources as they are, and runs what comes of it.
#include <softndk/softndk.h>
#include <CLI/CLI.hpp>  // before the kernel's names

#include "tools/ndkrun/build_command.h"
#include "tools/ndkrun/run_command.h"

using namespace softndk::tools;

int main(int argc, char** argv) {
  CLI::App app{"Builds and runs Windows kernel drivers that use NDK, unmodified.", "ndkrun"};
  app.set_version_flag("--version", std::string("ndkrun ") + softndk_version());
  app.require_subcommand(1);
  BuildOptions build;
  RunOptions run;
  CLI::App* const build_app = app.add_subcommand("build", "compile the sources under a directory into a shared object");
  CLI::App* const run_app = app.add_subcommand("run", "load drivers, let them run, unload them, tell what is left");
  add_build_options(*build_app, build);
  add_run_options(*run_app, run);
  // What follows -- is the compiler's.
  int own_count = argc;
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) != "--") continue;
    own_count = i;
    build.compiler_flags.assign(argv + i + 1, argv + argc);
    break;
  }
  try {
    app.parse(own_count, argv);
  } catch (const CLI::Success& success) {  // --help, --version
    app.exit(success);
    return static_cast<int>(ExitCode::passed);
  } catch (const CLI::Error& error) {
    std::fprintf(stderr, "ndkrun: %s\nTry 'ndkrun --help'.\n", error.what());
    return static_cast<int>(ExitCode::usage);
  }
  if (*build_app) return static_cast<int>(build_command(build));
  return static_cast<int>(run_command(run, {argv + 2, argv + own_count}));
}
