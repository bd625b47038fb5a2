#include "child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <sstream>

namespace softndk::soak {
namespace {

using Clock = std::chrono::steady_clock;

/// Runs between fork and exec: nothing of the parent's may follow, nor may this outlive it.
[[noreturn]] void become(pid_t parent, const char* program, const char* const* arguments, int commands, int reports) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(2);  // it died before the line above
  ::fcntl(commands, F_SETFD, 0);
  ::fcntl(reports, F_SETFD, 0);
  ::execv(program, const_cast<char**>(arguments));
  ::_exit(2);
}

/// The exit code; -1: killed; nothing: it still runs after `timeout_ms`.
std::optional<int> reap(pid_t pid, int timeout_ms) {
  const auto until = Clock::now() + std::chrono::milliseconds(timeout_ms);
  for (;;) {
    int status = 0;
    if (::waitpid(pid, &status, WNOHANG) == pid) return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (Clock::now() >= until) return std::nullopt;
    ::usleep(1000);
  }
}

}  // namespace

Child::Child(Role role, std::uint64_t seed) : role_(role) {
  int commands[2], reports[2];
  if (::pipe2(commands, O_CLOEXEC) != 0 || ::pipe2(reports, O_CLOEXEC) != 0) std::abort();
  const std::string words[] = {"softndk_soak",
                               "--peer",
                               kRoleNames[static_cast<unsigned>(role)],
                               std::to_string(seed),
                               std::to_string(commands[0]),
                               std::to_string(reports[1])};
  const char* arguments[std::size(words) + 1] = {};
  for (std::size_t i = 0; i < std::size(words); ++i)
    arguments[i] = words[i].c_str();
  char program[4096] = {};
  if (::readlink("/proc/self/exe", program, sizeof program - 1) <= 0) std::abort();
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) std::abort();
  if (pid_ == 0) become(parent, program, arguments, commands[0], reports[1]);
  ::close(commands[0]);
  ::close(reports[1]);
  commands_ = commands[1];
  reports_ = reports[0];
}

Child::~Child() {
  kill();
  ::close(commands_);
  ::close(reports_);
}

void Child::command(const std::string& line) {
  const std::string whole = line + '\n';
  static_cast<void>(!::write(commands_, whole.data(), whole.size()));
}

std::optional<std::string> Child::line(int timeout_ms) {
  const auto until = Clock::now() + std::chrono::milliseconds(timeout_ms);
  for (;;) {
    if (const std::size_t end = said_.find('\n'); end != std::string::npos) {
      std::string first = said_.substr(0, end);
      said_.erase(0, end + 1);
      return first;
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    pollfd reports{reports_, POLLIN, 0};
    if (::poll(&reports, 1, left > 0 ? static_cast<int>(left) : 0) <= 0) return std::nullopt;
    char room[4096];
    const ssize_t bytes = ::read(reports_, room, sizeof room);
    if (bytes <= 0) {
      is_mute_ = true;
      return std::nullopt;
    }
    said_.append(room, static_cast<std::size_t>(bytes));
  }
}

void Child::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

int Child::wait(int timeout_ms) {
  const std::optional<int> code = reap(pid_, timeout_ms);
  if (!code) return -1;
  pid_ = -1;
  return *code;
}

void Child::show_and_abort() {
  const std::string pid = std::to_string(pid_);
  std::fprintf(stderr, "soak: process %s (%s): where its threads are\n", pid.c_str(),
               kRoleNames[static_cast<unsigned>(role_)]);
  const pid_t debugger = ::fork();
  if (debugger == 0) {
    ::dup2(2, 1);
    ::execlp("gdb", "gdb", "-q", "-batch", "-ex", "set debuginfod enabled off", "-ex", "thread apply all backtrace 20",
             "-p", pid.c_str(), static_cast<char*>(nullptr));
    ::_exit(127);
  }
  constexpr int kDebuggerMs = 60'000;
  if (debugger > 0 && !reap(debugger, kDebuggerMs)) {
    ::kill(debugger, SIGKILL);
    ::waitpid(debugger, nullptr, 0);
  }
  ::kill(pid_, SIGABRT);
  constexpr int kCoreMs = 10'000;
  if (reap(pid_, kCoreMs)) pid_ = -1;
}

Account::Account(const std::string& line) {
  std::istringstream words(line);
  for (std::string word; words >> word;) {
    if (const std::size_t equals = word.find('='); equals != std::string::npos)
      numbers_[word.substr(0, equals)] = std::strtoull(word.c_str() + equals + 1, nullptr, 10);
  }
}

}  // namespace softndk::soak
