#pragma once
// Programs that are run for us, some at a time.
#include <filesystem>
#include <string>
#include <vector>

namespace softndk::tools {

struct Command {
  std::vector<std::string> words;
  // What came of it.
  int exit_code = -1;  ///< 127: it could not be started
  std::string output;  ///< stdout and stderr
};

/// Runs all, at most `jobs` at once; `done(command)` in the order of the list, as soon as it and those before it have
/// ended. `scratch` is a directory for what they print.
template <class Done>
void run_commands(std::vector<Command>& commands, unsigned jobs, const std::filesystem::path& scratch, Done done);

/// A process that writes into a file.
class Child {
 public:
  Child(const Command& command, const std::filesystem::path& output);
  int pid() const { return pid_; }
  /// Waits for any of ours; the pid and its exit code, 128 and the signal's number if one killed it.
  static std::pair<int, int> wait_any();

 private:
  int pid_ = -1;
};

std::string read_file(const std::filesystem::path& path);

template <class Done>
void run_commands(std::vector<Command>& commands, unsigned jobs, const std::filesystem::path& scratch, Done done) {
  std::vector<int> pids(commands.size(), 0);
  std::size_t next = 0, told = 0, running = 0;
  const auto output = [&](std::size_t i) { return scratch / ("output-" + std::to_string(i)); };
  const auto tell = [&] {
    for (; told < next && commands[told].exit_code >= 0; ++told) {
      commands[told].output += read_file(output(told));
      done(commands[told]);
    }
  };
  while (told < commands.size()) {
    while (next < commands.size() && running < jobs) {
      const Child child(commands[next], output(next));
      pids[next] = child.pid();
      if (child.pid() > 0) ++running;
      if (child.pid() <= 0) {
        commands[next].exit_code = 127;
        commands[next].output = commands[next].words.front() + ": cannot be started\n";
      }
      ++next;
    }
    tell();
    if (running == 0) continue;
    const auto [pid, code] = Child::wait_any();
    for (std::size_t i = 0; i < next; ++i) {
      if (pids[i] != pid) continue;
      commands[i].exit_code = code;
      --running;
    }
    tell();
  }
}

}  // namespace softndk::tools
