#pragma once
// The side that makes the load and takes the time.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tools/ndkperf/connect_test.h"
#include "tools/ndkperf/perf_link.h"
#include "tools/ndkperf/perf_report.h"

namespace softndk::tools {

class PerfClient {
 public:
  PerfClient(const Adapter& adapter, const Place& place, const PerfPlan& plan, double limit_s)
      : adapter_(adapter), place_(place), plan_(plan), limit_s_(limit_s) {}

  Result<void> connect();
  /// One size: agreed with the server, run, drained, and the last buffer of each connection compared.
  Result<PerfRound> run(std::size_t size_bytes);
  /// The test of connections instead of sizes.
  Result<ConnectRound> run_connects();
  Result<void> disconnect();
  std::string peer_text() const { return control_->connector().peer_text(); }
  std::string local_text() const { return control_->connector().local_text(); }

 private:
  PerfHello hello(bool is_control) const;
  Result<std::unique_ptr<PerfLink>> make_link(bool is_control);
  Result<void> latency_round(PerfRound& round);
  Result<void> bandwidth_round(PerfRound& round);
  Result<void> exchange_once(PerfLink& link, std::size_t size_bytes);
  bool may_post(const PerfLink& link) const;
  /// Links that may post are served in the order in which they became so; the others cost nothing, however many.
  void queue_if_ready(PerfLink& link);
  Result<void> post_one(PerfLink& link, std::size_t size_bytes);
  std::uint64_t iterations(std::size_t size_bytes) const;
  Result<void> drain(std::uint64_t sent);
  Result<void> verify(PerfRound& round);

  /// Waits for results and books them.
  Result<void> pump(const char* waiting_for);
  Result<void> book(const PerfResult& result);
  Result<PerfControl> ask(const PerfControl& question, PerfKind answer);

  const Adapter& adapter_;
  const Place& place_;
  const PerfPlan& plan_;
  const double limit_s_;
  std::optional<PerfControl> answer_;
  std::uint64_t completed_ = 0;   ///< over all connections, in this round
  std::uint64_t iterations_ = 0;  ///< of each connection, in this round
  std::vector<PerfLink*> ready_;
  std::vector<PerfLink*> serving_;
  std::unique_ptr<Pd> pd_;
  std::unique_ptr<Cq> cq_;
  std::unique_ptr<PerfLink> control_;
  std::vector<std::unique_ptr<PerfLink>> links_;
};

}  // namespace softndk::tools
