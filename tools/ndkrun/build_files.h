#pragma once
// What Windows build files say about a driver.
#include <string>
#include <vector>

namespace softndk::tools {

struct BuildFile {
  bool is_driver = false;
  std::vector<std::string> sources;      ///< as written: relative to the file, '\\' between directories
  std::vector<std::string> references;   ///< other project files
  std::vector<std::string> definitions;  ///< for the free build of x64; none that depend on the build's variables
};

/// The text of a .vcxproj.
BuildFile parse_project(const std::string& text);
/// The text of a `sources` file.
BuildFile parse_sources_file(const std::string& text);

}  // namespace softndk::tools
