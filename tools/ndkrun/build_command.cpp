#include <CLI/CLI.hpp>  // before the kernel's names

#include "tools/ndkrun/build_command.h"

#include <fmt/format.h>
#include <softndk/softndk.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include "tools/common/printer.h"
#include "tools/ndkrun/commands.h"
#include "tools/ndkrun/hints.h"
#include "tools/ndkrun/includes.h"
#include "tools/ndkrun/package.h"

namespace softndk::tools {
namespace {
namespace fs = std::filesystem;

/// A directory of ours, gone at the end.
class Scratch {
 public:
  Scratch() {
    std::string pattern = fs::temp_directory_path() / "ndkrun-XXXXXX";
    if (mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  ~Scratch() {
    std::error_code error;
    if (!path_.empty()) fs::remove_all(path_, error);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

/// "gcc-12" is the C compiler of "g++-12", "/opt/bin/clang" of "/opt/bin/clang++".
std::string cxx_of(std::string compiler) {
  const std::size_t name = compiler.rfind('/') == std::string::npos ? 0 : compiler.rfind('/') + 1;
  for (const auto& [c, cxx] : {std::pair("clang", "clang++"), std::pair("gcc", "g++")}) {
    const std::size_t at = compiler.find(c, name);
    if (at != std::string::npos) return compiler.replace(at, std::string_view(c).size(), cxx);
  }
  return "c++";
}

class Build {
 public:
  explicit Build(const BuildOptions& options)
      : options_(options), printer_(options.json ? Format::json : Format::text) {}

  ExitCode run() {
    Result<void> result = prepare();
    if (result) result = compile();
    if (result) result = link();
    tell(result);
    return result ? ExitCode::passed : result.error().exit_code;
  }

 private:
  Result<void> prepare() {
    auto package = find_package();
    if (!package) return tl::unexpected(package.error());
    package_ = std::move(*package);
    auto tree = find_sources(options_.directory, options_.choice);
    if (!tree) return tl::unexpected(tree.error());
    tree_ = std::move(*tree);
    if (scratch_.path().empty()) return tl::unexpected(test_failure("no temporary directory"));
    std::vector<fs::path> searched = package_.include_directories;
    for (const std::string& flag : options_.compiler_flags)
      if (flag.starts_with("-I") && flag.size() > 2) searched.emplace_back(flag.substr(2));
    plan_ = plan_includes(tree_, searched);
    overlay_ = write_overlay(plan_, scratch_.path() / "include");
    if (tree_.build_file.empty())
      std::erase_if(tree_.sources, [&](const fs::path& source) { return plan_.included_sources.contains(source); });
    return {};
  }

  std::vector<std::string> words_for(const fs::path& source, const fs::path& object) const {
    const bool cxx = is_cxx_source(source) || options_.as_cxx;
    std::vector<std::string> words = {cxx ? cxx_of(options_.compiler) : options_.compiler};
    const auto add = [&](std::initializer_list<std::string> more) { words.insert(words.end(), more); };
    add({"-c", "-g", "-O1", "-fPIC", "-fno-omit-frame-pointer"});
    if (isatty(STDERR_FILENO) != 0) add({"-fdiagnostics-color=always"});
    words.insert(words.end(), package_.compile_flags.begin(), package_.compile_flags.end());
    if (cxx) {
      add({"-std=gnu++17"});
      // min, max and the old annotations, as C has them, are words that the C++ library would choke on.
      if (plan_.uses_cxx_library.contains(source)) add({"-USOFTNDK_KERNEL_CXX"});
      if (is_c_source(source)) add({"-x", "c++", "-fpermissive"});
    } else {
      // A call of what is not declared is a mistake that the linker would find later and with less to say. A callback
      // with a typed context is none: newer compilers would refuse it.
      add({"-Werror=implicit-function-declaration", "-Wno-error=incompatible-pointer-types"});
    }
    for (const std::string& definition : tree_.definitions)
      add({"-D" + definition});
    words.insert(words.end(), options_.compiler_flags.begin(), options_.compiler_flags.end());
    for (const fs::path& directory : plan_.directories)
      add({"-I" + directory.string()});
    add({"-I" + overlay_.string(), source.string(), "-o", object.string()});
    return words;
  }

  Result<void> compile() {
    std::vector<Command> commands;
    for (std::size_t i = 0; i < tree_.sources.size(); ++i) {
      objects_.push_back(scratch_.path() / fmt::format("{}-{}.o", i, tree_.sources[i].stem().string()));
      commands.push_back({words_for(tree_.sources[i], objects_.back()), -1, {}});
    }
    std::size_t at = 0;
    run_commands(commands, options_.jobs, scratch_.path(), [&](const Command& command) {
      const std::string name = tree_.sources[at++].lexically_relative(tree_.root);
      hear(command);
      if (command.exit_code != 0) failed_.push_back(name);
    });
    if (failed_.empty()) return {};
    return tl::unexpected(test_failure(
        fmt::format("{} of {} files do not compile: {}", failed_.size(), commands.size(), fmt::join(failed_, ", "))));
  }

  Result<void> link() {
    const bool any_cxx = options_.as_cxx || std::any_of(tree_.sources.begin(), tree_.sources.end(), is_cxx_source);
    std::vector<std::string> words = {any_cxx ? cxx_of(options_.compiler) : options_.compiler, "-shared", "-g"};
    for (const fs::path& object : objects_)
      words.push_back(object);
    // The driver's own names are the driver's: without -Bsymbolic its wait() would be libc's.
    words.insert(words.end(), {"-Wl,-Bsymbolic", "-Wl,-z,now"});
    words.insert(words.end(), options_.compiler_flags.begin(), options_.compiler_flags.end());
    const auto is_sanitizer = [](const std::string& flag) { return flag.starts_with("-fsanitize"); };
    const bool sanitized = std::any_of(options_.compiler_flags.begin(), options_.compiler_flags.end(), is_sanitizer) ||
                           std::any_of(package_.compile_flags.begin(), package_.compile_flags.end(), is_sanitizer);
    // A sanitizer's runtime is the program's; everything else has to be here.
    if (!sanitized) words.push_back("-Wl,--no-undefined");
    words.insert(words.end(), package_.link_flags.begin(), package_.link_flags.end());
    words.insert(words.end(), {"-o", options_.output});
    std::vector<Command> commands = {{words, -1, {}}};
    run_commands(commands, 1, scratch_.path(), [&](const Command& command) { hear(command); });
    if (commands.front().exit_code == 0) return {};
    return tl::unexpected(test_failure(options_.output + " does not link"));
  }

  /// The compiler's words, then ours.
  void hear(const Command& command) {
    if (options_.verbose) std::fprintf(stderr, "%s\n", fmt::format("{}", fmt::join(command.words, " ")).c_str());
    std::fwrite(command.output.data(), 1, command.output.size(), stderr);
    if (command.exit_code == 0) return;
    for (const MissingName& missing : missing_names(command.output)) {
      if (!hints_) hints_.emplace(package_);
      const auto hint = hints_->about(missing);
      if (!hint || std::find(said_.begin(), said_.end(), *hint) != said_.end()) continue;
      said_.push_back(*hint);
      std::fprintf(stderr, "ndkrun: hint: %s\n", hint->c_str());
    }
  }

  void tell(const Result<void>& result) {
    printer_.line(result ? fmt::format("ndkrun: {} from {} files", options_.output, tree_.sources.size())
                         : "ndkrun: " + result.error().text());
    nlohmann::ordered_json document;
    document["schema"] = 1;
    document["tool"] = "ndkrun";
    document["version"] = softndk_version();
    document["command"] = "build";
    document["exit_code"] = static_cast<int>(result ? ExitCode::passed : result.error().exit_code);
    document["output"] = options_.output;
    document["build_file"] = tree_.build_file.string();
    document["files"] = nlohmann::ordered_json::array();
    for (const fs::path& source : tree_.sources)
      document["files"].push_back(source.lexically_relative(tree_.root).string());
    document["failed"] = failed_;
    document["hints"] = said_;
    document["text"] = result ? "" : result.error().text();
    printer_.json(document);
  }

  const BuildOptions& options_;
  Printer printer_;
  Scratch scratch_;
  Package package_;
  SourceTree tree_;
  IncludePlan plan_;
  fs::path overlay_;
  std::vector<fs::path> objects_;
  std::vector<std::string> failed_;
  std::optional<Hints> hints_;
  std::vector<std::string> said_;
};

}  // namespace

void add_build_options(CLI::App& app, BuildOptions& options) {
  app.add_option("directory", options.directory, "where the driver's sources are, in it and below")->required();
  app.add_option("-o,--output", options.output, "the shared object to make")->required();
  app.add_option("--cc", options.compiler, "the C compiler: gcc (default), clang, a path; C++ by the one beside it");
  app.add_flag("--c++", options.as_cxx, "compile C files as C++, with -fpermissive");
  app.add_option("--project", options.choice.build_file, "the .vcxproj or `sources` file that lists the sources");
  app.add_flag("--all-sources", options.choice.ignore_build_files, "all sources there, whatever build files list");
  app.add_option("--exclude", options.choice.excluded, "no source whose path has this text; may be repeated");
  app.add_option("-j,--jobs", options.jobs, "compilers at a time; 2 by default")->check(CLI::Range(1u, 256u));
  app.add_flag("--verbose", options.verbose, "print the commands");
  app.add_flag("--json", options.json, "one JSON document on stdout, all else on stderr");
  app.footer("What follows -- is passed to the compiler: -D, -I and others.");
}

ExitCode build_command(const BuildOptions& options) {
  return Build(options).run();
}

}  // namespace softndk::tools
