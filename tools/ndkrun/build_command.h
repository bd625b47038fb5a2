#pragma once
// `ndkrun build`.
#include <string>
#include <vector>

#include "tools/common/exit_code.h"
#include "tools/ndkrun/source_tree.h"

namespace CLI {
class App;
}

namespace softndk::tools {

struct BuildOptions {
  std::string directory;
  std::string output;
  std::string compiler = "gcc";
  bool as_cxx = false;  ///< C files are compiled as C++
  unsigned jobs = 2;
  bool json = false;
  bool verbose = false;
  SourceChoice choice;
  std::vector<std::string> compiler_flags;  ///< after --
};

void add_build_options(CLI::App& app, BuildOptions& options);
ExitCode build_command(const BuildOptions& options);

}  // namespace softndk::tools
