#include "tools/ndkrun/source_tree.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>

#include "tools/ndkrun/build_files.h"

namespace softndk::tools {
namespace {
namespace fs = std::filesystem;

Failure usage(std::string reason) {
  Failure failure = test_failure(std::move(reason));
  failure.exit_code = ExitCode::usage;
  return failure;
}

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool is_header(const fs::path& path) {
  const std::string extension = lower_case(path.extension());
  return extension == ".h" || extension == ".hpp" || extension == ".hxx" || extension == ".inl" || extension == ".inc";
}

bool is_project(const fs::path& path) {
  return lower_case(path.extension()) == ".vcxproj" || lower_case(path.filename()) == "sources";
}

BuildFile parse(const fs::path& path) {
  return lower_case(path.extension()) == ".vcxproj" ? parse_project(read_text(path))
                                                    : parse_sources_file(read_text(path));
}

/// What the build file at `path`, and those it refers to, list.
void add_listed(const fs::path& path, SourceTree& tree, std::set<fs::path>& seen) {
  if (!seen.insert(path).second) return;
  const BuildFile file = parse(path);
  tree.definitions.insert(tree.definitions.end(), file.definitions.begin(), file.definitions.end());
  for (const std::string& name : file.sources) {
    const fs::path source = find_ignoring_case(path.parent_path(), name);
    if (!source.empty() && (is_c_source(source) || is_cxx_source(source))) tree.sources.push_back(source);
  }
  for (const std::string& name : file.references)
    if (const fs::path other = find_ignoring_case(path.parent_path(), name); !other.empty())
      add_listed(fs::weakly_canonical(other), tree, seen);
}

}  // namespace

std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c); });
  return text;
}

bool is_c_source(const fs::path& path) {
  return lower_case(path.extension()) == ".c";
}

bool is_cxx_source(const fs::path& path) {
  const std::string extension = lower_case(path.extension());
  return extension == ".cpp" || extension == ".cxx" || extension == ".cc";
}

fs::path find_ignoring_case(const fs::path& base, const std::string& relative) {
  std::string slashed = relative;
  std::replace(slashed.begin(), slashed.end(), '\\', '/');
  fs::path at = base;
  std::error_code error;
  for (const fs::path& part : fs::path(slashed)) {
    if (part == "." || part == ".." || fs::exists(at / part, error)) {
      at /= part;
      continue;
    }
    const std::string wanted = lower_case(part);
    fs::path found;
    for (const auto& entry : fs::directory_iterator(at, error))
      if (lower_case(entry.path().filename()) == wanted) found = entry.path();
    if (found.empty()) return {};
    at = found;
  }
  return fs::is_regular_file(at, error) ? at.lexically_normal() : fs::path();
}

Result<SourceTree> find_sources(const fs::path& root, const SourceChoice& choice) {
  SourceTree tree;
  std::error_code error;
  tree.root = fs::canonical(root, error);
  if (error || !fs::is_directory(tree.root)) return tl::unexpected(usage(root.string() + " is not a directory"));
  std::vector<fs::path> drivers;
  for (auto at = fs::recursive_directory_iterator(tree.root, fs::directory_options::skip_permission_denied, error);
       at != fs::recursive_directory_iterator(); at.increment(error)) {
    const fs::path& path = at->path();
    if (path.filename().string().starts_with('.')) {
      if (at->is_directory()) at.disable_recursion_pending();
      continue;
    }
    if (!at->is_regular_file()) continue;
    if (is_c_source(path) || is_cxx_source(path) || is_header(path)) tree.files.push_back(path);
    if (is_project(path) && parse(path).is_driver) drivers.push_back(path);
  }
  std::sort(tree.files.begin(), tree.files.end());

  if (!choice.build_file.empty()) {
    const fs::path named = fs::canonical(choice.build_file, error);
    if (error) return tl::unexpected(usage("--project " + choice.build_file + ": " + error.message()));
    drivers = {named};
  }
  if (drivers.size() > 1 && !choice.ignore_build_files) {
    std::string reason = "more than one driver is here, name one with --project, or --all-sources for one of all:";
    for (const fs::path& driver : drivers)
      reason += "\n  " + driver.string();
    return tl::unexpected(usage(reason));
  }
  if (drivers.size() == 1 && !choice.ignore_build_files) {
    std::set<fs::path> seen;
    tree.build_file = drivers.front();
    add_listed(drivers.front(), tree, seen);
  } else {
    std::copy_if(tree.files.begin(), tree.files.end(), std::back_inserter(tree.sources),
                 [](const fs::path& path) { return is_c_source(path) || is_cxx_source(path); });
  }
  std::erase_if(tree.sources, [&](const fs::path& path) {
    const std::string below = path.lexically_relative(tree.root);
    return std::any_of(choice.excluded.begin(), choice.excluded.end(),
                       [&](const std::string& part) { return below.find(part) != std::string::npos; });
  });
  std::sort(tree.sources.begin(), tree.sources.end());
  tree.sources.erase(std::unique(tree.sources.begin(), tree.sources.end()), tree.sources.end());
  if (tree.sources.empty()) return tl::unexpected(usage("no sources to compile under " + root.string()));
  return tree;
}

}  // namespace softndk::tools
