#include "tools/ndkperf/perf_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "tools/ndkperf/perf_usage.h"

namespace softndk::tools {

Result<std::unique_ptr<PerfLink>> PerfServer::accept_one(Listener& listener) {
  auto connector = listener.next(Deadline(limit_s_));
  if (!connector) return tl::unexpected(connector.error());
  std::array<std::byte, 256> private_bytes;
  if (auto taken = (*connector)->peer_private_bytes(private_bytes); !taken) return tl::unexpected(taken.error());
  auto hello = decode_perf_hello(private_bytes);
  const bool fits = hello && hello->is_control == (control_ == nullptr) &&
                    (control_ == nullptr ||
                     (hello->op == hello_.op && hello->mode == hello_.mode && hello->depth == hello_.depth &&
                      hello->buffer_bytes == hello_.buffer_bytes && hello->offset_bytes == hello_.offset_bytes));
  if (!fits) {
    (*connector)->reject();
    return tl::unexpected(test_failure("the client is no ndkperf, or not of this version", (*connector)->name()));
  }
  if (control_ == nullptr) {
    hello_ = *hello;
    auto cq = Cq::create(adapter_, cq_depth(hello_));
    if (!cq) return tl::unexpected(cq.error());
    cq_ = std::move(*cq);
  }
  auto link = PerfLink::create(adapter_, *pd_, *cq_, *hello, Side::server);
  if (!link) return link;
  if (auto accepted = (*link)->accept(adapter_, std::move(*connector), Deadline(limit_s_)); !accepted)
    return tl::unexpected(accepted.error());
  return link;
}

Result<void> PerfServer::accept_client(Listener& listener) {
  auto pd = Pd::create(adapter_);
  if (!pd) return tl::unexpected(pd.error());
  pd_ = std::move(*pd);
  auto control = accept_one(listener);
  if (!control) return tl::unexpected(control.error());
  control_ = std::move(*control);
  if (hello_.mode == PerfMode::connect) {
    acceptor_ = std::make_unique<ConnectAcceptor>(ConnectShared{&adapter_, pd_.get(), cq_.get()}, *cq_);
    listener.hand_to(&ConnectAcceptor::connect_event, acceptor_.get());
    return {};
  }
  while (links_.size() < hello_.connections) {
    auto link = accept_one(listener);
    if (!link) return tl::unexpected(link.error());
    links_.push_back(std::move(*link));
  }
  listener.stop();
  return {};
}

Result<void> PerfServer::serve() {
  // Beside connections that come and go this thread has nothing to do, and would only be in their way.
  const WaitMode wait = acceptor_ ? WaitMode::notified : wait_ == WaitMode::notified ? wait_ : hello_.wait;
  for (;;) {
    const auto results = take_results(*cq_, wait, limit_s_, "a message of the client");
    if (!results) return tl::unexpected(results.error());
    for (const PerfResult& result : *results)
      if (auto booked = book(result); !booked) return booked;
    if (!results->empty()) continue;
    if (acceptor_) received_ = acceptor_->accepted();
    if (auto answered = answer_drained(); !answered) return answered;
    const auto is_over = follow_disconnects();
    if (!is_over) return tl::unexpected(is_over.error());
    if (*is_over) break;
  }
  if (rounds_ == 0) return tl::unexpected(test_failure("the client disconnected before any round"));
  if (!is_right_) return tl::unexpected(test_failure("the client's bytes were wrong"));
  return {};
}

void PerfServer::let_go() {
  links_.clear();
  control_.reset();
}

Result<bool> PerfServer::follow_disconnects() {
  bool is_over = true;
  const auto follow = [&](PerfLink& link) -> Result<void> {
    if (!link.disconnected && link.connector().ended()) {
      link.disconnected = true;
      if (auto done = link.connector().disconnect(Deadline(limit_s_)); !done) return done;
    }
    is_over &= link.disconnected;
    return {};
  };
  for (auto& link : links_)
    if (auto done = follow(*link); !done) return tl::unexpected(done.error());
  if (auto done = follow(*control_); !done) return tl::unexpected(done.error());
  return is_over && (!acceptor_ || acceptor_->is_empty());
}

Result<void> PerfServer::book(const PerfResult& result) {
  if (result.tag != PerfTag::receive) return {};
  if (result.link != control_.get()) return book_load(*result.link);
  const auto control = control_->take_control();
  if (!control) return tl::unexpected(control.error());
  return book_control(*control);
}

Result<void> PerfServer::book_load(PerfLink& link) {
  ++received_;
  if (auto posted = link.post_receive(); !posted) return posted;
  const bool is_latency = hello_.mode == PerfMode::latency;
  if (hello_.op == PerfOp::send && is_latency) return link.send_load(size_bytes_, NDK_OP_FLAG_SILENT_SUCCESS);
  if (hello_.op == PerfOp::write) {
    if (is_latency) {
      auto written = link.write_load(size_bytes_, NDK_OP_FLAG_SILENT_SUCCESS | NDK_OP_FLAG_DEFER);
      if (!written) return written;
    }
    return link.send_notice(NDK_OP_FLAG_SILENT_SUCCESS);
  }
  if (++link.uncredited >= link.receive_depth() / 2) {
    link.uncredited = 0;
    if (auto told = link.send_notice(NDK_OP_FLAG_SILENT_SUCCESS); !told) return told;
  }
  return answer_drained();
}

Result<void> PerfServer::answer_drained() {
  if (!is_draining_ || received_ < expected_) return {};
  is_draining_ = false;
  return control_->send_control({PerfKind::drained, 0, received_, 0, grown_kib(resident_before_kib_)});
}

Result<void> PerfServer::book_control(const PerfControl& control) {
  switch (control.kind) {
    case PerfKind::begin: {
      if (control.size_bytes == 0 || control.size_bytes > hello_.buffer_bytes)
        return tl::unexpected(test_failure(fmt::format("the client asks for {} bytes", control.size_bytes)));
      size_bytes_ = control.size_bytes;
      received_ = 0;
      for (auto& link : links_) {
        fill_load(link->out(size_bytes_));
        std::ranges::fill(link->in(size_bytes_), std::byte{0});
      }
      resident_before_kib_ = resident_kib();
      cpu_before_ns_ = cpu_ns();
      return control_->send_control({PerfKind::ready, control.size_bytes, 0});
    }
    case PerfKind::end:
      expected_ = control.count;
      is_draining_ = true;
      if (acceptor_) acceptor_->expect(expected_);
      return answer_drained();
    case PerfKind::verify: {
      const std::uint64_t used_ns = cpu_ns() - cpu_before_ns_;
      // A latency test uses the first connection only; what a read gave the client, the client compares.
      if (acceptor_) {
        ++rounds_;
        served_({0, acceptor_->accepted(), acceptor_->failed() == 0, static_cast<double>(used_ns) / 1e9});
        return control_->send_control({PerfKind::verdict, 0, acceptor_->failed(), used_ns});
      }
      const std::size_t used = hello_.op == PerfOp::read ? 0 : hello_.mode == PerfMode::latency ? 1 : links_.size();
      std::uint64_t wrong = 0;
      for (std::size_t i = 0; i < used; ++i)
        wrong += is_load(links_[i]->in(size_bytes_)) ? 0 : 1;
      ++rounds_;
      is_right_ &= wrong == 0;
      served_({size_bytes_, hello_.op == PerfOp::send ? received_ : 0, wrong == 0, static_cast<double>(used_ns) / 1e9});
      return control_->send_control({PerfKind::verdict, 0, wrong, used_ns});
    }
    default:
      return tl::unexpected(test_failure("the client asks what this side does not know", control_->connector().name()));
  }
}

}  // namespace softndk::tools
