#pragma once
// Which files under a directory are the driver: what its build files list, or else all sources there.
#include <filesystem>
#include <string>
#include <vector>

#include "tools/common/failure.h"

namespace softndk::tools {

struct SourceTree {
  std::filesystem::path root;
  std::vector<std::filesystem::path> sources;  ///< to be compiled, in a stable order
  std::vector<std::filesystem::path> files;    ///< all sources and headers, for includes
  std::vector<std::string> definitions;        ///< of the build file: "NAME" or "NAME=VALUE"
  std::filesystem::path build_file;            ///< whose list that is; empty: none
};

struct SourceChoice {
  std::string build_file;             ///< this one (--project); empty: the one there is
  bool ignore_build_files = false;    ///< --all-sources
  std::vector<std::string> excluded;  ///< parts of paths (--exclude)
};

/// A .vcxproj whose ConfigurationType is Driver, with the projects that it refers to, or a `sources` file of the old
/// build utility says which sources are the driver. Without one all .c, .cc, .cpp and .cxx files are, but for those
/// that another one includes. Failures: usage, when there is nothing to compile or more than one driver.
Result<SourceTree> find_sources(const std::filesystem::path& root, const SourceChoice& choice);

bool is_c_source(const std::filesystem::path& path);
bool is_cxx_source(const std::filesystem::path& path);

/// `relative` below `base`, component by component without regard to case, '\\' as '/'; empty if there is no such file.
std::filesystem::path find_ignoring_case(const std::filesystem::path& base, const std::string& relative);

std::string lower_case(std::string text);

}  // namespace softndk::tools
