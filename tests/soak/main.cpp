// Two processes and real TCP: one listens, one connects; both connect, accept, refuse, send, write, read, disconnect
// and close at random, and check every octet. Now and then one is killed without a word. The other one must notice,
// give everything back in bounded time, and go on; what it holds of the machine stays the same.
//
//   softndk_soak [--seconds N] [--seed S] [--kill-every-ms M]
//
// N is 10, or 600 with SOFTNDK_TEST_LONG=1. Exit code 0: all was right. Nothing outlives this program.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "child.h"
#include "cycles/kinds.h"

namespace softndk::soak {
namespace {

using Clock = std::chrono::steady_clock;
using cycles::Random;

// What may last how long: far beyond what it takes, sanitizers and a busy machine included. Reaching one is a failure.
constexpr int kStartMs = 20'000;
constexpr int kSilenceMs = 30'000;  // (a worker that hangs is reported before)
constexpr int kQuietMs = 30'000;
constexpr int kExitMs = 30'000;

/// By how much a process may have grown between the first time it was quiet and the last. The heap is known to the
/// octet, but for the C library's caches of each thread. Resident memory counts in addition what arenas cannot give
/// back, pages of stacks that were touched once, and code that was run for the first time.
constexpr std::uint64_t kHeapSlack = 256 << 10;
constexpr std::uint64_t kResidentSlack = 3 << 20;

struct Options {
  unsigned seconds = std::getenv("SOFTNDK_TEST_LONG") != nullptr ? 600 : 10;
  std::uint64_t seed = 1;
  unsigned kill_every_ms = 700;
};

class Soak {
 public:
  explicit Soak(const Options& options) : options_(options), random_(options.seed) {}
  bool run();

 private:
  /// Who is killed: one side for two fifths of the time, so that the other one lives for as long; then the other; then
  /// either.
  Role choose_victim(Clock::time_point began);
  bool start(Role role);
  bool go();
  bool listen_to_both(int milliseconds);
  bool kill_and_look(Role role);
  /// Waits for a line that begins so; everything else it says is looked at.
  std::optional<std::string> await(Child& child, const char* begin, int timeout_ms);
  bool heed(Child& child, const std::string& line);
  bool account_for(Child& child, const std::string& line);
  bool end();
  Child& child(Role role) { return *children_[static_cast<unsigned>(role)]; }
  static Role other(Role role) { return role == Role::connects ? Role::listens : Role::connects; }

  const Options options_;
  Random random_;
  std::unique_ptr<Child> children_[2];
  std::vector<Account> accounts_[2];  ///< of the process that lives now
  std::vector<Account> longest_[2];   ///< of the one that was quiet most often
  std::string port_;
  unsigned kills_[2] = {};
  double longest_quiet_ms_ = 0;
  bool all_right_ = true;
  std::uint64_t sessions_ = 0, established_ = 0, left_ = 0, lost_ = 0, cancelled_ = 0, checked_bytes_ = 0;
};

bool Soak::heed(Child& child, const std::string& line) {
  if (line.starts_with("hung")) {
    std::fprintf(stderr, "soak: %d (%s): %s\n", child.pid(), kRoleNames[static_cast<unsigned>(child.role())],
                 line.c_str());
    child.show_and_abort();
    return false;
  }
  if (line.starts_with("wrong")) {
    std::fprintf(stderr, "soak: %d (%s): %s\n", child.pid(), kRoleNames[static_cast<unsigned>(child.role())],
                 line.c_str());
    all_right_ = false;
  }
  return true;
}

std::optional<std::string> Soak::await(Child& child, const char* begin, int timeout_ms) {
  const auto until = Clock::now() + std::chrono::milliseconds(timeout_ms);
  while (Clock::now() < until) {
    const std::optional<std::string> line = child.line(1000);
    if (line && line->starts_with(begin)) return line;
    if (line && !heed(child, *line)) return std::nullopt;
    if (child.is_mute()) {
      std::fprintf(stderr, "soak: %d (%s) ended on its own\n", child.pid(),
                   kRoleNames[static_cast<unsigned>(child.role())]);
      return std::nullopt;
    }
  }
  std::fprintf(stderr, "soak: no \"%s\" within %d ms\n", begin, timeout_ms);
  child.show_and_abort();
  return std::nullopt;
}

bool Soak::start(Role role) {
  accounts_[static_cast<unsigned>(role)].clear();
  children_[static_cast<unsigned>(role)] = std::make_unique<Child>(role, random_.next());
  if (role == Role::connects) return true;
  const std::optional<std::string> line = await(child(role), "port ", kStartMs);
  if (line) port_ = line->substr(5);
  return line.has_value();
}

bool Soak::go() {
  for (auto& each : children_)
    each->command("go " + port_);
  return true;
}

bool Soak::listen_to_both(int milliseconds) {
  const auto until = Clock::now() + std::chrono::milliseconds(milliseconds);
  Clock::time_point last_said[2] = {Clock::now(), Clock::now()};
  while (Clock::now() < until) {
    for (unsigned i = 0; i < 2; ++i) {
      while (const std::optional<std::string> line = children_[i]->line(5)) {
        last_said[i] = Clock::now();
        if (!heed(*children_[i], *line)) return false;
      }
      if (children_[i]->is_mute()) {
        std::fprintf(stderr, "soak: %d (%s) ended on its own\n", children_[i]->pid(), kRoleNames[i]);
        return false;
      }
      if (Clock::now() < last_said[i] + std::chrono::milliseconds(kSilenceMs)) continue;
      children_[i]->show_and_abort();
      return false;
    }
  }
  return true;
}

Role Soak::choose_victim(Clock::time_point began) {
  const double part = std::chrono::duration<double>(Clock::now() - began).count() / options_.seconds;
  if (part < 0.4) return Role::connects;
  if (part < 0.8) return Role::listens;
  return random_.one_in(2) ? Role::connects : Role::listens;
}

bool Soak::kill_and_look(Role role) {
  Child& survivor = child(other(role));
  child(role).kill();
  ++kills_[static_cast<unsigned>(role)];
  const auto killed = Clock::now();
  // It finishes by itself what it has with the dead one: it takes no new connection, and those that it has end.
  survivor.command("quiet");
  const std::optional<std::string> line = await(survivor, "quiet ", kQuietMs);
  if (!line) return false;
  longest_quiet_ms_ =
      std::max(longest_quiet_ms_, std::chrono::duration<double, std::milli>(Clock::now() - killed).count());
  return account_for(survivor, *line) && start(role) && go();
}

bool Soak::account_for(Child& child, const std::string& line) {
  auto& accounts = accounts_[static_cast<unsigned>(child.role())];
  const Account now(line);
  const Account before = accounts.empty() ? Account("") : accounts.back();
  sessions_ += now["sessions"] - before["sessions"];
  established_ += now["established"] - before["established"];
  left_ += now["left"] - before["left"];
  lost_ += now["lost"] - before["lost"];
  cancelled_ += now["cancelled"] - before["cancelled"];
  checked_bytes_ += now["checked"] - before["checked"];
  accounts.push_back(now);
  auto& longest = longest_[static_cast<unsigned>(child.role())];
  if (accounts.size() >= longest.size()) longest = accounts;
  const Account& first = accounts.front();
  const bool flat =
      now["active"] == 0 && now["descriptors"] == first["descriptors"] && now["heap"] <= first["heap"] + kHeapSlack;
  // A sanitizer keeps what was freed, and says so by counting no heap.
  const bool resident_flat = now["heap"] == 0 || now["resident"] <= first["resident"] + kResidentSlack;
  if (flat && resident_flat) return true;
  std::fprintf(
      stderr,
      "soak: %d (%s) has not given everything back\n  first %llu heap, %llu resident, %llu descriptors\n  now %s\n",
      child.pid(), kRoleNames[static_cast<unsigned>(child.role())], static_cast<unsigned long long>(first["heap"]),
      static_cast<unsigned long long>(first["resident"]), static_cast<unsigned long long>(first["descriptors"]),
      line.c_str());
  return false;
}

bool Soak::end() {
  bool right = true;
  // The one that connects first: the other one answers until then.
  static_assert(static_cast<unsigned>(Role::connects) == 0);
  for (auto& each : children_) {
    each->command("quiet");
    const std::optional<std::string> line = await(*each, "quiet ", kQuietMs);
    if (!line || !account_for(*each, *line)) return false;
  }
  for (auto& each : children_) {
    each->command("quit");
    const int code = each->wait(kExitMs);
    if (code == 0) continue;
    std::fprintf(stderr, "soak: %s: exit code %d\n", kRoleNames[static_cast<unsigned>(each->role())], code);
    if (each->pid() > 0) each->show_and_abort();
    right = false;
  }
  return right;
}

bool Soak::run() {
  std::printf("soak: %u s, --seed %llu, a kill every %u ms\n", options_.seconds,
              static_cast<unsigned long long>(options_.seed), options_.kill_every_ms);
  std::fflush(stdout);
  const auto began = Clock::now();
  const auto until = began + std::chrono::seconds(options_.seconds);
  if (!start(Role::listens) || !start(Role::connects)) return false;
  go();
  while (Clock::now() < until) {
    const unsigned pause_ms = options_.kill_every_ms / 4 + random_.below(options_.kill_every_ms * 3 / 2);
    if (!listen_to_both(static_cast<int>(pause_ms))) return false;
    if (!kill_and_look(choose_victim(began))) return false;
  }
  const bool ended_right = end();
  std::printf(
      "kills: %u of the one that connects, %u of the one that listens; quiet within %.0f ms at most\n"
      "sessions of survivors: %llu, %llu established, %llu with a disconnect event, %llu broken, %llu requests "
      "cancelled, %llu MiB checked\n",
      kills_[0], kills_[1], longest_quiet_ms_, static_cast<unsigned long long>(sessions_),
      static_cast<unsigned long long>(established_), static_cast<unsigned long long>(left_),
      static_cast<unsigned long long>(lost_), static_cast<unsigned long long>(cancelled_),
      static_cast<unsigned long long>(checked_bytes_ >> 20));
  for (unsigned i = 0; i < 2; ++i) {
    if (longest_[i].empty()) continue;
    const Account &first = longest_[i].front(), &last = longest_[i].back();
    std::printf(
        "one that %s, first and last of %zu times: resident %llu and %llu KiB, heap %llu and %llu KiB, "
        "descriptors %llu and %llu\n",
        kRoleNames[i], longest_[i].size(), static_cast<unsigned long long>(first["resident"] >> 10),
        static_cast<unsigned long long>(last["resident"] >> 10), static_cast<unsigned long long>(first["heap"] >> 10),
        static_cast<unsigned long long>(last["heap"] >> 10), static_cast<unsigned long long>(first["descriptors"]),
        static_cast<unsigned long long>(last["descriptors"]));
  }
  if (kills_[0] == 0 || kills_[1] == 0 || left_ == 0 || lost_ == 0 || cancelled_ == 0 || checked_bytes_ == 0) {
    std::fprintf(stderr, "soak: too little has happened for this to say anything\n");
    return false;
  }
  return ended_right && all_right_;
}

int usage() {
  std::fprintf(stderr, "usage: softndk_soak [--seconds N] [--seed S] [--kill-every-ms M]\n");
  return 2;
}

int main_of(int count, char** words) {
  if (count == 6 && std::strcmp(words[1], "--peer") == 0) {
    PeerOptions peer;
    peer.role = std::strcmp(words[2], kRoleNames[0]) == 0 ? Role::connects : Role::listens;
    peer.seed = std::strtoull(words[3], nullptr, 10);
    peer.commands = std::atoi(words[4]);
    peer.reports = std::atoi(words[5]);
    return run_peer(peer);
  }
  Options options;
  for (int i = 1; i < count; i += 2) {
    if (i + 1 == count) return usage();
    const std::string name = words[i];
    const std::uint64_t value = std::strtoull(words[i + 1], nullptr, 10);
    if (name == "--seconds" && value > 0) {
      options.seconds = static_cast<unsigned>(value);
    } else if (name == "--seed") {
      options.seed = value;
    } else if (name == "--kill-every-ms" && value > 0) {
      options.kill_every_ms = static_cast<unsigned>(value);
    } else {
      return usage();
    }
  }
  Soak soak(options);
  const bool right = soak.run();
  std::printf("soak: %s\n", right ? "all right" : "FAILED");
  return right ? 0 : 1;
}

}  // namespace
}  // namespace softndk::soak

int main(int count, char** words) {
  return softndk::soak::main_of(count, words);
}
