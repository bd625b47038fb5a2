#pragma once
// Includes as Windows reads them: file names without regard to case, '\\' between directories. What the compiler here
// would not find as it is written gets a forwarding header of that spelling, in a directory of ours: the sources stay
// as they are.
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tools/ndkrun/source_tree.h"

namespace softndk::tools {

struct Include {
  std::string name;     ///< as spelled
  bool quoted = false;  ///< "..." and not <...>
};
/// The #include lines of a text, those within block comments left out.
std::vector<Include> includes_of(const std::string& text);

/// What the includes of a tree need.
struct IncludePlan {
  std::vector<std::filesystem::path> directories;          ///< of the tree, to be searched after the package's
  std::map<std::string, std::filesystem::path> forwarded;  ///< spelling to the file it means
  std::set<std::string> empty;                             ///< spellings of headers that a trace tool would generate
  std::set<std::filesystem::path> included_sources;        ///< sources that another file includes
  std::set<std::filesystem::path> uses_cxx_library;        ///< files that include a header of the C++ library
};

/// `searched`: the package's directories and the user's, in the order of the compiler. Reads every file that the
/// sources lead to.
IncludePlan plan_includes(const SourceTree& tree, const std::vector<std::filesystem::path>& searched);

/// Writes the forwarding and the empty headers below `directory`, and returns the directory to search (-I).
std::filesystem::path write_overlay(const IncludePlan& plan, const std::filesystem::path& directory);

}  // namespace softndk::tools
