#include "tools/ndkrun/run_command.h"

#include <fmt/format.h>
#include <softndk/softndk.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "tools/common/printer.h"
#include "tools/ndkrun/crash_note.h"
#include "tools/ndkrun/host.h"
#include "tools/ndkrun/package.h"

namespace softndk::tools {
namespace {

ExitCode complain(const std::string& reason) {
  std::fprintf(stderr, "ndkrun: %s\nTry 'ndkrun run --help'.\n", reason.c_str());
  return ExitCode::usage;
}

/// Applies the settings of a run; a failure is usage.
Result<void> apply_settings(const RunOptions& options, std::optional<std::uint64_t> seed) {
  const auto settings = settings_for(options, seed);
  if (!settings) return tl::unexpected(settings.error());
  for (const auto& [name, value] : *settings) {
    const NTSTATUS status = softndk_set(name.c_str(), value.c_str());
    if (status >= 0) continue;
    Failure failure = test_failure(
        fmt::format("{} = {}: {}", name, value,
                    status == STATUS_NOT_FOUND ? "there is no such setting" : "not in the setting's range"));
    failure.exit_code = ExitCode::usage;
    return tl::unexpected(failure);
  }
  return {};
}

void copy_to_stderr(int from) {
  char block[4096];
  lseek(from, 0, SEEK_SET);
  for (ssize_t got; (got = read(from, block, sizeof block)) > 0;)
    std::fwrite(block, 1, static_cast<std::size_t>(got), stderr);
}

/// The drivers, and how their runs are told.
class Runs {
 public:
  Runs(const RunOptions& options, const std::vector<std::string>& arguments)
      : options_(options), arguments_(arguments), printer_(options.json ? Format::json : Format::text) {}

  ExitCode all(std::vector<DriverModule> drivers) {
    drivers_ = std::move(drivers);
    const auto range = options_.seeds.empty() ? std::nullopt : parse_seeds(options_.seeds);
    if (!options_.seeds.empty() && !range) return complain("--seeds " + options_.seeds + " is not A..B");
    if (!range && options_.runs == 1) return alone();
    const std::uint64_t first = range ? range->first : options_.seed.value_or(1);
    const std::uint64_t count = range ? range->last - range->first + 1 : options_.runs;
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t seed = first + i;
      if (const auto code = in_child(seed); code) return *code;
    }
    const std::string what =
        options_.simulated ? fmt::format("seeds {}..{}", first, first + count - 1) : fmt::format("{} runs", count);
    printer_.line(fmt::format("ndkrun: {}: all clean", what));
    nlohmann::ordered_json document = head();
    document["runs"] = count;
    document["exit_code"] = 0;
    printer_.json(document);
    return ExitCode::passed;
  }

 private:
  /// One run in this process.
  ExitCode alone() {
    if (const auto set = apply_settings(options_, options_.seed); !set) return complain(set.error().text());
    note_crashes("ndkrun run --gdb " + joined(arguments_));
    const RunOutcome outcome = run_drivers(options_, drivers_, [this](const RunOutcome& so_far) {
      tell(so_far);
      leave(so_far.code);
    });
    tell(outcome);
    if (softndk_is_running()) leave(outcome.code);
    return outcome.code;
  }

  /// One of many, in a process of its own: a driver's statics begin anew, and a crash is one run's. nullopt: clean.
  std::optional<ExitCode> in_child(std::uint64_t seed) {
    std::fflush(nullptr);
    const int said = memfd_create("ndkrun", MFD_CLOEXEC);  // told only if the run fails
    const pid_t child = fork();
    if (child < 0) return complain(fmt::format("fork: {}", std::strerror(errno)));
    if (child == 0) {
      if (said >= 0) dup2(said, STDERR_FILENO);
      if (const auto set = apply_settings(options_, seed); !set) leave(complain(set.error().text()));
      note_crashes(gdb_command(seed));
      const RunOutcome outcome = run_drivers(options_, drivers_, [&](const RunOutcome& so_far) {
        if (so_far.code != ExitCode::passed) tell(so_far);
        leave(so_far.code);
      });
      if (outcome.code != ExitCode::passed) tell(outcome);
      leave(outcome.code);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    const bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (said >= 0 && !clean) copy_to_stderr(said);
    close(said);
    if (clean) return std::nullopt;
    const std::string replay = replay_command(options_, arguments_, seed);
    const std::string which = options_.simulated ? fmt::format("seed {}", seed) : fmt::format("run {}", seed);
    const std::string how = WIFSIGNALED(status) ? fmt::format("was killed by {}", strsignal(WTERMSIG(status)))
                                                : fmt::format("failed (exit code {})", WEXITSTATUS(status));
    printer_.line(fmt::format("ndkrun: {} {}; again: {}", which, how, replay));
    // The signal is the driver's, and the caller's shell is to know it.
    if (WIFSIGNALED(status)) {
      signal(WTERMSIG(status), SIG_DFL);
      raise(WTERMSIG(status));
    }
    return static_cast<ExitCode>(WEXITSTATUS(status));
  }

  nlohmann::ordered_json head() const {
    nlohmann::ordered_json document;
    document["schema"] = 1;
    document["tool"] = "ndkrun";
    document["version"] = softndk_version();
    document["command"] = "run";
    return document;
  }

  void tell(const RunOutcome& outcome) {
    std::string names;
    for (const RunOutcome::Driver& driver : outcome.drivers)
      names += (names.empty() ? "" : ", ") + driver.name;
    printer_.line(outcome.code == ExitCode::passed
                      ? fmt::format("ndkrun: {}: clean (ended by {})", names, outcome.ended_by)
                      : fmt::format("ndkrun: {}: {}", names, outcome.text));
    nlohmann::ordered_json document = head();
    document.update(outcome.json());
    printer_.json(document);
  }

  std::string gdb_command(std::uint64_t seed) const {
    std::string command = replay_command(options_, arguments_, seed);
    return command.insert(std::strlen("ndkrun run"), " --gdb");
  }
  static std::string joined(const std::vector<std::string>& words) { return fmt::format("{}", fmt::join(words, " ")); }

  [[noreturn]] static void leave(ExitCode code) {
    softndk_write_trace();
    std::fflush(nullptr);
    _exit(static_cast<int>(code));
  }

  const RunOptions& options_;
  const std::vector<std::string>& arguments_;
  Printer printer_;
  std::vector<DriverModule> drivers_;
};

/// Replaces this process by a debugger on the same run without --gdb. It knows NDK objects (`info ndk`), if our
/// extensions are where the package is.
ExitCode exec_gdb(const std::vector<std::string>& arguments) {
  char self[4096] = {};
  if (readlink("/proc/self/exe", self, sizeof self - 1) < 0) return complain("/proc/self/exe cannot be read");
  std::vector<std::string> words = {"gdb"};
  if (const auto package = find_package(); package && !package->gdb_script.empty())
    words.insert(words.end(), {"-x", package->gdb_script.string()});
  words.insert(words.end(), {"--args", self, "run"});
  for (const std::string& argument : arguments)
    if (argument != "--gdb") words.push_back(argument);
  std::vector<char*> pointers;
  for (std::string& word : words)
    pointers.push_back(word.data());
  pointers.push_back(nullptr);
  execvp("gdb", pointers.data());
  return complain(fmt::format("gdb: {}", std::strerror(errno)));
}

}  // namespace

ExitCode run_command(const RunOptions& options, const std::vector<std::string>& arguments) {
  if (options.gdb) return exec_gdb(arguments);
  if (!options.seeds.empty() && !options.simulated) return complain("--seeds needs --sim");
  std::vector<DriverModule> drivers;
  for (const std::string& path : options.drivers) {
    auto driver = find_driver(path);
    if (!driver) return complain(driver.error().text());
    drivers.push_back(std::move(*driver));
  }
  if (const auto settings = settings_for(options, options.seed); !settings) return complain(settings.error().text());
  return Runs(options, arguments).all(std::move(drivers));
}

}  // namespace softndk::tools
