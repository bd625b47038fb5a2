#pragma once
// Where the library, its headers and the flags of its consumers are: the softndk.pc beside or below this program, of
// the build tree or of an installation, wherever that was moved to.
#include <filesystem>
#include <string>
#include <vector>

#include "tools/common/failure.h"

namespace softndk::tools {

struct Package {
  std::vector<std::string> compile_flags;
  std::vector<std::string> link_flags;
  std::vector<std::filesystem::path> include_directories;  ///< those of compile_flags, in order
  std::filesystem::path surface_table;                     ///< kernel-surface.tsv; empty: not there
  std::filesystem::path gdb_script;                        ///< softndk-gdb.py; empty: not there
};

Result<Package> find_package();

/// The text of a .pc file, with `prefix` in the place of the one it names if that is not empty.
Package parse_package(const std::string& text, const std::string& prefix);

}  // namespace softndk::tools
