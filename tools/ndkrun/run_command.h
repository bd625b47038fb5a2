#pragma once
#include <string>
#include <vector>

#include "tools/ndkrun/run_options.h"

namespace softndk::tools {

/// `ndkrun run`; `arguments` are those after the word run.
ExitCode run_command(const RunOptions& options, const std::vector<std::string>& arguments);

}  // namespace softndk::tools
