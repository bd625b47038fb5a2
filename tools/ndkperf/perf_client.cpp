#include "tools/ndkperf/perf_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "tools/ndkperf/perf_usage.h"

namespace softndk::tools {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// The best stretch of a round, in messages per second.
class Peak {
 public:
  explicit Peak(Clock::time_point start) : start_(start) {}
  void note(std::uint64_t completed) {
    constexpr double kStretch_s = 0.01;
    const double elapsed_s = seconds_since(start_);
    if (elapsed_s < kStretch_s) return;
    best_per_s_ = std::max(best_per_s_, static_cast<double>(completed - counted_) / elapsed_s);
    counted_ = completed;
    start_ = Clock::now();
  }
  double per_s() const { return best_per_s_; }

 private:
  Clock::time_point start_;
  std::uint64_t counted_ = 0;
  double best_per_s_ = 0;
};

}  // namespace

PerfHello PerfClient::hello(bool is_control) const {
  PerfHello hello;
  hello.is_control = is_control;
  hello.op = plan_.op;
  hello.mode = plan_.mode;
  hello.wait = plan_.wait;
  hello.connections = plan_.connections;
  hello.depth = plan_.depth;
  hello.buffer_bytes = static_cast<std::uint32_t>(plan_.size_max_bytes());
  hello.offset_bytes = plan_.offset_bytes;
  return hello;
}

Result<std::unique_ptr<PerfLink>> PerfClient::make_link(bool is_control) {
  auto link = PerfLink::create(adapter_, *pd_, *cq_, hello(is_control), Side::client);
  if (!link) return link;
  if (auto connected = (*link)->connect(adapter_, place_.client, place_.server, Deadline(limit_s_)); !connected)
    return tl::unexpected(connected.error());
  return link;
}

Result<void> PerfClient::connect() {
  auto pd = Pd::create(adapter_);
  if (!pd) return tl::unexpected(pd.error());
  pd_ = std::move(*pd);
  auto cq = Cq::create(adapter_, cq_depth(hello(true)));
  if (!cq) return tl::unexpected(cq.error());
  cq_ = std::move(*cq);
  auto control = make_link(true);
  if (!control) return tl::unexpected(control.error());
  control_ = std::move(*control);
  const std::uint32_t links = plan_.mode == PerfMode::connect ? 0 : plan_.connections;
  for (std::uint32_t i = 0; i < links; ++i) {
    auto link = make_link(false);
    if (!link) return tl::unexpected(link.error());
    links_.push_back(std::move(*link));
  }
  return {};
}

Result<void> PerfClient::disconnect() {
  for (auto& link : links_)
    if (auto done = link->connector().disconnect(Deadline(limit_s_)); !done) return done;
  return control_->connector().disconnect(Deadline(limit_s_));
}

Result<void> PerfClient::book(const PerfResult& result) {
  PerfLink& link = *result.link;
  if (result.tag != PerfTag::receive) {
    ++link.completed;
    ++completed_;
    queue_if_ready(link);
    return {};
  }
  if (&link == control_.get()) {
    auto answer = link.take_control();
    if (!answer) return tl::unexpected(answer.error());
    answer_ = *answer;
    return {};
  }
  ++link.received;
  // In a stream of sends the only thing that comes back is credit.
  if (plan_.op == PerfOp::send && plan_.mode == PerfMode::bandwidth) {
    link.credits += receive_depth(link.hello(), Side::server) / 2;
    queue_if_ready(link);
  }
  return link.post_receive();
}

Result<void> PerfClient::pump(const char* waiting_for) {
  const auto results = take_results(*cq_, plan_.wait, limit_s_, waiting_for);
  if (!results) return tl::unexpected(results.error());
  if (results->empty())
    return tl::unexpected(test_failure("the server has disconnected", control_->connector().name()));
  for (const PerfResult& result : *results)
    if (auto booked = book(result); !booked) return booked;
  return {};
}

Result<PerfControl> PerfClient::ask(const PerfControl& question, PerfKind answer) {
  answer_.reset();
  if (auto sent = control_->send_control(question); !sent) return tl::unexpected(sent.error());
  while (!answer_)
    if (auto pumped = pump("an answer of the server"); !pumped) return tl::unexpected(pumped.error());
  if (answer_->kind != answer)
    return tl::unexpected(test_failure("the server answers out of turn", control_->connector().name()));
  return *answer_;
}

Result<PerfRound> PerfClient::run(std::size_t size_bytes) {
  PerfRound round;
  round.size_bytes = size_bytes;
  for (auto& link : links_) {
    fill_load(link->out(size_bytes));
    std::ranges::fill(link->in(size_bytes), std::byte{0});
    link->posted = link->completed = link->received = 0;
  }
  const auto ready = ask({PerfKind::begin, static_cast<std::uint32_t>(size_bytes), 0}, PerfKind::ready);
  if (!ready) return tl::unexpected(ready.error());
  completed_ = 0;
  const std::uint64_t cpu_before_ns = cpu_ns();
  auto done = plan_.mode == PerfMode::latency ? latency_round(round) : bandwidth_round(round);
  if (!done) return tl::unexpected(done.error());
  round.cpu_s = static_cast<double>(cpu_ns() - cpu_before_ns) / 1e9;
  // No stretch was long enough, or the last one, which was not, was the best.
  round.peak_mib_s = std::max(round.peak_mib_s, round.average_mib_s());
  if (auto verified = verify(round); !verified) return tl::unexpected(verified.error());
  return round;
}

Result<ConnectRound> PerfClient::run_connects() {
  ConnectRound round;
  round.held = plan_.connections;
  round.at_a_time = std::min(plan_.depth, plan_.connections);
  std::array<std::byte, PerfHello::kWireBytes> private_bytes;
  encode(hello(false), private_bytes);
  const ConnectShared shared = {&adapter_, pd_.get(), cq_.get(), place_.client, place_.server, private_bytes};
  ConnectWave wave(shared, plan_.connections);
  if (const auto ready = ask({PerfKind::begin, 1}, PerfKind::ready); !ready) return tl::unexpected(ready.error());
  const std::uint64_t resident_before_kib = resident_kib();
  const std::uint64_t cpu_before_ns = cpu_ns();
  const std::uint64_t waves = plan_.connect_waves();
  const auto start = Clock::now();
  do {
    auto before = Clock::now();
    if (auto up = wave.move(round.at_a_time); !up) return tl::unexpected(up.error());
    round.setup_s += seconds_since(before);
    wave.record(round.setup_ns);
    if (round.made == 0) {
      round.resident_growth_kib = grown_kib(resident_before_kib);
      const auto weighed = ask({PerfKind::end, 0, plan_.connections}, PerfKind::drained);
      if (!weighed) return tl::unexpected(weighed.error());
      round.server_resident_growth_kib = weighed->resident_growth_kib;
    }
    before = Clock::now();
    if (auto down = wave.move(round.at_a_time); !down) return tl::unexpected(down.error());
    round.teardown_s += seconds_since(before);
    wave.record(round.teardown_ns);
    round.made += plan_.connections;
  } while (waves > 0 ? round.made < waves * plan_.connections : seconds_since(start) < plan_.duration_s);
  round.cpu_s = static_cast<double>(cpu_ns() - cpu_before_ns) / 1e9;
  const auto verdict = ask({PerfKind::verify}, PerfKind::verdict);
  if (!verdict) return tl::unexpected(verdict.error());
  round.server_cpu_s = static_cast<double>(verdict->cpu_ns) / 1e9;
  if (verdict->count != 0)
    return tl::unexpected(test_failure(fmt::format("{} connections failed at the server", verdict->count)));
  return round;
}

Result<void> PerfClient::exchange_once(PerfLink& link, std::size_t size_bytes) {
  if (plan_.op == PerfOp::read) {
    const std::uint64_t wanted = link.completed + 1;
    if (auto posted = link.read_load(size_bytes, 0); !posted) return posted;
    while (link.completed < wanted)
      if (auto pumped = pump("the completion of NdkRead"); !pumped) return pumped;
    return {};
  }
  const std::uint64_t wanted = link.received + 1;
  if (plan_.op == PerfOp::send) {
    if (auto posted = link.send_load(size_bytes, NDK_OP_FLAG_SILENT_SUCCESS); !posted) return posted;
  } else {
    // Polling the last byte would be quicker and wrong: nothing promises that it comes last (R-RDMA-05).
    auto posted = link.write_load(size_bytes, NDK_OP_FLAG_SILENT_SUCCESS | NDK_OP_FLAG_DEFER);
    if (posted) posted = link.send_notice(NDK_OP_FLAG_SILENT_SUCCESS);
    if (!posted) return posted;
  }
  while (link.received < wanted)
    if (auto pumped = pump("the echo of the server"); !pumped) return pumped;
  return {};
}

std::uint64_t PerfClient::iterations(std::size_t size_bytes) const {
  constexpr std::uint64_t kUnbounded = UINT64_MAX / kPerfConnectionsMax;
  if (plan_.iterations > 0) return plan_.iterations;
  return plan_.duration_s > 0 ? kUnbounded : plan_.default_iterations(size_bytes);
}

Result<void> PerfClient::latency_round(PerfRound& round) {
  PerfLink& link = *links_.front();
  const std::uint64_t iterations = this->iterations(round.size_bytes);
  constexpr std::uint64_t kWarmUp = 50;
  for (std::uint64_t i = 0; i < std::min(kWarmUp, iterations); ++i)
    if (auto done = exchange_once(link, round.size_bytes); !done) return done;
  const unsigned ways = plan_.op == PerfOp::read ? 1 : 2;
  const auto start = Clock::now();
  auto before = start;
  for (std::uint64_t i = 0; i < iterations; ++i) {
    if (auto done = exchange_once(link, round.size_bytes); !done) return done;
    const auto now = Clock::now();
    round.latency_ns.record(static_cast<std::uint64_t>((now - before).count()) / ways);
    before = now;
    ++round.iterations;
    if (plan_.duration_s > 0 && std::chrono::duration<double>(now - start).count() >= plan_.duration_s) break;
  }
  round.elapsed_s = seconds_since(start);
  return {};
}

void PerfClient::queue_if_ready(PerfLink& link) {
  if (link.is_queued || !may_post(link)) return;
  link.is_queued = true;
  ready_.push_back(&link);
}

bool PerfClient::may_post(const PerfLink& link) const {
  if (link.posted >= iterations_ || link.posted - link.completed >= plan_.depth) return false;
  return plan_.op != PerfOp::send || link.credits > 0;
}

Result<void> PerfClient::post_one(PerfLink& link, std::size_t size_bytes) {
  ++link.posted;
  if (plan_.op == PerfOp::send) --link.credits;
  const ULONG flags = plan_.defer && may_post(link) ? NDK_OP_FLAG_DEFER : 0;
  switch (plan_.op) {
    case PerfOp::send:
      return link.send_load(size_bytes, flags);
    case PerfOp::write:
      return link.write_load(size_bytes, flags);
    case PerfOp::read:
      return link.read_load(size_bytes, flags);
  }
  return {};
}

Result<void> PerfClient::bandwidth_round(PerfRound& round) {
  iterations_ = iterations(round.size_bytes);
  ready_.clear();
  for (auto& link : links_) {
    link->is_queued = false;
    queue_if_ready(*link);
  }
  const auto start = Clock::now();
  Peak peak(start);
  bool time_is_up = false;
  std::uint64_t posted = 0;
  for (;;) {
    serving_.clear();
    std::swap(ready_, serving_);
    for (PerfLink* link : serving_) {
      link->is_queued = false;
      while (!time_is_up && may_post(*link)) {
        if (auto done = post_one(*link, round.size_bytes); !done) return done;
        ++posted;
      }
    }
    if (completed_ >= posted && (time_is_up || posted >= iterations_ * links_.size())) break;
    if (auto pumped = pump("the completion of the load"); !pumped) return pumped;
    peak.note(completed_);
    time_is_up = plan_.duration_s > 0 && seconds_since(start) >= plan_.duration_s;
  }
  if (auto drained = drain(posted); !drained) return drained;
  round.elapsed_s = seconds_since(start);
  round.iterations = posted;
  round.peak_mib_s = peak.per_s() * static_cast<double>(round.size_bytes) / (1024.0 * 1024.0);
  return {};
}

Result<void> PerfClient::drain(std::uint64_t sent) {
  // A Send or Write completes when TCP has taken it (spec/ndkpi.md 3.17): only the peer can say that it has arrived.
  switch (plan_.op) {
    case PerfOp::send:
      if (auto drained = ask({PerfKind::end, 0, sent}, PerfKind::drained); !drained)
        return tl::unexpected(drained.error());
      return {};
    case PerfOp::write:
      for (auto& link : links_)
        if (auto noticed = link->send_notice(NDK_OP_FLAG_SILENT_SUCCESS); !noticed) return noticed;
      for (auto& link : links_)
        while (link->received == 0)
          if (auto pumped = pump("the server's last notice"); !pumped) return pumped;
      return {};
    case PerfOp::read:
      return {};
  }
  return {};
}

Result<void> PerfClient::verify(PerfRound& round) {
  const std::size_t size_bytes = round.size_bytes;
  const auto verdict = ask({PerfKind::verify, 0, 0}, PerfKind::verdict);
  if (!verdict) return tl::unexpected(verdict.error());
  round.server_cpu_s = static_cast<double>(verdict->cpu_ns) / 1e9;
  if (verdict->count != 0)
    return tl::unexpected(
        test_failure(fmt::format("the server found wrong bytes on {} of {} connections after {} bytes each",
                                 verdict->count, links_.size(), size_bytes)));
  const bool has_echo = plan_.op == PerfOp::read || plan_.mode == PerfMode::latency;
  const std::size_t used = plan_.mode == PerfMode::latency ? 1 : links_.size();
  for (std::size_t i = 0; has_echo && i < used; ++i)
    if (!is_load(links_[i]->in(size_bytes)))
      return tl::unexpected(test_failure("wrong bytes came from the server", links_[i]->connector().name()));
  return {};
}

}  // namespace softndk::tools
