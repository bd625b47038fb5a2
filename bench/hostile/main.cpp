// Bad peers beside one that behaves: what they cost the process that serves both, and the good one.
//
//   softndk_hostile [--operations M] [--rounds R] [--json FILE] [--check]
//
// A server answers every Send. In each round a good client exchanges M messages with it, 16 outstanding, alone and then
// beside each kind of bad peer, a process of its own; the ratio of the two rates counts, and the median of the rounds
// is printed, with what the server's resident memory has grown by. The three processes share what processors there are:
// a flood takes its share of them as any busy program does. --check: one short round, and exit 1 unless the good client
// is served beside each of them and the server's memory stays bounded; times are not looked at.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "bad_peer.h"
#include "scale/end.h"
#include "scale/peer_process.h"

namespace softndk::hostile {
namespace {

struct Options {
  std::size_t operations = 30000;
  unsigned rounds = 5;
  bool check = false;
  std::string json;
  int serve = -1;
  std::size_t connections = 16;
};

/// What one connection may make the server keep: 256 KiB of Sends that wait for a receive, buffers for both directions,
/// and what the allocator adds. Far from what a flood would leave that nothing bounds: hundreds of MiB a second.
constexpr double kGrowthMax = 4 << 20;

double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

class Run {
 public:
  explicit Run(const Options& options)
      : options_(options),
        server_(false, options.connections),
        client_(scale::make_ndk_client(server_.port(), options.connections)) {}

  bool measure(nlohmann::ordered_json& to) {
    double rate = 0;
    if (client_ == nullptr || !client_->connect(1) || !exchange(rate)) return false;
    bool bounded = true;
    for (unsigned i = 0; i < kManners; ++i) {
      std::vector<double> alone, beside, growth;
      for (unsigned round = 0; round < options_.rounds; ++round) {
        alone.emplace_back();
        beside.emplace_back();
        const auto before = static_cast<double>(server_.usage().resident_bytes);
        if (!exchange(alone.back())) return false;
        const BadPeer bad(static_cast<Manner>(i), server_.port());
        if (!bad.ok()) {
          std::fprintf(stderr, "hostile: a peer that %s could not begin\n", kMannerNames[i]);
          return false;
        }
        if (!exchange(beside.back())) return false;
        growth.push_back(static_cast<double>(server_.usage().resident_bytes) - before);
      }
      std::vector<double> ratios;
      for (unsigned round = 0; round < options_.rounds; ++round)
        ratios.push_back(beside[round] / alone[round]);
      const double grown = *std::max_element(growth.begin(), growth.end());
      bounded = bounded && grown <= kGrowthMax;
      to[kMannerNames[i]] = {
          {"rate_alone", alone}, {"rate_beside", beside}, {"ratio", ratios}, {"server_resident_growth_bytes", growth}};
      std::printf("a peer that %-28s the good one at %.2f of its rate (rounds: %.2f to %.2f); server %+.0f KiB\n",
                  kMannerNames[i], median(ratios), *std::min_element(ratios.begin(), ratios.end()),
                  *std::max_element(ratios.begin(), ratios.end()), grown / 1024);
    }
    if (!bounded) std::printf("the server's memory has grown by more than %.0f KiB\n", kGrowthMax / 1024);
    return bounded || !options_.check;
  }

 private:
  /// Operations a second of the good client.
  bool exchange(double& rate) {
    const double began = now_s();
    if (!client_->exchange(1, scale::kDepth, options_.operations)) return false;
    rate = static_cast<double>(options_.operations) / (now_s() - began);
    return true;
  }

  const Options& options_;
  scale::PeerProcess server_;
  const std::unique_ptr<scale::Client> client_;
};

int run(Options options) {
  if (options.serve >= 0) return scale::serve(options.serve, false, options.connections);
  if (options.check) {
    options.rounds = 1;
    options.operations = 5000;
  }
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  nlohmann::ordered_json results;
  if (!Run(options).measure(results)) return 1;
  if (!options.json.empty()) std::ofstream(options.json) << results.dump(1) << '\n';
  return 0;
}

}  // namespace
}  // namespace softndk::hostile

int main(int argc, char** argv) {
  softndk::hostile::Options options;
  CLI::App app("Bad peers beside a good one");
  app.add_option("--operations", options.operations)->check(CLI::PositiveNumber);
  app.add_option("--rounds", options.rounds)->check(CLI::PositiveNumber);
  app.add_option("--json", options.json);
  app.add_flag("--check", options.check);
  app.add_option("--serve", options.serve, "for this program only")->group("");
  app.add_option("--connections", options.connections, "likewise")->group("");
  CLI11_PARSE(app, argc, argv);
  return softndk::hostile::run(options);
}
