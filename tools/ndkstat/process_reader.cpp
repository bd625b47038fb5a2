#include "tools/ndkstat/process_reader.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <string_view>

namespace softndk::tools {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kPrefix = "softndk/";
constexpr std::size_t kDocumentBytesMax = std::size_t{256} << 20;  // whatever a process may say, there is an end to it

/// A name to connect to; abstract ones begin with a NUL.
using Name = std::string;

std::set<Name> abstract_names() {
  std::set<Name> names;
  std::ifstream table("/proc/net/unix");
  for (std::string line; std::getline(table, line);) {
    const auto at = line.rfind(" @" + std::string(kPrefix));
    if (at == std::string::npos) continue;
    std::string name = line.substr(at + 1);
    name[0] = '\0';
    names.insert(std::move(name));
  }
  return names;
}

std::set<Name> names_in(const std::string& directory) {
  std::set<Name> names;
  if (directory.empty()) return names;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(directory, ignored)) {
    const std::string file = entry.path().filename();
    if (file.starts_with("softndk-") && file.ends_with(".sock") && entry.is_socket(ignored)) names.insert(entry.path());
  }
  return names;
}

class Reading {
 public:
  explicit Reading(Name name) : name_(std::move(name)) { try_connect(); }
  ~Reading() { finish(); }
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;

  enum class State : std::uint8_t { connecting, reading, ended, not_ours, gone };
  State state() const { return state_; }
  bool is_over() const { return state_ != State::connecting && state_ != State::reading; }
  int fd() const { return fd_; }
  int pid() const { return pid_; }
  std::string what() const { return name_[0] == '\0' ? name_.substr(1) : name_; }
  const std::string& text() const { return text_; }

  /// A backlog may be full for a moment: then there is no event to wait for, and it is tried again.
  void try_connect() {
    if (fd_ < 0) fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    if (fd_ < 0 || name_.size() >= sizeof to.sun_path) return finish(State::gone);
    std::memcpy(to.sun_path, name_.data(), name_.size());
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name_.size());
    if (connect(fd_, reinterpret_cast<const sockaddr*>(&to), size) != 0) {
      if (errno == EAGAIN || errno == EINTR) return;
      if (errno == ECONNREFUSED && name_[0] != '\0') unlink(name_.c_str());  // its process is dead
      return finish(State::gone);
    }
    ucred peer{};
    socklen_t peer_size = sizeof peer;
    if (getsockopt(fd_, SOL_SOCKET, SO_PEERCRED, &peer, &peer_size) != 0) return finish(State::gone);
    // Anybody may take a name like this; only to our own and to root do we listen. Root listens to all.
    if (peer.uid != 0 && peer.uid != geteuid() && geteuid() != 0) return finish(State::not_ours);
    pid_ = peer.pid;
    state_ = State::reading;
  }

  void read_some() {
    char room[65536];
    for (;;) {
      const ssize_t bytes = recv(fd_, room, sizeof room, 0);
      if (bytes > 0) {
        text_.append(room, static_cast<std::size_t>(bytes));
        if (text_.size() > kDocumentBytesMax) return finish(State::ended);
        continue;
      }
      if (bytes < 0 && errno == EINTR) continue;
      if (bytes < 0 && errno == EAGAIN) return;
      return finish(State::ended);
    }
  }

 private:
  void finish(State state = State::gone) {
    state_ = state;
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }
  const Name name_;
  State state_ = State::connecting;
  int fd_ = -1;
  int pid_ = 0;
  std::string text_;
};

std::string name_of(int pid) {
  std::ifstream comm("/proc/" + std::to_string(pid) + "/comm");
  std::string name;
  std::getline(comm, name);
  return name;
}

void read_all(std::vector<std::unique_ptr<Reading>>& readings, std::chrono::milliseconds patience) {
  const auto deadline = Clock::now() + patience;
  for (;;) {
    std::vector<pollfd> waits;
    bool retry = false;
    for (const auto& reading : readings) {
      if (reading->state() == Reading::State::reading) waits.push_back({reading->fd(), POLLIN, 0});
      retry = retry || reading->state() == Reading::State::connecting;
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if ((waits.empty() && !retry) || left <= 0) return;
    poll(waits.data(), waits.size(), static_cast<int>(retry ? std::min<long>(left, 20) : left));
    for (const auto& reading : readings) {
      if (reading->state() == Reading::State::connecting) reading->try_connect();
      if (reading->state() == Reading::State::reading) reading->read_some();
    }
  }
}

}  // namespace

ProcessSurvey survey_processes(const std::string& directory, std::chrono::milliseconds patience) {
  std::set<Name> names = abstract_names();
  names.merge(names_in(directory));
  std::vector<std::unique_ptr<Reading>> readings;
  for (const Name& name : names)
    readings.push_back(std::make_unique<Reading>(name));
  read_all(readings, patience);

  ProcessSurvey survey;
  for (const auto& reading : readings) {
    if (reading->state() == Reading::State::gone || reading->state() == Reading::State::not_ours) continue;
    auto document = nlohmann::ordered_json::parse(reading->text(), nullptr, false);
    if (reading->state() == Reading::State::ended && document.is_object()) {
      survey.processes.push_back({reading->pid(), name_of(reading->pid()), std::move(document)});
    } else if (!reading->is_over() || kill(reading->pid(), 0) == 0) {  // else it ended just now, and is nobody's news
      survey.silent.push_back("process " + std::to_string(reading->pid()) + " (" + reading->what() + ")");
    }
  }
  std::sort(survey.processes.begin(), survey.processes.end(),
            [](const ProcessDocument& a, const ProcessDocument& b) { return a.pid < b.pid; });
  return survey;
}

}  // namespace softndk::tools
