#include "tools/ndkrun/includes.h"

#include <algorithm>
#include <fstream>
#include <iterator>

namespace softndk::tools {
namespace {
namespace fs = std::filesystem;

/// How many "../" a spelling may begin with: so deep lies the directory that is searched.
constexpr int kOverlayDepth = 6;

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string slashed(std::string name) {
  std::replace(name.begin(), name.end(), '\\', '/');
  return name;
}

bool exists_as_spelled(const fs::path& directory, const std::string& name) {
  std::error_code error;
  return fs::is_regular_file(directory / name, error);
}

class Planner {
 public:
  Planner(const SourceTree& tree, const std::vector<fs::path>& searched) : tree_(tree), searched_(searched) {}

  IncludePlan plan() {
    for (const fs::path& source : tree_.sources)
      read(source);
    while (!waiting_.empty()) {
      const fs::path path = waiting_.back();
      waiting_.pop_back();
      for (const Include& include : includes_of(read_text(path)))
        resolve(path, include);
    }
    spread_library_use();
    return std::move(plan_);
  }

 private:
  void read(const fs::path& path) {
    const fs::path real = path.lexically_normal();
    if (read_.insert(real).second) waiting_.push_back(real);
  }

  void found(const fs::path& by, const fs::path& path) {
    const fs::path real = path.lexically_normal();
    if (is_c_source(real) || is_cxx_source(real)) plan_.included_sources.insert(real);
    includers_[real].insert(by);
    read(real);
  }

  void forward(const fs::path& by, const std::string& name, const fs::path& target, bool in_tree) {
    plan_.forwarded.emplace(name, target);
    if (in_tree) found(by, target);
  }

  void resolve(const fs::path& by, const Include& include) {
    const std::string& name = include.name;
    const fs::path here = by.parent_path();
    if (include.quoted && exists_as_spelled(here, name)) return found(by, here / name);
    for (const fs::path& directory : searched_)
      if (exists_as_spelled(directory, name)) return;
    if (lower_case(fs::path(slashed(name)).extension()) == ".tmh") {
      plan_.empty.insert(name);
      return;
    }
    if (include.quoted)
      if (const fs::path near = find_ignoring_case(here, name); !near.empty()) return forward(by, name, near, true);
    for (const fs::path& directory : searched_)
      if (const fs::path match = find_ignoring_case(directory, name); !match.empty())
        return forward(by, name, match, false);
    if (const fs::path match = in_tree(here, name); !match.empty()) {
      const std::string text = match;
      // "inc/x.h" of /tree/a/inc/x.h: /tree/a is to be searched.
      if (text.ends_with("/" + name)) {
        add_directory(text.substr(0, text.size() - name.size() - 1));
        return found(by, match);
      }
      return forward(by, name, match, true);
    }
    const bool bare = name.find_first_of("./\\") == std::string::npos;
    if (!include.quoted && bare) plan_.uses_cxx_library.insert(by);
  }

  /// The file of the tree whose path ends so, without regard to case; of several the one nearest to `here`, and of
  /// those the one spelled so.
  fs::path in_tree(const fs::path& here, const std::string& name) const {
    std::string wanted = slashed(name);
    while (wanted.starts_with("../") || wanted.starts_with("./"))
      wanted.erase(0, wanted.find('/') + 1);
    const std::string ending = "/" + lower_case(wanted);
    fs::path best;
    std::size_t best_score = 0;
    for (const fs::path& file : tree_.files) {
      if (!lower_case(file.string()).ends_with(ending)) continue;
      const auto [a, b] = std::mismatch(here.begin(), here.end(), file.begin(), file.end());
      const auto shared = static_cast<std::size_t>(std::distance(here.begin(), a));
      const std::size_t score = 2 * shared + (file.string().ends_with("/" + wanted) ? 1 : 0) + 1;
      if (score > best_score) {
        best = file;
        best_score = score;
      }
    }
    return best;
  }

  void add_directory(const fs::path& directory) {
    auto& all = plan_.directories;
    if (std::find(all.begin(), all.end(), directory) == all.end()) all.push_back(directory);
  }

  /// Who includes a file that includes the C++ library does so too.
  void spread_library_use() {
    std::vector<fs::path> todo(plan_.uses_cxx_library.begin(), plan_.uses_cxx_library.end());
    while (!todo.empty()) {
      const fs::path path = todo.back();
      todo.pop_back();
      for (const fs::path& by : includers_[path])
        if (plan_.uses_cxx_library.insert(by).second) todo.push_back(by);
    }
  }

  const SourceTree& tree_;
  const std::vector<fs::path>& searched_;
  IncludePlan plan_;
  std::set<fs::path> read_;
  std::vector<fs::path> waiting_;
  std::map<fs::path, std::set<fs::path>> includers_;
};

}  // namespace

std::vector<Include> includes_of(const std::string& text) {
  std::vector<Include> includes;
  bool in_comment = false;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line(text.data() + at, end - at);
    at = end + 1;
    // A comment that begins and ends within the line does not matter: what stands before it is the include.
    if (in_comment) {
      const std::size_t close = line.find("*/");
      if (close == std::string_view::npos) continue;
      line.remove_prefix(close + 2);
      in_comment = false;
    }
    const std::size_t open = line.rfind("/*");
    in_comment = open != std::string_view::npos && line.find("*/", open) == std::string_view::npos &&
                 line.substr(0, open).find("//") == std::string_view::npos;
    const auto skip_blanks = [&] { line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size())); };
    skip_blanks();
    if (!line.starts_with('#')) continue;
    line.remove_prefix(1);
    skip_blanks();
    if (!line.starts_with("include")) continue;
    line.remove_prefix(7);
    skip_blanks();
    if (!line.starts_with('"') && !line.starts_with('<')) continue;
    const bool quoted = line.front() == '"';
    line.remove_prefix(1);
    const std::size_t close = line.find(quoted ? '"' : '>');
    if (close != std::string_view::npos && close != 0) includes.push_back({std::string(line.substr(0, close)), quoted});
  }
  return includes;
}

IncludePlan plan_includes(const SourceTree& tree, const std::vector<fs::path>& searched) {
  return Planner(tree, searched).plan();
}

fs::path write_overlay(const IncludePlan& plan, const fs::path& directory) {
  fs::path search = directory;
  for (int i = 0; i < kOverlayDepth; ++i)
    search /= "d";
  fs::create_directories(search);
  const auto write = [&](const std::string& name, const std::string& text) {
    // A name with '\\' is a file of that name here: the compiler takes it as one.
    const fs::path path = (search / name).lexically_normal();
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
  };
  for (const auto& [name, target] : plan.forwarded)
    write(name, "#include \"" + target.string() + "\"\n");
  for (const std::string& name : plan.empty)
    write(name, "");
  return search;
}

}  // namespace softndk::tools
