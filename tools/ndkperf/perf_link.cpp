#include "tools/ndkperf/perf_link.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace softndk::tools {
namespace {

constexpr std::size_t kSlotBytes = 64;  // of notes_: slot 0 is received into, slot 1 sent from
constexpr std::uint32_t kNoticeReceives = 8;
constexpr std::size_t kResultsAtOnce = 32;

void* context(PerfTag tag) {
  return reinterpret_cast<void*>(tag);
}

}  // namespace

std::uint32_t receive_depth(const PerfHello& hello, Side side) {
  const bool is_sink_of_sends = !hello.is_control && hello.op == PerfOp::send && side == Side::server;
  // Twice the depth: one half is in use while the credit for the other is on its way.
  return is_sink_of_sends && hello.mode == PerfMode::bandwidth ? 2 * hello.depth : kNoticeReceives;
}

ULONG cq_depth(const PerfHello& hello) {
  PerfHello load = hello;
  load.is_control = false;
  const ULONG of_load = receive_depth(load, Side::server) + hello.depth + 2 * kNoticeReceives;
  if (hello.mode == PerfMode::connect) return of_load;  // connections that carry nothing complete nothing
  return (hello.connections + 1) * of_load;
}

Result<std::unique_ptr<PerfLink>> PerfLink::create(const Adapter& adapter, const Pd& pd, Cq& cq, const PerfHello& hello,
                                                   Side side) {
  std::unique_ptr<PerfLink> link(new PerfLink);
  link->hello_ = hello;
  link->cq_ = &cq;
  link->receive_depth_ = tools::receive_depth(hello, side);
  link->receives_load_ =
      !hello.is_control && hello.op == PerfOp::send && (side == Side::server || hello.mode == PerfMode::latency);
  struct Wanted {
    std::unique_ptr<Region>* region;
    std::size_t bytes;
    ULONG flags;
  };
  const std::size_t load_bytes = hello.is_control ? 1 : std::size_t{hello.offset_bytes} + hello.buffer_bytes;
  const Wanted wanted[] = {
      {&link->in_, load_bytes, NDK_MR_FLAG_ALLOW_REMOTE_WRITE | NDK_MR_FLAG_RDMA_READ_SINK},
      {&link->out_, load_bytes, NDK_MR_FLAG_ALLOW_REMOTE_READ},
      {&link->notes_, 2 * kSlotBytes, NDK_MR_FLAG_ALLOW_LOCAL_WRITE},
  };
  for (const Wanted& each : wanted) {
    auto region = Region::create(adapter, pd, each.bytes, each.flags);
    if (!region) return tl::unexpected(region.error());
    *each.region = std::move(*region);
  }
  // Besides the load: a notice or a credit, a control message.
  const ULONG initiator_depth = hello.depth + kNoticeReceives;
  auto qp = Qp::create(adapter, pd, cq, {link->receive_depth_, initiator_depth, 0}, link.get());
  if (!qp) return tl::unexpected(qp.error());
  link->qp_ = std::move(*qp);
  for (std::uint32_t i = 0; i < link->receive_depth_; ++i)
    if (auto posted = link->post_receive(); !posted) return tl::unexpected(posted.error());
  link->hello_.buffers = link->buffers();
  return link;
}

PerfBuffers PerfLink::buffers() const {
  return {in_->address() + load_at(), out_->address() + load_at(), in_->remote_token(), out_->remote_token()};
}

Result<void> PerfLink::connect(const Adapter& adapter, const Address& source, const Address& destination,
                               const Deadline& deadline) {
  auto connector = Connector::create(adapter);
  if (!connector) return tl::unexpected(connector.error());
  connector_ = std::move(*connector);
  std::array<std::byte, PerfHello::kWireBytes> private_bytes;
  encode(hello_, private_bytes);
  const auto connected =
      connector_->connect(*qp_, *cq_, source, destination, read_limits(adapter), private_bytes, deadline);
  if (!connected) return connected;
  std::array<std::byte, PerfBuffers::kWireBytes> answer;
  if (auto told = connector_->peer_private_bytes(answer); !told) return told;
  peer_ = decode_buffers(answer);
  credits = tools::receive_depth(hello_, Side::server);
  return {};
}

Result<void> PerfLink::accept(const Adapter& adapter, std::unique_ptr<Connector> connector, const Deadline& deadline) {
  connector_ = std::move(connector);
  std::array<std::byte, 256> told;
  if (auto taken = connector_->peer_private_bytes(told); !taken) return taken;
  const auto hello = decode_perf_hello(told);
  if (hello) peer_ = hello->buffers;
  std::array<std::byte, PerfBuffers::kWireBytes> answer;
  encode(buffers(), answer);
  return connector_->accept(*qp_, *cq_, read_limits(adapter), answer, deadline);
}

Result<void> PerfLink::post_receive() {
  return qp_->receive(context(PerfTag::receive),
                      receives_load_ ? in_->sge(load_at(), hello_.buffer_bytes) : notes_->sge(0, kSlotBytes));
}

Result<void> PerfLink::send_load(std::size_t bytes, ULONG flags) {
  return qp_->send(context(PerfTag::send), out_->sge(load_at(), bytes), flags);
}

Result<void> PerfLink::write_load(std::size_t bytes, ULONG flags) {
  return qp_->write(context(PerfTag::write), out_->sge(load_at(), bytes), peer_.in_address, peer_.in_token, flags);
}

Result<void> PerfLink::read_load(std::size_t bytes, ULONG flags) {
  return qp_->read(context(PerfTag::read), in_->sge(load_at(), bytes), peer_.out_address, peer_.out_token, flags);
}

Result<void> PerfLink::send_notice(ULONG flags) {
  return qp_->send(context(PerfTag::send), notes_->sge(kSlotBytes, 1), flags);
}

Result<void> PerfLink::send_control(const PerfControl& control) {
  encode(control, notes_->memory().subspan(kSlotBytes).first<PerfControl::kWireBytes>());
  // Silent: the peer's answer says that it went out, and until then the slot is not written again.
  return qp_->send(context(PerfTag::send), notes_->sge(kSlotBytes, PerfControl::kWireBytes),
                   NDK_OP_FLAG_SILENT_SUCCESS);
}

Result<PerfControl> PerfLink::take_control() {
  const PerfControl control =
      decode_control(std::span<const std::byte>(notes_->memory()).first<PerfControl::kWireBytes>());
  if (auto posted = post_receive(); !posted) return tl::unexpected(posted.error());
  return control;
}

Result<std::span<PerfResult>> take_results(Cq& cq, WaitMode wait, double limit_s, const char* waiting_for) {
  static std::array<PerfResult, kResultsAtOnce> taken;  // one thread, and no allocation in the loop that is measured
  std::array<NDK_RESULT_EX, kResultsAtOnce> results;
  for (;;) {
    const auto count = cq.wait(results, wait, Deadline(limit_s), waiting_for);
    if (!count) return tl::unexpected(count.error());
    if (*count == 0) return std::span<PerfResult>();
    std::size_t kept = 0;
    for (const NDK_RESULT_EX& result : std::span(results).first(*count)) {
      auto* link = static_cast<PerfLink*>(result.QPContext);
      if (link->disconnected) continue;  // the flush that follows a disconnect
      const auto tag = static_cast<PerfTag>(reinterpret_cast<std::uintptr_t>(result.RequestContext));
      if (result.Status != STATUS_SUCCESS) {
        static constexpr const char* kCalls[] = {"?", "NdkReceive", "NdkSend", "NdkWrite", "NdkRead"};
        Failure failure = provider_failure(fmt::format("the completion of {}", kCalls[static_cast<std::size_t>(tag)]),
                                           result.Status, link->connector().name(),
                                           result.Status == STATUS_CANCELLED ? "R-DISC-15" : "spec/ndkpi.md 3.16");
        if (result.Status == STATUS_CANCELLED) failure.reason = "the connection was lost";
        return tl::unexpected(failure);
      }
      taken[kept++] = {link, tag, result.Status, result.BytesTransferred};
    }
    if (kept > 0) return std::span(taken).first(kept);
  }
}

}  // namespace softndk::tools
