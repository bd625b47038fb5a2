#include "programs/control.h"

#include <sys/resource.h>

#include <array>
#include <cerrno>
#include <fstream>

namespace softndk::bench {
namespace {

double cpu_seconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

void Control::say(const nlohmann::json& line) const {
  const std::string text = line.dump() + "\n";
  send_all(socket_, std::as_bytes(std::span(text)), Wait::block);
}

std::optional<nlohmann::json> Control::hear() {
  std::array<std::byte, 4096> part;
  for (;;) {
    if (const auto end = pending_.find('\n'); end != std::string::npos) {
      auto line = nlohmann::json::parse(pending_.substr(0, end));
      pending_.erase(0, end + 1);
      return line;
    }
    const std::size_t received = receive_some(socket_, part, Wait::block);
    if (received == 0) return std::nullopt;
    pending_.append(reinterpret_cast<const char*>(part.data()), received);
  }
}

nlohmann::json Control::answer() {
  auto line = hear();
  errno = 0;
  if (!line) die("the peer has left");
  return *line;
}

Usage::Usage() : before_s_(cpu_seconds()) {}

double Usage::cpu_s() const {
  return cpu_seconds() - before_s_;
}

std::uint64_t resident_kib() {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word)
    if (word == "VmRSS:") {
      std::uint64_t kib = 0;
      status >> kib;
      return kib;
    }
  return 0;
}

}  // namespace softndk::bench
