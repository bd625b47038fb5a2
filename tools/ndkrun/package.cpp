#include "tools/ndkrun/package.h"

#include <fstream>
#include <iterator>
#include <map>
#include <sstream>

namespace softndk::tools {
namespace {
namespace fs = std::filesystem;

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string expand(const std::string& text, const std::map<std::string, std::string>& variables) {
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = text.find("${", at);
    const std::size_t end = begin == std::string::npos ? begin : text.find('}', begin);
    if (end == std::string::npos) return result + text.substr(at);
    result += text.substr(at, begin - at);
    const auto found = variables.find(text.substr(begin + 2, end - begin - 2));
    if (found != variables.end()) result += found->second;
    at = end + 1;
  }
  return result;
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream stream(text);
  return {std::istream_iterator<std::string>(stream), {}};
}

/// The one below `prefix`, if any: lib/pkgconfig, lib64/pkgconfig, lib/x86_64-linux-gnu/pkgconfig.
fs::path installed_package(const fs::path& prefix) {
  std::error_code error;
  for (const char* const lib : {"lib", "lib64"}) {
    const fs::path directory = prefix / lib;
    if (fs::exists(directory / "pkgconfig/softndk.pc", error)) return directory / "pkgconfig/softndk.pc";
    for (const auto& below : fs::directory_iterator(directory, error))
      if (fs::exists(below.path() / "pkgconfig/softndk.pc", error)) return below.path() / "pkgconfig/softndk.pc";
  }
  return {};
}

}  // namespace

Package parse_package(const std::string& text, const std::string& prefix) {
  Package package;
  std::map<std::string, std::string> variables;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t mark = line.find_first_of("=:");
    if (mark == std::string::npos) continue;
    const std::string key = line.substr(0, mark);
    std::string value = expand(line.substr(mark + 1), variables);
    if (line[mark] == '=') {
      variables[key] = key == "prefix" && !prefix.empty() ? prefix : std::move(value);
    } else if (key == "Cflags") {
      package.compile_flags = words_of(value);
    } else if (key == "Libs") {
      package.link_flags = words_of(value);
    }
  }
  for (const std::string& flag : package.compile_flags)
    if (flag.starts_with("-I")) package.include_directories.emplace_back(flag.substr(2));
  package.surface_table = variables.contains("surface") ? fs::path(variables["surface"]) : fs::path();
  package.gdb_script = variables.contains("gdb") ? fs::path(variables["gdb"]) : fs::path();
  return package;
}

Result<Package> find_package() {
  std::error_code error;
  const fs::path here = fs::canonical("/proc/self/exe", error).parent_path();
  Package package;
  if (const fs::path beside = here / "softndk.pc"; fs::exists(beside, error)) {
    package = parse_package(read_text(beside), {});
  } else {
    const fs::path prefix = here.parent_path();
    const fs::path below = installed_package(prefix);
    if (below.empty()) return tl::unexpected(test_failure("no softndk.pc beside or below " + prefix.string()));
    package = parse_package(read_text(below), prefix);
    package.surface_table = prefix / "share/softndk/kernel-surface.tsv";
    package.gdb_script = prefix / "share/softndk/gdb/softndk-gdb.py";
  }
  if (!fs::exists(package.surface_table, error)) package.surface_table.clear();
  if (!fs::exists(package.gdb_script, error)) package.gdb_script.clear();
  return package;
}

}  // namespace softndk::tools
